//! Manual edits to generated files, grouped by definition and property.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use formulac_syntax::diag::lists::join_words;
use serde_json::{Value, json};

use super::properties::{self, LocatedPropertyValue, PropertyKey};
use super::state::normalize_line_endings;
use crate::dbt::tokens::{SqlTokenKind, canonical_text, tokens};
use crate::dbt::{find_sql_fault, have_same_values, is_unmodified};
use crate::decompile::{
    ColumnEdit, FilePartPosition, NonColumnEdit, RewrittenSql, SqlEdits, Substitution, column_readers,
    restore_edited_column,
};
use crate::dialect::Dialect;
use crate::yaml_edit::{self, YamlValue};

/// A property of a definition or a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Formula of the definition.
    Formula,
    /// Description of the model or column.
    Description,
    /// dbt tests of a column or model.
    Tests,
    /// Tags, meta and similar settings.
    Config,
    /// Key of a spec or step that determines the rows or checks them, such as `where`. No manual edit has this
    /// property.
    Clause(&'static str),
    /// Any other part of a file that no spec can express.
    Text,
}

impl Property {
    /// Returns the readable name of the property.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Formula => "formula",
            Self::Description => "description",
            Self::Tests => "tests",
            Self::Config => "config",
            Self::Clause(key) => key,
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Manual edit to a generated file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ManualEdit {
    /// Name of the column or definition. `None` if the edit concerns the whole model.
    pub definition: Option<String>,
    /// Name of the CTE that contains the edit, if any.
    pub cte: Option<String>,
    /// Changed property.
    pub property: Property,
    /// Key of a setting, such as `meta`, or the data test itself.
    pub detail: String,
    /// Path of the file, relative to the project's folder.
    pub file: String,
    /// Line number in the file, starting at 1.
    pub line: usize,
    /// Text that formulac wrote. `None` if the text is new.
    pub before: Option<String>,
    /// Current text. `None` if the text was removed.
    pub after: Option<String>,
    /// Reason why no spec can express the edit, if the edit is kept only in the file.
    pub why: Option<String>,
    /// SQL that the spec generates for the edit, if this SQL handles more special cases than the edited SQL. `None` if
    /// the generated SQL is the same as the edited SQL.
    pub rewritten: Option<RewrittenSql>,
    /// `true` if the spec already contained the edit, for example because `generate` wrote the file after the last
    /// push.
    pub is_in_spec: bool,
    /// Position of the edited part of a model's SQL. `None` in other files.
    pub(super) position: Option<FilePartPosition>,
    /// Values of the property before and after the edit, for the transfer to the spec.
    pub(super) values: (Option<YamlValue>, Option<YamlValue>),
}

/// Comment that a user writes in a model's SQL to keep the edited SQL of a column. The spec does not change.
pub(super) const KEEP_COMMENT: &str = "formulac: keep";

/// Reason for an edit that adds a hint or a comment with Jinja.
const HINT_REASON: &str = "a spec cannot contain an optimizer hint or a comment with Jinja";

impl ManualEdit {
    /// Returns `true` if a comment in the file requests that the edited SQL be kept, although a spec may be able to
    /// express it.
    #[must_use]
    pub fn is_edit_kept_by_comment(&self) -> bool {
        self.why.as_deref() == Some(KEEP_COMMENT)
    }

    /// Returns the reason why the edit is kept only in the file, and how to write the edited clause in a spec. `None`
    /// if there is no specific reason.
    #[must_use]
    pub fn reason_to_keep(&self) -> Option<String> {
        match &self.why {
            Some(_) if self.is_edit_kept_by_comment() => Some(format!("the comment `{KEEP_COMMENT}` keeps it")),
            Some(why) => Some(why.clone()),
            None => self
                .position
                .as_ref()
                .and_then(FilePartPosition::advice)
                .map(str::to_owned),
        }
    }

    /// Describes the edited part of the model's files: `formula of revenue`, or `` `where` of `orders_by_month` ``.
    #[must_use]
    pub fn describe_part(&self, model: &str) -> String {
        let definition = self.definition.as_deref();
        match self.describe_text_edit_location().filter(|_| definition.is_none()) {
            Some(part) => part.to_owned(),
            None => format!("{} of {}", self.property, definition.unwrap_or(model)),
        }
    }

    /// Returns the part of the file that a text edit changes, such as `` the column `revenue` ``. `None` for other
    /// edits.
    #[must_use]
    pub fn describe_text_edit_location(&self) -> Option<&str> {
        Some(self.detail.as_str()).filter(|detail| self.property == Property::Text && !detail.is_empty())
    }

