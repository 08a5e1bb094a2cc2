//! What a shop's log says of jobs.

use std::time::SystemTime;

/// What it says of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: SystemTime,
    /// What.
    pub what: What,
    /// The order whose receipt it is about.
    pub order: i64,
    /// What the queue calls the job.
    pub job: String,
}

/// What has happened to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Its handler was called.
    Begun,
    /// The receipt is in the books.
    Sent,
}

/// The lines about jobs. What is cut off in the middle, by a kill, is not one.
pub fn lines(log: &str) -> Vec<Line> {
    log.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<Line> {
    let (time, rest) = text.split_once(' ')?;
    let what = if rest.contains(": receipt begun ") {
        What::Begun
    } else if rest.contains(": receipt sent ") {
        What::Sent
    } else {
        return None;
    };
    // The id may have spaces in it.
    let (_, rest) = rest.split_once(" order=")?;
    let (order, rest) = rest.split_once(" job=\"")?;
    // The attempt is the last field: with it the line is whole.
    let (job, _) = rest.split_once("\" attempt=")?;
    Some(Line {
        at: humantime::parse_rfc3339(time).ok()?,
        what,
        order: order.parse().ok()?,
        job: job.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_to_which_job_and_when() {
        let log = "2026-01-02T03:04:05.250000Z DEBUG shop::receipts: receipt begun order=7 job=\"jobs 9\" attempt=2\n\
                   2026-01-02T03:04:05.250100Z  INFO shop::receipts: receipt once more order=7 job=\"jobs 9\" attempt=2\n\
                   2026-01-02T03:04:05.300000Z DEBUG shop::receipts: receipt sent order=7 job=\"jobs 9\" attempt=2\n\
                   2026-01-02T03:04:05.310000Z DEBUG shop::receipts: receipt begun order=7";
        let lines = lines(log);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].what, lines[1].what), (What::Begun, What::Sent));
        assert_eq!((lines[0].order, lines[0].job.as_str()), (7, "jobs 9"));
        let between = lines[1].at.duration_since(lines[0].at).unwrap();
        assert_eq!(between.as_millis(), 50);
    }
}
