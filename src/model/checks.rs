//! Checks the parts of a spec outside its formulas: names, columns, and combinations of keys.

use formulac_syntax::text::is_word_char;
use rustc_hash::{FxHashMap, FxHashSet};

use super::CompiledSpec;
use super::compile::SpecCompilation;
use super::dbt_tests::{missing_column_error, to_file_name_part};
use super::formulas::StepFormulas;
use super::load::{ColumnProjection, SpannedText, Step};
use super::shared_definitions::FormulaTrees;
use super::sources::SourceRelation;
use crate::Level;
use crate::ast::Ast;
use crate::check::{self, DefinitionRole, timeframes};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::Ir;
use crate::limits::Limits;
use crate::plan::{StepInput, StepPlan, key_name, used_definitions};
use crate::schema::{Column, Relation, field_name};
use crate::span::Span;
use crate::sql::Cte;

/// Reports an internal error if two CTEs of a query have the same name, because no engine runs such a query.
pub(super) fn check_cte_names(ctes: &[Cte], compiled: &mut CompiledSpec) {
    let mut seen = FxHashSet::default();
    let has_errors = compiled.diagnostics.iter().any(Diagnostic::is_error);
    let mut names = ctes.iter().map(|cte| cte.name.to_ascii_lowercase());
    if let Some(name) = names.find(|name| !seen.insert(name.clone())).filter(|_| !has_errors) {
        let message = format!("two CTEs of the query are named `{name}`");
        compiled
            .diagnostics
            .push(Diagnostic::new(Code::Internal, compiled.name_span, message));
    }
}

impl SpecCompilation<'_> {
    /// Reports entries of `columns` that are not columns of the model.
    pub(super) fn check_column_entries(&self, output: &Relation, diagnostics: &mut Vec<Diagnostic>) {
        let declared_names = self.spec.columns.iter().map(|column| column.name);
        let missing = declared_names.filter(|name| output.column(name.text).is_none());
        diagnostics.extend(missing.map(|name| missing_column_error(name.text, name.node.span, output)));
    }

    /// Checks the names of the model and its steps.
    pub(super) fn check_names(&self, diagnostics: &mut Vec<Diagnostic>) {
        let model = self.spec.model;
        if !is_identifier(model.text) {
            let (fault, proposed) = invalid_dbt_name_message(model.text, "monthly_revenue");
            diagnostics.push(
                Diagnostic::new(Code::NotADbtName, model.node.span, format!("{fault} for a dbt model"))
                    .with_help(format!("write `{proposed}`")),
            );
        }
        let mut seen: FxHashMap<String, Span> = FxHashMap::default();
        for step in &self.spec.steps {
            let Some(name) = step.name else {
                if self.spec.steps.len() > 1 && !step.has_invalid_keys {
                    diagnostics.push(
                        Diagnostic::new(
                            Code::UnnamedStep,
                            step.span,
                            "each step needs a name if a spec has several steps",
                        )
                        .with_help("add `name`, which is also the name of the step's CTE"),
                    );
                }
                continue;
            };
            if let Some(first) = seen.insert(name.text.to_ascii_lowercase(), name.node.span) {
                diagnostics.push(
                    Diagnostic::new(
                        Code::DuplicateStep,
                        name.node.span,
                        format!("two steps are named `{}`", name.text),
                    )
                    .with_secondary_label(first, "the first")
                    .with_help("rename one of the two"),
                );
            }
            let is_input_name = |source: &SourceRelation| source.from.name().eq_ignore_ascii_case(name.text);
            if self.sources.sources.iter().any(is_input_name) {
                diagnostics.push(
                    Diagnostic::new(
                        Code::StepNamedLikeRelation,
                        name.node.span,
                        format!(
                            "step `{}` has the same name as a relation that the spec reads",
                            name.text
                        ),
                    )
                    .with_help(format!("use another name, for example `{}_rows`", name.text))
                    .with_fix(name.node.span, format!("{}_rows", name.text)),
                );
            }
        }
    }
}

/// Returns whether a name consists of letters, digits and `_` and does not start with a digit.
pub fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(is_word_char)
}

