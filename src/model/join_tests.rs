//! dbt tests that check whether a join finds at most one row, for joins where no known key proves it.

use rustc_hash::FxHashSet;

use super::cardinality::JoinedRelationConditions;
use super::compile::SpecCompilation;
use super::dbt_tests::to_file_name_part;
use super::join_scope::JoinedStepInput;
use super::load::{SpecKind, Step};
use super::metrics::CHECK_MODEL_SUFFIX;
use crate::dbt;
use crate::dialect::op::Op;
use crate::emit::{self, Emitter};
use crate::ir::{IrId, Program};
use crate::plan::{StepOutput, StepPlan, unused_name};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, Query, RowPlan, SelectSource, Sql, SqlId};

/// Test for a join. The query of the test returns one row per violation.
#[derive(Debug)]
pub(super) struct SingleMatchTest {
    /// Name of the test's file.
    pub name: String,
    /// Explanation of the returned rows, for readers of the test.
    pub explanation: String,
    pub query: Query,
}

impl SpecCompilation<'_> {
    /// Adds tests for joins that are not proven to find at most one row.
    pub(super) fn add_tests_of_unverified_joins(
        &mut self,
        unverified: &[(usize, JoinedRelationConditions)],
        plan: &StepPlan<'_>,
        step: &Step<'_>,
        joined: &JoinedStepInput<'_>,
        output: &StepOutput,
        work: &mut emit::EmitBuffers,
    ) {
        // The tests of the metric set check these joins, so models that are built on the set do not repeat the tests.
        let unverified = if self.spec.kind == SpecKind::OverSets {
            &[]
        } else {
            unverified
        };
        for (index, cardinality_query) in unverified {
            let Some(relation) = joined.input.relations.get(index + 1).map(formulac_core::Relation::name) else {
                continue;
            };
            // All steps that are generated from a metric set share its joins, so test the joins only once.
            let is_of_set = self.spec.kind == SpecKind::WholeSet;
            let of_step = step.name.filter(|_| self.spec.steps.len() > 1 && !is_of_set);
            let of_step = of_step.map_or("", |n| n.text);
            let words = ["assert", self.spec.model.text, of_step, "finds_one_of", relation];
            let words = words
                .iter()
                .filter(|word| !word.is_empty())
                .map(|word| to_file_name_part(word));
            let name = dbt::truncate_test_name(
                &words.collect::<Vec<_>>().join("_"),
                self.compiler.options.dialect.max_bytes(),
            );
            let is_new = self.tests.names.insert(name.to_lowercase());
            if is_of_set && !is_new {
                continue;
            }
            let query = if cardinality_query.has_other_conditions {
                self.row_multiplication_query(*index, relation, output, work)
            } else {
                self.repeated_keys_query(*index, cardinality_query, plan.program, joined, work)
            };
            let model = self.spec.model.text;
            // The name of the spec that checks a whole metric set is the name of the set with a suffix. The explanation
            // omits the suffix.
            let reader = match model.strip_suffix(CHECK_MODEL_SUFFIX).filter(|_| is_of_set) {
                Some(set) => format!("the metric set {set}"),
                None => model.to_owned(),
            };
            let about = format!(
                "Fails if a row matches several rows of {relation}, because {reader} expects at most one match."
            );
            self.unverified.extend(query.map(|query| SingleMatchTest {
                name,
                explanation: about,
                query,
            }));
        }
    }

    /// Returns a query that selects the join column values that occur in several rows of the joined relation.
    fn repeated_keys_query(
        &self,
        index: usize,
        cardinality_query: &JoinedRelationConditions,
        program: &Program,
        joined: &JoinedStepInput<'_>,
        work: &mut emit::EmitBuffers,
    ) -> Option<Query> {
        let options = &self.compiler.options;
        let source = joined.input.joins.get(index)?.source.clone();
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, work);
        // The query reads only this relation, so the columns need no qualifier.
        emitter.set_input_kind(false, true);
        let mut equal: Vec<u32> = cardinality_query.equal.clone();
        equal.sort_unstable();
        equal.dedup();
        let keys: Vec<SqlId> = equal.iter().map(|column| emitter.emit_column(*column)).collect();
        let mut conditions: Vec<SqlId> = Vec::new();
        for key in &keys {
            conditions.push(emitter.tree().add(
                Sql::Postfix {
                    op: "is not null",
                    x: *key,
                },
                Span::default(),
            ));
        }
        for root in &cardinality_query.conditions_on_joined_relation {
            let mut nodes: Vec<IrId> = program.dependencies(*root).collect();
            // Operands have lower ids than the nodes that read them, so sorting puts operands first.
            nodes.sort_unstable();
            nodes.into_iter().for_each(|id| emitter.emit(id));
            conditions.push(emitter.emitted_sql(*root));
        }
        let tree = emitter.tree();
        let filter = tree.add_conjunction(conditions);
        let in_use = program.columns.iter().map(|column| &*column.name);
        let count_name = unused_name("match_count", in_use, options.dialect.max_bytes());
        let body = RowPlan::scan(source)
            .filter(filter)
            .select_duplicate_keys(keys, count_name, tree);
        Some(self.with_ctes(Vec::new(), body))
    }

    /// Returns a query that selects one row if the join adds rows.
    fn row_multiplication_query(
        &mut self,
        index: usize,
        relation: &str,
        output: &StepOutput,
        work: &mut emit::EmitBuffers,
    ) -> Option<Query> {
        let joining = output.ctes.first().map_or(&output.body, |cte| &cte.body);
        let tree = &mut work.tree;
        let count = tree.add_row_count(Span::default());
        let before = self.names.choose_short_name(&format!("before_{relation}"));
        let before = self.compiler.options.dialect.name_text(&before, true);
        let (rows_before, join) = joining.split_at_join(index)?;
        // A left join keeps an unmatched row as one row, so only additional matches change the number of rows.
        let left_join = Join {
            kind: JoinKind::Left,
            ..join
        };
        let select = tree.add_text(Span::default(), |out| {
            out.push_str(&format!("(select row_count from {before})"));
        });
        let more = tree.add_binary(Op::Greater, count, select, Span::default());
        let body = rows_before
            .clone()
            .join([left_join])
            .aggregate(Vec::new(), [Item::named(count, "joined_rows")])
            .filter(more);
        let rows_before = rows_before.aggregate(Vec::new(), [Item::named(count, "row_count")]);
        Some(self.with_ctes(vec![Cte::new(before, rows_before)], body))
    }

    /// Returns the query together with the spec's CTEs that the query reads.
    fn with_ctes(&self, query_ctes: Vec<Cte>, body: RowPlan) -> Query {
        fn cte_names(select: &RowPlan) -> impl Iterator<Item = String> {
            select.sources().filter_map(SelectSource::cte_name).map(str::to_owned)
        }
        let bodies = query_ctes.iter().map(|cte| &cte.body).chain([&body]);
        let mut names_read: FxHashSet<String> = bodies.flat_map(cte_names).collect();
        let mut ctes: Vec<Cte> = Vec::new();
        // Go backward, because a CTE reads only earlier CTEs.
        for cte in self.ctes.iter().rev() {
            if names_read.contains(&cte.name) {
                names_read.extend(cte_names(&cte.body));
                ctes.push(cte.clone());
            }
        }
        ctes.reverse();
        ctes.extend(query_ctes);
        Query { ctes, body }
    }
}

