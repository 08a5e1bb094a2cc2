//! Python's clients, from PyPI.

use std::process::Command;

use super::{Client, Protocol, source};
use crate::kit::Kit;

pub const CLIENTS: &[Client] = &[
    Client {
        name: "curl",
        protocol: Protocol::Http1,
        by_itself: "repeats a request on a connection that ends without a byte of an answer, POST too; does not look for a FIN before it takes a connection that it has used within a second",
        own_fault: None,
        prepare: |kit| kit.pip("pycurl==7.49.0"),
        command: |kit| python(kit, "client_curl.py"),
        variant: None,
    },
    Client {
        name: "requests",
        protocol: Protocol::Http1,
        by_itself: "looks for a FIN first; repeats nothing",
        own_fault: None,
        prepare: |kit| kit.pip("requests==2.34.2"),
        command: |kit| python(kit, "client_requests.py"),
        variant: None,
    },
    Client {
        name: "urllib3",
        protocol: Protocol::Http1,
        by_itself: "looks for a FIN first; repeats three times, but no POST",
        own_fault: None,
        prepare: |kit| kit.pip("urllib3==2.8.0"),
        command: |kit| python(kit, "client_urllib3.py"),
        variant: None,
    },
    Client {
        name: "aiohttp",
        protocol: Protocol::Http1,
        by_itself: "watches idle connections; repeats a GET once on a new connection",
        own_fault: None,
        prepare: |kit| kit.pip("aiohttp==3.14.5"),
        command: |kit| python(kit, "client_aiohttp.py"),
        variant: None,
    },
    Client {
        name: "httpx",
        protocol: Protocol::Http1,
        by_itself: "looks for a FIN first; repeats nothing",
        own_fault: None,
        prepare: |kit| kit.pip("httpx[http2]==0.28.1"),
        command: |kit| python(kit, "client_httpx.py"),
        variant: None,
    },
    Client {
        name: "httpx-h2",
        protocol: Protocol::Http2,
        by_itself: "repeats nothing",
        own_fault: Some(
            "its HTTP/2 (h2 4.4.1) takes GOAWAY for the end of the connection and fails on the answers that come after it",
        ),
        prepare: |kit| kit.pip("httpx[http2]==0.28.1"),
        command: |kit| python(kit, "client_httpx.py"),
        variant: Some("h2"),
    },
    Client {
        name: "grpcio",
        protocol: Protocol::Grpc,
        by_itself: "repeats only what a GOAWAY says was not looked at",
        own_fault: None,
        prepare: |kit| kit.pip("grpcio==1.85.3"),
        command: |kit| python(kit, "client_grpcio.py"),
        variant: None,
    },
];

fn python(kit: &Kit, program: &str) -> Command {
    let mut it = Command::new(kit.folder("python").join("bin/python"));
    // Nothing is written into the sources.
    it.arg("-B").arg(source("python").join(program));
    it
}
