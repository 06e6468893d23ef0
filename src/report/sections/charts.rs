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
        let panels = self.pareto.iter().zip(["linear scale of costs", "log scale of costs"]);
        let pareto = html! {
            p {
                "Each marker is a router at one preference w, the weight of cost against score; rings show where the dial stands. Lines \
                 are hulls, between whose corners lie mixtures. Crosses are single models. Further up and further left is better."
            } "\n"
            (self.legend(page))
            div.plots { "\n"
                @for (inline, what) in panels {
                    (figure(inline, Some(("pareto", &self.in_pareto)), &format!("Score against cost, {what}")))
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
                    Some(("utility", &self.in_utility)),
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
        let n_others = self.in_pareto.iter().filter(|shown| shown.kind == LineKind::Other).count();
        html! {
            ul.legend aria-label="Curves" { "\n"
                @for Shown { position, kind, n_places } in self.in_pareto.iter().filter(|shown| shown.kind != LineKind::Other) {
                    li data-policy=(position) {
                        (plot::swatch(*kind, *n_places)) span { (policies[*position].name) }
                    } "\n"
                }
            } "\n"
            @if n_others > 0 {
                p.hint { (plot::swatch(LineKind::Other, 2)) " " (n_others) " other routers in grey: point at one for its name" } "\n"
            }
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

/// One picture; with what the script calls it and its curves, which get a ring each for where the dial stands unless they are grey.
pub(in crate::report) fn figure(inline: &Inline, dialled: Option<(&str, &[Shown])>, label: &str) -> Markup {
    html! { figure { (picture(inline, dialled, label)) } "\n" }
}

/// As [`figure`], under its caption.
pub(in crate::report) fn captioned(inline: &Inline, caption: &str) -> Markup {
    html! { figure { figcaption.small { (caption) } (picture(inline, None, caption)) } "\n" }
}

fn picture(inline: &Inline, dialled: Option<(&str, &[Shown])>, label: &str) -> Markup {
    let Inline { marks, width, height, .. } = inline;
    html! {
        svg.plot data-kind=[dialled.map(|(kind, _)| kind)] viewBox={ "0 0 " (width) " " (height) } role="img"
            aria-label=(label) {
            (marks)
            @for (curve, shown) in dialled.map_or(&[][..], |(_, shown)| shown).iter().enumerate() {
                @if shown.kind != LineKind::Other { circle.ring data-ring=(curve) r="6" {} }
            }
        }
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
        (page.routers[one.router], places.collect())
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
        (chart_of(found.iter().map(|one| label(page, one.router)), &chart, "Mean score against predicted score"))
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
    let picture = |by: &str, what: &str, curves: &[(usize, &LearningCurve)]| {
        // Routers that share what they learned from share a curve.
        let mut distinct: Vec<(String, &LearningCurve, LineKind)> = Vec::new();
        for (router, curve) in curves {
            match distinct.iter_mut().find(|(_, known, _)| known.points == curve.points) {
                Some((names, ..)) => names.push_str(&format!(", {}", label(page, *router))),
                None => distinct.push((label(page, *router).to_owned(), curve, page.routers[*router])),
            }
        }
        let line = |(_, curve, kind): &(String, &LearningCurve, LineKind)| {
            (*kind, curve.points.iter().map(|(at, value)| (*at as f64, *value)).collect())
        };
        let chart = LineChart {
            lines: distinct.iter().map(line).collect(),
            has_diagonal: false,
            x_label: by.to_owned(),
            y_label: what.to_owned(),
        };
        chart_of(distinct.iter().map(|(names, ..)| names.as_str()), &chart, &format!("{what} by {by}"))
    };
    let body = html! {
        p {
            "On validation prompts of the first split, with the settings that were chosen; what is kept is the best place of a \
             curve, not its end."
        } "\n"
        @for ((what, by), curves) in &watched {
            (picture(by, what, curves))
        }
    };
    (!watched.is_empty()).then(|| Section::new("learning", "How they learned", body))
}

fn label<'a>(page: &'a Page, router: usize) -> &'a str {
    &page.record.manifest.scenario.routers[router].label
}

/// A chart of routers with its legend.
fn chart_of<'a>(names: impl Iterator<Item = &'a str>, chart: &LineChart, title: &str) -> Markup {
    let entries = chart.lines.iter().zip(names).map(|((kind, points), name)| (*kind, points.len(), name));
    html! {
        (legend_of(entries))
        div."plots small" { (figure(&chart.inline(), None, title)) } "\n"
    }
}
