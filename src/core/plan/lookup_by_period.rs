//! Lookups of values from other periods. The select of a stratum reads the previous stratum twice: it joins each row to
//! the row whose sort key is shifted by a period.
//!
//! Each row matches at most one other row. Either the compared columns identify the rows of the stratum, or the join
//! reads only the rows that these columns identify.

use formulac_syntax::diag::lists::{join_words, quote_names};
use rustc_hash::FxHashSet;

use super::identifying_columns::IdentifyingColumn;
use super::lookups::SharedJoin;
use super::names::grouped_rows_name;
use super::planner::Planner;
use crate::Type;
use crate::catalog::{self, ParamType, internal};
use crate::check::find_sort_key_to_shift;
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::emit::{PeriodLookupKeys, supports_calendar_frames};
use crate::ir::{CalendarOffset, Ir, IrId};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, RowPlan, SelectSource, SqlId};

impl Planner<'_> {
    /// Returns the shifted sort key and the compared columns if lookups compile to a window frame instead of a join.
    /// This is the case if the dialect cannot use a hash join to compare one of these columns. `None` if a join is
    /// needed.
    pub(super) fn find_period_frame_keys(&self, stratum: u32) -> Option<(IrId, Vec<IdentifyingColumn>)> {
        let dialect = self.emitter.dialect;
        if dialect.facts().hashes_nullable_keys || !supports_calendar_frames(dialect) {
            return None;
        }
        let order = self.roles.order.iter().map(|(id, _)| *id);
        let key = find_sort_key_to_shift(self.step.program, order)?;
        let (compared, unique) = self.compared_columns(key, stratum);
        (unique && compared.iter().any(|column| column.nullable)).then_some((key, compared))
    }

    /// Emits the keys of the window frames to which the lookups in this stratum compile.
    pub(super) fn emit_period_frame_keys(&mut self, stratum: u32) -> Option<PeriodLookupKeys> {
        let (key, compared) = self.lookups.frame_keys.take()?;
        let mut partition = Vec::with_capacity(compared.len());
        for column in compared {
            partition.push(match column.computed {
                Some(id) => self.emit_current_row_value(id, stratum),
                None => self.emitter.emit_column_by_name(&column.name, column.quoted),
            });
        }
        Some(PeriodLookupKeys {
            partition,
            key: self.emit_current_row_value(key, stratum),
            nullable: self.step.program.meta(key).nullable,
        })
    }

    pub(super) fn build_period_joins(&mut self, stratum: u32, from: &str, source: &SelectSource) -> Vec<Join> {
        let program = self.step.program;
        let order = self.roles.order.clone();
        let Some(id) = find_sort_key_to_shift(program, order.iter().map(|(id, _)| *id)) else {
            return Vec::new();
        };
        let key = self.build_identifying_column(id, stratum);
        let (compared, unique) = self.compared_columns(id, stratum);
        let source = if unique {
            source.clone()
        } else {
            self.add_distinct_rows_cte(stratum, from, &key, &compared)
        };
        let mut joins = Vec::new();
        for index in 0..self.lookups.joined.len() {
            let SharedJoin::Period { period, alias } = &self.lookups.joined[index] else {
                continue;
            };
            let (period, alias) = (*period, alias.clone());
            let mut conditions = Vec::new();
            for identifying_column in &compared {
                let sql = match identifying_column.computed {
                    Some(id) => self.emit_current_row_value(id, stratum),
                    None => {
                        self.emitter
                            .emit_qualified_column(from, &identifying_column.name, identifying_column.quoted)
                    }
                };
                let right = self.emit_shifted_row_value(identifying_column, &alias, unique, stratum);
                conditions.push(
                    self.emitter
                        .emit_key_comparison(sql, right, identifying_column.nullable),
                );
            }
            self.emit_current_row_value(id, stratum);
            let moved = self.emit_shifted_key(id, period);
            let other_value = self.emit_shifted_row_value(&key, &alias, unique, stratum);
            conditions.push(
                self.emitter
                    .tree()
                    .add_binary(Op::Equal, moved, other_value, Span::default()),
            );
            let condition = self.emitter.tree().add_conjunction(conditions);
            let alias = self.quoted_name(&alias);
            joins.push(Join::new(JoinKind::Left, source.clone(), condition).with_alias(alias));
        }
        joins
    }

    /// Emits the value of an identifying column in the other row.
    fn emit_shifted_row_value(
        &mut self,
        identifying_column: &IdentifyingColumn,
        alias: &str,
        unique: bool,
        stratum: u32,
    ) -> SqlId {
        let Some(id) = identifying_column.computed.filter(|_| unique) else {
            return self
                .emitter
                .emit_qualified_column(alias, &identifying_column.name, identifying_column.quoted);
        };
        let alias = self.emitter.emit_name(alias, Span::default());
        let own_qualifier = self.emitter.qualifier.replace(alias);
        let sql = self.emit_current_row_value(id, stratum);
        self.emitter.qualifier = own_qualifier;
        // Emit the value for the current row again, because other values contain the same operands and must read them
        // from the current row.
        self.emit_current_row_value(id, stratum);
        sql
    }

    /// Emits the key of the current row, shifted by a period.
    fn emit_shifted_key(&mut self, key: IrId, period: CalendarOffset) -> SqlId {
        let program = self.step.program;
        let function = if period.count < 0 {
            internal::EARLIER
        } else {
            internal::LATER
        };
        let overloads = catalog::get(function).overloads;
        let takes =
            |ty: Type| move |o: &&catalog::Overload| o.params.first().is_some_and(|p| p.ty == ParamType::Is(ty));
        let timed = overloads
            .iter()
            .find(takes(Type::Timestamp))
            .filter(|_| program.meta(key).ty == Type::Timestamp);
        let Some(overload) = timed.or(overloads.first()) else {
            return self.emitter.emitted_sql(key);
        };
        let words = program.args(period.words);
        words.iter().for_each(|word| self.emitter.emit(*word));
        let args: Vec<IrId> = std::iter::once(key).chain(words.iter().copied()).collect();
        self.emitter.emit_call(overload.id, &args, program.meta(key).span)
    }

    /// Adds a CTE with the rows of the previous stratum that the key and the compared columns identify, and the columns
    /// that lookups read.
    fn add_distinct_rows_cte(
        &mut self,
        stratum: u32,
        from: &str,
        key: &IdentifyingColumn,
        compared: &[IdentifyingColumn],
    ) -> SelectSource {
        let program = self.step.program;
        let first = self
            .lookups
            .found
            .as_slice()
            .first()
            .map_or(Span::default(), |(id, _)| program.meta(*id).span);
        self.warn_of_multiple_period_rows(first, &key.name, compared);
        let saved = self.take_qualifier();
        let shadows = self.set_select_qualifier(None, stratum, from).is_some();
        let (mut items, mut group_by) = (Vec::new(), Vec::new());
        let mut used_names = FxHashSet::default();
        for identifying_column in compared.iter().chain([key]) {
            let expr = match identifying_column.computed {
                Some(id) => self.emit_current_row_value(id, stratum),
                None => self
                    .emitter
                    .emit_column_by_name(&identifying_column.name, identifying_column.quoted),
            };
            used_names.insert(identifying_column.name.to_lowercase());
            let alias = identifying_column
                .computed
                .map(|_| self.emitter.generated_name_text(&identifying_column.name));
            items.push(Item::new(expr, alias));
            // In GROUP BY, an engine may resolve the relation's name to the output with the same name.
            group_by.push(match shadows {
                true => {
                    let name = self
                        .emitter
                        .dialect
                        .name_text(&identifying_column.name, !identifying_column.quoted);
                    self.emitter.tree().add_raw_text(&name)
                }
                false => expr,
            });
        }
        for index in 0..self.lookups.found.len() {
            let Ir::PeriodLookup { value, .. } = program.node(self.lookups.found[index].0) else {
                continue;
            };
            let Some((name, quoted)) = self.input_column_name(value, stratum) else {
                continue;
            };
            if used_names.insert(name.to_lowercase()) {
                let column = self.emitter.emit_column_by_name(&name, quoted);
                let expr = self.emitter.emit_maximum(value, column);
                items.push(Item::named(expr, self.emitter.dialect.name_text(&name, !quoted)));
            }
        }
        let count = self.emitter.tree().add_row_count(Span::default());
        let one = self.emitter.tree().add_text(Span::default(), |out| out.push('1'));
        let is_single = self.emitter.tree().add_binary(Op::Equal, count, one, Span::default());
        let select = RowPlan::scan(self.select_source(stratum, from))
            .aggregate(group_by, items)
            .filter(is_single);
        self.restore_qualifier(saved);
        // Emit the values again, because other values contain the same operands and must read them with a qualifier.
        for id in compared
            .iter()
            .chain([key])
            .filter_map(|identifying_column| identifying_column.computed)
        {
            self.emit_current_row_value(id, stratum);
        }
        let mut key_names: Vec<String> = compared.iter().chain([key]).map(|c| c.name.clone()).collect();
        if key_names.len() > 2 {
            key_names.rotate_right(1);
        }
        let name = self.cte_names.choose_name(&grouped_rows_name(from, &key_names));
        let cte_name = self.quoted_name(&name);
        self.lookups.sources.push(Cte::new(cte_name.clone(), select));
        SelectSource::Name(cte_name)
    }

    fn warn_of_multiple_period_rows(&mut self, span: Span, key: &str, compared: &[IdentifyingColumn]) {
        let names = quote_names(std::iter::once(key).chain(compared.iter().map(|column| column.name.as_str())));
        let message = format!(
            "several rows may have the same {}, and `PERIODOFFSET` returns NULL if it finds several rows",
            join_words(&names, "and")
        );
        let grain: Vec<String> = if self.step.grouped {
            self.outputs.iter().filter(|o| o.key).map(|o| o.name.clone()).collect()
        } else {
            self.input_grain().iter().map(|g| self.input_name(g).0).collect()
        };
        let is_compared = |name: &str| compared.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        let is_missing = |name: &&String| !name.eq_ignore_ascii_case(key) && !is_compared(name);
        let missing = quote_names(grain.iter().filter(is_missing));
        let by_key = grain.iter().any(|g| g.eq_ignore_ascii_case(key));
        let help = if by_key && !missing.is_empty() {
            format!(
                "add {} to `partition_by`, or aggregate in an earlier step",
                join_words(&missing, "and")
            )
        } else {
            "group by these columns in an earlier step, or declare them as `primary_key` in the schema".to_owned()
        };
        self.emitter
            .diagnostics
            .push(Diagnostic::new(Code::SeveralInPeriod, span, message).with_help(help));
    }
}

