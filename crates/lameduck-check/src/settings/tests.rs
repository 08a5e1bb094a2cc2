//! Settings that win, that are missing, and that are wrong.

use super::*;

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
    let cases: [(Change, &[&str]); 20] = [
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
            |s| s.target.url = Some("https://127.0.0.1:8443".to_owned()),
            &["--ca", "--insecure"],
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
    ];
    for (change, expected) in cases {
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