/// Returns the opening words of a message about a name that is invalid in dbt, and a suggestion for a valid name.
pub(super) fn invalid_dbt_name_message(name: &str, example: &str) -> (String, String) {
    let proposed = to_file_name_part(name);
    let proposed = proposed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    let proposed = if proposed.is_empty() { example } else { proposed };
    let fault = match name {
        "" => "an empty string is not a valid name".to_owned(),
        name => format!("`{name}` is not a valid name"),
    };
    (fault, proposed.to_owned())
}

/// Reports a formula without a name in a block of definitions.
pub(super) fn check_unnamed_formulas(ast: &Ast, formulas: &StepFormulas<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for definition in &ast.definitions {
        let role = formulas.roles.get(definition.part as usize);
        if definition.name.is_none() && role == Some(&DefinitionRole::Definitions) && !definition.broken {
            let text = definition.span.text(&formulas.text);
            // The layout pass has already reported a formula that precedes other definitions.
            let is_reported = |d: &Diagnostic| d.code() == Code::StrayFormula.code() && d.span() == definition.span;
            let help = match text
                .split_once(':')
                .map(|(name, formula)| (name.trim(), formula.trim()))
            {
                // The user wrote `name: formula` in a text block. Remove errors about a range with `:`, because they
                // would be misleading.
                Some((name, formula)) if is_identifier(name) && !formula.is_empty() => {
                    diagnostics.retain(|d| d.span() != definition.span);
                    format!("write `{name} = {formula}`")
                }
                _ if diagnostics.iter().any(is_reported) => continue,
                _ => "give the formula a name, as in `name = …`".to_owned(),
            };
            diagnostics.push(
                Diagnostic::new(
                    Code::StrayFormula,
                    definition.span,
                    "expected a definition, found a formula",
                )
                .with_help(help),
            );
        }
    }
}

/// Reports grouping and sort keys that are the same for all rows.
pub(super) fn check_constant_keys(plan: &StepPlan<'_>, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let program = plan.program;
    for (definition, role) in program.definitions.iter().zip(&plan.roles) {
        let meta = program.meta(definition.root);
        let is_literal = matches!(program.node(definition.root), Ir::Number(_) | Ir::Text(_));
        let (name, effect) = match role {
            DefinitionRole::GroupBy => ("group_by", "group"),
            // A definition that sorts the rows may be a constant, for example in one of two environments, so only
            // literals are reported.
            DefinitionRole::OrderBy if is_literal => ("order_by", "sort"),
            _ => continue,
        };
        if definition.failed || meta.level != Level::Const {
            continue;
        }
        let help = match program.node(definition.root) {
            // In `group_by: a, "b[month]"`, YAML makes the quotes part of the text.
            Ir::Text(text) => format!(
                "write `{}` without quotes; only names in a list, `[…]`, may be quoted",
                program.text(text)
            ),
            Ir::Number(number) => match column_at(plan, text, program.text(number)) {
                Some(column) => format!("write the name of the column, such as `{column}`, instead of its position"),
                None => "write the name of a column, because positions are not supported".to_owned(),
            },
            _ => format!("remove the key from `{name}`, and write the constant as a separate definition"),
        };
        let message = format!("the key has the same value in all rows, so it does not {effect} anything");
        diagnostics.push(Diagnostic::new(Code::ConstantKey, definition.span, message).with_help(help));
    }
}

/// Returns the output column at a position. Positions are counted as in SQL: first the grouping keys, then the
/// definitions.
fn column_at(plan: &StepPlan<'_>, text: &str, position: &str) -> Option<String> {
    let definitions = || plan.program.definitions.iter().zip(&plan.roles);
    let keys = definitions()
        .filter(|(_, role)| **role == DefinitionRole::GroupBy)
        .map(|(key, _)| key_name(key.span.text(text)));
    let names = definitions()
        .filter(|(_, role)| **role == DefinitionRole::Definitions)
        .filter_map(|(definition, _)| definition.name.as_deref().map(str::to_owned));
    let position = position.parse::<usize>().ok()?.checked_sub(1)?;
    let column = keys.chain(names).nth(position)?;
    column.starts_with(char::is_alphabetic).then_some(column)
}

