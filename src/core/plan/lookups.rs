//! Lookups that a stratum computes: in other periods, and by key. Lookups that read the same row share a join.

use rustc_hash::{FxHashMap, FxHashSet};

use super::identifying_columns::IdentifyingColumn;
use super::key_lookups::LookupJoinKey;
use super::lookup_by_key::LookupJoin;
use super::lookup_by_period::period_alias;
use super::planner::Planner;
use crate::arena::Arena;
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarOffset, Ir, IrId};
use crate::sql::{Cte, Join, SelectSource, SqlId};

/// Lookups that one stratum computes.
#[derive(Debug, Default)]
pub(super) struct StratumLookups {
    /// Lookups in node order, each with the index of its join in `joined`.
    pub found: Arena<(IrId, usize)>,
    /// Joins: one per time offset, and one per lookup key.
    pub joined: Arena<SharedJoin>,
    /// CTEs with the rows to join, for joins that do not read all rows. The CTEs contain the rows that the compared
    /// columns identify, or the first row of each key.
    pub sources: Vec<Cte>,
    /// Shifted sort key and compared columns, if period lookups compile to a window frame instead of a join.
    pub frame_keys: Option<(IrId, Vec<IdentifyingColumn>)>,
}

#[derive(Debug)]
pub(super) enum SharedJoin {
    Period { period: CalendarOffset, alias: String },
    Key(Box<LookupJoin>),
}

/// Property that lookups must have in common to share a join.
#[derive(PartialEq, Eq, Hash)]
enum SharedJoinKey {
    Distance((i64, bool)),
    Rows(LookupJoinKey),
}

impl SharedJoin {
    fn key(&self) -> SharedJoinKey {
        match self {
            Self::Period { period, .. } => SharedJoinKey::Distance(period.distance()),
            Self::Key(lookup_join) => SharedJoinKey::Rows(lookup_join.key),
        }
    }

    fn alias(&self) -> &str {
        match self {
            Self::Period { alias, .. } => alias,
            Self::Key(lookup_join) => lookup_join.alias(),
        }
    }
}

impl StratumLookups {
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns whether this stratum computes the given lookup.
    pub fn has_lookup(&self, id: IrId) -> bool {
        self.found
            .as_slice()
            .binary_search_by_key(&id, |(node, _)| *node)
            .is_ok()
    }

    /// Returns the join from which a lookup reads its value.
    fn shared_join(&self, id: IrId) -> Option<&SharedJoin> {
        let index = self
            .found
            .as_slice()
            .binary_search_by_key(&id, |(node, _)| *node)
            .ok()?;
        self.joined.try_get(self.found[index].1)
    }
}