    /// Returns whether a user removed the part, so that it is also removed from the spec.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.after.as_deref().is_none_or(str::is_empty)
    }

    /// Describes the SQL generated for a transferred edit, if it differs from the edited SQL. `None` if the generated
    /// SQL is the same as the edited SQL.
    #[must_use]
    pub fn describe_rewritten_sql(&self) -> Option<String> {
        let rewritten = self.rewritten.as_ref()?;
        Some(format!(
            "{}; the comment `-- {KEEP_COMMENT}` keeps the edited SQL",
            describe_rewritten_sql(rewritten)
        ))
    }

    /// Returns `true` if a comment next to the edited column, or on the line above it, keeps the edited SQL.
    pub(super) fn has_keep_comment(&self, text: &str) -> bool {
        let lines = self.after.as_deref().map_or(0, |after| after.lines().count());
        let first = self.line.saturating_sub(1);
        let above = first.checked_sub(1).and_then(|above| text.lines().nth(above));
        let is_comment = |line: &&str| line.trim_start().starts_with("--");
        let own = text.lines().skip(first).take(lines);
        above
            .filter(is_comment)
            .into_iter()
            .chain(own)
            .any(|line| line.contains(KEEP_COMMENT))
    }

    /// Returns the byte ranges of the `--` comments that keep the edited SQL. A comment on its own line includes the
    /// line break.
    fn keep_comment_ranges(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let lines = self.after.as_deref().map_or(0, |after| after.lines().count());
        let first = self.line.saturating_sub(1);
        let mut start = 0;
        let starts = text.split_inclusive('\n').map(move |line| {
            start += line.len();
            (start - line.len(), line)
        });
        starts
            .enumerate()
            .take(first + lines)
            .filter_map(move |(number, (start, line))| {
                let comment = line.find("--").filter(|at| line[*at..].contains(KEEP_COMMENT))?;
                match line[..comment].trim_end() {
                    "" if number + 1 >= first => Some(start..start + line.len()),
                    code if number >= first => Some(start + code.len()..start + line.trim_end().len()),
                    _ => None,
                }
            })
    }

    /// Returns the replacements that undo the edit to a column in the SQL and remove the comments that keep it.
    pub(super) fn substitutions_that_restore_column(
        &self,
        generated: &str,
        edited_sql: &str,
        dialect: Dialect,
    ) -> Vec<Substitution> {
        let Some(position) = &self.position else {
            return Vec::new();
        };
        let mut restored = restore_edited_column(generated, edited_sql, dialect, position);
        for comment in self.keep_comment_ranges(edited_sql) {
            let overlaps = |(other, _): &Substitution| other.start < comment.end && comment.start < other.end;
            if !restored.is_empty() && !restored.iter().any(overlaps) {
                restored.push((comment, String::new()));
            }
        }
        restored
    }

    /// Returns `true` if another edit has the same text in the same part of the file.
    pub(super) fn is_same_sql_edit(&self, other: &Self) -> bool {
        (&self.file, &self.after, &self.position) == (&other.file, &other.after, &other.position)
    }

    /// Returns the reason why the edit to a column that is not a definition remains in the file. Such a column is a
    /// key, passes on a column of the input, or helps to compute definitions.
    pub(super) fn reason_for_keeping_column_edit(&self, sql: &str, dialect: Dialect, is_key: bool) -> String {
        let [before, after] = [&self.before, &self.after].map(|text| text.as_deref().unwrap_or_default());
        let readers = self
            .position
            .iter()
            .flat_map(|position| column_readers(sql, dialect, position));
        let readers: BTreeSet<String> = readers
            .filter_map(|(part, _)| part.column_name_if_column().map(|name| format!("`{name}`")))
            .collect();
        let readers: Vec<String> = readers.into_iter().collect();
        match readers.as_slice() {
            _ if adds_hint_or_jinja(before, after, dialect) => HINT_REASON.to_owned(),
            _ if is_key => "the column is a key of `group_by`; change the key in the spec".to_owned(),
            [reader] if self.cte.is_some() => {
                format!("the column helps to compute {reader}; change its formula in the spec")
            }
            [_, ..] if self.cte.is_some() => {
                let readers = join_words(&readers, "and");
                format!("the column helps to compute {readers}; change their formulas in the spec")
            }
            _ => "the spec does not define the column".to_owned(),
        }
    }

    /// Returns the edit in the format of a saved plan.
    pub(super) fn json(&self) -> Value {
        json!({
            "definition": self.definition, "property": self.property.name(), "file": self.file, "line": self.line,
            "before": self.before, "after": self.after,
            "rewritten": self.rewritten.as_ref().map(|rewritten_sql| json!({"sql": rewritten_sql.sql, "adds": rewritten_sql.describe()})),
        })
    }

