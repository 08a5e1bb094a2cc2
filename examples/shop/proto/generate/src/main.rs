//! Makes `src/grpc/shop.v1.rs` and `shop.v1.fds` of the shop from `proto/`, without `protoc`:
//!
//!     cargo run --manifest-path examples/shop/proto/generate/Cargo.toml

use std::error::Error;
use std::path::Path;

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = proto.join("../src/grpc");
    let files = protox::compile(["shop/v1/shop.proto"], [&proto])?;
    std::fs::write(out.join("shop.v1.fds"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(out)
        .compile_fds(files)?;
    Ok(())
}
