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

  In a pipeline: what is known to be broken is accepted, anything new fails
    lameduck check --url http://127.0.0.1:8080 --get /health --json out.json -- ./server
    lameduck check --url http://127.0.0.1:8080 --get /health --baseline out.json -- ./server

  Over TLS, HTTP/2 too, with the verdicts as JSON for a pipeline
    lameduck check --url https://127.0.0.1:8443 --ca tls.crt --get /health --h2 --json out.json -- ./server

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
    /// Where the target serves, like http://127.0.0.1:8080 or https://127.0.0.1:8443
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Over TLS: who signed the target's certificate, or the certificate itself (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Over TLS: believe any certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// A quick request for keep-alive, pooled and connection-per-request clients (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Load")]
    get: Vec<String>,
    /// A request that takes about a second, in flight at the signal (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Load")]
    slow: Vec<String>,
    /// A path to POST to, half of the body sent at the signal (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Load")]
    upload: Vec<String>,
    /// A path whose response takes about a second, half read at the signal (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Load")]
    stream: Vec<String>,
    /// What places an order: a path, a space, the JSON to post (may be repeated) [default with --ledger: /orders
    /// {"item":"tea","quantity":1}]
    #[arg(long, value_name = "PATH BODY", help_heading = "Load")]
    post: Vec<String>,
    /// A path where the target speaks WebSocket: open at the signal, with messages on the way (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Load")]
    ws: Vec<String>,
    /// A path of server-sent events, held open at the signal (may be repeated)
    #[arg(long, value_name = "PATH", help_heading = "Load")]
    sse: Vec<String>,
    /// A gRPC method with one answer, like shop.v1.Shop/GetOrder (may be repeated)
    #[arg(long, value_name = "METHOD", help_heading = "Load")]
    grpc: Vec<String>,
    /// A gRPC method whose answer is a stream, open at the signal (may be repeated)
    #[arg(long, value_name = "METHOD", help_heading = "Load")]
    grpc_stream: Vec<String>,
    /// The message that gRPC methods are called with, its bytes in hexadecimal, like 0a0135 [default: empty]
    #[arg(long, value_name = "HEX", help_heading = "Load")]
    grpc_data: Option<String>,
    /// Send --get, --slow and --sse over HTTP/2 too: cleartext with prior knowledge, or TLS
    #[arg(long, help_heading = "Load")]
    h2: bool,
    /// The readiness probe
    #[arg(long, value_name = "URL", help_heading = "Probes")]
    ready: Option<String>,
    /// The liveness probe
    #[arg(long, value_name = "URL", help_heading = "Probes")]
    live: Option<String>,
    /// A command that prints the target's books as JSON, whether it runs or not, like 'shop ledger --data DIR'
    ///
    /// It prints {"orders":n,"receipts":n,"duplicates":n,"pending":n,"running":n}: orders committed, those with
    /// their receipt, receipts sent again, jobs waiting, jobs that a worker holds. It is run before the load, after
    /// the target's end, and after its next start, which has to finish what was left. No shell reads it: write
    /// sh -c '…' for pipes and variables.
    #[arg(long, value_name = "COMMAND", help_heading = "Jobs and database")]
    ledger: Option<String>,
    /// What the next start has to finish the jobs that a stop left; 0s for a target that begins with empty books
    /// each time [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = "Jobs and database")]
    settle: Option<String>,
    /// The target's PostgreSQL database, to see how its sessions end
    ///
    /// Watches pg_stat_activity and reads the server's log, with a line of its own to know that it is the right
    /// one. Best with the target's own role, or a superuser: others see less. Spoken to without TLS.
    #[arg(long, value_name = "URL", help_heading = "Jobs and database")]
    postgres: Option<String>,
    /// Where that server writes its log, if it does not say or show it
    #[arg(long, value_name = "FILE", help_heading = "Jobs and database")]
    postgres_log: Option<PathBuf>,
    /// What the target has from signal to end; when given, told to it as LAMEDUCK_GRACE [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Shutdown")]
    grace: Option<String>,
    /// The signal: TERM, INT, QUIT, HUP, USR1 or USR2 [default: TERM]
    #[arg(long, value_name = "NAME", help_heading = "Shutdown")]
    signal: Option<String>,
    /// How long balancers and DNS may still send to the target after the signal: until then it must turn nobody away;
    /// 0s for no such demand [default: 3s with --ready, else none]
    #[arg(long, value_name = "TIME", help_heading = "Shutdown")]
    notice: Option<String>,
    /// Put a round trip between clients and target, like 40ms; 0ms for the loopback alone [default: none, then 40ms]
    #[arg(long, value_name = "TIME", help_heading = "Shutdown")]
    rtt: Option<String>,
    /// Shutdowns under load, for each round trip [default: 3]
    #[arg(long, value_name = "N", help_heading = "Shutdown")]
    rounds: Option<u32>,
    /// Rule out that more than this share of shutdowns has a loss, like 1%: as many shutdowns as that takes (299), or
    /// until one has a loss
    #[arg(long, value_name = "PERCENT", help_heading = "Shutdown")]
    until: Option<String>,
    /// Shutdowns during start-up, 0 for none [default: 5]
    #[arg(long, value_name = "N", help_heading = "Shutdown")]
    startup_rounds: Option<u32>,
    /// Makes think times and the moment of the signal the same again [default: 1]
    #[arg(long, value_name = "N", help_heading = "Shutdown")]
    seed: Option<u64>,
    /// How long the target may take to be ready [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Shutdown")]
    start_timeout: Option<String>,
    /// Keep-alive clients; half as many more share pools [default: 40]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    clients: Option<u32>,
    /// Connection-per-request clients, each at a constant rate [default: 10]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    per_request: Option<u32>,
    /// Slow requests in flight at the signal [default: 10]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    slow_clients: Option<u32>,
    /// Uploads half sent at the signal [default: 5]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    upload_clients: Option<u32>,
    /// Downloads half read at the signal [default: 5]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    stream_clients: Option<u32>,
    /// Clients that place orders [default: 5]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    post_clients: Option<u32>,
    /// HTTP/2 connections, each with four streams at once [default: 4]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    h2_connections: Option<u32>,
    /// WebSockets; whether they are sent away at a pace is judged from 20 on [default: 50]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    ws_clients: Option<u32>,
    /// Event streams held open at the signal [default: 10]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    sse_clients: Option<u32>,
    /// gRPC connections, each with three calls at once and a stream [default: 4]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    grpc_clients: Option<u32>,
    /// Peers that hang on without work: silent, lingering, slow-loris; 0 for none [default: 20]
    #[arg(long, value_name = "N", help_heading = "Counts")]
    idle: Option<u32>,
    /// Judge only these promises, like keepalive-lossless,accept-lossless
    #[arg(
        long,
        value_name = "PROMISE",
        value_delimiter = ',',
        help_heading = "Verdict"
    )]
    only: Vec<String>,
    /// Do not judge these promises
    #[arg(
        long,
        value_name = "PROMISE",
        value_delimiter = ',',
        help_heading = "Verdict"
    )]
    except: Vec<String>,
    /// Promises that are known to be broken do not count: what --json wrote, or one name on each line
    #[arg(long, value_name = "FILE", help_heading = "Verdict")]
    baseline: Option<PathBuf>,
    /// Exit codes that are right when nothing was let go, like 0,143 [default: 0]
    #[arg(
        long,
        value_name = "CODE",
        value_delimiter = ',',
        help_heading = "Verdict"
    )]
    expect_exit: Vec<i32>,
    /// Conventions count too: exit codes, Connection: close, what is said of stuck requests, repeated signals
    #[arg(long, help_heading = "Verdict")]
    strict: bool,
    /// Exit 0 instead of 3 when nothing was broken, but something asked for was not tried or is undecided
    #[arg(long, help_heading = "Verdict")]
    allow_untested: bool,
    /// Draw the first shutdown on a time axis
    #[arg(long, help_heading = "Report")]
    pub(crate) timeline: bool,
    /// Write the verdicts as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) json: Option<PathBuf>,
    /// The target: program and arguments
    ///
    /// Started anew for each round, in a process group of its own. The signal goes to this process alone, as an
    /// orchestrator sends it: a shell in between must `exec` the server.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl CheckArgs {
    /// What the flags set.
    pub(crate) fn into_settings(self) -> Settings {
        Settings {
            command: self.command,
            url: self.url,
            get: self.get,
            slow: self.slow,
            upload: self.upload,
            stream: self.stream,
            post: self.post,
            ws: self.ws,
            sse: self.sse,
            grpc: self.grpc,
            grpc_stream: self.grpc_stream,
            grpc_data: self.grpc_data,
            ledger: self.ledger,
            settle: self.settle,
            postgres: self.postgres,
            postgres_log: self.postgres_log,
            ca: self.ca,
            insecure: self.insecure.then_some(true),
            h2: self.h2.then_some(true),
            ready: self.ready,
            live: self.live,
            grace: self.grace,
            signal: self.signal,
            rtt: self.rtt,
            rounds: self.rounds,
            until: self.until,
            startup_rounds: self.startup_rounds,
            seed: self.seed,
            start_timeout: self.start_timeout,
            clients: self.clients,
            per_request: self.per_request,
            slow_clients: self.slow_clients,
            upload_clients: self.upload_clients,
            stream_clients: self.stream_clients,
            post_clients: self.post_clients,
            h2_connections: self.h2_connections,
            ws_clients: self.ws_clients,
            sse_clients: self.sse_clients,
            grpc_clients: self.grpc_clients,
            idle: self.idle,
            only: self.only,
            except: self.except,
            baseline: self.baseline,
            notice: self.notice,
            expect_exit: self.expect_exit,
            strict: self.strict.then_some(true),
            allow_untested: self.allow_untested.then_some(true),
        }
    }
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
        let settings = args.into_settings();
        assert_eq!(settings.seed, Some(7));
        assert_eq!(settings.command, ["./server", "--seed", "8"]);
    }
}
