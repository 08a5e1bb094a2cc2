//! A server that does not answer any more although it is there.

use std::process::Command;

/// Stops the processes until dropped: a stopped server could not be ended.
pub struct Frozen(Vec<u32>);

impl Frozen {
    pub fn new(processes: Vec<u32>) -> Frozen {
        let frozen = Frozen(processes);
        frozen.signal("-STOP");
        frozen
    }

    fn signal(&self, signal: &str) {
        let processes = self.0.iter().map(ToString::to_string);
        // One that has ended meanwhile is no concern of ours.
        let _ = Command::new("kill").arg(signal).args(processes).status();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}
