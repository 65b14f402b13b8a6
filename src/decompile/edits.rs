//! Differences between generated SQL and a manually edited version of this SQL.

use std::collections::{HashMap, HashSet};

use super::file::{FilePart, FilePartKind, FilePartPosition, SqlFile, token_name};
use super::order;
use crate::dialect::Dialect;

/// A column of a select whose expression was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnEdit {
    /// Name of the CTE that contains the column. `None` if the last select contains the column.
    pub cte: Option<String>,
    /// Name of the column.
    pub column: String,
    /// Generated expression of the column.
    pub before: String,
    /// Expression of the column in the edited file.
    pub after: String,
    /// Line of the column in the edited file, starting at 1.
    pub line: usize,
    /// Position of the column in the file.
    pub position: FilePartPosition,
}

/// A difference that is not a changed column expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonColumnEdit {
    /// Name of the CTE that contains the part. `None` for the last select and for the whole file.
    pub cte: Option<String>,
    /// Description of the part that differs, such as `where of active_customers` or `column discount of orders`.
    pub description: String,
    /// Generated text of the part. Empty if the part is new.
    pub before: String,
    /// Text of the part in the edited file. Empty if the part was removed.
    pub after: String,
    /// Line of the part in the edited file, starting at 1. For a removed part, the line of the next part.
    pub line: usize,
    /// Position of the part. `None` if the edit concerns the whole file.
    pub position: Option<FilePartPosition>,
    /// Input of the part's select, if the generated select reads another input, such as ``the CTE `paid`, which exists
    /// only in the edited file``.
    pub changed_input: Option<String>,
}

/// All differences between two versions of a model's SQL. Whitespace, line breaks, comments, the case of words, the
/// order of a select's columns and equivalent SQL such as `x::date` do not count as differences.
///
/// ```
/// use formulac_catalog::Dialect;
/// use formulac_decompile::SqlEdits;
///
/// let written = "select\n    country,\n    sum(amount) as revenue\nfrom orders\ngroup by country\n";
/// let found = "SELECT country, sum(amount) - sum(refund) AS revenue -- net\nFROM orders\nWHERE paid\nGROUP BY country";
/// let edits = SqlEdits::from_texts(written, found, Dialect::default());
/// assert_eq!(edits.items.len(), 1);
/// assert_eq!((edits.items[0].column.as_str(), edits.items[0].line), ("revenue", 1));
/// assert_eq!(edits.items[0].after, "sum(amount) - sum(refund)");
/// assert_eq!((edits.other_edits[0].description.as_str(), edits.other_edits[0].after.as_str()), ("`where`", "paid"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlEdits {
    /// Columns that exist in both strings but have different expressions, in selects that read the same input.
    pub items: Vec<ColumnEdit>,
    /// All other differences.
    pub other_edits: Vec<NonColumnEdit>,
}

impl SqlEdits {
    /// Compares the tokens of two strings. The strings do not have to be valid SQL.
    #[must_use]
    pub fn from_texts(generated_sql: &str, text: &str, dialect: Dialect) -> Self {
        let [generated_file, file] = [generated_sql, text].map(|sql| SqlFile::read(sql, dialect));
        compare(&generated_file, &file, true)
    }

    /// Returns whether the two strings are equivalent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.other_edits.is_empty()
    }
}

/// Compares SQL that was generated for a different formula with a file. The CTEs of this SQL may differ from those of
/// the file, so a select with a different CTE as its input is still the same select.
pub(super) fn compare_files(generated_file: &SqlFile<'_>, file: &SqlFile<'_>) -> SqlEdits {
    compare(generated_file, file, false)
}

