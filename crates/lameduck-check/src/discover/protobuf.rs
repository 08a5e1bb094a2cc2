//! Fields of a protobuf message, as far as reflection needs them (protobuf.dev, "Encoding").

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldValue<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in order; ends where it cannot be read.
pub(super) fn fields(mut rest: &[u8]) -> impl Iterator<Item = (u64, FieldValue<'_>)> {
    std::iter::from_fn(move || {
        let key = number(&mut rest)?;
        let value = match key & 7 {
            0 => FieldValue::Number(number(&mut rest)?),
            1 => FieldValue::Bytes(taken(&mut rest, 8)?),
            2 => {
                let length = number(&mut rest)?;
                FieldValue::Bytes(taken(&mut rest, length as usize)?)
            }
            5 => FieldValue::Bytes(taken(&mut rest, 4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    })
}

/// The fields of this number that hold bytes.
pub(super) fn all(message: &[u8], field: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).filter_map(move |(number, value)| match value {
        FieldValue::Bytes(bytes) if number == field => Some(bytes),
        _ => None,
    })
}

/// The first text of this number.
pub(super) fn text(message: &[u8], field: u64) -> Option<&str> {
    std::str::from_utf8(all(message, field).next()?).ok()
}

/// Whether the last number of this field is this one.
pub(super) fn is(message: &[u8], field: u64, expected: u64) -> bool {
    let numbers = fields(message).filter(|(number, _)| *number == field);
    numbers.last().map(|(_, value)| value) == Some(FieldValue::Number(expected))
}

/// A message of one field that is text; shorter than 128 bytes, and the field's number below 16.
pub(super) fn message(field: u8, text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(127)];
    [&[field << 3 | 2, text.len() as u8], text].concat()
}

fn taken<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_nothing_is_read_behind_the_end() {
        // 1: 150, 2: "testing", then a length without its bytes.
        let bytes = b"\x08\x96\x01\x12\x07testing\x1a\x05ab";
        let read: Vec<_> = fields(bytes).collect();
        assert_eq!(
            read,
            [
                (1, FieldValue::Number(150)),
                (2, FieldValue::Bytes(b"testing"))
            ]
        );
        assert_eq!(text(bytes, 2), Some("testing"));
        assert!(is(bytes, 1, 150) && !is(bytes, 1, 0));
        assert_eq!(message(7, "x"), b"\x3a\x01x");
    }
}
