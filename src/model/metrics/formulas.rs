//! Analyzes the formulas of metric sets and of models built on metric sets: their names, aggregates and windows.

use std::ops::Range;

use formulac_syntax::lex::quote_formula_name;
use rustc_hash::FxHashMap;

use crate::ast::{Ast, Expr};
use crate::check::{self, CheckScope, Context, DefinitionRole, WindowUnit, find_window_unit};
use crate::checks::check_unnamed_formulas;
use crate::compiler::Compiler;
use crate::diag::Diagnostic;
use crate::formulas::StepFormulas;
use crate::hidden_periods::{RowCondition, find_earlier_period_read, row_conditions};
use crate::ir::{Ir, IrId, Program, WindowFrame};
use crate::load::{SpannedText, Step, StepDefinitions};
use crate::parse;
use crate::schema::Relation;
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::time_range::CalendarDuration;
use crate::time_tracer::{calendar_range_distances, shift_distances};
use crate::window_extent::WindowExtent;
use crate::yaml::Node;
use crate::{Level, Type};

/// Name in a formula.
#[derive(Clone, Debug)]
pub struct NameOccurrence {
    /// Byte range of the reference to the column or definition, without a timeframe.
    pub range: Range<usize>,
    pub qualifier: Option<String>,
    pub name: String,
    /// Timeframe of the name, such as `[month]`. Empty if the name has no timeframe.
    pub frame: String,
    /// Whether the range contains the timeframe, as in `${ordered_at[month]}`.
    pub contains_frame: bool,
}

impl NameOccurrence {
    /// Returns the byte range of the name with its timeframe.
    pub fn range_with_timeframe(&self) -> Range<usize> {
        let after = if self.contains_frame { 0 } else { self.frame.len() };
        self.range.start..self.range.end + after
    }

    /// Returns the text that replaces the name's range: a new name with the same timeframe.
    pub fn replacement_text(&self, name: &str) -> String {
        let name = quote_formula_name(name);
        if self.contains_frame { name + &self.frame } else { name }
    }
}

/// Call that aggregates rows, in a formula.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub range: Range<usize>,
    /// Lower-case name of the function.
    pub function: String,
    /// Value of the call if there are no rows, as a formula. `None` if the value is NULL.
    pub empty: Option<&'static str>,
}

/// Formula of a step or a metric set.
#[derive(Clone, Debug)]
pub struct MetricFormula {
    /// Defined name. Empty for conditions and keys.
    pub name: String,
    pub role: DefinitionRole,
    pub text: String,
    /// Offset in the file for each byte of the text.
    pub offsets: Vec<u32>,
    /// Span of the definition in the file.
    pub span: Span,
    pub description: Option<String>,
    /// dbt keys of the definition, as YAML: `data_tests`, `meta`.
    pub keys: Vec<(&'static str, Node)>,
    pub names: Vec<NameOccurrence>,
    /// Whether the formula needs parentheses to be an operand.
    pub is_operation: bool,
    pub level: Level,
    /// Whether the formula, or a formula that it uses, contains an error.
    pub is_broken: bool,
    /// Whether a window of the formula depends on the order of rows.
    pub is_ordered: bool,
    /// Whether a window of the formula, such as RANK, is ordered by its own argument.
    pub is_ranked: bool,
    /// Calls that read all rows of their partition without an order, such as `SUM(x:x)`.
    pub totals: Vec<Range<usize>>,
    /// Outermost calls that aggregate the rows of a group.
    pub aggregates: Vec<AggregateCall>,
    /// Whether the formula is a sort key in descending order.
    pub descending: bool,
    /// Conditions of a filter that may remove earlier rows, with spans in the file.
    pub conditions: Vec<RowCondition>,
    /// Byte range of the formula's first call or range that reads earlier periods.
    pub look_back: Option<Range<usize>>,
    /// Calendar units of the formula's windows.
    pub window_units: Vec<WindowUnit>,
    /// Windows that read rows of other periods, each with its byte range in the formula.
    pub window_extents: Vec<(WindowExtent, Range<usize>)>,
    /// Longest time by which the formula's windows look back. `None` if they may read rows from any time.
    pub lookback_duration: Option<CalendarDuration>,
}

impl MetricFormula {
    /// Returns the name if the formula consists only of the name of a column or definition, without a timeframe.
    pub fn only_name(&self) -> Option<&str> {
        let [name] = self.names.as_slice() else { return None };
        let text = self.text.get(name.range.clone()).filter(|_| name.frame.is_empty())?;
        let is_outside = |c: char| c.is_whitespace() || matches!(c, '(' | ')');
        (text == self.text.trim_matches(is_outside)).then_some(text)
    }
}

/// Parses and checks the formulas of a step. Names that the step does not define are columns. Returns the formulas and
/// the diagnostics of the parser and of the checker, with spans in the file.
pub fn analyze(compiler: &Compiler, step: &Step<'_>, source: &str) -> (Vec<MetricFormula>, Vec<Diagnostic>) {
    let scope = AnalysisScope {
        relations: &[],
        types: &compiler.options.given_types,
        is_descending: false,
    };
    analyze_in_scope(compiler, step, source, &scope)
}

/// Information about the step whose formulas are analyzed.
pub struct AnalysisScope<'a> {
    /// Relations of the columns. If there are none, names that the step does not define are columns of unknown
    /// relations.
    pub relations: &'a [Relation],
    /// Types of columns by lower-case name.
    pub types: &'a [(String, Type)],
    /// Whether to assume a descending order by date if the step has no order.
    pub is_descending: bool,
}

