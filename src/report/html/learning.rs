//! What the routers expected, and how their training went.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Page, escape};
use crate::evaluate::{Calibration, calibrations};
use crate::report::plot::{self, LineChart, LineKind};
use crate::router::LearningCurve;

/// Both sections; nothing of what no router recorded.
pub(super) fn write(text: &mut String, page: &Page) {
    write_calibration(text, page);
    write_curves(text, page);
}

fn write_calibration(text: &mut String, page: &Page) {
    let found = calibrations(page.record);
    if found.is_empty() {
        return;
    }
    text.push_str(
        "<section aria-labelledby=\"calibration-title\">\n<h2 id=\"calibration-title\">Can its predictions be believed?</h2>\n\
         <p>Predicted scores of all models on test prompts against what they scored, all splits together. On the dashed \
         diagonal predictions are right on average; each marker is a tenth of them. Brier: the mean squared error. Resolution: \
         how far prompts and models are told apart. ECE: the mean distance from the diagonal. AUROC: how often a right answer \
         was given the higher score than a wrong one.</p>\n",
    );
    let points = |one: &Calibration| {
        let places = one.bins.iter().map(|bin| (bin.mean_probability, bin.mean_outcome));
        (LineKind::Router { index: one.router }, places.collect())
    };
    let chart = LineChart {
        lines: found.iter().map(points).collect(),
        has_diagonal: true,
        x_label: "predicted score".into(),
        y_label: "mean score".into(),
    };
    figure(text, &chart, found.iter().map(|one| one.router), page, "Mean score against predicted score");
    text.push_str(
        "<div class=\"scroll\"><table class=\"sort\">\n<thead><tr><th scope=\"col\">router</th><th scope=\"col\" \
         class=\"n\">Brier</th><th scope=\"col\" class=\"n\">resolution</th><th scope=\"col\" class=\"n\">ECE</th><th \
         scope=\"col\" class=\"n\">AUROC</th><th scope=\"col\" class=\"n\">predictions</th></tr></thead>\n<tbody>\n",
    );
    for one in &found {
        let area = one.area_under_roc.map_or_else(|| "\u{2013}".to_owned(), |area| format!("{area:.3}"));
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{:.4}</td><td class=\"n\">{:.4}</td><td class=\"n\">{:.4}</td><td \
             class=\"n\">{area}</td><td class=\"n\">{}</td></tr>",
            escape(label(page, one.router)),
            one.brier,
            one.resolution,
            one.calibration_error,
            one.n_predictions
        );
    }
    text.push_str("</tbody></table></div>\n</section>\n");
}

/// One figure for each thing that was watched, with the first replicate of every router that watched it.
fn write_curves(text: &mut String, page: &Page) {
    let mut watched: BTreeMap<(&str, &str), Vec<(usize, &LearningCurve)>> = BTreeMap::new();
    for (router, training) in page.record.manifest.replicates[0].routers.iter().enumerate() {
        for curve in &training.learning_curves {
            watched.entry((&curve.what, &curve.by)).or_default().push((router, curve));
        }
    }
    if watched.is_empty() {
        return;
    }
    text.push_str(
        "<section aria-labelledby=\"learning-title\">\n<h2 id=\"learning-title\">How they learned</h2>\n<p>On validation prompts \
         of the first split, with the settings that were chosen; what is kept is the best place of a curve, not its end.</p>\n",
    );
    for ((what, by), curves) in watched {
        let line = |(router, curve): &(usize, &LearningCurve)| {
            let points = curve.points.iter().map(|(at, value)| (*at as f64, *value)).collect();
            (LineKind::Router { index: *router }, points)
        };
        let chart = LineChart {
            lines: curves.iter().map(line).collect(),
            has_diagonal: false,
            x_label: by.to_owned(),
            y_label: what.to_owned(),
        };
        figure(text, &chart, curves.iter().map(|(router, _)| *router), page, &format!("{what} by {by}"));
    }
    text.push_str("</section>\n");
}

fn label<'a>(page: &'a Page, router: usize) -> &'a str {
    &page.record.manifest.scenario.routers[router].label
}

fn figure(
    text: &mut String,
    chart: &LineChart,
    routers: impl Iterator<Item = usize>,
    page: &Page,
    title: &str,
) {
    text.push_str("<ul class=\"legend plain\">\n");
    for (router, (kind, points)) in routers.zip(&chart.lines) {
        let swatch = plot::swatch(*kind, points.len());
        let _ = writeln!(text, "<li>{swatch}<span>{}</span></li>", escape(label(page, router)));
    }
    let inline = plot::lines_inline(chart);
    let plot::Geometry { width, height, .. } = inline.geometry;
    let _ = write!(
        text,
        "</ul>\n<div class=\"plots small\"><figure><svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{}\">{}</svg></figure></div>\n",
        escape(title),
        inline.marks
    );
}
