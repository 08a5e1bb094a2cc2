//! Event streams (`text/event-stream`; HTML standard, 9.2) that end by themselves when the shutdown
//! drains.
//!
//! # What must hold
//!
//! 1. A stream is ended behind a blank line, which is what ends an event, or where no event has
//!    begun. What the client has of it is whole events.
//! 2. It is ended at the first such place from the drain on, without another look at the handler.
//! 3. Nothing is changed about a response that is no such stream, is encoded so that events cannot
//!    be seen in it, has said how long it is, or whose handler ends it itself.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};

use lameduck_core::Handle;
use lameduck_core::internal::jitter::random;
use lameduck_core::phase::{Phase, Reached};

/// How event streams end. Give it to [`Http::event_streams`](crate::Http::event_streams) or
/// [`TrackLayer::event_streams`](crate::TrackLayer::event_streams).
///
/// A response with the content type `text/event-stream` is ended when the shutdown drains: after the
/// event in hand, with a `retry:` that tells the client when to come back (HTML standard, 9.2.6). A
/// stream that never ends the event in hand is cut when the time for draining is over, and named in
/// the report. A handler that ends its stream itself says so by [`EndsItself`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStreams {
    end: bool,
    /// The least and the most, in ms.
    retry: Option<(u64, u64)>,
}

impl Default for EventStreams {
    fn default() -> EventStreams {
        EventStreams {
            end: true,
            retry: Some((1000, 3000)),
        }
    }
}

impl EventStreams {
    /// The defaults.
    pub fn new() -> EventStreams {
        EventStreams::default()
    }

    /// When clients should come back, in whole milliseconds, at random for each stream, so that
    /// they do not all come at once. Default: 1 s to 3 s. An end before its start counts as its
    /// start.
    pub fn retry(mut self, between: Range<Duration>) -> Self {
        let ms = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        self.retry = Some((ms(between.start), ms(between.end.max(between.start))));
        self
    }

    /// Says nothing of when to come back: the client's own time holds, or what the stream has told it
    /// before.
    pub fn without_retry(mut self) -> Self {
        self.retry = None;
        self
    }

    /// Leaves streams alone: whoever does not end by itself is cut when the time for draining is over.
    pub fn left_alone(mut self) -> Self {
        self.end = false;
        self
    }

    /// What ends the stream that `response` is; `None` if it is none, or not to be ended. Whose body says its `length`, as
    /// most do, is none.
    #[inline]
    pub(crate) fn of<B>(
        self,
        response: &Response<B>,
        length: Option<u64>,
        handle: &Handle,
    ) -> Option<Box<EventStreamState>> {
        match length {
            None => self.of_any(response, handle),
            Some(_) => None,
        }
    }

    /// The same for a body that says nothing of itself.
    pub(crate) fn of_any<B>(
        self,
        response: &Response<B>,
        handle: &Handle,
    ) -> Option<Box<EventStreamState>> {
        let headers = response.headers();
        let fits = self.end
            && is_event_stream(headers)
            && !headers.contains_key(CONTENT_ENCODING)
            && !headers.contains_key(CONTENT_LENGTH)
            && response.extensions().get::<EndsItself>().is_none();
        fits.then(|| {
            Box::new(EventStreamState {
                draining: handle.phases().reached(Phase::Draining),
                place: LinePosition::default(),
                retry: self.retry,
            })
        })
    }
}

/// In a response's extensions: its handler ends the event stream by itself when the shutdown drains
/// (see [`Draining`](crate::Draining)), for example to say more than `retry:`.
///
/// ```
/// # use lameduck_http::EndsItself;
/// let mut response = http::Response::new("data: 1\n\n");
/// response.extensions_mut().insert(EndsItself); // axum: (Extension(EndsItself), sse)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndsItself;

fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = value.and_then(|it| it.split(';').next()).unwrap_or("");
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// One stream on its way.
#[derive(Debug)]
pub(crate) struct EventStreamState {
    draining: Reached,
    place: LinePosition,
    retry: Option<(u64, u64)>,
}

