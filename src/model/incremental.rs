//! Incremental models: determines the rows that a run must read again, so that the result is the same as after a full
//! refresh.
//!
//! The time column is traced back to its origin in the first step, and an incremental run filters the first step's rows
//! by that origin. The run reads further back if values depend on rows earlier than the rows that the run writes.
//! Values that may depend on rows from any time are reported as errors.

use super::compile::SpecCompilation;
use super::config::{config_text, config_value};
use super::load::SpannedText;
use super::lookback::{is_coarser, is_nested, unit_seconds};
use super::time_range::{CrossRowRead, TimeKey, TimeLength, TimeOrigin, TimeValue};
use crate::Type;
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::CalendarUnit;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::yaml::Node;

/// Plan of incremental runs.
#[derive(Clone, Debug)]
pub(super) struct IncrementalPlan {
    /// Time column.
    pub time: Column,
    /// Name of the time column's origin in the first step.
    pub of_first: String,
    /// Distance between the table's newest row and the point at which a run begins to read.
    pub read: TimeLength,
    /// Distance between the table's newest row and the point at which a run begins to write. `None` if a run writes all
    /// rows that it computes from the input.
    pub given: Option<TimeLength>,
    /// Key columns that the spec specifies.
    pub unique_key: Vec<String>,
    /// Whether the key is unique.
    pub is_unique: bool,
}

/// Origin of a time in the first step, and the units to which the time is truncated. The last truncation comes first.
struct SourceTimeColumn {
    base: TimeOrigin,
    name: String,
    units: Vec<CalendarUnit>,
}

