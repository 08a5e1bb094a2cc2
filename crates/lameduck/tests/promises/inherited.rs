//! `deploy-lossless`, the library's side: a socket that the process was started with is shared with
//! the next version, so whoever stops leaves it as it is.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::client::Client;
use crate::service::{Service, Start, program, until};

/// The service as systemd would start it: with `socket` as descriptor 3.
fn with_socket(socket: RawFd, args: &[&str]) -> Start {
    let mut command = Command::new("sh");
    // Only the process itself knows its number, which the protocol asks for.
    command
        .args(["-c", r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#])
        .arg(program())
        .args(args);
    // SAFETY: only calls that are async-signal-safe, on a descriptor that outlives the fork.
    unsafe {
        command.pre_exec(move || {
            // A copy does not close on exec; should it be number 3 already, it has to be told.
            if libc::dup2(socket, 3) < 0 || libc::fcntl(3, libc::F_SETFD, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    Start::command(command)
}

fn start(listener: &TcpListener) -> Service {
    // Were the socket not taken, this address would be told to be bad.
    let service = with_socket(listener.as_raw_fd(), &["--listen", "nowhere"]).serve();
    assert_eq!(service.api, listener.local_addr().unwrap().to_string());
    service
}

#[test]
fn deploy_lossless_nothing_is_refused_or_reset_while_one_process_follows_another() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let mut current = start(&listener);
    let (served, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let clients: Vec<_> = (0..8)
        .map(|n| {
            let (served, stop, addr) = (served.clone(), stop.clone(), addr.clone());
            thread::spawn(move || {
                // Half of them connect for each request, half reuse a connection while they may.
                let mut kept: Option<Client> = None;
                while !stop.load(Relaxed) {
                    let mut client = kept.take().unwrap_or_else(|| Client::connect(&addr));
                    let answer = client.get("/work?ms=5");
                    assert_eq!(answer.text(), "done");
                    served.fetch_add(1, Relaxed);
                    if n % 2 == 0 && !answer.says_close() {
                        kept = Some(client);
                    } else if answer.says_close() {
                        client.ends_with_fin();
                    }
                }
            })
        })
        .collect();
    for _ in 0..4 {
        let so_far = served.load(Relaxed);
        until("requests", || {
            (served.load(Relaxed) > so_far + 100).then_some(())
        });
        let next = start(&listener);
        current.term();
        current.ended().within_grace().exit(0).nothing_let_go();
        current = next;
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.join().expect("a client was refused, reset or lost");
    }
    current.term();
    current.ended().within_grace().exit(0);
}

#[test]
fn deploy_lossless_connections_wait_in_the_socket_while_nobody_runs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let first = start(&listener);
    first.term();
    first.ended().within_grace().exit(0);
    let mut waiting = Client::connect(&addr);
    waiting.ask("/");
    let second = start(&listener);
    assert_eq!(waiting.answer().text(), "hello");
    second.term();
    second.ended().within_grace().exit(0);
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let service = Start::new(&[])
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .serve();
    assert_eq!(service.client().get("/").text(), "hello");
    service.term();
    service.ended().within_grace().exit(0);
}

#[test]
fn a_descriptor_that_is_no_socket_is_refused() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let ended = with_socket(file.as_raw_fd(), &[]).run();
    ended.exit(2);
    assert!(ended.stderr.contains("LISTEN_FDS"), "{}", ended.stderr);
}
