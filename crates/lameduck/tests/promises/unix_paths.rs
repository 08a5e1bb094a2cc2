//! Paths of Unix sockets: nothing is removed that is not ours, nobody is let in who should not be.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::client::Client;
use crate::service::{Service, Start, program, program_as};

fn at(path: &Path) -> Start {
    Start::new(&["--listen", &format!("unix:{}", path.display())])
}

/// It does not start, says that, and leaves what is there as it is.
#[track_caller]
fn refused(start: Start, path: &Path, said: &str) {
    let before = fs::symlink_metadata(path).unwrap();
    let ended = start.run();
    assert!(matches!(ended.code, Some(1 | 2)), "{ended:?}");
    assert!(ended.stderr.contains(said), "{said:?} in {}", ended.stderr);
    let after = fs::symlink_metadata(path).expect("it was removed");
    assert_eq!(before.ino(), after.ino());
}

fn hello(path: &Path) {
    let mut client = Client::connect(&format!("unix:{}", path.display()));
    assert_eq!(client.get("/").text(), "hello");
}

fn stop(service: Service) {
    service.term();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn a_file_a_folder_or_a_link_in_its_place_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let it = |name: &str| folder.path().join(name);
    fs::write(it("file"), "precious").unwrap();
    fs::create_dir(it("folder")).unwrap();
    symlink(it("file"), it("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, it("pipe"), 0o600.into()).unwrap();
    for name in ["file", "folder", "link", "pipe"] {
        refused(at(&it(name)), &it(name), "is left as it is");
    }
    assert_eq!(fs::read_to_string(it("file")).unwrap(), "precious");
}

#[test]
fn a_live_server_is_left_alone_at_once_even_if_its_queue_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let live = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&live, 0).unwrap();
    let _waits = UnixStream::connect(&path).unwrap();
    refused(at(&path), &path, "another process has it");
}

#[test]
fn a_dead_socket_of_somebody_else_is_left_alone() {
    if !geteuid().is_root() {
        real_servers::skip("root, to give a socket to another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
    refused(at(&path), &path, "that user 4711 has left behind");
}

#[test]
fn a_socket_that_may_not_be_connected_to_is_left_alone() {
    if !geteuid().is_root() {
        real_servers::skip("root, to be another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("s");
    let _live = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = program_as(4711, folder.path());
    command.args(["--listen", &format!("unix:{}", path.display())]);
    let start = Start::command(command).env("LAMEDUCK_REPORT", "");
    refused(start, &path, "there is a socket of user 0");
}

#[test]
fn no_orphans_a_dead_socket_of_ours_is_taken_over_and_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    let service = at(&path).serve();
    hello(&path);
    stop(service);
    assert!(fs::symlink_metadata(&path).is_err(), "left behind");
}

#[test]
fn the_socket_is_at_no_moment_open_to_more_than_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (umask, mode) in [("0", "600"), ("0", "660"), ("777", "666"), ("077", "660")] {
        let path = folder.path().join(format!("{umask}-{mode}"));
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!(r#"umask {umask}; exec "$0" "$@""#)])
            .arg(program())
            .args(["--listen", &format!("unix:{}", path.display())])
            .args(["--socket-mode", mode]);
        let start = Start::command(command);
        let mut service = start.spawn();
        let asked = u32::from_str_radix(mode, 8).unwrap();
        // From the first moment that it is there.
        let seen = crate::service::until("the socket", || {
            fs::symlink_metadata(&path)
                .ok()
                .map(|it| it.permissions().mode())
        });
        assert_eq!(seen & 0o777 & !asked, 0, "{seen:o} for {mode}");
        service.says("ready ");
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(found.file_type().is_socket());
        assert_eq!(found.permissions().mode() & 0o777, asked);
        hello(&path);
        stop(service);
    }
}

#[test]
fn a_path_that_cannot_be_is_told_with_what_to_write() {
    let long = format!("unix:/tmp/{}", "x".repeat(200));
    for (listen, said) in [
        ("unix:", "expected a path"),
        ("unix:@shop", "an abstract name"),
        (long.as_str(), "a path of 205 bytes"),
        (
            "unix:/no/such/folder/s",
            "there is no folder /no/such/folder",
        ),
    ] {
        let ended = Start::new(&["--listen", listen]).run();
        ended.exit(2);
        assert!(ended.stderr.contains(said), "{said:?} in {}", ended.stderr);
    }
}
