//! The files that the documents name are where they say.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands between backticks and is the name of a file of Rust, with as much of its folder as is said.
fn files(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|it| it.ends_with(".rs") && !it.contains(char::is_whitespace))
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let there: Vec<PathBuf> = ["crates", "examples", "bench"]
        .iter()
        .flat_map(|it| super::sources(&root().join(it)))
        .collect();
    let pages = fs::read_dir(root().join("docs")).expect("a folder");
    let mut documents: Vec<PathBuf> = pages.flatten().map(|it| it.path()).collect();
    documents.retain(|it| it.extension().is_some_and(|it| it == "md"));
    documents.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].map(|it| root().join(it)));
    let mut missing = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a text");
        // A block of code may have backticks of its own.
        let prose = text
            .split("```")
            .step_by(2)
            .collect::<Vec<_>>()
            .join("\n\n");
        for paragraph in prose.split("\n\n") {
            let gone = files(paragraph).filter(|it| !there.iter().any(|file| file.ends_with(it)));
            missing.extend(gone.map(|it| format!("{}: {it}", document.display())));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
