//! `lameduck demo` as a newcomer meets it, and a pipeline.

use std::process::Command;

#[test]
fn the_demonstration_keeps_every_promise_and_shows_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .arg("demo")
        .current_dir(folder.path())
        // Whatever is set where the demonstration runs, it is its own.
        .env("LAMEDUCK_GRACE", "1ms")
        .env("LAMEDUCK_ADMIN", "nowhere")
        .env("SHOP_DATA", "/nowhere")
        .output()
        .expect("the command line starts");
    let shown = String::from_utf8_lossy(&output.stdout);
    let progress = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}\n{progress}");
    assert!(!shown.contains('\x1b'), "colour without a terminal");

    let line = |start: &str| {
        let found = shown.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start} is missing in:\n{shown}"))
    };
    for (row, part) in [
        ("phase", "lame-duck ─"),
        // Where there is far too much else to do, its check of the database may fail before that.
        ("readiness", "□"),
        ("liveness", "held"),
        ("answers/", "peak"),
        ("in flight", "peak"),
        ("new connections", "peak"),
        ("refused", "in all"),
        ("lost", "none"),
        ("2 rounds under load", "loopback and 40 ms round trip"),
        ("  lameduck: stopped after SIGTERM", "exit 0"),
        ("What next", ""),
    ] {
        assert!(line(row).contains(part), "{row}: {part}\n{shown}");
    }
    assert!(shown.contains("let go: request POST /upload"), "{shown}");

    let promises = shown
        .lines()
        .skip_while(|line| !line.starts_with('─'))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with(' '));
    let marks: Vec<char> = promises.filter_map(|line| line.chars().next()).collect();
    assert_eq!(marks.len(), 27, "{shown}");
    assert!(
        marks.iter().all(|mark| ['✔', '–'].contains(mark)),
        "{shown}"
    );
    assert!(
        progress.contains("round 1 of ") && progress.contains(" 0 lost"),
        "{progress}"
    );
}
