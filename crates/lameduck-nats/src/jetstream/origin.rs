//! Where a message comes from, read from the subject to acknowledge it on.
//!
//! The client has [`info`](async_nats::jetstream::Message::info) for that, which reads nine fields,
//! a date among them, and wants a context for each message: a lot for each job, where three are needed.

/// What is needed of it.
#[derive(Debug, PartialEq)]
pub(super) struct Origin<'a> {
    pub(super) stream: &'a str,
    /// The message's number in the stream.
    pub(super) sequence: &'a str,
    /// How often it has been handed out, this time included.
    pub(super) delivered: u64,
}

impl Origin<'_> {
    /// Reads a subject as ADR-15 of NATS has it: `$JS.ACK.`, in longer ones the domain and the
    /// account, and then the stream, the consumer, how often, the number in the stream, and three
    /// more. `None` for any other.
    pub(super) fn of(ack: &str) -> Option<Origin<'_>> {
        let all = ack.strip_prefix("$JS.ACK.")?;
        // Where its tokens end, of as many as are looked at: byte by byte, since they are short.
        let mut ends = [all.len(); 9];
        let mut tokens = 0;
        for (at, byte) in all.bytes().enumerate() {
            if byte == b'.' && tokens < ends.len() {
                ends[tokens] = at;
                tokens += 1;
            }
        }
        let first = match tokens + 1 {
            0..7 => return None,
            7..9 => 0,
            9.. => 2,
        };
        let token = |n: usize| {
            let begin = if n == 0 { 0 } else { ends[n - 1] + 1 };
            all.get(begin..ends[n])
        };
        Some(Origin {
            stream: token(first)?,
            delivered: token(first + 2)?.parse().ok()?,
            sequence: token(first + 3)?,
        })
    }

    /// What the message is called in reports.
    pub(super) fn id(&self) -> String {
        [self.stream, " ", self.sequence].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_subjects_are_read() {
        let origin = Origin {
            stream: "ORDERS",
            sequence: "77",
            delivered: 3,
        };
        for ack in [
            "$JS.ACK.ORDERS.worker.3.77.80.1605139610113260000.10",
            "$JS.ACK._.hash.ORDERS.worker.3.77.80.1605139610113260000.10",
            "$JS.ACK.hub.hash.ORDERS.worker.3.77.80.1605139610113260000.10.token",
            "$JS.ACK.hub.hash.ORDERS.worker.3.77.80.1605139610113260000.10.token.and.more",
        ] {
            assert_eq!(Origin::of(ack).as_ref(), Some(&origin), "{ack}");
        }
        assert_eq!(origin.id(), "ORDERS 77");
    }

    #[test]
    fn what_jetstream_has_not_sent_is_none() {
        for ack in [
            "",
            "$JS.ACK.",
            "$JS.ACK.ORDERS.worker.3.77.80.1605139610113260000",
            "$JS.ACK.ORDERS.worker.often.77.80.1605139610113260000.10",
            "_INBOX.ORDERS.worker.3.77.80.1605139610113260000.10",
        ] {
            assert_eq!(Origin::of(ack), None, "{ack}");
        }
    }
}
