//! The typed IR to SQL expressions of one dialect: a loop over the nodes that are needed.

mod template;

use crate::catalog::{self, ResultType, internal};
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::dialect::part::Part;
use crate::dialect::{Cell, Dialect, Template};
use crate::ir::{Ir, IrId, Program};
use crate::limits::Limits;
use crate::span::Span;
use crate::sql::{Slice, Sql, SqlId, Tree};
use crate::types::{Level, Type};

/// The order of rows for windows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows {
    pub partition: Vec<SqlId>,
    pub order: Vec<SqlId>,
    /// The keys that rows are grouped by.
    pub groups: Vec<SqlId>,
}

/// What emitting works in, kept from one text to the next.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub tree: Tree,
    /// By node of the IR.
    sql: Vec<SqlId>,
    /// Bytes that are there only because an argument stands more than once, by node of the tree.
    repeated: Vec<u64>,
    /// By definition.
    roots: Vec<Option<SqlId>>,
    /// By column: its name as written.
    columns: Vec<Option<SqlId>>,
    /// The columns of them that are known, in order.
    known: Vec<u32>,
    needed: Vec<bool>,
    template: template::Buffers,
}

impl Buffers {
    /// Everything but the tree, which goes on where several steps make one query.
    fn reset(&mut self, program: &Program) {
        let Self { tree: _, sql, repeated, roots, columns, known, needed, template: _ } = self;
        sql.clear();
        sql.resize(program.len(), NOTHING);
        repeated.clear();
        roots.clear();
        roots.resize(program.definitions.len(), None);
        columns.clear();
        columns.resize(program.columns.len(), None);
        known.clear();
        needed.clear();
        needed.resize(if program.folded { program.len() } else { 0 }, false);
    }
}

pub(crate) struct Emitter<'p> {
    pub program: &'p Program,
    pub dialect: Dialect,
    limits: &'p Limits,
    /// Every group has a row, so a sum of values that are never NULL is never NULL.
    pub grouped_by_keys: bool,
    /// What columns are written with, where they must be told apart from an output of the same name.
    pub qualifier: Option<SqlId>,
    /// The relation has a column of its name, so that every column must be told apart from it.
    pub shadowed: bool,
    pub windows: Windows,
    work: &'p mut Buffers,
    warned: Option<(Span, Span)>,
    pub diagnostics: Vec<Diagnostic>,
    failed: bool,
}

/// How much there was at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    tree: (usize, usize, usize),
    known: usize,
}

const NOTHING: SqlId = SqlId(u32::MAX);

impl<'p> Emitter<'p> {
    /// The tree of `work` is added to.
    pub fn new(program: &'p Program, dialect: Dialect, limits: &'p Limits, work: &'p mut Buffers) -> Self {
        work.reset(program);
        Self {
            program,
            dialect,
            limits,
            grouped_by_keys: false,
            qualifier: None,
            shadowed: false,
            windows: Windows::default(),
            work,
            warned: None,
            diagnostics: Vec::new(),
            failed: false,
        }
    }

    pub fn tree(&mut self) -> &mut Tree {
        &mut self.work.tree
    }

    /// The expression of a definition; the ones that it uses have been emitted, and are put in place.
    /// None when the dialect cannot write it, which is reported.
    pub fn definition(&mut self, index: u32) -> Option<SqlId> {
        let definition = &self.program.definitions[index as usize];
        let (first, root) = (definition.first, definition.root);
        self.failed = false;
        self.warned = None;
        if self.program.folded {
            self.mark(first, root);
        }
        for at in first.0..root.0 + 1 {
            let id = IrId(at);
            if self.program.folded && !self.work.needed[id.index()] {
                continue;
            }
            let sql = self.node(id);
            self.work.sql[id.index()] = sql;
            if !self.work.repeated.is_empty() && self.repeated_of(sql) > self.limits.repetition as u64 {
                self.too_large(id);
                break;
            }
        }
        if self.failed {
            return None;
        }
        let root_sql = self.alone(root);
        self.work.roots[index as usize] = Some(root_sql);
        Some(root_sql)
    }

    /// A place in the tree to go back to.
    pub fn mark_tree(&self) -> Mark {
        Mark { tree: self.work.tree.mark(), known: self.work.known.len() }
    }

