//! Writes steps of an expanded spec as YAML.

use super::text_with_origins::SourceMappedText;
use crate::checks::is_identifier;
use crate::span::Span;
use crate::yaml::{self, Node, NodeKind};

/// Generated text, and the position from which it was generated.
#[derive(Clone, Debug)]
pub struct TextWithPosition {
    pub text: String,
    pub file: u16,
    pub span: Span,
}

impl TextWithPosition {
    pub fn new(text: impl Into<String>, file: u16, span: Span) -> Self {
        Self {
            text: text.into(),
            file,
            span,
        }
    }
}

/// Definition of a step.
#[derive(Clone, Debug)]
pub struct DefinitionText {
    pub name: String,
    pub formula: SourceMappedText,
    pub description: Option<String>,
    pub keys: Vec<(&'static str, Node)>,
    pub file: u16,
    pub span: Span,
}

impl DefinitionText {
    /// Creates a definition without a description or dbt keys.
    pub fn new(name: impl Into<String>, formula: SourceMappedText, file: u16, span: Span) -> Self {
        Self {
            name: name.into(),
            formula,
            description: None,
            keys: Vec::new(),
            file,
            span,
        }
    }

    /// Creates a definition whose formula is generated.
    pub fn generated(name: impl Into<String>, formula: &str, file: u16, span: Span) -> Self {
        Self::new(name, SourceMappedText::generated(formula, file, span), file, span)
    }
}

/// Series of periods between two columns of the previous step.
#[derive(Clone, Debug)]
pub struct SeriesText {
    /// Column of the periods.
    pub name: String,
    pub unit: String,
    pub first: String,
    pub last: String,
}

/// Columns of the previous step that a step keeps.
#[derive(Clone, Debug)]
pub enum StepTextProjection {
    All,
    Columns(Vec<String>),
}

/// Step of an expanded spec.
#[derive(Clone, Debug, Default)]
pub struct StepText {
    pub name: String,
    /// Whether the step finds the last or first rows of each group for metrics with `non_additive`.
    pub finds_last_rows: bool,
    pub from: Option<TextWithPosition>,
    /// Steps whose rows the step reads.
    pub union: Vec<String>,
    /// Series of periods that replaces each row of the previous step.
    pub series: Option<SeriesText>,
    /// Joins as YAML flow mappings.
    pub joins: Vec<TextWithPosition>,
    pub filter: Option<SourceMappedText>,
    pub group_by: Vec<TextWithPosition>,
    pub order_by: Vec<TextWithPosition>,
    pub partition_by: Option<Vec<TextWithPosition>>,
    pub having: Option<SourceMappedText>,
    /// Columns to keep. `None` for a grouped step.
    pub keep: Option<StepTextProjection>,
    /// Additional keys that are copied from the model.
    pub copied: Vec<(String, TextWithPosition)>,
    pub definitions: Vec<DefinitionText>,
}

impl StepText {
    /// Returns whether the step has a definition with this name.
    pub fn has_definition(&self, name: &str) -> bool {
        self.definitions
            .iter()
            .any(|definition| definition.name.eq_ignore_ascii_case(name))
    }

    /// Writes the step's keys, each line after `indent` spaces. The first line is not indented.
    pub fn write(&self, out: &mut SourceMappedText, indent: usize, with_name: bool, span: Span) {
        let mut writer = StepYamlWriter {
            output: out,
            indent,
            position: span,
            is_first: true,
        };
        if with_name {
            writer.write_generated_pair("name", &yaml::format_flow_scalar(&self.name));
        }
        if let Some(from) = &self.from {
            writer.key("from");
            writer.write_list_item(from);
        }
        writer.names("union", &self.union);
        if let Some(series) = &self.series {
            let parts = [
                ("name", &series.name),
                ("unit", &series.unit),
                ("first", &series.first),
                ("last", &series.last),
            ];
            let parts: Vec<String> = parts
                .iter()
                .map(|(key, text)| format!("{key}: {}", yaml::format_flow_scalar(text)))
                .collect();
            writer.write_generated_pair("series", &format!("{{{}}}", parts.join(", ")));
        }
        if !self.joins.is_empty() {
            writer.write_block_key("joins");
            for join in &self.joins {
                writer.begin_line(2);
                writer.text("- ");
                writer.write_list_item(join);
            }
        }
        writer.formula("where", self.filter.as_ref());
        match &self.keep {
            Some(StepTextProjection::All) => writer.write_generated_pair("keep", "all"),
            Some(StepTextProjection::Columns(names)) => writer.names("keep", names),
            None => {}
        }
        writer.write_list("group_by", &self.group_by);
        for (key, value) in &self.copied {
            writer.key(key);
            writer.write_list_item(value);
        }
        writer.formula("having", self.having.as_ref());
        writer.write_list("order_by", &self.order_by);
        match &self.partition_by {
            Some(names) if names.is_empty() => writer.write_generated_pair("partition_by", "[]"),
            Some(names) => writer.write_list("partition_by", names),
            None => {}
        }
        writer.definitions(&self.definitions);
    }
}

struct StepYamlWriter<'o> {
    output: &'o mut SourceMappedText,
    indent: usize,
    /// Position in the model's spec to which generated text belongs.
    position: Span,
    is_first: bool,
}

