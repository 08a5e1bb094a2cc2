//! `lapin` connections.

use std::time::Duration;

use lameduck::{Exit, Lifecycle};
use lapin::{Connection, ConnectionProperties};
use real_servers::{RabbitMqServer, or_skip};

use crate::frozen::Frozen;
use crate::life::{end, within};

async fn connection(server: &RabbitMqServer) -> Connection {
    let options = ConnectionProperties::default();
    Connection::connect(&server.url(), options).await.unwrap()
}

/// One test, since the broker takes its time to start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_sees_a_closing_handshake_and_is_named_when_it_is_gone() {
    let Some(mut server) = or_skip(RabbitMqServer::start()) else {
        return;
    };
    for round in 1..=5 {
        let connection = connection(&server).await;
        let channel = connection.create_channel().await.unwrap();
        end(Lifecycle::embedded().close("rabbitmq", lameduck::lapin::connection(connection)))
            .await
            .cleanly();
        drop(channel);
        let log = within(10, || async {
            let log = server.log();
            (log.matches("closing AMQP connection").count() >= round).then_some(log)
        });
        let log = log.await;
        assert!(!log.contains("unexpectedly closed"), "{log}");
    }

    let closed = connection(&server).await;
    closed.close(200, "done".into()).await.unwrap();
    end(Lifecycle::embedded().close("rabbitmq", lameduck::lapin::connection(closed)))
        .await
        .cleanly();

    let silent = connection(&server).await;
    let frozen = Frozen::new(server.processes());
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(6))
        .close("rabbitmq", lameduck::lapin::connection(silent));
    let ended = end(life).await;
    drop(frozen);
    assert_eq!(ended.exit, Exit::LET_GO);
    let error = ended.error("rabbitmq").unwrap();
    assert!(error.contains("the broker has not answered"), "{error}");
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);

    let lost = connection(&server).await;
    server.kill();
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(6))
        .close("rabbitmq", lameduck::lapin::connection(lost))
        .close_with("cache", || async { Ok::<_, std::io::Error>(()) });
    let ended = end(life).await;
    assert_eq!(ended.exit, Exit::FAILED);
    let error = ended.error("rabbitmq").unwrap();
    assert!(error.contains("no goodbye: "), "{error}");
    assert_eq!(ended.error("cache"), None);
    assert!(ended.took < Duration::from_secs(2), "{:?}", ended.took);
}
