//! Emitter: translates the typed IR to SQL expressions in one dialect. It loops over the nodes that are needed and does
//! not recurse.

mod calendar_windows;
mod calls;
mod digits;
mod period;
mod reads;
mod repetition;
mod rounded;
mod size;
mod template;
mod truncated;
mod windows;

pub use period::ShiftedDate;
pub use repetition::repeated_random_value;
pub use windows::WindowKeys;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Type;
use crate::arena::Arena;
use crate::catalog::{self, internal};
use crate::diag::Diagnostic;
use crate::dialect::op::Op;
use crate::dialect::{Cell, Dialect, Form, Template};
use crate::ir::{Ir, IrId, NodeMeta, Program};
use crate::limits::Limits;
use crate::schema::DecimalDigits;
use crate::span::Span;
use crate::sql::{Sql, SqlId, SqlSlice, SqlTree};

/// Scratch buffers for the emitter, reused for the next source.
#[derive(Debug, Default)]
pub struct EmitBuffers {
    pub tree: SqlTree,
    /// SQL expression of each IR node.
    sql: Arena<SqlId>,
    /// Number of bytes that are written only because a template repeats an argument, per node of the SQL tree.
    repeated: Arena<u64>,
    /// SQL expression of each definition.
    roots: Arena<Option<SqlId>>,
    columns: Arena<EmittedColumn>,
    /// Columns whose names are already in the tree, in insertion order.
    known: Vec<u32>,
    needed: Arena<bool>,
    /// Sizes of numbers, by IR node. The sizes are computed on demand, up to the last requested node.
    sizes: Arena<u32>,
    /// Precision and scale of decimals, by IR node, computed in the same way.
    digits: Arena<Option<DecimalDigits>>,
    template: template::TemplateBuffers,
    reads: reads::ColumnReadRecord,
}

/// State of a column during emission.
#[derive(Clone, Copy, Debug, Default)]
struct EmittedColumn {
    /// Tree node with the column's name.
    name: Option<SqlId>,
    /// Number of the last definition that reads the column, starting from 1.
    reader: u32,
}

impl EmitBuffers {
    /// Clears everything except the tree, which the steps of a query share.
    fn reset(&mut self, program: &Program) {
        let Self {
            tree: _,
            sql,
            repeated,
            roots,
            columns,
            known,
            needed,
            sizes,
            digits,
            template: _,
            reads,
        } = self;
        sql.clear();
        sql.resize(program.len(), NO_NODE);
        repeated.clear();
        roots.clear();
        roots.resize(program.definitions.len(), None);
        columns.clear();
        columns.resize(program.columns.len(), EmittedColumn::default());
        known.clear();
        sizes.clear();
        digits.clear();
        reads.reset(program);
        needed.clear();
        needed.resize(if program.folded { program.len() } else { 0 }, false);
    }
}

pub struct Emitter<'p> {
    pub program: &'p Program,
    pub dialect: Dialect,
    limits: &'p Limits,
    /// Whether the query has grouping keys. With grouping keys, every group contains at least one row, so a sum of
    /// non-NULL values is never NULL.
    pub grouped_by_keys: bool,
    /// Relation that qualifies column names. Set only if a column could be confused with an output of the same name.
    pub qualifier: Option<SqlId>,
    /// Whether the select reads several relations. If `true`, every column is qualified with its own relation.
    joined: bool,
    /// Whether the input is an earlier select of the same step. If `true`, no column is qualified with its original
    /// relation.
    passed_on: bool,
    /// Names of the columns that the earlier select renames, by column index.
    pub renamed: FxHashMap<u32, String>,
    /// Column names that are quoted in the source, which means that they are case-sensitive.
    pub cased: FxHashSet<String>,
    /// Whether every column must be qualified, for example because a column of the relation has the same name as the
    /// relation.
    pub shadowed: bool,
    /// Whether the name of a column or definition could also be an alias in a template.
    has_alias_names: bool,
    /// Relation that a standalone expression reads. Set only in dialects in which the name of a relation hides a column
    /// of the same name.
    pub only_relation: Option<&'p str>,
    pub windows: WindowKeys,
    /// Nodes that are emitted as columns of the current relation.
    read: FxHashSet<IrId>,
    work: &'p mut EmitBuffers,
    warned: Option<(Span, Span)>,
    pub diagnostics: Vec<Diagnostic>,
    failed: bool,
}