/// Reports output columns with the same name, because one of them would be lost. These columns come from two different
/// keys, or from a key and a definition.
pub(super) fn check_duplicate_columns(plan: &StepPlan<'_>, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let program = plan.program;
    let mut keys: FxHashMap<String, (String, Span)> = FxHashMap::default();
    let mut twice = |name: &str, span: Span, first: Span| {
        diagnostics.push(
            Diagnostic::new(
                Code::DuplicateDefinition,
                span,
                format!("two columns are named `{name}`"),
            )
            .with_secondary_label(first, "the first")
            .with_help("rename one of the two"),
        );
    };
    let with_roles = || {
        program
            .definitions
            .iter()
            .enumerate()
            .zip(&plan.roles)
            .filter(|((_, d), _)| !d.failed)
    };
    for ((_, definition), _) in with_roles().filter(|(_, role)| **role == DefinitionRole::GroupBy) {
        let definition_text = definition.span.text(text);
        // `key` is a string that is the same for equal grouping keys.
        let (name, key) = match program.node(definition.root) {
            Ir::Definition(definition_index) => {
                let name = program.definitions[definition_index as usize]
                    .name
                    .as_deref()
                    .unwrap_or_default();
                (name.to_owned(), format!("definition {definition_index}"))
            }
            Ir::Column(column) => (
                program.columns[column as usize].output_name().to_owned(),
                format!("column {column}"),
            ),
            _ => (
                key_name(definition_text),
                definition_text
                    .trim_start_matches("${")
                    .trim_end_matches('}')
                    .to_ascii_lowercase(),
            ),
        };
        match keys.get(&name.to_ascii_lowercase()) {
            Some((first, span)) if *first != key => twice(&name, definition.span, *span),
            Some(_) => {}
            None => {
                keys.insert(name.to_ascii_lowercase(), (key, definition.span));
            }
        }
    }
    for ((index, definition), role) in with_roles() {
        let Some(name) = definition
            .name
            .as_deref()
            .filter(|_| *role == DefinitionRole::Definitions)
        else {
            continue;
        };
        if plan.outputs[index]
            && !plan.keys[index]
            && let Some((_, first)) = keys.get(&name.to_ascii_lowercase())
        {
            twice(name, definition.span, *first);
        }
    }
}

/// Reports combinations of keys that are not allowed.
pub(super) fn check_key_combinations(
    step: &Step<'_>,
    plan: &StepPlan<'_>,
    input: &StepInput<'_>,
    has_valid_formulas: bool,
    source: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if plan.grouped && !matches!(step.keep, ColumnProjection::Nothing) {
        diagnostics.push(
            Diagnostic::new(
                Code::KeepInGroupedStep,
                step.keep_span,
                "a grouped step cannot keep columns that have one value per row",
            )
            .with_help("add the columns to `group_by`, or aggregate them"),
        );
    }
    if step.limit.is_some() && step.order_by.is_empty() {
        diagnostics.push(
            Diagnostic::new(
                Code::LimitWithoutOrder,
                step.limit_span,
                "`limit` without `order_by` keeps arbitrary rows",
            )
            .with_help("add `order_by`"),
        );
    }
    // Do not report a missing column if its formula has an error, because the error explains why the column is missing.
    let empty = has_valid_formulas
        && !step.has_invalid_keys
        && !plan.outputs.iter().any(|o| *o)
        && step.group_by.is_empty()
        && matches!(step.keep, ColumnProjection::Nothing);
    if empty {
        diagnostics.push(
            Diagnostic::new(Code::NothingToSelect, step.span, "the step has no columns")
                .with_help("add `definitions`, `group_by`, or `keep: all`"),
        );
    }
    // If the step has joins, `keep` is checked together with the joins. A misspelled key may have been intended as
    // `joins`.
    if input.joined.is_none() && !step.has_invalid_keys {
        let definitions = plan
            .program
            .definitions
            .iter()
            .filter_map(|ir_definition| ir_definition.name.as_deref());
        let defined: FxHashSet<String> = definitions.map(str::to_ascii_lowercase).collect();
        let is_defined = |name: &str| defined.contains(&name.to_ascii_lowercase());
        check_projection_names(step, source, input.relation, is_defined, diagnostics);
    }
}

