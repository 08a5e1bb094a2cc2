//! A request under way, recorded once whatever becomes of it.

use std::time::Instant;

use bytes::Bytes;

use super::answer::{Answer, AnswerFault, FaultKind};
use super::barrier::BarrierPlace;
use super::notebook::{Client, Notebook};
use super::stage::Unconnected;
use crate::ledger::{BodySeen, Ending, EventStream, Exchange, GrpcStatus, Held};
use crate::request::RequestTemplate;
use crate::wire::Reach;

/// A request under way. Whatever becomes of it, it is recorded once: one that is dropped, because the prover
/// stopped waiting, is recorded as timed out if it had been wholly written.
pub(crate) struct Attempt {
    notebook: Notebook,
    client: Client,
    number: u32,
    request: RequestTemplate,
    began: Instant,
    /// When it should have begun, for one that does not wait for others.
    pub(crate) intended: Option<Instant>,
    turned_away: Option<Instant>,
    pub(crate) reused: bool,
    pub(crate) written: Option<Instant>,
    pub(crate) answered: Option<Instant>,
    /// A response came before all of the request was sent.
    pub(crate) answered_early: bool,
    /// Where the bytes of an event stream go.
    pub(crate) events: Option<Box<EventStream>>,
    grpc: Option<Box<GrpcStatus>>,
    /// An answer that is still under way when the prover stops waiting was to go on: nothing is known of its end.
    pub(super) goes_on: bool,
    /// Where the signal waits for it.
    pub(super) place: Option<BarrierPlace>,
    held: Option<Held>,
    recorded: bool,
}

impl Attempt {
    pub(crate) fn begin(
        notebook: &Notebook,
        client: Client,
        number: u32,
        request: &RequestTemplate,
    ) -> Self {
        Self {
            notebook: notebook.clone(),
            client,
            number,
            request: request.clone(),
            began: Instant::now(),
            intended: None,
            turned_away: None,
            reused: false,
            written: None,
            answered: None,
            answered_early: false,
            events: None,
            grpc: None,
            goes_on: false,
            place: None,
            held: None,
            recorded: false,
        }
    }

    /// There was no connection to send it on. One that was established and then cut in its TLS handshake was to be
    /// served: it counts as lost, as a request on a connection in the clear would.
    pub(crate) fn unconnected(mut self, why: Unconnected) {
        match why {
            Unconnected::Refused { what, at } => {
                self.turned_away = Some(at);
                self.end(Ending::Refused, None, Some(what), None);
            }
            Unconnected::Unanswered(what) => self.end(Ending::Unanswered, None, Some(what), None),
            Unconnected::GivenUp => self.forget(),
            Unconnected::Cut { established, fault } => {
                self.written = Some(established);
                self.fault(fault);
            }
            Unconnected::Waiting { established } => self.written = Some(established),
        }
    }

    /// The server said that it had not processed it.
    pub(crate) fn unprocessed(self, what: String) {
        self.end(Ending::Unprocessed, None, Some(what), None);
    }

    /// Over with a response, or with what came instead of one.
    pub(crate) fn finish(self, result: Result<Answer, AnswerFault>) {
        match result {
            Ok(answer) => {
                let ending = match answer.status {
                    500.. => Ending::Status5xx,
                    _ if answer.close => Ending::OkClose,
                    _ => Ending::Ok,
                };
                // The other endings say themselves whether it was the last one.
                let what = (ending == Ending::Status5xx && answer.close).then(|| {
                    let (status, bytes) = (answer.status, answer.bytes);
                    format!("status {status}, {bytes} bytes, Connection: close")
                });
                self.end(ending, Some(answer), what, None);
            }
            Err(fault) => self.fault(fault),
        }
    }

    /// A gRPC call over, with a status. `is_whole`: no message was cut.
    pub(crate) fn called(mut self, status: GrpcStatus, is_whole: bool) {
        let cut = if is_whole {
            ""
        } else {
            ", in the middle of a message"
        };
        let ending = match status.code {
            _ if !is_whole => Ending::Truncated,
            GrpcStatus::UNAVAILABLE => Ending::Status5xx,
            _ => Ending::Ok,
        };
        let what = format!("{status}{cut}");
        self.grpc = Some(Box::new(status));
        self.end(ending, None, Some(what), Some(200));
    }

    fn fault(self, fault: AnswerFault) {
        let ending = match (fault.began, fault.kind) {
            (true, _) | (_, FaultKind::Malformed) => Ending::Truncated,
            (false, FaultKind::Reset) => Ending::ResetBeforeResponse,
            (false, FaultKind::Eof | FaultKind::Torn) => Ending::EofBeforeResponse,
        };
        self.end(ending, None, Some(fault.what), fault.status);
    }

    /// The head of the response has come: now.
    pub(crate) fn head_came(&mut self) -> Instant {
        // Of what stays open it is all that is known for long; of the others soon enough more.
        if self.events.is_some() {
            self.notebook.begun(self.client.lane);
        }
        let now = *self.answered.insert(Instant::now());
        if self.place.is_some() {
            self.is_at_its_moment(Held {
                at: now,
                reach: Reach::Read,
            });
        }
        now
    }

    /// Until now nothing of it was sent.
    pub(super) fn begins_now(&mut self) {
        self.began = Instant::now();
    }

    /// It stands where the signal is to find it, which need not wait for it any more.
    pub(super) fn is_at_its_moment(&mut self, held: Held) {
        self.place = None;
        self.held = Some(held);
    }

    /// Not wholly written, so neither lost nor answered: the client tries again elsewhere.
    pub(crate) fn forget(mut self) {
        self.recorded = true;
    }

    fn end(
        mut self,
        ending: Ending,
        answer: Option<Answer>,
        what: Option<String>,
        status: Option<u16>,
    ) {
        self.recorded = true;
        let seen = answer.as_ref().map(|answer| BodySeen {
            bytes: answer.bytes,
            to_eof: answer.to_eof,
        });
        let status = answer.as_ref().map(|answer| answer.status).or(status);
        let ended = answer.as_ref().map_or_else(Instant::now, |it| it.ended);
        let body = answer.and_then(|answer| answer.body);
        self.write(ending, status, what, body, seen, ended);
    }

    fn write(
        &mut self,
        ending: Ending,
        status: Option<u16>,
        what: Option<String>,
        body: Option<Bytes>,
        body_seen: Option<BodySeen>,
        ended: Instant,
    ) {
        self.notebook.record(Exchange {
            lane: self.client.lane,
            client: self.client.number,
            number: self.number,
            request: self.request.clone(),
            reused: self.reused,
            intended: self.intended.unwrap_or(self.began),
            began: self.began,
            turned_away: self.turned_away,
            written: self.written,
            answered: self.answered,
            ended,
            ending,
            status,
            words: what.map(String::into_boxed_str),
            body,
            body_seen,
            answered_early: self.answered_early,
            events: self.events.take(),
            grpc: self.grpc.take(),
            held: self.held,
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let was_to_go_on = self.goes_on && self.answered.is_some();
        if !self.recorded && self.written.is_some() && !was_to_go_on {
            let what = match self.answered {
                Some(_) => "the response began and had not ended when the prover stopped waiting",
                None => "no response when the prover stopped waiting",
            };
            let what = Some(what.to_owned());
            self.write(Ending::Timeout, None, what, None, None, Instant::now());
        }
    }
}
