//! Targets as they come: behind a wrapper, in the background, with their own way to say that they are ready; and what is
//! left of them when the prover is no more.

mod continuous;
mod episodes;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lameduck_check::ledger::Round;
use lameduck_check::{
    Endpoint, Event, Judgement, Observer, Plan, ReadyWhen, RequestTemplate, RunOutcome, Silent,
};

const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/targets/server.py");

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("it is there");
    listener.local_addr().expect("it is there").port()
}

/// One small shutdown under load; in the command `SERVE` stands for the server with its port.
fn plan(command: &[&str]) -> Plan {
    let port = free_port();
    let url = Endpoint::parse(&format!("http://127.0.0.1:{port}")).expect("it is there");
    let serve = format!("python3 {SERVER} {port}");
    let command = command.iter().map(|word| word.replace("SERVE", &serve));
    let mut plan = Plan::new(url, command);
    plan.get.push(RequestTemplate::get("/"));
    plan.rounds = 1;
    plan.startup_rounds = 0;
    plan.grace = Duration::from_secs(10);
    plan.clients.keep_alive = 4;
    plan.clients.pooled = 0;
    plan.clients.per_request = 1;
    plan.clients.idle = 0;
    plan
}

async fn outcome(plan: &Plan) -> RunOutcome {
    lameduck_check::run(plan, &Silent)
        .await
        .expect("it is there")
}

/// Keeps all that was seen.
#[derive(Default)]
struct Keeper(Mutex<Vec<Round>>);

impl Observer for Keeper {
    fn on(&self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event {
            self.0.lock().expect("it is there").push((*round).clone());
        }
    }
}

async fn outcome_and_round(plan: &Plan) -> (RunOutcome, Round) {
    let keeper = Keeper::default();
    let outcome = lameduck_check::run(plan, &keeper)
        .await
        .expect("it is there");
    let round = keeper.0.lock().expect("it is there").remove(0);
    (outcome, round)
}

/// The judgement on a promise, and all that is said of it.
fn told(outcome: &RunOutcome, promise: &str) -> (Judgement, String) {
    let verdict = outcome.verdict(promise).expect("it is there");
    let evidence = verdict.evidence.iter().map(|it| it.what.as_str());
    let evidence: Vec<&str> = evidence.collect();
    (
        verdict.judgement,
        format!("{}: {}", verdict.why, evidence.join("; ")),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_that_dies_of_the_signal_and_leaves_the_server_behind_is_named_with_the_fix() {
    let outcome = outcome(&plan(&["sh", "-c", "SERVE; true"])).await;
    let (judgement, what) = told(&outcome, "no-orphans");
    assert_eq!(judgement, Judgement::Broken, "{what}");
    for part in ["`sh -c", "left the server behind", "server.py", "`exec`"] {
        assert!(what.contains(part), "should say {part}: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_that_keeps_the_signal_to_itself_is_named_with_the_fix() {
    let script = "trap : TERM; SERVE & while kill -0 $!; do wait $!; done";
    let mut plan = plan(&["bash", "-c", script]);
    plan.grace = Duration::from_millis(500);
    let outcome = outcome(&plan).await;
    let (judgement, what) = told(&outcome, "within-grace");
    assert_eq!(judgement, Judgement::Broken, "{what}");
    for part in [
        "`bash -c",
        "did not pass the signal on",
        "server.py",
        "`exec`",
    ] {
        assert!(what.contains(part), "should say {part}: {what}");
    }
    // It had to be killed: that it left nothing is not its own doing.
    assert_eq!(told(&outcome, "no-orphans").0, Judgement::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapper_that_becomes_the_server_or_waits_for_it_is_none_to_speak_of() {
    let waits = "trap 'kill $!; wait $!' TERM; SERVE & wait $!";
    for script in ["exec SERVE", waits] {
        let outcome = outcome(&plan(&["bash", "-c", script])).await;
        for promise in ["no-orphans", "within-grace"] {
            let (judgement, what) = told(&outcome, promise);
            assert_eq!(judgement, Judgement::Kept, "{script}: {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_is_followed_into_the_background() {
    let (outcome, round) = outcome_and_round(&plan(&["sh", "-c", "exec SERVE daemon"])).await;
    for promise in [
        "no-orphans",
        "within-grace",
        "exits-zero",
        "keepalive-lossless",
    ] {
        let (judgement, what) = told(&outcome, promise);
        assert_eq!(judgement, Judgement::Kept, "{promise}: {what}");
    }
    let tree = round.tree.unwrap();
    let followed = tree.followed.expect("it was followed");
    assert!(followed.command.contains("server.py"), "{followed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlives_the_main_process_is_named_and_ended() {
    // In a session of its own, where no process group reaches it.
    let script = "setsid sleep 61.5 & exec SERVE";
    let (outcome, round) = outcome_and_round(&plan(&["sh", "-c", script])).await;
    let (judgement, what) = told(&outcome, "no-orphans");
    assert_eq!(judgement, Judgement::Broken, "{what}");
    assert!(what.contains("sleep 61.5"), "{what}");
    for process in round.tree.unwrap().left {
        let path = format!("/proc/{}/cmdline", process.pid);
        let now = std::fs::read_to_string(path).unwrap_or_default();
        assert!(!now.contains("61.5"), "{process:?} still runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_says_by_a_line_or_by_a_notice_that_it_is_ready() {
    for (flag, ready_when) in [
        (
            "line",
            ReadyWhen::Line("listening on port [0-9]+".parse().unwrap()),
        ),
        ("notify", ReadyWhen::Notified),
    ] {
        let mut plan = plan(&["sh", "-c", &format!("exec SERVE {flag}")]);
        plan.ready_when = ready_when;
        let (_, round) = outcome_and_round(&plan).await;
        let took = round.ready_at.unwrap() - round.started;
        // It listens at once, and says so 400 ms later.
        assert!(took >= Duration::from_millis(400), "{flag}: {took:?}");
    }
    let mut plan = plan(&["sh", "-c", "exec SERVE"]);
    plan.ready_when = ReadyWhen::Line("no such line".parse().unwrap());
    plan.start_timeout = Duration::from_millis(700);
    let error = lameduck_check::run(&plan, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("--ready-line"), "{error}");
}

/// Not a test of its own: the prover of the next one, which starts this program again with this variable set.
const PROVE: &str = "LAMEDUCK_TEST_PROVE";

#[tokio::test(flavor = "multi_thread")]
async fn proves_when_another_test_asks_for_it() {
    let Ok(tell) = std::env::var(PROVE) else {
        return;
    };
    // Each of them holds a connection to the test, whose end is theirs.
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{tell}; setsid sleep 61.7 & echo started >&3; exec SERVE"
    );
    let mut plan = plan(&["bash", "-c", &script]);
    plan.rounds = 1000;
    drop(lameduck_check::run(&plan, &Silent).await);
}

#[test]
fn nothing_is_left_running_when_a_program_with_the_prover_in_it_is_killed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut prover = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "proves_when_another_test_asks_for_it"])
        .env(PROVE, listener.local_addr().unwrap().port().to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (held, _) = listener.accept().unwrap();
    let mut held = BufReader::new(held);
    let mut started = String::new();
    held.read_line(&mut started).unwrap();
    // SIGKILL: nothing of the prover's own runs any more.
    prover.kill().unwrap();
    prover.wait().unwrap();
    let limit = Duration::from_secs(20);
    held.get_ref().set_read_timeout(Some(limit)).unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    let ended = held.read_to_end(&mut rest);
    assert!(
        ended.is_ok(),
        "something runs on: {ended:?}, {:?}",
        begun.elapsed()
    );
}
