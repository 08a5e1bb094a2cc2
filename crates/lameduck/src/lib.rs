//! Graceful shutdown done right.