/// Analyzes the formulas of a step like [`analyze`].
pub fn analyze_in_scope(
    compiler: &Compiler,
    step: &Step<'_>,
    source: &str,
    analysis_scope: &AnalysisScope<'_>,
) -> (Vec<MetricFormula>, Vec<Diagnostic>) {
    // Calendar ranges need a date as the sort key. Only the keys of a model determine this date, so `TODAY()`
    // represents it here.
    let date = if analysis_scope.is_descending {
        "TODAY() desc"
    } else {
        "TODAY()"
    };
    let date = Node::plain_scalar(date);
    let has_order = !step.order_by.is_empty();
    let text = date.text().filter(|_| !has_order);
    let mut dated: Step<'_> = step.clone();
    dated
        .order_by
        .extend(text.map(|text| SpannedText { text, node: &date }));
    let formulas = StepFormulas::new(&dated, source);
    let mut diagnostics = Vec::new();
    let mut analyzed = compiler.pool.with_compile_memory(|memory| {
        let CompileMemory {
            parse,
            ast,
            check,
            program,
            ..
        } = memory;
        let options = &compiler.options;
        formulas.parse(&options.limits, parse, ast, &mut diagnostics);
        let scope = CheckScope {
            open: true,
            are_unknown_names_columns: true,
            descending: &formulas.descending,
            timezone: Some("UTC"),
            calendar: crate::calendar::Calendar {
                fiscal_month_offset: Some(options.calendar.fiscal_month_offset.unwrap_or_default()),
                ..options.calendar
            },
            has_empty_groups: true,
            given_types: analysis_scope.types,
            ..options.check_scope(Context::Measure, analysis_scope.relations, &formulas.roles)
        };
        check::check(ast, &formulas.text, &scope, check, program, &mut diagnostics);
        check_unnamed_formulas(ast, &formulas, &mut diagnostics);
        let mut analyzed = metric_formulas(ast, program, &formulas, step);
        analyzed.retain(|formula| formula.role != DefinitionRole::Definitions || !formula.name.is_empty());
        analyzed
    });
    analyzed.retain(|formula| has_order || formula.role != DefinitionRole::OrderBy);
    let file_diagnostics = diagnostics.into_iter().map(|d| formulas.map_to_file(d));
    (analyzed, file_diagnostics.collect())
}

