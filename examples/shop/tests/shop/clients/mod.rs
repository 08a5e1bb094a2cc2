//! Clients that others have written see a clean end: Node's `ws`, Python's `websockets`, `curl`, Chromium.
//! Each over cleartext and over TLS.

mod browser;
mod curl;
mod websocket;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::service::Shop;

/// A shop with a lame-duck phase that a client may notice, and the certificate it shows.
pub struct Served {
    pub shop: Shop,
    tls: bool,
    _folder: tempfile::TempDir,
}

impl Served {
    pub fn start(tls: bool) -> Served {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("crt"), folder.path().join("key"));
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        let files = [
            "--tls-cert",
            cert.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ];
        Served {
            shop: Shop::start(if tls { &files } else { &[] }),
            tls,
            _folder: folder,
        }
    }

    /// `scheme` is `http` or `ws`; with TLS it gets its `s`.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        let s = if self.tls { "s" } else { "" };
        format!("{scheme}{s}://{}{path}", self.shop.http)
    }
}

/// A client that runs; killed when dropped.
pub struct Client {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Client {
    pub fn start(command: &mut Command) -> Client {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Client { child, said }
    }

    /// Waits for its next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The rest of what it says, and its exit code.
    pub fn ended(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
