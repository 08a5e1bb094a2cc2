//! How a gRPC call ended, and what the standard health service says.

use std::fmt;
use std::time::Instant;

/// The status codes of gRPC, by number.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The status that a call ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcStatus {
    /// The code, `grpc-status`.
    pub code: u32,
    /// `grpc-message`, as it came; often empty.
    pub message: String,
    /// Messages that had come before.
    pub messages: u64,
}

impl GrpcStatus {
    /// The target has no such method.
    pub const UNIMPLEMENTED: u32 = 12;
    /// The target says that it cannot serve now.
    pub const UNAVAILABLE: u32 = 14;

    /// The code's name.
    pub fn name(&self) -> &'static str {
        Self::name_of(self.code)
    }

    pub(crate) fn name_of(code: u32) -> &'static str {
        NAMES
            .get(code as usize)
            .copied()
            .unwrap_or("an unknown code")
    }

    /// A status with which a server or a proxy says that the call did not get as far as the application's own answer,
    /// or that the application broke.
    pub(crate) fn tells_of_a_failure(&self) -> bool {
        const FAILURES: [&str; 9] = [
            "UNKNOWN",
            "DEADLINE_EXCEEDED",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        ];
        FAILURES.contains(&self.name())
    }
}

impl fmt::Display for GrpcStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grpc-status {} ({})", self.code, self.name())?;
        match self.message.as_str() {
            "" => {}
            message => write!(f, ": {}", message.escape_default())?,
        }
        write!(f, ", {} messages", self.messages)
    }
}

/// What `grpc.health.v1.Health/Check` says of the whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// SERVING.
    Serving,
    /// NOT_SERVING.
    NotServing,
    /// Something else that it may say: UNKNOWN, SERVICE_UNKNOWN.
    Other,
    /// There is no health service, or it knows nothing of the whole server.
    Missing(String),
    /// No answer.
    Silent(String),
}

/// One look at the health service.
#[derive(Clone, Debug)]
pub struct HealthSample {
    /// When the look began.
    pub asked: Instant,
    /// When it was answered or had failed.
    pub answered: Instant,
    /// What was said.
    pub health: Health,
}
