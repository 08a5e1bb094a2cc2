//! The shop's life.

use std::path::PathBuf;

use anyhow::Context;
use axum::Router;
use lameduck::{BadConfiguration, Exit, Http, Lifecycle, Probes, StartError};
use tempfile::TempDir;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{Place, Serve};
use crate::built_without;
use crate::database::{Database, on};
use crate::queue::{Jobs, Work};
use crate::receipts;
use crate::routes::{Shop, router};
use crate::store::Store;

pub(crate) async fn run(args: Serve) -> Exit {
    let events = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // Whatever another crate of the same build has asked for: logs are read by programs too.
        .with_ansi(false);
    // For all layers, and not for this one alone: sqlx asks whether an event is wanted and then sends none, and what
    // a filter of a layer remembers of that question it takes for its answer to the thread's next event.
    tracing_subscriber::registry()
        .with(filter())
        .with(events)
        .init();

    let mut probes = Probes::new(&args.admin);
    if args.drain_route {
        probes = probes.drain_route();
    }
    let mut life = Lifecycle::new().grace(args.grace).probes(probes);
    let tls = args.tls_cert.zip(args.tls_key);
    if let Some((certificate, _)) = &tls
        && cfg!(not(feature = "tls"))
    {
        let asked = format!("--tls-cert {}", certificate.display());
        let problem = built_without("tls").context(asked);
        return life.misconfigured(format!("{problem:#}")).run().await;
    }
    let opening = open(&args.place);
    let Some(opened) = life.starting("database and queue", opening).await else {
        return life.run().await;
    };
    let Opened { database, jobs, .. } = &opened;
    let store = Store::new(database.clone(), jobs.clone());
    let work = Work {
        workers: args.workers,
        lease: args.place.lease,
    };
    let shop = Shop {
        store: store.clone(),
        handle: life.handle(),
    };
    let ping = database.clone();
    life = life
        .check(database.name(), move || {
            let database = ping.clone();
            async move { database.ping().await }
        })
        .component(server(args.listen, tls, router(shop)));
    let send = move |receipt, job| receipts::send(store.clone(), receipt, job);
    life = jobs.serve(life, work, database, send);
    life = jobs.close(life);
    let name = database.name();
    life = on!(database, pool => life.close(name, lameduck::sqlx::pool(pool.clone())));
    let exit = life.run().await;
    drop(opened);
    exit
}

/// What is logged: as `RUST_LOG` says, by level and target. Spans and fields in it would need a regex engine.
fn filter() -> Targets {
    let asked = std::env::var("RUST_LOG").ok();
    asked
        .and_then(|filter| filter.parse().ok())
        .unwrap_or_else(|| {
            Targets::new()
                .with_default(LevelFilter::INFO)
                .with_target("lameduck::report", LevelFilter::OFF)
        })
}

/// The server, with TLS if it was asked for: a certificate and its key.
fn server(listen: String, tls: Option<(PathBuf, PathBuf)>, app: Router) -> Http<Router> {
    let http = Http::new("http", listen, app);
    match tls {
        #[cfg(feature = "tls")]
        Some((certificate, key)) => http.tls(lameduck::Tls::files(certificate, key)),
        _ => http,
    }
}

/// What the shop keeps its orders and jobs in.
struct Opened {
    database: Database,
    jobs: Jobs,
    /// Deletes the folder of the orders, if it is only for this run.
    _temporary: Option<TempDir>,
}

async fn open(place: &Place) -> Result<Opened, StartError> {
    open_all(place).await.map_err(|e| {
        let says_so = |it: &(dyn std::error::Error + 'static)| it.is::<BadConfiguration>();
        match e.chain().any(says_so) {
            true => StartError::bad_configuration(format!("{e:#}")),
            false => StartError::failed(format!("{e:#}")),
        }
    })
}

async fn open_all(place: &Place) -> anyhow::Result<Opened> {
    let (folder, _temporary) = folder(place)?;
    let url = place.database.as_deref();
    let database = match (folder, url) {
        (Some(folder), _) => Database::in_folder(&folder, true).await?,
        (None, url) => Database::at(url.unwrap_or_default()).await?,
    };
    Store::set_up(&database).await?;
    let jobs = Jobs::open(place.queue.as_deref(), &database, url, place.lease).await?;
    Ok(Opened {
        database,
        jobs,
        _temporary,
    })
}

/// The folder for the orders, unless they are in a database; and what deletes it if it is only for
/// this run.
fn folder(place: &Place) -> anyhow::Result<(Option<PathBuf>, Option<TempDir>)> {
    match (&place.data, &place.database) {
        (None, Some(_)) => Ok((None, None)),
        (Some(folder), _) => Ok((Some(folder.clone()), None)),
        (None, None) => {
            let temporary = tempfile::Builder::new()
                .prefix("shop-")
                .tempdir()
                .context("cannot make a temporary folder; give --data DIR")?;
            let folder = temporary.path().to_owned();
            println!(
                "shop: keeps its orders in {} for this run",
                folder.display()
            );
            Ok((Some(folder), Some(temporary)))
        }
    }
}
