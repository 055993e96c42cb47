//! PROTOCOL §8: how long a request's target may be.

use super::support::server;

#[test]
fn a_target_over_its_limit_is_414_where_the_head_is_not() {
    let server = server();
    server.get(format!("/echo?{}", "x".repeat(8_100))).expect_status(200);
    server.get(format!("/echo?{}", "x".repeat(8_200))).expect_status(414);
}
