//! hyper-util's `legacy::Client`.

use clients::{AnyError, run};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    run(move |url, body| {
        let client = client.clone();
        async move {
            let request = Request::builder().uri(url);
            let request = match body {
                None => request.body(Full::default()),
                Some(body) => request
                    .method("POST")
                    .header("content-type", "application/json")
                    .body(Full::from(body)),
            }?;
            let answer = client.request(request).await?;
            let status = answer.status().as_u16();
            answer.into_body().collect().await?;
            Ok(status)
        }
    })
    .await
}
