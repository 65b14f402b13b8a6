//! Column lineage of a spec: the input columns from which each column is computed, the tags that each column inherits,
//! and whether its values were converted to a time zone.
//!
//! Conditions inside a value are inputs. Filters, sort order and partitions are not.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::compile::SpecCompilation;
use super::load::{KeptColumns, Step, StepRead};
use super::sources::JoinTarget;
use crate::Type;
use crate::arena::Arena;
use crate::catalog::{self, internal};
use crate::check::DefinitionRole;
use crate::ir::Ir;
use crate::plan::{StepInput, StepPlan, key_name};
use crate::schema::{Column, Relation};
use crate::yaml::Node;

/// Input column of a spec.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceColumn {
    relation: String,
    column: String,
}

impl SourceColumn {
    /// Returns the relation's name in the schema.
    #[must_use]
    pub fn relation(&self) -> &str {
        &self.relation
    }

    /// Returns the name of the column.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }
}

/// Input columns from which a column of a model is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnLineage {
    column: String,
    sources: Vec<SourceColumn>,
}

impl ColumnLineage {
    /// Returns the column of the model.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Returns the distinct input columns, sorted. Empty if the column is constant or counts rows.
    #[must_use]
    pub fn sources(&self) -> &[SourceColumn] {
        &self.sources
    }
}

/// Index of a value.
type ColumnPosition = u32;

/// Inputs of all values of a spec. Dependencies come before the values that use them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lineage {
    made: Vec<Vec<ColumnPosition>>,
    sources: FxHashMap<ColumnPosition, SourceColumn>,
    /// Index of each input column, by relation and lower-case column name.
    known: FxHashMap<(String, String), ColumnPosition>,
    /// Values whose own formula converts an instant to a time zone.
    timezone_conversions: FxHashSet<ColumnPosition>,
    /// Columns of each step, by lower-case name.
    steps: Vec<FxHashMap<String, ColumnPosition>>,
    /// Columns of the model.
    columns: Vec<(String, ColumnPosition)>,
}

impl Lineage {
    fn add(&mut self, mut of: Vec<ColumnPosition>) -> ColumnPosition {
        of.sort_unstable();
        of.dedup();
        self.made.push(of);
        self.made.len() as ColumnPosition - 1
    }

    fn source(&mut self, relation: &str, column: &str) -> ColumnPosition {
        let key = (relation.to_lowercase(), column.to_lowercase());
        if let Some(at) = self.known.get(&key) {
            return *at;
        }
        let at = self.add(Vec::new());
        self.known.insert(key, at);
        self.sources.insert(
            at,
            SourceColumn {
                relation: relation.to_owned(),
                column: column.to_owned(),
            },
        );
        at
    }

    /// Adds a column for the total of a measure, with the same lineage as the measure.
    pub fn add_total(&mut self, measure: &str, column: &str) {
        if let Some(step) = self.steps.last_mut()
            && let Some(at) = step.get(&measure.to_lowercase()).copied()
        {
            step.insert(column.to_lowercase(), at);
        }
    }

    /// Records the output columns of the most recent step. `last` specifies whether these are also the columns of the
    /// model. The columns of a wide pivot are named after values, so they may depend on any column of the step.
    pub fn record_outputs(&mut self, output: &Relation, last: bool) {
        let Some(mut given) = self.steps.pop() else { return };
        let mut all: Vec<ColumnPosition> = given.values().copied().collect();
        all.sort_unstable();
        for column in output.columns() {
            let name = column.name().to_lowercase();
            let at = match given.get(&name) {
                Some(at) => *at,
                None => self.add(all.clone()),
            };
            given.insert(name, at);
            if last {
                self.columns.push((column.name().to_owned(), at));
            }
        }
        self.steps.push(given);
    }

