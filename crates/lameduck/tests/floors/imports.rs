//! What a file of Rust names of its own crate, and which module that is.
//!
//! Read from the text: paths that begin with `crate`, `super` or `self`, and `use` lines that begin with a module of the
//! file's own. A name that a module only passes on (`pub use`) counts as one of where it comes from. Comments and the
//! tests at the end of a file do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module, as the names on the way from the root of its crate.
pub(crate) type Module = Vec<String>;

/// The modules of a crate, and what each names.
pub(crate) struct Crate {
    texts: BTreeMap<Module, String>,
}

impl Crate {
    /// Reads all files below `src`, but for those of tests.
    pub(crate) fn read(src: &Path) -> Crate {
        let mut texts = BTreeMap::new();
        for path in super::sources(src) {
            let within = path
                .strip_prefix(src)
                .expect("a path below it")
                .with_extension("");
            let parts = within.iter().map(|it| it.to_string_lossy().into_owned());
            let mut module: Module = parts.collect();
            if module.last().is_some_and(|it| it == "mod" || it == "lib") {
                module.pop();
            }
            if !module.iter().any(|it| it == "tests") {
                texts.insert(module, code(&fs::read_to_string(&path).expect("a text")));
            }
        }
        Crate { texts }
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.texts.keys()
    }

    /// The modules that one names, other than itself and those that it is a part of.
    pub(crate) fn named_by(&self, module: &Module) -> BTreeSet<Module> {
        let named = paths(&self.texts[module]);
        let named = named.iter().filter_map(|path| self.resolve(module, path));
        named
            .filter(|it| it.is_empty() && !module.is_empty() || !module.starts_with(it))
            .collect()
    }

    /// Which module a path leads to; `None` if it begins in another crate.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut at = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            first => {
                at.push(first.to_owned());
                return self.texts.contains_key(&at).then(|| self.walk(from, path));
            }
        }
        rest = &rest[1..];
        while rest.first().is_some_and(|it| it == "super") {
            at.pop();
            rest = &rest[1..];
        }
        Some(self.walk(&at, rest))
    }

    fn walk(&self, from: &Module, path: &[String]) -> Module {
        let mut at = from.clone();
        for (nth, name) in path.iter().enumerate() {
            at.push(name.clone());
            if self.texts.contains_key(&at) {
                continue;
            }
            at.pop();
            let passed_on = uses(&self.texts[&at]);
            let from = passed_on.iter().find(|it| it.last() == Some(name));
            return match from.and_then(|it| self.resolve(&at, it)) {
                Some(module) if module != at && nth + 1 == path.len() => module,
                _ => at,
            };
        }
        at
    }

    /// A way from a module back to itself.
    pub(crate) fn circle(&self) -> Option<Vec<Module>> {
        let mut done = BTreeSet::new();
        self.modules()
            .find_map(|start| self.back_to_itself(&mut vec![start.clone()], &mut done))
    }

    fn back_to_itself(
        &self,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<Vec<Module>> {
        let here = way.last()?.clone();
        if done.contains(&here) {
            return None;
        }
        for next in self.named_by(&here) {
            if let Some(nth) = way.iter().position(|it| *it == next) {
                return Some(way.split_off(nth));
            }
            way.push(next);
            if let Some(circle) = self.back_to_itself(way, done) {
                return Some(circle);
            }
            way.pop();
        }
        done.insert(here);
        None
    }
}

/// A text without comments and without the tests at its end.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let tests = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        if tests && lines.peek().is_some_and(|it| it.ends_with('{')) {
            break;
        }
        if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// What the `use` lines say, one path for each name.
fn uses(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        if begins_a_word(code, at) {
            tree(&mut &code[at + 4..], &[], &mut found);
        }
    }
    found
}

/// The same, and every path besides that begins in this crate.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = uses(code);
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            if begins_a_word(code, at) {
                tree(&mut &code[at..], &[], &mut found);
            }
        }
    }
    found
}

fn begins_a_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Reads a path, with every name in its braces, and leaves what is behind it.
fn tree(rest: &mut &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    loop {
        *rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix('{') {
            *rest = inner.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                let length = rest.len();
                tree(rest, &path, found);
                *rest = rest.trim_start().trim_start_matches(',').trim_start();
                if rest.len() == length {
                    return;
                }
            }
            *rest = rest.strip_prefix('}').unwrap_or(rest);
            return;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        *rest = behind;
        if !name.is_empty() && (name != "self" || path.is_empty()) {
            path.push(name.to_owned());
        }
        match rest.strip_prefix("::") {
            Some(more) if !name.is_empty() && !more.starts_with('<') => *rest = more,
            _ => break,
        }
    }
    *rest = rest.strip_prefix('*').unwrap_or(rest);
    if let Some(renamed) = rest.strip_prefix(" as ") {
        let end = renamed.find(|c: char| !c.is_alphanumeric() && c != '_');
        *rest = &renamed[end.unwrap_or(renamed.len())..];
    }
    found.push(path);
}

#[test]
fn names_in_braces_are_read_one_by_one() {
    let text = "pub(crate) use super::{\n    a::{self, B, C as D},\n    e::*,\n};\nlet it = crate::f::g(1);\n";
    let mut read = paths(&code(text));
    read.sort();
    read.dedup();
    let read: Vec<String> = read.iter().map(|it| it.join("::")).collect();
    let expected = [
        "crate::f::g",
        "super::a",
        "super::a::B",
        "super::a::C",
        "super::e",
    ];
    assert_eq!(read, expected);
}

#[test]
fn comments_and_tests_do_not_count() {
    let text =
        "// crate::a::A\nuse crate::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n";
    assert_eq!(uses(&code(text)), [["crate", "b", "B"]]);
}

#[test]
fn what_is_passed_on_is_found_where_it_comes_from_and_a_circle_of_that_too() {
    let texts = [
        (vec![], "pub use upper::one::One;"),
        (vec!["upper"], "mod one;\nmod two;\npub use self::two::Two;"),
        (
            vec!["upper", "one"],
            "use super::Two;\nuse crate::lower::Lower;",
        ),
        (vec!["upper", "two"], ""),
        (vec!["lower"], "use crate::One;\nuse std::upper::X;"),
    ];
    let owned = |it: &[&str]| -> Module { it.iter().map(|it| (*it).to_owned()).collect() };
    let texts = texts.map(|(module, text)| (owned(&module), text.to_owned()));
    let it = Crate {
        texts: texts.into(),
    };
    let one = owned(&["upper", "one"]);
    let expected = BTreeSet::from([owned(&["lower"]), owned(&["upper", "two"])]);
    assert_eq!(it.named_by(&one), expected);
    assert_eq!(
        it.named_by(&owned(&["lower"])),
        BTreeSet::from([one.clone()])
    );
    assert_eq!(it.circle().unwrap().len(), 2);
}
