//! Docs blocks: long descriptions in a `.md` file next to the model. The properties file refers to each docs block by
//! name.

use rustc_hash::FxHashSet;

use super::header::hash;
use super::jinja::{escape_with_raw_block, escaped_text};
use crate::yaml::YamlValue;

/// Maximum number of characters in a description in the properties file. `MAX_LINES` is the maximum number of lines.
const MAX_CHARACTERS: usize = 300;
const MAX_LINES: usize = 3;

/// Docs blocks for the long descriptions of a model.
#[derive(Debug)]
pub struct DocsBlocks {
    /// Name of the model. `None` if all descriptions are in the properties file.
    model: Option<String>,
    names: FxHashSet<String>,
    blocks: Vec<(String, String)>,
}

impl DocsBlocks {
    /// Creates an empty list of docs blocks for a model.
    pub fn from_model(model: &str) -> Self {
        Self {
            model: Some(model.to_owned()),
            names: FxHashSet::default(),
            blocks: Vec::new(),
        }
    }

    /// Creates an empty list that stays empty, so that long descriptions are in the properties file.
    pub fn without_blocks() -> Self {
        Self {
            model: None,
            names: FxHashSet::default(),
            blocks: Vec::new(),
        }
    }

    /// Returns a description for the properties file: the text itself or, if the text is long, a reference to a new
    /// docs block that contains the text. `column` is `None` for the description of the model.
    pub fn description_value(&mut self, text: &str, column: Option<&str>) -> YamlValue {
        let Some(model) = self.model.clone().filter(|_| needs_docs_block(text)) else {
            return escaped_text(text);
        };
        let name = self.name(&model, column.unwrap_or("about"));
        let call = format!("{{{{ doc('{name}') }}}}");
        self.blocks.push((name, text.to_owned()));
        YamlValue::Text(call)
    }

    /// Returns a name for a docs block. The name is unique in the model and valid in dbt, which allows only ASCII
    /// letters, digits and `_`.
    fn name(&mut self, model: &str, subject: &str) -> String {
        let full_name = format!("{model}__{subject}");
        let plain: String = full_name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
            .collect();
        let is_taken = plain != full_name || self.names.contains(&plain);
        let name = if is_taken {
            let digest = hash(&format!("{full_name}{}", self.names.len()));
            format!("{plain}_{}", digest.get(..8).unwrap_or_default())
        } else {
            plain
        };
        self.names.insert(name.clone());
        name
    }

    /// Returns the names of all docs blocks, in order.
    pub fn names(&self) -> Vec<String> {
        self.blocks.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Returns the text of the `.md` file. `None` if there are no docs blocks.
    pub fn text(&self) -> Option<String> {
        let block = |(name, text): &(String, String)| {
            format!(
                "{{% docs {name} %}}\n{}\n{{% enddocs %}}\n",
                escape_with_raw_block(text)
            )
        };
        let blocks: Vec<String> = self.blocks.iter().map(block).collect();
        (!blocks.is_empty()).then(|| blocks.join("\n"))
    }
}

/// Returns whether a string has many lines or characters, or contains Markdown blocks such as lists and tables.
pub fn needs_docs_block(text: &str) -> bool {
    let lines = || text.lines().map(str::trim_start);
    let is_set_apart = |line: &str| {
        let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_numbered = digits.len() < line.len() && digits.starts_with(". ");
        is_numbered
            || ["- ", "* ", "|", "#", "```", "> "]
                .iter()
                .any(|mark| line.starts_with(mark))
    };
    let is_list = text.contains('\n') && lines().any(is_set_apart);
    is_list || lines().count() > MAX_LINES || text.chars().count() > MAX_CHARACTERS
}

#[cfg(test)]
mod tests {
    use super::{DocsBlocks, YamlValue, escaped_text};

    #[test]
    fn long_texts_become_blocks() {
        let mut docs = DocsBlocks::from_model("m");
        assert_eq!(docs.description_value("Short.", None), escaped_text("Short."));
        assert_eq!(
            docs.description_value("- not a one-line list", None),
            escaped_text("- not a one-line list")
        );
        assert_eq!(docs.text(), None);
        let call = |name: &str| YamlValue::Text(format!("{{{{ doc('{name}') }}}}"));
        assert_eq!(docs.description_value(&"word ".repeat(80), None), call("m__about"));
        assert_eq!(
            docs.description_value("Is\n- this\n- or that", Some("kind")),
            call("m__kind")
        );
        assert_eq!(
            docs.description_value("1\n2\n3\n4", Some("of_lines")),
            call("m__of_lines")
        );
        let names = |docs: &DocsBlocks| docs.names();
        docs.description_value("a\n| b |", Some("Net Revenue"));
        docs.description_value("a\n# b", Some("net-é"));
        docs.description_value("a\n> b", Some("about"));
        let block_names = names(&docs);
        assert_eq!(block_names[..3], ["m__about", "m__kind", "m__of_lines"]);
        assert!(
            block_names[3].starts_with("m__Net_Revenue_") && block_names[4].starts_with("m__net___"),
            "{block_names:?}"
        );
        assert!(
            block_names[5].starts_with("m__about_"),
            "the block of a column with this name has a different name: {block_names:?}"
        );
    }

    #[test]
    fn texts_cannot_close_their_block() {
        let mut docs = DocsBlocks::from_model("m");
        docs.description_value("a\n- {% enddocs %} {{ x }}", Some("b"));
        docs.description_value("a\n- {% endraw %}", Some("c"));
        assert_eq!(
            docs.text().unwrap(),
            "{% docs m__b %}\n{% raw %}a\n- {% enddocs %} {{ x }}{% endraw %}\n{% enddocs %}\n\n\
             {% docs m__c %}\na\n- {{ '{%' }} endraw {{ '%}' }}\n{% enddocs %}\n"
        );
    }
}
