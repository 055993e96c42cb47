//! The example programs do what they say.

use std::sync::Arc;

use sockjs_tokio::{Tls, serve};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::support::{Stream, http1, http2, listen, request, session_path, soon, text};

#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/axum.rs"]
mod axum;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/hyper.rs"]
mod hyper;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/layers.rs"]
mod layers;
#[allow(dead_code, unreachable_pub)]
#[path = "../../examples/listeners.rs"]
mod listeners;

/// Opens a session, says something, and returns the next frame.
async fn say(stream: impl Stream, base: &str, said: &str) -> String {
    let mut client = http1(stream).await;
    let path = session_path(base);
    let xhr = || {
        let mut poll = request("POST", &format!("{path}/xhr"), "");
        poll.headers_mut().insert("x-user", "ann".parse().expect("a value"));
        poll
    };
    assert_eq!(text(client.send_request(xhr()).await.expect("an answer")).await, "o\n");
    if !said.is_empty() {
        let sending = request("POST", &format!("{path}/xhr_send"), &format!("[\"{said}\"]"));
        assert_eq!(client.send_request(sending).await.expect("an answer").status(), 204);
    }
    text(soon("an answer", client.send_request(xhr())).await.expect("an answer")).await
}

async fn connect(listener: &TcpListener) -> TcpStream {
    let address = listener.local_addr().expect("it is bound");
    TcpStream::connect(address).await.expect("a connection")
}

#[tokio::test]
async fn in_axum() {
    let (listener, _) = listen().await;
    let (talking, asking) = (connect(&listener).await, connect(&listener).await);
    tokio::spawn(serve(listener, axum::router(Arc::default())).into_future());
    let said = say(talking, "/rooms/blue/chat", "hi").await;
    assert_eq!(said, "a[\"ann in blue: hi\"]\n");
    let page = http1(asking).await.send_request(request("GET", "/", "")).await;
    assert_eq!(text(page.expect("an answer")).await, "1 messages so far\n");
}

#[tokio::test]
async fn in_hyper() {
    let (listener, _) = listen().await;
    let stream = connect(&listener).await;
    tokio::spawn(hyper::accept(listener));
    assert_eq!(say(stream, "/echo", "hi").await, "a[\"hi\"]\n");
}

#[tokio::test]
async fn with_layers() {
    let (listener, _) = listen().await;
    let (talking, asking) = (connect(&listener).await, connect(&listener).await);
    tokio::spawn(layers::run(listener));
    let told = say(talking, "/who", "").await;
    let id = told.strip_prefix("a[\"ann by ").and_then(|rest| rest.strip_suffix("\"]\n"));
    assert_eq!(id.map(str::len), Some(36), "{told}");

    let mut client = http1(asking).await;
    let asked = || request("GET", "/who/info", "");
    let unknown = client.send_request(asked()).await.expect("an answer");
    assert_eq!(unknown.status(), 401);
    text(unknown).await;
    let mut known = asked();
    known.headers_mut().insert("x-user", "ann".parse().expect("a value"));
    known.headers_mut().insert("origin", "http://127.0.0.1:8080".parse().expect("a value"));
    known.headers_mut().insert("accept-encoding", "gzip".parse().expect("a value"));
    let known = client.send_request(known).await.expect("an answer");
    let of = |name: &str| known.headers().get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(of("access-control-allow-origin"), ["http://127.0.0.1:8080"]);
    assert_eq!(of("x-request-id").len(), 1);
    assert_eq!(of("content-length").len() + of("transfer-encoding").len(), 1);
}

#[tokio::test]
async fn on_all_kinds_of_listeners() {
    let services = listeners::services();
    let (config, certificate) = listeners::tls().expect("a configuration");
    let (listener, address) = listen().await;
    let server = serve(Tls::new(listener, config), services.clone()).with_http2();
    tokio::spawn(server.into_future());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let client = client.with_safe_default_protocol_versions().expect("versions");
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    for (protocol, is_http2) in [("http/1.1", false), ("h2", true)] {
        client.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await.expect("a connection");
        let name = "localhost".try_into().expect("a name");
        let handshake = TlsConnector::from(Arc::new(client.clone())).connect(name, stream);
        let stream = soon("the handshake", handshake).await.expect("TLS");
        if is_http2 {
            let asked = request("GET", "https://localhost/echo", "");
            let greeting = http2(stream).await.send_request(asked).await.expect("an answer");
            assert_eq!(text(greeting).await, "Welcome to SockJS!\n");
        } else {
            assert_eq!(say(stream, "/echo", "hi").await, "a[\"hi\"]\n");
        }
    }

    let path = std::env::temp_dir().join(format!("sockjs-example-{}.socket", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(serve(listener, services).into_future());
    let stream = UnixStream::connect(&path).await.expect("a connection");
    assert_eq!(say(stream, "/shout", "hi").await, "a[\"HI\"]\n");
    std::fs::remove_file(&path).expect("it was there");
}
