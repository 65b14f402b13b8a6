//! Lookups of rows by key or by number, in the sheet or in another tab. The lookups become joins that do not
//! repeat rows.
//!
//! If several rows have the same key, a CTE keeps the first of these rows. For lookups of the next smaller or next
//! larger key, a CTE chooses one row per lookup value. A lookup of a constant returns the same row for every row of the
//! sheet.

use rustc_hash::FxHashSet;

use super::key_lookups::{LookupJoinKey, LookupOperands, LookupSelect};
use super::names::snake_case;
use super::planner::Planner;
use super::step::TabSource;
use crate::dialect::op::Op;
use crate::ir::{Holidays, Ir, IrId, LookupMatchMode};
use crate::span::Span;
use crate::sql::{Cte, Join, JoinKind, SelectSource, SqlId};

/// Join to the rows that lookups find.
#[derive(Clone, Debug)]
pub(super) struct LookupJoin {
    pub key: LookupJoinKey,
    /// First lookup that uses the join.
    id: IrId,
    pub source: Option<SelectSource>,
    pub alias: String,
    /// Whether the alias differs from the name of the source.
    renamed: bool,
    pub how: LookupJoinKind,
    /// Name of the column that contains the row numbers.
    pub position: String,
}

#[derive(Clone, Debug)]
pub(super) enum LookupJoinKind {
    /// Join on a condition that tests the key.
    ByKey,
    /// Join on the values for which the row was chosen. The variant contains the left and right column of each value.
    ByValues(Vec<(QuotableColumnName, QuotableColumnName)>),
    /// Join on the nearest key: the lookup value is between the key and this column, which contains the key of the next
    /// row.
    BetweenKeys(String),
    /// Join without a key. The joined CTE contains a single row, or one row per partition if the sheet has partition
    /// keys.
    One,
}

/// Rows that a lookup searches.
#[derive(Clone)]
pub(super) struct SearchedRows {
    pub name: String,
    pub source: SelectSource,
    /// Whether the rows are read under an alias.
    pub renamed: bool,
}

/// Name of a column, and whether it must be quoted.
pub(super) type QuotableColumnName = (String, bool);

/// Qualifier of the emitter's columns while another select is generated.
pub(super) struct SavedQualifier {
    qualifier: Option<SqlId>,
    shadowed: bool,
}

impl LookupJoin {
    pub fn alias(&self) -> &str {
        &self.alias
    }

    pub fn tab(&self) -> Option<u32> {
        self.key.tab
    }
}

