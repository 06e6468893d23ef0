//! External routers: decisions from a file, and programs that answer or do not.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::path::Path;
use std::process::Command;

use llm_bandit::record::Record;
use llm_bandit::run::CellCache;
use llm_bandit::run::{check, resume, run};
use llm_bandit::scenario::Scenario;
use llm_bandit::suite::Suite;
use llm_bandit::suite::synthetic::SyntheticSettings;

/// In the order of ids, which is that of a record.
const NAMES: [&str; 3] = ["cheap", "large", "odd"];

fn suite() -> Suite {
    let settings = SyntheticSettings { n_prompts: 60, n_models: 3, ..SyntheticSettings::default() };
    let mut suite = settings.generate().unwrap().suite;
    for (model, name) in suite.models.iter_mut().zip(NAMES) {
        model.id = name.into();
    }
    for (at, prompt) in suite.prompts.iter_mut().enumerate() {
        prompt.text = format!("prompt {at}, said in {}", "so ".repeat(8 * at)).into();
    }
    suite
}

fn scenario(routers: &str) -> Scenario {
    let text = format!(
        "description = \"d\"\nsuite = \"s\"\n[preferences]\nlow = 0.1\nhigh = 10.0\ncount = 3\n\
         distribution = {{ kind = \"uniform\", low = 0.1, high = 2.0 }}\n{routers}"
    );
    Scenario::parse(Path::new("s.toml"), &text).unwrap()
}

fn record(routers: &str) -> Record {
    run(&scenario(routers), suite(), &|_| {}).unwrap()
}

fn fault(routers: &str) -> String {
    let error = run(&scenario(routers), suite(), &|_| {}).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

/// A `[[router]]` that runs a program of the shell: it reads the greeting, says its version, and then does this.
fn shell(then: &str, more: &str) -> String {
    let program = format!("read -r greeting; echo '{{\"version\": \"sh 1\"}}'; {then}");
    whole_shell(&program, more)
}

/// One request after another, so that answers need no id, unless `more` says otherwise.
fn whole_shell(program: &str, more: &str) -> String {
    let more = if more.contains("batch") { more.to_owned() } else { format!("batch = 1\n{more}") };
    format!("[[router]]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", '''{program}''']\n{more}\n")
}

/// Takes the id out of a request.
const ID: &str = r#"id=${line#*\"id\":\"}; id=${id%%\"*}"#;

/// Answers every request with the same line.
fn always(answer: &str) -> String {
    format!("while read -r line; do [ -z \"$line\" ] || echo '{answer}'; done")
}

fn all_choices(record: &Record, router: usize) -> &[u16] {
    record.choices[0][router].models()
}

#[test]
fn decisions_of_a_file_are_those_of_the_router_that_wrote_them() {
    let routers = "[[router]]\nkind = \"random\"\n[[router]]\nkind = \"predictor\"\nmodel = \"linear\"\n";
    let before = record(routers);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.csv");
    let mut text = "prompt_id,preference,model\n".to_owned();
    for (at, weight) in before.manifest.preferences.iter().enumerate() {
        let chosen = before.choices[0][1].at_preference(at);
        for (&model, prompt) in chosen.iter().zip(&before.test_prompts[0]) {
            let name = NAMES[usize::from(model)];
            text.push_str(&format!("{},{weight},{name}\n", before.prompts[prompt.at()].id));
        }
    }
    fs::write(&path, &text).unwrap();
    let decisions = format!("[[router]]\nkind = \"decisions\"\nfile = \"{}\"\n", path.display());
    let after = record(&format!("{routers}{decisions}"));
    assert_eq!(all_choices(&after, 2), all_choices(&after, 1));
    assert_eq!(all_choices(&after, 1), all_choices(&before, 1));
    assert_eq!(after.manifest.replicates[0].routers[2].paid.outcomes_seen, 0);

    // A prompt less, and nothing is trained: the fault is found before.
    let last = text.trim_end().rfind('\n').unwrap();
    fs::write(&path, &text[..last]).unwrap();
    let hopeless = "[[router]]\nkind = \"command\"\ncommand = [\"no such program\"]\n";
    let missing = fault(&format!("{hopeless}{decisions}"));
    assert!(missing.contains("decisions.csv: decides nothing for prompt `"), "{missing}");
    fs::write(&path, text.replacen("cheap", "chea", 1)).unwrap();
    let unknown = check(&scenario(&decisions), suite()).unwrap_err().to_string();
    assert!(unknown.ends_with(": chooses `chea`, which is no candidate; did you mean `cheap`?"), "{unknown}");
}

#[test]
fn no_choice_made_elsewhere_is_taken_up_from_an_interrupted_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("decisions.csv");
    let kept = CellCache::new(folder.path().join("cells"), "build".into());
    let routers = format!(
        "[[router]]\nkind = \"random\"\n[[router]]\nkind = \"decisions\"\nfile = \"{}\"\n",
        path.display()
    );
    let choices_of = |name: &str| {
        let rows: String = suite().prompts.iter().map(|prompt| format!("{},{name}\n", prompt.id)).collect();
        fs::write(&path, format!("prompt_id,model\n{rows}")).unwrap();
        let record = resume(&scenario(&routers), suite(), Some(&kept), &|_| {}).unwrap();
        all_choices(&record, 1).to_vec()
    };
    assert!(choices_of("cheap").iter().all(|&model| model == 0));
    assert_eq!(fs::read_dir(folder.path().join("cells")).unwrap().count(), 1);
    assert!(choices_of("odd").iter().all(|&model| model == 2));
}

