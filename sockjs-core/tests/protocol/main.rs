//! The protocol, rule by rule, through the public API.

#[path = "../common/mod.rs"]
mod common;

mod opening;
