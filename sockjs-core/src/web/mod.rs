//! HTTP as SockJS uses it: the answers, who may ask, and the WebSocket handshake.

pub(crate) mod answer;
pub(crate) mod caller;
pub(crate) mod date;
pub(crate) mod handshake;
pub(crate) mod iframe;
pub(crate) mod origin;
pub(crate) mod proxy;