impl Planner<'_> {
    /// Returns the lookups that the given roots need in this stratum.
    pub(super) fn find_lookups(&self, roots: &[IrId], stratum: u32, from: &str) -> StratumLookups {
        let mut lookups = StratumLookups::default();
        if !self.step.has_lookups() && self.step.program.lookups.is_empty() {
            return lookups;
        }
        let program = self.step.program;
        let frame_keys = self.find_period_frame_keys(stratum);
        let mut is_framed = false;
        let mut places: FxHashMap<SharedJoinKey, usize> = FxHashMap::default();
        for id in self.nodes_in_order(roots, stratum) {
            if self.stratum_column(id, stratum).is_some() {
                continue;
            }
            let joined = match program.node(id) {
                Ir::PeriodLookup { .. } if frame_keys.is_some() => {
                    is_framed = true;
                    continue;
                }
                Ir::PeriodLookup { period, .. } => {
                    let period = program.periods[period as usize];
                    let mut alias = period_alias(period);
                    let is_taken = |alias: &str| {
                        [from, self.spec.name]
                            .iter()
                            .any(|name| name.eq_ignore_ascii_case(alias))
                            || self.has_column_named(alias, stratum)
                    };
                    while is_taken(&alias) {
                        alias.push_str("_rows");
                    }
                    Some(SharedJoin::Period { period, alias })
                }
                _ => self
                    .new_lookup_join(id)
                    .map(|lookup_join| SharedJoin::Key(Box::new(lookup_join))),
            };
            let Some(joined) = joined else { continue };
            let index = *places.entry(joined.key()).or_insert(lookups.joined.len());
            if index == lookups.joined.len() {
                lookups.joined.push(joined);
            }
            lookups.found.push((id, index));
        }
        lookups.frame_keys = frame_keys.filter(|_| is_framed);
        lookups
    }

    /// Emits the value that a lookup reads from another row.
    pub(super) fn emit_lookup_value(&mut self, id: IrId, stratum: u32) {
        let value = match self.step.program.node(id) {
            Ir::PeriodLookup { value, .. } => value,
            _ => id,
        };
        let sql = match self.lookups.shared_join(id) {
            Some(SharedJoin::Key(lookup_join)) => {
                let join = lookup_join.clone();
                self.emit_lookup_result(id, &join, stratum)
            }
            Some(SharedJoin::Period { alias, .. }) => {
                let alias = alias.clone();
                self.input_column_name(value, stratum)
                    .map(|(name, quoted)| self.emitter.emit_qualified_column(&alias, &name, quoted))
            }
            None if self.emitter.windows.period_lookup_keys.is_some() => {
                self.emit_current_row_value(value, stratum);
                let column = self.emit_column_or_value(value, stratum);
                self.emitter.set_sql(value, column);
                self.emitter.emit(id);
                return;
            }
            None => None,
        };
        let sql = sql.unwrap_or_else(|| self.report_missing_value_column(id, value));
        self.emitter.set_sql(id, sql);
    }

    /// Adds the CTEs to which lookups by key are joined.
    pub(super) fn add_lookup_ctes(&mut self, stratum: u32, from: &str) {
        let mut ctes = Vec::new();
        let mut used_aliases: FxHashSet<String> = self
            .lookups
            .joined
            .iter()
            .map(|joined| joined.alias().to_ascii_lowercase())
            .collect();
        for index in 0..self.lookups.joined.len() {
            let Some(SharedJoin::Key(lookup_join)) = self.lookups.joined.try_get(index) else {
                continue;
            };
            let mut join = lookup_join.clone();
            self.add_holiday_ctes(&join, stratum, from, &mut ctes);
            self.resolve_lookup_join(&mut join, stratum, from, &used_aliases, &mut ctes);
            used_aliases.insert(join.alias().to_ascii_lowercase());
            if let Some(joined) = self.lookups.joined.try_get_mut(index) {
                *joined = SharedJoin::Key(join);
            }
        }
        self.lookups.sources = ctes;
    }

    /// Reports an internal error: the looked-up value must be a column but is not.
    #[cold]
    fn report_missing_value_column(&mut self, lookup: IrId, value_id: IrId) -> SqlId {
        let program = self.step.program;
        let text = program.meta(value_id).span.text(self.spec.source);
        let span = program.meta(lookup).span;
        let message = format!("`{text}` is not a column, so its value in other rows cannot be looked up");
        self.emitter.report(Diagnostic::new(Code::Internal, span, message));
        self.emitter.null_placeholder(span)
    }

    /// Returns the joins for the lookups of this stratum.
    pub(super) fn build_lookup_joins(&mut self, stratum: u32, from: &str, source: &SelectSource) -> Vec<Join> {
        let is_period = |joined: &SharedJoin| matches!(joined, SharedJoin::Period { .. });
        let mut joins = match self.lookups.joined.iter().any(is_period) {
            true => self.build_period_joins(stratum, from, source),
            false => Vec::new(),
        };
        for index in 0..self.lookups.joined.len() {
            let Some(SharedJoin::Key(lookup_join)) = self.lookups.joined.try_get(index) else {
                continue;
            };
            let join = lookup_join.clone();
            joins.extend(self.build_lookup_join(&join, stratum, from));
        }
        joins
    }

    /// Emits a value of the current row.
    pub(super) fn emit_current_row_value(&mut self, id: IrId, stratum: u32) -> SqlId {
        self.emit_nodes(&[id], stratum);
        self.emit_column_or_value(id, stratum)
    }

    /// Returns the column of this stratum's input that a node refers to, and whether it must be quoted.
    pub(super) fn input_column_name(&self, id: IrId, stratum: u32) -> Option<(String, bool)> {
        if let Some(name) = self.stratum_column(id, stratum) {
            return Some((name.to_owned(), self.emitter.cased.contains(name)));
        }
        let program = self.step.program;
        match program.node(program.resolve_references(id)) {
            Ir::Column(column) => match self.input.joined {
                Some(joined) => Some(self.input_name(&self.input_column(joined, column))),
                None => {
                    let column = &program.columns[column as usize];
                    Some((column.name.to_string(), column.quoted))
                }
            },
            _ => None,
        }
    }
}
