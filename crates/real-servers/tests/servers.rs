//! Each server starts, answers, dies, comes back with its data, and leaves nothing behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use real_servers::{Browser, MariaDb, Nats, Postgres, RabbitMqServer, Redis, or_skip};

/// Says in the environment of a copy of this test that it is the one to be killed.
const VICTIM: &str = "REAL_SERVERS_TEST_VICTIM";

fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").expect("a URL").1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().expect("a host and port")
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(host_and_port(url)).expect("the server accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time-out that is not zero");
    stream
}

/// Sends `request` and reads until the answer contains `end`.
fn ask(url: &str, request: &str, end: &str) -> String {
    let mut stream = connect(url);
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if text.contains(end) {
            return text;
        }
        let read = stream.read(&mut buffer).expect("it answers in time");
        assert!(read > 0, "the connection ended after {text:?}");
        answer.extend_from_slice(&buffer[..read]);
    }
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit_once(')').expect("a stat line").1;
        !state.trim_start().starts_with('Z')
    })
}

fn assert_gone(pids: &[u32]) {
    let alive: Vec<&u32> = pids.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(alive.is_empty(), "still running: {alive:?}");
}

/// Waits until it holds, or panics with what there is to say.
#[track_caller]
fn wait(deadline: Instant, holds: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    while !holds() {
        assert!(Instant::now() < deadline, "{}", otherwise());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn assert_refused(url: &str) {
    let refused = TcpStream::connect(host_and_port(url)).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

fn sql(url: &str, statement: &str) -> Option<String> {
    let Ok(output) = Command::new("psql")
        .args([url, "-AtXc", statement])
        .output()
    else {
        real_servers::skip("psql not installed (apt-get install postgresql-client)");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[test]
fn postgres_comes_back_with_its_data_and_leaves_no_process() {
    let Some(mut postgres) = or_skip(Postgres::start()) else {
        return;
    };
    let url = postgres.url();
    connect(&url);
    sql(&url, "create table t as select 42 as answer");
    let first = postgres.processes();
    assert!(first.len() > 1, "it has processes in the background");

    postgres.kill();
    assert_gone(&first);
    assert_refused(&url);
    assert!(postgres.processes().is_empty());

    postgres.start_again();
    if let Some(answer) = sql(&url, "select answer from t") {
        assert_eq!(answer, "42");
        let log = postgres.log();
        assert!(log.contains("connection authorized"), "{log}");
        // psql does not wait until its session has ended.
        let ended = || postgres.log().contains("disconnection: session time");
        wait(Instant::now() + Duration::from_secs(10), ended, || {
            postgres.log()
        });
    }
    assert_eq!(postgres.url(), url);
    let second = postgres.processes();
    drop(postgres);
    assert_gone(&second);
}

#[test]
fn mariadb_comes_back_and_leaves_no_process() {
    let Some(mut mariadb) = or_skip(MariaDb::start()) else {
        return;
    };
    let url = mariadb.url();
    // It greets first.
    assert!(ask(&url, "", "MariaDB").contains("MariaDB"));
    let first = mariadb.processes();

    mariadb.kill();
    assert_gone(&first);
    assert_refused(&url);

    mariadb.start_again();
    assert!(ask(&url, "", "MariaDB").contains("MariaDB"));
    let second = mariadb.processes();
    drop(mariadb);
    assert_gone(&second);
}

#[test]
fn redis_comes_back_with_its_data_and_leaves_no_process() {
    let Some(mut redis) = or_skip(Redis::start()) else {
        return;
    };
    let url = redis.url();
    assert!(ask(&url, "SET answer 42\r\n", "\r\n").starts_with("+OK"));
    let first = redis.processes();

    redis.kill();
    assert_gone(&first);
    assert_refused(&url);

    redis.start_again();
    assert_eq!(ask(&url, "GET answer\r\n", "42\r\n"), "$2\r\n42\r\n");
    let second = redis.processes();
    drop(redis);
    assert_gone(&second);
}

#[test]
fn nats_comes_back_with_its_streams_and_leaves_no_process() {
    let Some(mut nats) = or_skip(Nats::start()) else {
        return;
    };
    let url = nats.url();
    let stream = r#"{"name":"ORDERS","subjects":["orders"]}"#;
    let create = format!(
        "CONNECT {{}}\r\nSUB inbox 1\r\nPUB $JS.API.STREAM.CREATE.ORDERS inbox {}\r\n{stream}\r\n",
        stream.len()
    );
    let answer = ask(&url, &create, "did_create");
    assert!(answer.contains(r#""name":"ORDERS""#), "{answer}");
    let first = nats.processes();

    nats.kill();
    assert_gone(&first);
    assert_refused(&url);

    nats.start_again();
    let names = "CONNECT {}\r\nSUB inbox 1\r\nPUB $JS.API.STREAM.NAMES inbox 0\r\n\r\n";
    let answer = ask(&url, names, "stream_names_response");
    assert!(answer.contains("ORDERS"), "{answer}");
    let second = nats.processes();
    drop(nats);
    assert_gone(&second);
}

#[test]
fn rabbitmq_comes_back_and_leaves_no_process() {
    let Some(mut rabbitmq) = or_skip(RabbitMqServer::start()) else {
        return;
    };
    let url = rabbitmq.url();
    // A client of the wrong protocol is told the right one.
    assert!(ask(&url, "HELLO\0\0\0", "AMQP").contains("AMQP"));
    let first = rabbitmq.processes();
    assert!(first.len() > 2, "it has helpers, and a name service");

    rabbitmq.kill();
    assert_gone(&first);
    assert_refused(&url);

    rabbitmq.start_again();
    assert!(ask(&url, "HELLO\0\0\0", "AMQP").contains("AMQP"));
    assert_eq!(rabbitmq.log().matches("Server startup complete").count(), 2);
    let second = rabbitmq.processes();
    drop(rabbitmq);
    assert_gone(&second);
}

#[test]
fn a_browser_shows_a_page_and_leaves_no_process() {
    let Some(browser) = or_skip(Browser::start()) else {
        return;
    };
    let page = browser.open("data:text/html,<title>a page</title>");
    assert_eq!(page.run("return document.title", &[]), "a page");
    let processes = browser.processes();
    assert!(
        processes.len() > 2,
        "the driver and the browser's: {processes:?}"
    );
    drop(page);
    drop(browser);
    assert_gone(&processes);
}

#[test]
fn servers_of_one_kind_run_side_by_side() {
    let started: Vec<Redis> = (0..5).filter_map(|_| or_skip(Redis::start())).collect();
    let mut urls: Vec<String> = started.iter().map(Redis::url).collect();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), started.len());
}

#[test]
fn no_orphans_when_the_test_process_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        die_with_servers_running();
    }
    let mut victim = Command::new(std::env::current_exe().expect("this very test"))
        .args(["--exact", "no_orphans_when_the_test_process_is_killed"])
        .arg("--nocapture")
        .env(VICTIM, "yes")
        .env("TMPDIR", std::env::temp_dir())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it started once already");
    let output = BufReader::new(victim.stdout.take().expect("piped"));
    let lines: Vec<String> = output.lines().map_while(Result::ok).collect();
    victim.wait().expect("it was not waited for yet");

    let pids: Vec<u32> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("victim started ")?.parse().ok())
        .collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    let gone = || !pids.iter().any(|pid| is_alive(*pid));
    wait(deadline, gone, || {
        format!("of {pids:?} some are still running")
    });
    let folders = lines
        .iter()
        .filter_map(|line| line.strip_prefix("victim uses "));
    for folder in folders {
        let gone = || !Path::new(folder).exists();
        wait(deadline, gone, || format!("{folder} is still there"));
    }
}

fn die_with_servers_running() -> ! {
    let redis = or_skip(Redis::start());
    let postgres = or_skip(Postgres::start());
    let rabbitmq = or_skip(RabbitMqServer::start());
    let mut pids = redis.as_ref().map(Redis::processes).unwrap_or_default();
    pids.extend(
        postgres
            .as_ref()
            .map(Postgres::processes)
            .unwrap_or_default(),
    );
    pids.extend(
        rabbitmq
            .as_ref()
            .map(RabbitMqServer::processes)
            .unwrap_or_default(),
    );
    for pid in pids {
        println!("victim started {pid}");
        if let Ok(folder) = std::fs::read_link(format!("/proc/{pid}/cwd")) {
            println!("victim uses {}", folder.display());
        }
    }
    // The harness would catch a panic and drop the servers; nothing catches this.
    std::process::abort()
}
