//! A request under way, recorded once whatever becomes of it.

use std::time::Instant;

use bytes::Bytes;

use super::answer::{Answer, Fault, FaultKind};
use super::notebook::{Client, Notebook};
use super::stage::Unconnected;
use crate::ledger::{BodySeen, Ending, EventStream, Exchange, GrpcStatus};
use crate::request::RequestTemplate;

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
    pub(crate) events: Option<EventStream>,
    grpc: Option<GrpcStatus>,
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
            recorded: false,
        }
    }

    /// There was no connection to send it on. One that was established and then cut in its TLS handshake was to be
    /// served: it counts as lost, as a request on a connection in the clear would.
    pub(crate) fn unconnected(mut self, why: Unconnected) {
        match why {
            Unconnected::Refused { what, at } => {
                self.turned_away = Some(at);
                self.end(Ending::Refused, None, what, None);
            }
            Unconnected::Unanswered(what) => self.end(Ending::Unanswered, None, what, None),
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
        self.end(Ending::Unprocessed, None, what, None);
    }

    /// Over with a response, or with what came instead of one.
    pub(crate) fn finish(self, result: Result<Answer, Fault>) {
        match result {
            Ok(answer) => {
                let ending = match answer.status {
                    500.. => Ending::Status5xx,
                    _ if answer.close => Ending::OkClose,
                    _ => Ending::Ok,
                };
                let close = if answer.close {
                    ", Connection: close"
                } else {
                    ""
                };
                let what = format!("status {}, {} bytes{close}", answer.status, answer.bytes);
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
        self.grpc = Some(status);
        self.end(ending, None, what, Some(200));
    }

    fn fault(self, fault: Fault) {
        let ending = match (fault.began, fault.kind) {
            (true, _) | (_, FaultKind::Malformed) => Ending::Truncated,
            (false, FaultKind::Reset) => Ending::ResetBeforeResponse,
            (false, FaultKind::Eof | FaultKind::Torn) => Ending::EofBeforeResponse,
        };
        self.end(ending, None, fault.what, fault.status);
    }

    /// The head of the response has come.
    pub(crate) fn head_came(&mut self) {
        self.answered = Some(Instant::now());
        self.notebook.begun(self.client.lane);
    }

    /// Not wholly written, so neither lost nor answered: the client tries again elsewhere.
    pub(crate) fn forget(mut self) {
        self.recorded = true;
    }

    fn end(mut self, ending: Ending, answer: Option<Answer>, what: String, status: Option<u16>) {
        self.recorded = true;
        let seen = answer.as_ref().map(|answer| BodySeen {
            bytes: answer.bytes,
            to_eof: answer.to_eof,
        });
        let body = answer.as_ref().and_then(|answer| answer.body.clone());
        let status = answer.map(|answer| answer.status).or(status);
        self.write(ending, status, what, body, seen);
    }

    fn write(
        &self,
        ending: Ending,
        status: Option<u16>,
        what: String,
        body: Option<Bytes>,
        body_seen: Option<BodySeen>,
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
            ended: Instant::now(),
            ending,
            status,
            what,
            body,
            body_seen,
            answered_early: self.answered_early,
            events: self.events.clone(),
            grpc: self.grpc.clone(),
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.recorded && self.written.is_some() {
            let what = match self.answered {
                Some(_) => "the response began and had not ended when the prover stopped waiting",
                None => "no response when the prover stopped waiting",
            };
            self.write(Ending::Timeout, None, what.to_owned(), None, None);
        }
    }
}
