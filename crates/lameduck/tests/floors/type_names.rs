//! Each type has a name that no other has: whoever reads it anywhere knows which is meant.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What a line declares: a type that is no alias.
fn declared(line: &str) -> Option<&str> {
    let mut words = line
        .split_whitespace()
        .skip_while(|it| it.starts_with("pub"));
    let kind = words.next()?;
    let name = words.next()?;
    let end = name.find(|c: char| !c.is_alphanumeric());
    let name = &name[..end.unwrap_or(name.len())];
    let is_type = ["struct", "enum", "trait", "union"].contains(&kind);
    (is_type && name.starts_with(char::is_uppercase)).then_some(name)
}

#[test]
fn every_type_has_a_name_of_its_own() {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let folders = fs::read_dir(super::crates()).expect("a folder").flatten();
    for path in folders.flat_map(|it| super::sources(&it.path().join("src"))) {
        let text = fs::read_to_string(&path).expect("a text");
        for name in text.lines().filter_map(declared) {
            let files = files.entry(name.to_owned()).or_default();
            // One for each platform, in the same place, is the same.
            if !files.contains(&path) {
                files.push(path.clone());
            }
        }
    }
    files.retain(|_, files| files.len() > 1);
    assert!(files.is_empty(), "{files:#?}");
}

#[test]
fn a_declaration_is_known_whoever_may_see_it() {
    assert_eq!(declared("    pub(super) struct Wire<T>(T);"), Some("Wire"));
    assert_eq!(declared("pub trait Close: Send {"), Some("Close"));
    assert_eq!(declared("type Answer = ();"), None);
    assert_eq!(declared("// a struct that"), None);
}
