//! `LAMEDUCK_REPORT`: the report is where it was asked for, wherever that is.

use std::os::unix::fs::symlink;
use std::process::Command;

use rustix::process::geteuid;
use serde_json::Value;

use crate::service::{Start, program, program_as};

fn stops(start: Start) {
    let service = start.serve();
    service.term();
    service.ended().within_grace().exit(0);
}

fn is_a_report(path: &std::path::Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
    assert_eq!(report["exit"], 0);
}

#[test]
fn it_is_written_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (link, real) = (folder.path().join("link"), folder.path().join("real"));
    symlink("real", &link).unwrap();
    stops(Start::new(&[]).env("LAMEDUCK_REPORT", link.to_str().unwrap()));
    is_a_report(&real);
    assert!(link.is_symlink());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// As Kubernetes mounts `/dev/termination-log`, for whoever may only write the file.
#[test]
fn it_is_written_to_a_file_in_a_folder_that_is_not_writable() {
    if !geteuid().is_root() {
        real_servers::skip("root, to mount and to be another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("termination-log");
    std::fs::write(&file, "").unwrap();
    let mode = |path: &std::path::Path, mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    };
    mode(&file, 0o666);
    mode(folder.path(), 0o755);
    let command = program_as(65532, folder.path());
    stops(Start::command(command).env("LAMEDUCK_REPORT", file.to_str().unwrap()));
    is_a_report(&file);
}

#[test]
fn it_is_written_to_a_file_that_is_mounted_by_itself() {
    if !geteuid().is_root() {
        real_servers::skip("root, to mount and to be another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("report"), folder.path().join("other"));
    std::fs::write(&file, "").unwrap();
    std::fs::write(&other, "").unwrap();
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "mount --bind $OTHER $LAMEDUCK_REPORT && exec $0",
    ]);
    command.arg(program()).env("OTHER", &other);
    stops(Start::command(command).env("LAMEDUCK_REPORT", file.to_str().unwrap()));
    is_a_report(&other);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn what_can_never_be_written_is_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &str, why: &str| {
        let ended = Start::new(&[]).env("LAMEDUCK_REPORT", path).run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        let line = format!("LAMEDUCK_REPORT={path}: {why}");
        assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    };
    refused("/tmp", "it is a folder; expected a file");
    let missing = folder.path().join("no").join("report.json");
    refused(missing.to_str().unwrap(), "the folder /");
}
