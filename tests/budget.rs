//! A budget for a stream of prompts, from the scenario to the report.

use std::path::Path;

use llm_bandit::evaluate::{budgets, judge, summarise_without_evidence};
use llm_bandit::report::render;
use llm_bandit::run::run;
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::synthetic::SyntheticSettings;

fn scenario(budget: &str) -> llm_bandit::error::Result<Scenario> {
    let text = format!(
        "description = \"d\"\nsuite = \"s\"\nreplicates = 2\n{budget}[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n\
         [[router]]\nkind = \"single\"\nchoose = \"cheapest\"\n"
    );
    Scenario::parse(Path::new("s.toml"), &text)
}

#[test]
fn a_router_spends_what_it_is_given_and_scores_no_more_than_the_best_in_hindsight_allows() {
    let settings = SyntheticSettings { n_prompts: 900, n_models: 4, ..SyntheticSettings::default() };
    let suite = settings.generate().unwrap().suite;
    let costs: Vec<f64> = (0..900).filter_map(|prompt| suite.outcomes.cost_usd.get(prompt, 0)).collect();
    let usd_per_1000 = 150.0 * costs.iter().sum::<f64>() / 900.0;
    let budget = format!("[budget]\nusd-per-1000 = [{}, {usd_per_1000}]\n", usd_per_1000 / 1000.0);
    let record = run(&scenario(&budget).unwrap(), suite, &|_| {}).unwrap();
    let summary = summarise_without_evidence(&record);
    let [too_small, fair] = &budgets(&record, &summary)[..] else { panic!("two budgets") };
    for streamed in &fair.routers[0] {
        let hindsight = streamed.hindsight.unwrap();
        assert!(streamed.score < hindsight + 0.03 && streamed.score > hindsight - 0.05, "{streamed:?}");
        assert!(streamed.spent > 0.9 && streamed.most_over < 0.01, "{streamed:?}");
    }
    let never: Vec<_> = too_small.routers.iter().flatten().collect();
    assert!(never.iter().all(|streamed| streamed.hindsight.is_none() && streamed.over == 1.0));

    let verdicts = judge(&record, &summary).unwrap();
    let files = render(&record, &summary, &verdicts);
    let text = |wanted: &str| {
        let (_, bytes) = files.iter().find(|(name, _)| *name == wanted).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    };
    assert_eq!(text("budget.csv").lines().count(), 1 + 2 * 2 * 2);
    assert!(
        text("report.md").contains("## Within a budget") && text("report.html").contains("Within a budget")
    );
}

#[test]
fn budgets_that_cannot_be_are_one_line() {
    let fault = |budget: &str| scenario(budget).unwrap_err().to_string();
    assert_eq!(
        fault("[budget]\nusd-per-1000 = [-1.0]\n"),
        "s.toml:5: `usd-per-1000` lists 1 to 20 budgets in US dollars, each above 0"
    );
    assert!(fault("[budget]\nusd-per-1000 = []\n").starts_with("s.toml:4: [budget] names no limit"));
    assert!(fault("[budget]\nusd-per-1000 = [1.0]\norders = 0\n").starts_with("s.toml:6: `orders`"));
    assert!(fault("[budget]\nusd-per-1000 = [1.0]\n[session]\n").contains("leave one out"));
    let mut suite =
        SyntheticSettings { n_prompts: 60, ..SyntheticSettings::default() }.generate().unwrap().suite;
    suite.outcomes.cost_usd = llm_bandit::suite::CellTable::missing(60, suite.models.len());
    suite.outcomes.output_tokens = suite.outcomes.cost_usd.clone();
    let error = run(&scenario("[budget]\nusd-per-1000 = [1.0]\n").unwrap(), suite, &|_| {}).unwrap_err();
    assert!(error.to_string().contains("[budget] needs costs"), "{error}");
}
