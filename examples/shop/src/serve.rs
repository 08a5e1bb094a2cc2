//! The shop's life.

use std::path::PathBuf;

use anyhow::Context;
use lameduck::{Exit, Lifecycle};
use tempfile::TempDir;
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::routes::{Shop, router};
use crate::store::Store;

pub(crate) async fn run(args: Serve) -> Exit {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,lameduck::report=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let mut life = Lifecycle::new().grace(args.grace).probes(&args.admin);
    let (folder, temporary) = match folder(args.place.data) {
        Ok(it) => it,
        Err(e) => return bad(&e),
    };
    match life.starting("sqlite", Store::open(&folder)).await {
        Some(Ok(store)) => {
            let ping = store.clone();
            let shop = Shop {
                store: store.clone(),
                handle: life.handle(),
            };
            life = life
                .check("sqlite", move || {
                    let store = ping.clone();
                    async move { store.ping().await }
                })
                .http("http", args.listen, router(shop))
                .close("sqlite", store.pool());
        }
        Some(Err(e)) => return bad(&e),
        // Stopped while it started: what there is gets closed.
        None => {}
    }
    if args.drain_route {
        life = life.drain_route();
    }
    let exit = life.run().await;
    drop(temporary);
    exit
}

/// The folder for the orders, and what deletes it if it is only for this run.
fn folder(data: Option<PathBuf>) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    match data {
        Some(folder) => Ok((folder, None)),
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("shop-")
                .tempdir()
                .context("cannot make a temporary folder; give --data DIR")?;
            let folder = temporary.path().to_owned();
            println!(
                "shop: keeps its orders in {} for this run",
                folder.display()
            );
            Ok((folder, Some(temporary)))
        }
    }
}

fn bad(error: &anyhow::Error) -> Exit {
    eprintln!("shop: {error:#}");
    Exit::BAD_CONFIGURATION
}
