//! The page: which promises each server breaks, and why.

use std::fmt::Write;

use lameduck_check::{Judgement, Rules};

use super::Row;

/// The page, of rows in order.
pub fn render(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    let is_tried = |name: &&str| {
        let mut judged = rows.iter().filter_map(|row| row.judged.get(*name));
        judged.any(|it| *it != Judgement::Skipped)
    };
    let promises: Vec<&str> = Rules::known().into_iter().filter(is_tried).collect();
    let _ = writeln!(
        page,
        "\n| |{}",
        columns(&promises, |name| format!("`{name}`"))
    );
    let _ = writeln!(page, "|---|{}", columns(&promises, |_| ":-:".to_owned()));
    for row in rows {
        let cells = columns(&promises, |name| cell(row.judged.get(name)).to_owned());
        let _ = writeln!(page, "| [{0}](#{0}) |{cells}", row.server.name);
    }
    for row in rows {
        let server = row.server;
        let _ = write!(
            page,
            "\n## {}\n\n{}: {}{}.\n\n",
            server.name,
            server.title,
            server.started,
            server
                .preset
                .map_or_else(String::new, |name| format!(" (`--preset {name}`)"))
        );
        for reason in server.breaks {
            let names: Vec<String> = reason.promises.iter().map(|it| format!("`{it}`")).collect();
            let perhaps = if reason.is_sure {
                ""
            } else {
                " (not in every run)"
            };
            let _ = writeln!(page, "- {}{perhaps}: {}", names.join(", "), reason.because);
        }
        if server.breaks.is_empty() {
            let _ = writeln!(page, "Nothing that it was tried for is broken.");
        }
    }
    page
}

fn columns(promises: &[&str], cell: impl Fn(&str) -> String) -> String {
    let cells = promises.iter().map(|name| format!(" {} |", cell(name)));
    cells.collect()
}

fn cell(judgement: Option<&Judgement>) -> &'static str {
    match judgement {
        Some(Judgement::Kept) => "✔",
        Some(Judgement::Broken) => "✘",
        Some(Judgement::Undecided) => "?",
        Some(Judgement::Skipped) | None => "–",
    }
}

const HEAD: &str = "\
# What real servers do at a shutdown

Servers that people run, unmodified, each set up and stopped as its own documentation has it, put to `lameduck check` at
0 and at 40 ms. ✔ kept, ✘ broken, – not tried.

Nearly all do the same two things in the moment of the signal: they close idle connections, and they close their listening
socket. Over a distance both cross requests that are on their way, which their clients then have lost. Whoever has a balancer
in front can have it send elsewhere first (a preStop hook that waits); then there is nothing to cross.

Two runs with other seeds (7 and 11) came to the same verdicts, on two cores at a load of 10 to 30; but that `idle-exits` of
gunicorn with workers of uvicorn, which was kept, could not be tried in one of them.

This page is written by

```
cargo build -p lameduck-bench -p lameduck-servers
target/debug/lameduck-bench servers --document docs/real-servers.md
```

which exits with 1 where the prover says anything else. What is not installed is fetched (PyPI, npm) or skipped; the little
applications are in [bench/servers](../bench/servers), what is known of each in [bench/src/servers](../bench/src/servers).
";
