//! Standard output and standard error that nobody reads, or that cannot be written.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use super::pipe;
use super::scene::{End, Output, Scene, Surrounding};
use super::service::Log;

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "plain",
        what: "nothing odd: what the others are compared with",
        root: false,
        put_up: |_| Ok(()),
    },
    Surrounding {
        name: "plain-shop",
        what: "nothing odd, and the service is the shop",
        root: false,
        put_up: |scene| {
            scene.shop = true;
            Ok(())
        },
    },
    Surrounding {
        name: "stderr-full",
        what: "standard error is a full pipe that blocks",
        root: false,
        put_up: |scene| full(scene, Stream::Error, false),
    },
    Surrounding {
        name: "stderr-full-nonblocking",
        what: "standard error is a full pipe that does not block, as a Node parent shares it",
        root: false,
        put_up: |scene| full(scene, Stream::Error, true),
    },
    Surrounding {
        name: "stderr-full-no-log",
        what: "standard error is a full pipe that blocks, and nothing is logged",
        root: false,
        put_up: |scene| {
            scene.log = Log::None;
            full(scene, Stream::Error, false)
        },
    },
    Surrounding {
        name: "stderr-full-shop",
        what: "standard error is a full pipe that does not block, and the service is the shop",
        root: false,
        put_up: |scene| {
            scene.shop = true;
            full(scene, Stream::Error, true)
        },
    },
    Surrounding {
        name: "stderr-full-stuck",
        what: "standard error is a full pipe that blocks, and a blocking thread never returns",
        root: false,
        put_up: |scene| {
            full(scene, Stream::Error, false)?;
            scene.end = End::Serves(124);
            scene.stuck_thread();
            Ok(())
        },
    },
    Surrounding {
        name: "stderr-closed",
        what: "there is no standard error",
        root: false,
        put_up: |scene| closed(scene, "2>&-"),
    },
    Surrounding {
        name: "all-closed",
        what: "there is no standard input, output or error",
        root: false,
        put_up: |scene| closed(scene, "0<&- 1>&- 2>&-"),
    },
    Surrounding {
        name: "stderr-dev-full",
        what: "standard error is a disk without room (/dev/full)",
        root: false,
        put_up: |scene| {
            scene.error = Output::Into(dev_full()?);
            scene.tells = false;
            Ok(())
        },
    },
    Surrounding {
        name: "stderr-reader-gone",
        what: "standard error is a pipe whose reader is gone",
        root: false,
        put_up: |scene| {
            scene.error = Output::Into(pipe::without_reader()?.into());
            scene.tells = false;
            Ok(())
        },
    },
    Surrounding {
        name: "stderr-late-reader",
        what: "standard error is a full pipe that blocks, read 0.9 s after the signal",
        root: false,
        put_up: |scene| late(scene, false),
    },
    Surrounding {
        name: "stderr-late-reader-nonblocking",
        what: "the same, and it does not block",
        root: false,
        put_up: |scene| late(scene, true),
    },
    Surrounding {
        name: "stdout-full",
        what: "standard output, where the log goes, is a full pipe that blocks",
        root: false,
        put_up: |scene| full(scene, Stream::Output, false),
    },
    Surrounding {
        name: "stdout-full-nonblocking",
        what: "standard output, where the log goes, is a full pipe that does not block",
        root: false,
        put_up: |scene| full(scene, Stream::Output, true),
    },
    Surrounding {
        name: "stdout-late-reader",
        what: "standard output, where the log goes, is a full pipe, read 0.9 s after the signal",
        root: false,
        put_up: |scene| {
            let (writes, reads) = pipe::full(false)?;
            scene.output = Output::ReadLate(writes, reads, LATE);
            scene.log = Log::Stdout;
            Ok(())
        },
    },
    Surrounding {
        name: "stdout-closed",
        what: "there is no standard output, where the log goes",
        root: false,
        put_up: |scene| {
            scene.log = Log::Stdout;
            closed(scene, "1>&-")?;
            scene.tells = true;
            Ok(())
        },
    },
    Surrounding {
        name: "stdout-dev-full",
        what: "standard output, where the log goes, is a disk without room (/dev/full)",
        root: false,
        put_up: |scene| {
            scene.log = Log::Stdout;
            scene.output = Output::Into(dev_full()?);
            Ok(())
        },
    },
];

/// About when the report is written.
const LATE: Duration = Duration::from_millis(900);

#[derive(PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

fn full(scene: &mut Scene, stream: Stream, nonblocking: bool) -> anyhow::Result<()> {
    let (writes, reads) = pipe::full(nonblocking)?;
    let output = Output::Into(writes.into());
    // It stays open, and is never read.
    scene.keep.push(Box::new(reads));
    match stream {
        Stream::Error => {
            scene.error = output;
            scene.tells = false;
        }
        Stream::Output => {
            scene.output = output;
            scene.log = Log::Stdout;
        }
    }
    Ok(())
}

fn late(scene: &mut Scene, nonblocking: bool) -> anyhow::Result<()> {
    let (writes, reads) = pipe::full(nonblocking)?;
    scene.error = Output::ReadLate(writes, reads, LATE);
    Ok(())
}

fn closed(scene: &mut Scene, which: &str) -> anyhow::Result<()> {
    scene.script(&format!(r#"exec "$@" {which}"#));
    scene.tells = false;
    Ok(())
}

pub(super) fn dev_full() -> anyhow::Result<Stdio> {
    Ok(File::options().write(true).open("/dev/full")?.into())
}
