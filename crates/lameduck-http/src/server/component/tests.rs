//! What cannot be a setting, and what can.

use super::*;
use crate::doc::Hello;

fn problem(with: impl FnOnce(Http<Hello>) -> Http<Hello>) -> String {
    let http = with(Http::new("api", "127.0.0.1:0", Hello));
    match http.check() {
        Ok(()) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let zero = Duration::ZERO;
    for (problem, text) in [
        (
            problem(|it| it.first_byte_timeout(zero)),
            "first_byte_timeout(0s): expected more than zero",
        ),
        (problem(|it| it.head_timeout(zero)), "head_timeout(0s)"),
        (problem(|it| it.idle_timeout(zero)), "idle_timeout(0s)"),
        (
            problem(|it| it.max_connections(0)),
            "max_connections(0): expected at least 1",
        ),
        (
            problem(|it| it.tcp_keepalive(Some(zero))),
            "tcp_keepalive(0ns): expected 1 s to 32767 s",
        ),
        (
            problem(|it| it.tcp_keepalive(Some(Duration::from_secs(40_000)))),
            "tcp_keepalive(40000s)",
        ),
        (
            problem(|it| it.http1(Http1Settings::new().max_headers(0))),
            "Http1Settings::max_headers(0)",
        ),
        (
            problem(|it| it.http1(Http1Settings::new().max_buffer_size(8191))),
            "max_buffer_size(8191): expected at least 8192",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().max_concurrent_streams(0))),
            "max_concurrent_streams(0)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().initial_stream_window_size(1 << 31))),
            "initial_stream_window_size(2147483648): expected 1 to 2147483647",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().initial_connection_window_size(65_534))),
            "initial_connection_window_size(65534)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().max_frame_size(16_383))),
            "max_frame_size(16383)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().max_header_list_size(0))),
            "max_header_list_size(0)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().max_send_buffer_size(0))),
            "max_send_buffer_size(0)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().max_pending_reset_streams(0))),
            "max_pending_reset_streams(0)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().max_error_reset_streams(0))),
            "max_error_reset_streams(0)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().keep_alive_interval(zero))),
            "keep_alive_interval(0s)",
        ),
        (
            problem(|it| it.http2(Http2Settings::new().keep_alive_timeout(zero))),
            "keep_alive_timeout(0s)",
        ),
    ] {
        assert!(problem.contains(text), "{problem}: {text}");
    }
}

#[test]
fn what_can_be_is_taken_to_its_bounds() {
    let most = Http2Settings::new()
        .initial_stream_window_size(u32::MAX >> 1)
        .initial_connection_window_size(65_535)
        .max_frame_size(16_777_215)
        .max_send_buffer_size(u32::MAX as usize);
    let least = Http1Settings::new().max_headers(1).max_buffer_size(8192);
    let hyper = protocol::hyper(&least, &most);
    drop(hyper);
    assert_eq!(problem(|it| it.http1(least).http2(most)), "none");
    let ever = Duration::MAX;
    assert_eq!(
        problem(|it| it.idle_timeout(ever).head_timeout(ever)),
        "none"
    );
    assert_eq!(
        problem(|it| it.tcp_keepalive(None).max_connections(1)),
        "none"
    );
}

#[cfg(all(feature = "rustls", feature = "proxy-header"))]
#[test]
fn what_comes_before_http_has_some_time() {
    let zero = Duration::ZERO;
    let tls = Tls::files("a", "b").handshake_timeout(zero);
    assert!(problem(|it| it.tls(tls)).contains("Tls::handshake_timeout(0s)"));
    let proxy = ProxyProtocol::from_anyone().header_timeout(zero);
    let problem = problem(|it| it.proxy_protocol(proxy));
    assert!(
        problem.contains("ProxyProtocol::header_timeout(0s)"),
        "{problem}"
    );
}
