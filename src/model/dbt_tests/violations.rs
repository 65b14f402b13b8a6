//! Queries that return the rows that violate a rule.

use rustc_hash::FxHashMap;

use super::super::compile::SpecCompilation;
use super::super::load::SpecRule;
use super::{SingularTest, TestedModel};
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::column_sql::ColumnSql;
use crate::dbt::TestConfig;
use crate::diag::Diagnostic;
use crate::dialect::op::Op;
use crate::emit::EmitBuffers;
use crate::ir::{Ir, IrDefinition, IrId, NodeMeta, Program};
use crate::plan::{
    CteNames, InputProjection, StepInput, StepOutput, StepPlan, StepSpec, plan_step, rewrite_unsupported,
};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Cte, Item, Query, RowPlan, Sql, SqlId, SqlTree};
use crate::{Level, Type};

/// Name of the boolean column that is true if a row satisfies the rule.
const RULE_COLUMN: &str = "holds";

/// Indexes of a rule's formulas among the definitions of a program.
#[derive(Clone, Copy, Debug)]
struct RuleFormulaIndexes {
    check: usize,
    filter: Option<usize>,
}

/// Step that reads the rows of the model for a rule.
struct RuleStep<'p> {
    plan: StepPlan<'p>,
    name: String,
    /// Columns that describe a violation. Empty for all columns.
    shown_columns: Vec<String>,
    /// Boolean column that is true if a row satisfies the rule. `None` if the step returns only the violations.
    holds: Option<String>,
}

