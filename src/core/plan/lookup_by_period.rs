//! Lookups of values from other periods. A stratum joins the previous stratum to itself on the sort key shifted by a
//! period.
//!
//! Each row matches at most one other row. Either the compared columns identify the rows of the stratum, or the join
//! reads only the rows that these columns identify.

use rustc_hash::{FxHashMap, FxHashSet};

use super::lookup_by_key::{LookupJoin, LookupJoinKey};
use super::names::grouped_rows_name;
use super::outputs::{StepColumn, key_name};
use super::planner::Planner;
use super::step::InputColumn;
use crate::Type;
use crate::arena::Arena;
use crate::catalog::{self, ParamType, internal};
use crate::check::{date_part, find_sort_key_to_shift};
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::emit::{ShiftedDate, has_period_frames};
use crate::ir::{CalendarOffset, Ir, IrId};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, Select, SelectSource, SqlId};

/// Lookups that one stratum computes.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// Lookups in node order, each with the index of its join in `joined`.
    found: Arena<(IrId, usize)>,
    /// Joins: one per time offset, and one per lookup key.
    joined: Arena<PeriodJoin>,
    /// CTEs with the rows to join, for joins that do not read all rows. The CTEs contain the rows that the compared
    /// columns identify, or the first row of each key.
    pub sources: Vec<Cte>,
    /// Shifted sort key and compared columns of period lookups that read a window frame instead of a join.
    frame_keys: Option<(IrId, Vec<IdentifyingColumn>)>,
}

#[derive(Debug)]
enum PeriodJoin {
    Period { period: CalendarOffset, alias: String },
    Key(Box<LookupJoin>),
}

/// Property that lookups must have in common to share a join.
#[derive(PartialEq, Eq, Hash)]
enum SharedJoinKey {
    Distance((i64, bool)),
    Rows(LookupJoinKey),
}

impl PeriodJoin {
    fn shared_join_key(&self) -> SharedJoinKey {
        match self {
            Self::Period { period, .. } => SharedJoinKey::Distance(period.distance()),
            Self::Key(lookup_join) => SharedJoinKey::Rows(lookup_join.same),
        }
    }

    fn alias(&self) -> &str {
        match self {
            Self::Period { alias, .. } => alias,
            Self::Key(lookup_join) => lookup_join.alias(),
        }
    }
}

impl Lookups {
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
    fn period_join(&self, id: IrId) -> Option<&PeriodJoin> {
        let at = self
            .found
            .as_slice()
            .binary_search_by_key(&id, |(node, _)| *node)
            .ok()?;
        self.joined.try_get(self.found[at].1)
    }
}

/// Value that identifies the row to look up: a column of the stratum, or an expression over columns.
#[derive(Debug)]
struct IdentifyingColumn {
    name: String,
    quoted: bool,
    nullable: bool,
    /// IR node of the value if it is not a column. The value's expression is repeated on both sides of the join.
    computed: Option<IrId>,
}

