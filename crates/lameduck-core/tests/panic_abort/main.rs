//! What holds in a program that is built with `panic = "abort"`: all but what a panic would have to be caught for. That
//! ends the process at once.
//!
//! The program is built by Cargo into a folder of its own, which is kept from run to run: some 30 crates the first time.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};

/// Builds the program; where it is.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panic-abort");
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = format!(
            "[workspace]\n\
             [package]\nname = \"panic-abort\"\nedition = \"2024\"\n\
             [[bin]]\nname = \"panic-abort\"\npath = {:?}\n\
             [dependencies]\nlameduck-core = {{ path = {package:?} }}\n\
             tokio = {{ version = \"1\", default-features = false, features = [\"macros\", \"rt\", \"time\"] }}\n\
             [profile.dev]\npanic = \"abort\"\ndebug = false\n",
            package.join("tests/panic_abort/program.rs"),
        );
        std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        // The same versions as everywhere, so that nothing is fetched.
        let lock = package.join("../../Cargo.lock");
        std::fs::copy(lock, folder.join("Cargo.lock")).unwrap();
        let target = folder.join("target");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}");
        target.join("debug/panic-abort")
    })
}

struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

/// Runs it, and stops it once it is ready unless it ends by itself.
fn run(does: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LAMEDUCK_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .arg(does)
        .env("LAMEDUCK_GRACE", "2s")
        .env_remove("RUST_BACKTRACE")
        // A core, if there is one, goes here.
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    stdout.read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");
    if does != "panics" {
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).unwrap();
    }
    stdout.read_to_string(&mut said).unwrap();
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    Ended {
        status: child.wait().unwrap(),
        stdout: said,
        stderr,
    }
}

#[test]
fn a_shutdown_without_a_panic_is_the_same() {
    let ended = run("");
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "ready\nclosed\n");
    assert!(
        ended.stderr.contains("lameduck: stopped after SIGTERM"),
        "{}",
        ended.stderr
    );
}

#[test]
fn so_is_an_end_by_force() {
    let ended = run("hangs");
    assert_eq!(ended.status.code(), Some(124), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("lameduck: ended by force after SIGTERM"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_panic_ends_the_process_at_once_with_nothing_closed_and_no_report() {
    let ended = run("panics");
    assert_eq!(
        ended.status.signal(),
        Some(Signal::ABORT.as_raw()),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "ready\n", "nothing is closed");
    assert!(ended.stderr.contains("a bug"), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("lameduck: stopped"),
        "{}",
        ended.stderr
    );
}
