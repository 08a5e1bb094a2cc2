//! It serves, and stops as it should.

#[path = "../../stops.rs"]
mod stops;

#[test]
fn it_answers_and_exits_zero_at_sigterm() {
    stops::answers_and_exits_zero_at_sigterm(env!("CARGO_BIN_EXE_front-door"));
}
