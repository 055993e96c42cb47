//! Services within what others make: routers, layers, servers, listeners, protocols.
#![forbid(unsafe_code)]

#[path = "../integrations/mod.rs"]
mod integrations;
