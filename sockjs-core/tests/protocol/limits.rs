//! DESIGN §5: sessions at a time.

use crate::common::Sim;
use sockjs_core::Refusal;

use crate::common::request::for_path;

fn header(response: &http::Response<bytes::Bytes>, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

#[test]
fn over_the_limit_is_503_with_retry_after_and_opens_nothing() {
    let mut sim = Sim::new(|settings| settings.limits.sessions = 2);
    sim.receive("a", "/000/1/xhr_streaming");
    sim.receive("b", "/000/2/websocket");
    for path in ["/000/3/xhr", "/000/3/eventsource", "/000/3/websocket", "/websocket"] {
        let refused = sim.receive("c", path).unwrap();
        assert_eq!(refused.status(), 503, "{path}");
        assert_eq!(header(&refused, "retry-after"), "5");
    }
    assert_eq!(sim.endpoint.stats().refused[Refusal::Sessions], 4);
    assert_eq!(sim.model.opened_count(), 2);
    let origin = for_path("/000/3/xhr").header("Origin", "http://a");
    let refused = sim.request("c", origin, None).unwrap();
    assert_eq!(header(&refused, "access-control-allow-origin"), "http://a");
}

#[test]
fn known_sessions_go_on_and_an_end_makes_room() {
    let mut sim = Sim::new(|settings| settings.limits.sessions = 1);
    sim.receive("a", "/000/1/xhr");
    assert!(sim.receive("b", "/000/1/xhr").is_none());
    assert!(sim.receive("c", "/000/2/xhr").is_some());
    sim.disconnect("b");
    assert!(sim.receive("d", "/000/2/xhr").is_none(), "a remembered end takes no room");
}

#[test]
fn polling_sessions_without_a_second_request_have_a_limit_of_their_own() {
    let mut sim = Sim::new(|settings| settings.limits.unconfirmed_sessions = 2);
    sim.receive("a", "/000/1/xhr");
    sim.receive("b", "/000/2/jsonp");
    assert_eq!(sim.receive("c", "/000/3/xhr").unwrap().status(), 503);
    assert!(sim.receive("d", "/000/4/xhr_streaming").is_none(), "it holds a connection");
    sim.receive("e", "/000/1/xhr");
    assert!(sim.receive("f", "/000/3/xhr").is_none(), "the first is confirmed by a poll");
    sim.post("g", "/000/2/xhr_send", "[]");
    assert!(sim.receive("h", "/000/5/xhr").is_none(), "the second by a send");
    assert_eq!(sim.receive("i", "/000/6/xhr").unwrap().status(), 503);
}

#[test]
fn ended_sessions_are_remembered_up_to_a_limit() {
    let mut sim = Sim::new(|settings| settings.limits.tombstones = 2);
    for id in 0..5 {
        sim.receive(&format!("{id}"), &format!("/000/{id}/xhr_streaming"));
        sim.disconnect(&format!("{id}"));
    }
    sim.skip();
    sim.receive("a", "/000/4/xhr");
    assert!(sim.take_transcript().concat().contains("c[1002"));
    sim.receive("b", "/000/2/xhr");
    assert!(sim.take_transcript().concat().contains("o\\n"), "it ended first");
}
