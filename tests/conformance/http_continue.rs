//! PROTOCOL §8: clients that wait for `100 Continue` before they send a body.

use sockjs_tests::client::Request;

use super::support::server;

#[test]
fn expect_100_continue() {
    let server = server();
    for name in ["xhr_send", "jsonp_send"] {
        let session = server.session("/echo").open();
        let request = Request::post(session.target(name))
            .header("Expect", "100-continue")
            .header("Content-Type", "text/plain")
            .header("Content-Length", "5");
        let mut connection = session.connect();
        connection.send(request.to_bytes());
        connection.read_head().expect_status(100);
        connection.send(r#"["x"]"#);
        let answer = connection.read_response(&request);
        assert!(matches!(answer.status(), 200 | 204), "{answer}");
        assert_eq!(session.poll(), r#"a["x"]"#);
    }
}
