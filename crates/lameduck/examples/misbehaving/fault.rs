//! What goes wrong outside of requests.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use lameduck::{BoxError, Lifecycle, Report};

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `main` blocks before anything is started.
    MainHangs,
    /// Two servers are called the same.
    TwoServers,
    StartHangs,
    StartBlocks,
    StartFails,
    StartWaits,
    /// Holds every descriptor that there is to be had.
    EatsDescriptors,
    TaskFails,
    TaskPanics,
    TaskNeverEnds,
    HookHangs,
    HookFails,
    CheckFails,
    CloserHangs,
    CloserBlocks,
    CloserFails,
    CloserPanics,
    FlushHangs,
    ReportHookHangs,
    ReportHookPanics,
}

const NAMES: [(&str, Fault); 20] = [
    ("main-hangs", Fault::MainHangs),
    ("two-servers", Fault::TwoServers),
    ("start-hangs", Fault::StartHangs),
    ("start-blocks", Fault::StartBlocks),
    ("start-fails", Fault::StartFails),
    ("start-waits", Fault::StartWaits),
    ("eats-descriptors", Fault::EatsDescriptors),
    ("task-fails", Fault::TaskFails),
    ("task-panics", Fault::TaskPanics),
    ("task-never-ends", Fault::TaskNeverEnds),
    ("hook-hangs", Fault::HookHangs),
    ("hook-fails", Fault::HookFails),
    ("check-fails", Fault::CheckFails),
    ("closer-hangs", Fault::CloserHangs),
    ("closer-blocks", Fault::CloserBlocks),
    ("closer-fails", Fault::CloserFails),
    ("closer-panics", Fault::CloserPanics),
    ("flush-hangs", Fault::FlushHangs),
    ("report-hook-hangs", Fault::ReportHookHangs),
    ("report-hook-panics", Fault::ReportHookPanics),
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(s: &str) -> Result<Fault, String> {
        match NAMES.iter().find(|(name, _)| *name == s) {
            Some((_, fault)) => Ok(*fault),
            None => {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                Err(format!("--fault {s}: expected one of {}", names.join(", ")))
            }
        }
    }
}

fn eat_descriptors() {
    let mut held = Vec::new();
    loop {
        match std::fs::File::open("/dev/null") {
            Ok(one) => held.push(one),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn failure(what: &str) -> Result<(), io::Error> {
    Err(io::Error::other(what.to_owned()))
}

impl Fault {
    /// Goes wrong before anything serves. `None` if the shutdown began meanwhile.
    pub async fn at_start(self, life: &mut Lifecycle) -> Option<()> {
        let handle = life.handle();
        let starting = move || {
            let probes = handle.address("probes");
            println!("starting probes={}", probes.as_deref().unwrap_or("none"));
        };
        match self {
            Fault::StartHangs => {
                let step = async {
                    starting();
                    pending().await
                };
                life.starting_infallible("database", step).await
            }
            Fault::StartBlocks => {
                let step = async {
                    starting();
                    std::thread::sleep(FOR_EVER);
                };
                life.starting_infallible("database", step).await
            }
            Fault::StartWaits => {
                let step = async {
                    starting();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                };
                life.starting_infallible("database", step).await
            }
            Fault::StartFails => {
                let step = async {
                    starting();
                    failure("postgres://app:s3cret@db/shop: connection refused")
                };
                life.starting("database", step).await
            }
            _ => Some(()),
        }
    }

    /// Makes itself a part of `life`.
    pub fn put_into(self, life: Lifecycle) -> Lifecycle {
        match self {
            Fault::MainHangs
            | Fault::TwoServers
            | Fault::StartHangs
            | Fault::StartBlocks
            | Fault::StartFails
            | Fault::StartWaits => life,
            Fault::EatsDescriptors => life.task("leak", |handle| async move {
                handle.phases().reached(lameduck::Phase::Ready).await;
                // For as long as the process lives.
                std::thread::spawn(eat_descriptors);
                Ok::<_, Infallible>(())
            }),
            Fault::TaskFails => life.task("mailer", |handle| async move {
                handle.phases().reached(lameduck::Phase::Ready).await;
                failure("the mail server is gone")
            }),
            Fault::TaskPanics => life.task("mailer", |handle| async move {
                handle.phases().reached(lameduck::Phase::Ready).await;
                panic(&handle)
            }),
            Fault::TaskNeverEnds => life.task("mailer", |_| pending::<Result<(), Infallible>>()),
            Fault::HookHangs => life.announce_within(
                "balancer",
                Duration::from_millis(300),
                pending::<Result<(), Infallible>>,
            ),
            Fault::HookFails => life.announce_with("balancer", || async {
                failure("http://app:s3cret@balancer/leave: connection refused")
            }),
            Fault::CheckFails => life.check("database", || async {
                failure("postgres://app:s3cret@db/shop: role \"app\" may not read \"salaries\"")
            }),
            Fault::CloserHangs => life.close_with("pool", pending::<Result<(), Infallible>>),
            Fault::CloserBlocks => life.close_with("pool", || async {
                std::thread::sleep(FOR_EVER);
                Ok::<_, Infallible>(())
            }),
            Fault::CloserFails => life.close_with("pool", || async {
                failure("redis://:s3cret@cache: no route to host")
            }),
            Fault::CloserPanics => life.close_with("pool", || async { panic(&"the pool") }),
            Fault::FlushHangs => life.flush_with("collector", pending::<Result<(), Infallible>>),
            Fault::ReportHookHangs => life.on_report(|report| {
                tell(report);
                std::thread::sleep(FOR_EVER);
            }),
            Fault::ReportHookPanics => life.on_report(|report| {
                tell(report);
                assert!(report.exit == 255, "a bug");
            }),
        }
    }
}

fn tell(report: &Report) {
    // In one piece: others write to standard error at the same time.
    let line = format!("hook: exit {}, forced: {}\n", report.exit, report.forced);
    eprint!("{line}");
}

/// A panic with `of` in it, so that it is not known at compile time.
fn panic(of: &dyn std::fmt::Debug) -> Result<(), BoxError> {
    if !format!("{of:?}").is_empty() {
        panic!("a bug");
    }
    Ok(())
}
