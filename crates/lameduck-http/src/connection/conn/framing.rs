//! Where the requests of HTTP/1.x end in the bytes that a peer sends, as far as that must be known.
//!
//! hyper reads what comes into a buffer of its own, and does not say what is left in it when a request
//! has been answered. A part of the next request may be: then the connection is not idle, and how long
//! its head takes counts.
//!
//! # What must hold
//!
//! 1. A request that comes alone, whole or in pieces, with or without a body, leaves nothing behind it.
//! 2. A part of another request that comes with one leaves something behind it, until that other
//!    request's head is whole.
//!
//! The common request without a body costs one search: its bytes end with a blank line, and have no other. Only if
//! that is not plain are they looked at one by one. A chunked body has no length to count down; what ends with a
//! blank line is taken to be its end.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Below so many bytes a search with wider vectors takes longer to begin than it saves.
const SHORT: usize = 192;

/// Made once: to prepare a search takes longer than to search a request's head.
static BLANK_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n\r\n"));

/// How far the request in hand has come. Fits into one word, so that it can live in an atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestFraming {
    /// The head is not whole.
    Head { tail: Tail },
    /// The head is whole, and so many bytes have come behind it.
    Whole { after: u64, tail: Tail },
    /// The request is being answered, and so many bytes of its body are still to come.
    Body { missing: u64 },
    /// The same without a length.
    Chunked { tail: Tail },
    /// Bytes of another request have come.
    Behind { tail: Tail },
}

/// What the last bytes are. A line may end without CR (RFC 9112, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tail {
    /// Something within a line.
    Text = 0,
    /// The end of a line.
    Line = 1,
    /// The same, and a CR.
    Return = 2,
    /// A blank line behind another.
    Blank = 3,
}

impl Tail {
    /// After one more byte.
    #[inline]
    fn then(self, byte: u8) -> Tail {
        match (self, byte) {
            (Tail::Text, b'\n') => Tail::Line,
            (Tail::Line | Tail::Blank, b'\r') => Tail::Return,
            (_, b'\n') => Tail::Blank,
            _ => Tail::Text,
        }
    }

    /// After more bytes, of which the last three tell.
    #[inline]
    fn after(self, bytes: &[u8]) -> Tail {
        if bytes.ends_with(b"\n\r\n") {
            return Tail::Blank;
        }
        match bytes {
            [.., a, b, c] => Tail::Text.then(*a).then(*b).then(*c),
            few => few.iter().fold(self, |tail, byte| tail.then(*byte)),
        }
    }
}

/// What follows the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    Nothing,
    Bytes(u64),
    /// A body without a length.
    Chunks,
}

const KIND: u32 = 61;
const TAIL: u32 = 59;
const NUMBER: u64 = (1 << TAIL) - 1;

impl RequestFraming {
    /// Before the first byte of a request.
    pub(super) const START: RequestFraming = RequestFraming::Head { tail: Tail::Text };

    /// After the bytes of a request that came alone and has no body.
    pub(super) const ALONE: RequestFraming = RequestFraming::Whole {
        after: 0,
        tail: Tail::Blank,
    };

    /// Bytes have come.
    #[inline]
    pub(super) fn read(self, bytes: &[u8]) -> RequestFraming {
        match self {
            RequestFraming::Head { tail } => match is_one_head(bytes) {
                true if tail == Tail::Text => RequestFraming::ALONE,
                _ => search(tail, bytes, tail.after(bytes)),
            },
            RequestFraming::Whole { after, tail } => RequestFraming::Whole {
                after: (after + bytes.len() as u64).min(NUMBER),
                tail: tail.after(bytes),
            },
            RequestFraming::Body { missing } => match missing.checked_sub(bytes.len() as u64) {
                Some(missing) => RequestFraming::Body { missing },
                None => RequestFraming::Behind {
                    tail: Tail::Text.after(bytes),
                },
            },
            RequestFraming::Chunked { tail } => RequestFraming::Chunked {
                tail: tail.after(bytes),
            },
            RequestFraming::Behind { tail } => RequestFraming::Behind {
                tail: tail.after(bytes),
            },
        }
    }

    /// A request's head is whole. What it says of the rest is not known yet.
    #[inline]
    fn head_is_whole(self) -> RequestFraming {
        match self {
            RequestFraming::Whole { .. } => self,
            // It was behind another. Where it ends in what has come is not known; if that ends with a
            // blank line, most likely there.
            RequestFraming::Behind { tail } if tail != Tail::Blank => self,
            _ => RequestFraming::ALONE,
        }
    }

