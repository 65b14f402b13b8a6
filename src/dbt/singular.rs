//! What a test that is a file of its own says of itself.

use super::jinja::{literal, protect};

/// How long a line of a comment may be.
const WIDTH: usize = 80;

/// A text as comments of SQL, none where it is empty. A comment ends where its line ends, whatever ends it.
pub(crate) fn comment(text: &str) -> String {
    let text = protect(&text.replace(char::is_control, " "));
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count() + 1;
        if length == 0 || length + width > WIDTH {
            out.push_str(if length == 0 { "--" } else { "\n--" });
            length = 2;
        }
        out.push(' ');
        out.push_str(word);
        length += width;
    }
    if length > 0 {
        out.push('\n');
    }
    out
}

/// The configuration of a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestConfig {
    /// What it finds is warned of only.
    pub only_warns: bool,
    /// What is said of what it finds.
    pub message: Option<String>,
}

impl TestConfig {
    /// The call of dbt that says it, on a line of its own; nothing where there is nothing to say.
    pub fn call(&self) -> String {
        let severity = self.only_warns.then(|| "severity = 'warn'".to_owned());
        let message = self.message.as_ref().map(|text| format!("meta = {{'message': {}}}", literal(text)));
        let said: Vec<String> = [severity, message].into_iter().flatten().collect();
        if said.is_empty() { String::new() } else { format!("{{{{ config({}) }}}}\n\n", said.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::comment;

    #[test]
    fn comments_are_lines() {
        assert_eq!(comment(""), "");
        assert_eq!(comment("a\rb\n{{ c"), "-- a b {{ '{{' }} c\n");
        let long = "word ".repeat(20);
        assert!(comment(&long).lines().all(|line| line.starts_with("-- word") && line.len() <= 80));
    }
}
