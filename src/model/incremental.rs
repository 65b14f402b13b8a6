//! Incremental models: determines the rows that a run must read again, so that the result is the same as after a full
//! refresh.
//!
//! The time column is traced back to its origin in the first step, and an incremental run filters the first step's rows
//! by that origin. The run reads further back if values depend on rows earlier than the rows that the run writes.
//! Values that may depend on rows from any time are reported as errors.

use super::compile::SpecCompilation;
use super::config::{config_text, config_value};
use super::load::SpannedText;
use super::lookback::is_nested;
use super::time_range::CalendarDuration;
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::CalendarUnit;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::yaml::Node;
use formulac_syntax::diag::lists::{join_names, quote_names};

/// Plan of incremental runs.
#[derive(Clone, Debug)]
pub(super) struct IncrementalPlan {
    /// Time column.
    pub time: Column,
    /// Unit to which the time column is truncated.
    pub unit: Option<CalendarUnit>,
    /// Name of the first step's column from which the time column originates.
    pub of_first: String,
    /// Distance between the table's newest row and the point at which a run begins to read.
    pub read_distance: CalendarDuration,
    /// Distance between the table's newest row and the point at which a run begins to write. `None` if a run writes all
    /// rows that it computes from the input.
    pub write_distance: Option<CalendarDuration>,
    /// Key columns that the spec specifies.
    pub unique_key: Vec<String>,
    /// Whether the key is unique.
    pub is_unique: bool,
}

/// Strategies that replace existing rows by key, so that late rows do not cause duplicates.
const UPSERT_STRATEGIES: [&str; 2] = ["merge", "delete+insert"];

