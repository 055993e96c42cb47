//! x
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
mod binding;
mod endpoint;
mod event;
mod info;
pub mod limits;
mod message;
mod permit;
mod receiver;
pub mod report;
mod service;
mod session;
pub mod settings;
mod time;
mod web;
pub mod wire;

pub use binding::Principal;
pub use endpoint::Endpoint;
pub use endpoint::ids::Seed;
pub use endpoint::stats::{RATE_WINDOW_SECS, Stats};
pub use event::{
    Action, ChunkId, Event, FrameKind, Gone, Refused, SendError, SessionKey, Transmit,
};
pub use info::ConnectionInfo;
pub use limits::{Limits, Quota};
pub use message::{MESSAGE_OVERHEAD_BYTES, Message, NotJsonString};
pub use permit::{BodyError, ReceivePermit, SendPermit, SendReply, WebsocketPermit};
pub use receiver::Receiver;
pub use report::{Cause, Grade, Report};
pub use service::{Peer, Route, Service};
pub use settings::{BaseUrl, BindingSetting, CookieSetting, Settings, SettingsError};
pub use time::Timestamp;
pub use web::origin::OriginPolicy;
pub use web::proxy::TrustedProxies;
pub use wire::close::CloseReason;
pub use wire::transport::{Transport, TransportSet};
