//! A service with its shards.

use std::io;
use std::sync::Arc;

use sockjs_core::trace::Traced;
use sockjs_core::{BaseUrl, CookieSetting, Endpoint, Quota, Seed, Service};

use crate::app::App;
use crate::claim::Budget;
use crate::recording;
use crate::shard::Shard;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// What all clones of a service share.
pub(crate) struct Hub {
    pub(crate) service: Service,
    pub(crate) app: Arc<App>,
    pub(crate) shards: Vec<Arc<Shard>>,
    /// For what is on its way from clients.
    pub(crate) incoming: Arc<Budget>,
    /// The application gets to see the heads of requests, for one of its settings takes them.
    pub(crate) shows_heads: bool,
    seed: Seed,
    next: AtomicUsize,
}

impl Hub {
    /// # Errors
    /// If the operating system has no randomness to give.
    pub(crate) fn new(service: Service, app: App, shard_count: usize) -> io::Result<Self> {
        let seed = recording::seed()?;
        let app = Arc::new(app);
        let settings = service.settings();
        let incoming = Budget::new(settings.limits.incoming_bytes);
        let shows_heads = app.authorizes()
            || matches!(settings.cookie, CookieSetting::Custom(_))
            || matches!(settings.base_url, BaseUrl::Computed(_));
        let count = shard_count.clamp(1, usize::from(u16::MAX));
        let mut shards = Vec::with_capacity(count);
        for index in 0..count {
            let quota = Quota::share(&service.settings().limits, index, count);
            let number = u16::try_from(index).unwrap_or_default();
            let mut endpoint = Traced::from(Endpoint::new(service.clone(), number, quota, seed));
            if let Some(recording) = &app.recording {
                recording.begin(&mut endpoint)?;
            }
            shards.push(Shard::new(app.clone(), endpoint));
        }
        let next = AtomicUsize::new(0);
        Ok(Self { service, app, shards, incoming, shows_heads, seed, next })
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
