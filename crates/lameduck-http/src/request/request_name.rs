//! What a request is called in the ledger.

use std::fmt;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use lameduck_core::Handle;
use lameduck_core::inflight::kind::REQUEST;
use lameduck_core::inflight::{Guard, Name};
use lameduck_core::internal::clock::Millis;
use lameduck_core::internal::details;

/// `GET /orders/17`, without the query, which may hold secrets; with it where details are told
/// ([`Lifecycle::details`](lameduck_core::Lifecycle::details)). A tunnel is called by where it goes: `CONNECT
/// example.com:443`.
///
/// A path of up to 39 bytes is copied, a longer one shared with the request.
pub fn request_name(method: &Method, uri: &Uri) -> Name {
    name(method, uri, details::are_told())
}

/// Enters a request into the ledger, under its name.
#[inline]
pub(crate) fn track<B>(handle: &Handle, request: &Request<B>, since: Millis) -> Guard {
    let (method, uri) = (request.method(), request.uri());
    let guard = short(method, uri, details::are_told())
        .and_then(|(verb, what)| handle.track_short(REQUEST, verb, what, since));
    guard.unwrap_or_else(|| track_long(handle, method, uri, since))
}

#[cold]
fn track_long(handle: &Handle, method: &Method, uri: &Uri, since: Millis) -> Guard {
    handle.track_since(REQUEST, request_name(method, uri), since)
}

fn name(method: &Method, uri: &Uri, with_query: bool) -> Name {
    let short = short(method, uri, with_query).and_then(|(verb, what)| Name::short(verb, what));
    short.unwrap_or_else(|| match uri.path_and_query() {
        Some(target) => shared(method, target, with_query),
        None => of_tunnel(method, uri),
    })
}

/// What is done, and to what, unless it is something else that has to be told.
#[inline]
fn short<'a>(method: &Method, uri: &'a Uri, with_query: bool) -> Option<(&'static str, &'a str)> {
    let target = uri.path_and_query()?;
    let what = match with_query {
        false => target.path(),
        true => target.as_str(),
    };
    Some((known(method)?, what))
}

/// A method of the standards (RFC 9110, 9.1, and RFC 5789).
#[inline]
fn known(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => return None,
    })
}

/// A target that is too long to be copied.
struct Long {
    method: Method,
    target: PathAndQuery,
    with_query: bool,
}

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.with_query {
            true => self.target.as_str(),
            false => self.target.path(),
        };
        write!(f, "{} {text}", self.method)
    }
}

#[cold]
fn shared(method: &Method, target: &PathAndQuery, with_query: bool) -> Name {
    Name::shared(Arc::new(Long {
        method: method.clone(),
        target: target.clone(),
        with_query,
    }))
}

#[cold]
fn of_tunnel(method: &Method, uri: &Uri) -> Name {
    let Some(authority) = uri.authority() else {
        return Name::from(format!("{method} /"));
    };
    // Without who asks.
    let place = authority.as_str();
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    Name::from(format!("{method} {place}"))
}

#[cfg(test)]
mod tests {
    use lameduck_core::Lifecycle;

    use super::*;

    #[test]
    fn a_request_is_in_the_ledger_under_its_name_whatever_had_its_line_before() {
        let handle = Lifecycle::embedded().handle();
        let long = format!("/{}", "x".repeat(Name::SHORT));
        for (method, uri) in [
            ("GET", "/orders/17?x=1"),
            ("GET", "/"),
            ("GET", &long),
            ("POST", "/orders"),
            ("PURGE", "/cache"),
            ("DELETE", &long[1..]),
            ("CONNECT", "example.com:443"),
            ("GET", &long[..Name::SHORT]),
        ] {
            let request = Request::builder().method(method).uri(uri);
            let request = request.body(()).unwrap();
            let guard = track(&handle, &request, Millis::now());
            let name = request_name(request.method(), request.uri()).to_string();
            let entries = handle.ledger().snapshot();
            let found = entries.iter().map(|it| (it.kind, it.name.to_string()));
            assert_eq!(found.collect::<Vec<_>>(), [(REQUEST, name)]);
            drop(guard);
        }
    }

    #[test]
    fn a_request_is_called_by_method_and_path_however_it_came() {
        let named = |uri: &str| name(&Method::GET, &uri.parse().unwrap(), false).to_string();
        assert_eq!(named("/orders/17?x=1"), "GET /orders/17");
        assert_eq!(named("http://shop.test/orders"), "GET /orders");
        assert_eq!(named("shop.test:443"), "GET shop.test:443");
        let purge = Method::from_bytes(b"PURGE").unwrap();
        let name = name(&purge, &"/cache".parse().unwrap(), false);
        assert_eq!(name.to_string(), "PURGE /cache");
    }

    #[test]
    fn the_query_is_left_out_unless_it_is_asked_for_however_long_the_target_is() {
        for length in [1, 30, 38, 39, 40, 41, 300] {
            let path = format!("/{}", "x".repeat(length - 1));
            let uri: Uri = format!("http://u:p@shop{path}?token=1").parse().unwrap();
            let without = name(&Method::GET, &uri, false);
            assert_eq!(without.to_string(), format!("GET {path}"));
            let with = name(&Method::GET, &uri, true);
            assert_eq!(with.to_string(), format!("GET {path}?token=1"));
        }
    }

    #[test]
    fn a_tunnel_is_called_by_where_it_goes() {
        for place in [
            "example.com:443",
            "[::1]:80",
            &format!("{}.example:1", "x".repeat(60)),
        ] {
            for who in ["", "u:p@"] {
                let uri: Uri = format!("{who}{place}").parse().unwrap();
                let name = name(&Method::CONNECT, &uri, false);
                assert_eq!(name.to_string(), format!("CONNECT {place}"));
            }
        }
    }
}
