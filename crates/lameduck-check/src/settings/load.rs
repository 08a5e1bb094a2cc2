//! What the target is asked.

use bytes::Bytes;

use super::SettingsError;
use super::layer::options;
use super::parse::{self, paths, requests};
use crate::plan::Plan;
use crate::request::RequestTemplate;

/// Bytes of an upload.
const UPLOAD_BYTES: usize = 64 * 1024;

options! {
    /// What the target is asked. Only what is named is tested.
    #[heading("Load")]
    pub struct LoadOptions {
        /// A quick request for keep-alive, pooled and connection-per-request clients (may be repeated)
        #[arg(long, value_name = "PATH")]
        pub get: Vec<String>,
        /// A request that takes about a second, in flight at the signal (may be repeated)
        #[arg(long, value_name = "PATH")]
        pub slow: Vec<String>,
        /// A path to POST to, half of the body sent at the signal (may be repeated)
        #[arg(long, value_name = "PATH")]
        pub upload: Vec<String>,
        /// A path whose response takes about a second, half read at the signal (may be repeated)
        #[arg(long, value_name = "PATH")]
        pub stream: Vec<String>,
        /// What places an order: a path, a space, the JSON to post (may be repeated) [default with --ledger: /orders
        /// {"item":"tea","quantity":1}]
        #[arg(long, value_name = "PATH BODY")]
        pub post: Vec<String>,
        /// A path where the target speaks WebSocket: open at the signal, with messages on the way (may be repeated)
        #[arg(long, value_name = "PATH")]
        pub ws: Vec<String>,
        /// A path of server-sent events, held open at the signal (may be repeated)
        #[arg(long, value_name = "PATH")]
        pub sse: Vec<String>,
        /// A gRPC method with one answer, like shop.v1.Shop/GetOrder (may be repeated)
        #[arg(long, value_name = "METHOD")]
        pub grpc: Vec<String>,
        /// A gRPC method whose answer is a stream, open at the signal (may be repeated)
        #[arg(long, value_name = "METHOD")]
        pub grpc_stream: Vec<String>,
        /// The message that gRPC methods are called with, its bytes in hexadecimal, like 0a0135 [default: empty]
        #[arg(long, value_name = "HEX")]
        pub grpc_data: Option<String>,
        /// Send --get, --slow and --sse over HTTP/2 too: cleartext with prior knowledge, or TLS
        #[arg(long)]
        pub h2: bool,
    }
}

impl LoadOptions {
    /// `asks` makes what quick, slow and long answers are asked for with.
    pub(super) fn plan(
        self,
        plan: &mut Plan,
        asks: impl Fn(String) -> RequestTemplate,
    ) -> Result<(), SettingsError> {
        let base = &plan.url.base().to_owned();
        plan.get = requests("--get", base, self.get, &asks)?;
        plan.slow = requests("--slow", base, self.slow, &asks)?;
        plan.downloads = requests("--stream", base, self.stream, &asks)?;
        let body = upload_body();
        plan.uploads = requests("--upload", base, self.upload, |path| {
            RequestTemplate::post(path, body.clone())
                .header("content-type", "application/octet-stream")
        })?;
        plan.websockets = paths("--ws", base, self.ws)?;
        plan.event_streams = requests("--sse", base, self.sse, |path| {
            RequestTemplate::get(path).header("accept", "text/event-stream")
        })?;
        let data = parse::hex("--grpc-data", self.grpc_data.as_deref().unwrap_or(""))?;
        plan.grpc = parse::grpc("--grpc", &self.grpc, &data)?;
        plan.grpc_streams = parse::grpc("--grpc-stream", &self.grpc_stream, &data)?;
        let orders = self.post.iter().map(|text| parse::order(base, text));
        plan.post = orders.collect::<Result<_, _>>()?;
        plan.h2 = self.h2;
        Ok(())
    }
}

/// What an upload sends, where nothing else is set.
pub(super) fn upload_body() -> Bytes {
    Bytes::from(vec![b'u'; UPLOAD_BYTES])
}

/// Where no upload is named, quick requests with a body are uploads too: a client that sends it slowly makes one of them.
pub(super) fn bodies_are_uploads(plan: &mut Plan) {
    if plan.uploads.is_empty() {
        let quick = plan.get.iter();
        let with_body = quick.filter(|request| request.body().len() > 1);
        plan.uploads = with_body.cloned().collect();
    }
}

/// Whether anything is asked at all.
pub(super) fn is_something(plan: &Plan) -> Result<(), SettingsError> {
    let loads = [
        &plan.get,
        &plan.slow,
        &plan.uploads,
        &plan.downloads,
        &plan.post,
        &plan.event_streams,
        &plan.grpc,
        &plan.grpc_streams,
    ];
    if loads.iter().all(|load| load.is_empty()) && plan.websockets.is_empty() {
        return Err(SettingsError::Missing {
            what: "--get",
            fix: "without a load nothing is tested: name something quick that the target serves, like --get /health",
        });
    }
    if plan.h2 && plan.get.is_empty() && plan.slow.is_empty() && plan.event_streams.is_empty() {
        return Err(SettingsError::Missing {
            what: "--get",
            fix: "--h2 needs something to ask, like --get /",
        });
    }
    Ok(())
}
