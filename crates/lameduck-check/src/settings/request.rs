//! What goes with every request: headers, method, body, and the name of the host. And requests that are written in full.
//!
//! # What must hold
//! The value of a header and the text of a body are never part of an error.

use std::path::PathBuf;

use bytes::Bytes;
use serde::Deserialize;

use super::hidden::{Hidden, one_or_several};
use super::layer::options;
use super::parse::{ORDER_BODY, path, value};
use super::{SettingsError, load};
use crate::endpoint::Endpoint;
use crate::headers::Headers;
use crate::plan::Plan;
use crate::request::RequestTemplate;

options! {
    /// What goes with every request, and requests that are written in full.
    #[heading("Requests")]
    pub struct RequestOptions {
        /// A header that goes with every request to --url, like 'Accept: text/html' (may be repeated)
        ///
        /// With HTTP/1.1, HTTP/2, gRPC, WebSockets and event streams; and with --ready and --live where they are at the
        /// same address as --url. ${NAME} in the value stands for the environment variable NAME, so that a secret is
        /// neither in a file nor in the list of processes: --header 'Authorization: Bearer ${TOKEN}', in single quotes.
        /// Values are never printed.
        #[arg(long, value_name = "NAME: VALUE")]
        #[serde(deserialize_with = "one_or_several")]
        pub header: Vec<Hidden>,
        /// More headers, one on each line; empty lines and those that begin with # are left out
        #[arg(long, value_name = "FILE")]
        pub header_file: Option<PathBuf>,
        /// What --get, --slow and --stream ask with [default: GET, with --body POST]
        #[arg(long, value_name = "METHOD")]
        pub method: Option<String>,
        /// What --get, --slow and --stream send, as it is or from @FILE
        #[arg(long, value_name = "TEXT")]
        pub body: Option<Hidden>,
        /// The name of the host, in Host and :authority, and over TLS the name in the certificate [default: that of
        /// --url]
        #[arg(long, value_name = "NAME")]
        pub host: Option<String>,
        /// Requests that are written in full, as tables of the file.
        ///
        /// ```toml
        /// [[request]]
        /// kind = "slow"
        /// method = "PUT"
        /// path = "/carts/7?full=1"
        /// headers = ["Content-Type: application/json"]
        /// body = '{"item":"tea"}'
        /// ```
        #[arg(skip)]
        pub request: Vec<RequestTable>,
    }
}

/// A request that is written in full, `[[request]]` in `lameduck-check.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestTable {
    /// What it is for. Default: a quick request.
    #[serde(default)]
    pub kind: RequestKind,
    /// Path and query, behind the path of `url`.
    pub path: String,
    /// The method. Default: `POST` for uploads, orders, and where there is a body, else `GET`.
    pub method: Option<String>,
    /// `Name: value`, as with `--header`, for this request alone.
    #[serde(default, deserialize_with = "one_or_several")]
    pub headers: Vec<Hidden>,
    /// The body, as it is or from `@FILE`. Default: none; 64 KiB for uploads, tea for orders.
    pub body: Option<Hidden>,
}

/// What a request is for. Each is named by the flag that is short for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// Quick, as with `--get`.
    #[default]
    Get,
    /// Takes about a second, as with `--slow`.
    Slow,
    /// Half of the body sent at the signal, as with `--upload`.
    Upload,
    /// Half of the response read at the signal, as with `--stream`.
    Stream,
    /// Places an order, as with `--post`.
    Post,
    /// An event stream, as with `--sse`.
    Sse,
}

impl RequestOptions {
    /// What goes with every request there.
    pub(super) fn origin(&self, origin: &mut Endpoint) -> Result<(), SettingsError> {
        if let Some(file) = &self.header_file {
            let told = |what: String| value("--header-file", file.display().to_string(), what);
            let text = std::fs::read_to_string(file).map_err(|error| {
                told(format!(
                    "{error}; expected a file with 'Name: value' on each line"
                ))
            })?;
            for (number, line) in (1..).zip(text.lines()) {
                if line.trim().is_empty() || line.starts_with('#') {
                    continue;
                }
                let read = origin.headers.read(line.trim_end());
                read.map_err(|what| told(format!("line {number}: {what}")))?;
            }
        }
        headers("--header", &self.header, &mut origin.headers)?;
        if let Some(host) = &self.host {
            let authority = host.parse::<http::uri::Authority>().ok();
            match authority.filter(|it| !it.host().is_empty() && !host.contains('@')) {
                Some(_) => origin.authority = host.clone(),
                None => {
                    return Err(value(
                        "--host",
                        host.clone(),
                        "expected the name of a host, with its port if that is to be said, like shop.example",
                    ));
                }
            }
        }
        Ok(())
    }

