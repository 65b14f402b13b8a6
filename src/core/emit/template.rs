//! Instantiation of templates: converts a template and its arguments to nodes of the SQL tree.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::numbers::split_exponent;
use super::{Emitter, find_template};
use crate::arena::Arena;
use crate::catalog::{self, FunctionId, ParamType, ResultType, internal};
use crate::dialect::op::Op;
use crate::dialect::part::{ArgumentMode, TemplatePart, TypeName};
use crate::dialect::{Cell, Template, TemplateShape};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;
use crate::sql::{Sql, SqlId, SqlSlice};
use crate::{Level, Type};

/// Scratch buffers for filling in templates. Nested templates share the buffers. The entries of a template follow the
/// entries of the enclosing template.
#[derive(Debug, Default)]
pub(super) struct TemplateBuffers {
    /// SQL node of each template part.
    pub locals: Arena<SqlId>,
    /// Parts that consist of several nodes because their parameter is repeated. Only lists accept such parts. Each
    /// entry contains the part's index and its range in `spread_ids`.
    spread: Vec<(usize, Range<usize>)>,
    spread_ids: Vec<SqlId>,
    /// Window for the calls in a template that contains `over`.
    pub window: Option<WindowSpec>,
    /// Names that occur in the template's arguments, such as `number_`. The aliases in the template must differ from
    /// these names.
    names: Vec<String>,
}

/// Contents of the parentheses after `over`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindowSpec {
    pub partition: SqlSlice,
    pub order: SqlSlice,
    pub rows: Option<SqlId>,
    /// Name of the window in the select's `window` clause that defines the partition and the order.
    pub name: Option<SqlId>,
}

impl WindowSpec {
    /// Applies the window to a call.
    pub fn apply_window(self, x: SqlId) -> Sql {
        let Self {
            partition,
            order,
            rows,
            name,
        } = self;
        match name {
            Some(name) => Sql::OverNamed { x, name, rows },
            None => Sql::Over {
                x,
                partition,
                order,
                rows,
            },
        }
    }
}

/// Operators whose result has the same numeric type as their operands.
const TYPE_PRESERVING_OPERATORS: [FunctionId; 4] =
    [internal::ADD, internal::SUBTRACT, internal::MULTIPLY, internal::NEGATE];

