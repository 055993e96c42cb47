//! Describes a service.

use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode, request};
use sockjs_core::{
    BaseUrl, BindingSetting, CookieSetting, Limits, OriginPolicy, Principal, Quota, Service,
    Settings, SettingsError, SlowConsumers, Transport, TrustedProxies,
};

use crate::app::{App, Authorize, run_by};
use crate::hub::Hub;
use crate::observe::Observer;
use crate::recording::Recording;
use crate::runtime::Runtime;
use crate::session::Session;
use crate::sockjs::SockJs;

/// Describes a service; [`build`](Self::build) makes it. Each method names its default.
#[must_use = "nothing is served before `build`"]
pub struct Builder<R> {
    settings: Settings,
    authorize: Option<Authorize>,
    shards: Option<usize>,
    recording: Option<Recording>,
    runtime: Arc<dyn Runtime>,
    kind: PhantomData<fn() -> R>,
}

/// Shows what was described, without the application's functions.
impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, shards, recording, .. } = self;
        f.debug_struct("Builder")
            .field("settings", settings)
            .field("shards", shards)
            .field("recording", recording)
            .finish_non_exhaustive()
    }
}

/// Why a service could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Its settings cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Principals are demanded, and nobody names any.
    #[error("principals are demanded on every request: say who sends them by `authorize`")]
    NoAuthorize,
    /// The sessions cannot be divided so.
    #[error(
        "{0} shards: let it be one at least, and leave a session and an unconfirmed one for each"
    )]
    Shards(usize),
    /// The operating system has no randomness to give.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[source] io::Error),
}

impl<R: Runtime> Builder<R> {
    /// Describes a service under a prefix that runs on `runtime`.
    pub fn new(prefix: impl Into<String>, runtime: R) -> Self {
        Self {
            settings: Settings::new(prefix),
            authorize: None,
            shards: None,
            recording: None,
            runtime: Arc::new(runtime),
            kind: PhantomData,
        }
    }

    /// For a router that cuts the prefix off before it calls the service, as axum's `nest_service`
    /// does. The prefix is then what sessions are told of as their path, and nothing is compared with
    /// it: it may have parameters (`/rooms/{room}`). Off.
    pub fn nested(mut self) -> Self {
        self.settings.is_nested = true;
        self
    }

