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
    /// Only the part that is told: a whole `Uri` is twice as large, and three times as dear to
    /// copy.
    Request(http::Method, PathAndQuery),
    Method(http::Method),
    Shared(Arc<dyn fmt::Display + Send + Sync>),
}

impl Name {
    /// What `it` displays as. Kept alive by the name.
    pub fn shared(it: Arc<impl fmt::Display + Send + Sync + 'static>) -> Name {
        Name(Text::Shared(it))
    }

    /// `GET /orders/17`. Shares the text with the request.
    pub fn request(method: http::Method, uri: http::Uri) -> Name {
        match uri.into_parts().path_and_query {
            Some(target) => Name(Text::Request(method, target)),
            None => Name(Text::Method(method)),
        }
    }

    /// As [`request`](Name::request), for who still needs method and target. Cheaper than cloning
    /// the two for it.
    #[inline]
    pub fn of_request(method: &http::Method, uri: &http::Uri) -> Name {
        let method = method.clone();
        match uri.path_and_query() {
            Some(target) => Name(Text::Request(method, target.clone())),
            None => Name(Text::Method(method)),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Text::Str(s) => f.write_str(s),
            Text::Request(method, target) => write!(f, "{method} {target}"),
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
