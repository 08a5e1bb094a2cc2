//! What was seen in earlier runs, so that a long run can be ended and gone on with.
//!
//! # What must hold
//! - Only what was as it should be is kept: anything else is tried again.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lameduck_check::{Judgement, Rules};

/// The verdicts of one case at one round trip, by promise.
type Verdicts = BTreeMap<String, Judgement>;

/// A file with the verdicts of each.
pub struct Results {
    file: PathBuf,
    seen: BTreeMap<String, Verdicts>,
}

impl Results {
    /// Reads the file, if it is there.
    pub fn of(file: &Path) -> anyhow::Result<Self> {
        let told = || file.display().to_string();
        let seen = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(told)?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(told),
        };
        Ok(Self {
            file: file.to_owned(),
            seen,
        })
    }

    /// What was seen of a case. `None` if it was not run.
    pub fn seen(&self, name: &str) -> Option<BTreeMap<&'static str, Judgement>> {
        let verdicts = self.seen.get(name)?;
        let known = Rules::known().into_iter();
        let seen = known.filter_map(|promise| Some((promise, *verdicts.get(promise)?)));
        Some(seen.collect())
    }

    /// Writes down what was seen of a case.
    pub fn keep(
        &mut self,
        name: String,
        judged: &BTreeMap<&'static str, Judgement>,
    ) -> anyhow::Result<()> {
        let verdicts = judged
            .iter()
            .map(|(promise, it)| ((*promise).to_owned(), *it));
        self.seen.insert(name, verdicts.collect());
        let beside = self.file.with_extension("new");
        let written = serde_json::to_vec_pretty(&self.seen)?;
        std::fs::write(&beside, written)
            .and_then(|()| std::fs::rename(&beside, &self.file))
            .with_context(|| format!("cannot write {}", self.file.display()))
    }
}
