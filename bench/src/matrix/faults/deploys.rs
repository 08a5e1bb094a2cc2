//! Deploys, each a command that replaces what serves.

use super::super::deploy::Deploy;
use super::super::fault::{Fault, Situation, fault};
use super::RUST;

pub fn faults() -> Vec<Fault> {
    let deploy = |name, does, deploy| {
        fault(RUST, name, does)
            .acts_as("none")
            .put_into(Situation::Deployed(deploy))
    };
    vec![
        deploy(
            "deploy-right",
            "the new version shares the socket, and is ready before the old one is stopped",
            Deploy::Right,
        ),
        deploy(
            "deploy-stops-first",
            "the old version is stopped, then the new one started",
            Deploy::StopsFirst,
        )
        .breaks(
            "deploy-lossless",
            "Between the two nobody listens, and clients are refused.",
        ),
        deploy(
            "deploy-closes",
            "as it should be, but the old version closes instead of answering",
            Deploy::Closes,
        )
        .breaks(
            "deploy-lossless",
            "Requests that the old version has are not answered.",
        ),
        deploy(
            "deploy-fails",
            "the command fails, and the old version serves on",
            Deploy::Fails,
        )
        .breaks(
            "deploy-lossless",
            "The new version does not serve when the command has ended.",
        ),
        deploy(
            "rollback-right",
            "a version that never gets ready gets no traffic, and the command fails",
            Deploy::RollsBack,
        ),
        deploy(
            "rollback-late",
            "as before, but the old version is stopped for it, and started again",
            Deploy::RollsBackLate,
        )
        .breaks(
            "deploy-rolls-back",
            "Between the two nobody listens, and clients are refused.",
        ),
        deploy(
            "rollback-forgotten",
            "a version that never gets ready, and a command that says all is well",
            Deploy::Forgets,
        )
        .breaks("deploy-rolls-back", "The command had to fail."),
    ]
}
