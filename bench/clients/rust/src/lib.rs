//! What `../python/workers.py` does, for clients in Rust.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const PAUSE: Duration = Duration::from_millis(200);
const GIVES_UP_AFTER: u32 = 3;
const WARM: u32 = 3;

pub type AnyError = Box<dyn Error + Send + Sync>;

#[derive(Default)]
struct Tally {
    warm: u32,
    answered: u32,
    posted: u32,
    refused: u32,
    failed: Vec<String>,
}

/// `send(url, body)` resolves to the status.
pub async fn run<S, F>(send: S) -> Result<(), AnyError>
where
    S: Fn(String, Option<String>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<u16, AnyError>> + Send + 'static,
{
    let arguments: Vec<String> = std::env::args().collect();
    let url = &arguments[1];
    let (workers, seed): (u32, u64) = (arguments[2].parse()?, arguments[3].parse()?);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let tasks: Vec<_> = (0..workers)
        .map(|number| {
            let (send, tally, url) = (send.clone(), tally.clone(), url.clone());
            tokio::spawn(work(send, tally, url, workers, seed, number))
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{}",
        serde_json::json!({
            "answered": tally.answered,
            "posted": tally.posted,
            "refused": tally.refused,
            "failed": tally.failed,
        })
    );
    Ok(())
}

async fn work<S, F>(
    send: S,
    tally: Arc<Mutex<Tally>>,
    url: String,
    workers: u32,
    seed: u64,
    number: u32,
) where
    S: Fn(String, Option<String>) -> F,
    F: Future<Output = Result<u16, AnyError>>,
{
    let mut random = StdRng::seed_from_u64(seed * 1000 + u64::from(number));
    let (mut asked, mut answered, mut in_vain) = (0, 0, 0);
    while in_vain < GIVES_UP_AFTER {
        tokio::time::sleep(PAUSE.mul_f64(random.random())).await;
        asked += 1;
        let body = random
            .random_bool(0.5)
            .then(|| format!(r#"{{"item":"{seed}-{number}-{asked}","quantity":1}}"#));
        let order = body.is_some();
        let path = if order { "/orders" } else { "/work?ms=5" };
        let result = send(format!("{url}{path}"), body).await;
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(200..300) => {
                in_vain = 0;
                answered += 1;
                tally.answered += 1;
                tally.posted += u32::from(order);
                if answered == WARM {
                    tally.warm += 1;
                    if tally.warm == workers {
                        println!("ready");
                    }
                }
            }
            Ok(status) => {
                in_vain += 1;
                tally.failed.push(format!("status {status}"));
            }
            Err(error) => {
                in_vain += 1;
                let told = chain(&*error);
                if told.contains("refused") {
                    tally.refused += 1;
                } else {
                    tally.failed.push(told);
                }
            }
        }
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        told += &format!(": {it}");
        cause = it.source();
    }
    told
}
