//! Routers and bounds by the main metrics, by those of a pair, and by further ones; single models; what the routers learned from; and
//! the unseen models: who they are, who may be chosen, what each quiz cost, and what its answers are worth.

use std::fmt::Write;

use maud::{Markup, html};

use super::charts::{figure, legend_of};
use super::{Page, Section, dollars, mixes, small};
use crate::evaluate::{PolicyKind, Summary};
use crate::metrics::PolicyId;
use crate::metrics::entry::Table as Group;
use crate::metrics::table::{self, shown_in};
use crate::preference::DistributionKind;
use crate::record::{Record, RecordedReplicate, RecordedUnseen};
use crate::report::markup::{Cell, Column, Table, cells, paragraph};
use crate::report::plot::{Line, LineKind, OnPage, UtilityChart};
use crate::report::table::{ModelLine, comparable, main_columns, model_lines, policies, published_columns};
use crate::router::quiz::QuizStrategy;
use crate::router::{MODEL_NUMBER_NOTE, RouterSettings};
use crate::scenario::RouterEntry;
use crate::scenario::unseen::{TestPool, UnseenChoice};

/// By the main metrics.
pub(in crate::report) fn main(record: &Record, summary: &Summary, page: Option<&Page>) -> Table {
    policies(summary, &main_columns(record), &PolicyKind::IN_TABLES, marks(page))
}

/// By those of a pair; `None` where there are not two candidates with costs.
pub(in crate::report) fn pair(record: &Record, summary: &Summary, page: Option<&Page>) -> Option<Table> {
    let suite = &record.manifest.suite;
    (suite.has_cost && suite.models.len() == 2)
        .then(|| policies(summary, &shown_in(Group::Pair), &PolicyKind::IN_TABLES[..2], marks(page)))
}

/// By lower scores, and whether w does what it should; `None` without costs.
pub(in crate::report) fn further(record: &Record, summary: &Summary, page: Option<&Page>) -> Option<Table> {
    record
        .manifest
        .suite
        .has_cost
        .then(|| policies(summary, &shown_in(Group::Further), &PolicyKind::IN_TABLES, marks(page)))
}

/// By what other benchmarks publish.
pub(in crate::report) fn published(
    record: &Record,
    summary: &Summary,
    page: Option<&Page>,
) -> (Table, String) {
    let columns = published_columns(record);
    (policies(summary, &columns, &PolicyKind::IN_TABLES, marks(page)), table::legend(&columns))
}

/// By what prompt caches do; `None` where no sessions are replayed.
pub(in crate::report) fn sessions(record: &Record, summary: &Summary, page: Option<&Page>) -> Option<Table> {
    record.manifest.scenario.session.as_ref()?;
    Some(policies(summary, &shown_in(Group::Sessions), &PolicyKind::IN_TABLES[..2], marks(page)))
}

/// Below the table of sessions.
fn sessions_legend(record: &Record) -> String {
    let manifest = &record.manifest;
    let Some(caches) = &manifest.scenario.session else { return String::new() };
    let models = manifest.suite.models.iter().zip(&manifest.suite.list_prices);
    let without: Vec<String> = models
        .filter(|(_, price)| price.cached_input.is_none())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let without = if without.is_empty() {
        String::new()
    } else {
        format!(" No cached rate is known of {}: they save nothing.", without.join(", "))
    };
    format!(
        "{} A cache lives {} seconds and keeps beginnings of {} tokens or more. Costs everywhere in this report, those of bounds and \
         single models too, are after what caches save.{without}",
        group_legend(Group::Sessions),
        caches.time_to_live_seconds,
        caches.least_prefix_tokens,
    )
}

/// The table of sessions; empty where none are replayed.
pub(in crate::report) fn sessions_md(record: &Record, summary: &Summary) -> String {
    let section = |table: Table| {
        format!("## Sessions and prompt caches\n\n{}\n{}\n\n", table.markdown(), sessions_legend(record))
    };
    sessions(record, summary, None).map_or_else(String::new, section)
}

