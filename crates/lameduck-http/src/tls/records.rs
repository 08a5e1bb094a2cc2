//! Where one TLS record ends and the next begins.
//!
//! A request may be cut by the network in the middle of a record, and until the rest has come TLS
//! shows nothing of it. Who closes the connection as idle then loses that request. So the records'
//! heads are read along, which are not encrypted (RFC 8446, 5.1; RFC 5246, 6.2.1).

/// A type, a version, a length.
const HEAD: usize = 5;

/// How far the record in hand has come.
#[derive(Default)]
pub(super) struct Records {
    /// The bytes of its head seen so far, if the head is not whole.
    head: usize,
    /// The upper byte of its length.
    length: usize,
    /// What is missing of its body.
    missing: usize,
}

impl Records {
    /// More bytes have come.
    pub(super) fn came(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.missing > 0 {
                let n = self.missing.min(bytes.len());
                self.missing -= n;
                bytes = &bytes[n..];
                continue;
            }
            self.head += 1;
            if self.head == HEAD - 1 {
                self.length = usize::from(*first) << 8;
            } else if self.head == HEAD {
                self.missing = self.length | usize::from(*first);
                self.head = 0;
            }
            bytes = rest;
        }
    }

    /// Whether part of a record has come and part has not.
    pub(super) fn is_within(&self) -> bool {
        self.head > 0 || self.missing > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_followed_however_it_is_cut() {
        let record = |length: u16| {
            let mut bytes = vec![0x17, 3, 3];
            bytes.extend(length.to_be_bytes());
            bytes.extend(vec![0xff; length.into()]);
            bytes
        };
        let two = [record(300), record(0), record(16_640)].concat();
        let ends = [305, 310, two.len()];
        for first in 0..=two.len() {
            let mut records = Records::default();
            records.came(&two[..first]);
            assert_eq!(
                records.is_within(),
                first != 0 && !ends.contains(&first),
                "{first}"
            );
            records.came(&two[first..]);
            assert!(!records.is_within());
        }
    }
}