/// Checkpoint of the emitter: the size of the tree and the number of column names in the tree.
#[derive(Clone, Copy, Debug)]
pub struct EmitterCheckpoint {
    tree: (usize, usize, usize),
    known: usize,
}

const NO_NODE: SqlId = SqlId(u32::MAX);

impl<'p> Emitter<'p> {
    /// Creates an emitter that adds nodes to the SQL tree in `work`.
    pub fn new(program: &'p Program, dialect: Dialect, limits: &'p Limits, work: &'p mut EmitBuffers) -> Self {
        work.reset(program);
        let mut names = program.columns.iter().map(|column| &*column.name).chain(
            program
                .definitions
                .iter()
                .filter_map(|definition| definition.name.as_deref()),
        );
        let has_alias_names = names.any(template::is_like_alias);
        Self {
            has_alias_names,
            program,
            dialect,
            limits,
            grouped_by_keys: false,
            qualifier: None,
            joined: false,
            passed_on: false,
            renamed: FxHashMap::default(),
            cased: FxHashSet::default(),
            shadowed: false,
            only_relation: None,
            read: FxHashSet::default(),
            windows: WindowKeys::default(),
            work,
            warned: None,
            diagnostics: Vec::new(),
            failed: false,
        }
    }

    pub fn tree(&mut self) -> &mut SqlTree {
        &mut self.work.tree
    }

    /// Emits a definition and returns its expression. The definitions that it uses must be emitted first because they
    /// are inlined. If the dialect cannot express the definition, reports an error and returns `None`.
    pub fn definition_sql(&mut self, index: u32) -> Option<SqlId> {
        let program = self.program;
        let definition = &program.definitions[index as usize];
        let (first, root) = (definition.first, definition.root);
        self.failed = false;
        self.warned = None;
        self.start_recording_reads(index);
        if definition.folded {
            self.mark_needed(first, root);
        }
        for (id, entry) in program.entries(first, root) {
            if definition.folded && !self.work.needed[id.index()] {
                self.record_reads_of_folded_node(id);
                continue;
            }
            self.emit_node(id, entry);
            if !self.work.repeated.is_empty() && self.sum_operand_repetition(id) > self.limits.repetition as u64 {
                self.report_too_large(id);
                break;
            }
        }
        if self.failed {
            return None;
        }
        self.finish_recording_reads(index);
        let root_sql = self.emit_root(root);
        self.work.roots[index as usize] = Some(root_sql);
        Some(root_sql)
    }

    /// Returns a checkpoint of the tree.
    pub fn checkpoint(&self) -> EmitterCheckpoint {
        EmitterCheckpoint {
            tree: self.work.tree.checkpoint(),
            known: self.work.known.len(),
        }
    }

    /// Removes the nodes that were added after a checkpoint. None of the remaining nodes may depend on the removed
    /// nodes.
    pub fn roll_back(&mut self, mark: EmitterCheckpoint) {
        let work = &mut *self.work;
        work.tree.truncate_to(mark.tree);
        work.repeated.truncate(work.tree.len());
        for column in work.known.drain(mark.known..) {
            work.columns[column as usize].name = None;
        }
    }

    /// Marks the nodes on which the root depends. Other nodes do not appear in the SQL, because lowering replaced them
    /// with simpler expressions.
    fn mark_needed(&mut self, first: IrId, root: IrId) {
        self.work.needed[root.index()] = true;
        for at in (first.0..=root.0).rev() {
            let id = IrId(at);
            if !self.work.needed[id.index()] {
                continue;
            }
            for operand in self.program.operands(id) {
                self.work.needed[operand.index()] = true;
            }
        }
    }

