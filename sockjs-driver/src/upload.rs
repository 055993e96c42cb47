//! Bodies of requests, within a limit and a time (DESIGN §5).

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use hyper::rt::Sleep;
use sockjs_core::BodyError;
use sockjs_core::limits::DRAINED_BYTES;

use crate::claim::{Budget, Claim};
use crate::runtime::Runtime;

/// A whole body, and whether it was there already when it was asked for.
pub(crate) struct Collected {
    pub(crate) body: Bytes,
    pub(crate) was_there: bool,
}

/// Reads a whole body of at most `max_bytes`, as far as `claim` allows.
pub(crate) async fn collect<B: Body>(
    body: B,
    max_bytes: usize,
    claim: &mut Claim<impl Deref<Target = Budget>>,
    timeout: Duration,
    runtime: &dyn Runtime,
) -> Result<Collected, BodyError> {
    let mut body = pin!(body);
    let mut deadline = Deadline { timeout, runtime, sleep: None };
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(data) = poll_fn(|cx| deadline.poll_data(body.as_mut(), cx)).await? {
        let held = first.len() + all.len();
        if held + data.len() > max_bytes {
            return Err(BodyError::TooLarge);
        }
        if !claim.hold(held + data.len()) {
            return Err(BodyError::Busy);
        }
        // Most bodies come in one piece, which needs no copy.
        if held == 0 {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    let body = if all.is_empty() { first } else { all.freeze() };
    Ok(Collected { body, was_there: deadline.sleep.is_none() })
}

/// Reads and drops what is left of a refused request's body. Says whether its end was reached, so
/// that the connection can go on.
pub(crate) async fn drain<B: Body>(body: B, timeout: Duration, runtime: &dyn Runtime) -> bool {
    let announced = body.size_hint().lower();
    if announced > DRAINED_BYTES as u64 {
        return false;
    }
    let mut body = pin!(body);
    let mut deadline = Deadline { timeout, runtime, sleep: None };
    let mut left = DRAINED_BYTES;
    loop {
        match poll_fn(|cx| deadline.poll_data(body.as_mut(), cx)).await {
            Ok(None) => return true,
            Ok(Some(data)) if data.len() <= left => left -= data.len(),
            Ok(Some(_)) | Err(_) => return false,
        }
    }
}

/// A time within which a body must be complete; a body that is there needs no timer.
struct Deadline<'r> {
    timeout: Duration,
    runtime: &'r dyn Runtime,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

impl Deadline<'_> {
    fn poll_data<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, BodyError>> {
        loop {
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else { break };
            return Poll::Ready(match frame {
                None => Ok(None),
                Some(Err(_)) => Err(BodyError::Broken),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => Ok(Some(data.copy_to_bytes(data.remaining()))),
                    Err(_trailers) => continue,
                },
            });
        }
        let sleep = self.sleep.get_or_insert_with(|| self.runtime.sleep(self.timeout));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(BodyError::TimedOut))
    }
}
