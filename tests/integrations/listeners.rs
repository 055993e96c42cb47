//! Listeners other than for TCP over IPv4.

use sockjs_tokio::{Services, SockJs, serve};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::support::{
    builder, every_way_works, handing_over, http1, listen, request, session_path, text,
};

#[tokio::test]
async fn unix_sockets_have_no_address() {
    let path = std::env::temp_dir().join(format!("sockjs-{}.socket", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (service, mut sessions) = handing_over(builder("/app"));
    let server = serve(UnixListener::bind(&path).expect("a socket"), service);
    tokio::spawn(server.into_future());
    let connect = || async { UnixStream::connect(&path).await.expect("a connection") };
    every_way_works("/app", &mut sessions, connect).await;

    let mut client = http1(connect().await).await;
    let opening = request("POST", &format!("{}/xhr", session_path("/app")), "");
    assert_eq!(text(client.send_request(opening).await.expect("an answer")).await, "o\n");
    assert_eq!(sessions.next().await.info().remote_addr(), None);
    std::fs::remove_file(&path).expect("it was there");
}

#[tokio::test]
async fn ipv6() {
    let listener = TcpListener::bind("[::1]:0").await.expect("a machine with IPv6");
    let address = listener.local_addr().expect("it is bound");
    // Of the same origin only.
    let (service, mut sessions) = handing_over(SockJs::builder("/app"));
    tokio::spawn(serve(listener, service).into_future());
    let connect = || async { TcpStream::connect(address).await.expect("a connection") };
    every_way_works("/app", &mut sessions, connect).await;

    for (origin, status) in [(format!("http://{address}"), 200), ("http://[::1]:1".into(), 403)] {
        let mut client = http1(connect().await).await;
        let mut opening = request("POST", &format!("{}/xhr", session_path("/app")), "");
        let headers = opening.headers_mut();
        headers.insert("host", address.to_string().parse().expect("a host"));
        headers.insert("origin", origin.parse().expect("an origin"));
        let answer = client.send_request(opening).await.expect("an answer");
        assert_eq!(answer.status(), status, "{origin}");
    }
    let session = sessions.next().await;
    assert_eq!(session.info().remote_addr(), Some(address.ip()));
}

#[tokio::test]
async fn several_services_in_one_server() {
    let (one, mut of_one) = handing_over(builder("/one"));
    let (two, mut of_two) = handing_over(builder("/two"));
    let (listener, address) = listen().await;
    tokio::spawn(serve(listener, Services::new([one, two])).into_future());
    let connect = || async { TcpStream::connect(address).await.expect("a connection") };
    every_way_works("/one", &mut of_one, connect).await;
    every_way_works("/two", &mut of_two, connect).await;
}
