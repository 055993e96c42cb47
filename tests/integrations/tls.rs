//! TLS by rustls, with a certificate that is made here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockjs_tokio::{Tls, serve};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::support::{
    Sessions, builder, every_way_works, handing_over, http1, http2, listen, request, soon, text,
};

/// A server's configuration, and its clients'.
fn configs(protocols: &[&[u8]]) -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let certificate = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone());
    let server = server.with_safe_default_protocol_versions().expect("versions");
    let mut server =
        server.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a pair");
    let client = ClientConfig::builder_with_provider(provider);
    let client = client.with_safe_default_protocol_versions().expect("versions");
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    server.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    client.alpn_protocols = server.alpn_protocols.clone();
    (server, client)
}

struct Server {
    address: SocketAddr,
    client: ClientConfig,
    sessions: Sessions,
}

impl Server {
    async fn start(protocols: &[&[u8]], read_timeout: Duration) -> Self {
        let (server, client) = configs(protocols);
        let (service, sessions) = handing_over(builder("/app"));
        let (listener, address) = listen().await;
        let server = serve(Tls::new(listener, server), service)
            .with_http2()
            .with_limits(|limits| limits.read_timeout = read_timeout);
        tokio::spawn(server.into_future());
        Self { address, client, sessions }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.address, self.client.clone()).await
    }
}

async fn connect(address: SocketAddr, config: ClientConfig) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = "localhost".try_into().expect("a name");
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    soon("the handshake", handshake).await.expect("TLS")
}

#[tokio::test]
async fn every_way_works_over_tls() {
    let mut server = Server::start(&[b"http/1.1"], Duration::from_secs(30)).await;
    let (address, client) = (server.address, server.client.clone());
    let connect = || connect(address, client.clone());
    every_way_works("/app", &mut server.sessions, connect).await;
}

#[tokio::test]
async fn the_protocol_is_agreed_upon() {
    let server = Server::start(&[b"h2", b"http/1.1"], Duration::from_secs(30)).await;
    let stream = server.connect().await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let greeting = request("GET", "https://localhost/app", "");
    let answer = http2(stream).await.send_request(greeting).await.expect("an answer");
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(text(answer).await, "Welcome to SockJS!\n");
}

#[tokio::test]
async fn an_unfinished_handshake_holds_up_nobody_and_ends() {
    let server = Server::start(&[], Duration::from_secs(1)).await;
    let mut silent = TcpStream::connect(server.address).await.expect("a connection");
    let mut other = http1(server.connect().await).await;
    let greeting = other.send_request(request("GET", "/app", "")).await.expect("an answer");
    assert_eq!(greeting.status(), 200);
    let mut rest = Vec::new();
    soon("the server hangs up", silent.read_to_end(&mut rest)).await.expect("an end of file");
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn who_speaks_no_tls_is_refused() {
    let server = Server::start(&[], Duration::from_secs(30)).await;
    let stream = TcpStream::connect(server.address).await.expect("a connection");
    let mut client = http1(stream).await;
    let answer = soon("an end", client.send_request(request("GET", "/app", ""))).await;
    assert!(answer.is_err());
}
