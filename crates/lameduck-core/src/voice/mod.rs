//! What the library says goes out by threads of its own: events to `tracing`, the report's file, lines on
//! standard error.
//!
//! Whoever takes them may not: standard error is a pipe that nobody reads, the disk is full or hangs, a
//! subscriber blocks, panics, or prints by `eprintln!`, which panics. None of that is a reason for a request to
//! wait.
//!
//! # What must hold
//!
//! 1. [`event`], [`file`] and [`line`] never block and never panic, whatever is done with what they hand over.
//! 2. What one of the three cannot say keeps nothing from the other two.
//! 3. What is handed to one of them is said in order. Of more than 1,024 that wait, the rest is counted, and
//!    told when there is room.
//! 4. The threads are started with the first lifecycle: nothing has to be had at the end.

pub(crate) mod stderr;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level};

#[cfg(unix)]
use crate::system::signal_set::SignalSet;

/// How many may wait to be said. Each is some hundred bytes.
const WAITING: usize = 1024;

/// Something to say.
type Word = Box<dyn FnOnce() + Send>;

/// A thread that says one thing after the other.
pub(crate) struct Speaker {
    shared: Arc<SpeakerState>,
}

#[derive(Default)]
struct SpeakerState {
    queue: Mutex<SpeechQueue>,
    /// There is something to say.
    more: Condvar,
    /// Something has been said.
    less: Condvar,
}

#[derive(Default)]
struct SpeechQueue {
    words: VecDeque<Word>,
    /// How many were handed over, and how many of these have been said.
    handed_over: u64,
    said: u64,
    /// How many found no room since this was last told.
    unsaid: u64,
    /// Nobody hands anything over any more.
    closed: bool,
}

impl SpeakerState {
    /// Held for a push or a pop.
    fn queue(&self) -> MutexGuard<'_, SpeechQueue> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Speaker {
    /// Starts the thread. `apologize` says how many were left unsaid.
    pub fn start(name: &str, apologize: fn(u64)) -> io::Result<Speaker> {
        let shared = Arc::new(SpeakerState::default());
        let its = shared.clone();
        thread::Builder::new().name(name.into()).spawn(move || {
            // A file that may not grow (`RLIMIT_FSIZE`, setrlimit(2)) is an error like a full disk, and no reason to
            // be killed.
            #[cfg(unix)]
            crate::system::sys::block(SignalSet::EMPTY.with(libc::SIGXFSZ));
            speak(&its, apologize);
        })?;
        Ok(Speaker { shared })
    }

    /// Has this said after all that was handed over before. Never blocks.
    pub(crate) fn say(&self, word: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.queue();
        if queue.words.len() >= WAITING {
            queue.unsaid += 1;
            return;
        }
        queue.words.push_back(Box::new(word));
        queue.handed_over += 1;
        drop(queue);
        self.shared.more.notify_one();
    }

    /// All that has been handed over so far.
    pub(crate) fn so_far(&self) -> SoFar {
        SoFar {
            shared: self.shared.clone(),
            upto: self.shared.queue().handed_over,
        }
    }
}

/// Its thread ends when all has been said.
impl Drop for Speaker {
    fn drop(&mut self) {
        self.shared.queue().closed = true;
        self.shared.more.notify_one();
    }
}

/// What had been handed to a speaker at some moment.
pub(crate) struct SoFar {
    shared: Arc<SpeakerState>,
    upto: u64,
}

impl SoFar {
    /// Waits until it has been said, but not beyond `until`; whether it has. Blocks the thread.
    pub(crate) fn said_by(&self, until: Instant) -> bool {
        let mut queue = self.shared.queue();
        while queue.said < self.upto {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.less.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(|e| e.into_inner()).0;
        }
        true
    }
}

fn speak(shared: &SpeakerState, apologize: fn(u64)) {
    let mut queue = shared.queue();
    loop {
        let Some(word) = queue.words.pop_front() else {
            if queue.closed {
                return;
            }
            let waited = shared.more.wait(queue);
            queue = waited.unwrap_or_else(|e| e.into_inner());
            continue;
        };
        drop(queue);
        // A panic has been told by the panic hook; the next word is another try.
        let _ = catch_unwind(AssertUnwindSafe(word));
        queue = shared.queue();
        queue.said += 1;
        let unsaid = std::mem::take(&mut queue.unsaid);
        drop(queue);
        if unsaid > 0 {
            let _ = catch_unwind(|| apologize(unsaid));
        }
        shared.less.notify_all();
        queue = shared.queue();
    }
}

