//! Where the report goes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::scene::{End, Scene, Surrounding};

/// What a refusal has to name.
const NAMED: &[&str] = &["LAMEDUCK_REPORT"];

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "report-bind-mounted",
        what: "LAMEDUCK_REPORT is a file that is mounted there",
        root: true,
        put_up: |scene| {
            let (there, here) = (scene.folder.join("there"), scene.folder.join("here"));
            fs::write(&there, "")?;
            fs::write(&here, "")?;
            scene.script(r#"mount --bind "$F/there" "$F/here"; exec "$@""#);
            scene.wrap(&["unshare", "--mount"]);
            scene.report_to(&here);
            // Outside of its namespace the mounted file is the other one.
            scene.report = Some(there);
            nothing_beside(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "report-folder-not-ours",
        what: "LAMEDUCK_REPORT is a file of ours in a folder that is not, as /dev/termination-log",
        root: true,
        put_up: |scene| {
            let folder = scene.folder.join("theirs");
            fs::create_dir(&folder)?;
            let file = folder.join("termination-log");
            fs::write(&file, "")?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
            scene.as_user(61003)?;
            rustix::fs::chown(&folder, Some(rustix::fs::Uid::ROOT), None)?;
            scene.report_to(&file);
            nothing_beside(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "report-behind-a-link",
        what: "LAMEDUCK_REPORT is a symbolic link",
        root: false,
        put_up: |scene| {
            let (there, link) = (scene.folder.join("there"), scene.folder.join("link"));
            fs::write(&there, "")?;
            symlink(&there, &link)?;
            scene.report_to(&link);
            scene.report = Some(there);
            scene.checks.push(Box::new(move || match link.is_symlink() {
                true => Ok(()),
                false => Err("the link was replaced".to_owned()),
            }));
            nothing_beside(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "report-dev-full",
        what: "LAMEDUCK_REPORT is a disk without room (/dev/full)",
        root: false,
        put_up: |scene| {
            scene.report_to(Path::new("/dev/full"));
            scene.report = None;
            scene.checks.push(Box::new(|| {
                use std::os::unix::fs::FileTypeExt;
                let kind = fs::metadata("/dev/full").map(|it| it.file_type());
                match kind.is_ok_and(|it| it.is_char_device()) {
                    true => Ok(()),
                    false => Err("/dev/full was replaced by a file".to_owned()),
                }
            }));
            Ok(())
        },
    },
    Surrounding {
        name: "report-dev-null",
        what: "LAMEDUCK_REPORT is /dev/null",
        root: false,
        put_up: |scene| {
            scene.report_to(Path::new("/dev/null"));
            scene.report = None;
            scene.checks.push(Box::new(|| {
                use std::os::unix::fs::FileTypeExt;
                let kind = fs::metadata("/dev/null").map(|it| it.file_type());
                match kind.is_ok_and(|it| it.is_char_device()) {
                    true => Ok(()),
                    false => Err("/dev/null was replaced by a file".to_owned()),
                }
            }));
            Ok(())
        },
    },
    Surrounding {
        name: "report-fifo",
        what: "LAMEDUCK_REPORT is a FIFO that nobody reads",
        root: false,
        put_up: |scene| {
            let fifo = scene.folder.join("fifo");
            mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
            scene.report_to(&fifo);
            scene.report = None;
            scene.end = End::ServesOrRefuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "report-is-a-folder",
        what: "LAMEDUCK_REPORT is a folder",
        root: false,
        put_up: |scene| {
            let folder = scene.folder.join("reports");
            fs::create_dir(&folder)?;
            scene.report_to(&folder);
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "report-nowhere",
        what: "LAMEDUCK_REPORT is in a folder that is not there",
        root: false,
        put_up: |scene| {
            let file = scene.folder.join("nowhere").join("report.json");
            scene.report_to(&file);
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
];

/// No half-written file is left beside it.
fn nothing_beside(scene: &mut Scene) {
    let folder = scene.folder.clone();
    scene.checks.push(Box::new(move || {
        let parts: Vec<PathBuf> = [folder.clone(), folder.join("theirs")]
            .iter()
            .filter_map(|it| fs::read_dir(it).ok())
            .flat_map(|entries| entries.flatten().map(|it| it.path()))
            .filter(|it| it.display().to_string().contains(".part"))
            .collect();
        match parts.is_empty() {
            true => Ok(()),
            false => Err(format!("left behind: {parts:?}")),
        }
    }));
}
