//! Chromium, through its driver.

mod page;

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

pub use self::page::BrowserPage;
use crate::NotHere;
use crate::daemon::{Daemon, DaemonReady};
use crate::port::Port;
use crate::program;

/// What to start Chromium with: without a window, as any user, and without a word to anybody on
/// the network.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--force-color-profile=srgb",
    "--window-size=1000,900",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A ChromeDriver, which starts a headless Chromium for each WebDriver session.
#[derive(Debug)]
pub struct Browser {
    // Ended, with the browsers that it has started, before its folder goes.
    daemon: Daemon,
    _folder: TempDir,
    _port: Port,
    address: String,
    chromium: PathBuf,
}

impl Browser {
    /// Ready for sessions: about 100 ms.
    ///
    /// # Errors
    /// [`NotHere`] if `chromedriver` or `chromium` is not in `PATH`.
    ///
    /// # Panics
    /// If it does not start, with its output.
    pub fn start() -> Result<Browser, NotHere> {
        let not_here = || NotHere::new("chromium", "apt-get install chromium chromium-driver");
        let chromium = program::folder_with(&["chromium"], &[]).ok_or_else(not_here)?;
        let programs = program::folder_with(&["chromedriver"], &[]).ok_or_else(not_here)?;
        let folder = tempfile::Builder::new()
            .prefix("real-browser-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let mut daemon = Daemon::new("chromedriver", folder.path(), Signal::KILL);
        let port = Port::free();
        let mut command = Command::new(programs.join("chromedriver"));
        command
            .arg(format!("--port={}", port.number()))
            // Profiles go where the folder goes.
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .current_dir(folder.path());
        let ready = DaemonReady {
            says: "started successfully",
            port: port.number(),
        };
        daemon.start(command, Some(ready));
        Ok(Browser {
            daemon,
            _folder: folder,
            address: format!("127.0.0.1:{}", port.number()),
            _port: port,
            chromium: chromium.join("chromium"),
        })
    }

    /// The numbers of its processes at this moment.
    pub fn processes(&self) -> Vec<u32> {
        self.daemon.processes()
    }
}