impl StepYamlWriter<'_> {
    fn text(&mut self, text: &str) {
        self.output.write(text, 0, self.position);
    }

    fn begin_line(&mut self, more: usize) {
        let text = format!("\n{}", " ".repeat(self.indent + more));
        self.text(&text);
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.begin_line(0);
        }
        self.text(&format!("{}: ", yaml::key_text(key)));
    }

    /// Writes a key whose value begins on the next line.
    fn write_block_key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.begin_line(0);
        }
        self.text(&format!("{key}:"));
    }

    fn write_generated_pair(&mut self, key: &str, value: &str) {
        self.key(key);
        self.text(value);
    }

    fn write_list_item(&mut self, text: &TextWithPosition) {
        self.output.write(&text.text, text.file, text.span);
    }

    fn names(&mut self, key: &str, names: &[String]) {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| yaml::format_flow_scalar(name)).collect();
            self.write_generated_pair(key, &format!("[{}]", names.join(", ")));
        }
    }

    fn write_list(&mut self, key: &str, entries: &[TextWithPosition]) {
        if entries.is_empty() {
            return;
        }
        self.key(key);
        for (index, entry) in entries.iter().enumerate() {
            self.text(if index == 0 { "[" } else { ", " });
            self.output
                .write(&yaml::format_flow_scalar(&entry.text), entry.file, entry.span);
        }
        self.text("]");
    }

    fn formula(&mut self, key: &str, formula: Option<&SourceMappedText>) {
        if let Some(formula) = formula {
            self.key(key);
            self.write_scalar(formula, 2, (0, self.position));
        }
    }

    /// Writes a string on the key's line if YAML parses it as a string, and as a block otherwise. The header of the
    /// block originates from `span`.
    fn write_scalar(&mut self, text: &SourceMappedText, extra_indent: usize, (file, span): (u16, Span)) {
        if yaml::is_plain(&text.text) && !text.text.contains('\n') {
            self.output.append(text, 0);
            return;
        }
        let head = format!("|-\n{}", " ".repeat(self.indent + extra_indent));
        self.output.write(&head, file, span);
        self.output.append(text, self.indent + extra_indent);
    }

    fn definitions(&mut self, definitions: &[DefinitionText]) {
        if definitions.is_empty() {
            return;
        }
        self.write_block_key("definitions");
        let is_block = definitions
            .iter()
            .all(|definition_text| is_identifier(&definition_text.name) && definition_text.keys.is_empty());
        if is_block {
            self.text(" |");
        }
        for definition in definitions {
            let origin = (definition.file, definition.span);
            if is_block {
                for line in definition.description.iter().flat_map(|text| text.lines()) {
                    self.begin_line(2);
                    self.text(&format!("/// {line}"));
                }
                self.begin_line(2);
                self.output.write(&definition.name, origin.0, origin.1);
                self.output.write(" = ", origin.0, origin.1);
                self.output.append(&definition.formula, self.indent + 4);
            } else {
                self.begin_line(2);
                self.output
                    .write(&yaml::format_flow_scalar(&definition.name), origin.0, origin.1);
                self.text(":");
                self.begin_line(4);
                self.output.write("formula: ", origin.0, origin.1);
                self.write_scalar(&definition.formula, 6, origin);
                if let Some(description) = &definition.description {
                    self.begin_line(4);
                    self.text(&format!("description: {}", yaml::format_flow_scalar(description)));
                }
                for (key, node) in &definition.keys {
                    self.begin_line(4);
                    self.text(&format!("{key}: {}", format_node_inline(node)));
                }
            }
        }
    }
}

/// Returns a YAML node on one line. The nesting depth is limited when a file is read.
pub fn format_node_inline(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { value, .. } if node.is_quoted() => yaml::quote_scalar(value),
        NodeKind::Scalar { .. } if node.is_null() => "null".to_owned(),
        NodeKind::Scalar { value, .. } if yaml::non_text_type(value).is_some() => value.clone(),
        NodeKind::Scalar { value, .. } => yaml::format_flow_scalar(value),
        NodeKind::Sequence(items) => {
            let items: Vec<String> = items.iter().map(format_node_inline).collect();
            format!("[{}]", items.join(", "))
        }
        NodeKind::Mapping(pairs) => {
            let pairs = pairs.iter();
            let pairs: Vec<String> = pairs
                .map(|(key, value)| format!("{}: {}", format_node_inline(key), format_node_inline(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}
