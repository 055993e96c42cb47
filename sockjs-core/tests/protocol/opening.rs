//! PROTOCOL §5 rule 1 and §4: what the first request of a session gets.

use crate::common::{Sim, secs};

#[test]
fn a_polling_session_opens_and_its_response_ends() {
    let mut sim = Sim::new(|_| ());
    sim.receive("a", "/000/s/xhr");
    sim.expect(&["+0.000s a: o\\n end", "+0.000s #1: opened by xhr"]);
    sim.advance(secs(30));
    sim.expect(&["+5.000s #1: closed Expired 1002 Connection interrupted"]);
    assert!(sim.endpoint.is_empty());
    assert_eq!(sim.endpoint.poll_timeout(), None);
}
