//! Likely mistakes of newcomers: each ends in one line that says where, what is wrong, and the way out, with exit code 2 and nothing
//! written, before anything is trained.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;

use crate::common::program::llm_bandit;

/// Files that the mistakes are made with.
const FILES: &[(&str, &str)] = &[
    ("good.csv", "prompt_id,model,score\np1,a,1\np1,b,0\np2,a,0\np2,b,1\n"),
    ("one-model.csv", "prompt_id,model,score\np1,a,1\np2,a,0\n"),
    ("sparse.csv", "prompt_id,model,score\np1,a,1\np1,b,0\np2,a,1\np2,b,0\np3,a,1\np4,b,0\n"),
    ("words.csv", "question,system,correct\nq1,a,1\nq1,b,right\n"),
    ("percent.csv", "prompt_id,model,score\np1,a,87\np1,b,12\n"),
    ("semicolons.csv", "question;system;correct\nq1;a;1\nq1;b;0\n"),
    ("no-score.csv", "question,system,usd\nq1,a,0.1\nq1,b,0.2\n"),
    ("sheet.xlsx", "PK"),
    ("notes.txt", "x"),
    ("ratings.csv", "prompt_id,model,score\np1,a,1\np1,b,5\np2,a,3\np2,b,4\n"),
    ("scales.csv", "prompt_id,model,score\np1,a,100\np1,b,1\np2,a,0\np2,b,0\np3,a,100\np3,b,1\n"),
    ("json.csv", "[{\"prompt_id\": 1}]\n"),
    ("table.json", "prompt_id,model,score\np1,a,1\n"),
    ("sep.csv", "sep=,\nprompt_id,model,score\np1,a,1\n"),
    ("comment.csv", "# my results\nprompt_id,model,score\np1,a,1\n"),
    ("quote.csv", "prompt_id,model,score\np1,a,1\n\"p2,b,1\np3,a,1\n"),
    ("comma.csv", "prompt,model,score\nWell, then?,a,1\n"),
    ("dollar.csv", "prompt_id,model,score,cost\np1,a,1,$0.01\n"),
    ("decimal.csv", "prompt_id,model,score,cost\np1,a,1,\"0,882\"\n"),
    ("header.csv", "prompt_id,model,score\n"),
    ("empty.csv", ""),
    ("values.csv", "What is this?,a,1,0.01\nWhat is that?,b,0,0.02\n"),
    (
        "samples.jsonl",
        "{\"doc_id\": 1, \"resps\": [], \"acc\": 1}\n{\"doc_id\": 2, \"resps\": [], \"acc\": 0}\n",
    ),
];

/// Suites that are imported of these files.
const SUITES: [&str; 3] = ["good", "one-model", "sparse"];

