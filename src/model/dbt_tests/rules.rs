//! Converts rules to tests. A rule becomes dbt tests if equivalent tests exist, and otherwise a query that returns the
//! violations.

use rustc_hash::FxHashMap;

use super::super::compile::SpecCompilation;
use super::super::load::Rule;
use super::equivalent_tests::{RANGE, column_tests};
use super::{ColumnProof, SingularTest, TestedModel};
use crate::check::DefinitionRole;
use crate::dbt::{self, TestConfig, YamlOutput};
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::emit::Emitter;
use crate::ir::{Ir, IrDefinition, IrId, NodeMeta, Program};
use crate::plan::{CteNames, KeepColumns, StepInput, StepOutput, StepPlan, StepSpec, plan_step, rewrite_unsupported};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{self, Cte, Item, Query, Select, SelectSource, Sql, SqlId, SqlTree};
use crate::{Level, Type};

/// Name of the boolean column that is true if a row satisfies the rule.
const RULE_COLUMN: &str = "holds";

/// Indexes of a rule's formulas among the definitions of a program.
#[derive(Clone, Copy, Debug)]
struct RuleFormulaIndexes {
    check: usize,
    filter: Option<usize>,
}

impl SpecCompilation<'_> {
    pub(super) fn add_rule_tests(
        &mut self,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for rule in &self.spec.rules {
            match self.equivalent_dbt_tests(rule, tested, memory) {
                Ok(Some(of_column)) => {
                    self.proofs.of_columns.extend(of_column);
                    continue;
                }
                Ok(None) => {}
                Err(fault) => {
                    diagnostics.push(fault);
                    continue;
                }
            }
            let test = self.violating_rows_test(rule, tested, memory, diagnostics);
            self.add_test(test, rule.name.node.span, diagnostics);
        }
    }

    /// Returns the dbt tests that are equivalent to a rule, if there are any.
    fn equivalent_dbt_tests(
        &self,
        rule: &Rule<'_>,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
    ) -> Result<Option<Vec<ColumnProof>>, Diagnostic> {
        let conditions: Vec<_> = rule.condition_and_filter().collect();
        self.condition_formulas(&conditions, &tested.relation, tested.open, memory, &mut Vec::new());
        let CompileMemory {
            program, emit, print, ..
        } = memory;
        let options = &self.compiler.options;
        let ranges = self.compiler.specs.generic_tests.contains(RANGE);
        let Some(root) = program.definitions.first().map(|check| check.root) else {
            return Ok(None);
        };
        let found = match &rule.found_in {
            Some(found_in) => Some(self.relationship_tests(rule, found_in, (program, root), tested)?),
            None => column_tests(program, root, rule.nulls_fail, ranges, tested),
        };
        let Some((column, tests)) = found else { return Ok(None) };
        let filter = match rule.filter {
            None => None,
            Some(filter) => {
                let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
                let sql = emitter.definition_sql(1);
                let several = emitter.largest_repetition().is_some();
                let mut text = String::new();
                if let Some(sql) = sql.filter(|_| !several) {
                    sql::write_flat(emitter.tree(), sql, print, &mut text);
                    Some(self.substitute_variable(&text, dbt::escape_jinja))
                } else if rule.found_in.is_some() {
                    return Err(Diagnostic::new(
                        Code::WrongShape,
                        filter.node.span,
                        "this expression uses a computed value more than once, which is not possible in a test on \
                            a column",
                    )
                    .with_help("define the condition as a column of the model, and use its name here"));
                } else {
                    return Ok(None);
                }
            }
        };
        let written = tests.into_iter().enumerate().map(|(place, test)| {
            let kind = test.name();
            let name = self.test_name(rule.name.text);
            let name = if place == 0 { name } else { format!("{name}_{kind}") };
            ColumnProof {
                column: column.clone(),
                name: name.clone(),
                kind,
                always: rule.filter.is_none() && !rule.only_warns,
                test: self.column_test(rule, name, kind, test.arguments(), filter.clone()),
            }
        });
        Ok(Some(written.collect()))
    }

    fn column_test(
        &self,
        rule: &Rule<'_>,
        name: String,
        kind: &str,
        arguments: Vec<(String, YamlOutput)>,
        filter: Option<String>,
    ) -> YamlOutput {
        let text = |text: &str| YamlOutput::text(text);
        let mut said = vec![("name".to_owned(), YamlOutput::Text(name))];
        let mut config = Vec::new();
        config.extend(rule.only_warns.then(|| ("severity".to_owned(), text("warn"))));
        config.extend(filter.map(|sql| ("where".to_owned(), YamlOutput::Dbt(sql))));
        if let Some(message) = rule.message {
            if self.compiler.specs.needs_flat_test_arguments() {
                // Before dbt 1.10.5, tests have no description, so the message goes to `meta`.
                config.push((
                    "meta".to_owned(),
                    YamlOutput::Map(vec![("message".to_owned(), text(message))]),
                ));
            } else {
                said.push(("description".to_owned(), text(message)));
            }
        }
        for (key, inner) in [("arguments", arguments), ("config", config)] {
            if !inner.is_empty() {
                said.push((key.to_owned(), YamlOutput::Map(inner)));
            }
        }
        YamlOutput::Map(vec![(kind.to_owned(), YamlOutput::Map(said))])
    }

    /// Returns the query for the rows that violate a rule.
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn violating_rows_test(
        &self,
        rule: &Rule<'_>,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<SingularTest> {
        let conditions: Vec<_> = rule.condition_and_filter().collect();
        // Ignore the diagnostics here, because the checks of the model have already reported them.
        let formulas = self.condition_formulas(&conditions, &tested.relation, tested.open, memory, &mut Vec::new());
        let CompileMemory { program, emit, .. } = memory;
        let (options, model) = (&self.compiler.options, self.spec.model.text);
        let places = RuleFormulaIndexes {
            check: 0,
            filter: rule.filter.map(|_| 1),
        };
        if program.definitions.len() < conditions.len() {
            return None;
        }
        let shown = displayed_columns(program, tested);
        rewrite_unsupported(program, options.dialect);
        let looks_around = program.meta(program.definitions.first()?.root).level == Level::Window;
        let mut listed = CteNames::new(options.dialect.max_bytes());
        listed.reserve_columns(&tested.relation);
        let holds = listed.choose_name(RULE_COLUMN);
        let count = program.definitions.len();
        let mut no = vec![false; count];
        let (roles, outputs) = if looks_around {
            // A window must read all filtered rows, so violations are selected in a separate step.
            program
                .definitions
                .iter_mut()
                .take(1)
                .for_each(|check| check.name = Some(holds.as_str().into()));
            let role = |index: usize| {
                if places.filter == Some(index) {
                    DefinitionRole::Where
                } else {
                    DefinitionRole::Definitions
                }
            };
            (
                (0..count).map(role).collect(),
                (0..count).map(|index| index == places.check).collect(),
            )
        } else {
            let breaks = add_violation(program, places, rule.nulls_fail);
            no.push(false);
            let role = |index: usize| {
                if index == breaks {
                    DefinitionRole::Where
                } else {
                    DefinitionRole::Definitions
                }
            };
            ((0..=count).map(role).collect(), no.clone())
        };
        let plan = StepPlan {
            program,
            roles,
            grouped: false,
            keys: no.clone(),
            outputs,
        };
        let (sources, mut names) = self.read_model(tested);
        let input = StepInput {
            name: model,
            source: Some(0),
            relation: (!tested.open).then_some(&tested.relation),
            grain: tested.grain,
            joined: None,
            joined_grain: &[],
            tabs: &[],
        };
        let name = names.choose_name(&format!("{model}_rows"));
        let keep: Vec<&str> = shown.iter().map(String::as_str).collect();
        let spec = StepSpec {
            times: false,
            name: &name,
            last: !looks_around,
            keep: if keep.is_empty() {
                KeepColumns::All
            } else {
                KeepColumns::Some(keep)
            },
            limit: None,
            descending: &no,
            quoted: &no,
            default_partition: true,
            source: &formulas.text,
            pivot: None,
            first: &FxHashMap::default(),
            sheet: false,
        };
        let mut output = plan_step(&plan, &spec, &input, options.dialect, &options.limits, emit, &mut names);
        let found = std::mem::take(&mut output.diagnostics);
        diagnostics.extend(
            found
                .into_iter()
                .map(|d| d.map_spans(|span| formulas.to_file_span(span))),
        );
        let query = if looks_around {
            self.violating_rows_query(output, (&name, &holds), &shown, rule, tested, &mut emit.tree)
        } else {
            let mut body = output.body;
            body.filter = body.filter.map(|filter| bracket_rule(&mut emit.tree, filter));
            Query {
                ctes: output.ctes,
                body,
            }
        };
        let sql = self.test_sql(&sources, &emit.tree, &query);
        Some(SingularTest {
            name: self.test_name(rule.name.text),
            config: TestConfig {
                only_warns: rule.only_warns,
                group: self.group_of_test(None),
            },
            about: rule.message.unwrap_or_default().to_owned(),
            sql,
        })
    }

    /// Returns a query that selects the violations from the output of a step. A boolean column of this output is true
    /// if a row satisfies the rule.
    fn violating_rows_query(
        &self,
        output: StepOutput,
        (name, holds): (&str, &str),
        shown: &[String],
        rule: &Rule<'_>,
        tested: &TestedModel<'_>,
        tree: &mut SqlTree,
    ) -> Query {
        let dialect = self.compiler.options.dialect;
        let span = Span::default();
        let written = |name: &String| {
            dialect.name_text(
                name,
                !tested
                    .relation
                    .column(name)
                    .is_some_and(formulac_core::Column::is_quoted),
            )
        };
        let items = shown
            .iter()
            .map(|name| Item {
                expr: tree.add_raw_text(&written(name)),
                alias: None,
            })
            .collect();
        let mut x = tree.add_raw_text(holds);
        if rule.nulls_fail {
            let no = tree.add_word("false", span);
            x = tree.add_call("coalesce", &[x, no], span);
        }
        let filter = Some(tree.add(Sql::Not(x), span));
        let name = dialect.name_text(name, true);
        let from = Some(SelectSource::Name(name.clone()));
        let mut ctes = output.ctes;
        ctes.push(Cte {
            name,
            body: output.body,
        });
        Query {
            ctes,
            body: Select {
                star: shown.is_empty(),
                items,
                from,
                filter,
                ..Select::default()
            },
        }
    }

    /// Returns the name of a test, which must be unique in the dbt project.
    pub(super) fn test_name(&self, what: &str) -> String {
        dbt::test_name(
            &format!("assert_{}_{what}", self.spec.model.text),
            self.compiler.options.dialect.max_bytes(),
        )
    }
}

