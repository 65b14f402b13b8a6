//! dbt unit tests for `examples:`. The examples are checked against the model's inputs and output.

use formulac_syntax::diag::lists::quote_names;
use rustc_hash::FxHashMap;

use super::super::compile::SpecCompilation;
use super::super::load::SpecExample;
use super::super::sources::SourceRelation;
use super::TestedModel;
use crate::Type;
use crate::check::{is_iso_date, missing_column_diagnostic};
use crate::dbt::{RelationReference, escaped_text};
use crate::diag::{Code, Diagnostic, suggest};
use crate::incremental::is_incremental;
use crate::schema::{Column, Relation};
use crate::yaml::{CollectionStyle, Node, NodeKind, YamlStyle, YamlValue};

/// dbt's name for the existing rows of an incremental model.
const THIS_RELATION: &str = "this";

impl SpecCompilation<'_> {
    pub(super) fn unit_tests(&mut self, tested: &TestedModel<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let Some(first) = self.spec.examples.first() else {
            return;
        };
        if !self.compiler.specs.unit_tests() {
            diagnostics.push(
                Diagnostic::new(
                    Code::KeyWithoutEffect,
                    first.name.node.span,
                    "unit tests need dbt 1.8 or later",
                )
                .with_help("upgrade dbt, or remove `examples`"),
            );
            return;
        }
        for example in &self.spec.examples {
            let before = diagnostics.len();
            let test = self.unit_test(example, tested, diagnostics);
            if !diagnostics.iter().skip(before).any(Diagnostic::is_error) {
                self.tests.unit_tests.push(test);
            }
        }
    }

    fn unit_test(
        &self,
        example: &SpecExample<'_>,
        tested: &TestedModel<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> YamlValue {
        let text = |text: &str| YamlValue::Text(text.to_owned());
        let mut pairs = vec![("name", text(example.name.text)), ("model", text(self.spec.model.text))];
        if let Some(version) = self.model_version() {
            let is_number = version.parse::<f64>().is_ok();
            let version_list = YamlValue::list(vec![if is_number {
                YamlValue::Bare(version)
            } else {
                YamlValue::Text(version)
            }]);
            pairs.push(("versions", YamlValue::map([("include", version_list)])));
        }
        let (inputs, has_own_rows) = self.given_rows(example, diagnostics);
        pairs.push(("given", YamlValue::list(inputs)));
        pairs.extend(
            self.unit_test_overrides(example, has_own_rows, diagnostics)
                .map(|overrides| ("overrides", overrides)),
        );
        let columns = (!tested.has_unknown_columns).then_some(tested.known);
        let expect = self.convert_example_rows(example.expect, columns, UnitTestRowKind::Expected, diagnostics);
        pairs.push(("expect", YamlValue::map(expect)));
        YamlValue::map(pairs)
    }

    /// Returns the rows of each input. Inputs that the example omits have no rows. Also returns whether the example
    /// contains existing rows of the model itself.
    fn given_rows(&self, example: &SpecExample<'_>, diagnostics: &mut Vec<Diagnostic>) -> (Vec<YamlValue>, bool) {
        let sources = &self.sources.sources;
        let mut seen: FxHashMap<String, &Node> = FxHashMap::default();
        let mut inputs = Vec::new();
        let mut has_own_rows = false;
        for item in example.given.items().unwrap_or_default() {
            let Some(input) = item.get("input") else { continue };
            let input_text = input.text().unwrap_or_default().trim();
            let is_own = input_text == THIS_RELATION && is_incremental(self);
            let source = sources
                .iter()
                .find(|source| RelationReference::read(input_text).is_some_and(|from| source.is_same_relation(&from)));
            let source_call = source.and_then(|source| source.from.ref_call());
            let name = if is_own {
                THIS_RELATION.to_owned()
            } else {
                source_call.clone().unwrap_or_else(|| input_text.to_owned())
            };
            if let Some(first) = seen.insert(name.clone(), input) {
                let message = format!("the rows of `{name}` are specified twice");
                diagnostics.push(
                    Diagnostic::new(Code::DuplicateDefinition, input.span, message)
                        .with_secondary_label(first.span, "the first")
                        .with_help("put all rows in one list"),
                );
            }
            has_own_rows |= is_own;
            let relation = match (is_own, source) {
                (true, _) => None,
                (false, Some(source)) => self.schema_relation(&source.from),
                (false, None) => {
                    diagnostics.push(unread_input_error(input_text, input, sources));
                    continue;
                }
            };
            let mut pairs = vec![("input".to_owned(), YamlValue::Text(name))];
            pairs.extend(self.convert_example_rows(item, relation, UnitTestRowKind::Given, diagnostics));
            inputs.push(YamlValue::map(pairs));
        }
        for source in sources {
            let Some(name) = source.from.ref_call() else {
                let message = format!(
                    "dbt cannot replace the table `{}` with example rows",
                    source.from.display_name()
                );
                diagnostics.push(
                    Diagnostic::new(Code::WrongShape, example.name.node.span, message).with_help(format!(
                        "declare the table as a dbt source, and read `{}`",
                        source_call(&source.from)
                    )),
                );
                continue;
            };
            if !seen.contains_key(&name) {
                let none = ("rows", YamlValue::list(Vec::new()));
                inputs.push(YamlValue::map([("input", YamlValue::Text(name)), none]));
            }
        }
        (inputs, has_own_rows)
    }

    /// Returns the overrides for a unit test: the date, and whether the run is incremental.
    fn unit_test_overrides(
        &self,
        example: &SpecExample<'_>,
        has_own_rows: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<YamlValue> {
        let mut overrides = Vec::new();
        if is_incremental(self) {
            let incremental = ("is_incremental".to_owned(), YamlValue::Bare(has_own_rows.to_string()));
            overrides.push(("macros".to_owned(), YamlValue::map([incremental])));
        }
        if let Some(day) = example.today {
            match self.spec.today.as_ref().and_then(|today| today.variable_name()) {
                Some(name) => {
                    let variable = (name.to_owned(), escaped_text(day.text));
                    overrides.push(("vars".to_owned(), YamlValue::map([variable])));
                }
                None => diagnostics.push(
                    Diagnostic::new(
                        Code::WrongShape,
                        day.node.span,
                        "an example can set `today` only if the model reads it from a dbt variable",
                    )
                    .with_help("add `today: {var: today}` to the model, and set the usual date with `default`"),
                ),
            }
        }
        (!overrides.is_empty()).then_some(YamlValue::map(overrides))
    }

    /// Returns the keys `rows`, `format` and `fixture` for an input or the expected output.
    fn convert_example_rows(
        &self,
        node: &Node,
        relation: Option<&Relation>,
        row_kind: UnitTestRowKind,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<(String, YamlValue)> {
        let mut pairs = Vec::new();
        for key in ["format", "fixture"] {
            let text = node.text_at(key);
            pairs.extend(text.map(|text| (key.to_owned(), YamlValue::Text(text.to_owned()))));
        }
        let Some(rows) = node.get("rows") else { return pairs };
        let value = match (rows.items(), rows.text()) {
            (Some(items), _) => {
                let mut reported = Vec::new();
                let row = |row| convert_example_row(row, relation, row_kind, &mut reported, diagnostics);
                let rows: Vec<UnitTestRow> = items.iter().map(row).collect();
                let rows = if row_kind == UnitTestRowKind::Expected {
                    self.align_row_columns(rows, node, diagnostics)
                } else {
                    rows
                };
                YamlValue::list(rows.into_iter().map(row_value).collect())
            }
            (None, Some(text)) => YamlValue::Text(text.to_owned()),
            (None, None) => YamlValue::list(Vec::new()),
        };
        pairs.push(("rows".to_owned(), value));
        pairs
    }

    /// Returns the expected rows, all with the same columns in the same order because dbt combines the rows in a union.
    /// A column that is missing in a row is NULL, as in input rows.
    fn align_row_columns(
        &self,
        rows: Vec<UnitTestRow>,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<UnitTestRow> {
        let mut columns: Vec<String> = Vec::new();
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        for (name, _) in rows.iter().flatten() {
            places.entry(name.to_lowercase()).or_insert_with(|| {
                columns.push(name.clone());
                columns.len() - 1
            });
        }
        let byte_count = columns.iter().map(|name| name.len() + ": null, ".len()).sum::<usize>() * rows.len();
        if byte_count > self.compiler.options.limits.output {
            let message = format!("{} expected rows of {} columns are too many", rows.len(), columns.len());
            diagnostics.push(Diagnostic::new(Code::OutputTooLarge, node.span, message).with_help("split the example"));
            return rows;
        }
        let even = |row: UnitTestRow| {
            let mut even: UnitTestRow = columns
                .iter()
                .map(|name| (name.clone(), YamlValue::Bare("null".to_owned())))
                .collect();
            for (name, value) in row {
                let index = places.get(&name.to_lowercase()).and_then(|index| even.get_mut(*index));
                index.into_iter().for_each(|(_, cell)| cell.clone_from(&value));
            }
            even
        };
        rows.into_iter().map(even).collect()
    }
}

/// Column names and values of a row in an example.
type UnitTestRow = Vec<(String, YamlValue)>;

/// Returns a row on one line, or on several lines if a value is a list or a mapping.
fn row_value(row: UnitTestRow) -> YamlValue {
    let style = match row.iter().all(|(_, value)| value.is_scalar()) {
        true => CollectionStyle::Flow,
        false => CollectionStyle::Block,
    };
    YamlValue::Map(row, style)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnitTestRowKind {
    Given,
    Expected,
}

fn convert_example_row<'y>(
    row: &'y Node,
    relation: Option<&Relation>,
    row_kind: UnitTestRowKind,
    reported: &mut Vec<&'y str>,
    diagnostics: &mut Vec<Diagnostic>,
) -> UnitTestRow {
    let mut pairs = Vec::new();
    for (key, value) in row.pairs().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        let column = relation.and_then(|relation| relation.column(name));
        match (relation, column) {
            (_, Some(column)) => diagnostics.extend(type_mismatch_diagnostic(column, value)),
            // Report a wrong name only once instead of in every row. The names in expected rows are checked elsewhere.
            (Some(relation), None) if row_kind == UnitTestRowKind::Given && !reported.contains(&name) => {
                reported.push(name);
                let help = || "correct the name, or remove it".to_owned();
                diagnostics.push(missing_column_diagnostic(relation, name, key.span, help));
            }
            _ => {}
        }
        pairs.push((name.to_owned(), yaml_value(value, column)));
    }
    pairs
}

/// Returns a value for dbt, as the user wrote it. dbt compares values as text, so a decimal such as `100.00` becomes a
/// string. YAML would otherwise parse the decimal as a float and drop digits.
fn yaml_value(value: &Node, column: Option<&Column>) -> YamlValue {
    match &value.kind {
        NodeKind::Scalar {
            value: text,
            style: YamlStyle::Plain,
        } if text.is_empty() => YamlValue::Bare("null".to_owned()),
        NodeKind::Scalar {
            value: text,
            style: YamlStyle::Plain,
        } if !text.contains(|c: char| c.is_control() || c == '{') => {
            let decimal = column.is_some_and(|column| matches!(column.ty(), Type::Decimal | Type::Number));
            if decimal && text.contains('.') && text.parse::<f64>().is_ok() {
                return YamlValue::Text(text.clone());
            }
            YamlValue::Bare(text.clone())
        }
        NodeKind::Scalar { value: text, .. } => escaped_text(text),
        NodeKind::Sequence(items) => YamlValue::list(items.iter().map(|item| yaml_value(item, None)).collect()),
        NodeKind::Mapping(pairs) => {
            let pair =
                |(key, value): &(Node, Node)| (key.text().unwrap_or_default().to_owned(), yaml_value(value, None));
            YamlValue::map(pairs.iter().map(pair))
        }
    }
}

/// Returns a diagnostic if a value does not match the type of its column.
fn type_mismatch_diagnostic(column: &Column, value: &Node) -> Option<Diagnostic> {
    let ty = column.ty();
    if value.is_null() || matches!(ty, Type::Unknown | Type::Other) {
        return None;
    }
    let text = value.text().map(str::trim);
    let fits = match (ty, text) {
        (_, None) => false,
        (Type::Integer, Some(text)) => text.parse::<i128>().is_ok(),
        (ty, Some(text)) if ty.is_number() => text.parse::<f64>().is_ok(),
        (Type::Boolean, Some(text)) => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
        (Type::Date, Some(text)) => is_iso_date(text),
        (ty, Some(text)) if ty.is_temporal() => text.get(..10).is_some_and(is_iso_date),
        _ => true,
    };
    if fits {
        return None;
    }
    let example = match ty {
        Type::Boolean => "`true` or `false`",
        Type::Date => "the date as `2024-01-31`",
        Type::Timestamp | Type::Timestamptz => "the time as `2024-01-31 09:00:00`",
        Type::Text => "text in quotes",
        _ => "a number",
    };
    let message = format!(
        "`{}` must be {}, found {}",
        column.name(),
        ty.describe(),
        value.describe()
    );
    Some(Diagnostic::new(Code::TypeMismatch, value.span, message).with_help(format!("write {example}")))
}

/// Converts a table name such as `raw.orders` to the form `source('raw', 'orders')`.
fn source_call(from: &RelationReference) -> String {
    let relation_name = from.display_name();
    let parts: Vec<&str> = relation_name.rsplit('.').take(2).collect();
    format!(
        "source('{}', '{}')",
        parts.last().copied().unwrap_or_default(),
        from.name()
    )
}

fn unread_input_error(text: &str, input: &Node, sources: &[SourceRelation]) -> Diagnostic {
    let calls: Vec<String> = sources.iter().filter_map(|source| source.from.ref_call()).collect();
    let message = format!("the model does not read `{text}`");
    let diagnostic = Diagnostic::new(Code::UnknownRelation, input.span, message);
    let names = || calls.iter().map(String::as_str);
    let other = || {
        format!(
            "use a relation that the model reads: {}",
            quote_names(names()).join(", ")
        )
    };
    diagnostic.with_help(suggest::similar_name_help_or(text, names(), other))
}
