//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use lameduck_check::Settings;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  Does a server lose requests when it is stopped?
    lameduck check --url http://127.0.0.1:8080 --get /health -- ./server --port 8080

  Clients are far away: a 40 ms round trip, five shutdowns
    lameduck check --url http://127.0.0.1:8080 --get /health --rtt 40ms --rounds 5 -- ./server

  Slow requests, uploads and downloads in flight; probes watched
    lameduck check --url http://127.0.0.1:8080 --get '/work?ms=20' --slow '/work?ms=1500' \\
        --upload /upload --stream '/stream?ms=1500' \\
        --ready http://127.0.0.1:9090/readyz --live http://127.0.0.1:9090/livez -- ./server

  Orders and their jobs: none may vanish; database sessions: each says goodbye
    lameduck check --url http://127.0.0.1:8080 --ledger 'shop ledger --database postgres://shop@db/shop' \\
        --postgres postgres://shop@db/shop -- shop --database postgres://shop@db/shop

  What outlives a request: WebSockets, event streams, gRPC
    lameduck check --url http://127.0.0.1:8080 --ws /ws --sse /events --grpc shop.v1.Shop/GetOrder \\
        --grpc-stream shop.v1.Shop/WatchOrders -- shop

  A server that wants a token; the variable is read by lameduck and not by the shell
    lameduck check --url http://127.0.0.1:8080/api --get '/orders?limit=1' \\
        --header 'Authorization: Bearer ${TOKEN}' -- ./server

  In a pipeline: what is known to be broken is accepted, anything new fails
    lameduck check --url http://127.0.0.1:8080 --get /health --json out.json -- ./server
    lameduck check --url http://127.0.0.1:8080 --get /health --baseline out.json -- ./server

  A page to pass on, and what a pipeline shows test by test
    lameduck check --url http://127.0.0.1:8080 --get /health --html out.html --junit out.xml -- ./server

  The page of a run that is over, from its JSON; nothing is run
    lameduck check --from out.json --html out.html

  What a promise is about, how servers break it and how to keep it
    lameduck check --explain keepalive-lossless

  In a pull request: less than a minute
    lameduck check --budget 60s --url http://127.0.0.1:8080 --get /health --junit out.xml -- ./server

  Over TLS, HTTP/2 too, with the verdicts as JSON for a pipeline
    lameduck check --url https://127.0.0.1:8443 --ca tls.crt --get /health --h2 --json out.json -- ./server

  A deploy as a whole, behind whatever balances it; a server with a signal of its own
    lameduck check --url http://shop.example --get /health --trigger 'kubectl rollout restart deploy/shop'
    lameduck check --url http://127.0.0.1:8080 --get /health --preset nginx -- nginx -g 'daemon off;'

  A first lameduck-check.toml from a server that runs, by its OpenAPI document or gRPC reflection
    lameduck check --init http://127.0.0.1:8080

The same settings may stand in lameduck-check.toml in the current folder; flags win:
    command = [\"./server\", \"--port\", \"8080\"]
    url = \"http://127.0.0.1:8080\"
    get = [\"/health\"]
    grace = \"10s\"

Exit status: 0 every promise asked for was tried and kept; 1 one was broken (conventions count with --strict);
2 bad usage, or the target never became ready; 3 none was broken, but one asked for was not tried or is undecided.";

/// Graceful shutdown: prove it.
#[derive(Debug, Parser)]
#[command(
    name = "lameduck",
    version,
    styles = STYLES,
    max_term_width = 100,
    after_help = "See it work, in a quarter of a minute:\n  lameduck demo"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See a shutdown that loses nothing: needs no server, no flag, no privilege
    ///
    /// Starts the reference service, puts it under load, stops it with SIGTERM, accounts for every request, and
    /// shows the shutdown as a timeline and the promises as a table. Takes about fifteen seconds. Exit status: 0
    /// every promise was kept, 1 one was broken, 2 it could not be tested.
    Demo,
    /// Put a server under strict load, stop it, and account for every request
    ///
    /// Starts the command, sends it requests the way real clients do, stops it in the middle, follows every
    /// request to its end, and says which promises of a graceful shutdown it keeps. Only what is named is tested.
    #[command(after_long_help = EXAMPLES, after_help = "See --help for examples.")]
    Check(Box<CheckArgs>),
    /// The reference service: this program starts itself as the target of its demonstration
    #[command(hide = true, disable_help_flag = true)]
    Shop {
        /// The service's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print the completions for a shell
    #[command(
        after_help = "Example:\n  lameduck completions bash > /etc/bash_completion.d/lameduck"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Write a first lameduck-check.toml into this folder, from what the server that runs there says of itself
    ///
    /// Asks the usual probes, an OpenAPI document (/openapi.json, /swagger.json, /v3/api-docs) and gRPC reflection, and
    /// each route that the document has for GET without parameters. What may change something stands in comments. A
    /// file that is there is left as it is.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "url",
        help_heading = "Target"
    )]
    pub(crate) init: Option<String>,
    /// Explain a promise: why it matters, how servers break it, how to keep it; without a name, list them all
    #[arg(
        long,
        value_name = "PROMISE",
        num_args = 0..=1,
        default_missing_value = "",
        help_heading = "Report"
    )]
    pub(crate) explain: Option<String>,
    /// Run nothing: show what an earlier --json FILE has, as a table, and as --html and --junit where these are given
    ///
    /// What comes out is what came out then, with the exit code of then.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["url", "command", "pid", "trigger", "init", "explain", "timeline"],
        help_heading = "Report"
    )]
    pub(crate) from: Option<PathBuf>,
    /// Draw the first shutdown on a time axis
    #[arg(long, help_heading = "Report")]
    pub(crate) timeline: bool,
    /// Write the verdicts as JSON; where there are none, why
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) json: Option<PathBuf>,
    /// Write one page to pass on: verdicts with evidence, the shutdowns on a time axis, how long answers took
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) html: Option<PathBuf>,
    /// Write the verdicts as JUnit XML: a case for each promise
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) junit: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_after_the_dashes_belong_to_the_target() {
        let cli = Cli::parse_from([
            "lameduck", "check", "--seed", "7", "--", "./server", "--seed", "8",
        ]);
        let Command::Check(args) = cli.command else {
            panic!("not a check")
        };
        let settings = args.settings;
        assert_eq!(settings.shutdown.seed, Some(7));
        assert_eq!(settings.target.command, ["./server", "--seed", "8"]);
    }
}
