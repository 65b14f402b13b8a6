//! The selects of a step: one for each stratum, in order.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::cuts::{self, Cuts, Reach};
use super::joins::PassedOn;
use super::lookups::Lookups;
use super::names::{CteNames, Taken};
use super::outputs::{Output, aliases, outputs};
use super::stages::{self, Stages};
use super::step::{InputColumn, KeepColumns, StepInput, StepOutput, StepSpec};
use crate::check::Role;
use crate::dialect::Dialect;
use crate::dialect::op::Op;
use crate::emit::{self, Emitter};
use crate::ir::{ColumnUse, Ir, IrId, Program};
use crate::limits::Limits;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{Cte, Item, Select, Source, Sql, SqlId};
use crate::types::{Level, Type};

pub(super) struct Planner<'p> {
    pub step: &'p StepPlan<'p>,
    pub spec: &'p StepSpec<'p>,
    pub input: &'p StepInput<'p>,
    pub emitter: Emitter<'p>,
    cuts: Cuts,
    stages: Stages,
    pub outputs: Vec<Output>,
    /// Nodes that are a grouping key by another way of writing it, with the key's column.
    pub aliases: FxHashMap<IrId, String>,
    /// Columns of earlier strata: stratum and name, by node.
    columns: FxHashMap<IrId, (u32, String)>,
    /// Those of strata before the grouping one; of these only the keys are left after it.
    row_columns: FxHashMap<IrId, (u32, String)>,
    /// The cuts of each stratum.
    cut_in: Vec<Vec<IrId>>,
    pub roles: Roles,
    /// Columns of a joined input that later strata read.
    pub passed_on: PassedOn,
    /// The windows' own keys are being written.
    in_windows: bool,
    /// What this stratum is joined to.
    pub lookups: Lookups,
    pub cte_names: &'p mut CteNames,
    in_the_way: Option<String>,
}

/// The roots of what is not a column.
#[derive(Default)]
pub(super) struct Roles {
    filter: Option<IrId>,
    having: Option<IrId>,
    /// Conditions of joins, by the place of the join.
    pub on: Vec<(u32, IrId)>,
    /// Keys of order, and whether they are descending.
    pub order: Vec<(IrId, bool)>,
    pub partition: Vec<IrId>,
}

/// Plans one step; the tree of its SQL goes on in the next one.
pub(crate) fn plan_step<'p>(
    step: &'p StepPlan<'p>,
    spec: &'p StepSpec<'p>,
    input: &'p StepInput<'p>,
    dialect: Dialect,
    limits: &'p Limits,
    work: &'p mut emit::Buffers,
    cte_names: &'p mut CteNames,
) -> StepOutput {
    let program = step.program;
    let mut taken = Taken::new(dialect.max_bytes());
    program.columns.iter().for_each(|c| taken.reserve(&c.name));
    if !step.grouped {
        input.relation.into_iter().flat_map(Relation::columns).for_each(|c| taken.reserve(c.name()));
        if let KeepColumns::Joined(kept) = &spec.keep {
            kept.iter().for_each(|c| taken.reserve(&c.name));
        }
    }
    let outputs = outputs(step, spec);
    for output in &outputs {
        taken.promise(&output.name);
        // Behind the groups only the columns of the step itself are left.
        if step.grouped && !output.key && step.program.meta(output.root).level >= Level::Aggregate {
            taken.promise_groups(&output.name);
        }
    }
    let aliases = aliases(step, &outputs);
    let reach = Reach::of(step);
    let mut cuts = cuts::cuts(step, &reach, dialect, spec.source, &aliases, &mut taken);
    let stages = stages::stages(step, &reach, &cuts, &aliases, input.joined.is_some());
    cuts::cut_late_aggregates(step, &reach, &mut cuts, stages.main, &|id| stages.of(id), spec.source, &mut taken);
    let mut emitter = Emitter::new(program, dialect, limits, work);
    let names = program.definitions.iter().zip(spec.quoted).filter(|(_, quoted)| **quoted);
    emitter.cased = names.filter_map(|(definition, _)| definition.name.as_deref().map(str::to_owned)).collect();
    emitter.grouped_by_keys = step.grouped && outputs.iter().any(|o| o.key);
    let mut planner = Planner {
        step,
        spec,
        input,
        emitter,
        cuts,
        stages,
        outputs,
        aliases,
        columns: FxHashMap::default(),
        row_columns: FxHashMap::default(),
        cut_in: Vec::new(),
        roles: roles(step, spec),
        passed_on: PassedOn::default(),
        in_windows: false,
        lookups: Lookups::default(),
        cte_names,
        in_the_way: None,
    };
    planner.note_columns();
    planner.pass_on(&mut taken);
    let (ctes, body) = planner.selects();
    let (relation, open, grain) = planner.result();
    let single = spec.limit == Some(1) || (step.grouped && !planner.outputs.iter().any(|o| o.key));
    let diagnostics = std::mem::take(&mut planner.emitter.diagnostics);
    let in_the_way = planner.in_the_way.take();
    StepOutput { ctes, body, relation, open, grain, single, in_the_way, diagnostics }
}

