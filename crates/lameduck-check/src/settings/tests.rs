//! Settings that win, that are missing, and that are wrong.

use super::*;
use crate::wire::Destination;

fn minimal() -> Settings {
    let mut settings = Settings::default();
    settings.target.command = vec!["./server".to_owned()];
    settings.target.url = Some("http://127.0.0.1:8080".to_owned());
    settings.load.get = vec!["/".to_owned()];
    settings
}

#[test]
fn what_is_set_in_front_wins() {
    let (mut front, mut back) = (Settings::default(), minimal());
    front.shutdown.rounds = Some(7);
    front.verdict.strict = true;
    back.shutdown.rounds = Some(2);
    back.shutdown.seed = Some(5);
    let plan = front.over(back).into_plan().unwrap();
    assert_eq!((plan.rounds, plan.seed), (7, 5));
    assert!(plan.rules.strict && plan.get.len() == 1);
}

#[test]
fn an_unknown_key_is_named() {
    let error = Settings::from_toml("round = 3").unwrap_err().to_string();
    assert!(
        error.contains("`round`") && error.contains("`rounds`"),
        "{error}"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    let error = Settings::from_toml("seed = 1\nrounds = \"three\"");
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("rounds = \"three\""),
        "{error}"
    );
}

#[test]
fn each_wrong_value_is_named_with_what_was_expected() {
    type Change = fn(&mut Settings);
    let cases: &[(Change, &[&str])] = &[
        (|s| s.load.get.clear(), &["--get", "/health"]),
        (
            |s| s.shutdown.rtt = Some("40".to_owned()),
            &["--rtt", "`40`", "40ms"],
        ),
        (|s| s.target.url = None, &["--url", "http://"]),
        (|s| s.target.command.clear(), &["the command", "--"]),
        (
            |s| s.load.get = vec!["work".to_owned()],
            &["--get", "`work`", "starts with `/`"],
        ),
        (
            |s| s.shutdown.grace = Some("30".to_owned()),
            &["--grace", "`30`", "30s"],
        ),
        (
            |s| s.shutdown.signal = Some("KILL".to_owned()),
            &["--signal", "`KILL`", "TERM"],
        ),
        (
            |s| s.load.post = vec!["orders={}".to_owned()],
            &["--post", "`orders={}`", "/orders {"],
        ),
        (
            |s| s.jobs.ledger = Some("cat 'books".to_owned()),
            &["--ledger", "`cat 'books`", "quote"],
        ),
        (
            |s| s.jobs.settle = Some("1s".to_owned()),
            &["--ledger", "--settle"],
        ),
        (
            |s| (s.jobs.ledger, s.jobs.settle) = (Some("cat x".to_owned()), Some("ten".to_owned())),
            &["--settle", "`ten`", "30s"],
        ),
        (
            |s| s.jobs.postgres_log = Some("/tmp/log".into()),
            &["--postgres-log", "--postgres URL"],
        ),
        (
            |s| s.target.cert = Some("client.crt".into()),
            &["--key", "give --key FILE"],
        ),
        (
            |s| s.target.key = Some("client.key".into()),
            &["--cert", "give --cert FILE"],
        ),
        (
            |s| (s.target.cert, s.target.key) = (Some("a.crt".into()), Some("a.key".into())),
            &["--cert", "`a.crt`", "https://"],
        ),
        (
            |s| {
                s.target.url = Some("https://127.0.0.1:1".to_owned());
                s.target.insecure = true;
                (s.target.cert, s.target.key) = (Some("/nowhere".into()), Some("a.key".into()));
            },
            &["--cert", "`/nowhere`", "PEM"],
        ),
        (
            |s| s.target.unix = Some("a".repeat(108).into()),
            &["--unix", "107 bytes"],
        ),
        (
            |s| s.target.ca = Some("/nowhere/tls.crt".into()),
            &["--ca", "`/nowhere/tls.crt`", "PEM"],
        ),
        (
            |s| (s.target.ca, s.target.insecure) = (Some("tls.crt".into()), true),
            &["--ca", "one of the two"],
        ),
        (
            |s| s.load.ws = vec!["ws".to_owned()],
            &["--ws", "`ws`", "starts with `/`"],
        ),
        (
            |s| s.load.grpc = vec!["GetOrder".to_owned()],
            &["--grpc", "`GetOrder`", "shop.v1.Shop/GetOrder"],
        ),
        (
            |s| s.load.grpc_data = Some("0a0".to_owned()),
            &["--grpc-data", "`0a0`", "hexadecimal"],
        ),
        (|s| s.shutdown.rounds = Some(0), &["--rounds", "1 or more"]),
        (
            |s| s.probes.ready = Some("readyz".to_owned()),
            &["--ready", "`readyz`", "http://"],
        ),
        (
            |s| s.load.get = vec!["/a#b".to_owned()],
            &["--get", "`/a#b`", "without spaces and `#`"],
        ),
        (
            |s| s.target.url = Some("http://127.0.0.1:1/shop?x=1".to_owned()),
            &["--url", "/shop?x=1", "no query"],
        ),
        (
            |s| s.request.header = vec!["Accept text/html".into()],
            &["--header", "no colon", "Name: value"],
        ),
        (
            |s| s.request.header = vec!["X-Key: ${LAMEDUCK_NOT_SET}".into()],
            &["--header", "X-Key", "`LAMEDUCK_NOT_SET` is not set"],
        ),
        (
            |s| s.request.header = vec!["X-Key: ${PATH".into()],
            &["--header", "X-Key", "no `}`", "${NAME}"],
        ),
        (
            |s| s.request.header = vec!["host: a".into()],
            &["--header", "--host NAME"],
        ),
        (
            |s| s.request.header = vec!["Connection: close".into()],
            &["--header", "`Connection`", "leave it out"],
        ),
        (
            |s| s.request.header_file = Some("/nowhere/headers".into()),
            &["--header-file", "`/nowhere/headers`", "on each line"],
        ),
        (
            |s| s.request.method = Some("get it".to_owned()),
            &["--method", "`get it`", "POST"],
        ),
        (
            |s| s.request.body = Some("@/nowhere/body".into()),
            &["--body", "`@/nowhere/body`", "can be read"],
        ),
        (
            |s| s.request.host = Some("a b".to_owned()),
            &["--host", "`a b`", "shop.example"],
        ),
    ];
    for (change, expected) in cases.iter().copied() {
        let mut settings = minimal();
        change(&mut settings);
        let error = settings.into_plan().unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{error} should say {part}");
        }
    }
}

