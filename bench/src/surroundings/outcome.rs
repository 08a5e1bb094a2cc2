//! What came of a trial, as a line for people and as JSON.

use serde::Serialize;

/// One trial of one surrounding.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The surrounding.
    pub name: &'static str,
    /// Which trial of it.
    pub round: u32,
    /// The exit code, if it ended with one.
    pub exit: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// From the first signal to its end.
    pub took_ms: Option<f64>,
    /// The trial with everything around it.
    pub whole_ms: f64,
    /// Requests with a whole answer.
    pub served: u64,
    /// What happened to each of the others.
    pub lost: Vec<String>,
    /// Where the report is: `both`, `file`, `text`, `none`, or `refused` to start.
    pub report: &'static str,
    /// What is not as it has to be.
    pub wrong: Vec<String>,
    /// Why it was not tried here.
    pub not_tried: Option<String>,
}

impl Row {
    /// Nothing is known yet.
    pub fn new(name: &'static str, round: u32) -> Row {
        Row {
            name,
            round,
            exit: None,
            signal: None,
            took_ms: None,
            whole_ms: 0.0,
            served: 0,
            lost: Vec::new(),
            report: "none",
            wrong: Vec::new(),
            not_tried: None,
        }
    }

    /// Gone in time, nothing lost, the report where it can be written.
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.wrong.is_empty()
    }

    /// As a line of the table, and one more for each thing that is wrong.
    pub fn print(&self) {
        if let Some(why) = &self.not_tried {
            return println!("–  {:28} not tried: {why}", self.name);
        }
        let mark = if self.is_good() { '✔' } else { '✘' };
        let took = match self.took_ms {
            Some(ms) => format!("{:.2} s", ms / 1e3),
            None => "–".to_owned(),
        };
        let exit = match (self.exit, self.signal) {
            (Some(code), _) => code.to_string(),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "–".to_owned(),
        };
        println!(
            "{mark}  {:28} {took:>7}  {exit:>9}  {:>6}  {:>4}  {:7}",
            self.name,
            self.served,
            self.lost.len(),
            self.report
        );
        for wrong in &self.wrong {
            println!("       {wrong}");
        }
        for lost in self.lost.iter().take(3) {
            println!("       lost: {lost}");
        }
    }

    /// What stands above the lines.
    pub fn print_head() {
        println!(
            "   {:28} {:>7}  {:>9}  {:>6}  {:>4}  {:7}",
            "surrounding", "gone", "exit", "served", "lost", "report"
        );
        println!("{}", "─".repeat(72));
    }
}
