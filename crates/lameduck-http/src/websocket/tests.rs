//! The goodbyes of sockets, on a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as PeerMessage;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::counted_stream::CountedStream;
use super::upgrade::socket_task::SocketTask;
use super::{Message, WEBSOCKET, WebSocket, WebSocketError, WebSockets};
use lameduck_core::phase::Phase;
use lameduck_core::{Component, Exit, Handle, Lifecycle};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

type Peer = WebSocketStream<DuplexStream>;

/// A process that serves, and its end.
async fn serving(settings: WebSockets) -> (Handle, JoinHandle<Exit>) {
    let life = Lifecycle::embedded().component(settings);
    let handle = life.handle();
    let running = tokio::spawn(life.run());
    handle.phases().reached(Phase::Ready).await;
    (handle, running)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A socket with `handler` at our end, and the bytes of the peer's.
fn opened<F>(handle: &Handle, last: bool, handler: fn(WebSocket) -> F) -> DuplexStream
where
    F: Future<Output = ()> + Send + 'static,
{
    let (ours, theirs) = duplex(1024);
    let life = Box::new(SocketTask {
        handle: handle.clone(),
        guard: handle.track(WEBSOCKET, "/ws"),
        config: WebSocketConfig::default().read_buffer_size(1024),
        protocol: None,
        last,
        keepalive: None,
    });
    let let_go = handle.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = life.over(CountedStream::new(ours), handler) => {}
            () = let_go.until_drain_deadline() => {}
        }
    });
    theirs
}

