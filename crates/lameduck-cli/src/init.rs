//! `lameduck check --init URL`: a first `lameduck-check.toml`, from what a running server says of itself.
//!
//! # What must hold
//! - A file that is there is left as it is.
//! - What may change something, and what needs something filled in, stands in comments.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use lameduck_check::discover::{Discovery, discover};
use lameduck_check::{Endpoint, Settings};

/// Asks the server, and writes the file.
pub(crate) fn run(url: &str, settings: Settings, file: &Path) -> Result<ExitCode> {
    let name = file.display();
    let there =
        || format!("{name} is there already and stays as it is; move it away to have a new one");
    if file.exists() {
        bail!(there());
    }
    let mut settings = settings;
    settings.target.url = Some(url.to_owned());
    let origin = settings.into_endpoint().map_err(|error| {
        // The flag that was given is another one.
        anyhow::anyhow!("{}", error.to_string().replacen("--url", "--init", 1))
    })?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let found = match runtime.block_on(discover(&origin)) {
        Ok(found) => found,
        Err(what) => {
            bail!("--init {url}: {what}; start the server first, it is only asked and not stopped")
        }
    };
    let text = written(url, &origin, &found)?;
    // What it says of the server has to be something that this program takes.
    Settings::from_toml(&text)
        .context("the file would be wrong, which is a fault of this program's")?;
    // Created anew or not at all, whoever was quicker.
    let created = OpenOptions::new().write(true).create_new(true).open(file);
    let mut created = match created {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(there()),
        other => other.with_context(|| format!("cannot write {name}"))?,
    };
    created
        .write_all(text.as_bytes())
        .with_context(|| format!("cannot write {name}"))?;
    let tried = found.quick.len() + found.slow.len() + found.events.len();
    println!(
        "{name} is written, with {tried} requests. Put the command into it that starts the server, then: lameduck check"
    );
    Ok(ExitCode::SUCCESS)
}

fn written(url: &str, origin: &Endpoint, found: &Discovery) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "# What `lameduck check` does in this folder; flags win. From `lameduck check --init`, which has asked the running"
    )?;
    writeln!(
        text,
        "# server. `lameduck check --help` has every setting: each flag is a key.\n"
    )?;
    writeln!(
        text,
        "# To be filled in: the command that is started and stopped."
    )?;
    writeln!(text, "# command = [\"./server\", \"--port\", \"8080\"]")?;
    writeln!(text, "url = {}\n", quoted(url))?;
    if let Some(document) = &found.document {
        writeln!(
            text,
            "# By {document}: what is asked with GET and needs nothing filled in."
        )?;
    }
    let base = origin.path.trim_end_matches('/');
    list(&mut text, "get", "Quick requests.", &found.quick)?;
    list(
        &mut text,
        "slow",
        "They took long, and will be in flight at the signal.",
        &found.slow,
    )?;
    list(
        &mut text,
        "sse",
        "Event streams, held open at the signal.",
        &found.events,
    )?;
    if found.speaks_h2 {
        writeln!(text, "# The same over HTTP/2, which it speaks.")?;
        let is_on = if found.quick.is_empty() && found.slow.is_empty() {
            "# "
        } else {
            ""
        };
        writeln!(text, "{is_on}h2 = true\n")?;
    }
    for (key, probe, usual) in [
        ("ready", &found.ready, "/readyz"),
        ("live", &found.live, "/livez"),
    ] {
        let (comment, path) = match probe {
            Some(path) => ("", path.as_str()),
            None => ("# ", usual),
        };
        let url = format!("{}://{}{base}{path}", origin.scheme(), origin.authority);
        writeln!(text, "{comment}{key} = {}", quoted(&url))?;
    }
    writeln!(text)?;
    for (key, is_stream) in [("grpc", false), ("grpc-stream", true)] {
        let fits = found
            .grpc
            .iter()
            .filter(|it| it.is_stream == is_stream && !it.takes_a_stream);
        let (safe, others): (Vec<_>, Vec<_>) = fits.partition(|method| method.is_safe);
        let names = |methods: &[&lameduck_check::discover::GrpcMethod]| -> Vec<String> {
            methods.iter().map(|method| method.name.clone()).collect()
        };
        list(
            &mut text,
            key,
            "By reflection: they have no side effects.",
            &names(&safe),
        )?;
        if !others.is_empty() {
            let names: Vec<String> = names(&others).iter().map(|name| quoted(name)).collect();
            writeln!(
                text,
                "# By reflection, and nothing says that they change nothing. Their message: grpc-data, in hexadecimal."
            )?;
            writeln!(text, "# {key} = [{}]\n", names.join(", "))?;
        }
    }
    if !found.others.is_empty() {
        writeln!(text, "# Not asked, or without success:")?;
        for (route, why) in &found.others {
            writeln!(text, "#   {}: {}", line(route), line(why))?;
        }
        writeln!(text)?;
    }
    writeln!(text, "# grace = \"30s\"")?;
    Ok(text)
}

fn list(text: &mut String, key: &str, what: &str, values: &[String]) -> Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    writeln!(text, "# {what}\n{key} = [")?;
    for value in values {
        writeln!(text, "    {},", quoted(value))?;
    }
    writeln!(text, "]\n")?;
    Ok(())
}

/// As TOML and JSON write text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// In one line, whatever a server says.
fn line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
