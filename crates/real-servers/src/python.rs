//! A Python that has a module, for clients that exist in Python.

use std::process::{Command, Stdio};

use crate::NotHere;

/// `python3`, if it can import `module`; `package` is what to install otherwise, by `pip`.
///
/// # Errors
/// [`NotHere`] if there is no such Python, or not that module.
pub fn python(
    module: &str,
    package: &'static str,
    install: &'static str,
) -> Result<Command, NotHere> {
    let imported = Command::new("python3")
        .args(["-c", &format!("import {module}")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if imported.is_ok_and(|status| status.success()) {
        Ok(Command::new("python3"))
    } else {
        Err(NotHere::new(package, install))
    }
}