    /// Reports why the definition cannot be expressed in SQL.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.diagnostics.push(diagnostic);
    }

    /// Returns a placeholder for a node that cannot be expressed in SQL, and marks the definition as failed.
    pub fn null_placeholder(&mut self, span: Span) -> SqlId {
        self.failed = true;
        self.work.tree.add_word("null", span)
    }

    /// Returns the SQL of a definition's root. Casts a bare NULL if the dialect cannot infer its type.
    pub fn emit_root(&mut self, root: IrId) -> SqlId {
        let sql = self.work.sql[root.index()];
        let meta = self.program.meta(root);
        if matches!(self.program.node(root), Ir::Null) && self.dialect.facts().typed_null && meta.ty != Type::Unknown {
            let ty = self.dialect.type_name(meta.ty);
            return self.work.tree.add(
                Sql::Cast {
                    name: "cast",
                    x: sql,
                    ty,
                },
                meta.span,
            );
        }
        sql
    }

    /// Returns whether a column such as `device.category` is a field of a STRUCT.
    fn has_struct_path(&self, name: &str) -> bool {
        name.contains('.') && self.dialect.facts().struct_fields
    }

    /// Emits a name with dots as several names: `device.category` for a field of a STRUCT. The path is one text, so that its
    /// output needs an alias: DuckDB does not find the name of the field in ORDER BY.
    fn emit_path(&mut self, qualifier: Option<SqlId>, path: &str, unquoted: bool, span: Span) -> SqlId {
        let dialect = self.dialect;
        let name = self.work.tree.add_text(span, |out| {
            for (place, field) in path.split('.').enumerate() {
                if place > 0 {
                    out.push('.');
                }
                dialect.push_name(out, field, unquoted);
            }
        });
        match qualifier {
            Some(qualifier) => self.work.tree.add(Sql::Field { qualifier, name }, span),
            None => name,
        }
    }

    /// Emits one node. Its operands must be emitted first.
    // Inlined because inlining makes the loop over a definition's nodes much faster and there are only two callers.
    #[inline(always)]
    fn emit_node(&mut self, id: IrId, (node, meta): &(Ir, NodeMeta)) {
        let program = self.program;
        let span = meta.span;
        let sql = match *node {
            Ir::Error => self.null_placeholder(span),
            Ir::Null => self.work.tree.add_word("null", span),
            Ir::Bool(value) => self.emit_bool(value, span),
            Ir::Number(slice) => self.emit_number(program.text(slice), meta.ty, span),
            Ir::Text(slice) => {
                let dialect = self.dialect;
                let value = program.text(slice);
                self.work.tree.add_text(span, |out| dialect.push_text(out, value))
            }
            Ir::Date(slice) => {
                let forms = self.dialect.forms();
                let form = if meta.ty == Type::Timestamp {
                    &forms.timestamp
                } else {
                    &forms.date
                };
                let value = program.text(slice);
                self.work.tree.add_text(span, |out| form.push(out, value))
            }
            Ir::Today(slice) => self.work.tree.add_text(span, |out| out.push_str(program.text(slice))),
            Ir::Column(column) => self.column(column, span),
            Ir::Definition(index) => self.inline_definition(index, span),
            Ir::Apply { overload, args } => self.emit_call(overload, program.args(args), span),
            Ir::Case(arms) => {
                self.cast_branches_to_same_scale(arms);
                let arms = self.emit_operands(program.args(arms));
                self.work.tree.add(Sql::Case { subject: None, arms }, span)
            }
            Ir::Switch { subject, arms } => {
                self.cast_branches_to_same_scale(arms);
                let arms = self.emit_operands(program.args(arms));
                let subject = Some(self.work.sql[subject.index()]);
                self.work.tree.add(Sql::Case { subject, arms }, span)
            }
            Ir::And(args) => self.emit_chain(Op::And, program.args(args), span),
            Ir::Or(args) => self.emit_chain(Op::Or, program.args(args), span),
            Ir::Not(x) => self.emit_negation(x, span),
            Ir::IsNull { x, negated } => self.emit_null_test(x, negated, span),
            Ir::Coalesce(args) => {
                self.cast_to_same_scale(program.args(args));
                let args = self.emit_operands(program.args(args));
                self.work.tree.add(Sql::Call { name: "coalesce", args }, span)
            }
            Ir::CountRows => {
                let star = self.work.tree.add_word("*", span);
                self.work.tree.add_call("count", &[star], span)
            }
            Ir::Aggregate {
                overload,
                args,
                distinct,
            } => self.emit_aggregate(id, overload, program.args(args), distinct, span),
            Ir::Window { call, over } => {
                self.emit_window(call, program.window_frame(over), program.partition_keys(over), span)
            }
            Ir::GroupWindow { args, role } => self.group_window(program.args(args), role, span),
            // In a select, the planner sets the SQL of this node when it joins the other row.
            Ir::PeriodLookup { value, period } => {
                self.emit_period_value(value, self.program.periods[period as usize], *meta)
            }
            Ir::Distinct(x) | Ir::Range { x, .. } => self.work.sql[x.index()],
            // The planner sets the SQL of these nodes when it joins the row that the lookup finds.
            Ir::Ranges(_) | Ir::RowLookup { .. } | Ir::TabColumn { .. } => self.null_placeholder(span),
        };
        self.work.sql[id.index()] = sql;
    }

    /// Emits a negation. The SQL of an inlined definition is negated like the same condition without a name:
    /// `amount <= 3` instead of `not amount > 3`.
    fn emit_negation(&mut self, x: IrId, span: Span) -> SqlId {
        let sql = self.work.sql[x.index()];
        let is_column = matches!(self.work.tree.node(sql), Sql::Text { .. } | Sql::Field { .. });
        let of = self.program.resolve_names(x);
        match (self.program.node(of), self.program.opposite(of)) {
            _ if is_column => {}
            (Ir::Not(inner), _) => return self.work.sql[inner.index()],
            // The rules of a model keep their notation.
            (Ir::And(one), _) if one.count == 1 => {
                let negated = self.program.args(one).first();
                if let Some(sql) = negated.and_then(|x| self.emit_negated_truncated(*x, span)) {
                    return sql;
                }
            }
            (_, Some(Ir::Bool(value))) => return self.emit_bool(value, span),
            (_, Some(Ir::IsNull { x, negated })) => return self.emit_null_test(x, negated, span),
            (_, Some(Ir::Apply { overload, args })) => {
                return self.emit_call(overload, self.program.args(args), span);
            }
            _ => {}
        }
        self.work.tree.add(Sql::Not(sql), span)
    }

    fn emit_bool(&mut self, value: bool, span: Span) -> SqlId {
        self.work.tree.add_word(if value { "true" } else { "false" }, span)
    }

    fn emit_null_test(&mut self, x: IrId, negated: bool, span: Span) -> SqlId {
        let x = self.work.sql[x.index()];
        let op = if negated { "is not null" } else { "is null" };
        self.work.tree.add(Sql::Postfix { op, x }, span)
    }

    fn emit_operands(&mut self, args: &[IrId]) -> SqlSlice {
        let sql = &self.work.sql;
        self.work.tree.add_list(args.iter().map(|a| sql[a.index()]))
    }

    fn emit_chain(&mut self, op: Op, args: &[IrId], span: Span) -> SqlId {
        let Some((first, rest)) = args.split_first() else {
            return self.work.tree.add_word("true", span);
        };
        rest.iter().fold(self.work.sql[first.index()], |left, right| {
            let right = self.work.sql[right.index()];
            self.work.tree.add_binary(op, left, right, span)
        })
    }

    /// Emits a number literal of the required type.
    fn emit_number(&mut self, digits: &str, ty: Type, span: Span) -> SqlId {
        let forms = self.dialect.forms();
        let form = match ty {
            Type::Decimal => &forms.decimal,
            Type::Float => &forms.float,
            _ => &Form::BARE,
        };
        // Write decimals without an exponent, because engines interpret a literal with an exponent as a float.
        let plain = (ty == Type::Decimal).then(|| without_exponent(digits)).flatten();
        self.work
            .tree
            .add_text(span, |out| form.push(out, plain.as_deref().unwrap_or(digits)))
    }

    #[inline(always)]
    fn column(&mut self, index: u32, span: Span) -> SqlId {
        match (self.record_read(index), self.qualifier) {
            // Reuse the written name, but add a new node because its span differs.
            (Some(id), None) => self.work.tree.copy_node(id, span),
            _ => self.new_column(index, span),
        }
    }

    #[inline(never)]
    fn new_column(&mut self, index: u32, span: Span) -> SqlId {
        let column = &self.program.columns[index as usize];
        if self.joined && !column.merged.is_empty() {
            let parts: Vec<SqlId> = column.merged.iter().map(|part| self.column(*part, span)).collect();
            return self.work.tree.add_call("coalesce", &parts, span);
        }
        let dialect = self.dialect;
        let renamed = self.renamed.get(&index).filter(|_| self.passed_on);
        if renamed.is_none() && self.has_struct_path(&column.name) {
            let qualifier = match &column.relation {
                Some(relation) if self.joined => Some(self.emit_name(relation, span)),
                _ => self.qualifier,
            };
            return self.emit_path(qualifier, &column.name, !column.quoted, span);
        }
        let name = self.work.tree.add_text(span, |out| match renamed {
            Some(name) => dialect.push_name(out, name, true),
            None if dialect.accepts_unquoted(column.bare, column.quoted) => out.push_str(&column.name),
            None => dialect.push_name(out, &column.name, !column.quoted),
        });
        if let Some(qualifier) = self.qualifier {
            return self.work.tree.add(Sql::Field { qualifier, name }, span);
        }
        let id = match &column.relation {
            // Write the name of the relation as in the source, because no schema contains the relation.
            Some(relation) if self.joined || (column.unknown && !self.passed_on) => {
                // Without a schema, the relation may be qualified, as in `db.orders.amount`.
                let qualifier = match column.unknown && !self.joined && relation.contains('.') {
                    true => self.emit_path(None, relation, true, span),
                    false => self.emit_name(relation, span),
                };
                self.work.tree.add(Sql::Field { qualifier, name }, span)
            }
            // The unqualified name would refer to the entire row.
            _ if self
                .only_relation
                .is_some_and(|relation| relation.eq_ignore_ascii_case(&column.name)) =>
            {
                let qualifier = self.emit_name(&column.name, span);
                self.work.tree.add(Sql::Field { qualifier, name }, span)
            }
            _ => name,
        };
        self.work.columns[index as usize].name = Some(id);
        self.work.known.push(index);
        id
    }

    /// Sets the kind of input of the next expressions: several relations or an earlier select of the same step.
    pub fn set_input_kind(&mut self, joined: bool, passed_on: bool) {
        self.read.clear();
        if (self.joined, self.passed_on) != (joined, passed_on) {
            (self.joined, self.passed_on) = (joined, passed_on);
            self.clear_names();
        }
    }

    /// Emits fields of STRUCT columns under their output names, because an earlier select groups by them.
    pub fn rename_struct_fields(&mut self) {
        let fields = (0u32..)
            .zip(&self.program.columns)
            .filter(|(_, column)| column.name.contains('.'));
        let renamed: Vec<(u32, String)> = fields
            .map(|(index, column)| (index, column.output_name().to_owned()))
            .collect();
        if !renamed.is_empty() {
            self.renamed.extend(renamed);
            self.clear_names();
        }
    }

    /// Clears the renamed columns, so that columns are emitted under their own names again.
    pub fn clear_renamed_columns(&mut self) {
        if !self.renamed.is_empty() {
            self.renamed.clear();
            self.clear_names();
        }
    }

    fn clear_names(&mut self) {
        let work = &mut *self.work;
        work.known
            .drain(..)
            .for_each(|column| work.columns[column as usize].name = None);
    }

    /// Emits the column with the given index in the program.
    pub fn emit_column(&mut self, index: u32) -> SqlId {
        self.column(index, Span::default())
    }

    /// Emits a column that is qualified with its relation. Used in selects that read several relations.
    pub fn emit_field(&mut self, relation: &str, name: &str, quoted: bool) -> SqlId {
        let span = Span::default();
        let qualifier = self.emit_name(relation, span);
        if self.has_struct_path(name) {
            return self.emit_path(Some(qualifier), name, !quoted, span);
        }
        let name = self
            .work
            .tree
            .add_text(span, |out| self.dialect.push_name(out, name, !quoted));
        self.work.tree.add(Sql::Field { qualifier, name }, span)
    }

    /// Emits one node. Its operands must be emitted first. A reference to a definition uses the SQL of the
    /// definition's root.
    pub fn emit(&mut self, id: IrId) {
        if let Ir::Definition(used) = self.program.node(id) {
            self.work.sql[id.index()] = self.work.sql[self.program.definitions[used as usize].root.index()];
        } else {
            self.emit_node(id, self.program.entry(id));
            if !self.work.repeated.is_empty() {
                self.sum_operand_repetition(id);
            }
        }
    }

    /// Sets the SQL of a node.
    pub fn set_sql(&mut self, id: IrId, sql: SqlId) {
        self.work.sql[id.index()] = sql;
    }

    /// Emits the column of the current relation that has the given name.
    pub fn emit_column_by_name(&mut self, name: &str, quoted: bool) -> SqlId {
        let dialect = self.dialect;
        let name = self
            .work
            .tree
            .add_text(Span::default(), |out| dialect.push_name(out, name, !quoted));
        self.qualify_if_shadowed(name, Span::default())
    }

    /// Emits a node as a column of the current relation.
    pub fn emit_node_as_column(&mut self, id: IrId, name: &str) {
        self.read.insert(id);
        self.work.sql[id.index()] = self.column_name(name, self.program.meta(id).span);
    }

    /// Emits the name of a column that an earlier select computes.
    pub fn column_name(&mut self, name: &str, span: Span) -> SqlId {
        let name = self.generated_name(name, span);
        self.qualify_if_shadowed(name, span)
    }

    /// Emits the unqualified name of a column that this step computes.
    pub fn generated_name(&mut self, name: &str, span: Span) -> SqlId {
        let (dialect, cased) = (self.dialect, self.cased.contains(name));
        self.work
            .tree
            .add_text(span, |out| dialect.push_name(out, name, !cased))
    }

    /// Returns the unqualified name of a column that this step computes, as written in SQL.
    pub fn generated_name_text(&self, name: &str) -> String {
        self.dialect.name_text(name, !self.cased.contains(name))
    }

    /// Qualifies a column with its relation if a column of the relation has the same name as the relation.
    pub fn qualify_if_shadowed(&mut self, name: SqlId, span: Span) -> SqlId {
        match self.qualifier.filter(|_| self.shadowed) {
            Some(qualifier) => self.work.tree.add(Sql::Field { qualifier, name }, span),
            None => name,
        }
    }

    /// Returns the SQL of an emitted node.
    pub fn emitted_sql(&self, id: IrId) -> SqlId {
        self.work.sql[id.index()]
    }

    /// Inlines the expression of another definition.
    fn inline_definition(&mut self, index: u32, span: Span) -> SqlId {
        self.record_definition_reads(index);
        match self.work.roots[index as usize] {
            Some(root) => root,
            // The definition could not be emitted. Its error has already been reported.
            None => self.null_placeholder(span),
        }
    }

    /// Emits an identifier that the spec or formula defines.
    pub fn emit_name(&mut self, name: &str, span: Span) -> SqlId {
        let dialect = self.dialect;
        self.work.tree.add_text(span, |out| dialect.push_name(out, name, true))
    }

    /// Emits a comparison of two join keys. If they are nullable, two NULLs are equal.
    pub fn emit_key_comparison(&mut self, left: SqlId, right: SqlId, nullable: bool) -> SqlId {
        let overload = catalog::first_overload(if nullable { internal::SAME_KEY } else { internal::EQUAL }).id;
        let Cell::Template(template) = self.dialect.cell(overload) else {
            return self.null_placeholder(Span::default());
        };
        // The operands are not nodes of the program, so store them temporarily after the program's nodes.
        let end = self.work.sql.len();
        self.work.sql.extend([left, right]);
        let operands = [IrId(end as u32), IrId(end as u32 + 1)];
        let same = self.instantiate(template, &operands, false, Span::default());
        self.work.sql.truncate(end);
        same
    }

    /// Wraps a constant in an aggregate expression, so that it is a value of the group: `case when count(*) >= 0 then 1
    /// end`.
    pub fn emit_group_constant(&mut self, constant: SqlId) -> SqlId {
        let tree = &mut self.work.tree;
        let span = tree.meta(constant).span;
        let star = tree.add_word("*", span);
        let (rows, zero) = (tree.add_call("count", &[star], span), tree.add_word("0", span));
        let always = tree.add_binary(Op::GreaterEqual, rows, zero, span);
        let arms = tree.add_slice(&[always, constant]);
        tree.add(Sql::Case { subject: None, arms }, span)
    }

    /// Emits an `order by` key, with NULLs last in either direction.
    pub fn emit_order_key(&mut self, key: SqlId, descending: bool, nullable: bool) -> SqlId {
        let facts = self.dialect.facts();
        let default = if descending {
            facts.nulls_sort_descending
        } else {
            facts.nulls_sort
        };
        let span = self.work.tree.meta(key).span;
        let mut parts = vec![key];
        if descending {
            parts.push(self.work.tree.add_word("desc", span));
        }
        if nullable && default != "last" {
            parts.push(self.work.tree.add_word("nulls last", span));
        }
        if parts.len() == 1 {
            return key;
        }
        let parts = self.work.tree.add_slice(&parts);
        self.work.tree.add(Sql::Spaced(parts), span)
    }
}