    /// Returns the property that the edit concerns.
    pub(super) fn property_target(&self) -> PropertyKey {
        PropertyKey {
            column: self.definition.clone(),
            property: self.property,
            detail: self.detail.clone(),
        }
    }

    /// Returns `true` if the edit concerns a whole file instead of a named part.
    pub(super) fn concerns_whole_file(&self) -> bool {
        self.definition.is_none() && self.detail.is_empty() && matches!(self.property, Property::Text | Property::Tests)
    }
}

/// Describes generated SQL that differs from edited SQL.
#[must_use]
pub fn describe_rewritten_sql(rewritten: &RewrittenSql) -> String {
    format!(
        "the new SQL is `{}`, which differs from the edited SQL only in {}",
        rewritten.sql,
        rewritten.describe()
    )
}

/// Kinds of files that belong to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelFileKind {
    Model,
    Properties,
    Docs,
    Test,
}

impl ModelFileKind {
    pub fn new(path: &str, model: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        match name.rsplit_once('.') {
            Some((stem, "sql")) if stem == model => Self::Model,
            Some((_, "yml" | "yaml")) => Self::Properties,
            Some((_, "md")) => Self::Docs,
            _ => Self::Test,
        }
    }
}

/// Returns the differences between the files that formulac wrote and the current files. Files that no longer exist are
/// skipped.
pub(super) fn manual_edits_between(
    model: &str,
    written: &BTreeMap<String, String>,
    texts: &BTreeMap<String, String>,
    dialect: Dialect,
) -> Vec<ManualEdit> {
    let mut edits = Vec::new();
    for (path, written) in written {
        let Some(now) = texts
            .get(path)
            .map(|text| normalize_line_endings(text))
            .filter(|now| now != written)
        else {
            continue;
        };
        let kind = ModelFileKind::new(path, model);
        if matches!(kind, ModelFileKind::Model | ModelFileKind::Test)
            && let Some(fault) = find_sql_fault(&now, dialect).filter(|_| find_sql_fault(written, dialect).is_none())
        {
            edits.push(unreadable_file_edit((path, written, &now), fault.line, &fault.reason));
            continue;
        }
        match kind {
            ModelFileKind::Model => add_sql_edits(path, written, &now, dialect, &mut edits),
            // Properties and docs blocks are compared together later.
            ModelFileKind::Properties | ModelFileKind::Docs => {}
            ModelFileKind::Test if canonical_text(written) == canonical_text(&now) => {}
            ModelFileKind::Test => edits.push(whole_file_edit(path, written, &now, Property::Tests)),
        }
    }
    let of_kind = |files: &BTreeMap<String, String>, kind: ModelFileKind| {
        files
            .iter()
            .find(|(path, _)| ModelFileKind::new(path, model) == kind)
            .map(|(path, text)| (path.clone(), normalize_line_endings(text)))
    };
    let Some((path, yml)) = of_kind(written, ModelFileKind::Properties) else {
        return edits;
    };
    let md = of_kind(written, ModelFileKind::Docs);
    let now = texts
        .get(&path)
        .map_or_else(|| yml.clone(), |text| normalize_line_endings(text));
    let md_path = md.as_ref().map(|(path, _)| path.clone());
    let md_now = md_path
        .as_ref()
        .and_then(|path| texts.get(path))
        .map(|text| normalize_line_endings(text));
    let md = md.map(|(_, text)| text);
    let md_now = md_now.or_else(|| md.clone());
    if now == yml && md_now == md {
        return edits;
    }
    if let Some(edit_error) = yaml_edit::edit_error(&now) {
        edits.push(unreadable_file_edit(
            (&path, &yml, &now),
            edit_error.line(),
            edit_error.reason(),
        ));
        return edits;
    }
    let both = (
        properties::read(model, &yml, md.as_deref()),
        properties::read(model, &now, md_now.as_deref()),
    );
    let before = edits.len();
    match both {
        (Some(before), Some(after)) => property_edits_between(&path, md_path.as_deref(), &before, &after, &mut edits),
        _ => edits.push(whole_file_edit(&path, &yml, &now, Property::Text)),
    }
    // Report other changes that are not compared individually, such as the order of columns. Changes to layout and
    // comments do not count as edits.
    if edits.len() == before {
        if !have_same_values(&now, &yml) {
            edits.push(whole_file_edit(&path, &yml, &now, Property::Text));
        }
        if let (Some(path), Some(md), Some(now)) = (md_path, md, md_now)
            && !is_unmodified(&now)
            && md != now
        {
            edits.push(whole_file_edit(&path, &md, &now, Property::Text));
        }
    }
    edits
}

