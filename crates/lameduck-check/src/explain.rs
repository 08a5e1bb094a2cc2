//! What a promise is about, for people: why it matters, how servers break it, how to keep it, and what is known of
//! servers that people run.
//!
//! # What must hold
//! - Each promise has a text with all parts; a test looks.
//! - What is said of a server has a source. What nobody has looked up is not said.
//!
//! A text is a file of its name in `explain/`, and a line in [`TEXTS`].

use serde::{Deserialize, Serialize};

use crate::promise;
use crate::verdict::Class;

/// A promise, explained.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Explanation {
    /// What is promised, in a sentence.
    pub promise: String,
    /// Why it matters.
    pub matters: String,
    /// How servers break it.
    pub breaks: Vec<String>,
    /// How to keep it.
    pub keep: Vec<String>,
    /// The flags that try it.
    pub tried_by: String,
    /// What is known of servers, and of what they run on.
    pub known: Vec<KnownFact>,
}

/// Something that is known of a server, a protocol or a platform.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFact {
    /// Of which, like `nginx`.
    pub of: String,
    /// What is known.
    pub says: String,
    /// Where that is written: a URL, or a file of this repository.
    pub source: String,
}

macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("explain/", $name, ".toml")))),*]
    };
}

/// Every text, in the order of the report.
const TEXTS: &[(&str, &str)] = texts![
    "ready-flips",
    "lame-duck-serves",
    "notice-served",
    "inflight-completes",
    "keepalive-lossless",
    "accept-lossless",
    "no-reset",
    "upload-completes",
    "download-completes",
    "h2-lossless",
    "grpc-lossless",
    "sse-ends",
    "websocket-closed",
    "jobs-accounted",
    "db-closed",
    "deploy-lossless",
    "deploy-rolls-back",
    "live-holds",
    "idle-exits",
    "within-grace",
    "no-orphans",
    "startup-signal",
    "close-announced",
    "websocket-paced",
    "exits-zero",
    "stuck-told",
    "second-signal",
];

/// The explanation of a promise, by its stable name; `None` for a name that no promise of the prover has.
///
/// ```
/// let explanation = lameduck_check::explain("keepalive-lossless").expect("a promise");
/// assert!(explanation.promise.contains("reused connection"));
/// assert!(lameduck_check::explain("keepalive-losless").is_none());
/// ```
pub fn explain(name: &str) -> Option<Explanation> {
    promise::names().find(|known| *known == name)?;
    let (_, text) = TEXTS.iter().find(|(known, _)| *known == name)?;
    // A text that does not parse does not come through the tests.
    toml::from_str(text).ok()
}

/// Every promise of the prover, with its class, in the order of the report.
pub fn promises() -> impl Iterator<Item = (&'static str, Class)> {
    promise::classes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_promise_has_a_text_with_all_parts() {
        for name in promise::names() {
            let explanation = explain(name).unwrap_or_else(|| {
                panic!("{name}: write src/explain/{name}.toml, and add it to TEXTS")
            });
            let Explanation {
                promise,
                matters,
                breaks,
                keep,
                tried_by,
                known,
            } = explanation;
            for text in [promise, matters, tried_by]
                .iter()
                .chain(&breaks)
                .chain(&keep)
            {
                assert!(!text.trim().is_empty(), "{name}: an empty part");
            }
            assert!(!breaks.is_empty() && !keep.is_empty(), "{name}");
            for KnownFact { of, says, source } in known {
                assert!(!of.is_empty() && says.len() > 10, "{name}: {of}");
                assert!(
                    source.starts_with("https://") || source.contains('/'),
                    "{name}: {of}: no source"
                );
            }
        }
    }

    #[test]
    fn every_text_can_be_read_and_is_there_once() {
        let mut seen = BTreeSet::new();
        for (name, text) in TEXTS {
            assert!(seen.insert(name), "{name} twice");
            let read: Result<Explanation, _> = toml::from_str(text);
            assert!(read.is_ok(), "{name}: {read:?}");
        }
    }

    #[test]
    fn a_source_in_this_repository_is_there() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let facts = TEXTS
            .iter()
            .filter_map(|(_, text)| toml::from_str(text).ok());
        for fact in facts.flat_map(|explanation: Explanation| explanation.known) {
            if !fact.source.starts_with("https://") {
                let file = fact.source.split('#').next().unwrap_or_default();
                assert!(
                    std::path::Path::new(root).join(file).is_file(),
                    "{}",
                    fact.source
                );
            }
        }
    }
}
