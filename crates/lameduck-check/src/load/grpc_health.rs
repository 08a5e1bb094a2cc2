//! Looks at the standard health service, `grpc.health.v1.Health/Check`, for the server as a whole: on one connection as
//! long as that takes calls, as gRPC's own clients look, and not over the delayed wire.

use std::time::{Duration, Instant};

use ::h2::client::SendRequest;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::grpc::{self, Reply};
use super::h2;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{GrpcStatus, Health, HealthSample};
use crate::request::RequestTemplate;
use crate::wire::{Channel, Protocol};

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_millis(15);
/// A look takes no longer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The health service knows nothing of the whole server.
const NOT_FOUND: u32 = 5;

/// Looks again and again until the loads are ended, or nobody is there to be asked.
pub(crate) async fn watch(stage: Stage, endpoint: Endpoint) -> Vec<HealthSample> {
    let mut samples = Vec::new();
    let mut inquirer = Inquirer::new(endpoint);
    while !stage.is_over() {
        let asked = Instant::now();
        let look = tokio::time::timeout(TIMEOUT, inquirer.ask());
        let health = match stage.unless_over(look).await {
            Some(Ok(Ok(health))) => health,
            Some(Ok(Err(why))) => {
                inquirer.sender = None;
                Health::Silent(why)
            }
            Some(Err(_)) => {
                inquirer.sender = None;
                Health::Silent(format!("no answer in {TIMEOUT:?}"))
            }
            None => break,
        };
        let is_missing = matches!(health, Health::Missing(_));
        samples.push(HealthSample {
            asked,
            answered: Instant::now(),
            health,
        });
        if is_missing {
            break;
        }
        stage.sleep(INTERVAL).await;
    }
    samples
}

struct Inquirer {
    endpoint: Endpoint,
    question: RequestTemplate,
    sender: Option<SendRequest<Bytes>>,
    connection: JoinSet<()>,
}

impl Inquirer {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            question: RequestTemplate::grpc("grpc.health.v1.Health/Check", b""),
            sender: None,
            connection: JoinSet::new(),
        }
    }

    async fn ask(&mut self) -> Result<Health, String> {
        let kept = match self.sender.take() {
            // Fails when the server sends the connection away.
            Some(sender) => sender.ready().await.ok(),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let sent = h2::send(&mut sender, &self.question, &self.endpoint);
        let response = sent.ok_or_else(|| "the connection was closed".to_owned())?;
        let reply = grpc::read(response, || {}).await;
        let reply = reply.map_err(|error| error.to_string())?;
        self.sender = Some(sender);
        Ok(health(&reply))
    }

    async fn connect(&mut self) -> Result<SendRequest<Bytes>, String> {
        let in_words = |error: std::io::Error| error.to_string();
        let stream = self.endpoint.connect().await.map_err(in_words)?;
        let channel = match &self.endpoint.tls {
            None => Channel::Clear(stream),
            Some(trust) => {
                let secured = trust
                    .secure(stream, &self.endpoint.authority, Protocol::H2)
                    .await;
                Channel::Tls(Box::new(secured.map_err(in_words)?))
            }
        };
        let shaken = h2::shake_hands(channel, &mut self.connection).await;
        let sender = shaken.ok_or_else(|| "no HTTP/2 connection".to_owned())?;
        sender.ready().await.map_err(|error| error.to_string())
    }
}

fn health(reply: &Reply) -> Health {
    match &reply.status {
        Some((0, _)) => match reply.first() {
            // A HealthCheckResponse: field 1, a number.
            Some([0x08, 1]) => Health::Serving,
            Some([0x08, 2]) => Health::NotServing,
            _ => Health::Other,
        },
        Some((code @ (GrpcStatus::UNIMPLEMENTED | NOT_FOUND), message)) => {
            let status = GrpcStatus {
                code: *code,
                message: message.clone(),
                messages: 0,
            };
            Health::Missing(status.name().to_owned())
        }
        Some((code, message)) => Health::Silent(format!("grpc-status {code} {message}")),
        // Something that speaks HTTP/2 and no gRPC.
        None => Health::Missing("no gRPC".to_owned()),
    }
}
