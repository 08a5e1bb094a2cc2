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
    with_sockets(&[socket], "LISTEN_PID=$$ LISTEN_FDS=1", args)
}

/// The service with these descriptors from number 3 on, and these variables.
fn with_sockets(sockets: &[RawFd], variables: &str, args: &[&str]) -> Start {
    let mut command = Command::new("sh");
    // Only the process itself knows its number, which the protocol asks for.
    command
        .args(["-c", &format!(r#"{variables} exec "$0" "$@""#)])
        .arg(program())
        .args(args);
    let sockets = sockets.to_vec();
    // SAFETY: only calls that are async-signal-safe, on descriptors that outlive the fork.
    unsafe {
        command.pre_exec(move || {
            for (number, socket) in (3..).zip(&sockets) {
                // A copy does not close on exec; should it be that number already, it has to be told.
                if libc::dup2(*socket, number) < 0 || libc::fcntl(number, libc::F_SETFD, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    Start::command(command)
}

/// It says that, ends with exit 2, and has served nobody.
#[track_caller]
fn refused(start: Start, said: &[&str]) {
    let ended = start.run();
    ended.exit(2);
    for said in said {
        assert!(ended.stderr.contains(said), "{said:?} in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
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
fn sockets_of_a_process_that_had_the_same_number_are_left_alone() {
    if std::fs::read_dir("/proc/self/fdinfo").is_err() || !has_pid_fs() {
        real_servers::skip("a kernel that tells processes apart by their pidfd (Linux 6.9)");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let variables = "LISTEN_PID=$$ LISTEN_PIDFDID=1 LISTEN_FDS=1";
    let service = with_sockets(&[listener.as_raw_fd()], variables, &[]).serve();
    assert_ne!(service.api, listener.local_addr().unwrap().to_string());
    service.term();
    service.ended().within_grace().exit(0);
}

/// Each process has an inode of its own there.
fn has_pid_fs() -> bool {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    let id = |pid| {
        let fd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        rustix::fs::fstat(fd).unwrap().st_ino
    };
    id(getpid()) != id(rustix::process::getppid().unwrap())
}

#[test]
fn a_descriptor_that_is_of_no_use_is_refused_with_the_fix_before_anything_is_served() {
    use socket2::{Domain, Socket, Type};
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&any.into()).unwrap();
    let datagrams = std::net::UdpSocket::bind(any).unwrap();
    let listener = TcpListener::bind(any).unwrap();
    let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    for (fd, said) in [
        (file.as_raw_fd(), "descriptor 3 is no socket"),
        (bound.as_raw_fd(), "call listen(2) before it is handed over"),
        (datagrams.as_raw_fd(), "use ListenStream="),
        (connected.as_raw_fd(), "use Accept=no"),
        (pair.as_raw_fd(), "use Accept=no"),
    ] {
        refused(with_socket(fd, &[]), &["LISTEN_FDS=1: ", said]);
    }
}

#[test]
fn a_descriptor_of_our_own_is_never_taken_for_one_that_was_handed_over() {
    // Number 3 is what the process itself opens first.
    for fds in ["1", "2", "9"] {
        let variables = format!("LISTEN_PID=$$ LISTEN_FDS={fds}");
        refused(
            with_sockets(&[], &variables, &[]),
            &["LISTEN_FDS", "descriptor 3"],
        );
    }
}

#[test]
fn sockets_for_nobody_known_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fds = [listener.as_raw_fd()];
    refused(with_sockets(&fds, "LISTEN_FDS=1", &[]), &["LISTEN_PID=$$"]);
    for (variables, said) in [
        ("LISTEN_PID=$$ LISTEN_FDS=one", "LISTEN_FDS=one"),
        ("LISTEN_PID=me LISTEN_FDS=1", "LISTEN_PID=me"),
        (
            "LISTEN_PID=$$ LISTEN_PIDFDID=me LISTEN_FDS=1",
            "LISTEN_PIDFDID=me",
        ),
        (
            "LISTEN_PID=$$ LISTEN_FDNAMES=a:b LISTEN_FDS=1",
            "LISTEN_FDNAMES=a:b",
        ),
    ] {
        refused(with_sockets(&fds, variables, &[]), &[said]);
    }
}

#[test]
fn every_socket_of_a_server_is_served_and_one_for_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let fds = [tcp.as_raw_fd(), unix.as_raw_fd()];
    for names in [
        "",
        "LISTEN_FDNAMES=api:api",
        "LISTEN_FDNAMES=shop.socket:shop.socket",
    ] {
        let variables = format!("LISTEN_PID=$$ LISTEN_FDS=2 {names}");
        let service = with_sockets(&fds, &variables, &["--listen", "nowhere"]).serve();
        for addr in [
            tcp.local_addr().unwrap().to_string(),
            format!("unix:{}", path.display()),
        ] {
            assert_eq!(
                Client::connect(&addr).get("/").text(),
                "hello",
                "{addr} {names}"
            );
        }
        service.term();
        service.ended().within_grace().exit(0).nothing_let_go();
    }
    let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=api:metrics";
    refused(
        with_sockets(&fds, variables, &[]),
        &["descriptor 4 (`metrics`) is for nobody", "There is `api`"],
    );
    assert!(path.exists(), "it is not ours to remove");
}

#[test]
fn a_socket_that_somebody_has_ended_fails_the_server_and_not_those_it_serves() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = start(&listener);
    let mut slow = service.client();
    slow.ask("/work?ms=800");
    until("the request", || {
        service.probe("/status").1.contains("/work").then_some(())
    });
    rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
    assert_eq!(slow.answer().text(), "done");
    let ended = service.ended();
    ended.exit(1).nothing_let_go();
    let failed = ended.list("failed");
    assert_eq!(failed[0]["component"], "api", "{failed:?}");
    let error = failed[0]["error"].as_str().unwrap();
    assert!(
        error.contains("cannot accept connections any more"),
        "{error}"
    );
}
