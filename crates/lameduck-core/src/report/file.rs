//! The file that `LAMEDUCK_REPORT` names.
//!
//! # What must hold
//!
//! 1. Where the folder allows it nobody ever reads half of a report: it is written beside its place and renamed.
//!    Where it does not (a file that is mounted by itself, a folder of somebody else's: Kubernetes'
//!    `/dev/termination-log`), it is written in place.
//! 2. A link stays a link. The file keeps its owner and its permissions, and its other names.
//! 3. Nothing is left behind beside it.
//! 4. What can never work is said when the process starts.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// More links than this are a circle (`ELOOP`; path_resolution(7)).
const LINKS: usize = 40;

/// Whether a report can be written there, as far as that can be known beforehand.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    const EXAMPLE: &str = "expected a file, for example /var/log/shop/shutdown.json";
    let target = resolved(path).map_err(|e| format!("{e}; {EXAMPLE}"))?;
    match std::fs::metadata(&target) {
        Ok(it) if it.is_dir() => Err(format!("it is a folder; {EXAMPLE}")),
        Ok(it) if it.is_file() => match OpenOptions::new().append(true).open(&target) {
            Ok(_) => Ok(()),
            // A file that may not be written may be replaced.
            Err(e) => match may_replace(&target, &it) {
                true => Ok(()),
                false => Err(format!("it cannot be written: {e}; {EXAMPLE}")),
            },
        },
        Ok(_) => may_write(&target).map_err(|e| format!("it cannot be written: {e}; {EXAMPLE}")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let folder = folder_of(&target);
            if !folder.is_dir() {
                let folder = folder.display();
                return Err(format!("the folder {folder} does not exist; {EXAMPLE}"));
            }
            may_write(folder).map_err(|e| {
                let folder = folder.display();
                format!("no file can be made in the folder {folder}: {e}; {EXAMPLE}")
            })
        }
        Err(e) => Err(format!("{e}; {EXAMPLE}")),
    }
}

/// Writes it, in one step where that can be done.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = resolved(path)?;
    match std::fs::metadata(&target) {
        Ok(it) if !it.is_file() => {
            let mut open = OpenOptions::new().write(true).open(&target)?;
            open.write_all(text.as_bytes())
        }
        Ok(it) if !is_replaceable(&it) => write_in_place(&target, text),
        found => match replace(&target, found.ok().as_ref(), text)? {
            Placed::Whole => Ok(()),
            Placed::NotAllowed => write_in_place(&target, text),
        },
    }
}

fn write_in_place(target: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(target)?;
    file.write_all(text.as_bytes())
}

/// What became of a file that was to be put into its place.
enum Placed {
    Whole,
    /// The folder does not allow it, or it is not a place for another file.
    NotAllowed,
}

/// Writes a new file beside it and puts that in its place. An error is one of writing: it would be the same in
/// place, and what was there would be lost.
fn replace(target: &Path, old: Option<&Metadata>, text: &str) -> io::Result<Placed> {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(format!(".{}.part", std::process::id()));
    let part = folder_of(target).join(name);
    let Ok(mut file) = File::create(&part) else {
        return Ok(Placed::NotAllowed);
    };
    // What cannot be given the permissions of the old one is written in place.
    let is_like_it = old.is_none_or(|old| file.set_permissions(old.permissions()).is_ok());
    let written = match is_like_it {
        true => file.write_all(text.as_bytes()),
        false => Ok(()),
    };
    let placed = match is_like_it && written.is_ok() && std::fs::rename(&part, target).is_ok() {
        true => Placed::Whole,
        false => {
            let _ = std::fs::remove_file(&part);
            Placed::NotAllowed
        }
    };
    written.map(|()| placed)
}

/// What the path leads to, through links, also where the last one leads to nothing yet.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match std::fs::read_link(&path) {
            Ok(to) => path = folder_of(&path).join(to),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(it) if it.as_os_str().is_empty() => Path::new("."),
        Some(it) => it,
        None => Path::new("/"),
    }
}

/// Whether another file in its place would be the same to everybody: one of ours, with no other name.
#[cfg(unix)]
fn is_replaceable(it: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    it.nlink() == 1 && it.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_replaceable(_: &Metadata) -> bool {
    true
}

fn may_replace(target: &Path, it: &Metadata) -> bool {
    is_replaceable(it) && may_write(folder_of(target)).is_ok()
}

#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    Ok(accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn may_write(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = entries
            .map(|it| it.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_stays_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (link, real) = (folder.path().join("link"), folder.path().join("real"));
        symlink("real", &link).unwrap();
        for text in ["one", "two"] {
            check(&link).unwrap();
            write(&link, text).unwrap();
            assert_eq!(std::fs::read_to_string(&real).unwrap(), text);
        }
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(folder.path()), ["link", "real"]);
    }

    #[test]
    fn a_file_keeps_its_permissions_and_is_another_when_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        write(&path, "new").unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!(after.mode(), before.mode());
        assert_ne!(after.ino(), before.ino(), "not in one step");
    }

    #[test]
    fn a_file_with_another_name_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "a long one that was there before").unwrap();
        std::fs::hard_link(&path, &other).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "new");
    }

    #[test]
    fn what_can_never_work_is_said_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| check(&folder.path().join(name)).unwrap_err();
        assert!(check(folder.path()).unwrap_err().contains("it is a folder"));
        let missing = at("no/report.json");
        assert!(missing.contains("/no does not exist"), "{missing}");
        symlink("round", folder.path().join("round")).unwrap();
        assert!(at("round").contains("too many links"));
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(at("file/report.json").contains("Not a directory"));
    }
}
