//! Uniqueness test of a key. The test for a single column is dbt's `unique`. The test for several columns is a query
//! that groups by the key, so that NULL counts as a value and the types of the columns do not matter.

use formulac_syntax::diag::lists::join_words;
use formulac_syntax::lex::name_needs_quotes;
use formulac_syntax::text::is_word_char;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::compile::SpecCompilation;
use super::super::load::SpannedText;
use super::{SingularTest, TestedModel, to_file_name_part};
use crate::column_sql::ColumnSql;
use crate::dbt::{TestConfig, escaped_text};
use crate::diag::{Code, Diagnostic};
use crate::plan::{key_name, unused_name};
use crate::schema::Relation;
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Query, RowPlan, SelectSource, SqlId};
use crate::yaml::{self, Node, YamlValue};

/// YAML of a test that a column is NOT NULL.
const NOT_NULL_YAML: &str = "data_tests: [not_null]";

/// Name of the `dbt_utils` test for unique combinations of columns.
pub const UNIQUE_COMBINATION_TEST: &str = "dbt_utils.unique_combination_of_columns";

impl SpecCompilation<'_> {
    pub(super) fn add_grain_tests(
        &mut self,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let unsure: Vec<&String> = tested
            .grain
            .iter()
            .filter(|key| !self.never_null(key, tested))
            .collect();
        let nullable_key_warnings = self.nullable_key_warnings(&unsure);
        self.tests.nullable_key_warnings = nullable_key_warnings;
        match tested.grain {
            [] => {}
            // The test for a single key column is `unique`. dbt's test ignores NULL, which is correct because the step
            // has only one group for NULL.
            [_] => self.tests.unique_column = true,
            grain if self.has_uniqueness_test(grain) => {}
            grain
                if self.compiler.specs.generic_tests.contains(UNIQUE_COMBINATION_TEST)
                    && !self.has_quoted_column(grain, tested) =>
            {
                let names = YamlValue::list(grain.iter().map(escaped_text).collect());
                let arguments = YamlValue::map([("combination_of_columns", names)]);
                let value = YamlValue::map([("arguments", arguments)]);
                self.tests
                    .of_model
                    .push(YamlValue::map([(UNIQUE_COMBINATION_TEST, value)]));
            }
            grain => {
                let test = self.duplicate_keys_test(grain, tested, memory);
                self.add_test(Some(test), self.spec.model.node.span, diagnostics);
            }
        }
    }

    /// Adds a uniqueness test for the columns that the spec declares as the key. The caller must ensure that the
    /// columns are NOT NULL and that no other key is known.
    pub(crate) fn add_unique_key_test(
        &mut self,
        keys: &[String],
        known_relation: &Relation,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let tested = TestedModel {
            relation: known_relation.copy_columns_under_name(self.spec.model.text),
            has_unknown_columns: false,
            grain: keys,
            single: false,
            known: known_relation,
        };
        if let [_] = keys {
            self.tests.unique_column = true;
        } else {
            let test = self.duplicate_keys_test(keys, &tested, memory);
            self.add_test(Some(test), self.spec.model.node.span, diagnostics);
        }
    }

    /// Returns whether a column is never NULL: either the compiler inferred this, or the spec has a test or an enforced
    /// constraint.
    pub(super) fn never_null(&self, column: &str, tested: &TestedModel<'_>) -> bool {
        tested.is_never_null(column) || self.tests.never_null.contains(&column.to_lowercase())
    }

    /// Records the columns that are NOT NULL because of rules or other keys of the spec.
    pub(super) fn record_not_null_columns(&mut self) {
        let ruled = self
            .tests
            .column_tests
            .iter()
            .filter(|test| test.always && test.kind == "not_null");
        let ruled: Vec<String> = ruled.map(|test| test.column.to_lowercase()).collect();
        self.tests.never_null = self.declared_not_null();
        self.tests.never_null.extend(ruled);
    }

    /// Returns whether the spec has a uniqueness test on exactly these columns.
    fn has_uniqueness_test(&self, grain: &[String]) -> bool {
        let tests = self.spec.dbt.data_tests.and_then(Node::items).unwrap_or_default();
        let names = |test: &Node| -> Option<Vec<String>> {
            let node = test.get(UNIQUE_COMBINATION_TEST)?;
            let names = node
                .get("arguments")
                .unwrap_or(node)
                .get("combination_of_columns")?
                .items()?;
            Some(
                names
                    .iter()
                    .filter_map(|name| Some(name.text()?.to_lowercase()))
                    .collect(),
            )
        };
        let is_it = |names: Vec<String>| {
            names.len() == grain.len() && grain.iter().all(|key| names.contains(&key.to_lowercase()))
        };
        tests.iter().filter_map(names).any(is_it)
    }

    fn has_quoted_column(&self, grain: &[String], tested: &TestedModel<'_>) -> bool {
        let dialect = self.compiler.options.dialect;
        let columns = grain.iter().filter_map(|key| tested.relation.column(key));
        columns
            .into_iter()
            .any(|column| dialect.requires_quotes(column.name(), !column.is_quoted()))
    }

    fn duplicate_keys_test(
        &self,
        grain: &[String],
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
    ) -> SingularTest {
        let dialect = self.compiler.options.dialect;
        let (sources, _) = self.read_model(tested);
        let (import, name) = sources
            .sources
            .first()
            .map_or(("", ""), |source| (&source.import, &source.name));
        let shadows = dialect.facts().relation_shadows_column && grain.iter().any(|key| key.eq_ignore_ascii_case(name));
        let column_sql = ColumnSql {
            dialect,
            relation: Some(&tested.relation),
        };
        let tree = &mut memory.emit.tree;
        let mut keys: Vec<SqlId> = Vec::new();
        for key in grain {
            let key_sql = column_sql.column(key);
            keys.push(if shadows {
                tree.add_field(import, &key_sql)
            } else {
                tree.add_raw_text(&key_sql)
            });
        }
        let count_name = unused_name("row_count", grain.iter().map(String::as_str), dialect.max_bytes());
        let body = RowPlan::scan(SelectSource::Input(0)).select_duplicate_keys(keys, count_name, tree);
        let name_part = match grain {
            [first_key] => first_key.clone(),
            [first_key, two] => format!("{first_key}_and_{two}"),
            [first_key, ..] => format!("{first_key}_and_more"),
            [] => String::new(),
        };
        let model = self.spec.model.text;
        SingularTest {
            name: self.test_name(&format!("has_one_row_per_{}", to_file_name_part(&name_part))),
            config: TestConfig {
                group: self.group_of_private_model(),
                ..TestConfig::default()
            },
            explanation: format!(
                "Fails for each {} with more than one row in {model}.",
                join_words(grain, "and")
            ),
            sql: self.test_sql(&sources, tree, &Query { ctes: Vec::new(), body }),
        }
    }

    /// Returns one warning per nullable key column in `keys`.
    fn nullable_key_warnings(&self, keys: &[&String]) -> Vec<Diagnostic> {
        // Text of each key in `group_by`. If several steps group by a key, the last of these steps determines the text.
        let mut grouped: FxHashMap<String, SpannedText<'_>> = FxHashMap::default();
        for spanned_text in self.spec.steps.iter().rev().flat_map(|step| &step.group_by) {
            grouped
                .entry(key_name(spanned_text.text).to_lowercase())
                .or_insert(*spanned_text);
        }
        let column_names: FxHashSet<String> = self
            .spec
            .columns
            .iter()
            .map(|column_keys| column_keys.name.text.to_lowercase())
            .collect();
        // Compute the offsets only once, because the text may contain many names.
        let mut places: FxHashMap<Span, Vec<u32>> = FxHashMap::default();
        let mut warnings = Vec::with_capacity(keys.len());
        for key in keys {
            let grouped = grouped.get(&key.to_lowercase());
            let span = grouped.map_or(self.spec.model.node.span, |grouped| {
                let places = places.entry(grouped.node.span);
                grouped.file_span(places.or_insert_with(|| yaml::source_offsets(grouped.node, self.source)))
            });
            let add = match (
                column_names.contains(&key.to_lowercase()),
                column_names.is_empty(),
                warnings.is_empty(),
            ) {
                (true, ..) => format!("add `{NOT_NULL_YAML}` to `{key}` below `columns`"),
                (_, false, _) => format!("add `{key}: {{{NOT_NULL_YAML}}}` below `columns`"),
                // The first help contains the tests for all keys, because a spec has only one `columns` key.
                (.., true) => {
                    let entries: Vec<String> = keys.iter().map(|key| format!("{key}: {{{NOT_NULL_YAML}}}")).collect();
                    format!("add `columns: {{{}}}`", entries.join(", "))
                }
                _ => format!(
                    "add `columns` as in the help for `{}`",
                    keys.first().map_or("", |first| first.as_str())
                ),
            };
            warnings.push(nullable_key_warning(key, grouped, &add, span));
        }
        warnings
    }
}

