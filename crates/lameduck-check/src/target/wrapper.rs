//! Programs that start the server instead of being it, and may keep the signal to themselves.
//!
//! # What must hold
//! - A wrapper is told by what it did, not by its name: it does not listen, something below it does, and that went on
//!   after the signal. The name only says how to mend it.

use super::tree::Process;

/// What became of the signal at the first process, where another one serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrapperFault {
    /// It lives on, and so does the server.
    KeptTheSignal,
    /// It ended, and the server lives on.
    LeftTheServer,
}

/// Names, and what to do instead. A name is that of the program, or of the script that an interpreter runs.
const FIXES: &[(&[&str], &str)] = &[
    (
        &["sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"],
        "have the shell become the server: write `exec` before its command, and end an entrypoint script with `exec \"$@\"`",
    ),
    (
        &[
            "npm",
            "npm-cli.js",
            "npx",
            "npx-cli.js",
            "pnpm",
            "pnpm.cjs",
            "yarn",
            "yarn.js",
            "yarnpkg",
            "corepack",
            "bunx",
        ],
        "start what the script starts, without the package manager, like `node server.js`",
    ),
    (
        &["bundle", "bundler"],
        "start the program by a binstub, which becomes it: `bundle binstubs puma`, then `bin/puma`",
    ),
    (
        &["poetry", "pipenv", "uv", "pdm", "hatch", "rye"],
        "start the program from its environment, without the manager, like `.venv/bin/gunicorn`",
    ),
    (&["go"], "build the program with `go build`, and start that"),
    (
        &["su", "sudo", "runuser"],
        "change the user with a program that becomes the server, like `setpriv` or `gosu`",
    ),
];

const GENERIC: &str =
    "have it pass the signal on and wait for its child, or become the server itself (`exec`)";

/// In words, with the fix: who should have passed the signal on, and who never got it.
pub(super) fn told(
    fault: WrapperFault,
    wrapper: &Process,
    server: &Process,
    signal: &str,
) -> String {
    let what = match fault {
        WrapperFault::KeptTheSignal => "did not pass the signal on",
        WrapperFault::LeftTheServer => "ended, and left the server behind",
    };
    format!(
        "{signal} went to {}, which {what}: {} serves on as if it had never got it; {}",
        wrapper.named(),
        server.named(),
        fix(&wrapper.command)
    )
}

fn fix(command: &str) -> &'static str {
    // The interpreter's name, the script's, and what a process calls itself: `npm run start`.
    let names = command.split_whitespace().take(2);
    let names: Vec<&str> = names
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    // The script says more than what runs it.
    let of = |name: &&str| {
        let known = FIXES.iter().find(|(known, _)| known.contains(name));
        known.map(|(_, fix)| *fix)
    };
    names.iter().rev().find_map(of).unwrap_or(GENERIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fix_fits_the_wrapper_however_it_shows_itself() {
        for (command, says) in [
            ("sh -c node server.js; true", "`exec`"),
            ("/bin/bash /entrypoint.sh", "`exec \"$@\"`"),
            ("npm run start", "`node server.js`"),
            ("node /usr/bin/npm start", "`node server.js`"),
            ("/usr/bin/python3 /usr/bin/poetry run gunicorn", ".venv/bin"),
            ("ruby /usr/local/bin/bundle exec puma", "binstub"),
            ("go run .", "go build"),
            ("./start-all", "pass the signal on"),
        ] {
            assert!(fix(command).contains(says), "{command}: {}", fix(command));
        }
    }
}
