//! What a test that is a file of its own says of itself.

use super::jinja::protect;

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
}

impl TestConfig {
    /// The call of dbt that says it, on a line of its own; nothing where there is nothing to say.
    pub fn call(&self) -> &'static str {
        if self.only_warns { "{{ config(severity = 'warn') }}\n\n" } else { "" }
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