/// The table of sessions.
pub(in crate::report) fn sessions_html(page: &Page) -> Option<Section> {
    let table = sessions(page.record, page.summary, Some(page))?.html(None);
    let body = html! { (table) (small(&sessions_legend(page.record))) };
    Some(Section::new("sessions", "Sessions and prompt caches", body))
}

/// What the columns of a table mean.
fn group_legend(table: Group) -> String {
    table::legend(&shown_in(table))
}

/// What stands before the names of policies on a page.
fn marks<'a>(page: Option<&'a Page>) -> Option<&'a [Markup]> {
    page.map(|page| &page.marks[..])
}

/// Below the table of routers.
fn legend(record: &Record, summary: &Summary) -> String {
    let distribution = record.manifest.scenario.preferences.distribution;
    let best = if summary.evidence.is_some() {
        "Means over replicates [95 % interval], or \u{b1} standard deviation between replicates. Bold: the best router of a \
         column; \u{2020}: cannot be distinguished from it (p at least 0.05, adjusted by Holm). Nobody is marked where that holds for all."
    } else {
        "Means over replicates \u{b1} standard deviation between them. Bold: the best router of a column."
    };
    if !record.manifest.suite.has_cost {
        return best.to_owned();
    }
    format!(
        "{best} k/n: reached in k of n replicates. Bounds look at outcomes or ignore the prompt. {} Preferences w: a {} \
         distribution from {} to {}.",
        group_legend(Group::Main),
        match distribution.kind {
            DistributionKind::Uniform => "uniform",
            DistributionKind::LogUniform => "log-uniform",
        },
        distribution.low,
        distribution.high,
    )
}

/// The main table.
pub(in crate::report) fn main_md(record: &Record, summary: &Summary) -> String {
    let table = main(record, summary, None).markdown();
    format!("## Routers\n\n{table}\n{}\n\n", legend(record, summary))
}

/// The table of the pair; empty where there is none.
pub(in crate::report) fn pair_md(record: &Record, summary: &Summary) -> String {
    let section =
        |table: Table| format!("## The pair\n\n{}\n{}\n\n", table.markdown(), group_legend(Group::Pair));
    pair(record, summary, None).map_or_else(String::new, section)
}

/// The table of further metrics; empty where there is none.
pub(in crate::report) fn further_md(record: &Record, summary: &Summary) -> String {
    let section = |table: Table| {
        format!("## Lower scores, and the dial\n\n{}\n{}\n\n", table.markdown(), group_legend(Group::Further))
    };
    further(record, summary, None).map_or_else(String::new, section)
}

/// The table of what other benchmarks publish.
pub(in crate::report) fn published_md(record: &Record, summary: &Summary) -> String {
    let (table, legend) = published(record, summary, None);
    format!("## As other benchmarks measure\n\n{}\n{legend}\n\n", table.markdown())
}

/// The table of what other benchmarks publish.
pub(in crate::report) fn published_html(page: &Page) -> Section {
    let (table, legend) = published(page.record, page.summary, Some(page));
    let body = html! { (table.html(None)) (small(&legend)) };
    Section::new("published", "As other benchmarks measure", body)
}

/// The main table and that of the pair.
pub(in crate::report) fn main_html(page: &Page) -> Vec<Section> {
    let (record, summary) = (page.record, page.summary);
    let table = main(record, summary, Some(page)).html(None);
    let first =
        Section::new("routers", "Routers and bounds", html! { (table) (small(&legend(record, summary))) });
    let pair = pair(record, summary, Some(page)).map(|table| {
        Section::new("pair", "The pair", html! { (table.html(None)) (small(&group_legend(Group::Pair))) })
    });
    std::iter::once(first).chain(pair).collect()
}

