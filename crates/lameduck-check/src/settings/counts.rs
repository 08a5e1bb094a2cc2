//! How many clients each load has.

use std::time::Duration;

use super::SettingsError;
use super::layer::options;
use super::parse;
use crate::plan::Plan;

options! {
    /// How many clients each load has.
    #[heading("Counts")]
    pub struct CountOptions {
        /// Keep-alive clients; half as many more share pools [default: 40]
        #[arg(long, value_name = "N")]
        pub clients: Option<u32>,
        /// The longest pause between two requests of a keep-alive or pooled client, 0ms for none [default: 50ms for
        /// most, 200ms or 250ms for the others]
        #[arg(long, value_name = "DURATION")]
        pub think: Option<String>,
        /// Connection-per-request clients, each at a constant rate [default: 10]
        #[arg(long, value_name = "N")]
        pub per_request: Option<u32>,
        /// Slow requests in flight at the signal [default: 10]
        #[arg(long, value_name = "N")]
        pub slow_clients: Option<u32>,
        /// Clients at each moment that a connection can be in at the signal, such as silent, or half of a head sent
        /// [default: 5]
        #[arg(long, value_name = "N")]
        pub moments: Option<u32>,
        /// Uploads half sent at the signal [default: 5]
        #[arg(long, value_name = "N")]
        pub upload_clients: Option<u32>,
        /// Downloads half read at the signal [default: 5]
        #[arg(long, value_name = "N")]
        pub stream_clients: Option<u32>,
        /// Clients that place orders [default: 5]
        #[arg(long, value_name = "N")]
        pub post_clients: Option<u32>,
        /// HTTP/2 connections, each with four streams at once [default: 4]
        #[arg(long, value_name = "N")]
        pub h2_connections: Option<u32>,
        /// WebSockets; whether they are sent away at a pace is judged from 20 on [default: 50]
        #[arg(long, value_name = "N")]
        pub ws_clients: Option<u32>,
        /// Event streams held open at the signal [default: 10]
        #[arg(long, value_name = "N")]
        pub sse_clients: Option<u32>,
        /// gRPC connections, each with three calls at once and a stream [default: 4]
        #[arg(long, value_name = "N")]
        pub grpc_clients: Option<u32>,
        /// Peers that hang on without work: silent, lingering, slow-loris; 0 for none [default: 20]
        #[arg(long, value_name = "N")]
        pub idle: Option<u32>,
    }
}

impl CountOptions {
    pub(super) fn plan(self, plan: &mut Plan) -> Result<(), SettingsError> {
        if self.think.is_some() {
            plan.clients.think = Some(parse::duration("--think", self.think, Duration::ZERO)?);
        }
        let clients = &mut plan.clients;
        let pooled = self.clients.map(|clients| clients.div_ceil(2));
        for (count, set) in [
            (&mut clients.keep_alive, self.clients),
            (&mut clients.pooled, pooled),
            (&mut clients.per_request, self.per_request),
            (&mut clients.slow, self.slow_clients),
            (&mut clients.moments, self.moments),
            (&mut clients.uploads, self.upload_clients),
            (&mut clients.downloads, self.stream_clients),
            (&mut clients.orders, self.post_clients),
            (&mut clients.h2, self.h2_connections),
            (&mut clients.websockets, self.ws_clients),
            (&mut clients.event_streams, self.sse_clients),
            (&mut clients.grpc, self.grpc_clients),
            (&mut clients.idle, self.idle),
        ] {
            *count = set.unwrap_or(*count);
        }
        Ok(())
    }
}
