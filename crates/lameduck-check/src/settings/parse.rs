//! Values of settings, read and turned down by the name of their flag.

use std::time::Duration;

use super::SettingsError;
use crate::endpoint::Endpoint;
use crate::request::RequestTemplate;

/// What an order is, unless set.
pub(super) const ORDER: &str = r#"/orders {"item":"tea","quantity":1}"#;
/// The body of an order that is named by its path alone.
const ORDER_BODY: &str = r#"{"item":"tea","quantity":1}"#;

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A path, and after a space the body that is posted to it.
pub(super) fn order(text: &str) -> Result<RequestTemplate, SettingsError> {
    let (path, body) = text.split_once(' ').unwrap_or((text, ORDER_BODY));
    match is_path(path) {
        true => Ok(RequestTemplate::post(path, body.trim().to_owned())
            .header("content-type", "application/json")),
        false => Err(value(
            "--post",
            text.to_owned(),
            "expected a path that starts with `/`, a space, and the body, like '/orders {\"item\":\"tea\",\"quantity\":1}'",
        )),
    }
}

/// Words as a shell splits them, with its quotes and backslashes, and without anything else of a shell.
pub(super) fn words(flag: &'static str, text: &str) -> Result<Vec<String>, SettingsError> {
    match shlex::split(text) {
        Some(words) if !words.is_empty() => Ok(words),
        _ => Err(value(
            flag,
            text.to_owned(),
            "expected a program and its arguments, with every quote closed, like 'shop ledger --data DIR'",
        )),
    }
}

pub(super) fn endpoint(flag: &'static str, url: &str) -> Result<Endpoint, SettingsError> {
    Endpoint::parse(url).map_err(|reason| SettingsError::Url { flag, reason })
}

pub(super) fn requests(
    flag: &'static str,
    paths: Vec<String>,
    request: impl Fn(String) -> RequestTemplate,
) -> Result<Vec<RequestTemplate>, SettingsError> {
    match paths.iter().find(|path| !is_path(path)) {
        Some(wrong) => Err(value(
            flag,
            wrong.clone(),
            "expected a path that starts with `/`, without spaces, like /work?ms=20",
        )),
        None => Ok(paths.into_iter().map(request).collect()),
    }
}

pub(super) fn duration(
    flag: &'static str,
    text: Option<String>,
    unset: Duration,
) -> Result<Duration, SettingsError> {
    match text {
        Some(text) => humantime::parse_duration(&text).map_err(|_| {
            value(
                flag,
                text,
                "expected a number with its unit, like 30s, 1m or 40ms",
            )
        }),
        None => Ok(unset),
    }
}

pub(super) fn value(
    flag: &'static str,
    value: String,
    expected: impl Into<String>,
) -> SettingsError {
    SettingsError::Value {
        flag,
        value,
        expected: expected.into(),
    }
}
