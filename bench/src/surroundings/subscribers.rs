//! Subscribers of `tracing` that block, panic, or print.

use std::fs;

use super::outputs::dev_full;
use super::scene::{Output, Scene, Surrounding};
use super::service::{Log, TROUBLE};

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "log-blocks",
        what: "from before the signal on the log blocks for ever",
        root: false,
        put_up: |scene| troubled_later(scene, Log::Blocks),
    },
    Surrounding {
        name: "log-blocks-from-start",
        what: "the log blocks for ever from its first line on",
        root: false,
        put_up: |scene| troubled_at_once(scene, Log::Blocks),
    },
    Surrounding {
        name: "log-panics",
        what: "from before the signal on the log panics",
        root: false,
        put_up: |scene| troubled_later(scene, Log::Panics),
    },
    Surrounding {
        name: "log-panics-from-start",
        what: "the log panics from its first line on",
        root: false,
        put_up: |scene| troubled_at_once(scene, Log::Panics),
    },
    Surrounding {
        name: "log-prints",
        what: "the log goes through eprintln!, which panics: standard error is /dev/full",
        root: false,
        put_up: |scene| {
            scene.log = Log::Prints;
            scene.error = Output::Into(dev_full()?);
            scene.tells = false;
            Ok(())
        },
    },
];

fn troubled_later(scene: &mut Scene, log: Log) -> anyhow::Result<()> {
    scene.log = log;
    let file = scene.folder.join(TROUBLE);
    scene
        .before
        .push(Box::new(move |_| Ok(fs::write(file, "")?)));
    Ok(())
}

fn troubled_at_once(scene: &mut Scene, log: Log) -> anyhow::Result<()> {
    scene.log = log;
    Ok(fs::write(scene.folder.join(TROUBLE), "")?)
}
