//! Which promises are judged and which count, from the names that somebody gave.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::SettingsError;
use super::parse::value;
use crate::rules::Rules;

/// As much of a report as says what is broken.
#[derive(Deserialize)]
struct EarlierReport {
    promises: Vec<EarlierVerdict>,
}

#[derive(Deserialize)]
struct EarlierVerdict {
    name: String,
    verdict: String,
}

pub(super) fn rules(
    only: &[String],
    except: &[String],
    baseline: Option<&Path>,
) -> Result<Rules, SettingsError> {
    let rules = Rules {
        only: named("--only", only)?,
        except: named("--except", except)?,
        baseline: match baseline {
            Some(file) => known_to_be_broken(file)?,
            None => BTreeSet::new(),
        },
        ..Rules::default()
    };
    let nothing_left = !rules.only.is_empty() && rules.only.is_subset(&rules.except);
    match nothing_left {
        true => Err(value(
            "--except",
            except.join(","),
            "with this --only nothing would be judged",
        )),
        false => Ok(rules),
    }
}

pub(super) fn exit_codes(codes: Vec<i32>) -> Result<Vec<i32>, SettingsError> {
    match codes.iter().find(|code| !(0..=255).contains(*code)) {
        Some(wrong) => Err(value(
            "--expect-exit",
            wrong.to_string(),
            "expected exit codes from 0 to 255, like 0,143",
        )),
        None => Ok(codes),
    }
}

/// Names, each by itself or several with commas between.
fn named(flag: &'static str, names: &[String]) -> Result<BTreeSet<String>, SettingsError> {
    let names = names.iter().flat_map(|names| names.split(','));
    let names = names.map(|name| name.trim().to_owned()).collect();
    all_known(flag, names)
}

fn all_known(
    flag: &'static str,
    names: BTreeSet<String>,
) -> Result<BTreeSet<String>, SettingsError> {
    match Rules::unknown(&names) {
        Some(name) => Err(value(
            flag,
            name.clone(),
            format!(
                "no promise has that name; expected one of {}",
                Rules::known().join(", ")
            ),
        )),
        None => Ok(names),
    }
}

fn known_to_be_broken(file: &Path) -> Result<BTreeSet<String>, SettingsError> {
    const FLAG: &str = "--baseline";
    const EXPECTED: &str = "expected what --json wrote, or the name of a broken promise on each line, with # for comments";
    let told = |what: String| {
        value(
            FLAG,
            file.display().to_string(),
            format!("{what}; {EXPECTED}"),
        )
    };
    let text = std::fs::read_to_string(file).map_err(|error| told(error.to_string()))?;
    let names = match text.trim_start().starts_with('{') {
        true => {
            let report: EarlierReport =
                serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
            let broken = report
                .promises
                .into_iter()
                .filter(|it| it.verdict == "broken");
            broken.map(|verdict| verdict.name).collect()
        }
        false => {
            let lines = text
                .lines()
                .map(|line| line.split('#').next().unwrap_or_default().trim());
            lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        }
    };
    all_known(FLAG, names)
}
