//! What standard output can show.

use std::io::{IsTerminal, Write};

use lameduck_check::report::Look;

/// Narrower, a table is no table any more.
const NARROWEST: u16 = 60;

/// How a report looks here: as wide as the terminal, in colour unless `NO_COLOR` says otherwise; plain when it goes
/// to a file or a pipe.
pub(crate) fn look() -> Look {
    if !std::io::stdout().is_terminal() {
        return Look::PLAIN;
    }
    Look {
        width: terminal_size::terminal_size()
            .map_or(Look::PLAIN.width, |(width, _)| width.0.max(NARROWEST)),
        color: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// Writes to standard output. Whoever has stopped reading, as `head` does, changes nothing of what was found.
pub(crate) fn show(text: &str) {
    let mut output = std::io::stdout();
    let written = output.write_all(text.as_bytes());
    let _ = written.and_then(|()| output.flush());
}
