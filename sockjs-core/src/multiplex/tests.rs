//! The machine of channels, against a model that keeps to what both ends believe.

use proptest::prelude::*;

use super::*;

fn handle(multiplexer: &mut Multiplexer, text: &str) -> Option<Event> {
    multiplexer.handle_message(&Message::from(text), |topic| topic.name() != "unknown")
}

fn subscribe(multiplexer: &mut Multiplexer, wire: &str) -> ChannelKey {
    match handle(multiplexer, &format!("sub,{wire}")) {
        Some(Event::Subscribed(channel)) => channel,
        other => panic!("{wire}: {other:?}"),
    }
}

fn received(multiplexer: &mut Multiplexer, text: &str) -> Option<String> {
    match handle(multiplexer, text) {
        Some(Event::Message(_, payload)) => payload.into_text().ok(),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn payloads_may_hold_commas_or_nothing() {
    let mut multiplexer = Multiplexer::default();
    subscribe(&mut multiplexer, "a");
    for (text, payload) in [
        ("msg,a,x", "x"),
        ("msg,a,x,y,,z", "x,y,,z"),
        ("msg,a,", ""),
        ("msg,a", ""),
        ("msg,a,sub,a", "sub,a"),
        ("msg,a,ä%2C\u{2028}", "ä%2C\u{2028}"),
    ] {
        assert_eq!(received(&mut multiplexer, text).as_deref(), Some(payload), "{text}");
    }
}

#[test]
fn topics_may_be_any_text() {
    let mut multiplexer = Multiplexer::default();
    for name in ["", "a,b", "%", "ä€😀", "a b/c"] {
        let topic = Topic::new(name);
        let channel = subscribe(&mut multiplexer, topic.wire());
        assert_eq!(channel.topic(), &topic);
        assert_eq!(channel.topic().name(), name);
    }
}

#[test]
fn what_makes_no_sense_is_ignored() {
    let mut multiplexer = Multiplexer::default();
    for text in [
        "",
        ",",
        "sub",
        "msg",
        "uns",
        "SUB,a",
        "sub ,a",
        "subs,a",
        "sub,unknown",
        "msg,a,early",
        "uns,a",
        "sub,%61",
        "sub,é",
        "sub,%u00e4",
        "sub,%",
        "sub,%uD800",
    ] {
        assert_eq!(handle(&mut multiplexer, text), None, "{text}");
    }
    subscribe(&mut multiplexer, "a");
    assert_eq!(handle(&mut multiplexer, "sub,a"), None, "a second subscription");
    assert_eq!(handle(&mut multiplexer, "msg,b,x"), None, "another topic");
    let bytes = Message::binary(b"sub,b".to_vec());
    assert_eq!(multiplexer.handle_message(&bytes, |_| true), None);
    assert_eq!(multiplexer.poll_transmit(), None, "nobody is told anything");
}

#[test]
fn a_channel_that_the_client_ended_is_no_longer_there() {
    let mut multiplexer = Multiplexer::default();
    let first = subscribe(&mut multiplexer, "a");
    assert_eq!(handle(&mut multiplexer, "uns,a"), Some(Event::Unsubscribed(first.clone())));
    assert_eq!(received(&mut multiplexer, "msg,a,late"), None);
    let second = subscribe(&mut multiplexer, "a");
    let payload = Message::from("x");
    assert_eq!(multiplexer.frame(&first, &payload), None);
    assert_eq!(multiplexer.frame(&second, &payload), Some(Message::from("msg,a,x")));
    multiplexer.close(&first);
    multiplexer.release(&first);
    assert!(multiplexer.is_open(&second));
    assert_eq!(multiplexer.poll_transmit(), None);
}

#[test]
fn the_client_is_told_once_that_its_channel_was_closed() {
    let mut multiplexer = Multiplexer::default();
    let channel = subscribe(&mut multiplexer, "a");
    multiplexer.close(&channel);
    multiplexer.close(&channel);
    assert!(!multiplexer.is_open(&channel));
    assert_eq!(multiplexer.frame(&channel, &Message::from("late")), None);
    assert_eq!(received(&mut multiplexer, "msg,a,x"), None, "it does not know yet");
    assert_eq!(handle(&mut multiplexer, "sub,a"), None, "so this is a second subscription");
    assert_eq!(multiplexer.poll_transmit(), Some(Message::from("uns,a")));
    multiplexer.release(&channel);
    assert_eq!(multiplexer.poll_transmit(), None);
    subscribe(&mut multiplexer, "a");
}

#[test]
fn a_client_that_comes_back_first_is_not_told_of_the_channel_before() {
    let mut multiplexer = Multiplexer::default();
    let first = subscribe(&mut multiplexer, "a");
    multiplexer.close(&first);
    assert_eq!(handle(&mut multiplexer, "uns,a"), None);
    let second = subscribe(&mut multiplexer, "a");
    assert_eq!(multiplexer.poll_transmit(), None);
    assert!(multiplexer.is_open(&second));
}

#[test]
fn so_many_channels_and_no_more() {
    let mut multiplexer = Multiplexer::new(Limits { channels: 2, ..Limits::default() });
    let first = subscribe(&mut multiplexer, "a");
    subscribe(&mut multiplexer, "b");
    assert_eq!(handle(&mut multiplexer, "sub,c"), None);
    assert_eq!(multiplexer.poll_transmit(), Some(Message::from("uns,c")));
    // The place is taken until the application is done with the channel.
    assert_eq!(handle(&mut multiplexer, "uns,a"), Some(Event::Unsubscribed(first.clone())));
    assert_eq!(handle(&mut multiplexer, "sub,c"), None);
    assert_eq!(multiplexer.poll_transmit(), Some(Message::from("uns,c")));
    multiplexer.release(&first);
    subscribe(&mut multiplexer, "c");
}

#[test]
fn a_topic_so_long_and_no_longer() {
    let mut multiplexer = Multiplexer::new(Limits { topic_bytes: 6, ..Limits::default() });
    subscribe(&mut multiplexer, "%20%20");
    assert_eq!(handle(&mut multiplexer, "sub,%20%20a"), None);
    assert_eq!(multiplexer.poll_transmit(), None);
}

/// What may happen to the channel of a topic.
#[derive(Clone, Debug)]
enum Op {
    Sub(u8),
    Uns(u8),
    Msg(u8),
    Close(u8),
    Release(u8),
    Transmit,
}

fn op() -> impl Strategy<Value = Op> {
    let topic = 0..4u8;
    prop_oneof![
        topic.clone().prop_map(Op::Sub),
        topic.clone().prop_map(Op::Uns),
        topic.clone().prop_map(Op::Msg),
        topic.clone().prop_map(Op::Close),
        topic.prop_map(Op::Release),
        Just(Op::Transmit),
    ]
}

proptest! {
    /// Both ends agree on what is subscribed once the client has heard everything.
    #[test]
    fn both_ends_agree(ops in prop::collection::vec(op(), 0..80)) {
        let mut multiplexer = Multiplexer::new(Limits { channels: 3, ..Limits::default() });
        let mut client = [false; 4];
        let mut channels: Vec<ChannelKey> = Vec::new();
        let newest = |channels: &[ChannelKey], n: u8| {
            channels.iter().rposition(|it| it.topic().name() == n.to_string())
        };
        for op in ops {
            match op {
                Op::Sub(n) => {
                    while let Some(frame) = multiplexer.poll_transmit() {
                        client[usize::from(unsubscribed(&frame))] = false;
                    }
                    client[usize::from(n)] = true;
                    if let Some(Event::Subscribed(key)) = handle(&mut multiplexer, &format!("sub,{n}")) {
                        channels.push(key);
                    }
                }
                Op::Uns(n) => {
                    client[usize::from(n)] = false;
                    handle(&mut multiplexer, &format!("uns,{n}"));
                }
                Op::Msg(n) => {
                    let event = handle(&mut multiplexer, &format!("msg,{n},x"));
                    prop_assert!(event.is_none() || client[usize::from(n)]);
                    if let Some(Event::Message(key, _)) = event {
                        prop_assert!(multiplexer.is_open(&key));
                    }
                }
                Op::Close(n) => {
                    if let Some(at) = newest(&channels, n) {
                        multiplexer.close(&channels[at]);
                    }
                }
                Op::Release(n) => {
                    if let Some(at) = newest(&channels, n) {
                        multiplexer.release(&channels.remove(at));
                    }
                }
                Op::Transmit => {
                    if let Some(frame) = multiplexer.poll_transmit() {
                        client[usize::from(unsubscribed(&frame))] = false;
                    }
                }
            }
            prop_assert!(channels.len() <= 3);
        }
        while let Some(frame) = multiplexer.poll_transmit() {
            client[usize::from(unsubscribed(&frame))] = false;
        }
        for (n, is_subscribed) in client.into_iter().enumerate() {
            let is_open = channels.iter().any(|it| it.topic().name() == n.to_string() && multiplexer.is_open(it));
            prop_assert_eq!(is_open, is_subscribed);
        }
    }

    #[test]
    fn anything_is_taken(texts in prop::collection::vec("((sub|msg|uns),)?[a%,é]{0,6}", 0..40)) {
        let mut multiplexer = Multiplexer::new(Limits { channels: 3, ..Limits::default() });
        for text in texts {
            handle(&mut multiplexer, &text);
            while multiplexer.poll_transmit().is_some() {}
            prop_assert!(multiplexer.subscriptions.len() <= 3);
        }
    }
}

fn unsubscribed(frame: &Message) -> u8 {
    let topic = frame.as_text().and_then(|text| text.strip_prefix("uns,"));
    topic.and_then(|topic| topic.parse().ok()).expect("the client is only ever unsubscribed")
}
