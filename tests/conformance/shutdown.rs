//! PROTOCOL §7: 1001 when the server drains; [`Server`](sockjs_tests::server::Server) checks
//! that it ends cleanly.

use sockjs_tests::client::{Request, Transport};

use super::support::{own_server, waiting_poll};

const GOING_AWAY: &str = r#"c[1001,"Server going away"]"#;

#[test]
fn every_attached_session_is_told() {
    let server = own_server(&["--disconnect", "60s"]);
    let streams = Transport::STREAMING.map(|transport| {
        let session = server.session("/echo");
        session.receive_first(transport, "o")
    });
    let polls = Transport::POLLING.map(|transport| {
        let session = server.session("/echo").open();
        waiting_poll(&session, transport)
    });
    let mut framed = server.websocket_session("/echo");
    let raw = server.websocket("/echo/websocket");
    server.terminate();
    for mut receiver in streams.into_iter().chain(polls) {
        receiver.expect(GOING_AWAY);
        receiver.end();
    }
    framed.expect_text(GOING_AWAY);
    framed.expect_close_saying(1001, "Server going away");
    raw.expect_close_saying(1001, "Server going away");
}

#[test]
fn idle_connections_do_not_hold_it() {
    let server = own_server(&["--disconnect", "60s"]);
    let _silent = server.connect();
    let mut idle = server.connect();
    idle.exchange(&Request::get("/echo")).expect_status(200);
    drop(server);
    idle.expect_end();
}

#[test]
fn detached_sessions_do_not_hold_it() {
    let server = own_server(&["--disconnect", "1s"]);
    let session = server.session("/echo").open();
    session.send(&["never fetched"]);
}
