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

pub(crate) struct Emitter<'p> {
    pub program: &'p Program,
    pub dialect: Dialect,
    pub tree: Tree,
    limits: &'p Limits,
    /// Every group has a row, so a sum of values that are never NULL is never NULL.
    pub grouped_by_keys: bool,
    /// What columns are written with, where they must be told apart from an output of the same name.
    pub qualifier: Option<SqlId>,
    /// The relation has a column of its name, so that every column must be told apart from it.
    pub shadowed: bool,
    pub windows: Windows,
    /// By node of the IR.
    sql: Vec<SqlId>,
    /// Bytes that are there only because an argument stands more than once, by node of the tree.
    repeated: Vec<u64>,
    /// By definition.
    roots: Vec<Option<SqlId>>,
    /// By column: its name as written.
    columns: Vec<Option<SqlId>>,
    scratch: Vec<SqlId>,
    /// Nodes of the templates that are being filled in.
    locals: Vec<SqlId>,
    needed: Vec<bool>,
    warned: Option<(Span, Span)>,
    pub diagnostics: Vec<Diagnostic>,
    failed: bool,
}

const NOTHING: SqlId = SqlId(u32::MAX);

impl<'p> Emitter<'p> {
    pub fn new(program: &'p Program, dialect: Dialect, limits: &'p Limits) -> Self {
        let count = program.nodes.len();
        let mut tree = Tree::default();
        tree.nodes.reserve(count + count / 2);
        tree.meta.reserve(count + count / 2);
        Self {
            program,
            dialect,
            tree,
            limits,
            grouped_by_keys: false,
            qualifier: None,
            shadowed: false,
            windows: Windows::default(),
            sql: vec![NOTHING; count],
            repeated: Vec::new(),
            roots: vec![None; program.definitions.len()],
            columns: vec![None; program.columns.len()],
            scratch: Vec::new(),
            locals: Vec::new(),
            needed: vec![false; if program.folded { count } else { 0 }],
            warned: None,
            diagnostics: Vec::new(),
            failed: false,
        }
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
        for at in first.0..=root.0 {
            let id = IrId(at);
            if !self.program.folded || self.needed[id.index()] {
                let sql = self.node(id);
                self.sql[id.index()] = sql;
                let grown = self.repeated_of(sql);
                if grown > self.limits.repetition as u64 {
                    self.too_large(id);
                    break;
                }
            }
        }
        if self.failed {
            return None;
        }
        let root_sql = self.alone(root);
        self.roots[index as usize] = Some(root_sql);
        Some(root_sql)
    }

