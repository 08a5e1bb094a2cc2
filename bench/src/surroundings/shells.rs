//! What starts a process, and what it hands down.

use super::scene::{Step, Surrounding, To};

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "shell-stays",
        what: "started by `sh -c` without exec; SIGTERM to the process group",
        root: false,
        put_up: |scene| {
            // Two commands, so that no shell is clever enough to exec the first one.
            scene.wrap(&["sh", "-c", r#""$@"; exit $?"#, "sh"]);
            scene.signals = vec![Step {
                to: To::Group,
                ..Step::term()
            }];
            // The shell ends by the signal.
            scene.code_is_known = false;
            Ok(())
        },
    },
    Surrounding {
        name: "double-fork",
        what: "started by a shell in the background, in a session of its own, whose parents are gone",
        root: false,
        put_up: |scene| {
            scene.wrap(&["setsid", "sh", "-c", r#""$@" &"#, "sh"]);
            scene.code_is_known = false;
            Ok(())
        },
    },
    Surrounding {
        name: "empty-environment",
        what: "there is no environment at all (env -i)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["env", "-i"]);
            scene.report = None;
            Ok(())
        },
    },
    Surrounding {
        name: "folder-gone",
        what: "the working folder has been removed",
        root: false,
        put_up: |scene| {
            scene.script(r#"mkdir "$F/here"; cd "$F/here"; rmdir "$F/here"; exec "$@""#);
            Ok(())
        },
    },
    Surrounding {
        name: "nobody",
        what: "a user without a home and with umask 077",
        root: true,
        put_up: |scene| {
            scene.as_user(61001)?;
            scene.script(r#"umask 077; unset HOME USER LOGNAME; exec "$@""#);
            Ok(())
        },
    },
];
