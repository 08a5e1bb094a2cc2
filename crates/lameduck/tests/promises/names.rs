//! Names and errors hold no secrets: a request is called by its path, a check that fails has failed, and
//! nobody's password is told. Whoever wants to know more says so.

use crate::service::{PATIENT, Start, until};

const SECRET: &str = "s3cret";

/// Everything that the service says of what is in flight and has been: its status, its page, its report and
/// its events.
fn all_it_says(start: Start, path: &str) -> String {
    let mut service = start.serve();
    let mut client = service.client();
    client.ask(path);
    until("it is in flight", || {
        let status = service.status();
        (status["in_flight_by_kind"]["request"] == 1).then_some(())
    });
    let mut said = service.probe("/status").1;
    said += &service.probe("/").1;
    said += &service.probe("/readyz?verbose").1;
    said += &service.probe("/metrics").1;
    assert!(service.is_running());
    service.term();
    let ended = service.ended();
    ended.within(PATIENT).exit(124);
    said + &ended.stderr + &ended.report.to_string()
}

fn start(args: &[&str]) -> Start {
    let start = Start::new(args);
    start.env("LAMEDUCK_GRACE", &format!("{}s", PATIENT.as_secs()))
}

#[test]
fn a_query_is_in_no_name_unless_it_is_asked_for() {
    let long = format!("/endless?{}&token={SECRET}", "x".repeat(60));
    for args in [&["--subscriber", "stderr"][..], &["--layer"]] {
        for path in ["/endless?token=s3cret", &long] {
            let said = all_it_says(start(args), path);
            assert!(said.contains("GET /endless"), "{said}");
            assert!(!said.contains(SECRET), "{said}");
            let asked = start(args).env("LAMEDUCK_DETAILS", "on");
            let said = all_it_says(asked, path);
            assert!(said.contains(&format!("GET {path}")), "{said}");
        }
    }
}

#[test]
fn the_error_of_a_check_is_not_told_unless_it_is_asked_for() {
    let mut service = Start::new(&["--fault", "check-fails"]).serve();
    let said = service.probe("/readyz?verbose");
    assert_eq!(said.0, 503);
    assert!(said.1.contains("[-] database: failed, "), "{}", said.1);
    let said = said.1 + &service.status().to_string() + &service.probe("/").1;
    assert!(said.contains("LAMEDUCK_DETAILS"), "{said}");
    assert!(
        !said.contains("salaries") && !said.contains(SECRET),
        "{said}"
    );
    assert!(service.is_running());
    service.term();
    service.ended().exit(0);

    let start = Start::new(&["--fault", "check-fails"]).env("LAMEDUCK_DETAILS", "on");
    let service = start.serve();
    let said = service.probe("/readyz?verbose").1 + &service.status().to_string();
    assert!(
        said.contains("salaries") && !said.contains(SECRET),
        "{said}"
    );
    service.term();
    service.ended().exit(0);
}

#[test]
fn passwords_in_addresses_are_never_told() {
    for (fault, kept) in [
        ("hook-fails", "http://…@balancer/leave: connection refused"),
        ("closer-fails", "redis://…@cache: no route to host"),
    ] {
        let start = Start::new(&["--fault", fault, "--subscriber", "stderr"]);
        let service = start.env("LAMEDUCK_DETAILS", "on").serve();
        service.term();
        let ended = service.ended();
        let said = ended.stderr.clone() + &ended.report.to_string();
        assert!(said.contains(kept) && !said.contains(SECRET), "{said}");
    }
    let bad = Start::new(&[]).env("LAMEDUCK_ADMIN", "http://admin:s3cret@0.0.0.0");
    let ended = bad.run();
    ended.exit(2);
    assert!(!ended.stderr.contains(SECRET), "{}", ended.stderr);
}

#[test]
fn a_setting_that_is_neither_on_nor_off_is_refused() {
    let ended = Start::new(&[]).env("LAMEDUCK_DETAILS", "yes").run();
    ended.exit(2);
    let said = "LAMEDUCK_DETAILS=yes: expected on or off";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}
