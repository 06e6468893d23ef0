//! All tests from outside the crate, in one program: linked once, and both cores have work to the end.

mod action;
mod budget;
mod cascade;
mod ceiling;
mod command_line;
mod common;
mod coverage;
mod documented_commands;
mod documents;
mod embed;
mod embedded_suite;
mod extension;
mod external;
mod feedback;
mod first_steps;
mod gate;
mod hostile_records;
mod html_report;
#[path = "import/main.rs"]
mod import;
mod kill_and_resume;
mod layers;
mod logged_feedback;
mod newcomers;
mod objectives;
mod online;
mod overall;
mod paper;
#[path = "pareto_plot/main.rs"]
mod pareto_plot;
mod prices;
mod promises;
mod recovery;
mod recovery_rivals;
mod report_formats;
mod rough_input;
mod routellm_adapter;
mod same_bytes;
mod saved_routers;
mod scale;
mod schema;
mod sentence_transformer;
mod sessions;
mod stress;
mod suite_check;
mod suite_folder;
mod synthetic_suites;
mod test_outcomes;
mod tokenizer;
mod unseen;
mod utility_plot;
mod verify;

/// A file of `tests` that nothing names would be skipped in silence.
#[test]
fn every_file_is_named_here_or_in_the_manifest() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (here, manifest) = (include_str!("main.rs"), include_str!("../Cargo.toml"));
    let entries = std::fs::read_dir(root.join("tests")).expect("the folder of this file");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let is_of_tests = path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").exists();
        let is_named = here.lines().any(|line| line == format!("mod {name};"))
            || manifest.contains(&format!("path = \"tests/{name}.rs\""));
        assert!(!is_of_tests || is_named, "{}", path.display());
    }
}
