//! Runs the command that prints the target's books.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::{Books, BooksError, Seen};
use crate::plan::Plan;

/// One run of the command takes no longer.
const LIMIT: Duration = Duration::from_secs(10);
/// Pauses between two runs: short at first, for what settles at once, then easy on the machine.
const PAUSES: [Duration; 2] = [Duration::from_millis(25), Duration::from_millis(200)];
/// What only a shell understands.
const SHELL: [char; 7] = ['|', '>', '<', ';', '&', '$', '`'];

/// Who looks into the target's books. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Accountant {
    command: Vec<String>,
    env: Vec<(String, String)>,
}

impl Accountant {
    /// The one that the plan names, if it names one.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        plan.ledger.clone().map(|command| Self {
            command,
            env: plan.env.clone(),
        })
    }

    /// Looks once. `when` says whether the target was running, for error messages.
    pub(crate) async fn look(&self, when: &'static str) -> Result<Seen, BooksError> {
        let spawn_error = |reason| BooksError::Spawn {
            command: self.named(),
            reason,
        };
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| spawn_error(std::io::ErrorKind::NotFound.into()))?;
        let running = Command::new(program)
            .args(arguments)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env_remove("LAMEDUCK_REPORT")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match tokio::time::timeout(LIMIT, running).await {
            Ok(ended) => ended.map_err(spawn_error)?,
            Err(_) => {
                return Err(BooksError::TooSlow {
                    command: self.named(),
                    limit: LIMIT,
                });
            }
        };
        let printed = String::from_utf8_lossy(&output.stdout);
        let both = || shown(&printed, &String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(BooksError::Failed {
                command: self.named(),
                when,
                how: output.status.to_string(),
                hint: self.hint(),
                output: both(),
            });
        }
        let books = Books::parse(&printed);
        let ids = Books::ids(&printed);
        let seen = books.map(|books| Seen { books, ids });
        seen.map_err(|reason| BooksError::Unreadable {
            command: self.named(),
            when,
            reason,
            hint: self.hint(),
            output: both(),
        })
    }

    /// Looks again and again until the books are as wanted or the time is over; the last look counts. One that
    /// fails is repeated: what is being written may be locked.
    pub(crate) async fn look_until(
        &self,
        when: &'static str,
        deadline: Instant,
        is_enough: impl Fn(&Books) -> bool,
    ) -> Result<Seen, BooksError> {
        let [mut pause, longest] = PAUSES;
        loop {
            let seen = self.look(when).await;
            let is_done = seen.as_ref().is_ok_and(|seen| is_enough(&seen.books));
            if is_done || Instant::now() >= deadline {
                return seen;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    fn named(&self) -> String {
        self.command.join(" ")
    }

    fn hint(&self) -> &'static str {
        let needs_shell = |word: &String| word.contains(SHELL);
        let has_shell = self
            .command
            .first()
            .is_some_and(|program| program.ends_with("sh"));
        match !has_shell && self.command.iter().any(needs_shell) {
            true => " (no shell reads it: write sh -c '…' for pipes and variables)",
            false => "",
        }
    }
}

/// The last lines of both streams, indented.
fn shown(stdout: &str, stderr: &str) -> String {
    const LINES: usize = 10;
    let lines: Vec<&str> = stdout.lines().chain(stderr.lines()).collect();
    if lines.is_empty() {
        return "  (nothing)".to_owned();
    }
    let last = lines[lines.len().saturating_sub(LINES)..].iter();
    last.map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accountant(command: &[&str]) -> Accountant {
        Accountant {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            env: Vec::new(),
        }
    }

    async fn complaint(command: &[&str]) -> String {
        accountant(command)
            .look("while the target was running")
            .await
            .unwrap_err()
            .to_string()
    }

    #[tokio::test]
    async fn the_books_are_read_from_standard_output() {
        let text = r#"{"orders":2,"receipts":1,"duplicates":0,"pending":1,"running":0}"#;
        let books = accountant(&["sh", "-c", &format!("echo noise >&2; echo '{text}'")])
            .look("")
            .await
            .unwrap()
            .books;
        assert_eq!((books.orders, books.pending), (2, 1));
    }

    #[tokio::test]
    async fn a_command_that_cannot_be_run_is_named() {
        let error = complaint(&["/nowhere/books", "--all"]).await;
        assert!(
            error.contains("`/nowhere/books --all`") && error.contains("--ledger"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_failure_shows_what_was_printed_and_what_was_expected() {
        let error = complaint(&["sh", "-c", "echo no such folder >&2; exit 4"]).await;
        for part in [
            "no such folder",
            "exit status: 4",
            r#""orders":2"#,
            "while the target was running",
        ] {
            assert!(error.contains(part), "{error} should say {part}");
        }
    }

    #[tokio::test]
    async fn what_is_not_json_is_shown_and_a_pipe_without_a_shell_is_explained() {
        let error = complaint(&["echo", "12", "|", "cat"]).await;
        for part in ["12 | cat", "sh -c", r#""pending":1"#] {
            assert!(error.contains(part), "{error} should say {part}");
        }
    }
}