impl SpecCompilation<'_> {
    /// Returns the query for the rows that violate a rule.
    pub(super) fn violating_rows_test(
        &self,
        rule: &SpecRule<'_>,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<SingularTest> {
        let conditions: Vec<_> = rule.condition_and_filter().collect();
        // Ignore the diagnostics here, because the checks of the model have already reported them.
        let (formulas, _) =
            self.check_condition_formulas(&conditions, &tested.relation, tested.has_unknown_columns, memory);
        let CompileMemory { program, emit, .. } = memory;
        let dialect = self.compiler.options.dialect;
        if program.definitions.len() < conditions.len() {
            return None;
        }
        let column_names = displayed_columns(program, tested);
        rewrite_unsupported(program, dialect);
        // A window must read all filtered rows, so violations are selected in a separate step.
        let is_window = program.meta(program.definitions.as_slice().first()?.root).level == Level::Window;
        let holds = is_window.then(|| {
            let mut cte_names = CteNames::new(dialect.max_bytes());
            cte_names.reserve_columns(&tested.relation);
            cte_names.choose_name(RULE_COLUMN)
        });
        let formula_indexes = RuleFormulaIndexes {
            check: 0,
            filter: rule.filter.map(|_| 1),
        };
        let plan = match &holds {
            Some(holds) => plan_rule_column(program, formula_indexes, holds),
            None => plan_violations(program, formula_indexes, rule.nulls_fail),
        };
        let (sources, mut names) = self.read_model(tested);
        let step = RuleStep {
            plan,
            name: names.choose_short_name(&format!("{}_rows", self.spec.model.text)),
            shown_columns: column_names,
            holds,
        };
        let mut output = self.plan_rule_step(&step, &formulas.text, tested, emit, &mut names);
        let step_faults = std::mem::take(&mut output.diagnostics).into_iter();
        diagnostics.extend(step_faults.map(|d| formulas.map_to_file(d)));
        let query = match &step.holds {
            Some(holds) => self.violating_rows_query(output, &step, holds, rule, tested, &mut emit.tree),
            None => {
                let mut body = output.body;
                if let Some(filter) = body.filter_mut() {
                    *filter = bracket_rule(&mut emit.tree, *filter);
                }
                Query {
                    ctes: output.ctes,
                    body,
                }
            }
        };
        let sql = self.test_sql(&sources, &emit.tree, &query);
        Some(SingularTest {
            name: self.test_name(rule.name.text),
            config: TestConfig {
                is_warning: rule.only_warns,
                group: self.group_of_private_model(),
            },
            explanation: rule.message.unwrap_or_default().to_owned(),
            sql,
        })
    }

    /// Plans the step that reads the rows of the model. `text` contains the formulas of the rule.
    fn plan_rule_step(
        &self,
        step: &RuleStep<'_>,
        text: &str,
        tested: &TestedModel<'_>,
        emit: &mut EmitBuffers,
        names: &mut CteNames,
    ) -> StepOutput {
        let options = &self.compiler.options;
        let input = StepInput {
            name: self.spec.model.text,
            source: Some(0),
            // If all columns are shown, omit the relation, so that the step selects `*`.
            relation: (!tested.has_unknown_columns && !step.shown_columns.is_empty()).then_some(&tested.relation),
            grain: tested.grain,
            joined: None,
            joined_grain: &[],
            tabs: &[],
        };
        let no = vec![false; step.plan.roles.len()];
        let keep: Vec<&str> = step.shown_columns.iter().map(String::as_str).collect();
        let spec = StepSpec {
            times: false,
            name: &step.name,
            last: step.holds.is_none(),
            keep: if keep.is_empty() {
                InputProjection::All
            } else {
                InputProjection::Some(keep)
            },
            limit: None,
            descending: &no,
            quoted: &no,
            default_partition: true,
            source: text,
            pivot: None,
            first: &FxHashMap::default(),
            sheet: false,
        };
        plan_step(&step.plan, &spec, &input, options.dialect, &options.limits, emit, names)
    }

    /// Returns a query that selects the violations from the output of a step. A boolean column of this output is true
    /// if a row satisfies the rule.
    fn violating_rows_query(
        &self,
        output: StepOutput,
        step: &RuleStep<'_>,
        holds: &str,
        rule: &SpecRule<'_>,
        tested: &TestedModel<'_>,
        tree: &mut SqlTree,
    ) -> Query {
        let dialect = self.compiler.options.dialect;
        let span = Span::default();
        let column_sql = ColumnSql {
            dialect,
            relation: Some(&tested.relation),
        };
        let items = step
            .shown_columns
            .iter()
            .map(|name| Item::unnamed(tree.add_raw_text(&column_sql.column(name))))
            .collect::<Vec<Item>>();
        let mut x = tree.add_raw_text(holds);
        if rule.nulls_fail {
            let no = tree.add_word("false", span);
            x = tree.add_call("coalesce", &[x, no], span);
        }
        let filter = tree.add(Sql::Not(x), span);
        let name = dialect.name_text(&step.name, true);
        let rows = RowPlan::scan_cte(name.clone()).filter(filter);
        let mut ctes = output.ctes;
        ctes.push(Cte::new(name, output.body));
        Query {
            ctes,
            body: match step.shown_columns.is_empty() {
                true => rows.select_star(),
                false => rows.project(items),
            },
        }
    }
}

/// Returns the columns that describe a violation: the key and the columns that the rule reads. If no key is known, the
/// result is empty, which stands for all columns.
fn displayed_columns(program: &Program, tested: &TestedModel<'_>) -> Vec<String> {
    if tested.grain.is_empty() && !tested.single {
        return Vec::new();
    }
    let mut column_names = tested.grain.to_vec();
    for node in program.nodes() {
        let Ir::Column(column) = node else { continue };
        let Some(column) = program.columns.try_get(column as usize) else {
            continue;
        };
        if !column_names.iter().any(|name| name.eq_ignore_ascii_case(&column.name)) {
            column_names.push(column.name.to_string());
        }
    }
    column_names
}

