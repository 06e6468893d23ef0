//! What the documents say is so: their commands are known to the program, their links lead somewhere, and every metric, router, key,
//! and command is in them.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::program::llm_bandit;
use llm_bandit::metrics::METRICS;
use llm_bandit::router::Registry;

const MOST_WORDS_OF_README: usize = 1200;
const MOST_WORDS_OF_PAGE: usize = 2000;

pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = checkout().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages of the book, relative to the checkout.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(checkout().join("docs/src"))
        .unwrap()
        .map(|entry| Path::new("docs/src").join(entry.unwrap().file_name()))
        .collect();
    pages.sort();
    pages
}

/// The documents with commands.
pub(crate) fn documents() -> Vec<PathBuf> {
    [vec!["README.md".into()], pages()].concat()
}

/// A fenced block of a document.
pub(crate) struct Block {
    /// What stands behind the opening fence.
    pub(crate) info: String,
    /// The number of its first line, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The fenced blocks of a document, and its text without them.
pub(crate) fn parts(document: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (number, line) in (1..).zip(document.lines()) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                open = Some(Block { info: info.into(), line: number + 1, text: String::new() })
            }
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    (blocks, prose)
}

/// The words of a line of shell, one list for each command on it, without comments.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), String::new(), None);
    for letter in line.chars().chain([' ']) {
        match letter {
            _ if quote == Some(letter) => quote = None,
            _ if quote.is_some() => word.push(letter),
            '\'' | '"' => quote = Some(letter),
            '#' if word.is_empty() => break,
            ' ' | '|' | ';' | '&' => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                if letter != ' ' {
                    commands.push(std::mem::take(&mut words));
                }
            }
            _ => word.push(letter),
        }
    }
    commands.push(words);
    commands
}

/// The arguments of a command that calls this program.
fn arguments(words: &[String]) -> Option<&[String]> {
    match words.first()?.as_str() {
        "llm-bandit" => Some(&words[1..]),
        "cargo" if words.get(1)? == "run" => {
            Some(&words[words.iter().position(|word| word == "--").expect("arguments behind `--`") + 1..])
        }
        _ => None,
    }
}

/// Every call of the program in a document: where, and its arguments.
fn calls(path: &Path) -> Vec<(String, Vec<String>)> {
    let (blocks, prose) = parts(&read(path));
    let in_blocks = blocks.iter().filter(|block| block.info.starts_with("sh")).flat_map(|block| {
        let joined = block.text.replace("\\\n", " ");
        let lines: Vec<String> = joined.lines().map(str::to_owned).collect();
        let place = format!("{}:{}", path.display(), block.line);
        lines.into_iter().map(move |line| (place.clone(), line))
    });
    let spans =
        prose.split('`').skip(1).step_by(2).map(|span| (path.display().to_string(), span.replace('\n', " ")));
    let mut calls = Vec::new();
    for (place, line) in in_blocks.chain(spans) {
        for words in commands_of(&line) {
            calls.extend(arguments(&words).map(|arguments| (place.clone(), arguments.to_vec())));
        }
    }
    calls
}

fn help(arguments: &[&str]) -> String {
    let output = llm_bandit(checkout(), &[arguments, &["--help"]].concat());
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of the program, each with its flags.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let text = help(&[]);
    let list = text.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names = names.map(|line| line.split(' ').next().unwrap()).filter(|name| *name != "help");
    let flags = |name: &str| {
        let words = help(&[name]);
        let lines = words.lines().map(|line| line.trim_start().trim_start_matches("-h, "));
        let flags = lines.filter(|line| line.starts_with("--"));
        flags.map(|line| line.split([' ', '=']).next().unwrap().to_owned()).collect()
    };
    names.map(|name| (name.to_owned(), flags(name))).collect()
}

/// What is wrong with the arguments of a call; nothing where the program knows its command and flags.
fn fault(known: &BTreeMap<String, BTreeSet<String>>, arguments: &[String]) -> Option<String> {
    let command = arguments.first()?;
    // `COMMAND` stands for any.
    if command.starts_with("--") || command.chars().all(char::is_uppercase) {
        return None;
    }
    let Some(flags) = known.get(command) else { return Some(format!("no command `{command}`")) };
    let flag_of = |word: &String| word.split('=').next().unwrap().to_owned();
    let used = arguments.iter().filter(|word| word.starts_with("--")).map(flag_of);
    used.into_iter().find(|flag| !flags.contains(flag)).map(|flag| format!("`{command}` has no `{flag}`"))
}

