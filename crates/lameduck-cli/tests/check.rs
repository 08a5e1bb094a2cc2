//! `lameduck check` as a user or a pipeline meets it: exit status, and what is said when something is wrong.

mod server;

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn lameduck(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the command line starts")
}

/// Expects exit 2 and an error that says all of these.
fn is_unusable(folder: &Path, arguments: &[&str], says: &[&str]) {
    let output = lameduck(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for part in says {
        assert!(error.contains(part), "should say {part}:\n{error}");
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn free_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("its address"))
}

#[test]
fn bad_usage_names_the_flag_and_the_fix() {
    let folder = folder();
    is_unusable(
        folder.path(),
        &["check"],
        &["--url", "http://127.0.0.1:8080"],
    );
    is_unusable(
        folder.path(),
        &["check", "--url", "http://127.0.0.1:1"],
        &["command", "--"],
    );
    is_unusable(
        folder.path(),
        &["check", "--url", "nowhere", "--", "true"],
        &["--url", "`nowhere`"],
    );
    is_unusable(
        folder.path(),
        &["check", "--sockets", "/ws"],
        &["--sockets"],
    );
    let without_dashes = ["check", "--url", "http://127.0.0.1:1", "./server"];
    is_unusable(
        folder.path(),
        &without_dashes,
        &["'./server'", "-- ./server"],
    );
    let without_load = ["check", "--url", "http://127.0.0.1:1", "--", "true"];
    is_unusable(folder.path(), &without_load, &["--get", "/health"]);
}

#[test]
fn an_unknown_key_in_the_file_is_named_with_the_file() {
    let folder = folder();
    std::fs::write(
        folder.path().join("lameduck-check.toml"),
        "grase = \"3s\"\n",
    )
    .unwrap();
    is_unusable(
        folder.path(),
        &["check"],
        &["lameduck-check.toml", "`grase`", "`grace`"],
    );
}

#[test]
fn flags_win_over_the_file() {
    let folder = folder();
    let text = "url = \"http://127.0.0.1:1\"\ncommand = [\"false\"]\nget = [\"/\"]\ngrace = \"nonsense\"\n";
    std::fs::write(folder.path().join("lameduck-check.toml"), text).unwrap();
    is_unusable(folder.path(), &["check"], &["--grace", "`nonsense`"]);
    is_unusable(
        folder.path(),
        &["check", "--grace", "3s"],
        &["ended before it was ready", "exit code 1"],
    );
}

#[test]
fn a_target_that_ends_before_it_is_ready_has_its_last_output_shown() {
    let folder = folder();
    let url = free_url();
    let script = "echo the port is wrong >&2; exit 9";
    is_unusable(
        folder.path(),
        &[
            "check", "--url", &url, "--get", "/", "--", "sh", "-c", script,
        ],
        &["exit code 9", "the port is wrong"],
    );
}

#[test]
fn a_target_that_is_never_ready_is_told_with_what_was_seen() {
    let folder = folder();
    let url = free_url();
    let arguments = [
        "check",
        "--url",
        &url,
        "--get",
        "/",
        "--start-timeout",
        "200ms",
        "--",
        "sleep",
        "20",
    ];
    is_unusable(
        folder.path(),
        &arguments,
        &["not ready within 200ms", "refused", "--url"],
    );
}

#[test]
fn an_address_that_is_taken_is_told_before_anything_is_started() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let touched = folder.path().join("started");
    let url = format!("http://{address}");
    let arguments = [
        "check",
        "--url",
        &url,
        "--get",
        "/",
        "--",
        "touch",
        touched.to_str().unwrap(),
    ];
    is_unusable(
        folder.path(),
        &arguments,
        &[&address.to_string(), "already listens"],
    );
    assert!(!touched.exists());
}

#[test]
fn serves_when_another_test_asks_for_it() {
    server::serve_if_asked(|_, _| {
        // Long enough for something to be in flight at any moment.
        thread::sleep(Duration::from_millis(10));
        Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned())
    });
}