/// Plans a step that returns the filtered rows with a column that is true if a row satisfies the rule.
fn plan_rule_column<'p>(program: &'p mut Program, formula_indexes: RuleFormulaIndexes, column: &str) -> StepPlan<'p> {
    if let Some(check) = program.definitions.try_get_mut(formula_indexes.check) {
        check.name = Some(column.into());
    }
    let indexes = 0..program.definitions.len();
    let role = |index: usize| match formula_indexes.filter == Some(index) {
        true => DefinitionRole::Where,
        false => DefinitionRole::Definitions,
    };
    StepPlan {
        roles: indexes.clone().map(role).collect(),
        grouped: false,
        keys: Arena::filled(false, indexes.len()),
        outputs: indexes.map(|index| index == formula_indexes.check).collect(),
        program,
    }
}

/// Plans a step that returns only the violations of a rule.
fn plan_violations(program: &mut Program, formula_indexes: RuleFormulaIndexes, nulls_fail: bool) -> StepPlan<'_> {
    let violation = add_violation_definition(program, formula_indexes, nulls_fail);
    let indexes = 0..program.definitions.len();
    let role = |index: usize| match index == violation {
        true => DefinitionRole::Where,
        false => DefinitionRole::Definitions,
    };
    StepPlan {
        keys: Arena::filled(false, indexes.len()),
        outputs: Arena::filled(false, indexes.len()),
        roles: indexes.map(role).collect(),
        grouped: false,
        program,
    }
}

/// Adds to the program a definition that is true for violations: `not (check)`, combined with the filter. NULL is a
/// violation if `nulls_fail` is true.
fn add_violation_definition(program: &mut Program, formula_indexes: RuleFormulaIndexes, nulls_fail: bool) -> usize {
    let first = IrId(program.len() as u32);
    let meta_and_span = |program: &Program, index: usize| {
        let definition = &program.definitions[index];
        (
            NodeMeta {
                level: Level::Row,
                ..program.meta(definition.root)
            },
            definition.span,
        )
    };
    let (meta, span) = meta_and_span(program, formula_indexes.check);
    let meta = NodeMeta {
        ty: Type::Boolean,
        ..meta
    };
    let mut check = program.add(Ir::Definition(formula_indexes.check as u32), meta);
    if nulls_fail && meta.nullable {
        let no = program.add(
            Ir::Bool(false),
            NodeMeta {
                nullable: false,
                level: Level::Const,
                ..meta
            },
        );
        let args = program.add_args(&[check, no]);
        check = program.add(
            Ir::Coalesce(args),
            NodeMeta {
                nullable: false,
                ..meta
            },
        );
    }
    // An AND with a single operand preserves the original form of the rule: the SQL contains `not (revenue >= 0)`
    // instead of `revenue < 0`.
    let operands = program.add_args(&[check]);
    let rule = program.add(Ir::And(operands), meta);
    let mut root = program.add(Ir::Not(rule), meta);
    if let Some(filter) = formula_indexes.filter {
        let (of_filter, _) = meta_and_span(program, filter);
        let filter = program.add(Ir::Definition(filter as u32), of_filter);
        let args = program.add_args(&[filter, root]);
        root = program.add(Ir::And(args), meta);
    }
    for index in [Some(formula_indexes.check), formula_indexes.filter]
        .into_iter()
        .flatten()
    {
        program.definitions[index].used = true;
    }
    let index = program.definitions.len();
    program.definitions.push(IrDefinition {
        name: None,
        root,
        first,
        span,
        failed: false,
        used: false,
        has_unused_nodes: false,
    });
    program.order.push(index as u32);
    index
}

/// Adds brackets after `not`, so that the rule can be written unchanged: `not (revenue >= 0)`.
fn bracket_rule(tree: &mut SqlTree, filter: SqlId) -> SqlId {
    match *tree.node(filter) {
        Sql::Not(x) if tree.is_comparison(x) => {
            let x = tree.add(Sql::Paren(x), tree.meta(x).span);
            tree.add(Sql::Not(x), tree.meta(filter).span)
        }
        Sql::Binary {
            op: op @ Op::And,
            left: sql,
            right,
        } => {
            let right = bracket_rule(tree, right);
            tree.add_binary(op, sql, right, tree.meta(filter).span)
        }
        _ => filter,
    }
}