    /// How long an attached receiver may be idle before it gets a heartbeat; `None` for never.
    /// 25 s.
    pub fn heartbeat_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.settings.heartbeat_delay = delay.into();
        self
    }

    /// How long a session lives without a receiver. 5 s.
    pub fn disconnect_delay(mut self, delay: Duration) -> Self {
        self.settings.disconnect_delay = delay;
        self
    }

    /// Bytes of frames after which a streamed response ends. 128 KiB.
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.settings.response_limit = bytes;
        self
    }

    /// Switches a transport off. All are on.
    pub fn without(mut self, transport: Transport) -> Self {
        self.settings.transports = self.settings.transports.without(transport);
        self
    }

    /// Offers these transports only. All are on.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.settings.transports = transports.into_iter().collect();
        self
    }

    /// Sets the cookie `JSESSIONID`, for load balancers that stick by it. Off.
    pub fn jsessionid(mut self) -> Self {
        self.settings.cookie = CookieSetting::Jsessionid;
        self
    }

    /// Sets a cookie of the application's own: the value of `Set-Cookie`, if any.
    /// None.
    pub fn cookie<F>(mut self, cookie: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<HeaderValue> + Send + Sync + 'static,
    {
        self.settings.cookie = CookieSetting::Custom(Arc::new(cookie));
        self
    }

    /// Where the iframe page finds sockjs-client, in the very version that the pages use.
    /// `/sockjs.min.js`.
    pub fn client_url(mut self, url: impl Into<String>) -> Self {
        self.settings.client_url = url.into();
        self
    }

    /// Tells clients in `info` to use this base URL from then on. They are told of none.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.settings.base_url = BaseUrl::Fixed(url.into());
        self
    }

    /// Tells each client in `info` which base URL to use from then on. They are told of none.
    pub fn base_url_with<F>(mut self, url: F) -> Self
    where
        F: Fn(&request::Parts) -> String + Send + Sync + 'static,
    {
        self.settings.base_url = BaseUrl::Computed(Arc::new(url));
        self
    }

    /// Whose pages may use the service. Those of the same origin.
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.settings.origins = policy;
        self
    }

    /// Whether requests that show no origin in any way may pass. Yes.
    pub fn admit_anonymous(mut self, admit: bool) -> Self {
        self.settings.admit_anonymous = admit;
        self
    }

    /// Hosts whose word on a client's address counts. None.
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.settings.proxies = proxies;
        self
    }

    /// What later requests must share with the one that opened the session, beside what they always
    /// must. Nothing.
    pub fn binding(mut self, binding: BindingSetting) -> Self {
        self.settings.binding = binding;
        self
    }

    /// How long ids of ended sessions keep answering their close frame; `None` is off. Off.
    pub fn tombstones(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.settings.tombstones = time.into();
        self
    }

    /// What becomes of a session whose client takes nothing for [`Limits::write_stall`]. It is closed
    /// with 4500 `Slow consumer`.
    ///
    /// With [`SlowConsumers::Refuse`] also raise the [`ConnectionConfig::write_stall`] of the server,
    /// which would end the connection.
    ///
    /// [`ConnectionConfig::write_stall`]: crate::ConnectionConfig::write_stall
    pub fn slow_consumers(mut self, policy: SlowConsumers) -> Self {
        self.settings.slow_consumers = policy;
        self
    }

    /// Changes limits: `builder.limits(|limits| limits.sessions = 100_000)`. [`Limits`] names the
    /// defaults.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.settings.limits);
        self
    }

    /// Into how many parts the sessions are divided, each behind a lock of its own. Limits over
    /// all sessions are divided with them. As many as the machine has processors, and fewer if the
    /// limits are too small for so many shares.
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// Records all that the sessions are told, to be replayed. Off.
    pub fn record(mut self, recording: &Recording) -> Self {
        self.recording = Some(recording.clone());
        self
    }

    /// Asks, for every request of a session, who sent it. The answer binds the session to its
    /// opener: later requests must not be of another one. A request of `None` passes, unless
    /// [`BindingSetting::principal_required`](sockjs_core::BindingSetting::principal_required) is
    /// set: to keep strangers out, return an error, which refuses the request with that status. Nobody is asked.
    pub fn authorize<F>(mut self, authorize: F) -> Self
    where
        F: Fn(&request::Parts) -> Result<Option<Principal>, StatusCode> + Send + Sync + 'static,
    {
        self.authorize = Some(Box::new(move |head| Box::pin(ready(authorize(head)))));
        self
    }

    /// As [`authorize`](Self::authorize), for an answer that takes a while. The closure takes from
    /// the head what the future needs.
    pub fn authorize_async<F, A>(mut self, authorize: F) -> Self
    where
        F: Fn(&request::Parts) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<Principal>, StatusCode>> + Send + 'static,
    {
        self.authorize = Some(Box::new(move |head| Box::pin(authorize(head))));
        self
    }

    /// Makes the service. `handler` runs once for each session, from its opening; when it returns,
    /// the session is closed.
    ///
    /// # Panics
    /// If the settings cannot be, for that is a mistake in the program. [`try_build`] returns it.
    ///
    /// [`try_build`]: Self::try_build
    pub fn build<H, F>(self, handler: H) -> SockJs<R>
    where
        H: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        match self.try_build(handler) {
            Ok(sockjs) => sockjs,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`build`](Self::build).
    ///
    /// # Errors
    /// If the settings cannot be.
    pub fn try_build<H, F>(self, handler: H) -> Result<SockJs<R>, BuildError>
    where
        H: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let service = Service::new(self.settings)?;
        let settings = service.settings();
        if settings.binding.principal_required && self.authorize.is_none() {
            return Err(BuildError::NoAuthorize);
        }
        let shards = shard_count(self.shards, &settings.limits)?;
        let observer = Observer::new(&settings.prefix);
        let app = App::new(self.runtime, run_by(handler), self.authorize, self.recording, observer);
        let hub = Hub::new(service, app, shards).map_err(BuildError::Randomness)?;
        Ok(SockJs::new(hub))
    }
}

fn shard_count(asked: Option<usize>, limits: &Limits) -> Result<usize, BuildError> {
    let Some(count) = asked else {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        return Ok(Quota::count(limits, processors));
    };
    let most = limits.sessions.min(limits.unconfirmed_sessions).min(usize::from(u16::MAX));
    if (1..=most).contains(&count) { Ok(count) } else { Err(BuildError::Shards(count)) }
}
