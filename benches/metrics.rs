//! How long a sweep takes to become numbers: fronts, hulls, and areas of 300 and of 10,000 points.
//!
//! Arithmetic bounds them: the points (16 bytes each, 160 kB at most) stay in the cache, and the time, 10 to 30 ns a point,
//! grows as n log n, which is the comparisons of the sort; the passes after it are linear.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use llm_bandit::metrics::area::aiq;
use llm_bandit::metrics::curve::{Point, hull, pareto_front};

fn curves(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("metrics");
    for n_points in [300, 10_000] {
        for (shape, points) in [("noisy", noisy_sweep(n_points)), ("all_corners", all_corners(n_points))] {
            let floor = points[0];
            let size = format!("{shape}/{n_points}");
            group.bench_with_input(BenchmarkId::new("pareto_front", &size), &points, |bencher, points| {
                bencher.iter(|| pareto_front(black_box(points)));
            });
            group.bench_with_input(BenchmarkId::new("hull", &size), &points, |bencher, points| {
                bencher.iter(|| hull(black_box(points)));
            });
            group.bench_with_input(BenchmarkId::new("aiq", &size), &points, |bencher, points| {
                bencher.iter(|| aiq(black_box(points), floor, 1.0));
            });
        }
    }
    group.finish();
}

/// A rising curve with scattered points below it, in no order: few of them are on the front.
fn noisy_sweep(n_points: u32) -> Vec<Point> {
    // Multiples of two irrational numbers, modulo one, scatter evenly without a random generator.
    let scattered = |index: u32, step: f64| (f64::from(index) * step).fract();
    (0..n_points)
        .map(|index| {
            let cost_usd = scattered(index, 0.618_033_988_749_894_9);
            Point {
                cost_usd,
                score: cost_usd.sqrt() * (0.8 + 0.2 * scattered(index, 0.414_213_562_373_095_1)),
            }
        })
        .collect()
}

/// A concave curve in no order: every point is a corner of the hull, the worst case.
fn all_corners(n_points: u32) -> Vec<Point> {
    noisy_sweep(n_points)
        .into_iter()
        .map(|point| Point { score: point.cost_usd * (2.0 - point.cost_usd), ..point })
        .collect()
}

criterion_group!(benches, curves);
criterion_main!(benches);
