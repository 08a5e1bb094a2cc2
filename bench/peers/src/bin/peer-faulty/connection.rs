//! One connection: requests in, responses out, and its end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::orders::Orders;
use crate::state::{Fault, State};

/// How long a read waits before the thread looks round.
const LOOK_ROUND: Duration = Duration::from_millis(5);
/// While stopping, a connection without a request under way is closed after this long without a byte.
const QUIET: Duration = Duration::from_millis(400);
/// While stopping, a head that has not ended by then never will.
const HEAD_LIMIT: Duration = Duration::from_secs(1);
/// When a server with a slow timer looks for idle connections, as Go's does.
const LATE: Duration = Duration::from_secs(5);
/// Soon enough for who asks each half a second, and too late for who is refused meanwhile.
const FLIPS_LATE: Duration = Duration::from_millis(400);
/// How long a closed connection is read on, so that it ends with FIN and not with RST.
const LINGER: Duration = Duration::from_millis(500);

struct Request {
    path: String,
    length: usize,
    /// What its client calls it.
    id: String,
}

struct Connection {
    stream: TcpStream,
    state: &'static State,
    orders: Option<&'static Orders>,
    buffer: Vec<u8>,
    last_byte: Instant,
    /// What it is doing.
    stands: Stands,
    /// What it did when the signal came.
    caught: Option<Stands>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// It was accepted, and nobody has looked whether something has come.
    Accepted,
    /// Nothing has come on it.
    Silent,
    /// A part of a head has.
    HalfHead,
    /// A request was answered, and nothing of another has come.
    Between,
    /// A head has come, and nothing of its body.
    Head,
    /// Something else.
    Busy,
}

/// Why there is no further request.
struct Over;

pub fn serve(stream: TcpStream, state: &'static State, orders: Option<&'static Orders>) {
    // Without these the first read shows that the connection is of no use.
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(LOOK_ROUND));
    let mut connection = Connection {
        stream,
        state,
        orders,
        buffer: Vec::new(),
        last_byte: Instant::now(),
        stands: Stands::Accepted,
        caught: None,
    };
    while let Ok(request) = connection.request() {
        state.begin(&request.path);
        let goes_on = connection.handle(&request);
        state.end(&request.path);
        connection.stands = Stands::Between;
        if goes_on.is_err() {
            break;
        }
    }
    connection.close();
}

