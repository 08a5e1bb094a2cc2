//! The matrix as a page: what each fault breaks and why, and which faults break each promise.

use std::fmt::Write;

use lameduck_check::Rules;

use super::fault::{At, Fault};
use super::faults::FAULTS;
use super::trial::{Distance, Row};

/// The page, of rows in order.
pub fn render(rows: &[Row]) -> String {
    let mut page = String::new();
    let tried = |fault: &&Fault| rows.iter().any(|row| std::ptr::eq(row.case.fault, *fault));
    let tried: Vec<&Fault> = FAULTS.iter().filter(tried).collect();
    let _ = write!(page, "{HEAD}{}{RIGHT}", came(rows));
    for fault in tried.iter().filter(|it| it.breaks.is_empty()) {
        let came = match fault.unhealthy {
            [] => "nothing".to_owned(),
            said => format!("exit 2 before the signal: \"{}\"", said.join("\" or \"")),
        };
        let servers = servers(fault, rows);
        let _ = writeln!(
            page,
            "| `{}` | {} | {came} | {servers} |",
            fault.name, fault.does
        );
    }
    let _ = write!(page, "{FAULTY}");
    for fault in tried.iter().filter(|it| !it.breaks.is_empty()) {
        write_fault(&mut page, fault, rows);
    }
    let _ = write!(page, "{PROMISES}");
    for promise in Rules::known() {
        let breaking = tried
            .iter()
            .filter_map(|fault| Some((fault, fault.expected(promise)?)));
        let named: Vec<String> = breaking
            .map(|(fault, expected)| match expected.at {
                At::Far => format!("`{}` (over a round trip)", fault.name),
                At::Anywhere => format!("`{}`", fault.name),
            })
            .collect();
        let _ = writeln!(page, "| `{promise}` | {} |", named.join(", "));
    }
    page
}

/// A line for each promise that it breaks.
fn write_fault(page: &mut String, fault: &Fault, rows: &[Row]) {
    for (index, it) in fault.breaks.iter().enumerate() {
        let (name, does, servers) = match index {
            0 => (
                format!("`{}`", fault.name),
                fault.does,
                servers(fault, rows),
            ),
            _ => (String::new(), "", String::new()),
        };
        let [near, far, line] = COLUMNS.map(|is_in| seen(rows, fault, it.promise, is_in));
        let _ = writeln!(
            page,
            "| {name} | {does} | `{}` | {near} | {far} | {line} | {} | {servers} |",
            it.promise, it.because
        );
    }
}

/// What of the rows is in each column.
const COLUMNS: [fn(&Distance) -> bool; 3] = [
    |distance| matches!(distance, Distance::Relay(rtt) if rtt.is_zero()),
    |distance| matches!(distance, Distance::Relay(rtt) if !rtt.is_zero()),
    Distance::is_line,
];

/// How many runs there were, and how many of them came to what they should.
fn came(rows: &[Row]) -> String {
    let [near, far, line] = COLUMNS.map(|is_in| {
        let of_column = || rows.iter().filter(|row| is_in(&row.distance));
        let right = of_column().filter(|row| row.disagreements.is_empty());
        format!("{} of {}", right.count(), of_column().count())
    });
    let by_line = match line.as_str() {
        "0 of 0" => String::new(),
        _ => format!(
            ", and {line} with one that the kernel's own packets make on a TUN device (servers in Rust)"
        ),
    };
    format!(
        "\nAs it should be: {near} runs without a round trip, {far} with one that the prover's relay makes{by_line}.\n"
    )
}

/// In which languages it was tried.
fn servers(fault: &Fault, rows: &[Row]) -> String {
    let was_tried = |server: &&_| {
        let mut rows = rows.iter();
        rows.any(|row| std::ptr::eq(row.case.fault, fault) && row.case.server == **server)
    };
    let names = fault.servers.iter().filter(was_tried);
    let names: Vec<&str> = names.map(|server| server.name()).collect();
    names.join(", ")
}

/// What the prover said of a promise: ✘ broken, ✔ kept, – not tried; where the servers differ, each.
fn seen(rows: &[Row], fault: &Fault, promise: &str, is_in: fn(&Distance) -> bool) -> String {
    let of_fault = rows
        .iter()
        .filter(|row| std::ptr::eq(row.case.fault, fault) && is_in(&row.distance));
    let mut marks: Vec<&str> = of_fault
        .map(|row| match row.judged.get(promise) {
            Some(lameduck_check::Judgement::Broken) => "✘",
            Some(lameduck_check::Judgement::Kept) => "✔",
            Some(lameduck_check::Judgement::Undecided) => "?",
            _ => "–",
        })
        .collect();
    marks.dedup();
    marks.join(" ")
}

const HEAD: &str = "\
# What the prover finds

Servers with one fault each, put to `lameduck check` at 0 and at 40 ms, with everything that they can be asked. Each
fault has to break exactly the promises named here, each for the reason beside it: every other one has to be kept, or
skipped where nothing was there to try it on. What is expected is derived from the fault and from
[what the promise says](promises.md#the-promises-1). This page is written by

```
cargo build -p lameduck-peers -p lameduck-bench
target/debug/lameduck-bench matrix --line --document docs/matrix.md
```

which exits with 1 where the prover says anything else, and where something is undecided each time. The faults, and what
they break, stand in `bench/src/matrix/faults/`; the servers in `bench/peers`: in Rust with threads and sockets, in Python
with asyncio and sockets, in Node with its own `http` and `http2`. All are asked over HTTP/1.1, with half heads, uploads, downloads
and orders; Python and Node for event streams and WebSockets too, Node over HTTP/2 and by gRPC. Uploads, streams, HTTP/2
and gRPC have faults of their own, and are served where a fault says \"from the signal on\".
";

const RIGHT: &str = "
## Nothing to find

Servers without a fault, some of them in an odd way, and those that are not fit to be tested.

| name | what the server does | broken | servers |
|---|---|---|---|
";

const FAULTY: &str = "
## Faults

✘ is broken, ✔ kept, – not tried. Where the column of 0 ms has no ✘, a close and a request cross within microseconds.

| fault | what the server does | breaks | 0 ms | 40 ms | 40 ms, kernel | because | servers |
|---|---|---|---|---|---|---|---|
";

const PROMISES: &str = "
## Promises

Each promise, and the faults that break it.

| promise | broken by |
|---|---|
";
