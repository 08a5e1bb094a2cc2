//! The admin port from outside, over real sockets.

mod answers;
mod bounds;
mod probes;

use std::future::pending;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::server::{RunningProbes, start};
use lameduck_core::BoxError;
use lameduck_core::internal::Check;
use lameduck_core::phase::{Driver, Phase, at};
use lameduck_core::{Handle, Readiness};

/// Far more than anything here takes; reached only when a promise is broken.
const LONG: Duration = Duration::from_secs(20);

/// An admin port, and what it looks at.
struct Rig {
    main: Runtime,
    handle: Handle,
    probes: RunningProbes,
    _readiness: Arc<Readiness>,
}

fn rig(checks: Vec<Check>, drain_route: bool) -> (Rig, Driver<at::StartingPhase>) {
    let driver = Driver::new();
    let main = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handle = Handle::new(driver.phases());
    let listener = crate::listen::bind::bind_tcp("127.0.0.1:0")
        .unwrap()
        .remove(0);
    let readiness = Arc::new(Readiness::new(
        main.handle().clone(),
        handle.phases().clone(),
    ));
    let probes = start(vec![listener], handle.clone()).unwrap();
    readiness.depend_on(checks, probes.clock());
    handle.depend_on(&readiness);
    probes.complete(drain_route);
    let rig = Rig {
        main,
        handle,
        probes,
        _readiness: readiness,
    };
    (rig, driver)
}

fn passing(name: &str) -> Check {
    Check::new(name, LONG, || async { Ok(()) })
}

struct ProbeReply {
    status: u16,
    head: String,
    body: String,
}

impl ProbeReply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn send(addr: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn ask(addr: SocketAddr, method: &str, target: &str) -> ProbeReply {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    send(addr, &request).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    ProbeReply {
        status: head[9..12].parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

impl Rig {
    fn get(&self, target: &str) -> ProbeReply {
        ask(self.probes.addrs()[0], "GET", target)
    }

    fn get_from_afar(&self, target: &'static str) -> thread::JoinHandle<ProbeReply> {
        let addr = self.probes.addrs()[0];
        thread::spawn(move || ask(addr, "GET", target))
    }

    fn status_of(&self, target: &str) -> u16 {
        self.get(target).status
    }
}

/// Looks until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "never: {what}");
        thread::yield_now();
    }
}

fn is_refused(addr: SocketAddr) -> bool {
    matches!(TcpStream::connect(addr), Err(e) if e.kind() == ErrorKind::ConnectionRefused)
}
