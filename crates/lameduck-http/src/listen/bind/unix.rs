//! Unix sockets by their path.
//!
//! # What must hold
//!
//! 1. What is removed is a socket that refuses connections, belongs to the user that we run as, and
//!    was there when that was found out. Links, files, folders and sockets of others stay.
//! 2. Nothing here waits for a peer: a live server may have a full queue.
//! 3. The file is at no moment open to more than was asked for.
//!
//! Two processes that come at the same time to a socket left behind must not take each other's new one
//! for the old one. So whoever binds has a lock on the folder (flock(2)), which leaves nothing behind.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, flock};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{BACKLOG, BindError};

/// The most to wait for another process that binds in the same folder.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest path that fits into an address (unix(7)): 107 bytes on Linux.
const LONGEST: usize =
    size_of::<libc::sockaddr_un>() - std::mem::offset_of!(libc::sockaddr_un, sun_path) - 1;

/// The file of a Unix socket of ours. By now another process may have put its own in its place,
/// which must stay.
pub(crate) struct OwnFile {
    path: PathBuf,
    id: (u64, u64),
}

impl OwnFile {
    fn at(path: &Path) -> Option<OwnFile> {
        let id = id(&fs::symlink_metadata(path).ok()?);
        // The process may go to another folder.
        let path = std::path::absolute(path).ok()?;
        Some(OwnFile { path, id })
    }

    pub(crate) fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|it| id(&it) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// A socket that listens at `path`, whose file has the permissions `mode`, or those that the umask
/// leaves.
///
/// # Errors
///
/// If the path cannot be one of a socket, or there is something that is not ours to remove.
pub(crate) fn bind_unix(
    path: &Path,
    mode: Option<u32>,
) -> Result<(UnixListener, Option<OwnFile>), BindError> {
    check(path, mode)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let _alone = Alone::in_folder(folder);
    let bound = match bind_at(path, mode) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            make_room(path)?;
            bind_at(path, mode)
        }
        bound => bound,
    };
    match bound {
        Ok((socket, file)) => Ok((socket.into(), file)),
        Err(e) => Err(problem(path, folder, &e)),
    }
}

fn check(path: &Path, mode: Option<u32>) -> Result<(), BindError> {
    let bytes = path.as_os_str().as_bytes();
    let bad = |problem: String| Err(BindError::Bad(problem));
    match bytes {
        [] => bad("expected a path, for example unix:/run/shop.sock".to_owned()),
        [b'@' | 0, ..] => bad(
            "an abstract name has no file, so no permissions and nothing that could be taken away \
             from newcomers: expected a path, for example unix:/run/shop.sock"
                .to_owned(),
        ),
        _ if bytes.contains(&0) => bad("a path has no NUL in it".to_owned()),
        _ if bytes.len() > LONGEST => bad(format!(
            "a path of {} bytes, and at most {LONGEST} fit into the address of a socket: write a \
             shorter one, for example unix:/run/shop.sock",
            bytes.len()
        )),
        _ if mode.is_some_and(|mode| mode > 0o777) => bad(format!(
            "socket_mode 0o{:o}: expected permissions, for example 0o660",
            mode.unwrap_or_default()
        )),
        _ => Ok(()),
    }
}

fn bind_at(path: &Path, mode: Option<u32>) -> io::Result<(Socket, Option<OwnFile>)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(mode) = mode {
        // On Linux the file gets what the socket has, as far as the umask lets it. Elsewhere nobody can
        // connect before it listens.
        let _ = rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode as _));
    }
    socket.bind(&SockAddr::unix(path)?)?;
    let file = OwnFile::at(path);
    let ready = match mode {
        Some(mode) => set_mode(path, mode),
        None => Ok(()),
    };
    if let Err(e) = ready.and_then(|()| socket.listen(BACKLOG)) {
        if let Some(file) = file {
            file.remove();
        }
        return Err(e);
    }
    Ok((socket, file))
}

/// Sets the permissions of a socket that the umask has narrowed. Never those of what a link that has
/// come into its place points to.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.permissions().mode() & 0o777 == mode {
        return Ok(());
    }
    if !found.file_type().is_socket() {
        return Err(io::Error::other("somebody has put something else there"));
    }
    let permissions = fs::Permissions::from_mode(mode);
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{OFlags, open};
        use std::os::fd::AsRawFd;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let it = File::from(open(path, flags, Mode::empty())?);
        if !it.metadata()?.file_type().is_socket() {
            return Err(io::Error::other("somebody has put something else there"));
        }
        let by_number = format!("/proc/self/fd/{}", it.as_raw_fd());
        match fs::set_permissions(by_number, permissions.clone()) {
            // No /proc here.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    fs::set_permissions(path, permissions)
}

