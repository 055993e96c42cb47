//! A second SIGTERM ends a server that drains, at once.

use sockjs_tests::client::Transport;

use super::support::{eventually, own_server};

#[test]
fn a_second_signal_is_immediate() {
    let server = own_server(&["--disconnect", "600s", "--drain", "600s"]);
    let _left_behind = server.session("/echo").open();
    let stuck = server.session("/echo").receive_first(Transport::XhrStreaming, "o");
    server.terminate();
    // The first one is at work: it could take ten minutes.
    eventually("it drains", || server.get("/echo/info").status() == 503);
    server.terminate();
    drop(server);
    drop(stuck);
}
