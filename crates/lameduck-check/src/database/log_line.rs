//! What a line of PostgreSQL's log says, and of whom.

/// Said of a session whose client did not say goodbye, or that was cut.
const COMPLAINTS: [&str; 8] = [
    "unexpected EOF on client connection",
    "could not receive data from client",
    "could not send data to client",
    "Connection reset by peer",
    "Broken pipe",
    "connection to client lost",
    "terminating connection due to",
    "terminating connection because of",
];

/// Where a line's own text begins.
const SEVERITIES: [&str; 5] = ["LOG:", "FATAL:", "ERROR:", "WARNING:", "DEBUG:"];

/// Where a log line has the number of the process that wrote it, read from `log_line_prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidPlace {
    before: String,
    after: String,
    is_first: bool,
}

impl PidPlace {
    /// `None` when the prefix has no number that could be told from others.
    pub(super) fn of_prefix(prefix: &str) -> Option<Self> {
        let at = find_escape(prefix, 'p')?;
        let before = literal_end(&prefix[..at]);
        let after = prefix[at + 2..].split('%').next().unwrap_or("").to_owned();
        let is_first = at == before.len();
        ((is_first || !before.is_empty()) && !after.is_empty()).then_some(Self {
            before,
            after,
            is_first,
        })
    }

    fn is_in(&self, head: &str, pid: i32) -> bool {
        let wanted = format!("{}{pid}{}", self.before, self.after);
        match self.is_first {
            true => head.starts_with(&wanted),
            false => head.contains(&wanted),
        }
    }
}

/// Where `%` and this letter stand, with `%%` left alone.
fn find_escape(prefix: &str, letter: char) -> Option<usize> {
    let mut letters = prefix.char_indices();
    while let Some((at, found)) = letters.next() {
        if found == '%' && letters.next().is_some_and(|(_, found)| found == letter) {
            return Some(at);
        }
    }
    None
}

/// What is written as it stands at the end of a part of a prefix.
fn literal_end(part: &str) -> String {
    match part.rfind('%') {
        // The escape is `%`, a width perhaps, and a letter.
        Some(at) => {
            let escape =
                part[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
            escape.chars().skip(1).collect()
        }
        None => part.to_owned(),
    }
}

/// What the lines say against the session of this process.
pub(super) fn complaints_of(lines: &str, place: &PidPlace, pid: i32) -> Vec<String> {
    let said_by = |line: &str| -> Option<String> {
        let at = SEVERITIES
            .iter()
            .filter_map(|severity| line.find(severity))
            .min()?;
        let (head, text) = line.split_at(at);
        let is_complaint = COMPLAINTS.iter().any(|complaint| text.contains(complaint));
        (place.is_in(head, pid) && is_complaint).then(|| text.trim().to_owned())
    };
    lines.lines().filter_map(said_by).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(prefix: &str) -> PidPlace {
        PidPlace::of_prefix(prefix).unwrap()
    }

    #[test]
    fn a_complaint_belongs_to_the_process_that_the_prefix_names() {
        let log = "2026-01-02 03:04:05.123 UTC [123] LOG:  unexpected EOF on client connection with an open transaction\n\
                   2026-01-02 03:04:05.124 UTC [2026] LOG:  could not receive data from client: Connection reset by peer\n\
                   2026-01-02 03:04:05.125 UTC [123] STATEMENT:  select 1\n\
                   2026-01-02 03:04:05.126 UTC [124] LOG:  checkpoint starting: time";
        let place = place("%m [%p] ");
        assert_eq!(
            complaints_of(log, &place, 123),
            ["LOG:  unexpected EOF on client connection with an open transaction"]
        );
        assert_eq!(complaints_of(log, &place, 2026).len(), 1);
        assert!(complaints_of(log, &place, 124).is_empty());
        assert!(complaints_of(log, &place, 5).is_empty());
    }

    #[test]
    fn the_place_is_found_in_prefixes_of_many_kinds() {
        let line = |head: &str| {
            format!("{head}FATAL:  terminating connection due to administrator command")
        };
        for (prefix, head) in [
            ("%p %m ", "77 2026-01-02 03:04:05 UTC "),
            (
                "%t:%r:%u@%d:[%p]: ",
                "2026-01-02 03:04:05 UTC:127.0.0.1(5):a@b:[77]: ",
            ),
            ("%m %q%u@%d %p ", "2026-01-02 03:04:05 UTC a@b 77 "),
            ("%-5m <%p> %%", "2026-01-02 <77> %"),
        ] {
            let found = complaints_of(&line(head), &place(prefix), 77);
            assert_eq!(found.len(), 1, "{prefix}");
        }
    }

    #[test]
    fn a_prefix_that_does_not_tell_processes_apart_is_of_no_use() {
        for prefix in ["%m ", "", "%%p ", "%m%p%u"] {
            assert_eq!(PidPlace::of_prefix(prefix), None, "{prefix}");
        }
    }
}
