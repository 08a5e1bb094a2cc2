//! The books of a shop that does not run.

use anyhow::bail;
use serde::Serialize;

use crate::args::Place;
use crate::database::Database;
use crate::queue::Jobs;
use crate::store::{Ledger, Store};

/// Prints them.
pub(crate) async fn print(place: &Place) -> anyhow::Result<()> {
    let database = match (&place.data, &place.database) {
        (Some(folder), _) => Database::in_folder(folder, false).await?,
        (None, Some(url)) => Database::at(url).await?,
        (None, None) => bail!(
            "ledger: where are the orders? Give --data DIR or --database URL, as the shop was given"
        ),
    };
    Store::set_up(&database).await?;
    let (queue, url) = (place.queue.as_deref(), place.database.as_deref());
    let jobs = Jobs::open(queue, &database, url, place.lease).await?;
    let store = Store::new(database.clone(), jobs.clone());
    let ledger = store.ledger().await;
    let ids = store.ids().await;
    jobs.close_now().await;
    database.close().await;
    let printed = Printed {
        ledger: ledger?,
        ids: ids?,
    };
    println!("{}", serde_json::to_string(&printed)?);
    Ok(())
}

/// What is printed: the figures, and behind them each order by its id.
#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    ledger: Ledger,
    ids: Vec<i64>,
}
