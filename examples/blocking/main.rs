//! Echo and chat without any async runtime: `std::net`, threads and `sockjs-core`.
//!
//! `cargo run --release --example blocking -- --listen 127.0.0.1:8081`; the other options are in
//! `main`. docs/your-own-event-loop.md walks through it.
#![forbid(unsafe_code)]

mod apps;
mod server;

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use sockjs_core::{OriginPolicy, Settings};

use crate::server::{Hub, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let describe = |prefix: &str| {
        let mut settings = Settings::new(prefix);
        settings.origins = OriginPolicy::Any;
        settings.heartbeat_delay = Some(delay("--heartbeat", "25s"));
        settings.disconnect_delay = delay("--disconnect", "5s");
        settings.response_limit = option("--response-limit", "4096").parse().unwrap_or(4096);
        settings
    };
    let hubs = vec![
        Hub::start(describe("/echo"), apps::echo)?,
        Hub::start(describe("/broadcast"), apps::broadcast)?,
    ];
    let server = Arc::new(Server { hubs, head_timeout: delay("--head-timeout", "30s") });
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let listener = TcpListener::bind(option("--listen", "127.0.0.1:8081"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let accepting = server.clone();
    thread::spawn(move || accepting.accept(&listener));
    signals.forever().next();
    server.shut_down();
    Ok(())
}

/// The value after an option's name on the command line.
fn option(name: &str, default: &str) -> String {
    std::env::args().skip_while(|argument| argument != name).nth(1).unwrap_or(default.into())
}

/// `25s` or `200ms`.
fn delay(name: &str, default: &str) -> Duration {
    let text = option(name, default);
    let number = |text: &str| text.parse().unwrap_or(25);
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(number(millis)),
        None => Duration::from_secs(number(text.trim_end_matches('s'))),
    }
}
