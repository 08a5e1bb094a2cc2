//! The promises over TLS.

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::version::TLS13;
use rustls::{ClientConfig, ProtocolVersion};

use crate::certificates::{Files, connect, session};
use crate::client::{Client, get};
use crate::service::{PATIENT, Service, Start, until};

/// A service that drains for `ms`, and the request that keeps it busy for so long.
fn draining(files: &Files, ms: u64) -> (Service, Client) {
    let service = files.start(&[]).env("LAMEDUCK_GRACE", "6s").serve();
    let path = format!("/work?ms={ms}");
    let mut busy = files.client(&service);
    busy.ask(&path);
    service.in_flight("request", &format!("GET {path}"), 1);
    (service, busy)
}

fn ends_well(service: Service, mut busy: Client) {
    let answer = busy.answer();
    assert_eq!(answer.text(), "done");
    assert!(answer.says_close());
    busy.ends_with_fin();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn keepalive_lossless_over_tls() {
    let files = Files::new();
    let (service, busy) = draining(&files, 800);
    let mut idle = files.used_client(&service);
    service.term();
    service.phase("draining");
    thread::sleep(Duration::from_millis(400));
    let answer = idle.get("/");
    assert_eq!(answer.text(), "hello");
    assert!(answer.says_close());
    idle.ends_with_fin();
    ends_well(service, busy);
}

#[test]
fn keepalive_lossless_for_a_request_half_of_whose_record_has_come() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let mut client = files.used_client(&service);
    let session = client.session();
    let mut record = Vec::new();
    session
        .conn
        .writer()
        .write_all(get("/work?ms=100").as_bytes())
        .unwrap();
    session.conn.write_tls(&mut record).unwrap();
    let mut rest = &record[..];
    for cut in [3, record.len() / 2] {
        let (first, second) = rest.split_at(cut);
        session.sock.write_all(first).unwrap();
        rest = second;
        if cut == 3 {
            service.term();
            service.phase("draining");
        }
        // Longer than an idle connection is kept when nothing else is in flight.
        thread::sleep(Duration::from_millis(300));
    }
    session.sock.write_all(rest).unwrap();
    let answer = client.answer();
    assert_eq!(answer.text(), "done");
    assert!(answer.says_close());
    client.ends_with_fin();
    service.ended().within(PATIENT).exit(0).nothing_let_go();
}

#[test]
fn no_reset_over_tls_an_idle_connection_ends_with_close_notify_and_fin() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let mut clients: Vec<Client> = (0..20).map(|_| files.used_client(&service)).collect();
    service.term();
    for client in &mut clients {
        client.ends_with_fin();
    }
    service.ended().within(PATIENT).exit(0).nothing_let_go();
}

#[test]
fn idle_exits_although_a_peer_renews_its_keys_all_the_time() {
    let files = Files::new();
    let service = files.start(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let mut client = Client::tls(
        session(files.trusted(&[&TLS13], &["http/1.1"])),
        connect(&service),
    );
    assert_eq!(client.get("/").status, 200);
    service.term();
    let renewing = thread::spawn(move || {
        let session = client.session();
        loop {
            let renewed = session.conn.refresh_traffic_keys();
            if renewed.is_err() || session.conn.write_tls(&mut session.sock).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(1), "{:?}", ended.took);
    renewing.join().unwrap();
}

#[test]
fn download_completes_over_tls_for_a_slow_reader() {
    const BYTES: usize = 8_000_000;
    let files = Files::new();
    let service = files.start(&[]).env("LAMEDUCK_GRACE", "10s").serve();
    let mut client = files.client(&service);
    let path = format!("/big?bytes={BYTES}");
    client.ask(&path);
    service.in_flight("request", &format!("GET {path}"), 1);
    service.term();
    service.phase("draining");
    client.head().unwrap();
    for _ in 0..100 {
        assert_eq!(client.exactly(BYTES / 100).unwrap().len(), BYTES / 100);
        thread::sleep(Duration::from_millis(5));
    }
    client.ends_with_fin();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn stuck_told_names_the_request_whose_peer_never_reads_over_tls() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let mut client = files.client(&service);
    client.ask("/big?bytes=30000000");
    service.in_flight("request", "GET /big", 1);
    service.term();
    let ended = service.ended();
    ended
        .within(PATIENT)
        .exit(124)
        .let_go("request", "GET /big");
}

#[test]
fn a_response_that_is_cut_does_not_look_whole() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let mut client = files.client(&service);
    // Its body ends with the connection: only TLS can say whether that was meant.
    client.send("GET /endless HTTP/1.0\r\n\r\n");
    client.head().unwrap();
    service.term();
    let cut = client.rest();
    assert!(cut.is_err(), "{} bytes that look whole", cut.unwrap().len());
    service
        .ended()
        .within(PATIENT)
        .exit(124)
        .let_go("request", "GET /endless");
}

#[test]
fn inflight_completes_for_an_upgraded_connection_over_tls() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let mut client = files.client(&service);
    client.send(
        "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    );
    assert_eq!(client.answer().status, 101);
    service.in_flight("upgrade", "GET /upgrade", 1);
    service.term();
    service.phase("draining");
    client.send("still there");
    assert_eq!(client.exactly(11).unwrap(), b"still there");
    client.finish();
    client.ends_with_fin();
    service.ended().within(PATIENT).exit(0).nothing_let_go();
}

#[test]
fn accept_lossless_over_tls_under_a_flood() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let config = files.trusted(rustls::ALL_VERSIONS, &["http/1.1"]);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (config, addr) = (config.clone(), service.api.clone());
            thread::spawn(move || flood(&config, &addr))
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    service.term();
    let ended = service.ended();
    let mut answered = 0;
    for client in clients {
        answered += client.join().unwrap();
    }
    assert!(answered > 16);
    ended.within(PATIENT).exit(0).nothing_let_go();
}

/// Connects, asks, reads to the end, until refused. How often it went well; otherwise it panics.
fn flood(config: &Arc<ClientConfig>, addr: &str) -> usize {
    let mut answered = 0;
    while let Ok(stream) = std::net::TcpStream::connect(addr) {
        let mut client = Client::tls(session(config.clone()), stream);
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().text(), "hello");
        client.ends_with_fin();
        answered += 1;
    }
    answered
}

