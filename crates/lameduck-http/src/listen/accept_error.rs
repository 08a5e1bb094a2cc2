//! What an error of `accept` means.

use std::io;

use crate::system::descriptors::exhausted;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptErrorKind {
    /// It was about the connection that would have been next: take the one after it.
    OneConnection,
    /// Something is used up, or nobody knows what it is: wait, then try again.
    ForNow,
    /// The socket does not listen any more, and never will.
    ForGood,
}

impl AcceptErrorKind {
    /// `listens` says whether the socket still does.
    pub(crate) fn of(error: &io::Error, listens: impl Fn() -> bool) -> AcceptErrorKind {
        if exhausted(error) {
            return AcceptErrorKind::ForNow;
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
            ) => return AcceptErrorKind::OneConnection,
            #[cfg(target_os = "linux")]
            Some(libc::ENONET) => return AcceptErrorKind::OneConnection,
            Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT) => return AcceptErrorKind::ForGood,
            // Of a connection as well as of a socket that cannot listen; the socket knows.
            Some(libc::EINVAL | libc::EOPNOTSUPP) if !listens() => return AcceptErrorKind::ForGood,
            Some(libc::EOPNOTSUPP) => return AcceptErrorKind::OneConnection,
            _ => {}
        }
        #[cfg(not(unix))]
        {
            let _ = listens;
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            ) {
                return AcceptErrorKind::OneConnection;
            }
        }
        AcceptErrorKind::ForNow
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_of_its_kind() {
        use AcceptErrorKind::{ForGood, ForNow, OneConnection};
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
            assert_eq!(AcceptErrorKind::of(&error, || listens), expected, "{error}");
        }
    }
}