impl Planner<'_> {
    pub(super) fn lookup_operands(&self, id: IrId) -> Option<LookupOperands> {
        LookupOperands::new(self.step.program, id)
    }

    /// Returns the join for a lookup. The join's source is set later.
    pub(super) fn new_lookup_join(&self, id: IrId) -> Option<LookupJoin> {
        let key = self.key_lookups.key_of_operands(self.lookup_operands(id)?);
        Some(LookupJoin {
            key,
            id,
            source: None,
            alias: String::new(),
            renamed: false,
            how: LookupJoinKind::ByKey,
            position: "position".to_owned(),
        })
    }

    /// Emits a value from the row that a lookup finds.
    pub(super) fn emit_lookup_result(&mut self, id: IrId, lookup_join: &LookupJoin, stratum: u32) -> Option<SqlId> {
        let parts = self.lookup_operands(id)?;
        let (name, quoted) = match parts.returned {
            Some(gives) if parts.lookup.matching != LookupMatchMode::Count => self.searched_column(gives, stratum)?,
            _ => (lookup_join.position.clone(), false),
        };
        Some(self.emitter.emit_qualified_column(&lookup_join.alias, &name, quoted))
    }

    /// Returns the column of the searched rows to which a node refers.
    pub(super) fn searched_column(&self, id: IrId, stratum: u32) -> Option<QuotableColumnName> {
        match self.step.program.node(id) {
            Ir::TabColumn { tab, column } => {
                let column = self.tab(Some(tab))?.columns.get(column as usize)?;
                Some((column.name().to_owned(), column.is_quoted()))
            }
            _ => self.input_column_name(id, stratum),
        }
    }

    /// Determines the source of the rows to join, and adds the CTEs that the source requires.
    pub(super) fn resolve_lookup_join(
        &mut self,
        lookup_join: &mut LookupJoin,
        stratum: u32,
        from: &str,
        used_aliases: &FxHashSet<String>,
        ctes: &mut Vec<Cte>,
    ) {
        let Some(parts) = self.lookup_operands(lookup_join.id) else {
            return;
        };
        let saved = self.take_qualifier();
        let lookup = LookupSelect { parts, stratum, from };
        match (
            parts.lookup.matching,
            self.step.program.meta(parts.lookup_value).is_constant(),
        ) {
            (LookupMatchMode::Count, _) => self.add_match_count_ctes(lookup_join, lookup, ctes),
            (LookupMatchMode::Exact, false) => self.join_by_key(lookup_join, lookup, ctes),
            (LookupMatchMode::Exact, true) => self.add_constant_key_ctes(lookup_join, lookup, ctes),
            (_, false) if self.emitter.dialect.facts().left_join_needs_equality => {
                self.add_chosen_row_ctes(lookup_join, lookup, ctes);
            }
            (_, false) => self.join_next_key(lookup_join, lookup, ctes),
            (_, true) => self.add_single_nearest_ctes(lookup_join, lookup, ctes),
        }
        // Relations in the same select must have different names.
        if lookup_join.alias.eq_ignore_ascii_case(from)
            || used_aliases.contains(&lookup_join.alias.to_ascii_lowercase())
        {
            let preferred_name = format!(
                "{}_for_{}",
                lookup_join.alias,
                self.lookup_value_identifier(parts.lookup_value)
            );
            lookup_join.alias = self.cte_names.choose_short_name(&preferred_name);
            lookup_join.renamed = true;
        }
        self.restore_qualifier(saved);
    }

    /// Returns the join to the rows that a lookup finds.
    pub(super) fn build_lookup_join(&mut self, lookup_join: &LookupJoin, stratum: u32, from: &str) -> Option<Join> {
        let parts = self.lookup_operands(lookup_join.id)?;
        let LookupOperands {
            lookup,
            lookup_value,
            by: searched_key,
            ..
        } = parts;
        let join_conditions = match &lookup_join.how {
            LookupJoinKind::One => None,
            join_kind @ (LookupJoinKind::ByKey | LookupJoinKind::BetweenKeys(_)) => {
                self.emit_current_row_value(lookup_value, stratum);
                let value_sql = self.emit_column_or_value(lookup_value, stratum);
                self.emitter.set_sql(lookup_value, value_sql);
                let (name, quoted) = match lookup.by_number {
                    true => (lookup_join.position.clone(), false),
                    false => self.searched_column(searched_key, stratum)?,
                };
                let key = self.emitter.emit_qualified_column(&lookup_join.alias, &name, quoted);
                self.emitter.set_sql(searched_key, key);
                let reached = self.emit_condition(lookup.test, &[lookup_value, searched_key]);
                match join_kind {
                    LookupJoinKind::BetweenKeys(next) => {
                        Some(self.emit_key_interval_condition(reached, next, lookup_join, parts))
                    }
                    _ => Some(reached),
                }
            }
            LookupJoinKind::ByValues(values) => {
                let mut conditions = Vec::with_capacity(values.len());
                for (own_column, joined_column) in values {
                    let sql = self.emitter.emit_qualified_column(from, &own_column.0, own_column.1);
                    let right =
                        self.emitter
                            .emit_qualified_column(&lookup_join.alias, &joined_column.0, joined_column.1);
                    conditions.push(self.emitter.tree().add_binary(Op::Equal, sql, right, Span::default()));
                }
                self.emitter.tree().add_conjunction(conditions)
            }
        };
        let partition = self.emit_partition_conditions(lookup.tab, stratum, from, &lookup_join.alias);
        let condition = self
            .emitter
            .tree()
            .add_conjunction(partition.into_iter().chain(join_conditions));
        let alias = lookup_join.renamed.then(|| self.quoted_name(&lookup_join.alias));
        let kind = if condition.is_some() {
            JoinKind::Left
        } else {
            JoinKind::Cross
        };
        Some(Join::new(kind, lookup_join.source.clone()?, condition).with_alias(alias))
    }

    /// Emits all nodes of a condition except those in `ids`, whose SQL the caller has already set. No other expression
    /// uses the emitted nodes.
    pub(super) fn emit_condition(&mut self, test: IrId, ids: &[IrId]) -> SqlId {
        let program = self.step.program;
        let mut open = vec![test];
        let mut nodes = Vec::new();
        while let Some(id) = open.pop() {
            if ids.contains(&id) {
                continue;
            }
            nodes.push(id);
            match program.node(id) {
                Ir::Definition(definition_index) => open.push(program.definition_root(definition_index)),
                _ => open.extend(program.operands(id)),
            }
        }
        nodes.sort_unstable();
        nodes.dedup();
        nodes.into_iter().for_each(|id| self.emitter.emit(id));
        self.emitter.emitted_sql(test)
    }

    /// Returns the lookup value in a form that can be part of a CTE name.
    pub(super) fn lookup_value_identifier(&self, lookup_value: IrId) -> String {
        let program = self.step.program;
        let id = program.resolve_references(lookup_value);
        let name = match (program.node(lookup_value), program.node(id)) {
            (Ir::Definition(definition_index), _) => program.definition_name(definition_index).to_owned(),
            (_, Ir::Column(column)) => program.columns[column as usize].output_name().to_owned(),
            _ => program.meta(lookup_value).span.text(self.spec.source).to_owned(),
        };
        let name = to_identifier_fragment(&name);
        if !name.ends_with(|c: char| c.is_ascii_digit()) {
            return name;
        }
        // Use the name of the definition that contains the lookup, because a number at the end of a name would look
        // like a counter.
        let asks = program
            .definitions
            .iter()
            .find(|d| d.first <= lookup_value && lookup_value <= d.root);
        asks.and_then(|d| d.name.as_deref())
            .map_or_else(|| "key".to_owned(), to_identifier_fragment)
    }

    /// Returns the key's name in a form that can be part of a CTE name.
    pub(super) fn key_name(&self, parts: LookupOperands, stratum: u32) -> String {
        self.searched_column(parts.by, stratum)
            .map_or_else(String::new, |(name, _)| to_identifier_fragment(&name))
    }

    pub(super) fn tab(&self, tab: Option<u32>) -> Option<&TabSource> {
        match tab?.checked_sub(Holidays::FIRST_HOLIDAY_TAB) {
            Some(holidays) => self.holidays.get(holidays as usize),
            None => self.input.tabs.get(tab? as usize),
        }
    }

    /// Returns the rows that a lookup searches, unchanged.
    pub(super) fn searched_rows(&self, tab: Option<u32>, stratum: u32, from: &str) -> SearchedRows {
        match self.tab(tab) {
            Some(tab) => SearchedRows {
                name: tab.name.clone(),
                source: tab.source.clone(),
                renamed: tab.renamed,
            },
            None => SearchedRows {
                name: from.to_owned(),
                source: self.select_source(stratum, from),
                renamed: false,
            },
        }
    }

    /// Sets the qualifier for the columns of a select that reads a single relation, and returns the qualifier. `None`
    /// unless the name of the relation could be mistaken for a column.
    pub(super) fn set_select_qualifier(&mut self, tab: Option<u32>, stratum: u32, from: &str) -> Option<String> {
        let shadows = self.emitter.dialect.facts().relation_shadows_column;
        let name = match self.tab(tab) {
            Some(tab) => {
                let has = tab
                    .columns
                    .iter()
                    .any(|column| column.name().eq_ignore_ascii_case(&tab.name));
                has.then(|| tab.name.clone())
            }
            None => self.has_column_named(from, stratum).then(|| from.to_owned()),
        };
        let name = name.filter(|_| shadows);
        self.emitter.qualifier = name
            .as_deref()
            .map(|name| self.emitter.emit_name(name, Span::default()));
        self.emitter.shadowed = name.is_some();
        name
    }

    /// Removes the qualifier, because the next select reads another CTE.
    pub(super) fn reset_qualifier(&mut self) {
        self.emitter.qualifier = None;
        self.emitter.shadowed = false;
    }

    /// Removes the qualifier, and returns it so that [`Self::restore_qualifier`] can restore it.
    pub(super) fn take_qualifier(&mut self) -> SavedQualifier {
        let saved = SavedQualifier {
            qualifier: self.emitter.qualifier,
            shadowed: self.emitter.shadowed,
        };
        self.reset_qualifier();
        saved
    }

    pub(super) fn restore_qualifier(&mut self, saved: SavedQualifier) {
        (self.emitter.qualifier, self.emitter.shadowed) = (saved.qualifier, saved.shadowed);
    }

    /// Returns whether the compared key is a column that is known to be unique.
    pub(super) fn is_lookup_key_unique(&self, parts: LookupOperands, stratum: u32) -> bool {
        let program = self.step.program;
        match (parts.lookup.tab, program.node(parts.by)) {
            (Some(_), Ir::TabColumn { .. }) => {
                let name = self.searched_column(parts.by, stratum).map(|(name, _)| name);
                let key = self.tab(parts.lookup.tab).map_or(&[][..], |tab| tab.key.as_slice());
                matches!((key, name), ([key], Some(name)) if key.eq_ignore_ascii_case(&name))
            }
            (None, _) => {
                let searched_key = program.resolve_references(parts.by);
                let Ir::Column(column) = program.node(searched_key) else {
                    return false;
                };
                let parted = self.partition_columns(None, stratum);
                let mut grain = self.input_grain();
                grain.retain(|g| !parted.iter().any(|((name, _), _)| name.eq_ignore_ascii_case(&g.name)));
                matches!(grain.as_slice(), [key] if key.name.eq_ignore_ascii_case(&program.columns[column as usize].name))
            }
            _ => false,
        }
    }

    /// Returns the columns that partition the sheet, such as the keys of a pivot. A lookup in the sheet finds only rows
    /// in the partition of the current row. Other tabs are not partitioned.
    pub(super) fn partition_columns(&self, tab: Option<u32>, stratum: u32) -> Vec<(QuotableColumnName, IrId)> {
        let keys = self.roles.partition.iter().filter(|_| tab.is_none());
        keys.filter_map(|id| Some((self.input_column_name(*id, stratum)?, *id)))
            .collect()
    }

    /// Emits the conditions that require the found row and the current row to be in the same partition.
    pub(super) fn emit_partition_conditions(
        &mut self,
        tab: Option<u32>,
        stratum: u32,
        from: &str,
        alias: &str,
    ) -> Vec<SqlId> {
        let columns = self.partition_columns(tab, stratum).into_iter();
        columns
            .map(|((name, quoted), id)| {
                let left = self.emitter.emit_qualified_column(from, &name, quoted);
                let right = self.emitter.emit_qualified_column(alias, &name, quoted);
                let nullable = self.step.program.meta(id).nullable;
                self.emitter.emit_key_comparison(left, right, nullable)
            })
            .collect()
    }

    /// Returns the lookups that can share a CTE with a lookup. Lookups in another tab can share a CTE with lookups from
    /// all strata of the step. Lookups in the sheet itself can share a CTE only within the current stratum.
    pub(super) fn lookups_sharing_cte(&self, parts: LookupOperands, same_values: bool) -> Vec<LookupOperands> {
        let key = self.key_lookups.key_of_operands(parts);
        let key = if same_values { key } else { key.without_lookup_value() };
        let alike_ids = self.key_lookups.lookups_by_join.get(&key).into_iter().flatten();
        let local_ids = alike_ids.filter(|id| parts.lookup.tab.is_some() || self.lookups.has_lookup(**id));
        local_ids.filter_map(|id| self.lookup_operands(*id)).collect()
    }

    /// Returns the distinct columns that lookups read: the key first if `with_key` is set, then the sheet's partition
    /// keys, then the returned columns.
    pub(super) fn columns_read_by_lookups(
        &self,
        sharing_lookups: &[LookupOperands],
        with_key: bool,
        stratum: u32,
    ) -> Vec<(QuotableColumnName, IrId)> {
        let mut columns: Vec<(QuotableColumnName, IrId)> = Vec::new();
        let mut seen: FxHashSet<String> = FxHashSet::default();
        let keys = sharing_lookups
            .iter()
            .filter(|parts| with_key && !parts.lookup.by_number)
            .map(|parts| parts.by)
            .take(1);
        let parted = sharing_lookups
            .first()
            .map(|parts| self.partition_columns(parts.lookup.tab, stratum))
            .unwrap_or_default();
        let parted = parted.into_iter().map(|(_, id)| id);
        for id in keys
            .chain(parted)
            .chain(sharing_lookups.iter().filter_map(|parts| parts.returned))
        {
            let Some(column) = self.searched_column(id, stratum) else {
                continue;
            };
            if seen.insert(column.0.to_ascii_lowercase()) {
                columns.push((column, id));
            }
        }
        columns
    }

    /// Determines the rows for a join on the compared key or the row number: the searched rows if their key is unique,
    /// otherwise a CTE.
    pub(super) fn join_by_key(&mut self, lookup_join: &mut LookupJoin, lookup: LookupSelect<'_>, ctes: &mut Vec<Cte>) {
        let LookupSelect { parts, stratum, from } = lookup;
        let sharing_lookups = self.lookups_sharing_cte(parts, false);
        let counts = sharing_lookups.iter().any(|other| other.returned.is_none());
        if !parts.lookup.by_number && self.is_lookup_key_unique(parts, stratum) && !counts {
            let searched = self.searched_rows(parts.lookup.tab, stratum, from);
            lookup_join.source = Some(searched.source);
            (lookup_join.alias, lookup_join.renamed) = match parts.lookup.tab {
                Some(_) => (searched.name, searched.renamed),
                None => {
                    let key = self.key_name(parts, stratum);
                    (format!("{}_by_{key}", searched.name), true)
                }
            };
            return;
        }
        let numbered = self.add_row_number_cte(lookup, &sharing_lookups, ctes);
        let name = numbered.first.unwrap_or(numbered.name);
        lookup_join.source = Some(SelectSource::Name(self.quoted_name(&name)));
        lookup_join.alias = name;
        lookup_join.position = numbered.position;
    }
}

/// Converts a value or a name to a form that can be part of a CTE name.
pub(super) fn to_identifier_fragment(text: &str) -> String {
    let name: String = snake_case(text).chars().take(32).collect();
    if name.is_empty() {
        "key".to_owned()
    } else {
        name.trim_end_matches('_').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::to_identifier_fragment;

    #[test]
    fn lookup_values_become_name_parts() {
        for (text, name) in [
            ("\"EU\"", "eu"),
            ("2", "2"),
            ("Net Revenue", "net_revenue"),
            ("\"*\"", "key"),
        ] {
            assert_eq!(to_identifier_fragment(text), name);
        }
    }
}
