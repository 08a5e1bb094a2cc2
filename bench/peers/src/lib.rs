//! Plain servers to measure against. Each is a binary of its own, written as its framework's documentation
//! writes it; `peer-faulty` is wrong on purpose, one fault at a time.