/// The table of further metrics.
pub(in crate::report) fn further_html(page: &Page) -> Option<Section> {
    further(page.record, page.summary, Some(page)).map(|table| {
        Section::new(
            "further",
            "Lower scores, and the dial",
            html! { (table.html(None)) (small(&group_legend(Group::Further))) },
        )
    })
}

/// The candidates, the best first; on a page with the shade that each has in mixes.
pub(in crate::report) fn models(record: &Record, summary: &Summary, page: Option<&Page>) -> Table {
    let cost_title =
        if page.is_some() { "USD per 1,000 prompts" } else { "mean cost, USD per 1,000 prompts" };
    let mut table =
        Table::new([Column::text("model"), Column::number("mean score"), Column::number(cost_title)]);
    for ModelLine { name, model, score, cost_usd } in model_lines(record, summary) {
        let name = match page {
            Some(page) => {
                let rank = page.by_cost.iter().position(|other| *other == model).unwrap_or_default();
                let shade = html! { i.shade style=(mixes::shade(page, rank)) {} };
                Cell::from(name).after(shade)
            }
            None => Cell::from(name),
        };
        let cost = |usd: f64| Cell::from(dollars(usd)).exact(usd);
        let cost = cost_usd.map_or_else(|| Cell::placeholder("unknown"), cost);
        table.row(vec![name, Cell::from(format!("{score:.4}")).exact(score), cost]);
    }
    table
}

/// What the training of each router paid and found out, in replicate 0.
fn trainings(record: &Record, page: Option<&Page>) -> Table {
    let mut table = Table::new([
        Column::text("router"),
        Column::number("outcomes seen"),
        Column::number("what they cost, USD"),
        Column::words("settings found (replicate 0)"),
    ]);
    let manifest = &record.manifest;
    let routers = manifest.scenario.routers.iter().zip(&manifest.replicates[0].routers);
    for (position, (entry, training)) in routers.enumerate() {
        let notes = training.notes.iter().map(|(name, value)| note(record, name, value));
        let found = notes.collect::<Vec<String>>().join(", ");
        let usd = if manifest.suite.has_cost {
            format!("{:.2}", training.paid.dollars)
        } else {
            "unknown".to_owned()
        };
        let label = Cell::from(&entry.label);
        let label = if let Some(page) = page { label.after(page.mark(position)) } else { label };
        table.row(cells![label, training.paid.outcomes_seen, usd, found]);
    }
    table
}

/// What was found out in training, with the model's name where the router knew only its number.
fn note(record: &Record, name: &str, value: &str) -> String {
    let model = (name == MODEL_NUMBER_NOTE)
        .then(|| value.parse().ok().and_then(|number: usize| record.manifest.suite.models.get(number)))
        .flatten();
    model.map_or_else(|| format!("{name} {value}"), |model| format!("model `{model}`"))
}

/// Single models.
pub(in crate::report) fn models_md(record: &Record, summary: &Summary) -> String {
    format!("## Single models\n\n{}\n", models(record, summary, None).markdown())
}

/// What the routers learned from.
pub(in crate::report) fn trainings_md(record: &Record) -> String {
    format!("## What the routers learned from\n\n{}\n", trainings(record, None).markdown())
}

/// Single models.
pub(in crate::report) fn models_html(page: &Page) -> Section {
    Section::new("models", "Single models", models(page.record, page.summary, Some(page)).html(None))
}

/// What the routers learned from.
pub(in crate::report) fn trainings_html(page: &Page) -> Section {
    Section::new("learned", "What the routers learned from", trainings(page.record, Some(page)).html(None))
}

/// The section; empty where every model is seen.
pub(in crate::report) fn markdown(record: &Record) -> String {
    let words = in_words(record);
    if words.is_empty() {
        return words;
    }
    format!("## Unseen models\n\n{words}\n\n{}\n", quizzes(record).markdown())
}

