//! Manual edits to the SQL of models built on metric sets. The formula for an edit is found in the expanded model,
//! which contains the definitions of the metric sets. The formula is then rewritten for the metric set or for the
//! model.

use formulac_syntax::lex::quote_formula_name;
use formulac_syntax::text::collapse_whitespace;

use super::candidate_check::CandidateCheck;
use super::columns::ColumnResolver;
use super::edits::SqlEdits;
use super::file::SqlFile;
use super::formula::{DecompileError, Decompiler, decompile_error};
use super::formula_names::{replace_formula_names, replace_formulas_with_names};
use super::guarded_formula::{DecompiledFormula, RewrittenSql};
use super::guards::GuardRecognizer;
use super::inlined_metrics::find_renamed_helper_column;
use super::spec_edit::{EditableSpec, with_formula};
use super::tree::{SqlNodeId, SqlTrees};
use super::value_types::ValueTypes;
use crate::compiler::Compiler;
use crate::model::outline::DefinitionWithPosition;
use crate::model::{ExpandedModel, MetricSetFormula};

/// Model that is built on metric sets and whose SQL was edited manually.
#[derive(Debug)]
pub struct EditedModel<'m> {
    pub(super) compiler: &'m Compiler,
    pub(super) path: Option<&'m str>,
    pub(super) edited_sql: &'m str,
    pub(super) expanded_model: ExpandedModel,
    /// SQL that the spec generates.
    pub(super) generated_sql: String,
}

/// Origin of the definition whose SQL was edited.
#[derive(Debug)]
pub enum EditedDefinitionSource<'m> {
    /// A metric set contains the definition.
    Set(Box<MetricEdit<'m>>),
    /// The model's own spec contains the definition. The formulas that may produce the edited SQL are sorted, best
    /// first.
    Model(Result<Vec<String>, DecompileError>),
}

/// Edit to SQL that a metric set defines.
#[derive(Debug)]
pub struct MetricEdit<'m> {
    /// The edited definition in the metric set.
    pub definition: MetricSetFormula<'m>,
    /// Column whose values the edit changes, with its CTE: the edited column, or the definition's column if a clause or
    /// a helper column was edited.
    pub column_with_cte: (Option<String>, String),
    /// Name of the metric in the model's `metrics`. `None` if the model does not list the definition.
    pub listed_as: Option<String>,
    /// Formula in the expanded model that produces the edited SQL.
    pub formula: Result<String, DecompileError>,
    /// New formulas for the definition in the metric set, best first. The caller must prove the formulas.
    pub for_set: Vec<String>,
    /// Formulas for a definition in the model that overrides the metric, best first. The caller must prove the
    /// formulas.
    pub for_model: Vec<String>,
}

/// Way in which a version of a model's SQL contains an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditMatch {
    /// The SQL is the edited SQL.
    Exactly,
    /// The SQL has guards that the edit lacks, or is written differently from the edit.
    Rewritten(RewrittenSql),
}

impl EditMatch {
    /// Returns the SQL that differs from the edited SQL. `None` if it is exactly the edited SQL.
    #[must_use]
    pub fn rewritten(self) -> Option<RewrittenSql> {
        match self {
            Self::Exactly => None,
            Self::Rewritten(rewritten) => Some(rewritten),
        }
    }
}

impl<'m> EditedModel<'m> {
    /// Expands a model whose SQL was edited. `None` if the spec is not a model built on metric sets or does not
    /// compile.
    #[must_use]
    pub fn new(compiler: &'m Compiler, spec: &str, path: Option<&'m str>, edited_sql: &'m str) -> Option<Self> {
        let expanded = compiler.expand_model(spec)?;
        let compilation = compiler.compile_expanded(expanded.text(), path);
        let generated_sql = compilation.model_sql()?.to_owned();
        Some(Self {
            compiler,
            path,
            edited_sql,
            expanded_model: expanded,
            generated_sql,
        })
    }

    /// Returns a formula that refers to the first metric in the model's `metrics`: the metric's name.
    #[must_use]
    pub fn first_listed_metric(&self) -> Option<String> {
        let mut listed_columns = self.expanded_model.listed_columns();
        listed_columns.next().map(|(column, ..)| quote_formula_name(column))
    }

