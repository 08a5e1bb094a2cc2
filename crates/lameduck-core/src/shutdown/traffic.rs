//! What counts as traffic: requests, and not whoever only asks how the process is.
//!
//! A lame-duck phase that waits for quiet must not wait for those who never go: health checks on the main port come
//! for as long as it is open, and so do balancers that only connect. So a connection without a request is nothing, and
//! a request counts unless its path or its user agent is that of a prober. A prober that nobody knows makes the
//! phase last to its maximum, and a client taken for a prober makes it end early, which costs nothing that is
//! in flight: so what is told apart is what is known to be sent by checkers alone.
//!
//! # What must hold
//!
//! 1. A request is looked at only if none has counted within the same tick of the clock: traffic pays for
//!    one read.
//! 2. Nothing but the length of the lame-duck phase depends on it.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::header::{ORIGIN, USER_AGENT};
use http::{Method, Request};

use crate::base::clock::Millis;

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

/// Who is no traffic beside those known anyhow: paths, which begin with `/`, and what stands in user agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probers {
    paths: Vec<String>,
    agents: Vec<String>,
}

impl Probers {
    /// Takes one more in.
    pub fn add(&mut self, prober: &str) -> Result<(), String> {
        const EXPECTED: &str =
            "expected paths and parts of user agents, for example /up,MyChecker/";
        let prober = prober.trim();
        match prober {
            "" => return Err(format!("a name is missing; {EXPECTED}")),
            path if path.starts_with('/') && path.contains(['?', '#', '*']) => {
                return Err(format!("{path:?} is more than a path; {EXPECTED}"));
            }
            path if path.starts_with('/') => self.paths.push(path.to_owned()),
            agent => self.agents.push(agent.to_owned()),
        }
        Ok(())
    }

    /// Takes others in.
    pub fn extend(&mut self, others: Probers) {
        self.paths.extend(others.paths);
        self.agents.extend(others.agents);
    }

    fn sent<B>(&self, request: &Request<B>) -> bool {
        let path = request.uri().path();
        if PATHS.contains(&path) || self.paths.iter().any(|it| it == path) {
            return true;
        }
        let headers = request.headers();
        match headers.get(USER_AGENT) {
            Some(agent) => {
                // It may have bytes that are no text.
                let is_in = |part: &str| {
                    let (agent, part) = (agent.as_bytes(), part.as_bytes());
                    agent.windows(part.len()).any(|it| it == part)
                };
                AGENTS.iter().any(|it| is_in(it)) || self.agents.iter().any(|it| is_in(it))
            }
            // HAProxy asks so (`option httpchk`). A browser's says where it comes from.
            None => request.method() == Method::OPTIONS && !headers.contains_key(ORIGIN),
        }
    }
}

/// A list such as `/up,MyChecker/`.
impl FromStr for Probers {
    type Err = String;

    fn from_str(s: &str) -> Result<Probers, String> {
        let mut probers = Probers::default();
        for it in s.split(',') {
            probers.add(it)?;
        }
        Ok(probers)
    }
}

/// When the last of it came.
pub struct Traffic {
    last: AtomicU64,
    probers: OnceLock<Probers>,
    /// Whether a layer of ours sees the requests of servers that are not ours.
    layered: AtomicBool,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic::new()
    }
}

impl Traffic {
    /// As if a request had just come.
    pub fn new() -> Traffic {
        Traffic {
            last: AtomicU64::new(Millis::now().0),
            probers: OnceLock::new(),
            layered: AtomicBool::new(false),
        }
    }

    /// Who is none, once that is known.
    pub fn leave_out(&self, probers: Probers) {
        let _ = self.probers.set(probers);
    }

    /// A request has come.
    #[inline]
    pub fn request<B>(&self, request: &Request<B>, at: Millis) {
        // Most come within the same tick as another; they only read.
        if self.last.load(Ordering::Relaxed) < at.0 && !self.is_of_a_prober(request) {
            self.last.store(at.0, Ordering::Relaxed);
        }
    }

    fn is_of_a_prober<B>(&self, request: &Request<B>) -> bool {
        static KNOWN: Probers = Probers {
            paths: Vec::new(),
            agents: Vec::new(),
        };
        self.probers.get().unwrap_or(&KNOWN).sent(request)
    }

    /// From now on the requests of other servers are seen.
    pub fn sees_requests(&self) {
        self.layered.store(true, Ordering::Relaxed);
    }

    /// A connection for a server that is not ours has come. It stands for its requests where nobody sees
    /// those.
    pub fn foreign_connection(&self, at: Millis) {
        if !self.layered.load(Ordering::Relaxed) {
            self.last.fetch_max(at.0, Ordering::Relaxed);
        }
    }

    /// How long none has come.
    pub fn quiet_for(&self) -> Duration {
        Millis(self.last.load(Ordering::Relaxed)).until(Millis::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(traffic: &Traffic, request: http::request::Builder) -> bool {
        let at = Millis(traffic.last.load(Ordering::Relaxed) + 1);
        traffic.request(&request.body(()).unwrap(), at);
        traffic.last.load(Ordering::Relaxed) == at.0
    }

    fn agent(name: &str) -> http::request::Builder {
        Request::get("/").header(USER_AGENT, name)
    }

    #[test]
    fn known_probers_are_no_traffic_and_everybody_else_is() {
        let traffic = Traffic::new();
        for prober in [
            "kube-probe/1.34",
            "GoogleHC/1.0",
            "ELB-HealthChecker/2.0",
            "Mozilla/5.0 (compatible;Cloudflare-Healthchecks/1.0;+https://www.cloudflare.com/)",
            "nginx/1.27.4 (health check)",
        ] {
            assert!(!counts(&traffic, agent(prober)), "{prober}");
        }
        for path in [
            "/healthz",
            "/readyz?verbose",
            "/grpc.health.v1.Health/Check",
        ] {
            assert!(!counts(&traffic, Request::get(path)), "{path}");
        }
        assert!(!counts(&traffic, Request::options("/")));
        for client in ["curl/8.14.1", "Mozilla/5.0 (X11; Linux x86_64)", ""] {
            assert!(counts(&traffic, agent(client)), "{client}");
        }
        assert!(counts(&traffic, Request::get("/health/records")));
        assert!(counts(&traffic, Request::get("/")));
        let preflight = Request::options("/").header(ORIGIN, "https://example.org");
        assert!(counts(&traffic, preflight));
    }

    #[test]
    fn a_setting_tells_more_apart() {
        let traffic = Traffic::new();
        traffic.leave_out("/up, MyChecker/".parse().unwrap());
        assert!(!counts(&traffic, Request::get("/up?deep=1")));
        assert!(!counts(&traffic, agent("MyChecker/2")));
        assert!(!counts(&traffic, agent("kube-probe/1.34")));
        assert!(counts(&traffic, Request::get("/upload")));
        for bad in ["", "/up,", "/up?x=1", "/up/*"] {
            let problem = bad.parse::<Probers>().unwrap_err();
            assert!(problem.contains("/up,MyChecker/"), "{bad}: {problem}");
        }
    }

    #[test]
    fn connections_count_only_where_nobody_sees_the_requests() {
        let traffic = Traffic::new();
        let later = Millis(traffic.last.load(Ordering::Relaxed) + 1000);
        traffic.sees_requests();
        traffic.foreign_connection(later);
        assert_ne!(traffic.last.load(Ordering::Relaxed), later.0);
        let traffic = Traffic::new();
        traffic.foreign_connection(later);
        assert_eq!(traffic.last.load(Ordering::Relaxed), later.0);
    }
}
