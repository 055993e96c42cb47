//! A service with its shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sockjs_core::{Endpoint, Quota, Seed, Service};

use crate::app::App;
use crate::claim::Budget;
use crate::shard::Shard;

/// What all clones of a service share.
pub(crate) struct Hub {
    pub(crate) service: Service,
    pub(crate) app: Arc<App>,
    pub(crate) shards: Vec<Arc<Shard>>,
    /// For what is on its way from clients.
    pub(crate) incoming: Arc<Budget>,
    seed: Seed,
    next: AtomicUsize,
}

impl Hub {
    /// # Errors
    /// If the operating system has no randomness to give.
    pub(crate) fn new(
        service: Service,
        app: App,
        shard_count: usize,
    ) -> Result<Self, getrandom::Error> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed)?;
        let seed = Seed::new(u128::from_ne_bytes(seed));
        let app = Arc::new(app);
        let shards = (0..shard_count).map(|index| {
            let quota = Quota::share(&service.settings().limits, index, shard_count);
            let number = u16::try_from(index).unwrap_or_default();
            Shard::new(app.clone(), Endpoint::new(service.clone(), number, quota, seed))
        });
        let shards = shards.collect();
        let incoming = Budget::new(service.settings().limits.incoming_bytes);
        Ok(Self { service, app, shards, incoming, seed, next: AtomicUsize::new(0) })
    }

    /// The shard of a session over HTTP.
    pub(crate) fn shard_of(&self, id: &[u8]) -> &Arc<Shard> {
        &self.shards[self.seed.shard(id, self.shards.len())]
    }

    /// A shard for a WebSocket session, whose id may repeat: each in turn.
    pub(crate) fn any_shard(&self) -> &Arc<Shard> {
        &self.shards[self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len()]
    }
}
