//! gRPC: calls complete, streams end with a status, health flips first.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use real_servers::{Postgres, or_skip};
use shop::proto::shop_client::ShopClient;
use shop::proto::{GetOrderRequest, Order, WatchOrdersRequest};
use sqlx::{Connection, PgConnection};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::service::{PENCIL, Shop};

async fn connect(shop: &Shop) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", shop.http)).unwrap();
    endpoint.connect().await.unwrap()
}

fn order(takes_ms: u64) -> GetOrderRequest {
    GetOrderRequest { id: 1, takes_ms }
}

fn of_the_shop() -> HealthCheckRequest {
    HealthCheckRequest {
        service: "shop.v1.Shop".to_owned(),
    }
}

fn services() -> ServerReflectionRequest {
    ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    }
}

fn pencil(order: &Order) -> bool {
    order.item == "pencil" && order.quantity == 3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_lossless_calls_complete_and_health_flips_first() {
    let lame_duck = [("LAMEDUCK_LAME_DUCK", "2s")];
    let shop = Shop::start_with(&["--grace", "25s"], &lame_duck);
    assert_eq!(shop.order(PENCIL).0, 201);
    let channel = connect(&shop).await;
    let mut client = ShopClient::new(channel.clone());
    let mut orders = client
        .watch_orders(WatchOrdersRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(pencil(&orders.message().await.unwrap().unwrap()));
    let mut health = HealthClient::new(channel)
        .watch(of_the_shop())
        .await
        .unwrap()
        .into_inner();
    let first = health.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);

    // One connection: what is answered second was sent second.
    let mut second = client.clone();
    let mut slow = Box::pin(client.get_order(order(4000)));
    assert!(slow.as_mut().now_or_never().is_none());
    second.get_order(order(0)).await.unwrap();
    shop.term();

    let flipped = health.message().await.unwrap().unwrap();
    assert_eq!(flipped.status(), ServingStatus::NotServing);
    // Somebody who comes in the lame-duck phase is served as before.
    let late = connect(&shop).await;
    let found = ShopClient::new(late.clone()).get_order(order(0)).await;
    assert!(pencil(found.unwrap().get_ref()));
    let checked = HealthClient::new(late).check(of_the_shop()).await.unwrap();
    assert_eq!(checked.get_ref().status(), ServingStatus::NotServing);
    assert_eq!(shop.order(PENCIL).0, 201);
    let watched = orders.message().await.unwrap().unwrap();
    assert_eq!(watched.id, 2);

    assert!(orders.message().await.unwrap().is_none(), "OK at the end");
    assert!(health.message().await.unwrap().is_none(), "OK at the end");
    assert!(pencil(slow.await.unwrap().get_ref()));
    drop((second, orders, health));
    assert_eq!(shop.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_misses_no_order_that_is_committed_after_a_later_one() {
    let Some(postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let shop = Shop::start(&["--database", &postgres.url()]);
    let mut slow = PgConnection::connect(&postgres.url()).await.unwrap();
    let mut tx = slow.begin().await.unwrap();
    let insert = "INSERT INTO orders (item, quantity) VALUES ('ink', 1)";
    sqlx::query(insert).execute(&mut *tx).await.unwrap();
    assert_eq!(shop.order(PENCIL).0, 201);

    let mut orders = ShopClient::new(connect(&shop).await)
        .watch_orders(WatchOrdersRequest::default())
        .await
        .unwrap()
        .into_inner();
    let early = tokio::time::timeout(Duration::from_millis(500), orders.message()).await;
    assert!(early.is_err(), "the second was told before the first");
    tx.commit().await.unwrap();
    for (id, item) in [(1, "ink"), (2, "pencil")] {
        let order = orders.message().await.unwrap().unwrap();
        assert_eq!((order.id, order.item.as_str()), (id, item));
    }
    // A number that was taken for nothing holds nobody up.
    let mut tx = slow.begin().await.unwrap();
    sqlx::query(insert).execute(&mut *tx).await.unwrap();
    assert_eq!(shop.order(PENCIL).0, 201);
    tx.rollback().await.unwrap();
    assert_eq!(orders.message().await.unwrap().unwrap().id, 4);
    slow.close().await.unwrap();
    drop(orders);
    assert_eq!(shop.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_keeps_its_reflection_stream_open_holds_nobody_up() {
    let shop = Shop::start(&[]);
    let questions = stream::iter([services()]).chain(stream::pending());
    let mut answers = ServerReflectionClient::new(connect(&shop).await)
        .server_reflection_info(questions)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    shop.term();
    assert!(answers.message().await.unwrap().is_none(), "OK at the end");
    drop(answers);
    assert_eq!(shop.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_or_a_service_that_is_not_there_is_not_found() {
    let shop = Shop::start(&[]);
    let channel = connect(&shop).await;
    let nothing = ShopClient::new(channel.clone()).get_order(order(0)).await;
    assert_eq!(nothing.unwrap_err().code(), Code::NotFound);
    let unknown = HealthCheckRequest {
        service: "shop.v2.Shop".to_owned(),
    };
    let unknown = HealthClient::new(channel).check(unknown).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    assert_eq!(shop.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_lists_the_services_of_the_shop() {
    let shop = Shop::start(&[]);
    let questions = stream::iter([services()]);
    let mut answers = ServerReflectionClient::new(connect(&shop).await)
        .server_reflection_info(questions)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.iter().map(|it| it.name.as_str()).collect();
    for name in [
        "shop.v1.Shop",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(shop.stop(), Some(0));
}