/// Reports names in `keep`, or in `columns` of a worksheet, that are listed twice, or that are neither columns of the
/// relation nor definitions of the step.
pub(super) fn check_projection_names(
    step: &Step<'_>,
    source: &str,
    relation: Option<&Relation>,
    is_defined: impl Fn(&str) -> bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let key = if step.sheet.is_some() { "columns" } else { "keep" };
    if let ColumnProjection::Columns(names) = &step.keep {
        let mut seen: FxHashMap<String, Span> = FxHashMap::default();
        for name in names {
            if let Some(first) = seen.insert(name.text.to_ascii_lowercase(), name.span(source)) {
                diagnostics.push(
                    Diagnostic::new(
                        Code::DuplicateDefinition,
                        name.span(source),
                        format!("`{}` is listed twice in `{key}`", name.text),
                    )
                    .with_secondary_label(first, "the first")
                    .with_help("remove one of the two entries"),
                );
            }
        }
    }
    if let (ColumnProjection::Columns(names), Some(relation)) = (&step.keep, relation) {
        let (fields, columns): (Vec<&SpannedText<'_>>, Vec<&SpannedText<'_>>) =
            names.iter().partition(|name| relation.is_struct_field(name.text));
        for name in fields {
            let message = format!(
                "`{}` is a field of a STRUCT column, but `{key}` lists whole columns",
                name.text
            );
            diagnostics.push(
                Diagnostic::new(Code::UnknownName, name.span(source), message).with_help(format!(
                    "write a definition, such as `{} = {}`",
                    field_name(name.text),
                    name.text
                )),
            );
        }
        for name in columns
            .iter()
            .filter(|name| relation.column(name.text).is_none() && !is_defined(name.text))
        {
            // The column of a timeframe has the timeframe as a suffix, as in `ordered_at_month`.
            let frame = |column: &str| Some(column.get(name.text.len()..)?.strip_prefix('_')?.to_owned());
            let is_timeframe_of_name = |column: &&str| {
                let start = column.get(..name.text.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(name.text))
                    && frame(column).is_some_and(|frame| timeframes().any(|timeframe| timeframe == frame))
            };
            let help = || match relation.columns().iter().map(Column::name).find(is_timeframe_of_name) {
                _ if name.text == "*" && step.sheet.is_none() => "write `keep: all`".to_owned(),
                Some(column) => suggest::similar_name_help(column),
                None => format!("correct the name in `{key}`"),
            };
            let span = name.span(source);
            diagnostics.push(check::missing_column_diagnostic(relation, name.text, span, help));
        }
    }
}

/// Reports row-level definitions of a grouped step that are neither output columns nor used by an output column.
/// Definitions that only describe a key column are not reported. Such a definition has the name of the column and
/// repeats its key, such as `ordered_at[month]`.
pub(super) fn check_unused_definitions(
    plan: &StepPlan<'_>,
    ast: &Ast,
    text: &str,
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if !plan.grouped || diagnostics.iter().any(Diagnostic::is_error) {
        return;
    }
    let live = used_definitions(plan);
    for (index, definition) in ast.definitions.iter().enumerate() {
        let unused = plan.roles.try_get(index) == Some(&DefinitionRole::Definitions)
            && !live.try_get(index).copied().unwrap_or(true);
        if let (Some(name), true) = (definition.name, unused) {
            let formula = ast.span(definition.body).text(text);
            if has_key_with_formula(plan, text, (name.text(text), formula), limits) {
                continue;
            }
            let message = format!(
                "`{}` has no effect: it has one value per row, so a grouped step cannot return it, and no \
                    definition uses it",
                name.text(text)
            );
            diagnostics.push(
                Diagnostic::new(Code::UnusedHelper, name, message)
                    .with_help("aggregate the value, add it to `group_by`, compute it in a later step, or remove it"),
            );
        }
    }
}

/// Returns whether a key has the name and the formula of a definition.
fn has_key_with_formula(plan: &StepPlan<'_>, text: &str, (name, formula): (&str, &str), limits: &Limits) -> bool {
    let definitions = plan.program.definitions.iter().zip(&plan.roles);
    let mut keys = definitions.filter(|(_, role)| **role == DefinitionRole::GroupBy);
    keys.any(|(key, _)| {
        let key = key.span.text(text);
        let mut trees = FormulaTrees::default();
        let mut tree = |formula| trees.tree_id((formula, ""), limits, |_| None);
        key_name(key).eq_ignore_ascii_case(name) && tree(key).is_some_and(|key_tree| tree(formula) == Some(key_tree))
    })
}
