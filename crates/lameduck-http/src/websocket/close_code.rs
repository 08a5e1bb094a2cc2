//! The codes that are registered, as `axum::extract::ws::close_code` names them.

/// What it was for is done.
pub const NORMAL: u16 = 1000;
/// A server that stops, or a page that was left.
pub const AWAY: u16 = 1001;
/// The peer has broken the rules of the protocol.
pub const PROTOCOL: u16 = 1002;
/// A kind of data that cannot be taken.
pub const UNSUPPORTED: u16 = 1003;
/// A Close frame without a code. Not for sending.
pub const STATUS: u16 = 1005;
/// An end without a Close frame. Not for sending.
pub const ABNORMAL: u16 = 1006;
/// Data that is not what it says, such as text that is not UTF-8.
pub const INVALID: u16 = 1007;
/// Against the policy of the server.
pub const POLICY: u16 = 1008;
/// A message that is too long.
pub const SIZE: u16 = 1009;
/// The server lacks an extension. Only clients say so.
pub const EXTENSION: u16 = 1010;
/// The server has met what it cannot deal with.
pub const ERROR: u16 = 1011;
/// The server starts anew.
pub const RESTART: u16 = 1012;
/// The server has too much to do.
pub const AGAIN: u16 = 1013;
