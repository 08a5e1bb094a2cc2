//! The line between clients and server: a network device on which every packet is seen, and takes its time.
//!
//! What is sent to its far end comes back half a round trip later as if from there, so that two programs of this
//! machine talk over it: one listens at the near address, the other connects to the far one. Between them is
//! the kernel's own TCP, with its handshakes, refusals and resets. That needs the right to make such a device
//! (`CAP_NET_ADMIN`, and `/dev/net/tun`).

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio_tun::Tun;

use super::flows::Flows;
use super::packet::turn_round;

/// A line. It is gone when dropped.
pub struct Line {
    near: Ipv4Addr,
    far: Ipv4Addr,
    flows: Arc<Mutex<Option<Flows>>>,
    _runtime: tokio::runtime::Runtime,
}

const MTU: i32 = 1500;

impl Line {
    /// Lays one.
    pub fn open(rtt: Duration) -> anyhow::Result<Line> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let (near, far) = addresses();
        let device = {
            let _entered = runtime.enter();
            Tun::builder()
                .address(near)
                .destination(far)
                .netmask(Ipv4Addr::new(255, 255, 255, 252))
                .mtu(MTU)
                .up()
                .build()
        };
        let device = device
            .context("cannot make a TUN device, on which the packets are seen and take their time: it needs /dev/net/tun and CAP_NET_ADMIN (root, or `unshare -Urn`)")?
            .pop()
            .context("no TUN device was made")?;
        let flows = Arc::new(Mutex::new(None));
        runtime.spawn(carry(device, rtt / 2, flows.clone()));
        Ok(Line {
            near,
            far,
            flows,
            _runtime: runtime,
        })
    }

    /// Where a server listens.
    pub fn near(&self) -> Ipv4Addr {
        self.near
    }

    /// Where it is reached.
    pub fn far(&self) -> Ipv4Addr {
        self.far
    }

    /// From now on what is said on these connections is followed.
    pub fn follow(&self, flows: Flows) {
        *lock(&self.flows) = Some(flows);
    }

    /// What was seen since.
    pub fn followed(&self) -> Option<Flows> {
        lock(&self.flows).take()
    }
}

/// Four addresses that nobody else uses, of those that are for measurements (RFC 2544).
fn addresses() -> (Ipv4Addr, Ipv4Addr) {
    static LINES: AtomicU32 = AtomicU32::new(0);
    let line = std::process::id() * 16 + LINES.fetch_add(1, Ordering::Relaxed);
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + line % (1 << 15) * 4;
    (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2))
}

async fn carry(device: Tun, delay: Duration, flows: Arc<Mutex<Option<Flows>>>) {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = [0; MTU as usize];
    loop {
        let due = under_way.front().map(|(at, _)| *at);
        let arrives = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = device.recv(&mut buffer) => {
                let Ok(length) = received else { return };
                let now = Instant::now();
                if let Some(flows) = lock(&flows).as_mut() {
                    flows.saw(&buffer[..length], now);
                }
                turn_round(&mut buffer[..length]);
                if delay.is_zero() {
                    // A packet that the kernel does not take is one that is lost on its way.
                    let _ = device.send(&buffer[..length]).await;
                } else {
                    under_way.push_back((now + delay, buffer[..length].to_vec()));
                }
            }
            () = arrives => {
                while let Some((_, packet)) = under_way.pop_front_if(|(at, _)| *at <= Instant::now()) {
                    let _ = device.send(&packet).await;
                }
            }
        }
    }
}

fn lock(flows: &Mutex<Option<Flows>>) -> MutexGuard<'_, Option<Flows>> {
    flows.lock().unwrap_or_else(PoisonError::into_inner)
}