    /// Returns the lineage of each column of the model.
    pub fn column_lineages(&self) -> Vec<ColumnLineage> {
        // A value that is computed from one other value has the sources of this value.
        let mut same: Arena<ColumnPosition> = Arena::new();
        for (at, made) in self.made.iter().enumerate() {
            same.push(match made.as_slice() {
                [one] => same.try_get(*one as usize).copied().unwrap_or(*one),
                _ => at as ColumnPosition,
            });
        }
        let mut seen: Arena<Option<usize>> = Arena::filled(None, self.made.len());
        let mut of = |(column, (name, at)): (usize, &(String, ColumnPosition))| {
            let mut stack = vec![*at];
            let mut sources = Vec::new();
            while let Some(at) = stack.pop() {
                let at = same[at as usize];
                if seen[at as usize].replace(column) != Some(column) {
                    sources.extend(self.sources.get(&at).cloned());
                    stack.extend(self.made.get(at as usize).into_iter().flatten());
                }
            }
            sources.sort_unstable();
            ColumnLineage {
                column: name.clone(),
                sources,
            }
        };
        self.columns.iter().enumerate().map(&mut of).collect()
    }

    /// Returns the lower-case names of the columns that are computed from an instant in a time zone. `is_converted`
    /// returns whether an input column is computed in this way. One pass is sufficient because dependencies come first.
    fn columns_in_timezone(&self, is_converted: impl Fn(&SourceColumn) -> bool) -> FxHashSet<String> {
        let mut converted: Arena<bool> = Arena::new();
        for (at, made) in self.made.iter().enumerate() {
            let at = at as ColumnPosition;
            let is_own = self.timezone_conversions.contains(&at) || self.sources.get(&at).is_some_and(&is_converted);
            converted.push(is_own || made.iter().any(|at| converted[*at as usize]));
        }
        let found = self.columns.iter().filter(|(_, at)| converted[*at as usize]);
        found.map(|(name, _)| name.to_lowercase()).collect()
    }

    /// Returns the inherited tags of each column, by lower-case name. A column inherits the tags of all its inputs. One
    /// pass is sufficient because dependencies come first.
    fn tags(&self, inherited: &[String], of: impl Fn(&SourceColumn) -> Vec<String>) -> FxHashMap<String, Vec<String>> {
        let mut tagged: Arena<Vec<usize>> = Arena::new();
        for (at, made) in self.made.iter().enumerate() {
            let mut own: Vec<usize> = made
                .iter()
                .flat_map(|at| tagged[*at as usize].iter().copied())
                .collect();
            if let Some(source) = self.sources.get(&(at as ColumnPosition)) {
                let tags = of(source);
                own.extend(
                    inherited
                        .iter()
                        .enumerate()
                        .filter(|(_, tag)| tags.contains(tag))
                        .map(|(place, _)| place),
                );
            }
            own.sort_unstable();
            own.dedup();
            tagged.push(own);
        }
        let names = |at: ColumnPosition| {
            tagged[at as usize]
                .iter()
                .filter_map(|place| inherited.get(*place).cloned())
                .collect()
        };
        self.columns
            .iter()
            .map(|(name, at)| (name.to_lowercase(), names(*at)))
            .collect()
    }
}

/// Returns the name of the column that a definition or key produces, if any. `text` is the source of the formulas.
pub(super) fn output_column(plan: &StepPlan<'_>, index: usize, text: &str) -> Option<String> {
    let program = plan.program;
    let definition = program.definitions.try_get(index)?;
    match (plan.roles.try_get(index)?, program.node(definition.root)) {
        (DefinitionRole::GroupBy, Ir::Column(column)) => program
            .columns
            .try_get(column as usize)
            .map(|c| c.output_name().to_owned()),
        // The key is a definition, which produces the column itself.
        (DefinitionRole::GroupBy, Ir::Definition(_)) => None,
        (DefinitionRole::GroupBy, _) => Some(key_name(definition.span.text(text))),
        (DefinitionRole::Definitions, _) if plan.outputs.try_get(index) == Some(&true) => {
            definition.name.as_deref().map(str::to_owned)
        }
        _ => None,
    }
}

/// Returns the relations in `keep`, by the lower-case name of the column: `u` for `u.created_at`.
fn kept_relations<'s>(step: &Step<'s>) -> FxHashMap<String, &'s str> {
    let KeptColumns::Columns(names) = &step.keep else {
        return FxHashMap::default();
    };
    let qualified = names.iter().rev().filter_map(|name| name.text.rsplit_once('.'));
    let unquoted =
        qualified.map(|(relation, name)| (name.trim_matches('"').to_lowercase(), relation.trim_matches('"')));
    unquoted.collect()
}

