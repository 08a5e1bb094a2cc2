// Handlers as axum's examples have them (its `websockets` and `chat`), for whichever types `super` has.

async fn echo(upgrade: WebSocketUpgrade) -> impl IntoResponse {
    upgrade.on_upgrade(handle_echo)
}

async fn handle_echo(mut socket: WebSocket) {
    while let Some(msg) = socket.recv().await {
        let msg = if let Ok(msg) = msg {
            msg
        } else {
            // client disconnected
            return;
        };
        if socket.send(msg).await.is_err() {
            // client disconnected
            return;
        }
    }
}

async fn split(ws: WebSocketUpgrade, headers: HeaderMap) -> Response {
    let who = match headers.get("user-agent") {
        Some(it) => it.to_str().unwrap_or_default().to_owned(),
        None => String::from("Unknown"),
    };
    ws.protocols(["v2", "v1"])
        .max_message_size(1 << 20)
        .max_frame_size(1 << 20)
        .write_buffer_size(0)
        .on_failed_upgrade(|error| eprintln!("{error}"))
        .on_upgrade(move |socket| handle_split(socket, who))
}

async fn handle_split(mut socket: WebSocket, who: String) {
    if socket.send(Message::Ping(Bytes::from_static(&[1, 2, 3]))).await.is_err() {
        return;
    }
    let protocol = socket.protocol().cloned();
    let (mut sender, mut receiver) = socket.split();
    let mut send_task = tokio::spawn(async move {
        for i in 0..3 {
            if sender.send(Message::Text(format!("{who} {protocol:?} {i}").into())).await.is_err() {
                return i;
            }
        }
        let frame = CloseFrame {
            code: close_code::NORMAL,
            reason: Utf8Bytes::from_static("Goodbye"),
        };
        if let Err(e) = sender.send(Message::Close(Some(frame))).await {
            println!("Could not send Close due to {e}, probably it is ok?");
        }
        3
    });
    let mut recv_task = tokio::spawn(async move {
        let mut cnt = 0;
        while let Some(Ok(msg)) = receiver.next().await {
            cnt += 1;
            if process_message(msg).is_break() {
                break;
            }
        }
        cnt
    });
    tokio::select! {
        rv_a = &mut send_task => {
            assert_eq!(rv_a.unwrap(), 3);
            recv_task.await.unwrap();
        }
        rv_b = &mut recv_task => {
            rv_b.unwrap();
            send_task.abort();
        }
    }
}

fn process_message(msg: Message) -> ControlFlow<(), ()> {
    match msg {
        Message::Text(t) => println!(">>> sent str: {t:?}"),
        Message::Binary(d) => println!(">>> sent {} bytes: {d:?}", d.len()),
        Message::Close(c) => {
            if let Some(cf) = c {
                println!(">>> sent close with code {} and reason `{}`", cf.code, cf.reason);
            } else {
                println!(">>> somehow sent close message without CloseFrame");
            }
            return ControlFlow::Break(());
        }
        Message::Pong(v) => println!(">>> sent pong with {v:?}"),
        Message::Ping(v) => println!(">>> sent ping with {v:?}"),
    }
    ControlFlow::Continue(())
}

#[derive(Clone)]
struct AppState {
    users: Arc<Mutex<HashSet<String>>>,
    tx: broadcast::Sender<String>,
}

async fn chat(ws: WebSocketUpgrade, State(state): State<AppState>) -> impl IntoResponse {
    ws.on_upgrade(|socket| handle_chat(socket, state))
}

async fn handle_chat(stream: WebSocket, state: AppState) {
    let (mut sender, mut receiver) = stream.split();
    let mut username = String::new();
    while let Some(Ok(message)) = receiver.next().await {
        if let Message::Text(name) = message {
            if state.users.lock().unwrap().insert(name.to_string()) {
                username.push_str(&name);
                break;
            }
            let _ = sender
                .send(Message::Text(Utf8Bytes::from_static("Username already taken.")))
                .await;
            return;
        }
    }
    let mut rx = state.tx.subscribe();
    let _ = state.tx.send(format!("{username} joined."));
    let mut send_task = tokio::spawn(async move {
        while let Ok(msg) = rx.recv().await {
            if sender.send(Message::text(msg)).await.is_err() {
                break;
            }
        }
    });
    let tx = state.tx.clone();
    let name = username.clone();
    let mut recv_task = tokio::spawn(async move {
        while let Some(Ok(Message::Text(text))) = receiver.next().await {
            let _ = tx.send(format!("{name}: {text}"));
        }
    });
    tokio::select! {
        _ = &mut send_task => recv_task.abort(),
        _ = &mut recv_task => send_task.abort(),
    };
    state.users.lock().unwrap().remove(&username);
}

pub fn router() -> Router {
    let state = AppState {
        users: Arc::default(),
        tx: broadcast::channel(100).0,
    };
    Router::new()
        .route("/echo", any(echo))
        .route("/split", any(split))
        .route("/chat", any(chat))
        .with_state(state)
}
