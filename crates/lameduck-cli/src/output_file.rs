//! A file that a report is written to: opened before the run, written after it.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};

/// A file that can be written to. Nothing of it is lost before there is something to write.
pub(crate) struct OutputFile {
    flag: &'static str,
    path: PathBuf,
    file: File,
    is_new: bool,
    is_written: bool,
}

impl OutputFile {
    pub(crate) fn open(flag: &'static str, path: PathBuf) -> Result<Self> {
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot write {flag} {}", path.display()))?;
        Ok(Self {
            flag,
            path,
            file,
            is_new,
            is_written: false,
        })
    }

    pub(crate) fn write(mut self, text: &str) -> Result<()> {
        // What cannot be cut, such as /dev/stdout, has nothing of its own to begin with.
        let _ = self.file.set_len(0);
        let _ = self.file.seek(SeekFrom::Start(0));
        self.is_written = true;
        self.file
            .write_all(text.as_bytes())
            .with_context(|| format!("cannot write {} {}", self.flag, self.path.display()))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.is_new && !self.is_written {
            // An empty file would look like a report. One that cannot be removed is left.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