/// Returns whether a node converts an instant to wall-clock time in a time zone.
fn is_timezone_conversion(node: Ir) -> bool {
    matches!(node, Ir::Apply { overload, .. } if catalog::overload_owner(overload) == internal::TO_WALL_CLOCK)
}

impl SpecCompilation<'_> {
    /// Records the lineage of a step's columns. `text` is the source of the step's formulas.
    pub(super) fn record_lineage(
        &mut self,
        step: &Step<'_>,
        plan: &StepPlan<'_>,
        input: &StepInput<'_>,
        output: &Relation,
        text: &str,
    ) {
        let program = plan.program;
        let mut columns: Vec<Option<ColumnPosition>> = Vec::with_capacity(program.columns.len());
        for column in &program.columns {
            columns.push(match column.merged.as_slice() {
                [] => self.read_column(step, input, column.relation.as_deref(), &column.name),
                merged => {
                    let merged = merged
                        .iter()
                        .filter_map(|part| columns.get(*part as usize).copied().flatten());
                    let merged = merged.collect();
                    Some(self.lineage.add(merged))
                }
            });
        }
        let mut made: FxHashMap<u32, ColumnPosition> = FxHashMap::default();
        let mut given: FxHashMap<String, ColumnPosition> = FxHashMap::default();
        for index in &program.order {
            let Some(definition) = program.definitions.try_get(*index as usize) else {
                continue;
            };
            if definition.failed {
                continue;
            }
            let (mut of, mut seen, mut stack) = (Vec::new(), FxHashSet::default(), vec![definition.root]);
            let mut is_converted = false;
            while let Some(id) = stack.pop() {
                if !seen.insert(id) {
                    continue;
                }
                match program.node(id) {
                    Ir::Column(column) => of.extend(columns.get(column as usize).copied().flatten()),
                    Ir::Definition(used) => of.extend(made.get(&used)),
                    Ir::TabColumn { tab, column } => {
                        let (tab, column) = program.find_column_origin(tab, column);
                        of.extend(self.tab_column(step, input, tab, column));
                    }
                    node => {
                        is_converted |= is_timezone_conversion(node);
                        stack.extend(program.operands(id));
                    }
                }
            }
            let at = self.lineage.add(of);
            if is_converted {
                self.lineage.timezone_conversions.insert(at);
            }
            made.insert(*index, at);
        }
        for index in 0..program.definitions.len() {
            let Some(at) = made.get(&(index as u32)) else { continue };
            let name = output_column(plan, index, text);
            given.extend(name.map(|name| (name.to_lowercase(), *at)));
        }
        // Kept columns keep their lineage.
        let kept = kept_relations(step);
        for column in output.columns() {
            let name = column.name().to_lowercase();
            if !given.contains_key(&name) {
                let has = |relation: &Relation| relation.is_open() || relation.column(&name).is_some();
                let in_joined = input
                    .joined
                    .and_then(|joined| joined.relations.iter().find(|relation| has(relation)));
                let of = kept.get(&name).copied();
                let of = of.or_else(|| in_joined.map(Relation::name));
                let at = self.read_column(step, input, of, column.name());
                given.extend(at.map(|at| (name, at)));
            }
        }
        self.lineage.steps.push(given);
    }

    /// Returns the position of a column that a step reads. `relation` is the column's relation if the step reads
    /// several relations.
    fn read_column(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        relation: Option<&str>,
        name: &str,
    ) -> Option<ColumnPosition> {
        let place = self.lineage.steps.len();
        let joined = input
            .joined
            .and_then(|joined| joined.position(relation?))
            .and_then(|at| at.checked_sub(1));
        if let Some(join) = joined.and_then(|at| step.joins.get(at)) {
            return self.target_column(self.sources.resolve_join_target(self.spec, place, &join.to), name);
        }
        match self.spec.step_input(place) {
            StepRead::Relation(from) => Some(self.lineage.source(from.name(), name)),
            StepRead::Step(of) => self.step_column(of, name),
            StepRead::Union(steps) => steps.into_iter().find_map(|of| self.step_column(of, name)),
        }
    }

    fn tab_column(&mut self, step: &Step<'_>, input: &StepInput<'_>, tab: u32, column: u32) -> Option<ColumnPosition> {
        let place = self.lineage.steps.len();
        let column = input.tabs.get(tab as usize)?.columns.get(column as usize)?;
        let keys = step.sheet.as_ref()?.tabs.get(tab as usize)?;
        self.target_column(
            self.sources.resolve_join_target(self.spec, place, &keys.model),
            column.name(),
        )
    }

    fn target_column(&mut self, target: JoinTarget, name: &str) -> Option<ColumnPosition> {
        match target {
            JoinTarget::Step(of) => self.step_column(of, name),
            JoinTarget::Source(of) => {
                let relation = self.sources.all.get(of)?.from.name().to_owned();
                Some(self.lineage.source(&relation, name))
            }
            JoinTarget::Later => None,
        }
    }

    /// Returns the position of a column of an earlier step. Any name may be a column of an undeclared relation whose
    /// columns the step passes on.
    fn step_column(&mut self, of: usize, name: &str) -> Option<ColumnPosition> {
        let key = name.to_lowercase();
        let mut seen = FxHashSet::default();
        let mut places = vec![of];
        let at = loop {
            let place = places.pop()?;
            if let Some(at) = self.lineage.steps.get(place)?.get(&key) {
                break *at;
            }
            let step = self.spec.steps.get(place)?;
            if !matches!(step.keep, KeptColumns::All) || !step.joins.is_empty() || !seen.insert(place) {
                continue;
            }
            match self.spec.step_input(place) {
                StepRead::Relation(from) => break self.lineage.source(from.name(), name),
                StepRead::Step(before) => places.push(before),
                StepRead::Union(steps) => places.extend(steps.into_iter().rev()),
            }
        };
        self.lineage.steps.get_mut(of)?.insert(key, at);
        Some(at)
    }

    /// Records a step of periods, whose columns are not computed from columns of a relation.
    pub(super) fn record_period_step(&mut self, kept: &[&str]) {
        let place = self.lineage.steps.len();
        let columns = kept.iter().filter_map(|name| {
            let before = place.checked_sub(1)?;
            Some((name.to_lowercase(), self.step_column(before, name)?))
        });
        let columns: FxHashMap<String, ColumnPosition> = columns.collect();
        self.lineage.steps.push(columns);
    }

    /// Returns the relation of a source column, if it is known.
    fn relation_of_source(&self, column: &SourceColumn) -> Option<&Relation> {
        let mut sources = self.sources.all.iter().map(|source| &source.from);
        self.known_relation(sources.find(|from| from.name() == column.relation)?)
    }

    /// Marks the dates and times among the model's columns that were converted from instants to a time zone.
    pub(super) fn mark_converted_times(&self, columns: &mut [Column]) {
        let is_wall_clock = |column: &Column| matches!(column.ty(), Type::Date | Type::Timestamp);
        if !columns.iter().any(is_wall_clock) {
            return;
        }
        let converted = self.lineage.columns_in_timezone(|source| {
            let relation = self.relation_of_source(source);
            let column = relation.and_then(|relation| relation.column(&source.column));
            column.is_some_and(Column::is_converted_to_timezone)
        });
        for column in columns.iter_mut().filter(|column| is_wall_clock(column)) {
            let is_converted = converted.contains(&column.name().to_lowercase());
            *column = column.clone().converted_to_timezone(is_converted);
        }
    }

    /// Returns the model's columns with their inherited tags.
    pub(super) fn with_tags(&self, columns: Vec<Column>) -> Vec<Column> {
        let inherit = &self.compiler.specs.inherit;
        if inherit.is_empty() {
            return columns;
        }
        let of = |source: &SourceColumn| {
            let relation = self.relation_of_source(source);
            let known = relation.and_then(|relation| relation.column(&source.column));
            known.map(|column| column.tags().to_vec()).unwrap_or_default()
        };
        let tags = self.lineage.tags(inherit, of);
        let said = |column: &Column| {
            let said = self
                .spec
                .columns
                .iter()
                .find(|said| said.name.text.eq_ignore_ascii_case(column.name()));
            let tags = said.and_then(|said| said.tags).map(Node::texts).unwrap_or_default();
            tags.into_iter().filter(|tag| inherit.contains(tag)).collect::<Vec<_>>()
        };
        let tagged = |column: Column| {
            let kept = tags.get(&column.name().to_lowercase()).into_iter().flatten().cloned();
            // Models that read this model also inherit the tags that its spec sets.
            let own = said(&column);
            let all: Vec<String> = kept
                .filter(|tag| !own.contains(tag))
                .chain(own.iter().cloned())
                .collect();
            if all.is_empty() { column } else { column.with_tags(all) }
        };
        columns.into_iter().map(tagged).collect()
    }
}