fn metric_formulas(ast: &Ast, program: &Program, formulas: &StepFormulas<'_>, step: &Step<'_>) -> Vec<MetricFormula> {
    // Nodes of arguments without effect, such as `x` in `COALESCE(COUNT(), x)`, may follow the root. Expand their text
    // too.
    let mut starts: Vec<u32> = program
        .definitions
        .iter()
        .map(|definition| definition.first.0)
        .collect();
    starts.sort_unstable();
    let nodes_from = |first: IrId| {
        let next = starts.get(starts.partition_point(|start| *start <= first.0));
        first.0..next.copied().unwrap_or(program.len() as u32)
    };
    let definition_pairs = ast.definitions.iter().zip(&program.definitions);
    let analyzed_formulas = definition_pairs.map(|(parsed, checked)| {
        let part = parsed.part as usize;
        let role = formulas.roles.get(part).copied().unwrap_or(DefinitionRole::Definitions);
        let body = ast.span(parsed.body);
        // The span of an expression excludes the brackets around it, so use the span of the whole part or definition.
        let full_span = match (formulas.parts.get(part), parsed.name) {
            (Some(part), _) if part.name.is_some() || parsed.name.is_none() => part.span,
            (_, Some(name)) => Span::new(name.end, parsed.span.end.max(body.end)),
            (_, None) => body,
        };
        let range = formula_range(&formulas.text, full_span);
        let text = formulas.text.get(range.clone()).unwrap_or_default();
        let offsets = range
            .clone()
            .map(|offset| formulas.to_file_span(Span::new(offset as u32, offset as u32 + 1)).start);
        let within = |span: Span| {
            let start = (span.start as usize).saturating_sub(range.start);
            start..(span.end as usize).saturating_sub(range.start).max(start)
        };
        let name = parsed.name.map_or("", |name| name.text(&formulas.text));
        let mut formula = MetricFormula {
            name: name.to_owned(),
            role,
            text: text.to_owned(),
            offsets: offsets.collect(),
            span: formulas.to_file_span(parsed.span),
            description: formulas.descriptions.get(part).cloned().flatten(),
            keys: Vec::new(),
            names: names_used(ast, parsed, &formulas.text, within),
            is_operation: is_operation(ast.expr(parsed.body)),
            level: program.meta(checked.root).level,
            is_broken: checked.failed || parsed.broken,
            is_ordered: false,
            is_ranked: false,
            totals: Vec::new(),
            aggregates: Vec::new(),
            descending: formulas.descending.get(part).copied().unwrap_or_default(),
            conditions: Vec::new(),
            look_back: find_earlier_period_read(program, checked.first, checked.root).map(within),
            window_units: Vec::new(),
            window_extents: Vec::new(),
            lookback_duration: None,
        };
        if role == DefinitionRole::Where && !checked.failed {
            let mut conditions = row_conditions(program, checked.root, &formulas.text);
            conditions
                .iter_mut()
                .for_each(|row_condition| row_condition.span = formulas.to_file_span(row_condition.span));
            formula.conditions = conditions;
        }
        if formula.description.is_none() && role == DefinitionRole::Definitions {
            formula.description = parse::description(&formulas.text, parsed.span.start);
        }
        for definition in &step.definitions {
            if let StepDefinitions::Named { name: key, keys, .. } = definition
                && key.text == name
            {
                let nodes = [("data_tests", keys.data_tests), ("meta", keys.meta)];
                formula.keys = nodes
                    .into_iter()
                    .filter_map(|(key, node)| Some((key, node?.clone())))
                    .collect();
            }
        }
        let nodes = nodes_from(checked.first);
        record_window_kinds(program, nodes.clone(), within, &mut formula);
        record_aggregate_calls(program, nodes, ast, &formulas.text, within, &mut formula);
        formula
    });
    analyzed_formulas.collect()
}

