//! A client that sees what really happens on its connection: blocking, without a pool, a retry or
//! a second thought.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

/// No read or write takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One connection.
pub struct Client {
    stream: Stream,
    /// Read but not yet used.
    buffer: Vec<u8>,
}

/// A whole response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn says_close(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

impl Client {
    /// To `ADDRESS:PORT` or `unix:PATH`.
    pub fn connect(addr: &str) -> Client {
        Client::try_connect(addr).unwrap_or_else(|e| panic!("{addr}: {e}"))
    }

    pub fn try_connect(addr: &str) -> io::Result<Client> {
        let stream = match addr.strip_prefix("unix:") {
            Some(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Stream::Unix(stream)
            }
            None => {
                let stream = TcpStream::connect(addr)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Stream::Tcp(stream)
            }
        };
        Ok(Client {
            stream,
            buffer: Vec::new(),
        })
    }

    /// The same with so little room for what comes (`SO_RCVBUF`, bytes).
    pub fn with_room(addr: &str, bytes: usize) -> Client {
        let addr: std::net::SocketAddr = addr.parse().unwrap();
        let domain = socket2::Domain::for_address(addr);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        socket.connect(&addr.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream: Stream::Tcp(stream),
            buffer: Vec::new(),
        }
    }

    /// The socket, of which nothing has been read.
    pub fn into_tcp(self) -> TcpStream {
        match self.stream {
            Stream::Tcp(stream) => stream,
            _ => panic!("not over TCP"),
        }
    }

    /// Over TLS, which may be half way through its handshake.
    pub fn tls(session: ClientConnection, stream: TcpStream) -> Client {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client {
            stream: Stream::Tls(Box::new(StreamOwned::new(session, stream))),
            buffer: Vec::new(),
        }
    }

    /// The TLS session and the socket under it.
    pub fn session(&mut self) -> &mut StreamOwned<ClientConnection, TcpStream> {
        match &mut self.stream {
            Stream::Tls(stream) => stream,
            _ => panic!("not over TLS"),
        }
    }

    /// The port on our side.
    pub fn port(&self) -> u16 {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().unwrap().port(),
            Stream::Tls(stream) => stream.sock.local_addr().unwrap().port(),
            Stream::Unix(_) => panic!("a Unix socket has no port"),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tls(stream) => stream.write_all(bytes.as_ref()),
        }
    }

    /// Sends the head of a `GET`.
    pub fn ask(&mut self, path: &str) {
        self.send(get(path));
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(path);
        self.answer()
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    /// Reads a whole response. An end before its end is an error.
    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let mut answer = Answer {
            status: head
                .get(9..12)
                .and_then(|code| code.parse().ok())
                .ok_or_else(|| io::Error::other(format!("not HTTP: {head:?}")))?,
            head,
            body: Vec::new(),
        };
        if (100..200).contains(&answer.status) {
            return Ok(answer);
        }
        answer.body = if let Some(length) = answer.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            self.exactly(length)?
        } else if answer.header("transfer-encoding") == Some("chunked") {
            self.chunks()?
        } else {
            self.rest()?
        };
        Ok(answer)
    }

    /// Reads up to the empty line that ends the head.
    pub fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            self.more()?;
        }
    }

    /// Reads `length` bytes.
    pub fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let at = loop {
                match self.buffer.windows(2).position(|w| w == b"\r\n") {
                    Some(at) => break at,
                    None => self.more()?,
                }
            };
            let size = self.exactly(at + 2)?;
            let size = String::from_utf8_lossy(&size[..at]).into_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            body.extend(self.exactly(size)?);
            self.exactly(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Everything until FIN. A reset is an error.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.buffer);
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read_to_end(&mut rest)?,
            Stream::Unix(stream) => stream.read_to_end(&mut rest)?,
            // Without close_notify it is an error.
            Stream::Tls(stream) => stream.read_to_end(&mut rest)?,
        };
        Ok(rest)
    }

    /// The connection ends here, with FIN and without another byte; over TLS with close_notify
    /// before it.
    #[track_caller]
    pub fn ends_with_fin(&mut self) {
        let rest = self.rest();
        let rest = rest.unwrap_or_else(|e| panic!("expected FIN, got {e}"));
        assert_eq!(String::from_utf8_lossy(&rest), "");
        if let Stream::Tls(stream) = &mut self.stream {
            let after = stream.sock.read(&mut [0]);
            assert!(matches!(after, Ok(0)), "expected FIN, got {after:?}");
        }
    }

    /// Whether neither a byte nor an end has come so far.
    pub fn is_silent(&mut self) -> bool {
        let Stream::Tcp(stream) = &self.stream else {
            return false;
        };
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        self.buffer.is_empty() && peeked.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends our FIN.
    pub fn finish(&mut self) {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                stream.sock.shutdown(Shutdown::Write).unwrap();
            }
        }
    }

    /// Goes away without a goodbye: with RST.
    pub fn reset(self) {
        if let Stream::Tcp(stream) = &self.stream {
            let socket = socket2::SockRef::from(stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut some = [0; 16 * 1024];
        let n = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut some)?,
            Stream::Unix(stream) => stream.read(&mut some)?,
            Stream::Tls(stream) => stream.read(&mut some)?,
        };
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend(&some[..n]);
        Ok(())
    }
}

/// The head of a `GET`.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// The head of a `POST` with a body of `length` bytes.
pub fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
}