fn roles(step: &StepPlan<'_>, spec: &StepSpec<'_>) -> Roles {
    let mut roles = Roles::default();
    for (index, definition) in step.program.definitions.iter().enumerate() {
        if definition.failed {
            continue;
        }
        let root = definition.root;
        match step.roles[index] {
            Role::Where => roles.filter = Some(root),
            Role::On(join) => roles.on.push((join, root)),
            Role::Having => roles.having = Some(root),
            Role::OrderBy => roles.order.push((root, spec.descending.get(index).copied().unwrap_or(false))),
            Role::PartitionBy => roles.partition.push(root),
            Role::Definitions | Role::GroupBy | Role::Rule => {}
        }
    }
    roles
}

impl Planner<'_> {
    pub(super) fn program(&self) -> &Program {
        self.step.program
    }

    /// Under which name, and from which stratum on, a node is a column.
    fn note_columns(&mut self) {
        self.cut_in = vec![Vec::new(); self.stages.last as usize + 1];
        for id in self.cuts.sorted() {
            let stage = self.stages.of(id);
            let name = self.cuts.name(id).unwrap_or_default().to_owned();
            let before = self.step.grouped && stage < self.stages.main;
            if before { &mut self.row_columns } else { &mut self.columns }.insert(id, (stage, name));
            if let Some(cuts) = self.cut_in.get_mut(stage as usize) {
                cuts.push(id);
            }
        }
        let main = self.stages.main;
        for (id, name) in &self.aliases {
            self.columns.entry(*id).or_insert_with(|| (main, name.clone()));
        }
        for output in &self.outputs {
            let stage = if output.key { main } else { self.stages.of(output.root) };
            // The grouping select has its outputs as columns; of a later stratum only what is cut is one.
            let carried = (self.step.grouped && stage == main) || self.cuts.contains(output.root);
            if carried && stage < self.stages.last {
                let root = self.meant(output.root);
                self.columns.entry(root).or_insert_with(|| (stage, output.name.clone()));
            }
        }
    }

    /// The node that is computed for this one: behind the names of definitions, the one of equal ones that is chosen.
    fn meant(&self, mut id: IrId) -> IrId {
        while let Ir::Definition(used) = self.program().node(id) {
            id = self.program().definitions[used as usize].root;
        }
        self.cuts.chosen(id)
    }

    /// The column that a node is in this stratum; none when it is computed here.
    pub(super) fn column_in(&self, id: IrId, stage: u32) -> Option<&str> {
        let id = self.meant(id);
        let made = |(made, _): &&(u32, String)| *made < stage;
        let of_rows = || self.row_columns.get(&id).filter(|_| stage <= self.stages.main);
        let column = self.columns.get(&id).filter(made).or_else(|| of_rows().filter(made));
        column.map(|(_, name)| name.as_str())
    }

    fn selects(&mut self) -> (Vec<Cte>, Select) {
        let last = self.stages.last;
        let mut ctes = Vec::new();
        let mut from = self.input.name.to_owned();
        for stage in 0..last {
            let (select, first_new) = self.stratum(stage, &from);
            ctes.extend(self.lookups.source.take());
            let wanted = self.stratum_name(stage, &first_new);
            let name = self.cte_names.choose_for(self.spec.name, &wanted);
            from.clone_from(&name);
            ctes.push(Cte { name: self.written(&name), body: select });
        }
        let body = self.last(&from);
        ctes.extend(self.lookups.source.take());
        (ctes, body)
    }

    pub(super) fn written(&self, name: &str) -> String {
        self.emitter.dialect.name_text(name, true)
    }

    /// A stratum's CTE: the step's own name where it is the one that an analyst means by it, else what it adds.
    fn stratum_name(&self, stage: u32, first_new: &str) -> String {
        let (step, main) = (self.spec.name, self.stages.main);
        if stage == main && self.step.grouped {
            return if self.spec.last { step.to_owned() } else { format!("{step}_grouped") };
        }
        if stage < main && self.step.grouped {
            return if main == 1 { format!("{step}_prepared") } else { format!("with_{first_new}") };
        }
        if stage == 0 && self.spec.last {
            return step.to_owned();
        }
        format!("with_{first_new}")
    }

    /// What a stratum computes, with the names of the columns.
    pub(super) fn wanted(&self, stage: u32) -> Vec<(String, IrId)> {
        let grouping = self.step.grouped && stage == self.stages.main;
        let mut wanted: Vec<(String, IrId)> = Vec::new();
        if stage == self.stages.last {
            wanted.extend(self.outputs.iter().map(|output| (output.name.clone(), output.root)));
            return wanted;
        }
        if grouping {
            let mut seen = rustc_hash::FxHashSet::default();
            for output in &self.outputs {
                let here = output.key || self.stages.of(output.root) == stage;
                if here && seen.insert(self.cuts.chosen(output.root)) {
                    let name = self.columns.get(&self.meant(output.root)).map_or(&output.name, |(_, name)| name);
                    wanted.push((name.clone(), output.root));
                }
            }
        }
        let grouped: rustc_hash::FxHashSet<IrId> = wanted.iter().map(|(_, id)| self.cuts.chosen(*id)).collect();
        for id in self.cut_in.get(stage as usize).into_iter().flatten().filter(|id| !grouped.contains(id)) {
            wanted.push((self.cuts.name(*id).unwrap_or_default().to_owned(), *id));
        }
        wanted
    }

    /// What a stratum tests.
    pub(super) fn conditions(&self, stage: u32) -> impl Iterator<Item = IrId> {
        let filter = self.roles.filter.filter(|_| stage == self.stages.filter);
        filter.into_iter().chain(self.roles.having.filter(|_| stage == self.stages.having))
    }

    /// A select that adds columns to all it reads, or the grouping one.
    fn stratum(&mut self, stage: u32, from: &str) -> (Select, String) {
        let grouping = self.step.grouped && stage == self.stages.main;
        let wanted = self.wanted(stage);
        let first_new = wanted.first().map_or_else(|| "values".to_owned(), |(name, _)| name.clone());
        let mut select = self.select(stage, from, &wanted);
        select.star = !grouping;
        // Of several relations only what is read later: two may have columns of one name.
        if self.joins_in(stage).is_some() && !grouping {
            let mut items = self.passed_on_items();
            items.append(&mut select.items);
            select.items = items;
            select.star = matches!(self.spec.keep, KeepColumns::All);
        }
        (select, first_new)
    }

    /// The select of the step's columns, in their order.
    fn last(&mut self, from: &str) -> Select {
        let stage = self.stages.last;
        let grouping = self.step.grouped && stage == self.stages.main;
        let wanted = self.wanted(stage);
        let mut select = self.select(stage, from, &wanted);
        let mut kept: Vec<Item> = Vec::new();
        if !grouping {
            let outputs = self.output_names();
            let shadowed = |name: &str| outputs.contains(&name.to_ascii_lowercase());
            if let KeepColumns::Joined(columns) = &self.spec.keep {
                for column in columns.iter().filter(|c| !shadowed(&c.name)) {
                    let expr = self.written_input(column, stage);
                    let alias = self.kept_name(column);
                    let own = self.is_written(expr, &alias);
                    kept.push(Item { expr, alias: (!own).then_some(alias) });
                }
            }
            let names: Option<Vec<String>> = match &self.spec.keep {
                KeepColumns::Nothing | KeepColumns::Joined(_) => Some(Vec::new()),
                KeepColumns::Some(names) => Some(names.iter().map(|n| (*n).to_owned()).collect()),
                KeepColumns::All => {
                    self.input.relation.map(|r| r.columns().iter().map(|c| c.name().to_owned()).collect())
                }
            };
            match names {
                Some(names) => {
                    for name in names.iter().filter(|n| !shadowed(n)) {
                        let written = self.kept_name(&InputColumn { of: Vec::new(), name: name.clone() });
                        let name = self.emitter.tree().text(Span::default(), |out| out.push_str(&written));
                        let expr = self.emitter.in_relation(name, Span::default());
                        kept.push(Item { expr, alias: None });
                    }
                }
                None => {
                    select.star = true;
                    let carried = self.carried(stage);
                    select.items.drain(..carried.min(select.items.len()));
                }
            }
        }
        kept.append(&mut select.items);
        select.items = kept;
        select.limit = self.spec.limit;
        if self.spec.last || self.spec.limit.is_some() {
            select.order_by = self.order_keys(from);
        }
        select
    }

    /// Of columns that no schema says: how many of the step's outputs `*` already gives, since earlier strata add
    /// columns to it. What it would give besides, or twice, is in the way.
    fn carried(&mut self, stage: u32) -> usize {
        let added: Vec<IrId> = self.cut_in.iter().take(stage as usize).flatten().copied().collect();
        let is_output = |(id, output): &(&IrId, &Output)| {
            self.cuts.chosen(output.root) == **id && self.cuts.name(**id) == Some(output.name.as_str())
        };
        let count = added.iter().zip(&self.outputs).take_while(is_output).count();
        let passed_on = self.passed_on.first_name().map(str::to_owned);
        let helper = added.get(count).and_then(|id| self.cuts.name(*id)).map(str::to_owned);
        // A column that another relation is said to have is not one of these.
        let here = |relation: &str| self.input.joined.is_none() || relation == self.input.name;
        let read = |name: &str| {
            let is = |c: &ColumnUse| c.name.eq_ignore_ascii_case(name) && c.relation.as_deref().is_none_or(here);
            self.program().columns.iter().any(is)
        };
        let shadowed = || self.outputs.iter().find(|o| read(&o.name)).map(|o| o.name.clone());
        self.in_the_way = shadowed().or(passed_on).or(helper);
        count
    }

    /// A select of these expressions, with the filters and groups of its stratum.
    fn select(&mut self, stage: u32, from: &str, wanted: &[(String, IrId)]) -> Select {
        let grouping = self.step.grouped && stage == self.stages.main;
        let filters: Vec<IrId> = self.roles.filter.filter(|_| stage == self.stages.filter).into_iter().collect();
        let tested: Vec<IrId> = self.roles.having.filter(|_| stage == self.stages.having).into_iter().collect();
        let keys: Vec<IrId> = if grouping { self.group_keys() } else { Vec::new() };
        let joined = self.input.joined.filter(|_| stage == 0);
        let mut roots: Vec<IrId> = wanted.iter().map(|(_, id)| *id).collect();
        roots.extend(filters.iter().chain(&tested).chain(&keys));
        let told_apart: Vec<IrId> = keys.iter().chain(&tested).copied().collect();
        // Columns of several relations are told apart by those.
        self.emitter.read(joined.is_some(), stage > 0);
        self.emitter.qualifier =
            if grouping && joined.is_none() { self.qualifier(&told_apart, stage, from, wanted) } else { None };
        let shadows = self.emitter.dialect.facts().relation_shadows_column && joined.is_none();
        self.lookups = self.lookups_of(&roots, stage, from);
        // Where two relations are read, each column says which one it is of.
        self.emitter.shadowed = !self.lookups.is_empty() || (shadows && self.has_column(from, stage));
        if self.emitter.shadowed {
            self.emitter.qualifier = Some(self.emitter.name(from, Span::default()));
        }
        self.emit(&roots, stage);
        let mut select = Select::default();
        let source = self.source(stage, from);
        if !self.lookups.is_empty() {
            select.star_of = Some(self.written(from));
            select.joins = self.joins_to_periods(stage, from, &source);
        }
        select.from = Some(source);
        if let Some(joined) = joined {
            select.joins = self.joins(joined);
            select.star_of = Some(self.written(self.input.name));
        }
        for (name, id) in wanted {
            let made = self.column_in(*id, stage).is_none();
            let expr = if made { self.emitter.alone(*id) } else { self.written_node(*id, stage) };
            let alias = (!self.is_named(expr, name)).then(|| self.emitter.made_name_text(name));
            select.items.push(Item { expr, alias });
        }
        // Groups are filtered in HAVING where they are made, and by their columns in a later stratum.
        let before: Vec<IrId> =
            if grouping { filters } else { filters.into_iter().chain(tested.iter().copied()).collect() };
        let conditions: Vec<SqlId> = before.iter().map(|id| self.written_node(*id, stage)).collect();
        select.filter =
            conditions.into_iter().reduce(|a, b| self.emitter.tree().binary(Op::And, a, b, Span::default()));
        select.group_by = keys.iter().map(|id| self.written_node(*id, stage)).collect();
        select.having = tested.first().filter(|_| grouping).map(|id| self.written_node(*id, stage));
        select
    }

    /// Whether a column of this expression has the name without being told: `revenue.shop` is called `shop`.
    pub(super) fn is_named(&mut self, expr: SqlId, name: &str) -> bool {
        let written = self.emitter.made_name_text(name);
        self.is_written(expr, &written)
    }

    /// The same of a name as it is written.
    pub(super) fn is_written(&mut self, expr: SqlId, name: &str) -> bool {
        let named = match self.emitter.tree().node(expr) {
            Sql::Field { name, .. } => *name,
            _ => expr,
        };
        let mut text = String::new();
        crate::sql::flat(self.emitter.tree(), named, &mut Vec::new(), &mut text);
        text == name
    }

    /// What a stratum reads.
    pub(super) fn source(&self, stage: u32, from: &str) -> Source {
        if stage == 0 && self.input.first { Source::Input(0) } else { Source::Name(self.written(from)) }
    }

    /// A column is written with its relation where GROUP BY or HAVING read it and another output of the same select
    /// has its name: engines differ in which of the two they mean.
    pub(super) fn qualifier(
        &mut self,
        read: &[IrId],
        stage: u32,
        from: &str,
        wanted: &[(String, IrId)],
    ) -> Option<SqlId> {
        let program = self.step.program;
        let mut stack: Vec<IrId> = read.to_vec();
        let mut seen = rustc_hash::FxHashSet::default();
        let outputs: FxHashMap<String, IrId> =
            wanted.iter().map(|(name, root)| (name.to_ascii_lowercase(), *root)).collect();
        let mut clash = false;
        while let Some(id) = stack.pop() {
            if clash || !seen.insert(id) || self.column_in(id, stage).is_some() {
                continue;
            }
            match program.node(id) {
                Ir::Definition(used) => stack.push(program.definitions[used as usize].root),
                Ir::Column(column) => {
                    let name = &program.columns[column as usize].name;
                    let output = outputs.get(&name.to_ascii_lowercase());
                    clash = output.is_some_and(|root| program.node(*root) != Ir::Column(column));
                }
                _ => stack.extend(program.operands(id)),
            }
        }
        clash.then(|| self.emitter.name(from, Span::default()))
    }

    /// Whether what this stratum reads has a column of this name, the relation's own.
    pub(super) fn has_column(&self, relation: &str, stage: u32) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(relation);
        self.program().columns.iter().any(|c| is(&c.name))
            || self.columns.values().chain(self.row_columns.values()).any(|(made, name)| *made < stage && is(name))
            || match &self.spec.keep {
                KeepColumns::Some(names) => names.iter().any(|n| is(n)),
                KeepColumns::All => self.input.relation.is_some_and(|r| r.column(relation).is_some()),
                KeepColumns::Nothing | KeepColumns::Joined(_) => false,
            }
    }

    /// What a grouped step groups by.
    fn group_keys(&self) -> Vec<IrId> {
        self.outputs.iter().filter(|o| o.key).map(|o| o.root).collect()
    }

    pub(super) fn written_node(&mut self, id: IrId, stage: u32) -> SqlId {
        match self.column_in(id, stage).map(str::to_owned) {
            Some(name) => self.emitter.column_name(&name, self.step.program.meta(id).span),
            None => self.emitter.written(id),
        }
    }

    /// Emits all nodes that these need in this stratum, in order; what an earlier one has is a column.
    pub(super) fn emit(&mut self, roots: &[IrId], stage: u32) {
        let program = self.step.program;
        let wanted = self.written_in(roots, stage);
        let is = |kind: fn(Ir) -> bool| {
            wanted.iter().any(|id| kind(program.node(*id)) && self.column_in(*id, stage).is_none())
        };
        let windows = is(|node| matches!(node, Ir::Window { .. }));
        let groups = is(|node| matches!(node, Ir::GroupWindow { .. }));
        if windows && !self.in_windows {
            self.in_windows = true;
            self.windows(stage);
            self.in_windows = false;
        }
        if groups {
            let keys = self.group_keys();
            self.emit(&keys, stage);
            self.emitter.windows.groups = keys.iter().map(|id| self.written_node(*id, stage)).collect();
        }
        for id in wanted {
            match (self.column_in(id, stage).map(str::to_owned), program.node(id)) {
                (Some(name), _) => self.emitter.set_column(id, &name),
                (None, Ir::Lookup { value, .. }) => self.look_up(id, value, stage),
                (None, _) => self.emitter.emit(id),
            }
        }
    }

    /// The nodes that these roots are written with in this stratum, in order; what an earlier one has is one of them,
    /// and what that is made of is not.
    pub(super) fn written_in(&self, roots: &[IrId], stage: u32) -> Vec<IrId> {
        let program = self.step.program;
        let mut wanted: Vec<IrId> = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack: Vec<IrId> = roots.to_vec();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            wanted.push(id);
            if self.column_in(id, stage).is_some() {
                continue;
            }
            match program.node(id) {
                Ir::Definition(used) => stack.push(program.definitions[used as usize].root),
                // A column of another row.
                Ir::Lookup { .. } => {}
                _ => stack.extend(program.operands(id)),
            }
        }
        wanted.sort_unstable();
        wanted
    }

    /// The columns that the next step sees.
    fn result(&mut self) -> (Relation, bool, Vec<String>) {
        let program = self.step.program;
        let mut relation = Relation::new(self.spec.name);
        let mut open = false;
        let outputs = self.output_names();
        let is_output = |name: &str| outputs.contains(&name.to_ascii_lowercase());
        if !self.step.grouped {
            match (&self.spec.keep, self.input.relation) {
                (KeepColumns::All, Some(input)) => {
                    input.columns().iter().filter(|c| !is_output(c.name())).for_each(|c| relation.push(c.clone()));
                }
                (KeepColumns::All, None) => open = true,
                (KeepColumns::Some(names), input) => {
                    for name in names.iter().filter(|n| !is_output(n)) {
                        let column = input.and_then(|r| r.column(name)).cloned();
                        relation.push(column.unwrap_or_else(|| Column::new(*name, Type::Unknown)));
                    }
                }
                (KeepColumns::Joined(columns), _) => {
                    for column in columns.iter().filter(|c| !is_output(&c.name)) {
                        let known = self.input.joined.and_then(|joined| joined.column(column)).cloned();
                        let known = known.unwrap_or_else(|| Column::new(&column.name, Type::Unknown));
                        relation.push(known.nullable(self.input_is_nullable(column)));
                    }
                }
                (KeepColumns::Nothing, _) => {}
            }
        }
        for output in &self.outputs {
            let meta = program.meta(output.root);
            let nullable = meta.nullable;
            let size = self.emitter.size(output.root);
            let quoted = output.definition.is_some_and(|of| self.spec.quoted.get(of) == Some(&true));
            relation.push(Column::new(&output.name, meta.ty).nullable(nullable).sized(size).quoted(quoted));
        }
        let grain = if self.step.grouped {
            self.outputs.iter().filter(|o| o.key).map(|o| o.name.clone()).collect()
        } else if let Some(joined) = self.input.joined {
            let names: Option<Vec<String>> = joined.grain.iter().map(|g| self.output_of_input(joined, g)).collect();
            names.unwrap_or_default()
        } else {
            let kept = |g: &String| open || relation.column(g).is_some() && !is_output(g);
            if self.input.grain.iter().all(kept) { self.input.grain.to_vec() } else { Vec::new() }
        };
        (relation, open, grain)
    }

    pub(super) fn last_stage(&self) -> u32 {
        self.stages.last
    }

    pub(super) fn output_names(&self) -> rustc_hash::FxHashSet<String> {
        self.outputs.iter().map(|o| o.name.to_ascii_lowercase()).collect()
    }
}
