//! The core's costs in instructions: `bench/instructions` runs this under callgrind, which counts
//! inside of [`counted`] and writes its count whenever that returns. Names come out in that order.

#![forbid(unsafe_code)]

// The scenes that criterion times. A crate of its own, so that criterion need not be built for them.
#[path = "../../../sockjs-core/benches/scenes/mod.rs"]
mod scenes;

use scenes::Run;

/// Sessions of the largest scenes: callgrind is slow.
const MANY: usize = 10_000;
/// Runs before those that count: buffers have grown to what they need.
const WARM: usize = 8;
/// Runs that count.
const RUNS: u64 = 16;

fn main() {
    for scene in scenes::all(MANY) {
        let mut run = (scene.prepare)();
        let runs = if scene.is_spent { 1 } else { RUNS };
        if !scene.is_spent {
            (0..WARM).for_each(|_| run());
        }
        counted(&mut run, runs);
        println!("{} {}", runs * scene.units, scene.name);
    }
}

#[inline(never)]
fn counted(run: &mut Run, runs: u64) {
    (0..runs).for_each(|_| run());
}
