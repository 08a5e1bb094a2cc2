//! What an error of `accept` means.

use std::io;

use crate::system::descriptors::exhausted;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptTrouble {
    /// It was about the connection that would have been next: take the one after it.
    OneConnection,
    /// Something is used up, or nobody knows what it is: wait, then try again.
    ForNow,
    /// The socket does not listen any more, and never will.
    ForGood,
}

impl AcceptTrouble {
    /// `listens` says whether the socket still does.
    pub(crate) fn of(error: &io::Error, listens: impl Fn() -> bool) -> AcceptTrouble {
        if exhausted(error) {
            return AcceptTrouble::ForNow;
        }
        #[cfg(unix)]
        match error.raw_os_error() {
            // Errors of the network that were pending on the connection (accept(2)), and what a
            // firewall says of one.
            Some(
                libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::ETIMEDOUT
                | libc::EINTR
                | libc::ENETDOWN
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EPERM,
            ) => return AcceptTrouble::OneConnection,
            #[cfg(target_os = "linux")]
            Some(libc::ENONET) => return AcceptTrouble::OneConnection,
            Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT) => return AcceptTrouble::ForGood,
            // Of a connection as well as of a socket that cannot listen; the socket knows.
            Some(libc::EINVAL | libc::EOPNOTSUPP) if !listens() => return AcceptTrouble::ForGood,
            Some(libc::EOPNOTSUPP) => return AcceptTrouble::OneConnection,
            _ => {}
        }
        #[cfg(not(unix))]
        {
            let _ = listens;
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            ) {
                return AcceptTrouble::OneConnection;
            }
        }
        AcceptTrouble::ForNow
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_of_its_kind() {
        use AcceptTrouble::{ForGood, ForNow, OneConnection};
        for (code, listens, expected) in [
            (libc::ECONNABORTED, true, OneConnection),
            (libc::EPROTO, true, OneConnection),
            (libc::ENETUNREACH, true, OneConnection),
            (libc::EOPNOTSUPP, true, OneConnection),
            (libc::EMFILE, true, ForNow),
            (libc::ENFILE, true, ForNow),
            (libc::ENOMEM, true, ForNow),
            (libc::EINVAL, true, ForNow),
            (libc::EIO, true, ForNow),
            (libc::EINVAL, false, ForGood),
            (libc::EOPNOTSUPP, false, ForGood),
            (libc::EBADF, false, ForGood),
            (libc::ENOTSOCK, false, ForGood),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(AcceptTrouble::of(&error, || listens), expected, "{error}");
        }
    }
}
