//! `verify` on reports: what is sound passes, and whatever is changed is found and named in one line.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use llm_bandit::seed::Stream;
use sha2::{Digest, Sha256};

use crate::common::folder::files;
use crate::common::program::llm_bandit;

const TINY: &str = include_str!("../scenarios/ci/tiny.toml");

/// A fresh report of the tiny scenario in `out`.
fn report() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    assert!(llm_bandit(folder.path(), &["run", "tiny.toml", "--quiet", "--out", "out"]).status.success());
    folder
}

/// The one line with which a report is rejected.
fn rejected(folder: &Path) -> String {
    let output = llm_bandit(folder, &["verify", "out"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

/// Changes a file of the report, makes sure that it did, and puts back what was there once it is rejected.
fn tampered(folder: &Path, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let path = folder.join("out").join(name);
    let before = fs::read(&path).unwrap();
    let after = change(before.clone());
    assert!(before != after, "{name}");
    fs::write(&path, after).unwrap();
    let words = rejected(folder);
    fs::write(&path, before).unwrap();
    words
}

/// Changes text.
fn text(change: impl Fn(&str) -> String) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| change(std::str::from_utf8(&bytes).unwrap()).into_bytes()
}

/// Changes the content of a packed file.
fn packed(change: impl Fn(&mut [u8])) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut content).unwrap();
        change(&mut content);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(7));
        encoder.write_all(&content).unwrap();
        encoder.finish().unwrap()
    }
}

/// Writes `SHA256SUMS` anew, as a careful forger would.
fn sign(folder: &Path) {
    let record = folder.join("out/record");
    let mut paths: Vec<PathBuf> = fs::read_dir(&record).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.ends_with("SHA256SUMS"));
    paths.sort();
    let line = |path: &PathBuf| {
        let hash = Sha256::digest(fs::read(path).unwrap());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hash}  {}\n", path.file_name().unwrap().to_string_lossy())
    };
    fs::write(record.join("SHA256SUMS"), paths.iter().map(line).collect::<String>()).unwrap();
}

/// Sets one bit of the choices at the first preference, so that another model is chosen.
fn flip_choice(content: &mut [u8]) {
    let header = usize::from(u16::from_le_bytes([content[8], content[9]]));
    content[10 + header] ^= 1;
}

/// Turns the first score over.
fn change_score(content: &mut [u8]) {
    let start = 10 + usize::from(u16::from_le_bytes([content[8], content[9]]));
    let score = f64::from_le_bytes(content[start..start + 8].try_into().unwrap());
    content[start..start + 8].copy_from_slice(&(1.0 - score).to_le_bytes());
}

