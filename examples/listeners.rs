//! Two services behind three listeners: TLS with HTTP/2, a Unix socket, and IPv6.
//! `cargo run --example listeners`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::sync::Arc;

use sockjs_tokio::{Services, Session, SockJs, Tls, serve};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, pki_types::CertificateDer};

type Fault = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let services = services();
    let (config, _) = tls()?;
    let tls = Tls::new(TcpListener::bind("127.0.0.1:8443").await?, config);
    let unix = UnixListener::bind(std::env::temp_dir().join("sockjs-example.socket"))?;
    let ipv6 = TcpListener::bind("[::1]:8081").await?;
    println!(
        "listening on https://localhost:8443/, http://[::1]:8081/ and {:?}",
        unix.local_addr()?
    );
    tokio::try_join!(
        serve(tls, services.clone()).with_http2().into_future(),
        serve(unix, services.clone()).into_future(),
        serve(ipv6, services).into_future(),
    )?;
    Ok(())
}

/// `/echo` and `/shout`.
pub fn services() -> Services {
    let echo = SockJs::builder("/echo").build(|session| answer(session, str::to_owned));
    let shout = SockJs::builder("/shout").build(|session| answer(session, str::to_uppercase));
    Services::new([echo, shout])
}

async fn answer(mut session: Session, change: fn(&str) -> String) {
    while let Some(message) = session.recv().await {
        let changed = change(message.as_text().unwrap_or_default());
        if session.send(changed).await.is_err() {
            break;
        }
    }
}

/// A configuration with a certificate that is made here, and the certificate: in earnest, read both
/// from files.
pub fn tls() -> Result<(ServerConfig, CertificateDer<'static>), Fault> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let certificate = made.cert.der().clone();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, certificate))
}
