//! What the kernel has for it, or has not: namespaces, protocols, calls that a profile forbids.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::bail;

use super::load::Dial;
use super::scene::{End, Scene, Surrounding};
use crate::shop::this_program;

const PORT: u16 = 8080;

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "no-ipv6",
        what: "a network without IPv6, and it is told to listen on [::]:8080",
        root: true,
        put_up: |scene| {
            let off = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1";
            network(scene, "[::]:8080", Ipv4Addr::LOCALHOST.into(), off);
            scene.end = End::ServesOrRefuses(&["0.0.0.0"]);
            Ok(())
        },
    },
    Surrounding {
        name: "no-ipv6-localhost",
        what: "a network without IPv6, and it is told to listen on localhost:8080",
        root: true,
        put_up: |scene| {
            let off = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1";
            network(scene, "localhost:8080", Ipv4Addr::LOCALHOST.into(), off);
            Ok(())
        },
    },
    Surrounding {
        name: "ipv6-only",
        what: "a network without IPv4, and it is told to listen on [::]:8080",
        root: true,
        put_up: |scene| {
            let off = "ip addr del 127.0.0.1/8 dev lo";
            network(scene, "[::]:8080", Ipv6Addr::LOCALHOST.into(), off);
            Ok(())
        },
    },
    Surrounding {
        name: "ipv6-only-localhost",
        what: "a network without IPv4, and it is told to listen on localhost:8080",
        root: true,
        put_up: |scene| {
            let off = "ip addr del 127.0.0.1/8 dev lo";
            network(scene, "localhost:8080", Ipv6Addr::LOCALHOST.into(), off);
            Ok(())
        },
    },
    Surrounding {
        name: "no-ipv6-at-all",
        what: "no IPv6 in the kernel (ipv6.disable=1), and it is told to listen on [::]",
        root: false,
        put_up: |scene| {
            everywhere(scene)?;
            without(scene, &["--ipv6"])
        },
    },
    Surrounding {
        name: "no-unix-sockets",
        what: "no Unix sockets, as by systemd's RestrictAddressFamilies=AF_INET AF_INET6",
        root: false,
        put_up: |scene| without(scene, &["--unix"]),
    },
    Surrounding {
        name: "short-queue",
        what: "an accept queue of two connections (net.core.somaxconn)",
        root: true,
        put_up: |scene| {
            let listen = format!("127.0.0.1:{PORT}");
            let short = "sysctl -qw net.core.somaxconn=2";
            network(scene, &listen, Ipv4Addr::LOCALHOST.into(), short);
            Ok(())
        },
    },
    Surrounding {
        name: "no-netlink",
        what: "a seccomp profile without netlink",
        root: false,
        put_up: |scene| without(scene, &["--netlink"]),
    },
    Surrounding {
        name: "no-bindtoifindex",
        what: "a seccomp profile without SO_BINDTOIFINDEX",
        root: false,
        put_up: |scene| without(scene, &["--bindtoifindex"]),
    },
    Surrounding {
        name: "no-netlink-no-bindtoifindex",
        what: "a seccomp profile without either",
        root: false,
        put_up: |scene| without(scene, &["--netlink", "--bindtoifindex"]),
    },
    Surrounding {
        name: "nothing-permitted",
        what: "a seccomp profile without either and without Unix sockets, which says EPERM",
        root: false,
        put_up: |scene| {
            without(
                scene,
                &["--netlink", "--bindtoifindex", "--unix", "--eperm"],
            )
        },
    },
    Surrounding {
        name: "no-capabilities",
        what: "root without a single capability, and none to be had (no_new_privs)",
        root: true,
        put_up: |scene| {
            scene.wrap(&[
                "setpriv",
                "--bounding-set",
                "-all",
                "--inh-caps",
                "-all",
                "--no-new-privs",
            ]);
            Ok(())
        },
    },
    Surrounding {
        name: "user-namespace",
        what: "root in a user namespace of its own, and nobody outside of it",
        root: true,
        put_up: |scene| {
            scene.wrap(&["unshare", "--user", "--map-root-user"]);
            Ok(())
        },
    },
    Surrounding {
        name: "no-devices",
        what: "nothing in /dev, /sys and /etc, as in an image from scratch",
        root: true,
        put_up: |scene| {
            scene
                .script(r#"for it in /dev /sys /etc; do mount -t tmpfs none $it; done; exec "$@""#);
            scene.wrap(&["unshare", "--mount"]);
            Ok(())
        },
    },
    Surrounding {
        name: "no-netlink-no-proc",
        what: "a seccomp profile without either, and nothing in /proc",
        root: true,
        put_up: |scene| {
            without(scene, &["--netlink", "--bindtoifindex"])?;
            // The program's own file is looked up before.
            scene.script(r#"mount -t tmpfs none /proc; exec "$@""#);
            scene.wrap(&["unshare", "--mount"]);
            Ok(())
        },
    },
    Surrounding {
        name: "pid-1",
        what: "it is the first process of a PID namespace",
        root: true,
        put_up: |scene| {
            scene.wrap(&["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
            Ok(())
        },
    },
    Surrounding {
        name: "pid-1-sigint",
        what: "the same, and it is stopped by SIGINT",
        root: true,
        put_up: |scene| {
            scene.wrap(&["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]);
            scene.signals = vec![super::scene::Step::now(rustix::process::Signal::INT)];
            Ok(())
        },
    },
    Surrounding {
        name: "read-only-root",
        what: "no file can be written but the report's folder",
        root: true,
        put_up: |scene| {
            scene.script(
                r#"mount --bind "$F" "$F"; mount -o remount,bind,ro /; ! touch /tmp/.x 2>&-; exec "$@""#,
            );
            scene.wrap(&["unshare", "--mount"]);
            Ok(())
        },
    },
    Surrounding {
        name: "read-only-everything",
        what: "no file can be written, not even the report",
        root: true,
        put_up: |scene| {
            scene.script(r#"mount -o remount,bind,ro /; exec "$@""#);
            scene.wrap(&["unshare", "--mount"]);
            scene.report = None;
            scene.end = End::ServesOrRefuses(&["LAMEDUCK_REPORT"]);
            Ok(())
        },
    },
    Surrounding {
        name: "another-time",
        what: "a time namespace: the machine seems to run for ten years already",
        root: true,
        put_up: |scene| {
            scene.wrap(&[
                "unshare",
                "--time",
                "--fork",
                "--kill-child",
                "--boottime",
                "315360000",
                "--monotonic",
                "315360000",
            ]);
            Ok(())
        },
    },
    Surrounding {
        name: "no-network",
        what: "a network namespace of its own with no interface up; clients by a Unix socket",
        root: true,
        put_up: |scene| {
            scene.wrap(&["unshare", "--net"]);
            let path = scene.folder.join("sock");
            scene.listen = format!("unix:{}", path.display());
            scene.dial = Dial::Unix(path);
            Ok(())
        },
    },
];

/// A network namespace with a loopback, in which `script` is run first.
fn network(scene: &mut Scene, listen: &str, client: std::net::IpAddr, script: &str) {
    scene.script(&format!(r#"ip link set lo up; {script}; exec "$@""#));
    // `sysctl` wants the /sys and /proc of that namespace.
    scene.wrap(&["unshare", "--net"]);
    scene.listen = listen.to_owned();
    scene.dial = Dial::Tcp(SocketAddr::new(client, PORT));
    scene.own_network = true;
}

/// All addresses of the machine, asked for by IPv6.
fn everywhere(scene: &mut Scene) -> anyhow::Result<()> {
    let Dial::Tcp(address) = &scene.dial else {
        bail!("a plain scene has a port");
    };
    scene.listen = format!("[::]:{}", address.port());
    Ok(())
}

fn without(scene: &mut Scene, flags: &[&str]) -> anyhow::Result<()> {
    let this = this_program()?;
    scene.wrap(&[&[this.as_str(), "without"], flags, &["--"]].concat());
    Ok(())
}
