//! Where the numbers come from, and how to get them again.

use std::fmt::Write;

use super::{Page, escape};

/// The section.
pub(super) fn write(text: &mut String, page: &Page) {
    let manifest = &page.record.manifest;
    let (scenario, suite) = (&manifest.scenario, &manifest.suite);
    let info = &suite.info;
    let _ = write!(
        text,
        "<section aria-labelledby=\"again-title\">\n<h2 id=\"again-title\">Where it comes from, and how to get it again</h2>\n\
         <pre><code>llm-bandit run {name}.toml --seed {} --replicates {} --datasets DIR</code></pre>\n<p>With the suite \
         <code>{}</code> inside of DIR, or built in. Every table and figure is rebuilt from the record beside this file \
         with <code>llm-bandit report FOLDER</code>, without a suite and without training, and checked with <code>llm-bandit verify \
         FOLDER</code>.</p>\n<dl>\n",
        scenario.seed,
        scenario.replicates,
        escape(&scenario.suite),
        name = escape(&scenario.name),
    );
    let mut fact = |term: &str, words: &str| {
        if !words.is_empty() {
            let _ = writeln!(text, "<div><dt>{term}</dt><dd>{}</dd></div>", escape(words));
        }
    };
    fact("scenario", &scenario.name);
    fact("seed", &scenario.seed.to_string());
    fact("replicates", &scenario.replicates.to_string());
    fact("suite", &info.name);
    fact("suite, SHA-256", &suite.content_hash);
    fact("scenario, SHA-256", &manifest.scenario_hash);
    fact("list prices, SHA-256", &manifest.list_prices_hash);
    fact("embeddings", &suite.encoded_by.as_ref().map_or(String::new(), ToString::to_string));
    fact("licence of the data", &info.licence);
    fact("origin of the data", &info.source);
    fact("what a score is", &info.primary_metric);
    fact("candidates", &suite.models.len().to_string());
    fact("preferences", &manifest.preferences.len().to_string());
    fact("llm-bandit", &manifest.program_version);
    fact("format of the record", &manifest.format.to_string());
    let settings = serde_json::to_string_pretty(scenario).expect("a scenario is plain data");
    let _ = write!(
        text,
        "</dl>\n<details><summary>The scenario with every default written out</summary>\n<pre><code>{}</code></pre></details>\n\
         </section>\n",
        settings.lines().map(escape).collect::<Vec<_>>().join("\n")
    );
}
