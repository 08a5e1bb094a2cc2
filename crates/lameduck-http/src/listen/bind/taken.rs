//! Who has an address that is in use: often it is ourselves.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::BindError;
use lameduck_core::StartError;

/// Words an error of binding `asked`, for whoever can mend it. `own` are the parts of this process
/// that listen already, and where.
pub(crate) fn who_has(asked: &str, error: BindError, own: &[(String, String)]) -> StartError {
    let cannot = format!("cannot listen on {asked}");
    match error {
        BindError::Bad(e) => StartError::BadConfiguration(format!("{cannot}: {e}")),
        BindError::Refused(e) => StartError::Failed(format!("{cannot}: {e}")),
        BindError::InUse(at) => match (part_at(&at, own), at.parse()) {
            (Some(part), _) => StartError::BadConfiguration(format!(
                "{cannot}: this process has {at} already, for {part}: give one of the two another address"
            )),
            (None, Ok(at)) if listens_itself(at) => StartError::BadConfiguration(format!(
                "{cannot}: this process has {at} already, by a socket that it has opened itself or was started with"
            )),
            (None, Ok(_)) => StartError::Failed(format!(
                "{cannot}: another process has it (`ss -ltnp` names it)"
            )),
            (None, Err(_)) => StartError::Failed(format!(
                "{cannot}: another process has it (`ss -lxp` names it)"
            )),
        },
    }
}

/// The part of this process that has the address.
fn part_at(at: &str, own: &[(String, String)]) -> Option<String> {
    let wanted: Option<SocketAddr> = at.parse().ok();
    let has = |has: &str| match (wanted, has.parse()) {
        (Some(wanted), Ok(has)) => overlap(wanted, has),
        _ => has == at,
    };
    let (name, _) = own.iter().find(|(_, address)| has(address))?;
    Some(match name.as_str() {
        "probes" => "its probes (`.probes(…)`, LAMEDUCK_ADMIN)".to_owned(),
        name => format!("its server `{name}`"),
    })
}

/// Whether not both can be had.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let everything =
        |a: IpAddr, b: IpAddr| a == Ipv6Addr::UNSPECIFIED || (a.is_unspecified() && b.is_ipv4());
    let (a, b) = (one.ip(), other.ip());
    one.port() == other.port() && (a == b || everything(a, b) || everything(b, a))
}

/// Whether some descriptor of this process listens there. Only where the system lists them.
#[cfg(unix)]
fn listens_itself(at: SocketAddr) -> bool {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else {
        return false;
    };
    descriptors
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|number| lameduck_core::internal::look_at(number).ok()?.socket)
        .any(|it| it.listens && it.address.is_some_and(|has| overlap(at, has)))
}

#[cfg(not(unix))]
fn listens_itself(_: SocketAddr) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(at: &str, own: &[(&str, &str)]) -> String {
        let own: Vec<_> = own
            .iter()
            .map(|(name, at)| ((*name).to_owned(), (*at).to_owned()))
            .collect();
        who_has(at, BindError::InUse(at.to_owned()), &own).to_string()
    }

    #[test]
    fn a_part_of_this_process_is_named() {
        for has in ["127.0.0.1:1", "0.0.0.0:1", "[::]:1"] {
            let text = told("127.0.0.1:1", &[("other", "127.0.0.1:2"), ("api", has)]);
            assert!(text.contains("its server `api`"), "{text}");
        }
        let text = told("[::]:1", &[("probes", "0.0.0.0:1")]);
        assert!(text.contains("its probes"), "{text}");
        let text = told("unix:/run/x", &[("api", "unix:/run/x")]);
        assert!(text.contains("its server `api`"), "{text}");
    }

    #[test]
    fn others_are_others() {
        for (at, has) in [
            ("127.0.0.1:1", "[::1]:1"),
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("[::1]:1", "0.0.0.0:1"),
            ("unix:/run/x", "unix:/run/y"),
        ] {
            let text = told(at, &[("api", has)]);
            assert!(text.contains("another process"), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_of_the_application_is_this_process() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = told(&socket.local_addr().unwrap().to_string(), &[]);
        assert!(text.contains("this process has"), "{text}");
    }
}
