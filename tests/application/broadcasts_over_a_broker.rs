//! A group whose members are on two servers, joined by a broker.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sockjs_tests::client::Transport;

use super::support::{App, all_messages, eventually};
use crate::adapter::{Broadcast, Envelope, Fanout, Members, Message, Reached, WhenFull};

/// A broker as there are many: bytes that anyone publishes reach all subscribers in one order.
#[derive(Clone, Debug, Default)]
struct Broker(Arc<Mutex<Vec<Sender<Vec<u8>>>>>);

impl Broker {
    fn subscribe(&self) -> Receiver<Vec<u8>> {
        let (sender, receiver) = channel();
        self.0.lock().expect("no panic").push(sender);
        receiver
    }

    fn publish(&self, bytes: &[u8]) {
        for subscriber in &*self.0.lock().expect("no panic") {
            subscriber.send(bytes.to_vec()).expect("it listens");
        }
    }

    fn end(&self) {
        self.0.lock().expect("no panic").clear();
    }
}

impl Fanout for Broker {
    fn publish(&self, envelope: Envelope, _: &Members) -> Reached {
        Self::publish(self, &serde_json::to_vec(&envelope).expect("it is JSON"));
        Reached::default()
    }
}

/// One of the servers, and what listens to the broker for it.
struct Node {
    app: App,
    group: Broadcast,
    listening: JoinHandle<usize>,
}

impl Node {
    fn start(broker: &Broker) -> Self {
        let group = Broadcast::with(WhenFull::Report, broker.clone());
        let (members, envelopes) = (group.members().clone(), broker.subscribe());
        let listening = std::thread::spawn(move || {
            let mut reached = 0;
            for bytes in envelopes {
                let envelope = serde_json::from_slice(&bytes).expect("it is JSON");
                reached += members.deliver(envelope).count;
            }
            reached
        });
        Self { app: App::start(), group, listening }
    }
}

#[test]
fn members_of_both_servers_get_the_messages_of_both_in_one_order() {
    const COUNT: usize = 100;
    let broker = Broker::default();
    let nodes = [(); 2].map(|()| Node::start(&broker));
    let mut members = Vec::new();
    for node in &nodes {
        for _ in 0..3 {
            let (client, session) = node.app.open();
            node.group.join(&session);
            members.push((client, session));
        }
    }
    let groups = nodes.each_ref().map(|node| node.group.clone());
    let senders = groups.map(|group| {
        std::thread::spawn(move || {
            for number in 0..COUNT {
                let reached = group.send(format!("{number}"));
                assert_eq!(reached.count, 0, "the broker has not delivered yet");
            }
        })
    });
    for sender in senders {
        sender.join().expect("no panic");
    }
    broker.end();
    let apps = nodes.map(|node| {
        assert_eq!(node.listening.join().expect("no panic"), 3 * 2 * COUNT);
        node.app
    });
    let mut seen = members.iter().map(|(client, session)| all_messages(client, session));
    let first = seen.next().expect("a member");
    assert_eq!(first.len(), 2 * COUNT);
    assert!(seen.all(|messages| messages == first));
    drop(apps);
}

#[test]
fn who_is_excepted_is_so_on_its_own_server_only() {
    let broker = Broker::default();
    let [one, other] = [(); 2].map(|()| Node::start(&broker));
    // The first member of each group: of the same number.
    let (client, session) = one.app.open();
    one.group.join(&session);
    let (far_client, far_session) = other.app.open();
    other.group.join(&far_session);
    assert_eq!(one.group.send_except("not to me", [&*session]).count, 0);
    assert_eq!(one.group.send("to all\u{2028}").count, 0);
    client.expect(Transport::Xhr, &[r#"a["to all\u2028"]"#]);
    eventually("both", || other.app.service.stats().messages_out == 2);
    far_client.expect(Transport::Xhr, &[r#"a["not to me","to all\u2028"]"#]);
}

#[test]
fn bytes_and_exceptions_survive_serialisation() {
    for message in [Message::text("a\"\u{2028}"), Message::binary(vec![0, 255])] {
        let envelope = Envelope::new(message);
        let json = serde_json::to_string(&envelope).expect("it is JSON");
        assert_eq!(serde_json::from_str::<Envelope>(&json).expect("it was written so"), envelope);
    }
}
