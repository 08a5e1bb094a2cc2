//! What the operating system is asked for: the few system calls without a safe wrapper, and file descriptors.

pub(crate) mod descriptors;
pub(crate) mod sys;