/// Returns the byte range of a formula without the preceding `=` and surrounding spaces.
fn formula_range(text: &str, span: Span) -> Range<usize> {
    let span_text = span.text(text);
    let end = span.start as usize + span_text.trim_end().len();
    let inner = span_text.trim_start();
    let inner = inner.strip_prefix('=').unwrap_or(inner).trim_start();
    let start = span.end as usize - inner.len();
    start..end.max(start)
}

/// Returns the names that are defined by LET calls in a part of the text. The last argument of LET is its result.
pub fn let_variable_names<'t>(ast: &Ast, text: &'t str, within: Span) -> Vec<&'t str> {
    let calls = ast.calls.iter().filter(|call| within.contains(call.name));
    let calls = calls.filter(|call| call.name.text(text).eq_ignore_ascii_case("let"));
    let pairs = calls.filter_map(|call| Some(ast.arguments(*call).split_last()?.1));
    let names = pairs.flat_map(|pairs| pairs.iter().step_by(2));
    let names = names.filter(|id| ast.expr(**id) == Expr::Name);
    names.map(|id| ast.span(*id).text(text)).collect()
}

/// Returns the names that a definition uses, in source order. Names that LET defines are omitted.
fn names_used(
    ast: &Ast,
    definition: &crate::ast::Definition,
    text: &str,
    within: impl Fn(Span) -> Range<usize>,
) -> Vec<NameOccurrence> {
    let bound = let_variable_names(ast, text, definition.span);
    let mut names = Vec::new();
    for (expr, span) in ast.nodes_of(definition) {
        match expr {
            Expr::Name => {
                let name = span.text(text);
                if !bound.iter().any(|bound| bound.eq_ignore_ascii_case(name)) {
                    names.push(NameOccurrence {
                        range: within(*span),
                        qualifier: None,
                        name: name.to_owned(),
                        frame: timeframe_text_after(text, *span),
                        contains_frame: false,
                    });
                }
            }
            Expr::Field | Expr::Model => {
                let parts = parse::reference(text, *span);
                names.push(NameOccurrence {
                    range: within(*span),
                    qualifier: parts.view.map(|view| view.text(text).to_owned()),
                    name: parts.field.text(text).to_owned(),
                    frame: match parts.timeframe {
                        Some(frame) => format!("[{}]", frame.text(text)),
                        None => timeframe_text_after(text, *span),
                    },
                    contains_frame: parts.timeframe.is_some(),
                });
            }
            _ => {}
        }
    }
    names.sort_by_key(|name| name.range.start);
    names
}

/// Returns the timeframe after a name, with its brackets.
fn timeframe_text_after(text: &str, name: Span) -> String {
    let rest = text.get(name.end as usize..).unwrap_or_default();
    let frame = rest
        .starts_with('[')
        .then(|| rest.split_inclusive(']').next())
        .flatten();
    frame.unwrap_or_default().to_owned()
}

fn is_operation(expr: Expr) -> bool {
    matches!(
        expr,
        Expr::Binary { .. } | Expr::Sign { .. } | Expr::Percent(_) | Expr::Range { .. }
    )
}

/// Records which kinds of windows a definition contains.
fn record_window_kinds(
    program: &Program,
    nodes: Range<u32>,
    within: impl Fn(Span) -> Range<usize>,
    formula: &mut MetricFormula,
) {
    let nodes = || nodes.clone().map(IrId);
    formula.window_units = nodes().filter_map(|id| find_window_unit(program, id)).collect();
    let extents = nodes().filter_map(|id| Some((WindowExtent::from_node(program, id)?, within(program.meta(id).span))));
    formula.window_extents = extents.collect();
    formula.lookback_duration = lookback_duration(program, nodes());
    for id in nodes() {
        match program.node(id) {
            Ir::Window { over, .. } => {
                let frame = program.window_frame(over);
                formula.is_ordered |= frame.is_ordered();
                formula.is_ranked |= !frame.is_ordered() && frame != WindowFrame::Partition;
                if frame == WindowFrame::Partition {
                    formula.totals.push(within(program.meta(id).span));
                }
            }
            Ir::PeriodLookup { .. } => formula.is_ordered = true,
            _ => {}
        }
    }
}

