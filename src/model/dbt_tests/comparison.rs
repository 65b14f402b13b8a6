//! Tests for `compare:`, which compare the model and another relation row by row. A row that exists in only one
//! relation, or several times in one of them, is a difference.

use super::super::compile::SpecCompilation;
use super::super::load::{SpannedText, SpecComparison};
use super::super::sources::SourceRelation;
use super::compared_columns::{ComparedColumns, ComparedInput, ComparedPair};
use super::{SingularTest, TestedModel, to_file_name_part};
use crate::check::{DefinitionRole, missing_column_diagnostic};
use crate::dbt::{self, TestConfig};
use crate::diag::{Code, Diagnostic};
use crate::emit::Emitter;
use crate::schema::Relation;
use crate::scratch::CompileMemory;
use crate::sql::{Cte, Join, JoinKind, Query, RowPlan, SelectList, SelectSource, SqlId, SqlText, SqlTree, Star};
use crate::verify::{ComparedColumnNames, SharedColumn, SqlTexts};

impl SpecCompilation<'_> {
    pub(super) fn add_comparison_tests(
        &mut self,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for comparison in &self.spec.comparisons {
            let test = self.differing_rows_test(comparison, tested, memory, diagnostics);
            let (test, named_columns) = test.unzip();
            self.tests.comparisons.extend(named_columns);
            self.add_test(test, comparison.with_span, diagnostics);
        }
    }

    /// Returns the query for the rows that differ between the model and the other relation.
    fn differing_rows_test(
        &self,
        comparison: &SpecComparison<'_>,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(SingularTest, ComparedColumnNames)> {
        let dialect = self.compiler.options.dialect;
        let (mut sources, mut names) = self.read_model(tested);
        sources.add_input_relation(&comparison.with, dialect, &mut names);
        let [model_source, other] = sources.sources.as_slice() else {
            let message = "the model would be compared with itself";
            diagnostics.push(
                Diagnostic::new(Code::ModelReadsItself, comparison.with_span, message)
                    .with_help("write another relation in `with`"),
            );
            return None;
        };
        let other_known = self.schema_relation(&comparison.with);
        diagnostics.extend(other_known.and_then(|other| self.check_test_access(other, comparison.with_span)));
        let compared = self.compared_columns(comparison, tested, diagnostics)?;
        let filters = match comparison.filter {
            Some(filter) => {
                let mut of_side = |source: &SourceRelation, relation: Option<&Relation>| {
                    self.input_filter(filter, (source, relation), tested, memory, diagnostics)
                };
                [Some(of_side(model_source, None)?), Some(of_side(other, other_known)?)]
            }
            None => [None; 2],
        };
        let tree = &mut memory.emit.tree;
        let mut ctes = Vec::new();
        let is_marked = compared.never_null_key().is_none();
        let [own_counts, other_counts] = sides_with_repeated_keys(&compared, tested, other_known);
        let mut side = |(index, is_counted): (u32, bool), source: &SourceRelation, filter: Option<SqlId>| {
            if filter.is_none() && !is_marked && !is_counted {
                return ComparedInput {
                    name: source.import.clone(),
                    source: SelectSource::Input(index),
                    is_counted,
                };
            }
            let name = dialect.name_text(&names.choose_short_name(&format!("{}_rows", source.name)), true);
            let items = compared.presence_and_count_columns(index as usize, is_marked, is_counted, tree);
            let rows = RowPlan::scan(SelectSource::Input(index)).filter(filter);
            ctes.push(Cte::new(
                name.clone(),
                rows.project_list(SelectList::new(Some(Star(None)), items)),
            ));
            ComparedInput {
                name: name.clone(),
                source: SelectSource::Name(name),
                is_counted,
            }
        };
        let comparison_side = side((0, own_counts), model_source, filters[0]);
        let sides = [comparison_side, side((1, other_counts), other, filters[1])];
        let (with, file_name) = (&other.name, to_file_name_part(&other.name));
        let items = compared.items(&sides, &file_name, dialect, tree);
        let condition = compared.join_condition(&sides, dialect, tree);
        let filter = compared.difference(&sides, comparison, dialect, tree);
        let [model_side, other_side] = sides;
        let join = Join::new(JoinKind::Full, other_side.source, condition);
        let body = RowPlan::scan(model_side.source)
            .join([join])
            .filter(filter)
            .project(items);
        let [of_own, of_other] = filters.map(|filter| filter.map(|filter| Self::condition_sql_texts(tree, filter)));
        let shared = |pairs: &[ComparedPair<'_>]| -> Vec<SharedColumn> {
            let is_named = comparison.columns.is_some();
            pairs.iter().map(|pair| pair.to_shared_column(is_named)).collect()
        };
        let named_columns = ComparedColumnNames {
            with: comparison.with.clone(),
            keys: shared(&compared.keys),
            columns: shared(&compared.columns),
            tolerance: comparison.tolerance.map(str::to_owned),
            aliases: [model_source.import.clone(), other.import.clone()],
            filters: of_own.zip(of_other).map(<[SqlTexts; 2]>::from),
        };
        let model = self.spec.model.text;
        let test = SingularTest {
            name: self.comparison_test_name(comparison, &file_name),
            config: TestConfig {
                group: self.group_of_test(other_known),
                ..TestConfig::default()
            },
            explanation: format!(
                "Fails for each row that differs between {model} and {with}, is missing from one of the two, or has \
                 the same keys as another row."
            ),
            sql: self.test_sql(&sources, tree, &Query { ctes, body }),
        };
        Some((test, named_columns))
    }

    /// Returns the name of a comparison's test. The name contains the columns if another comparison has the same
    /// relation.
    fn comparison_test_name(&self, comparison: &SpecComparison<'_>, with: &str) -> String {
        let name = self.test_name(&format!("matches_{with}"));
        match &comparison.columns {
            Some(columns) if self.tests.names.contains(&name.to_lowercase()) => {
                let columns: Vec<&str> = columns.iter().map(|column| column.text).collect();
                let columns = to_file_name_part(&columns.join("_and_"));
                self.test_name(&format!("matches_{with}_in_{columns}"))
            }
            _ => name,
        }
    }

    /// Returns a condition as plain SQL and as SQL for dbt.
    fn condition_sql_texts(tree: &SqlTree, condition: SqlId) -> SqlTexts {
        let text = SqlText::from_expr(tree, condition);
        SqlTexts {
            dbt: text.to_template(dbt::escape_jinja),
            plain: text.into_query(tree),
        }
    }

    /// Returns the comparison's filter as a condition on one side's columns. Reports a column that is missing in the
    /// other relation, if that relation's columns are known.
    fn input_filter(
        &self,
        filter: SpannedText<'_>,
        (relation, known_columns): (&SourceRelation, Option<&Relation>),
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<SqlId> {
        let (formulas, _) = self.check_condition_formulas(
            &[(filter, DefinitionRole::Rule)],
            &tested.relation,
            tested.has_unknown_columns,
            memory,
        );
        let options = &self.compiler.options;
        let CompileMemory { program, emit, .. } = memory;
        let missing = known_columns
            .filter(|relation| !relation.is_marked_incomplete())
            .and_then(|relation| {
                let mut names = program.columns.iter().map(|column| &*column.name);
                Some((relation, names.find(|name| relation.column(name).is_none())?))
            });
        if let Some((known_relation, name)) = missing {
            let help = || "compare only columns that both relations have".to_owned();
            diagnostics.push(missing_column_diagnostic(known_relation, name, filter.node.span, help));
            return None;
        }
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
        let is_named = || {
            program
                .columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(&relation.name))
        };
        if options.dialect.facts().relation_shadows_column && is_named() {
            emitter.qualifier = Some(emitter.tree().add_raw_text(&relation.import));
        }
        let sql = emitter.emit_definition(0);
        let new_diagnostics = std::mem::take(&mut emitter.diagnostics);
        diagnostics.extend(new_diagnostics.into_iter().map(|d| formulas.map_to_file(d)));
        sql
    }
}

/// Returns, for the model and the other relation, whether several rows may have the same keys and must therefore be
/// counted.
fn sides_with_repeated_keys(
    compared: &ComparedColumns<'_>,
    tested: &TestedModel<'_>,
    other: Option<&Relation>,
) -> [bool; 2] {
    let own_key = (!tested.grain.is_empty()).then_some(tested.grain);
    let other_key = other.map(Relation::key).filter(|key| !key.is_empty());
    [
        !tested.single && compared.may_repeat_keys(own_key),
        compared.may_repeat_keys(other_key),
    ]
}
