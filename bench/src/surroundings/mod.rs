//! Odd surroundings: what the world around a process does to it, and a stop under load all the same.
//!
//! Each surrounding has one kind of oddity, in a file of its kind; everything else is as usual. It is good if the
//! process is gone within its grace, nothing is lost of what was wholly sent to it, and the report is wherever it
//! can be written; or, where a service can never work, if it says so at its start and exits.

mod descriptors;
mod kernel;
mod limits;
mod load;
mod outcome;
mod outputs;
mod paths;
mod pipe;
mod process;
mod reports;
mod scene;
pub mod service;
mod shells;
mod signals;
mod subscribers;
mod trial;
pub mod without;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::bail;
use clap::Args;

use outcome::Row;
use scene::Surrounding;

/// Options of `surroundings`.
#[derive(Args)]
pub struct Options {
    /// Trials of each
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Decides the moments of the signals and the pauses of the clients
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Which surroundings, or words that their names begin with; all by default
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,

    /// Trials at the same time
    #[arg(long, default_value_t = 3, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=16))]
    at_once: u32,

    /// Say what there is, and try nothing
    #[arg(long)]
    list: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn all() -> impl Iterator<Item = &'static Surrounding> {
    let kinds = [
        outputs::ALL,
        subscribers::ALL,
        signals::ALL,
        shells::ALL,
        limits::ALL,
        descriptors::ALL,
        paths::ALL,
        reports::ALL,
        kernel::ALL,
    ];
    kinds.into_iter().flatten()
}

/// Tries them, prints, and says whether all went as it should.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    for wanted in &options.only {
        if !all().any(|it| it.name.starts_with(wanted.as_str())) {
            bail!(
                "--only {wanted}: expected a surrounding, for example stderr-full; --list has them all"
            );
        }
    }
    let is_wanted = |it: &&Surrounding| {
        let begins = |wanted: &String| it.name.starts_with(wanted.as_str());
        options.only.is_empty() || options.only.iter().any(begins)
    };
    let wanted: Vec<&Surrounding> = all().filter(is_wanted).collect();
    if options.list {
        for it in wanted {
            let root = if it.root { "  (root)" } else { "" };
            println!("{:28} {}{root}", it.name, it.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows = try_all(&wanted, options);
    let not_tried = rows.iter().filter(|it| it.not_tried.is_some()).count();
    let bad = rows.iter().filter(|it| !it.is_good()).count();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!(
            "\n{} surroundings, {} trials, seed {}: {} as it should be, {bad} not, {not_tried} not tried",
            wanted.len(),
            rows.len(),
            options.seed,
            rows.len() - bad - not_tried
        );
    }
    let complete = not_tried == 0 || std::env::var_os(real_servers::REQUIRED).is_none();
    Ok(match bad == 0 && complete {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn try_all(wanted: &[&Surrounding], options: &Options) -> Vec<Row> {
    let trials: Vec<(u32, &Surrounding)> = (1..=options.rounds)
        .flat_map(|round| wanted.iter().map(move |it| (round, *it)))
        .collect();
    if !options.json {
        Row::print_head();
    }
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..options.at_once {
            scope.spawn(|| {
                while let Some((round, it)) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seed = options
                        .seed
                        .wrapping_mul(1 << 20)
                        .wrapping_add((*round).into());
                    let row = trial::run(it, *round, seed);
                    let mut rows = rows.lock().unwrap_or_else(|e| e.into_inner());
                    if !options.json {
                        row.print();
                    }
                    rows.push(row);
                }
            });
        }
    });
    rows.into_inner().unwrap_or_else(|e| e.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_surrounding_has_a_name_of_its_own() {
        let mut names: Vec<&str> = all().map(|it| it.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(count >= 30, "{count}");
    }
}