fn nullable_key_warning(key: &str, grouped: Option<&SpannedText<'_>>, add: &str, span: Span) -> Diagnostic {
    let column = key_as_formula(grouped.map_or(key, |grouped| grouped.text));
    let message = format!("the key column `{key}` may be NULL, but has no `not_null` test");
    let help = format!("{add}{FILTER_NULLS_HELP}{column}))`");
    Diagnostic::new(Code::NullableKey, span, message).with_help(help)
}

const FILTER_NULLS_HELP: &str = ", or filter out NULLs with `where: NOT(ISBLANK(";

/// In the help of a warning about a nullable key, replaces the key of the expanded spec with its text in the `group_by`
/// of the original spec, because conditions in the original spec use that text.
pub(crate) fn with_original_key(diagnostic: Diagnostic, source: &str) -> Diagnostic {
    let key = key_as_formula(diagnostic.span().text(source));
    let add = diagnostic.help().and_then(|help| help.split_once(FILTER_NULLS_HELP));
    match add {
        Some((add, _)) if diagnostic.kind() == Code::NullableKey && !key.is_empty() => {
            let help = format!("{add}{FILTER_NULLS_HELP}{key}))`");
            diagnostic.with_help(help)
        }
        _ => diagnostic,
    }
}

/// Returns the formula for the value of an entry of `group_by`. The entry may be in YAML quotes and may have a
/// timeframe. A name that is not a single word is enclosed in `${…}`.
fn key_as_formula(entry: &str) -> String {
    let entry = entry.trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|quote| entry.strip_prefix(*quote)?.strip_suffix(*quote));
    let key = unquoted.unwrap_or(entry).trim();
    let braced = key.strip_prefix("${").and_then(|key| key.strip_suffix('}'));
    let key = braced.unwrap_or(key);
    let timeframe = key.strip_suffix(']').and_then(|key| key.rsplit_once('['));
    let column = timeframe.map_or(key, |(column, _)| column).trim();
    let is_name = column.chars().all(|c| is_word_char(c) || c == '.' || c == ' ');
    if braced.is_some() || (is_name && !column.contains('.') && name_needs_quotes(column)) {
        format!("${{{column}}}")
    } else {
        column.to_owned()
    }
}
