//! What cannot be imported is told in one line that names the place, and leaves nothing behind.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use llm_bandit::import::{Format, ImportSettings, import};

use super::{Files, fixtures, folder, imported, settings};

/// The message, with `R` for the folder of the files.
fn fault(format: &str, files: &Files, change: impl FnOnce(&mut ImportSettings)) -> String {
    let folder = folder(files);
    let source = folder.path().join("raw");
    let mut settings = settings(format, &source);
    change(&mut settings);
    let message = imported(&settings).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message.replace(&source.display().to_string(), "R")
}

fn of_file(format: &str, name: &str, bytes: &[u8]) -> String {
    fault(format, &vec![(name.to_owned(), bytes.to_vec())], |_| {})
}

#[test]
fn an_unknown_metric_tells_which_there_are() {
    let message =
        fault("lm-eval", &fixtures::lm_eval(), |settings| settings.metrics = vec!["acc_nrm".into()]);
    assert_eq!(
        message,
        "R/lab__one/samples_sums_2026-01-01T00-00-00.1.jsonl: has no metric `acc_nrm`; there are `acc,none`, \
         `acc_norm,none`; did you mean `acc_norm`?"
    );
    let message = fault("inspect", &fixtures::inspect(), |settings| settings.metrics = vec!["acc".into()]);
    assert_eq!(message, "R/one.eval: has no metric `acc`; there are `match`, `other.part`");
    let message = fault("helm", &fixtures::helm(), |settings| settings.metrics = vec!["f1_score".into()]);
    assert!(message.ends_with("has no metric `f1_score`; there are `exact_match`"), "{message}");
    let message =
        fault("alpaca-eval", &fixtures::alpaca_eval(), |settings| settings.metrics = vec!["x".into()]);
    assert!(message.contains("there are `another_judge`, `weighted_alpaca_eval_gpt4_turbo`"), "{message}");
    let message = fault("routellm", &fixtures::routellm(), |settings| settings.metrics = vec!["x".into()]);
    assert_eq!(message, "`routellm` has no metrics to choose");
}

#[test]
fn two_files_that_disagree_on_a_cell_are_both_named() {
    let table = |score| format!("id,model,score\np,m,{score}\n").into_bytes();
    let files = vec![("a.csv".to_owned(), table(0)), ("b.csv".to_owned(), table(1))];
    let message = fault("table", &files, |settings| {
        // One benchmark for both files.
        settings.columns.benchmark = Some("model".into());
    });
    assert_eq!(
        message,
        "R/b.csv: scores model `m` on prompt `p` with 1, but `R/a.csv` with 0; import one of the two"
    );
}

