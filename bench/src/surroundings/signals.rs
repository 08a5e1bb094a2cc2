//! Signals as they really come: blocked, ignored, several at once, others than SIGTERM.

use std::time::Duration;

use rustix::process::Signal;

use super::scene::{Scene, Step, Surrounding};

/// All of this kind.
pub const ALL: &[Surrounding] = &[
    Surrounding {
        name: "sigterm-blocked",
        what: "SIGTERM is blocked in the inherited mask",
        root: false,
        put_up: |scene| {
            scene.wrap(&["env", "--block-signal=TERM"]);
            Ok(())
        },
    },
    Surrounding {
        name: "all-signals-blocked",
        what: "every signal is blocked in the inherited mask",
        root: false,
        put_up: |scene| {
            scene.wrap(&["env", "--block-signal"]);
            Ok(())
        },
    },
    Surrounding {
        name: "sigterm-ignored",
        what: "SIGTERM is ignored by whoever started it",
        root: false,
        put_up: |scene| {
            scene.wrap(&["env", "--ignore-signal=TERM"]);
            Ok(())
        },
    },
    Surrounding {
        name: "sigint-ignored",
        what: "SIGINT is ignored, as for what a shell puts in the background; it comes, and does nothing",
        root: false,
        put_up: |scene| {
            scene.wrap(&["env", "--ignore-signal=INT"]);
            ignored_then_term(scene, Signal::INT);
            Ok(())
        },
    },
    Surrounding {
        name: "sighup-ignored",
        what: "SIGHUP is ignored, as by nohup; it comes, and does nothing",
        root: false,
        put_up: |scene| {
            scene.wrap(&["env", "--ignore-signal=HUP"]);
            ignored_then_term(scene, Signal::HUP);
            Ok(())
        },
    },
    Surrounding {
        name: "signal-doubled",
        what: "SIGTERM comes twice within 2 ms; a lame duck of 600 ms",
        root: false,
        put_up: |scene| {
            scene.signals.push(Step::after(2, Signal::TERM));
            lame_duck(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "signal-tripled",
        what: "SIGTERM comes three times within 5 ms; a lame duck of 600 ms",
        root: false,
        put_up: |scene| {
            scene.signals.push(Step::after(2, Signal::TERM));
            scene.signals.push(Step::after(3, Signal::TERM));
            lame_duck(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "signals-mixed",
        what: "SIGINT and SIGTERM come twice each within 30 ms; a lame duck of 600 ms",
        root: false,
        put_up: |scene| {
            scene.signals = vec![
                Step::now(Signal::INT),
                Step::after(10, Signal::TERM),
                Step::after(10, Signal::INT),
                Step::after(10, Signal::TERM),
            ];
            lame_duck(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "sigint-of-a-platform",
        what: "SIGINT from a platform, no terminal; a lame duck of 600 ms is set",
        root: false,
        put_up: |scene| {
            scene.signals = vec![Step::now(Signal::INT)];
            lame_duck(scene);
            Ok(())
        },
    },
    Surrounding {
        name: "sigquit",
        what: "LAMEDUCK_SIGNALS=TERM,INT,QUIT, and SIGQUIT comes",
        root: false,
        put_up: |scene| {
            scene.set("LAMEDUCK_SIGNALS", "TERM,INT,QUIT");
            scene.signals = vec![Step::now(Signal::QUIT)];
            Ok(())
        },
    },
    Surrounding {
        name: "sighup",
        what: "LAMEDUCK_SIGNALS=TERM,HUP, and SIGHUP comes",
        root: false,
        put_up: |scene| {
            scene.set("LAMEDUCK_SIGNALS", "TERM,HUP");
            scene.signals = vec![Step::now(Signal::HUP)];
            Ok(())
        },
    },
    Surrounding {
        name: "stopped-and-continued",
        what: "SIGSTOP before SIGTERM, SIGCONT 400 ms after it",
        root: false,
        put_up: |scene| {
            scene.signals = vec![
                Step::now(Signal::STOP),
                Step::after(100, Signal::TERM),
                Step::after(400, Signal::CONT),
            ];
            Ok(())
        },
    },
    Surrounding {
        name: "stopped-while-it-drains",
        what: "SIGSTOP 20 ms after SIGTERM, SIGCONT 700 ms after that",
        root: false,
        put_up: |scene| {
            scene.signals.push(Step::after(20, Signal::STOP));
            scene.signals.push(Step::after(700, Signal::CONT));
            Ok(())
        },
    },
];

fn ignored_then_term(scene: &mut Scene, signal: Signal) {
    // Long enough apart to be two signals, were the first one heard; and a lame duck that a second would end.
    scene.signals = vec![Step::now(signal), Step::after(1000, Signal::TERM)];
    lame_duck(scene);
}

/// Less is asked for than is set: its end may come a moment early.
fn lame_duck(scene: &mut Scene) {
    scene.set("LAMEDUCK_LAME_DUCK", "600ms");
    scene.lame_duck = Duration::from_millis(550);
}
