//! Does several things at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Calls `work` for each item, `at_once` at a time, beginning them in order,
/// and returns the results in the order of the items.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        while let Some((at, item)) = take(&next, items) {
            let result = work(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..at_once.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    items.get(at).map(|item| (at, item))
}

/// Returns how many things are done at once if nobody says.
pub fn default_number() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_and_the_results_are_in_order() {
        for at_once in [1, 2, 7, 100] {
            let items: Vec<u32> = (0..20).collect();
            let running = AtomicUsize::new(0);
            let most = AtomicUsize::new(0);
            let results = each(&items, at_once, |it| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(std::time::Duration::from_millis(u64::from(20 - it) / 4));
                running.fetch_sub(1, Ordering::SeqCst);
                it * 2
            });
            assert_eq!(results, items.iter().map(|it| it * 2).collect::<Vec<_>>());
            assert!(most.into_inner() <= at_once);
        }
        assert!(each(&[0_u8; 0], 3, |_| ()).is_empty());
    }
}
