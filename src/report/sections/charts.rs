//! The figures of a page: score against cost, utility against preference, what the routers expected, and how they learned. The
//! legend of the first two is made of switches by the script.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Page, Section};
use crate::evaluate::{Calibration, calibrations};
use crate::report::figures::{self, Shown};
use crate::report::markup::{Cell, Column, Table, cells};
use crate::report::plot::{self, Geometry, Inline, LineChart, LineKind, OnPage};
use crate::router::LearningCurve;

/// The figures of a suite with costs.
pub(in crate::report) struct Charts {
    pareto: Vec<Inline>,
    utility: Inline,
    /// Whose curves they hold, in the order of their groups.
    pub(in crate::report) in_pareto: Vec<Shown>,
    pub(in crate::report) in_utility: Vec<Shown>,
}

impl Charts {
    /// Draws them; empty ones where there are no costs, which are not written.
    pub(in crate::report) fn new(page: &Page) -> Self {
        Charts {
            pareto: figures::pareto(page.record, page.summary).panels_inline(),
            utility: figures::utility(page.record, page.summary).inline(),
            in_pareto: figures::in_pareto(page.record, page.summary),
            in_utility: figures::in_utility(page.record, page.summary),
        }
    }

    /// Where values lie on the figures, in the order in which they stand on the page.
    pub(in crate::report) fn geometries(&self) -> Vec<Geometry> {
        self.pareto.iter().chain([&self.utility]).filter_map(|inline| inline.geometry).collect()
    }

    /// Both sections; none without costs.
    pub(in crate::report) fn html(&self, page: &Page) -> Vec<Section> {
        if !page.record.manifest.suite.has_cost {
            return Vec::new();
        }
        let panels = self.pareto.iter().zip(["log scale of costs", "linear scale of costs"]);
        let pareto = html! {
            p {
                "Each marker is a router at one preference w; lines are hulls, between whose corners lie mixtures. Crosses are \
                 single models. Further up and further left is better."
            } "\n"
            (self.legend(page))
            div.plots { "\n"
                @for (inline, what) in panels {
                    (figure(inline, Some(("pareto", self.in_pareto.len())), &format!("Score against cost, {what}")))
                }
            } "\n"
            p.hint { "Point at a marker, or move to a chart with the tab key and use the arrow keys." } "\n"
        };
        let utility = html! {
            p {
                "Utility is score minus w times cost, in units of the most expensive model's mean cost; 0 is a random model, 1 an \
                 oracle that sees every outcome. To the left quality alone counts, to the right cost."
            } "\n"
            div."plots wide" { "\n"
                (figure(
                    &self.utility,
                    Some(("utility", self.in_utility.len())),
                    "Normalised utility against preference",
                ))
            } "\n"
        };
        vec![
            Section::new("pareto", "What a score costs", pareto),
            Section::new("utility", "For whom it works", utility),
        ]
    }

    fn legend(&self, page: &Page) -> Markup {
        let policies = &page.summary.replicates[0].policies;
        html! {
            ul.legend aria-label="Curves" { "\n"
                @for Shown { position, kind, n_places } in &self.in_pareto {
                    li data-policy=(position) {
                        (plot::swatch(*kind, *n_places)) span { (policies[*position].name) }
                    } "\n"
                }
            } "\n"
        }
    }
}

/// A legend that is no switch: the kind of each line, in how many places, and its name.
pub(super) fn legend_of<'a>(entries: impl Iterator<Item = (LineKind, usize, &'a str)>) -> Markup {
    html! {
        ul."legend plain" { "\n"
            @for (kind, n_places, label) in entries {
                li { (plot::swatch(kind, n_places)) span { (label) } } "\n"
            }
        } "\n"
    }
}

/// One picture; with what the script calls it and the number of its curves, which get a ring each for where the dial stands.
pub(in crate::report) fn figure(inline: &Inline, dialled: Option<(&str, usize)>, label: &str) -> Markup {
    let Inline { marks, width, height, .. } = inline;
    html! {
        figure {
            svg.plot data-kind=[dialled.map(|(kind, _)| kind)] viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-label=(label) {
                (marks)
                @for curve in 0..dialled.map_or(0, |(_, n_curves)| n_curves) { circle.ring data-ring=(curve) r="6" {} }
            }
        } "\n"
    }
}

/// Whether predicted scores are right; `None` where no router recorded any.
pub(in crate::report) fn calibration_html(page: &Page) -> Option<Section> {
    let found = calibrations(page.record);
    if found.is_empty() {
        return None;
    }
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
    let mut table = Table::new(
        [Column::text("router")]
            .into_iter()
            .chain(["Brier", "resolution", "ECE", "AUROC", "predictions"].into_iter().map(Column::number)),
    );
    for one in &found {
        let [brier, resolution, error] =
            [one.brier, one.resolution, one.calibration_error].map(|value| Cell::decimals(Some(value), 4));
        let area = Cell::decimals(one.area_under_roc, 3);
        table.row(cells![label(page, one.router), brier, resolution, error, area, one.n_predictions]);
    }
    let body = html! {
        p {
            "Predicted scores of all models on test prompts against what they scored, all splits together. On the dashed \
             diagonal predictions are right on average; each marker is a tenth of them. Brier: the mean squared error. \
             Resolution: how far prompts and models are distinguished. ECE: the mean distance from the diagonal. AUROC: how often \
             a right answer was given the higher score than a wrong one."
        } "\n"
        (chart_of(page, &chart, "Mean score against predicted score"))
        (table.html(None))
    };
    Some(Section::new("calibration", "Can its predictions be believed?", body))
}

/// One figure for each thing that was watched, with the first replicate of every router that watched it; `None` where no
/// router watched anything.
pub(in crate::report) fn curves_html(page: &Page) -> Option<Section> {
    let mut watched: BTreeMap<(&str, &str), Vec<(usize, &LearningCurve)>> = BTreeMap::new();
    for (router, training) in page.record.manifest.replicates[0].routers.iter().enumerate() {
        for curve in &training.learning_curves {
            watched.entry((&curve.what, &curve.by)).or_default().push((router, curve));
        }
    }
    let chart = |by: &str, what: &str, curves: &[(usize, &LearningCurve)]| {
        let line = |(router, curve): &(usize, &LearningCurve)| {
            let points = curve.points.iter().map(|(at, value)| (*at as f64, *value)).collect();
            (LineKind::Router { index: *router }, points)
        };
        LineChart {
            lines: curves.iter().map(line).collect(),
            has_diagonal: false,
            x_label: by.to_owned(),
            y_label: what.to_owned(),
        }
    };
    let body = html! {
        p {
            "On validation prompts of the first split, with the settings that were chosen; what is kept is the best place of a \
             curve, not its end."
        } "\n"
        @for ((what, by), curves) in &watched {
            (chart_of(page, &chart(by, what, curves), &format!("{what} by {by}")))
        }
    };
    (!watched.is_empty()).then(|| Section::new("learning", "How they learned", body))
}

fn label<'a>(page: &'a Page, router: usize) -> &'a str {
    &page.record.manifest.scenario.routers[router].label
}

/// A chart of routers with its legend.
fn chart_of(page: &Page, chart: &LineChart, title: &str) -> Markup {
    let entry = |(kind, points): &(LineKind, Vec<(f64, f64)>)| {
        let LineKind::Router { index } = *kind else { return (*kind, points.len(), "") };
        (*kind, points.len(), label(page, index))
    };
    html! {
        (legend_of(chart.lines.iter().map(entry)))
        div."plots small" { (figure(&chart.inline(), None, title)) } "\n"
    }
}
