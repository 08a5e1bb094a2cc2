//! The live page on the admin port, as people see it: in Chromium.

use std::io::Cursor;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use real_servers::{Browser, or_skip};
use serde_json::{Value, json};

use crate::client::Client;
use crate::service::{Start, until};

/// A page in a browser, over WebDriver (<https://www.w3.org/TR/webdriver2/>): four requests of it are all
/// that is needed here, and a client for all of it would bring thirty crates.
struct Page<'a> {
    browser: &'a Browser,
    session: String,
}

impl Page<'_> {
    fn open<'a>(browser: &'a Browser, url: &str) -> Page<'a> {
        let mut page = Page {
            browser,
            session: "/session".to_owned(),
        };
        let options = json!({ "args": Browser::FLAGS, "binary": browser.chromium() });
        let wants = json!({ "alwaysMatch": { "goog:chromeOptions": options } });
        let session = page.ask("POST", "", &json!({ "capabilities": wants }));
        page.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        page.ask("POST", "/url", &json!({ "url": url }));
        page
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut client = Client::connect(self.browser.address());
        let body = match method {
            "GET" => String::new(),
            _ => body.to_string(),
        };
        client.send(format!(
            "{method} {}{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        ));
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let mut answer: Value = serde_json::from_slice(&answer.body).unwrap();
        answer["value"].take()
    }

    /// Waits, without loading anything anew, until the element with this id shows `text`.
    fn shows(&self, id: &str, text: &str) {
        let script = "return document.getElementById(arguments[0]).innerText";
        let look = json!({ "script": script, "args": [id] });
        until(&format!("{text:?} in #{id}"), || {
            let shown = self.ask("POST", "/execute/sync", &look);
            shown.as_str().unwrap().contains(text).then_some(())
        });
    }

    /// Asserts that this colour is really seen: the bar of a phase alone has hundreds of such points,
    /// and a page that did not render has none.
    fn has(&self, colour: [u8; 3]) {
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        let picture = BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let mut picture = png::Decoder::new(Cursor::new(picture)).read_info().unwrap();
        let mut points = vec![0; picture.output_buffer_size().unwrap()];
        let info = picture.next_frame(&mut points).unwrap();
        let points = points.chunks(info.color_type.samples());
        let seen = points.filter(|point| point[..3] == colour).count();
        assert!(seen > 200, "{seen} points of {colour:02x?}");
    }
}

const GREEN: [u8; 3] = [0x1a, 0x7f, 0x4b];
const AMBER: [u8; 3] = [0xa1, 0x5c, 0x00];

#[test]
fn live_page_renders_and_follows_a_shutdown_by_itself_in_a_real_browser() {
    let Some(browser) = or_skip(Browser::start()) else {
        return;
    };
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "30s")
        .env("LAMEDUCK_LAME_DUCK", "3s")
        .serve();
    let page = Page::open(&browser, &service.page());
    page.shows("phase", "ready");
    page.has(GREEN);

    let mut slow = service.client();
    slow.ask("/work?ms=6000");
    page.shows("in-flight", "/work");

    service.term();
    page.shows("phase", "lame-duck");
    page.shows("reason", "SIGTERM");
    page.shows("facts", "time left");
    page.has(AMBER);
    page.shows("phase", "draining");
    page.has(AMBER);
    page.shows("in-flight", "/work");

    assert_eq!(slow.answer().status, 200);
    service.ended().exit(0).nothing_let_go();
    page.shows("gone", "gone");
}