/// Probes are answered one per connection.
pub fn serve_probe(mut stream: TcpStream, state: &State) {
    let mut head = [0u8; 1024];
    let Ok(read) = stream.read(&mut head) else {
        return;
    };
    let is_live = head[..read].starts_with(b"GET /livez");
    let is_good = match is_live {
        true => !state.errs(Fault::NotAlive),
        false => match state.stopping_for() {
            Some(since) if state.fault == Fault::FlipsLate => since < FLIPS_LATE,
            Some(_) => state.fault == Fault::StaysReady,
            None => true,
        },
    };
    let status = if is_good {
        "200 OK"
    } else {
        "503 Service Unavailable"
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.shutdown(Shutdown::Write);
    state.is_known.fetch_or(!is_good, Ordering::Relaxed);
    let _ = stream.read(&mut head);
}

/// Whether idle connections are closed that may have been asked for a moment ago.
fn closes_now(state: &State) -> bool {
    state.fault == Fault::ClosesIdle && state.is_known.load(Ordering::Relaxed)
}

impl Connection {
    fn request(&mut self) -> Result<Request, Over> {
        loop {
            if let Some(end) = self
                .buffer
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 4);
                let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .and_then(|length| length.parse().ok())
                    .unwrap_or(0);
                let id = head
                    .lines()
                    .find_map(|line| line.strip_prefix("idempotency-key: "))
                    .unwrap_or_default()
                    .to_owned();
                self.stands = Stands::Busy;
                self.dropped(Fault::DropsSilent, Stands::Silent)?;
                self.dropped(Fault::DropsHalfHeads, Stands::HalfHead)?;
                self.dropped(Fault::DropsKept, Stands::Between)?;
                return Ok(Request { path, length, id });
            }
            self.read(|connection| {
                let state = connection.state;
                let quiet = connection.last_byte.elapsed();
                let Some(stopping) = state.stopping_for() else {
                    return false;
                };
                match connection.buffer.is_empty() {
                    _ if state.is_cut_off() => true,
                    _ if state.fault == Fault::Hostage => false,
                    true if closes_now(state) && connection.stands == Stands::Between => true,
                    true if state.fault == Fault::LateIdle => stopping >= LATE,
                    true => quiet >= QUIET && stopping >= QUIET,
                    false => stopping >= HEAD_LIMIT,
                }
            })?;
        }
    }

    fn handle(&mut self, request: &Request) -> Result<(), Over> {
        let (route, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let takes = query
            .strip_prefix("ms=")
            .and_then(|ms| ms.parse().ok())
            .unwrap_or(0);
        while self.buffer.len() < request.length {
            if self.buffer.is_empty() {
                self.stands = Stands::Head;
            }
            self.read(|connection| connection.state.errs(Fault::DropsUploads))?;
            if self.state.errs(Fault::ShortUploads) && self.buffer.len() < request.length {
                let came = self.buffer.len().to_string();
                self.answer("200 OK", &came)?;
                return Err(Over);
            }
        }
        self.dropped(Fault::DropsHeads, Stands::Head)?;
        self.buffer.drain(..request.length);
        match route {
            "/stream" => return self.stream(Duration::from_millis(takes / 10)),
            "/raw" => return self.raw(Duration::from_millis(takes / 10)),
            "/big" => return self.big(),
            "/upload" => return self.answer("200 OK", &request.length.to_string()),
            _ => {}
        }
        if self.state.errs(Fault::TurnsAway) {
            self.answer("503 Service Unavailable", "stopping")?;
            return Err(Over);
        }
        thread::sleep(Duration::from_millis(takes));
        if self.state.is_cut_off() {
            return Err(Over);
        }
        if self.state.errs(Fault::Slows) {
            thread::sleep(Duration::from_millis(800));
        }
        match self.state.fault {
            Fault::AlwaysErrors => return self.answer("500 Internal Server Error", "broken"),
            _ if !self.state.is_stopping() => {}
            Fault::NotFound => return self.answer("404 Not Found", "gone"),
            Fault::Unauthorized => return self.answer("401 Unauthorized", "who"),
            Fault::BadRequest => return self.answer("400 Bad Request", "what"),
            Fault::Empty => return self.answer("200 OK", ""),
            Fault::Redirects => return self.answer("302 Found", "elsewhere"),
            Fault::TooMany => return self.answer("429 Too Many Requests", "slower"),
            Fault::Resets => {
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                return Err(Over);
            }
            Fault::Closes => return Err(Over),
            Fault::Cuts => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nhalf";
                let _ = self.stream.write_all(half);
                return Err(Over);
            }
            Fault::Errors => {
                self.answer("503 Service Unavailable", "stopping")?;
                return Err(Over);
            }
            _ => {}
        }
        match self.orders.filter(|_| route == "/orders") {
            None => self.answer("200 OK", "done"),
            Some(_) if self.state.errs(Fault::SwapsOrders) && self.state.is_turn() => {
                self.answer("201 Created", "done")
            }
            Some(orders) => match orders.enter(&request.id) {
                Ok(()) if self.state.errs(Fault::SwapsOrders) => Err(Over),
                Ok(()) => self.answer("201 Created", "done"),
                Err(_) => self.answer("500 Internal Server Error", "books"),
            },
        }
    }

    fn answer(&mut self, status: &str, body: &str) -> Result<(), Over> {
        let length = body.len();
        let (close, goes_on) = self.farewell();
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{close}\r\n{body}");
        self.stream.write_all(text.as_bytes()).map_err(|_| Over)?;
        if self.state.errs(Fault::ResetsAtExit) {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            self.state.withheld.fetch_add(1, Ordering::Relaxed);
            // The process ends before.
            thread::sleep(Duration::from_secs(60));
        }
        goes_on
    }

    /// Ten chunks, with a pause before each.
    fn stream(&mut self, pause: Duration) -> Result<(), Over> {
        let (close, goes_on) = self.farewell();
        let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{close}\r\n");
        self.stream.write_all(head.as_bytes()).map_err(|_| Over)?;
        for _ in 0..10 {
            thread::sleep(pause);
            if self.state.errs(Fault::Cuts) {
                return Err(Over);
            }
            self.stream.write_all(b"5\r\nchunk\r\n").map_err(|_| Over)?;
        }
        self.stream.write_all(b"0\r\n\r\n").map_err(|_| Over)?;
        goes_on
    }

    /// Ten pieces without a length: whether it was all of them only the peer knows.
    fn raw(&mut self, pause: Duration) -> Result<(), Over> {
        let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        self.stream.write_all(head).map_err(|_| Over)?;
        for _ in 0..10 {
            thread::sleep(pause);
            if self.state.errs(Fault::ShortBodies) {
                break;
            }
            self.stream.write_all(&[b'r'; 1000]).map_err(|_| Over)?;
        }
        Err(Over)
    }

    /// An answer of more than a kernel keeps for a client that does not read.
    fn big(&mut self) -> Result<(), Over> {
        /// One that reads takes something more often, even on a busy machine.
        const NOT_READING: Duration = Duration::from_millis(100);
        const BYTES: usize = 6 << 20;
        let (close, goes_on) = self.farewell();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n{close}\r\n");
        let answer = [head.into_bytes(), vec![b'b'; BYTES]].concat();
        let _ = self.stream.set_write_timeout(Some(LOOK_ROUND));
        let mut rest = &answer[..];
        let mut taken = Instant::now();
        let began_before = !self.state.is_stopping();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => {
                    rest = &rest[written..];
                    taken = Instant::now();
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    let is_unread = began_before && taken.elapsed() >= NOT_READING;
                    if is_unread && self.state.errs(Fault::DropsUnread) {
                        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                        return Err(Over);
                    }
                }
                Err(_) => return Err(Over),
            }
        }
        goes_on
    }

    /// Notes what it did when the signal came.
    fn note_the_signal(&mut self) {
        if self.state.is_stopping() {
            self.caught.get_or_insert(self.stands);
        }
    }

    /// Whether it ends because of where it stood.
    fn dropped(&self, fault: Fault, caught: Stands) -> Result<(), Over> {
        match self.state.errs(fault) && self.caught == Some(caught) {
            true => Err(Over),
            false => Ok(()),
        }
    }

    /// What the response says of closing, and whether another request may come.
    fn farewell(&self) -> (&'static str, Result<(), Over>) {
        match self.state.is_stopping() {
            true if self.state.fault == Fault::Unannounced => ("", Ok(())),
            true => ("connection: close\r\n", Err(Over)),
            false => ("", Ok(())),
        }
    }

    /// Reads more, unless the client is gone or `give_up` says so between two looks.
    fn read(&mut self, give_up: impl Fn(&Self) -> bool) -> Result<(), Over> {
        let mut some = [0u8; 16 * 1024];
        loop {
            let read = self.stream.read(&mut some);
            self.note_the_signal();
            match read {
                Ok(0) => return Err(Over),
                Ok(read) => {
                    self.buffer.extend_from_slice(&some[..read]);
                    self.stands = match self.stands {
                        Stands::Accepted | Stands::Silent | Stands::HalfHead | Stands::Between => {
                            Stands::HalfHead
                        }
                        Stands::Head | Stands::Busy => Stands::Busy,
                    };
                    self.last_byte = Instant::now();
                    return Ok(());
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if give_up(self) {
                        return Err(Over);
                    }
                    if self.stands == Stands::Accepted {
                        self.stands = Stands::Silent;
                    }
                }
                Err(_) => return Err(Over),
            }
        }
    }

    /// FIN first, then reads what still comes.
    fn close(mut self) {
        let is_reset = SockRef::from(&self.stream)
            .linger()
            .is_ok_and(|linger| linger.is_some());
        if is_reset || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let since = Instant::now();
        while since.elapsed() < LINGER && self.read(|_| since.elapsed() >= LINGER).is_ok() {}
    }
}