fn compare(generated_file: &SqlFile<'_>, file: &SqlFile<'_>, compares_ctes: bool) -> SqlEdits {
    let mut edits = SqlEdits::default();
    let before: HashMap<&FilePartPosition, usize> = generated_file
        .parts
        .iter()
        .enumerate()
        .map(|(part_index, part)| (&part.position, part_index))
        .collect();
    let changed_inputs = changed_inputs(generated_file, file, &before, compares_ctes);
    let changed_input = |position: &FilePartPosition| changed_inputs.get(&position.cte.as_deref()).cloned();
    let edit_of_part = |position: &FilePartPosition, before: String, after: String, line: usize| NonColumnEdit {
        cte: position.cte.clone(),
        description: describe_file_part(position),
        before,
        after,
        line,
        position: Some(position.clone()),
        changed_input: changed_input(position),
    };
    let after: HashSet<&FilePartPosition> = file.parts.iter().map(|part| &part.position).collect();
    for part in &file.parts {
        let line = file.line(part.tokens.start);
        let now = file.text(&part.tokens).to_owned();
        let Some(part_index) = before.get(&part.position) else {
            edits
                .other_edits
                .push(edit_of_part(&part.position, String::new(), now, line));
            continue;
        };
        let Some(old) = generated_file.parts.get(*part_index) else {
            continue;
        };
        if generated_file.are_equivalent_ranges(&old.tokens, file, &part.tokens) {
            continue;
        }
        let was = generated_file.text(&old.tokens).to_owned();
        match &part.position.kind {
            // If a select reads from a different input, do not treat its columns as the same, even if the names match.
            FilePartKind::Column(column)
                if part.position.branch == 0 && part.position.nth == 0 && changed_input(&part.position).is_none() =>
            {
                edits.items.push(ColumnEdit {
                    cte: part.position.cte.clone(),
                    column: column.clone(),
                    before: was,
                    after: now,
                    line,
                    position: part.position.clone(),
                });
            }
            _ => edits.other_edits.push(edit_of_part(&part.position, was, now, line)),
        }
    }
    // Use the line after the last preceding part that still exists, because a removed part has no line.
    let lines: HashMap<&FilePartPosition, usize> = file
        .parts
        .iter()
        .map(|part| (&part.position, file.line(part.tokens.end)))
        .collect();
    let mut line = 1;
    for part in &generated_file.parts {
        if let Some(behind) = lines.get(&part.position) {
            line = *behind;
        }
        if !after.contains(&part.position) {
            let before = generated_file.text(&part.tokens).to_owned();
            edits
                .other_edits
                .push(edit_of_part(&part.position, before, String::new(), line));
        }
    }
    let is_moved = |file: &SqlFile<'_>| {
        let places: Vec<usize> = file
            .parts
            .iter()
            .filter_map(|part| before.get(&part.position).copied())
            .collect();
        !places.is_sorted()
    };
    let in_order = if is_moved(file) {
        order::reorder_columns_of_selects(file, generated_file)
    } else {
        None
    };
    let in_order = in_order.as_deref().map(|text| SqlFile::read(text, file.dialect));
    let in_order = in_order.as_ref().unwrap_or(file);
    let is_moved = is_moved(in_order);
    if is_moved {
        edits.other_edits.push(whole_file_difference(
            generated_file,
            file,
            "the order of the query's parts",
        ));
    }
    let has_same_parts =
        !is_moved && before.len() == after.len() && after.iter().all(|item| before.contains_key(*item));
    // If only the tokens between the parts differ, the text contains a construct that this comparison does not
    // recognize.
    if has_same_parts && generated_file.tokens_outside_parts() != in_order.tokens_outside_parts() {
        let description = "the way the query's parts are combined";
        edits
            .other_edits
            .push(whole_file_difference(generated_file, file, description));
    }
    edits
}

fn whole_file_difference(generated_file: &SqlFile<'_>, file: &SqlFile<'_>, description: &str) -> NonColumnEdit {
    NonColumnEdit {
        cte: None,
        description: description.to_owned(),
        before: generated_file.source.to_owned(),
        after: file.source.to_owned(),
        line: 1,
        position: None,
        changed_input: None,
    }
}

/// Returns the selects whose first input is a subquery or a CTE that the same select of the generated SQL does not
/// read. Each select has the name of its CTE (`None` for the last select) and a description of its input.
/// `generated_parts` contains the indices of the parts of the generated SQL. Without `compares_ctes`, only new inputs
/// count.
fn changed_inputs<'f>(
    generated_file: &SqlFile<'_>,
    file: &'f SqlFile<'_>,
    generated_parts: &HashMap<&FilePartPosition, usize>,
    compares_ctes: bool,
) -> HashMap<Option<&'f str>, String> {
    let first_cte = |file: &SqlFile<'_>, from: &FilePart| {
        token_name(*file.tokens.get(from.tokens.start)?, file).filter(|name| file.ctes.contains(name))
    };
    let clauses = file.parts.iter().filter(|part| part.position.is_from_clause());
    let changed = clauses.filter_map(|part| {
        let generated = generated_parts.get(&part.position);
        let generated = generated.and_then(|index| generated_file.parts.get(*index));
        let input = if file.tokens.get(part.tokens.start)?.text(file.source) == "(" {
            let is_same = |from: &FilePart| generated_file.are_equivalent_ranges(&from.tokens, file, &part.tokens);
            (!generated.is_some_and(is_same)).then(|| "a subquery, which exists only in the edited file".to_owned())
        } else {
            let name = first_cte(file, part)?;
            if generated_file.ctes.contains(&name) {
                let before = first_cte(generated_file, generated?)?;
                (compares_ctes && before != name).then(|| format!("`{name}` instead of `{before}`"))
            } else {
                Some(format!("the CTE `{name}`, which exists only in the edited file"))
            }
        };
        Some((part.position.cte.as_deref(), input?))
    });
    changed.collect()
}

pub(super) fn describe_file_part(position: &FilePartPosition) -> String {
    let description = match &position.kind {
        FilePartKind::Column(name) => format!("the column `{name}`"),
        FilePartKind::Unnamed => "a column without a name".to_owned(),
        FilePartKind::Clause(clause) => format!("`{clause}`"),
        FilePartKind::Config => "the text before the query".to_owned(),
        FilePartKind::Other => "text that is not part of a query".to_owned(),
    };
    match &position.cte {
        Some(cte) => format!("{description} of `{cte}`"),
        None => description,
    }
}