#[cfg(test)]
mod tests {
    use formulac_catalog::Type;
    use formulac_core::{Column, Relation, Schema};

    use crate::Compiler;

    fn test_schema() -> Schema {
        let orders = Relation::new("orders")
            .with(Column::new("order_id", Type::Integer).nullable(false))
            .with(Column::new("customer_id", Type::Integer))
            .with(Column::new("email", Type::Text).with_tags(["pii", "contact"]))
            .with(Column::new("amount", Type::Decimal))
            .with(Column::new("day", Type::Date));
        let customers = Relation::new("customers")
            .with(Column::new("customer_id", Type::Integer))
            .with(Column::new("name", Type::Text).with_tags(["pii"]))
            .with(Column::new("country", Type::Text))
            .primary_key(["customer_id"]);
        Schema::new().with(orders).with(customers)
    }

    /// Returns one line per column, in the form `column: sources / tags`.
    fn lineage_lines(spec: &str) -> Vec<String> {
        let compiler = Compiler::builder().schema(test_schema()).inherit(["pii"]).build();
        let compiled = compiler.compile_spec(spec);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        let shown = |(lineage, column): (super::ColumnLineage, &Column)| {
            assert_eq!(lineage.column(), column.name());
            let sources = lineage
                .sources()
                .iter()
                .map(|s| format!("{}.{}", s.relation(), s.column()));
            format!(
                "{}: {} / {}",
                column.name(),
                sources.collect::<Vec<_>>().join(" "),
                column.tags().join(" ")
            )
        };
        compiled
            .lineage()
            .into_iter()
            .zip(compiled.columns())
            .map(shown)
            .collect()
    }