async fn peer(stream: DuplexStream) -> Peer {
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

/// When the peer is told to go; it then goes.
async fn told(stream: DuplexStream) -> Instant {
    let mut peer = peer(stream).await;
    loop {
        match peer.next().await {
            Some(Ok(PeerMessage::Close(frame))) => {
                let at = Instant::now();
                assert_eq!(u16::from(frame.unwrap().code), 1001);
                while peer.next().await.is_some() {}
                return at;
            }
            Some(Ok(_)) => {}
            other => panic!("expected Close, got {other:?}"),
        }
    }
}

fn all_told(streams: Vec<DuplexStream>) -> Vec<JoinHandle<Instant>> {
    let it = streams.into_iter();
    it.map(|stream| tokio::spawn(told(stream))).collect()
}

async fn when(told: Vec<JoinHandle<Instant>>, since: Instant) -> Vec<Duration> {
    let mut when = Vec::new();
    for it in told {
        when.push(it.await.unwrap() - since);
    }
    when.sort();
    when
}

#[tokio::test(start_paused = true)]
async fn websocket_paced_each_batch_in_its_slot_of_the_window() {
    let settings = WebSockets::new().window(ms(4000)).batch(10);
    let (handle, running) = serving(settings).await;
    let streams = (0..400).map(|_| opened(&handle, false, echo)).collect();
    let told = all_told(streams);
    sleep(ms(1)).await;
    let since = Instant::now();
    handle.shutdown("test");
    let when = when(told, since).await;
    for (nth, batch) in when.chunks(10).enumerate() {
        let slot = ms(100 * nth as u64)..=ms(100 * (nth as u64 + 1) + 2);
        assert!(slot.contains(&batch[0]), "{nth}: {:?}", batch[0]);
        assert_eq!(batch[0], batch[9]);
    }
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
    assert!(since.elapsed() < ms(4100), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn websocket_paced_the_last_wait_until_the_others_have_gone() {
    let (handle, running) = serving(WebSockets::new()).await;
    let last = opened(&handle, true, echo);
    let mut silent = opened(&handle, false, echo);
    let others = all_told((0..10).map(|_| opened(&handle, false, echo)).collect());
    let last = all_told(vec![last]);
    sleep(ms(1)).await;
    let since = Instant::now();
    handle.shutdown("test");
    let others = when(others, since).await;
    assert!(others[9] < ms(600), "{others:?}");
    // One of the others does not answer, and so has the closing time.
    let last = when(last, since).await;
    assert!((ms(2000)..ms(4700)).contains(&last[0]), "{last:?}");
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).await.unwrap();
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn websocket_closed_also_for_one_that_opens_during_the_drain() {
    let (handle, running) = serving(WebSockets::new()).await;
    let _upload = Some(handle.track("request", "POST /upload"));
    handle.shutdown("test");
    handle.until_draining().await;
    for _ in 0..3 {
        let since = Instant::now();
        let told = all_told(vec![opened(&handle, false, echo)]);
        assert!(when(told, since).await[0] < ms(10));
        sleep(ms(500)).await;
    }
    drop(_upload);
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn idle_exits_a_peer_that_never_answers_has_the_closing_time_and_is_no_failure() {
    let (handle, running) = serving(WebSockets::new().closing(ms(700))).await;
    let mut silent = opened(&handle, false, echo);
    sleep(ms(1)).await;
    let since = Instant::now();
    handle.shutdown("test");
    let mut all = Vec::new();
    silent.read_to_end(&mut all).await.unwrap();
    assert_eq!(all[..4], [0x88, 2 + 13, 0x03, 0xe9]);
    let took = since.elapsed();
    assert!((ms(700)..ms(710)).contains(&took), "{took:?}");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn stuck_told_of_a_peer_that_does_not_even_take_the_close_frame() {
    async fn talk(mut socket: WebSocket) {
        let _ = socket.send(Message::binary(vec![0; 20 * 1024])).await;
    }
    let (handle, running) = serving(WebSockets::new().closing(ms(700))).await;
    let deaf = opened(&handle, false, talk);
    sleep(ms(1)).await;
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::LET_GO);
    let report = handle.report("", None);
    assert_eq!(report.let_go.len(), 1);
    let it = &report.let_go[0];
    assert_eq!((it.kind.as_str(), it.name.as_str()), ("websocket", "/ws"));
    assert_eq!(
        it.why,
        "did not take what was sent to it, nor a Close frame, in 700ms"
    );
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn idle_exits_a_peer_that_takes_bytes_slowly_is_waited_for() {
    async fn talk(mut socket: WebSocket) {
        let _ = socket.send(Message::binary(vec![0; 20 * 1024])).await;
        while socket.recv().await.is_some() {}
    }
    let (handle, running) = serving(WebSockets::new().closing(ms(1000))).await;
    let mut slow = opened(&handle, false, talk);
    sleep(ms(1)).await;
    handle.shutdown("test");
    // Twenty times the buffer between the two, each within the closing time: 16 s in all.
    let mut taken = 0;
    let mut some = [0; 1024];
    while taken < 20 * 1024 {
        sleep(ms(800)).await;
        taken += slow.read(&mut some).await.unwrap();
    }
    let told = all_told(vec![slow]);
    let _ = told;
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn websocket_closed_after_the_last_word_and_soon_if_there_is_none() {
    async fn last_word(mut socket: WebSocket) {
        socket.leaving().await;
        sleep(ms(300)).await;
        let _ = socket.send(Message::text("bye")).await;
    }
    async fn no_word(socket: WebSocket) {
        socket.leaving().await;
        std::future::pending().await
    }
    let (handle, running) = serving(WebSockets::new()).await;
    let mut speaks = peer(opened(&handle, false, last_word)).await;
    let mute = all_told(vec![opened(&handle, false, no_word)]);
    sleep(ms(1)).await;
    let since = Instant::now();
    handle.shutdown("test");
    assert_eq!(
        speaks.next().await.unwrap().unwrap(),
        PeerMessage::text("bye")
    );
    assert!(matches!(
        speaks.next().await,
        Some(Ok(PeerMessage::Close(_)))
    ));
    assert!(speaks.next().await.is_none());
    let when = when(mute, since).await;
    assert!((ms(2000)..ms(2200)).contains(&when[0]), "{when:?}");
    assert_eq!(running.await.unwrap(), Exit::LET_GO);
}

#[tokio::test(start_paused = true)]
async fn websocket_closed_once_whoever_holds_the_socket_lets_it_go() {
    static ELSEWHERE: Mutex<Option<oneshot::Sender<WebSocket>>> = Mutex::new(None);
    async fn hand_over(socket: WebSocket) {
        let to = ELSEWHERE.lock().unwrap().take().unwrap();
        to.send(socket).unwrap();
    }
    let (handle, running) = serving(WebSockets::new()).await;
    let (to, from) = oneshot::channel();
    *ELSEWHERE.lock().unwrap() = Some(to);
    let mut peer = peer(opened(&handle, false, hand_over)).await;
    let (mut writer, mut reader) = from.await.unwrap().split();
    // Its handler has returned, and still it is in use.
    writer.send(Message::text("hello")).await.unwrap();
    assert_eq!(
        peer.next().await.unwrap().unwrap(),
        PeerMessage::text("hello")
    );
    assert_eq!(handle.ledger().len(), 1);
    handle.shutdown("test");
    while peer.next().await.is_some() {}
    assert!(matches!(reader.next().await, Some(Ok(Message::Close(_)))));
    assert!(reader.next().await.is_none());
    let late = writer.send(Message::text("too late")).await;
    assert!(late.is_err());
    assert_eq!(handle.ledger().len(), 1);
    drop((writer, reader));
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn websocket_closed_while_the_application_does_not_read_what_still_comes() {
    static SEEN: Mutex<Vec<Message>> = Mutex::new(Vec::new());
    async fn late(mut socket: WebSocket) {
        sleep(ms(1500)).await;
        while let Some(Ok(message)) = socket.recv().await {
            SEEN.lock().unwrap().push(message);
        }
    }
    let (handle, running) = serving(WebSockets::new()).await;
    let mut peer = peer(opened(&handle, false, late)).await;
    handle.shutdown("test");
    handle.until_draining().await;
    for n in 0..50 {
        peer.send(PeerMessage::text(n.to_string())).await.unwrap();
    }
    while peer.next().await.is_some() {}
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
    let seen = SEEN.lock().unwrap();
    let texts: Vec<_> = seen.iter().filter(|it| it.is_text()).collect();
    assert_eq!(texts.len(), 50);
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(**text, Message::text(n.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reason_that_does_not_fit_into_a_frame_is_bad_configuration() {
    let settings = WebSockets::new().reason("x".repeat(124));
    let life = Lifecycle::embedded().component(settings);
    assert_eq!(life.run().await, Exit::BAD_CONFIGURATION);
    let settings = Arc::new(WebSockets::new().reason("x".repeat(123)));
    assert_eq!(Component::check(&*settings), Ok(()));
}

/// Pinged after 5 s to 10 s of silence, given up 4 s later.
fn pinging() -> WebSockets {
    WebSockets::new()
        .ping_interval(ms(10_000))
        .ping_timeout(ms(4_000))
}

#[tokio::test(start_paused = true)]
async fn idle_exits_a_peer_that_answers_no_ping_is_given_up_and_counted_as_gone() {
    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    async fn hears(mut socket: WebSocket) {
        while let Some(it) = socket.recv().await {
            HEARD.lock().unwrap().push(format!("{it:?}"));
        }
        assert!(socket.send(Message::text("hello?")).await.is_err());
    }
    let (handle, running) = serving(pinging()).await;
    let since = Instant::now();
    let mut silent = opened(&handle, false, hears);
    let mut all = Vec::new();
    silent.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x89\x08lameduck", "a ping, and no Close after it");
    let took = since.elapsed();
    assert!((ms(9_000)..ms(14_100)).contains(&took), "{took:?}");
    while !handle.ledger().is_empty() {
        sleep(ms(1)).await;
    }
    assert_eq!(*HEARD.lock().unwrap(), ["Err(PeerGone)"]);
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn idle_exits_a_peer_that_is_gone_is_in_the_report_as_such() {
    let settings = pinging().ping_interval(ms(500)).ping_timeout(ms(500));
    let (handle, running) = serving(settings).await;
    let upload = handle.track("request", "POST /upload");
    let mut gone = opened(&handle, true, echo);
    // Those that come last wait for this one, whose application has a word to say.
    async fn speaks_late(socket: WebSocket) {
        socket.leaving().await;
        sleep(ms(1_800)).await;
    }
    let other = all_told(vec![opened(&handle, false, speaks_late)]);
    sleep(ms(1)).await;
    handle.shutdown("test");
    let mut all = Vec::new();
    gone.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x89\x08lameduck", "a ping, and no Close after it");
    drop(upload);
    when(other, Instant::now()).await;
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
    let report = handle.report("", None);
    assert_eq!(report.client_gone.get(WEBSOCKET), Some(&1), "{report:?}");
    assert_eq!(report.finished.get(WEBSOCKET), Some(&1), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_stays_whether_the_application_reads_or_not() {
    static HEARD: Mutex<Vec<Message>> = Mutex::new(Vec::new());
    async fn hears(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            HEARD.lock().unwrap().push(message);
        }
    }
    async fn busy(_socket: WebSocket) {
        std::future::pending().await
    }
    let (handle, running) = serving(pinging()).await;
    for stream in [opened(&handle, false, hears), opened(&handle, false, busy)] {
        tokio::spawn(async move {
            let mut peer = peer(stream).await;
            while let Some(Ok(_)) = peer.next().await {}
        });
    }
    sleep(ms(600_000)).await;
    assert_eq!(handle.ledger().len(), 2);
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::LET_GO, "the busy one");
    let heard = HEARD.lock().unwrap();
    assert!(
        matches!(heard[..], [Message::Close(_)]),
        "answers to our pings: {heard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_nobody_uses_is_closed_as_idle_if_that_was_asked_for() {
    let (handle, running) = serving(pinging().idle_timeout(ms(30_000))).await;
    let mut peer = peer(opened(&handle, false, echo)).await;
    let since = Instant::now();
    peer.send(PeerMessage::text("hello")).await.unwrap();
    let frame = loop {
        match peer.next().await {
            Some(Ok(PeerMessage::Close(frame))) => break frame.unwrap(),
            Some(Ok(_)) => assert!(since.elapsed() < ms(120_000), "never closed"),
            other => panic!("expected Close, got {other:?}"),
        }
    };
    assert_eq!(
        (u16::from(frame.code), frame.reason.as_str()),
        (1000, "idle")
    );
    let took = since.elapsed();
    assert!((ms(30_000)..ms(60_001)).contains(&took), "{took:?}");
    while peer.next().await.is_some() {}
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_fragments_goes_out_whole_or_the_sender_is_told() {
    async fn parts(mut socket: WebSocket) {
        for (part, is_last) in [("a ", false), ("b ", false), ("c", true)] {
            if !is_last {
                socket
                    .send_fragment(Message::text(part), false)
                    .await
                    .unwrap();
                let within = socket.send(Message::text("no")).await;
                assert!(matches!(within, Err(WebSocketError::Incomplete)));
                socket.send(Message::Ping("p".into())).await.unwrap();
            } else {
                socket
                    .send_fragment(Message::text(part), true)
                    .await
                    .unwrap();
            }
        }
        socket.send(Message::text("next")).await.unwrap();
    }
    let (handle, running) = serving(WebSockets::new()).await;
    let mut peer = peer(opened(&handle, false, parts)).await;
    let mut texts = Vec::new();
    while let Some(Ok(message)) = peer.next().await {
        if let PeerMessage::Text(text) = message {
            texts.push(text.to_string());
        }
    }
    assert_eq!(texts, ["a b c", "next"]);
    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
}