    /// Marks the nodes that the root is made of; the others were folded away.
    fn mark(&mut self, first: IrId, root: IrId) {
        self.needed[root.index()] = true;
        for at in (first.0..=root.0).rev() {
            let id = IrId(at);
            if !self.needed[id.index()] {
                continue;
            }
            for operand in self.program.operands(id) {
                self.needed[operand.index()] = true;
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
        self.tree.word("null", span)
    }

    /// The first call that repeats an argument, and that argument, of the definition emitted last.
    pub fn repetition(&self) -> Option<(Span, Span)> {
        self.warned
    }

    fn repeated_of(&self, id: SqlId) -> u64 {
        self.repeated.get(id.0 as usize).copied().unwrap_or(0)
    }

    fn note_repeated(&mut self, id: SqlId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let index = id.0 as usize;
        if self.repeated.len() <= index {
            self.repeated.resize(index + 1, 0);
        }
        self.repeated[index] = self.repeated[index].max(bytes);
    }

    /// A definition's whole value: a NULL needs its type said where nothing else tells it.
    pub fn alone(&mut self, root: IrId) -> SqlId {
        let sql = self.sql[root.index()];
        let meta = self.program.meta(root);
        if matches!(self.program.node(root), Ir::Null) && self.dialect.facts().typed_null && meta.ty != Type::Unknown {
            let ty = self.dialect.type_name(meta.ty);
            return self.tree.add(Sql::Cast { name: "cast", x: sql, ty }, meta.span);
        }
        sql
    }

    fn node(&mut self, id: IrId) -> SqlId {
        let program = self.program;
        let meta = program.meta(id);
        let span = meta.span;
        let sql = match program.node(id) {
            Ir::Error => self.unwritten(span),
            Ir::Null => self.tree.word("null", span),
            Ir::Bool(value) => self.tree.word(if value { "true" } else { "false" }, span),
            Ir::Number(slice) => self.number(program.text(slice), meta.ty, span),
            Ir::Text(slice) => {
                let dialect = self.dialect;
                let value = program.text(slice);
                self.tree.text(span, |out| dialect.push_text(out, value))
            }
            Ir::Date(slice) => {
                let form = self.dialect.literals().date;
                let value = program.text(slice);
                self.tree.text(span, |out| push_form(out, form, "{iso}", value))
            }
            Ir::Column(column) => self.column(column, span),
            Ir::Definition(index) => self.reference(index, span),
            Ir::Apply { overload, args } => self.apply(overload, program.args(args), false, span, program.args(args)),
            Ir::Case(arms) => {
                let arms = self.operands(program.args(arms));
                self.tree.add(Sql::Case { subject: None, arms }, span)
            }
            Ir::Switch { subject, arms } => {
                let arms = self.operands(program.args(arms));
                let subject = Some(self.sql[subject.index()]);
                self.tree.add(Sql::Case { subject, arms }, span)
            }
            Ir::And(args) => self.chain(Op::And, program.args(args), span),
            Ir::Or(args) => self.chain(Op::Or, program.args(args), span),
            Ir::Not(x) => {
                let x = self.sql[x.index()];
                self.tree.add(Sql::Unary { op: "not", x }, span)
            }
            Ir::IsNull { x, negated } => {
                let x = self.sql[x.index()];
                let op = if negated { "is not null" } else { "is null" };
                self.tree.add(Sql::Postfix { op, x }, span)
            }
            Ir::Coalesce(args) => {
                let args = self.operands(program.args(args));
                self.tree.add(Sql::Call { name: "coalesce", args }, span)
            }
            Ir::CountRows => {
                let star = self.tree.word("*", span);
                self.tree.call("count", &[star], span)
            }
            Ir::Aggregate { overload, args, distinct } => {
                self.aggregate(id, overload, program.args(args), distinct, span)
            }
            Ir::Window { call } => {
                let x = self.sql[call.index()];
                let partition = self.windows.partition.clone();
                let order = self.windows.order.clone();
                let (partition, order) = (self.tree.slice(&partition), self.tree.slice(&order));
                self.tree.add(Sql::Over { x, partition, order }, span)
            }
            Ir::GroupWindow { call } => {
                let x = self.sql[call.index()];
                let groups = self.windows.groups.clone();
                let partition = self.tree.slice(&groups);
                self.tree.add(Sql::Over { x, partition, order: Slice::default() }, span)
            }
            Ir::Distinct(x) => self.sql[x.index()],
        };
        if !self.repeated.is_empty() {
            let grown =
                program.operands(id).fold(0u64, |sum, o| sum.saturating_add(self.repeated_of(self.sql[o.index()])));
            self.note_repeated(sql, grown);
        }
        sql
    }

    fn operands(&mut self, args: &[IrId]) -> Slice {
        self.scratch.clear();
        self.scratch.extend(args.iter().map(|a| self.sql[a.index()]));
        let scratch = std::mem::take(&mut self.scratch);
        let slice = self.tree.slice(&scratch);
        self.scratch = scratch;
        slice
    }

    fn chain(&mut self, op: Op, args: &[IrId], span: Span) -> SqlId {
        let Some((first, rest)) = args.split_first() else { return self.tree.word("true", span) };
        rest.iter().fold(self.sql[first.index()], |left, right| {
            let right = self.sql[right.index()];
            self.tree.binary(op, left, right, span)
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
        self.tree.text(span, |out| push_form(out, form, "{n}", digits))
    }

    fn column(&mut self, index: u32, span: Span) -> SqlId {
        let column = &self.program.columns[index as usize];
        if let (Some(id), None) = (self.columns[index as usize], self.qualifier) {
            // The text is shared; the node is new, since its span is its own.
            return self.tree.add(self.tree.node(id), span);
        }
        let dialect = self.dialect;
        let name = self.tree.text(span, |out| dialect.push_name(out, &column.name, !column.quoted));
        if let Some(qualifier) = self.qualifier {
            return self.tree.add(Sql::Field { qualifier, name }, span);
        }
        let id = match &column.relation {
            // The text says the relation and no schema does: it is written as it was given.
            Some(relation) if column.unknown => {
                let qualifier = self.tree.text(span, |out| dialect.push_name(out, relation, true));
                self.tree.add(Sql::Field { qualifier, name }, span)
            }
            _ => name,
        };
        self.columns[index as usize] = Some(id);
        id
    }

    /// Emits one node whose operands are emitted; a definition is what its root is.
    pub fn emit(&mut self, id: IrId) {
        let sql = match self.program.node(id) {
            Ir::Definition(used) => self.sql[self.program.definitions[used as usize].root.index()],
            _ => self.node(id),
        };
        self.sql[id.index()] = sql;
    }

    /// The node is a column of what is read.
    pub fn set_column(&mut self, id: IrId, name: &str) {
        self.sql[id.index()] = self.column_name(name, self.program.meta(id).span);
    }

    /// The name of a column that an earlier select made.
    pub fn column_name(&mut self, name: &str, span: Span) -> SqlId {
        let name = self.name(name, span);
        self.in_relation(name, span)
    }

    /// The column with its relation, where the relation has a column of its own name.
    pub fn in_relation(&mut self, name: SqlId, span: Span) -> SqlId {
        match self.qualifier.filter(|_| self.shadowed) {
            Some(qualifier) => self.tree.add(Sql::Field { qualifier, name }, span),
            None => name,
        }
    }

    /// The SQL of a node that was emitted.
    pub fn written(&self, id: IrId) -> SqlId {
        self.sql[id.index()]
    }

    /// Another definition's expression, put in place.
    fn reference(&mut self, index: u32, span: Span) -> SqlId {
        match self.roots[index as usize] {
            Some(root) => root,
            // What it is made of could not be written, and was reported there.
            None => self.unwritten(span),
        }
    }

    /// A name of the spec's or formula's own.
    pub fn name(&mut self, name: &str, span: Span) -> SqlId {
        let dialect = self.dialect;
        self.tree.text(span, |out| dialect.push_name(out, name, true))
    }

    /// A key of `order by`, with NULLs last in either direction.
    pub fn order_key(&mut self, key: SqlId, descending: bool, nullable: bool) -> SqlId {
        let facts = self.dialect.facts();
        let default = if descending { facts.nulls_sort_descending } else { facts.nulls_sort };
        let span = self.tree.meta(key).span;
        let mut parts = vec![key];
        if descending {
            parts.push(self.tree.word("desc", span));
        }
        if nullable && default != "last" {
            parts.push(self.tree.word("nulls last", span));
        }
        if parts.len() == 1 {
            return key;
        }
        let parts = self.tree.slice(&parts);
        self.tree.add(Sql::Spaced(parts), span)
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
                let x = self.sql[arg.index()];
                self.sql[arg.index()] = self.tree.add(Sql::Cast { name: "cast", x, ty }, span);
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
                let zero = self.tree.text(span, |out| out.push_str(empty));
                let (condition, value) = (self.sql[condition.index()], self.sql[value.index()]);
                let arms = self.tree.slice(&[condition, value, zero]);
                let case = self.tree.add(Sql::Case { subject: None, arms }, span);
                self.sql[args[0].index()] = case;
                return self.apply(overload, args, distinct, span, args);
            }
        }
        let sum = self.apply(overload, args, distinct, span, args);
        let empty = self.tree.text(self.program.meta(id).span, |out| out.push_str(empty));
        self.tree.call("coalesce", &[sum, empty], span)
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
                if !template.repeats && self.repeated.is_empty() {
                    return id;
                }
                self.count_repetition(template.uses, reported, span);
                let grown = args.iter().enumerate().fold(0u64, |sum, (i, arg)| {
                    let uses = u64::from(template.uses.get(i).copied().unwrap_or(1));
                    let width = u64::from(self.tree.width(self.sql[arg.index()]));
                    let own = self.repeated_of(self.sql[arg.index()]);
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
        let mut joined = self.sql[left.index()];
        for right in &args[1..] {
            // The argument's place is lent to what has been joined so far.
            let own = std::mem::replace(&mut self.sql[left.index()], joined);
            let grown = self.repeated_of(joined) * 2 + u64::from(self.tree.width(joined));
            joined = self.instantiate(template, &[left, *right], false, span);
            self.note_repeated(joined, grown);
            self.sql[left.index()] = own;
            left = args[0];
        }
        self.warned.get_or_insert((span, self.program.meta(args[0]).span));
        joined
    }

    /// A name or literal, which costs nothing to write again.
    fn is_simple(&self, id: IrId) -> bool {
        matches!(
            self.program.node(id),
            Ir::Column(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Bool(_) | Ir::Null
        ) || matches!(self.tree.node(self.sql[id.index()]), Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. })
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
    match form.split_once(slot) {
        Some((before, after)) => {
            out.push_str(before);
            out.push_str(value);
            out.push_str(after);
        }
        None => out.push_str(value),
    }
}
