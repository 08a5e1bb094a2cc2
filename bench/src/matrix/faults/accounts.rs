//! Orders, their jobs, and database sessions.

use super::super::fault::{Fault, Situation, fault};
use super::{ALL, RUST};

pub fn faults() -> Vec<Fault> {
    vec![
        fault(
            ALL,
            "loses-orders",
            "acknowledges orders without entering them, from the signal on",
        )
        .breaks(
            "jobs-accounted",
            "Acknowledged orders are not in the books.",
        ),
        fault(
            RUST,
            "swaps-orders",
            "of two orders loses one and leaves one unanswered: by count nothing is missing",
        )
        .breaks(
            "jobs-accounted",
            "By their ids, acknowledged orders are not in the books.",
        )
        .breaks(
            "accept-lossless",
            "Orders on new connections are not answered.",
        )
        .breaks(
            "keepalive-lossless",
            "Nor are orders on connections that had carried one.",
        )
        .breaks(
            "lame-duck-serves",
            "They come while readiness fails and the listener is open.",
        ),
        fault(RUST, "drops-jobs", "forgets the jobs that wait")
            .breaks("jobs-accounted", "Orders have neither a receipt nor a job."),
        fault(
            RUST,
            "holds-job",
            "ends in the middle of a job that nobody takes up",
        )
        .breaks(
            "jobs-accounted",
            "The job is held by a process that is gone, and the next start does not do it.",
        ),
        fault(RUST, "forgets", "begins with empty books").breaks(
            "jobs-accounted",
            "What was acknowledged is gone after the next start.",
        ),
        fault(
            RUST,
            "leaves-session",
            "ends without a goodbye to PostgreSQL",
        )
        .breaks("db-closed", "Its session ends without Terminate.")
        .put_into(Situation::Database),
        fault(
            RUST,
            "cuts-transaction",
            "ends in the middle of a transaction with PostgreSQL",
        )
        .breaks("db-closed", "Its session ends with an open transaction.")
        .put_into(Situation::Database),
    ]
}
