//! `lameduck check --init`: what is written of a server, and that nothing is written over.

mod server;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use server::answer_all;

const DOCUMENT: &str = r#"{"openapi": "3.0.3", "paths": {
    "/items": {"get": {}, "post": {}},
    "/report": {"get": {}},
    "/broken": {"get": {}},
    "/items/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": true}]}},
    "/drain": {"get": {}},
    "/feed": {"get": {"responses": {"200": {"content": {"text/event-stream": {}}}}}}
}}"#;

/// A server that notes what it was asked.
fn serve() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let notes = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let notes = notes.clone();
            thread::spawn(move || answer_all(stream, |head, _| Some(answer(head, &notes))));
        }
    });
    (url, asked)
}

fn answer(head: &str, notes: &Mutex<Vec<String>>) -> String {
    let line = head.lines().next().unwrap_or_default().to_owned();
    let (status, body) = match line.split(' ').nth(1).unwrap_or_default() {
        _ if !line.starts_with("GET ") || !head.contains("x-key: s3cret") => (401, "no"),
        "/openapi.json" => (200, DOCUMENT),
        "/health" | "/readyz" | "/items" => (200, "ok"),
        "/report" => {
            thread::sleep(Duration::from_millis(600));
            (200, "ok")
        }
        "/broken" => (500, "no"),
        _ => (404, "no"),
    };
    notes.lock().expect("the notes").push(line);
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn init(folder: &Path, url: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .args(["check", "--init", url, "--header", "x-key: s3cret"])
        .current_dir(folder)
        .output()
        .expect("the command line starts")
}

#[test]
fn a_file_is_written_from_an_openapi_document_and_never_over_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (url, asked) = serve();
    let output = init(folder.path(), &url);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    let file = folder.path().join("lameduck-check.toml");
    let text = std::fs::read_to_string(&file).expect("the file");
    let is_on = |line: &str| text.lines().any(|it| it.trim() == line);
    for line in [
        &format!("url = \"{url}\""),
        "\"/health\",",
        "\"/items\",",
        "slow = [",
        "\"/report\",",
        "\"/feed\",",
        &format!("ready = \"{url}/readyz\""),
        &format!("# live = \"{url}/livez\""),
        "#   POST /items: it may change something",
        "#   GET /items/{id}: it has parameters",
        "#   GET /drain: by its name it does something",
        "#   GET /broken: status 500, 2 bytes, Connection: close",
    ] {
        assert!(is_on(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains("h2 = true") && !text.contains("s3cret"),
        "{text}"
    );
    let asked = asked.lock().expect("the notes").clone();
    assert!(
        !asked
            .iter()
            .any(|line| line.contains("drain") || line.contains("POST")),
        "{asked:?}"
    );

    // It is a file that is understood: all that is missing is the command.
    let check = Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .arg("check")
        .current_dir(folder.path())
        .output()
        .expect("the command line starts");
    let error = String::from_utf8_lossy(&check.stderr);
    assert!(error.contains("command") && error.contains("--"), "{error}");

    let again = init(folder.path(), &url);
    let error = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(2), "{error}");
    assert!(
        error.contains("lameduck-check.toml is there already"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), text);
}

#[test]
fn without_a_server_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (url, says) in [
        ("http://127.0.0.1:1", "start the server first"),
        ("nowhere", "`nowhere`"),
    ] {
        let output = init(folder.path(), url);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("--init") && error.contains(says), "{error}");
    }
    assert!(!folder.path().join("lameduck-check.toml").exists());
}
