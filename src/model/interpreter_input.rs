//! Converts a spec for the interpreter. The result consists of the spec's keys and formula trees and does not depend on
//! the compiler's passes.

use super::formulas::StepFormulas;
use super::joins::{JoinCriterion, JoinedRelation};
use super::load::{self, ColumnProjection, SpannedText, Step};
use super::metrics::{expand_periods, find_step_over_metric_sets, period_steps};
use crate::Type;
use crate::ast::Ast;
use crate::calendar::{Calendar, Weekday};
use crate::check::{DefinitionRole, Today};
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::interpret::arithmetic::parse_moment;
use crate::interpret::expr::InterpreterExpr;
use crate::interpret::from_ast::{self, FormulaContext, UnsupportedFormula, fold_case};
use crate::interpret::spec as interpreter;
use crate::interpret::temporal::{self, TemporalKind};
use crate::interpret::value::Value;
use crate::parse::ParseBuffers;
use crate::schema::Relation;
use crate::sql::JoinKind;
use crate::yaml;

/// Inputs and steps of a spec.
#[derive(Debug)]
pub struct InterpreterInput {
    /// Steps of the spec.
    pub spec: interpreter::InterpreterSpec,
    /// Date of `TODAY()`.
    pub today: i64,
    /// Input relations, without duplicates.
    pub relations: Vec<InputRelation>,
    /// Definitions that the interpreter does not support: the index of the step, the name and the reason.
    pub unread: Vec<(usize, String, UnsupportedFormula)>,
    /// Names of the spec's examples.
    pub examples: Vec<String>,
    /// Whether the spec has the key `examples`.
    pub has_examples: bool,
}

/// Input relation of a spec.
#[derive(Debug)]
pub struct InputRelation {
    /// Name of the relation in the interpreter.
    pub name: String,
    /// Name of the relation in dbt: `ref('orders')`.
    pub input: String,
    /// Columns of the relation. `None` if no schema lists the columns.
    pub columns: Option<Relation>,
}

/// Source of the current date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurrentDate {
    /// Date that the spec specifies.
    Fixed(i64),
    /// Date that can be set at run time.
    Settable,
    /// Date of the run.
    Current,
}

/// Returns the source of the current date for a spec.
pub fn current_date(source: &str) -> CurrentDate {
    let root = yaml::parse_root(source);
    let spec = root
        .as_ref()
        .and_then(|root| load::load(root, source, load::SpecKind::Written, &mut Vec::new()));
    match spec.and_then(|spec| spec.today) {
        None => CurrentDate::Current,
        Some(today) => match today.value {
            Today::Macro { .. } => CurrentDate::Settable,
            Today::Date(iso) => match parse_moment(&iso) {
                Some(Value::Date(day)) => CurrentDate::Fixed(day),
                _ => CurrentDate::Current,
            },
            Today::Sql(_) => CurrentDate::Current,
        },
    }
}

