//! The target's own account of its orders, and its database.

use std::path::PathBuf;

use super::SettingsError;
use super::layer::options;
use super::parse::{self, duration};
use crate::plan::Plan;

options! {
    /// The target's own account of its orders, and its database.
    #[heading("Jobs and database")]
    pub struct JobOptions {
        /// A command that prints the target's books as JSON, whether it runs or not, like 'shop ledger --data DIR'
        ///
        /// It prints {"orders":n,"receipts":n,"duplicates":n,"pending":n,"running":n}: orders committed, those with
        /// their receipt, receipts sent again, jobs waiting, jobs that a worker holds. It is run before the load, after
        /// the target's end, and after its next start, which has to finish what was left. No shell reads it: write
        /// sh -c '…' for pipes and variables.
        #[arg(long, value_name = "COMMAND")]
        pub ledger: Option<String>,
        /// What the next start has to finish the jobs that a stop left; 0s for a target that begins with empty books
        /// each time [default: 10s]
        #[arg(long, value_name = "TIME")]
        pub settle: Option<String>,
        /// The target's PostgreSQL database, to see how its sessions end
        ///
        /// Watches pg_stat_activity and reads the server's log, with a line of its own to know that it is the right
        /// one. Best with the target's own role, or a superuser: others see less. Spoken to without TLS.
        #[arg(long, value_name = "URL")]
        pub postgres: Option<String>,
        /// Where that server writes its log, if it does not say or show it
        #[arg(long, value_name = "FILE")]
        pub postgres_log: Option<PathBuf>,
    }
}

impl JobOptions {
    pub(super) fn plan(self, plan: &mut Plan) -> Result<(), SettingsError> {
        let ledger = self.ledger.as_deref();
        plan.ledger = ledger
            .map(|command| parse::words("--ledger", command))
            .transpose()?;
        if plan.ledger.is_some() && plan.post.is_empty() {
            plan.post = vec![parse::order(plan.url.base(), parse::ORDER)?];
        }
        if plan.ledger.is_none() && self.settle.is_some() {
            return Err(SettingsError::Missing {
                what: "--ledger",
                fix: "--settle says how long its jobs may take: give --ledger COMMAND too",
            });
        }
        plan.settle = duration("--settle", self.settle, plan.settle)?;
        if self.postgres.is_none() && self.postgres_log.is_some() {
            return Err(SettingsError::Missing {
                what: "--postgres",
                fix: "--postgres-log is the log of that server: give --postgres URL too",
            });
        }
        (plan.postgres, plan.postgres_log) = (self.postgres, self.postgres_log);
        Ok(())
    }
}
