//! An embedded lifecycle asks the environment nothing; one that was made so does, and so does one that owns the process.
//!
//! A process has one environment, so each case is a process: this one again, with the same test alone.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use std::time::Duration;

use lameduck_core::{
    AdminPort, Component, Exit, LameDuck, Lifecycle, OpenAdminPort, Opening, Report, Running,
    Start, StartError,
};

/// Set in the process of a case.
const CASE: &str = "EMBEDDED_CASE";

/// Does `case` in a process with these variables; says what that wrote to standard error. `None` in that process.
fn in_a_process_of_its_own<F: Future<Output = ()>>(
    test: &str,
    variables: &[(&str, &str)],
    case: impl FnOnce() -> F,
) -> Option<String> {
    if std::env::var_os(CASE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(case());
        return None;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CASE, test)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{stdout}");
    Some(stderr.into_owned())
}

async fn ended(life: Lifecycle) -> (Exit, Report) {
    let handle = life.handle();
    handle.shutdown("test");
    life.run_with_report().await
}

#[test]
fn an_embedded_lifecycle_asks_the_environment_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let variables = [
        ("LAMEDUCK_GRACE", "10s"),
        ("LAMEDUCK_LAME_DUCK", "soon"),
        ("LAMEDUCK_SIGNALS", "KILL"),
        ("LAMEDUCK_REPORT", report.to_str().unwrap()),
        ("LISTEN_FDS", "many"),
    ];
    let test = "an_embedded_lifecycle_asks_the_environment_nothing";
    in_a_process_of_its_own(test, &variables, async || {
        let (exit, report) = ended(Lifecycle::embedded()).await;
        assert_eq!((exit, report.grace), (Exit::CLEAN, Duration::from_secs(30)));
    });
    assert!(!report.exists(), "no report of a part of a process");
}

#[test]
fn the_environment_wins_over_the_code_where_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let variables = [
        ("LAMEDUCK_GRACE", "10s"),
        ("LAMEDUCK_LAME_DUCK", "1s"),
        ("LAMEDUCK_REPORT", report.to_str().unwrap()),
    ];
    let test = "the_environment_wins_over_the_code_where_it_is_asked";
    let done = in_a_process_of_its_own(test, &variables, async || {
        for life in [Lifecycle::embedded_with_env(), Lifecycle::new()] {
            // What the code says is too long for the grace of the environment, and does not count.
            let life = life
                .grace(Duration::from_secs(20))
                .lame_duck(LameDuck::from(Duration::from_secs(9)));
            let (exit, report) = ended(life).await;
            assert_eq!((exit, report.grace), (Exit::CLEAN, Duration::from_secs(10)));
        }
    });
    if done.is_some() {
        assert!(report.exists());
    }
}

#[test]
fn what_is_wrong_in_the_environment_is_refused_where_it_is_asked() {
    for variable in [("LAMEDUCK_GRACE", "soon"), ("LISTEN_FDS", "many")] {
        let test = "what_is_wrong_in_the_environment_is_refused_where_it_is_asked";
        let done = in_a_process_of_its_own(test, &[variable], async || {
            for life in [Lifecycle::embedded_with_env(), Lifecycle::new()] {
                assert_eq!(ended(life).await.0, Exit::BAD_CONFIGURATION);
            }
        });
        if done.is_none() {
            return;
        }
    }
}

/// A component with probes to offer.
struct Server;

impl Component for Server {
    fn name(&self) -> &str {
        "api"
    }

    fn admin_port(&self) -> Option<Box<dyn AdminPort>> {
        Some(Box::new(Offered))
    }

    fn start(self: Box<Self>, _: Start<'_>) -> Result<Running, StartError> {
        Ok(Box::pin(async { Ok(()) }))
    }
}

struct Offered;

impl AdminPort for Offered {
    fn open(self: Box<Self>, opening: Opening<'_>) -> Result<Box<dyn OpenAdminPort>, StartError> {
        Ok(Box::new(Answering(opening.address.map(str::to_owned))))
    }
}

struct Answering(Option<String>);

impl OpenAdminPort for Answering {
    fn addresses(&self) -> Vec<String> {
        self.0.clone().into_iter().collect()
    }

    fn clock(&self) -> tokio::runtime::Handle {
        tokio::runtime::Handle::current()
    }

    fn started(&self) {}

    fn stop(self: Box<Self>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async {})
    }
}

/// What is said of probes by a process that is asked for them, has two steps of the start-up, and then a component.
fn said_of_probes(test: &str, component: Option<Server>) -> Option<usize> {
    let asked = [("LAMEDUCK_ADMIN", "127.0.0.1:9")];
    let said = in_a_process_of_its_own(test, &asked, async || {
        let mut life = Lifecycle::embedded_with_env();
        for step in ["first", "second"] {
            let done = life.starting_infallible(step, async {}).await;
            assert!(done.is_some());
        }
        let offers = component.is_some();
        if let Some(component) = component {
            life = life.component(component);
        }
        let handle = life.handle();
        let (exit, _) = ended(life).await;
        let address = offers.then(|| "127.0.0.1:9".to_owned());
        assert_eq!((exit, handle.address("probes")), (Exit::CLEAN, address));
    })?;
    Some(
        said.matches("LAMEDUCK_ADMIN=127.0.0.1:9 changes nothing")
            .count(),
    )
}

#[test]
fn probes_that_a_component_offers_later_are_not_called_missing() {
    let test = "probes_that_a_component_offers_later_are_not_called_missing";
    assert_eq!(said_of_probes(test, Some(Server)).unwrap_or(0), 0);
}

#[test]
fn probes_that_nobody_has_are_called_missing_once() {
    let test = "probes_that_nobody_has_are_called_missing_once";
    assert_eq!(said_of_probes(test, None).unwrap_or(1), 1);
}