/// What was agreed on with a client that offers these, and its certificate.
fn agreed(config: Arc<ClientConfig>, service: &Service) -> (Option<String>, Vec<u8>) {
    let mut session = session(config);
    let mut stream = connect(service);
    session.complete_io(&mut stream).unwrap();
    let alpn = session
        .alpn_protocol()
        .map(|it| String::from_utf8_lossy(it).into_owned());
    let chain = session.peer_certificates().unwrap();
    (alpn, chain[0].to_vec())
}

#[test]
fn the_protocol_is_agreed_on_in_the_handshake() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    for (offered, expected) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let config = files.trusted(rustls::ALL_VERSIONS, offered);
        assert_eq!(agreed(config, &service).0.as_deref(), expected);
    }
}

#[test]
fn a_new_certificate_is_used_and_half_a_pair_is_not() {
    let mut files = Files::new();
    let service = files.start(&[]).serve();
    let mut before = files.used_client(&service);
    let old = files.certificate.to_vec();
    let trusts_old = files.trusted(rustls::ALL_VERSIONS, &["http/1.1"]);
    let (certificate, key) = files.renew();
    std::fs::write(files.cert(), certificate).unwrap();
    // Half a pair: for longer than it takes to notice, the old one goes on.
    let noticed = std::time::Instant::now() + Duration::from_millis(4500);
    until("some looks at half a pair", || {
        assert_eq!(agreed(trusts_old.clone(), &service).1, old);
        (std::time::Instant::now() > noticed).then_some(())
    });
    std::fs::write(files.key(), key).unwrap();
    let trusts_new = files.trusted(rustls::ALL_VERSIONS, &["http/1.1"]);
    until("the new certificate", || {
        let mut session = session(trusts_new.clone());
        session.complete_io(&mut connect(&service)).ok()
    });
    assert_eq!(agreed(trusts_new, &service).1, files.certificate.to_vec());
    // Who was there before notices nothing.
    assert_eq!(before.get("/").text(), "hello");
    service.term();
    before.ends_with_fin();
    service.ended().within(PATIENT).exit(0);
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name() {
    let (files, other) = (Files::new(), Files::new());
    let (cert, key) = (files.cert(), files.key());
    let nowhere = files.cert().with_file_name("nowhere.crt");
    for (cert, key, complaint) in [
        (&nowhere, &key, "nowhere.crt: No such file"),
        (&key, &cert, "are the two files swapped?"),
        (&cert, &other.key(), "is not the key of the certificate in"),
    ] {
        let cert = cert.to_str().unwrap();
        let ended = Start::new(&["--tls-cert", cert, "--tls-key", key.to_str().unwrap()]).run();
        ended.exit(2);
        let said = &ended.stderr;
        assert!(
            said.contains(complaint) && said.contains("api: TLS: "),
            "{said}"
        );
    }
}

#[test]
fn curl_sees_a_clean_end_over_http_1_and_2() {
    let files = Files::new();
    let version = Command::new("curl").arg("--version").output();
    let Ok(version) = version else {
        real_servers::skip("curl not installed (apt-get install curl)");
        return;
    };
    let knows_http2 = String::from_utf8_lossy(&version.stdout).contains("HTTP2");
    for (flag, expected) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        if flag == "--http2" && !knows_http2 {
            real_servers::skip("curl without HTTP/2 (a curl with nghttp2)");
            continue;
        }
        let service = files.start(&[]).serve();
        let url = format!("https://{}/stream?ms=700", service.api);
        let out = [
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code} %{size_download}",
        ];
        let curl = Command::new("curl")
            .args(["-skv", flag, "--max-time", "20"])
            .args(out)
            .arg(url)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        service.in_flight("request", "GET /stream", 1);
        service.term();
        let output = curl.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{log}");
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(told, format!("{expected} 80"), "{log}");
        for bad in ["reset by peer", "unexpected eof", "SSL_read"] {
            assert!(!log.contains(bad), "{bad}: {log}");
        }
        service.ended().within(PATIENT).exit(0).nothing_let_go();
    }
}

#[test]
fn tls_1_2_is_spoken_too() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    let config = files.trusted(&[&rustls::version::TLS12], &["http/1.1"]);
    let mut client = Client::tls(session(config), connect(&service));
    assert_eq!(client.get("/").text(), "hello");
    let spoken = client.session().conn.protocol_version();
    assert_eq!(spoken, Some(ProtocolVersion::TLSv1_2));
    service.term();
    client.ends_with_fin();
    service.ended().within(PATIENT).exit(0);
}