/// The section; `None` where every model is seen.
pub(in crate::report) fn html(page: &Page) -> Option<Section> {
    let words = in_words(page.record);
    let body = html! { p { (paragraph(&words)) } "\n" (quizzes(page.record).html(None)) };
    (!words.is_empty()).then(|| Section::new("unseen", "Unseen models", body))
}

fn replicates(record: &Record) -> Vec<&RecordedUnseen> {
    record.manifest.replicates.iter().filter_map(|replicate| replicate.unseen.as_ref()).collect()
}

fn mean(replicates: &[&RecordedUnseen], of: impl Fn(&RecordedUnseen) -> f64) -> f64 {
    replicates.iter().map(|unseen| of(unseen)).sum::<f64>() / replicates.len() as f64
}

/// Who is unseen and what is known of them, in a paragraph; empty where every model is seen.
fn in_words(record: &Record) -> String {
    let manifest = &record.manifest;
    let replicates = replicates(record);
    let (Some(settings), Some(first)) = (&manifest.scenario.unseen, replicates.first()) else {
        return String::new();
    };
    let (n_unseen, n_models) = (first.models.len(), manifest.suite.models.len());
    let mut text = String::new();
    let _ = match settings.choice {
        UnseenChoice::Share(_) => write!(
            text,
            "{n_unseen} of {n_models} candidates, drawn anew in every replicate, are absent from all training. "
        ),
        _ => write!(
            text,
            "{n_unseen} of {n_models} candidates are absent from all training: {}. ",
            first.models.join(", ")
        ),
    };
    text.push_str(match settings.pool {
        TestPool::Mixed => "On test prompts seen and unseen models may be chosen. ",
        TestPool::UnseenOnly => {
            "On test prompts only unseen models may be chosen, by routers and bounds alike; the others are listed for \
             comparison. "
        }
        TestPool::SeenOnly => {
            "On test prompts only seen models may be chosen, by routers and bounds alike; the others are listed for \
             comparison, and `peers` is told their scores. "
        }
    });
    let n_left_out = mean(&replicates, |unseen| unseen.prompts_left_out as f64);
    if n_left_out > 0.0 {
        let _ = write!(
            text,
            "{n_left_out:.1} prompts a replicate are left out: no seen model answered them (development) or nobody of \
             the test pool (test). "
        );
    }
    text.push_str(
        "Of an unseen model a router knows its answers to the quiz, which are training prompts, and list prices. Single \
         models, the best single model, and the zero router are reference points: they go by all development outcomes of \
         all candidates, whatever the quiz.",
    );
    let bound: Vec<&str> = bound_to_seen(record);
    if !bound.is_empty() {
        let verb = if bound.len() == 1 { "chooses" } else { "choose" };
        let _ = write!(
            text,
            " Without training anew {} cannot take a new model and {verb} among the seen ones.",
            bound.join(", ")
        );
    }
    text
}

/// The labels of the routers that would have to be trained anew for an unseen model.
fn bound_to_seen(record: &Record) -> Vec<&str> {
    let entries = record.manifest.scenario.routers.iter();
    entries.filter(|entry| !entry.settings.traits().takes_unseen).map(|entry| entry.label.as_str()).collect()
}

/// The distinct quizzes, in the order of the routers.
fn quizzes(record: &Record) -> Table {
    let manifest = &record.manifest;
    let replicates = replicates(record);
    let mut table = Table::new([
        Column::text("quiz"),
        Column::words("routers"),
        Column::number("answers a replicate"),
        Column::number("what they cost, USD"),
    ]);
    for (at, quiz) in replicates.first().map_or(&[][..], |first| &first.quizzes).iter().enumerate() {
        let entries = manifest.scenario.routers.iter();
        let routers: Vec<&str> = entries
            .filter(|entry| manifest.scenario.quiz_of(entry) == Some(&quiz.settings))
            .map(|entry| entry.label.as_str())
            .collect();
        let answers = mean(&replicates, |unseen| unseen.quizzes[at].price.outcomes_seen as f64);
        let dollars = if manifest.suite.has_cost {
            format!("{:.4}", mean(&replicates, |unseen| unseen.quizzes[at].price.dollars))
        } else {
            "unknown".to_owned()
        };
        table.row(cells![quiz.settings.to_string(), routers.join(", "), format!("{answers:.0}"), dollars]);
    }
    table
}

