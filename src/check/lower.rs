//! The tree to the typed IR: one loop over the nodes of each definition, after those that it uses.

use std::sync::Arc;

use super::names::{Key, Names, Target};
use super::overload::Choices;
use super::{Role, Scope, timeframe};
use crate::ast::{Ast, BinaryOp, Expr, ExprId, Sign};
use crate::catalog::{self, FunctionId, Lowering, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrDefinition, IrId, Meta, Program, Slice};
use crate::parse::{reference, unquote};
use crate::span::Span;
use crate::types::{Level, Type};

/// What lowering works in, kept from one text to the next.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// By node of the tree.
    lowered: Vec<IrId>,
    key_columns: Vec<bool>,
    key_definitions: Vec<bool>,
    /// Lists of arguments that are not in use, so that calls need no allocation.
    spare: Vec<Vec<IrId>>,
    choices: Choices,
}

impl Buffers {
    fn reset(&mut self, ast: &Ast, names: &Names, columns: usize) {
        let Self { lowered, key_columns, key_definitions, spare: _, choices: _ } = self;
        lowered.clear();
        lowered.resize(ast.len(), IrId(0));
        key_columns.clear();
        key_columns.resize(columns, false);
        key_definitions.clear();
        key_definitions.resize(ast.definitions.len(), false);
        for key in &names.keys {
            match key {
                Key::Column(column) => key_columns[*column as usize] = true,
                Key::Definition(definition) => key_definitions[*definition as usize] = true,
                Key::Timeframe(..) => {}
            }
        }
    }
}

pub(super) struct Lower<'a> {
    pub ast: &'a Ast,
    pub source: &'a str,
    pub scope: &'a Scope<'a>,
    pub names: &'a Names,
    pub program: &'a mut Program,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    work: &'a mut Buffers,
    /// The step groups, so values of rows may not stand beside aggregates.
    pub grouped: bool,
    /// The node's definition has reported an error.
    pub failed: bool,
    /// What the node's definition is for.
    pub role: Role,
    /// Why the node's definition may hold no aggregate, until that has been said.
    pub no_aggregates: Option<&'static str>,
    /// Why it may hold no window, likewise.
    pub no_windows: Option<&'static str>,
    /// Its syntax was faulty.
    broken: bool,
    /// There is a `DISTINCT` somewhere.
    pub distinct: bool,
}

/// Lowers into a program that holds its columns and the order of definitions.
pub(super) fn lower(
    ast: &Ast,
    source: &str,
    scope: &Scope<'_>,
    names: &Names,
    work: &mut Buffers,
    program: &mut Program,
    diagnostics: &mut Vec<Diagnostic>,
) {
    work.reset(ast, names, program.columns.len());
    for column in proven(ast, names, scope) {
        program.columns[column as usize].nullable = false;
    }
    program.reserve(ast.len() + 8);
    // Definitions are lowered after those that they use, and stand as written; one in a circle stays as it is here.
    program.definitions.extend(ast.definitions.iter().map(|definition| IrDefinition {
        name: definition.name.map(|n| Arc::from(n.text(source))),
        root: IrId(0),
        first: IrId(0),
        span: definition.span,
        failed: true,
        used: false,
    }));
    let order = std::mem::take(&mut program.order);
    let mut pass = Lower {
        ast,
        source,
        scope,
        names,
        program,
        diagnostics,
        work,
        grouped: names.aggregates || !names.keys.is_empty(),
        failed: false,
        role: Role::Definitions,
        no_aggregates: None,
        no_windows: None,
        broken: false,
        distinct: false,
    };
    for index in &order {
        let definition = &ast.definitions[*index as usize];
        let first = IrId(pass.program.len() as u32);
        pass.failed = names.failed[*index as usize];
        pass.role = scope.role(definition.part);
        pass.no_aggregates = scope.forbids_aggregates(pass.role);
        pass.no_windows = pass.role.forbids_windows();
        pass.broken = definition.broken;
        for node in definition.first.0..definition.body.0 + 1 {
            let id = ExprId(node);
            let lowered = pass.node(id);
            pass.work.lowered[id.index()] = lowered;
        }
        let root = pass.finish(pass.lowered(definition.body));
        let failed = pass.failed || pass.is_error(root);
        let lowered = &mut pass.program.definitions[*index as usize];
        (lowered.root, lowered.first, lowered.failed) = (root, first, failed);
    }
    program.order = order;
}

