//! Clients that others have written: whether they can run here.

use std::process::{Command, Stdio};

use crate::NotHere;

/// Whether `check` runs and ends well. `client` is what is missing otherwise, and `install` what to do then.
///
/// # Errors
/// [`NotHere`] if it does not.
pub fn runs(
    check: &mut Command,
    client: &'static str,
    install: &'static str,
) -> Result<(), NotHere> {
    let check = check
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match check.status().is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err(NotHere::new(client, install)),
    }
}

/// `python3`, if it can import `module`; `package` is what to install otherwise, by `pip`.
///
/// # Errors
/// [`NotHere`] if there is no such Python, or not that module.
pub fn python(
    module: &str,
    package: &'static str,
    install: &'static str,
) -> Result<Command, NotHere> {
    let import = format!("import {module}");
    runs(
        Command::new("python3").args(["-c", &import]),
        package,
        install,
    )?;
    Ok(Command::new("python3"))
}
