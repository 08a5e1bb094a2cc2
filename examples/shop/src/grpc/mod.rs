//! gRPC on the same port as HTTP: `shop.v1.Shop`, the standard health service, and reflection.
//!
//! # What must hold
//!
//! 1. Whoever watches is sent what was committed before the drain began, and then `OK`; never a
//!    reset, and nothing that holds up the drain.
//! 2. No build needs a compiler for protocol buffers: what one makes of `proto/` is committed, and
//!    `proto/generate` makes it again.

#[cfg(feature = "reflection")]
mod reflection;

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use futures_util::stream;
use lameduck::Phase;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use self::proto::shop_server::{self, ShopServer};
use self::proto::{GetOrderRequest, Order, WatchOrdersRequest};
use crate::routes::Shop;
use crate::store;

/// What `proto/shop/v1/shop.proto` says, in Rust: messages, client and server.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the service describes itself in the proto file"
)]
pub mod proto {
    include!("shop.v1.rs");

    /// The proto file itself, compiled, for reflection.
    #[cfg(feature = "reflection")]
    pub(super) const FILES: &[u8] = include_bytes!("shop.v1.fds");
}

/// How often to look for new orders, and how many to take at a time.
const LOOK: Duration = Duration::from_millis(50);
const BATCH: i64 = 100;

pub(crate) fn router(shop: Shop) -> Router {
    let handle = shop.handle.clone();
    let health = lameduck::grpc_health(&handle, [shop_server::SERVICE_NAME]);
    let router = Router::new()
        .route_service("/shop.v1.Shop/{method}", ShopServer::new(shop))
        .route_service("/grpc.health.v1.Health/{method}", health);
    #[cfg(feature = "reflection")]
    let router = router.merge(reflection::router(handle));
    router
}

#[tonic::async_trait]
impl shop_server::Shop for Shop {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        let GetOrderRequest { id, takes_ms } = request.into_inner();
        tokio::time::sleep(Duration::from_millis(takes_ms)).await;
        match self.store.get(id).await.map_err(failed)? {
            Some(order) => Ok(Response::new(order.into())),
            None => Err(Status::not_found(format!("there is no order {id}"))),
        }
    }

    type WatchOrdersStream = BoxStream<Order>;

    async fn watch_orders(
        &self,
        request: Request<WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let watch = Watch {
            shop: self.clone(),
            last: request.into_inner().after_id,
            found: VecDeque::new(),
        };
        let orders = stream::try_unfold(watch, |mut watch| async move {
            let next = watch.next().await.map_err(failed)?;
            Ok(next.map(|order| (Order::from(order), watch)))
        });
        Ok(Response::new(Box::pin(orders)))
    }
}

/// Where somebody who watches is.
struct Watch {
    shop: Shop,
    last: i64,
    found: VecDeque<store::Order>,
}

impl Watch {
    /// The next order, when there is one; `None` at the end.
    async fn next(&mut self) -> sqlx::Result<Option<store::Order>> {
        while self.found.is_empty() {
            // Looked at before the orders, so that the last look is after the end.
            let over = self.shop.handle.phase() >= Phase::Draining;
            self.found = self.shop.store.after(self.last, BATCH).await?.into();
            if self.found.is_empty() {
                if over {
                    return Ok(None);
                }
                tokio::select! {
                    () = self.shop.handle.until_draining() => {}
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        }
        let order = self.found.pop_front();
        self.last = order.as_ref().map_or(self.last, |order| order.id);
        Ok(order)
    }
}

impl From<store::Order> for Order {
    fn from(order: store::Order) -> Order {
        Order {
            id: order.id,
            item: order.item,
            quantity: order.quantity,
            receipt_sent: order.receipt_sent,
        }
    }
}

fn failed(error: sqlx::Error) -> Status {
    tracing::error!(%error, "database");
    Status::internal("the database failed")
}
