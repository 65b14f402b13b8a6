//! Writes the results of compiling a spec: the query, and the model's SQL file and properties.

use formulac_syntax::text::collapse_whitespace;
use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::described_formulas::FormulaTrace;
use super::formulas::StepFormulas;
use super::incremental::IncrementalPlan;
use super::join_tests::SingleMatchTest;
use super::load::{SpecKind, Step};
use super::sources::dbt_sql;
use super::{ColumnLineage, CompiledSpec, DbtModelFiles, ModelTest, SpecDefinition};
use crate::ast::Ast;
use crate::check::DefinitionRole;
use crate::dbt;
use crate::diag::{Code, Diagnostic};
use crate::emit::EmitBuffers;
use crate::ir::Program;
use crate::limits::format_bytes;
use crate::parse;
use crate::plan::key_name;
use crate::schema::{Column, Relation};
use crate::sql::{self, PlanNames, Query, QueryInput, QueryPlan, RowPlan, SqlText, SqlTree};

/// SQL of a model.
struct ModelSql {
    /// Query for dbt with its sort order but without its limit. `None` if it equals `body`.
    ordered: Option<String>,
    limit: Option<u64>,
    /// Plain query, without dbt's Jinja, that casts the columns to the types in the contract.
    under_contract: Option<String>,
    /// Config block of the model.
    config: String,
    /// SQL of the model after the config block.
    body: String,
}

