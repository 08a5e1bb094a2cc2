//! What was asked and answered on every connection, from its packets alone.
//!
//! # What must hold
//!
//! 1. A request counts from its last byte on: before that a client may honestly send it elsewhere. The same goes
//!    for a request over HTTP/2 of which the server has said that it was not looked at.
//! 2. One that counts and has no whole answer at the end is lost, whatever the client did about it.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::http1::Messages;
use super::http2::{Frames, Said};
use super::packet::Segment;

/// All connections to one port.
pub struct Flows {
    port: u16,
    over_http2: bool,
    /// By the client's port.
    open: HashMap<u16, Flow>,
    over: Vec<Flow>,
}

/// A request that was lost.
pub struct Lost {
    /// Whether its connection had carried one before.
    pub reused: bool,
    /// Which, and when.
    pub what: String,
}

impl Flows {
    pub fn new(port: u16, over_http2: bool) -> Flows {
        Flows {
            port,
            over_http2,
            open: HashMap::new(),
            over: Vec::new(),
        }
    }

    /// A packet has been sent.
    pub fn saw(&mut self, packet: &[u8], now: Instant) {
        let Some(segment) = Segment::parse(packet) else {
            return;
        };
        let (client, from_client) = match (segment.source, segment.destination) {
            (client, server) if server == self.port => (client, true),
            (server, client) if server == self.port => (client, false),
            _ => return,
        };
        if from_client && segment.syn {
            let flow = Flow::new(client, self.over_http2);
            self.over.extend(self.open.insert(client, flow));
        }
        // One that began before we looked, or a connection that was refused, says nothing.
        if let Some(flow) = self.open.get_mut(&client) {
            flow.saw(&segment, from_client, now);
        }
    }

    /// Requests that were wholly sent, and those of them that were lost; times count from `signal`.
    pub fn account(self, signal: Instant) -> (u64, Vec<Lost>) {
        let flows: Vec<_> = self
            .over
            .into_iter()
            .chain(self.open.into_values())
            .collect();
        let requests = flows.iter().map(|it| it.requests.len() as u64).sum();
        let lost = flows.iter().flat_map(|it| it.lost(signal)).collect();
        (requests, lost)
    }
}

struct Flow {
    port: u16,
    client: Side,
    server: Side,
    /// By stream; over HTTP/1.1 by number.
    requests: BTreeMap<u32, Request>,
    answered: u32,
    /// The last stream that the server looks at, once it has said so.
    last: u32,
    server_ended: Option<Instant>,
}

/// One direction.
struct Side {
    next: Option<u32>,
    reading: Reading,
}

enum Reading {
    Http1(Messages),
    Http2(Frames),
}

struct Request {
    line: String,
    sent: Instant,
    is_answered: bool,
}

impl Side {
    /// What is new in a segment. A packet that is sent again brings nothing.
    fn fresh<'a>(&mut self, segment: &Segment<'a>) -> &'a [u8] {
        let begins = segment.sequence.wrapping_add(u32::from(segment.syn));
        let next = *self.next.get_or_insert(begins);
        let known = next.wrapping_sub(begins) as usize;
        // The line neither loses nor reorders, so what does not follow is old.
        let fresh = segment.payload.get(known..).unwrap_or_default();
        self.next = Some(next.wrapping_add(fresh.len() as u32));
        fresh
    }
}

impl Flow {
    fn new(port: u16, over_http2: bool) -> Flow {
        let side = |frames: fn() -> Frames| Side {
            next: None,
            reading: match over_http2 {
                true => Reading::Http2(frames()),
                false => Reading::Http1(Messages::default()),
            },
        };
        Flow {
            port,
            client: side(Frames::of_client),
            server: side(Frames::of_server),
            requests: BTreeMap::new(),
            answered: 0,
            last: u32::MAX,
            server_ended: None,
        }
    }

    fn saw(&mut self, segment: &Segment<'_>, from_client: bool, now: Instant) {
        if !from_client && (segment.fin || segment.rst) {
            self.server_ended.get_or_insert(now);
        }
        let side = match from_client {
            true => &mut self.client,
            false => &mut self.server,
        };
        let fresh = side.fresh(segment);
        match &mut side.reading {
            Reading::Http1(messages) => {
                let whole = messages.feed(fresh);
                let line = messages.first_line.clone();
                for _ in 0..whole {
                    match from_client {
                        true => self.sent(self.requests.len() as u32, line.clone(), now),
                        false => self.answered(self.answered),
                    }
                }
            }
            Reading::Http2(frames) => {
                for said in frames.feed(fresh) {
                    self.said(&said, from_client, now);
                }
            }
        }
    }

    fn said(&mut self, said: &Said, from_client: bool, now: Instant) {
        match *said {
            Said::Whole(stream) if from_client => {
                self.sent(stream, format!("stream {stream}"), now);
            }
            Said::Whole(stream) => self.answered(stream),
            // Whoever gives up waits for nothing.
            Said::Reset { stream, .. } if from_client => {
                self.requests.remove(&stream);
            }
            Said::Reset { stream, refused } => {
                if refused {
                    self.requests.remove(&stream);
                }
            }
            Said::GoAway { last } if !from_client => {
                self.last = last;
                self.requests.retain(|stream, _| *stream <= last);
            }
            Said::GoAway { .. } => {}
        }
    }