    /// What quick, slow and long answers are asked for with.
    pub(super) fn asks(&self) -> Result<impl Fn(String) -> RequestTemplate + use<>, SettingsError> {
        let body = body("--body", self.body.as_ref())?;
        let usual = if body.is_some() { "POST" } else { "GET" };
        let method = method("--method", self.method.as_deref().unwrap_or(usual))?;
        let body = body.unwrap_or_default();
        Ok(move |path| RequestTemplate::new(method.clone(), path, body.clone()))
    }

    /// Adds what is written in full.
    pub(super) fn plan(self, plan: &mut Plan) -> Result<(), SettingsError> {
        const TABLE: &str = "[[request]]";
        for table in self.request {
            let path = path(&format!("{TABLE} path"), plan.url.base(), table.path)?;
            let body = body("[[request]] body", table.body.as_ref())?;
            let (usual, unset, content_type) = match table.kind {
                RequestKind::Upload => (
                    "POST",
                    load::upload_body(),
                    Some("application/octet-stream"),
                ),
                RequestKind::Post => (
                    "POST",
                    Bytes::from_static(ORDER_BODY.as_bytes()),
                    Some("application/json"),
                ),
                _ if body.is_some() => ("POST", Bytes::new(), None),
                _ => ("GET", Bytes::new(), None),
            };
            let method = method(
                "[[request]] method",
                table.method.as_deref().unwrap_or(usual),
            )?;
            let mut request = RequestTemplate::new(method, path, body.unwrap_or(unset));
            let mut own = Headers::default();
            headers("[[request]] headers", &table.headers, &mut own)?;
            if let Some(content_type) = content_type.filter(|_| !own.has("content-type")) {
                request = request.header("content-type", content_type);
            }
            if table.kind == RequestKind::Sse && !own.has("accept") {
                request = request.header("accept", "text/event-stream");
            }
            for (name, value) in own.as_slice() {
                request = request.header(name, value);
            }
            let load = match table.kind {
                RequestKind::Get => &mut plan.get,
                RequestKind::Slow => &mut plan.slow,
                RequestKind::Upload => &mut plan.uploads,
                RequestKind::Stream => &mut plan.downloads,
                RequestKind::Post => &mut plan.post,
                RequestKind::Sse => &mut plan.event_streams,
            };
            load.push(request);
        }
        Ok(())
    }
}

fn headers(
    flag: &'static str,
    lines: &[Hidden],
    headers: &mut Headers,
) -> Result<(), SettingsError> {
    for line in lines {
        // The name alone: what is behind it is not shown.
        let name = line.reveal().split(':').next().unwrap_or_default();
        let shown = match line.reveal().contains(':') {
            true => format!("{name}: …"),
            false => "…".to_owned(),
        };
        let told = |what| value(flag, shown.clone(), what);
        let line = from_environment(line.reveal()).map_err(told)?;
        headers.read(&line).map_err(told)?;
    }
    Ok(())
}

/// The text with the environment's values in place of `${NAME}`. Any other `$` stays.
fn from_environment(text: &str) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        whole.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            return Err(
                "`${` has no `}`; expected ${NAME}, the name of an environment variable".to_owned(),
            );
        };
        match std::env::var(name) {
            Ok(value) => whole.push_str(&value),
            Err(std::env::VarError::NotPresent) => {
                return Err(format!("the environment variable `{name}` is not set"));
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(format!("the environment variable `{name}` is not UTF-8"));
            }
        }
        rest = after;
    }
    whole.push_str(rest);
    Ok(whole)
}

fn method(flag: &'static str, text: &str) -> Result<String, SettingsError> {
    let is_method = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
    match is_method && text != "CONNECT" {
        true => Ok(text.to_owned()),
        false => Err(value(
            flag,
            text.to_owned(),
            "expected the name of a method, like GET, POST or DELETE",
        )),
    }
}

fn body(flag: &'static str, text: Option<&Hidden>) -> Result<Option<Bytes>, SettingsError> {
    let Some(text) = text.map(Hidden::reveal) else {
        return Ok(None);
    };
    match text.strip_prefix('@') {
        Some(file) => match std::fs::read(file) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) => Err(value(
                flag,
                text.to_owned(),
                format!("{error}; behind @ is expected a file that can be read"),
            )),
        },
        None => Ok(Some(text.to_owned().into())),
    }
}