    #[test]
    fn lineage_follows_steps_joins_and_windows() {
        let spec = "
model: m
from: orders
steps:
  - name: mails
    where: amount > 0
    group_by: [email, customer_id, 'day[month]']
    definitions: |
      net = amount * 2
      revenue = SUM(net)
      n = COUNT()
  - name: named
    keep: [email, revenue]
    joins: [{to: customers, using: customer_id}]
    order_by: day_month
    definitions: |
      who = IF(customers.country = \"DE\", customers.name, \"\")
      is_new = ISBLANK(OFFSET(email, -1))
      rank = RANK(revenue)
      all_rows = n
      month = day_month
";
        assert_eq!(
            lineage_lines(&spec.replace("\\\"", "\"")),
            [
                "email: orders.email / pii",
                "revenue: orders.amount / ",
                "who: customers.country customers.name / pii",
                "is_new: orders.email / pii",
                "rank: orders.amount / ",
                "all_rows:  / ",
                "month: orders.day / ",
            ]
        );
    }

    #[test]
    fn a_kept_column_comes_from_the_relation_that_keep_names() {
        let spec =
            "model: m\nfrom: orders\njoins: [{to: customers, as: c, using: customer_id}]\nkeep: [order_id, c.day]\n";
        let customers = Relation::new("customers")
            .with(Column::new("customer_id", Type::Integer))
            .with(Column::new("day", Type::Date).description("first day"))
            .primary_key(["customer_id"]);
        let orders = test_schema().relation("orders").cloned().unwrap();
        let schema = Schema::new().with(orders).with(customers);
        let compiled = Compiler::builder().schema(schema).build().compile_spec(spec);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        let lineage = compiled.lineage();
        let sources: Vec<&str> = lineage[1].sources().iter().map(super::SourceColumn::relation).collect();
        assert_eq!((lineage[1].column(), sources), ("day", vec!["customers"]));
        assert_eq!(compiled.columns()[1].description_text(), Some("first day"));
    }

    #[test]
    fn sheet_lineage_covers_lookups_totals_and_pivots() {
        let spec = "
model: m
from: orders
steps:
  - name: mails
    group_by: [email, customer_id]
    definitions: revenue = SUM(amount)
  - name: sheet
    columns: [email, customer_id, revenue]
    order_by: email
    tabs: {People: {model: customers, columns: [customer_id, name]}}
    calculations:
      who: VLOOKUP(B1, 'People'!A:B, 2, FALSE)
      share: C1 / ${revenue:column_total}
";
        assert_eq!(
            lineage_lines(spec),
            [
                "email: orders.email / pii",
                "customer_id: orders.customer_id / ",
                "revenue: orders.amount / ",
                "who: customers.customer_id customers.name orders.customer_id / pii",
                "share: orders.amount / ",
            ]
        );
        let spec = "
model: m
from: customers
steps:
  - name: people
    group_by: [country, name]
    definitions: n = COUNT(customer_id)
  - name: sheet
    columns: [country, name, n]
    order_by: country
    pivot_by: name
    values: [Ann, Bo]
    calculations: {twice: C1 * 2}
";
        // The columns of the wide form are named after pivot values, so each column may depend on all inputs.
        let people = "customers.country customers.customer_id customers.name / pii";
        let wide = ["n_ann", "n_bo", "twice_ann", "twice_bo"].map(|name| format!("{name}: {people}"));
        assert_eq!(
            lineage_lines(spec),
            [&["country: customers.country / ".to_owned()], &wide[..]].concat()
        );
    }

    /// Returns the names of the columns of a model for which the properties file stops Omni's time zone conversion.
    fn columns_in_timezone(compiler: &Compiler, spec: &str) -> Vec<String> {
        let compiled = compiler.compile_spec(spec);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        let yml = compiled.model_yml().unwrap();
        let columns = yml.split("      - name: ").skip(1);
        let stops = columns.filter(|text| text.contains("            omni:\n") && text.contains("convert_tz: false\n"));
        stops.map(|text| text.lines().next().unwrap().to_owned()).collect()
    }

    #[test]
    fn times_in_the_projects_time_zone_are_not_converted_again() {
        let orders = Relation::new("orders")
            .with(Column::new("created_at", Type::Timestamptz))
            .with(Column::new("local_time", Type::Timestamp))
            .with(Column::new("amount", Type::Integer));
        let schema = Schema::new().with(orders);
        let compiler = Compiler::builder()
            .schema(schema.clone())
            .timezone("Europe/Berlin")
            .build();
        let one_step = "model: m\nfrom: orders\ngroup_by: \"created_at[date], local_time[date], next\"\ndefinitions: |\n  \
                        last_hour = MAX(HOUR(created_at))\n  last_order = MAX(created_at)\n  next = created_at[date] + 1\n";
        assert_eq!(columns_in_timezone(&compiler, one_step), ["created_at_date", "next"]);
        let several_steps = "model: m\nfrom: orders\nsteps:\n  - name: by_month\n    group_by: \"created_at[month]\"\n    \
                             fill: month\n    definitions: total = SUM(amount)\n  - name: last\n    \
                             definitions: |\n      latest = MAX(created_at_month)\n      best = MAX(total)\n";
        assert_eq!(columns_in_timezone(&compiler, several_steps), ["latest"]);
        let filled = "model: m\nfrom: orders\ngroup_by: \"created_at[month]\"\nfill: month\ndefinitions: n = COUNT()\n";
        assert_eq!(columns_in_timezone(&compiler, filled), ["created_at_month"]);

        // Models that read the model, and settings in the spec.
        let base = compiler.compile_spec(one_step);
        let reading = compiler.with_models(std::slice::from_ref(&base));
        let spec = "model: later\nfrom: m\nkeep: [next]\ndefinitions: month = created_at_date[month]\n";
        assert_eq!(columns_in_timezone(&reading, spec), ["next", "month"]);
        let set = format!("{filled}columns: {{created_at_month: {{omni: {{label: Month}}}}}}\n");
        assert_eq!(columns_in_timezone(&compiler, &set), ["created_at_month"]);
        let set = set.replace("label: Month", "convert_tz: true");
        assert_eq!(columns_in_timezone(&compiler, &set), [""; 0]);

        // The values are in the time zone of the session.
        let without = Compiler::builder().schema(schema).build();
        assert_eq!(columns_in_timezone(&without, one_step), [""; 0]);
    }
}