#[test]
fn a_program_chooses_and_says_what_it_is_and_what_it_costs() {
    let record = record(&shell(&always("{\"model\": \"large\", \"cost_usd\": 0.25}"), ""));
    assert!(all_choices(&record, 0).iter().all(|&model| model == 1));
    let notes = &record.manifest.replicates[0].routers[0].notes;
    assert_eq!(notes["version"], "sh 1");
    assert_eq!(notes["cost-usd-per-decision"], "0.25");
    assert!(notes["program"].starts_with("sh -c read -r greeting;"));
}

#[test]
fn a_program_may_answer_line_by_line_or_whole_batches_and_all_preferences_at_once() {
    let sequence = format!(
        "n=0; while read -r line; do [ -z \"$line\" ] && continue; {ID}; n=$(( (n * 7 + 3) % 3 )); case $n in 0) m=cheap;; \
         1) m=large;; *) m=odd;; esac; n=$((n + 1)); printf '{{\"id\": \"%s\", \"model\": \"%s\"}}\\n' \"$id\" $m; done"
    );
    let choices = |batch: &str| all_choices(&record(&shell(&sequence, batch)), 0).to_vec();
    let one_by_one = choices("batch = 1");
    assert!((0..3).all(|model| one_by_one.contains(&model)));
    assert_eq!(choices("batch = 7"), one_by_one);
    assert_eq!(choices("batch = 100000"), one_by_one);
    // Nothing is said before the batch is read to its end.
    let by_batch = format!(
        "ids=; while read -r line; do if [ -n \"$line\" ]; then {ID}; ids=\"$ids $id\"; continue; fi; for id in $ids; do \
         printf '{{\"id\": \"%s\", \"model\": \"odd\"}}\\n' $id; done; ids=; done"
    );
    assert!(choices_are(&record(&shell(&by_batch, "batch = 5")), 2));
    let at_once = always("{\"models\": [\"cheap\", \"large\", \"odd\", \"cheap\"]}");
    let record = record(&shell(&at_once, "at-once = true"));
    let chosen: Vec<u16> = (0..4).map(|at| record.choices[0][0].at_preference(at)[3]).collect();
    assert_eq!(chosen, [0, 1, 2, 0]);
}

