//! A command without some of what the kernel can do: a hidden subcommand, which installs a filter of system calls
//! as container runtimes do, and becomes that command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Options of the hidden `without`.
#[derive(Args)]
pub struct Options {
    /// No sockets of netlink: EAFNOSUPPORT
    #[arg(long)]
    netlink: bool,

    /// No `SO_BINDTOIFINDEX`: ENOPROTOOPT
    #[arg(long)]
    bindtoifindex: bool,

    /// No sockets of IPv6, as where the kernel was started without it: EAFNOSUPPORT
    #[arg(long)]
    ipv6: bool,

    /// No Unix sockets but pairs, as by systemd's `RestrictAddressFamilies=`: EAFNOSUPPORT
    #[arg(long)]
    unix: bool,

    /// EPERM in place of all these errors, as most profiles have it
    #[arg(long)]
    eperm: bool,

    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

const AF_UNIX: u64 = 1;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const SOL_SOCKET: u64 = 1;
const SO_BINDTOIFINDEX: u64 = 62;

// The numbers of the two calls, as `<asm/unistd.h>` has them.
#[cfg(target_arch = "x86_64")]
const CALLS: (i64, i64) = (41, 54);
#[cfg(not(target_arch = "x86_64"))]
const CALLS: (i64, i64) = (198, 208);

/// Becomes the command.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (socket, setsockopt) = CALLS;
    let error = |usual| match options.eperm {
        true => Errno::PERM,
        false => usual,
    };
    for (family, is_refused) in [
        (AF_NETLINK, options.netlink),
        (AF_INET6, options.ipv6),
        (AF_UNIX, options.unix),
    ] {
        if is_refused {
            let family = SeccompRule::new(vec![argument(0, family)?])?;
            refuse(socket, family, error(Errno::AFNOSUPPORT))?;
        }
    }
    if options.bindtoifindex {
        let option = vec![argument(1, SOL_SOCKET)?, argument(2, SO_BINDTOIFINDEX)?];
        let option = SeccompRule::new(option)?;
        refuse(setsockopt, option, error(Errno::NOPROTOOPT))?;
    }
    let [program, arguments @ ..] = &options.command[..] else {
        bail!("no command was given");
    };
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

fn argument(index: u8, value: u64) -> anyhow::Result<SeccompCondition> {
    let is = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    is.context("a filter of system calls")
}

/// One filter for each error: with several, the kernel takes the strictest answer.
fn refuse(call: i64, rule: SeccompRule, error: Errno) -> anyhow::Result<()> {
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, vec![rule])]),
        SeccompAction::Allow,
        SeccompAction::Errno(u32::try_from(error.raw_os_error())?),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program).context("cannot install a filter of system calls")
}
