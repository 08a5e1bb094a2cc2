//! The report as JUnit XML, which pipelines show test by test: a suite for each class, a case for each promise.
//!
//! # What must hold
//! - It is red exactly where the exit code is not 0: what is broken and counts is a failure; what is open and counts, and
//!   a run that was cut short, are errors. All else is passed or skipped.
//! - It is well-formed whatever the target said: characters that XML does not have are replaced.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::check_report::{CheckReport, PromiseReport};
use super::failed_run::FailedRun;
use crate::verdict::{Class, Judgement};

/// What a case comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CaseResult {
    Passed,
    Failure,
    Error,
    Skipped,
}

/// A test case.
struct Case {
    name: String,
    result: CaseResult,
    /// One line.
    message: String,
    details: String,
}

/// Test cases of one class.
struct Suite {
    name: &'static str,
    cases: Vec<Case>,
}

/// The report as JUnit XML.
///
/// # Errors
/// None but the writer's, into memory.
pub fn junit(report: &CheckReport) -> io::Result<String> {
    let mut suites: Vec<Suite> = Class::ALL
        .into_iter()
        .map(|class| Suite {
            name: class.name(),
            cases: report
                .of_class(class)
                .map(|promise| case(promise, report.allow_untested))
                .collect(),
        })
        .collect();
    if let Some(why) = &report.cut_short {
        suites.push(the_run(why));
    }
    let properties = [
        ("target", report.target.clone()),
        ("signal", report.signal.clone()),
        ("grace_ms", report.grace_ms.to_string()),
        ("rounds", report.rounds.to_string()),
        ("seed", report.seed.to_string()),
        ("version", report.version.clone()),
        ("exit_code", report.exit_code.to_string()),
    ];
    written(&suites, report.took_ms, &report.made_at, &properties)
}

/// A run that came to no verdict: one case, which is an error.
///
/// # Errors
/// As [`junit`].
pub fn junit_of_failure(failure: &FailedRun) -> io::Result<String> {
    let target = failure.target.clone().unwrap_or_default();
    let properties = [
        ("target", target),
        ("version", failure.version.clone()),
        ("exit_code", failure.exit_code.to_string()),
    ];
    let suites = [the_run(&failure.error)];
    written(&suites, failure.took_ms, &failure.made_at, &properties)
}

/// The suite of a run that did not come to its end.
fn the_run(why: &str) -> Suite {
    Suite {
        name: "run",
        cases: vec![Case {
            name: "the run comes to its end".to_owned(),
            result: CaseResult::Error,
            message: why.lines().next().unwrap_or_default().to_owned(),
            details: why.to_owned(),
        }],
    }
}

fn case(promise: &PromiseReport, allow_untested: bool) -> Case {
    let (result, message) = match promise.verdict {
        Judgement::Kept => (CaseResult::Passed, promise.why.clone()),
        Judgement::Broken if promise.counts => (CaseResult::Failure, promise.why.clone()),
        Judgement::Broken => {
            let because = match promise.accepted {
                true => "it is known",
                false => "a convention",
            };
            let message = format!("broken, and does not count ({because}): {}", promise.why);
            (CaseResult::Skipped, message)
        }
        Judgement::Undecided | Judgement::Skipped
            if promise.is_open() && promise.counts && !allow_untested =>
        {
            (CaseResult::Error, promise.why.clone())
        }
        Judgement::Undecided => (CaseResult::Skipped, format!("undecided: {}", promise.why)),
        Judgement::Skipped => (CaseResult::Skipped, promise.why.clone()),
    };
    let evidence = promise.evidence.iter().map(|it| {
        format!(
            "round {} at {:+.1} ms: {}: {}\n",
            it.round, it.at_ms, it.r#where, it.what
        )
    });
    Case {
        name: promise.name.clone(),
        result,
        message,
        details: format!(
            "{}\nfailed in {} of {} shutdowns, {} of {} trials\n{}",
            promise.why,
            promise.shutdowns.failed,
            promise.shutdowns.tried,
            promise.failures,
            promise.trials,
            evidence.collect::<String>()
        ),
    }
}