/// Columns that `where` proves to be there: `NOT(ISBLANK(x))`, or a comparison that holds.
fn proven(ast: &Ast, names: &Names, scope: &Scope<'_>) -> Vec<u32> {
    let mut columns = Vec::new();
    let column = |id: ExprId| match names.targets[id.index()] {
        Target::Column(column) => Some(column),
        _ => None,
    };
    let called = |id: ExprId| match (ast.expr(id), names.targets[id.index()]) {
        (Expr::Call(call), Target::Function(function)) => {
            Some((catalog::get(function).lower?, ast.arguments(ast.call(call))))
        }
        _ => None,
    };
    for definition in ast.definitions.iter().filter(|d| scope.role(d.part) == Role::Where) {
        let mut all = vec![definition.body];
        while let Some(id) = all.pop() {
            match (ast.expr(id), called(id)) {
                (Expr::Binary { op, left, right }, _) if op.compares() => {
                    columns.extend([left, right].into_iter().filter_map(column))
                }
                (_, Some((Lowering::And, args))) => all.extend(args),
                (_, Some((Lowering::Not, [inner]))) => {
                    if let Some((Lowering::IsBlank, [x])) = called(*inner) {
                        columns.extend(column(*x));
                    }
                }
                _ => {}
            }
        }
    }
    columns
}

