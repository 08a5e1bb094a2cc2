//! reqwest: one `Client`. With `h2` as fourth argument over HTTP/2 with prior knowledge.

use clients::{AnyError, run};

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let mut builder = reqwest::Client::builder();
    if std::env::args().nth(4).as_deref() == Some("h2") {
        builder = builder.http2_prior_knowledge();
    }
    let client = builder.build()?;
    run(move |url, body| {
        let client = client.clone();
        async move {
            let request = match body {
                None => client.get(url),
                Some(body) => client
                    .post(url)
                    .header("content-type", "application/json")
                    .body(body),
            };
            let answer = request.send().await.map_err(|error| -> AnyError {
                // Over HTTP/2 one of those that wait for a connection learns why there is none, the others only
                // that there is none.
                match error.is_connect() {
                    true => "connection refused".into(),
                    false => error.into(),
                }
            })?;
            let status = answer.status().as_u16();
            answer.bytes().await?;
            Ok(status)
        }
    })
    .await
}
