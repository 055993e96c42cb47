//! A thousand seeds with all faults on: no invariant is broken, and every way to end is seen.

use sockjs_core::Cause;
use sockjs_tests::simulation;

#[test]
fn a_thousand_seeds_break_no_invariant() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let sum = simulation::run(0, 1_000, 5, threads);
    assert_eq!(sum.failed, [0u64; 0], "replay one: simulate --seed N --hours 5 --trace");
    for (cause, count) in Cause::ALL.iter().zip(sum.outcome.causes) {
        assert!(count > 0, "no session ended by {cause:?}");
    }
}
