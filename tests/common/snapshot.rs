//! Snapshots of what the program writes for people, without what another version or another setting of a scenario changes.

/// Compares a text with `tests/snapshots/NAME.snap`; `INSTA_UPDATE=always cargo test` writes the snapshots anew.
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(name, without_hashes(&text.replace(env!("CARGO_PKG_VERSION"), "VERSION")))
    });
}

/// The text with `HASH` in the place of each hash, in full or shortened to 16 digits.
fn without_hashes(text: &str) -> String {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let is_hash = |word: &str| word.len() >= 16 && word.contains(char::is_alphabetic);
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(is_hex) {
        let length = rest[start..].find(|c| !is_hex(c)).unwrap_or(rest.len() - start);
        let (before, after) = rest.split_at(start);
        let (word, after) = after.split_at(length);
        shown.extend([before, if is_hash(word) { "HASH" } else { word }]);
        rest = after;
    }
    shown + rest
}
