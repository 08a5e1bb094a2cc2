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

/// Where a shop serves.
pub struct Place {
    listen: SocketAddr,
    admin: SocketAddr,
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

    /// The command that starts a shop here.
    pub fn command(&self, folder: &Path, grace: Duration) -> anyhow::Result<Vec<String>> {
        let this = std::env::current_exe().context("cannot find this program's own file")?;
        let folder = folder.display().to_string();
        let grace = format!("{}ms", grace.as_millis());
        let command = [
            &this.display().to_string(),
            "shop",
            "--listen",
            &self.listen.to_string(),
            "--admin",
            &self.admin.to_string(),
            "--data",
            &folder,
            "--grace",
            &grace,
        ];
        Ok(command.map(str::to_owned).to_vec())
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

/// How many orders the books of `folder` hold, by `shop ledger`.
pub fn booked(folder: &Path) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Ledger {
        orders: u64,
    }
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let output = Command::new(this)
        .args(["shop", "ledger", "--data"])
        .arg(folder)
        .output()
        .context("cannot run `shop ledger`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`shop ledger` ended with {}: {said}", output.status);
    }
    let ledger: Ledger =
        serde_json::from_slice(&output.stdout).context("`shop ledger` printed no ledger")?;
    Ok(ledger.orders)
}

fn quiet(command: &[String]) -> Command {
    let mut it = Command::new(&command[0]);
    it.args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if ["LAMEDUCK_", "LISTEN_", "SHOP_"]
            .iter()
            .any(|p| text.starts_with(p))
        {
            it.env_remove(&variable);
        }
    }
    it
}