/// Removes a socket that a process of ours has left behind.
fn make_room(path: &Path) -> Result<(), BindError> {
    let looked = |e: io::Error| BindError::Refused(format!("cannot look at what is there: {e}"));
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(looked(e)),
    };
    if let Some(what) = what_else(&found) {
        return Err(BindError::Bad(format!(
            "there is {what}, which is left as it is: name another path, or remove it"
        )));
    }
    match connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Live, and its queue is full.
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(in_use(path)),
        Ok(()) => return Err(in_use(path)),
        Err(e) => {
            return Err(BindError::Refused(format!(
                "there is a socket of user {}, which is left as it is: {e}",
                found.uid()
            )));
        }
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(BindError::Refused(format!(
            "there is a socket that user {} has left behind, and this is user {me}: remove it, or name another path",
            found.uid()
        )));
    }
    match fs::symlink_metadata(path) {
        Ok(now) if id(&now) == id(&found) => fs::remove_file(path).map_err(|e| {
            BindError::Refused(format!(
                "there is a dead socket that cannot be removed: {e}"
            ))
        }),
        // Somebody was quicker; binding will tell.
        _ => Ok(()),
    }
}

/// What it is if it is no socket.
fn what_else(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    if kind.is_socket() {
        return None;
    }
    Some(if kind.is_symlink() {
        "a link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_file() {
        "a file"
    } else {
        "a pipe or a device"
    })
}

fn connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

fn in_use(path: &Path) -> BindError {
    BindError::InUse(format!("unix:{}", path.display()))
}

fn problem(path: &Path, folder: &Path, error: &io::Error) -> BindError {
    let folder = folder.display();
    match error.kind() {
        io::ErrorKind::AddrInUse => in_use(path),
        io::ErrorKind::NotFound => BindError::Bad(format!(
            "there is no folder {folder}: create it, or name another"
        )),
        io::ErrorKind::NotADirectory => {
            BindError::Bad(format!("{folder} is not a folder: name another"))
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => BindError::Refused(
            format!("{error}: the user of this process may make no files in {folder}"),
        ),
        _ => BindError::Refused(error.to_string()),
    }
}

/// Held while somebody binds in a folder.
struct Alone {
    _locked: Option<File>,
}

impl Alone {
    /// Where the folder cannot be locked it goes without.
    fn in_folder(folder: &Path) -> Alone {
        let until = Instant::now() + PATIENCE;
        let _locked = File::open(folder).ok().filter(|file| {
            loop {
                match flock(file, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) => return true,
                    Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    Err(_) => return false,
                }
            }
        });
        Alone { _locked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        match bind_unix(path, None) {
            Ok(_) => panic!("bound at {}", path.display()),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "precious").unwrap();
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
        let dead = at("dead");
        drop(UnixListener::bind(&dead).unwrap());
        std::os::unix::fs::symlink(&dead, at("link-to-dead")).unwrap();
        for name in ["file", "folder", "link", "dangling", "link-to-dead"] {
            let text = refused(&at(name));
            assert!(text.contains("left as it is"), "{name}: {text}");
            assert!(fs::symlink_metadata(at(name)).is_ok(), "{name} is gone");
        }
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
        assert!(fs::symlink_metadata(&dead).is_ok());
    }

    #[test]
    fn a_live_server_stays_even_if_its_queue_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let began = Instant::now();
        assert!(refused(&path).contains("in use"));
        assert!(began.elapsed() < PATIENCE * 10, "waited for the server");
        assert!(fs::symlink_metadata(&path).is_ok());
    }

    #[test]
    fn what_is_dead_is_replaced_by_one_of_those_who_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let bound: Vec<_> = std::thread::scope(|scope| {
                let come = || scope.spawn(|| bind_unix(&path, None));
                let all: Vec<_> = (0..4).map(|_| come()).collect();
                all.into_iter().map(|it| it.join().unwrap()).collect()
            });
            let got = bound.iter().filter(|it| it.is_ok()).count();
            assert_eq!(got, 1);
            assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
            for (_, file) in bound.into_iter().flatten() {
                file.unwrap().remove();
            }
            assert!(fs::symlink_metadata(&path).is_err());
        }
    }

    #[test]
    fn paths_that_cannot_be_are_told() {
        let long = format!("/tmp/{}", "x".repeat(LONGEST));
        for (path, told) in [
            ("", "expected a path"),
            ("@shop", "an abstract name"),
            (long.as_str(), "at most 107"),
            ("/no/such/folder/s", "there is no folder /no/such/folder"),
            ("/dev/null/s", "/dev/null is not a folder"),
        ] {
            let text = refused(Path::new(path));
            assert!(text.contains(told), "{path}: {text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let error = bind_unix(&folder.path().join("s"), Some(0o1777));
        assert!(matches!(error, Err(BindError::Bad(_))));
    }

    #[test]
    fn the_file_has_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660, 0o666, 0o777, 0o400] {
            let path = folder.path().join(format!("{mode:o}"));
            let _bound = bind_unix(&path, Some(mode)).unwrap();
            let found = fs::symlink_metadata(&path).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode);
        }
    }
}
