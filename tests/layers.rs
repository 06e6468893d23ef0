//! One direction: a module imports only modules before it in [`ORDER`], and no file imports itself around a circle.
//!
//! Read from the source: `use` lines, paths from `crate`, `super`, or a child module, names that a module passes on traced
//! to the file that defines them. A file may use what the modules that hold it define, as everywhere in Rust. What only
//! tests are made of does not count.
#![expect(clippy::unwrap_used, reason = "a test may stop at a fault")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules of the library, each importing only those before it.
#[rustfmt::skip]
const ORDER: &[&str] = &[
    "aligned", "error", "fs", "hash", "npy", "toml_file", "date", "index", "seed", "random", "preference",
    "linalg", "network", "statistics", "metrics", "text", "suite", "import", "embed", "router", "scenario", "record", "run",
    "evaluate", "estimate", "route", "report", "gate", "decisions", "fuzzing",
];

/// A path of names, from the root of the crate.
type Names = Vec<String>;

/// One file: its code, and what its `use` lines bring in, with the name that each is known by.
struct File {
    code: String,
    uses: Vec<(Names, String)>,
    passes_on: Vec<(Names, String)>,
    children: Vec<String>,
}

impl File {
    fn new(module: &[String], source: &str) -> Self {
        let source = source
            .replace("#[cfg(test)]\nmod tests {", "\0")
            .replace("#[cfg(test)]\nmod ", "#[cfg(test)] mod ");
        let source = source.split('\0').next().unwrap();
        let lines = source.lines().map(|line| line.split("//").next().unwrap());
        let (mut code, mut open) = (String::new(), None::<(bool, String)>);
        let (mut uses, mut passes_on, mut children) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            let (is_public, item) = visibility(line.trim_start());
            if let Some((_, tree)) = &mut open {
                tree.push_str(line.trim());
            } else if let Some(tree) = item.strip_prefix("use ") {
                open = Some((is_public, tree.to_owned()));
            } else if let Some(child) = item.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                children.push(child.to_owned());
            } else {
                code.push_str(line);
                code.push('\n');
            }
            if let Some((is_public, tree)) = open.take_if(|(_, tree)| tree.ends_with(';')) {
                let into = if is_public { &mut passes_on } else { &mut uses };
                leaves("", tree.trim_end_matches(';'), into);
            }
        }
        let from_root = |(names, known): (Names, String)| Some((absolute(module, &children, names)?, known));
        let [uses, passes_on] = [uses, passes_on].map(|all| all.into_iter().filter_map(from_root).collect());
        File { code, uses, passes_on, children }
    }

    /// Every path that the code takes, from the root.
    fn paths(&self, module: &[String]) -> Vec<Names> {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let starts = ["crate", "super", "self"].into_iter().chain(self.children.iter().map(String::as_str));
        let mut paths: Vec<Names> = self.uses.iter().map(|(names, _)| names.clone()).collect();
        for start in starts {
            for (at, _) in self.code.match_indices(&format!("{start}::")) {
                if self.code[..at].ends_with(|c| is_name(c) || c == ':') {
                    continue;
                }
                let path = self.code[at..].split(|c| !is_name(c) && c != ':').next().unwrap();
                let names = path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
                paths.extend(absolute(module, &self.children, names));
            }
        }
        // A name that is passed on is imported only where the file uses it too.
        let is_used = |name: &str| {
            self.code.match_indices(name).any(|(at, _)| {
                !self.code[..at].ends_with(|c| is_name(c) || c == '.' || c == ':')
                    && !self.code[at + name.len()..].starts_with(is_name)
            })
        };
        paths.extend(self.passes_on.iter().filter(|(_, name)| is_used(name)).map(|(names, _)| names.clone()));
        paths
    }
}

/// Whether an item is seen outside of its module, and the item without the words that say so.
fn visibility(item: &str) -> (bool, &str) {
    let Some(rest) = item.strip_prefix("pub") else { return (false, item) };
    let rest = if rest.starts_with('(') { rest.split_once(')').unwrap().1 } else { rest };
    rest.strip_prefix(' ').map_or((false, item), |rest| (true, rest))
}

/// The paths of a `use` tree, each with the name that it is known by.
fn leaves(before: &str, tree: &str, into: &mut Vec<(Names, String)>) {
    let Some((head, inside)) = tree.split_once('{') else {
        let (path, known) = tree.split_once(" as ").unwrap_or((tree, tree.rsplit("::").next().unwrap()));
        let path = format!("{before}{}", path.trim());
        let names = path.trim_end_matches("::self").split("::").map(|name| name.trim().to_owned());
        return into.push((names.collect(), known.trim().to_owned()));
    };
    let (inside, mut depth, mut start) = (inside.trim_end().strip_suffix('}').unwrap(), 0, 0);
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            let leaf = inside[start..at].trim();
            start = at + 1;
            if !leaf.is_empty() {
                leaves(&format!("{before}{}", head.trim()), leaf, into);
            }
        }
    }
}

/// The path from the root, or `None` for one of another crate.
fn absolute(module: &[String], children: &[String], names: Names) -> Option<Names> {
    let n_up = names.iter().take_while(|name| *name == "super").count();
    let (kept, rest) = match names[0].as_str() {
        "crate" => (0, 1),
        "self" => (module.len(), 1),
        "super" => (module.len() - n_up, n_up),
        first if children.iter().any(|child| child == first) => (module.len(), 0),
        _ => return None,
    };
    Some(module[..kept].iter().chain(&names[rest..]).cloned().collect())
}

