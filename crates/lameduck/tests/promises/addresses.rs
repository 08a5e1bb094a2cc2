//! What there is to listen on, and who has it already.

use std::net::TcpListener;
use std::process::Command;
use std::thread;

use crate::client::Client;
use crate::service::{Service, Start, program, until};

/// A free port, as far as anybody can know.
fn free_port() -> u16 {
    let it = TcpListener::bind("127.0.0.1:0").unwrap();
    it.local_addr().unwrap().port()
}

#[track_caller]
fn refused(start: Start, code: i32, said: &[&str]) {
    let ended = start.run();
    ended.exit(code);
    for said in said {
        assert!(ended.stderr.contains(said), "{said:?} in {}", ended.stderr);
    }
}

#[test]
fn an_address_that_the_process_has_itself_is_told_so_and_by_which_part() {
    let addr = format!("127.0.0.1:{}", free_port());
    let start = Start::new(&["--listen", &addr]).env("LAMEDUCK_ADMIN", &addr);
    refused(start, 2, &["this process has", "its probes"]);
    let start = Start::new(&["--listen", &addr, "--hold", &addr]);
    refused(start, 2, &["this process has", "opened itself"]);
    let start = Start::new(&["--hold", &addr]).env("LAMEDUCK_ADMIN", &addr);
    refused(start, 2, &["probes: ", "this process has", "opened itself"]);
}

#[test]
fn an_address_of_another_process_is_told_so() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap().to_string();
    refused(
        Start::new(&["--listen", &addr]),
        1,
        &["another process has it"],
    );
    let start = Start::new(&[]).env("LAMEDUCK_ADMIN", &addr);
    refused(start, 1, &["probes: ", "another process has it"]);
}

#[test]
fn localhost_is_every_address_of_it_for_servers_and_probes() {
    let (api, admin) = (free_port(), free_port());
    let service = Start::new(&["--listen", &format!("localhost:{api}")])
        .env("LAMEDUCK_ADMIN", &format!("localhost:{admin}"))
        .serve();
    let mut families = vec!["127.0.0.1"];
    if TcpListener::bind("[::1]:0").is_ok() {
        families.push("[::1]");
    }
    for ip in families {
        assert_eq!(
            Client::connect(&format!("{ip}:{api}")).get("/").text(),
            "hello"
        );
        assert_eq!(
            Client::connect(&format!("{ip}:{admin}"))
                .get("/livez")
                .status,
            200
        );
    }
    service.term();
    service.ended().within_grace().exit(0).nothing_let_go();
    assert!(TcpListener::bind(("::1", api)).is_ok() || TcpListener::bind("[::1]:0").is_err());
}

/// The service in a network of its own, after `set_up`. `None` if there are no such networks here.
fn in_a_network(set_up: &str, args: &[&str], admin: &str) -> Option<Start> {
    let mut try_it = Command::new("unshare");
    try_it.args(["-n", "sh", "-c", &format!("ip link set lo up && {set_up}")]);
    if !try_it.output().is_ok_and(|it| it.status.success()) {
        real_servers::skip("unshare -n, ip and sysctl: networks of one's own need root");
        return None;
    }
    let script = format!(r#"ip link set lo up && {set_up} && exec "$0" "$@""#);
    let mut command = Command::new("unshare");
    command
        .args(["-n", "sh", "-c", &script])
        .arg(program())
        .args(args);
    Some(Start::command(command).env("LAMEDUCK_ADMIN", admin))
}

/// Does `it` in the network of the process.
fn inside<T: Send>(service: &Service, it: impl FnOnce() -> T + Send) -> T {
    let network = std::fs::File::open(format!("/proc/{}/ns/net", service.pid())).unwrap();
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            use std::os::fd::AsRawFd;
            // SAFETY: it takes a descriptor and a number, and is about this thread alone.
            let moved = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "{}", std::io::Error::last_os_error());
            it()
        });
        inside.join().unwrap()
    })
}

/// Both ports answer at `ip`, also when the process is told to stop.
fn answers_at(mut service: Service, ip: &str) {
    let line = service.says("ready ");
    let mut ports = line
        .split(' ')
        .skip(1)
        .map(|it| it.rsplit(':').next().unwrap());
    let (api, admin) = (ports.next().unwrap(), ports.next().unwrap());
    let mut slow = inside(&service, || {
        let api = format!("{ip}:{api}");
        assert_eq!(Client::connect(&api).get("/").text(), "hello");
        let live = || Client::connect(&format!("{ip}:{admin}")).get("/livez");
        assert_eq!(live().status, 200);
        let mut slow = Client::connect(&api);
        slow.ask("/work?ms=500");
        until("the request", || {
            let status = Client::connect(&format!("{ip}:{admin}")).get("/status");
            status.text().contains("/work").then_some(())
        });
        slow
    });
    service.term();
    assert_eq!(slow.answer().text(), "done");
    service.ended().within_grace().exit(0).nothing_let_go();
}

const NO_IPV6: &str = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1";
const NO_IPV4: &str = "ip -4 addr flush dev lo";

#[test]
fn where_ipv6_is_off_everything_means_ipv4_and_a_name_what_it_has() {
    for listen in ["[::]:0", "0.0.0.0:0", "localhost:7001"] {
        let admin = listen.replace("7001", "7002");
        let Some(start) = in_a_network(NO_IPV6, &["--listen", listen], &admin) else {
            return;
        };
        answers_at(start.spawn(), "127.0.0.1");
    }
    let Some(start) = in_a_network(NO_IPV6, &["--listen", "[::1]:7001"], "[::]:0") else {
        return;
    };
    refused(
        start,
        1,
        &["cannot listen on [::1]:7001", "write localhost:7001"],
    );
    let Some(start) = in_a_network(NO_IPV6, &[], "[::1]:7001") else {
        return;
    };
    refused(
        start,
        1,
        &[
            "probes: cannot listen on [::1]:7001",
            "write localhost:7001",
        ],
    );
}

#[test]
fn where_there_is_only_ipv6_everything_means_ipv6_and_a_name_what_it_has() {
    for listen in ["0.0.0.0:0", "[::]:0", "localhost:7001"] {
        let admin = listen.replace("7001", "7002");
        let Some(start) = in_a_network(NO_IPV4, &["--listen", listen], &admin) else {
            return;
        };
        answers_at(start.spawn(), "[::1]");
    }
    let Some(start) = in_a_network(NO_IPV4, &["--listen", "127.0.0.1:7001"], "[::]:0") else {
        return;
    };
    // The kernel lets a process have 127.0.0.1 without an interface that has it.
    start.spawn();
    let Some(start) = in_a_network(NO_IPV4, &["--listen", "192.0.2.7:7001"], "[::]:0") else {
        return;
    };
    refused(
        start,
        1,
        &[
            "cannot listen on 192.0.2.7:7001",
            "an address that `ip addr` lists",
        ],
    );
}

#[test]
fn where_the_system_knows_no_ipv6_at_all_everything_means_ipv4() {
    let mut start = Start::new(&["--listen", "[::]:0"]).env("LAMEDUCK_ADMIN", "[::]:0");
    if !start.without_family(libc::AF_INET6) {
        real_servers::skip("seccomp filters");
        return;
    }
    let service = start.serve();
    assert!(service.api.starts_with("0.0.0.0:"), "{}", service.api);
    assert_eq!(service.client().get("/").text(), "hello");
    assert_eq!(service.probe("/livez").0, 200);
    service.term();
    service.ended().within_grace().exit(0);
}
