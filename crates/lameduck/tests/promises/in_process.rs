//! A server in this process, for what only its handlers see.

use std::thread;
use std::time::Duration;

use lameduck::{Exit, Handle, Http, Lifecycle, ServiceSource};

use crate::client::Client;
use crate::service::until;

pub const ANYWHERE: &str = "127.0.0.1:0";

pub struct Server {
    pub handle: Handle,
    pub address: String,
    running: thread::JoinHandle<Exit>,
}

impl Server {
    pub fn of<S: ServiceSource<Kind>, Kind: 'static>(http: Http<S, Kind>) -> Server {
        Server::run(|life| life.component(http))
    }

    /// Something in the lifecycle is called `api` and listens.
    pub fn run(parts: impl FnOnce(Lifecycle) -> Lifecycle) -> Server {
        let server = Server::at(String::new(), parts);
        let address = until("it listens", || server.handle.address("api"));
        Server { address, ..server }
    }

    /// One that listens by itself.
    pub fn at(address: String, parts: impl FnOnce(Lifecycle) -> Lifecycle) -> Server {
        let life = parts(Lifecycle::embedded().grace(Duration::from_secs(10)));
        let handle = life.handle();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        Server {
            handle,
            address,
            running: thread::spawn(move || runtime.block_on(life.run())),
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    pub fn stop(&self) {
        self.handle.shutdown("test");
    }

    #[track_caller]
    pub fn ends_clean(self) {
        self.stop();
        assert_eq!(self.running.join().unwrap(), Exit::CLEAN);
    }
}