    /// Forgets what was emitted since, which nothing before it or after it is made of.
    pub fn forget(&mut self, mark: Mark) {
        let work = &mut *self.work;
        work.tree.cut(mark.tree);
        work.repeated.truncate(work.tree.len());
        for column in work.known.drain(mark.known..) {
            work.columns[column as usize] = None;
        }
    }

    /// Marks the nodes that the root is made of; the others were folded away.
    fn mark(&mut self, first: IrId, root: IrId) {
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

    fn too_large(&mut self, id: IrId) {
        let span = self.program.meta(id).span;
        self.report(
            Diagnostic::new(
                Code::ExpressionTooLarge,
                span,
                format!("one expression would repeat its parts to more than {} KiB", self.limits.repetition >> 10),
            )
            .with_help("name the inner parts as definitions of a spec and compile it with `formulac query`, which computes each once"),
        );
    }

    /// Why the definition has no SQL.
    fn report(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.diagnostics.push(diagnostic);
    }

    /// What stands where there is no SQL; the definition is not given out.
    fn unwritten(&mut self, span: Span) -> SqlId {
        self.failed = true;
        self.work.tree.word("null", span)
    }

    /// The first call that repeats an argument, and that argument, of the definition emitted last.
    pub fn repetition(&self) -> Option<(Span, Span)> {
        self.warned
    }

    fn repeated_of(&self, id: SqlId) -> u64 {
        self.work.repeated.get(id.0 as usize).copied().unwrap_or(0)
    }

    fn note_repeated(&mut self, id: SqlId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let index = id.0 as usize;
        if self.work.repeated.len() <= index {
            self.work.repeated.resize(index + 1, 0);
        }
        self.work.repeated[index] = self.work.repeated[index].max(bytes);
    }

    /// A definition's whole value: a NULL needs its type said where nothing else tells it.
    pub fn alone(&mut self, root: IrId) -> SqlId {
        let sql = self.work.sql[root.index()];
        let meta = self.program.meta(root);
        if matches!(self.program.node(root), Ir::Null) && self.dialect.facts().typed_null && meta.ty != Type::Unknown {
            let ty = self.dialect.type_name(meta.ty);
            return self.work.tree.add(Sql::Cast { name: "cast", x: sql, ty }, meta.span);
        }
        sql
    }

    fn node(&mut self, id: IrId) -> SqlId {
        let program = self.program;
        let (node, meta) = program.entry(id);
        let span = meta.span;
        let sql = match *node {
            Ir::Error => self.unwritten(span),
            Ir::Null => self.work.tree.word("null", span),
            Ir::Bool(value) => self.work.tree.word(if value { "true" } else { "false" }, span),
            Ir::Number(slice) => self.number(program.text(slice), meta.ty, span),
            Ir::Text(slice) => {
                let dialect = self.dialect;
                let value = program.text(slice);
                self.work.tree.text(span, |out| dialect.push_text(out, value))
            }
            Ir::Date(slice) => {
                let literals = self.dialect.literals();
                let form = if meta.ty == Type::Timestamp { literals.timestamp } else { literals.date };
                let value = program.text(slice);
                self.work.tree.text(span, |out| push_form(out, form, "{iso}", value))
            }
            Ir::Column(column) => self.column(column, span),
            Ir::Definition(index) => self.reference(index, span),
            Ir::Apply { overload, args } => self.apply(overload, program.args(args), false, span, program.args(args)),
            Ir::Case(arms) => {
                let arms = self.operands(program.args(arms));
                self.work.tree.add(Sql::Case { subject: None, arms }, span)
            }
            Ir::Switch { subject, arms } => {
                let arms = self.operands(program.args(arms));
                let subject = Some(self.work.sql[subject.index()]);
                self.work.tree.add(Sql::Case { subject, arms }, span)
            }
            Ir::And(args) => self.chain(Op::And, program.args(args), span),
            Ir::Or(args) => self.chain(Op::Or, program.args(args), span),
            Ir::Not(x) => {
                let x = self.work.sql[x.index()];
                self.work.tree.add(Sql::Not(x), span)
            }
            Ir::IsNull { x, negated } => {
                let x = self.work.sql[x.index()];
                let op = if negated { "is not null" } else { "is null" };
                self.work.tree.add(Sql::Postfix { op, x }, span)
            }
            Ir::Coalesce(args) => {
                let args = self.operands(program.args(args));
                self.work.tree.add(Sql::Call { name: "coalesce", args }, span)
            }
            Ir::CountRows => {
                let star = self.work.tree.word("*", span);
                self.work.tree.call("count", &[star], span)
            }
            Ir::Aggregate { overload, args, distinct } => {
                self.aggregate(id, overload, program.args(args), distinct, span)
            }
            Ir::Window { call } => {
                let x = self.work.sql[call.index()];
                let partition = self.work.tree.slice(&self.windows.partition);
                let order = self.work.tree.slice(&self.windows.order);
                self.work.tree.add(Sql::Over { x, partition, order }, span)
            }
            Ir::GroupWindow { call } => {
                let x = self.work.sql[call.index()];
                let partition = self.work.tree.slice(&self.windows.groups);
                self.work.tree.add(Sql::Over { x, partition, order: Slice::default() }, span)
            }
            Ir::Distinct(x) => self.work.sql[x.index()],
        };
        if !self.work.repeated.is_empty() {
            let grown = program
                .operands(id)
                .fold(0u64, |sum, o| sum.saturating_add(self.repeated_of(self.work.sql[o.index()])));
            self.note_repeated(sql, grown);
        }
        sql
    }

    fn operands(&mut self, args: &[IrId]) -> Slice {
        let sql = &self.work.sql;
        self.work.tree.list(args.iter().map(|a| sql[a.index()]))
    }

    fn chain(&mut self, op: Op, args: &[IrId], span: Span) -> SqlId {
        let Some((first, rest)) = args.split_first() else { return self.work.tree.word("true", span) };
        rest.iter().fold(self.work.sql[first.index()], |left, right| {
            let right = self.work.sql[right.index()];
            self.work.tree.binary(op, left, right, span)
        })
    }

    /// A number as the type that it must have.
    fn number(&mut self, digits: &str, ty: Type, span: Span) -> SqlId {
        let literals = self.dialect.literals();
        let form = match ty {
            Type::Decimal => literals.decimal,
            Type::Float => literals.float,
            _ => "{n}",
        };
        self.work.tree.text(span, |out| push_form(out, form, "{n}", digits))
    }

    fn column(&mut self, index: u32, span: Span) -> SqlId {
        let column = &self.program.columns[index as usize];
        if let (Some(id), None) = (self.work.columns[index as usize], self.qualifier) {
            // The text is shared; the node is new, since its span is its own.
            let same = *self.work.tree.node(id);
            return self.work.tree.add(same, span);
        }
        let dialect = self.dialect;
        let name = self.work.tree.text(span, |out| dialect.push_name(out, &column.name, !column.quoted));
        if let Some(qualifier) = self.qualifier {
            return self.work.tree.add(Sql::Field { qualifier, name }, span);
        }
        let id = match &column.relation {
            // The text says the relation and no schema does: it is written as it was given.
            Some(relation) if column.unknown => {
                let qualifier = self.work.tree.text(span, |out| dialect.push_name(out, relation, true));
                self.work.tree.add(Sql::Field { qualifier, name }, span)
            }
            _ => name,
        };
        self.work.columns[index as usize] = Some(id);
        self.work.known.push(index);
        id
    }

    /// Emits one node whose operands are emitted; a definition is what its root is.
    pub fn emit(&mut self, id: IrId) {
        let sql = match self.program.node(id) {
            Ir::Definition(used) => self.work.sql[self.program.definitions[used as usize].root.index()],
            _ => self.node(id),
        };
        self.work.sql[id.index()] = sql;
    }

    /// The node is a column of what is read.
    pub fn set_column(&mut self, id: IrId, name: &str) {
        self.work.sql[id.index()] = self.column_name(name, self.program.meta(id).span);
    }

    /// The name of a column that an earlier select made.
    pub fn column_name(&mut self, name: &str, span: Span) -> SqlId {
        let name = self.name(name, span);
        self.in_relation(name, span)
    }

    /// The column with its relation, where the relation has a column of its own name.
    pub fn in_relation(&mut self, name: SqlId, span: Span) -> SqlId {
        match self.qualifier.filter(|_| self.shadowed) {
            Some(qualifier) => self.work.tree.add(Sql::Field { qualifier, name }, span),
            None => name,
        }
    }

    /// The SQL of a node that was emitted.
    pub fn written(&self, id: IrId) -> SqlId {
        self.work.sql[id.index()]
    }

    /// Another definition's expression, put in place.
    fn reference(&mut self, index: u32, span: Span) -> SqlId {
        match self.work.roots[index as usize] {
            Some(root) => root,
            // What it is made of could not be written, and was reported there.
            None => self.unwritten(span),
        }
    }

    /// A name of the spec's or formula's own.
    pub fn name(&mut self, name: &str, span: Span) -> SqlId {
        let dialect = self.dialect;
        self.work.tree.text(span, |out| dialect.push_name(out, name, true))
    }

    /// A key of `order by`, with NULLs last in either direction.
    pub fn order_key(&mut self, key: SqlId, descending: bool, nullable: bool) -> SqlId {
        let facts = self.dialect.facts();
        let default = if descending { facts.nulls_sort_descending } else { facts.nulls_sort };
        let span = self.work.tree.meta(key).span;
        let mut parts = vec![key];
        if descending {
            parts.push(self.work.tree.word("desc", span));
        }
        if nullable && default != "last" {
            parts.push(self.work.tree.word("nulls last", span));
        }
        if parts.len() == 1 {
            return key;
        }
        let parts = self.work.tree.slice(&parts);
        self.work.tree.add(Sql::Spaced(parts), span)
    }

    fn aggregate(
        &mut self,
        id: IrId,
        overload: catalog::OverloadId,
        args: &[IrId],
        distinct: bool,
        span: Span,
    ) -> SqlId {
        let function = catalog::owner(overload);
        let program = self.program;
        for arg in args {
            // A bare NULL has no type to aggregate.
            if let Ir::Null = program.node(*arg) {
                let ty = program.meta(*arg).ty;
                let ty = self.dialect.type_name(if ty == Type::Unknown { Type::Float } else { ty });
                let x = self.work.sql[arg.index()];
                self.work.sql[arg.index()] = self.work.tree.add(Sql::Cast { name: "cast", x, ty }, span);
            }
        }
        // COUNT(IF(c, x)) of an x that is never NULL counts the rows where c holds.
        if function == internal::COUNTA
            && !distinct
            && self.dialect.facts().count_if
            && let Some((condition, value)) = self.conditional(args[0])
            && !program.meta(value).nullable
        {
            let overload = catalog::get(internal::COUNT_IF).overloads[0].id;
            return self.apply(overload, &[condition], false, span, &[condition]);
        }
        let empty = catalog::get(function).empty.filter(|_| catalog::get(function).nulls != catalog::Nulls::Never);
        let Some(empty) = empty else { return self.apply(overload, args, distinct, span, args) };
        // A sum: of nothing it is 0, where there can be nothing.
        if self.grouped_by_keys {
            if !program.meta(args[0]).nullable {
                return self.apply(overload, args, distinct, span, args);
            }
            if let (Some((condition, value)), false) = (self.conditional(args[0]), distinct)
                && !program.meta(value).nullable
            {
                let zero = self.work.tree.text(span, |out| out.push_str(empty));
                let (condition, value) = (self.work.sql[condition.index()], self.work.sql[value.index()]);
                let arms = self.work.tree.slice(&[condition, value, zero]);
                let case = self.work.tree.add(Sql::Case { subject: None, arms }, span);
                self.work.sql[args[0].index()] = case;
                return self.apply(overload, args, distinct, span, args);
            }
        }
        let sum = self.apply(overload, args, distinct, span, args);
        let empty = self.work.tree.text(self.program.meta(id).span, |out| out.push_str(empty));
        self.work.tree.call("coalesce", &[sum, empty], span)
    }

    /// The condition and value of an IF without an else.
    fn conditional(&self, id: IrId) -> Option<(IrId, IrId)> {
        match self.program.node(id) {
            Ir::Case(arms) => match self.program.args(arms) {
                [condition, value] => Some((*condition, *value)),
                _ => None,
            },
            _ => None,
        }
    }

    fn apply(
        &mut self,
        overload: catalog::OverloadId,
        args: &[IrId],
        distinct: bool,
        span: Span,
        reported: &[IrId],
    ) -> SqlId {
        match self.dialect.cell(overload) {
            Cell::Template(template) if self.is_barred_subquery(template, args) => self.pairwise(overload, args, span),
            Cell::Template(template) => {
                let id = self.instantiate(template, args, distinct, span);
                if !template.repeats && self.work.repeated.is_empty() {
                    return id;
                }
                self.count_repetition(template.uses, reported, span);
                let grown = args.iter().enumerate().fold(0u64, |sum, (i, arg)| {
                    let uses = u64::from(template.uses.get(i).copied().unwrap_or(1));
                    let width = u64::from(self.work.tree.width(self.work.sql[arg.index()]));
                    let own = self.repeated_of(self.work.sql[arg.index()]);
                    let extra = if self.is_simple(*arg) { 0 } else { uses.saturating_sub(1).saturating_mul(width) };
                    sum.saturating_add(extra).saturating_add(uses.max(1).saturating_mul(own))
                });
                self.note_repeated(id, grown);
                id
            }
            Cell::Unsupported(reason) => {
                let function = catalog::get(catalog::owner(overload));
                let name = if function.internal { "this operation" } else { function.name };
                self.report(
                    Diagnostic::new(
                        Code::UnsupportedFunction,
                        span,
                        format!("`{name}` is not available in dialect `{}`", self.dialect),
                    )
                    .with_help(*reason),
                );
                self.unwritten(span)
            }
            Cell::Missing => {
                self.report(Diagnostic::new(
                    Code::Internal,
                    span,
                    format!(
                        "`{}` has no SQL in dialect `{}`",
                        catalog::get(catalog::owner(overload)).name,
                        self.dialect
                    ),
                ));
                self.unwritten(span)
            }
        }
    }

    /// A subquery around aggregates, which some engines refuse.
    fn is_barred_subquery(&self, template: &Template, args: &[IrId]) -> bool {
        !self.dialect.facts().aggregate_in_subquery
            && template.parts.contains(&Part::Word("select"))
            && args.iter().any(|a| self.program.meta(*a).level >= Level::Aggregate)
    }

    /// The form for two arguments, again and again.
    fn pairwise(&mut self, overload: catalog::OverloadId, args: &[IrId], span: Span) -> SqlId {
        let function = catalog::get(catalog::owner(overload));
        let two =
            function.overloads.iter().find(|o| o.params.len() == 2 && !o.repeated).map(|o| self.dialect.cell(o.id));
        let foldable = function.overloads.iter().all(|o| o.result == ResultType::Same);
        let (Some(Cell::Template(template)), true) = (two, foldable && args.len() >= 2) else {
            self.report(
                Diagnostic::new(
                    Code::UnsupportedFunction,
                    span,
                    format!("aggregates cannot be taken across the row like this in dialect `{}`", self.dialect),
                )
                .with_help("name each aggregate as a definition of a spec; `formulac query` computes them first"),
            );
            return self.unwritten(span);
        };
        let mut left = args[0];
        let mut joined = self.work.sql[left.index()];
        for right in &args[1..] {
            // The argument's place is lent to what has been joined so far.
            let own = std::mem::replace(&mut self.work.sql[left.index()], joined);
            let grown = self.repeated_of(joined) * 2 + u64::from(self.work.tree.width(joined));
            joined = self.instantiate(template, &[left, *right], false, span);
            self.note_repeated(joined, grown);
            self.work.sql[left.index()] = own;
            left = args[0];
        }
        self.warned.get_or_insert((span, self.program.meta(args[0]).span));
        joined
    }

    /// A name, a literal or today's date, which costs nothing to write again.
    fn is_simple(&self, id: IrId) -> bool {
        match self.program.node(id) {
            Ir::Column(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Bool(_) | Ir::Null => true,
            Ir::Apply { args, .. } if args.count == 0 => !self.program.meta(id).volatile,
            _ => matches!(
                self.work.tree.node(self.work.sql[id.index()]),
                Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. }
            ),
        }
    }

    fn count_repetition(&mut self, uses: &[u8], args: &[IrId], span: Span) {
        for (uses, arg) in uses.iter().zip(args) {
            if *uses > 1 && !self.is_simple(*arg) {
                if self.program.meta(*arg).volatile {
                    self.report(
                        Diagnostic::new(
                            Code::VolatileRepeated,
                            self.program.meta(*arg).span,
                            "a value drawn anew each time would be drawn more than once",
                        )
                        .with_help("name it as a definition of a spec and compile it with `formulac query`"),
                    );
                }
                self.warned.get_or_insert((span, self.program.meta(*arg).span));
            }
        }
    }
}

fn push_form(out: &mut String, form: &str, slot: &str, value: &str) {
    if form == slot {
        out.push_str(value);
        return;
    }
    match form.split_once(slot) {
        Some((before, after)) => {
            out.push_str(before);
            out.push_str(value);
            out.push_str(after);
        }
        None => out.push_str(value),
    }
}