/// A scenario on a suite of the program, and what is written below it; then what the message says.
const IN_A_SCENARIO: &[(&str, &str)] = &[
    ("[router]\nkind = \"random\"", ":3: `[router]` is one of a list: write `[[router]]`"),
    ("[[routers]]\nkind = \"random\"", ":3: unknown field `routers`; did you mean `router`?"),
    ("", "names no router; the simplest is `[[router]]` with `kind = \"random\"` below it"),
    (
        "[[router]]\nkind = \"knn\"",
        ":4: unknown kind `knn`: it is written `kind = \"predictor\"` with `model = \"knn\"`",
    ),
    (
        "[[router]]\nkind = \"best\"",
        ":4: unknown kind `best`: it is written `kind = \"single\"` with `choose = \"best\"`",
    ),
    (
        "[[router]]\nkind = \"linucb\"",
        ":4: unknown kind `linucb`: it learns online, in a scenario with `mode = \"online\"` at its top",
    ),
    ("[[router]]\nkind = \"llmbandit\"", ":4: unknown variant `llmbandit`; did you mean `llm-bandit`?"),
    ("[[router]]\nkind = random", ":4: string values must be quoted"),
    (
        "[[router]]\nkind = \"predictor\"\nmodel = \"lienar\"",
        ":5: unknown variant `lienar`; did you mean `linear`?",
    ),
    (
        "[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\nk = 5",
        ":6: unknown field `k`, expected one of `model`, `cost`, `neighbours`",
    ),
    ("[[router]]\nkind = \"random\"\nname = \"x\"", ":5: unknown field `name`: there are no settings here"),
    (
        "[[router]]\nkind = \"random\"\nlabel = \"a b\"",
        ":5: label `a b`: letters, digits, `-`, `_`, and `.` only",
    ),
    (
        "[[router]]\nkind = \"random\"\n[[router]]\nkind = \"random\"",
        ":5: two routers are labelled `random`; give one another `label`",
    ),
    (
        "[[router]]\nkind = \"routellm-mf\"",
        ":4: router `routellm-mf` chooses between 2 models, but the pool holds 31; name 2 in `[pool]`, `models = [",
    ),
    (
        "[[router]]\nkind = \"command\"\ncommand = \"python3 x.py\"",
        "invalid type: string \"python3 x.py\", expected a list, as in `[\"a\", \"b\"]`",
    ),
    (
        "replicates = \"5\"\n[[router]]\nkind = \"random\"",
        ":3: invalid type: string \"5\", expected a whole number without quotes",
    ),
    ("seeds = 3\n[[router]]\nkind = \"random\"", ":3: unknown field `seeds`; did you mean `seed`?"),
    (
        "license = \"MIT\"\n[[router]]\nkind = \"random\"",
        ":3: unknown field `license`; did you mean `licence`?",
    ),
    (
        "[split]\ntest = 30\n[[router]]\nkind = \"random\"",
        ":4: [split]: `test` 30 and `validation` 0.15 are shares between 0 and 1",
    ),
    (
        "[pool]\nmin-coverage = 90\n[[router]]\nkind = \"random\"",
        ":4: `min-coverage` 90 is no share from 0 to 1",
    ),
    (
        "[pool]\nmodels = [\"gpt-4o\"]\n[[router]]\nkind = \"random\"",
        ":4: [pool] names unknown model `gpt-4o`; did you mean `gpt-4o-2024-05-13`?",
    ),
    (
        "[[router]]\nkind = \"random\"\n[[expect]]\nrouter = \"random\"\nmetric = \"accuracy\"\nat-least = 0.5",
        ":7: an expectation names unknown metric `accuracy`; the metrics are score-at-w0, ",
    ),
    (
        "[evidence]\nprimary = \"accuracy\"\n[[router]]\nkind = \"random\"",
        ":4: `primary` names `accuracy`, which is no headline metric (they are ",
    ),
    (
        "[[router]]\nkind = \"random\"\n[[expect]]\nrouter = \"randm\"\nmetric = \"aiq\"\nat-least = 0.5",
        ":6: an expectation names unknown router `randm`; did you mean `random`?",
    ),
    (
        "[[router]]\nkind = \"random\"\n[[expect]]\nrouter = \"random\"\nmetric = \"aiq\"",
        "states no bound: `at-least`, `at-most`, or `above`",
    ),
    ("[cost]\nprices = \"nope.csv\"\n[[router]]\nkind = \"random\"", ":4: nope.csv: "),
    ("[quiz]\nsize = 10\n[[router]]\nkind = \"random\"", ":3: [quiz] needs `[unseen]`"),
    (
        "[online]\norders = 3\n[[router]]\nkind = \"random\"",
        ":3: `online` needs `mode = \"online\"` at the top of the file",
    ),
];

