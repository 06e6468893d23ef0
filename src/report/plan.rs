//! How many prompts, replicates, or orders it takes to find a difference, for a terminal.

use super::markup::{Column, Table, cells};
use crate::evaluate::Plan;
use crate::evaluate::online::OnlinePlan;

/// Numbers of replicates that are looked at.
const REPLICATES: [usize; 5] = [1, 3, 5, 10, 30];
/// Smaller numbers of prompts are not distinguished.
const FEWEST: usize = 30;
/// Nobody plans by larger numbers.
const MOST: usize = 100_000_000;

/// What a plan says: the prompts that every router needs by number of replicates, the replicates that it needs, and what to do.
pub fn plan_text(plan: &Plan) -> String {
    let Plan { metric, against, difference, power, n_replicates, n_prompts, .. } = plan;
    let mut columns = columns("router");
    columns.extend(REPLICATES.map(|n| Column::number(n.to_string()).width(9)));
    columns.push(Column::number("replicates").width(14));
    let mut table = Table::new(columns);
    for line in &plan.lines {
        let now = line.components.standard_error(*n_prompts, *n_replicates);
        let mut row = cells![&line.router, format!("{:+.4}", line.observed), format!("{now:.4}")];
        // The normal distribution behind the plan holds from some dozens of prompts on.
        let needed = |n: usize| number(line.components.prompts_for(plan.standard_error, n), FEWEST);
        row.extend(REPLICATES.map(|n| needed(n).into()));
        row.push(number(line.components.replicates_for(plan.standard_error), 0).into());
        table.row(row);
    }
    let training = if *n_replicates == 1 {
        "One replicate cannot tell what training adds: it counts as nothing here, so run the pilot with at least 3."
    } else {
        "What training adds is itself estimated from the pilot's replicates, and is uncertain with few of them."
    };
    format!(
        "Pilot: {n_replicates} replicates, {n_prompts} distinct test prompts. Distinct test prompts needed to find a true \
         difference of {difference} in {metric} against {against} with a probability of {:.0} % (two-sided test at 5 %), by \
         number of replicates, and replicates needed with the pilot's prompts:\n\n{}\n\nnone: no number is enough, since training \
         (for prompts) or prompts (for replicates) add more noise than that. {training}\n\n{}",
        100.0 * power,
        table.lines("").join("\n"),
        to_do(plan)
    )
}

/// As [`plan_text`], of the orders of an online run.
pub fn orders_text(plan: &OnlinePlan) -> String {
    let OnlinePlan { metric, against, difference, power, n_orders, n_steps, lines } = plan;
    let mut columns = columns("learner");
    columns.push(Column::number("orders").width(9));
    let mut table = Table::new(columns);
    for (label, observed, error, needed) in lines {
        let needed = number(Some(*needed), 0);
        table.row(cells![label, format!("{observed:+.4}"), format!("{error:.4}"), needed]);
    }
    let most = lines.iter().map(|(_, _, _, needed)| *needed).max().unwrap_or(0);
    format!(
        "Pilot: {n_orders} orders of {n_steps} steps. Orders needed to find a true difference of {difference} in {metric} against \
         {against} with a probability of {:.0} % (two-sided test at 5 %):\n\n{}\n\nRun about {} orders to find a difference of \
         {difference} for every learner.\n\nOrders hold the same prompts in another order, at other preferences: more of them say \
         nothing of other prompts.",
        100.0 * power,
        table.lines("").join("\n"),
        number(Some(most), 2)
    )
}

fn columns(name: &str) -> Vec<Column> {
    let numbers = ["pilot saw", "error now"].map(|title| Column::number(title).width(12));
    std::iter::once(Column::text(name).width(24)).chain(numbers).collect()
}

/// How many are needed, as it is shown.
fn number(needed: Option<usize>, fewest: usize) -> String {
    match needed {
        None => "none".to_owned(),
        Some(needed) if needed < fewest => format!("<{fewest}"),
        Some(needed) if needed > MOST => ">1e8".to_owned(),
        Some(needed) => needed.to_string(),
    }
}

/// What to do, in a sentence.
fn to_do(plan: &Plan) -> String {
    let (n, difference) = (plan.n_replicates, plan.difference);
    let needed = plan.lines.iter().map(|line| line.components.prompts_for(plan.standard_error, n));
    let needed: Vec<usize> = needed.flatten().collect();
    let plural = if n == 1 { "" } else { "s" };
    let Some(most) = needed.iter().max() else {
        return format!("With {n} replicate{plural} no number of prompts is enough: run more replicates.");
    };
    let whom = if needed.len() == plan.lines.len() {
        "every router".to_owned()
    } else {
        format!("{} of {} routers; the others need more replicates", needed.len(), plan.lines.len())
    };
    format!(
        "Collect about {} distinct test prompts and run {n} replicate{plural} to find a difference of {difference} for {whom}.",
        (*most).max(FEWEST)
    )
}
