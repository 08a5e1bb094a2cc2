//! What is told of a statement: not the values in it.

/// A statement with `?` for each value in it, and without its comments. Parameters (`$1`) and names stay
/// (PostgreSQL's documentation, "Lexical Structure").
pub(crate) fn without_values(sql: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let until = |text: &str, end: &dyn Fn(char) -> bool| text.find(end).unwrap_or(text.len());
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let (length, is_value) = match c {
            '\'' => (quoted(rest, '\'', false), true),
            '"' => (quoted(rest, '"', false), false),
            '$' => match dollar_quoted(rest) {
                Some(length) => (length, true),
                None => (1 + until(&rest[1..], &|c| !is_word(c)), false),
            },
            '0'..='9' => (until(rest, &|c| !is_word(c) && c != '.'), true),
            _ if is_word(c) => {
                let word = until(rest, &|c| !is_word(c));
                match (&rest[..word], rest[word..].starts_with('\'')) {
                    ("E" | "e", true) => (word + quoted(&rest[word..], '\'', true), true),
                    ("B" | "b" | "X" | "x" | "N" | "n", true) => (word, true),
                    _ => (word, false),
                }
            }
            '-' if rest.starts_with("--") => {
                rest = &rest[until(rest, &|c| c == '\n')..];
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = &rest[comment(rest)..];
                continue;
            }
            _ => (c.len_utf8(), false),
        };
        let (token, behind) = rest.split_at(length);
        match is_value {
            false => out.push_str(token),
            // The mark of a kind of string, and the string.
            true if out.ends_with('?') => {}
            true => out.push('?'),
        }
        rest = behind;
    }
    out
}

/// How long the quoted text is with which `text` begins; all of it if that does not end.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = || text[at + 1..].starts_with(quote);
        if (escapes && c == '\\') || (c == quote && doubled()) {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The same for `$tag$…$tag$`; `None` if it does not begin so.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag = text[1..].find('$')? + 2;
    let name = &text[1..tag - 1];
    if name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return None;
    }
    let end = text[tag..].find(&text[..tag]);
    Some(end.map_or(text.len(), |end| tag + end + tag))
}

/// How long the comment is with which `text` begins. They nest.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_of_statements_wherever_they_are_cut() {
        for (sql, told) in [
            (
                "SELECT * FROM t1 WHERE a = $1",
                "SELECT * FROM t1 WHERE a = $1",
            ),
            ("SELECT pg_sleep(60)", "SELECT pg_sleep(?)"),
            (
                "UPDATE u SET pw = 'it''s', n = -1.5e3",
                "UPDATE u SET pw = ?, n = -?",
            ),
            (
                "SELECT E'a\\'b', B'10', U&'x', \"Name 1\", a1",
                "SELECT ?, ?, U&?, \"Name 1\", a1",
            ),
            ("DO $x$ SELECT 'secret' $x$; SELECT 1", "DO ?; SELECT ?"),
            ("DO $$ secret $$", "DO ?"),
            (
                "/* a /* b */ 'c' */SELECT 1 -- 'secret'\nFROM t",
                "SELECT ? \nFROM t",
            ),
            ("SELECT 'Grüße', 'not end", "SELECT ?, ?"),
        ] {
            assert_eq!(without_values(sql), told);
        }
        let sql = "SELECT E'secret\\'' || $q$secret$q$, 'secret', 12345 /* secret */ -- secret";
        for (end, _) in sql.char_indices() {
            let told = without_values(&sql[..end]);
            assert!(!told.contains("sec") && !told.contains('1'), "{told}");
        }
    }
}