impl SpecCompilation<'_> {
    /// Collects the descriptions and formulas of a step for the generated files.
    pub(super) fn collect_descriptions(
        &mut self,
        (index, step): (usize, &Step<'_>),
        program: &Program,
        ast: &Ast,
        formulas: &StepFormulas<'_>,
    ) {
        let step_name = step.name.map(|name| name.text.to_owned());
        for (definition, parsed) in program.definitions.iter().zip(&ast.definitions) {
            let part = parsed.part as usize;
            if formulas.roles.get(part) == Some(&DefinitionRole::GroupBy) {
                // The text of a timeframe in `group_by` serves as its description.
                let text = definition.span.text(&formulas.text);
                let of_steps = self.formulas.entry(key_name(text).to_ascii_lowercase()).or_default();
                of_steps.entry(index).or_insert_with(|| collapse_whitespace(text));
            }
            let Some(name) = definition
                .name
                .as_deref()
                .filter(|_| formulas.roles.get(part) == Some(&DefinitionRole::Definitions))
            else {
                continue;
            };
            let description_of_formula = formulas.descriptions.get(part).cloned().flatten();
            let text = definition.span.text(&formulas.text);
            let source_part = formulas.parts.get(part).filter(|part| part.name.is_some());
            let formula = match (text.split_once('='), source_part) {
                (_, Some(part)) => part.span.text(&formulas.text).trim().to_owned(),
                (Some((_, formula)), None) => formula.trim().to_owned(),
                (None, None) => text.to_owned(),
            };
            let formula = strip_comments(&formula);
            let description = description_of_formula
                .or_else(|| parse::description(&formulas.text, definition.span.start))
                .unwrap_or_default();
            let key = name.to_ascii_lowercase();
            if description.is_empty() {
                self.descriptions.remove(&key);
            } else {
                self.descriptions.insert(key, description.clone());
            }
            let place = (step_name.clone().unwrap_or_default(), name.to_lowercase());
            let as_written = self.generated_from.formulas.get(&place).unwrap_or(&formula);
            let of_steps = self.formulas.entry(name.to_ascii_lowercase()).or_default();
            of_steps.insert(index, collapse_whitespace(as_written));
            let meta = program.meta(definition.root);
            self.definitions.push(SpecDefinition {
                name: name.to_owned(),
                step: step_name.clone(),
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
        let sources: Vec<(&str, &Relation)> = self
            .sources
            .sources
            .iter()
            .filter_map(|source| Some((source.from.name(), self.schema_relation(&source.from)?)))
            .collect();
        let by_name = |pairs: &mut dyn Iterator<Item = (&str, &str)>| -> FxHashMap<String, String> {
            pairs.map(|(n, d)| (n.to_ascii_lowercase(), d.to_owned())).collect()
        };
        let descriptions = by_name(
            &mut self
                .spec
                .columns
                .iter()
                .filter_map(|c| Some((c.name.text, c.description.as_deref()?))),
        );
        let formulas = FormulaTrace::new(self);
        let last_step = self.spec.steps.len().saturating_sub(1);
        let lineages = self.lineage.column_lineages();
        let made_of = lineage_descriptions(&lineages);
        let origins = passthrough_column_relations(&lineages);
        let describe = |column: &Column| -> Option<String> {
            let key = column.name().to_ascii_lowercase();
            let description = descriptions.get(&key).or_else(|| self.descriptions.get(&key)).cloned();
            description
                .or_else(|| {
                    let origin = origins.get(&key);
                    let mut matching_sources = sources
                        .iter()
                        .filter(|(name, _)| origin.is_none_or(|origin| name == origin));
                    matching_sources.find_map(|(_, r)| r.column(column.name())?.description_text().map(str::to_owned))
                })
                .or_else(|| formulas.formula(last_step, column.name()))
                .or_else(|| made_of.get(&key).cloned())
        };
        let with = |column: &Column| match describe(column) {
            Some(text) => column.clone().description(text),
            None => column.clone(),
        };
        relation.columns().iter().map(with).collect()
    }

    /// Returns the inputs of a plain query.
    fn query_inputs(&self) -> Vec<QueryInput<'_>> {
        self.sources
            .sources
            .iter()
            .map(|source| QueryInput {
                name: &source.table,
                alias: source.alias.as_deref(),
                import: None,
            })
            .collect()
    }

    /// Returns the SQL of a query for dbt.
    fn dbt_query_sql(&self, tree: &SqlTree, query: &Query) -> String {
        dbt_sql(tree, query, &self.sources.dbt_imports(), self.compiler.options.dialect)
    }

    /// Returns the tests of joins that are not proven to find at most one row.
    fn join_tests(&self, tree: &SqlTree, spec_name: &str) -> Vec<ModelTest> {
        // Without this comment, dbt would not run the test with the model, because the query reads only the model's
        // inputs. A metric set is not a dbt node, so it needs no comment.
        let tested = match self.spec.kind {
            SpecKind::WholeSet => String::new(),
            _ => dbt::depends_on_comment(&self.own_reference()),
        };
        let dbt_imports = self.sources.dbt_imports();
        let test = |test: &SingleMatchTest| ModelTest {
            name: test.name.clone(),
            sql: dbt::add_sql_header(
                &format!(
                    "{}{}{}{}",
                    dbt::TestConfig {
                        group: self.group_of_private_model(),
                        ..dbt::TestConfig::default()
                    }
                    .config_call(),
                    dbt::sql_comment(&test.explanation),
                    tested,
                    dbt_sql(tree, &test.query, &dbt_imports, self.compiler.options.dialect)
                ),
                spec_name,
            ),
        };
        self.unverified.iter().map(test).collect()
    }

    /// Writes the query and the model of a spec without errors.
    pub(super) fn write(
        &mut self,
        body: RowPlan,
        grain: &[String],
        incremental: Option<IncrementalPlan>,
        emit: &mut EmitBuffers,
        compiled: &mut CompiledSpec,
    ) {
        let spec_name = self
            .path
            .map_or_else(|| format!("the spec of {}", self.spec.model.text), str::to_owned);
        let tests = self.join_tests(&emit.tree, &spec_name);
        if self.spec.kind == SpecKind::WholeSet {
            // A metric set has no rows of its own, so the only tests are those of its joins.
            compiled.set_tests = tests;
            return;
        }
        let mut query = Query {
            ctes: std::mem::take(&mut self.ctes),
            body,
        };
        if self.compiler.options.dialect.facts().joined_names_are_ambiguous {
            query.plans_mut().for_each(|plan| emit.tree.qualify_sort_keys(plan));
        }
        let plain = self.plain_query_sql(&emit.tree, &query);
        if self.check_sql_length(plain.len(), compiled) {
            return;
        }
        compiled.query = Some(plain);
        compiled.model_fault = self.self_reference_error();
        if compiled.model_fault.is_some() || self.is_query_only {
            return;
        }
        let sql = self.write_sql(query, incremental.as_ref(), emit, compiled);
        if self.check_sql_length(sql.config.len() + sql.body.len(), compiled) {
            return;
        }
        compiled.model = Some(self.write_model(sql, tests, grain, incremental.as_ref(), &spec_name, compiled));
    }

    /// Returns whether SQL of this length is too long, and reports it.
    fn check_sql_length(&self, length: usize, compiled: &mut CompiledSpec) -> bool {
        let most = self.compiler.options.limits.output;
        if length > most {
            let message = format!("the SQL is longer than {}", format_bytes(most));
            compiled.diagnostics.push(
                Diagnostic::new(Code::OutputTooLarge, self.spec.model.node.span, message)
                    .with_help("split the spec into several models"),
            );
        }
        length > most
    }

    /// Writes the SQL of the model.
    fn write_sql(
        &mut self,
        mut query: Query,
        incremental: Option<&IncrementalPlan>,
        emit: &mut EmitBuffers,
        compiled: &mut CompiledSpec,
    ) -> ModelSql {
        let (sort_keys, limit) = query.body.remove_order();
        let columns = &compiled.columns;
        let config = dbt::config_block(&self.config_block_settings(columns, incremental));
        let is_ordered = !sort_keys.is_empty() || !config.is_empty();
        query.body = query.body.sort(sort_keys);
        let ordered = is_ordered.then(|| self.dbt_query_sql(&emit.tree, &query));
        if limit.is_none() {
            query.body.remove_order();
        }
        query.body = query.body.limit(limit);
        if let Some(incremental) = incremental {
            query = self.add_incremental_conditions(incremental, query, columns, emit, &mut compiled.diagnostics);
        }
        query = self.cast_to_contract(query, columns, &mut emit.tree);
        compiled.plan = self.compiler.specs.plans.then(|| self.query_plan(&emit.tree, &query));
        let is_cast = self.is_contract_enforced() && incremental.is_none();
        ModelSql {
            ordered,
            limit,
            under_contract: is_cast.then(|| self.plain_query_sql(&emit.tree, &query)),
            body: self.dbt_query_sql(&emit.tree, &query),
            config,
        }
    }

    /// Returns the plan of the model's query.
    fn query_plan(&self, tree: &SqlTree, query: &Query) -> QueryPlan {
        let dialect = self.compiler.options.dialect;
        let sources = self.sources.sources.iter();
        let inputs: Vec<String> = sources
            .map(|source| source.from.ref_call().unwrap_or_else(|| source.table.clone()))
            .collect();
        let names = self.definitions.iter().map(SpecDefinition::name);
        let definitions = names
            .map(|name| (dialect.name_text(name, true).to_lowercase(), name.to_owned()))
            .collect();
        let names = PlanNames {
            result: self.spec.model.text,
            inputs: &inputs,
            definitions: &definitions,
        };
        QueryPlan::from_query(tree, query, &names)
    }

    /// Returns a query as plain SQL, without dbt's Jinja.
    fn plain_query_sql(&self, tree: &SqlTree, query: &Query) -> String {
        let mut text = SqlText::default();
        let shadows_relations = self.compiler.options.dialect.facts().alias_hides_relation;
        sql::write_query(tree, query, &self.query_inputs(), shadows_relations, &mut text);
        text.into_query(tree)
    }

    /// Returns an error if the model reads a relation with the model's own name.
    fn self_reference_error(&self) -> Option<Diagnostic> {
        let name = self.spec.model;
        let is_own = |from: &dbt::RelationReference| {
            let source_model = from.unversioned_model();
            source_model.is_some_and(|source_name| source_name.eq_ignore_ascii_case(name.text))
        };
        let index = self.sources.sources.iter().position(|source| is_own(&source.from))?;
        let subject = if index == 0 { "`from` is" } else { "a join reads" };
        let message = format!(
            "the model `{}` would read itself: {subject} a model with this name",
            name.text
        );
        let help = format!(
            "rename the model, or read a table with its schema, or `source('…', '{}')`",
            name.text
        );
        Some(Diagnostic::new(Code::ModelReadsItself, name.node.span, message).with_help(help))
    }

    /// Writes the files of the model.
    fn write_model(
        &mut self,
        model_sql: ModelSql,
        mut tests: Vec<ModelTest>,
        grain: &[String],
        incremental: Option<&IncrementalPlan>,
        spec_name: &str,
        compiled: &mut CompiledSpec,
    ) -> DbtModelFiles {
        let (mut grain, mut never_null) = (grain, Vec::new());
        if let Some(incremental) = incremental {
            if grain.is_empty() && incremental.is_unique {
                grain = &incremental.unique_key;
            }
            never_null.clone_from(&incremental.unique_key);
            never_null.push(incremental.time.name().to_owned());
        }
        let (columns, additivity) = (&compiled.columns, &compiled.additivity);
        let mut doc = self.model_properties(columns, grain, &never_null);
        let semantic = self.add_semantic_layer(columns, additivity, grain, &mut doc, &mut compiled.model_warnings);
        let mut docs = match self.compiler.specs.inlines_long_descriptions {
            true => dbt::DocsBlocks::without_blocks(),
            false => dbt::DocsBlocks::from_model(self.spec.model.text),
        };
        let yml = dbt::properties_yml(doc, &mut docs);
        tests.extend(self.tests.files.iter().map(|test| ModelTest {
            name: test.name.clone(),
            sql: test.file_text(spec_name),
        }));
        let body_length = model_sql.body.len();
        let sql = dbt::add_sql_header(&(model_sql.config + &model_sql.body), spec_name);
        DbtModelFiles {
            own_reference: self.own_reference(),
            body_at: sql.len() - body_length,
            contract_query: model_sql.under_contract,
            is_contract_enforced: self.is_contract_enforced(),
            compared_relations: std::mem::take(&mut self.tests.comparisons),
            tests,
            ordered_query: model_sql.ordered,
            limit: model_sql.limit,
            sql,
            yml: dbt::add_yml_header(&yml, spec_name),
            md: docs.text().map(|text| dbt::add_md_header(&text, spec_name)),
            declared: self.collect_declarations(docs.names(), semantic.as_ref()),
            semantic,
        }
    }
}

/// Removes the comments from a formula.
pub(super) fn strip_comments(formula: &str) -> String {
    if !formula.contains("//") {
        return formula.trim().to_owned();
    }
    let tokens = crate::lex::lex(formula, &mut Vec::new()).tokens;
    let mut output = String::with_capacity(formula.len());
    let mut end = 0;
    for span in tokens.iter().map(|(_, span)| span.start as usize..span.end as usize) {
        append_original_spaces(formula.get(end..span.start), &mut output);
        output.push_str(formula.get(span.clone()).unwrap_or_default());
        end = span.end;
    }
    append_original_spaces(formula.get(end..), &mut output);
    output.trim().to_owned()
}

/// Writes the text between two tokens without comments.
fn append_original_spaces(text: Option<&str>, output: &mut String) {
    for (index, line) in text.unwrap_or_default().split('\n').enumerate() {
        output.push_str(if index == 0 { "" } else { "\n" });
        output.push_str(line.split("//").next().unwrap_or_default());
    }
}

/// Returns, for each column with a single input of the same name, the relation of this input, by lower-case column
/// name.
fn passthrough_column_relations(lineages: &[ColumnLineage]) -> FxHashMap<String, String> {
    let origin = |column: &ColumnLineage| match column.sources() {
        [source] if source.column().eq_ignore_ascii_case(column.column()) => {
            Some((column.column().to_ascii_lowercase(), source.relation().to_owned()))
        }
        _ => None,
    };
    lineages.iter().filter_map(origin).collect()
}

/// Returns the inputs of each column, such as `orders.amount`. The inputs describe columns that have no other
/// description.
fn lineage_descriptions(lineages: &[ColumnLineage]) -> FxHashMap<String, String> {
    let text = |column: &ColumnLineage| {
        let sources = column.sources().iter();
        let sources: Vec<String> = sources.map(|s| format!("{}.{}", s.relation(), s.column())).collect();
        (column.column().to_ascii_lowercase(), sources.join(", "))
    };
    lineages.iter().map(text).filter(|(_, text)| !text.is_empty()).collect()
}
