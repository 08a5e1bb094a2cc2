//! What real clients and real servers need: their packages, in a folder of their own, fetched once.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// The folder.
pub struct Kit {
    folder: PathBuf,
}

impl Kit {
    /// The one in `folder`; without that, the one of this name in the target folder.
    pub fn open(folder: Option<PathBuf>, name: &str) -> anyhow::Result<Kit> {
        let folder = match folder {
            Some(folder) => folder,
            None => {
                let this =
                    std::env::current_exe().context("cannot find this program's own file")?;
                // target/debug/lameduck-bench
                let target = this
                    .ancestors()
                    .nth(2)
                    .context("this program has no folder")?;
                target.join(name)
            }
        };
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        Ok(Kit { folder })
    }

    /// A folder within.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes a thing that has this name and version, unless it is there.
    pub fn once(
        &self,
        what: &str,
        make: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let list = self.folder.join("made");
        let made = fs::read_to_string(&list).unwrap_or_default();
        let mut made: BTreeSet<&str> = made.lines().collect();
        if made.contains(what) {
            return Ok(());
        }
        eprintln!("fetching {what}");
        make()?;
        made.insert(what);
        let lines: String = made.iter().flat_map(|it| [it, "\n"]).collect();
        fs::write(&list, lines).with_context(|| format!("cannot write {}", list.display()))
    }

    /// A package of PyPI, `name==version`, in an environment that all of Python share.
    pub fn pip(&self, package: &str) -> anyhow::Result<()> {
        let folder = self.folder("python");
        self.once("python", || {
            run(Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder))
        })?;
        self.once(package, || {
            let mut pip = Command::new(folder.join("bin/pip"));
            run(pip.args(["install", "--quiet", "--disable-pip-version-check", package]))
        })
    }

    /// A package of npm, `name@version`, in a folder that all of Node share.
    pub fn npm(&self, package: &str) -> anyhow::Result<()> {
        let folder = self.folder("node");
        self.once(package, || {
            fs::create_dir_all(&folder)?;
            // Without it npm takes away what it was asked for before.
            let list = folder.join("package.json");
            if !list.exists() {
                fs::write(list, "{}").context("cannot write package.json")?;
            }
            let mut npm = Command::new("npm");
            let flags = [
                "install",
                "--save-exact",
                "--no-fund",
                "--no-audit",
                "--silent",
            ];
            run(npm.args(flags).arg("--prefix").arg(&folder).arg(package))
        })
    }
}

/// Runs a command to its end; what it said is told if it failed.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or_default();
        bail!("{name} ended with {}: {last}", output.status);
    }
    Ok(())
}
