//! What must not be in a log: the passwords in addresses, and the values in SQL.
//!
//! # What must hold
//!
//! 1. Of an address `scheme://user:password@host` nobody is told what is before the `@`, whoever says it: an
//!    error of ours or of a library. Nor, of `password=…` as libpq and others have it, the value.
//! 2. Of a statement nobody is told a value that is written in it. It may be cut anywhere.
//! 3. Everything else stays as it is.

use std::borrow::Cow;

/// Stands for what is left out of an address.
const HIDDEN: &str = "…";

/// `text` without the passwords in it.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let text = without_userinfo(text);
    match without_password_values(&text) {
        Some(shorter) => Cow::Owned(shorter),
        None => text,
    }
}

fn ends_address(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// How much of what is behind `://` says who is asking; `None` if nothing does.
fn userinfo(rest: &str) -> Option<usize> {
    let address = &rest[..rest.find(ends_address).unwrap_or(rest.len())];
    let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    // A password with one of these in it, which nobody has encoded: then there is no port before it.
    let (_, port) = authority.rsplit_once(':')?;
    let cut = authority.len() < address.len();
    let is_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let is_v6 = authority.starts_with('[') && authority.ends_with(']');
    (cut && !is_port && !is_v6)
        .then(|| address.rfind('@'))
        .flatten()
}

fn without_userinfo(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, behind) = rest.split_at(scheme + 3);
        out.push_str(before);
        rest = behind;
        if let Some(length) = userinfo(rest) {
            out.push_str(HIDDEN);
            rest = &rest[length..];
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn without_password_values(text: &str) -> Option<String> {
    // As long as `text`: only ASCII changes.
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut from = 0;
    for (at, key) in lower.match_indices("password=") {
        let value = at + key.len();
        if value < from {
            continue;
        }
        let rest = &text[value..];
        let length = match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
            _ => rest
                .find(|c: char| ends_address(c) || matches!(c, '&' | ';' | ','))
                .unwrap_or(rest.len()),
        };
        out.push_str(&text[from..value]);
        out.push_str(HIDDEN);
        from = value + length;
    }
    (from > 0).then(|| out + &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out_of_addresses_and_nothing_else() {
        for (said, told) in [
            (
                "postgres://app:s3cret@db:5432/shop: refused",
                "postgres://…@db:5432/shop: refused",
            ),
            ("redis://:s3cret@cache", "redis://…@cache"),
            ("https://token@host/path?x=1", "https://…@host/path?x=1"),
            ("amqp://a:b@h1,amqp://c:d@h2", "amqp://…@h1,amqp://…@h2"),
            ("postgres://app:s3/cr#et@db/shop", "postgres://…@db/shop"),
            (
                "at 'mysql://u:p@h' and \"x://v:q@i\"",
                "at 'mysql://…@h' and \"x://…@i\"",
            ),
            (
                "host=db password=s3cret user=a",
                "host=db password=… user=a",
            ),
            ("PASSWORD='two words' host=db", "PASSWORD=… host=db"),
            ("x?user=a&password=b&c=d", "x?user=a&password=…&c=d"),
        ] {
            assert_eq!(without_passwords(said), told);
        }
        for same in [
            "",
            "connection refused",
            "http://host:8080/a@b",
            "http://[::1]:80/a@b",
            "http://[::1]/a@b",
            "http://host/@me",
            "mail to a@b.c",
            "://",
            "unix:/run/x.sock",
        ] {
            assert_eq!(without_passwords(same), same);
        }
    }
}
