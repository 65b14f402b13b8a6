//! CTEs for NETWORKDAYS and WORKDAY: the distinct holidays in a column, and the number of holidays between two days.

use super::key_lookups::{LookupOperands, LookupSelect};
use super::lookup_by_key::{LookupJoin, LookupJoinKind, QuotableColumnName, to_identifier_fragment};
use super::names::unused_name;
use super::planner::Planner;
use super::step::{StepInput, TabSource};
use crate::Type;
use crate::dialect::op::Op;
use crate::ir::{Holidays, IrId, Program};
use crate::schema::Column;
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, RowPlan, SelectSource, SqlId};

/// Returns the holiday columns of a step as tabs.
pub(super) fn list_holiday_tabs(program: &Program, input: &StepInput<'_>) -> Vec<TabSource> {
    let tab = |holidays: &Holidays| {
        let tab_source = input.tabs.get(holidays.tab as usize);
        let column = tab_source.and_then(|tab| tab.columns.get(holidays.column as usize));
        let day = column.map_or("day", Column::name);
        let day_column = Column::new(day, Type::Date)
            .nullable(false)
            .with_quoted_name(column.is_some_and(Column::is_quoted));
        let working_days = Column::new(unused_name("working_days_before", [day], 0), Type::Integer).nullable(false);
        TabSource {
            name: String::new(),
            source: SelectSource::Name(String::new()),
            renamed: false,
            columns: vec![day_column, working_days],
            order: Vec::new(),
            ordered: true,
            key: vec![day.to_owned()],
        }
    };
    program.holidays.iter().map(tab).collect()
}

