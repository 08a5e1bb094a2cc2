//! Pipes that nobody reads.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use anyhow::Context;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

/// The two ends of a pipe into which nothing more goes.
pub fn full(nonblocking: bool) -> anyhow::Result<(OwnedFd, File)> {
    let (reads, writes) = open(true)?;
    let chunk = [b'.'; 4096];
    // The last bytes one by one: less than a page may still fit.
    for piece in [&chunk[..], &chunk[..1]] {
        while rustix::io::write(&writes, piece).is_ok() {}
    }
    if !nonblocking {
        let flags = fcntl_getfl(&writes)?;
        fcntl_setfl(&writes, flags & !OFlags::NONBLOCK)?;
    }
    Ok((writes, reads))
}

/// A pipe whose reader is gone.
pub fn without_reader() -> anyhow::Result<OwnedFd> {
    Ok(open(false)?.1)
}

fn open(nonblocking: bool) -> anyhow::Result<(File, OwnedFd)> {
    let (reads, writes) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    if nonblocking {
        let flags = fcntl_getfl(&writes)?;
        fcntl_setfl(&writes, flags | OFlags::NONBLOCK)?;
    }
    Ok((File::from(reads), writes))
}

/// Everything up to the end, without what the pipe was filled with.
pub fn rest(mut reads: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    reads.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(text.trim_start_matches('.').to_owned())
}
