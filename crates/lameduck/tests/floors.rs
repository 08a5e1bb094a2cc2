//! Who may know whom: crates are floors, and so are the folders of the core. What `ARCHITECTURE.md` draws is checked
//! here, on the manifests and on the `use` lines themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates, from the ground up. Those of one floor do not know each other.
const CRATES: &[&[&str]] = &[
    &["lameduck-core"],
    &["lameduck-http", "lameduck-jobs"],
    &[
        "lameduck-apalis",
        "lameduck-bb8",
        "lameduck-deadpool",
        "lameduck-lapin",
        "lameduck-nats",
        "lameduck-opentelemetry",
        "lameduck-redis",
        "lameduck-sqlx",
        "lameduck-tracing-appender",
    ],
    &["lameduck"],
];

/// The folders of the core, from the ground up.
const FOLDERS: &[&str] = &[
    "base",
    "system",
    "inflight",
    "shutdown",
    "voice",
    "report",
    "environment",
    "readiness",
    "handle",
    "process",
    "component",
    "lifecycle",
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of Rust below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

/// What of ours a manifest names among `[dependencies]`, of any target. Tests may look down from anywhere.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut counts = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            counts = line.ends_with("dependencies]") && !line.contains("dev-");
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if counts && name.starts_with("lameduck") {
            found.insert(name);
        }
    }
    found
}

#[test]
fn no_crate_links_one_of_its_own_floor_or_above() {
    let mut below: Vec<&str> = Vec::new();
    for floor in CRATES {
        for name in *floor {
            let manifest = crates().join(name).join("Cargo.toml");
            let manifest = fs::read_to_string(manifest).unwrap();
            for it in dependencies(&manifest) {
                assert!(
                    below.contains(&it),
                    "{name} links {it}, which is not below it"
                );
            }
        }
        below.extend(*floor);
    }
    let on_disk = fs::read_dir(crates()).unwrap();
    let on_disk = on_disk.map(|it| it.unwrap().file_name().into_string().unwrap());
    let ours = on_disk.filter(|it| !["lameduck-check", "lameduck-cli"].contains(&it.as_str()));
    for name in ours.filter(|it| it.starts_with("lameduck")) {
        assert!(below.contains(&name.as_str()), "{name} is on no floor");
    }
}

/// Where a line that is no comment names a folder of its own crate.
fn names<'a>(text: &'a str, folder: &str) -> Option<&'a str> {
    let path = format!("crate::{folder}::");
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.starts_with("//") && line.contains(&path))
}

#[test]
fn no_folder_of_the_core_imports_from_one_above_it() {
    let src = crates().join("lameduck-core/src");
    for (at, folder) in FOLDERS.iter().enumerate() {
        for path in sources(&src.join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            for above in &FOLDERS[at + 1..] {
                let found = names(&text, above);
                assert_eq!(
                    found,
                    None,
                    "{}: {above}/ is above {folder}/",
                    path.display()
                );
            }
        }
    }
    for entry in fs::read_dir(&src).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let known = FOLDERS.contains(&name.as_str()) || ["internal.rs", "lib.rs"].contains(&&*name);
        assert!(known, "{name} is in no floor of the core");
    }
}

#[test]
fn no_event_is_sent_on_the_spot() {
    for name in CRATES.iter().flat_map(|floor| floor.iter()) {
        for path in sources(&crates().join(name).join("src")) {
            let wrong = sent_on_the_spot(&fs::read_to_string(&path).unwrap());
            assert!(
                wrong.is_empty(),
                "{}, not by voice::event: {wrong:#?}",
                path.display()
            );
        }
    }
}

/// The lines with an event that is not in what is handed to `voice::event`, or said by a speaker, or what
/// `Report::trace` does. Only what is handed over is safe: an event that is sent where it happens may block or
/// panic there.
fn sent_on_the_spot(text: &str) -> Vec<String> {
    const EVENTS: [&str; 6] = ["trace!", "debug!", "info!", "warn!", "error!", "event!"];
    let lines: Vec<&str> = text.lines().collect();
    let is_event = |line: &str| {
        let code = line.split("//").next().unwrap_or("");
        EVENTS
            .iter()
            .any(|it| code.contains(&format!("tracing::{it}")))
    };
    let handed_over = |nth: usize| {
        let mut before = lines[nth.saturating_sub(10)..=nth].iter();
        before.any(|it| {
            ["voice::event(", "Speaker::start(", "fn trace("]
                .iter()
                .any(|way| it.contains(way))
        })
    };
    (0..lines.len())
        .filter(|&nth| is_event(lines[nth]) && !handed_over(nth))
        .map(|nth| format!("{}: {}", nth + 1, lines[nth].trim()))
        .collect()
}

#[test]
fn the_checks_find_what_they_are_for() {
    let manifest = "[dependencies]\nlameduck-http.workspace = true\nlameduckling = \"1\"\n[dev-dependencies]\nlameduck-jobs = \"1\"\n";
    assert!(dependencies(manifest).contains("lameduck-http"));
    assert!(!dependencies(manifest).contains("lameduck-jobs"));
    let text = "// crate::lifecycle::Lifecycle\n    use crate::lifecycle::Lifecycle;\n";
    assert_eq!(
        names(text, "lifecycle"),
        Some("use crate::lifecycle::Lifecycle;")
    );
    assert_eq!(sent_on_the_spot("tracing::warn!(\"here\");").len(), 1);
    assert!(
        sent_on_the_spot("voice::event(Level::WARN, || tracing::warn!(\"there\"));").is_empty()
    );
}