impl SpecCompilation<'_> {
    /// Plans incremental runs if the model is incremental, and reports anything that prevents them.
    pub(super) fn plan_incremental(
        &self,
        output: Option<&Relation>,
        grain: &[String],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<IncrementalPlan> {
        if !self.incremental {
            return None;
        }
        let Some(output) = output else {
            let span = config_value(&self.spec.dbt, "materialized").map_or(Span::default(), |node| node.span);
            let message = "the key of an incremental model must be one of its columns, but no schema lists the \
                columns of `keep: all`";
            diagnostics.push(
                Diagnostic::new(Code::IncrementalWithoutKey, span, message)
                    .with_help("provide a schema with `--schema`, or list the columns in `keep`"),
            );
            return None;
        };
        let before = diagnostics.len();
        let strategy = self.read_incremental_strategy(diagnostics);
        self.check_schema_change(diagnostics);
        let (event_time, keys) = self.read_time_and_unique_key(output, grain, diagnostics)?;
        let time = output.column(event_time.text)?.clone();
        let unique_key: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(output.column(key.text)?.name().to_owned()))
            .collect();
        let is_unique = self.check_unique_key(&unique_key, time.name(), grain, strategy, &keys, diagnostics);
        self.check_key_changes_by_late_rows(&keys, diagnostics);
        let traced = self.find_source_time_column(&time, event_time, diagnostics)?;
        let cut_to = traced.units.first().copied();
        let lookback = self.read_lookback(&time, cut_to, diagnostics)?;
        let (further_out, further_back) = self.compute_lookback_durations(&traced, diagnostics)?;
        if diagnostics
            .get(before..)
            .unwrap_or_default()
            .iter()
            .any(Diagnostic::is_error)
        {
            return None;
        }
        self.check_nullable_columns(output, &time, &keys, event_time, diagnostics);
        let distance = lookback.combine(further_out);
        let read_distance = distance.combine(further_back);
        // A run begins at the start of a calendar period, such as a month. The last date truncation determines the
        // period. If the periods of all other truncations nest within it, the run reads only complete periods.
        let is_complete = further_out == CalendarDuration::default()
            && traced.units.iter().all(|u| cut_to.is_none_or(|to| is_nested(*u, to)));
        let write_distance = (distance != read_distance || !is_complete).then_some(distance);
        Some(IncrementalPlan {
            time,
            unit: cut_to,
            of_first: traced.name,
            read_distance,
            write_distance,
            unique_key,
            is_unique,
        })
    }

    /// Returns the help text for an incremental model without a column that contains dates or times.
    fn missing_time_column_help(&self) -> String {
        let last = self.spec.steps.last();
        let is_grouped = last.is_some_and(|step| !step.group_by.is_empty());
        let relation = self.schema_relation(&self.spec.from);
        let mut columns = relation.into_iter().flat_map(Relation::columns);
        let time = columns.find(|column| column.ty().is_temporal());
        let name = time.map_or("ordered_at", Column::name);
        let (add, column) = match is_grouped {
            true => (format!("`{name}[day]` to `group_by`"), format!("{name}_day")),
            false => (format!("`{name}` to `keep`"), name.to_owned()),
        };
        let example = match time {
            Some(_) => "",
            None => ", with the name of your date column,",
        };
        format!(
            "a run adds the rows after the newest time in the table, so add {add}{example} and `event_time: {column}` to \
             `config`; if the rows have no time, write `materialized: table`"
        )
    }

    /// Returns the time column and the key columns in the spec, and reports missing or unknown columns.
    fn read_time_and_unique_key<'s>(
        &'s self,
        output: &Relation,
        grain: &[String],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(SpannedText<'s>, Vec<SpannedText<'s>>)> {
        let dbt = &self.spec.dbt;
        let span = config_value(dbt, "materialized").map_or(Span::default(), |node| node.span);
        let mut lacks = |requirement: &str, help: String| {
            let message = format!("an incremental model needs {requirement}");
            diagnostics.push(Diagnostic::new(Code::IncrementalWithoutKey, span, message).with_help(help));
        };
        let event_time = config_value(dbt, "event_time").and_then(scalar_text);
        if event_time.is_none() {
            let is_time = |c: &&Column| c.ty().is_temporal();
            let names = output.columns().iter().filter(is_time).map(Column::name);
            let example = names
                .clone()
                .find(|n| grain.iter().any(|g| g.eq_ignore_ascii_case(n)))
                .or(names.clone().next());
            lacks(
                "the column with the time of each row",
                match example {
                    Some(name) => format!("add `event_time: {name}` to `config`"),
                    None => self.missing_time_column_help(),
                },
            );
        }
        let keys = config_value(dbt, "unique_key").map(|node| match node.items() {
            Some(items) => items.iter().filter_map(scalar_text).collect(),
            None => scalar_text(node).into_iter().collect::<Vec<_>>(),
        });
        let keys = keys.filter(|keys| !keys.is_empty());
        if keys.is_none() {
            let help = match grain {
                [] => "add the columns that identify each row to `config`, such as `unique_key: [id]`".to_owned(),
                grain => format!("add `unique_key: [{}]` to `config`", grain.join(", ")),
            };
            lacks("the columns that identify each row", help);
        }
        let (event_time, keys) = (event_time?, keys?);
        let mut is_known = true;
        for name in keys
            .iter()
            .chain([&event_time])
            .filter(|name| output.column(name.text).is_none())
        {
            is_known = false;
            let message = format!("the model has no column `{}`", name.text);
            let diagnostic = Diagnostic::new(Code::UnknownName, name.node.span, message);
            diagnostics.push(
                match suggest::nearest_name(name.text, output.columns().iter().map(Column::name)) {
                    _ if name.text.contains(',') => {
                        diagnostic.with_help(format!("write a list: `unique_key: [{}]`", name.text))
                    }
                    Some(near) => diagnostic.with_help(suggest::similar_name_help(near)),
                    None => diagnostic.with_help("specify a column of the last step"),
                },
            );
        }
        is_known.then_some((event_time, keys))
    }

    /// Returns the incremental strategy, and reports a strategy that the dialect does not support.
    fn read_incremental_strategy(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<&str> {
        let dialect = self.compiler.options.dialect;
        let strategies: Vec<&str> = dialect.facts().incremental_strategies.split(' ').collect();
        let Some(node) = config_value(&self.spec.dbt, "incremental_strategy") else {
            return strategies.first().copied();
        };
        let strategy = node.text().unwrap_or_default();
        if strategies.contains(&strategy) {
            return Some(strategy);
        }
        let message = match strategy {
            _ if UPSERT_STRATEGIES.contains(&strategy) => format!("dbt has no strategy `{strategy}` for {dialect}"),
            "append" => "`append` would add a row again if a later run reads it again".to_owned(),
            "insert_overwrite" => {
                "`insert_overwrite` is not supported, because it replaces whole partitions, and formulac does not \
                    check whether a run returns all rows of each partition"
                    .to_owned()
            }
            "microbatch" => {
                "`microbatch` is not supported, because dbt then limits the inputs to its own time ranges, \
                without the earlier rows that the formulas need"
                    .to_owned()
            }
            _ => format!("`{strategy}` is not an incremental strategy for which formulac can select the rows"),
        };
        let settings = strategies.iter().map(|name| format!("incremental_strategy: {name}"));
        let strategy_list = join_names(settings, "or");
        diagnostics.push(
            Diagnostic::new(Code::UnsupportedStrategy, node.span, message).with_help(format!("write {strategy_list}")),
        );
        None
    }

    /// Reports an invalid `on_schema_change`. If the contract is enforced, dbt accepts only some of the values.
    fn check_schema_change(&self, diagnostics: &mut Vec<Diagnostic>) {
        let Some(node) = config_value(&self.spec.dbt, "on_schema_change") else {
            return;
        };
        let word = node.text().unwrap_or_default();
        let valid_words = ["append_new_columns", "fail", "ignore", "sync_all_columns"];
        let message = if !valid_words.contains(&word) {
            format!("dbt does not support the value `{word}` for `on_schema_change`")
        } else if self.is_contract_enforced() && !["append_new_columns", "fail"].contains(&word) {
            format!("`on_schema_change: {word}` would change the columns of an enforced contract")
        } else {
            return;
        };
        diagnostics.push(
            Diagnostic::new(Code::SchemaChangeUnderContract, node.span, message)
                .with_help("write `append_new_columns` or `fail`"),
        );
    }

    /// Reports a `unique_key` that differs from the model's known key. Returns whether `unique_key` identifies single
    /// rows.
    fn check_unique_key(
        &self,
        unique_key: &[String],
        time: &str,
        grain: &[String],
        strategy: Option<&str>,
        keys: &[SpannedText<'_>],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
        let has = |names: &[String], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        let by_periods = strategy == Some("delete+insert") && has(unique_key, time);
        if grain.is_empty() {
            return !by_periods;
        }
        let within = unique_key.iter().all(|key| has(grain, key));
        let is_exact = within && grain.iter().all(|name| has(unique_key, name));
        if !(is_exact || within && by_periods)
            && let (Some(first), Some(last)) = (keys.first(), keys.last())
        {
            let name_list = |names: &[String]| quote_names(names).join(", ");
            let span = Span::new(first.node.span.start, last.node.span.end);
            let message = format!(
                "the model has one row per {}, but `unique_key` is {}",
                name_list(grain),
                name_list(unique_key)
            );
            diagnostics.push(
                Diagnostic::new(Code::IncrementalKey, span, message)
                    .with_help(format!("write `unique_key: [{}]`", grain.join(", "))),
            );
        }
        is_exact
    }

    /// Reports key columns that may change when a late row arrives, because the row with the old key would remain in
    /// the table.
    fn check_key_changes_by_late_rows(&self, keys: &[SpannedText<'_>], diagnostics: &mut Vec<Diagnostic>) {
        let Some(last) = self.times.last().filter(|last| !last.has_undeclared_columns) else {
            return;
        };
        for key in keys
            .iter()
            .filter(|key| !last.row_level.contains(&key.text.to_lowercase()))
        {
            let message = format!(
                "the key `{}` may change when a late row arrives, but the row with the old key would remain in \
                    the table",
                key.text
            );
            diagnostics.push(Diagnostic::new(Code::RowsMayLeave, key.node.span, message).with_help(
                "in `unique_key`, use only input columns that the model groups by, or write `materialized: table`",
            ));
        }
    }

    /// Reports key columns and time columns that may be NULL. `NULL` is not equal to any value, so each run would add
    /// another row with a `NULL` key.
    fn check_nullable_columns(
        &self,
        output: &Relation,
        time: &Column,
        keys: &[SpannedText<'_>],
        event_time: SpannedText<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if self.schema_relation(&self.spec.from).is_none() {
            // Without a schema, no column is known to be NOT NULL. Rely on dbt's tests to report NULLs.
            return;
        }
        for key in keys.iter().chain([&event_time]) {
            let Some(column) = output.column(key.text).filter(|column| column.is_nullable()) else {
                continue;
            };
            let is_time = column.name() == time.name();
            if is_time && !std::ptr::eq(key.node, event_time.node) || self.has_not_null_test(column.name()) {
                continue;
            }
            let name = column.name();
            let (message, help) = if is_time {
                (
                    format!("`{name}` may be NULL, but incremental runs skip rows without a time"),
                    format!("filter out NULLs with `where`, and add `columns: {{{name}: {{data_tests: [not_null]}}}}`"),
                )
            } else {
                (
                    format!(
                        "`{name}` may be NULL, and NULLs are never equal, so each run inserts the rows with a NULL \
                         `{name}` again"
                    ),
                    format!(
                        "replace NULL in its definition, as in `{name} = COALESCE({name}, …)`, or add `columns: \
                            {{{name}: {{data_tests: [not_null]}}}}`"
                    ),
                )
            };
            diagnostics.push(Diagnostic::new(Code::IncrementalKeyMayBeNull, key.node.span, message).with_help(help));
        }
    }

    fn has_not_null_test(&self, name: &str) -> bool {
        let column = self
            .spec
            .columns
            .iter()
            .find(|column| column.name.text.eq_ignore_ascii_case(name));
        let tests = column.and_then(|column| column.data_tests?.items()).unwrap_or_default();
        tests
            .iter()
            .any(|test| test.text() == Some("not_null") || test.get("not_null").is_some())
    }
}

fn scalar_text(node: &Node) -> Option<SpannedText<'_>> {
    node.text()
        .filter(|text| !text.contains(['{', '}']) && !text.is_empty())
        .map(|text| SpannedText { text, node })
}

/// Returns whether the spec requests an incremental model.
pub(super) fn is_incremental(run: &SpecCompilation<'_>) -> bool {
    config_text(&run.spec.dbt, "materialized") == Some("incremental")
}

/// Reports a key of a step that an incremental model cannot have.
pub(super) fn incremental_input_error(key: &str, span: Span) -> Diagnostic {
    let message = format!(
        "a model with `{key}` in a step cannot be incremental, because a run reads only the new and late rows of one \
         relation"
    );
    Diagnostic::new(Code::UnboundedInTime, span, message).with_help("write `materialized: table`")
}

/// Returns an error if an incremental model has a step with `fill`. `periods` contains the steps that specify periods.
pub(super) fn incremental_fill_error(root: &Node, periods: &[(usize, &Node)]) -> Option<Diagnostic> {
    let is_incremental = root.get("config")?.text_at("materialized") == Some("incremental");
    let fill = periods.iter().find_map(|(_, step)| step.get("fill"))?;
    is_incremental.then(|| incremental_input_error("fill", fill.get("by").unwrap_or(fill).span))
}
