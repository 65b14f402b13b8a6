//! A spec's YAML to its parts: known keys with the right shapes, the rest reported.

use super::calendar::SaidToday;
use super::checks::is_plain_name;
use crate::calendar::Weekday;
use crate::dbt::From;
use crate::diag::{Code, Diagnostic, suggest};
use crate::span::Span;
use crate::yaml::{self, Node};

/// A text with its node, so that what is inside can be placed in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'y> {
    pub text: &'y str,
    pub node: &'y Node,
}

/// The columns of the step before that a step passes on.
#[derive(Clone, Debug, Default)]
pub(crate) enum Keep<'y> {
    #[default]
    Nothing,
    All,
    Columns(Vec<Text<'y>>),
}

/// The definitions of a step.
#[derive(Clone, Debug)]
pub(crate) enum Definitions<'y> {
    /// A text block.
    Block(Text<'y>),
    /// A formula with its name, and perhaps a description.
    Named { name: Text<'y>, formula: Text<'y>, description: Option<String> },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Step<'y> {
    pub name: Option<Text<'y>>,
    pub span: Span,
    pub definitions: Vec<Definitions<'y>>,
    pub filter: Option<Text<'y>>,
    pub having: Option<Text<'y>>,
    pub group_by: Vec<Text<'y>>,
    pub order_by: Vec<Text<'y>>,
    pub partition_by: Option<Vec<Text<'y>>>,
    pub keep: Keep<'y>,
    pub keep_span: Span,
    pub limit: Option<u64>,
    pub limit_span: Span,
    /// It was reported that it is no step, or that it has a key that means nothing; what it lacks may stand there.
    pub faulty: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Spec<'y> {
    pub model: Text<'y>,
    pub description: Option<String>,
    pub from: From,
    pub from_span: Span,
    pub steps: Vec<Step<'y>>,
    /// Name and description of output columns.
    pub columns: Vec<(Text<'y>, Option<String>)>,
    pub timezone: Option<String>,
    pub blank_zero: bool,
    pub week_start: Option<Weekday>,
    pub fiscal_month_offset: Option<u8>,
    pub today: Option<SaidToday>,
    /// Formulas that YAML has cut, which is reported; what is wrong with the rest follows from it.
    pub cut: Vec<Span>,
}

const MODEL_KEYS: &[&str] = &["model", "description", "from", "steps", "columns", "timezone", "blanks", "today", "week_start", "fiscal_month_offset"];
const MODEL_LATER: &[&str] = &[
    "config",
    "versions",
    "latest_version",
    "rules",
    "compare",
    "examples",
    "contract",
    "access",
    "group",
    "tags",
    "meta",
    "owner",
    "approvers",
];
const STEP_KEYS: &[&str] =
    &["name", "definitions", "group_by", "order_by", "partition_by", "keep", "where", "having", "limit"];
const STEP_LATER: &[&str] = &["joins", "calculations", "pivot_by", "values", "row", "tabs"];
const DEFINITION_KEYS: &[&str] = &["formula", "description"];
const DEFINITION_LATER: &[&str] = &["data_tests", "tests", "meta"];
const COLUMN_KEYS: &[&str] = &["description"];
const COLUMN_LATER: &[&str] = &["data_type", "constraints", "data_tests", "tests", "tags", "meta", "omni"];

pub(crate) fn load<'y>(root: &'y Node, source: &'y str, diagnostics: &mut Vec<Diagnostic>) -> Option<Spec<'y>> {
    let mut loader = Loader { source, diagnostics, cut: Vec::new() };
    loader.spec(root)
}

pub(super) struct Loader<'y, 'd> {
    source: &'y str,
    diagnostics: &'d mut Vec<Diagnostic>,
    cut: Vec<Span>,
}

impl<'y> Loader<'y, '_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn shape(&mut self, key: &str, wanted: &str, node: &Node) {
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                node.span,
                format!("`{key}` must be {wanted}, found {}", node.described()),
            )
            .with_help(format!("write `{key}:` followed by {wanted}")),
        );
    }

    /// Reports keys that are not known, or not built.
    fn keys(&mut self, node: &Node, known: &[&[&str]], later: &[&[&str]]) {
        for (key, _) in node.pairs().unwrap_or_default() {
            let Some(text) = key.text() else {
                self.report(
                    Diagnostic::new(Code::UnknownKey, key.span, "a key must be a text")
                        .with_help("write `key: value`, or remove what stands here"),
                );
                continue;
            };
            let among = |lists: &[&[&str]]| lists.iter().any(|l| l.contains(&text));
            if among(known) {
                continue;
            }
            if among(later) {
                self.report(
                    Diagnostic::new(Code::LaterKey, key.span, format!("the key `{text}` is not built yet"))
                        .with_help("leave it out; nothing is ignored in silence"),
                );
                continue;
            }
            let all = known.iter().chain(later).flat_map(|l| l.iter().copied());
            let diagnostic = Diagnostic::new(Code::UnknownKey, key.span, format!("unknown key `{text}`"));
            self.report(match suggest::nearest(text, all) {
                Some(near) => diagnostic.with_help(suggest::similar(near)),
                None => diagnostic.with_help(format!(
                    "the keys here are {}",
                    known.iter().flat_map(|l| l.iter()).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
                )),
            });
        }
    }

    fn spec(&mut self, root: &'y Node) -> Option<Spec<'y>> {
        if root.pairs().is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    root.span,
                    format!("a spec is a mapping, found {}", root.described()),
                )
                .with_help("begin with `model: name` and `from: table`"),
            );
            return None;
        }
        if let (None, Some(_)) = (root.get("model"), root.get("models")) {
            let span = self.key_span(root, "models");
            self.report(
                Diagnostic::new(
                    Code::UnknownKey,
                    span,
                    "`models` is a key of dbt's properties files, and this is read as a spec",
                )
                .with_help("a spec describes one model: begin with `model: name` and `from: table`"),
            );
            return None;
        }
        let steps = root.get("steps");
        if steps.is_some() {
            let mistaken = STEP_KEYS.iter().filter(|k| **k != "name").find(|k| root.get(k).is_some());
            if let Some(key) = mistaken {
                let span = self.key_span(root, key);
                self.report(
                    Diagnostic::new(Code::WrongShape, span, format!("`{key}` stands beside `steps`")).with_help(
                        "move it into the step that it belongs to; only a spec of one step has it at the top",
                    ),
                );
            }
            self.keys(root, &[MODEL_KEYS, STEP_KEYS], &[MODEL_LATER, STEP_LATER]);
        } else {
            self.keys(root, &[MODEL_KEYS, STEP_KEYS], &[MODEL_LATER, STEP_LATER]);
        }
        let model = self.required(root, "model", "a name, such as `model: monthly_revenue`");
        let from_text = self.required(root, "from", "the table that the rows come from, such as `from: orders`");
        let steps = match steps {
            Some(node) => match node.items() {
                Some([]) => {
                    self.report(
                        Diagnostic::new(Code::NothingToSelect, node.span, "the list of steps is empty")
                            .with_help("add a step, `- name: …` with `definitions:` below it"),
                    );
                    Vec::new()
                }
                Some(items) => items.iter().map(|item| self.step(item, false)).collect(),
                None => {
                    self.shape("steps", "a list", node);
                    Vec::new()
                }
            },
            None => vec![self.step(root, true)],
        };
        let columns = self.columns(root);
        let blank_zero = match root.get("blanks") {
            None => false,
            Some(node) => match node.text() {
                Some("zero") => true,
                Some("null") | None if node.is_null() => false,
                _ => {
                    self.shape("blanks", "`zero`", node);
                    false
                }
            },
        };
        let timezone = root.get("timezone").and_then(|n| self.plain("timezone", n)).map(str::to_owned);
        let week_start = self.week_start(root);
        let fiscal_month_offset = self.fiscal_month_offset(root);
        let today = self.today(root);
        let description = self.description(root);
        let (model, from_text) = (model?, from_text?);
        let from = self.from(from_text)?;
        Some(Spec {
            model,
            description,
            from,
            from_span: from_text.node.span,
            steps,
            columns,
            timezone,
            blank_zero,
            week_start,
            fiscal_month_offset,
            today,
            cut: std::mem::take(&mut self.cut),
        })
    }

    fn key_span(&self, root: &Node, key: &str) -> Span {
        root.pairs().unwrap_or_default().iter().find(|(k, _)| k.text() == Some(key)).map_or(root.span, |(k, _)| k.span)
    }

    fn required(&mut self, root: &'y Node, key: &str, what: &str) -> Option<Text<'y>> {
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

    /// Jinja where the spec says the same without it.
    pub(super) fn jinja(&mut self, key: &str, node: &Node, text: &str) {
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

    fn plain(&mut self, key: &str, node: &'y Node) -> Option<&'y str> {
        let text = node.text();
        if text.is_none() && !node.is_null() {
            self.shape(key, "a text", node);
        }
        text
    }

    fn description(&mut self, node: &'y Node) -> Option<String> {
        let text = node.get("description").and_then(|n| self.plain("description", n))?;
        Some(text.trim().to_owned())
    }

    fn step(&mut self, node: &'y Node, at_top: bool) -> Step<'y> {
        let mut step = Step { span: Span::new(node.span.start, node.span.start), ..Step::default() };
        if node.pairs().is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    node.span,
                    format!("a step is a mapping, found {}", node.described()),
                )
                .with_help("write `- name: …` with `definitions:` below it"),
            );
            step.faulty = true;
            return step;
        }
        if !at_top {
            self.keys(node, &[STEP_KEYS], &[STEP_LATER, &["columns"]]);
        }
        let strange = |key: &Node| key.text().is_none_or(|k| !STEP_KEYS.contains(&k) && !MODEL_KEYS.contains(&k));
        step.faulty = node.pairs().unwrap_or_default().iter().any(|(key, _)| strange(key));
        step.name = node.get("name").and_then(|n| Some(Text { text: self.plain("name", n)?, node: n }));
        if let Some(name) = step.name {
            self.check_name("a step's name", name.text, name.node);
        }
        step.filter = self.formula(node, "where");
        step.having = self.formula(node, "having");
        step.group_by = self.list(node, "group_by").unwrap_or_default();
        step.order_by = self.list(node, "order_by").unwrap_or_default();
        step.order_by.iter_mut().for_each(|entry| self.check_order(entry));
        step.partition_by = self.list(node, "partition_by");
        if let Some(keep) = node.get("keep") {
            step.keep_span = keep.span;
            step.keep = match keep.text() {
                Some("all") => Keep::All,
                _ => Keep::Columns(self.list(node, "keep").unwrap_or_default()),
            };
        }
        if let Some(limit) = node.get("limit") {
            step.limit_span = limit.span;
            step.limit = limit.text().and_then(|t| t.parse().ok());
            if step.limit.is_none() {
                let found = limit.text().map_or_else(|| limit.described().to_owned(), |text| format!("`{text}`"));
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        limit.span,
                        format!("`limit` must be a whole number, found {found}"),
                    )
                    .with_help("write how many rows to keep, such as `limit: 100`"),
                );
            }
        }
        if let Some(definitions) = node.get("definitions") {
            self.definitions(definitions, &mut step);
        }
        step
    }

    /// Names that become names in SQL: any quoted text can be one there, but for these.
    fn check_name(&mut self, what: &str, name: &str, node: &Node) {
        let fault = match name.chars().find(|c| c.is_control()) {
            Some(c) => format!("{what} holds the control character U+{:04X}", c as u32),
            None if name.trim().is_empty() => format!("{what} is empty"),
            None => return,
        };
        self.report(Diagnostic::new(Code::WrongShape, node.span, fault).with_help("write letters, digits and `_`"));
    }

    /// `revenue desc nulls last`, `revenue descending`: read as the name.
    fn check_order(&mut self, entry: &mut Text<'y>) {
        let text = entry.text;
        let Some((name, words)) = text.split_once(char::is_whitespace) else { return };
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let known = ["asc", "ascending", "desc", "descending", "nulls", "first", "last"];
        if matches!(words.as_slice(), [one] if one == "asc" || one == "desc")
            || !words.iter().all(|word| known.contains(&word.as_str()))
        {
            return;
        }
        let descending = words.first().is_some_and(|word| word.starts_with("desc"));
        let mended = format!("{name}{}", if descending { " desc" } else { "" });
        entry.text = name;
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                entry.node.span,
                format!("`order_by` takes names, each with `asc` or `desc`, found `{text}`"),
            )
            .with_help(format!("write `{mended}`; empty values come last either way")),
        );
    }

    fn formula(&mut self, node: &'y Node, key: &str) -> Option<Text<'y>> {
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

    fn definitions(&mut self, node: &'y Node, step: &mut Step<'y>) {
        if let Some(text) = node.text() {
            self.check_cut("definitions", node);
            if self.runs_together(node) {
                step.faulty = true;
                return;
            }
            step.definitions.push(Definitions::Block(Text { text, node }));
            return;
        }
        let Some(pairs) = node.pairs() else {
            if !node.is_null() {
                step.faulty = true;
                self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        node.span,
                        format!("`definitions` must be a text block or a mapping, found {}", node.described()),
                    )
                    .with_help("write `definitions: |` with a line `name = formula` each, or `name: formula` each"),
                );
            }
            return;
        };
        for (key, value) in pairs {
            let Some(text) = key.text() else {
                self.report(
                    Diagnostic::new(Code::UnknownKey, key.span, "a definition's name must be a text")
                        .with_help("write `name: formula`"),
                );
                continue;
            };
            let name = Text { text, node: key };
            self.check_name("a definition's name", text, key);
            let (formula, description) = if value.pairs().is_some() {
                self.keys(value, &[DEFINITION_KEYS], &[DEFINITION_LATER]);
                (self.required(value, "formula", "the definition's formula"), self.description(value))
            } else {
                self.check_cut(text, value);
                let formula = value.text().map(|text| Text { text, node: value });
                if formula.is_none() {
                    self.shape(text, "a formula", value);
                }
                (formula, None)
            };
            step.definitions.extend(formula.map(|formula| Definitions::Named { name, formula, description }));
        }
    }

    /// Lines of `name = formula` below `definitions:` without `|`, which YAML makes one line of.
    fn runs_together(&mut self, node: &Node) -> bool {
        let yaml::Kind::Scalar { style: yaml::Style::Plain, .. } = &node.kind else { return false };
        let defines = |line: &&str| {
            let name = line.split_once('=').map_or("", |(name, _)| name.trim());
            is_plain_name(name)
        };
        if node.span.text(self.source).lines().filter(defines).count() < 2 {
            return false;
        }
        let before = self.source.get(..node.span.start as usize).unwrap_or_default();
        let diagnostic =
            Diagnostic::new(Code::WrongShape, node.span, "without `|` the lines of `definitions` are one line to YAML")
                .with_help("write `definitions: |`");
        let colon = before.trim_end();
        let below = before.get(colon.len()..).is_some_and(|gap| gap.contains('\n'));
        self.report(if below && colon.ends_with(':') {
            let at = colon.len() as u32;
            diagnostic.with_fix(Span::new(at, at), " |")
        } else {
            diagnostic
        });
        true
    }

    /// A plain text that YAML has cut at ` #`: what follows on the line is lost.
    fn check_cut(&mut self, key: &str, node: &Node) {
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
    fn list(&mut self, node: &'y Node, key: &str) -> Option<Vec<Text<'y>>> {
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

    fn columns(&mut self, root: &'y Node) -> Vec<(Text<'y>, Option<String>)> {
        let Some(node) = root.get("columns") else { return Vec::new() };
        let Some(pairs) = node.pairs() else {
            self.shape("columns", "a mapping of names", node);
            return Vec::new();
        };
        let mut columns = Vec::new();
        for (key, value) in pairs {
            let Some(text) = key.text() else { continue };
            if value.pairs().is_none() && !value.is_null() {
                self.shape(text, "a mapping, such as `{description: …}`", value);
                continue;
            }
            self.keys(value, &[COLUMN_KEYS], &[COLUMN_LATER]);
            columns.push((Text { text, node: key }, self.description(value)));
        }
        columns
    }
}