/// What becomes of a piece of a stream.
pub(crate) enum StreamPiece {
    /// It goes out, and others may follow.
    Next(Bytes),
    /// It goes out, and is the last.
    Last(Bytes),
}

impl EventStreamState {
    /// What to send last, if the stream ends here; otherwise the task is woken when it should end.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let over = Pin::new(&mut self.draining).poll(cx).is_ready();
        (over && self.place.is_between_events()).then(|| self.last(Bytes::new()))
    }

    /// Takes note of what the handler has sent.
    pub(crate) fn pass(&mut self, bytes: Bytes, cx: &mut Context<'_>) -> StreamPiece {
        let over = Pin::new(&mut self.draining).poll(cx).is_ready();
        let whole = self.place.follow(&bytes);
        match whole {
            Some(whole) if over => StreamPiece::Last(self.last(bytes.slice(..whole))),
            _ => StreamPiece::Next(bytes),
        }
    }

    /// `events` and the `retry:`.
    fn last(&self, events: Bytes) -> Bytes {
        let Some((least, most)) = self.retry else {
            return events;
        };
        let ms = least + ((most - least) as f64 * random()) as u64;
        let mut last = BytesMut::from(events);
        last.put_slice(format!("retry: {ms}\n\n").as_bytes());
        last.freeze()
    }
}

/// Where in a stream we are. A line ends with CRLF, LF or CR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinePosition {
    line: LineKind,
    /// Whether the last byte was a CR, so that a LF would belong to it.
    after_cr: bool,
    /// Whether a line of an event has come that no blank line has ended.
    in_event: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineKind {
    Start,
    Comment,
    Field,
}

impl Default for LinePosition {
    fn default() -> LinePosition {
        LinePosition {
            line: LineKind::Start,
            after_cr: false,
            in_event: false,
        }
    }
}

impl LinePosition {
    fn is_between_events(&self) -> bool {
        self.line == LineKind::Start && !self.in_event
    }