impl Emitter<'_> {
    #[inline(always)]
    pub(super) fn instantiate(
        &mut self,
        template: &'static Template,
        args: &[IrId],
        distinct: bool,
        span: Span,
    ) -> SqlId {
        match (template.shape, args) {
            (TemplateShape::Operator(op), [left, right]) if !distinct => {
                let (left, right) = (self.buffers.sql[left.index()], self.buffers.sql[right.index()]);
                self.buffers.tree.add_binary(op, left, right, span)
            }
            (TemplateShape::Call(name), _) if !distinct && args.len() == template.uses.len() => {
                let args = self.emit_operands(args);
                self.buffers.tree.add(Sql::Call { name, args }, span)
            }
            (TemplateShape::Call(name), [x]) if template.uses.len() == 1 => {
                let x = self.emit_distinct(self.buffers.sql[x.index()], span);
                self.buffers.tree.add_call(name, &[x], span)
            }
            _ => self.fill_template_parts(template, args, distinct, span),
        }
    }

    fn emit_distinct(&mut self, x: SqlId, span: Span) -> SqlId {
        let word = self.emit_word("distinct", span);
        let parts = self.buffers.tree.add_slice(&[word, x]);
        self.buffers.tree.add(Sql::Spaced(parts), span)
    }

    /// Fills in a template in one forward loop over its parts, because each part follows its operands.
    #[inline(never)]
    fn fill_template_parts(&mut self, template: &'static Template, args: &[IrId], distinct: bool, span: Span) -> SqlId {
        let base = self.buffers.template.locals.len();
        let spread = self.buffers.template.spread.len();
        let ids = self.buffers.template.spread_ids.len();
        let outer = if self.has_alias_names {
            Some(self.collect_names_resembling_aliases(args))
        } else {
            None
        };
        for part in template.parts {
            let id = match *part {
                TemplatePart::Arg { index, mode } => match args.get(index as usize) {
                    Some(arg) if distinct && index == 0 => {
                        let arg = self.emit_argument(*arg, mode, span);
                        self.emit_distinct(arg, span)
                    }
                    Some(arg) => self.emit_argument(*arg, mode, span),
                    None => self.emit_word("null", span),
                },
                TemplatePart::ArgList { index, mode } => {
                    let local_index = self.buffers.template.locals.len();
                    let first = self.buffers.template.spread_ids.len();
                    for arg in args.get(index as usize..).unwrap_or_default() {
                        let id = self.emit_argument(*arg, mode, span);
                        self.buffers.template.spread_ids.push(id);
                    }
                    let spread_range = first..self.buffers.template.spread_ids.len();
                    self.buffers.template.spread.push((local_index, spread_range));
                    let first = self.buffers.template.spread_ids.get(first).copied();
                    first.unwrap_or_else(|| self.emit_word("null", span))
                }
                TemplatePart::ArgJoin { index, mode, op } => {
                    let mut joined: Option<SqlId> = None;
                    for arg in args.get(index as usize..).unwrap_or_default() {
                        let right = self.emit_argument(*arg, mode, span);
                        joined = Some(match joined {
                            None => right,
                            Some(left) => self.buffers.tree.add_binary(op, left, right, span),
                        });
                    }
                    joined.unwrap_or_else(|| self.emit_word("null", span))
                }
                TemplatePart::Ordered {
                    parts,
                    first,
                    until,
                    by: order_arg,
                } => {
                    let is_same = args
                        .get(order_arg as usize)
                        .is_some_and(|order_node| self.program.meta(*order_node).level == Level::Const);
                    let left_out = if is_same { first as usize..until as usize } else { 0..0 };
                    self.write_spaced_argument_parts(parts, left_out, base, span)
                }
                _ => match self.reachable_coalesce_arguments(template, part, args) {
                    Some(values) => self.emit_reachable_coalesce_arguments(&values, base, span),
                    None => self.fill_template_part(part, base, spread, span),
                },
            };
            self.buffers.template.locals.push(id);
        }
        let root = self.buffers.template.locals.as_slice().last().copied();
        self.buffers.template.locals.truncate(base);
        self.buffers.template.spread.truncate(spread);
        self.buffers.template.spread_ids.truncate(ids);
        if let Some(outer) = outer {
            self.buffers.template.names = outer;
        }
        root.unwrap_or_else(|| self.emit_word("null", span))
    }

    /// Collects the names in the arguments that could be confused with aliases of templates. Returns the previously
    /// collected names, which belong to the enclosing template.
    #[cold]
    fn collect_names_resembling_aliases(&mut self, args: &[IrId]) -> Vec<String> {
        let program = self.program;
        // Join keys have SQL but no node in the program.
        let is_node = |id: &IrId| id.index() < program.len();
        let mut open: Vec<IrId> = args.iter().copied().filter(is_node).collect();
        let mut seen = FxHashSet::default();
        // The aliases of the enclosing template are also in scope in a nested template.
        let mut names = self.buffers.template.names.clone();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let name = match program.node(id) {
                Ir::Column(column) => Some(&*program.columns[column as usize].name),
                Ir::Definition(definition_index) => {
                    let definition = &program.definitions[definition_index as usize];
                    open.push(definition.root);
                    definition.name.as_deref()
                }
                _ => None,
            };
            names.extend(
                name.filter(|name| resembles_template_alias(name))
                    .map(str::to_lowercase),
            );
            open.extend(program.operands(id));
        }
        std::mem::replace(&mut self.buffers.template.names, names)
    }

    /// Writes the parts of a call's argument, separated by spaces. Omits the parts in `left_out`.
    fn write_spaced_argument_parts(&mut self, parts: &[u16], left_out: Range<usize>, base: usize, span: Span) -> SqlId {
        let locals = &self.buffers.template.locals;
        let kept_parts = parts.iter().enumerate().filter(|(index, _)| !left_out.contains(index));
        let kept_nodes: Vec<SqlId> = kept_parts.map(|(_, part)| locals[base + *part as usize]).collect();
        match *kept_nodes {
            [single_node] => single_node,
            _ => {
                let node_slice = self.buffers.tree.add_slice(&kept_nodes);
                self.buffers.tree.add(Sql::Spaced(node_slice), span)
            }
        }
    }

    fn emit_word(&mut self, word: &'static str, span: Span) -> SqlId {
        self.buffers.tree.add_word(word, span)
    }

    /// Adds the nodes of the given parts to the tree as a list.
    fn emit_list(&mut self, items: &[u16], base: usize, spread: usize) -> SqlSlice {
        let TemplateBuffers {
            locals,
            spread: several,
            spread_ids,
            ..
        } = &self.buffers.template;
        let several = several.get(spread..).unwrap_or_default();
        let tree = &mut self.buffers.tree;
        if several.is_empty() {
            return tree.add_list(items.iter().map(|item| locals[base + *item as usize]));
        }
        tree.add_list(items.iter().flat_map(|item| {
            let local_index = base + *item as usize;
            match several.iter().find(|(index, _)| *index == local_index) {
                Some((_, ids)) => spread_ids.get(ids.clone()).unwrap_or_default(),
                None => locals.range(local_index..local_index + 1),
            }
            .iter()
            .copied()
        }))
    }

    /// Returns simpler SQL for a call that guards against a division by zero, if the divisor is never zero. Otherwise
    /// removes `coalesce` from the divisor.
    fn simplify_division(&mut self, name: &str, args: SqlSlice, span: Span) -> Option<SqlId> {
        let facts = self.dialect.facts();
        if name == facts.null_if {
            if let Some(operand) = self.strip_redundant_nullif(args) {
                return Some(operand);
            }
            self.remove_coalesce(args, 0);
        } else if name == facts.safe_divide {
            if let [left, right] = *self.buffers.tree.args(args)
                && self.is_literal_of_at_least_one(right)
            {
                return Some(self.buffers.tree.add_binary(Op::Divide, left, right, span));
            }
            self.remove_coalesce(args, 1);
        }
        None
    }

    fn fill_template_part(&mut self, part: &TemplatePart, base: usize, spread: usize, span: Span) -> SqlId {
        let locals = &self.buffers.template.locals;
        let node_at = |i: u16| locals[base + i as usize];
        let tree = &mut self.buffers.tree;
        match *part {
            // If a user's column has the same name as an alias, the column keeps its name and the alias is renamed.
            TemplatePart::Word(word) if self.buffers.template.names.iter().any(|name| name == word) => {
                let alias = unused_alias(word, &self.buffers.template.names);
                tree.add_text(span, |out| out.push_str(&alias))
            }
            TemplatePart::Word(word) => tree.add_word(word, span),
            TemplatePart::Number(digits) => tree.add_text(span, |out| out.push_str(digits)),
            TemplatePart::Text(value) => tree.add_text(span, |out| self.dialect.push_text(out, value)),
            TemplatePart::Call { name, args } => {
                let args = self.emit_list(args, base, spread);
                if let Some(simplified) = self.simplify_division(name, args, span) {
                    return simplified;
                }
                self.buffers.tree.add(Sql::Call { name, args }, span)
            }
            TemplatePart::Binary { op, left, right } => {
                let (left, right) = (node_at(left), node_at(right));
                if let Some(sum) = self.fold_literal_arithmetic(op, left, right) {
                    return self.buffers.tree.add_text(span, |out| out.push_str(&sum.to_string()));
                }
                if let Some(interval) = self.merge_interval_count(op, left, right, span) {
                    return interval;
                }
                let (op, right) = self.remove_negative_sign(op, right, span);
                self.buffers.tree.add(Sql::Binary { op, left, right }, span)
            }
            TemplatePart::Not(x) => tree.add(Sql::Not(node_at(x)), span),
            TemplatePart::Negative(x) => tree.add(Sql::Negative(node_at(x)), span),
            TemplatePart::Postfix { op, x } => tree.add(Sql::Postfix { op, x: node_at(x) }, span),
            TemplatePart::In { x, negated, args } => {
                let x = node_at(x);
                let args = self.emit_list(args, base, spread);
                self.buffers.tree.add(Sql::In { x, negated, args }, span)
            }
            TemplatePart::Between { x, low, high } => tree.add(
                Sql::Between {
                    x: node_at(x),
                    low: node_at(low),
                    high: node_at(high),
                },
                span,
            ),
            TemplatePart::Case(arms) => {
                let arms = self.emit_list(arms, base, spread);
                self.buffers.tree.add(Sql::Case { subject: None, arms }, span)
            }
            TemplatePart::Cast { name, x, ty } => {
                let ty = match ty {
                    TypeName::Neutral(index) => self.dialect.neutral_type(index),
                    TypeName::Native(name) => name,
                };
                tree.add(
                    Sql::Cast {
                        name,
                        x: node_at(x),
                        ty,
                    },
                    span,
                )
            }
            TemplatePart::Spaced(parts) => {
                let parts = self.emit_list(parts, base, spread);
                self.buffers.tree.add(Sql::Spaced(parts), span)
            }
            TemplatePart::Paren(x) => tree.add(Sql::Paren(node_at(x)), span),
            TemplatePart::List(items) => {
                let items = self.emit_list(items, base, spread);
                self.buffers.tree.add(Sql::List(items), span)
            }
            TemplatePart::Bracket(items) => {
                let items = self.emit_list(items, base, spread);
                self.buffers.tree.add(Sql::Bracket(items), span)
            }
            TemplatePart::Subscript { x, index } => tree.add(
                Sql::Subscript {
                    x: node_at(x),
                    index: node_at(index),
                },
                span,
            ),
            // Emit the call without a window until its window is known.
            TemplatePart::Over(x) => match self.buffers.template.window {
                Some(window) => tree.add(window.apply_window(node_at(x)), span),
                None => node_at(x),
            },
            TemplatePart::Arg { .. }
            | TemplatePart::ArgList { .. }
            | TemplatePart::ArgJoin { .. }
            | TemplatePart::Ordered { .. } => tree.add_word("null", span),
        }
    }

    /// Replaces `nullif(coalesce(x, 0), 0)` with `nullif(x, 0)`. Simplifies the divisor of a safe division in the same
    /// way, because a safe division returns NULL if the divisor is 0 or NULL. `index` is the index of the argument for
    /// which 0 and NULL are equivalent.
    fn remove_coalesce(&mut self, args: SqlSlice, index: u32) {
        let tree = &mut self.buffers.tree;
        if let Some(x) = tree.args(args).get(index as usize)
            && let Sql::Call {
                name: "coalesce",
                args: inner,
            } = tree.node(*x)
            && let [value, default] = *tree.args(*inner)
            && (tree.is_text(default, "0")
                || tree
                    .args(args)
                    .iter()
                    .any(|other| tree.node(*other) == tree.node(default)))
        {
            tree.args[(args.first + index) as usize] = value;
        }
    }

    /// Replaces `x + -3` with `x - 3` if the right operand is a literal.
    fn remove_negative_sign(&mut self, op: Op, right: SqlId, span: Span) -> (Op, SqlId) {
        let opposite = match op {
            Op::Add => Op::Subtract,
            Op::Subtract => Op::Add,
            _ => return (op, right),
        };
        let Sql::Text { first, len } = *self.buffers.tree.node(right) else {
            return (op, right);
        };
        let digits = self.buffers.tree.str(first, len).strip_prefix('-');
        if !digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')) {
            return (op, right);
        }
        (
            opposite,
            self.buffers.tree.add(
                Sql::Text {
                    first: first + 1,
                    len: len - 1,
                },
                span,
            ),
        )
    }

    /// Replaces `3 * interval '1 month'` with `interval '3 months'` if the count is a literal.
    fn merge_interval_count(&mut self, op: Op, count: SqlId, interval: SqlId, span: Span) -> Option<SqlId> {
        let tree = &self.buffers.tree;
        let (Op::Multiply, Sql::Text { first, len }, Sql::Spaced(parts)) =
            (op, *tree.node(count), *tree.node(interval))
        else {
            return None;
        };
        let count = tree.str(first, len).parse::<i64>().ok()?;
        let [word, unit] = *tree.args(parts) else { return None };
        let (Sql::Word("interval"), Sql::Text { first, len }) = (*tree.node(word), *tree.node(unit)) else {
            return None;
        };
        let unit = tree.str(first, len).strip_prefix("'1 ")?.strip_suffix('\'')?;
        let plural = if count.unsigned_abs() == 1 { "" } else { "s" };
        let interval_text = unit
            .bytes()
            .all(|b| b.is_ascii_lowercase())
            .then(|| format!("interval '{count} {unit}{plural}'"))?;
        Some(self.buffers.tree.add_text(span, |out| out.push_str(&interval_text)))
    }

    /// Returns the `x` of `nullif(x, 0)` if `x` is a literal other than 0, such as 12, or a product of such literals,
    /// such as `60 * 60`.
    fn strip_redundant_nullif(&self, args: SqlSlice) -> Option<SqlId> {
        let tree = &self.buffers.tree;
        let [x, zero] = tree.args(args) else { return None };
        let not_zero = |id: SqlId| {
            let Sql::Text { first, len } = *tree.node(id) else {
                return false;
            };
            let text = tree.str(first, len);
            // The literal of a float may be a cast, such as `cast(100.0 as double)`.
            let number = text.strip_prefix(self.dialect.forms().float.before).unwrap_or(text);
            let digits = number.strip_prefix('-').unwrap_or(number).bytes();
            digits
                .take_while(|b| b.is_ascii_digit() || *b == b'.')
                .any(|b| b != b'0' && b != b'.')
        };
        let mut sql = *x;
        while let Sql::Binary {
            op: Op::Multiply,
            left: more,
            right,
        } = *tree.node(sql)
        {
            if !not_zero(right) {
                return None;
            }
            sql = more;
        }
        let is_guarded = not_zero(sql) || self.is_positive_literal(sql);
        (is_guarded && tree.is_text(*zero, "0")).then_some(*x)
    }

    /// Returns the SQL of an argument, converted as the template's placeholder requires.
    #[inline]
    fn emit_argument(&mut self, arg: IrId, mode: ArgumentMode, span: Span) -> SqlId {
        match mode {
            ArgumentMode::Plain => self.buffers.sql[arg.index()],
            _ => self.emit_converted_argument(arg, mode, span),
        }
    }

    fn emit_converted_argument(&mut self, arg: IrId, mode: ArgumentMode, span: Span) -> SqlId {
        let sql = self.buffers.sql[arg.index()];
        let meta = self.program.meta(arg);
        match mode {
            ArgumentMode::Plain => sql,
            ArgumentMode::Convert(function) if self.is_already_rounded(FunctionId(function), arg) => sql,
            ArgumentMode::Convert(function) => {
                let function = FunctionId(function);
                let result_type = catalog::get(function).overloads.first().map(|o| o.result);
                match result_type {
                    Some(ResultType::Is(ty)) if ty == meta.ty => sql,
                    // Every type can be cast to text.
                    Some(ResultType::Is(Type::Text)) if meta.ty == Type::Unknown => {
                        self.add_cast(sql, Type::Text, span)
                    }
                    Some(ResultType::Is(Type::Decimal)) => match self.numeric_type(arg) {
                        Some(Type::Decimal) if self.is_cast_to_float(sql) => {
                            self.emit_conversion(function, arg, meta, span)
                        }
                        Some(Type::Decimal) => sql,
                        Some(_) => self.add_cast(sql, Type::Decimal, span),
                        None => self.emit_conversion(function, arg, meta, span),
                    },
                    _ => self.emit_conversion(function, arg, meta, span),
                }
            }
            ArgumentMode::Or(_) if !meta.nullable => sql,
            ArgumentMode::Word => match self.program.node(arg) {
                Ir::Text(slice) if self.program.text(slice).bytes().all(|b| b.is_ascii_alphabetic()) => {
                    let program = self.program;
                    self.buffers
                        .tree
                        .add_text(span, |out| out.push_str(program.text(slice)))
                }
                _ => sql,
            },
            ArgumentMode::Tens | ArgumentMode::Tenths => match self.program.node(arg) {
                Ir::Number(digits) => {
                    let digits = self.program.text(digits).trim_start_matches('-').parse().unwrap_or(0);
                    let tenths = mode == ArgumentMode::Tenths && digits > 0;
                    let zeros = |out: &mut String, count: u8| (0..count).for_each(|_| out.push('0'));
                    self.buffers.tree.add_text(span, |out| {
                        if tenths {
                            out.push_str("0.");
                            zeros(out, digits - 1);
                        }
                        out.push('1');
                        if !tenths {
                            zeros(out, digits);
                        }
                    })
                }
                _ => sql,
            },
            ArgumentMode::Scale => match self.program.node(arg) {
                Ir::Number(digits) => {
                    let scale = decimal_places(self.program.text(digits));
                    self.buffers.tree.add_text(span, |out| out.push_str(&scale.to_string()))
                }
                _ => sql,
            },
            ArgumentMode::Literal => self.emit_constant_text(arg, span),
            ArgumentMode::Character => match self.program.character(arg) {
                Some(character) => self.add_text_literal(character.encode_utf8(&mut [0; 4]), span),
                None => sql,
            },
            ArgumentMode::Or(function) | ArgumentMode::Call(function) => {
                self.emit_conversion(FunctionId(function), arg, meta, span)
            }
        }
    }

    /// Adds a cast of an expression to a type.
    pub(super) fn add_cast(&mut self, x: SqlId, ty: Type, span: Span) -> SqlId {
        let ty = self.dialect.type_name(ty);
        self.buffers.tree.add(Sql::Cast { name: "cast", x, ty }, span)
    }

    /// Returns the numeric type of the result, if the dialect's template specifies the type. The results of `+`, `-`,
    /// `*`, COALESCE and branches have a type if each operand has that type or is exact.
    fn numeric_type(&self, id: IrId) -> Option<Type> {
        let mut number_type = None;
        let (mut next, mut open) = (Some(id), Vec::new());
        // Check at most 32 nodes, because the expression may contain many nodes.
        let mut left = 32;
        while let Some(id) = next.take().or_else(|| open.pop()) {
            left -= 1;
            let id = self.unwrap_window(self.program.resolve_references(id));
            let ty = find_template(self.dialect, self.program.node(id)).and_then(|template| template.result_type);
            let exact = matches!(self.program.meta(id).ty, Type::Integer | Type::Decimal);
            match (ty, self.program.node(id)) {
                (Some(Type::Decimal), _) => number_type = number_type.or(Some(Type::Decimal)),
                (Some(_), _) => return ty.filter(|_| left == 31),
                _ if exact => {}
                (None, Ir::Apply { overload, args })
                    if TYPE_PRESERVING_OPERATORS.contains(&catalog::overload_owner(overload)) =>
                {
                    open.extend(self.program.args(args));
                }
                (None, Ir::Coalesce(args)) => open.extend(self.program.args(args)),
                (None, Ir::Case(arms)) => open.extend(self.program.branches(arms)),
                (None, Ir::Switch { arms, .. }) => open.extend(self.program.branches(arms)),
                (None, Ir::Null) => {}
                _ => return None,
            }
            if open.len() > left {
                return None;
            }
        }
        number_type
    }

    /// Returns whether the conversion to significant digits can be omitted, because the number is rounded.
    fn is_already_rounded(&self, conversion: FunctionId, id: IrId) -> bool {
        let rounding_functions = [internal::ROUND, internal::ROUNDUP, internal::ROUNDDOWN];
        conversion == internal::TO_SIGNIFICANT
            && match self.program.node(self.program.resolve_references(id)) {
                Ir::Apply { overload, .. } => rounding_functions.contains(&catalog::overload_owner(overload)),
                _ => false,
            }
    }

    /// Emits a call to an internal function that has one argument.
    fn emit_conversion(&mut self, function: FunctionId, arg: IrId, meta: NodeMeta, span: Span) -> SqlId {
        let literal = match self.program.node(arg) {
            Ir::Number(slice) if meta.ty == Type::Integer => self.program.text(slice).parse::<i64>().ok(),
            _ => None,
        };
        let fits = |ty: ParamType| match ty {
            ParamType::Literal(low, high) => literal.is_some_and(|n| (low..=high).contains(&n)),
            ParamType::Is(ty) => ty == meta.ty.sql_type() || (meta.ty == Type::Point && ty == Type::Float),
            ParamType::Number => meta.ty.is_number(),
            ParamType::Positive | ParamType::Negative => false,
            ParamType::Temporal => meta.ty.is_temporal(),
            ParamType::Any | ParamType::Same => true,
        };
        let is_literal = |ty: ParamType| matches!(ty, ParamType::Literal(..));
        let overloads = catalog::get(function).overloads;
        let overload_for = |literal: bool| {
            overloads.iter().find(|o| {
                o.params
                    .first()
                    .is_some_and(|p| is_literal(p.ty) == literal && fits(p.ty))
            })
        };
        // If the type of the value is unknown, use the most general overload.
        let last_number = || {
            overloads.iter().rfind(|o| {
                o.params
                    .first()
                    .is_some_and(|p| matches!(p.ty, ParamType::Is(ty) if ty.is_number()) || p.ty == ParamType::Number)
            })
        };
        let Some(overload) = overload_for(true).or_else(|| overload_for(false)).or_else(last_number) else {
            return self.buffers.sql[arg.index()];
        };
        match (overload.result, self.program.node(arg)) {
            (ResultType::Is(Type::Decimal), Ir::Number(digits)) if is_short_decimal(self.program.text(digits)) => {
                let program = self.program;
                return self.emit_number(program.text(digits), Type::Decimal, span);
            }
            _ => {}
        }
        match self.dialect.cell(overload.id) {
            Cell::Template(template) => {
                let inner = [arg];
                self.instantiate(template, &inner, false, span)
            }
            _ => self.buffers.sql[arg.index()],
        }
    }
}

/// Returns whether a column with this name could be confused with an alias in a template. All aliases in templates end
/// in `_`.
pub(super) fn resembles_template_alias(name: &str) -> bool {
    name.ends_with('_')
}

/// Returns the alias `word` with underscores, so that it differs from all names.
fn unused_alias(word: &str, names: &[String]) -> String {
    let mut alias = format!("{word}_");
    while names.contains(&alias) {
        alias.push('_');
    }
    alias
}

/// Returns whether every dialect can represent the number as a decimal without rounding.
fn is_short_decimal(digits: &str) -> bool {
    digits.len() < 10 && digits.contains('.') && split_exponent(digits).is_none()
}

/// Returns the number of digits after the decimal point: 2 for `0.25`, 3 for `1e-3`.
fn decimal_places(digits: &str) -> i64 {
    let (digits, exponent) = split_exponent(digits).unwrap_or((digits, "0"));
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    (behind as i64).saturating_sub(exponent.parse().unwrap_or(0)).max(0)
}
