//! The report as one page that can be passed on: it needs no other file and no network.
//!
//! # What must hold
//! - Nothing that a target or a user has a say in becomes markup or script. It all stands in one block of JSON, in which
//!   `<` is written as an escape, and the page's script makes text of it.
//! - The page is a pure function of the report.

use std::collections::BTreeMap;

use serde::Serialize;

use super::check_report::CheckReport;
use super::round_picture::RoundPicture;
use crate::explain::{Explanation, explain};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The report, and what only the page has.
#[derive(Serialize)]
struct PageData<'a> {
    #[serde(flatten)]
    report: &'a CheckReport,
    pictures: &'a [RoundPicture],
    explanations: BTreeMap<&'a str, Explanation>,
}

/// The report as one HTML page: verdicts with their evidence, each shutdown of which a picture was kept on a time axis,
/// how long answers took, every round.
///
/// # Errors
/// None that a report of a [`run`](crate::run()) can cause; the serializer's, if it ever has one.
pub fn html(report: &CheckReport) -> Result<String, serde_json::Error> {
    let names = report.promises.iter().map(|it| it.name.as_str());
    let data = serde_json::to_string(&PageData {
        report,
        pictures: &report.pictures,
        explanations: names.filter_map(|it| Some((it, explain(it)?))).collect(),
    })?;
    // In JSON these can only stand in strings, where the escape means the same.
    let data = data.replace('<', "\\u003c").replace('>', "\\u003e");
    let title = format!("Graceful shutdown of {}", report.target);
    let parts = [
        ("{{title}}", escaped(&title)),
        ("{{style}}", STYLE.to_owned()),
        ("{{data}}", data),
        ("{{script}}", SCRIPT.to_owned()),
    ];
    Ok(filled(PAGE, &parts))
}

/// The template with each mark replaced once, from left to right: what was put in is not looked at again.
fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let mut page = String::new();
    let mut rest = template;
    for (mark, text) in parts {
        let Some((before, after)) = rest.split_once(mark) else {
            continue;
        };
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page.push_str(rest);
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_not_looked_at_again() {
        let parts = [("{{a}}", "{{b}}".to_owned()), ("{{b}}", "2".to_owned())];
        assert_eq!(filled("<{{a}}|{{b}}>", &parts), "<{{b}}|2>");
    }

    #[test]
    fn the_page_makes_text_of_what_it_is_given_and_loads_nothing() {
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
            "fetch(",
            "XMLHttpRequest",
            "import(",
        ] {
            assert!(!SCRIPT.contains(forbidden), "{forbidden}");
        }
        for part in [PAGE, STYLE, SCRIPT] {
            assert!(!part.contains("http://") && !part.contains("https://"));
            assert!(!part.contains("url(") && !part.contains("@import"));
        }
        assert!(PAGE.contains("default-src 'none'"));
        // Neither ends the element that it stands in.
        assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
    }
}