impl Lower<'_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.failed |= diagnostic.is_error();
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn source_text(&self, span: Span) -> String {
        span.excerpt(self.source)
    }

    #[inline]
    pub(super) fn constant(ty: Type, span: Span) -> Meta {
        Meta { ty, nullable: false, level: Level::Const, keyed: true, volatile: false, span }
    }

    pub(super) fn error(&mut self, span: Span) -> IrId {
        self.failed = true;
        self.program.add(Ir::Error, Meta { nullable: true, ..Self::constant(Type::Unknown, span) })
    }

    pub(super) fn null(&mut self, ty: Type, span: Span) -> IrId {
        self.program.add(Ir::Null, Meta { nullable: true, ..Self::constant(ty, span) })
    }

    pub(super) fn integer(&mut self, digits: &str, span: Span) -> IrId {
        let text = self.program.add_text(digits);
        self.program.add(Ir::Number(text), Self::constant(Type::Integer, span))
    }

    #[inline]
    pub(super) fn is_error(&self, id: IrId) -> bool {
        matches!(self.program.node(id), Ir::Error)
    }

    pub(super) fn choices(&mut self) -> &mut Choices {
        &mut self.work.choices
    }

    /// An empty list; [`Self::give_back`] keeps it for the next.
    pub(super) fn list(&mut self) -> Vec<IrId> {
        self.work.spare.pop().unwrap_or_default()
    }

    pub(super) fn list_of(&mut self, id: IrId) -> Vec<IrId> {
        let mut list = self.list();
        list.push(id);
        list
    }

    pub(super) fn give_back(&mut self, mut list: Vec<IrId>) {
        list.clear();
        self.work.spare.push(list);
    }

    #[inline]
    pub(super) fn lowered(&self, id: ExprId) -> IrId {
        self.work.lowered[id.index()]
    }

    fn node(&mut self, id: ExprId) -> IrId {
        let span = self.ast.span(id);
        match (self.ast.expr(id), self.names.targets[id.index()]) {
            (_, Target::Error) | (Expr::Error, _) => self.error(span),
            (Expr::Model, Target::Column(column)) => {
                let node = self.column(column, span);
                match reference(self.source, span).timeframe {
                    Some(frame) => self.timeframe(node, frame, span),
                    None => node,
                }
            }
            (_, Target::Column(column)) => self.column(column, span),
            (_, Target::Definition(index)) => self.definition(index, span),
            (_, Target::Bool(value)) | (Expr::Bool(value), _) => {
                self.program.add(Ir::Bool(value), Self::constant(Type::Boolean, span))
            }
            (Expr::Number, _) => self.number(span),
            (Expr::Text, _) => {
                let source = self.source;
                let text = unquote(span.text(source));
                self.text(&text, span)
            }
            (Expr::Timeframe { base, frame }, _) => {
                let base = self.value(base);
                self.timeframe(base, self.ast.names[frame as usize], span)
            }
            (Expr::Sign { sign, operand }, _) => self.sign(sign, operand, span),
            (Expr::Percent(operand), _) => self.percent(operand, span),
            (Expr::Binary { op, left, right }, _) => self.binary(op, left, right, span),
            (Expr::Call(call), Target::Function(function)) => {
                let call = self.ast.call(call);
                self.call(function, call, span)
            }
            (Expr::Cell, _) => self.needs_worksheet(span, "cell references need a worksheet"),
            (Expr::Tab { .. }, _) => self.needs_worksheet(span, "references to other tabs need a worksheet"),
            (Expr::Range { from, to }, _) => self.range(from, to, span),
            _ => self.error(span),
        }
    }

    fn needs_worksheet(&mut self, span: Span, what: &str) -> IrId {
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(Code::NeedsWorksheet, span, format!("{what}; found `{text}`"))
                .with_help("name the column, or compute it in a spec with `order_by` and OFFSET"),
        );
        self.error(span)
    }

    fn range(&mut self, from: ExprId, to: ExprId, span: Span) -> IrId {
        let cellish = [from, to].iter().any(|e| {
            let text = self.ast.span(*e).text(self.source);
            let letter = text.len() <= 2 && text.bytes().all(|b| b.is_ascii_uppercase());
            matches!(self.ast.expr(*e), Expr::Cell | Expr::Tab { .. }) || letter || super::names::looks_like_cell(text)
        });
        if cellish {
            return self.needs_worksheet(span, "ranges of cells need a worksheet");
        }
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(Code::NotBuiltYet, span, format!("ranges of names, `{text}`, are not built yet"))
                .with_help("aggregate in an earlier step, or look back with OFFSET"),
        );
        self.error(span)
    }

    fn column(&mut self, column: u32, span: Span) -> IrId {
        let used = &self.program.columns[column as usize];
        let meta = Meta {
            ty: used.ty,
            nullable: used.nullable,
            level: Level::Row,
            keyed: self.work.key_columns[column as usize],
            volatile: false,
            span,
        };
        self.program.add(Ir::Column(column), meta)
    }

    fn definition(&mut self, index: u32, span: Span) -> IrId {
        let used = &self.program.definitions[index as usize];
        // One in a circle has no order, and is not lowered yet; its error is reported already.
        if used.failed {
            return self.error(span);
        }
        let root = used.root;
        let meta = self.program.meta(root);
        if self.late(meta.level, span) {
            return self.error(span);
        }
        // One that is `1/0` is that wherever it is named.
        if self.is_null(root) {
            return self.program.add(Ir::Null, Meta { span, ..meta });
        }
        let keyed = meta.keyed || self.work.key_definitions[index as usize];
        self.program.definitions[index as usize].used = true;
        self.program.add(Ir::Definition(index), Meta { keyed, span, ..meta })
    }

    fn text(&mut self, value: &str, span: Span) -> IrId {
        let text = self.program.add_text(value);
        self.program.add(Ir::Text(text), Self::constant(Type::Text, span))
    }

    /// Digits as SQL reads them, and the type that they have by themselves.
    fn number(&mut self, span: Span) -> IrId {
        let source = self.source;
        let text = span.text(source);
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        if plain && text.len() < 19 && (text.len() == 1 || !text.starts_with('0')) {
            return self.integer(text, span);
        }
        let ty = match (plain, text.parse::<i64>()) {
            (true, Ok(_)) => Type::Integer,
            (true, Err(_)) => Type::Decimal,
            (false, _) => Type::Point,
        };
        if !text.parse::<f64>().is_ok_and(f64::is_finite) || text.len() > 60 {
            self.report(
                Diagnostic::new(
                    Code::NumberTooLarge,
                    span,
                    format!("`{}` is more than a number can hold", self.source_text(span)),
                )
                .with_help("numbers have at most 60 digits and lie below 1.8e308"),
            );
            return self.error(span);
        }
        let as_it_is = match text.as_bytes() {
            [b'0', next, ..] => *next == b'.',
            [first, ..] => first.is_ascii_digit(),
            [] => false,
        };
        if as_it_is && !text.ends_with('.') && !text.bytes().any(|b| matches!(b, b'e' | b'E')) {
            let slice = self.program.add_text(text);
            return self.program.add(Ir::Number(slice), Self::constant(ty, span));
        }
        let mut digits = text.trim_start_matches('0').to_owned();
        if digits.is_empty() || !digits.starts_with(|c: char| c.is_ascii_digit()) {
            digits.insert(0, '0');
        }
        let digits = digits.trim_end_matches('.').replace(".e", "e").replace(".E", "e").replace('E', "e");
        let slice = self.program.add_text(&digits);
        self.program.add(Ir::Number(slice), Self::constant(ty, span))
    }

    fn sign(&mut self, sign: Sign, operand: ExprId, span: Span) -> IrId {
        let x = self.value(operand);
        let meta = self.program.meta(x);
        if self.is_error(x) {
            return x;
        }
        match (sign, self.program.node(x)) {
            (Sign::Minus, Ir::Number(slice)) => {
                let text = self.program.text(slice);
                let text = text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned);
                let slice = self.program.add_text(&text);
                self.program.add(Ir::Number(slice), Meta { span, ..meta })
            }
            // Two signs undo each other, which also keeps `--` out of the SQL.
            (Sign::Minus, Ir::Apply { args, overload }) if self.is_negation(overload) => self.program.args(args)[0],
            (Sign::Minus, _) => self.apply_checked(internal::NEGATE, &[x], span, "-"),
            (Sign::Plus, _) if meta.ty.is_number() || meta.ty == Type::Unknown => x,
            (Sign::Plus, _) => self.apply_checked(internal::NEGATE, &[x], span, "+"),
        }
    }

    fn is_negation(&self, overload: catalog::OverloadId) -> bool {
        catalog::get(internal::NEGATE).overloads.iter().any(|o| o.id == overload)
    }

    fn percent(&mut self, operand: ExprId, span: Span) -> IrId {
        let x = self.value(operand);
        if let Ir::Number(slice) = self.program.node(x)
            && let Some(text) = hundredth(self.program.text(slice))
        {
            let slice = self.program.add_text(&text);
            return self.program.add(Ir::Number(slice), Self::constant(Type::Point, span));
        }
        self.apply_checked(internal::PERCENT, &[x], span, "%")
    }

    fn binary(&mut self, op: BinaryOp, left: ExprId, right: ExprId, span: Span) -> IrId {
        let (mut a, mut b) = (self.value(left), self.value(right));
        if self.is_error(a) || self.is_error(b) || (self.broken && op.compares() && compares(self.ast, left)) {
            return self.error(span);
        }
        if op == BinaryOp::Concat {
            a = self.text_of(a);
            b = self.text_of(b);
            return self.apply_checked(internal::CONCAT, &[a, b], span, "&");
        }
        if op == BinaryOp::Divide && self.is_zero(b) {
            // The documented way to write an empty value.
            let meta = self.program.meta(a);
            let level = meta.level;
            let id = self.null(Type::Float, span);
            if level != Level::Const {
                *self.program.meta_mut(id) = Meta { ty: Type::Float, nullable: true, span, ..meta };
            }
            return id;
        }
        if self.scope.blank_zero {
            match op {
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => {
                    a = self.blank_as_zero(a);
                    b = self.blank_as_zero(b);
                }
                BinaryOp::Divide => a = self.blank_as_zero(a),
                _ => {}
            }
        }
        if let Some(value) = self.past_32_bits(op, a, b) {
            self.program.folded = true;
            return self.integer(&value.to_string(), span);
        }
        let function = FunctionId(
            match op {
                BinaryOp::Equal => internal::EQUAL,
                BinaryOp::NotEqual => internal::NOT_EQUAL,
                BinaryOp::Less => internal::LESS,
                BinaryOp::LessEqual => internal::LESS_EQUAL,
                BinaryOp::Greater => internal::GREATER,
                BinaryOp::GreaterEqual => internal::GREATER_EQUAL,
                BinaryOp::Concat => internal::CONCAT,
                BinaryOp::Add => internal::ADD,
                BinaryOp::Subtract => internal::SUBTRACT,
                BinaryOp::Multiply => internal::MULTIPLY,
                BinaryOp::Divide => internal::DIVIDE,
                BinaryOp::Power => internal::POWER,
            }
            .0,
        );
        self.apply_checked(function, &[a, b], span, op.symbol())
    }

    /// The value of arithmetic on integer literals where it is past 32 bits: engines read short literals as such
    /// integers, and `60 * 60 * 24 * 1000 * 30` would overflow.
    fn past_32_bits(&self, op: BinaryOp, a: IrId, b: IrId) -> Option<i64> {
        if [a, b].iter().any(|id| self.program.meta(*id).level != Level::Const) {
            return None;
        }
        let (a, b) = (self.constant_integer(a, 8)?, self.constant_integer(b, 8)?);
        let value = computed(op, a, b)?;
        i32::try_from(value).is_err().then_some(value)
    }

    /// The value of an integer literal, or of arithmetic on a few of them.
    fn constant_integer(&self, id: IrId, depth: u8) -> Option<i64> {
        let Ir::Apply { overload, args } = self.program.node(id) else { return self.literal_integer(id) };
        let [a, b] = *self.program.args(args) else { return None };
        let function = catalog::owner(overload);
        let op = [BinaryOp::Add, BinaryOp::Subtract, BinaryOp::Multiply]
            .into_iter()
            .zip([internal::ADD, internal::SUBTRACT, internal::MULTIPLY])
            .find_map(|(op, id)| (id == function).then_some(op))?;
        let depth = depth.checked_sub(1)?;
        computed(op, self.constant_integer(a, depth)?, self.constant_integer(b, depth)?)
    }

    fn is_zero(&self, id: IrId) -> bool {
        matches!(self.program.node(id), Ir::Number(slice)
            if self.program.text(slice).bytes().take_while(|b| *b != b'e').all(|b| matches!(b, b'0' | b'.' | b'-')))
    }

    fn blank_as_zero(&mut self, id: IrId) -> IrId {
        let meta = self.program.meta(id);
        if !meta.nullable || !meta.ty.is_number() {
            return id;
        }
        let zero = self.integer("0", meta.span);
        let args = self.program.add_args(&[id, zero]);
        self.program.add(Ir::Coalesce(args), Meta { nullable: false, ..meta })
    }

    fn timeframe(&mut self, base: IrId, frame: Span, span: Span) -> IrId {
        if self.is_error(base) {
            return base;
        }
        let name = frame.text(self.source);
        let function = match timeframe::find(name, frame) {
            Ok(Some(function)) => function,
            Ok(None) => return base,
            Err(diagnostic) => {
                self.report(diagnostic);
                return self.error(span);
            }
        };
        let id = self.apply_checked(function, &[base], span, name);
        if let Ir::Column(column) = self.program.node(base) {
            let is_key = self.names.keys.iter().any(|key| {
                matches!(key, Key::Timeframe(c, s) if *c == column && s.text(self.source).eq_ignore_ascii_case(name))
            });
            if is_key {
                self.program.meta_mut(id).keyed = true;
            }
        }
        id
    }

    /// The IR of a node, as a value: a marker that only an aggregate may take is reported.
    #[inline]
    pub(super) fn value(&mut self, id: ExprId) -> IrId {
        let lowered = self.lowered(id);
        if self.distinct && matches!(self.program.node(lowered), Ir::Distinct(_)) {
            return self.misplaced_distinct(id);
        }
        lowered
    }

    #[cold]
    fn misplaced_distinct(&mut self, id: ExprId) -> IrId {
        let span = self.ast.span(id);
        self.report(
            Diagnostic::new(Code::MisplacedDistinct, span, "`DISTINCT` stands only inside COUNT, SUM or AVERAGE")
                .with_help("write `COUNT(DISTINCT(x))`, or `COUNTUNIQUE(x)`"),
        );
        let error = self.error(span);
        self.work.lowered[id.index()] = error;
        error
    }

    /// The level that operands give what is made of them; a value per row beside one per group is reported.
    pub(super) fn joined(&mut self, args: &[IrId], span: Span, ty: Type, nullable: bool) -> Option<Meta> {
        let mut meta = Meta { nullable, ..Self::constant(ty, span) };
        for id in args {
            meta.take(&self.program.meta(*id));
        }
        if self.is_mixed(&meta) {
            let args = self.program.add_args(args);
            self.mixed_levels(args);
            return None;
        }
        Some(meta)
    }

    /// Whether it is made of values of rows beside values of groups.
    #[inline]
    pub(super) fn is_mixed(&self, meta: &Meta) -> bool {
        meta.level >= Level::Aggregate && self.grouped && !meta.keyed
    }

    #[cold]
    pub(super) fn mixed_levels(&mut self, args: Slice) {
        let args = &self.program.args(args).to_vec();
        let find = |aggregate: bool| {
            args.iter()
                .map(|a| self.program.meta(*a))
                .find(|m| if aggregate { m.level >= Level::Aggregate } else { m.level == Level::Row && !m.keyed })
        };
        let (Some(group), row) = (find(true), find(false)) else { return };
        // Both may be inside one operand only when that was reported before.
        let Some(row) = row else { return };
        let row_span = self.first_row_column(args).unwrap_or(row.span);
        let (group_text, row_text) = (self.source_text(group.span), self.source_text(row_span));
        let what = if group.level == Level::Window { "window" } else { "aggregate" };
        let aggregate = group_text.split('(').next().unwrap_or_default().trim().to_owned();
        let is_call = group_text.contains('(') && aggregate.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let shown = if is_call { aggregate } else { group_text };
        let wrap =
            if row.ty.is_number() { format!("`SUM({row_text})`") } else { format!("`COUNT(DISTINCT({row_text}))`") };
        self.report(
            Diagnostic::new(
                Code::MixedLevels,
                row_span,
                format!("{what} `{shown}` cannot be mixed with row-level column `{row_text}`"),
            )
            .with_label("one value per row")
            .with_other(group.span, "one value per group")
            .with_help(format!("aggregate it, for example {wrap}, or add it to `group_by`")),
        );
    }

    /// The first column among the operands, or below them, that is not grouped by.
    fn first_row_column(&self, args: &[IrId]) -> Option<Span> {
        let mut stack: Vec<IrId> = args.iter().rev().copied().collect();
        let mut steps = 0;
        while let Some(id) = stack.pop() {
            let meta = self.program.meta(id);
            steps += 1;
            if steps > 10_000 {
                return None;
            }
            if meta.level == Level::Row && !meta.keyed {
                match self.program.node(id) {
                    Ir::Column(_) | Ir::Definition(_) => return Some(meta.span),
                    _ => stack.extend(self.program.operands(id).rev()),
                }
            }
        }
        None
    }

    /// A value of groups, or one that looks at other rows, where there are neither yet: whether that is so. It is said
    /// once a definition.
    pub(super) fn late(&mut self, level: Level, span: Span) -> bool {
        match (level, self.role.forbids_windows(), self.scope.forbids_aggregates(self.role)) {
            (Level::Window, Some(_), _) => self.late_window(span),
            (Level::Aggregate, _, Some(_)) => self.late_aggregate(span),
            _ => return false,
        }
        true
    }

    #[cold]
    fn late_aggregate(&mut self, span: Span) {
        self.failed = true;
        let Some(place) = self.no_aggregates.take() else { return };
        let help = match self.role {
            Role::Where => "move it to `having`, which filters groups",
            Role::GroupBy => "compute it in an earlier step, then group by it",
            _ => "use the measure context, or a column of one row",
        };
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(Code::AggregateNotAllowed, span, format!("aggregate `{text}` is not allowed in {place}"))
                .with_help(help),
        );
    }

    #[cold]
    fn late_window(&mut self, span: Span) {
        self.failed = true;
        let Some(place) = self.no_windows.take() else { return };
        let text = self.source_text(span);
        let diagnostic = if self.role == Role::OrderBy {
            let message = format!("`{text}` looks at other rows, so it cannot give their order");
            Diagnostic::new(Code::WindowNotAllowed, span, message)
                .with_help("define it in this step and order by it in the next one")
        } else {
            let message = format!("`{text}` looks at other rows, which {place} cannot do in the same step");
            Diagnostic::new(Code::WindowNotAllowed, span, message)
                .with_help("define it in this step and filter or group in the next one")
        };
        self.report(diagnostic);
    }

    /// What the whole formula may be, by where it stands.
    fn finish(&mut self, root: IrId) -> IrId {
        let meta = self.program.meta(root);
        match self.program.node(root) {
            Ir::Distinct(_) => {
                self.report(
                    Diagnostic::new(
                        Code::MisplacedDistinct,
                        meta.span,
                        "`DISTINCT` stands only inside COUNT, SUM or AVERAGE",
                    )
                    .with_help("write `COUNT(DISTINCT(x))`, or `COUNTUNIQUE(x)`"),
                );
                return self.error(meta.span);
            }
            Ir::Error => return root,
            _ => {}
        }
        // The rows of a query are ordered by what its last select has: by names, or by values of its rows.
        let named = matches!(self.program.node(root), Ir::Definition(_) | Ir::Column(_));
        if self.role == Role::OrderBy && meta.level == Level::Aggregate && !named {
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::AggregateNotAllowed,
                    meta.span,
                    format!("`order_by` takes the names of columns and definitions, found `{text}`"),
                )
                .with_help(format!("define it, for example `sort_key = {text}`, and order by its name")),
            );
            return self.error(meta.span);
        }
        // Without a spec the names that are grouped by may not be said.
        let sorts = self.grouped && self.scope.strata;
        if meta.level == Level::Row
            && !meta.keyed
            && (self.role == Role::Having || (sorts && self.role.orders_groups()))
        {
            let (does, help) = match self.role {
                Role::Having => ("`having` filters", "move it to `where`, which filters rows"),
                Role::PartitionBy => ("`partition_by` divides", "aggregate it, or add it to `group_by`"),
                _ => ("`order_by` sorts", "aggregate it, or add it to `group_by`"),
            };
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::MixedLevels,
                    meta.span,
                    format!("{does} groups, and `{text}` is a value per row"),
                )
                .with_label("one value per row")
                .with_help(help),
            );
            return self.error(meta.span);
        }
        if matches!(self.role, Role::Where | Role::Having) {
            return self.condition(root);
        }
        self.alone(root);
        root
    }

    /// A literal with a point that nothing stands beside is a float.
    pub(super) fn alone(&mut self, id: IrId) {
        if self.program.meta(id).ty == Type::Point && matches!(self.program.node(id), Ir::Number(_)) {
            self.program.meta_mut(id).ty = Type::Float;
        }
    }

    pub(super) fn add_all(&mut self, make: impl FnOnce(Slice) -> Ir, args: &[IrId], meta: Meta) -> IrId {
        let slice = self.program.add_args(args);
        self.program.add(make(slice), meta)
    }
}

