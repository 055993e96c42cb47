//! Tasks whose results are waited for. shuttle's own handles call wakers under a lock that it does not
//! know: a waker that takes locks of the model, as those of handlers do, could then block for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use shuttle::sync::Mutex;

/// What a task will say.
pub(crate) struct Joined<T>(Arc<Mutex<Place<T>>>);

struct Place<T> {
    output: Option<T>,
    waker: Option<Waker>,
}

/// Runs a task.
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> Joined<T> {
    let joined = Arc::new(Mutex::new(Place { output: None, waker: None }));
    let place = joined.clone();
    drop(shuttle::future::spawn(async move {
        let output = task.await;
        let waker = {
            let mut place = place.lock().unwrap();
            place.output = Some(output);
            place.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }));
    Joined(joined)
}

impl<T> Future for Joined<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut place = self.0.lock().unwrap();
        if let Some(output) = place.output.take() {
            return Poll::Ready(output);
        }
        place.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