/// Converts a spec that compiles without errors.
///
/// # Errors
///
/// Returns a description of the unsupported part if the interpreter cannot compute the rows.
pub fn convert_spec_for_interpreter(
    compiler: &Compiler,
    source: &str,
    today: i64,
) -> Result<InterpreterInput, UnsupportedFormula> {
    let root = yaml::parse_root(source).ok_or_else(|| "an empty spec".to_owned())?;
    if find_step_over_metric_sets(&root).is_some() {
        return Err("metric sets".to_owned());
    }
    let periods = period_steps(&root);
    if periods.iter().any(|(_, step)| step.get("fill").is_some()) {
        return Err("`fill`".to_owned());
    }
    if !periods.is_empty() {
        let expansion = expand_periods(compiler, (&root, source), &periods, &mut Vec::new());
        let expansion = expansion.ok_or_else(|| "steps with wrong periods".to_owned())?;
        return convert_spec_for_interpreter(compiler, &expansion.text.text, today);
    }
    let spec = load::load(&root, source, load::SpecKind::Written, &mut Vec::new())
        .ok_or_else(|| "a file that is not a spec".to_owned())?;
    let options = &compiler.options;
    let calendar = Calendar {
        week_start: spec.week_start.unwrap_or(options.calendar.week_start),
        fiscal_month_offset: spec.fiscal_month_offset.or(options.calendar.fiscal_month_offset),
    };
    let plain_calendar =
        calendar.week_start == Weekday::Monday && calendar.fiscal_month_offset.is_none_or(|months| months == 0);
    let mut relations = Vec::new();
    let from = relation(compiler, &spec.from, &mut relations)?;
    let mut steps = Vec::new();
    let mut unread = Vec::new();
    let mut input_name = from.clone();
    for (index, step) in spec.steps.iter().enumerate() {
        if step.sheet.is_some() {
            return Err("worksheets".to_owned());
        }
        if step.series.is_some() {
            return Err("`series`".to_owned());
        }
        if step.from.is_some() || !step.union.is_empty() {
            return Err("steps with `from` or `union`".to_owned());
        }
        let mut joins = Vec::new();
        for join in &step.joins {
            let earlier = join
                .to
                .unversioned_model()
                .map(fold_case)
                .filter(|to| steps.iter().any(|s: &interpreter::InterpreterStep| s.name == *to));
            let to = match earlier {
                Some(step) => step,
                None => relation(compiler, &join.to, &mut relations)?,
            };
            joins.push((join, to));
        }
        let reading = FormulaContext {
            relation: joins.is_empty().then_some(input_name.as_str()),
            today: Some(today),
            plain_calendar,
        };
        let mut interpreter_step = read_step(step, source, compiler, reading, &joins, &mut |name, why| {
            unread.push((index, name, why));
        })?;
        interpreter_step.blank_zero = spec.blank_zero || options.blank_zero;
        // A step may be unnamed only if it is the only step of the spec.
        interpreter_step.name = step
            .name
            .map_or_else(|| format!("step {index}"), |name| fold_case(name.text));
        if relations
            .iter()
            .any(|input_relation| input_relation.name == interpreter_step.name)
        {
            return Err(format!(
                "the step `{}`, which has the name of a relation",
                interpreter_step.name
            ));
        }
        input_name.clone_from(&interpreter_step.name);
        steps.push(interpreter_step);
    }
    let mut interpreter_spec = interpreter::InterpreterSpec { from, steps };
    temporal::make_spec_date_operators_explicit(&mut interpreter_spec, &|name| {
        let relation = relations
            .iter()
            .find(|input_relation| input_relation.name == name)
            .and_then(|input_relation| input_relation.columns.as_ref());
        let columns = relation.map_or(&[][..], Relation::columns);
        columns
            .iter()
            .map(|column| (fold_case(column.name()), temporal_kind(column.ty())))
            .collect()
    });
    Ok(InterpreterInput {
        spec: interpreter_spec,
        today,
        relations,
        unread,
        examples: spec
            .examples
            .iter()
            .map(|example| example.name.text.to_owned())
            .collect(),
        has_examples: root.get("examples").is_some(),
    })
}

fn temporal_kind(ty: Type) -> TemporalKind {
    match ty {
        Type::Date => TemporalKind::Date,
        Type::Timestamp | Type::Timestamptz => TemporalKind::Time,
        _ => TemporalKind::Other,
    }
}

/// Adds a relation to the list unless the list already contains it, and returns its name.
fn relation(
    compiler: &Compiler,
    from: &RelationReference,
    relations: &mut Vec<InputRelation>,
) -> Result<String, UnsupportedFormula> {
    let Some(input) = from.ref_call() else {
        return Err(format!(
            "`{}`, which is not a model or source of dbt,",
            from.display_name()
        ));
    };
    let name = fold_case(from.name());
    match relations.iter().find(|input_relation| input_relation.name == name) {
        Some(input_relation) if input_relation.input == input => {}
        Some(_) => return Err(format!("two relations with the name `{name}`")),
        None => {
            let relation = super::catalog_lookup::schema_relation(&compiler.options, from).cloned();
            relations.push(InputRelation {
                name: name.clone(),
                input,
                columns: relation,
            });
        }
    }
    Ok(name)
}

/// Converts an expression that is a column's name or a timeframe of a column.
fn to_key_column(expr: InterpreterExpr) -> Result<interpreter::KeyColumn, UnsupportedFormula> {
    match expr {
        InterpreterExpr::Name(name) => Ok(interpreter::KeyColumn { name, frame: None }),
        InterpreterExpr::Period(name, frame) => Ok(interpreter::KeyColumn {
            name,
            frame: Some(frame),
        }),
        other => Err(format!("`{other}` as a key")),
    }
}

