//! What it takes the whole shop to try: TLS with a certificate that this machine believes, and a first file from gRPC
//! reflection. A build of the workspace has that shop; one of this package alone needs `--features full`.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lameduck");

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// Whether the shop in this program is the whole one.
fn is_whole() -> bool {
    let shop = Command::new(PROGRAM)
        .args(["shop", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"])
        .output();
    let error = String::from_utf8_lossy(&shop.expect("it starts").stderr).into_owned();
    let is_whole = !error.contains("built without");
    if !is_whole {
        real_servers::skip("the shop was built without TLS and reflection (--features full)");
    }
    is_whole
}

fn check(folder: &Path, believed: &str, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .env("SSL_CERT_FILE", folder.join(believed))
        .env_remove("SSL_CERT_DIR")
        .output()
        .expect("the command line starts")
}

/// Who may sign for others, as PEM, with what it signs with.
fn signer(folder: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut signer = CertificateParams::new([name.to_owned()]).expect("a name");
    signer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let own = signer.self_signed(&key).expect("a certificate");
    std::fs::write(folder.join(format!("{name}.pem")), own.pem()).expect("it is there");
    Issuer::new(signer, key)
}

#[test]
fn whom_this_machine_believes_is_believed_and_nobody_else() {
    if !is_whole() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (issuer, _) = (signer(folder, "believed"), signer(folder, "other"));
    let key = KeyPair::generate().expect("a key");
    let wanted = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let cert = wanted.signed_by(&key, &issuer).expect("a certificate");
    std::fs::write(folder.join("cert.pem"), cert.pem()).expect("it is there");
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).expect("it is there");
    let listen = free_address();
    let url = format!("https://{listen}");
    let small = "--get /work?ms=5 --clients 2 --per-request 1 --rounds 1 --rtt 0ms --startup-rounds 0 --idle 0 \
                 --only within-grace";
    let admin = free_address();
    let run = |believed: &str, flags: &[&str]| {
        let mut arguments: Vec<&str> = small.split_whitespace().collect();
        arguments.extend(["--url", &url]);
        arguments.extend(flags);
        arguments.extend([
            "--", PROGRAM, "shop", "--listen", &listen, "--admin", &admin,
        ]);
        arguments.extend(["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
        check(folder, believed, &arguments)
    };
    let told = |output: &Output| {
        let all = [&output.stdout[..], &output.stderr].concat();
        String::from_utf8_lossy(&all).into_owned()
    };
    for (believed, flags) in [
        ("believed.pem", &[][..]),
        ("other.pem", &["--ca", "believed.pem"]),
    ] {
        let output = run(believed, flags);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{believed}: {}",
            told(&output)
        );
    }
    let output = run("other.pem", &["--start-timeout", "2s"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("--ca"), "{}", told(&output));
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_first_file_of_the_shop_has_its_grpc_methods_by_reflection() {
    if !is_whole() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (listen, admin) = (free_address(), free_address());
    let shop = Command::new(PROGRAM)
        .args(["shop", "--listen", &listen, "--admin", &admin])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _shop = Running(shop.expect("it starts"));
    let limit = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&listen).is_err() {
        assert!(Instant::now() < limit, "the shop does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    let url = format!("http://{listen}");
    let output = check(folder.path(), "none.pem", &["--init", &url]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    let text = std::fs::read_to_string(folder.path().join("lameduck-check.toml")).expect("a file");
    for line in [
        "h2 = true",
        // Nothing says of them that they change nothing.
        "# grpc = [\"shop.v1.Shop/GetOrder\"]",
        "# grpc-stream = [\"shop.v1.Shop/WatchOrders\"]",
    ] {
        assert!(
            text.lines().any(|it| it == line),
            "{line} is not in\n{text}"
        );
    }
    // The service of reflection itself is nothing that a client calls.
    assert!(!text.contains("ServerReflection"), "{text}");
}
