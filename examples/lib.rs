//! Example programs; each is one `[[example]]` of this crate: `cargo run --example echo`.
//!
//! The programs in the project's READMEs and in the chapters of docs/ are compiled as tests of this crate.
#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../sockjs-tokio/README.md")]
struct TokioReadme;

#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-sockjs-node.md")]
struct ComingFromSockjsNode;

#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-tornado.md")]
struct ComingFromTornado;

#[cfg(doctest)]
#[doc = include_str!("../docs/delivery.md")]
struct Delivery;

#[cfg(doctest)]
#[doc = include_str!("../docs/deploy.md")]
struct Deploy;

#[cfg(doctest)]
#[doc = include_str!("../docs/first-server.md")]
struct FirstServer;

#[cfg(doctest)]
#[doc = include_str!("../docs/flow-control.md")]
struct FlowControl;

#[cfg(doctest)]
#[doc = include_str!("../docs/groups.md")]
struct Groups;

#[cfg(doctest)]
#[doc = include_str!("../docs/integrations.md")]
struct Integrations;

#[cfg(doctest)]
#[doc = include_str!("../docs/multiplexing.md")]
struct Multiplexing;

#[cfg(doctest)]
#[doc = include_str!("../docs/observability.md")]
struct Observability;

#[cfg(doctest)]
#[doc = include_str!("../docs/security.md")]
struct Security;

#[cfg(doctest)]
#[doc = include_str!("../docs/sessions.md")]
struct Sessions;

#[cfg(doctest)]
#[doc = include_str!("../docs/testing.md")]
struct Testing;

#[cfg(doctest)]
#[doc = include_str!("../docs/testing-your-application.md")]
struct TestingYourApplication;

#[cfg(doctest)]
#[doc = include_str!("../docs/transports.md")]
struct Transports;

#[cfg(doctest)]
#[doc = include_str!("../docs/typed-messages.md")]
struct TypedMessages;
