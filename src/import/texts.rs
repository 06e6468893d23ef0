//! Prompts within what tools write in their place: conversations, lists of turns, content parts; as JSON or as Python prints it.

use serde_json::{Map, Value};

use super::json::parsed;

/// Nesting that is followed.
pub(super) const MOST_LEVELS: usize = 32;

/// Which of a user's turns in a conversation is the prompt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The one that opens it.
    First,
    /// The one that is to be answered: those before it are examples.
    Last,
}

/// The first thing that a user says in a field, whatever it is written as; a text that is none of these stands for itself.
///
/// # Errors
/// What begins like a conversation and cannot be read: its text would hold answers.
pub(super) fn first_turn(field: &str) -> Result<String, String> {
    turn(field, Turn::First)
}

/// As [`first_turn`], of any turn.
///
/// # Errors
/// As `first_turn`.
pub(super) fn turn(field: &str, which: Turn) -> Result<String, String> {
    let trimmed = field.trim();
    if let Some(text) = rendered_turn(trimmed, which) {
        return Ok(text.to_owned());
    }
    let squeezed: String = trimmed.chars().filter(|c| !c.is_whitespace()).take(16).collect();
    if !["[", "{", "(", "array("].iter().any(|start| squeezed.starts_with(start)) {
        return Ok(field.to_owned());
    }
    let value = parsed::<Value>(trimmed).ok().or_else(|| python_value(trimmed));
    match value.as_ref().map(|value| user_text(value, which, MOST_LEVELS)) {
        // A conversation that was written as text twice over.
        Some(Some(text)) if text != trimmed && is_conversation(&text) => turn(&text, which),
        Some(Some(text)) => Ok(text),
        _ if is_conversation(&squeezed) && ["role", "content", "from"].iter().any(|key| trimmed.contains(key)) => {
            Err("begins like a conversation, but none of a user can be read in it, neither as JSON nor as Python prints it".into())
        }
        _ => Ok(field.to_owned()),
    }
}

/// How chat templates mark what a user says: what a rendered chat begins with, what stands before a user's turn, and what ends
/// it.
const TEMPLATES: [(&[&str], &str, &[&str]); 7] = [
    // ChatML, of Qwen and many others.
    (&["<|im_start|>"], "<|im_start|>user\n", &["<|im_end|>", "<|im_start|>"]),
    // Llama 3.
    (
        &["<|begin_of_text|>", "<|start_header_id|>"],
        "<|start_header_id|>user<|end_header_id|>",
        &["<|eot_id|>", "<|start_header_id|>"],
    ),
    // Llama 2 and Mistral.
    (&["[INST]", "<s>[INST]", "<s> [INST]"], "[INST]", &["[/INST]"]),
    // Gemma.
    (
        &["<bos><start_of_turn>", "<start_of_turn>"],
        "<start_of_turn>user\n",
        &["<end_of_turn>", "<start_of_turn>"],
    ),
    // Phi and Zephyr.
    (&["<|user|>", "<|system|>"], "<|user|>", &["<|end|>", "</s>", "<|assistant|>", "<|user|>"]),
    // Command R.
    (
        &["<BOS_TOKEN><|START_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>"],
        "<|USER_TOKEN|>",
        &["<|END_OF_TURN_TOKEN|>"],
    ),
    // DeepSeek.
    (&["<｜begin▁of▁sentence｜>", "<｜User｜>"], "<｜User｜>", &["<｜Assistant｜>", "<｜end▁of▁sentence｜>"]),
];

/// Between these Llama 2 has its system prompt, within the first user's turn.
const SYSTEM: [&str; 2] = ["<<SYS>>", "<</SYS>>"];

/// A user's turn of a chat as a template renders it; none of a text that does not begin like one.
fn rendered_turn(text: &str, which: Turn) -> Option<&str> {
    let (_, start, ends) =
        TEMPLATES.iter().find(|(begins, ..)| begins.iter().any(|begin| text.starts_with(begin)))?;
    let found = match which {
        Turn::First => text.find(start),
        Turn::Last => text.rfind(start),
    };
    let rest = &text[found? + start.len()..];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    let said = rest[..end].trim();
    let said = said
        .strip_prefix(SYSTEM[0])
        .and_then(|rest| rest.split_once(SYSTEM[1]))
        .map_or(said, |(_, said)| said.trim());
    (!said.is_empty()).then_some(said)
}

/// Whether a text begins like messages with roles.
fn is_conversation(text: &str) -> bool {
    let start: String = text.chars().filter(|c| !c.is_whitespace()).take(16).collect();
    let inner = start.trim_start_matches("array(").trim_start_matches(['[', '(']);
    inner.len() < start.len() && (inner.starts_with("{'") || inner.starts_with("{\""))
        || ["{'role'", "{\"role\"", "{'content'", "{\"content\"", "{\"messages\"", "{'messages'"]
            .iter()
            .any(|key| start.starts_with(key))
}