    /// What the head says of the rest; what of that is still to come.
    #[inline]
    pub(super) fn asked(self, follows: Follows) -> RequestFraming {
        let RequestFraming::Whole { after, tail } = self.head_is_whole() else {
            return self;
        };
        match follows {
            Follows::Nothing if after > 0 => RequestFraming::Behind { tail },
            Follows::Nothing => RequestFraming::Body { missing: 0 },
            Follows::Bytes(length) => match length.checked_sub(after) {
                Some(missing) => RequestFraming::Body {
                    missing: missing.min(NUMBER),
                },
                None => RequestFraming::Behind { tail },
            },
            Follows::Chunks => RequestFraming::Chunked { tail },
        }
    }

    /// The request has been answered: whether a part of another has come.
    #[inline]
    pub(super) fn leaves_something(self) -> bool {
        matches!(self, RequestFraming::Behind { .. })
    }

    /// Whether a part of the request that is being answered has not come.
    pub(super) fn misses_something(self) -> bool {
        match self {
            RequestFraming::Body { missing } => missing > 0,
            RequestFraming::Chunked { tail } => tail != Tail::Blank,
            _ => false,
        }
    }

    /// As one word.
    #[inline]
    pub(super) const fn pack(self) -> u64 {
        const fn word(kind: u64, tail: Tail, number: u64) -> u64 {
            kind << KIND | (tail as u64) << TAIL | number
        }
        match self {
            RequestFraming::Head { tail } => word(0, tail, 0),
            RequestFraming::Whole { after, tail } => word(1, tail, after),
            RequestFraming::Body { missing } => word(2, Tail::Text, missing),
            RequestFraming::Chunked { tail } => word(3, tail, 0),
            RequestFraming::Behind { tail } => word(4, tail, 0),
        }
    }

    /// From one word.
    #[inline]
    pub(super) fn unpack(word: u64) -> RequestFraming {
        let tail = match (word >> TAIL) & 3 {
            0 => Tail::Text,
            1 => Tail::Line,
            2 => Tail::Return,
            _ => Tail::Blank,
        };
        let number = word & NUMBER;
        match word >> KIND {
            0 => RequestFraming::Head { tail },
            1 => RequestFraming::Whole {
                after: number,
                tail,
            },
            2 => RequestFraming::Body { missing: number },
            3 => RequestFraming::Chunked { tail },
            _ => RequestFraming::Behind { tail },
        }
    }
}

/// Whether bytes end with a blank line, and have no other. `false` if that is not plain.
#[inline]
fn is_one_head(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\n\r\n")
        && match bytes.len() {
            ..SHORT => !has_line_without_text(&bytes[..bytes.len() - 2]),
            _ => BLANK_LINE.find(bytes) == Some(bytes.len() - 3),
        }
}

/// So many pairs of bytes are looked at together, in instructions for vectors.
const AT_ONCE: usize = 16;

/// Whether a line may have no text; `true` if there are too few bytes to tell.
#[inline]
fn has_line_without_text(bytes: &[u8]) -> bool {
    let firsts = &bytes[..bytes.len().saturating_sub(1)];
    let seconds = &bytes[bytes.len().min(1)..];
    let (Some(last_firsts), Some(last_seconds)) = (firsts.last_chunk(), seconds.last_chunk())
    else {
        return true;
    };
    let mut least = [u8::MAX; AT_ONCE];
    compare(&mut least, last_firsts, last_seconds);
    for (firsts, seconds) in std::iter::zip(firsts.as_chunks().0, seconds.as_chunks().0) {
        compare(&mut least, firsts, seconds);
    }
    // Not by a search, which would be a call.
    least.iter().fold(false, |some, it| some | (*it == 0))
}

/// Makes those of `least` zero where the first byte is LF, and the second LF or CR, or another control character that has
/// no place in a head. A minimum, since what is true or false is no byte of a vector until it has been made one.
#[inline(always)]
fn compare(least: &mut [u8; AT_ONCE], firsts: &[u8; AT_ONCE], seconds: &[u8; AT_ONCE]) {
    for ((least, first), second) in least.iter_mut().zip(firsts).zip(seconds) {
        *least = (*least).min((*first ^ b'\n') | ((*second & !7) ^ 8));
    }
}

