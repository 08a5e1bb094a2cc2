//! What servers that people run want to be stopped with, and how they end then. Nothing here is guessed: each line has
//! the page that says it.

use super::SettingsError;
use super::parse::value;
use crate::plan::Plan;
use crate::target::StopSignal;

/// What is known of a server.
struct Preset {
    name: &'static str,
    /// What stops it gracefully.
    signal: StopSignal,
    /// How it ends after that, if nothing went wrong.
    exits: &'static [i32],
    /// What keeps it in the foreground, and who gets the signal.
    hint: &'static str,
    source: &'static str,
}

use StopSignal::{Quit, Term, Usr1, Winch};

/// Every preset, by name.
const PRESETS: &[Preset] = &[
    Preset {
        name: "caddy",
        signal: Term,
        exits: &[0],
        hint: "`caddy run`, not `caddy start`",
        source: "https://caddyserver.com/docs/command-line#signals",
    },
    Preset {
        name: "envoy",
        signal: Term,
        exits: &[0],
        hint: "drains only after POST /drain_listeners?graceful to its admin port, before the signal",
        source: "https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/draining",
    },
    Preset {
        name: "gunicorn",
        signal: Term,
        exits: &[0],
        hint: "without --daemon; the master gets the signal, and waits --graceful-timeout for its workers",
        source: "https://docs.gunicorn.org/en/stable/signals.html",
    },
    Preset {
        name: "haproxy",
        signal: Usr1,
        exits: &[0],
        hint: "`-db`, or `-W -db` for a master with workers, which gets the signal",
        source: "https://docs.haproxy.org/2.6/management.html#4",
    },
    Preset {
        name: "httpd",
        signal: Winch,
        exits: &[0],
        hint: "`-DFOREGROUND`; the parent gets the signal",
        source: "https://httpd.apache.org/docs/2.4/stopping.html#gracefulstop",
    },
    Preset {
        name: "java",
        signal: Term,
        exits: &[0, 143],
        hint: "runs its shutdown hooks, then exits with 128 + 15",
        source: "https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Runtime.html#shutdown",
    },
    Preset {
        name: "nginx",
        signal: Quit,
        exits: &[0],
        hint: "`daemon off;`; the master gets the signal, and TERM would be a fast shutdown",
        source: "https://nginx.org/en/docs/control.html",
    },
    Preset {
        name: "node",
        signal: Term,
        exits: &[0, 143],
        hint: "started as `node server.js` and not by npm; without a handler of its own it dies of the signal",
        source: "https://nodejs.org/api/process.html#signal-events",
    },
    Preset {
        name: "php-fpm",
        signal: Quit,
        exits: &[0],
        hint: "`--nodaemonize`; the master gets the signal, and waits process_control_timeout for its workers",
        source: "https://www.php.net/manual/en/install.fpm.configuration.php#process-control-timeout",
    },
    Preset {
        name: "puma",
        signal: Term,
        exits: &[0, 143],
        hint: "ends by the signal after its drain unless raise_exception_on_sigterm is false",
        source: "https://github.com/puma/puma/blob/master/docs/signals.md",
    },
    Preset {
        name: "spring",
        signal: Term,
        exits: &[0, 143],
        hint: "`server.shutdown=graceful`, the default from Spring Boot 3.4 on",
        source: "https://docs.spring.io/spring-boot/reference/web/graceful-shutdown.html",
    },
    Preset {
        name: "traefik",
        signal: Term,
        exits: &[0],
        hint: "entryPoints.NAME.transport.lifeCycle.requestAcceptGraceTimeout is its lame-duck phase",
        source: "https://doc.traefik.io/traefik/routing/entrypoints/#lifecycle",
    },
    Preset {
        name: "unicorn",
        signal: Quit,
        exits: &[0],
        hint: "without -D; the master gets the signal, and TERM would be a quick shutdown",
        source: "https://yhbt.net/unicorn/SIGNALS.html",
    },
    Preset {
        name: "uvicorn",
        signal: Term,
        exits: &[0, 143],
        hint: "drains, then sends itself the signal anew",
        source: "https://github.com/encode/uvicorn/blob/master/uvicorn/server.py",
    },
];

/// Sets what a preset says. Whatever is set beside it comes later, and wins.
pub(super) fn apply(name: &str, plan: &mut Plan) -> Result<(), SettingsError> {
    let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else {
        let known: Vec<String> = PRESETS.iter().map(told).collect();
        let known = format!("expected one of these:{}", known.concat());
        return Err(value("--preset", name.to_owned(), known));
    };
    plan.preset = Some(preset.name.to_owned());
    plan.signal = preset.signal;
    plan.expect_exit = preset.exits.to_vec();
    Ok(())
}

fn told(preset: &Preset) -> String {
    let exits: Vec<String> = preset.exits.iter().map(i32::to_string).collect();
    format!(
        "\n  {:9} {}, exit {}; {} ({})",
        preset.name,
        preset.signal,
        exits.join(" or "),
        preset.hint,
        preset.source
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn settings(more: &str) -> Settings {
        let text =
            format!("command = [\"x\"]\nurl = \"http://127.0.0.1:1\"\nget = [\"/\"]\n{more}");
        Settings::from_toml(&text).unwrap()
    }

    #[test]
    fn a_preset_says_the_signal_and_the_exit_codes_and_what_is_set_wins() {
        let plan = settings("preset = \"nginx\"").into_plan().unwrap();
        assert_eq!((plan.signal, &plan.expect_exit[..]), (Quit, &[0][..]));
        let plan = settings("preset = \"puma\"").into_plan().unwrap();
        assert_eq!((plan.signal, &plan.expect_exit[..]), (Term, &[0, 143][..]));
        let set = "preset = \"puma\"\nsignal = \"INT\"\nexpect-exit = [3]";
        let plan = settings(set).into_plan().unwrap();
        assert_eq!(
            (plan.signal, &plan.expect_exit[..]),
            (StopSignal::Int, &[3][..])
        );
    }

    #[test]
    fn an_unknown_preset_lists_all_with_their_sources() {
        for name in ["list", "ngnix"] {
            let wrong = settings(&format!("preset = \"{name}\"")).into_plan();
            let error = wrong.unwrap_err().to_string();
            for preset in PRESETS {
                assert!(error.contains(preset.name) && error.contains(preset.source));
                assert!(preset.source.starts_with("https://"), "{}", preset.name);
            }
        }
    }

    #[test]
    fn presets_are_in_order() {
        assert!(PRESETS.is_sorted_by_key(|preset| preset.name));
    }
}
