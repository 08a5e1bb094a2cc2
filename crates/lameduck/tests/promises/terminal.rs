//! Somebody at a terminal: Ctrl-C, and what is told there.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::OpenptFlags;

use crate::service::{Service, Start, program, until};

/// A terminal with a service in its foreground.
struct Terminal {
    keys: File,
    /// What stands on it.
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    fn new() -> (Terminal, OwnedFd) {
        let ours =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
                .unwrap();
        rustix::pty::grantpt(&ours).unwrap();
        rustix::pty::unlockpt(&ours).unwrap();
        let name = rustix::pty::ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let keys = File::from(ours);
        let mut output = keys.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = screen.clone();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut some) {
                let text = String::from_utf8_lossy(&some[..n]).into_owned();
                shown.lock().unwrap().push_str(&text);
            }
        });
        (Terminal { keys, screen }, theirs)
    }

    fn starts(set_up: impl FnOnce(Start) -> Start) -> (Terminal, Service) {
        let (terminal, theirs) = Terminal::new();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program());
        let mut start = set_up(Start::command(command).env("LAMEDUCK_GRACE", "30s"));
        start
            .command
            .stdin(Stdio::from(theirs.try_clone().unwrap()))
            .stderr(Stdio::from(theirs));
        (terminal, start.nobody_reads_stderr().serve())
    }

    fn ctrl_c(&mut self) {
        self.keys.write_all(b"\x03").unwrap();
    }

    fn shows(&self, text: &str) {
        until(text, || {
            self.screen.lock().unwrap().contains(text).then_some(())
        });
    }
}

#[test]
fn ctrl_c_at_a_terminal_skips_a_lame_duck_phase_that_nobody_has_set() {
    let (mut terminal, service) =
        Terminal::starts(|it| it.env("KUBERNETES_SERVICE_HOST", "10.0.0.1"));
    terminal.ctrl_c();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert_eq!(ended.report["reason"], "SIGINT");
    assert!(
        ended.lasted("lame-duck") < Duration::from_millis(900),
        "{ended:?}"
    );
}

#[test]
fn kill_at_a_terminal_skips_it_too() {
    let (_terminal, service) = Terminal::starts(|it| it.env("KUBERNETES_SERVICE_HOST", "10.0.0.1"));
    service.signal(Signal::INT);
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(
        ended.lasted("lame-duck") < Duration::from_millis(900),
        "{ended:?}"
    );
}

#[test]
fn ctrl_c_at_a_terminal_leaves_a_lame_duck_phase_that_is_set() {
    let (mut terminal, service) = Terminal::starts(|it| it.env("LAMEDUCK_LAME_DUCK", "1s"));
    terminal.ctrl_c();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(
        ended.lasted("lame-duck") >= Duration::from_millis(990),
        "{ended:?}"
    );
}

#[test]
fn three_presses_of_ctrl_c_end_it_however_fast() {
    let (mut terminal, service) = Terminal::starts(|it| it);
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    for phase in ["draining", "draining", "gone"] {
        terminal.ctrl_c();
        if phase != "gone" {
            service.phase(phase);
            sleep(Duration::from_millis(90));
        }
    }
    let ended = service.ended();
    ended.exit(130);
    assert_eq!(ended.list("let_go")[0]["name"], "GET /never");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn ctrl_c_that_a_parent_passes_on_is_one() {
    let (mut terminal, service) = Terminal::starts(|it| it.env("LAMEDUCK_LAME_DUCK", "1s"));
    terminal.ctrl_c();
    service.signal(Signal::INT);
    service.term();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert_eq!(ended.report["signals"], 1);
    terminal.shows("stopped after SIG");
}

#[test]
fn each_press_of_ctrl_c_is_answered_by_a_line() {
    let (mut terminal, service) = Terminal::starts(|it| it);
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    terminal.ctrl_c();
    terminal.shows("lameduck: SIGINT: waiting for 1 request (the oldest: request GET /never, ");
    terminal.shows("a third time: the end at once");
    sleep(Duration::from_millis(90));
    terminal.ctrl_c();
    terminal.shows("lameduck: waiting for 1 request");
    terminal.shows("Once more: the end at once");
    sleep(Duration::from_millis(90));
    terminal.ctrl_c();
    service.ended().exit(130);
    terminal.shows("lameduck: ended by force after SIGINT");
}
