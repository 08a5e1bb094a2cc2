//! How HTTP is spoken: the settings of hyper that an application may want to have otherwise.
//!
//! # What must hold
//!
//! 1. Whatever is set here, hyper takes it: it panics at some values, with the first connection. So each is
//!    checked before the server starts.
//! 2. What the shutdown rests on cannot be set: that connections are kept, that a peer may end its side
//!    behind a request (`half_close`), and time-outs, which are the sweep's.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;

use super::setting_problem::SettingProblem;
use crate::connection::tunnel::Spawner;

/// How HTTP/1.x is spoken; for [`Http::http1`](crate::Http::http1). Defaults are hyper's.
///
/// Not here, on purpose: keeping connections, half-closed ones, and time-outs. `Http` has its own, and the shutdown
/// rests on them.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Http1Settings {
    max_headers: Option<usize>,
    max_buffer: Option<usize>,
    title_case_headers: bool,
    preserve_header_case: bool,
    ignore_invalid_headers: bool,
    no_date: bool,
}

impl Http1Settings {
    /// All as by default.
    pub fn new() -> Http1Settings {
        Http1Settings::default()
    }

    /// How many headers a request may have; at least 1. Default: 100. One with more is answered 431.
    pub fn max_headers(mut self, most: usize) -> Http1Settings {
        self.max_headers = Some(most);
        self
    }

    /// How many bytes of a connection are held at most, and so how long the head of a request may be; at
    /// least 8192. Default: 417,792. A longer head is answered 431.
    pub fn max_buffer_size(mut self, bytes: usize) -> Http1Settings {
        self.max_buffer = Some(bytes);
        self
    }

    /// Whether the names of headers are written as `Content-Length`. Default: no, `content-length`.
    pub fn title_case_headers(mut self, on: bool) -> Http1Settings {
        self.title_case_headers = on;
        self
    }

    /// Whether the names of headers are passed on as they came, if a request's extensions come back with the
    /// response. Default: no.
    pub fn preserve_header_case(mut self, on: bool) -> Http1Settings {
        self.preserve_header_case = on;
        self
    }

    /// Whether lines among a request's headers that are no header are passed over. Default: no, they are answered
    /// 400. What one server passes over another may not: leave it off behind a proxy.
    pub fn ignore_invalid_headers(mut self, on: bool) -> Http1Settings {
        self.ignore_invalid_headers = on;
        self
    }

    /// Whether a response without a `date` gets one. Default: yes.
    pub fn date_header(mut self, on: bool) -> Http1Settings {
        self.no_date = !on;
        self
    }

    pub(crate) fn check(&self, problem: &mut SettingProblem) {
        problem.at_least("Http1Settings::max_headers", self.max_headers, 1);
        problem.at_least("Http1Settings::max_buffer_size", self.max_buffer, 8192);
    }

    fn put_into(&self, hyper: &mut auto::Http1Builder<'_, Spawner>) {
        hyper
            .title_case_headers(self.title_case_headers)
            .preserve_header_case(self.preserve_header_case)
            .ignore_invalid_headers(self.ignore_invalid_headers)
            .auto_date_header(!self.no_date)
            // A peer may end its side behind a whole request; see `tap.rs`.
            .half_close(true);
        if let Some(most) = self.max_headers {
            hyper.max_headers(most);
        }
        if let Some(bytes) = self.max_buffer {
            hyper.max_buf_size(bytes);
        }
    }
}

/// How HTTP/2 is spoken; for [`Http::http2`](crate::Http::http2). Defaults are hyper's.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Http2Settings {
    max_streams: Option<u32>,
    stream_window: Option<u32>,
    connection_window: Option<u32>,
    adaptive_window: bool,
    max_frame: Option<u32>,
    max_header_list: Option<u32>,
    max_send_buffer: Option<usize>,
    max_pending_resets: Option<usize>,
    max_error_resets: Option<usize>,
    ping_interval: Option<Duration>,
    ping_timeout: Option<Duration>,
    extended_connect: bool,
    no_date: bool,
}

impl Http2Settings {
    /// All as by default.
    pub fn new() -> Http2Settings {
        Http2Settings::default()
    }

    /// How many requests a connection may have in flight (`SETTINGS_MAX_CONCURRENT_STREAMS`); at least 1.
    /// Default: 200.
    pub fn max_concurrent_streams(mut self, most: u32) -> Http2Settings {
        self.max_streams = Some(most);
        self
    }

    /// How much of a request's body may come before a handler has read it (`SETTINGS_INITIAL_WINDOW_SIZE`), in
    /// bytes; from 1 to 2^31 - 1. Default: 1 MiB.
    pub fn initial_stream_window_size(mut self, bytes: u32) -> Http2Settings {
        self.stream_window = Some(bytes);
        self
    }

    /// The same for all requests of a connection together; from 65,535, with which every connection begins, to
    /// 2^31 - 1. Default: 1 MiB.
    pub fn initial_connection_window_size(mut self, bytes: u32) -> Http2Settings {
        self.connection_window = Some(bytes);
        self
    }

    /// Whether windows follow what the line can hold, whatever they begin with. Default: no.
    pub fn adaptive_window(mut self, on: bool) -> Http2Settings {
        self.adaptive_window = on;
        self
    }

    /// The longest frame that a peer may send (`SETTINGS_MAX_FRAME_SIZE`), in bytes; from 16,384 to
    /// 16,777,215. Default: 16,384.
    pub fn max_frame_size(mut self, bytes: u32) -> Http2Settings {
        self.max_frame = Some(bytes);
        self
    }

