//! Values of keys: texts, formulas and lists, and what is said where something else stands.

use super::{Loader, Text};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::{self, Node};

impl<'y> Loader<'y, '_> {
    pub(in crate::spec) fn shape(&mut self, key: &str, wanted: &str, node: &Node) {
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                node.span,
                format!("`{key}` must be {wanted}, found {}", node.described()),
            )
            .with_help(format!("write `{key}:` followed by {wanted}")),
        );
    }

    pub(in crate::spec) fn required(&mut self, root: &'y Node, key: &str, what: &str) -> Option<Text<'y>> {
        match root.get(key) {
            Some(node) => match node.text() {
                Some(text) => Some(Text { text, node }),
                // `{{ ref('orders') }}` without quotes is a mapping to YAML.
                None if node.span.text(self.source).starts_with("{{") => {
                    self.jinja(key, node, node.span.text(self.source));
                    None
                }
                None => {
                    self.shape(key, "a text", node);
                    None
                }
            },
            None => {
                let span = Span::new(root.span.start, root.span.start);
                self.report(
                    Diagnostic::new(Code::MissingKey, span, format!("the key `{key}` is missing"))
                        .with_help(format!("`{key}` is {what}")),
                );
                None
            }
        }
    }

    pub(in crate::spec) fn plain(&mut self, key: &str, node: &'y Node) -> Option<&'y str> {
        let text = node.text();
        if text.is_none() && !node.is_null() {
            self.shape(key, "a text", node);
        }
        text
    }

    pub(in crate::spec) fn description(&mut self, node: &'y Node) -> Option<String> {
        let text = node.get("description").and_then(|n| self.plain("description", n))?;
        Some(text.trim().to_owned())
    }

    pub(in crate::spec) fn formula(&mut self, node: &'y Node, key: &str) -> Option<Text<'y>> {
        let value = node.get(key)?;
        match value.text() {
            Some(text) => {
                self.check_cut(key, value);
                Some(Text { text, node: value })
            }
            None => {
                self.shape(key, "a formula", value);
                None
            }
        }
    }

    /// A plain text that YAML has cut at ` #`: what follows on the line is lost.
    pub(in crate::spec) fn check_cut(&mut self, key: &str, node: &Node) {
        let yaml::Kind::Scalar { style: yaml::Style::Plain, value } = &node.kind else { return };
        let after = self.source.get(node.span.end as usize..).unwrap_or_default();
        let rest = after.split('\n').next().unwrap_or_default();
        let open = value.matches('"').count() % 2 == 1 || value.matches('(').count() > value.matches(')').count();
        if rest.trim_start().starts_with('#') && open {
            self.cut.push(node.span);
            let whole = format!("{}{}", value, rest.trim_end());
            let end = node.span.end + rest.trim_end().len() as u32;
            let mended = format!("'{}'", whole.replace('\'', "''"));
            self.report(
                Diagnostic::new(
                    Code::FormulaCut,
                    Span::new(node.span.end, end),
                    format!("`{}` is a comment to YAML, so the formula of `{key}` ends before it", rest.trim()),
                )
                .with_help(format!("put it in quotes: `{key}: {mended}`"))
                .with_fix(Span::new(node.span.start, end), mended),
            );
        }
    }

    /// A list of names, or one comma-separated text.
    pub(in crate::spec) fn list(&mut self, node: &'y Node, key: &str) -> Option<Vec<Text<'y>>> {
        let value = node.get(key)?;
        if let Some(text) = value.text() {
            return Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|t| !t.is_empty())
                    .map(|text| Text { text, node: value })
                    .collect(),
            );
        }
        if value.is_null() {
            return Some(Vec::new());
        }
        let Some(items) = value.items() else {
            self.shape(key, "a list or a comma-separated text", value);
            return Some(Vec::new());
        };
        let mut names = Vec::new();
        for item in items {
            match (item.text(), item.items()) {
                (Some(text), _) => names.push(Text { text, node: item }),
                // `[billing_date[month]]` is a text and a list to YAML.
                (None, Some(_)) => {
                    self.report(
                        Diagnostic::new(Code::WrongShape, item.span, format!("`{key}` holds a list inside a list"))
                            .with_help("put a timeframe in quotes inside a flow list: `[\"billing_date[month]\"]`"),
                    );
                }
                _ => self.shape(key, "a list of names", item),
            }
        }
        Some(names)
    }

    /// Jinja where the spec says the same without it.
    pub(in crate::spec) fn jinja(&mut self, key: &str, node: &Node, text: &str) {
        let inside = text.trim().trim_start_matches('{').trim_end_matches('}').trim();
        let diagnostic = Diagnostic::new(
            Code::WrongShape,
            node.span,
            format!("`{key}` is written without the braces of Jinja, found `{}`", text.trim()),
        );
        let sure = (inside.starts_with("ref(") || inside.starts_with("source(")) && inside.ends_with(')');
        self.report(if sure {
            let mended = if inside.contains(',') { format!("\"{inside}\"") } else { inside.to_owned() };
            diagnostic.with_help(format!("write `{key}: {mended}`")).with_fix(node.span, mended)
        } else {
            diagnostic.with_help(format!("write `{key}: ref('orders')` or `{key}: orders`"))
        });
    }
}
