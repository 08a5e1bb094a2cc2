//! Unix sockets, and what stands in their place.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::load::Dial;
use super::scene::{End, Scene, Surrounding};

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "unix-socket",
        what: "it serves on a Unix socket",
        root: false,
        put_up: |scene| {
            at_path(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "unix-socket-left-behind",
        what: "the socket of a process that was killed is in the way",
        root: false,
        put_up: |scene| {
            let path = at_path(scene);
            // Closing it leaves the path.
            drop(UnixListener::bind(path)?);
            Ok(())
        },
    },
    Surrounding {
        name: "unix-socket-is-a-file",
        what: "somebody's file is where the Unix socket should be",
        root: false,
        put_up: |scene| {
            let path = at_path(scene);
            fs::write(&path, "somebody's")?;
            scene.end = End::Refuses(&["socket of ours", "not a socket", "file", "sock"]);
            scene.checks.push(Box::new(move || match fs::read(&path) {
                Ok(text) if text == b"somebody's" => Ok(()),
                Ok(_) => Err("the file was overwritten".to_owned()),
                Err(error) => Err(format!("the file is gone: {error}")),
            }));
            Ok(())
        },
    },
    Surrounding {
        name: "unix-socket-is-a-folder",
        what: "a folder is where the Unix socket should be",
        root: false,
        put_up: |scene| {
            let path = at_path(scene);
            fs::create_dir(&path)?;
            scene.end = End::Refuses(&["sock"]);
            scene.checks.push(Box::new(move || match path.is_dir() {
                true => Ok(()),
                false => Err("the folder is gone".to_owned()),
            }));
            Ok(())
        },
    },
    Surrounding {
        name: "unix-socket-is-in-use",
        what: "somebody listens on the Unix socket",
        root: false,
        put_up: |scene| {
            let path = at_path(scene);
            scene.keep.push(Box::new(UnixListener::bind(&path)?));
            scene.end = End::Refuses(&["sock"]);
            scene.checks.push(Box::new(move || match path.exists() {
                true => Ok(()),
                false => Err("somebody else's socket was removed".to_owned()),
            }));
            Ok(())
        },
    },
];

fn at_path(scene: &mut Scene) -> PathBuf {
    let path = scene.folder.join("sock");
    scene.listen = format!("unix:{}", path.display());
    scene.dial = Dial::Unix(path.clone());
    path
}
