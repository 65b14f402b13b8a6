//! Writes the results of compiling a spec: the query, and the model's SQL file and properties.

use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::formulas::StepFormulas;
use super::incremental::IncrementalPlan;
use super::join_tests::SingleMatchTest;
use super::load::{SpecKind, Step};
use super::{ColumnLineage, CompiledSpec, Model, ModelTest, SpecDefinition};
use crate::ast::Ast;
use crate::check::DefinitionRole;
use crate::dbt;
use crate::diag::{Code, Diagnostic};
use crate::emit;
use crate::ir::Program;
use crate::parse;
use crate::plan::key_name;
use crate::schema::{Column, Relation};
use crate::sql::{self, Query, QueryInput, Select, SqlTree};

impl SpecCompilation<'_> {
    /// Collects the descriptions and formulas of a step for the generated files.
    pub(super) fn collect_descriptions(
        &mut self,
        step: &Step<'_>,
        program: &Program,
        ast: &Ast,
        formulas: &StepFormulas,
    ) {
        for (definition, parsed) in program.definitions.iter().zip(&ast.definitions) {
            let part = parsed.part as usize;
            if formulas.roles.get(part) == Some(&DefinitionRole::GroupBy) {
                // The text of a timeframe in `group_by` serves as its description.
                let text = definition.span.text(&formulas.text);
                self.written_keys.push((key_name(text), text.to_owned()));
            }
            let Some(name) = definition
                .name
                .as_deref()
                .filter(|_| formulas.roles.get(part) == Some(&DefinitionRole::Definitions))
            else {
                continue;
            };
            let beside = formulas.descriptions.get(part).cloned().flatten();
            let text = definition.span.text(&formulas.text);
            let formula = match (text.split_once('='), formulas.parts.get(part).and_then(|p| p.name)) {
                (_, Some(_)) => formulas.parts[part].span.text(&formulas.text).trim().to_owned(),
                (Some((_, formula)), None) => formula.trim().to_owned(),
                (None, None) => text.to_owned(),
            };
            let formula = strip_comments(&formula);
            let description = beside
                .or_else(|| parse::description(&formulas.text, definition.span.start))
                .unwrap_or_default();
            let key = name.to_ascii_lowercase();
            if description.is_empty() {
                self.descriptions.remove(&key);
            } else {
                self.descriptions.insert(key, description.clone());
            }
            let meta = program.meta(definition.root);
            self.definitions.push(SpecDefinition {
                name: name.to_owned(),
                step: step.name.map(|n| n.text.to_owned()),
                formula,
                ty: meta.ty,
                level: meta.level,
                nullable: meta.nullable,
                description: Some(description).filter(|d| !d.is_empty()),
                span: formulas.to_file_span(definition.span),
            });
        }
    }

    /// Returns the output columns, each with the best available description.
    pub(super) fn documented_columns(&self, relation: &Relation) -> Vec<Column> {
        let read: Vec<&Relation> = self
            .sources
            .all
            .iter()
            .filter_map(|source| self.known_relation(&source.from))
            .collect();
        let by_name = |pairs: &mut dyn Iterator<Item = (&str, &str)>| -> FxHashMap<String, String> {
            pairs.map(|(n, d)| (n.to_ascii_lowercase(), d.to_owned())).collect()
        };
        let said = by_name(
            &mut self
                .spec
                .columns
                .iter()
                .filter_map(|c| Some((c.name.text, c.description.as_deref()?))),
        );
        let formulas = self.formulas_by_name();
        let made_of = self.lineage_texts();
        let describe = |column: &Column| -> Option<String> {
            let key = column.name().to_ascii_lowercase();
            let own = said.get(&key).or_else(|| self.descriptions.get(&key)).cloned();
            own.or_else(|| {
                read.iter()
                    .find_map(|r| r.column(column.name())?.description_text().map(str::to_owned))
            })
            .or_else(|| formulas.get(&key).cloned())
            .or_else(|| made_of.get(&key).cloned())
        };
        let with = |column: &Column| match describe(column) {
            Some(text) => column.clone().description(text),
            None => column.clone(),
        };
        relation.columns().iter().map(with).collect()
    }

    /// Returns the formulas of definitions and timeframes on one line each, by lower-case name. Formulas that only
    /// repeat the name are omitted.
    pub(super) fn formulas_by_name(&self) -> FxHashMap<String, String> {
        let formulas = self.definitions.iter().map(|d| (d.name(), d.formula()));
        let written = formulas.chain(self.written_keys.iter().map(|(n, t)| (n.as_str(), t.as_str())));
        let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let telling = written.filter(|(name, formula)| !name.eq_ignore_ascii_case(formula));
        telling
            .map(|(name, formula)| (name.to_ascii_lowercase(), in_one_line(formula)))
            .collect()
    }

    /// Returns the inputs of each column, such as `orders.amount`, as the description of columns that have no other
    /// description.
    fn lineage_texts(&self) -> FxHashMap<String, String> {
        let said = |column: ColumnLineage| {
            let sources = column
                .sources()
                .iter()
                .map(|s| format!("{}.{}", s.relation(), s.column()));
            (
                column.column().to_ascii_lowercase(),
                sources.collect::<Vec<_>>().join(", "),
            )
        };
        self.lineage
            .column_lineages()
            .into_iter()
            .map(said)
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }

    /// Returns the inputs of a plain query.
    fn query_inputs(&self) -> Vec<QueryInput<'_>> {
        self.sources
            .all
            .iter()
            .map(|source| QueryInput {
                name: &source.table,
                import: None,
            })
            .collect()
    }

    /// Returns the SQL of a query for dbt.
    fn dbt_query(&self, tree: &SqlTree, query: &Query) -> String {
        let escapes = self.compiler.options.dialect.has_backslash_escapes();
        let protect = |sql: &str| dbt::incremental_sql(&dbt::escape_jinja(sql), escapes);
        self.sources
            .dbt_sql(tree, query, |sql| self.substitute_variable(sql, protect))
    }

    /// Returns the tests of joins that are not proven to find at most one row.
    fn join_tests(&self, tree: &SqlTree, spec_name: &str) -> Vec<ModelTest> {
        // The query reads only the inputs of the model, so dbt would not run the test with the model. A metric set is
        // not a node of dbt.
        let tested = match self.spec.kind {
            SpecKind::WholeSet => String::new(),
            _ => dbt::depends_on_comment(&self.own_reference()),
        };
        let test = |test: &SingleMatchTest| ModelTest {
            name: test.name.clone(),
            sql: dbt::add_sql_header(
                &format!(
                    "{}{}{}{}",
                    dbt::TestConfig {
                        group: self.group_of_test(None),
                        ..dbt::TestConfig::default()
                    }
                    .config_call(),
                    dbt::sql_comment(&test.about),
                    tested,
                    self.dbt_query(tree, &test.query)
                ),
                spec_name,
            ),
        };
        self.unproven.iter().map(test).collect()
    }

    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    pub(super) fn write(
        &mut self,
        mut body: Select,
        grain: &[String],
        incremental: Option<IncrementalPlan>,
        work: &mut emit::EmitBuffers,
        compiled: &mut CompiledSpec,
    ) {
        let options = &self.compiler.options;
        let spec_name = self
            .path
            .map_or_else(|| format!("the spec of {}", self.spec.model.text), str::to_owned);
        let mut tests = self.join_tests(&work.tree, &spec_name);
        if self.spec.kind == SpecKind::WholeSet {
            // A metric set has no rows, so only its joins are tested.
            compiled.set_tests = tests;
            return;
        }
        if options.dialect.facts().joined_names_are_ambiguous {
            let selects = self.ctes.iter_mut().map(|cte| &mut cte.body).chain([&mut body]);
            selects.for_each(|select| work.tree.qualify_sort_keys(select));
        }
        let mut query = Query {
            ctes: self.ctes.clone(),
            body: body.clone(),
        };
        let mut plain = String::new();
        sql::write_query(&work.tree, &query, &self.query_inputs(), &mut plain);
        let plain = self.substitute_date(plain);
        let limit = query.body.limit.take();
        let config = dbt::config_block(&self.config_block_settings(&compiled.columns, incremental.as_ref()));
        let ordered =
            (!query.body.order_by.is_empty() || !config.is_empty()).then(|| self.dbt_query(&work.tree, &query));
        if limit.is_none() {
            body.order_by.clear();
        }
        query.body = body;
        let columns = &compiled.columns;
        if let Some(incremental) = &incremental {
            query = self.add_incremental_conditions(incremental, query, columns, work, &mut compiled.diagnostics);
        }
        let has_late_rows = incremental.is_some();
        query = self.cast_to_contract(query, columns, &mut work.tree);
        let under_contract = (self.is_contract_enforced() && !has_late_rows).then(|| {
            let mut plain = String::new();
            sql::write_query(&work.tree, &query, &self.query_inputs(), &mut plain);
            self.substitute_date(plain)
        });
        let body = self.dbt_query(&work.tree, &query);
        let body_length = body.len();
        let model = config + &body;
        if model.len().max(plain.len()) > options.limits.output {
            compiled.diagnostics.push(
                Diagnostic::new(
                    Code::OutputTooLarge,
                    self.spec.model.node.span,
                    format!("the SQL is more than {} MiB long", options.limits.output >> 20),
                )
                .with_help("split the spec into several models"),
            );
            return;
        }
        compiled.query = Some(plain);
        let name = self.spec.model;
        let own = |from: &dbt::RelationReference| {
            from.unversioned_model()
                .is_some_and(|read| read.eq_ignore_ascii_case(name.text))
        };
        if let Some(place) = self.sources.all.iter().position(|source| own(&source.from)) {
            let what = if place == 0 { "`from` is" } else { "a join reads" };
            let fault = Diagnostic::new(
                Code::ModelReadsItself,
                name.node.span,
                format!(
                    "the model `{}` would read itself: {what} a model with this name",
                    name.text
                ),
            );
            compiled.model_fault = Some(fault.with_help(format!(
                "rename the model, or read a table with its schema, or `source('…', '{}')`",
                name.text
            )));
            return;
        }
        let (mut grain, mut never_null) = (grain, Vec::new());
        if let Some(incremental) = &incremental {
            if grain.is_empty() && incremental.is_unique {
                grain = &incremental.unique_key;
            }
            never_null.clone_from(&incremental.unique_key);
            never_null.push(incremental.time.name().to_owned());
        }
        let mut doc = self.model_properties(&compiled.columns, grain, &never_null);
        let (columns, additivity) = (&compiled.columns, &compiled.additivity);
        let semantic = self.add_semantic_layer(columns, additivity, grain, &mut doc, &mut compiled.model_warnings);
        let mut docs = dbt::DocsBlocks::from_model(self.spec.model.text);
        let yml = dbt::properties_yml(doc, &mut docs);
        tests.extend(self.proofs.files.iter().map(|test| ModelTest {
            name: test.name.clone(),
            sql: test.text(&spec_name),
        }));
        let sql = dbt::add_sql_header(&model, &spec_name);
        compiled.model = Some(Model {
            own: self.own_reference(),
            body_at: sql.len() - body_length,
            under_contract,
            is_contract_enforced: self.is_contract_enforced(),
            compared: std::mem::take(&mut self.proofs.compared),
            tests,
            ordered,
            limit,
            sql,
            yml: dbt::add_yml_header(&yml, &spec_name),
            md: docs.text().map(|text| dbt::add_md_header(&text, &spec_name)),
            declared: self.declared_names(docs.names(), semantic.as_ref()),
            semantic,
        });
    }
}

/// Removes the comments from a formula.
pub(super) fn strip_comments(formula: &str) -> String {
    if !formula.contains("//") {
        return formula.trim().to_owned();
    }
    let tokens = crate::lex::lex(formula, &mut Vec::new()).tokens;
    let mut kept = String::with_capacity(formula.len());
    let mut end = 0;
    for span in tokens.iter().map(|(_, span)| span.start as usize..span.end as usize) {
        push_spaces(formula.get(end..span.start), &mut kept);
        kept.push_str(formula.get(span.clone()).unwrap_or_default());
        end = span.end;
    }
    push_spaces(formula.get(end..), &mut kept);
    kept.trim().to_owned()
}

/// Writes the text between two tokens without comments.
fn push_spaces(text: Option<&str>, out: &mut String) {
    for (place, line) in text.unwrap_or_default().split('\n').enumerate() {
        out.push_str(if place == 0 { "" } else { "\n" });
        out.push_str(line.split("//").next().unwrap_or_default());
    }
}
