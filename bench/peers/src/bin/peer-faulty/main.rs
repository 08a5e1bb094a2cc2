//! A small server that shuts down as it should, or wrongly in one chosen way: what the prover must pass, and what
//! it must find.
//!
//! One thread per connection and no framework, so that each fault is a line one can point at. Without a fault it
//! does what every promise asks: readiness fails first, a lame-duck phase serves on, responses say
//! `Connection: close`, handshakes are filtered before the listener closes, idle connections are closed only after
//! they have been quiet for a while, and what is stuck at the end is named.

mod connection;
mod orders;
mod session;
mod state;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use signal_hook::consts::SIGTERM;
use socket2::{SockFilter, SockRef};

use orders::Orders;
use session::Session;
use state::{Fault, State};

#[derive(Parser)]
struct Args {
    /// Address to serve on.
    #[arg(long)]
    listen: SocketAddr,
    /// Serves the socket that is its standard input, which others have too.
    #[arg(long)]
    inherits: bool,
    /// Address of /readyz and /livez.
    #[arg(long)]
    admin: Option<SocketAddr>,
    /// What to do wrong.
    #[arg(long, value_enum, default_value_t = Fault::None)]
    fault: Fault,
    /// Seconds from signal to end.
    #[arg(long, default_value_t = 30.0)]
    grace: f64,
    /// Takes orders at /orders, and keeps its books in this file.
    #[arg(long)]
    books: Option<PathBuf>,
    /// Has a session with this PostgreSQL.
    #[arg(long)]
    database: Option<String>,
    /// Milliseconds from start to ready.
    #[arg(long, default_value_t = 0)]
    start_up: u64,
}

/// How often a waiting thread looks round.
const TICK: Duration = Duration::from_millis(1);
/// How long it serves on with readiness failing.
const LAME_DUCK: Duration = Duration::from_millis(300);
/// Longer than a client waits for an answer to its connection attempt.
const DEAF_LISTENER: Duration = Duration::from_millis(4500);
/// The kernel's own bound (`net.core.somaxconn`).
const LONG_QUEUE: i32 = 4096;
/// How long it accepts from a queue that is too short.
const CATCHES_UP: Duration = Duration::from_millis(2500);
/// How long connections are left in the queue before it is thrown away.
const UNACCEPTED: Duration = Duration::from_millis(60);
/// Without a new connection for this long the accept queue is empty, and no handshake is on its way to it.
const QUIET: Duration = Duration::from_millis(150);
/// What peers have to see the end of their connections.
const CUT_OFF: Duration = Duration::from_millis(400);
/// Kept back at the end of the grace to tell what is stuck.
const RESERVE: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let args = Args::parse();
    let state = State::start(args.fault)?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(args.start_up) {
        if state.is_stopping() {
            std::process::exit(if args.fault == Fault::StartUpFails {
                1
            } else {
                0
            });
        }
        thread::sleep(TICK);
    }
    if args.fault == Fault::Orphan {
        session::leave_behind()?;
    }
    let session = match &args.database {
        Some(url) => Some(Session::open(url)?),
        None => None,
    };
    if let Some(admin) = args.admin {
        let listener = TcpListener::bind(admin)?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || connection::serve_probe(stream, state));
            }
        });
    }
    let orders = match args.books {
        Some(file) => Some(Orders::open(file, state)?),
        None => None,
    };
    let listener = match args.inherits {
        true => TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?),
        false => TcpListener::bind(args.listen)?,
    };
    listener.set_nonblocking(true)?;
    if args.fault == Fault::StopsAccepting {
        // Its queue is never full: that is another fault.
        SockRef::from(&listener).listen(LONG_QUEUE)?;
    }
    accept_until(&listener, state, orders, || {
        let lame_duck = match args.fault {
            Fault::StopsAccepting | Fault::FullQueue | Fault::RefusesAtOnce | Fault::FlipsLate => {
                Duration::ZERO
            }
            _ => LAME_DUCK,
        };
        state.stopping_for().is_some_and(|since| since >= lame_duck)
    })?;
    match args.fault {
        Fault::StopsAccepting => thread::sleep(DEAF_LISTENER),
        Fault::FullQueue => {
            SockRef::from(&listener).listen(1)?;
            thread::sleep(DEAF_LISTENER);
            // Who is left standing comes in, and others find the queue full.
            let since = Instant::now();
            accept_until(&listener, state, orders, || since.elapsed() >= CATCHES_UP)?;
        }
        _ => {}
    }
    match args.fault {
        // What comes now is the others'.
        _ if args.inherits => {}
        Fault::DropsQueue => thread::sleep(UNACCEPTED),
        _ => empty_the_queue(&listener, state, orders)?,
    }
    drop(listener);
    if args.fault == Fault::StaysReady {
        // Refuses for long enough to be asked meanwhile.
        thread::sleep(QUIET);
    }
    let deadline = Duration::from_secs_f64(args.grace).saturating_sub(RESERVE);
    while state.open.load(Ordering::Relaxed) > state.withheld.load(Ordering::Relaxed) {
        let is_late = state.stopping_for().is_some_and(|since| since >= deadline);
        if is_late && state.fault != Fault::Hostage {
            let_go(state);
        }
        thread::sleep(TICK);
    }
    if let Some(orders) = orders {
        orders.close()?;
    }
    if let Some(session) = session {
        session.end(state.fault)?;
    }
    match state.fault {
        Fault::ExitThree => std::process::exit(3),
        Fault::ExitSignal => signal_hook::low_level::emulate_default_handler(SIGTERM)?,
        _ => {}
    }
    std::process::exit(0);
}

