//! Reads the header of the PROXY protocol, and not one byte behind it.
//!
//! What follows belongs to TLS, to hyper, or to whoever the socket is handed to, and they read from the socket
//! itself. So bytes are looked at first (`MSG_PEEK`), and taken when it is known that they are the header's: all of
//! them while it is not whole, and of the last ones as many as it has.
//!
//! The protocol: <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};

use crate::listen::socket::ClientSocket;

/// The longest header: 4 KiB. Version 1 has at most 107 bytes; version 2 could have 64 KiB, and nobody sends that.
const LONGEST: usize = 4096;

const CONFIG: ParseConfig = ParseConfig {
    include_tlvs: false,
    allow_v1: true,
    allow_v2: true,
};

/// For whom a proxy has made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnBehalf {
    /// The client.
    pub(crate) peer: SocketAddr,
    /// Where it has connected to.
    pub(crate) local: SocketAddr,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadHeader {
    #[error("it ended before its first byte")]
    Nothing,
    #[error("it ended in the middle of its header")]
    Ended,
    #[error("the header took too long")]
    Late,
    #[error("the header is longer than {LONGEST} bytes")]
    TooLong,
    #[error("it does not begin with a header of version 1 or 2")]
    Malformed,
    #[error("the header is for datagrams")]
    Datagrams,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl BadHeader {
    /// Whether it says nothing of how the proxy is set up: whoever looks whether the port is open does that.
    pub(crate) fn is_harmless(&self) -> bool {
        matches!(self, BadHeader::Nothing | BadHeader::Io(_))
    }
}

/// For whom the connection is; `None` if for the proxy itself, or if it does not say.
///
/// # Cancel safety
///
/// Not cancel safe: what has been read of a header is lost.
pub(crate) async fn read_header(socket: &ClientSocket) -> Result<Option<OnBehalf>, BadHeader> {
    let mut bytes = vec![0; LONGEST];
    let mut taken = 0;
    loop {
        let seen = poll_fn(|cx| socket.poll_peek(cx, &mut bytes[taken..])).await?;
        let so_far = taken + seen;
        match ProxyHeader::parse(&bytes[..so_far], CONFIG) {
            _ if seen == 0 && taken == 0 => return Err(BadHeader::Nothing),
            _ if seen == 0 => return Err(BadHeader::Ended),
            Ok((header, length)) => {
                let on_behalf = on_behalf(&header)?;
                take(socket, &mut bytes[taken..length]).await?;
                return Ok(on_behalf);
            }
            Err(Error::BufferTooShort) if so_far < LONGEST => {
                take(socket, &mut bytes[taken..so_far]).await?;
                taken = so_far;
            }
            Err(Error::BufferTooShort) => return Err(BadHeader::TooLong),
            Err(_) => return Err(BadHeader::Malformed),
        }
    }
}

fn on_behalf(header: &ProxyHeader<'_>) -> Result<Option<OnBehalf>, BadHeader> {
    match header.proxied_address() {
        None => Ok(None),
        Some(it) if it.protocol == Protocol::Datagram => Err(BadHeader::Datagrams),
        Some(it) => Ok(Some(OnBehalf {
            peer: it.source,
            local: it.destination,
        })),
    }
}

/// Takes bytes that have been seen.
async fn take(socket: &ClientSocket, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.try_read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => bytes = &mut bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|cx| socket.poll_readable(cx)).await;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proxy_header::{ProxiedAddress, Tlv};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (TcpStream, ClientSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let ours = ours.unwrap();
        ours.set_nodelay(true).unwrap();
        (ours, ClientSocket::Tcp(theirs.unwrap().0))
    }

    fn addresses(v6: bool) -> ProxiedAddress {
        match v6 {
            false => ProxiedAddress::stream(
                "192.0.2.1:4711".parse().unwrap(),
                "198.51.100.2:443".parse().unwrap(),
            ),
            true => ProxiedAddress::stream(
                "[2001:db8::1]:4711".parse().unwrap(),
                "[2001:db8::2]:443".parse().unwrap(),
            ),
        }
    }

    /// Each header there is, and for whom.
    fn headers() -> Vec<(Vec<u8>, Option<ProxiedAddress>)> {
        let mut all = Vec::new();
        let mut add = |header: &ProxyHeader<'_>, v1: bool| {
            let mut bytes = Vec::new();
            match v1 {
                true => header.encode_v1(&mut bytes).unwrap(),
                false => header.encode_v2(&mut bytes).unwrap(),
            }
            all.push((bytes, header.proxied_address().cloned()));
        };
        for v1 in [true, false] {
            add(&ProxyHeader::with_local(), v1);
            for v6 in [true, false] {
                add(&ProxyHeader::with_address(addresses(v6)), v1);
            }
        }
        let extra = [Tlv::Noop(3000)];
        add(&ProxyHeader::with_tlvs(Some(addresses(true)), extra), false);
        let longest = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
        all.push((longest.into(), None));
        all
    }

    #[tokio::test]
    async fn a_header_is_read_to_its_last_byte_and_no_further_however_it_is_cut() {
        for (header, addresses) in headers() {
            let step = if header.len() > 200 { 97 } else { 1 };
            for cut in (0..=header.len()).step_by(step) {
                let (mut peer, mut socket) = pair().await;
                peer.write_all(&header[..cut]).await.unwrap();
                let (read, ()) = tokio::join!(read_header(&socket), async {
                    // The rest comes when the first part has been taken.
                    while cut > 0 && cut < header.len() && socket.has_unread() {
                        tokio::task::yield_now().await;
                    }
                    peer.write_all(&header[cut..]).await.unwrap();
                    peer.write_all(b"GET").await.unwrap();
                });
                let read = read.unwrap();
                assert_eq!(
                    read.map(|it| it.peer),
                    addresses.as_ref().map(|it| it.source)
                );
                assert_eq!(
                    read.map(|it| it.local),
                    addresses.as_ref().map(|it| it.destination)
                );
                drop(peer);
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"GET", "cut at {cut} of {}", header.len());
            }
        }
    }

    async fn refused(bytes: &[u8]) -> String {
        let (mut peer, socket) = pair().await;
        peer.write_all(bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        read_header(&socket).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let malformed = BadHeader::Malformed.to_string();
        for garbage in [
            &b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PROXY TCP4 not.an.address 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c            ",
            &[b'P'; 200],
        ] {
            assert_eq!(refused(garbage).await, malformed);
        }
        let mut long = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec();
        long.resize(8000, 0);
        assert_eq!(refused(&long).await, BadHeader::TooLong.to_string());
        assert_eq!(refused(b"").await, BadHeader::Nothing.to_string());
        assert_eq!(
            refused(b"PROXY TCP4 1.2.").await,
            BadHeader::Ended.to_string()
        );
        let mut datagram = Vec::new();
        let addresses = ProxiedAddress::datagram(
            "192.0.2.1:53".parse().unwrap(),
            "192.0.2.2:53".parse().unwrap(),
        );
        ProxyHeader::with_address(addresses)
            .encode_v2(&mut datagram)
            .unwrap();
        assert_eq!(refused(&datagram).await, BadHeader::Datagrams.to_string());
    }
}