/// The three ways to be heard.
struct Voice {
    events: Speaker,
    file: Speaker,
    lines: Speaker,
}

impl Voice {
    fn start() -> io::Result<Voice> {
        Ok(Voice {
            events: Speaker::start("lameduck-events", |unsaid| {
                tracing::warn!(target: "lameduck", unsaid, "events were not taken in time");
            })?,
            file: Speaker::start("lameduck-file", |_| ())?,
            lines: Speaker::start("lameduck-lines", |_| ())?,
        })
    }
}

/// One for the process, and for as long: `None` if the system has no thread for it.
fn voice() -> Option<&'static Voice> {
    started().as_ref().ok()
}

fn started() -> &'static io::Result<Voice> {
    static VOICE: OnceLock<io::Result<Voice>> = OnceLock::new();
    VOICE.get_or_init(Voice::start)
}

/// Starts the threads, if they are not there yet.
pub fn start() -> io::Result<()> {
    let started = started().as_ref();
    started
        .map(|_| ())
        .map_err(|e| io::Error::new(e.kind(), e.to_string()))
}

/// Sends an event of this level to the caller's subscriber. `emit` is the macro of `tracing`, with everything
/// in it that it needs; it is not called where nobody wants the level.
pub fn event(level: Level, emit: impl FnOnce() + Send + 'static) {
    if level > LevelFilter::current() {
        return;
    }
    let Some(voice) = voice() else { return };
    let subscriber = tracing::dispatcher::get_default(Dispatch::clone);
    voice
        .events
        .say(move || tracing::dispatcher::with_default(&subscriber, emit));
}

/// Does something to a file.
pub fn file(write: impl FnOnce() + Send + 'static) {
    if let Some(voice) = voice() {
        voice.file.say(write);
    }
}

/// Writes what `text` makes to standard error.
pub fn lines(text: impl FnOnce() -> String + Send + 'static) {
    match voice() {
        Some(voice) => voice.lines.say(move || stderr::write(&text())),
        // Nobody is there who may wait: what there is room for must do.
        None => stderr::write_now(&text()),
    }
}

/// Waits until all that was handed over so far has been said, but not longer than `patience`. Blocks the thread.
pub fn said_within(patience: Duration) {
    let until = Instant::now() + patience;
    if let Some(voice) = voice() {
        for speaker in [&voice.file, &voice.events, &voice.lines] {
            speaker.so_far().said_by(until);
        }
    }
}

/// The same for events alone.
pub fn events_said_within(patience: Duration) {
    if let Some(voice) = voice() {
        voice.events.so_far().said_by(Instant::now() + patience);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn silent(_: u64) {}

    #[test]
    fn one_that_blocks_keeps_nobody_who_speaks() {
        let speaker = Speaker::start("test", silent).unwrap();
        let (let_on, blocked) = mpsc::channel::<()>();
        speaker.say(move || {
            let _ = blocked.recv();
        });
        for _ in 0..3 * WAITING {
            speaker.say(|| ());
        }
        assert!(!speaker.so_far().said_by(Instant::now()));
        drop(let_on);
        assert!(speaker.so_far().said_by(Instant::now() + LONG));
    }

    #[test]
    fn what_found_no_room_is_counted_and_told() {
        static TOLD: std::sync::Mutex<u64> = std::sync::Mutex::new(0);
        let speaker = Speaker::start("test", |unsaid| *TOLD.lock().unwrap() += unsaid).unwrap();
        let (let_on, blocked) = mpsc::channel::<()>();
        let (at_it, is_at_it) = mpsc::channel::<()>();
        speaker.say(move || {
            let _ = at_it.send(());
            let _ = blocked.recv();
        });
        is_at_it.recv().unwrap();
        for _ in 0..WAITING + 7 {
            speaker.say(|| ());
        }
        drop(let_on);
        assert!(speaker.so_far().said_by(Instant::now() + LONG));
        assert_eq!(*TOLD.lock().unwrap(), 7);
    }

    #[test]
    fn a_panic_is_the_end_of_one_word() {
        let speaker = Speaker::start("test", silent).unwrap();
        let (said, heard) = mpsc::channel();
        speaker.say(|| panic!("a subscriber that prints by eprintln!"));
        speaker.say(move || said.send("the next").unwrap());
        assert_eq!(heard.recv_timeout(LONG), Ok("the next"));
    }
}