    fn sent(&mut self, number: u32, line: String, sent: Instant) {
        // It crosses the GOAWAY that says so.
        if number > self.last {
            return;
        }
        let request = Request {
            line,
            sent,
            is_answered: false,
        };
        self.requests.insert(number, request);
    }

    fn answered(&mut self, number: u32) {
        if let Some(request) = self.requests.get_mut(&number) {
            request.is_answered = true;
        }
        self.answered += 1;
    }

    fn lost(&self, signal: Instant) -> impl Iterator<Item = Lost> {
        let after = move |at: Instant| {
            let before = signal.saturating_duration_since(at).as_secs_f64();
            (at.saturating_duration_since(signal).as_secs_f64() - before) * 1e3
        };
        let first = self.requests.keys().next();
        let lost = self.requests.iter().filter(|(_, it)| !it.is_answered);
        lost.map(move |(number, it)| {
            let ended = match self.server_ended {
                Some(at) => format!("the server ended it at {:+.1} ms", after(at)),
                None => "the server never ended it".to_owned(),
            };
            Lost {
                reused: Some(number) != first,
                what: format!(
                    "{}, number {} on the connection from port {}, sent at {:+.1} ms; {ended}",
                    it.line,
                    self.requests.range(..=number).count(),
                    self.port,
                    after(it.sent)
                ),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: u16 = 80;

    struct Line {
        flows: Flows,
        sequence: [u32; 2],
    }

    impl Line {
        fn new() -> Line {
            Line::over(false)
        }

        fn over(http2: bool) -> Line {
            let mut line = Line {
                flows: Flows::new(SERVER, http2),
                sequence: [100, 900],
            };
            line.send(true, 2, b"");
            line.send(false, 2, b"");
            line
        }

        fn send(&mut self, from_client: bool, flags: u8, payload: &[u8]) {
            self.repeat(from_client, flags, payload);
            let sequence = &mut self.sequence[usize::from(from_client)];
            *sequence += payload.len() as u32 + u32::from(flags & 2 != 0);
        }

        fn repeat(&mut self, from_client: bool, flags: u8, payload: &[u8]) {
            let ports = [5000u16.to_be_bytes(), SERVER.to_be_bytes()];
            let ports = if from_client {
                ports
            } else {
                [ports[1], ports[0]]
            };
            let mut it = vec![0x45, 0, 0, 40 + payload.len() as u8, 0, 0, 0, 0, 64, 6];
            it.extend([0; 10]);
            it.extend(ports.concat());
            it.extend(self.sequence[usize::from(from_client)].to_be_bytes());
            it.extend([0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0]);
            it.extend(payload);
            self.flows.saw(&it, Instant::now());
        }

        fn account(self) -> (u64, Vec<bool>) {
            let (requests, lost) = self.flows.account(Instant::now());
            (requests, lost.iter().map(|it| it.reused).collect())
        }
    }

    const ASK: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

    #[test]
    fn what_is_answered_is_not_lost_and_a_repeated_packet_is_no_request() {
        let mut line = Line::new();
        line.send(true, 0, ASK);
        line.send(false, 0, ANSWER);
        line.send(true, 0, ASK);
        line.sequence[1] -= ASK.len() as u32;
        line.repeat(true, 0, ASK);
        line.sequence[1] += ASK.len() as u32;
        line.send(false, 1, ANSWER);
        assert_eq!(line.account(), (2, vec![]));
    }

    #[test]
    fn what_is_sent_as_the_server_ends_is_lost() {
        let mut line = Line::new();
        line.send(true, 0, ASK);
        line.send(false, 0, ANSWER);
        line.send(false, 1, b"");
        line.send(true, 0, ASK);
        assert_eq!(line.account(), (2, vec![true]));
        let mut line = Line::new();
        line.send(true, 0, ASK);
        line.send(false, 4, b"");
        assert_eq!(line.account(), (1, vec![false]));
    }

    /// A frame of HTTP/2 (RFC 9113, 4.1).
    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let head = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
        [&head[..], payload].concat()
    }

    #[test]
    fn what_crosses_a_goaway_was_not_looked_at_and_what_it_names_was() {
        const HEADERS: u8 = 1;
        const GOAWAY: u8 = 7;
        const END_STREAM: u8 = 1;
        let mut line = Line::over(true);
        line.send(true, 0, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let asks = |stream| frame(HEADERS, END_STREAM, stream, b"");
        line.send(true, 0, &asks(1));
        line.send(true, 0, &asks(3));
        line.send(true, 0, &asks(5));
        line.send(false, 0, &frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]));
        line.send(true, 0, &asks(7));
        line.send(false, 0, &frame(HEADERS, END_STREAM, 1, b""));
        assert_eq!(line.account(), (2, vec![true]));
    }

    #[test]
    fn half_a_request_is_none() {
        let mut line = Line::new();
        line.send(true, 0, &ASK[..9]);
        line.send(false, 1, b"");
        assert_eq!(line.account(), (0, vec![]));
    }
}
