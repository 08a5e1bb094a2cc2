//! What a piece of work is called, told only when somebody asks.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a piece of work is called in reports. Made from a string, or shared with whoever already
/// has the text; nothing is formatted before somebody asks.
#[derive(Clone)]
pub struct Name(Text);

#[derive(Clone)]
enum Text {
    Str(Cow<'static, str>),
    /// What is done, and to what: to copy a short text is cheaper than to count who shares it.
    Short(&'static str, Short),
    Shared(Arc<dyn fmt::Display + Send + Sync>),
}

/// A text that is copied.
#[derive(Clone)]
struct Short {
    length: u8,
    bytes: [u8; Name::SHORT],
}

impl Short {
    const EMPTY: Short = Short {
        length: 0,
        bytes: [0; Name::SHORT],
    };

    /// Is `text` from now on. Whether there is room for it; if not, it is what it was.
    #[inline]
    fn set(&mut self, text: &str) -> bool {
        let Some(bytes) = self.bytes.get_mut(..text.len()) else {
            return false;
        };
        bytes.copy_from_slice(text.as_bytes());
        self.length = text.len() as u8;
        true
    }

    fn text(&self) -> &str {
        // It was made of a whole text.
        str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or_default()
    }
}

impl Name {
    /// How many bytes [`short`](Name::short) takes.
    pub const SHORT: usize = 39;

    /// What `it` displays as. Kept alive by the name.
    pub fn shared(it: Arc<impl fmt::Display + Send + Sync + 'static>) -> Name {
        Name(Text::Shared(it))
    }

    /// `GET /orders/17`: what is done, and to what, in a copy that costs no allocation. `None` if `what` is longer
    /// than [`SHORT`](Name::SHORT).
    ///
    /// ```
    /// use lameduck_core::inflight::Name;
    ///
    /// let name = Name::short("GET", "/orders/17").unwrap();
    /// assert_eq!(name.to_string(), "GET /orders/17");
    /// ```
    #[inline]
    pub fn short(verb: &'static str, what: &str) -> Option<Name> {
        let mut short = Short::EMPTY;
        short.set(what).then(|| Name(Text::Short(verb, short)))
    }

    /// Is what [`short`](Name::short) makes from now on, without a copy; if `what` is too long, then without it.
    #[inline]
    pub(crate) fn set_short(&mut self, verb: &'static str, what: &str) {
        if let Text::Short(before, short) = &mut self.0 {
            *before = verb;
            if short.set(what) {
                return;
            }
        }
        *self = Name::short(verb, what).unwrap_or_else(|| verb.into());
    }

    /// Whether there is something to free when it goes.
    #[inline]
    pub(crate) fn keeps_alive(&self) -> bool {
        match &self.0 {
            Text::Str(text) => matches!(text, Cow::Owned(_)),
            Text::Shared(_) => true,
            Text::Short(..) => false,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Text::Str(s) => f.write_str(s),
            Text::Short(verb, what) => write!(f, "{verb} {}", what.text()),
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
    fn a_short_text_is_copied_and_a_longer_one_refused() {
        for length in [0, 1, 38, 39] {
            let what = "x".repeat(length);
            let name = Name::short("PUT", &what).unwrap();
            assert_eq!(name.to_string(), format!("PUT {what}"));
            assert!(!name.keeps_alive());
            for mut before in [Name::from("job"), name, Name::short("GET", "/a").unwrap()] {
                before.set_short("PUT", &what);
                assert_eq!(before.to_string(), format!("PUT {what}"));
            }
        }
        assert!(Name::short("PUT", &"x".repeat(40)).is_none());
    }
}