    /// Returns the origin of an edited column. `None` if no definition computes the column, for example because it is
    /// a key.
    #[must_use]
    pub fn find_source_of_edited_column(
        &self,
        decompiler: &Decompiler,
        cte: Option<&str>,
        column: &str,
    ) -> Option<EditedDefinitionSource<'_>> {
        let editable_spec = EditableSpec::parse_expanded(self.expanded_model.text()).ok()?;
        let Some((step, placed)) = find_definition(&editable_spec, cte, column) else {
            return self.find_source_of_edited_helper(decompiler, &editable_spec);
        };
        let cte_column = (cte.map(str::to_owned), column.to_owned());
        // The new formula's SQL, which the next push writes, may have guards that the edit lacks.
        let find = || self.formula_of_edit(decompiler, &editable_spec, (step, placed));
        if let Some(definition) = self.expanded_model.metric_set_formula(placed.formula_span) {
            let formula = match self.find_other_metric_for_column(&editable_spec, placed, &definition) {
                Some(other) => Err(decompile_error(format!(
                    "the metric `{other}` also contains this aggregate, so the SQL of both changes"
                ))),
                None => find(),
            };
            return Some(EditedDefinitionSource::Set(
                self.metric_edit(definition, placed, cte_column, formula),
            ));
        }
        if let Some(definition) = self.expanded_model.listed_metric(column) {
            let is_reference = self
                .expanded_model
                .metric_columns()
                .any(|(name, ..)| name.eq_ignore_ascii_case(&placed.formula));
            if is_reference {
                return Some(EditedDefinitionSource::Set(self.metric_edit(
                    definition,
                    placed,
                    cte_column,
                    find(),
                )));
            }
        }
        let inlined = self.inlined_formulas(placed);
        let formulas = find().map(|formula| {
            let named_formulas: Vec<(&str, &str)> = inlined.iter().map(|(text, name)| (*text, name.as_str())).collect();
            let with_names = self.replace_with_metric_names(&replace_formulas_with_names(&formula, &named_formulas));
            dedup_formulas(vec![with_names, self.replace_with_metric_names(&formula), formula])
        });
        Some(EditedDefinitionSource::Model(formulas))
    }

    /// Returns another metric whose formula in the expanded model refers to the column, although its formula in the
    /// metric set does not refer to the column's own metric. The column then contains an aggregate that both metrics
    /// use.
    fn find_other_metric_for_column(
        &self,
        editable_spec: &EditableSpec<'_>,
        placed: &DefinitionWithPosition,
        definition: &MetricSetFormula<'_>,
    ) -> Option<String> {
        let refers = |formula: &str, name: &str| replace_formula_names(formula, &[(name, String::new())]) != formula;
        let mut definitions = editable_spec.outline.steps.iter().flat_map(|step| &step.definitions);
        definitions.find_map(|other| {
            let set_formula = self.expanded_model.metric_set_formula(other.formula_span)?;
            let is_other = set_formula.name() != definition.name()
                && set_formula.set_position().set() == definition.set_position().set();
            let is_shared = is_other
                && refers(&other.formula, &placed.name)
                && !refers(set_formula.text(), definition.name())
                && !refers(set_formula.text(), &placed.name);
            is_shared.then(|| set_formula.name().to_owned())
        })
    }

    /// Returns the formula for the edited SQL of a definition. The SQL of the formula may have guards that the edited
    /// SQL lacks.
    pub(super) fn formula_of_edit(
        &self,
        decompiler: &Decompiler,
        editable_spec: &EditableSpec<'_>,
        definition: (usize, &DefinitionWithPosition),
    ) -> Result<String, DecompileError> {
        let formula = decompiler.find_formula_with_guards_at(
            self.compiler,
            editable_spec,
            self.path,
            self.edited_sql,
            definition,
        );
        formula.map(|formula| formula.formula)
    }

    /// Returns the origin of an edited column that the compiler added as a helper: the first definition whose SQL the
    /// edit changes, or the metric that is inlined in this definition.
    fn find_source_of_edited_helper(
        &self,
        decompiler: &Decompiler,
        editable_spec: &EditableSpec<'_>,
    ) -> Option<EditedDefinitionSource<'_>> {
        let (step, placed) = self.first_changed_definition(editable_spec)?;
        let cte_column = (editable_spec.step_cte(step).map(str::to_owned), placed.name.clone());
        let formula = decompiler.find_formula_with_edited_helper_column(
            self.compiler,
            editable_spec,
            self.path,
            self.edited_sql,
            (step, placed),
        );
        let inlined = formula.as_ref().ok();
        let inlined = inlined.and_then(|formula| self.changed_inlined_metric(placed, formula));
        let (definition, formula) = match inlined {
            Some((definition, formula)) => (definition, Ok(formula)),
            None => (self.expanded_model.metric_set_formula(placed.formula_span)?, formula),
        };
        Some(EditedDefinitionSource::Set(
            self.metric_edit(definition, placed, cte_column, formula),
        ))
    }

    /// Returns whether the edits change the definition that computes a column. A new name for a CTE or a helper column
    /// does not count as a change.
    #[must_use]
    pub fn changes_definition(&self, cte: Option<&str>, column: &str) -> bool {
        let Ok(editable_spec) = EditableSpec::parse_expanded(self.expanded_model.text()) else {
            return true;
        };
        let Some((step, placed)) = find_definition(&editable_spec, cte, column) else {
            return true;
        };
        let dialect = self.compiler.options.dialect;
        // A step with `fill` also computes the values of the periods that it adds: `coalesce(max(column), 0)`.
        let files = [self.generated_sql.as_str(), self.edited_sql].map(|text| SqlFile::read(text, dialect));
        let columns = files.each_ref().map(|file| file.column(cte, column));
        let is_filled = editable_spec.outline.steps.get(step).is_some_and(|step| step.is_filled);
        if let (true, [before, after], [Some(column_tokens), Some(edited)]) = (is_filled, &files, &columns)
            && ["max(", "coalesce(max("]
                .iter()
                .any(|start| before.text(column_tokens).starts_with(start))
            && !before.has_same_tokens(column_tokens, after, edited)
        {
            return true;
        }
        // A later select passes the column on, so the definition is in an earlier CTE.
        if let ([before, after], [Some(column_tokens), Some(edited)]) = (&files, &columns)
            && before.column_name(column_tokens).is_some()
            && after.column_name(edited).is_none()
        {
            return true;
        }
        let mut trees = SqlTrees::default();
        let mut expression = |text| {
            let file = SqlFile::read(text, dialect);
            let expression = editable_spec.definition_expression(
                &file,
                editable_spec.step_cte(step),
                step,
                &placed.name,
                &mut trees,
            );
            expression.ok()
        };
        let generated_expression = expression(&self.generated_sql);
        generated_expression.is_none() || generated_expression != expression(self.edited_sql)
    }

    /// Returns the first definition whose SQL differs, with the position of its step.
    fn first_changed_definition<'r>(
        &self,
        editable_spec: &'r EditableSpec<'_>,
    ) -> Option<(usize, &'r DefinitionWithPosition)> {
        let dialect = self.compiler.options.dialect;
        let (generated_file, sql_file) = (
            SqlFile::read(&self.generated_sql, dialect),
            SqlFile::read(self.edited_sql, dialect),
        );
        let mut trees = SqlTrees::default();
        let steps = editable_spec.outline.steps.iter().enumerate();
        let mut definitions =
            steps.flat_map(|(step, outline)| outline.definitions.iter().map(move |placed| (step, placed)));
        definitions.find(|(step, placed)| {
            let cte = editable_spec.step_cte(*step);
            let mut expression = |file| editable_spec.definition_expression(file, cte, *step, &placed.name, &mut trees);
            expression(&generated_file) != expression(&sql_file)
        })
    }

    /// Returns whether a version of the model's SQL contains exactly the edit to a column.
    #[must_use]
    pub fn has_column_edit(&self, sql: &str, cte: Option<&str>, column: &str) -> bool {
        let dialect = self.compiler.options.dialect;
        let file = |text| SqlFile::read(text, dialect);
        let (sql_file, generated_file, edited_file) = (file(sql), file(&self.generated_sql), file(self.edited_sql));
        let has_same_tokens = |file: &SqlFile<'_>| {
            let columns = file.column(cte, column).zip(edited_file.column(cte, column));
            columns.is_some_and(|(column_tokens, edited)| file.has_same_tokens(&column_tokens, &edited_file, &edited))
        };
        if has_same_tokens(&sql_file) && !has_same_tokens(&generated_file) {
            return true;
        }
        let mut trees = SqlTrees::default();
        let mut resolved = |file, cte, column| resolved_column(file, (cte, column), &mut trees).map(|(id, _)| id);
        let (edited, before) = (
            resolved(&edited_file, cte, column),
            resolved(&generated_file, cte, column),
        );
        let renamed = find_renamed_helper_column((&generated_file, &sql_file), cte, column);
        let mut columns = [(cte, Some(column)), (None, Some(column)), (cte, renamed.as_deref())].into_iter();
        columns.any(|(cte, now)| {
            let model_expression = now.and_then(|now| resolved(&sql_file, cte, now));
            edited.is_some() && edited == model_expression && edited != before
        })
    }

    /// Returns how a version of the model's SQL contains the edit to a column: exactly, with additional guards, or as
    /// equivalent SQL. `None` if the SQL does not contain the edit.
    #[must_use]
    pub fn find_edit_in(
        &self,
        decompiler: &Decompiler,
        model_sql: &str,
        (cte, column): (Option<&str>, &str),
    ) -> Option<EditMatch> {
        if self.has_column_edit(model_sql, cte, column) {
            return Some(EditMatch::Exactly);
        }
        let dialect = self.compiler.options.dialect;
        let file = |text| SqlFile::read(text, dialect);
        let (sql_file, generated_file, edited_file) =
            (file(model_sql), file(&self.generated_sql), file(self.edited_sql));
        let mut trees = SqlTrees::default();
        let (edited, _) = resolved_column(&edited_file, (cte, column), &mut trees)?;
        let (before, _) = resolved_column(&generated_file, (cte, column), &mut trees)?;
        let editable_spec = EditableSpec::parse_expanded(self.expanded_model.text()).ok()?;
        let definition =
            find_definition(&editable_spec, cte, column).or_else(|| self.first_changed_definition(&editable_spec))?;
        let edits = SqlEdits::default();
        let files = (&generated_file, &edited_file, &edits);
        let check = CandidateCheck::new(self.compiler, &editable_spec, definition, self.path, files);
        let mut types = ValueTypes::new(&check);
        let spellings = decompiler.spelling_patterns(dialect);
        let alternatives = spellings.alternatives(&mut trees, edited, |trees, part| types.type_of(trees, part));
        let mut guards = GuardRecognizer::new(dialect).with_alternatives(alternatives);
        if guards.added_guards(&trees, before, edited).is_some() {
            return None;
        }
        let renamed = find_renamed_helper_column((&generated_file, &sql_file), cte, column);
        let mut columns = [(cte, Some(column)), (None, Some(column)), (cte, renamed.as_deref())].into_iter();
        columns.find_map(|(cte, now)| {
            let (model_expression, sql) = resolved_column(&sql_file, (cte, now?), &mut trees)?;
            let added = guards.added_guards(&trees, model_expression, edited)?;
            Some(EditMatch::Rewritten(RewrittenSql::new(sql, added)))
        })
    }

    /// Returns the first formula that makes a definition in the model's own spec produce the edited SQL.
    ///
    /// # Errors
    ///
    /// Returns an error if no formula produces the edited SQL.
    pub fn first_matching_formula(
        &self,
        decompiler: &Decompiler,
        spec: &str,
        step: Option<&str>,
        (cte, column): (Option<&str>, &str),
        formulas: &[String],
    ) -> Result<DecompiledFormula, DecompileError> {
        let proven = |formula: &String| {
            let text = with_formula(spec, step, column, formula).ok()?;
            let compiled = self.compiler.compile_spec_at(&text, self.path);
            let edit_match = self.find_edit_in(decompiler, compiled.model_sql()?, (cte, column))?;
            Some(DecompiledFormula {
                formula: formula.clone(),
                rewritten: edit_match.rewritten(),
            })
        };
        let no_formula = || decompile_error("no formula with the model's metrics produces this SQL");
        formulas.iter().find_map(proven).ok_or_else(no_formula)
    }

    /// Creates the edit to a definition, with the formulas that may produce the edited SQL.
    pub(super) fn metric_edit<'e>(
        &'e self,
        definition: MetricSetFormula<'e>,
        placed: &DefinitionWithPosition,
        cte_column: (Option<String>, String),
        formula: Result<String, DecompileError>,
    ) -> Box<MetricEdit<'e>> {
        let (for_set, for_model) = formula.as_deref().map_or_else(
            |_| Default::default(),
            |formula_text| {
                let for_set = self.formulas_for_metric_set(&definition, formula_text);
                (for_set, self.overriding_formulas(&definition, placed, formula_text))
            },
        );
        Box::new(MetricEdit {
            listed_as: self.listed_metric_name(&definition).map(str::to_owned),
            definition,
            column_with_cte: cte_column,
            formula,
            for_set,
            for_model,
        })
    }

    /// Returns formulas for the definition in the metric set: one that refers to other definitions of the metric set by
    /// name, and one that contains their formulas.
    fn formulas_for_metric_set(&self, definition: &MetricSetFormula<'_>, actual: &str) -> Vec<String> {
        let Some(part) = definition.part() else {
            return Vec::new();
        };
        let names = self
            .expanded_model
            .metric_columns()
            .filter_map(|(column, set, metric)| {
                let is_own = set.eq_ignore_ascii_case(definition.set_position().set());
                let new = match (is_own, definition.is_over_sets()) {
                    (true, _) => quote_formula_name(metric),
                    (false, true) => quote_formula_name(&format!("{set}.{metric}")),
                    (false, false) => return None,
                };
                Some((column, new))
            });
        let aggregates = self.columns_with_formula_parts(definition);
        let mut names: Vec<(&str, String)> = names.collect();
        names.extend(aggregates.iter().map(|(name, text)| (name.as_str(), text.clone())));
        let renamed = replace_formula_names(actual, &names);
        let named_formulas: Vec<(&str, &str)> = definition
            .used_definitions()
            .map(|(name, formula)| (formula, name))
            .collect();
        let text = definition.text();
        let placed = |formula: &str| {
            let (before, after) = (&text[..part.start], &text[part.end..]);
            match part.len() == text.len() {
                true => vec![formula.to_owned()],
                false => [formula.to_owned(), format!("({formula})")]
                    .map(|formula| join_lines(&format!("{before}{formula}{after}")))
                    .to_vec(),
            }
        };
        let mut formulas = placed(&replace_formulas_with_names(&renamed, &named_formulas));
        formulas.extend(placed(&renamed));
        dedup_formulas(formulas)
    }

    /// Returns the columns that contain only a part of a definition's formula, each with the text of the part. In a
    /// model built on several metric sets, each aggregate of a formula has its own column.
    fn columns_with_formula_parts(&self, definition: &MetricSetFormula<'_>) -> Vec<(String, String)> {
        let Ok(editable_spec) = EditableSpec::parse_expanded(self.expanded_model.text()) else {
            return Vec::new();
        };
        let definitions = editable_spec.outline.steps.iter().flat_map(|step| &step.definitions);
        let text = |placed: &DefinitionWithPosition| {
            let set_formula = self.expanded_model.metric_set_formula(placed.formula_span)?;
            let is_same = set_formula.name() == definition.name()
                && set_formula.set_position().set() == definition.set_position().set();
            let part = set_formula
                .part()
                .filter(|part| is_same && part.len() < set_formula.text().len())?;
            Some((placed.name.clone(), set_formula.text().get(part)?.to_owned()))
        };
        definitions.filter_map(text).collect()
    }

    /// Returns formulas for a definition that overrides the metric. If the metric's formula is part of the formula that
    /// was found, that part is replaced with the metric's name.
    fn overriding_formulas(
        &self,
        definition: &MetricSetFormula<'_>,
        placed: &DefinitionWithPosition,
        actual: &str,
    ) -> Vec<String> {
        let metric_name = self.listed_metric_name(definition).unwrap_or(definition.name());
        let renamed = self.replace_with_metric_names(actual);
        let mut named_formulas = vec![(placed.formula.as_str(), metric_name), (definition.text(), metric_name)];
        named_formulas.extend(definition.used_definitions().map(|(name, formula)| (formula, name)));
        dedup_formulas(vec![replace_formulas_with_names(&renamed, &named_formulas), renamed])
    }

    /// Returns the name of a metric in the model's `metrics`.
    fn listed_metric_name(&self, definition: &MetricSetFormula<'_>) -> Option<&str> {
        let mut columns = self.expanded_model.listed_columns();
        let is_it = |(_, set, metric): &(&str, &str, &str)| {
            set.eq_ignore_ascii_case(definition.set_position().set()) && metric.eq_ignore_ascii_case(definition.name())
        };
        columns.find(is_it).map(|(column, ..)| column)
    }

    /// If the model cannot refer to a column, replaces the column with the metric that it contains.
    fn replace_with_metric_names(&self, formula: &str) -> String {
        let is_listed = |column: &str| {
            let mut listed_columns = self.expanded_model.listed_columns();
            listed_columns.any(|(name, ..)| name.eq_ignore_ascii_case(column))
        };
        let hidden = self.expanded_model.metric_columns();
        let hidden = hidden.filter(|(column, _, metric)| !is_listed(column) && !column.eq_ignore_ascii_case(metric));
        let names: Vec<(&str, String)> = hidden
            .map(|(column, set, metric)| (column, quote_formula_name(&format!("{set}.{metric}"))))
            .collect();
        replace_formula_names(formula, &names)
    }
}

