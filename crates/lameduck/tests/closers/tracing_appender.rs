//! The guard of a log that is written by another thread.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lameduck::Lifecycle;

use crate::life::end;

/// A slow disk.
struct Slow(Arc<AtomicUsize>);

impl Write for Slow {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(2));
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_last_lines_are_written_and_the_runtime_is_not_blocked_meanwhile() {
    let written = Arc::new(AtomicUsize::new(0));
    let (mut log, guard) = tracing_appender::non_blocking(Slow(written.clone()));
    for _ in 0..100 {
        log.write_all(b"a line\n").unwrap();
    }
    // On the only thread there is: it would not be polled while a drop blocks it.
    let polled = Arc::new(AtomicUsize::new(0));
    let count = polled.clone();
    let beside = tokio::spawn(async move {
        loop {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let ended =
        end(Lifecycle::embedded().flush("log", lameduck::tracing_appender::guard(guard))).await;
    ended.cleanly();
    assert_eq!(written.load(Ordering::Relaxed), 100);
    assert!(ended.took > Duration::from_millis(100), "{:?}", ended.took);
    assert!(polled.load(Ordering::Relaxed) > 20, "{polled:?}");
    beside.abort();
}
