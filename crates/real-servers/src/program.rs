//! Where a program is on this machine.

use std::path::{Path, PathBuf};

/// The first folder of `PATH`, or else of `beside`, that holds all of `programs`.
pub(crate) fn folder_with(programs: &[&str], beside: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(beside.iter().cloned())
        .find(|folder| {
            programs
                .iter()
                .all(|program| is_program(&folder.join(program)))
        })
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// `PARENT/*/TAIL` for whatever folders there are, the highest version first.
pub(crate) fn versions(parent: &str, tail: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            (version, entry.path().join(tail))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}
