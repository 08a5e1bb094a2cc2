//! `db-closed`: every database session ends with a proper goodbye; no transaction is cut.
//!
//! Tried by every session that the target had at the signal or opened later. It is broken by what the server's log
//! holds against a session, by one that is still there 2 s after its process, and by each that the server counts as
//! abandoned although its log names none: it is silent about idle ones.

use super::Promise;
use crate::database::{Session, Sessions};
use crate::ledger::Round;
use crate::verdict::{Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct DbClosed {
    caveat: Option<String>,
    missed: Option<String>,
}

impl Promise for DbClosed {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let Some(watched) = &round.sessions else {
            return;
        };
        if let Some(trouble) = &watched.trouble {
            self.missed = Some(trouble.clone());
            return;
        }
        if watched.sessions.is_empty() {
            self.missed = Some(
                "the target had no session when the signal came: does it use the database that --postgres names?"
                    .to_owned(),
            );
        }
        if let Some(reason) = &watched.log_unseen {
            self.caveat
                .get_or_insert_with(|| format!("; the server's log was not seen: {reason}"));
        } else if watched.bad_ends.is_none() {
            self.caveat.get_or_insert_with(|| {
                "; before PostgreSQL 15 an idle session's end shows only at log_min_messages = debug1".to_owned()
            });
        }
        judge_round(round, watched, finding);
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let caveat = self.caveat.unwrap_or_default();
        finding.verdict(
            format!("every session ended with a goodbye{caveat}"),
            format!("sessions ended without a goodbye, or were cut{caveat}"),
            match self.missed {
                Some(why) => Untried::missed(why),
                None => Untried::unasked("give --postgres URL to test it"),
            },
        )
    }
}

fn judge_round(round: &Round, watched: &Sessions, finding: &mut Finding) {
    let mut silent: Vec<&Session> = Vec::new();
    for session in &watched.sessions {
        let end = session.gone.unwrap_or(session.last_seen);
        match (&session.complaints[..], session.gone) {
            ([first, ..], _) => {
                let what = format!("{first}, last seen {}", doing(round, session));
                finding.broken(round.evidence(end, place(session), what));
            }
            ([], None) => {
                let what = format!(
                    "still there 2 s after the process, {}",
                    doing(round, session)
                );
                finding.broken(round.evidence(end, place(session), what));
            }
            ([], Some(_)) => silent.push(session),
        }
    }
    let told = watched
        .sessions
        .iter()
        .filter(|session| !session.complaints.is_empty())
        .count() as u64;
    let counted = watched.bad_ends.map_or(0, |ends| match watched.log_unseen {
        // What was cut is in the log.
        None => ends.abandoned,
        Some(_) => ends.abandoned + ends.cut,
    });
    // Others use the database too: never more than there were.
    let untold = counted.saturating_sub(told).min(silent.len() as u64);
    finding.kept_times(silent.len() as u64 - untold);
    if untold == silent.len() as u64 {
        for session in silent {
            let what = format!(
                "without a goodbye: the server counts {counted} as abandoned; last seen {}",
                doing(round, session)
            );
            let end = session.gone.unwrap_or(session.last_seen);
            finding.broken(round.evidence(end, place(session), what));
        }
        return;
    }
    let pids: Vec<String> = silent
        .iter()
        .map(|session| session.pid.to_string())
        .collect();
    let end = silent.iter().filter_map(|session| session.gone).max();
    let what = format!(
        "without a goodbye: the server counts {untold} as abandoned; its log names them at log_min_messages = debug1"
    );
    let place = format!("postgres, {untold} of sessions {}", pids.join(", "));
    let evidence = round.evidence(end.unwrap_or(round.exit.at), place, what);
    finding.broken_times(untold, evidence);
}

fn place(session: &Session) -> String {
    match session.application.is_empty() {
        true => format!("postgres, session {}", session.pid),
        false => format!(
            "postgres, session {} ({})",
            session.pid, session.application
        ),
    }
}

/// What it did when it was last seen.
fn doing(round: &Round, session: &Session) -> String {
    let query = match session.query.is_empty() {
        true => String::new(),
        false => format!(" after `{}`", session.query),
    };
    let state = match session.state.as_str() {
        "active" => "active in",
        other => other,
    };
    let query = match session.state.as_str() {
        "active" => query.replacen(" after ", " ", 1),
        _ => query,
    };
    format!(
        "{state}{query} at {:+.0} ms",
        round.at_ms(session.last_seen)
    )
}