fn choices_are(record: &Record, model: u16) -> bool {
    all_choices(record, 0).iter().all(|&chosen| chosen == model)
}

#[test]
fn scores_are_weighed_against_costs_as_those_of_any_predictor() {
    let mut suite = suite();
    for prompt in 0..60 {
        for (model, cost) in [1.0, 4.0, 2.0].into_iter().enumerate() {
            suite.outcomes.cost_usd.set(prompt, model, Some(cost));
        }
    }
    let answer = always("{\"scores\": {\"cheap\": 0.5, \"odd\": 0.6, \"large\": 0.9}}");
    // In units of the most expensive: 0.25, 1, 0.5. At w = 0 large, at 0.1 large, at 1 cheap before odd and large, at 10 cheap.
    for more in ["cost = \"mean\"", "cost = \"mean\"\nat-once = true"] {
        let record = run(&scenario(&shell(&answer, more)), suite.clone(), &|_| {}).unwrap();
        let chosen: Vec<u16> = (0..4).map(|at| record.choices[0][0].at_preference(at)[3]).collect();
        assert_eq!(chosen, [1, 1, 0, 0]);
    }
}

#[test]
fn a_program_that_fails_is_an_error_with_the_last_it_said() {
    let hang = fault(&shell("echo waiting for nobody >&2; exec sleep 60", "time-limit-s = 0.4"));
    assert!(hang.starts_with("router `command`, replicate 0: program `sh -c "), "{hang}");
    assert!(
        hang.ends_with("has not answered for 0.4 s; the last lines of its stderr: waiting for nobody"),
        "{hang}"
    );
    let slow = fault(&whole_shell("exec sleep 60", "start-limit-s = 0.2"));
    assert!(slow.ends_with("has not answered for 0.2 s; it wrote nothing to stderr"), "{slow}");
    let dead = fault(&shell("read -r one; for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; exit 3", ""));
    assert!(
        dead.ends_with(
            "ended (exit status: 3) before it answered; the last lines of its stderr: line 3 | line 4 | line 5 | line 6 | line 7"
        ),
        "{dead}"
    );
    let nonsense = fault(&shell(&always("well, perhaps"), ""));
    assert!(nonsense.contains("with `well, perhaps`, which is no answer: expected value"), "{nonsense}");
    for (answer, words) in [
        ("{}", "with `{}`; `model` or `scores` is needed"),
        ("{\"scores\": {}}", "`model` or `scores` is needed"),
        ("{\"model\": \"lage\"}", "chooses `lage` for prompt `"),
        ("{\"model\": \"lage\"}", "which is not in its pool; did you mean `large`?"),
        ("{\"scores\": {\"tiny\": 1.0}}", "chooses `tiny` for prompt `"),
        ("{\"model\": \"odd\", \"id\": \"another\"}", "answers prompt `another` where `"),
        ("{\"model\": \"odd\", \"cost_usd\": -1.0}", "cost -1 dollars to decide"),
    ] {
        let fault = fault(&shell(&always(answer), ""));
        assert!(fault.contains(words), "{answer}: {fault}");
    }
    let fewer = fault(&shell(&always("{\"models\": [\"odd\"]}"), "at-once = true"));
    assert!(fewer.contains("`models` with 4 names or `scores` is needed"), "{fewer}");
    let rude = fault(&whole_shell("read -r greeting; echo hello; cat", ""));
    assert!(rude.contains("answers the greeting with `hello` instead of `{\"version\": ...}`"), "{rude}");
    let absent = fault("[[router]]\nkind = \"command\"\ncommand = [\"./no-such-program\"]\n");
    assert!(
        absent.starts_with("router `command`, replicate 0: cannot start `./no-such-program`: "),
        "{absent}"
    );
}

