//! A page in a browser, over WebDriver (<https://www.w3.org/TR/webdriver2/>). Four requests of it are all
//! that tests need; a client for all of it would bring thirty crates.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Browser;
use crate::process_tree;

/// Longer than a script of a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a Chromium of its own. Everything panics that goes wrong with the browser.
#[derive(Debug)]
pub struct BrowserPage<'a> {
    browser: &'a Browser,
    session: String,
}

impl Browser {
    /// Opens `url` in a window of 1000 by 900 points.
    ///
    /// # Panics
    /// If Chromium does not start, or the page does not load.
    pub fn open(&self, url: &str) -> BrowserPage<'_> {
        let mut page = BrowserPage {
            browser: self,
            session: "/session".to_owned(),
        };
        let options = json!({ "args": super::FLAGS, "binary": self.chromium });
        let wants = json!({
            "goog:chromeOptions": options,
            "timeouts": { "script": PATIENCE.as_millis() },
            "acceptInsecureCerts": true,
        });
        let session = page.post("", &json!({ "capabilities": { "alwaysMatch": wants } }));
        let Some(id) = session["sessionId"].as_str() else {
            panic!("no session: {session}");
        };
        page.session = format!("/session/{id}");
        page.post("/url", &json!({ "url": url }));
        page
    }
}

impl BrowserPage<'_> {
    /// What a script returns: the body of a function, which finds `arguments` there.
    ///
    /// # Panics
    /// If it throws.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Value {
        self.post(
            "/execute/sync",
            &json!({ "script": script, "args": arguments }),
        )
    }

    /// What a script gives to the function that is the last of its `arguments`, within a minute.
    ///
    /// # Panics
    /// If it throws, or never does.
    pub fn wait_for(&self, script: &str, arguments: &[&str]) -> Value {
        self.post(
            "/execute/async",
            &json!({ "script": script, "args": arguments }),
        )
    }

    /// The page as a picture, a PNG.
    pub fn picture(&self) -> Vec<u8> {
        let text = self.ask("GET", "/screenshot", "");
        let Some(Ok(picture)) = text.as_str().map(|text| BASE64_STANDARD.decode(text)) else {
            panic!("no picture: {text}");
        };
        picture
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, &body.to_string())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let path = format!("{}{path}", self.session);
        let (head, body) = exchange(
            &self.browser.address,
            &format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
        .unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}{body}");
        let mut body: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        body["value"].take()
    }
}

impl Drop for BrowserPage<'_> {
    fn drop(&mut self) {
        // Its Chromium ends, which leaves some of its processes to themselves for a moment. If the
        // driver does not answer, it ends with the driver.
        let driver_and_all = self.browser.daemon.tree();
        let path = &self.session;
        let request = format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        if exchange(&self.browser.address, &request).is_ok() {
            process_tree::wait_until_gone(driver_and_all.get(1..).unwrap_or_default());
        }
    }
}

/// The head and the body of the answer. The driver does not close the connection behind it.
fn exchange(address: &str, request: &str) -> std::io::Result<(String, String)> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream
        .get_ref()
        .set_read_timeout(Some(PATIENCE + Duration::from_secs(5)))?;
    stream.get_mut().write_all(request.as_bytes())?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}
