//! The matrix as a page: which promises each fault breaks, and which faults break each promise.

use std::fmt::Write;

use lameduck_check::Rules;

use super::Row;
use super::cases::Expected;

/// The page, of rows in order.
pub fn render(rows: &[Row]) -> String {
    let mut page = String::new();
    let _ = write!(page, "{HEAD}");
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        let name = row.case.name();
        if names.contains(&name) {
            continue;
        }
        let of_case = rows.iter().filter(|it| it.case.name() == name);
        let cells: Vec<String> = of_case.map(cell).collect();
        let cells = match cells.iter().all(|it| *it == cells[0]) {
            true => cells[0].clone(),
            false => cells.join("; "),
        };
        let _ = writeln!(page, "| `{name}` | {} | {cells} |", row.case.does);
        names.push(name);
    }
    let _ = write!(page, "{PROMISES}");
    for promise in Rules::known() {
        let mut faults: Vec<String> = rows
            .iter()
            .filter(|row| row.broken().contains(&promise))
            .map(|row| format!("`{}`", row.case.name()))
            .collect();
        faults.dedup();
        let _ = writeln!(page, "| `{promise}` | {} |", faults.join(", "));
    }
    page
}

fn cell(row: &Row) -> String {
    if let Expected::Unhealthy(says) = row.case.expected {
        return format!("exit 2 before the signal: {says}");
    }
    let broken: Vec<String> = row.broken().iter().map(|it| format!("`{it}`")).collect();
    let rtt = humantime::format_duration(row.rtt);
    match (broken.is_empty(), &row.case.expected) {
        (true, Expected::Breaks { far, .. }) if !far.is_empty() => format!("{rtt}: nothing"),
        (true, _) => "nothing".to_owned(),
        (false, Expected::Breaks { far, .. }) if !far.is_empty() => {
            format!("{rtt}: {}", broken.join(", "))
        }
        (false, _) => broken.join(", "),
    }
}

const HEAD: &str = "\
# What the prover finds

Servers with one fault each, put to `lameduck check` at 0 and at 40 ms, with everything that they can be asked. Each
fault has to break exactly the promises named here: every other one was kept, or skipped where nothing was there to try
it on. This page is written by

```
cargo build -p lameduck-peers -p lameduck-bench
target/debug/lameduck-bench matrix --document docs/matrix.md
```

which exits with 1 where the prover says anything else. The faults and what they break stand in
`bench/src/matrix/cases.rs`.

| fault | what the server does | broken |
|---|---|---|
";

const PROMISES: &str = "
Each promise, and the faults that break it:

| promise | broken by |
|---|---|
";