impl Planner<'_> {
    /// Returns the lookups that the given roots need in this stratum.
    pub(super) fn find_lookups(&self, roots: &[IrId], stage: u32, from: &str) -> Lookups {
        let mut lookups = Lookups::default();
        if !self.step.has_lookups() && self.step.program.finds.is_empty() {
            return lookups;
        }
        let program = self.step.program;
        let frame_keys = self.find_frame_keys(stage);
        let mut is_framed = false;
        let mut places: FxHashMap<SharedJoinKey, usize> = FxHashMap::default();
        for id in self.nodes_in_order(roots, stage) {
            if self.stratum_column(id, stage).is_some() {
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
                    let named = |alias: &str| {
                        [from, self.spec.name]
                            .iter()
                            .any(|name| name.eq_ignore_ascii_case(alias))
                            || self.has_column(alias, stage)
                    };
                    while named(&alias) {
                        alias.push_str("_rows");
                    }
                    Some(PeriodJoin::Period { period, alias })
                }
                _ => self
                    .new_lookup_join(id)
                    .map(|lookup_join| PeriodJoin::Key(Box::new(lookup_join))),
            };
            let Some(joined) = joined else { continue };
            let at = *places.entry(joined.shared_join_key()).or_insert(lookups.joined.len());
            if at == lookups.joined.len() {
                lookups.joined.push(joined);
            }
            lookups.found.push((id, at));
        }
        lookups.frame_keys = frame_keys.filter(|_| is_framed);
        lookups
    }

    /// Returns the shifted sort key and the compared columns if lookups read a window frame instead of a join. This is
    /// the case if the dialect cannot hash the comparison of a compared column. `None` if a join is needed.
    fn find_frame_keys(&self, stage: u32) -> Option<(IrId, Vec<IdentifyingColumn>)> {
        let dialect = self.emitter.dialect;
        if dialect.facts().hashes_nullable_keys || !has_period_frames(dialect) {
            return None;
        }
        let order = self.roles.order.iter().map(|(id, _)| *id);
        let key = find_sort_key_to_shift(self.step.program, order)?;
        let (compared, unique) = self.compared_columns(key, stage);
        (unique && compared.iter().any(|column| column.nullable)).then_some((key, compared))
    }

    /// Emits the keys of the window frames that lookups of this stratum read.
    pub(super) fn emit_frame_keys(&mut self, stage: u32) -> Option<ShiftedDate> {
        let (key, compared) = self.lookups.frame_keys.take()?;
        let mut partition = Vec::with_capacity(compared.len());
        for column in compared {
            partition.push(match column.computed {
                Some(id) => self.emit_current_row_value(id, stage),
                None => self.emitter.emit_column_by_name(&column.name, column.quoted),
            });
        }
        Some(ShiftedDate {
            partition,
            key: self.emit_current_row_value(key, stage),
            nullable: self.step.program.meta(key).nullable,
        })
    }

    /// Emits the value that a lookup reads from another row.
    pub(super) fn emit_lookup_value(&mut self, id: IrId, stage: u32) {
        let value = match self.step.program.node(id) {
            Ir::PeriodLookup { value, .. } => value,
            _ => id,
        };
        let sql = match self.lookups.period_join(id) {
            Some(PeriodJoin::Key(lookup_join)) => {
                let found = lookup_join.clone();
                self.emit_found_value(id, &found, stage)
            }
            Some(PeriodJoin::Period { alias, .. }) => {
                let alias = alias.clone();
                self.input_column_name(value, stage)
                    .map(|(name, quoted)| self.emitter.emit_field(&alias, &name, quoted))
            }
            None if self.emitter.windows.moved.is_some() => {
                self.emit_current_row_value(value, stage);
                let column = self.emit_column_or_value(value, stage);
                self.emitter.set_sql(value, column);
                self.emitter.emit(id);
                return;
            }
            None => None,
        };
        let sql = sql.unwrap_or_else(|| self.report_no_column(id, value));
        self.emitter.set_sql(id, sql);
    }

    /// Adds the CTEs for the joins of lookups by key.
    pub(super) fn add_lookup_ctes(&mut self, stage: u32, from: &str) {
        let mut ctes = Vec::new();
        let mut taken: FxHashSet<String> = self
            .lookups
            .joined
            .iter()
            .map(|joined| joined.alias().to_ascii_lowercase())
            .collect();
        for at in 0..self.lookups.joined.len() {
            let Some(PeriodJoin::Key(lookup_join)) = self.lookups.joined.try_get(at) else {
                continue;
            };
            let mut found = lookup_join.clone();
            self.add_holiday_ctes(&found, stage, from, &mut ctes);
            self.resolve_lookup_join(&mut found, stage, from, &taken, &mut ctes);
            taken.insert(found.alias().to_ascii_lowercase());
            if let Some(joined) = self.lookups.joined.try_get_mut(at) {
                *joined = PeriodJoin::Key(found);
            }
        }
        self.lookups.sources = ctes;
    }

    /// Reports an internal error: the looked-up value must be a column but is not.
    #[cold]
    fn report_no_column(&mut self, lookup: IrId, of: IrId) -> SqlId {
        let program = self.step.program;
        let text = program.meta(of).span.text(self.spec.source);
        let span = program.meta(lookup).span;
        let message = format!("`{text}` is not a column, so its value in other rows cannot be looked up");
        self.emitter.report(Diagnostic::new(Code::Internal, span, message));
        self.emitter.null_placeholder(span)
    }

    /// Returns the joins for the lookups of this stratum.
    pub(super) fn lookup_joins(&mut self, stage: u32, from: &str, source: &SelectSource) -> Vec<Join> {
        let is_period = |joined: &PeriodJoin| matches!(joined, PeriodJoin::Period { .. });
        let mut joins = match self.lookups.joined.iter().any(is_period) {
            true => self.period_joins(stage, from, source),
            false => Vec::new(),
        };
        for at in 0..self.lookups.joined.len() {
            let Some(PeriodJoin::Key(lookup_join)) = self.lookups.joined.try_get(at) else {
                continue;
            };
            let found = lookup_join.clone();
            joins.extend(self.build_lookup_join(&found, stage, from));
        }
        joins
    }

    fn period_joins(&mut self, stage: u32, from: &str, source: &SelectSource) -> Vec<Join> {
        let program = self.step.program;
        let order = self.roles.order.clone();
        let Some(id) = find_sort_key_to_shift(program, order.iter().map(|(id, _)| *id)) else {
            return Vec::new();
        };
        let key = self.build_identifying_column(id, stage);
        let (compared, unique) = self.compared_columns(id, stage);
        let source = if unique {
            source.clone()
        } else {
            self.distinct_rows(stage, from, &key, &compared)
        };
        let mut joins = Vec::new();
        for at in 0..self.lookups.joined.len() {
            let PeriodJoin::Period { period, alias } = &self.lookups.joined[at] else {
                continue;
            };
            let (period, alias) = (*period, alias.clone());
            let mut conditions = Vec::new();
            for identifying_column in &compared {
                let sql = match identifying_column.computed {
                    Some(id) => self.emit_current_row_value(id, stage),
                    None => self
                        .emitter
                        .emit_field(from, &identifying_column.name, identifying_column.quoted),
                };
                let right = self.emit_other_row_value(identifying_column, &alias, unique, stage);
                conditions.push(
                    self.emitter
                        .emit_key_comparison(sql, right, identifying_column.nullable),
                );
            }
            self.emit_current_row_value(id, stage);
            let moved = self.emit_shifted_key(id, period);
            let found = self.emit_other_row_value(&key, &alias, unique, stage);
            conditions.push(self.emitter.tree().add_binary(Op::Equal, moved, found, Span::default()));
            let on = self.emitter.tree().add_conjunction(conditions);
            let alias = self.quoted_name(&alias);
            joins.push(Join::new(JoinKind::Left, source.clone(), on).aliased(alias));
        }
        joins
    }

    fn build_identifying_column(&self, id: IrId, stage: u32) -> IdentifyingColumn {
        let program = self.step.program;
        let nullable = program.meta(id).nullable;
        match (self.input_column_name(id, stage), program.node(id)) {
            (Some((name, quoted)), _) => IdentifyingColumn {
                name,
                quoted,
                nullable,
                computed: None,
            },
            (None, Ir::Definition(used)) => {
                let name = program.definitions[used as usize]
                    .name
                    .as_deref()
                    .unwrap_or_default()
                    .to_owned();
                IdentifyingColumn {
                    quoted: self.emitter.cased.contains(&name),
                    name,
                    nullable,
                    computed: Some(id),
                }
            }
            (None, _) => {
                let name = key_name(program.meta(id).span.text(self.spec.source));
                IdentifyingColumn {
                    name,
                    quoted: false,
                    nullable,
                    computed: Some(id),
                }
            }
        }
    }

    /// Emits a value of the current row.
    pub(super) fn emit_current_row_value(&mut self, id: IrId, stage: u32) -> SqlId {
        self.emit_nodes(&[id], stage);
        self.emit_column_or_value(id, stage)
    }

    /// Emits an identifying value of the other row.
    fn emit_other_row_value(
        &mut self,
        identifying_column: &IdentifyingColumn,
        alias: &str,
        unique: bool,
        stage: u32,
    ) -> SqlId {
        let Some(id) = identifying_column.computed.filter(|_| unique) else {
            return self
                .emitter
                .emit_field(alias, &identifying_column.name, identifying_column.quoted);
        };
        let alias = self.emitter.emit_name(alias, Span::default());
        let own = self.emitter.qualifier.replace(alias);
        let sql = self.emit_current_row_value(id, stage);
        self.emitter.qualifier = own;
        // Emit the value for the current row again, because other values use the same operands.
        self.emit_current_row_value(id, stage);
        sql
    }

    /// Returns the column of this stratum's input that a node refers to, and whether it must be quoted.
    pub(super) fn input_column_name(&self, id: IrId, stage: u32) -> Option<(String, bool)> {
        if let Some(name) = self.stratum_column(id, stage) {
            return Some((name.to_owned(), self.emitter.cased.contains(name)));
        }
        let program = self.step.program;
        match program.node(program.resolve_names(id)) {
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

    /// Returns the values that are compared in addition to the key, and whether these values and the key together
    /// identify the rows.
    fn compared_columns(&self, key: IrId, stage: u32) -> (Vec<IdentifyingColumn>, bool) {
        let program = self.step.program;
        let mut compared: Vec<IdentifyingColumn> = Vec::new();
        let mut add = |identifying_column: IdentifyingColumn| {
            if !compared
                .iter()
                .any(|c| c.name.eq_ignore_ascii_case(&identifying_column.name))
            {
                compared.push(identifying_column);
            }
        };
        let said = !self.spec.default_partition;
        if said {
            self.roles
                .partition
                .iter()
                .for_each(|id| add(self.build_identifying_column(*id, stage)));
        }
        // Columns that identify the rows. Each tuple contains the column's name and whether the column is quoted,
        // nullable, and the key.
        let mut determined: Vec<String> = Vec::new();
        let told_apart: Vec<(String, bool, bool, bool)> = if self.step.grouped {
            determined = self.keys_within(key);
            let key_column = self
                .input_column_name(key, stage)
                .map(|(name, _)| name)
                .unwrap_or_default();
            let of = |o: &StepColumn| {
                let own = || (o.name.clone(), self.emitter.cased.contains(&o.name));
                let (name, quoted) = self.input_column_name(o.root, stage).unwrap_or_else(own);
                let is_key = name.eq_ignore_ascii_case(&key_column);
                (name, quoted, program.meta(o.root).nullable, is_key)
            };
            self.outputs.iter().filter(|o| o.key).map(of).collect()
        } else {
            // A computed column is not a column of the grain, even if both have the same name.
            let key_column = match (program.node(program.resolve_names(key)), self.input.joined) {
                (Ir::Column(column), Some(joined)) => Some(self.input_column(joined, column)),
                (Ir::Column(column), None) => {
                    let name = program.columns[column as usize].name.to_string();
                    Some(InputColumn { of: vec![0], name })
                }
                _ => None,
            };
            let of = |g: &InputColumn| {
                let (name, quoted) = self.input_name(g);
                (
                    name,
                    quoted,
                    self.input_is_nullable(g),
                    key_column.as_ref().is_some_and(|key| key.is_same_column(g)),
                )
            };
            self.input_grain().iter().map(of).collect()
        };
        let moves_one = told_apart.iter().any(|(.., is_key)| *is_key);
        let ordered: Vec<String> = self
            .roles
            .order
            .iter()
            .filter_map(|(id, _)| self.input_column_name(*id, stage))
            .map(|(name, _)| name)
            .collect();
        for (name, quoted, nullable, is_key) in &told_apart {
            // If the shifted date is not a grouping key, compare only the grouping keys that are not sort keys.
            let parts = moves_one || (self.step.grouped && !ordered.iter().any(|o| o.eq_ignore_ascii_case(name)));
            if !said && !is_key && parts {
                add(IdentifyingColumn {
                    name: name.clone(),
                    quoted: *quoted,
                    nullable: *nullable,
                    computed: None,
                });
            }
        }
        let tells = |name: &str| {
            compared
                .iter()
                .any(|c| c.computed.is_none() && c.name.eq_ignore_ascii_case(name))
        };
        let known = self.step.grouped || !told_apart.is_empty();
        let unique = known
            && told_apart
                .iter()
                .all(|(name, .., is_key)| *is_key || tells(name) || determined.contains(name));
        (compared, unique)
    }

    /// Returns the names of the grouping keys that the sort key determines, such as the year of a month.
    fn keys_within(&self, key: IrId) -> Vec<String> {
        let program = self.step.program;
        let Some(of_key) = date_part(program, key) else {
            return Vec::new();
        };
        let is_within = |o: &&StepColumn| date_part(program, o.root).is_some_and(|part| part.is_within(of_key, None));
        let keys = self.outputs.iter().filter(|o| o.key).filter(is_within);
        keys.map(|o| o.name.clone()).collect()
    }

    /// Adds a CTE with the rows of the previous stratum that the key and the compared columns identify, and the columns
    /// that lookups read.
    fn distinct_rows(
        &mut self,
        stage: u32,
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
        self.warn_of_several_rows(first, &key.name, compared);
        let qualifier = std::mem::take(&mut self.emitter.qualifier);
        let shadows = self.emitter.dialect.facts().relation_shadows_column && self.has_column(from, stage);
        let shadowed = std::mem::replace(&mut self.emitter.shadowed, shadows);
        if shadows {
            self.emitter.qualifier = Some(self.emitter.emit_name(from, Span::default()));
        }
        let (mut items, mut group_by) = (Vec::new(), Vec::new());
        let mut taken = FxHashSet::default();
        for identifying_column in compared.iter().chain([key]) {
            let expr = match identifying_column.computed {
                Some(id) => self.emit_current_row_value(id, stage),
                None => self
                    .emitter
                    .emit_column_by_name(&identifying_column.name, identifying_column.quoted),
            };
            taken.insert(identifying_column.name.to_lowercase());
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
        for at in 0..self.lookups.found.len() {
            let Ir::PeriodLookup { value, .. } = program.node(self.lookups.found[at].0) else {
                continue;
            };
            let Some((name, quoted)) = self.input_column_name(value, stage) else {
                continue;
            };
            if taken.insert(name.to_lowercase()) {
                let column = self.emitter.emit_column_by_name(&name, quoted);
                let expr = self.emitter.emit_maximum(value, column);
                items.push(Item::named(expr, self.emitter.dialect.name_text(&name, !quoted)));
            }
        }
        let count = self.emitter.emit_row_count();
        let one = self.emitter.tree().add_text(Span::default(), |out| out.push('1'));
        let is_single = self.emitter.tree().add_binary(Op::Equal, count, one, Span::default());
        let select = Select::scan(self.select_source(stage, from))
            .group_by(group_by)
            .having(is_single)
            .project(items);
        self.emitter.qualifier = qualifier;
        self.emitter.shadowed = shadowed;
        // Emit the values again, because other values use the same operands and need a qualifier.
        for id in compared
            .iter()
            .chain([key])
            .filter_map(|identifying_column| identifying_column.computed)
        {
            self.emit_current_row_value(id, stage);
        }
        let mut by: Vec<String> = compared.iter().chain([key]).map(|c| c.name.clone()).collect();
        if by.len() > 2 {
            by.rotate_right(1);
        }
        let name = self.cte_names.choose_name(&grouped_rows_name(from, &by));
        let written = self.quoted_name(&name);
        self.lookups.sources.push(Cte::new(written.clone(), select));
        SelectSource::Name(written)
    }

    fn warn_of_several_rows(&mut self, span: Span, key: &str, compared: &[IdentifyingColumn]) {
        let mut names = vec![format!("`{key}`")];
        names.extend(compared.iter().map(|c| format!("`{}`", c.name)));
        let message = format!(
            "several rows may have the same {}, and `PERIODOFFSET` returns NULL for these rows",
            names.join(" and ")
        );
        let grain: Vec<String> = if self.step.grouped {
            self.outputs.iter().filter(|o| o.key).map(|o| o.name.clone()).collect()
        } else {
            self.input_grain().iter().map(|g| self.input_name(g).0).collect()
        };
        let is_compared = |name: &str| compared.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        let missing: Vec<String> = grain
            .iter()
            .filter(|g| !g.eq_ignore_ascii_case(key) && !is_compared(g))
            .map(|g| format!("`{g}`"))
            .collect();
        let by_key = grain.iter().any(|g| g.eq_ignore_ascii_case(key));
        let help = if by_key && !missing.is_empty() {
            format!(
                "add {} to `partition_by`, or aggregate in an earlier step",
                missing.join(" and ")
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
fn period_alias(period: CalendarOffset) -> String {
    const NUMBERS: [&str; 11] = [
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
        .and_then(|count| NUMBERS.get(count.checked_sub(2)?));
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
