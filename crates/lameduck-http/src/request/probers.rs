//! Who sends requests that are no traffic: those who only ask how the process is.
//!
//! What is told apart is what is known to be sent by checkers alone: a client taken for one makes the lame-duck phase
//! end early.

use http::Method;
use http::Request;
use http::header::{ORIGIN, USER_AGENT};
use lameduck_core::internal::traffic::Traffic;

/// What stands in the user agents of checkers: kubelet, Google Cloud (load balancers, uptime checks), AWS (load
/// balancers, Route 53), Azure (Traffic Manager, Front Door, load balancers), Cloudflare, Envoy, Consul,
/// Prometheus and its Blackbox exporter, NGINX Plus, `grpc_health_probe`, and services that watch sites.
const AGENTS: &[&str] = &[
    "kube-probe/",
    "GoogleHC/",
    "GoogleStackdriverMonitoring-UptimeChecks",
    "ELB-HealthChecker/",
    "Amazon-Route53-Health-Check-Service",
    "Azure Traffic Manager Endpoint Monitor",
    "Edge Health Probe",
    "Load Balancer Agent",
    "Cloudflare-Healthchecks/",
    "Cloudflare-Traffic-Manager/",
    "Envoy/HC",
    "Consul Health Check",
    "Prometheus/",
    "Blackbox Exporter/",
    "(health check)",
    "grpc_health_probe",
    "UptimeRobot/",
    "Pingdom.com_bot",
];

/// With what bytes those begin.
const FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let mut i = 0;
    while i < AGENTS.len() {
        first[AGENTS[i].as_bytes()[0] as usize] = true;
        i += 1;
    }
    first
};

/// Whether one of [`AGENTS`] stands in it. Few of its bytes are looked at more than once.
fn names_a_checker(agent: &[u8]) -> bool {
    let begins = |at: usize| {
        AGENTS
            .iter()
            .any(|it| agent[at..].starts_with(it.as_bytes()))
    };
    (0..agent.len()).any(|at| FIRST[usize::from(agent[at])] && begins(at))
}

/// Paths that only checkers ask for.
const PATHS: &[&str] = &[
    "/health",
    "/healthz",
    "/livez",
    "/readyz",
    "/startupz",
    "/-/healthy",
    "/-/ready",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// Whether a prober has sent it: one of those that are known, or one of the application's `own`.
pub(crate) fn is_of_a_prober<B>(request: &Request<B>, own: &Traffic) -> bool {
    let path = request.uri().path();
    if PATHS.contains(&path) || own.is_probed_at(path) {
        return true;
    }
    let headers = request.headers();
    match headers.get(USER_AGENT) {
        Some(agent) => {
            // It may have bytes that are no text.
            let agent = agent.as_bytes();
            names_a_checker(agent) || own.is_probed_by(agent)
        }
        // HAProxy asks so (`option httpchk`). A browser's says where it comes from.
        None => request.method() == Method::OPTIONS && !headers.contains_key(ORIGIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(request: http::request::Builder) -> bool {
        let own = Traffic::new();
        own.leave_out("/up, MyChecker/".parse().unwrap());
        !is_of_a_prober(&request.body(()).unwrap(), &own)
    }

    fn agent(name: &str) -> http::request::Builder {
        Request::get("/").header(USER_AGENT, name)
    }

    #[test]
    fn known_probers_are_no_traffic_and_everybody_else_is() {
        for prober in [
            "kube-probe/1.34",
            "GoogleHC/1.0",
            "ELB-HealthChecker/2.0",
            "Mozilla/5.0 (compatible;Cloudflare-Healthchecks/1.0;+https://www.cloudflare.com/)",
            "nginx/1.27.4 (health check)",
        ] {
            assert!(!counts(agent(prober)), "{prober}");
        }
        for path in [
            "/healthz",
            "/readyz?verbose",
            "/grpc.health.v1.Health/Check",
        ] {
            assert!(!counts(Request::get(path)), "{path}");
        }
        assert!(!counts(Request::options("/")));
        for client in ["curl/8.14.1", "Mozilla/5.0 (X11; Linux x86_64)", ""] {
            assert!(counts(agent(client)), "{client}");
        }
        assert!(counts(Request::get("/health/records")));
        assert!(counts(Request::get("/")));
        let preflight = Request::options("/").header(ORIGIN, "https://example.org");
        assert!(counts(preflight));
    }

    #[test]
    fn a_checker_is_known_wherever_its_name_stands() {
        for checker in AGENTS {
            for name in [
                format!("{checker}1.0"),
                format!("Mozilla/5.0 ({checker})"),
                (*checker).to_owned(),
            ] {
                assert!(!counts(agent(&name)), "{name}");
            }
            let cut = &checker[..checker.len() - 1];
            assert!(counts(agent(cut)), "{cut}");
        }
    }

    #[test]
    fn a_setting_tells_more_apart() {
        assert!(!counts(Request::get("/up?deep=1")));
        assert!(!counts(agent("MyChecker/2")));
        assert!(counts(Request::get("/upload")));
    }
}
