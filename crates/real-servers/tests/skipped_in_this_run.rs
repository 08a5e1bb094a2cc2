//! Not a test: the last program that `cargo test --workspace` starts before the documentation's examples, which says
//! how many tests of that run did nothing, and why. Cargo goes by the names of packages, and in each by those of its
//! tests; this is the last one of the last one.

use real_servers::Run;

fn main() {
    // What asks for a list of tests finds none in here.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    println!("\n{}\n", Run::parent().skipped());
    Run::forget_others();
}