/// Strategies that replace existing rows by key, so that late rows do not cause duplicates.
const STRATEGIES: [&str; 2] = ["merge", "delete+insert"];

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
            let place = config_value(&self.spec.dbt, "materialized").map_or(Span::default(), |node| node.span);
            let message = "the key of an incremental model must be one of its columns, but no schema lists the \
                columns of `keep: all`";
            diagnostics.push(
                Diagnostic::new(Code::IncrementalWithoutKey, place, message)
                    .with_help("provide a schema with `--schema`, or list the columns in `keep`"),
            );
            return None;
        };
        let before = diagnostics.len();
        let strategy = self.read_strategy(diagnostics);
        self.check_schema_change(diagnostics);
        let (event_time, keys) = self.key_and_time(output, grain, diagnostics)?;
        let time = output.column(event_time.text)?.clone();
        let unique_key: Vec<String> = keys
            .iter()
            .filter_map(|key| Some(output.column(key.text)?.name().to_owned()))
            .collect();
        let is_unique = self.check_grain(&unique_key, time.name(), grain, strategy, &keys, diagnostics);
        self.check_keys_unchanged_by_late_rows(&keys, diagnostics);
        let traced = self.find_source_time_column(&time, event_time, diagnostics)?;
        let cut_to = traced.units.first().copied();
        let lookback = self.read_lookback(&time, cut_to, diagnostics)?;
        let (further_out, further_back) = self.extra_write_and_read_ranges(&traced, diagnostics)?;
        if diagnostics
            .get(before..)
            .unwrap_or_default()
            .iter()
            .any(Diagnostic::is_error)
        {
            return None;
        }
        self.check_nulls(output, &time, &keys, event_time, diagnostics);
        let given = lookback.combine(further_out);
        let read = given.combine(further_back);
        // A run begins at the start of a unit. The run reads only complete units of the other truncations if these
        // units nest within the unit.
        let whole = further_out == TimeLength::default()
            && traced.units.iter().all(|u| cut_to.is_none_or(|to| is_nested(*u, to)));
        let given = (given != read || !whole).then_some(given);
        Some(IncrementalPlan {
            time,
            of_first: traced.name,
            read,
            given,
            unique_key,
            is_unique,
        })
    }

    /// Returns the help text for an incremental model without a column that contains dates or times.
    fn missing_time_help(&self) -> String {
        let last = self.spec.steps.last();
        let is_grouped = last.is_some_and(|step| !step.group_by.is_empty());
        let relation = self.compiler.options.find_relation(self.spec.from.name());
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
    fn key_and_time<'s>(
        &'s self,
        output: &Relation,
        grain: &[String],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(SpannedText<'s>, Vec<SpannedText<'s>>)> {
        let dbt = &self.spec.dbt;
        let place = config_value(dbt, "materialized").map_or(Span::default(), |node| node.span);
        let mut lacks = |what: &str, help: String| {
            let message = format!("an incremental model needs {what}");
            diagnostics.push(Diagnostic::new(Code::IncrementalWithoutKey, place, message).with_help(help));
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
                    None => self.missing_time_help(),
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
                [] => "add the columns of which no two rows have the same values to `config`, such as \
                    `unique_key: [id]`"
                    .to_owned(),
                grain => format!("add `unique_key: [{}]` to `config`", grain.join(", ")),
            };
            lacks("the columns that identify each row", help);
        }
        let (event_time, keys) = (event_time?, keys?);
        let mut known = true;
        for name in keys
            .iter()
            .chain([&event_time])
            .filter(|name| output.column(name.text).is_none())
        {
            known = false;
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
        known.then_some((event_time, keys))
    }

    /// Returns the incremental strategy, and reports a strategy that the dialect does not support.
    fn read_strategy(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<&str> {
        let dialect = self.compiler.options.dialect;
        let known: Vec<&str> = dialect.facts().incremental_strategies.split(' ').collect();
        let Some(node) = config_value(&self.spec.dbt, "incremental_strategy") else {
            return known.first().copied();
        };
        let strategy = node.text().unwrap_or_default();
        if known.contains(&strategy) {
            return Some(strategy);
        }
        let message = match strategy {
            _ if STRATEGIES.contains(&strategy) => format!("dbt has no strategy `{strategy}` for {dialect}"),
            "append" => "`append` would add a row again if a later run reads it again".to_owned(),
            "insert_overwrite" => {
                "`insert_overwrite` replaces whole partitions, but an incremental run does not return all of \
                    their rows"
                    .to_owned()
            }
            "microbatch" => {
                "`microbatch` is not supported, because dbt then limits the inputs to its own time ranges, \
                without the earlier rows that the formulas need"
                    .to_owned()
            }
            _ => format!("`{strategy}` is not an incremental strategy for which formulac can select the rows"),
        };
        let known = known
            .iter()
            .map(|name| format!("`incremental_strategy: {name}`"))
            .collect::<Vec<_>>()
            .join(" or ");
        diagnostics
            .push(Diagnostic::new(Code::UnsupportedStrategy, node.span, message).with_help(format!("write {known}")));
        None
    }

    /// Reports an invalid `on_schema_change`. If the contract is enforced, dbt accepts only some of the values.
    fn check_schema_change(&self, diagnostics: &mut Vec<Diagnostic>) {
        let Some(node) = config_value(&self.spec.dbt, "on_schema_change") else {
            return;
        };
        let word = node.text().unwrap_or_default();
        let all = ["append_new_columns", "fail", "ignore", "sync_all_columns"];
        let message = if !all.contains(&word) {
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
    fn check_grain(
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
        let whole = within && grain.iter().all(|name| has(unique_key, name));
        if !(whole || within && by_periods)
            && let (Some(first), Some(last)) = (keys.first(), keys.last())
        {
            let named = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            let span = Span::new(first.node.span.start, last.node.span.end);
            let message = format!(
                "the model has one row per {}, but `unique_key` is {}",
                named(grain),
                named(unique_key)
            );
            diagnostics.push(
                Diagnostic::new(Code::IncrementalKey, span, message)
                    .with_help(format!("write `unique_key: [{}]`", grain.join(", "))),
            );
        }
        whole
    }

    /// Reports key columns that may change when a late row arrives, because the row with the old key would remain in
    /// the table.
    fn check_keys_unchanged_by_late_rows(&self, keys: &[SpannedText<'_>], diagnostics: &mut Vec<Diagnostic>) {
        let Some(last) = self.times.last().filter(|last| !last.open) else {
            return;
        };
        for key in keys
            .iter()
            .filter(|key| !last.settled.contains(&key.text.to_lowercase()))
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
    fn check_nulls(
        &self,
        output: &Relation,
        time: &Column,
        keys: &[SpannedText<'_>],
        event_time: SpannedText<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if self.known_relation(&self.spec.from).is_none() {
            // Without a schema, no column is known to be NOT NULL. dbt's tests report the errors.
            return;
        }
        for key in keys.iter().chain([&event_time]) {
            let Some(column) = output.column(key.text).filter(|column| column.is_nullable()) else {
                continue;
            };
            let is_time = column.name() == time.name();
            if is_time && !std::ptr::eq(key.node, event_time.node) || self.is_tested_not_null(column.name()) {
                continue;
            }
            let name = column.name();
            let (message, help) = if is_time {
                (
                    format!("`{name}` may be NULL, but incremental runs skip rows without a time"),
                    format!("remove such rows with `where`, and add `columns: {{{name}: {{data_tests: [not_null]}}}}`"),
                )
            } else {
                (
                    format!("`{name}` may be NULL, and NULLs are never equal, so each run adds such a row again"),
                    format!(
                        "replace NULL in its definition, as in `{name} = COALESCE({name}, …)`, or add `columns: \
                            {{{name}: {{data_tests: [not_null]}}}}`"
                    ),
                )
            };
            diagnostics.push(Diagnostic::new(Code::IncrementalKeyMayBeNull, key.node.span, message).with_help(help));
        }
    }

    fn is_tested_not_null(&self, name: &str) -> bool {
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

    /// Traces the time column back to the first step.
    fn find_source_time_column(
        &self,
        time: &Column,
        said: SpannedText<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<SourceTimeColumn> {
        let name = time.name();
        let mut refuse = |span: Span, message: String, help: String| {
            let diagnostic = Diagnostic::new(Code::IncrementalTime, span, message).with_help(help);
            diagnostics.push(match span == said.node.span {
                true => diagnostic,
                false => diagnostic.with_secondary_label(said.node.span, "the time column"),
            });
        };
        if time.ty() == Type::Unknown {
            let help = format!("provide a schema with `--schema`, or truncate `{name}` to a unit, as in `{name}[day]`");
            refuse(
                said.node.span,
                format!("cannot tell whether `{name}` is a date or a timestamp"),
                help,
            );
            return None;
        }
        if !time.ty().is_temporal() {
            let help = "use a column that contains dates or times".to_owned();
            refuse(
                said.node.span,
                format!("`{name}` is {}, not a date or time", time.ty().describe()),
                help,
            );
            return None;
        }
        let last = self.times.len().checked_sub(1)?;
        match self.trace_column_to_first_step(last, name) {
            Ok(traced) => Some(traced),
            Err((step, made)) => {
                let of = self
                    .spec
                    .steps
                    .get(step)
                    .and_then(|step| step.name)
                    .map_or_else(String::new, |n| format!(" in step `{}`", n.text));
                let (span, message, help) = match made {
                    Some(made) if !made.of_rows => (
                        made.span,
                        format!(
                            "`{name}` is computed from several rows{of}, so it cannot be used to select late input rows"
                        ),
                        "either group by a time column and use this column as `event_time`, or write `materialized: table`",
                    ),
                    Some(made) => (
                        made.span,
                        format!("`{name}` is computed{of}, so it cannot be used to select late input rows"),
                        "keep a time column of the first step in all later steps, unchanged or truncated to a \
                            unit as in `day[month]`, or write `materialized: table`",
                    ),
                    None => (
                        said.node.span,
                        format!("the origin of `{name}` is unknown{of}"),
                        "keep a time column of the first step in all later steps, or write `materialized: table`",
                    ),
                };
                refuse(span, message, help.to_owned());
                None
            }
        }
    }

    /// Traces a column of a step back to the first step. If this fails, returns the step in which the column has no
    /// origin.
    fn trace_column_to_first_step(
        &self,
        step: usize,
        name: &str,
    ) -> Result<SourceTimeColumn, (usize, Option<TimeValue>)> {
        let mut name = name.to_lowercase();
        let mut units = Vec::new();
        for at in (0..=step).rev() {
            let Some(times) = self.times.get(at) else {
                return Err((at, None));
            };
            let key = match times.made.get(&name) {
                Some(made) if made.of_rows => made.key.clone(),
                Some(made) => return Err((at, Some(made.clone()))),
                None if times.open => TimeKey {
                    base: TimeOrigin::Column(0, name.clone()),
                    unit: None,
                },
                None => return Err((at, None)),
            };
            units.extend(key.unit);
            match (at, key.base) {
                (0, base) => return Ok(SourceTimeColumn { base, name, units }),
                (_, TimeOrigin::Column(0, before)) => name = before,
                _ => return Err((at, times.made.get(&name).cloned())),
            }
        }
        Err((0, None))
    }

    /// Traces a key of a step back to the first step.
    fn trace_key_to_first_step(&self, step: usize, key: &TimeKey) -> Option<SourceTimeColumn> {
        let mut traced = match (step.checked_sub(1), &key.base) {
            (None, base) => SourceTimeColumn {
                base: base.clone(),
                name: String::new(),
                units: Vec::new(),
            },
            (Some(before), TimeOrigin::Column(0, name)) => self.trace_column_to_first_step(before, name).ok()?,
            _ => return None,
        };
        traced.units.splice(0..0, key.unit);
        Some(traced)
    }

    /// Returns two distances: how much further back than requested a run must write, and how much further back than it
    /// writes the run must read.
    fn extra_write_and_read_ranges(
        &self,
        time: &SourceTimeColumn,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(TimeLength, TimeLength)> {
        let cut_to = time.units.first().copied();
        let is_time = |step: usize, key: &TimeKey| {
            self.trace_key_to_first_step(step, key)
                .filter(|traced| traced.base == time.base)
        };
        let (mut out, mut back) = (TimeLength::default(), TimeLength::default());
        let mut refused: Vec<Span> = Vec::new();
        for (step, times) in self.times.iter().enumerate() {
            let (mut further_out, mut further_back) = (TimeLength::default(), TimeLength::default());
            for look in &times.looks {
                let (span, why) = match look {
                    CrossRowRead::Period { span, key, back, forth } => {
                        if key.as_ref().is_some_and(|key| is_time(step, key).is_some()) {
                            further_back = further_back.longer(*back);
                            // A row whose values depend on later rows changes when those rows arrive, so a run must write it again.
                            further_out = further_out.longer(*forth);
                            continue;
                        }
                        (*span, "it looks up rows by a time other than `event_time`")
                    }
                    CrossRowRead::Window { span, parted_by } => {
                        let parts = parted_by.iter().filter_map(|key| is_time(step, key));
                        let units: Option<Vec<Option<CalendarUnit>>> =
                            Some(parts.map(|traced| traced.units.first().copied()).collect())
                                .filter(|u: &Vec<_>| !u.is_empty());
                        if let Some(units) = units {
                            // All rows of a window are within one instance of its finest unit, so one more unit is
                            // sufficient.
                            let coarse = units.iter().map(|unit| unit.filter(|unit| is_coarser(*unit, cut_to)));
                            let finest = coarse.min_by_key(|unit| unit.map_or(0, unit_seconds));
                            if let Some(Some(unit)) = finest {
                                let length = TimeLength::new(unit, 1);
                                further_out = further_out.longer(length);
                                further_back = further_back.longer(length);
                            }
                            continue;
                        }
                        (*span, "it may read rows from any time")
                    }
                    CrossRowRead::Joined { span, step: of, equal } => {
                        let same = |(key, other): &(TimeKey, String)| {
                            let there = self.trace_column_to_first_step(*of, other);
                            is_time(step, key).is_some() && there.is_ok_and(|there| there.base == time.base)
                        };
                        if equal.iter().any(same) {
                            continue;
                        }
                        (*span, "it joins rows of an earlier step that may be from any time")
                    }
                    CrossRowRead::Filter { span } => {
                        let text = span.excerpt(self.source);
                        let message = format!(
                            "`{text}` may exclude a row that an earlier run added, but no run removes that row"
                        );
                        diagnostics.push(Diagnostic::new(Code::RowsMayLeave, *span, message).with_help(
                            "return the condition as a column, and filter by it when you read the model, or write \
                                `materialized: table`",
                        ));
                        continue;
                    }
                    CrossRowRead::Unbounded { span, why } => (*span, *why),
                };
                if !refused.contains(&span) {
                    refused.push(span);
                    diagnostics.push(unbounded_diagnostic(span, why, time, self));
                }
            }
            out = out.combine(further_out);
            back = back.combine(further_back);
        }
        refused.is_empty().then_some((out, back))
    }
}

fn scalar_text(node: &Node) -> Option<SpannedText<'_>> {
    node.text()
        .filter(|text| !text.contains(['{', '}']) && !text.is_empty())
        .map(|text| SpannedText { text, node })
}

fn unbounded_diagnostic(span: Span, why: &str, time: &SourceTimeColumn, run: &SpecCompilation<'_>) -> Diagnostic {
    let text = span.excerpt(run.source);
    let message = format!(
        "`{text}` is not allowed in an incremental model: {why}, but an incremental run reads only new \
        and late rows"
    );
    Diagnostic::new(Code::UnboundedInTime, span, message).with_help(format!(
        "read an earlier or later period with `PERIODOFFSET`, partition the rows by `{}`, or write `materialized: \
            table`",
        time.name
    ))
}

/// Returns whether the spec requests an incremental model.
pub(super) fn is_incremental(run: &SpecCompilation<'_>) -> bool {
    config_text(&run.spec.dbt, "materialized") == Some("incremental")
}
