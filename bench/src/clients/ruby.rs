//! Ruby's `Net::HTTP::Persistent`, as Debian has it.

use std::process::Command;

use super::{Client, Protocol, source};
use crate::kit::{Kit, run};

pub const CLIENTS: &[Client] = &[Client {
    name: "ruby",
    protocol: Protocol::Http1,
    by_itself: "looks for a FIN first; repeats a GET once",
    own_fault: None,
    prepare,
    command,
    variant: None,
}];

fn prepare(_: &Kit) -> anyhow::Result<()> {
    run(Command::new("ruby").args(["-e", "require 'net/http/persistent'"]))
}

fn command(_: &Kit) -> Command {
    let mut it = Command::new("ruby");
    it.arg(source("ruby/client.rb"));
    it
}