#[test]
fn a_sound_report_is_verified_before_and_after_it_is_rebuilt() {
    let folder = report();
    let verified = || {
        let output = llm_bandit(folder.path(), &["verify", "out"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let before = verified();
    assert!(before.starts_with("out: verified; choices of 10 cells are those committed to, "), "{before}");
    assert!(llm_bandit(folder.path(), &["report", "out"]).status.success());
    fs::write(folder.path().join("out/notes.txt"), "a reader's own file").unwrap();
    assert_eq!(before, verified());
}

#[test]
fn a_changed_table_is_named_by_line_and_column() {
    let folder = report();
    let last_digit = |line: usize| {
        move |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let digit = lines[line].pop().unwrap();
            lines[line].push(if digit == '1' { '2' } else { '1' });
            lines.join("\n") + "\n"
        }
    };
    let words = tampered(folder.path(), "summary.csv", text(last_digit(3)));
    assert!(words.starts_with("out/summary.csv:4: column `high` is `0."), "{words}");
    assert!(words.contains("; the record gives `0."), "{words}");
    let words = tampered(folder.path(), "points.csv", text(last_digit(9)));
    assert!(words.starts_with("out/points.csv:10: column `cost_usd_per_1000` is `"), "{words}");
    // The AIQ of a router, the first number of the first table.
    let words = tampered(
        folder.path(),
        "report.md",
        text(|text| {
            let row = text.lines().find(|line| line.starts_with("| knn |")).unwrap();
            text.replacen(row, &row.replacen("0.", "1.", 1), 1)
        }),
    );
    assert!(words.starts_with("out/report.md:") && words.contains(": column `AIQ"), "{words}");
    let words = tampered(folder.path(), "pareto.png", |mut bytes| {
        bytes[1000] ^= 1;
        bytes
    });
    assert_eq!(words, "out/pareto.png: is not what the record gives, from byte 1000 on");
    fs::remove_file(folder.path().join("out/utility.svg")).unwrap();
    assert!(rejected(folder.path()).starts_with("out/utility.svg: cannot read"));
}

#[test]
fn every_file_of_the_record_is_under_a_hash() {
    let folder = report();
    let names: Vec<String> = fs::read_dir(folder.path().join("out/record"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        names.len(),
        25,
        "manifest, prompts, scores, costs, two of tokens, ten cells and eight predictions, sums: {names:?}"
    );
    for name in names {
        // The last byte but one: in the length field of a packed file, in the text of the others.
        let words = tampered(folder.path(), &format!("record/{name}"), |mut bytes| {
            let at = bytes.len() - 2;
            bytes[at] ^= 1;
            bytes
        });
        assert!(words.starts_with("out/record/"), "{words}");
    }
    fs::write(folder.path().join("out/record/more.npy.gz"), "x").unwrap();
    assert_eq!(rejected(folder.path()), "out/record/more.npy.gz: is not listed in `SHA256SUMS`");
}

#[test]
fn a_flipped_choice_breaks_its_commitment_even_if_every_file_is_hashed_anew() {
    let folder = report();
    let choices = folder.path().join("out/record/choices-0-random.npy.gz");
    fs::write(&choices, packed(flip_choice)(fs::read(&choices).unwrap())).unwrap();
    sign(folder.path());
    let expected = "out/record/choices-0-random.npy.gz: holds other choices than the manifest commits to";
    assert_eq!(rejected(folder.path()), expected);
    // Not only `verify` minds: nothing is computed from such a record.
    let output = llm_bandit(folder.path(), &["report", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("error: {expected}\n"));
    // Without the commitment the report's numbers still give it away, but the lack of one comes first.
    let manifest = folder.path().join("out/record/manifest.json");
    let json = fs::read_to_string(&manifest).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    value["replicates"][0]["routers"][0].as_object_mut().unwrap().remove("choices-hash").unwrap();
    fs::write(&manifest, serde_json::to_string_pretty(&value).unwrap()).unwrap();
    sign(folder.path());
    assert_eq!(
        rejected(folder.path()),
        "out/record/manifest.json: commits to no choices of `random` in replicate 0"
    );
}

#[test]
fn a_changed_score_is_found_by_its_hash_and_by_the_numbers_computed_from_it() {
    let folder = report();
    let words = tampered(folder.path(), "record/scores.npy.gz", packed(change_score));
    assert!(
        words.starts_with("out/record/scores.npy.gz: is not as it was recorded: its SHA-256 is "),
        "{words}"
    );
    let scores = folder.path().join("out/record/scores.npy.gz");
    fs::write(&scores, packed(change_score)(fs::read(&scores).unwrap())).unwrap();
    sign(folder.path());
    let words = rejected(folder.path());
    assert!(words.starts_with("out/points.csv:") && words.contains("; the record gives `"), "{words}");
}

#[test]
fn a_changed_scenario_changed_prices_and_another_version_of_the_program_are_said() {
    let folder = report();
    let manifest = folder.path().join("out/record/manifest.json");
    let before = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, before.replacen("\"seed\": 0", "\"seed\": 1", 1)).unwrap();
    sign(folder.path());
    assert_eq!(
        rejected(folder.path()),
        "out/record/manifest.json: holds another scenario than the one whose hash it holds"
    );
    let prices = before.replacen("\"output\": 10.0", "\"output\": 1.0", 1);
    assert!(before != prices);
    fs::write(&manifest, prices).unwrap();
    sign(folder.path());
    assert_eq!(
        rejected(folder.path()),
        "out/record/manifest.json: holds other list prices than those whose hash it holds"
    );
    let version = format!("\"program-version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let other = before.replacen(&version, "\"program-version\": \"0.0.1\"", 1);
    assert!(before != other);
    fs::write(&manifest, other).unwrap();
    sign(folder.path());
    // The report names the version it was made by, so one of the two is changed.
    let words = rejected(folder.path());
    assert!(
        words.ends_with("; the report was made by version 0.0.1 of the program, this is 0.1.0"),
        "{words}"
    );
    assert!(llm_bandit(folder.path(), &["report", "out"]).status.success());
    let output = llm_bandit(folder.path(), &["verify", "out"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("though by version 0.0.1 and not"));
}

#[test]
fn sums_in_another_form_and_leftovers_of_other_programs_are_found() {
    let folder = report();
    let folder = folder.path();
    let crlf = tampered(folder, "record/SHA256SUMS", text(|sums| sums.replace('\n', "\r\n")));
    assert_eq!(
        crlf,
        "out/record/SHA256SUMS: is not as it was written: other line ends, another order, or blanks"
    );
    let twice = |sums: &str| {
        let (first, rest) = sums.split_once('\n').unwrap();
        format!("{first}\n{first}\n{rest}")
    };
    let twice = tampered(folder, "record/SHA256SUMS", text(twice));
    assert_eq!(twice, "out/record/SHA256SUMS:2: lists `choices-0-best-single.npy.gz` twice");
    fs::create_dir(folder.join("out/record/__MACOSX")).unwrap();
    assert_eq!(
        rejected(folder),
        "out/record/__MACOSX: is no file of a record; another program left it there"
    );
}

#[test]
fn a_missing_record_of_a_shift_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shifts = "\n[[shift]]\nkind = \"price\"\nmodel = \"gpt-4o\"\nfactor = 2.0\n\n[[shift]]\nkind = \"no-embeddings\"\n";
    let scenario = TINY.replacen("\n[[router]]", &format!("{shifts}\n[[router]]"), 1);
    fs::write(folder.join("tiny.toml"), scenario).unwrap();
    let run = llm_bandit(folder, &["run", "tiny.toml", "--quiet", "--out", "out"]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(llm_bandit(folder, &["verify", "out"]).status.success());
    let records = folder.join("out/stress/records");
    let mut names: Vec<_> = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    let last = names[1].file_name().unwrap().to_string_lossy().into_owned();
    fs::create_dir(records.join("02-more")).unwrap();
    assert!(rejected(folder).ends_with("02-more: is nothing that the manifest of the report tells of"));
    fs::remove_dir(records.join("02-more")).unwrap();
    fs::remove_dir_all(&names[1]).unwrap();
    let missing = format!("out/stress/records/{last}: is missing; the manifest of the report tells of it");
    assert_eq!(rejected(folder), missing);
    fs::remove_dir_all(folder.join("out/stress")).unwrap();
    assert!(rejected(folder).contains("is missing; the manifest of the report tells of it"));
}

#[test]
fn a_forged_online_record_is_found_however_much_of_it_is_hashed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let scenario = "mode = \"online\"\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
        models = [\"gpt-4o\", \"mistral-7b\"]\n[online]\norders = 2\ndimensions = 4\n[[router]]\nkind = \"linucb\"\n\
        [[router]]\nkind = \"random\"\n";
    fs::write(folder.join("s.toml"), scenario).unwrap();
    assert!(llm_bandit(folder, &["run", "s.toml", "--quiet", "--out", "out"]).status.success());
    let sound = llm_bandit(folder, &["verify", "out"]);
    let words = String::from_utf8(sound.stdout).unwrap();
    assert!(words.starts_with("out: verified; choices of 4 cells are those committed to, "), "{words}");
    let words = tampered(folder, "record/choices-linucb.npy.gz", packed(flip_choice));
    assert_eq!(words, "out/record/choices-linucb.npy.gz: holds other choices than the manifest commits to");
    let words = tampered(folder, "record/scores-0.npy.gz", packed(change_score));
    assert!(words.starts_with("out/record/scores-0.npy.gz: is not as it was recorded: "), "{words}");
    let words = tampered(folder, "regret.csv", text(|text| text.replacen("0.", "1.", 1)));
    assert!(words.starts_with("out/regret.csv:") && words.contains("; the record gives `"), "{words}");
    // A careful forger hashes every file anew.
    let forged = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let path = folder.join("out/record").join(name);
        let before = fs::read(&path).unwrap();
        let after = change(before.clone());
        assert!(before != after, "{name}");
        fs::write(&path, after).unwrap();
        sign(folder);
        let words = rejected(folder);
        fs::write(&path, before).unwrap();
        sign(folder);
        words
    };
    let manifest = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| text(move |json| json.replacen(from, to, 1))(bytes)
    };
    assert_eq!(
        forged("choices-random.npy.gz", &|bytes| packed(flip_choice)(bytes)),
        "out/record/choices-random.npy.gz: holds other choices than the manifest commits to"
    );
    let words = forged("propensities-random.npy.gz", &|bytes| packed(change_score_to_one)(bytes));
    assert_eq!(words, "out/record/choices-random.npy.gz: holds other choices than the manifest commits to");
    let words = forged("scores-0.npy.gz", &|bytes| packed(change_score)(bytes));
    assert!(words.starts_with("out/regret.csv:") && words.contains("; the record gives `"), "{words}");
    assert_eq!(
        forged("manifest.json", &manifest("\"seed\": 0", "\"seed\": 1")),
        "out/record/manifest.json: holds another scenario than the one whose hash it holds"
    );
    let less = |bytes: Vec<u8>| {
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        value["routers"][0]["revealed"][1]["dollars"] = serde_json::json!(0.001);
        serde_json::to_vec_pretty(&value).unwrap()
    };
    assert_eq!(
        forged("manifest.json", &less),
        "out/record/manifest.json: says that other outcomes were revealed to `linucb` than those of its choices"
    );
    assert!(llm_bandit(folder, &["verify", "out"]).status.success());
}

/// Makes the first number 1.
fn change_score_to_one(content: &mut [u8]) {
    let start = 10 + usize::from(u16::from_le_bytes([content[8], content[9]]));
    content[start..start + 8].copy_from_slice(&1.0_f64.to_le_bytes());
}

/// As cheap as they can be: a report with records under shifts, and one of learners.
const STRESSED: &str = "description = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\nbenchmarks = [\"gsm8k\"]\n\
    models = [\"gpt-4o\", \"mistral-7b\"]\n[preferences]\nlow = 0.01\nhigh = 10.0\ncount = 3\n[evidence]\nresamples = 200\n\
    [[router]]\nkind = \"random\"\n[[router]]\nkind = \"predictor\"\nmodel = \"knn\"\n\
    [[shift]]\nkind = \"price\"\nmodel = \"gpt-4o\"\nfactor = 2.0\n";
const LEARNING: &str = "mode = \"online\"\ndescription = \"d\"\nsuite = \"simulated-open-suite\"\n[pool]\n\
    benchmarks = [\"gsm8k\"]\nmodels = [\"gpt-4o\", \"mistral-7b\"]\n[online]\norders = 2\ndimensions = 4\n\
    [[router]]\nkind = \"linucb\"\n[[router]]\nkind = \"random\"\n";

/// Forges one file in one of ten ways, chosen by a word; says which. None where the file cannot be forged so.
fn forge(path: &Path, bytes: &[u8], word: u64) -> Option<&'static str> {
    let choose = |n: usize| (word >> 8) as usize % n.max(1);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let line = choose(lines.len());
    let around = |middle: &[&[u8]]| {
        let (before, after) = (&lines[..line], lines.get(line + 1..).unwrap_or_default());
        [before.concat(), middle.concat(), after.concat()].concat()
    };
    let numbers: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
    let (how, forged) = match word % 10 {
        0..=2 => {
            let at = *numbers.get(choose(numbers.len()))?;
            let mut forged = bytes.to_vec();
            forged[at] = b'0' + (forged[at] - b'0' + 1 + (word >> 40) as u8 % 9) % 10;
            ("another digit", forged)
        }
        3 => ("a line less", around(&[])),
        4 => ("a line twice", around(&[lines[line], lines[line]])),
        5 => {
            let next = lines.get(line + 1)?;
            let forged =
                [lines[..line].concat(), next.to_vec(), lines[line].to_vec(), lines[line + 2..].concat()];
            ("two lines the other way round", forged.concat())
        }
        6 => ("other line ends", bytes.split(|&byte| byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..])),
        7 => {
            fs::remove_file(path).unwrap();
            return Some("gone");
        }
        8 => {
            fs::rename(path, path.with_extension("old")).unwrap();
            return Some("another name");
        }
        _ => ("a byte more", [bytes, b" "].concat()),
    };
    if forged == bytes {
        return None;
    }
    fs::write(path, forged).unwrap();
    Some(how)
}

