//! What a request is called in the ledger.

use std::fmt;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use lameduck_core::inflight::Name;
use lameduck_core::internal::details;

/// `GET /orders/17`, without the query, which may hold secrets; with it where details are told
/// ([`Lifecycle::details`](lameduck_core::Lifecycle::details)). A tunnel is called by where it goes: `CONNECT
/// example.com:443`.
///
/// A path of up to 39 bytes is copied, a longer one shared with the request.
pub fn request_name(method: &Method, uri: &Uri) -> Name {
    name(method, uri)
}

/// The same of a request.
#[inline]
pub(crate) fn name_of<B>(request: &Request<B>) -> Name {
    name(request.method(), request.uri())
}

#[inline(always)]
fn name(method: &Method, uri: &Uri) -> Name {
    match details::are_told() {
        false => without_query(method, uri),
        true => with_query(method, uri),
    }
}

#[inline(always)]
fn without_query(method: &Method, uri: &Uri) -> Name {
    let Some(target) = uri.path_and_query() else {
        return of_tunnel(method, uri);
    };
    let short = known(method).and_then(|verb| Name::short(verb, target.path()));
    short.unwrap_or_else(|| shared(method, target, false))
}

#[inline(never)]
fn with_query(method: &Method, uri: &Uri) -> Name {
    let Some(target) = uri.path_and_query() else {
        return of_tunnel(method, uri);
    };
    let short = known(method).and_then(|verb| Name::short(verb, target.as_str()));
    short.unwrap_or_else(|| shared(method, target, true))
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
    use super::*;

    #[test]
    fn a_request_is_called_by_method_and_path_however_it_came() {
        let named = |uri: &str| without_query(&Method::GET, &uri.parse().unwrap()).to_string();
        assert_eq!(named("/orders/17?x=1"), "GET /orders/17");
        assert_eq!(named("http://shop.test/orders"), "GET /orders");
        assert_eq!(named("shop.test:443"), "GET shop.test:443");
        let purge = Method::from_bytes(b"PURGE").unwrap();
        let name = without_query(&purge, &"/cache".parse().unwrap());
        assert_eq!(name.to_string(), "PURGE /cache");
    }

    #[test]
    fn the_query_is_left_out_unless_it_is_asked_for_however_long_the_target_is() {
        for length in [1, 30, 38, 39, 40, 41, 300] {
            let path = format!("/{}", "x".repeat(length - 1));
            let uri: Uri = format!("http://u:p@shop{path}?token=1").parse().unwrap();
            let name = without_query(&Method::GET, &uri);
            assert_eq!(name.to_string(), format!("GET {path}"));
            let name = with_query(&Method::GET, &uri);
            assert_eq!(name.to_string(), format!("GET {path}?token=1"));
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
                let name = without_query(&Method::CONNECT, &uri);
                assert_eq!(name.to_string(), format!("CONNECT {place}"));
            }
        }
    }
}