/// A suite in the place of that of the program, and what is written below it; then what the message says.
const ON_A_SUITE: &[(&str, &str, &str)] = &[
    (
        "mmlu-pro",
        "[[router]]\nkind = \"random\"",
        ":2: unknown suite `mmlu-pro`; did you mean `mmlu-pro-part`?",
    ),
    (
        "my-suite",
        "[[router]]\nkind = \"random\"",
        "`--datasets DIR` names a folder of suites, and datasets/README.md says where",
    ),
    (
        "./good",
        "[[router]]\nkind = \"predictor\"\nmodel = \"knn\"",
        "needs prompt embeddings, which suite `good` does not have; the suite has no texts to embed either: `llm-bandit embed SUITE --from FILE`",
    ),
    (
        "./good\"\nembeddings = \"builtin",
        "[[router]]\nkind = \"random\"",
        "builtin: is not there; did you mean `built-in`?",
    ),
    (
        "./one-model",
        "[[router]]\nkind = \"random\"",
        "[pool] leaves 1 candidate; a router needs at least two; the suite has results of one model alone",
    ),
    (
        "./sparse",
        "[[router]]\nkind = \"random\"",
        "[pool] leaves 0 candidates; a router needs at least two; `min-coverage = 0.75` would keep `a` (75 %) and `b` (75 %)",
    ),
];