/// Returns the columns that describe a violation: the key and the columns that the rule reads. Empty if no key is
/// known, which means all columns.
fn displayed_columns(program: &Program, tested: &TestedModel<'_>) -> Vec<String> {
    if tested.grain.is_empty() && !tested.single {
        return Vec::new();
    }
    let mut shown = tested.grain.to_vec();
    for node in program.nodes() {
        let Ir::Column(column) = node else { continue };
        let Some(column) = program.columns.get(column as usize) else {
            continue;
        };
        if !shown.iter().any(|name| name.eq_ignore_ascii_case(&column.name)) {
            shown.push(column.name.to_string());
        }
    }
    shown
}

/// Adds a definition that is true for violations: `not (check)`, combined with the filter. NULL is a violation if
/// `nulls_fail` is true.
fn add_violation(program: &mut Program, places: RuleFormulaIndexes, nulls_fail: bool) -> usize {
    let first = IrId(program.len() as u32);
    let of = |program: &Program, at: usize| {
        let definition = &program.definitions[at];
        (
            NodeMeta {
                level: Level::Row,
                ..program.meta(definition.root)
            },
            definition.span,
        )
    };
    let (meta, span) = of(program, places.check);
    let meta = NodeMeta {
        ty: Type::Boolean,
        ..meta
    };
    let mut check = program.add(Ir::Definition(places.check as u32), meta);
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
    // The AND of one condition keeps the rule's notation: `not (revenue >= 0)` instead of `revenue < 0`.
    let one = program.add_args(&[check]);
    let rule = program.add(Ir::And(one), meta);
    let mut root = program.add(Ir::Not(rule), meta);
    if let Some(filter) = places.filter {
        let (of_filter, _) = of(program, filter);
        let filter = program.add(Ir::Definition(filter as u32), of_filter);
        let args = program.add_args(&[filter, root]);
        root = program.add(Ir::And(args), meta);
    }
    for used in [Some(places.check), places.filter].into_iter().flatten() {
        program.definitions[used].used = true;
    }
    let index = program.definitions.len();
    program.definitions.push(IrDefinition {
        name: None,
        root,
        first,
        span,
        failed: false,
        used: false,
        folded: false,
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
            left,
            right,
        } => {
            let right = bracket_rule(tree, right);
            tree.add_binary(op, left, right, tree.meta(filter).span)
        }
        _ => filter,
    }
}
