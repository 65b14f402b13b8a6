//! Converts rules to tests. A rule becomes dbt tests if equivalent tests exist, and otherwise a query that returns the
//! violations.

use super::super::compile::SpecCompilation;
use super::super::load::SpecRule;
use super::equivalent_tests::{RANGE_TEST, column_tests};
use super::{ColumnTest, TestedModel};
use crate::dbt;
use crate::dbt::escaped_text;
use crate::diag::{Code, Diagnostic};
use crate::emit::Emitter;
use crate::scratch::CompileMemory;
use crate::sql::SqlText;
use crate::yaml::YamlValue;

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
                    let names = of_column.iter().map(|test| test.name.to_lowercase());
                    self.tests.names.extend(names);
                    self.tests.column_tests.extend(of_column);
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
        rule: &SpecRule<'_>,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
    ) -> Result<Option<Vec<ColumnTest>>, Diagnostic> {
        let conditions: Vec<_> = rule.condition_and_filter().collect();
        self.check_condition_formulas(&conditions, &tested.relation, tested.has_unknown_columns, memory);
        let CompileMemory { program, emit, .. } = memory;
        let options = &self.compiler.options;
        let ranges = self.compiler.specs.generic_tests.contains(RANGE_TEST);
        let Some(root) = program.definitions.as_slice().first().map(|check| check.root) else {
            return Ok(None);
        };
        let column_and_tests = match &rule.found_in {
            Some(found_in) => Some(self.relationship_tests(rule, found_in, (program, root), tested)?),
            None => column_tests(program, root, rule.nulls_fail, ranges, tested),
        };
        let Some((column, tests)) = column_and_tests else {
            return Ok(None);
        };
        let filter = match rule.filter {
            None => None,
            Some(filter) => {
                let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
                let sql = emitter.emit_definition(1);
                let several = emitter.largest_repetition().is_some();
                if let Some(sql) = sql.filter(|_| !several) {
                    Some(SqlText::from_expr(emitter.tree(), sql).to_template(dbt::escape_jinja))
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
        let proofs = tests.into_iter().enumerate().map(|(index, test)| {
            let kind = test.name();
            let name = self.test_name(rule.name.text);
            let name = if index == 0 { name } else { format!("{name}_{kind}") };
            ColumnTest {
                column: column.clone(),
                name: name.clone(),
                kind,
                always: rule.filter.is_none() && !rule.only_warns,
                test: self.column_test(rule, name, kind, test.arguments(), filter.clone()),
            }
        });
        Ok(Some(proofs.collect()))
    }

    fn column_test(
        &self,
        rule: &SpecRule<'_>,
        name: String,
        kind: &str,
        arguments: Vec<(String, YamlValue)>,
        filter: Option<String>,
    ) -> YamlValue {
        let mut pairs = vec![("name".to_owned(), escaped_text(name))];
        let mut config = Vec::new();
        config.extend(rule.only_warns.then(|| ("severity".to_owned(), escaped_text("warn"))));
        config.extend(filter.map(|sql| ("where".to_owned(), YamlValue::Text(sql))));
        if let Some(message) = rule.message {
            if self.compiler.specs.supports_test_descriptions() {
                pairs.push(("description".to_owned(), escaped_text(message)));
            } else {
                // Before dbt 1.10.5, tests have no description, so the message is written to `meta`.
                config.push(("meta".to_owned(), YamlValue::map([("message", escaped_text(message))])));
            }
        }
        for (key, inner) in [("arguments", arguments), ("config", config)] {
            if !inner.is_empty() {
                pairs.push((key.to_owned(), YamlValue::map(inner)));
            }
        }
        YamlValue::map([(kind, YamlValue::map(pairs))])
    }

    /// Returns the name of a test, which must be unique in the dbt project.
    pub(super) fn test_name(&self, description: &str) -> String {
        dbt::truncate_test_name(
            &format!("assert_{}_{description}", self.spec.model.text),
            self.compiler.options.dialect.max_bytes(),
        )
    }
}