/// A router with one of its quizzes.
struct Quizzed<'a> {
    router: usize,
    settings: &'a RouterSettings,
    strategy: QuizStrategy,
    /// Answers of one unseen model, averaged over models and replicates.
    n_answers: f64,
    utility: f64,
}

/// Utility against the number of quiz answers, where routers differ by their quiz alone; `None` where no router has two quizzes.
pub(in crate::report) fn worth_html(page: &Page) -> Option<Section> {
    let lines = lines(page, &quizzed(page));
    if lines.is_empty() {
        return None;
    }
    let legend = legend_of(lines.iter().map(|line| (line.kind, line.points.len(), line.label.as_str())));
    let chart = UtilityChart {
        title: String::new(),
        subtitle: String::new(),
        lines,
        preference_label: "quiz answers of an unseen model".into(),
        utility_label: "normalised utility".into(),
    };
    let body = html! {
        p {
            "Normalised utility of the same router with different quizzes, against the answers that it has of each unseen model."
        } "\n"
        (legend)
        div."plots wide" { (figure(&chart.inline(), None, "Normalised utility against quiz answers")) } "\n"
    };
    Some(Section::new("quiz", "What a quiz is worth", body))
}

fn quizzed<'a>(page: &Page<'a>) -> Vec<Quizzed<'a>> {
    let manifest = &page.record.manifest;
    let quizzed = |(router, entry): (usize, &'a RouterEntry)| {
        let quiz = manifest.scenario.quiz_of(entry)?;
        let answers = |replicate: &RecordedReplicate| {
            let unseen = replicate.unseen.as_ref()?;
            let recorded = unseen.quizzes.iter().find(|recorded| recorded.settings == *quiz)?;
            Some(recorded.price.outcomes_seen as f64 / unseen.models.len() as f64)
        };
        let answers: Vec<f64> = manifest.replicates.iter().filter_map(answers).collect();
        let utility = comparable(page.summary.find(PolicyId::Router(router), "normalised-utility")?)?;
        Some(Quizzed {
            router,
            settings: &entry.settings,
            strategy: quiz.strategy,
            n_answers: answers.iter().sum::<f64>() / answers.len().max(1) as f64,
            utility,
        })
    };
    manifest.scenario.routers.iter().enumerate().filter_map(quizzed).collect()
}

/// One line a router and strategy. No answers and all answers are ends of every strategy's line.
fn lines(page: &Page, quizzed: &[Quizzed]) -> Vec<Line> {
    let is_end = |strategy| matches!(strategy, QuizStrategy::None | QuizStrategy::All);
    let mut lines: Vec<Line> = Vec::new();
    for (at, first) in quizzed.iter().enumerate() {
        let is_new = !quizzed[..at]
            .iter()
            .any(|earlier| earlier.settings == first.settings && earlier.strategy == first.strategy);
        let alike = || quizzed.iter().filter(|other| other.settings == first.settings);
        let has_middle = alike().any(|other| !is_end(other.strategy));
        if !is_new || (is_end(first.strategy) && (has_middle || first.strategy == QuizStrategy::All)) {
            continue;
        }
        let on_line = alike().filter(|other| other.strategy == first.strategy || is_end(other.strategy));
        let mut points: Vec<(f64, f64)> = on_line.map(|other| (other.n_answers, other.utility)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup();
        if points.len() > 1 {
            let label = format!(
                "{}, {}",
                page.record.manifest.scenario.routers[first.router].label,
                first.strategy.name()
            );
            lines.push(Line { label, points, band: None, kind: LineKind::Router { index: lines.len() } });
        }
    }
    lines
}