/// Returns a single edit that covers the complete file.
pub(super) fn whole_file_edit(path: &str, before: &str, after: &str, property: Property) -> ManualEdit {
    let line = 1 + before
        .lines()
        .zip(after.lines())
        .take_while(|(before, after)| before == after)
        .count();
    ManualEdit {
        definition: None,
        cte: None,
        property,
        detail: String::new(),
        file: path.to_owned(),
        line,
        before: Some(before.to_owned()),
        after: Some(after.to_owned()),
        why: None,
        rewritten: None,
        is_in_spec: false,
        position: None,
        values: (None, None),
    }
}

/// Returns an edit to a file that cannot be compared with the generated file. `why` is the reason.
fn unreadable_file_edit((path, before, after): (&str, &str, &str), line: usize, reason: &str) -> ManualEdit {
    ManualEdit {
        line,
        why: Some(reason.to_owned()),
        ..whole_file_edit(path, before, after, Property::Text)
    }
}

/// Adds the edits in a model's SQL: first the edits to columns, then the edits to other parts. Changes to layout,
/// comments and column order, and replacements of expressions with equivalent SQL, are not edits.
fn add_sql_edits(path: &str, written: &str, now: &str, dialect: Dialect, edits: &mut Vec<ManualEdit>) {
    let found = SqlEdits::from_texts(written, now, dialect);
    let item = |item: ColumnEdit| ManualEdit {
        definition: Some(item.column),
        cte: item.cte,
        line: item.line,
        position: Some(item.position),
        ..whole_file_edit(path, &item.before, &item.after, Property::Formula)
    };
    edits.extend(found.items.into_iter().map(item));
    let others = found.other_edits.iter();
    let with_hint: Vec<String> = others
        .filter(|rest| adds_hint_or_jinja(&rest.before, &rest.after, dialect))
        .map(|rest| rest.after.clone())
        .collect();
    // The comparison reads a hint and the column after it as a new column without a name. The column itself then seems
    // to be removed.
    let is_caused_by_hint = |rest: &NonColumnEdit| {
        with_hint.contains(&rest.after)
            || rest.after.is_empty() && with_hint.iter().any(|one| one.ends_with(&rest.before))
    };
    let hint_reason = |rest: &NonColumnEdit| is_caused_by_hint(rest).then(|| HINT_REASON.to_owned());
    let rest = |rest: NonColumnEdit| ManualEdit {
        why: hint_reason(&rest).or_else(|| Some(format!("this select reads {}", rest.changed_input.as_ref()?))),
        cte: rest.cte,
        detail: rest.description,
        line: rest.line,
        // Without a position, the edit is not transferred to the spec.
        position: rest.position.filter(|_| rest.changed_input.is_none()),
        ..whole_file_edit(path, &rest.before, &rest.after, Property::Text)
    };
    edits.extend(found.other_edits.into_iter().map(rest));
}

/// Returns whether an edit adds an optimizer hint or a comment with Jinja.
fn adds_hint_or_jinja(before: &str, after: &str, dialect: Dialect) -> bool {
    let hints = |text: &str| {
        let tokens = tokens(text, dialect).into_iter();
        tokens.filter(|token| token.kind == SqlTokenKind::Hint).count()
    };
    hints(after) > hints(before)
}

fn property_edits_between(
    path: &str,
    md: Option<&str>,
    before: &BTreeMap<PropertyKey, LocatedPropertyValue>,
    after: &BTreeMap<PropertyKey, LocatedPropertyValue>,
    edits: &mut Vec<ManualEdit>,
) {
    let abouts: std::collections::BTreeSet<&PropertyKey> = before.keys().chain(after.keys()).collect();
    for about in abouts {
        let (was, is) = (before.get(about), after.get(about));
        if was.map(LocatedPropertyValue::text) == is.map(LocatedPropertyValue::text) {
            continue;
        }
        let value = is.or(was);
        let in_docs = value.is_some_and(|value| value.in_docs);
        let file = md.filter(|_| in_docs).unwrap_or(path);
        edits.push(ManualEdit {
            definition: about.column.clone(),
            cte: None,
            property: about.property,
            detail: about.detail.clone(),
            file: file.to_owned(),
            line: value.map_or(1, |value| value.line),
            before: was.map(LocatedPropertyValue::text),
            after: is.map(LocatedPropertyValue::text),
            why: None,
            rewritten: None,
            is_in_spec: false,
            position: None,
            values: (
                was.map(|property_value| property_value.value.clone()),
                is.map(|property_value| property_value.value.clone()),
            ),
        });
    }
}
