//! The shop, carried by this program: a hidden subcommand is the shop itself.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde::Deserialize;

use crate::process;

/// Options of the hidden `shop`.
#[derive(Args)]
pub struct Options {
    /// The shop's own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Is the shop, until SIGTERM or until the bench that started it is gone.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    use std::process::Termination;
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to end together with the bench")?;
    let name = OsString::from("shop");
    let arguments = std::iter::once(name).chain(options.arguments.iter().cloned());
    let exit = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?
        .block_on(::shop::main(arguments));
    Ok(exit.report())
}

/// This program's own file, as a word of a command.
pub fn this_program() -> anyhow::Result<String> {
    Ok(process::this_program()?.display().to_string())
}

/// Where a shop serves.
#[derive(Clone, Copy)]
pub struct Place {
    /// Customers.
    pub listen: SocketAddr,
    /// Probes.
    pub admin: SocketAddr,
}

impl Place {
    /// Two ports that are free just now.
    pub fn free() -> anyhow::Result<Place> {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        // Both are held until both are known.
        let (listen, admin) = (bind()?, bind()?);
        Ok(Place {
            listen: listen.local_addr()?,
            admin: admin.local_addr()?,
        })
    }

    /// The command that starts a shop here with its orders in `folder`.
    pub fn command(&self, folder: &Path, grace: Duration) -> anyhow::Result<Vec<String>> {
        let folder = folder.display().to_string();
        let mut command = vec![this_program()?];
        command.extend(self.arguments(grace));
        command.extend(["--data".to_owned(), folder]);
        Ok(command)
    }

    /// What a shop is told to serve here, without where its orders are.
    pub fn arguments(&self, grace: Duration) -> Vec<String> {
        let grace = format!("{}ms", grace.as_millis());
        let (listen, admin) = (self.listen.to_string(), self.admin.to_string());
        let arguments = [
            "shop", "--listen", &listen, "--admin", &admin, "--grace", &grace,
        ];
        arguments.map(str::to_owned).to_vec()
    }

    /// What clients ask.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The readiness probe.
    pub fn ready(&self) -> String {
        format!("http://{}/readyz", self.admin)
    }

    /// The liveness probe.
    pub fn live(&self) -> String {
        format!("http://{}/livez", self.admin)
    }
}

/// A shop that runs. Killed when dropped.
pub struct Shop {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
}

/// How long a shop may take to start or to stop without any work.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

impl Shop {
    /// Starts one and waits until it accepts.
    pub fn start(folder: &Path, grace: Duration) -> anyhow::Result<Shop> {
        let place = Place::free()?;
        let command = place.command(folder, grace)?;
        let child = quiet(&command)
            .spawn()
            .with_context(|| format!("cannot start {}", command.join(" ")))?;
        let mut shop = Shop {
            child,
            address: place.listen,
        };
        let began = Instant::now();
        while std::net::TcpStream::connect(shop.address).is_err() {
            if let Some(status) = shop.child.try_wait()? {
                bail!("the shop ended at its start: {status}");
            }
            if began.elapsed() > PATIENCE {
                bail!("the shop did not accept on {} in time", shop.address);
            }
            std::thread::sleep(LOOK);
        }
        Ok(shop)
    }

    /// Stops it; it has nothing to do, so it must end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("cannot send SIGTERM")?;
        let began = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the shop ended with {status}, expected 0"),
                None if began.elapsed() > PATIENCE => bail!("the shop did not end in time"),
                None => std::thread::sleep(LOOK),
            }
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may be gone already; there is nothing to do about an error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Ledger {
    /// Orders taken.
    pub orders: u64,
    /// Orders whose receipt was sent.
    pub receipts: u64,
    /// Receipts that were sent again.
    pub duplicates: u64,
    /// Orders whose receipt waits to be sent.
    pub pending: u64,
    /// Orders whose receipt is being sent.
    pub running: u64,
}

/// How many orders the books of `folder` hold, by `shop ledger`.
pub fn booked(folder: &Path) -> anyhow::Result<u64> {
    let data = ["--data".to_owned(), folder.display().to_string()];
    Ok(ledger(&data)?.orders)
}

/// The books, by `shop ledger`, of the shop that is told `place`.
pub fn ledger(place: &[String]) -> anyhow::Result<Ledger> {
    let mut command = Command::new(this_program()?);
    command.args(["shop", "ledger"]).args(place);
    for variable in not_for_shops() {
        command.env_remove(variable);
    }
    let output = command.output().context("cannot run `shop ledger`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`shop ledger` ended with {}: {said}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("`shop ledger` printed no ledger")
}

fn quiet(command: &[String]) -> Command {
    let mut it = Command::new(&command[0]);
    it.args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for variable in not_for_shops() {
        it.env_remove(variable);
    }
    it
}

/// Variables in our environment that would change what a shop does.
pub fn not_for_shops() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let text = name.to_string_lossy();
        let prefixes = ["LAMEDUCK_", "LISTEN_", "SHOP_", "RUST_LOG"];
        prefixes.iter().any(|prefix| text.starts_with(prefix))
    })
}
