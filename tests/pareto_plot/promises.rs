//! Any data can be drawn, however odd.

use llm_bandit::report::plot::{Columns, Curve, Figure, LineKind, ModelPoint, ParetoChart};
use proptest::prelude::*;

use super::{pools, samples};

fn chart(curves: Vec<Curve>, models: Vec<ModelPoint>) -> ParetoChart {
    let mut chart = samples::chart("odd data", pools::PAIR, &[], false);
    (chart.curves, chart.models) = (curves, models);
    chart
}

fn router(points: &[(f64, f64)]) -> Curve {
    let kind = LineKind::Router { index: 0 };
    Curve { label: "router".into(), points: points.to_vec(), hull: points.to_vec(), band: None, kind }
}

fn model(label: &str, cost: f64, score: f64) -> ModelPoint {
    ModelPoint { label: label.into(), cost, score }
}

#[test]
fn nothing_and_next_to_nothing_are_drawn() {
    for curves in
        [vec![], vec![router(&[])], vec![router(&[(1.0, 0.5)])], vec![router(&[(1.0, 0.5), (1.0, 0.6)])]]
    {
        chart(curves.clone(), Vec::new()).png().unwrap();
        chart(curves, vec![model("one", 1.0, 0.5)]).svg().unwrap();
    }
}

#[test]
fn a_figure_for_a_paper_is_as_wide_as_its_columns_at_300_dots_an_inch() {
    let chart = chart(vec![router(&[(1.0, 0.5), (2.0, 0.7)])], vec![model("one", 1.5, 0.5)]);
    for (columns, inches, dots) in [(Columns::One, "3.3in", 990), (Columns::Two, "6.9in", 2070)] {
        let printed = chart.print(columns).unwrap();
        assert!(printed.svg.contains(&format!("width=\"{inches}\"")), "{inches}");
        let reader = png::Decoder::new(&printed.png[..]).read_info().unwrap();
        assert_eq!(reader.info().width, dots);
        // 300 dots an inch are 11,811 a metre.
        assert_eq!(reader.info().pixel_dims.unwrap().xppu, 11_811);
    }
}

#[test]
fn a_zero_cost_is_drawn_on_the_linear_axis_and_missing_on_the_log_axis_in_words() {
    let svg = chart(vec![router(&[(0.0, 0.4), (1.0, 0.6)])], Vec::new()).svg().unwrap();
    assert!(svg.contains("1 point without a cost"));
    chart(vec![router(&[(0.0, 0.4), (0.0, 0.6)])], Vec::new()).svg().unwrap();
}

#[test]
fn what_is_not_a_number_is_left_out_in_words() {
    let svg = chart(vec![router(&[(f64::NAN, 0.4), (1.0, 0.6)])], vec![model("x", 1.0, f64::INFINITY)]).svg();
    let svg = svg.unwrap();
    assert!(svg.contains("1 single model without a number; 1 operating point without a number"));
}

#[test]
fn a_far_oracle_and_weak_models_do_not_squash_the_routers() {
    let mut far = chart(
        vec![router(&[(0.1, 0.60), (1.0, 0.70)])],
        vec![model("weak", 0.1, 0.1), model("weaker", 0.2, 0.05), model("strong", 0.9, 0.69)],
    );
    let kind = LineKind::Reference { index: 0 };
    far.curves.push(Curve { label: "oracle".into(), kind, ..router(&[(0.2, 0.95)]) });
    let svg = far.svg().unwrap();
    assert!(svg.contains("oracle (above the axis: 0.950)"));
    assert!(svg.contains("2 single models below the score axis"));
    assert!(svg.contains(">\nstrong\n") && !svg.contains(">\nweak\n"));
}

#[test]
fn a_reference_that_is_a_single_place_is_drawn_as_a_marker() {
    let kind = LineKind::Reference { index: 0 };
    let with = |points: &[(f64, f64)]| {
        let oracle = Curve { label: "oracle".into(), kind, ..router(points) };
        chart(vec![router(&[(0.1, 0.60), (1.0, 0.70)]), oracle], Vec::new()).svg().unwrap()
    };
    // The grey of the first reference fills a star on each panel and in the legend; a line fills nothing.
    let star =
        |svg: &str| svg.lines().filter(|line| line.contains("<polygon") && line.contains("#505050")).count();
    let (place, line) = (with(&[(0.5, 0.71)]), with(&[(0.2, 0.61), (0.5, 0.71)]));
    assert_eq!((star(&place), star(&line)), (3, 0));
    assert!(with(&[(20.0, 0.69)]).contains("oracle (more expensive than the axes; score 0.690)"));
}

#[test]
fn labels_of_any_length_fit() {
    let long = "x".repeat(60);
    let models: Vec<_> =
        (0..60).map(|k| model(&long, 0.01 * f64::from(k), 0.5 + 0.004 * f64::from(k))).collect();
    let mut curve = router(&[(0.1, 0.5), (0.5, 0.7)]);
    curve.label = "y".repeat(400);
    chart(vec![curve], models).svg().unwrap();
}

#[test]
fn a_router_keeps_its_look_when_others_leave() {
    let alone = chart(
        vec![Curve { kind: LineKind::Router { index: 2 }, ..router(&[(0.1, 0.5), (0.5, 0.7)]) }],
        vec![],
    );
    assert!(alone.svg().unwrap().contains("#009E73"));
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), 0.0..1.0, Just(0.0), Just(1.0), 1e-300..1e-290]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_numbers_can_be_drawn(
        points in prop::collection::vec((number(), number()), 0..10),
        hull in prop::collection::vec((number(), number()), 0..10),
        band in prop::option::of(prop::collection::vec((number(), number(), number()), 0..10)),
        models in prop::collection::vec((any::<String>(), number(), number()), 0..60),
        index in any::<usize>(),
    ) {
        let kind = LineKind::Router { index };
        let router = Curve { label: "router".into(), points, hull: hull.clone(), band, kind };
        let reference = Curve { label: "reference".into(), points: vec![], hull, band: None, kind: LineKind::Reference { index } };
        let models = models.iter().map(|(label, cost, score)| model(label, *cost, *score)).collect();
        chart(vec![router, reference], models).svg().unwrap();
    }
}
