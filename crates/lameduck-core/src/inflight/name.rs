//! What a piece of work is called, told only when somebody asks.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::uri::PathAndQuery;

/// What a piece of work is called in reports. Made from a string, or shared with whoever already
/// has the text; nothing is formatted before somebody asks.
#[derive(Clone)]
pub struct Name(Text);

#[derive(Clone)]
enum Text {
    Str(Cow<'static, str>),
    /// Only the part that is told, or what it is a part of: a whole `Uri` is twice as large, and three
    /// times as dear to copy.
    Path(http::Method, PathAndQuery),
    /// The same with the query.
    Target(http::Method, PathAndQuery),
    /// The same for a short one: to copy it is cheaper than to count who shares it.
    Short(http::Method, Short),
    Method(http::Method),
    Shared(Arc<dyn fmt::Display + Send + Sync>),
}

/// As much text as fits where a `PathAndQuery` would be.
#[derive(Clone)]
struct Short {
    length: u8,
    bytes: [u8; Short::MOST],
}

impl Short {
    const MOST: usize = 39;

    #[inline]
    fn of(text: &str) -> Option<Short> {
        let mut bytes = [0; Short::MOST];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Short {
            length: text.len() as u8,
            bytes,
        })
    }

    fn text(&self) -> &str {
        // It was made of a whole text.
        str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or_default()
    }
}

impl Name {
    /// What `it` displays as. Kept alive by the name.
    pub fn shared(it: Arc<impl fmt::Display + Send + Sync + 'static>) -> Name {
        Name(Text::Shared(it))
    }

    /// `GET /orders/17`, without the query, which may hold secrets. For who has no more need of the two;
    /// else there is [`of_request`](Name::of_request).
    pub fn request(method: http::Method, uri: http::Uri) -> Name {
        Name::of_request(&method, &uri)
    }

    /// As [`request`](Name::request), for who still needs method and target. A path of up to 39
    /// bytes is copied, a longer one shared with the request. A tunnel is called by where it goes: `CONNECT
    /// example.com:443`.
    #[inline]
    pub fn of_request(method: &http::Method, uri: &http::Uri) -> Name {
        let Some(target) = uri.path_and_query() else {
            return Name::of_tunnel(method, uri);
        };
        let method = method.clone();
        match Short::of(target.path()) {
            Some(short) => Name(Text::Short(method, short)),
            None => Name(Text::Path(method, target.clone())),
        }
    }

    /// The same with the query: `GET /orders?customer=17`.
    #[inline]
    pub fn with_query(method: &http::Method, uri: &http::Uri) -> Name {
        let Some(target) = uri.path_and_query() else {
            return Name::of_tunnel(method, uri);
        };
        let method = method.clone();
        match Short::of(target.as_str()) {
            Some(short) => Name(Text::Short(method, short)),
            None => Name(Text::Target(method, target.clone())),
        }
    }

    #[cold]
    fn of_tunnel(method: &http::Method, uri: &http::Uri) -> Name {
        let Some(authority) = uri.authority() else {
            return Name(Text::Method(method.clone()));
        };
        // Without who asks.
        let place = authority.as_str();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        match Short::of(place) {
            Some(short) => Name(Text::Short(method.clone(), short)),
            None => Name::from(format!("{method} {place}")),
        }
    }

    /// Whether there is something to free when it goes.
    #[inline]
    pub(crate) fn keeps_alive(&self) -> bool {
        match &self.0 {
            Text::Str(text) => matches!(text, Cow::Owned(_)),
            Text::Path(..) | Text::Target(..) | Text::Shared(_) => true,
            // A method that the standards do not know may own its few bytes; they can wait.
            Text::Short(..) | Text::Method(_) => false,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Text::Str(s) => f.write_str(s),
            Text::Path(method, target) => write!(f, "{method} {}", target.path()),
            Text::Target(method, target) => write!(f, "{method} {target}"),
            Text::Short(method, target) => write!(f, "{method} {}", target.text()),
            Text::Method(method) => write!(f, "{method} /"),
            Text::Shared(it) => it.fmt(f),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl From<&'static str> for Name {
    fn from(s: &'static str) -> Name {
        Name(Text::Str(Cow::Borrowed(s)))
    }
}

impl From<String> for Name {
    fn from(s: String) -> Name {
        Name(Text::Str(Cow::Owned(s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_called_the_same_however_long_its_target_is() {
        for length in [1, 38, 39, 40, 41, 300] {
            let target = format!("/{}", "x".repeat(length - 1));
            let uri: http::Uri = format!("http://shop{target}").parse().unwrap();
            let name = Name::of_request(&http::Method::PUT, &uri);
            assert_eq!(name.to_string(), format!("PUT {target}"));
            let shared = Name::request(http::Method::PUT, uri);
            assert_eq!(name.to_string(), shared.to_string());
        }
    }

    #[test]
    fn the_query_is_left_out_unless_it_is_asked_for() {
        for length in [1, 30, 39, 40, 41, 300] {
            let path = format!("/{}", "x".repeat(length - 1));
            let uri: http::Uri = format!("http://u:p@shop{path}?token=1").parse().unwrap();
            let name = Name::of_request(&http::Method::GET, &uri);
            assert_eq!(name.to_string(), format!("GET {path}"));
            let name = Name::with_query(&http::Method::GET, &uri);
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
                let uri: http::Uri = format!("{who}{place}").parse().unwrap();
                let name = Name::of_request(&http::Method::CONNECT, &uri);
                assert_eq!(name.to_string(), format!("CONNECT {place}"));
            }
        }
    }

    #[test]
    fn a_short_text_takes_no_more_room_than_a_shared_one() {
        assert!(size_of::<Short>() <= size_of::<PathAndQuery>());
    }
}
