//! The figures: score against cost, and utility against preference, with a legend that the script turns into switches.

use std::fmt::Write;

use super::{Page, escape};
use crate::report::figures::{self, Shown};
use crate::report::plot::{self, Geometry, Inline};

/// The figures of a suite with costs.
pub(super) struct Charts {
    pareto: Vec<Inline>,
    utility: Inline,
    /// Whose curves they hold, in the order of their groups.
    pub(super) in_pareto: Vec<Shown>,
    pub(super) in_utility: Vec<Shown>,
}

impl Charts {
    /// Draws them; empty ones where there are no costs, which are not written.
    pub(super) fn new(page: &Page) -> Self {
        Charts {
            pareto: plot::pareto_inline(&figures::pareto(page.record, page.summary)),
            utility: plot::utility_inline(&figures::utility(page.record, page.summary)),
            in_pareto: figures::in_pareto(page.record, page.summary),
            in_utility: figures::in_utility(page.record, page.summary),
        }
    }

    /// Where values lie on the figures, in the order in which they stand on the page.
    pub(super) fn geometries(&self) -> Vec<Geometry> {
        self.pareto.iter().chain([&self.utility]).map(|inline| inline.geometry).collect()
    }

    /// The section.
    pub(super) fn write(&self, text: &mut String, page: &Page) {
        if !page.record.manifest.suite.has_cost {
            return;
        }
        text.push_str(
            "<section aria-labelledby=\"pareto-title\">\n<h2 id=\"pareto-title\">What a score costs</h2>\n\
             <p>Each marker is a router at one preference w; lines are hulls, between whose corners lie mixtures. Crosses are \
             single models. Further up and further left is better.</p>\n",
        );
        self.legend(text, page);
        text.push_str("<div class=\"plots\">\n");
        for (inline, what) in self.pareto.iter().zip(["log scale of costs", "linear scale of costs"]) {
            figure(text, inline, "pareto", self.in_pareto.len(), &format!("Score against cost, {what}"));
        }
        text.push_str(
            "</div>\n<p class=\"hint\">Point at a marker, or move to a chart with the tab key and use the arrow keys.</p>\n\
             </section>\n<section aria-labelledby=\"utility-title\">\n<h2 id=\"utility-title\">For whom it works</h2>\n\
             <p>Utility is score minus w times cost, in units of the dearest model's mean cost; 0 is a random model, 1 an oracle \
             that sees every outcome. To the left quality alone counts, to the right cost.</p>\n<div class=\"plots wide\">\n",
        );
        figure(
            text,
            &self.utility,
            "utility",
            self.in_utility.len(),
            "Normalised utility against preference",
        );
        text.push_str("</div>\n</section>\n");
    }

    fn legend(&self, text: &mut String, page: &Page) {
        text.push_str("<ul class=\"legend\" aria-label=\"Curves\">\n");
        for shown in &self.in_pareto {
            let policy = &page.summary.replicates[0].policies[shown.position];
            let _ = writeln!(
                text,
                "<li data-policy=\"{}\">{}<span>{}</span></li>",
                shown.position,
                plot::swatch(shown.kind, shown.n_places),
                escape(&policy.name),
            );
        }
        text.push_str("</ul>\n");
    }
}

/// One picture, with a ring a curve for where the dial stands.
fn figure(text: &mut String, inline: &Inline, kind: &str, n_curves: usize, label: &str) {
    let Geometry { width, height, .. } = inline.geometry;
    let _ = write!(
        text,
        "<figure><svg class=\"plot\" data-kind=\"{kind}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{label}\">{}",
        inline.marks
    );
    for curve in 0..n_curves {
        let _ = write!(text, "<circle class=\"ring\" data-ring=\"{curve}\" r=\"6\"/>");
    }
    text.push_str("</svg></figure>\n");
}