#[test]
fn the_program_knows_every_command_and_flag() {
    let known = known();
    let (mut n_calls, mut faults) = (0, Vec::new());
    for path in documents() {
        for (place, arguments) in calls(&path) {
            n_calls += 1;
            faults.extend(fault(&known, &arguments).map(|fault| format!("{place}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(n_calls > 60, "{n_calls} calls were found");
    // That a fault would be found.
    let fault = |line: &str| fault(&known, arguments(&commands_of(line)[0]).unwrap());
    assert_eq!(fault("llm-bandit run 'a b' --seed 1 # --none"), None);
    assert_eq!(fault("llm-bandit rnu x").unwrap(), "no command `rnu`");
    assert_eq!(fault("cargo run --release -- run x --sead=1").unwrap(), "`run` has no `--sead`");
}

#[test]
fn every_command_has_a_line() {
    let page = read("docs/src/commands.md");
    let missing: Vec<String> =
        known().into_keys().filter(|name| !page.contains(&format!("\n| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/src/commands.md: {missing:?}");
}

#[test]
fn every_metric_and_router_is_explained() {
    let metrics = read("docs/src/metrics.md");
    let missing =
        METRICS.iter().map(|metric| metric.name).filter(|name| !metrics.contains(&format!("`{name}`")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "docs/src/metrics.md");
    let headline = METRICS.iter().filter(|metric| metric.is_headline);
    let plain = headline.filter(|metric| !metrics.contains(&format!("**`{}`**", metric.name)));
    assert_eq!(plain.map(|metric| metric.name).collect::<Vec<_>>(), [""; 0], "headline metrics are bold");
    let (registry, routers) = (Registry::built_in(), read("docs/src/routers.md"));
    let missing = registry.kinds().filter(|kind| !routers.contains(&format!("`{kind}`")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "docs/src/routers.md");
}

/// The names that the program lists where it is given one that it does not know: it knows of a block its keys, and of a kind its
/// settings.
fn names_beside(scenario: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), scenario).unwrap();
    let output = llm_bandit(folder.path(), &["run", "s.toml"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("unknown"), "{scenario}\n{said}");
    let Some((_, listed)) = said.split_once("expected ") else {
        assert!(said.contains("there are no settings here"), "{said}");
        return Vec::new();
    };
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_of_a_scenario_is_explained() {
    let [keys, shifts, routers, online] =
        ["keys", "scenario", "routers", "online"].map(|name| (name, read(format!("docs/src/{name}.md"))));
    let check = |(name, page): &(&str, String), scenario: &str| {
        let names =
            names_beside(&format!("description = \"d\"\nsuite = \"simulated-open-suite\"\n{scenario}"));
        for key in &names {
            let is_there =
                [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`"), format!("`{key} =")];
            assert!(
                is_there.iter().any(|shape| page.contains(shape)),
                "docs/src/{name}.md: `{key}` of\n{scenario}"
            );
        }
        names
    };
    let router = "[[router]]\nkind = \"random\"\n";
    check(&keys, "zzz = 1\n");
    for block in ["pool", "split", "preferences", "cost", "feedback", "unseen", "quiz", "evidence"] {
        check(&keys, &format!("[{block}]\nzzz = 1\n{router}"));
    }
    check(&keys, &format!("{router}[[expect]]\nzzz = 1\n"));
    for kind in check(&shifts, &format!("{router}[[shift]]\nkind = \"zzz\"\n")) {
        check(&shifts, &format!("{router}[[shift]]\nkind = \"{kind}\"\nzzz = 1\n"));
    }
    for kind in check(&routers, "[[router]]\nkind = \"zzz\"\n") {
        check(&routers, &format!("[[router]]\nkind = \"{kind}\"\nzzz = 1\n"));
    }
    check(&keys, &format!("mode = \"online\"\n[online]\nzzz = 1\n{router}"));
    check(&online, &format!("mode = \"online\"\n[[online.change]]\nzzz = 1\n{router}"));
    for kind in check(&online, "mode = \"online\"\n[[router]]\nkind = \"zzz\"\n") {
        check(&online, &format!("mode = \"online\"\n[[router]]\nkind = \"{kind}\"\nzzz = 1\n"));
    }
}

#[test]
fn every_format_to_import_has_a_row() {
    let text = help(&["import"]);
    let list = text.split("Formats: ").nth(1).unwrap().split("\n\n").next().unwrap().replace('\n', " ");
    let (formats, page) = (list.split(", "), read("docs/src/your-own-results.md"));
    let missing = formats.filter(|format| !page.contains(&format!("\n| `import {} ", format.trim())));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "docs/src/your-own-results.md");
}

/// What GitHub and mdBook make of a heading for links to it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim_start_matches('#')
        .trim()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let others = ["CONTRIBUTING.md", "ARCHITECTURE.md", "datasets/README.md", "reports/README.md"];
    let (mut n_links, mut faults) = (0, Vec::new());
    for path in documents().into_iter().chain(others.map(PathBuf::from)) {
        let prose = parts(&read(&path)).1;
        for target in prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("http") {
                continue;
            }
            n_links += 1;
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            if !checkout().join(&file).exists() {
                faults.push(format!("{}: {target} is not there", path.display()));
            } else if !place.is_empty() {
                let prose = parts(&read(&file)).1;
                let mut headings = prose.lines().filter(|line| line.starts_with('#'));
                if !headings.any(|heading| anchor(heading) == place) {
                    faults.push(format!("{}: {target} is no heading", path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(n_links > 80, "{n_links} links were found");
}

#[test]
fn the_summary_lists_every_page() {
    let summary = read("docs/src/SUMMARY.md");
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("]({name})")), "{name}");
    }
}

#[test]
fn documents_are_short() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once("<!-- llm-bandit:overall -->").unwrap();
    let (table, after) = rest.split_once("<!-- /llm-bandit:overall -->").unwrap();
    let n_words = before.split_whitespace().count() + after.split_whitespace().count();
    assert!(n_words <= MOST_WORDS_OF_README, "README.md has {n_words} words beside its table");
    let n_rows = table.lines().filter(|line| line.starts_with("| ")).count();
    assert!(n_rows <= 13, "the table of README.md has {n_rows} lines, of which the first is its head");
    for command in ["cargo run --release -- run scenarios/quickstart.toml", "\ncargo test"] {
        assert!(readme.contains(command), "{command}");
    }
    // The page of all keys is made by the program.
    for page in pages().iter().filter(|page| !page.ends_with("keys.md")) {
        let n_words = read(page).split_whitespace().count();
        assert!(n_words <= MOST_WORDS_OF_PAGE, "{} has {n_words} words", page.display());
    }
}
