//! Descriptors that the process was started with: `LISTEN_FDS`, right and wrong, and `NOTIFY_SOCKET`.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use anyhow::Context;
use rustix::net::{AddressFamily, SocketType, bind, socket};

use super::load::Dial;
use super::scene::{End, Scene, Surrounding};

/// What a refusal has to name.
const NAMED: &[&str] = &["LISTEN_FDS", "descriptor 3", "LISTEN_PID"];

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "listen-fds",
        what: "LISTEN_FDS as it should be: a socket that listens, which somebody else has too",
        root: false,
        put_up: |scene| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            scene.dial = Dial::Tcp(listener.local_addr()?);
            scene.shared = Some(listener.try_clone()?);
            hand_down(scene, listener.into(), "LISTEN_PID=$$");
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-connected",
        what: "LISTEN_FDS with a connected socket (Accept=yes)",
        root: false,
        put_up: |scene| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let here = TcpStream::connect(listener.local_addr()?)?;
            let (there, _) = listener.accept()?;
            scene.keep.push(Box::new(there));
            hand_down(scene, here.into(), "LISTEN_PID=$$");
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-not-listening",
        what: "LISTEN_FDS with a socket that is bound and does not listen",
        root: false,
        put_up: |scene| {
            let it = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            bind(&it, &std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
            hand_down(scene, it, "LISTEN_PID=$$");
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-datagrams",
        what: "LISTEN_FDS with a socket for datagrams",
        root: false,
        put_up: |scene| {
            let it = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            hand_down(scene, it.into(), "LISTEN_PID=$$");
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-file",
        what: "LISTEN_FDS with a file",
        root: false,
        put_up: |scene| {
            let file = File::create(scene.folder.join("file")).context("cannot make a file")?;
            hand_down(scene, file.into(), "LISTEN_PID=$$");
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-none",
        what: "LISTEN_FDS=1 and no descriptor 3 at all",
        root: false,
        put_up: |scene| {
            scene.script(r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&-"#);
            scene.end = End::Refuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-no-pid",
        what: "LISTEN_FDS without LISTEN_PID, and descriptor 3 is a file",
        root: false,
        put_up: |scene| {
            let file = File::create(scene.folder.join("file")).context("cannot make a file")?;
            hand_down(scene, file.into(), "");
            // It may take no notice, as sd_listen_fds(3) does, or say what is wrong.
            scene.end = End::ServesOrRefuses(NAMED);
            Ok(())
        },
    },
    Surrounding {
        name: "listen-fds-of-another",
        what: "LISTEN_FDS with the LISTEN_PID of another process",
        root: false,
        put_up: |scene| {
            let file = File::create(scene.folder.join("file")).context("cannot make a file")?;
            hand_down(scene, file.into(), "LISTEN_PID=1");
            Ok(())
        },
    },
    Surrounding {
        name: "notify-nobody",
        what: "NOTIFY_SOCKET is a path where nobody is",
        root: false,
        put_up: |scene| {
            let path = scene.folder.join("notify");
            scene.set("NOTIFY_SOCKET", path.display().to_string());
            Ok(())
        },
    },
    Surrounding {
        name: "notify-full",
        what: "NOTIFY_SOCKET is a socket whose queue is full, and which nobody reads",
        root: false,
        put_up: |scene| {
            let path = scene.folder.join("notify");
            let deaf = UnixDatagram::bind(&path).context("cannot make a socket")?;
            let fills = UnixDatagram::unbound()?;
            fills.set_nonblocking(true)?;
            while fills.send_to(b"x", &path).is_ok() {}
            scene.keep.push(Box::new(deaf));
            scene.set("NOTIFY_SOCKET", path.display().to_string());
            Ok(())
        },
    },
];

/// `it` becomes descriptor 3; `more` is set beside `LISTEN_FDS`.
fn hand_down(scene: &mut Scene, it: OwnedFd, more: &str) {
    scene.script(&format!(
        r#"exec 3<&0 </dev/null; {more} LISTEN_FDS=1 exec "$@""#
    ));
    scene.input = it.into();
}
