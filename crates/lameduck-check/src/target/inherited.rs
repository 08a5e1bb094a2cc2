//! Signals that the prover was started with ignored: a script's `&` ignores SIGINT and SIGQUIT, `nohup` SIGHUP.
//!
//! # What must hold
//! - The target starts with every signal at its default and none blocked, as from systemd or a container: a target that
//!   leaves an ignored signal ignored would otherwise seem deaf.
//! - For the prover itself nothing changes.

use std::sync::Once;

/// Those that cannot be caught, or that a program gets for its own faults.
const NOT_OURS: [i32; 6] = [4, 8, 9, 11, 13, 19];

/// To be called before a target is started. What a process catches is back at its default in a program that it starts
/// (execve(2)), and what it ignores is not: so what is ignored here gets a handler that does nothing, which is the same.
/// The mask is emptied by the standard library.
pub(super) fn begin_anew() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        for number in ignored(&status) {
            let kind = tokio::signal::unix::SignalKind::from_raw(number);
            // The handler stays. Where there can be none, nothing is lost.
            drop(tokio::signal::unix::signal(kind));
        }
    });
}

/// The signals that a process ignores, by what Linux says of it (proc_pid_status(5)).
fn ignored(status: &str) -> impl Iterator<Item = i32> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    (1..32).filter(move |number| mask & (1 << (number - 1)) != 0 && !NOT_OURS.contains(number))
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn what_is_ignored_is_read_from_the_mask() {
        let status = "Name:\tx\nSigIgn:\t0000000000001006\nSigCgt:\t0000000000000001\n";
        // SIGPIPE (13) is left to the standard library.
        assert_eq!(ignored(status).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(ignored("").count(), 0);
    }
}
