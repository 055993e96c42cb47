//! What is counted, and by what.

use http::request::Builder;
use sockjs_core::{
    Action, BodyError, Cause, CloseReason, OriginPolicy, Principal, Refusal, Refused, Route,
    SendReply, Transport,
};

use crate::common::request::{for_path, get, head, peer, post, websocket};
use crate::common::{START, Sim, secs};

/// Why the routing turns a request away.
fn by_routing(sim: &Sim, request: Builder) -> Option<Refusal> {
    match sim.service().route(head(request), &peer(), 0, START) {
        Route::Respond(response) => response.extensions().get().copied(),
        route => panic!("{route:?}"),
    }
}

#[test]
fn the_routing_says_why_it_turns_away() {
    let sim = Sim::new(|settings| {
        settings.origins = OriginPolicy::SameOrigin;
        settings.transports = settings.transports.without(Transport::HtmlFile);
    });
    for (request, reason) in [
        (get(""), None),
        (get("/info"), None),
        (for_path("/000/1/xhr").header("Origin", "http://b"), Some(Refusal::Origin)),
        (get("/nonsense"), Some(Refusal::NotFound)),
        (for_path("/000/1/htmlfile"), Some(Refusal::NotFound)),
        (get("/000/1/xhr_streaming"), Some(Refusal::Method)),
        (get("/000/1/websocket"), Some(Refusal::Handshake)),
        (websocket("/websocket").header("Origin", "null"), Some(Refusal::Origin)),
        (get("/000/1/jsonp"), Some(Refusal::Callback)),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(by_routing(&sim, request), reason, "{shown}");
    }
    let draining = sim.service().route_draining(head(get("/info")), &peer(), START);
    let Route::Respond(response) = draining else { panic!("an answer") };
    assert_eq!(response.extensions().get(), Some(&Refusal::Draining));
}

fn send_reply() -> SendReply {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/1/xhr_streaming");
    let route = sim.service().route(head(post("/000/1/xhr_send")), &peer(), 0, START);
    let Route::Send(permit) = route else { panic!("a send request") };
    match sim.endpoint.handle_send(permit, None, START) {
        Action::Collect { reply, .. } => reply,
        action => panic!("{action:?}"),
    }
}

#[test]
fn what_becomes_of_a_body_is_told_as_well() {
    for (error, reason) in [
        (BodyError::TooLarge, Refusal::TooLarge),
        (BodyError::Busy, Refusal::Busy),
        (BodyError::TimedOut, Refusal::TimedOut),
        (BodyError::Broken, Refusal::Broken),
    ] {
        assert_eq!(send_reply().unread(error).extensions().get(), Some(&reason));
    }
    for (refused, reason) in
        [(Refused::Gone, Refusal::UnknownSession), (Refused::Overdue, Refusal::SlowApplication)]
    {
        assert_eq!(send_reply().refused(refused).extensions().get(), Some(&reason));
    }
    let reply = send_reply();
    let error = reply.read(b"[", &mut Vec::new()).unwrap_err();
    assert_eq!(reply.broken(error).extensions().get(), Some(&Refusal::Broken));
    assert_eq!(send_reply().accepted().extensions().get::<Refusal>(), None);
}

#[test]
fn the_endpoint_counts_what_it_turns_away() {
    let (ann, bob) = (Some(Principal::new("ann")), Some(Principal::new("bob")));
    let mut sim = Sim::new(|settings| {
        settings.limits.sessions = 3;
        settings.limits.unconfirmed_sessions = 1;
        settings.limits.message_bytes = 10;
    });
    sim.request("a", post("/000/1/xhr_streaming"), ann.clone());
    sim.receive("b", "/000/2/xhr");
    let expect = |sim: &mut Sim, request: Builder, who, reason: Refusal| {
        let before = sim.endpoint.stats().refused;
        let answer = if format!("{request:?}").contains("xhr_send") {
            sim.post_as("p", request, who, "[]")
        } else {
            sim.request("c", request, who)
        };
        // A second receiver is answered like any other.
        let marked = answer.map(|answer| answer.extensions().get().copied());
        assert!(marked.is_none_or(|marked| marked == Some(reason)), "{marked:?}, not {reason:?}");
        let after = sim.endpoint.stats().refused;
        assert_eq!((after[reason], after.total()), (before[reason] + 1, before.total() + 1));
    };
    let send = |id: u8| post(&format!("/000/{id}/xhr_send"));
    let long = send(1).header("Content-Length", "11");
    expect(&mut sim, post("/000/1/xhr"), bob.clone(), Refusal::Binding);
    expect(&mut sim, send(1), bob, Refusal::Binding);
    expect(&mut sim, send(9), None, Refusal::UnknownSession);
    expect(&mut sim, long, ann.clone(), Refusal::TooLarge);
    expect(&mut sim, for_path("/000/3/jsonp"), None, Refusal::UnconfirmedSessions);
    sim.receive("d", "/000/4/websocket");
    expect(&mut sim, for_path("/000/3/eventsource"), None, Refusal::Sessions);
    expect(&mut sim, for_path("/000/1/xhr"), ann, Refusal::SecondReceiver);
    sim.shutdown();
    expect(&mut sim, for_path("/websocket"), None, Refusal::Draining);
}

#[test]
fn a_second_receiver_is_marked_too() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/1/xhr_streaming");
    let route = sim.service().route(head(post("/000/1/xhr")), &peer(), 0, sim.now());
    let Route::Receive(permit) = route else { panic!("a receive request") };
    match sim.endpoint.handle_receive(permit, None, START) {
        Action::Poll { head, .. } => {
            assert_eq!(head.extensions().get(), Some(&Refusal::SecondReceiver));
        }
        action => panic!("{action:?}"),
    }
}

#[test]
fn messages_and_their_bytes() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/1/websocket");
    sim.message("a", r#"["four","1"]"#);
    sim.send(1, "\t3€").unwrap();
    let stats = sim.endpoint.stats();
    assert_eq!((stats.messages_in, stats.bytes_in), (2, 5));
    assert_eq!((stats.messages_out, stats.bytes_out), (1, 5));
    assert_eq!(stats.per_second.bytes_in, 0.0, "the second is not over");
    sim.sleep(secs(1));
    sim.timeout();
    let rates = sim.endpoint.stats().per_second;
    assert_eq!((rates.messages_in, rates.messages_out), (0.2, 0.1));
    assert_eq!((rates.bytes_in, rates.bytes_out), (0.5, 0.5));
    sim.sleep(secs(10));
    sim.timeout();
    assert_eq!(sim.endpoint.stats().per_second.bytes_in, 0.0);
    sim.receive("b", "/000/2/xhr_streaming");
    sim.close(2, CloseReason::GO_AWAY);
    sim.post("p", "/000/2/xhr_send", r#"["late"]"#);
    let stats = sim.endpoint.stats();
    assert_eq!((stats.messages_in, stats.bytes_in, stats.dropped), (2, 5, 1));
}

#[test]
fn they_are_read_back_as_they_were() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/1/xhr_streaming");
    sim.receive("b", "/000/2/eventsource");
    sim.disconnect("a");
    let stats = sim.endpoint.stats();
    assert_eq!(stats.opened[Transport::XhrStreaming], 1);
    assert_eq!((stats.sessions[Transport::XhrStreaming], stats.closed[Cause::ClientGone]), (0, 1));
    let json = serde_json::to_string(&stats).unwrap();
    assert!(json.contains(r#""client_gone":1"#) && json.contains(r#""eventsource":1"#), "{json}");
    assert_eq!(serde_json::from_str::<sockjs_core::Stats>(&json).unwrap(), stats);
}
