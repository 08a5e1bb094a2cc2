//! The form of an address to listen on.

use std::net::SocketAddr;

/// Something that has not the form of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ADDRESS:PORT, for example 0.0.0.0:9090")]
pub struct BadAddress;

/// Whether `addr` has the form of an address. Asks nobody.
///
/// # Errors
///
/// What is expected instead.
pub fn check(addr: &str) -> Result<(), BadAddress> {
    if addr.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    match addr.rsplit_once(':') {
        Some((host, port)) if is_name(host) && port.parse::<u16>().is_ok() => Ok(()),
        _ => Err(BadAddress),
    }
}

/// The name of a host, which a literal address that is no good is not.
fn is_name(host: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !host.is_empty()
        && host.chars().all(letters)
        && !host.chars().all(|c| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_at_once() {
        for bad in [
            "9090",
            ":9090",
            "localhost",
            "1.2.3:9090",
            "::1:9090",
            "a b:1",
            "localhost:http",
            "x:70000",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for good in [
            "127.0.0.1:0",
            "[::]:9090",
            "localhost:9090",
            "shop-1.example.com:9090",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