/// Looks for the blank line that ends a head in bytes that end with `end`.
fn search(mut tail: Tail, bytes: &[u8], end: Tail) -> RequestFraming {
    for (n, byte) in bytes.iter().enumerate() {
        tail = tail.then(*byte);
        if tail == Tail::Blank {
            return RequestFraming::Whole {
                after: (bytes.len() - n - 1) as u64,
                tail: end,
            };
        }
    }
    RequestFraming::Head { tail: end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const BARE: &[u8] = b"GET / HTTP/1.1\nhost: a\n\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

    fn follows(request: &[u8]) -> Follows {
        match request {
            GET | BARE => Follows::Nothing,
            POST => Follows::Bytes(5),
            _ => Follows::Chunks,
        }
    }

    fn head(request: &[u8]) -> usize {
        let blank = |end: &[u8]| request.windows(end.len()).position(|it| it == end);
        let crlf = blank(b"\r\n\r\n").map(|at| at + 4);
        crlf.unwrap_or_else(|| blank(b"\n\n").unwrap() + 2)
    }

    /// Sends `bytes` in pieces that end at `cuts`; hyper asks as soon as the head is whole.
    fn sent(request: &[u8], bytes: &[u8], cuts: &[usize]) -> RequestFraming {
        let mut framing = RequestFraming::START;
        let (mut from, mut asked) = (0, false);
        for &cut in cuts.iter().chain([&bytes.len()]) {
            if cut > from {
                framing = RequestFraming::unpack(framing.read(&bytes[from..cut]).pack());
                from = cut;
            }
            if !asked && from >= head(request) {
                asked = true;
                framing = RequestFraming::unpack(framing.asked(follows(request)).pack());
            }
        }
        framing
    }

    #[test]
    fn a_request_that_comes_alone_leaves_nothing_however_it_is_cut() {
        for request in [GET, BARE, POST, CHUNKED] {
            for first in 0..=request.len() {
                for second in first..=request.len() {
                    let framing = sent(request, request, &[first, second]);
                    assert!(!framing.leaves_something(), "{first} {second} {framing:?}");
                }
            }
        }
    }

    #[test]
    fn part_of_another_behind_it_is_left_however_it_is_cut() {
        for request in [GET, BARE, POST] {
            for part in 1..GET.len() {
                let bytes = [request, &GET[..part]].concat();
                for cut in 0..=bytes.len() {
                    let framing = sent(request, &bytes, &[cut]);
                    assert!(framing.leaves_something(), "{part} {cut} {framing:?}");
                }
            }
        }
    }

    #[test]
    fn a_whole_one_behind_it_is_left_too() {
        // One whose lines end without CR is not told from what is behind it.
        for request in [GET, POST] {
            for behind in [GET, BARE, POST] {
                let bytes = [request, behind].concat();
                for cut in 0..=bytes.len() {
                    let framing = sent(request, &bytes, &[cut]);
                    assert!(framing.leaves_something(), "{cut} {framing:?}");
                }
            }
        }
    }

    #[test]
    fn one_head_is_told_from_more_whatever_its_length_and_wherever_it_ends() {
        let read = |bytes: &[u8]| {
            let framing = RequestFraming::START.read(bytes);
            assert_eq!(framing, search(Tail::Text, bytes, Tail::Text.after(bytes)));
            framing
        };
        for length in (1..80).chain(SHORT - 20..SHORT + 20) {
            let mut head = vec![b'x'; length];
            head.extend(b"\r\n\r\n");
            assert_eq!(read(&head), RequestFraming::ALONE, "{length}");
            for at in 1..=length {
                for end in [&b"\n\r\n"[..], b"\n\n"] {
                    let mut two = head.clone();
                    two.splice(at..at, end.iter().copied());
                    if end.len() == 3 || two.len() < SHORT {
                        assert_ne!(read(&two), RequestFraming::ALONE, "{length} {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_behind_is_gone_when_it_has_been_asked() {
        let two = sent(GET, &[GET, GET].concat(), &[GET.len() + 3]);
        assert!(two.leaves_something());
        assert!(!two.asked(Follows::Nothing).leaves_something());
        let two_and_a_half = sent(GET, &[GET, GET, &GET[..9]].concat(), &[9]);
        assert!(two_and_a_half.asked(Follows::Nothing).leaves_something());
    }
}