fn text_values(texts: &[SpannedText<'_>]) -> Vec<String> {
    texts
        .iter()
        .map(|text| fold_case(text.text.trim_start_matches("${").trim_end_matches('}').trim()))
        .collect()
}

fn read_step(
    step: &Step<'_>,
    source: &str,
    compiler: &Compiler,
    reading: FormulaContext<'_>,
    joins: &[(&JoinedRelation<'_>, String)],
    unread: &mut dyn FnMut(String, UnsupportedFormula),
) -> Result<interpreter::InterpreterStep, UnsupportedFormula> {
    let formulas = StepFormulas::new(step, source);
    let (mut ast, mut faults) = (Ast::default(), Vec::new());
    let limits = &compiler.options.limits;
    formulas.parse(limits, &mut ParseBuffers::default(), &mut ast, &mut faults);
    let mut interpreter_step = interpreter::InterpreterStep {
        keep: match &step.keep {
            ColumnProjection::Nothing => interpreter::InterpreterProjection::Nothing,
            ColumnProjection::All => interpreter::InterpreterProjection::All,
            ColumnProjection::Columns(columns) => interpreter::InterpreterProjection::Some(text_values(columns)),
        },
        limit: step.limit.and_then(|limit| usize::try_from(limit).ok()),
        partition_by: step.partition_by.as_ref().map(|_| Vec::new()),
        ..interpreter::InterpreterStep::default()
    };
    let mut conditions: Vec<Option<InterpreterExpr>> = vec![None; joins.len()];
    for definition in &ast.definitions {
        let part = definition.part as usize;
        let role = formulas.roles.get(part).copied().unwrap_or(DefinitionRole::Definitions);
        let expr = from_ast::convert_formula(&ast, &formulas.text, definition, reading);
        match role {
            DefinitionRole::Definitions => {
                let name = definition
                    .name
                    .map_or_else(String::new, |name| fold_case(name.text(&formulas.text)));
                match expr {
                    Ok(expr) => interpreter_step.definitions.push((name, expr)),
                    Err(why) => unread(name, why),
                }
            }
            DefinitionRole::Where => interpreter_step.filter = Some(expr?),
            DefinitionRole::Having => interpreter_step.having = Some(expr?),
            DefinitionRole::GroupBy => interpreter_step.group_by.push(to_key_column(expr?)?),
            DefinitionRole::OrderBy => {
                let descending = formulas.descending.get(part).copied().unwrap_or(false);
                interpreter_step.order_by.push((to_key_column(expr?)?, descending));
            }
            DefinitionRole::PartitionBy => {
                let partition = to_key_column(expr?)?;
                if partition.frame.is_some() {
                    return Err(format!("the partition by `{partition}`"));
                }
                interpreter_step
                    .partition_by
                    .get_or_insert_default()
                    .push(partition.name);
            }
            DefinitionRole::On(index) => {
                if let Some(condition) = conditions.get_mut(index as usize) {
                    *condition = Some(expr?);
                }
            }
            DefinitionRole::Rule | DefinitionRole::Check => {}
        }
    }
    for ((join, to), condition) in joins.iter().zip(conditions) {
        let join_condition = match (&join.criterion, condition) {
            (JoinCriterion::On(_), Some(condition)) => interpreter::JoinCondition::On(condition),
            (JoinCriterion::On(_), None) => return Err(format!("the condition of the join of `{to}`")),
            (JoinCriterion::Using(columns), _) => interpreter::JoinCondition::Using(text_values(columns)),
            (JoinCriterion::Nothing, _) => interpreter::JoinCondition::Nothing,
        };
        let kind = match join.kind {
            JoinKind::Left => interpreter::InterpreterJoinKind::Left,
            JoinKind::Inner => interpreter::InterpreterJoinKind::Inner,
            JoinKind::Full => interpreter::InterpreterJoinKind::Full,
            JoinKind::Cross => interpreter::InterpreterJoinKind::Cross,
        };
        interpreter_step.joins.push(interpreter::InterpreterJoin {
            to: to.clone(),
            alias: Some(fold_case(join.name())),
            condition: join_condition,
            kind,
            many: join.many,
        });
    }
    Ok(interpreter_step)
}
