//! gRPC server reflection, v1 and its ancestor v1alpha: which services there are, and their methods.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::protobuf::{all, is, message, text};
use crate::ledger::Lane;
use crate::load::notebook::Client;
use crate::load::stage::Stage;
use crate::load::{grpc, h2};
use crate::request::RequestTemplate;

const SERVICES: [&str; 2] = [
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];
/// A question is answered in this time.
const PATIENCE: Duration = Duration::from_secs(3);
/// Services that are looked at, at most.
const LIMIT: usize = 50;

/// A method, as reflection has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcMethod {
    /// `package.Service/Method`.
    pub name: String,
    /// Its answer is a stream.
    pub is_stream: bool,
    /// What it is asked with is a stream: no load calls such a method.
    pub takes_a_stream: bool,
    /// Its file says that it changes nothing (`idempotency_level = NO_SIDE_EFFECTS`).
    pub is_safe: bool,
}

/// What the server lists, without gRPC's own services. Nothing where there is no reflection.
pub(super) async fn methods(stage: &Stage) -> Vec<GrpcMethod> {
    for service in SERVICES {
        // ListServices; its text is empty, but for what a server may make of it.
        let Some(answer) = ask(stage, service, &message(7, "*")).await else {
            continue;
        };
        let mut found = BTreeMap::new();
        for name in services(&answer).into_iter().take(LIMIT) {
            // FileContainingSymbol.
            if let Some(file) = ask(stage, service, &message(4, &name)).await {
                for method in methods_in(&file, &name) {
                    found.insert(method.name.clone(), method);
                }
            }
        }
        return found.into_values().collect();
    }
    Vec::new()
}

/// The first message of the answer.
async fn ask(stage: &Stage, service: &str, question: &[u8]) -> Option<Vec<u8>> {
    let request = RequestTemplate::grpc(service, question);
    let client = Client {
        lane: Lane::Grpc,
        number: 1,
    };
    let ask = async {
        let link = stage.connect_h2(client).await.ok()?;
        let mut connection = JoinSet::new();
        let mut sender = h2::shake_hands(link, &mut connection).await?;
        let response = h2::send(&mut sender, &request, stage.origin())?;
        let reply = grpc::read(response, || {}).await.ok()?;
        reply.first().map(<[u8]>::to_vec)
    };
    tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
}

fn services(answer: &[u8]) -> Vec<String> {
    // ServerReflectionResponse.list_services_response.service.name
    let lists = all(answer, 6).flat_map(|list| all(list, 1));
    let names = lists.filter_map(|service| text(service, 1));
    let of_grpc =
        |name: &&str| name.starts_with("grpc.health.") || name.starts_with("grpc.reflection.");
    names
        .filter(|name| !of_grpc(name))
        .map(str::to_owned)
        .collect()
}

fn methods_in(answer: &[u8], wanted: &str) -> Vec<GrpcMethod> {
    let mut found = Vec::new();
    // ServerReflectionResponse.file_descriptor_response.file_descriptor_proto
    for file in all(answer, 4).flat_map(|files| all(files, 1)) {
        let package = text(file, 2).unwrap_or_default();
        for service in all(file, 6) {
            let name = text(service, 1).unwrap_or_default();
            let name = match package.is_empty() {
                true => name.to_owned(),
                false => format!("{package}.{name}"),
            };
            if name != wanted {
                continue;
            }
            for method in all(service, 2) {
                found.push(GrpcMethod {
                    name: format!("{name}/{}", text(method, 1).unwrap_or_default()),
                    is_stream: is(method, 6, 1),
                    takes_a_stream: is(method, 5, 1),
                    // MethodOptions.idempotency_level
                    is_safe: all(method, 4).any(|options| is(options, 34, 1)),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that holds a message.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    #[test]
    fn methods_are_read_from_the_file_of_their_service() {
        let list = [
            field(1, &message(1, "grpc.health.v1.Health")),
            field(1, &message(1, "a.B")),
        ];
        assert_eq!(services(&field(6, &list.concat())), ["a.B"]);
        let unary = message(1, "Get");
        // server_streaming: true
        let stream = [message(1, "Watch"), vec![0x30, 1]].concat();
        // client_streaming: true; idempotency_level: NO_SIDE_EFFECTS
        let options = field(4, &[0x90, 0x02, 1]);
        let upload = [message(1, "Put"), vec![0x28, 1], options].concat();
        let methods = [unary, stream, upload]
            .map(|method| field(2, &method))
            .concat();
        let service = field(6, &[message(1, "B"), methods].concat());
        let other = field(6, &[message(1, "C"), field(2, &message(1, "Get"))].concat());
        let file = [message(2, "a"), other, service].concat();
        let found = methods_in(&field(4, &field(1, &file)), "a.B");
        let method = |name: &str, is_stream, takes_a_stream, is_safe| GrpcMethod {
            name: name.to_owned(),
            is_stream,
            takes_a_stream,
            is_safe,
        };
        let expected = [
            method("a.B/Get", false, false, false),
            method("a.B/Watch", true, false, false),
            method("a.B/Put", false, true, true),
        ];
        assert_eq!(found, expected);
    }
}