    /// Reads on. Returns how much of `bytes` goes up to the last place between two events, if there
    /// is one.
    fn follow(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut whole = None;
        for (n, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\r' | b'\n' => {
                    match self.line {
                        LineKind::Start => self.in_event = false,
                        LineKind::Comment => {}
                        LineKind::Field => self.in_event = true,
                    }
                    self.line = LineKind::Start;
                    self.after_cr = *byte == b'\r';
                }
                _ => {
                    if self.line == LineKind::Start {
                        let comment = *byte == b':';
                        self.line = if comment {
                            LineKind::Comment
                        } else {
                            LineKind::Field
                        };
                    }
                    self.after_cr = false;
                }
            }
            if self.is_between_events() {
                whole = Some(n + 1);
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use futures_util::stream::Pending;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;
    use lameduck_core::phase::{Driver, at};

    type Unending = StreamBody<Pending<Result<Frame<Bytes>, std::convert::Infallible>>>;

    fn unending() -> Unending {
        StreamBody::new(futures_util::stream::pending())
    }

    /// The stream, and all places at which it may end: a comment, an event, two more in the other
    /// ways to end a line, and one that is not whole.
    const STREAM: &str = ": hello\n\nid: 1\ndata: one\n\ndata: two\r\n\r\ndata: three\r\rdata: fo";

    fn ends() -> Vec<usize> {
        let after = |text: &str| STREAM.find(text).unwrap() + text.len();
        vec![
            0,
            after(": hello\n"),
            after(": hello\n\n"),
            after("one\n\n"),
            after("two\r\n\r"),
            after("two\r\n\r\n"),
            after("three\r\r"),
        ]
    }

    fn stream(settings: EventStreams) -> (EventStreamState, Driver<at::LameDuckPhase>) {
        let driver = Driver::new();
        let handle = Handle::new(driver.phases());
        let mut response = Response::new(unending());
        let value = "Text/Event-Stream; charset=utf-8".parse().unwrap();
        response.headers_mut().insert(CONTENT_TYPE, value);
        let stream = settings.of(&response, None, &handle).unwrap();
        (*stream, driver.ready().lame_duck())
    }

    /// Sends `STREAM` in pieces of `size`, has the drain begin after `begins` bytes, and returns what
    /// went out.
    fn sent(size: usize, begins: usize) -> String {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut stream, driver) = stream(EventStreams::new().without_retry());
        let mut driver = Some(driver);
        let mut drain = None;
        let mut out = Vec::new();
        for (nth, piece) in STREAM.as_bytes().chunks(size).enumerate() {
            if nth * size >= begins {
                drain = drain.or_else(|| driver.take().map(Driver::<at::LameDuckPhase>::drain));
            }
            if let Some(last) = stream.end(&mut cx) {
                out.extend(last);
                break;
            }
            match stream.pass(Bytes::copy_from_slice(piece), &mut cx) {
                StreamPiece::Next(bytes) => out.extend(bytes),
                StreamPiece::Last(bytes) => {
                    out.extend(bytes);
                    break;
                }
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sse_ends_at_the_first_boundary_from_the_drain_on_however_the_stream_is_cut() {
        let ends = ends();
        for size in 1..=STREAM.len() {
            for begins in 0..STREAM.len() {
                let sent = sent(size, begins);
                assert!(STREAM.starts_with(&sent));
                // The piece at whose beginning the drain was noticed.
                let noticed = begins.div_ceil(size) * size;
                if noticed > *ends.last().unwrap() || noticed >= STREAM.len() {
                    // In the middle of an event that does not end.
                    assert_eq!(sent, STREAM, "{size} {begins}");
                    continue;
                }
                assert!(ends.contains(&sent.len()), "{size} {begins}: {sent:?}");
                let first = *ends.iter().find(|end| **end >= noticed).unwrap();
                let piece_ends = first.div_ceil(size) * size;
                assert!(
                    (first..=piece_ends).contains(&sent.len()),
                    "{size} {begins}: {sent:?}"
                );
            }
        }
    }

    #[test]
    fn sse_ends_with_a_retry_of_its_own() {
        let mut cx = Context::from_waker(Waker::noop());
        let between = Duration::from_millis(20)..Duration::from_millis(40);
        let (mut events, driver) = stream(EventStreams::new().retry(between));
        assert!(events.end(&mut cx).is_none());
        let _drain = driver.drain();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let last = events.end(&mut cx).unwrap();
            let last = std::str::from_utf8(&last).unwrap();
            let ms = last.strip_prefix("retry: ").unwrap();
            let ms: u64 = ms.strip_suffix("\n\n").unwrap().parse().unwrap();
            assert!((20..=40).contains(&ms), "{ms}");
            seen.insert(ms);
        }
        assert!(seen.len() > 5, "{seen:?}");
    }

    #[test]
    fn what_is_no_event_stream_or_ends_itself_is_left_alone() {
        let handle = Handle::new(Driver::new().phases());
        let with = |headers: &[(http::HeaderName, &str)]| {
            let mut response = Response::new(unending());
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        };
        let events = (CONTENT_TYPE, "text/event-stream");
        let settings = EventStreams::new();
        let ended = |response: &Response<Unending>| settings.of(response, None, &handle).is_some();
        assert!(ended(&with(std::slice::from_ref(&events))));
        assert!(!ended(&with(&[])));
        assert!(!ended(&with(&[(CONTENT_TYPE, "text/event-streams")])));
        assert!(!ended(&with(&[events.clone(), (CONTENT_ENCODING, "gzip")])));
        assert!(!ended(&with(&[events.clone(), (CONTENT_LENGTH, "9")])));
        let mut own = with(&[events]);
        assert!(settings.left_alone().of(&own, None, &handle).is_none());
        own.extensions_mut().insert(EndsItself);
        assert!(!ended(&own));
        let known = with(&[(CONTENT_TYPE, "text/event-stream")])
            .map(|_| http_body_util::Full::new(Bytes::from("data: 1\n\n")));
        let length = http_body::Body::size_hint(known.body()).exact();
        assert!(settings.of(&known, length, &handle).is_none());
    }
}
