//! A TCP segment in an IPv4 packet.

/// Where the addresses are in an IPv4 header.
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// What a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub source: u16,
    pub destination: u16,
    pub sequence: u32,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// `None` for anything else than a whole TCP segment over IPv4.
    pub fn parse(packet: &'a [u8]) -> Option<Segment<'a>> {
        let first = *packet.first()?;
        let (version, words) = (first >> 4, usize::from(first & 0xf));
        let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        if version != 4 || *packet.get(9)? != 6 {
            return None;
        }
        let tcp = packet.get(words * 4..total)?;
        let word = |at| Some(u16::from_be_bytes([*tcp.get(at)?, *tcp.get(at + 1)?]));
        let flags = *tcp.get(13)?;
        Some(Segment {
            source: word(0)?,
            destination: word(2)?,
            sequence: u32::from(word(4)?) << 16 | u32::from(word(6)?),
            fin: flags & 1 != 0,
            syn: flags & 2 != 0,
            rst: flags & 4 != 0,
            payload: tcp.get(usize::from(*tcp.get(12)? >> 4) * 4..)?,
        })
    }
}

/// Sends a packet back to where it came from, as if from where it was to go. No checksum changes: each is a sum
/// that contains both addresses.
pub fn turn_round(packet: &mut [u8]) {
    if packet.len() >= DESTINATION + 4 && packet[0] >> 4 == 4 {
        let (left, right) = packet.split_at_mut(DESTINATION);
        left[SOURCE..].swap_with_slice(&mut right[..4]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut it = vec![
            0x45,
            0,
            0,
            40 + payload.len() as u8,
            0,
            0,
            0,
            0,
            64,
            6,
            0,
            0,
        ];
        it.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        it.extend([0x12, 0x34, 0, 80, 0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x11]);
        it.extend([0; 6]);
        it.extend(payload);
        it
    }

    #[test]
    fn a_segment_is_read() {
        let packet = packet(b"GET");
        let segment = Segment::parse(&packet).unwrap();
        assert_eq!((segment.source, segment.destination), (0x1234, 80));
        assert_eq!(segment.sequence, 256);
        assert_eq!(
            (segment.fin, segment.syn, segment.rst),
            (true, false, false)
        );
        assert_eq!(segment.payload, b"GET");
    }

    #[test]
    fn what_is_none_or_cut_off_is_none() {
        let whole = packet(b"GET");
        for length in 0..whole.len() {
            assert_eq!(Segment::parse(&whole[..length]), None);
        }
        let mut udp = whole;
        udp[9] = 17;
        assert_eq!(Segment::parse(&udp), None);
    }

    #[test]
    fn a_packet_goes_back_to_where_it_came_from() {
        let mut it = packet(b"");
        turn_round(&mut it);
        assert_eq!(it[12..20], [10, 0, 0, 2, 10, 0, 0, 1]);
        turn_round(&mut [0x45; 3]);
    }
}
