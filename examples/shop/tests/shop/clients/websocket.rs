//! WebSockets that are sent away know why, and answer.

use std::path::Path;
use std::process::Command;

use real_servers::{or_skip, python, runs};
use serde_json::json;

use super::{Client, Served};
use crate::service::json;

fn script(name: &str) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shop/clients");
    here.join(name).to_str().unwrap().to_owned()
}

/// `node` that finds packages where Debian and npm put them.
fn node() -> Command {
    let global = Command::new("npm").args(["root", "--global"]).output();
    let global = global.map_or_else(
        |_| String::new(),
        |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
    );
    let mut node = Command::new("node");
    node.env("NODE_PATH", format!("/usr/share/nodejs:{global}"));
    node
}

#[test]
fn websocket_closed_as_node_sees_it() {
    let check = &mut node();
    let check = check.args(["-e", "require('ws')"]);
    if or_skip(runs(check, "ws", "npm install --global ws")).is_none() {
        return;
    }
    for tls in [false, true] {
        let served = Served::start(tls);
        let mut command = node();
        command.args([script("websocket.cjs"), served.url("ws", "/ws")]);
        let mut client = Client::start(&mut command);
        assert_eq!(client.line(), "open");
        served.shop.term();
        let (said, code) = client.ended();
        let expected = json!({ "code": 1001, "reason": "shutting down" });
        assert_eq!((json(&said), code), (expected, Some(0)), "tls: {tls}");
        assert_eq!(served.shop.ended(), Some(0));
    }
}

#[test]
fn websocket_closed_as_python_sees_it() {
    let package = python("websockets", "websockets", "pip install websockets");
    if or_skip(package).is_none() {
        return;
    }
    for tls in [false, true] {
        let served = Served::start(tls);
        let mut command = Command::new("python3");
        command.args([script("websocket.py"), served.url("ws", "/ws")]);
        let mut client = Client::start(&mut command);
        assert_eq!(client.line(), "open");
        served.shop.term();
        let (said, code) = client.ended();
        let expected = json!({
            "code": 1001, "reason": "shutting down", "answered": 1001, "clean": true,
        });
        assert_eq!((json(&said), code), (expected, Some(0)), "tls: {tls}");
        assert_eq!(served.shop.ended(), Some(0));
    }
}