/// A user's turn of a value: of messages one of a user, of texts the first.
pub(super) fn user_text(value: &Value, which: Turn, levels: usize) -> Option<String> {
    let levels = levels.checked_sub(1)?;
    match value {
        Value::String(text) => Some(rendered_turn(text.trim(), which).unwrap_or(text).to_owned()),
        Value::Array(turns) if turns.iter().all(is_part) => content(value, levels),
        Value::Array(turns) if which == Turn::Last && turns.iter().any(is_message) => {
            turns.iter().rev().find_map(|turn| user_text(turn, which, levels))
        }
        Value::Array(turns) => turns.iter().find_map(|turn| user_text(turn, which, levels)),
        Value::Object(message) => match role(message) {
            Some(role) if ["user", "human", "prompter"].contains(&role) => {
                ["content", "value", "text", "parts"]
                    .iter()
                    .find_map(|key| content(message.get(*key)?, levels))
            }
            Some(_) => None,
            None => [
                "messages",
                "conversation",
                "conversations",
                "turns",
                "prompt",
                "raw",
                "content",
                "text",
                "user",
            ]
            .iter()
            .find_map(|key| user_text(message.get(*key)?, which, levels)),
        },
        _ => None,
    }
}

fn role(message: &Map<String, Value>) -> Option<&str> {
    let role = message.get("role").or_else(|| message.get("from")).or_else(|| message.get("author"))?;
    role.as_str().or_else(|| role.get("role")?.as_str())
}

/// Whether a value is a message with a role.
pub(super) fn is_message(value: &Value) -> bool {
    value.as_object().is_some_and(|message| role(message).is_some())
}

/// Whether a value is a part of one message, such as `{"type": "text", "text": "..."}`.
fn is_part(value: &Value) -> bool {
    value.as_object().is_some_and(|part| part.contains_key("text") && role(part).is_none())
}

/// The text of a message, which is a text or parts of one.
fn content(value: &Value, levels: usize) -> Option<String> {
    let levels = levels.checked_sub(1)?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<String> = parts.iter().filter_map(|part| content(part, levels)).collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        Value::Object(part) => {
            ["text", "value", "content", "parts"].iter().find_map(|key| content(part.get(*key)?, levels))
        }
        _ => None,
    }
}

/// What Python or numpy prints of lists, tuples, dictionaries, and single values.
pub(super) fn python_value(text: &str) -> Option<Value> {
    let (value, rest) = python_literal(text, MOST_LEVELS)?;
    rest.trim().is_empty().then_some(value)
}

fn python_literal(text: &str, levels: usize) -> Option<(Value, &str)> {
    let levels = levels.checked_sub(1)?;
    let text = text.trim_start();
    match text.chars().next()? {
        '[' | '(' => {
            let close = if text.starts_with('[') { ']' } else { ')' };
            let (mut items, mut rest) = (Vec::new(), text[1..].trim_start());
            while !rest.starts_with(close) {
                let (item, after) = python_literal(rest, levels)?;
                items.push(item);
                // numpy prints no commas.
                rest = after.trim_start().trim_start_matches(',').trim_start();
            }
            Some((Value::Array(items), &rest[1..]))
        }
        '{' => {
            let (mut entries, mut rest) = (Map::new(), text[1..].trim_start());
            while !rest.starts_with('}') {
                let (key, after) = python_literal(rest, levels)?;
                let (value, after) = python_literal(after.trim_start().strip_prefix(':')?, levels)?;
                entries.insert(key.as_str()?.to_owned(), value);
                rest = after.trim_start().trim_start_matches(',').trim_start();
            }
            Some((Value::Object(entries), &rest[1..]))
        }
        quote @ ('\'' | '"') => string(&text[1..], quote).map(|(string, rest)| (Value::String(string), rest)),
        _ if text.starts_with("array(") => {
            let (value, rest) = python_literal(&text["array(".len()..], levels)?;
            let end = rest.find(')')?;
            Some((value, &rest[end + 1..]))
        }
        _ => {
            let end = text.find(|c: char| c.is_whitespace() || ",]})".contains(c)).unwrap_or(text.len());
            let value = match &text[..end] {
                "None" | "nan" | "NaN" => Value::Null,
                "True" => Value::Bool(true),
                "False" => Value::Bool(false),
                number => serde_json::from_str(number).ok()?,
            };
            Some((value, &text[end..]))
        }
    }
}

/// `['first', "second"]` as its strings, a line each; anything else as it stands.
pub(super) fn unquoted(text: &str) -> String {
    strings(text.trim()).map_or_else(|| text.to_owned(), |strings| strings.join("\n"))
}

