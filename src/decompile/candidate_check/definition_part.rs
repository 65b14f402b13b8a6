//! Finds the expression of a definition in a file: in its own column, or in other columns and clauses that use it.

use formulac_syntax::lex::quote_formula_name;
use formulac_syntax::text::split_words;
use rustc_hash::FxHashSet;

use super::CandidateCheck;
use crate::columns::EXPRESSION_KEYWORDS;
use crate::errors::value_of_conversion;
use crate::expression_text::{FormulaTemplate, FormulaText};
use crate::file::SqlFile;
use crate::model::outline::DefinitionWithPosition;
use crate::patterns::{ArgumentBinding, build_pattern};
use crate::probes::{DECIMAL_NUMBERS, NUMBERS, PLACEHOLDER_STRINGS, ProbeArgument, ProbeFormula};
use crate::search::FormulaSearch;
use crate::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Maximum number of unrelated definitions whose columns are searched for a definition that has no column of its own.
const MAX_UNRELATED_DEFINITIONS: usize = 8;

/// Column or clause of a file that contains the SQL of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnOrClause<'a> {
    /// The column of this definition, or of a definition that depends on it.
    Column(&'a str),
    /// A clause of a CTE or of the last select.
    Clause(Option<&'a str>, &'a str),
}

impl<'a> CandidateCheck<'a, '_> {
    /// Returns the expression in a file that contains the definition's SQL.
    pub fn expression_in_file(
        &self,
        file: &SqlFile<'_>,
        sql_part: ColumnOrClause<'_>,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        match sql_part {
            ColumnOrClause::Column(name) => {
                self.editable_spec
                    .definition_expression(file, self.cte, self.step_index, name, trees)
            }
            ColumnOrClause::Clause(cte, clause) => self.column_resolver(file).resolve_clause(cte, clause, trees),
        }
    }

    /// Returns the value that a contract converts to the type of the definition's column. The conversion is not part of
    /// the formula. `None` if no contract converts the expression.
    pub fn inside_contract_cast(&self, trees: &SqlTrees, expression: SqlNodeId) -> Option<SqlNodeId> {
        let is_converted = self.has_contract_cast() && !self.is_exact;
        value_of_conversion(trees, expression).filter(|_| is_converted)
    }

    /// Returns whether a contract converts the definition's column. Only the columns of the last select are converted.
    pub fn has_contract_cast(&self) -> bool {
        self.cte.is_none() && self.editable_spec.outline.enforces_contract(self.compiler)
    }

    /// Finds the expression of a definition that has no column of its own. Searches the columns of other definitions
    /// and the clauses that use the definition. For each column or clause that was found, returns its position, its
    /// whole expression and the definition's subexpression.
    pub fn find_enclosing_expressions(&self, trees: &mut SqlTrees) -> Vec<(ColumnOrClause<'a>, SqlNodeId, SqlNodeId)> {
        let Some(step) = self.step() else {
            return Vec::new();
        };
        let uses = |other: &&DefinitionWithPosition| {
            let mut words = split_words(&other.formula);
            words.any(|word| word.eq_ignore_ascii_case(&self.definition.name))
        };
        // Definitions that do not refer to this definition may still use it to look up rows.
        let others = step
            .definitions
            .iter()
            .filter(|other| other.name != self.definition.name);
        let (users, more): (Vec<&DefinitionWithPosition>, Vec<&DefinitionWithPosition>) = others.partition(uses);
        let columns = users
            .into_iter()
            .chain(more.into_iter().take(MAX_UNRELATED_DEFINITIONS));
        let columns = columns.map(|other| ColumnOrClause::Column(&other.name));
        let clauses = self
            .edited_file
            .clauses(&["where", "having"])
            .map(|(cte, clause)| ColumnOrClause::Clause(cte, clause));
        columns
            .chain(clauses)
            .filter_map(|sql_part| self.find_definition_subexpression(sql_part, trees))
            .collect()
    }

    /// Finds the subexpression of the definition: the part that changes when the definition's formula changes.
    fn find_definition_subexpression(
        &self,
        sql_part: ColumnOrClause<'a>,
        trees: &mut SqlTrees,
    ) -> Option<(ColumnOrClause<'a>, SqlNodeId, SqlNodeId)> {
        let whole = self.expression_in_file(self.edited_file, sql_part, trees).ok()?;
        let columns: Vec<SqlNodeId> = expression_columns(trees, whole)
            .into_iter()
            .take(3)
            .map(|(column, _)| column)
            .collect();
        let names: Vec<FormulaText> = columns
            .iter()
            .flat_map(|column| FormulaSearch::new(&[], trees).candidate_formulas(*column))
            .collect();
        let column_markers = names.iter().flat_map(|FormulaText { text, .. }| {
            [format!("{text} + {}", NUMBERS[0]), format!("{text} = {}", NUMBERS[0])]
        });
        let literals = [
            format!("{} = {}", NUMBERS[0], NUMBERS[1]),
            NUMBERS[0].to_owned(),
            DECIMAL_NUMBERS[0].to_owned(),
            format!("\"{}\"", PLACEHOLDER_STRINGS[0]),
        ];
        for marker in column_markers.chain(literals) {
            let Some(sql) = self.compile_formula(&marker) else {
                continue;
            };
            // Also compile the marker in place of another definition's formula, to learn the SQL of the marker without
            // the rest of this expression.
            let others = self.step().into_iter().flat_map(|step| &step.definitions);
            let mut others = others
                .filter(|other| other.name != self.definition.name)
                .take(MAX_UNRELATED_DEFINITIONS);
            let Some(tree) = others.find_map(|other| self.expand_formula(other, &marker, trees)) else {
                continue;
            };
            let file = SqlFile::read(&sql, self.edited_file.dialect);
            let Ok(root) = self.expression_in_file(&file, sql_part, trees) else {
                continue;
            };
            let probe = ProbeFormula {
                shape: FormulaTemplate::named(""),
                args: vec![ProbeArgument::Named(marker, tree)],
            };
            let bound =
                build_pattern(trees, root, &probe, vec![None]).and_then(|pattern| pattern.match_node(trees, whole));
            if let Some([Some(ArgumentBinding::Node(part))]) = bound.as_deref() {
                return Some((sql_part, whole, *part));
            }
        }
        None
    }
}

/// Returns the columns in an expression, spelled as in formulas.
pub(crate) fn expression_columns(trees: &SqlTrees, expression: SqlNodeId) -> Vec<(SqlNodeId, String)> {
    let parts = trees.descendants(expression);
    // Skip names of relations and functions, because they are not columns.
    let mut values = FxHashSet::default();
    values.insert(expression);
    for part in &parts {
        let children = trees.children(*part);
        values.extend(match trees.label(*part) {
            SqlLabel::Field => &[],
            SqlLabel::Call => children.get(1..).unwrap_or_default(),
            _ => children,
        });
    }
    let column = |part: SqlNodeId| {
        let (relation, name) = trees
            .column(part)
            .filter(|(_, name)| !EXPRESSION_KEYWORDS.contains(name))?;
        Some((
            part,
            match relation {
                Some(relation) => quote_formula_name(&format!("{relation}.{name}")),
                None => quote_formula_name(name),
            },
        ))
    };
    parts
        .into_iter()
        .filter(|part| values.contains(part))
        .filter_map(column)
        .collect()
}
