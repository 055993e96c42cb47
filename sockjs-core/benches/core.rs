//! The core's costs in seconds: `cargo bench -p sockjs-core`.

mod scenes;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Sessions of the largest scenes.
const MANY: usize = 100_000;

fn measure(criterion: &mut Criterion) {
    for scene in scenes::all(MANY) {
        let mut group = criterion.benchmark_group(scene.name);
        group.throughput(Throughput::Elements(scene.units)).sample_size(10);
        // What is prepared is prepared once only if the scene is wanted.
        group.bench_function("time", |bencher| {
            if scene.is_spent {
                let prepare = || (scene.prepare)();
                bencher.iter_batched(prepare, |mut run| run(), BatchSize::PerIteration);
            } else {
                bencher.iter((scene.prepare)());
            }
        });
        group.finish();
    }
}

criterion_group!(benches, measure);
criterion_main!(benches);