/// `lameduck check` in a folder, of a target that is to serve on this URL.
fn check(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lameduck"));
    command
        .args(["check", "--url", url])
        .env(server::SERVE_ON, url.trim_start_matches("http://"))
        .current_dir(folder);
    command
}

/// This program as the target.
fn of_itself(command: &mut Command) -> Output {
    command
        .arg("--")
        .args(server::itself())
        .output()
        .expect("the command line starts")
}

#[test]
fn a_target_that_dies_by_the_signal_breaks_promises_with_exit_1_and_json() {
    let folder = folder();
    let url = free_url();
    let small =
        "--get / --clients 4 --per-request 1 --rounds 1 --rtt 0ms --startup-rounds 0 --idle 0";
    let output = of_itself(check(folder.path(), &url).args(small.split(' ')).args([
        // Whether a client loses something in a single shutdown is chance; the exit status is not.
        "--strict",
        "--timeline",
        "--json",
        "out.json",
        "--html",
        "out.html",
    ]));
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{table}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        table.contains("✘  exits-zero") && table.contains("ended by signal 15"),
        "{table}"
    );
    assert!(
        table.contains("SIGTERM ▼") && table.contains("exit 143"),
        "{table}"
    );
    assert!(!table.contains('\x1b'), "colour without a terminal");
    let json = object(folder.path(), "out.json");
    assert_eq!(json["exit"], serde_json::json!([143]));
    assert_eq!(json["signal"], "SIGTERM");
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let round = &json["all_rounds"][0];
    assert_eq!(
        (&round["kind"], &round["exit"]),
        (&"load".into(), &143.into())
    );
    assert!(
        round["took_ms"].as_f64() <= json["took_ms"].as_f64(),
        "{json}"
    );
    assert_eq!(json["latency"][0]["part"], "before-signal");
    // The page has all of that, and the requests of that shutdown.
    let page = std::fs::read_to_string(folder.path().join("out.html")).unwrap();
    let data = page.split_once("id=\"data\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["promises"], json["promises"]);
    let picture = &data["pictures"][0];
    assert_eq!(picture["exit"], "exit 143");
    let requests = picture["requests"]["began_ms"].as_array().unwrap();
    assert_eq!(round["requests"], requests.len());
    let promises = json["promises"].as_array().unwrap();
    assert_eq!(promises.len(), 27);
    for (name, fix) in [
        ("grpc-lossless", "--grpc"),
        ("sse-ends", "--sse"),
        ("websocket-closed", "--ws"),
        ("websocket-paced", "--ws"),
        ("jobs-accounted", "--ledger"),
        ("db-closed", "--postgres"),
    ] {
        let verdict = promises.iter().find(|it| it["name"] == name).unwrap();
        assert_eq!(verdict["verdict"], "skipped");
        assert!(verdict["why"].as_str().unwrap().contains(fix), "{verdict}");
    }
}

/// One short shutdown of a target that dies by the signal, with what it broke written to `out.json`.
fn dies_by_the_signal(folder: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let small = "--get / --rtt 0ms --clients 4 --per-request 2 --rounds 1 --startup-rounds 0 --idle 0 --json out.json";
    let output = of_itself(
        check(folder, &free_url())
            .args(small.split(' '))
            .args(flags),
    );
    let told = [&output.stdout[..], &output.stderr[..]].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&told).into_owned(),
    )
}

