//! x
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
mod message; mod time; pub mod wire; mod web; mod binding; mod info; pub mod limits; mod permit; pub mod report; mod service; pub mod settings;
pub use binding::Principal;
pub use info::ConnectionInfo;
pub use message::Message;
pub use permit::*; pub use report::*; pub use service::*; pub use time::Timestamp;
#[derive(Debug)] pub enum Refused { Gone, X }
