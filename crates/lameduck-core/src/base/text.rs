//! How durations, counts, errors and panics are told.

use std::any::Any;
use std::error::Error;
use std::time::Duration;

/// `could not connect: connection refused`.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let e_text = e.to_string();
        // Many errors already end with the text of their cause.
        if !text.ends_with(&e_text) {
            text.push_str(": ");
            text.push_str(&e_text);
        }
        cause = e.source();
    }
    text
}

/// `panicked: no such file`.
pub fn panicked(payload: &(dyn Any + Send)) -> String {
    format!("panicked: {}", panic_text(payload))
}

/// The message in a panic's payload.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// `3 ms`, `1.31 s`, `24 s`.
pub fn short(d: Duration) -> String {
    match d.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ if d.subsec_millis() < 5 => format!("{} s", d.as_secs()),
        _ => format!("{:.2} s", d.as_secs_f64()),
    }
}

/// `1 request`, `2 requests`.
pub fn plural(n: u64, kind: &str) -> String {
    match n {
        1 => format!("1 {kind}"),
        n => format!("{n} {kind}s"),
    }
}
