//! Utility figures: samples to look at, and what must hold for any data.

use std::path::Path;

use llm_bandit::report::plot::{Figure, Line, LineKind, UtilityChart};
use proptest::prelude::*;

/// A picture of the figure lands in the scratch folder of the tests.
fn write(name: &str, chart: &UtilityChart) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join(format!("{name}.svg")), chart.svg().expect("a sample is drawn and written"))
        .expect("a sample is drawn and written");
    std::fs::write(folder.join(format!("{name}.png")), chart.png().expect("a sample is drawn and written"))
        .expect("a sample is drawn and written");
}

fn chart(lines: Vec<Line>) -> UtilityChart {
    UtilityChart {
        title: "Utility of routers over preferences".into(),
        subtitle: "11 candidate models, 3,164 prompts; mean of 5 replicates".into(),
        lines,
        preference_label: "preference w, weight of cost against score".into(),
        utility_label: "normalised utility".into(),
    }
}

fn line(label: &str, kind: LineKind, height: f64, slope: f64, band: f64) -> Line {
    let preferences = [0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let utility = |w: f64| height - slope * (1.0 + 8.0 * w).ln() + 0.01 * w.sqrt();
    Line {
        label: label.into(),
        points: preferences.iter().map(|w| (*w, utility(*w))).collect(),
        band: (band > 0.0)
            .then(|| preferences.iter().map(|w| (*w, utility(*w) - band, utility(*w) + band)).collect()),
        kind,
    }
}

#[test]
fn a_sample_is_drawn_and_drawing_twice_gives_equal_bytes() {
    let router = |index| LineKind::Router { index };
    let sample = chart(vec![
        line("bandit router", router(0), 0.93, 0.035, 0.012),
        line("kNN router", router(1), 0.90, 0.04, 0.015),
        line("always the best model", router(2), 0.91, 0.09, 0.0),
        line("oracle", LineKind::Reference { index: 0 }, 1.0, 0.0, 0.0),
        line("random", LineKind::Reference { index: 2 }, 0.55, 0.03, 0.0),
    ]);
    write("utility", &sample);
    assert_eq!(sample.svg().unwrap(), sample.svg().unwrap());
    assert_eq!(sample.png().unwrap(), sample.png().unwrap());
}

#[test]
fn a_router_far_worse_than_random_does_not_squash_the_others() {
    let dear = line("dear", LineKind::Router { index: 1 }, 0.9, 1.0, 0.0);
    assert!(dear.points.iter().any(|point| point.1 < -3.0));
    let svg = chart(vec![line("good", LineKind::Router { index: 0 }, 0.9, 0.05, 0.0), dear]).svg().unwrap();
    assert!(svg.contains("Beyond the utility axis in part: dear") && !svg.contains(">\n\u{2212}1\n"));
}

#[test]
fn text_stays_text_in_svg_and_is_escaped() {
    let svg = chart(vec![line("R&D <router>\u{1}", LineKind::Router { index: 0 }, 0.9, 0.1, 0.0)]).svg();
    let svg = svg.unwrap();
    assert!(svg.contains("R&amp;D &lt;router&gt;"));
    assert!(svg.contains("font-family=\"DejaVu Sans, Verdana, sans-serif\""));
    assert!(svg.starts_with("<svg width=\"640\""));
}

#[test]
fn nothing_to_draw_is_drawn() {
    chart(Vec::new()).svg().unwrap();
    let mut odd = line("odd", LineKind::Router { index: 0 }, 0.9, 0.1, 0.1);
    odd.points = vec![(0.0, f64::NAN), (-1.0, 0.5), (f64::INFINITY, 0.5)];
    let svg = chart(vec![odd]).svg().unwrap();
    assert!(svg.contains("3 points left out"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_numbers_can_be_drawn(
        points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..12),
        band in prop::option::of(prop::collection::vec((any::<f64>(), any::<f64>(), any::<f64>()), 0..12)),
        label in any::<String>(),
    ) {
        let line = Line { label, points, band, kind: LineKind::Router { index: 3 } };
        chart(vec![line]).svg().unwrap();
    }
}
