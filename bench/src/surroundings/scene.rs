//! One surrounding, put up for one trial: what is started and how, what happens to it, and what has to come of it.

use std::any::Any;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;

use super::load::Dial;
use super::process::Found;
use super::service::Log;
use crate::shop::this_program;

/// The service's grace.
pub const GRACE: Duration = Duration::from_secs(5);

/// What is known of one surrounding.
pub struct Surrounding {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it is like.
    pub what: &'static str,
    /// Whether only root can make it.
    pub root: bool,
    /// Makes it.
    pub put_up: fn(&mut Scene) -> anyhow::Result<()>,
}

/// A stream of the service.
pub enum Output {
    /// Read from the beginning.
    Read,
    /// Whatever this is; what goes there is not seen.
    Into(Stdio),
    /// Not read before so long after the signal.
    ReadLate(OwnedFd, File, Duration),
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The service.
    Service,
    /// All of its process group.
    Group,
}

/// One of the signals.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The time since the one before.
    pub after: Duration,
    /// Which.
    pub signal: Signal,
    /// To whom.
    pub to: To,
}

/// What has to come of it.
pub enum End {
    /// It serves, and ends with this code after the signal.
    Serves(i32),
    /// It does not start, and says one of these and exits with 1 or 2.
    Refuses(&'static [&'static str]),
    /// Either of them.
    ServesOrRefuses(&'static [&'static str]),
}

/// A look at what was left behind; the error says what is wrong with it.
pub type Check = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// What is done to a running service right before the signal.
pub type Before = Box<dyn FnOnce(&Found) -> anyhow::Result<()> + Send>;

