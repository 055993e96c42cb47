//! A service's numbers for the facade `metrics`; `docs/observability.md` has their table.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit, counter, gauge, histogram};
use sockjs_core::{Cause, Kind, Refusal, Transport};

use super::Flow;

const SESSIONS: &str = "sockjs_sessions";
const OPENED: &str = "sockjs_sessions_opened_total";
const CLOSED: &str = "sockjs_sessions_closed_total";
const REFUSED: &str = "sockjs_requests_refused_total";
const MESSAGES: &str = "sockjs_messages_total";
const BYTES: &str = "sockjs_message_bytes_total";
const QUEUED: &str = "sockjs_queued_bytes";
const FLUSH: &str = "sockjs_flush_seconds";

/// Handles of the recorder that there was when the service was built: they work from any thread, and no
/// name is looked up later.
pub(super) struct Meters {
    sessions: Vec<Gauge>,
    opened: Vec<Counter>,
    closed: Vec<Counter>,
    refused: Vec<Counter>,
    messages_in: Counter,
    messages_out: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    queued_bytes: Gauge,
    flush: Histogram,
}

impl Meters {
    pub(super) fn new(prefix: &str) -> Self {
        describe();
        let service = || prefix.to_owned();
        let flow = |name: &'static str, direction: &'static str| counter!(name, "service" => service(), "direction" => direction);
        Self {
            sessions: each(
                |kind: Transport| gauge!(SESSIONS, "service" => service(), "transport" => kind.name()),
            ),
            opened: each(
                |kind: Transport| counter!(OPENED, "service" => service(), "transport" => kind.name()),
            ),
            closed: each(
                |kind: Cause| counter!(CLOSED, "service" => service(), "cause" => kind.name()),
            ),
            refused: each(
                |kind: Refusal| counter!(REFUSED, "service" => service(), "reason" => kind.name()),
            ),
            messages_in: flow(MESSAGES, "in"),
            messages_out: flow(MESSAGES, "out"),
            bytes_in: flow(BYTES, "in"),
            bytes_out: flow(BYTES, "out"),
            queued_bytes: gauge!(QUEUED, "service" => service()),
            flush: histogram!(FLUSH, "service" => service()),
        }
    }

    pub(super) fn opened(&self, transport: Transport) {
        self.opened[transport as usize].increment(1);
        self.sessions[transport as usize].increment(1.0);
    }

    pub(super) fn closed(&self, transport: Transport, cause: Cause) {
        self.closed[cause as usize].increment(1);
        self.sessions[transport as usize].decrement(1.0);
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refused[refusal as usize].increment(1);
    }

    pub(super) fn flowed(&self, flow: Flow) {
        let add = |counter: &Counter, count: u64| {
            if count > 0 {
                counter.increment(count);
            }
        };
        add(&self.messages_in, flow.messages_in);
        add(&self.messages_out, flow.messages_out);
        add(&self.bytes_in, flow.bytes_in);
        add(&self.bytes_out, flow.bytes_out);
        // By what it changed: the shards share it.
        if flow.queued_bytes != 0 {
            self.queued_bytes.increment(flow.queued_bytes as f64);
        }
    }

    pub(super) fn flushed(&self, time: Duration) {
        self.flush.record(time);
    }
}

fn each<K: Kind, M>(meter: impl Fn(K) -> M) -> Vec<M> {
    K::ALL.iter().map(|kind| meter(*kind)).collect()
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!(SESSIONS, Unit::Count, "Sessions now open, by the transport that opened them.");
    describe_counter!(OPENED, Unit::Count, "Sessions opened, by transport.");
    describe_counter!(CLOSED, Unit::Count, "Sessions ended, by cause.");
    describe_counter!(REFUSED, Unit::Count, "Requests turned away, by reason.");
    describe_counter!(MESSAGES, Unit::Count, "Messages, in from clients and out to them.");
    describe_counter!(BYTES, Unit::Bytes, "Length of the messages, without framing.");
    describe_gauge!(QUEUED, Unit::Bytes, "Cost of the messages that wait in either direction.");
    describe_histogram!(FLUSH, Unit::Seconds, "From handing a frame until it is flushed.");
}
