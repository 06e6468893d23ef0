//! Figures of realistic size, written into the scratch folder of the tests to be looked at.

use std::path::Path;

use llm_bandit::report::plot::{Curve, Figure, LineKind, ModelPoint, ParetoChart};

use super::pools;

/// What routers of growing skill make of a pool: the mixtures of its models, lifted in the middle.
pub(crate) fn chart(
    title: &str,
    pool: &[(&str, f64, f64)],
    routers: &[(&str, f64)],
    band: bool,
) -> ParetoChart {
    let mixtures = hull(&pool.iter().map(|(_, cost, score)| (*cost, *score)).collect::<Vec<_>>());
    let (first, last) = (mixtures[0], mixtures[mixtures.len() - 1]);
    let router = |(index, (label, lift)): (usize, &(&str, f64))| {
        let at = |k: usize| {
            let share = k as f64 / 11.0;
            let cost = first.0 * (last.0 / first.0).powf(share);
            let wobble = 0.006 * (7.0 * share + index as f64).sin() * share * (1.0 - share) * 4.0;
            (cost, between(&mixtures, cost) + lift * (last.1 - first.1) * (share * (1.0 - share)) + wobble)
        };
        let points: Vec<_> = (0..12).map(at).collect();
        let hull = hull(&points);
        let spread = |corner: &(f64, f64)| (corner.0, corner.1 - 0.008, corner.1 + 0.008);
        let band = (band && index < 2).then(|| hull.iter().map(spread).collect());
        Curve { label: (*label).into(), points, hull, band, kind: LineKind::Router { index } }
    };
    let mut curves: Vec<Curve> = routers.iter().enumerate().map(router).collect();
    let reference = |index, label: &str, hull: Vec<(f64, f64)>| Curve {
        label: label.into(),
        points: Vec::new(),
        hull,
        band: None,
        kind: LineKind::Reference { index },
    };
    let oracle = (first.0 * 1.3, last.1 + 0.08);
    curves.push(reference(0, "oracle", vec![(first.0, first.1 + 0.1), oracle]));
    let mean = |pick: fn(&(&str, f64, f64)) -> f64| pool.iter().map(pick).sum::<f64>() / pool.len() as f64;
    curves.push(reference(
        1,
        "random",
        vec![(first.0, first.1), (mean(|model| model.1), mean(|model| model.2))],
    ));
    curves.push(reference(2, "zero router", mixtures));
    let model = |(label, cost, score): &(&str, f64, f64)| ModelPoint {
        label: (*label).into(),
        cost: *cost,
        score: *score,
    };
    ParetoChart {
        title: title.into(),
        subtitle: format!("{} candidate models; hulls of operating points, mean of 5 replicates", pool.len()),
        curves,
        models: pool.iter().map(model).collect(),
        cost_label: "mean cost, US dollars per 1,000 prompts".into(),
        score_label: "mean score".into(),
        cost_unit: "$",
    }
}

/// The upper concave hull of the points, by rising cost and rising score.
fn hull(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in sorted {
        if hull.last().is_some_and(|last| point.1 <= last.1) {
            continue;
        }
        while let [.., a, b] = hull[..] {
            if (b.1 - a.1) * (point.0 - a.0) <= (point.1 - a.1) * (b.0 - a.0) {
                hull.pop();
            } else {
                break;
            }
        }
        hull.push(point);
    }
    hull
}

fn between(hull: &[(f64, f64)], cost: f64) -> f64 {
    let inside = hull.windows(2).find(|pair| cost <= pair[1].0);
    inside.map_or(hull[hull.len() - 1].1, |pair| {
        pair[0].1 + (cost - pair[0].0) / (pair[1].0 - pair[0].0) * (pair[1].1 - pair[0].1)
    })
}

/// Draws the figure twice, into the scratch folder the second time.
fn write(name: &str, chart: &ParetoChart) {
    let (svg, png) = (
        chart.svg().expect("a sample is drawn and written"),
        chart.png().expect("a sample is drawn and written"),
    );
    assert_eq!(svg, chart.svg().expect("a sample is drawn and written"));
    assert_eq!(png, chart.png().expect("a sample is drawn and written"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join(format!("{name}.svg")), svg).expect("a sample is drawn and written");
    std::fs::write(folder.join(format!("{name}.png")), png).expect("a sample is drawn and written");
}

const FEW: &[(&str, f64)] = &[("bandit router", 0.6), ("kNN router", 0.35), ("matrix factorisation", 0.2)];
const MANY: [&str; 16] = [
    "bandit router",
    "bandit router without identity vectors",
    "kNN, 40 neighbours",
    "kNN, 5 neighbours",
    "matrix factorisation",
    "linear",
    "MLP",
    "CARROT (kNN)",
    "CARROT (linear)",
    "similarity-weighted ranking",
    "per-benchmark best",
    "UniRoute",
    "cascade",
    "GraphRouter",
    "a router with a label of, all in all, sixty characters or so",
    "best single model",
];

#[test]
fn a_pair_of_models() {
    write("pareto_2", &chart("Bandit router against two baselines on a pair", pools::PAIR, FEW, true));
}

#[test]
fn eleven_models() {
    write("pareto_11", &chart("Eleven models of RouterBench", pools::ELEVEN, FEW, true));
}

#[test]
fn thirty_two_models_and_sixteen_routers() {
    let routers: Vec<_> = MANY.iter().enumerate().map(|(k, label)| (*label, 0.7 - 0.04 * k as f64)).collect();
    let title = "Sixteen routers over thirty-two models on MMLU-Pro: a title that is much too long for a single line of the figure and must be wrapped";
    write("pareto_32", &chart(title, pools::THIRTY_TWO, &routers, false));
}

#[test]
fn fifty_seven_models_of_which_most_are_weak() {
    let labels: Vec<String> =
        (0..57).map(|k| format!("vendor-{}/a-model-with-a-long-name-{k}b-instruct", k % 7)).collect();
    let model = |(k, label)| {
        let share = k as f64 / 56.0;
        let score =
            if k % 5 == 0 { 0.35 + 0.4 * share } else { 0.05 + 0.2 * share + 0.1 * (k as f64).sin().abs() };
        (label, 0.02 * 600f64.powf(share), score)
    };
    let pool: Vec<_> = labels.iter().map(String::as_str).enumerate().map(model).collect();
    write("pareto_57", &chart("Fifty-seven models, most of them weak", &pool, &FEW[..2], true));
}
