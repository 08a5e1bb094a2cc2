//! Limits of a process that are used up, or small.

use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex};

use anyhow::ensure;

use super::load::Dial;
use super::process::Found;
use super::scene::Surrounding;

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "no-more-threads",
        what: "before the signal its user has used up the limit of threads (RLIMIT_NPROC)",
        root: true,
        put_up: |scene| {
            scene.as_user(61002)?;
            scene.before.push(Box::new(|found| {
                let pid = found.pid.as_raw_nonzero().to_string();
                // By the same user: that needs no privilege over others.
                let status = Command::new("setpriv")
                    .args(["--reuid", "61002", "--regid", "61002", "--clear-groups"])
                    .args(["prlimit", "--pid", &pid, "--nproc=1:1"])
                    .status()?;
                ensure!(status.success(), "prlimit: {status}");
                Ok(())
            }));
            Ok(())
        },
    },
    Surrounding {
        name: "no-more-files",
        what: "before the signal idle connections have used up the limit of open files (RLIMIT_NOFILE)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["prlimit", "--nofile=64:64", "--"]);
            let Dial::Tcp(address) = scene.dial.clone() else {
                return Ok(());
            };
            let idle = Arc::new(Mutex::new(Vec::new()));
            scene.keep.push(Box::new(idle.clone()));
            scene.before.push(Box::new(move |_: &Found| {
                let mut idle = idle.lock().unwrap_or_else(|e| e.into_inner());
                for _ in 0..60 {
                    idle.push(TcpStream::connect(address)?);
                }
                Ok(())
            }));
            Ok(())
        },
    },
    Surrounding {
        name: "few-files",
        what: "24 open files at most (RLIMIT_NOFILE)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["prlimit", "--nofile=24:24", "--"]);
            Ok(())
        },
    },
    Surrounding {
        name: "little-memory",
        what: "an address space of 1 GiB (RLIMIT_AS)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["prlimit", "--as=1073741824", "--"]);
            Ok(())
        },
    },
    Surrounding {
        name: "little-stack",
        what: "a stack of 512 KiB (RLIMIT_STACK)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["prlimit", "--stack=524288", "--"]);
            Ok(())
        },
    },
    Surrounding {
        name: "no-file-may-grow",
        what: "no file may have a byte (RLIMIT_FSIZE, SIGXFSZ)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["prlimit", "--fsize=0:0", "--"]);
            scene.report = None;
            Ok(())
        },
    },
    Surrounding {
        name: "last-in-line",
        what: "the lowest priority of all (nice 19)",
        root: false,
        put_up: |scene| {
            scene.wrap(&["nice", "-n", "19"]);
            Ok(())
        },
    },
];