/// No handshake begins any more; those under way end, and are accepted.
fn empty_the_queue(
    listener: &TcpListener,
    state: &'static State,
    orders: Option<&'static Orders>,
) -> io::Result<()> {
    SockRef::from(listener).attach_filter(&drop_bare_syns())?;
    let mut arrived = state.accepted.load(Ordering::Relaxed);
    let mut quiet_since = Instant::now();
    accept_until(listener, state, orders, || {
        let now_arrived = state.accepted.load(Ordering::Relaxed);
        if now_arrived != arrived {
            (arrived, quiet_since) = (now_arrived, Instant::now());
        }
        quiet_since.elapsed() >= QUIET
    })
}

fn accept_until(
    listener: &TcpListener,
    state: &'static State,
    orders: Option<&'static Orders>,
    mut over: impl FnMut() -> bool,
) -> io::Result<()> {
    while !over() {
        match listener.accept() {
            Ok((stream, _)) => {
                state.accepted.fetch_add(1, Ordering::Relaxed);
                if state.errs(Fault::ResetsAccepted) {
                    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                    continue;
                }
                state.open.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || {
                    connection::serve(stream, state, orders);
                    state.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TICK),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The time is up.
fn let_go(state: &State) -> ! {
    let in_flight = state.in_flight();
    match state.fault {
        Fault::StuckUntold => std::process::exit(0),
        Fault::StuckUnnamed => eprintln!("let go of 1/1 requests, see /var/log/peer"),
        _ => in_flight
            .iter()
            .for_each(|path| eprintln!("let go: {path}")),
    }
    if state.fault == Fault::Unannounced {
        cut_off(state);
    }
    std::process::exit(match state.fault {
        Fault::StuckZero => 0,
        _ => 124,
    });
}

/// Whoever is being served gets no answer; each connection ends with FIN, and is read on until its peer has seen that.
fn cut_off(state: &State) {
    state.cut_off.store(true, Ordering::Relaxed);
    let since = Instant::now();
    while state.open.load(Ordering::Relaxed) > 0 && since.elapsed() < CUT_OFF {
        thread::sleep(TICK);
    }
}

/// For a TCP socket a filter sees the TCP header; byte 13 holds the flags. SYN without ACK is dropped.
fn drop_bare_syns() -> [SockFilter; 5] {
    [
        SockFilter::new(0x30, 0, 0, 13),
        SockFilter::new(0x54, 0, 0, 0x12),
        SockFilter::new(0x15, 0, 1, 0x02),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ]
}
