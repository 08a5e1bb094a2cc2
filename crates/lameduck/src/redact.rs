//! What must not be in a log: the passwords in addresses, and the values in SQL.
//!
//! # What must hold
//!
//! 1. Of an address `scheme://user:password@host` nobody is told what is before the `@`, whoever says it: an
//!    error of ours or of a library. Nor, of `password=…` as libpq and others have it, the value.
//! 2. Of a statement nobody is told a value that is written in it. It may be cut anywhere.
//! 3. Everything else stays as it is.

use std::borrow::Cow;

/// Stands for what is left out of an address.
const HIDDEN: &str = "…";

/// `text` without the passwords in it.
pub(crate) fn without_passwords(text: &str) -> Cow<'_, str> {
    let text = without_userinfo(text);
    match without_password_values(&text) {
        Some(shorter) => Cow::Owned(shorter),
        None => text,
    }
}

fn ends_address(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// How much of what is behind `://` says who is asking; `None` if nothing does.
fn userinfo(rest: &str) -> Option<usize> {
    let address = &rest[..rest.find(ends_address).unwrap_or(rest.len())];
    let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password with one of these in it, which nobody has encoded: then there is no port before it.
    let (_, port) = authority.rsplit_once(':')?;
    let cut = authority.len() < address.len();
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let is_v6 = authority.starts_with('[') && authority.ends_with(']');
    (cut && !is_port && !is_v6)
        .then(|| address.rfind('@'))
        .flatten()
}

fn without_userinfo(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, behind) = rest.split_at(scheme + 3);
        out.push_str(before);
        rest = behind;
        if let Some(length) = userinfo(rest) {
            out.push_str(HIDDEN);
            rest = &rest[length..];
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn without_password_values(text: &str) -> Option<String> {
    // As long as `text`: only ASCII changes.
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut from = 0;
    for (at, key) in lower.match_indices("password=") {
        let value = at + key.len();
        if value < from {
            continue;
        }
        let rest = &text[value..];
        let length = match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
            _ => rest
                .find(|c: char| ends_address(c) || matches!(c, '&' | ';' | ','))
                .unwrap_or(rest.len()),
        };
        out.push_str(&text[from..value]);
        out.push_str(HIDDEN);
        from = value + length;
    }
    (from > 0).then(|| out + &text[from..])
}

/// A statement with `?` for each value in it, and without its comments. Parameters (`$1`) and names stay
/// (PostgreSQL's documentation, "Lexical Structure").
#[cfg(feature = "sqlx-postgres")]
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
#[cfg(feature = "sqlx-postgres")]
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
#[cfg(feature = "sqlx-postgres")]
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
#[cfg(feature = "sqlx-postgres")]
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
    fn passwords_are_left_out_of_addresses_and_nothing_else() {
        for (said, told) in [
            (
                "postgres://app:s3cret@db:5432/shop: refused",
                "postgres://…@db:5432/shop: refused",
            ),
            ("redis://:s3cret@cache", "redis://…@cache"),
            ("https://token@host/path?x=1", "https://…@host/path?x=1"),
            ("amqp://a:b@h1,amqp://c:d@h2", "amqp://…@h1,amqp://…@h2"),
            ("postgres://app:s3/cr#et@db/shop", "postgres://…@db/shop"),
            (
                "at 'mysql://u:p@h' and \"x://v:q@i\"",
                "at 'mysql://…@h' and \"x://…@i\"",
            ),
            (
                "host=db password=s3cret user=a",
                "host=db password=… user=a",
            ),
            ("PASSWORD='two words' host=db", "PASSWORD=… host=db"),
            ("x?user=a&password=b&c=d", "x?user=a&password=…&c=d"),
        ] {
            assert_eq!(without_passwords(said), told);
        }
        for same in [
            "",
            "connection refused",
            "http://host:8080/a@b",
            "http://[::1]:80/a@b",
            "http://[::1]/a@b",
            "http://host/@me",
            "mail to a@b.c",
            "://",
            "unix:/run/x.sock",
        ] {
            assert_eq!(without_passwords(same), same);
        }
    }

    #[cfg(feature = "sqlx-postgres")]
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
