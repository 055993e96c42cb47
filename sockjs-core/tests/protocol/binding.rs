//! DESIGN §6: later requests are the opener's.

use crate::common::request::{head, post};
use crate::common::{START, Sim, settings};
use bytes::BytesMut;
use http::request::Builder;
use sockjs_core::Service;
use sockjs_core::{Action, BindingSetting, Endpoint, Grade, Peer, Principal, Quota, Route, Seed};
use std::net::SocketAddr;

fn ann() -> Option<Principal> {
    Some(Principal::new("ann"))
}

fn bob() -> Option<Principal> {
    Some(Principal::new("bob"))
}

fn xhr() -> Builder {
    post("/000/s/xhr")
}

fn xhr_send() -> Builder {
    post("/000/s/xhr_send")
}

#[test]
fn another_principal_finds_no_session() {
    let mut sim = Sim::new(|_| ());
    sim.request("a", xhr(), ann());
    sim.skip();
    assert_eq!(sim.request("b", xhr(), bob()).unwrap().status(), 404);
    assert_eq!(sim.post_as("p", xhr_send(), bob(), "[\"x\"]").unwrap().status(), 404);
    assert_eq!(sim.post_as("p", xhr_send(), ann(), "[\"y\"]").unwrap().status(), 204);
    assert_eq!(sim.post_as("p", xhr_send(), None, "[\"z\"]").unwrap().status(), 204);
    assert_eq!(sim.recv_text(1).as_deref(), Some("y"));
    assert_eq!(sim.model.opened_count(), 1, "the mismatch opened nothing");
    assert!(sim.request("c", xhr(), ann()).is_none());
}

#[test]
fn credentials_can_be_demanded_on_every_request() {
    let mut sim = Sim::new(|settings| {
        let mut binding = BindingSetting::default();
        binding.principal_required = true;
        settings.binding = binding;
    });
    sim.request("a", xhr(), ann());
    assert_eq!(sim.post_as("p", xhr_send(), None, "[]").unwrap().status(), 404);
    assert_eq!(sim.post_as("p", xhr_send(), ann(), "[]").unwrap().status(), 204);
}

#[test]
fn origins_are_compared_where_both_have_one() {
    let mut sim = Sim::new(|_| ());
    let from = |origin: &str| xhr_send().header("Origin", origin);
    sim.request("a", xhr().header("Origin", "http://a"), None);
    let refused = sim.post_as("p", from("http://b"), None, "[]").unwrap();
    assert_eq!(refused.status(), 404);
    assert_eq!(refused.headers()["access-control-allow-origin"], "http://b");
    assert_eq!(sim.post_as("p", from("http://a"), None, "[]").unwrap().status(), 204);
    assert_eq!(sim.post_as("p", xhr_send(), None, "[]").unwrap().status(), 204);
}

#[test]
fn an_attached_receiver_is_undisturbed_by_strangers() {
    let mut sim = Sim::new(|_| ());
    sim.request("a", xhr(), ann());
    sim.request("b", xhr(), ann());
    sim.skip();
    sim.request("c", xhr(), bob());
    sim.expect(&["+0.000s c: 404"]);
    sim.send(1, "for ann").unwrap();
    sim.expect(&["+0.000s b: a[\\\"for ann\\\"]\\n end"]);
}

#[test]
fn a_network_is_that_of_ipv4_in_either_form() {
    let mut settings = settings();
    settings.binding.address_prefix = Some((24, 64));
    let service = Service::new(settings).unwrap();
    let quota = Quota::whole(&service.settings().limits);
    let mut endpoint = Endpoint::new(service.clone(), 0, quota, Seed::new(1));
    let mut status = |address: &str, port: u16| {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let peer = Peer::new(Some(address), Grade::Socket);
        let Route::Receive(permit) = service.route(head(post("/0/s/xhr")), &peer, 0, START) else {
            panic!("a receive request")
        };
        match endpoint.handle_receive(permit, None, START) {
            Action::Respond(response) => response.status().as_u16(),
            Action::Poll { head, mut receiver } => {
                // Whoever comes next shall not find it attached.
                let _ = endpoint.poll_transmit(&mut receiver, &mut BytesMut::new());
                head.status().as_u16()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status("::ffff:192.0.2.1", 1), 200);
    assert_eq!(status("::ffff:198.51.100.1", 1), 404, "another network in the same /64");
    assert_eq!(status("192.0.2.99", 2), 200, "the same network, whatever form and port");
}

#[test]
fn networks_are_compared_if_asked_for() {
    let mut sim = Sim::new(|settings| {
        let mut binding = BindingSetting::default();
        binding.address_prefix = Some((24, 64));
        settings.binding = binding;
    });
    sim.request("a", xhr(), None); // from 192.0.2.1:4711
    let mut status = |address: &str| {
        let peer = Peer::new(Some(address.parse().unwrap()), Grade::Socket);
        let route = sim.service().route(head(xhr_send()), &peer, 0, sim.now());
        let Route::Send(permit) = route else { panic!("a send request") };
        match sim.endpoint.handle_send(permit, None, crate::common::START) {
            Action::Collect { .. } => 200,
            Action::Respond(response) => response.status().as_u16(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status("192.0.2.99:1"), 200);
    assert_eq!(status("192.0.3.1:4711"), 404);
    assert_eq!(status("[2001:db8::1]:1"), 404);
}