/// Commands, and what the message says.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["runn", "s.toml"], "unrecognized subcommand 'runn'; tip: a similar subcommand exists: 'run'"),
    (&["run"], "the following required arguments were not provided: <SCENARIOS>"),
    (&["run", "s.toml", "--replicate", "3"], "tip: a similar argument exists: '--replicates'"),
    (
        &["run", "mine.toml"],
        "mine.toml: there is no such file; `llm-bandit init SUITE` prints a scenario to begin with",
    ),
    (
        &["run", "good.csv"],
        "good.csv: is no scenario (`*.toml`); from results to a decision: `llm-bandit try good.csv`",
    ),
    (&["run", "*.toml"], "*.toml: there is no such file"),
    (
        &["plan", "nosuch"],
        "nosuch: there is no such file; `llm-bandit init SUITE` prints a scenario to begin with",
    ),
    (&["run", "mmlu-pro-prt"], "did you mean `mmlu-pro-part`?"),
    (
        &["run", "s.toml", "--out", "full", "--quiet"],
        "full: holds something other than a report; choose another `--out`",
    ),
    (&["run", "s.toml", "--datasets", "nowhere", "--out", "out", "--quiet"], "nowhere: is not a folder"),
    (
        &["try", "good.csv", "--out", "full"],
        "full: holds something other than an unfinished `try`; choose another `--out`",
    ),
    (&["try", "sheet.xlsx"], "sheet.xlsx: is a spreadsheet; save it as CSV and import that"),
    (&["try", "good"], "good: is a suite already: `llm-bandit run good`"),
    (
        &["import", "good.csv", "--out", "x"],
        "unknown format `good.csv`; the format stands before the file: `import table good.csv`",
    ),
    (&["import", "csv", "good.csv", "--out", "x"], "unknown format `csv`; `table` reads such files"),
    (&["import", "table", "good.csv"], "the following required arguments were not provided: --out <DIR>"),
    (
        &["import", "table", "*.csv", "--out", "x"],
        "*.csv: there is no such file; a pattern between quotes stands for itself",
    ),
    (&["import", "table", "good.csv", "--out", "good"], "good: exists; choose another `--out`, or remove it"),
    (
        &["import", "table", "good.csv", "--out", "x", "--score", "acc", "--quiet"],
        "there is no column `acc`; there are `model`, `prompt_id`, `score`",
    ),
    (
        &["import", "table", "good.csv", "--out", "x", "--model", "modle", "--quiet"],
        "there is no column `modle`; did you mean `model`?",
    ),
    (
        &["import", "table", "words.csv", "--out", "x", "--quiet"],
        "words.csv:3: column `correct`: `right` is no score; where it is not the score, name that with `--score`",
    ),
    (&["import", "table", "no-score.csv", "--out", "x", "--quiet"], "name it with `--score`"),
    (&["import", "table", "percent.csv", "--out", "x", "--quiet"], "perhaps `--score-range 0,100`"),
    (
        &["import", "table", "semicolons.csv", "--out", "x", "--quiet"],
        "semicolons.csv:1: its fields are divided by `;`",
    ),
    (
        &["import", "table", "good.csv", "--out", "x", "--licence"],
        "a value is required for '--licence <TEXT>'",
    ),
    (&["import", "table", "ratings.csv", "--out", "x", "--quiet"], "perhaps `--score-range 1,5`"),
    (
        &["import", "table", "scales.csv", "--out", "x", "--quiet"],
        "those of `b` go from 0 to 1: models use different scales",
    ),
    (
        &["import", "table", "json.csv", "--out", "x", "--quiet"],
        "json.csv: is JSON and no table with delimiters; call it `json.json`",
    ),
    (
        &["import", "table", "table.json", "--out", "x", "--quiet"],
        "table.json: is no JSON, which begins with `[` or `{`",
    ),
    (
        &["import", "table", "sep.csv", "--out", "x", "--quiet"],
        "sep.csv:1: `sep=,` is a note for Excel; remove this line",
    ),
    (
        &["import", "table", "comment.csv", "--out", "x", "--quiet"],
        "comment.csv:1: `# my results` is a comment",
    ),
    (
        &["import", "table", "quote.csv", "--out", "x", "--quiet"],
        "quote.csv:3: a quote opens in field 1 and is not closed on its line",
    ),
    (
        &["import", "table", "comma.csv", "--out", "x", "--quiet"],
        "comma.csv:2: 4 fields where the header has 3: a field that holds the delimiter has to stand between quotes",
    ),
    (
        &["import", "table", "dollar.csv", "--out", "x", "--quiet"],
        "dollar.csv:2: column `cost`: `$0.01` is no finite number; write `0.01`, without sign or unit",
    ),
    (
        &["import", "table", "decimal.csv", "--out", "x", "--quiet"],
        "write `0.882`, with a decimal point and no comma",
    ),
    (
        &["import", "table", "header.csv", "--out", "x", "--quiet"],
        "header.csv: holds a header and no row below it",
    ),
    (&["import", "table", "empty.csv", "--out", "x", "--quiet"], "empty.csv: is empty"),
    (
        &["import", "table", "values.csv", "--out", "x", "--quiet"],
        "holds values (`0.01`, `1`) where the names of the columns",
    ),
    (
        &["import", "table", "samples.jsonl", "--out", "x", "--quiet"],
        "has the columns of `lm-eval` results; `import lm-eval` reads them, and `try --format lm-eval`",
    ),
    (&["try", "lm-eval", "good.csv"], "`lm-eval` is a format and no file: `import lm-eval FILE ...`"),
    (
        &["init", "good.csv"],
        "good.csv: is a file and no suite; `llm-bandit import table good.csv --out SUITE`",
    ),
    (&["embed", "good.csv"], "good.csv: is a file and no suite"),
    (
        &["run", "good/suite.toml"],
        "describes a suite and is no scenario; give its folder: `llm-bandit run good`",
    ),
    (&["plan", "good"], "good: is a suite and no scenario; `llm-bandit init good > my.toml`"),
    (&["train", "good", "--router", "x", "--out", "r"], "good: is a suite and no scenario"),
    (&["advise", "good", "--budget", "-1"], "`--budget` must be a number of US dollars, not -1"),
    (
        &["advise", "nowhere", "--save"],
        "nowhere: there is no such folder; `llm-bandit run SCENARIO` writes a report",
    ),
    (&["compare", "nowhere"], "nowhere: there is no such folder"),
    (&["report", "nowhere"], "nowhere: there is no such folder"),
    (&["decisions", "nowhere", "--router", "knn"], "nowhere: there is no such folder"),
    (&["diff", "nowhere", "nowhere"], "nowhere: there is no such folder"),
    (&["check", "nowhere", "--against", "nowhere"], "nowhere: there is no such folder"),
    (&["embed", "mmlu-pro-part"], "is built in and has no texts"),
    (&["embed", "good"], "no prompt has a text that could be embedded"),
    (&["report", "good"], "good: holds no report; `llm-bandit run SCENARIO` writes one below `reports`"),
    (
        &["check", "good", "--against", "good"],
        "good: holds no report: there is no folder `record` in it; `llm-bandit run SCENARIO` writes one",
    ),
    (&["advise", "good"], "<--budget <USD>|--score <SCORE>|--save>"),
    (&["plan", "s.toml"], "make a pilot with `llm-bandit run s.toml --replicates 3`"),
    (&["train", "s.toml"], "were not provided: --router <LABEL>; --out <FILE>"),
    (
        &["train", "s.toml", "--router", "knn", "--out", "r.safetensors"],
        "no router is labelled `knn`; there is `random`",
    ),
    (&["route", "--router", "good.csv"], "good.csv: is no router as `train` writes it"),
    (&["prices", "gpt-5o"], "has no price of `gpt-5o`; the nearest names are `gpt-4o`"),
];

