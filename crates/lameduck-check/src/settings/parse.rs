//! Values of settings, read and turned down by the name of their flag.

use std::path::Path;
use std::time::Duration;

use super::SettingsError;
use crate::endpoint::Endpoint;
use crate::request::RequestTemplate;
use crate::wire::Trust;

/// What an order is, unless set.
pub(super) const ORDER: &str = r#"/orders {"item":"tea","quantity":1}"#;
/// The body of an order that is named by its path alone.
pub(super) const ORDER_BODY: &str = r#"{"item":"tea","quantity":1}"#;

/// Whether it may stand in the first line of a request, with a base in front of it: no client sends a fragment.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && path.parse::<http::uri::PathAndQuery>().is_ok()
}

/// A path behind the base of the URL.
pub(super) fn path(flag: &str, base: &str, path: String) -> Result<String, SettingsError> {
    match is_path(&path) {
        true => Ok(format!("{base}{path}")),
        false => Err(value(
            flag,
            path,
            "expected a path that starts with `/`, without spaces and `#`, like /work?ms=20",
        )),
    }
}

/// A path, and after a space the body that is posted to it.
pub(super) fn order(base: &str, text: &str) -> Result<RequestTemplate, SettingsError> {
    let (path, body) = text.split_once(' ').unwrap_or((text, ORDER_BODY));
    match is_path(path) {
        true => Ok(
            RequestTemplate::post(format!("{base}{path}"), body.trim().to_owned())
                .header("content-type", "application/json"),
        ),
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

/// Where something listens.
pub(super) fn endpoint(
    flag: &'static str,
    url: &str,
    trust: Option<&Trust>,
) -> Result<Endpoint, SettingsError> {
    let endpoint = Endpoint::parse(url).map_err(|reason| SettingsError::Url { flag, reason })?;
    Ok(match trust {
        Some(trust) => endpoint.trusting(trust),
        None => endpoint,
    })
}

/// Whether a URL, if it is one, is spoken to with TLS.
pub(super) fn speaks_tls(url: &Option<String>) -> bool {
    let is_secure = |url: &String| url.starts_with("https:") || url.starts_with("wss:");
    url.as_ref().is_some_and(is_secure)
}

/// The same, with a certificate to show.
pub(super) fn showing(trust: Trust, cert: &Path, key: &Path) -> Result<Trust, SettingsError> {
    let read = |flag, file: &Path| {
        std::fs::read(file).map_err(|error| {
            let expected = format!("{error}; expected a file in PEM");
            value(flag, file.display().to_string(), expected)
        })
    };
    let (chain, secret) = (read("--cert", cert)?, read("--key", key)?);
    trust.showing(&chain, &secret).map_err(|what| {
        let expected = format!("{what}; expected a certificate in PEM, with its key in --key");
        value("--cert", cert.display().to_string(), expected)
    })
}

/// Whose certificates are believed: those of this machine too, unless any is.
pub(super) fn trust(
    ca: Option<&Path>,
    insecure: bool,
    speaks_tls: bool,
) -> Result<Option<Trust>, SettingsError> {
    let Some(file) = ca else {
        return match (insecure, speaks_tls) {
            (true, _) => Ok(Some(Trust::anyone())),
            (false, false) => Ok(None),
            (false, true) => Trust::system().map(Some).map_err(|_| SettingsError::Missing {
                what: "--ca",
                fix: "over TLS somebody must be believed, and this machine has no certificates of its own: name who \
                      signed the target's certificate with --ca FILE (PEM), or give --insecure to believe any",
            }),
        };
    };
    let told = |what: String| {
        let expected = format!("{what}; expected a file with one or more certificates in PEM");
        value("--ca", file.display().to_string(), expected)
    };
    if insecure {
        return Err(value(
            "--ca",
            file.display().to_string(),
            "with --insecure any certificate is believed: give one of the two",
        ));
    }
    let text = std::fs::read(file).map_err(|error| told(error.to_string()))?;
    Trust::pem_and_system(&text).map(Some).map_err(told)
}

pub(super) fn requests(
    flag: &str,
    base: &str,
    named: Vec<String>,
    request: impl Fn(String) -> RequestTemplate,
) -> Result<Vec<RequestTemplate>, SettingsError> {
    Ok(paths(flag, base, named)?.into_iter().map(request).collect())
}

pub(super) fn paths(
    flag: &str,
    base: &str,
    paths: Vec<String>,
) -> Result<Vec<String>, SettingsError> {
    paths
        .into_iter()
        .map(|named| path(flag, base, named))
        .collect()
}

/// Bytes, each as two digits.
pub(super) fn hex(flag: &'static str, text: &str) -> Result<Vec<u8>, SettingsError> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|digit| digit as u8))
        .collect();
    match digits {
        Some(digits) if digits.len().is_multiple_of(2) => Ok(digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect()),
        _ => Err(value(
            flag,
            text.to_owned(),
            "expected the bytes of a message, two hexadecimal digits each, like 0a0135",
        )),
    }
}

/// Calls of methods, each written `package.Service/Method`.
pub(super) fn grpc(
    flag: &'static str,
    methods: &[String],
    message: &[u8],
) -> Result<Vec<RequestTemplate>, SettingsError> {
    let call = |method: &String| {
        let is_named = method.split('/').count() == 2
            && method.split('/').all(|part| !part.is_empty())
            && method.bytes().all(|byte| byte.is_ascii_graphic());
        match is_named {
            true => Ok(RequestTemplate::grpc(method, message)),
            false => Err(value(
                flag,
                method.clone(),
                "expected a method with its service, like shop.v1.Shop/GetOrder",
            )),
        }
    };
    methods.iter().map(call).collect()
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

/// A share, written as a percentage.
pub(super) fn share(flag: &'static str, text: String) -> Result<f64, SettingsError> {
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.trim().parse().ok());
    match percent.filter(|percent: &f64| (0.1..=50.0).contains(percent)) {
        Some(percent) => Ok(percent / 100.0),
        None => Err(value(
            flag,
            text,
            "expected a percentage from 0.1% to 50%, like 1%",
        )),
    }
}

pub(super) fn value(
    flag: impl Into<String>,
    value: String,
    expected: impl Into<String>,
) -> SettingsError {
    SettingsError::Value {
        flag: flag.into(),
        value,
        expected: expected.into(),
    }
}