#[cfg(test)]
mod tests {
    use formulac_core::{Column, Relation, Schema, Type};

    use crate::Compiler;
    use crate::model_files::ModelTest;

    /// Returns the tests of a spec's joins, for a schema in which the relation `customers` has no key.
    fn tests_of_joins(spec: &str) -> Vec<ModelTest> {
        let columns = |relation: &str, names: &[&str]| {
            let columns = names.iter().map(|name| Column::new(*name, Type::Integer));
            columns.fold(Relation::new(relation), Relation::with)
        };
        let schema = Schema::new()
            .with(columns("orders", &["id", "customer_id", "amount"]))
            .with(columns("customers", &["customer_id", "region"]))
            .with(columns("games", &["id", "match_count"]))
            .with(columns("bonuses", &["match_count", "bonus"]));
        let compiled = Compiler::builder().schema(schema).build().compile_spec(spec);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        let tests = compiled.model_tests().iter();
        tests
            .filter(|test| test.name().contains("finds_one_of"))
            .cloned()
            .collect()
    }

    #[test]
    fn the_test_of_a_join_contains_all_branches_of_a_union() {
        let spec = "model: m\nfrom: orders\nsteps:\n  - name: sold\n    keep: [id, customer_id]\n  - name: returned\n    \
            from: orders\n    keep: [id, customer_id]\n  - name: together\n    union: [sold, returned]\n    joins: [{to: \
            customers, on: \"AND(unioned.customer_id = customers.customer_id, unioned.id > 1)\"}]\n    definitions: n = \
            COUNT(customers.region)\n";
        let tests = tests_of_joins(spec);
        let [test] = tests.as_slice() else { panic!("{tests:?}") };
        for part in [
            "sold as (",
            "returned as (",
            "from sold\n    union all",
            "from returned\n\n)",
        ] {
            assert!(test.sql().contains(part), "{part}: {}", test.sql());
        }
    }

    #[test]
    fn the_number_of_matches_has_a_name_that_no_column_has() {
        let spec = "model: m\nfrom: games\njoins: [{to: bonuses, using: match_count}]\ndefinitions: n = bonus\n";
        let tests = tests_of_joins(spec);
        let [test] = tests.as_slice() else { panic!("{tests:?}") };
        let select = "    match_count,\n    count(*) as match_count_value\n";
        assert!(test.sql().contains(select), "{}", test.sql());
    }

    #[test]
    fn a_total_does_not_repeat_the_test_of_a_join() {
        let spec = "model: m\nfrom: orders\nsteps:\n  - name: grouped\n    joins: [{to: customers, using: customer_id}]\n    \
            group_by: region\n    definitions: revenue = SUM(amount)\n  - name: sheet\n    columns: [region, revenue]\n    \
            order_by: region\n    calculations: {share: B1 / B_TOTAL}\n";
        let tests = tests_of_joins(spec);
        let names: Vec<&str> = tests.iter().map(ModelTest::name).collect();
        assert_eq!(names, ["assert_m_grouped_finds_one_of_customers"]);
    }
}
