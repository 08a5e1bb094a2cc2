//! Who may know whom: crates are floors, and so are the folders of those that have more than a few files. What `ARCHITECTURE.md` draws is checked
//! here, on the manifests and on the `use` lines themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use self::imports::{Crate, Module};

mod documents;
mod imports;
mod type_names;

/// The crates, from the ground up. Those of one floor do not know each other.
const CRATES: &[&[&str]] = &[
    &["lameduck-core"],
    &["lameduck-http", "lameduck-jobs"],
    &[
        "lameduck-apalis",
        "lameduck-bb8",
        "lameduck-deadpool",
        "lameduck-lapin",
        "lameduck-metrics",
        "lameduck-nats",
        "lameduck-opentelemetry",
        "lameduck-prometheus",
        "lameduck-redis",
        "lameduck-sqlx",
        "lameduck-tracing-appender",
    ],
    &["lameduck"],
];

/// The folders of a crate, from the ground up.
struct Folders {
    name: &'static str,
    floors: &'static [&'static str],
    /// What stands beside them, for others to look at alone.
    beside: &'static [&'static str],
}

const FOLDERS: &[Folders] = &[
    Folders {
        name: "lameduck-core",
        floors: &[
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
        ],
        beside: &["internal"],
    },
    Folders {
        name: "lameduck-http",
        floors: &[
            "system",
            "event_stream",
            "grpc",
            "listen",
            "proxy_protocol",
            "tls",
            "connection",
            "request",
            "opening",
            "foreign",
            "probe",
            "server",
            "websocket",
        ],
        beside: &["doc"],
    },
    Folders {
        name: "lameduck-jobs",
        floors: &["queue", "handler", "held", "worker"],
        beside: &["adapter"],
    },
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

#[test]
fn no_folder_imports_from_one_above_it() {
    for Folders {
        name,
        floors,
        beside,
    } in FOLDERS
    {
        let source = Crate::read(&crates().join(name).join("src"));
        let floor = |module: &Module| floors.iter().position(|it| Some(*it) == first(module));
        for module in source.modules() {
            let Some(own) = floor(module) else {
                let known = first(module).is_none_or(|it| beside.contains(&it));
                assert!(known, "{name}: {} is on no floor", module.join("::"));
                continue;
            };
            for other in source.named_by(module) {
                let below = floor(&other).is_some_and(|it| it <= own);
                let (module, other) = (module.join("::"), other.join("::"));
                assert!(
                    below,
                    "{name}: {module} imports from `{other}`, which is not below it"
                );
            }
        }
    }
}

fn first(module: &Module) -> Option<&str> {
    module.first().map(String::as_str)
}

#[test]
fn no_two_files_know_each_other() {
    for Folders { name, .. } in FOLDERS {
        let circle = Crate::read(&crates().join(name).join("src")).circle();
        let circle = circle.map(|it| it.iter().map(|it| it.join("::")).collect::<Vec<_>>());
        assert_eq!(circle, None, "{name}");
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
    assert_eq!(sent_on_the_spot("tracing::warn!(\"here\");").len(), 1);
    assert!(
        sent_on_the_spot("voice::event(Level::WARN, || tracing::warn!(\"there\"));").is_empty()
    );
}