    /// How much the headers of a request may come to (`SETTINGS_MAX_HEADER_LIST_SIZE`), in bytes; at least 1.
    /// Default: 16 KiB. One with more is answered 431.
    pub fn max_header_list_size(mut self, bytes: u32) -> Http2Settings {
        self.max_header_list = Some(bytes);
        self
    }

    /// How much of a response is held for a peer that takes it slowly, in bytes; from 1 to 2^32 - 1. Default:
    /// 400 KiB.
    pub fn max_send_buffer_size(mut self, bytes: usize) -> Http2Settings {
        self.max_send_buffer = Some(bytes);
        self
    }

    /// How many streams a peer may have opened and reset that have not been looked at; at least 1. One with more
    /// is sent away (rapid reset, CVE-2023-44487). Default: 20.
    pub fn max_pending_reset_streams(mut self, most: usize) -> Http2Settings {
        self.max_pending_resets = Some(most);
        self
    }

    /// How many streams of a connection this server may reset for errors of its peer, before it is sent away; at
    /// least 1. Default: 1024.
    pub fn max_error_reset_streams(mut self, most: usize) -> Http2Settings {
        self.max_error_resets = Some(most);
        self
    }

    /// How often to see whether a peer is still there, by PING; more than zero. Default: never, which is left to
    /// [`Http::tcp_keepalive`](crate::Http::tcp_keepalive); some load balancers answer that themselves.
    ///
    /// Pings and their answers are bytes like any other: with an interval shorter than
    /// [`Http::idle_timeout`](crate::Http::idle_timeout) a connection that does nothing is kept for as long as its
    /// peer answers. When a shutdown drains it goes all the same.
    pub fn keep_alive_interval(mut self, interval: Duration) -> Http2Settings {
        self.ping_interval = Some(interval);
        self
    }

    /// How long a peer may take to answer a PING before its connection is cut; more than zero. Default: 20 s.
    pub fn keep_alive_timeout(mut self, timeout: Duration) -> Http2Settings {
        self.ping_timeout = Some(timeout);
        self
    }

    /// Whether a peer may bootstrap other protocols on a stream, such as WebSocket (extended CONNECT, RFC 8441).
    /// What a handler makes of one is in flight as an upgrade, until its end. Default: no.
    pub fn extended_connect(mut self, on: bool) -> Http2Settings {
        self.extended_connect = on;
        self
    }

    /// Whether a response without a `date` gets one. Default: yes.
    pub fn date_header(mut self, on: bool) -> Http2Settings {
        self.no_date = !on;
        self
    }

    pub(crate) fn check(&self, problem: &mut SettingProblem) {
        const WINDOW: u32 = u32::MAX >> 1;
        problem.at_least("Http2Settings::max_concurrent_streams", self.max_streams, 1);
        let windows = [
            ("stream", self.stream_window, 1),
            ("connection", self.connection_window, 65_535),
        ];
        for (what, window, least) in windows {
            let name = format!("Http2Settings::initial_{what}_window_size");
            problem.within(&name, window, least..=WINDOW);
        }
        let frame = 16_384..=16_777_215;
        problem.within("Http2Settings::max_frame_size", self.max_frame, frame);
        problem.at_least(
            "Http2Settings::max_header_list_size",
            self.max_header_list,
            1,
        );
        let buffer = 1..=u32::MAX as usize;
        problem.within(
            "Http2Settings::max_send_buffer_size",
            self.max_send_buffer,
            buffer,
        );
        problem.at_least(
            "Http2Settings::max_pending_reset_streams",
            self.max_pending_resets,
            1,
        );
        problem.at_least(
            "Http2Settings::max_error_reset_streams",
            self.max_error_resets,
            1,
        );
        problem.more_than_zero("Http2Settings::keep_alive_interval", self.ping_interval);
        problem.more_than_zero("Http2Settings::keep_alive_timeout", self.ping_timeout);
    }

    fn put_into(&self, hyper: &mut auto::Http2Builder<'_, Spawner>) {
        hyper
            .adaptive_window(self.adaptive_window)
            .auto_date_header(!self.no_date);
        if let Some(most) = self.max_streams {
            hyper.max_concurrent_streams(most);
        }
        // To set one of these turns the adaptive window off.
        if !self.adaptive_window {
            if let Some(bytes) = self.stream_window {
                hyper.initial_stream_window_size(bytes);
            }
            if let Some(bytes) = self.connection_window {
                hyper.initial_connection_window_size(bytes);
            }
        }
        if let Some(bytes) = self.max_frame {
            hyper.max_frame_size(bytes);
        }
        if let Some(bytes) = self.max_header_list {
            hyper.max_header_list_size(bytes);
        }
        if let Some(bytes) = self.max_send_buffer {
            hyper.max_send_buf_size(bytes);
        }
        if let Some(most) = self.max_pending_resets {
            hyper.max_pending_accept_reset_streams(most);
        }
        if let Some(most) = self.max_error_resets {
            hyper.max_local_error_reset_streams(most);
        }
        if let Some(interval) = self.ping_interval {
            hyper.timer(TokioTimer::new()).keep_alive_interval(interval);
        }
        if let Some(timeout) = self.ping_timeout {
            hyper.keep_alive_timeout(timeout);
        }
        if self.extended_connect {
            hyper.enable_connect_protocol();
        }
    }
}

/// What hyper is told of how connections are spoken with.
pub(crate) fn hyper(http1: &Http1Settings, http2: &Http2Settings) -> auto::Builder<Spawner> {
    let mut hyper = auto::Builder::new(Spawner);
    http1.put_into(&mut hyper.http1());
    http2.put_into(&mut hyper.http2());
    hyper
}
