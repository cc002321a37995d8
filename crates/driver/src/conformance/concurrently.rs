//! Futures side by side in the test's own task, and futures that are dropped half-way.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Waits for all; the results in the order of the futures.
pub(super) async fn all<'a, T>(futures: impl IntoIterator<Item = Pin<Box<dyn Future<Output = T> + Send + 'a>>>) -> Vec<T> {
    let mut open: Vec<_> = futures.into_iter().map(Some).collect();
    let mut results: Vec<Option<T>> = open.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (slot, result) in open.iter_mut().zip(&mut results) {
            if let Some(future) = slot
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
                *slot = None;
            }
        }
        if open.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Polls the future so many times, each when it was woken, and drops it. Says whether it had ended before.
pub(super) async fn dropped_after<T>(polls: usize, future: impl Future<Output = T> + Send) -> bool {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        if future.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        if left == 0 { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}