/// Returns the alias of the other row: `prior_quarter`, `next_month`, `three_months_before`, `before_18_months`.
pub(super) fn period_alias(period: CalendarOffset) -> String {
    const NUMBER_WORDS: [&str; 11] = [
        "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    ];
    let unit = period.unit.name();
    let count = period.count.unsigned_abs();
    let back = period.count < 0;
    if count == 1 {
        return format!("{}_{unit}", if back { "prior" } else { "next" });
    }
    let side = if back { "before" } else { "after" };
    let word = usize::try_from(count)
        .ok()
        .and_then(|count| NUMBER_WORDS.get(count.checked_sub(2)?));
    match word {
        Some(word) => format!("{word}_{unit}s_{side}"),
        None => format!("{side}_{count}_{unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::period_alias;
    use crate::ir::{CalendarOffset, CalendarUnit, PoolRange};

    #[test]
    fn aliases_describe_the_period() {
        for (count, unit, name) in [
            (-1, CalendarUnit::Quarter, "prior_quarter"),
            (1, CalendarUnit::Month, "next_month"),
            (-3, CalendarUnit::Month, "three_months_before"),
            (2, CalendarUnit::Year, "two_years_after"),
            (-12, CalendarUnit::Month, "twelve_months_before"),
            (-52, CalendarUnit::Week, "before_52_weeks"),
            (i64::MIN, CalendarUnit::Day, "before_9223372036854775808_days"),
        ] {
            assert_eq!(
                period_alias(CalendarOffset {
                    count,
                    unit,
                    words: PoolRange::default()
                }),
                name
            );
        }
    }
}