#[test]
fn the_exit_status_tells_what_is_broken_from_what_was_not_tried() {
    let folder = folder();
    let exits = |code, flags: &[&str], says: &str| {
        let (exit, told) = dies_by_the_signal(folder.path(), flags);
        assert_eq!(exit, Some(code), "{flags:?}\n{told}");
        assert!(told.contains(says), "{flags:?} should say {says}:\n{told}");
    };
    exits(
        0,
        &["--only", "within-grace"],
        "exit 0: nothing that counts was broken",
    );
    exits(
        3,
        &["--only", "within-grace,sse-ends"],
        "not tried, or undecided: sse-ends",
    );
    exits(
        0,
        &["--only", "within-grace,sse-ends", "--allow-untested"],
        "1 kept, 0 broken, 26 not tested",
    );
    // What dies of the signal has not drained, whatever exit code is expected.
    exits(
        1,
        &["--only", "exits-zero", "--expect-exit", "0,143"],
        "ended by signal 15, on the spot",
    );
    let conventions = "keepalive-lossless,accept-lossless,inflight-completes,no-reset";
    exits(
        0,
        &["--except", conventions],
        "is a convention (--strict counts them)",
    );
    exits(
        1,
        &["--except", conventions, "--strict"],
        "exit 1: exits-zero",
    );
    std::fs::write(
        folder.path().join("known"),
        "exits-zero # the signal's own effect\n",
    )
    .unwrap();
    exits(
        0,
        &["--only", "exits-zero", "--baseline", "known"],
        "(known: it is in the baseline)",
    );
    // The JSON of a run is a baseline as well.
    std::fs::rename(
        folder.path().join("out.json"),
        folder.path().join("earlier.json"),
    )
    .unwrap();
    exits(
        0,
        &["--only", "exits-zero", "--baseline", "earlier.json"],
        "known",
    );
    let json = std::fs::read_to_string(folder.path().join("out.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["exit_code"], 0);
    let verdict = |name: &str| {
        let promises = json["promises"].as_array().unwrap();
        promises
            .iter()
            .find(|it| it["name"] == name)
            .unwrap()
            .clone()
    };
    let known = verdict("exits-zero");
    assert_eq!(
        (&known["class"], &known["verdict"], &known["accepted"]),
        (&"convention".into(), &"broken".into(), &true.into())
    );
    assert_eq!(known["shutdowns"]["failed"], 1);
    assert_eq!(verdict("keepalive-lossless")["class"], "loss");
    assert_eq!(verdict("within-grace")["class"], "time");
}

#[test]
fn a_promise_that_nobody_knows_is_named_with_those_there_are() {
    let folder = folder();
    std::fs::write(folder.path().join("known"), "keepalive-losless\n").unwrap();
    let with = |flag, value| {
        let target = ["--url", "http://127.0.0.1:1", "--get", "/", "--", "true"];
        [&["check", flag, value][..], &target[..]].concat()
    };
    for flag in ["--only", "--except"] {
        let says = [flag, "`keepalive-losless`", "keepalive-lossless"];
        is_unusable(folder.path(), &with(flag, "keepalive-losless"), &says);
    }
    is_unusable(
        folder.path(),
        &with("--baseline", "known"),
        &["--baseline", "`keepalive-losless`"],
    );
    is_unusable(
        folder.path(),
        &with("--baseline", "nowhere"),
        &["--baseline `nowhere`", "--json"],
    );
    is_unusable(
        folder.path(),
        &with("--expect-exit", "0,256"),
        &["--expect-exit `256`", "0,143"],
    );
}

#[test]
fn books_that_cannot_be_read_are_told_before_any_load() {
    let folder = folder();
    let output =
        of_itself(check(folder.path(), &free_url()).args(["--ledger", "cat no-such-books"]));
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for part in [
        "--ledger `cat no-such-books`",
        "No such file",
        "\"orders\":2",
        "while the target was running",
    ] {
        assert!(error.contains(part), "should say {part}:\n{error}");
    }
}

#[test]
fn a_database_that_does_not_answer_is_told_before_anything_is_started() {
    let folder = folder();
    let touched = folder.path().join("started");
    let place = free_url();
    let place = place.trim_start_matches("http://");
    let postgres = format!("postgres://me:secret@{place}/shop");
    let arguments = |postgres| {
        let command = ["--", "touch", touched.to_str().unwrap()];
        let check = ["check", "--url", "http://127.0.0.1:1", "--get", "/"];
        [&check[..], &["--postgres", postgres], &command[..]].concat()
    };
    let says = ["--postgres", &format!("me@{place}/shop"), "refused"];
    is_unusable(folder.path(), &arguments(&postgres), &says);
    let shown = lameduck(folder.path(), &arguments(&postgres)).stderr;
    assert!(!String::from_utf8_lossy(&shown).contains("secret"));
    let says = ["--postgres", "postgres://user@"];
    is_unusable(folder.path(), &arguments("mysql://x:y@z/w"), &says);
    assert!(!touched.exists());
}

#[test]
fn whatever_ends_the_prover_nothing_is_left_running() {
    let folder = folder();
    for (signal, code) in [
        ("-INT", Some(130)),
        ("-TERM", Some(143)),
        ("-HUP", Some(129)),
        ("-KILL", None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tell = listener.local_addr().unwrap();
        let url = free_url();
        // The target, and what has left its process group and session, hold a connection to this test: the end of all of
        // them is seen as the end of that connection.
        let script = format!(
            "exec 3<>/dev/tcp/{}/{}; setsid sleep 60 & echo started >&3; exec sleep 60",
            tell.ip(),
            tell.port()
        );
        let mut prover = Command::new(env!("CARGO_BIN_EXE_lameduck"))
            .args([
                "check", "--url", &url, "--get", "/", "--", "bash", "-c", &script,
            ])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut held, _) = listener.accept().unwrap();
        let mut started = [0u8; 8];
        held.read_exact(&mut started).unwrap();
        let killed = Command::new("kill")
            .args([signal, &prover.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let status = ended_within(Duration::from_secs(10), &mut prover);
        assert_eq!(status.code(), code, "{signal}");
        held.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let read = held.read(&mut started);
        assert_eq!(read.unwrap(), 0, "after {signal} the target lives on");
    }
}

fn ended_within(limit: Duration, process: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = process.try_wait().expect("a child of this one") {
            return status;
        }
        assert!(begun.elapsed() < limit, "the prover did not end");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_reader_that_goes_away_changes_nothing_of_what_is_found() {
    let folder = folder();
    let url = free_url();
    let small = "--get / --clients 4 --rtt 0ms --rounds 1 --only within-grace --json out.json";
    let mut prover = check(folder.path(), &url)
        .args(small.split(' '))
        .arg("--")
        .args(server::itself())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((prover.stdout.take(), prover.stderr.take()));
    let status = ended_within(Duration::from_secs(30), &mut prover);
    assert_eq!(status.code(), Some(0));
    assert!(folder.path().join("out.json").exists());
}

#[test]
fn the_target_starts_with_no_signal_ignored_or_blocked_whatever_the_prover_was_started_with() {
    let folder = folder();
    let url = free_url();
    // As from a script's `&` with nohup, and from a parent that blocks what it handles elsewhere.
    let script = "import os, signal, sys\n\
         for s in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)\n\
         signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})\n\
         os.execv(sys.argv[1], sys.argv[1:])";
    let target = "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 9";
    let output = Command::new("python3")
        .args(["-c", script, env!("CARGO_BIN_EXE_lameduck")])
        .args([
            "check", "--url", &url, "--get", "/", "--", "sh", "-c", target,
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for mask in ["SigBlk", "SigIgn"] {
        let line = error
            .lines()
            .find_map(|line| line.trim().strip_prefix(mask));
        let mask =
            line.and_then(|mask| u64::from_str_radix(mask.trim_matches([':', '\t']), 16).ok());
        // Beyond 31 are those of the C library and of real time.
        assert_eq!(mask.map(|mask| mask & 0x7fff_ffff), Some(0), "{error}");
    }
}

#[test]
fn a_prover_that_is_stopped_now_and_then_accuses_nobody() {
    let folder = folder();
    let [url, admin] = [free_url(), free_url()];
    let [listen, probes] = [&url, &admin].map(|url| url.trim_start_matches("http://"));
    let ready = format!("{admin}/readyz");
    let itself = env!("CARGO_BIN_EXE_lameduck");
    let mut prover = Command::new(itself)
        .args([
            "check",
            "--url",
            &url,
            "--get",
            "/work?ms=20",
            "--ready",
            &ready,
        ])
        .args(
            "--rtt 40ms --grace 8s --notice 300ms --rounds 2 --startup-rounds 0 --idle 0"
                .split(' '),
        )
        .args(["--", itself, "shop", "--listen", listen, "--admin", probes])
        .env("LAMEDUCK_LAME_DUCK", "500ms")
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = prover.id().to_string();
    let send = |signal: &str| Command::new("kill").args([signal, &pid]).status().unwrap();
    let pauses = [130, 340, 60, 480, 210].map(Duration::from_millis);
    let mut pauses = pauses.into_iter().cycle();
    while prover.try_wait().unwrap().is_none() {
        let pause = pauses.next().unwrap();
        send("-STOP");
        thread::sleep(pause);
        send("-CONT");
        thread::sleep(pause * 2);
    }
    let output = prover.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // Kept, or undecided.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{told}");
    assert!(told.contains(" 0 broken"), "{told}");
}

#[test]
fn until_ends_with_the_first_loss_or_with_enough_shutdowns() {
    let folder = folder();
    let until = |flags: &[&str]| {
        let (exit, told) = dies_by_the_signal(folder.path(), flags);
        let json = std::fs::read_to_string(folder.path().join("out.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        (exit, json["losses"].clone(), told)
    };
    // 50 % are ruled out by five shutdowns.
    let kept = ["--only", "within-grace", "--until", "50%"];
    let (exit, losses, told) = until(&kept);
    assert_eq!((exit, &losses["tried"]), (Some(0), &5.into()), "{told}");
    assert!(losses["bound95"].as_f64().unwrap() <= 0.5, "{losses}");
    assert!(
        told.contains("lost something in 0 of 5 shutdowns"),
        "{told}"
    );
    let lossy = [
        "--only",
        "inflight-completes,accept-lossless",
        "--until",
        "1%",
    ];
    let (exit, losses, told) = until(&lossy);
    assert_eq!((exit, &losses["failed"]), (Some(1), &1.into()), "{told}");
    assert!(losses["tried"].as_u64().unwrap() < 20, "{losses}");
    is_unusable(
        folder.path(),
        &[
            "check",
            "--until",
            "1",
            "--url",
            "http://127.0.0.1:1",
            "--get",
            "/",
            "--",
            "true",
        ],
        &["--until `1`", "like 1%"],
    );
}

#[test]
fn an_error_in_a_later_round_keeps_what_was_seen_before() {
    let folder = folder();
    let url = free_url();
    // Starts once.
    let script = format!(
        "test -e started && {{ echo no second time; exit 7; }}; touch started; exec {}",
        server::itself().join(" ")
    );
    let output = check(folder.path(), &url)
        .args(
            "--get / --json out.json --rtt 0ms --rounds 2 --clients 4 --only within-grace --"
                .split(' '),
        )
        .args(["sh", "-c", &script])
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{table}");
    for part in [
        "✔  within-grace",
        "cut short: round 2 (load)",
        "no second time",
    ] {
        assert!(table.contains(part), "{table}");
    }
    let json = std::fs::read_to_string(folder.path().join("out.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["rounds"], &json["exit_code"]),
        (&1.into(), &2.into())
    );
}

/// Serves one connection at a time, and so nobody while a silent one is there; for `not_found` seconds it knows no route.
fn one_at_a_time(url: &str, not_found: f64) -> [String; 3] {
    let port = url.rsplit(':').next().unwrap_or_default();
    let script = format!(
        "import http.server, time\n\
         knows = time.monotonic() + {not_found}\n\
         class Handler(http.server.BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self):\n\
         \x20       self.send_response(200 if time.monotonic() >= knows else 404)\n\
         \x20       self.send_header('Content-Length', '0')\n\
         \x20       self.end_headers()\n\
         \x20   def log_message(self, *_): pass\n\
         http.server.HTTPServer(('127.0.0.1', {port}), Handler).serve_forever()"
    );
    ["python3".to_owned(), "-c".to_owned(), script]
}

#[test]
fn a_round_that_cannot_be_tried_leaves_its_promise_open_and_the_others_judged() {
    let folder = folder();
    let url = free_url();
    let output = check(folder.path(), &url)
        .args(
            "--get / --rtt 0ms --rounds 1 --clients 2 --per-request 1 --moments 0 --idle 4"
                .split(' '),
        )
        .args("--startup-rounds 1 --only idle-exits,startup-signal,within-grace --".split(' '))
        .args(one_at_a_time(&url, 0.0))
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{table}");
    for part in [
        "✔  within-grace",
        "✔  startup-signal",
        "–  idle-exits",
        "idle peers",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(!table.contains("cut short"), "{table}");
}

#[test]
fn a_target_that_does_not_know_its_routes_yet_is_not_ready() {
    let folder = folder();
    let url = free_url();
    let output = check(folder.path(), &url)
        .args(
            "--get / --rtt 0ms --rounds 1 --clients 2 --per-request 1 --moments 0 --idle 0"
                .split(' '),
        )
        .args("--startup-rounds 0 --only within-grace --".split(' '))
        .args(one_at_a_time(&url, 0.5))
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{table}{error}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_target_is_started() {
    let folder = folder();
    let arguments = [
        "check",
        "--url",
        "http://127.0.0.1:1",
        "--get",
        "/",
        "--json",
        "no/such/folder.json",
        "--",
        "touch",
        "started",
    ];
    is_unusable(
        folder.path(),
        &arguments,
        &["cannot write --json no/such/folder.json"],
    );
    assert!(!folder.path().join("started").exists());
}

/// The JSON object in a file of this folder.
fn object(folder: &Path, file: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(folder.join(file)).expect("the file is there");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn json_and_junit_say_why_there_are_no_verdicts() {
    let folder = folder();
    let ends = |says: &str, arguments: &str| {
        let files = "check --json out.json --junit out.xml --html out.html";
        let arguments: Vec<&str> = files.split(' ').chain(arguments.split(' ')).collect();
        is_unusable(folder.path(), &arguments, &[says]);
        let told = object(folder.path(), "out.json");
        assert!(told["error"].as_str().unwrap().contains(says), "{told}");
        assert_eq!(told["exit_code"], 2);
        assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
        let junit = std::fs::read_to_string(folder.path().join("out.xml")).unwrap();
        assert!(
            junit.contains("errors=\"1\"") && junit.contains(says),
            "{junit}"
        );
        // There is no page without verdicts, not even an empty one.
        assert!(!folder.path().join("out.html").exists());
        told
    };
    let told = ends(
        "ended before it was ready",
        "--url http://127.0.0.1:1 --get / --signal INT --grace 7s -- false",
    );
    assert_eq!(told["target"], "false");
    assert_eq!(told["signal"], "SIGINT");
    assert_eq!(told["grace_ms"], 7000.0);
    assert!(told["took_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(told["all_rounds"], serde_json::json!([]));
    // Nothing is known of a target that was not named.
    let told = ends("--url is missing", "--get /");
    assert_eq!(told["target"], serde_json::Value::Null);
}

#[test]
fn one_file_that_cannot_be_written_keeps_the_others_from_nothing() {
    let folder = folder();
    let arguments = "check --url http://127.0.0.1:1 --get / --html no/such/out.html --json out.json -- touch started";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let says = "cannot write --html no/such/out.html";
    is_unusable(folder.path(), &arguments, &[says]);
    assert!(!folder.path().join("started").exists());
    let told = object(folder.path(), "out.json");
    assert!(told["error"].as_str().unwrap().contains(says), "{told}");
    // One that can be opened and not written: the others are there all the same.
    let (code, said) = dies_by_the_signal(
        folder.path(),
        &["--html", "/dev/full", "--junit", "out.xml"],
    );
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot write --html /dev/full"), "{said}");
    assert!(said.contains("✘  exits-zero"), "{said}");
    assert_eq!(
        object(folder.path(), "out.json")["exit"],
        serde_json::json!([143])
    );
    let junit = std::fs::read_to_string(folder.path().join("out.xml")).unwrap();
    assert!(junit.contains("name=\"within-grace\""), "{junit}");
}

#[test]
fn completions_are_there_for_each_shell() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let output = lameduck(folder.path(), &["completions", shell]);
        assert!(output.status.success());
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("rtt"),
            "{shell}"
        );
    }
}

#[test]
fn help_has_an_example_for_each_job() {
    let output = lameduck(folder().path(), &["check", "--help"]);
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "--rtt 40ms --rounds 5",
        "--ready http://",
        "--h2",
        "--ledger 'shop ledger",
        "--postgres postgres://",
        "--json out.json",
        "lameduck-check.toml",
        "Exit status: 0",
    ] {
        assert!(help.contains(part), "{part} is missing in:\n{help}");
    }
}

#[test]
fn a_promise_is_explained_without_a_target() {
    let folder = folder();
    let explained = |arguments: &[&str]| {
        let output = lameduck(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let page = explained(&["check", "--explain", "keepalive-lossless"]);
    for part in [
        "keepalive-lossless (loss)",
        "Why it matters",
        "How servers break it",
        "How to keep it",
        "https://pkg.go.dev/net/http#Server.Shutdown",
        "--rtt",
    ] {
        assert!(page.contains(part), "should say {part}:\n{page}");
    }
    let list = explained(&["check", "--explain"]);
    for name in ["ready-flips", "within-grace", "second-signal"] {
        assert!(list.contains(name), "should name {name}:\n{list}");
    }
    is_unusable(
        folder.path(),
        &["check", "--explain", "keepalive"],
        &["--explain keepalive", "keepalive-lossless", "second-signal"],
    );
}

#[test]
fn a_run_says_beforehand_what_it_takes_and_ends_within_its_budget() {
    let folder = folder();
    let small = "--budget 10s --get / --clients 4 --per-request 1 --json out.json";
    // Deaf to the signal, so each shutdown takes the whole grace and more.
    let deaf = ["--", "sh", "-c", "trap '' TERM; exec \"$0\" \"$@\""];
    let mut command = check(folder.path(), &free_url());
    command.args(small.split(' ')).args(deaf);
    command.args(server::itself());
    let began = Instant::now();
    let output = command.output().unwrap();
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let first = said.lines().next().unwrap_or_default();
    let planned = "at most 10 s: 6 shutdowns under load, 1 with idle peers, 5 during start-up";
    assert!(
        first.starts_with("about ") && first.ends_with(planned),
        "{said}"
    );
    assert!(said.contains(" to go"), "{said}");
    let told = object(folder.path(), "out.json");
    assert_eq!(told["grace_ms"], 1666.667);
    let rounds = told["all_rounds"].as_array().unwrap().len();
    assert!((1..6).contains(&rounds), "{told}");
    let remarks = told["remarks"].to_string();
    assert!(remarks.contains("--budget had no time for it"), "{remarks}");
    // A busy machine may hold up the last of them.
    assert!(took < Duration::from_secs(15), "{took:?}");
}
