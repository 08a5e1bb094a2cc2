//! How database sessions end, with a real PostgreSQL: a pool that is closed is believed, one that is dropped and a
//! transaction that is cut are found.

mod peer;

use std::path::Path;

use lameduck_check::{Judgement, Plan, RequestTemplate, RunOutcome, Verdict};
use real_servers::{Postgres, or_skip};
use sqlx::{Connection, Executor, PgConnection, Row};

use peer::{outcome, told};

/// The books of a shop whose orders need no job.
const BOOKS: &str = "select json_build_object('orders', n, 'receipts', n, 'duplicates', 0, 'pending', 0, 'running', 0) \
     from (select count(*) as n from orders) as counted";

fn plan(postgres: &Postgres, manner: &str) -> Plan {
    let url = postgres.url();
    let arguments = ["--database", &url, "--manner", manner];
    let mut plan = peer::plan(env!("CARGO_BIN_EXE_peer-sqlx"), &arguments);
    plan.get.clear();
    plan.post.push(RequestTemplate::post("/orders?ms=20", "{}"));
    plan.postgres = Some(url);
    plan
}

fn verdict<'a>(outcome: &'a RunOutcome, promise: &str) -> &'a Verdict {
    outcome
        .verdict(promise)
        .expect("a promise that the prover knows")
}

/// Has the server log more, and says where its log is.
async fn log_of(postgres: &Postgres, level: &str) -> std::path::PathBuf {
    let mut session = PgConnection::connect(&postgres.url())
        .await
        .expect("it is up");
    let set = format!("alter system set log_min_messages = '{level}'");
    session
        .execute(sqlx::AssertSqlSafe(set))
        .await
        .expect("we are its superuser");
    session
        .execute("select pg_reload_conf()")
        .await
        .expect("we are its superuser");
    let row = session
        .fetch_one("show data_directory")
        .await
        .expect("we are its superuser");
    let data: String = row.get(0);
    session.close().await.expect("a goodbye");
    Path::new(&data).with_file_name("postgres.out")
}

#[tokio::test(flavor = "multi_thread")]
async fn db_closed_is_kept_by_a_pool_that_is_closed() {
    let Some(postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let mut plan = plan(&postgres, "closes");
    plan.postgres_log = Some(log_of(&postgres, "debug1").await);
    plan.rounds = 2;
    let outcome = outcome(&plan).await;
    let verdict = verdict(&outcome, "db-closed");
    assert_eq!(verdict.judgement, Judgement::Kept, "{}", told(&outcome));
    assert!(verdict.trials >= 2, "{}", told(&outcome));
    assert_eq!(verdict.why, "every session ended with a goodbye");
    // Nor does the prover itself leave without one.
    assert!(!postgres.log().contains("unexpected EOF"));
}

#[tokio::test(flavor = "multi_thread")]
async fn db_closed_is_broken_by_a_pool_that_is_dropped_although_the_log_is_silent() {
    let Some(postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let outcome = outcome(&plan(&postgres, "plain")).await;
    let verdict = verdict(&outcome, "db-closed");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    assert!(
        verdict.evidence[0].what.contains("counts"),
        "{}",
        told(&outcome)
    );
    // No log was named, and the server does not show it.
    assert!(verdict.why.contains("--postgres-log"), "{}", verdict.why);
    assert!(
        !postgres.log().contains("unexpected EOF"),
        "{}",
        postgres.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn db_closed_names_each_session_without_goodbye_when_the_log_does() {
    let Some(postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let mut plan = plan(&postgres, "plain");
    plan.postgres_log = Some(log_of(&postgres, "debug1").await);
    let outcome = outcome(&plan).await;
    let verdict = verdict(&outcome, "db-closed");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    // Which of the two it is, the kernel decides: a process that ends while an answer waits unread in its socket
    // resets the connection.
    let said = [
        "unexpected EOF on client connection",
        "could not receive data from client: Connection reset by peer",
    ];
    for evidence in &verdict.evidence {
        assert!(
            evidence.r#where.starts_with("postgres, session ")
                && said.iter().any(|it| evidence.what.contains(it)),
            "{}",
            told(&outcome)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn db_closed_is_broken_by_a_query_that_outlives_its_process() {
    let Some(postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let outcome = outcome(&plan(&postgres, "leaves-query")).await;
    let verdict = verdict(&outcome, "db-closed");
    assert_eq!(verdict.judgement, Judgement::Broken, "{}", told(&outcome));
    assert!(
        verdict.evidence[0]
            .what
            .contains("still there 2 s after the process, active in `select pg_sleep(20)`"),
        "{}",
        told(&outcome)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn db_closed_and_jobs_accounted_are_broken_by_an_answer_before_the_commit() {
    let Some(postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let mut plan = plan(&postgres, "answers-early");
    plan.post = vec![RequestTemplate::post("/orders?ms=400", "{}")];
    plan.clients.orders = 3;
    plan.postgres_log = Some(log_of(&postgres, "warning").await);
    let url = postgres.url();
    plan.ledger = Some(["psql", &url, "-Atc", BOOKS].map(str::to_owned).to_vec());
    let outcome = outcome(&plan).await;
    let cut = verdict(&outcome, "db-closed");
    assert_eq!(cut.judgement, Judgement::Broken, "{}", told(&outcome));
    let is_told = |what: &str| {
        cut.evidence
            .iter()
            .any(|evidence| evidence.what.contains(what))
    };
    assert!(
        is_told("with an open transaction") && is_told("idle in transaction"),
        "{}",
        told(&outcome)
    );
    let lost = verdict(&outcome, "jobs-accounted");
    assert_eq!(lost.judgement, Judgement::Broken, "{}", told(&outcome));
}
