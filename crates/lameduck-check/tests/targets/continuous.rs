//! `--continuous`: the address of a command is served by others too, and so nobody may ever be refused there.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::process::Command;

use lameduck_check::{Endpoint, Judgement};

use crate::episodes::Running;
use crate::{SERVER, outcome, plan, told};

#[tokio::test(flavor = "multi_thread")]
async fn with_continuous_a_refusal_is_a_loss_and_without_it_is_honest() {
    let mut alone = plan(&["bash", "-c", "exec SERVE lame-duck"]);
    alone.rtt = std::time::Duration::ZERO;
    for (is_continuous, expected) in [(true, Judgement::Broken), (false, Judgement::Kept)] {
        alone.continuous = is_continuous;
        let outcome = outcome(&alone).await;
        let (judgement, what) = told(&outcome, "accept-lossless");
        assert_eq!(judgement, expected, "{is_continuous}: {what}");
        assert!(outcome.tally.refused > 0, "nobody was refused");
        if is_continuous {
            assert!(what.contains("refused"), "{what}");
        }
    }
}

/// Both have the socket, as the workers of many servers do: what one does not accept any more the other does.
#[tokio::test(flavor = "multi_thread")]
async fn with_continuous_whoever_others_serve_has_lost_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let fd = listener.as_raw_fd().to_string();
    let mut other = Command::new("python3");
    other.args([SERVER, &port.to_string(), "lame-duck", "fd", &fd]);
    let _other = Running::start(&mut other, port);
    let port = port.to_string();
    let mut shared = plan(&["python3", SERVER, &port, "lame-duck", "fd", &fd]);
    shared.url = Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    shared.continuous = true;
    let outcome = outcome(&shared).await;
    let (judgement, what) = told(&outcome, "accept-lossless");
    assert_eq!(judgement, Judgement::Kept, "{what}");
    assert_eq!(outcome.tally.refused, 0);
    assert!(outcome.tally.ok > 0);
}