#[test]
fn with_a_ledger_orders_are_posted_to_the_usual_place_unless_told_otherwise() {
    let with = |post: &[&str]| {
        let mut settings = minimal();
        settings.load.get.clear();
        settings.load.post = post.iter().map(|&post| post.to_owned()).collect();
        settings.jobs.ledger = Some("shop ledger --data '/tmp/my shop'".to_owned());
        settings.into_plan().unwrap()
    };
    let usual = with(&[]);
    assert_eq!(
        usual.ledger.unwrap(),
        ["shop", "ledger", "--data", "/tmp/my shop"]
    );
    assert_eq!(usual.post[0].path(), "/orders");
    let told = with(&[r#"/buy?ms=5 {"sku": 7}"#]);
    assert_eq!(told.post[0].path(), "/buy?ms=5");
    assert_eq!(&told.post[0].body()[..], br#"{"sku": 7}"#);
}

#[test]
fn over_tls_the_certificates_that_are_believed_go_with_every_url() {
    let mut settings = minimal();
    settings.target.url = Some("wss://127.0.0.1:8443".to_owned());
    settings.target.insecure = true;
    settings.probes.ready = Some("https://127.0.0.1:9443/readyz".to_owned());
    settings.probes.live = Some("http://127.0.0.1:9090/livez".to_owned());
    let plan = settings.into_plan().unwrap();
    assert!(plan.url.tls.is_some());
    assert_eq!(plan.ready.unwrap().tls, plan.url.tls);
    assert_eq!(plan.live.unwrap().tls, None);
}

#[test]
fn the_target_is_told_its_grace_only_when_it_was_set() {
    assert!(!minimal().into_plan().unwrap().tell_grace);
    let mut set = minimal();
    set.shutdown.grace = Some("5s".to_owned());
    assert!(set.into_plan().unwrap().tell_grace);
}

#[test]
fn the_file_has_a_key_for_each_flag_about_jobs_and_the_database() {
    let settings = Settings::from_toml(
        r#"
        command = ["./server"]
        url = "http://127.0.0.1:8080"
        post = ['/orders {"item":"pen","quantity":2}']
        post-clients = 3
        ledger = "sh -c 'curl -s $BOOKS | jq .books'"
        settle = "3s"
        postgres = "postgres://shop@127.0.0.1/shop"
        postgres-log = "/var/log/postgresql.log"
        "#,
    );
    let plan = settings.unwrap().into_plan().unwrap();
    assert_eq!(
        plan.ledger.unwrap(),
        ["sh", "-c", "curl -s $BOOKS | jq .books"]
    );
    assert_eq!((plan.settle.as_secs(), plan.clients.orders), (3, 3));
    assert!(plan.postgres.is_some() && plan.postgres_log.is_some());
}

#[test]
fn the_file_has_a_key_for_each_flag_about_what_outlives_a_request() {
    let settings = Settings::from_toml(
        r#"
        command = ["./server"]
        url = "http://127.0.0.1:8080"
        ws = ["/ws"]
        ws-clients = 30
        sse = ["/events"]
        sse-clients = 3
        grpc = ["shop.v1.Shop/GetOrder"]
        grpc-stream = ["shop.v1.Shop/WatchOrders"]
        grpc-data = "0A0135"
        grpc-clients = 2
        "#,
    );
    let plan = settings.unwrap().into_plan().unwrap();
    assert_eq!(plan.websockets, ["/ws"]);
    assert_eq!(plan.event_streams[0].path(), "/events");
    assert_eq!(plan.grpc[0].path(), "/shop.v1.Shop/GetOrder");
    assert_eq!(&plan.grpc[0].body()[..], b"\0\0\0\0\x03\x0a\x015");
    assert_eq!(plan.grpc_streams[0].path(), "/shop.v1.Shop/WatchOrders");
    let clients = plan.clients;
    assert_eq!(
        (clients.websockets, clients.event_streams, clients.grpc),
        (30, 3, 2)
    );
}

#[test]
fn what_is_wrong_with_a_url_that_holds_a_password_does_not_show_it() {
    let mut settings = minimal();
    settings.target.url = Some("http://me:s3cret@127.0.0.1:1".to_owned());
    let error = settings.into_plan().unwrap_err().to_string();
    assert!(
        error.contains("--url") && error.contains("--header") && !error.contains("s3cret"),
        "{error}"
    );
}

#[test]
fn a_file_with_headers_in_it_is_not_quoted() {
    for text in [
        "header = [\"X-Key: s3cret\"\nrounds = 3",
        "header = \"X-Key: s3cret",
        "rounds = 1\nheader = [\"X-Key: s3cret\", 3]",
        "[[request]]\npath = \"/\"\nbody = \"s3cret\"\nbodies = 1",
    ] {
        let error = Settings::from_toml(text).unwrap_err().to_string();
        assert!(
            error.contains("line ") && !error.contains("s3cret"),
            "{error}"
        );
    }
}

#[test]
fn headers_go_with_every_request_there_and_to_probes_at_the_same_address_alone() {
    let file = std::env::temp_dir().join(format!("lameduck-headers-{}", std::process::id()));
    std::fs::write(&file, "# for the pipeline\n\nX-Key: s3cret\n").unwrap();
    let mut settings = minimal();
    settings.target.url = Some("http://127.0.0.1:8080/api/".to_owned());
    settings.load.slow = vec!["/work?ms=1500".to_owned()];
    settings.load.upload = vec!["/up".to_owned()];
    settings.load.ws = vec!["/ws".to_owned()];
    settings.request.header = vec!["X-Path: a${PATH}b$c".into()];
    settings.request.header_file = Some(file.clone());
    settings.request.host = Some("shop.example".to_owned());
    settings.request.body = Some("hello".into());
    settings.probes.ready = Some("http://127.0.0.1:8080/readyz".to_owned());
    settings.probes.live = Some("http://127.0.0.1:9090/livez".to_owned());
    assert!(!format!("{settings:?}").contains("hello"));
    let plan = settings.into_plan().unwrap();
    std::fs::remove_file(&file).unwrap();
    let path = format!("a{}b$c", std::env::var("PATH").unwrap());
    let expected = [("X-Key", "s3cret"), ("X-Path", &path)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(plan.url.headers.as_slice(), expected);
    assert_eq!(plan.url.authority, "shop.example");
    let (ready, live) = (plan.ready.as_ref().unwrap(), plan.live.as_ref().unwrap());
    assert_eq!(ready.headers, plan.url.headers);
    assert_eq!(ready.authority, "shop.example");
    assert_eq!(ready.path, "/readyz");
    assert!(live.headers.as_slice().is_empty());
    assert_eq!(live.authority, "127.0.0.1:9090");
    assert_eq!(plan.slow[0].method(), "POST");
    assert_eq!(plan.slow[0].path(), "/api/work?ms=1500");
    assert_eq!(&plan.slow[0].body()[..], b"hello");
    assert_eq!(plan.uploads[0].path(), "/api/up");
    assert_eq!(plan.websockets, ["/api/ws"]);
    assert!(!format!("{plan:?}").contains("s3cret"));
}

#[test]
fn requests_may_be_written_in_full() {
    let settings = Settings::from_toml(
        r#"
        command = ["./server"]
        url = "http://127.0.0.1:8080/api"
        header = "Accept: */*"

        [[request]]
        path = "/quick"

        [[request]]
        kind = "slow"
        method = "PUT"
        path = "/carts/7?full=1"
        headers = ["Content-Type: application/json"]
        body = '{"item":"tea"}'

        [[request]]
        kind = "upload"
        path = "/files"
        "#,
    );
    let plan = settings.unwrap().into_plan().unwrap();
    assert_eq!(plan.get[0].path(), "/api/quick");
    let slow = &plan.slow[0];
    assert_eq!((slow.method(), slow.path()), ("PUT", "/api/carts/7?full=1"));
    assert_eq!(slow.headers()[0].1, "application/json");
    assert_eq!(&slow.body()[..], br#"{"item":"tea"}"#);
    assert_eq!(plan.uploads[0].method(), "POST");
    assert_eq!(plan.uploads[0].body().len(), 64 * 1024);
    for (table, says) in [
        ("kind = \"fast\"\npath = \"/\"", "`fast`"),
        ("path = \"/\"\nbdy = \"x\"", "`bdy`"),
        ("kind = \"slow\"", "`path`"),
    ] {
        let error = Settings::from_toml(&format!("[[request]]\n{table}"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn over_a_unix_socket_goes_what_goes_to_the_url_and_nothing_else() {
    let mut settings = minimal();
    settings.target.url = None;
    settings.target.unix = Some("/run/shop.sock".into());
    settings.probes.ready = Some("http://localhost/readyz".to_owned());
    settings.probes.live = Some("http://127.0.0.1:9090/livez".to_owned());
    let plan = settings.into_plan().unwrap();
    let socket = vec![Destination::Unix("/run/shop.sock".into())];
    assert_eq!(plan.url.authority, "localhost");
    assert_eq!(plan.url.destinations(), socket);
    assert_eq!(plan.ready.unwrap().destinations(), socket);
    assert_ne!(plan.live.unwrap().destinations(), socket);
}

#[test]
fn each_address_of_a_name_is_known() {
    let endpoint = crate::Endpoint::parse("http://localhost:8080").unwrap();
    let destinations = endpoint.destinations();
    assert!(destinations.contains(&Destination::Tcp("127.0.0.1:8080".parse().unwrap())));
    assert_eq!(destinations.len(), 1 + endpoint.more_addresses.len());
}
