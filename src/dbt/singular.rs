//! Comments and configuration of a singular test, which is a separate file.

use super::config::config_block;
use super::jinja::escape_jinja;
use crate::yaml::YamlValue;

/// Maximum length of a comment line.
const MAX_LINE_WIDTH: usize = 80;

/// Formats text as SQL comment lines. Returns an empty string if the text is empty. Control characters become spaces,
/// because a line break would end the comment.
pub fn sql_comment(text: &str) -> String {
    let text = escape_jinja(&text.replace(char::is_control, " "));
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count() + 1;
        if length == 0 || length + width > MAX_LINE_WIDTH {
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

/// Configuration of a singular test.
#[derive(Clone, Debug, Default)]
pub struct TestConfig {
    /// Whether failures of the test are warnings instead of errors.
    pub is_warning: bool,
    /// Group of the test. In dbt, only tests in the same group can read a private model.
    pub group: Option<String>,
}

impl TestConfig {
    /// Returns the `config` call, or an empty string if there is nothing to configure.
    pub fn config_call(&self) -> String {
        let options = [
            ("severity", self.is_warning.then_some("warn")),
            ("group", self.group.as_deref()),
        ];
        let settings = options
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), YamlValue::text(value?))));
        config_block(&settings.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::{TestConfig, sql_comment};

    #[test]
    fn unset_options_are_omitted() {
        let config_text = |is_warning, group: Option<&str>| {
            TestConfig {
                is_warning,
                group: group.map(str::to_owned),
            }
            .config_call()
        };
        assert_eq!(config_text(false, None), "");
        assert_eq!(config_text(true, None), "{{ config(severity='warn') }}\n\n");
        assert_eq!(config_text(false, Some("finance")), "{{ config(group='finance') }}\n\n");
        assert_eq!(
            config_text(true, Some("finance")),
            "{{\n    config(\n        severity='warn',\n        group='finance'\n    )\n}}\n\n"
        );
    }

    #[test]
    fn comments_become_lines() {
        assert_eq!(sql_comment(""), "");
        assert_eq!(sql_comment("a\rb\n{{ c"), "-- a b {{ '{{' }} c\n");
        let long = "word ".repeat(20);
        assert!(
            sql_comment(&long)
                .lines()
                .all(|line| line.starts_with("-- word") && line.len() <= 80)
        );
    }
}
