//! What signals do beside a shutdown, and a fork at the wrong moment.
//!
//! `--on-signal NAME=DOES` is a hook that says `hook NAME` on standard output and then does as it is told:
//! `works`, `fails`, `panics`, `hangs`, or `naps`, for half a second.

use std::future::pending;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use lameduck::Lifecycle;

/// A hook.
#[derive(Clone)]
pub struct OnSignal {
    name: String,
    does: String,
}

impl FromStr for OnSignal {
    type Err = String;

    fn from_str(s: &str) -> Result<OnSignal, String> {
        let (name, does) = s.split_once('=').ok_or(format!(
            "--on-signal {s}: expected NAME=DOES, for example HUP=works"
        ))?;
        Ok(OnSignal {
            name: name.to_owned(),
            does: does.to_owned(),
        })
    }
}

impl OnSignal {
    pub fn put_into(self, life: Lifecycle) -> Lifecycle {
        let OnSignal { name, does } = self;
        life.on_signal(name.clone(), move || run(name.clone(), does.clone()))
    }
}

async fn run(name: String, does: String) -> io::Result<()> {
    println!("hook {name}");
    match does.as_str() {
        "fails" => return Err(io::Error::other("the file is not there")),
        "panics" => panic!("a bug in the hook for {name}"),
        "hangs" => pending().await,
        "naps" => tokio::time::sleep(Duration::from_millis(500)).await,
        _ => {}
    }
    println!("done {name}");
    Ok(())
}

/// Goes on in a child, as daemons do that are made by hand; the parent waits for it here, and ends as it does.
pub fn fork() {
    // SAFETY: this thread does not hold any lock, and what the child does until it has ended is to refuse.
    let child = unsafe { libc::fork() };
    if child > 0 {
        let mut status = 0;
        // SAFETY: writes one `int` through the pointer.
        unsafe { libc::waitpid(child, &mut status, 0) };
        std::process::exit(libc::WEXITSTATUS(status));
    }
}
