//! How an HTTP/2 connection begins.

/// The first bytes (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const NOT_HTTP2: u8 = u8::MAX;

/// How much of it has been seen, after more bytes; another number than up to its length if it is not that.
#[inline]
pub(super) fn match_preface(matched: u8, bytes: &[u8]) -> u8 {
    let rest = &PREFACE[matched as usize..];
    let n = rest.len().min(bytes.len());
    if rest[..n] == bytes[..n] {
        matched + n as u8
    } else {
        NOT_HTTP2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_known_however_it_is_cut() {
        for cut in 0..=PREFACE.len() {
            let matched = match_preface(0, &PREFACE[..cut]);
            assert_eq!(matched as usize, cut);
            assert_eq!(
                match_preface(matched, &PREFACE[cut..]) as usize,
                PREFACE.len()
            );
        }
        assert_eq!(match_preface(0, b"POST / HTTP/1.1"), NOT_HTTP2);
        assert_eq!(match_preface(1, b"UT / HTTP/1.1"), NOT_HTTP2);
        let mut longer = PREFACE.to_vec();
        longer.extend(b"\0\0\0\x04");
        assert_eq!(match_preface(0, &longer) as usize, PREFACE.len());
    }
}
