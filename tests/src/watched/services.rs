//! The services of a watched server, on any runtime.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use sockjs_driver::{
    Broadcast, Builder, OriginPolicy, Runtime, SendError, Services, Session, SessionHandle, SockJs,
};

use super::ledger::{Ledger, Voice};
use super::runtime::be_dropped;
use super::settings::Settings;

/// What the services share with the server around them.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) ledger: Arc<Ledger>,
    pub(super) gate: Gate,
}

/// Holds threads until it is opened.
#[derive(Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    /// Blocks this thread.
    fn pass(&self) {
        let mut is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_open {
            is_open = self.opened.wait(is_open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The services, configured by the settings.
pub(super) fn services<R>(settings: &Settings, stage: &Arc<Stage>) -> Services<R>
where
    R: Runtime + Default,
{
    Services::new([
        with_voice(describe("/echo", settings), stage, |session, voice, _| echo(session, voice)),
        with_voice(describe("/flood", settings), stage, |session, voice, _| flood(session, voice)),
        with_voice(describe("/misbehave", settings), stage, misbehave),
        broadcast(describe("/broadcast", settings), stage),
    ])
}

fn describe<R: Runtime + Default>(prefix: &str, settings: &Settings) -> Builder<R> {
    SockJs::builder(prefix)
        .origins(OriginPolicy::Any)
        .heartbeat_delay(settings.heartbeat)
        .disconnect_delay(settings.disconnect)
        .limits(|limits| {
            limits.body_timeout = settings.body_timeout;
            limits.write_stall = settings.write_stall;
            limits.pong_deadline = settings.pong_deadline;
            limits.outbox_bytes = settings.outbox_bytes;
            limits.window_bytes = settings.window_bytes;
            limits.total_bytes = settings.total_bytes;
        })
}

/// A service whose handler's sends are counted.
fn with_voice<R, F, H>(builder: Builder<R>, stage: &Arc<Stage>, handler: H) -> SockJs<R>
where
    R: Runtime + Default,
    H: Fn(Session, Voice, Arc<Stage>) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let stage = stage.clone();
    builder.build(move |session| {
        let voice = stage.ledger.voice::<R>(&session);
        handler(session, voice, stage.clone())
    })
}

async fn echo(mut session: Session, voice: Voice) {
    while let Some(message) = session.recv().await {
        if voice.send(message).await.is_err() {
            break;
        }
    }
}

/// Offers `count` messages of `bytes` each, as the opener's query says: with `how=try` whether
/// there is room or not, else each when there is. Then waits for the end.
async fn flood(session: Session, voice: Voice) {
    let number = |name: &str| {
        let argument = session.info().argument(name)?;
        argument.parse::<usize>().ok()
    };
    let (count, bytes) = (number("count").unwrap_or(1), number("bytes").unwrap_or(1));
    let is_trying = session.info().argument("how").as_deref() == Some("try");
    for _ in 0..count {
        let message = "x".repeat(bytes);
        let sent = if is_trying { voice.try_send(message) } else { voice.send(message).await };
        match sent {
            Err(SendError::Closed(_)) if !is_trying => break,
            _ => smol::future::yield_now().await,
        }
    }
    session.closed().await;
}

/// Echoes, until a message names the misdeed.
async fn misbehave(mut session: Session, voice: Voice, stage: Arc<Stage>) {
    while let Some(message) = session.recv().await {
        match message.as_text() {
            Some("panic") => panic!("as it was told"),
            Some("block") => stage.gate.pass(),
            Some("be dropped") => be_dropped().await,
            _ => {}
        }
        if voice.send(message).await.is_err() {
            break;
        }
    }
}

/// Leaves a group, however the handler ends.
struct Membership(Arc<Broadcast>, SessionHandle);

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.leave(&self.1);
    }
}

fn broadcast<R: Runtime + Default>(builder: Builder<R>, stage: &Arc<Stage>) -> SockJs<R> {
    let (everyone, stage) = (Arc::new(Broadcast::new()), stage.clone());
    builder.build(move |mut session| {
        stage.ledger.watch::<R>(&session);
        let everyone = everyone.clone();
        async move {
            everyone.join(&session);
            let _membership = Membership(everyone.clone(), session.handle());
            while let Some(message) = session.recv().await {
                // A member that lags misses a message here.
                let _ = everyone.send(message);
            }
        }
    })
}