fn or_zero(digits: &str) -> &str {
    if digits.is_empty() { "0" } else { digits }
}

/// Rewrites a number without its exponent: `1e3` becomes `1000.0`. Returns `None` if the number has no exponent, or
/// needs more digits than a decimal can store.
fn without_exponent(number: &str) -> Option<String> {
    const DIGITS: usize = 38;
    let (mantissa, exponent) = number.split_once('e')?;
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-38..=38).contains(exponent))?;
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (before, after) = ((-exponent).max(0) as usize, exponent.max(0) as usize);
    let digits = [
        "0".repeat(before).as_str(),
        whole,
        fraction,
        "0".repeat(after.saturating_sub(fraction.len())).as_str(),
    ]
    .concat();
    let point = usize::try_from(before as i64 + whole.len() as i64 + i64::from(exponent)).ok()?;
    let (whole, fraction) = digits.split_at_checked(point)?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let is_short = whole.len() + fraction.len() <= DIGITS;
    is_short.then(|| [sign, or_zero(whole), ".", or_zero(fraction)].concat())
}

/// Returns the dialect's template for a call or an aggregate. `None` if there is none.
fn find_template(dialect: Dialect, node: Ir) -> Option<&'static Template> {
    match node {
        Ir::Apply { overload, .. } | Ir::Aggregate { overload, .. } => match dialect.cell(overload) {
            Cell::Template(template) => Some(template),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn exponents_are_expanded() {
        for (number, expected) in [
            ("1e3", Some("1000.0")),
            ("1e-3", Some("0.001")),
            ("-12.50e1", Some("-125.0")),
            ("1.25e1", Some("12.5")),
            ("1.2345e+2", Some("123.45")),
            ("123.4e-2", Some("1.234")),
            ("0e5", Some("0.0")),
            ("1e-38", Some("0.00000000000000000000000000000000000001")),
            ("12e37", None),
            ("1e300", None),
            ("1.5", None),
        ] {
            assert_eq!(super::without_exponent(number).as_deref(), expected, "{number}");
        }
    }
}