fn strings(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut strings = Vec::new();
    while !rest.is_empty() {
        let quote = rest.chars().next().filter(|&quote| quote == '\'' || quote == '"')?;
        let (string, after) = string(&rest[1..], quote)?;
        strings.push(string);
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    (!strings.is_empty()).then_some(strings)
}

/// A string up to its closing quote, and what follows.
fn string(text: &str, quote: char) -> Option<(String, &str)> {
    let mut string = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                let (_, escaped) = characters.next()?;
                match escaped {
                    'n' => string.push('\n'),
                    't' => string.push('\t'),
                    'r' => string.push('\r'),
                    '\\' | '\'' | '"' => string.push(escaped),
                    'x' | 'u' | 'U' => {
                        let n_digits = match escaped {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let digits: Option<String> =
                            (0..n_digits).map(|_| characters.next().map(|(_, digit)| digit)).collect();
                        string.push(char::from_u32(u32::from_str_radix(&digits?, 16).ok()?)?);
                    }
                    // Python keeps the backslash of an escape that it does not know.
                    other => string.extend(['\\', other]),
                }
            }
            _ if character == quote => return Some((string, &text[at + quote.len_utf8()..])),
            _ => string.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Turn, first_turn, turn, unquoted};

    #[test]
    fn the_prompt_is_the_first_turn_however_it_is_written() {
        for (field, turn) in [
            ("plain", "plain"),
            (r#"["first","second"]"#, "first"),
            (r#"[{"role":"system","content":"s"},{"role":"user","content":"u"}]"#, "u"),
            (r#"[[{"role":"user","content":[{"type":"text","text":"u"}]}]]"#, "u"),
            (r#"[{"from":"human","value":"u"},{"from":"gpt","value":"a"}]"#, "u"),
            (r#"{"messages":[{"role":"user","content":"u"}]}"#, "u"),
            (r#"[{"type":"text","text":"one"},{"type":"text","text":"two"}]"#, "one\ntwo"),
            (r#"["[{\"role\": \"user\", \"content\": \"u\"}]"]"#, "u"),
            (r"[{'content': 'It\'s u', 'role': 'user'}, {'content': None, 'role': 'assistant'}]", "It's u"),
            ("[{'content': 'u', 'role': 'user'}\n {'content': \"a\", 'role': 'assistant'}]", "u"),
            ("array([{'role': 'user', 'content': 'u'}], dtype=object)", "u"),
            ("[not JSON", "[not JSON"),
            ("[1, 2, 3]", "[1, 2, 3]"),
            ("{x | x > 0} is which set?", "{x | x > 0} is which set?"),
        ] {
            assert_eq!(first_turn(field).as_deref(), Ok(turn), "{field}");
        }
        assert!(first_turn("[{'role': 'user', 'content': 'cut").is_err());
        assert!(first_turn(r#"[{"role":"assistant","content":"a"}]"#).is_err());
    }

    #[test]
    fn a_chat_that_a_template_rendered_is_its_users_turn() {
        for (field, first, last) in [
            (
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nu?<|im_end|>\n<|im_start|>assistant\n",
                "u?",
                "u?",
            ),
            ("<s>[INST] <<SYS>>\ns\n<</SYS>>\n\none? [/INST] a </s><s>[INST] two? [/INST]", "one?", "two?"),
            (
                "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\none?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|><|start_header_id|>user<|end_header_id|>\n\ntwo?<|eot_id|>",
                "one?",
                "two?",
            ),
            ("<bos><start_of_turn>user\nu?<end_of_turn>\n<start_of_turn>model\n", "u?", "u?"),
            ("<|user|>\nu?<|end|>\n<|assistant|>", "u?", "u?"),
            ("<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>u?<|END_OF_TURN_TOKEN|>", "u?", "u?"),
            ("<｜begin▁of▁sentence｜>s<｜User｜>u?<｜Assistant｜>", "u?", "u?"),
            // Texts about templates, and one without a user.
            (
                "What does <|im_start|>user mean?",
                "What does <|im_start|>user mean?",
                "What does <|im_start|>user mean?",
            ),
            (
                "<|im_start|>system\ns<|im_end|>",
                "<|im_start|>system\ns<|im_end|>",
                "<|im_start|>system\ns<|im_end|>",
            ),
        ] {
            assert_eq!(
                [first_turn(field), turn(field, Turn::Last)],
                [Ok(first.to_owned()), Ok(last.to_owned())],
                "{field}"
            );
        }
    }

    #[test]
    fn examples_are_turns_before_the_one_that_is_to_be_answered() {
        let chat = r#"[{"role":"system","content":"s"},{"role":"user","content":"example"},{"role":"assistant","content":"a"},
            {"role":"user","content":[{"type":"text","text":"question"}]},{"role":"assistant","content":"Answer:"}]"#;
        assert_eq!(turn(chat, Turn::Last).as_deref(), Ok("question"));
        assert_eq!(first_turn(chat).as_deref(), Ok("example"));
        assert_eq!(turn(r#"["sent", "more"]"#, Turn::Last).as_deref(), Ok("sent"));
    }

    #[test]
    fn a_list_of_strings_is_read_and_anything_else_kept() {
        assert_eq!(unquoted(r#"['it\'s\n\x41 \u00e9']"#), "it's\nA é");
        assert_eq!(unquoted(r#"["a 'b'", 'c']"#), "a 'b'\nc");
        assert_eq!(unquoted("['open"), "['open");
        assert_eq!(unquoted("['a' 'b']"), "['a' 'b']");
        assert_eq!(unquoted(r"['\d']"), r"\d");
        assert_eq!(unquoted("[]"), "[]");
        assert_eq!(unquoted("plain"), "plain");
    }
}