/// The module whose file defines what a path names.
fn defined_in(files: &BTreeMap<Names, File>, path: &[String]) -> Names {
    let depth = (0..=path.len()).rev().find(|&depth| files.contains_key(&path[..depth])).unwrap_or(0);
    let passed_on = path.get(depth).and_then(|name| {
        files[&path[..depth]].passes_on.iter().find(|(names, known)| known == name && names[..] != *path)
    });
    passed_on.map_or_else(|| path[..depth].to_vec(), |(names, _)| defined_in(files, names))
}

/// What a file imports, and what that imports, and so on.
fn reach<'a>(imports: &'a BTreeMap<&Names, BTreeSet<Names>>, module: &'a Names) -> BTreeSet<&'a Names> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![module]);
    while let Some(module) = next.pop() {
        next.extend(imports[module].iter().filter(|other| reached.insert(*other)));
    }
    reached
}

/// What is wrong with the imports of these files, a line each.
fn faults(files: &BTreeMap<Names, File>, order: &[&str]) -> Vec<String> {
    let mut imports: BTreeMap<&Names, BTreeSet<Names>> = BTreeMap::new();
    for (module, file) in files.iter().filter(|(module, _)| !module.is_empty()) {
        let found = file.paths(module).into_iter().map(|path| defined_in(files, &path));
        imports.insert(module, found.filter(|other| !module.starts_with(other)).collect());
    }
    let mut faults = Vec::new();
    let place = |module: &Names| order.iter().position(|name| *name == module[0]);
    for (module, others) in &imports {
        if place(module).is_none() {
            faults.push(format!("{} has no place in ORDER", module.join("::")));
        }
        let above = others.iter().filter(|other| place(module) < place(other));
        faults.extend(above.map(|other| format!("{} imports {}", module.join("::"), other.join("::"))));
    }
    let reached: BTreeMap<&Names, BTreeSet<&Names>> =
        imports.keys().map(|module| (*module, reach(&imports, module))).collect();
    for (module, others) in &imports {
        let around = others.iter().filter(|other| reached[*other].contains(*module));
        let around: Vec<String> = around.map(|other| other.join("::")).collect();
        if !around.is_empty() {
            faults.push(format!("{} imports around a circle {}", module.join("::"), around.join(", ")));
        }
    }
    faults
}

fn read(folder: &Path, module: &[String], files: &mut BTreeMap<Names, File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let below: Names = module.iter().cloned().chain([name.clone()]).collect();
        match name.as_str() {
            // The program: it uses the library from outside.
            "main" | "cli" => {}
            _ if path.is_dir() => read(&path, &below, files),
            _ if path.extension().is_some_and(|ending| ending == "rs") => {
                let module = if ["lib", "mod"].contains(&name.as_str()) { module.to_vec() } else { below };
                let file = File::new(&module, &std::fs::read_to_string(&path).unwrap());
                files.insert(module, file);
            }
            _ => {}
        }
    }
}

#[test]
fn modules_import_only_what_stands_above_them_and_no_files_import_each_other() {
    let mut files = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut files);
    // What only tests are made of is no part of the house.
    let is_built = |module: &Names| {
        (0..module.len()).all(|depth| files[&module[..depth]].children.contains(&module[depth]))
    };
    let built: BTreeSet<Names> = files.keys().filter(|module| is_built(module)).cloned().collect();
    files.retain(|module, _| built.contains(module));
    assert!(files.len() > 200, "the reader of modules finds only {}", files.len());
    let faults = faults(&files, ORDER);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_upward_import_a_circle_and_a_module_without_a_place_are_found() {
    let of = |files: &[(&str, &str)]| {
        let file = |(path, source): &(&str, &str)| {
            let module: Names = path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            (module.clone(), File::new(&module, source))
        };
        faults(&files.iter().map(file).collect(), &["low", "high"])
    };
    let root = ("", "mod low;\npub(in crate::x) mod high;");
    assert_eq!(of(&[root, ("low", "use crate::high::{self, X};"), ("high", "")]), ["low imports high"]);
    assert_eq!(of(&[root, ("low", "fn f() { crate::high::g() }"), ("high", "")]), ["low imports high"]);
    assert_eq!(
        of(&[root, ("low", "// crate::high::X\n#[cfg(test)]\nmod tests { use crate::high; }"), ("high", "")]),
        [""; 0]
    );
    assert_eq!(of(&[root, ("mid", "")]), ["mid has no place in ORDER"]);
    let pair = ("low", "mod a;\nmod b;\npub use b::Y;");
    let (a, b) = (("low::a", "use super::Y;\npub struct X;"), ("low::b", "pub struct Y(super::a::X);"));
    assert_eq!(
        of(&[root, pair, a, b]),
        ["low::a imports around a circle low::b", "low::b imports around a circle low::a"]
    );
    // What a folder's files share stands in the module that holds them.
    let child = ("low::child", "use super::Y;\npub struct X;");
    assert_eq!(of(&[root, ("low", "mod child;\npub use child::X;\npub struct Y(X);"), child]), [""; 0]);
    // Where a name passes through another module, the file that defines it counts.
    let through = ("high", "mod own;\npub use own::Z;\nuse crate::low::X;");
    assert_eq!(
        of(&[
            root,
            ("low", "pub struct X;"),
            through,
            ("high::own", "pub struct Z;\nuse crate::high::Z as W;")
        ]),
        [""; 0]
    );
}