#[test]
fn broken_files_are_told_from_wrong_ones() {
    let cut = b"[{\"id\": 1, \"model\": \"a\", \"score\": 1},\n{\"id\": 2, \"mo";
    assert_eq!(of_file("table", "t.json", cut), "R/t.json:2: ends too early; the file is truncated");
    let cut = b"{\"id\": 1, \"model\": \"a\", \"score\": 1}\n{\"id\": 2, \"mo";
    assert_eq!(of_file("table", "t.jsonl", cut), "R/t.jsonl:2: ends too early; the file is truncated");
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("id,m".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(of_file("table", "t.csv", &utf16), "R/t.csv: is UTF-16; save it as UTF-8");
    assert_eq!(
        of_file("table", "t.csv", b"id,model,score\n\xe9,m,1\n"),
        "R/t.csv:2: is not UTF-8 (perhaps Latin-1, as older spreadsheets write); save it as UTF-8"
    );
    assert_eq!(
        of_file("table", "t.csv", b"id,model,score\np,m\n"),
        "R/t.csv:2: 2 fields where the header has 3: the row is cut off, or lacks fields, which may be empty"
    );
    assert_eq!(
        of_file("table", "t.csv", b"id,model,score\np,m,good\n"),
        "R/t.csv:2: column `score`: `good` is no score; where it is not the score, name that with `--score`"
    );
    let message = of_file("routerbench", "routerbench_0shot.csv", b"\x80\x04\x95rest");
    assert!(message.contains("pandas.read_pickle('routerbench_0shot.csv').to_csv("), "{message}");
    assert!(of_file("table", "t.csv", b"PAR1rest").contains("is no whole Parquet file"));
    assert!(of_file("zeroeval", "t.json", b"PAR1rest").contains("read_parquet('t.json').to_json("));
    assert!(
        of_file("zeroeval", "crux/m.json", b"[{\"dataset\": \"crux\", \"id\": \"1\", \"output\": [\"x\"]}]")
            .contains("cannot be scored")
    );
    assert_eq!(
        of_file("inspect", "x.eval", b"PK\x03\x04rest").split(": ").nth(1),
        Some("is no whole zip archive")
    );
    assert_eq!(
        of_file("lm-eval", "x.txt", b""),
        "R: holds no `samples_TASK_TIME.jsonl` (log with `--log_samples`)"
    );
}

#[test]
fn a_damaged_member_of_an_archive_is_noticed() {
    let mut files = fixtures::inspect();
    let archive = &mut files[0].1;
    let at = archive
        .windows(14)
        .position(|bytes| bytes == b"\"task\":\"sums\"}")
        .or_else(|| archive.windows(13).position(|bytes| bytes == b"\"task\":\"sums\""));
    archive[at.unwrap() + 9] = b'b';
    let damaged = "R/one.eval/header.json: is damaged: its checksum differs";
    assert_eq!(fault("inspect", &files, |settings| settings.strict = true), damaged);
    // Without being strict the other log counts, and this one is named.
    let (coverage, suite) = super::of_files("inspect", &files, |_| {}).unwrap();
    assert_eq!((suite.models.len(), coverage.tally.bad_files.len()), (1, 1));
    assert!(coverage.tally.bad_files[0].ends_with("is damaged: its checksum differs"));
}

#[test]
fn what_stands_in_the_place_of_data_is_recognised_and_the_way_out_named() {
    for (name, bytes, words) in [
        ("t.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run `git lfs pull`"),
        ("t.json", "<!DOCTYPE html>\n<html>", "is a web page and no data"),
        ("t.xlsx.csv", "PK\x03\x04rest", "is a zip archive"),
        ("t.csv", "id;model;score\np;m;0,5\n", "pandas.read_csv('t.csv', sep=';', decimal=',')"),
        ("t.tsv", "id,model,score\np,m,1\n", "divided by `,`"),
        ("t.csv", "id\tmodel\tscore\np\tm\t1\n", "divided by `\\t`"),
    ] {
        let message = of_file("table", name, bytes.as_bytes());
        assert!(message.contains(words), "{message}");
    }
    // A workbook is one whatever it is called, and in the place of any other binary file too.
    let sheet =
        |name: &str| fixtures::archive_of_bytes(&[("_rels/.rels".into(), vec![]), (name.into(), vec![])]);
    for (format, name) in [
        ("table", "t.tsv"),
        ("table", "t.csv"),
        ("logs", "t.jsonl"),
        ("lighteval", "m/2026/details_t.parquet"),
    ] {
        let message = of_file(format, name, &sheet("xl/workbook.xml"));
        assert!(message.ends_with("workbook; save its sheet as CSV (UTF-8)"), "{message}");
    }
    assert!(of_file("table", "t.csv", &sheet("notes.txt")).contains("is a zip archive"));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    for (format, name) in [
        ("npz", "t.npz"),
        ("inspect", "t.eval"),
        ("lighteval", "m/2026/details_t.parquet"),
        ("table", "t.csv.gz"),
    ] {
        let message = of_file(format, name, pointer);
        assert!(message.contains("run `git lfs pull`"), "{message}");
    }
}

#[test]
fn one_bad_file_does_not_void_a_folder_unless_it_was_asked_for() {
    let good = super::file("good.csv", "id,model,score\np,m,1\nq,m,0\n");
    let files =
        vec![good, super::file("cut.jsonl", "{\"id\": \"p\", \"model\": \"n\", \"score\": 0}\n{\"id\"")];
    let (coverage, suite) = super::of_files("table", &files, |_| {}).unwrap();
    assert_eq!((suite.prompts.len(), suite.models.len()), (2, 1), "nothing of the bad file is kept");
    assert!(coverage.to_string().contains("left out       1 file that cannot be read: "), "{coverage}");
    assert!(coverage.tally.bad_files[0].contains("cut.jsonl:2: ends too early"));
    let cut = "R/cut.jsonl:2: ends too early; the file is truncated";
    assert_eq!(fault("table", &files, |settings| settings.strict = true), cut);
    let named =
        fault("table", &files, |settings| settings.sources.push(settings.sources[0].join("cut.jsonl")));
    assert_eq!(named, cut);
}

#[test]
fn bombs_and_endless_lines_are_not_read_to_their_end() {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::new(9));
    let block = vec![b'\n'; 1 << 20];
    (0..48).for_each(|_| encoder.write_all(&block).unwrap());
    let message = of_file("table", "t.jsonl.gz", &encoder.finish().unwrap());
    assert!(message.contains("unpacks to more than 250 times its size"), "{message}");
    let endless = vec![b'"'; (64 << 20) + (1 << 17)];
    let message = of_file("table", "t.jsonl", &endless);
    assert!(message.contains("one record is longer than 64 MiB"), "{message}");
}

#[test]
fn an_existing_folder_is_left_alone() {
    let folder = folder(&fixtures::table());
    let settings = settings("table", &folder.path().join("raw"));
    let error = import(&settings, folder.path(), &|_| {}).unwrap_err().to_string();
    assert!(error.ends_with("exists; choose another `--out`, or remove it"), "{error}");
    assert!(Format::named("lm_eval").unwrap_err().to_string().contains("did you mean `lm-eval`?"));
    assert!(Path::new(&folder.path().join("raw/answers.csv")).exists());
}

#[test]
fn a_table_on_its_side_is_refused_before_its_columns_are_compared() {
    let names: String = (0..20_001).map(|n| format!(",q{n}")).collect();
    let message =
        of_file("table", "wide.csv", format!("model{names}\nm{}\n", ",1".repeat(20_001)).as_bytes());
    assert_eq!(
        message,
        "R/wide.csv:2: 20002 columns, where 20000 are the most; each row is a prompt, or a prompt and a model: does this table lie \
         on its side?"
    );
}
