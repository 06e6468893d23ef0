//! Two runs side by side (A/B): the paired differences of the gate in both directions, in words that take no side.

use crate::error::{Error, Result};
use crate::record::Recorded;
use crate::report::document;
use crate::report::markup::{Cell, Column, Table};

use super::format::{cells, columns, remarks, signed};
use super::verdict::{FAMILY_WISE_ERROR, Gate, GateSettings, GatedRouter, Line, RouterState};
use super::{check, check_online};

/// Two runs of one scenario: A, and B against it.
#[derive(Clone, Debug, PartialEq)]
pub struct Versus {
    /// What the two are called, A first.
    names: [String; 2],
    /// B against A.
    forth: Gate,
    /// A against B: its losses are what B gained.
    back: Gate,
}

impl Versus {
    /// Compares two runs on all that they share.
    ///
    /// # Errors
    /// One offline and one online run; two that share nothing; as [`check`].
    pub fn new(names: [String; 2], [a, b]: [&Recorded; 2]) -> Result<Versus> {
        let settings = GateSettings {
            least_score: 0.0,
            least_cost_share: 0.0,
            allow_changed: true,
            ..GateSettings::default()
        };
        let [forth, back] = match (a, b) {
            (Recorded::Offline(a), Recorded::Offline(b)) => [check(b, a, settings)?, check(a, b, settings)?],
            (Recorded::Online(a), Recorded::Online(b)) => {
                [check_online(b, a, settings)?, check_online(a, b, settings)?]
            }
            _ => return Err(Error::Usage("one of the two runs is online, the other offline".into())),
        };
        Ok(Versus { names, forth, back })
    }

    /// What is said of B on a line. Each direction has half of the error that all lines share.
    fn word(&self, label: &str, line: &Line) -> &'static str {
        let sure = FAMILY_WISE_ERROR / 2.0;
        let is_apart = !line.interval.contains(0.0);
        let gained = || {
            let router = self.back.routers.iter().find(|router| router.label == label)?;
            lines(router).iter().find(|other| other.metric == line.metric).map(|other| other.adjusted_p)
        };
        if line.interval.low == 0.0 && line.interval.high == 0.0 {
            "the same"
        } else if is_apart && line.adjusted_p <= sure {
            "worse"
        } else if is_apart && gained().is_some_and(|p| p <= sure) {
            "better"
        } else {
            "not distinguished"
        }
    }

    /// The result in a sentence.
    fn conclusion(&self) -> String {
        let words = self
            .forth
            .routers
            .iter()
            .flat_map(|router| lines(router).iter().map(|line| self.word(&router.label, line)));
        let words: Vec<&str> = words.collect();
        let n = |word: &str| words.iter().filter(|known| **known == word).count();
        format!(
            "B is better than A on {} and worse on {} of {} lines; {} are the same, {} cannot be distinguished.",
            n("better"),
            n("worse"),
            words.len(),
            n("the same"),
            n("not distinguished")
        )
    }

    /// What was compared, and what the two do not have in common.
    fn setting(&self) -> Vec<String> {
        let [a, b] = &self.names;
        let mut said = vec![
            format!("A is {a}, B is {b}."),
            format!(
                "Means over {} replicates or orders and {} paired prompts or steps; differences are B less A with their 95 % \
                 intervals. Better or worse: by chance in at most {} % of comparisons on any line.",
                self.forth.n_replicates,
                self.forth.n_paired,
                100.0 * FAMILY_WISE_ERROR
            ),
        ];
        said.extend(self.forth.changed.iter().map(|change| format!("Of B, {}.", as_of_a(change))));
        for router in &self.forth.routers {
            match &router.state {
                RouterState::New => said.push(format!("Only B has `{}`.", router.label)),
                RouterState::Missing => said.push(format!("Only A has `{}`.", router.label)),
                RouterState::Compared { .. } => {
                    let own = remarks(router).join("; ");
                    said.push(format!("`{}`: {}.", router.label, as_of_a(&own)));
                }
            }
        }
        said
    }

    fn table(&self) -> Table {
        let mut titles = columns();
        titles.truncate(2);
        titles.extend([Column::number("A"), Column::number("B"), Column::number("B - A")]);
        let mut table = Table::new(titles.into_iter().chain([Column::text("B is").class("verdict")]));
        for router in &self.forth.routers {
            for line in lines(router) {
                let [label, metric, current, baseline, difference, _] = cells(router, line);
                let bounds = [line.interval.low, line.interval.high].map(|end| signed(line.metric, end));
                let word = self.word(&router.label, line);
                let difference = difference.interval(bounds).exact(line.difference());
                let difference = difference.strong_if(["better", "worse"].contains(&word));
                table.row(vec![label, metric, baseline, current, difference, Cell::from(word)]);
            }
        }
        table
    }

    /// For a terminal of 80 columns: a block a router.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}", self.conclusion(), self.setting().join("\n"));
        for router in self.forth.routers.iter().filter(|router| !lines(router).is_empty()) {
            let titles = ["A", "B", "B - A [95 %]"].map(Column::number);
            let mut table = Table::new(
                [Column::text(&router.label).width(22)]
                    .into_iter()
                    .chain(titles)
                    .chain([Column::text("B is")]),
            );
            for line in lines(router) {
                let [_, metric, current, baseline, difference, interval] = cells(router, line);
                let difference = format!("{} {}", difference.words(), interval.words());
                let word = self.word(&router.label, line).replace("not distinguished", "?");
                table.row(vec![metric, baseline, current, Cell::from(difference), Cell::from(word)]);
            }
            text.push_str(&format!("\n\n{}", table.lines(" ").join("\n")));
        }
        text + "\n\n?: cannot be distinguished"
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        format!(
            "# {}: A and B\n\n{}\n\n{}\n\n{}",
            crate::report::markup::name(&self.forth.scenario),
            self.conclusion(),
            self.setting().join("\n\n"),
            self.table().markdown()
        )
    }

    /// As a page of its own.
    pub fn html(&self) -> String {
        let content = maud::html! {
            header { "\n"
                p.kicker { (self.forth.scenario) " " span { "two runs compared" } } "\n"
                h1 { "A and B" } "\n"
                p.standfirst { (self.conclusion()) } "\n"
                @for said in self.setting() { p.setting { (said) } "\n" }
            } "\n"
            section { (self.table().html(None)) } "\n"
        };
        document(&self.forth.scenario, &content, &maud::html! {})
    }
}

fn lines(router: &GatedRouter) -> &[Line] {
    match &router.state {
        RouterState::Compared { lines, .. } => lines,
        RouterState::New | RouterState::Missing => &[],
    }
}

/// The gate's words for a change, where its baseline is A.
fn as_of_a(words: &str) -> String {
    words.replace("in the baseline", "of A").replace("the baseline", "A")
}
