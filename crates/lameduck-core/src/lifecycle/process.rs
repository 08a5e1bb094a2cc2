//! The process that a lifecycle owns: the threads that end it, and what becomes of it when the lifecycle is over.
//!
//! # What must hold
//!
//! 1. All threads that the end of the process needs are started with the lifecycle.
//! 2. When the lifecycle is over, what still runs on blocking threads has the rest of the grace. An end by force
//!    after that is none with exit code 0.
//! 3. Nothing of ours makes a failing process look good: the process of a test harness, which runs other tests
//!    and ends with a code of its own, is left alone once the lifecycle is over.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::builder::Lifecycle;
use crate::handle::Handle;
use crate::process::{final_report, watchdog};
use crate::shutdown::exit::Exit;
use crate::shutdown::forced_end::{Cause, ForcedEnd};

/// How long before the end of the grace the process is gone at the latest: 200 ms, or a twentieth of it.
const MARGIN: Duration = Duration::from_millis(200);

impl Lifecycle {
    /// Begins to listen to signals, and to watch over the end.
    pub(super) fn own_the_process(&mut self) -> io::Result<()> {
        let forced_end = Arc::new(ForcedEnd::new());
        let watchdog = watchdog::start(forced_end.clone())?;
        let scribe = final_report::start(self.handle.clone(), forced_end.clone())?;
        forced_end.wakes(watchdog, scribe);
        self.handle.ends_by(forced_end);
        self.handle.owns_the_process();
        self.listen_to_signals()
    }
}

/// The lifecycle is over, and the process about to leave with `exit`.
pub(super) fn over(handle: &Handle, exit: Exit) {
    let Some(forced_end) = handle.forced_end() else {
        return;
    };
    if is_a_test_harness() {
        forced_end.leave_alone();
    } else {
        let grace = handle.budget().grace();
        let margin = MARGIN.min(grace / 20);
        let left = handle.left_until(grace - 2 * margin);
        forced_end.plan(left, margin, Cause::StillThere, exit.code());
    }
    forced_end.wait_if_it_has_come();
}

/// Whether this is a test harness: then `run()` returns to a test, and the process has others to run.
fn is_a_test_harness() -> bool {
    // cargo-nextest and Bazel say so; Cargo puts tests and benches, and nothing else, into `deps`, with a hash in
    // the name.
    let said = ["NEXTEST", "BAZEL_TEST"]
        .iter()
        .any(|it| std::env::var_os(it).is_some());
    said || std::env::current_exe().is_ok_and(|exe| is_built_as_a_test(&exe))
}

fn is_built_as_a_test(exe: &Path) -> bool {
    let name = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let is_hash = |it: &str| it.len() == 16 && it.bytes().all(|b| b.is_ascii_hexdigit());
    let stem = name(Some(&exe.with_extension("")));
    let hashed = stem.rsplit_once('-').is_some_and(|(_, hash)| is_hash(hash));
    let folder = name(exe.parent());
    // Documentation tests are in a folder of their own.
    (folder == "deps" && hashed) || folder.starts_with("rustdoctest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_is_a_test_harness() {
        let exe = std::env::current_exe().unwrap();
        assert!(is_built_as_a_test(&exe), "{}", exe.display());
    }

    #[test]
    fn a_service_is_none_wherever_it_is_put() {
        for path in [
            "/app/target/debug/shop",
            "/srv/deps/shop",
            "/srv/deps/shop-v2",
            "/usr/bin/shop-0123456789abcdef",
        ] {
            assert!(!is_built_as_a_test(Path::new(path)), "{path}");
        }
        for path in [
            "/t/debug/deps/api-0123456789abcdef",
            "/tmp/rustdoctestx1/rust_out",
        ] {
            assert!(is_built_as_a_test(Path::new(path)), "{path}");
        }
    }
}