#[test]
fn every_question_has_one_answer_and_it_is_that_of_the_question() {
    let answer = "{\"model\": \"odd\"}";
    let twice = fault(&shell(
        &format!(
            "while read -r line; do [ -z \"$line\" ] || printf '%s\\n%s\\n' '{answer}' '{answer}'; done"
        ),
        "",
    ));
    assert!(twice.contains("unasked: every question has one answer"), "{twice}");
    let ahead = fault(&shell(&format!("yes '{answer}' | head -n 100000; cat > /dev/null"), ""));
    assert!(ahead.contains("says `{\"model\": \"odd\"}` unasked: every question has one answer"), "{ahead}");
    let at_last = fault(&shell(&format!("{}; echo '{answer}'", always(answer)), ""));
    assert!(at_last.contains("unasked"), "{at_last}");
    let nameless = fault(&shell(&always(answer), "batch = 2"));
    assert!(nameless.contains("without its `id`, which only `batch = 1` can do without"), "{nameless}");
    let other = fault(&shell(&always("{\"model\": \"odd\", \"preference\": 7.5}"), ""));
    assert!(other.contains("at preference 7.5 where 0 was asked"), "{other}");
    assert!(choices_are(&record(&shell(&always(answer), "")), 2));
}

/// Whether a process runs, which its parent may have left unburied.
#[cfg(target_os = "linux")]
fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until the pids of a file do not run any more.
#[cfg(target_os = "linux")]
fn assert_ended(pids: &Path, n_pids: usize) {
    let read = || fs::read_to_string(pids).unwrap_or_default();
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !holds() {
            assert!(std::time::Instant::now() < until, "{what}: {}", read());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    wait("not all have started", &|| read().lines().count() == n_pids);
    wait("some go on", &|| !read().lines().any(is_running));
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_that_a_program_starts_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let start = format!(
        "sleep 600 & echo $! >> {0}; sh -c 'sleep 600 & echo $! >> {0}; wait' & echo $! >> {0}",
        pids.display()
    );
    // It ends by itself, it fails, and it does not end.
    record(&shell(
        &format!(
            "{start}; while [ $(wc -l < {}) -lt 3 ]; do :; done; {}",
            pids.display(),
            always("{\"model\": \"odd\"}")
        ),
        "",
    ));
    assert_ended(&pids, 3);
    fault(&shell(&format!("{start}; while [ $(wc -l < {}) -lt 6 ]; do :; done; exit 3", pids.display()), ""));
    assert_ended(&pids, 6);
    fault(&shell(&format!("{start}; exec sleep 600"), "time-limit-s = 1.0"));
    assert_ended(&pids, 9);
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_outlives_a_run_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let suite_folder = folder.path().join("suite");
    fs::create_dir(&suite_folder).unwrap();
    suite().write(&suite_folder).unwrap();
    let pids = folder.path().join("pids");
    let program = format!("sleep 600 & echo $! >> {0}; echo $$ >> {0}; exec sleep 600", pids.display());
    let text = format!("description = \"d\"\nsuite = \"suite\"\n{}", shell(&program, "time-limit-s = 600.0"));
    let scenario = folder.path().join("s.toml");
    fs::write(&scenario, text).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_llm-bandit"))
        .args(["run", scenario.to_str().unwrap(), "--quiet", "--datasets", folder.path().to_str().unwrap()])
        .arg("--out")
        .arg(folder.path().join("out"))
        .spawn()
        .unwrap();
    let started = || fs::read_to_string(&pids).unwrap_or_default().lines().count() == 2;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !started() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(fs::read_to_string(&pids).unwrap().lines().all(is_running));
    // SIGKILL: nothing that the run could do about it.
    run.kill().unwrap();
    run.wait().unwrap();
    assert_ended(&pids, 2);
}

#[test]
fn settings_out_of_range_name_their_line() {
    for (more, words) in [
        ("time-limit-s = 0.0", "`time-limit-s` and `start-limit-s` are seconds above 0, a million at most"),
        ("batch = 0", "`batch` must be from 1 to 100000 requests"),
    ] {
        let text = format!("description = \"d\"\nsuite = \"s\"\n{}", shell("cat", more));
        let error = Scenario::parse(Path::new("s.toml"), &text).unwrap_err().to_string();
        let line = 1 + text.lines().position(|line| line == more).unwrap();
        assert_eq!(error, format!("s.toml:{line}: {words}"));
    }
}

#[test]
fn training_data_are_handed_over_as_a_suite_without_test_prompts() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("handed");
    // The program says where it was told to look, as its version.
    let program = format!(
        "read -r greeting; f=${{greeting##*training_folder\\\":\\\"}}; f=${{f%%\\\"*}}; n=$(wc -l < \"$f/split.csv\"); \
         echo \"{{\\\"version\\\": \\\"$f $((n))\\\"}}\"; {}",
        always("{\"model\": \"odd\"}")
    );
    let record = record(&whole_shell(&program, &format!("training-folder = \"{}\"", place.display())));
    let training = &record.manifest.replicates[0].routers[0];
    let (told, n_lines) = training.notes["version"].rsplit_once(' ').unwrap();
    let handed = Suite::read(Path::new(told)).unwrap();
    let whole = suite();
    let (n_training, n_test) =
        (record.manifest.replicates[0].n_training, record.manifest.replicates[0].n_test);
    assert_eq!(handed.prompts.len() + n_test, 60);
    assert_eq!(n_lines, (handed.prompts.len() + 1).to_string());
    assert_eq!(training.paid.outcomes_seen, 3 * handed.prompts.len());
    for (at, prompt) in handed.prompts.iter().enumerate() {
        assert!(record.prompts.iter().all(|tested| tested.id != prompt.id));
        let original = whole.prompts.iter().position(|known| known.id == prompt.id).unwrap();
        assert_eq!(prompt.text, whole.prompts[original].text);
        for model in 0..3 {
            assert_eq!(handed.outcomes.score.get(at, model), whole.outcomes.score.get(original, model));
            let [cost, paid] = [&handed, &whole].map(|suite| &suite.outcomes.cost_usd).map(|table| {
                table.get(if std::ptr::eq(table, &handed.outcomes.cost_usd) { at } else { original }, model)
            });
            assert!((cost.unwrap() / paid.unwrap() - 1.0).abs() < 1e-12);
        }
    }
    let split = fs::read_to_string(Path::new(told).join("split.csv")).unwrap();
    assert_eq!(split.lines().filter(|line| line.ends_with(",training")).count(), n_training);
}