/// `LLM_BANDIT_FORGED=1000` forges so many.
#[test]
fn whatever_is_forged_is_found() {
    let n: usize = std::env::var("LLM_BANDIT_FORGED").map_or(16, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut n_forged = std::collections::BTreeMap::<&str, usize>::new();
    for (name, scenario) in [("stressed", STRESSED), ("learning", LEARNING)] {
        fs::write(folder.join(format!("{name}.toml")), scenario).unwrap();
        let run = llm_bandit(folder, &["run", &format!("{name}.toml"), "--quiet", "--out", name]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let out = folder.join(name);
        llm_bandit::report::verify(&out).unwrap();
        let whole: Vec<(String, Vec<u8>)> = files(&out).into_iter().collect();
        let stream = Stream::root(8).named(name);
        let (mut done, mut number) = (0, 0);
        while done < n / 2 {
            number += 1;
            let stream = stream.numbered(number);
            let (file, bytes) = &whole[stream.named("file").word() as usize % whole.len()];
            let path = out.join(file);
            let Some(how) = forge(&path, bytes, stream.named("how").word()) else { continue };
            let found = llm_bandit::report::verify(&out);
            let message = found.err().unwrap_or_else(|| panic!("{how}: {name}/{file} passes")).to_string();
            assert_eq!(message.lines().count(), 1);
            let _ = fs::remove_file(path.with_extension("old"));
            fs::write(&path, bytes).unwrap();
            *n_forged.entry(how).or_default() += 1;
            done += 1;
        }
        llm_bandit::report::verify(&out).unwrap();
    }
    println!("forged and found: {n_forged:?}");
}