impl Planner<'_> {
    /// Adds the CTEs with the holidays that a lookup searches, unless these CTEs already exist.
    pub(super) fn add_holiday_ctes(&mut self, lookup_join: &LookupJoin, stratum: u32, from: &str, ctes: &mut Vec<Cte>) {
        let program = self.step.program;
        let Some(index) = lookup_join
            .tab()
            .and_then(|tab| tab.checked_sub(Holidays::FIRST_HOLIDAY_TAB))
        else {
            return;
        };
        let Some(holidays) = program.holidays.get(index as usize).copied() else {
            return;
        };
        let Some(tab) = self.holidays.get(index as usize).cloned() else {
            return;
        };
        let [day, working_days] = tab.columns.as_slice() else {
            return;
        };
        if !tab.name.is_empty() {
            return;
        }
        let saved = self.take_qualifier();
        let searched = self.searched_rows(Some(holidays.tab), stratum, from);
        self.set_select_qualifier(Some(holidays.tab), stratum, from);
        let (name, quoted) = self.searched_column(holidays.column_node, stratum).unwrap_or_default();
        let column_sql = self.emitter.emit_column_by_name(&name, quoted);
        self.emitter.set_sql(holidays.column_node, column_sql);
        let date = self.emit_condition(holidays.date, &[holidays.column_node]);
        let filter = self.emit_condition(holidays.on_weekday, &[holidays.column_node]);
        let alias = self.alias_text(&(name, quoted));
        let item = self.select_item(date, alias);
        let body = RowPlan::scan(searched.source).filter(filter).project([item]).distinct();
        let on_weekdays = self
            .cte_names
            .choose_short_name(&format!("{}_on_weekdays", searched.name));
        let mut source = self.add_cte(&on_weekdays, body, ctes);

        self.reset_qualifier();
        let mut name = on_weekdays;
        if self.key_lookups.has_searched_column(
            program,
            index + Holidays::FIRST_HOLIDAY_TAB,
            Holidays::WORKING_DAYS_COLUMN,
        ) {
            let day_sql = self.emitter.emit_column_by_name(day.name(), day.is_quoted());
            let number = self.emit_row_number(&[], &[day_sql]);
            self.emitter.set_sql(holidays.day, day_sql);
            let weekdays = self.emit_condition(holidays.weekdays, &[holidays.day]);
            let before = self
                .emitter
                .tree()
                .add_binary(Op::Subtract, weekdays, number, Span::default());
            let before = Item::named(before, self.quoted_name(working_days.name()));
            name = self.cte_names.choose_short_name(&format!("{}_numbered", searched.name));
            let body = RowPlan::scan(source).project([Item::unnamed(day_sql), before]);
            source = self.add_cte(&name, body, ctes);
        }
        if let Some(tab) = self.holidays.get_mut(index as usize) {
            (tab.name, tab.source) = (name, source);
        }
        self.restore_qualifier(saved);
    }

    /// Adds CTEs that count, for each lookup value, the rows that meet the condition.
    pub(super) fn add_match_count_ctes(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) {
        let LookupSelect { parts, stratum, from } = lookup;
        let tab = parts.lookup.tab;
        let searched = self.searched_rows(tab, stratum, from);
        let lookup_values: Vec<IrId> = row_dependent_lookup_values(parts, self.step.program).collect();
        let mut values: Vec<QuotableColumnName> = Vec::new();
        for value_column in lookup_values
            .iter()
            .filter_map(|lookup_value| self.input_column_name(*lookup_value, stratum))
        {
            if !values.contains(&value_column) {
                values.push(value_column);
            }
        }
        let names: Vec<String> = values.iter().map(|(name, _)| to_identifier_fragment(name)).collect();
        let name_part = names.join("_and_");
        // Count the holidays only once per date, because many rows contain the same dates.
        let dates = self.cte_names.choose_short_name(&format!("distinct_{name_part}"));
        let mut keys: Vec<SqlId> = Vec::new();
        for lookup_value in &lookup_values {
            let Some(value_column) = self.input_column_name(*lookup_value, stratum) else {
                continue;
            };
            let value_sql = self
                .emitter
                .emit_qualified_column(&dates, &value_column.0, value_column.1);
            self.emitter.set_sql(*lookup_value, value_sql);
            if keys.len() < values.len() {
                keys.push(value_sql);
            }
        }
        let key = self.searched_column(parts.by, stratum).unwrap_or_default();
        let key = match values.is_empty() {
            true => self.emitter.emit_column_by_name(&key.0, key.1),
            false => self.emitter.emit_qualified_column(&searched.name, &key.0, key.1),
        };
        self.emitter.set_sql(parts.by, key);
        let ids = [lookup_values, vec![parts.by]].concat();
        let condition = self.emit_condition(parts.lookup.test, &ids);
        let in_use = values.iter().map(|(name, _)| name.as_str());
        lookup_join.position = unused_name("holidays", in_use, self.emitter.dialect.max_bytes());
        let count = self.emitter.tree().add_row_count(Span::default());
        let count = Item::named(count, self.quoted_name(&lookup_join.position));
        let rows_name = self
            .searched_rows(
                tab.map(|tab| self.step.program.resolve_source_column(tab, 0).0),
                stratum,
                from,
            )
            .name;
        let (name, rows) = if values.is_empty() {
            lookup_join.how = LookupJoinKind::One;
            (
                format!("{rows_name}_counted"),
                RowPlan::scan(searched.source).filter(condition),
            )
        } else {
            let body = self.build_distinct_select(&values, stratum, from);
            let source = self.add_cte(&dates, body, ctes);
            let join = Join::new(JoinKind::Inner, searched.source, Some(condition));
            lookup_join.how =
                LookupJoinKind::ByValues(values.into_iter().map(|value| (value.clone(), value)).collect());
            (
                format!("{rows_name}_for_{name_part}"),
                RowPlan::scan(source).join([join]),
            )
        };
        let name = self.cte_names.choose_short_name(&name);
        let columns = keys.iter().copied().map(Item::unnamed).chain([count]);
        let body = rows.aggregate(keys.clone(), columns);
        lookup_join.source = Some(self.add_cte(&name, body, ctes));
        lookup_join.alias = name;
    }

    /// Returns a select with the distinct values of some of the sheet's columns.
    pub(super) fn build_distinct_select(
        &mut self,
        columns: &[QuotableColumnName],
        stratum: u32,
        from: &str,
    ) -> RowPlan {
        self.set_select_qualifier(None, stratum, from);
        let items = columns
            .iter()
            .map(|(name, quoted)| self.emitter.emit_column_by_name(name, *quoted));
        let items: Vec<Item> = items.map(Item::unnamed).collect();
        self.reset_qualifier();
        RowPlan::scan(self.select_source(stratum, from))
            .project(items)
            .distinct()
    }
}

/// Returns the lookup values that can differ from row to row.
fn row_dependent_lookup_values(parts: LookupOperands, program: &Program) -> impl Iterator<Item = IrId> + '_ {
    [Some(parts.lookup_value), parts.second_lookup_value]
        .into_iter()
        .flatten()
        .filter(|lookup_value| !program.meta(*lookup_value).is_constant())
}