/// Returns the longest time by which the windows among the nodes look back. `None` if they may read rows from any time.
fn lookback_duration(program: &Program, nodes: impl Iterator<Item = IrId>) -> Option<CalendarDuration> {
    let mut lengths: FxHashMap<IrId, CalendarDuration> = FxHashMap::default();
    let mut longest = CalendarDuration::default();
    for id in nodes {
        let operands = program
            .operands(id)
            .filter_map(|operand| lengths.get(&operand).copied());
        let inner = operands.fold(CalendarDuration::default(), CalendarDuration::longer);
        let own = match program.node(id) {
            Ir::PeriodLookup { period, .. } => {
                let period = program.periods.try_get(period as usize)?;
                shift_distances(period.count, period.unit).0
            }
            Ir::Window { over, .. } => match program.window_frame(over) {
                WindowFrame::Calendar(range) => calendar_range_distances(range)?.0,
                _ => return None,
            },
            Ir::RowLookup { .. } => return None,
            _ => CalendarDuration::default(),
        };
        let length = own.combine(inner);
        if length != CalendarDuration::default() {
            lengths.insert(id, length);
            longest = longest.longer(length);
        }
    }
    Some(longest)
}

/// Records the calls that aggregate the rows of a group: aggregated nodes without aggregated operands. Of nested calls,
/// only the outermost is recorded.
fn record_aggregate_calls(
    program: &Program,
    nodes: Range<u32>,
    ast: &Ast,
    text: &str,
    within: impl Fn(Span) -> Range<usize>,
    formula: &mut MetricFormula,
) {
    let nodes = || nodes.clone().map(IrId);
    let is_aggregate = |id: IrId| program.meta(id).level == Level::Aggregate;
    // A window call aggregates the rows of a partition instead of a group.
    let windowed = |id: IrId| match program.node(id) {
        Ir::Window { call, .. } => Some(call),
        _ => None,
    };
    let windowed: Vec<IrId> = nodes().filter_map(windowed).collect();
    let innermost = nodes().filter(|id| is_aggregate(*id) && !program.operands(*id).any(is_aggregate));
    let innermost = innermost.filter(|id| !windowed.contains(id));
    let mut calls: Vec<(Span, Ir)> = innermost.map(|id| (program.meta(id).span, program.node(id))).collect();
    // A call may be lowered to several nodes that all have the call's span.
    calls.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let mut end = 0;
    for (index, &(span, node)) in calls.iter().enumerate() {
        // A literal that replaces a call with aggregates in its arguments, such as `IF(total > 1, 1 / 0)`, is not an
        // aggregate.
        let next = calls
            .iter()
            .skip(index)
            .map(|(next, _)| *next)
            .find(|next| *next != span);
        let replaces_aggregates = node.is_literal() && next.is_some_and(|next| next.end <= span.end);
        if span.start < end || replaces_aggregates || matches!(node, Ir::Definition(_)) {
            continue;
        }
        end = span.end;
        let call = ast.calls.iter().find(|call| call.name.start == span.start);
        let function = call.map_or("", |call| call.name.text(text));
        // All columns may be NULL here, so an aggregate is non-nullable only if empty groups have a value. Skip nodes
        // of another type, which convert the value for the operation that uses it.
        let of_call = || {
            nodes()
                .filter(|id| program.meta(*id).span == span)
                .map(|id| program.meta(id))
        };
        let is_text = of_call()
            .find(|meta| meta.level == Level::Aggregate)
            .map(|meta| meta.ty == Type::Text);
        let call_meta = of_call().rfind(|meta| Some(meta.ty == Type::Text) == is_text);
        let empty = call_meta.filter(|meta| !meta.nullable).map(|meta| match meta.ty {
            Type::Text => "\"\"",
            Type::Boolean => "FALSE",
            _ => "0",
        });
        formula.aggregates.push(AggregateCall {
            range: within(span),
            function: function.to_lowercase(),
            empty,
        });
    }
}
