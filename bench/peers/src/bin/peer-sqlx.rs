//! axum and sqlx as their documentation writes them: a pool in the state, a transaction for each order,
//! `with_graceful_shutdown`; then `main` returns, and with it the pool is gone.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use clap::{Parser, ValueEnum};
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
struct Args {
    /// Address to serve on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The database.
    #[arg(long)]
    database: String,
    /// What to do otherwise than the documentation.
    #[arg(long, value_enum, default_value_t = Manner::Plain)]
    manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Manner {
    /// Nothing.
    Plain,
    /// Closes the pool before it ends.
    Closes,
    /// Answers 201 and commits after it, in a task that nobody waits for.
    AnswersEarly,
    /// Leaves a long query running with each order: the server does not notice that nobody waits for it.
    LeavesQuery,
}

#[derive(Clone)]
struct Shop {
    db: PgPool,
    manner: Manner,
}

#[derive(Deserialize)]
struct Takes {
    #[serde(default)]
    ms: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let db = PgPoolOptions::new()
        .max_connections(5)
        .connect(&args.database)
        .await?;
    sqlx::query("create table if not exists orders (id bigserial primary key)")
        .execute(&db)
        .await?;
    let shop = Shop {
        db: db.clone(),
        manner: args.manner,
    };
    let app = Router::new()
        .route("/work", get(async || "done"))
        .route("/orders", post(order))
        .with_state(shop);
    let listener = TcpListener::bind(args.listen).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    if args.manner == Manner::Closes {
        db.close().await;
    }
    Ok(())
}

async fn order(
    State(shop): State<Shop>,
    Query(takes): Query<Takes>,
) -> Result<StatusCode, StatusCode> {
    let takes = Duration::from_millis(takes.ms);
    if shop.manner == Manner::LeavesQuery {
        tokio::spawn(async move {
            let long = sqlx::query("select pg_sleep(20)").execute(&shop.db);
            long.await.is_ok()
        });
        return Ok(StatusCode::CREATED);
    }
    let entered = enter(shop.db, takes);
    if shop.manner == Manner::AnswersEarly {
        tokio::spawn(entered);
        return Ok(StatusCode::CREATED);
    }
    match entered.await {
        Ok(()) => Ok(StatusCode::CREATED),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// A transaction that takes a while.
async fn enter(db: PgPool, takes: Duration) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::query("insert into orders default values")
        .execute(&mut *transaction)
        .await?;
    tokio::time::sleep(takes).await;
    transaction.commit().await
}
