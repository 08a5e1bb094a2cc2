//! What people, programs and Prometheus ask, and what every answer has in common.

use super::*;

#[test]
fn head_has_the_status_and_no_body() {
    let (rig, _driver) = rig(vec![], false);
    for (target, status) in [("/livez", 200), ("/readyz", 503), ("/status", 200)] {
        let reply = ask(rig.probes.addrs()[0], "HEAD", target);
        assert_eq!((reply.status, &*reply.body), (status, ""), "{target}");
    }
}

#[test]
fn no_answer_may_be_kept_or_taken_for_another_type() {
    let (rig, _driver) = rig(vec![], false);
    for target in ["/livez", "/metrics", "/status", "/", "/nothing"] {
        let reply = rig.get(target);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{target}");
        let sniff = reply.header("x-content-type-options");
        assert_eq!(sniff, Some("nosniff"), "{target}");
    }
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let (rig, _driver) = rig(vec![], true);
    let reply = rig.get("/healthz");
    assert_eq!(reply.status, 404);
    for route in ["/livez", "/readyz", "/startupz", "/metrics", "/status"] {
        assert!(reply.body.contains(route), "{}", reply.body);
    }
    let allow = |method, target| {
        let reply = ask(rig.probes.addrs()[0], method, target);
        (reply.status, reply.header("allow").map(str::to_owned))
    };
    assert_eq!(allow("POST", "/livez"), (405, Some("GET, HEAD".to_owned())));
    assert_eq!(allow("PUT", "/drain"), (405, Some("GET, POST".to_owned())));
    assert_eq!(rig.handle.reason(), None);
}

#[test]
fn status_tells_phase_reason_time_and_work() {
    let (rig, driver) = rig(vec![passing("db")], false);
    let driver = driver.ready();
    drop(rig.handle.track("request", "GET /a"));
    let _job = rig.handle.track("job", "receipt 17");
    let _token = rig.handle.track_unnamed();
    let status = rig.get("/status").json();
    assert_eq!(status["phase"], "ready");
    assert_eq!(status["reason"], Value::Null);
    assert_eq!(status["grace_ms"], 30_000.0);
    assert_eq!(status["time_left_ms"], 29_000.0);
    assert!(status["uptime_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(status["in_flight"][0]["kind"], "job");
    assert_eq!(status["in_flight"][0]["name"], "receipt 17");
    assert!(status["in_flight"][0]["age_ms"].is_number());
    assert_eq!(status["unnamed"], 1);
    assert_eq!(status["ended"]["request"], 1);
    assert_eq!(status["checks"][0]["name"], "db");
    assert_eq!(status["checks"][0]["ok"], true);
    assert_eq!(status["checks"][0]["error"], Value::Null);

    rig.handle.signalled(15);
    let _driver = driver.lame_duck();
    let status = rig.get("/status").json();
    assert_eq!(status["phase"], "lame-duck");
    assert_eq!(status["reason"], "SIGTERM");
    assert!(status["time_left_ms"].as_f64().unwrap() < 29_000.0);
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let (rig, driver) = rig(vec![passing("db")], false);
    let _driver = driver.ready();
    drop(rig.handle.track("request", "GET /a"));
    let _job = rig.handle.track("job", "receipt 17");
    assert_eq!(rig.status_of("/readyz"), 200);
    let reply = rig.get("/metrics");
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    for line in [
        "# TYPE lameduck_phase gauge",
        "lameduck_phase{phase=\"ready\"} 1",
        "lameduck_phase{phase=\"lame-duck\"} 0",
        "lameduck_in_flight{kind=\"job\"} 1",
        "lameduck_in_flight{kind=\"request\"} 0",
        "# TYPE lameduck_ended counter",
        "lameduck_ended_total{kind=\"request\"} 1",
        "lameduck_check_ok{check=\"db\"} 1",
        "# UNIT lameduck_time_left_seconds seconds",
        "lameduck_time_left_seconds 29.0",
        "# TYPE lameduck_uptime_seconds gauge",
    ] {
        let found = reply.body.lines().any(|l| l == line);
        assert!(found, "no {line:?} in\n{}", reply.body);
    }
    assert!(reply.body.ends_with("\n# EOF\n"));
}

#[test]
fn a_name_from_the_network_cannot_leave_its_place_on_the_page() {
    let (rig, _driver) = rig(vec![], false);
    let name = "GET /?</script><img src=x onerror=alert(1)>&amp;'\"\u{2028}<!--<script>";
    let _request = rig.handle.track("request", name.to_owned());
    assert_eq!(rig.get("/status").json()["in_flight"][0]["name"], name);

    let reply = rig.get("/");
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"));
    let (_, rest) = reply.body.split_once("id=\"first\">").unwrap();
    let (first, _) = rest.split_once("</script>").unwrap();
    assert!(!first.contains(['<', '>', '&']), "{first}");
    let first: Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["in_flight"][0]["name"], name);
}
