//! The `shop` binary.

#[tokio::main]
async fn main() -> lameduck::Exit {
    shop::main(std::env::args_os()).await
}
