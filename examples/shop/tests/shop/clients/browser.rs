//! Chromium: a script in a page of the shop's own origin.

use real_servers::{Browser, or_skip};
use serde_json::json;

use super::Served;

/// Opens everything that outlives a request, and says so in the title. The promise is what became of it.
const OPEN: &str = r#"
    const [origin] = arguments;
    const read = async response => {
        let text = '', decoder = new TextDecoder();
        for await (const chunk of response.body) {
            text += decoder.decode(chunk, { stream: true });
            if (text.includes('event 3\n')) document.title += ' events';
        }
        return text.slice(-1) + (text.includes('retry: ') ? ' with retry' : '');
    };
    const socket = new WebSocket(origin.replace('http', 'ws') + '/ws');
    window.ended = Promise.all([
        new Promise(done => {
            socket.onopen = () => socket.send('hello');
            socket.onmessage = message => document.title += ' ' + message.data;
            socket.onclose = ({ code, reason, wasClean }) => done({ code, reason, wasClean });
        }),
        fetch('/work?ms=1000').then(async answer => [answer.status, await answer.text()]),
        fetch('/events').then(read),
    ]).catch(String);
    document.title = 'open';
"#;

#[test]
fn everything_ends_cleanly_as_chromium_sees_it() {
    let Some(browser) = or_skip(Browser::start()) else {
        return;
    };
    for tls in [false, true] {
        let served = Served::start(tls);
        let origin = served.url("http", "");
        let page = browser.open(&served.url("http", "/work?ms=1"));
        page.run(OPEN, &[&origin]);
        let open = |title: &str| title.contains(" hello") && title.contains(" events");
        let deadline = std::time::Instant::now() + crate::service::PATIENCE;
        loop {
            let title = page.run("return document.title", &[]);
            if open(title.as_str().unwrap()) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "only {title}");
        }
        served.shop.term();
        let ended = page.wait_for("window.ended.then(arguments[0])", &[]);
        let expected = json!([
            { "code": 1001, "reason": "shutting down", "wasClean": true },
            [200, "done"],
            "\n with retry",
        ]);
        assert_eq!(ended, expected, "tls: {tls}");
        assert_eq!(served.shop.ended(), Some(0));
    }
}
