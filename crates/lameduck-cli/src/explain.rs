//! `lameduck check --explain`: what a promise is about.

use std::process::ExitCode;

use anyhow::{Result, bail};
use lameduck_check::{Class, Explanation, Rules};

use crate::screen;

/// Explains a promise; without a name, lists them all.
///
/// # Errors
/// When no promise has that name; the error names those there are.
pub(crate) fn run(name: &str) -> Result<ExitCode> {
    let width = usize::from(screen::look().width);
    if name.is_empty() {
        print!("{}", list());
        return Ok(ExitCode::SUCCESS);
    }
    match (class_of(name), lameduck_check::explain(name)) {
        (Some(class), Some(explanation)) => print!("{}", page(name, class, &explanation, width)),
        _ => bail!(
            "--explain {name}: no promise has that name; there are {}",
            Rules::known().join(", ")
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn class_of(name: &str) -> Option<Class> {
    let mut promises = lameduck_check::promises();
    promises
        .find(|(known, _)| *known == name)
        .map(|(_, class)| class)
}

/// A line for each promise, class by class.
fn list() -> String {
    let mut text = String::new();
    for class in Class::ALL {
        text.push_str(&format!("{}\n", class.name().to_uppercase()));
        for (name, _) in lameduck_check::promises().filter(|(_, it)| *it == class) {
            let promise = lameduck_check::explain(name).map(|it| it.promise);
            text.push_str(&format!("  {name:20} {}\n", promise.unwrap_or_default()));
        }
        text.push('\n');
    }
    text.push_str("More of one of them: lameduck check --explain keepalive-lossless\n");
    text
}

fn page(name: &str, class: Class, explanation: &Explanation, width: usize) -> String {
    let class = class.name();
    let mut text = format!(
        "{name} ({class})\n{}",
        wrapped(&explanation.promise, "  ", width)
    );
    text.push_str(&format!(
        "\nWhy it matters\n{}",
        wrapped(&explanation.matters, "  ", width)
    ));
    let mut list = |heading: &str, items: &[String]| {
        text.push_str(&format!("\n{heading}\n"));
        for item in items {
            text.push_str(&wrapped(item, "  - ", width));
        }
    };
    list("How servers break it", &explanation.breaks);
    list("How to keep it", &explanation.keep);
    if !explanation.known.is_empty() {
        text.push_str("\nKnown\n");
        for fact in &explanation.known {
            text.push_str(&wrapped(
                &format!("{}: {}", fact.of, fact.says),
                "  - ",
                width,
            ));
            // A source is one word, to be copied.
            text.push_str(&format!("    {}\n", fact.source));
        }
    }
    text.push_str(&format!(
        "\nTried by\n{}",
        wrapped(&explanation.tried_by, "  ", width)
    ));
    text
}

/// The words in lines that begin with `lead`, the first, or with as many blanks.
fn wrapped(words: &str, lead: &str, width: usize) -> String {
    let mut text = String::new();
    let mut line = lead.to_owned();
    let mut column = lead.chars().count();
    let indent = column;
    for word in words.split_whitespace() {
        let long = word.chars().count();
        if column > indent && column + 1 + long > width {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(indent);
            column = indent;
        }
        if column > indent {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += long;
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_they_may_be_and_hang() {
        let text = wrapped("one two three four", "  - ", 12);
        assert_eq!(text, "  - one two\n    three\n    four\n");
    }
}