impl MetricEdit<'_> {
    /// Returns the reason why no formula was found.
    #[must_use]
    pub fn error(&self) -> Option<&DecompileError> {
        self.formula.as_ref().err()
    }
}

/// Finds the definition that computes a column: in the step with the name of the CTE or, if there is no such step, in
/// the last step that does more than pass on the column.
fn find_definition<'r>(
    editable_spec: &'r EditableSpec<'_>,
    cte: Option<&str>,
    column: &str,
) -> Option<(usize, &'r DefinitionWithPosition)> {
    let steps = editable_spec.outline.steps.iter().enumerate();
    let all_definitions =
        steps.flat_map(|(step_index, step)| step.definitions.iter().map(move |placed| (step_index, placed)));
    let definitions: Vec<(usize, &DefinitionWithPosition)> = all_definitions
        .filter(|(_, placed)| placed.name.eq_ignore_ascii_case(column))
        .collect();
    let in_cte = |(step_index, _): &&(usize, &DefinitionWithPosition)| {
        let name = editable_spec
            .outline
            .steps
            .get(*step_index)
            .and_then(|step| step.name.as_deref());
        cte.is_some_and(|cte| name.is_some_and(|name| name.eq_ignore_ascii_case(cte)))
    };
    let computes = |(_, placed): &&(usize, &DefinitionWithPosition)| !placed.formula.eq_ignore_ascii_case(column);
    let cte_definition = definitions.iter().find(in_cte).filter(computes);
    cte_definition
        .or_else(|| definitions.iter().rev().find(computes))
        .copied()
}

/// Returns the expression for a column, and its SQL on one line. Columns of CTEs are replaced by their expressions,
/// because another version may compute the column in other CTEs.
fn resolved_column(
    file: &SqlFile<'_>,
    (cte, column): (Option<&str>, &str),
    trees: &mut SqlTrees,
) -> Option<(SqlNodeId, String)> {
    let mut columns = ColumnResolver::new(file);
    let column_expression = columns.find_column_expression(cte, column)?;
    let sql = collapse_whitespace(file.text(&column_expression.tokens));
    Some((columns.resolve_expression(&column_expression, trees).ok()?, sql))
}

fn join_lines(formula: &str) -> String {
    formula.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn dedup_formulas(formulas: Vec<String>) -> Vec<String> {
    let mut distinct_formulas: Vec<String> = Vec::new();
    for formula in formulas {
        if !distinct_formulas.contains(&formula) {
            distinct_formulas.push(formula);
        }
    }
    distinct_formulas
}
