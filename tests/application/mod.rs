//! What an application sees, one file per behaviour; mounted once per adapter.

pub(crate) mod support;

mod admission;
mod broadcasts;
mod broadcasts_over_a_broker;
mod closing;
mod handlers;
mod handles;
mod info;
mod leaving;
mod limits;
mod messages;
mod multiplexing;
mod receivers;
mod reports;
mod secrecy;
mod services;
mod settings;
mod shutdown;
mod statistics;
mod streams_and_sinks;
mod typed_messages;
