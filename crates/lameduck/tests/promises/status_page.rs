//! The live page on the admin port, as people see it: in Chromium.

use std::io::Cursor;

use real_servers::{Browser, BrowserPage, or_skip};

use crate::service::{Start, until};

/// Waits, without loading anything anew, until the element with this id shows `text`.
fn shows(page: &BrowserPage<'_>, id: &str, text: &str) {
    let script = "return document.getElementById(arguments[0]).innerText";
    until(&format!("{text:?} in #{id}"), || {
        let shown = page.run(script, &[id]);
        shown.as_str().unwrap().contains(text).then_some(())
    });
}

/// Asserts that this colour is really seen: the bar of a phase alone has hundreds of such points, and a
/// page that did not render has none.
fn has(page: &BrowserPage<'_>, colour: [u8; 3]) {
    let picture = png::Decoder::new(Cursor::new(page.picture()));
    let mut picture = picture.read_info().unwrap();
    let mut points = vec![0; picture.output_buffer_size().unwrap()];
    let info = picture.next_frame(&mut points).unwrap();
    let points = points.chunks(info.color_type.samples());
    let seen = points.filter(|point| point[..3] == colour).count();
    assert!(seen > 200, "{seen} points of {colour:02x?}");
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
    let page = browser.open(&service.page());
    shows(&page, "phase", "ready");
    has(&page, GREEN);

    let mut slow = service.client();
    slow.ask("/work?ms=6000");
    shows(&page, "in-flight", "/work");

    service.term();
    shows(&page, "phase", "lame-duck");
    shows(&page, "reason", "SIGTERM");
    shows(&page, "facts", "time left");
    has(&page, AMBER);
    shows(&page, "phase", "draining");
    has(&page, AMBER);
    shows(&page, "in-flight", "/work");

    assert_eq!(slow.answer().status, 200);
    service.ended().exit(0).nothing_let_go();
    shows(&page, "gone", "gone");
}