/// Python may be missing on a machine; then whoever runs the tests must say so, or the example would rot unseen.
#[test]
fn the_ten_lines_of_python_route() {
    let has_python =
        Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_python {
        assert!(
            std::env::var_os("LLM_BANDIT_NO_PYTHON").is_some(),
            "python3 is needed to try examples/routers/ten_lines.py; set LLM_BANDIT_NO_PYTHON=1 to do without"
        );
        return;
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/routers/ten_lines.py");
    let router =
        format!("[[router]]\nkind = \"command\"\ncommand = [\"python3\", \"{}\"]\n", example.display());
    let record = record(&router);
    let suite = suite();
    for (at, &weight) in record.manifest.preferences.iter().enumerate() {
        let chosen = record.choices[0][0].at_preference(at);
        for (&model, prompt) in chosen.iter().zip(&record.test_prompts[0]) {
            let id = &record.prompts[prompt.at()].id;
            let text = &suite.prompts.iter().find(|known| known.id == *id).unwrap().text;
            let expected = if weight > 0.5 || text.len() < 200 { 2 } else { 0 };
            assert_eq!(model, expected, "{id} at {weight}");
        }
    }
    assert!(all_choices(&record, 0).contains(&0) && all_choices(&record, 0).contains(&2));
    assert_eq!(record.manifest.replicates[0].routers[0].notes["version"], "ten lines, 1");
}
