//! Peers that hang on without work.

use std::time::Duration;

use super::http1::Http1;
use super::keep_alive::once;
use super::notebook::Client;
use super::stage::Stage;
use crate::request::RequestTemplate;

/// How a peer hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Connects and never sends a byte.
    Silent,
    /// Makes one request and stays.
    Lingering,
    /// Sends a head, one byte each 100 ms, for ever. Not a well-behaved client: resets are its due.
    Dribbling,
}

pub(crate) async fn run(stage: Stage, client: Client, manner: Manner, request: RequestTemplate) {
    let connection = match manner {
        Manner::Silent | Manner::Dribbling => stage.connect(client).await.ok().map(Http1::new),
        Manner::Lingering => once(&stage, client, 1, &request, None).await,
    };
    let Some(mut connection) = connection else {
        return;
    };
    if manner == Manner::Dribbling {
        let head = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nx-slow: ",
            request.path(),
            stage.authority()
        );
        for byte in head.into_bytes().into_iter().chain(std::iter::repeat(b'x')) {
            if stage.is_over() || connection.write(&[byte]).await.is_err() {
                break;
            }
            stage.sleep(Duration::from_millis(100)).await;
        }
    } else {
        stage.unless_over(connection.watch()).await;
    }
    // After the server's FIN too it does not close: whoever waits for that waits for ever.
    stage.unless_over(std::future::pending::<()>()).await;
}