fn scenario(suite: &str, rest: &str) -> String {
    format!("description = \"d\"\nsuite = \"{suite}\"\n{rest}\n")
}

/// A folder with the files and suites.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for name in SUITES {
        let made =
            llm_bandit(folder.path(), &["import", "table", &format!("{name}.csv"), "--out", name, "--quiet"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/notes.txt"), "x").unwrap();
    fs::write(folder.path().join("s.toml"), scenario("mmlu-pro-part", "[[router]]\nkind = \"random\""))
        .unwrap();
    folder
}

/// What is wrong with how a mistake ends; nothing where all is well.
fn fault(folder: &Path, arguments: &[&str], expected: &str) -> Option<String> {
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let output = llm_bandit(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_well = output.status.code() == Some(2)
        && text.lines().count() == 1
        && text.starts_with("error: ")
        && text.contains(expected)
        && output.stdout.is_empty()
        && names() == before;
    (!is_well).then(|| {
        format!("{arguments:?} -> {:?}\n  {}\n  expected: {expected}", output.status.code(), text.trim_end())
    })
}

#[test]
fn likely_mistakes_end_in_one_line_with_the_way_out() {
    let folder = folder();
    let here = folder.path();
    let mut faults = Vec::new();
    let texts = (IN_A_SCENARIO.iter().map(|(rest, expected)| ("mmlu-pro-part", *rest, *expected)))
        .chain(ON_A_SUITE.iter().copied());
    for (at, (suite, rest, expected)) in texts.enumerate() {
        let name = format!("mistake-{at}.toml");
        fs::write(here.join(&name), scenario(suite, rest)).unwrap();
        faults.extend(fault(here, &["run", &name, "--out", "out", "--quiet"], expected));
        fs::remove_file(here.join(&name)).unwrap();
    }
    for (arguments, expected) in COMMANDS {
        faults.extend(fault(here, arguments, expected));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(IN_A_SCENARIO.len() + ON_A_SUITE.len() + COMMANDS.len() >= 30);
}

#[test]
fn columns_of_other_names_are_guessed_or_listed_as_unused() {
    let folder = tempfile::tempdir().unwrap();
    let table = "question,system,correct,usd,tokens_in,tokens_out,latency\nq1,a,1,0.1,10,20,3\nq1,b,0,0.2,10,30,4\nq2,a,0,0.1,11,20,3\nq2,b,1,0.2,11,30,4\n";
    fs::write(folder.path().join("t.csv"), table).unwrap();
    let output = llm_bandit(folder.path(), &["import", "table", "t.csv", "--out", "t"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    for words in ["`question`", "`system`", "`correct`", "`usd`", "`tokens_in`", "`tokens_out`", "`latency`"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}
