//! Runs futures side by side in the caller's own task, where spawning would outlive it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Waits for all; the results in the order of the futures. Dropping it drops them.
pub(crate) async fn all<'a, T>(futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'a>) -> Vec<T> {
    let mut open: Vec<Option<Pin<Box<dyn Future<Output = T> + Send + 'a>>>> = Vec::new();
    open.extend(futures.into_iter().map(|future| Some(Box::pin(future) as _)));
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