/// Everything about one trial.
pub struct Scene {
    /// A folder of its own.
    pub folder: PathBuf,
    /// Words before the service's own command.
    pub wrapper: Vec<String>,
    /// Whether it is the shop.
    pub shop: bool,
    /// What the service is told to listen on.
    pub listen: String,
    /// Where clients find it.
    pub dial: Dial,
    /// What becomes of the service's log.
    pub log: Log,
    /// More variables.
    pub variables: Vec<(&'static str, String)>,
    /// Standard input.
    pub input: Stdio,
    /// Standard output.
    pub output: Output,
    /// Standard error.
    pub error: Output,
    /// Done to it before the signal.
    pub before: Vec<Before>,
    /// The signals that end it.
    pub signals: Vec<Step>,
    /// What has to come of it.
    pub end: End,
    /// Where the report has to be; `None` if it can be in no file.
    pub report: Option<PathBuf>,
    /// Whether standard error can be written, so that the report has to be there too.
    pub tells: bool,
    /// The least time in the lame-duck phase.
    pub lame_duck: Duration,
    /// Whether the code of what was started is the service's own.
    pub code_is_known: bool,
    /// Whether clients have to be in the service's own network namespace.
    pub own_network: bool,
    /// Looks at what was left behind.
    pub checks: Vec<Check>,
    /// The listening socket that a next version would have too.
    pub shared: Option<TcpListener>,
    /// Kept until the end.
    pub keep: Vec<Box<dyn Any + Send>>,
}

impl Scene {
    /// Surroundings with nothing odd about them.
    pub fn plain(folder: &Path) -> anyhow::Result<Scene> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|it| it.local_addr())
            .context("cannot find a free port on 127.0.0.1")?
            .port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let report = folder.join("report.json");
        Ok(Scene {
            folder: folder.to_owned(),
            wrapper: Vec::new(),
            shop: false,
            listen: address.to_string(),
            dial: Dial::Tcp(address),
            log: Log::Stderr,
            variables: vec![
                (
                    "LAMEDUCK_GRACE",
                    humantime::format_duration(GRACE).to_string(),
                ),
                ("LAMEDUCK_REPORT", report.display().to_string()),
            ],
            input: Stdio::null(),
            output: Output::Read,
            error: Output::Read,
            before: Vec::new(),
            signals: vec![Step::term()],
            end: End::Serves(0),
            report: Some(report),
            tells: true,
            lame_duck: Duration::ZERO,
            code_is_known: true,
            own_network: false,
            checks: Vec::new(),
            shared: None,
            keep: Vec::new(),
        })
    }

    /// Puts these words before the command, and before those that are there already.
    pub fn wrap(&mut self, words: &[&str]) {
        let words = words.iter().map(|it| (*it).to_owned());
        self.wrapper.splice(0..0, words);
    }

    /// A shell script that ends in `exec "$@"`, and what it is to know as `$F`: the folder.
    pub fn script(&mut self, script: &str) {
        self.wrap(&["sh", "-ec", script, "sh"]);
        self.set("F", self.folder.display().to_string());
    }

    /// Sets a variable, or another value of it.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
    }

    /// The report goes there.
    pub fn report_to(&mut self, file: &Path) {
        self.set("LAMEDUCK_REPORT", file.display().to_string());
        self.report = Some(file.to_owned());
    }

    /// Is run by this user, whose the folder is then. Each trial that counts threads has a user of its own.
    pub fn as_user(&mut self, user: u32) -> anyhow::Result<()> {
        use rustix::fs::{Gid, Uid, chown};
        let id = user.to_string();
        let mut words = vec!["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"];
        if !everybody_reaches(Path::new(&this_program()?)) {
            // As below /root, where this may have been built. It gives no right to write anything.
            words.extend([
                "--inh-caps",
                "+dac_read_search",
                "--ambient-caps",
                "+dac_read_search",
            ]);
        }
        self.wrap(&words);
        let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
        chown(&self.folder, Some(uid), Some(gid)).context("cannot give the folder away")?;
        Ok(())
    }

    /// Before the signal a blocking thread is begun that never returns.
    pub fn stuck_thread(&mut self) {
        let dial = self.dial.clone();
        self.before.push(Box::new(move |_| {
            use std::io::{Read, Write};
            let Dial::Tcp(address) = dial else {
                return Ok(());
            };
            let mut stream = std::net::TcpStream::connect(address)?;
            stream.write_all(
                b"GET /spawn-blocking HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n",
            )?;
            stream.read_to_end(&mut Vec::new())?;
            Ok(())
        }));
    }

    /// The whole command.
    pub fn command(&self) -> anyhow::Result<Vec<String>> {
        let mut command = self.wrapper.clone();
        command.push(this_program()?);
        let folder = self.folder.display().to_string();
        let words = match self.shop {
            true => {
                let data = format!("{folder}/data");
                let grace = humantime::format_duration(GRACE).to_string();
                vec![
                    "shop".to_owned(),
                    "--listen".to_owned(),
                    self.listen.clone(),
                    "--admin".to_owned(),
                    "127.0.0.1:0".to_owned(),
                    "--grace".to_owned(),
                    grace,
                    "--data".to_owned(),
                    data,
                ]
            }
            false => {
                use clap::ValueEnum;
                let log = self.log.to_possible_value();
                let log = log.map_or_else(String::new, |it| it.get_name().to_owned());
                vec![
                    "surrounded".to_owned(),
                    "--listen".to_owned(),
                    self.listen.clone(),
                    "--folder".to_owned(),
                    folder,
                    "--log".to_owned(),
                    log,
                    "--grace".to_owned(),
                    humantime::format_duration(GRACE).to_string(),
                ]
            }
        };
        command.extend(words);
        Ok(command)
    }
}

impl Step {
    /// The usual one.
    pub fn term() -> Step {
        Step::now(Signal::TERM)
    }

    /// This one at once.
    pub fn now(signal: Signal) -> Step {
        Step {
            after: Duration::ZERO,
            signal,
            to: To::Service,
        }
    }

    /// This one so many milliseconds later.
    pub fn after(ms: u64, signal: Signal) -> Step {
        Step {
            after: Duration::from_millis(ms),
            ..Step::now(signal)
        }
    }
}

/// Whether every folder above `file` may be passed by everybody.
fn everybody_reaches(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.ancestors().all(|it| {
        let mode = std::fs::metadata(it).map(|it| it.permissions().mode());
        mode.is_ok_and(|it| it & 0o001 != 0)
    })
}