fn written(
    suites: &[Suite],
    took_ms: f64,
    made_at: &str,
    properties: &[(&str, String)],
) -> io::Result<String> {
    let count = |cases: &[Case], result| cases.iter().filter(|it| it.result == result).count();
    let sum = |result| {
        suites
            .iter()
            .map(|suite| count(&suite.cases, result))
            .sum::<usize>()
    };
    let tests: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    let seconds = format!("{:.3}", took_ms / 1e3);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = [
        ("name", "lameduck check".to_owned()),
        ("tests", tests.to_string()),
        ("failures", sum(CaseResult::Failure).to_string()),
        ("errors", sum(CaseResult::Error).to_string()),
        ("time", seconds),
    ];
    element(&mut writer, "testsuites", &all, |writer| {
        for suite in suites.iter().filter(|suite| !suite.cases.is_empty()) {
            let attributes = [
                ("name", format!("lameduck.{}", suite.name)),
                ("tests", suite.cases.len().to_string()),
                (
                    "failures",
                    count(&suite.cases, CaseResult::Failure).to_string(),
                ),
                ("errors", count(&suite.cases, CaseResult::Error).to_string()),
                (
                    "skipped",
                    count(&suite.cases, CaseResult::Skipped).to_string(),
                ),
                ("time", "0".to_owned()),
                ("timestamp", made_at.trim_end_matches('Z').to_owned()),
            ];
            element(writer, "testsuite", &attributes, |writer| {
                element(writer, "properties", &[], |writer| {
                    for (name, value) in properties {
                        let attributes = [("name", (*name).to_owned()), ("value", value.clone())];
                        empty(writer, "property", &attributes)?;
                    }
                    Ok(())
                })?;
                suite
                    .cases
                    .iter()
                    .try_for_each(|case| write_case(writer, suite.name, case))
            })?;
        }
        Ok(())
    })?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

type Xml = Writer<Vec<u8>>;

fn write_case(writer: &mut Xml, suite: &str, case: &Case) -> io::Result<()> {
    let attributes = [
        ("classname", format!("lameduck.{suite}")),
        ("name", case.name.clone()),
        ("time", "0".to_owned()),
    ];
    let message = [("message", case.message.clone())];
    let typed = |kind: &str| [message[0].clone(), ("type", kind.to_owned())];
    match case.result {
        CaseResult::Passed => empty(writer, "testcase", &attributes),
        CaseResult::Skipped => element(writer, "testcase", &attributes, |writer| {
            empty(writer, "skipped", &message)
        }),
        CaseResult::Failure => element(writer, "testcase", &attributes, |writer| {
            text(writer, "failure", &typed("broken"), &case.details)
        }),
        CaseResult::Error => element(writer, "testcase", &attributes, |writer| {
            text(writer, "error", &typed("open"), &case.details)
        }),
    }
}

fn element(
    writer: &mut Xml,
    name: &str,
    attributes: &[(&str, String)],
    inside: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    let mut element = writer.create_element(name);
    for (name, value) in attributes {
        element = element.with_attribute((*name, allowed(value).as_str()));
    }
    element.write_inner_content(inside)?;
    Ok(())
}

fn empty(writer: &mut Xml, name: &str, attributes: &[(&str, String)]) -> io::Result<()> {
    let mut element = writer.create_element(name);
    for (name, value) in attributes {
        element = element.with_attribute((*name, allowed(value).as_str()));
    }
    element.write_empty()?;
    Ok(())
}

fn text(
    writer: &mut Xml,
    name: &str,
    attributes: &[(&str, String)],
    words: &str,
) -> io::Result<()> {
    let mut element = writer.create_element(name);
    for (name, value) in attributes {
        element = element.with_attribute((*name, allowed(value).as_str()));
    }
    element.write_text_content(BytesText::new(&allowed(words)))?;
    Ok(())
}

/// Without the characters that XML 1.0 does not have (its section 2.2).
fn allowed(text: &str) -> String {
    let is_allowed = |it: char| matches!(it, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let replaced = text
        .chars()
        .map(|it| if is_allowed(it) { it } else { '\u{fffd}' });
    replaced.collect()
}
