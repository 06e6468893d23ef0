//! One direction: a module of the library imports only modules that stand before it in [`ORDER`].
//!
//! Read from the source: every path from `crate`, in `use` lines and in code. What only tests are made of does not count.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::BTreeSet;
use std::path::Path;

/// The modules from the ground up; the program (`main.rs`, `cli/`) stands above them all.
#[rustfmt::skip]
const ORDER: &[&str] = &[
    "error", "fs", "gzip", "hash", "npy", "toml_file", "date", "index", "seed", "random", "preference",
    "linalg", "network", "statistics", "metrics", "suite", "import", "embed", "router", "scenario", "record", "run",
    "evaluate", "estimate", "report", "gate", "decisions",
];

/// The modules that a file imports.
fn imported(source: &str) -> BTreeSet<String> {
    let built = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: String = built.lines().map(|line| line.split("//").next().unwrap().trim()).collect();
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut modules = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        let Some(tree) = path.strip_prefix('{') else {
            modules.insert(name(path));
            continue;
        };
        let mut depth = 0;
        for piece in tree.split_inclusive(['{', '}', ',']) {
            if depth == 0 {
                modules.insert(name(piece));
            }
            depth += i32::from(piece.ends_with('{')) - i32::from(piece.ends_with('}'));
            if depth < 0 {
                break;
            }
        }
    }
    modules.remove("");
    modules
}

/// What is wrong with what a module imports, a line each.
fn faults(module: &str, imported: &BTreeSet<String>, order: &[&str]) -> Vec<String> {
    let place = |module: &str| order.iter().position(|name| *name == module);
    let Some(own) = place(module) else { return vec![format!("`{module}` has no place in ORDER")] };
    let above = imported.iter().filter(|other| *other != module && place(other).is_none_or(|at| own < at));
    above.map(|other| format!("`{module}` imports `{other}`, which does not stand before it")).collect()
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn modules_import_only_what_stands_before_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = std::fs::read_to_string(folder.join("lib.rs")).unwrap();
    let (mut all, mut n_imports) = (Vec::new(), 0);
    for path in files(&folder) {
        let below = path.strip_prefix(&folder).unwrap();
        let first = Path::new(below.components().next().unwrap().as_os_str());
        let module = first.file_stem().unwrap().to_string_lossy().into_owned();
        let is_of_tests = root.contains(&format!("#[cfg(test)]\nmod {module};"));
        let is_source = path.extension().is_some_and(|ending| ending == "rs");
        if is_source && !is_of_tests && !["lib", "main", "cli"].contains(&module.as_str()) {
            let imported = imported(&std::fs::read_to_string(&path).unwrap());
            n_imports += imported.len();
            let faults = faults(&module, &imported, ORDER);
            all.extend(faults.into_iter().map(|fault| format!("src/{}: {fault}", below.display())));
        }
    }
    assert!(n_imports > 500, "the reader of imports finds only {n_imports}");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn an_import_that_turns_back_is_found_wherever_it_stands() {
    let modules = |source: &str| imported(source).into_iter().collect::<Vec<_>>();
    assert_eq!(modules("use crate::high::{self, X};"), ["high"]);
    assert_eq!(modules("use crate::{\n    high::{X, Y},\n    low,\n};\nuse std::fmt;"), ["high", "low"]);
    assert_eq!(modules("fn f() { crate::high::g() }"), ["high"]);
    assert_eq!(modules("// crate::high::X\n#[cfg(test)]\nmod tests {\n    use crate::high;\n}"), [""; 0]);
    let order = ["low", "high"];
    assert_eq!(faults("low", &imported("use crate::high::X;"), &order).len(), 1);
    assert_eq!(faults("low", &imported("use crate::elsewhere::X;"), &order).len(), 1);
    assert_eq!(faults("high", &imported("use crate::low::X;\nuse crate::high::Y;"), &order), [""; 0]);
    assert_eq!(faults("new", &BTreeSet::new(), &order), ["`new` has no place in ORDER"]);
}
