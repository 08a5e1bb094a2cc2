//! The books of a shop that does not run.

use anyhow::bail;

use crate::args::Place;
use crate::database::Database;
use crate::queue::Jobs;
use crate::store::Store;

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
    let ledger = Store::new(database.clone(), jobs.clone()).ledger().await;
    jobs.close_now().await;
    database.close().await;
    println!("{}", serde_json::to_string(&ledger?)?);
    Ok(())
}
