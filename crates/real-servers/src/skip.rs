//! Tests that did nothing: told at once, and counted at the end of the run.
//!
//! # What must hold
//! - Whoever runs the tests sees each skip, also where the test harness captures what tests print, and with
//!   `RUST_TEST_THREADS` of any size.
//! - What is counted belongs to one run: the record is named after the process that started the test programs
//!   (`cargo test`), by its number and the time of its start. Two runs at the same time do not mix.
//! - With [`REQUIRED`] set a skip is a failure.
//! - A record that cannot be written costs the count, and never the test.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// If this variable is set, [`skip`] panics: for the place where every server is supposed to be installed
/// and every privilege to be had.
pub const REQUIRED: &str = "REAL_SERVERS_REQUIRED";

/// Says that the test of this thread does nothing, and what it needs to do something.
///
/// # Panics
/// If the environment variable [`REQUIRED`] is set.
pub fn skip(reason: impl fmt::Display) {
    if std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty()) {
        panic!("{reason}, and {REQUIRED} is set")
    }
    // The harness captures what `eprintln!` writes, not what is written to the stream itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
    note(&Run::parent(), &reason.to_string());
}

/// The process that started some test programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run(String);

impl Run {
    /// The process that started this one: `cargo test`, as a rule.
    pub fn parent() -> Run {
        let parent = rustix::process::getppid();
        Run::of(parent.map_or(0, |it| it.as_raw_nonzero().get().unsigned_abs()))
    }

    /// This process, for one that starts tests itself.
    pub fn this() -> Run {
        Run::of(std::process::id())
    }

    fn of(pid: u32) -> Run {
        Run(format!("{pid}-{}", began(pid).unwrap_or_default()))
    }

    fn is_over(name: &str) -> bool {
        let pid = name.split('-').next().and_then(|it| it.parse().ok());
        pid.is_none_or(|pid| Run::of(pid).0 != name)
    }

    /// What was skipped in this run so far.
    pub fn skipped(&self) -> Skipped {
        let text = folder()
            .and_then(|folder| fs::read_to_string(folder.join(&self.0)).ok())
            .unwrap_or_default();
        Skipped::of(&text)
    }

    /// Forgets what is known of runs that are over.
    pub fn forget_others() {
        let Some(files) = folder().and_then(|folder| fs::read_dir(folder).ok()) else {
            return;
        };
        for file in files.flatten() {
            if Run::is_over(&file.file_name().to_string_lossy()) {
                // Somebody else may have removed it meanwhile.
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Tests that did nothing, by the reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Skipped(BTreeMap<String, Vec<String>>);

impl Skipped {
    fn of(record: &str) -> Skipped {
        let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (test, reason) in record.lines().filter_map(|line| line.split_once('\t')) {
            let tests = reasons.entry(reason.to_owned()).or_default();
            // One that starts five servers has one reason.
            if !tests.iter().any(|known| known == test) {
                tests.push(test.to_owned());
            }
        }
        Skipped(reasons)
    }

    /// How many tests.
    pub fn count(&self) -> usize {
        let tests: std::collections::BTreeSet<&String> = self.0.values().flatten().collect();
        tests.len()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            0 => return write!(f, "skipped: none"),
            1 => write!(f, "SKIPPED: 1 test did nothing, or only a part of it:")?,
            n => write!(f, "SKIPPED: {n} tests did nothing, or only a part of it:")?,
        }
        for (reason, tests) in &self.0 {
            write!(f, "\n{:6}  {reason}", tests.len())?;
        }
        write!(f, "\nCONTRIBUTING.md says what to install for none")
    }
}

fn note(run: &Run, reason: &str) {
    let Some(folder) = folder() else {
        return;
    };
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    // The harness gives each test a thread of its name.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("?");
    let reason = reason.replace('\n', " ");
    let _ = fs::create_dir_all(&folder);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(&run.0));
    if let Ok(mut file) = file {
        // In one call, so that lines of several processes do not mix.
        let _ = file.write_all(format!("{program} {test}\t{reason}\n").as_bytes());
    }
}

/// `target/debug/skipped`, beside the `deps` that test programs are in.
fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let deps = program.parent().filter(|it| it.ends_with("deps"))?;
    deps.parent().map(|profile| profile.join("skipped"))
}

/// When a process began, in ticks since the machine started; `None` where that cannot be seen.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The name, in brackets, may have blanks and brackets in it. Its start is the 22nd field, 20th after that.
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "everything in here is a test")]

    use super::*;

    #[test]
    fn a_test_counts_once_whatever_it_lacks() {
        let record = "a x\tno redis\na x\tno redis\na x\tno nats\nb x\tno nats\nhalf a li";
        let skipped = Skipped::of(record);
        assert_eq!(skipped.count(), 2);
        let told = skipped.to_string();
        assert!(
            told.contains("     2  no nats\n     1  no redis\n"),
            "{told}"
        );
        assert_eq!(Skipped::of("").to_string(), "skipped: none");
    }

    #[test]
    fn a_run_is_over_when_its_process_is_gone_or_another() {
        assert!(!Run::is_over(&Run::this().0));
        assert!(Run::is_over(&format!("{}-1", std::process::id())));
        assert!(Run::is_over("nonsense"));
    }
}
