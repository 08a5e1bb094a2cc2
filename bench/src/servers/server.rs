//! A server as it is known: how it is started, what it is asked, and which promises it breaks for which reason.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use lameduck_check::{Plan, Settings};

use crate::kit::Kit;
use crate::planted::free_address;

/// A server that people run.
pub struct RealServer {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name and version, for people.
    pub title: &'static str,
    /// How it is set up and started.
    pub started: &'static str,
    /// The preset of the prover that it has.
    pub preset: Option<&'static str>,
    /// How many clients it is made for.
    pub clients: Crowd,
    /// It passes requests on, to a shop.
    pub is_proxy: bool,
    /// What it is asked.
    pub routes: Routes,
    /// Whether it speaks HTTP/2 on the same port.
    pub h2: bool,
    /// Has everything ready that it needs.
    pub prepare: fn(&Kit) -> anyhow::Result<()>,
    /// What starts it.
    pub command: fn(&Kit, &Place) -> anyhow::Result<Vec<String>>,
    /// What it breaks, and why.
    pub breaks: &'static [Reason],
}

/// How many clients there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// As many as by default.
    Usual,
    /// So few that a handful of workers has time for all.
    Few,
}

/// What a server can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// Those of the little applications in `bench/servers`.
    Own,
    /// Those of the shop.
    Shop,
}

/// Why a server breaks some promises.
pub struct Reason {
    pub promises: &'static [&'static str],
    /// The line of its source, or the system call.
    pub because: &'static str,
    /// Whether every run shows it.
    pub is_sure: bool,
}

impl Reason {
    /// One that shows in every run.
    pub const fn of(promises: &'static [&'static str], because: &'static str) -> Reason {
        Reason {
            promises,
            because,
            is_sure: true,
        }
    }

    /// One that takes chance to be seen.
    pub const fn perhaps(promises: &'static [&'static str], because: &'static str) -> Reason {
        Reason {
            promises,
            because,
            is_sure: false,
        }
    }

    pub fn breaks(&self, promise: &str) -> bool {
        self.promises.contains(&promise)
    }
}

/// Promises that have rounds of their own, which take seconds.
pub const WAITED_FOR: [&str; 6] = [
    "idle-exits",
    "startup-signal",
    "second-signal",
    "stuck-told",
    "within-grace",
    "no-orphans",
];

/// Where a server is: its port, its folder, and what is behind it.
pub struct Place {
    pub address: SocketAddr,
    pub folder: PathBuf,
    pub behind: Option<SocketAddr>,
}

impl Place {
    /// On a port that is free just now.
    pub fn free(folder: PathBuf, behind: Option<SocketAddr>) -> anyhow::Result<Place> {
        Ok(Place {
            address: free_address(Ipv4Addr::LOCALHOST)?,
            folder,
            behind,
        })
    }

    /// Its port, as a word.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// A file of ours with PORT, BEHIND and FOLDER filled in, as a file in its folder.
    pub fn fill(&self, file: &str) -> anyhow::Result<String> {
        let path = source(file);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let behind = self.behind.map_or(0, |it| it.port()).to_string();
        let text = text
            .replace("PORT", &self.port())
            .replace("BEHIND", &behind)
            .replace("FOLDER", &self.folder.display().to_string());
        let name = path.file_name().context("a file without a name")?;
        let filled = self.folder.join(name);
        std::fs::write(&filled, text)
            .with_context(|| format!("cannot write {}", filled.display()))?;
        Ok(filled.display().to_string())
    }
}

/// A file of ours in `bench/servers`.
pub fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("servers")
        .join(file)
}

impl RealServer {
    /// What `lameduck check` would be told.
    pub fn plan(&self, kit: &Kit, place: &Place) -> anyhow::Result<Plan> {
        self.plan_of(&(self.command)(kit, place)?, place)
    }

    fn plan_of(&self, command: &[String], place: &Place) -> anyhow::Result<Plan> {
        let command = serde_json::to_string(command)?;
        let [get, slow, upload, stream] = match self.routes {
            Routes::Own => ["/", "/slow", "/upload", "/stream"],
            Routes::Shop => ["/work?ms=5", "/work?ms=1000", "/upload", "/stream?ms=1000"],
        };
        let mut text = format!(
            "command = {command}\nurl = \"http://{}\"\nget = [{get:?}]\nslow = [{slow:?}]\nupload = [{upload:?}]\n\
             stream = [{stream:?}]\ngrace = \"10s\"\nstartup-rounds = 2\n",
            place.address
        );
        if let Some(preset) = self.preset {
            text += &format!("preset = {preset:?}\n");
        }
        if self.h2 {
            text += "h2 = true\n";
        }
        if self.clients == Crowd::Few {
            text += "clients = 6\nper-request = 2\nslow-clients = 1\nmoments = 2\nupload-clients = 1\n\
                     stream-clients = 1\nidle = 3\n";
        }
        let settings = Settings::from_toml(&text).context("cannot read the settings")?;
        settings.into_plan().context("cannot make a plan")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prover_takes_the_settings_of_each_server() {
        let place = Place::free(PathBuf::from("/nowhere"), None).unwrap();
        for server in super::super::all() {
            let plan = server.plan_of(&["./server".to_owned()], &place);
            assert!(plan.is_ok(), "{}: {:?}", server.name, plan.err());
        }
    }
}
