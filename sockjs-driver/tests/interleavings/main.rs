//! The driver under thousands of schedules: shuttle runs each model again and again, and decides at
//! every lock and atomic who goes on. A wake-up that gets lost shows as a deadlock.
//!
//! `RUSTFLAGS='--cfg sockjs_shuttle' cargo test -p sockjs-driver --test interleavings --target-dir
//! target/shuttle`; else nothing is here. `SCHEDULES` says how many each model gets.
#![cfg(sockjs_shuttle)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod client;
mod models;
mod task;
mod world;

use std::future::Future;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use sockjs_core::trace::replay;
use sockjs_driver::{Builder, OriginPolicy, Recording, Session, SockJs};

use world::World;

/// So long that nothing happens by it.
const NEVER: Duration = Duration::from_secs(1_000);

/// The stack of each task: shuttle's default is too small for requests and their heads.
const STACK_BYTES: usize = 512 * 1024;

/// Runs a model under schedules of two kinds: any, and those with few changes of who runs, which
/// find what needs a long run at the wrong moment.
fn check(model: impl Fn() + Send + Sync + Copy + 'static) {
    check_often(1, model);
}

/// As [`check`], so many times as often: for what only few schedules show.
fn check_often(times: usize, model: impl Fn() + Send + Sync + Copy + 'static) {
    let asked = std::env::var("SCHEDULES").ok().and_then(|count| count.parse().ok());
    let schedules = times * asked.unwrap_or(1_000);
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    Runner::new(RandomScheduler::new(schedules), config.clone()).run(model);
    Runner::new(PctScheduler::new(3, schedules), config).run(model);
}

/// A service on a world, and the trace of what its only shard is told.
struct Scene {
    world: World,
    service: SockJs<World>,
    trace: Trace,
}

#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Scene {
    fn new<F>(
        change: impl FnOnce(Builder<World>) -> Builder<World>,
        handler: impl Fn(Session) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (world, trace) = (World::new(), Trace::default());
        let builder = Builder::new("/echo", world.clone())
            .origins(OriginPolicy::Any)
            .heartbeat_delay(None)
            .disconnect_delay(NEVER)
            .limits(|limits| limits.write_stall = NEVER)
            .shards(1)
            .record(&Recording::new(trace.clone()));
        Self { service: change(builder).build(handler), world, trace }
    }

    /// Whatever the schedule was, the turns of the shard were written in their order.
    fn check_trace(&self) {
        let trace = self.trace.0.lock().unwrap().clone();
        if let Err(error) = replay(&trace) {
            panic!("the trace is none of this run: {error}");
        }
    }
}