/// Whether a node compares two values.
pub(super) fn compares(ast: &Ast, id: ExprId) -> bool {
    matches!(ast.expr(id), Expr::Binary { op, .. } if op.compares())
}

fn computed(op: BinaryOp, a: i64, b: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Subtract => a.checked_sub(b),
        BinaryOp::Multiply => a.checked_mul(b),
        _ => None,
    }
}

/// A hundredth of a literal, by moving its point; none for one with an exponent.
fn hundredth(text: &str) -> Option<String> {
    if text.contains('e') {
        return None;
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |d| ("-", d));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{whole:0>3}");
    let (front, back) = padded.split_at(padded.len() - 2);
    let fraction = format!("{back}{fraction}");
    let fraction = fraction.trim_end_matches('0');
    let front = front.trim_start_matches('0');
    let front = if front.is_empty() { "0" } else { front };
    Some(if fraction.is_empty() { format!("{sign}{front}.0") } else { format!("{sign}{front}.{fraction}") })
}

#[cfg(test)]
mod tests {
    #[test]
    fn hundredths() {
        for (text, expected) in [
            ("50", "0.5"),
            ("5", "0.05"),
            ("100", "1.0"),
            ("12.5", "0.125"),
            ("-3", "-0.03"),
            ("1234", "12.34"),
            ("0", "0.0"),
        ] {
            assert_eq!(super::hundredth(text).as_deref(), Some(expected));
        }
    }
}
