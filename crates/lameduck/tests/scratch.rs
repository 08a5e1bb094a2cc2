//! What others build on us: a workspace of its own, in which nothing shares features with ours. There the guide's
//! parts, a service on the core and `axum::serve`, and one through the front door are compiled and run.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_workspace_of_somebody_else_builds_and_its_services_stop_as_they_should() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/scratch/Cargo.toml");
    // Beside our own builds, so that it is built once.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("scratch");
    let done = Command::new(env!("CARGO"))
        .args([
            "test",
            "--quiet",
            "--locked",
            "--workspace",
            "--manifest-path",
        ])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo");
    let said = [&done.stdout[..], &done.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(done.status.success(), "{said}");
    let passed: usize = said
        .lines()
        .filter_map(|line| {
            line.strip_prefix("test result: ok. ")?
                .split(' ')
                .next()?
                .parse::<usize>()
                .ok()
        })
        .sum();
    assert_eq!(passed, 7, "two services, five parts of the guide: {said}");
}
