//! Typed access to the files of an Omni model.

use std::ops::Range;

use formulac_syntax::text::is_word_char;

use super::omni::{REMOVED_FROM_DBT_TAG, file_stem, view_name};
use crate::yaml::Node;

/// File of an Omni model: its path and its YAML.
#[derive(Clone, Copy, Debug)]
pub struct OmniFile<'n> {
    path: &'n str,
    /// YAML in the file.
    pub root: &'n Node,
}

/// Kind of file in an Omni model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OmniFileKind {
    /// View.
    View,
    /// Topic.
    Topic,
    /// Relationships, or settings of the model.
    Other,
}

/// Source of a view's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OmniRowSource {
    /// Table in the warehouse.
    Table,
    /// SQL.
    Sql,
    /// Omni query.
    Query,
}

/// Kind of a view's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OmniFieldKind {
    /// Dimension.
    Dimension,
    /// Measure.
    Measure,
    /// Field that can be used only as a filter and has no column.
    Filter,
}

/// Key of a view file that lists the fields of a compound primary key.
pub const COMPOUND_KEY_SETTING: &str = "custom_compound_primary_key_sql";

impl<'n> OmniFile<'n> {
    /// Returns the file with this path and YAML.
    #[must_use]
    pub fn new(path: &'n str, root: &'n Node) -> Self {
        Self { path, root }
    }

    /// Returns the kind of the file.
    #[must_use]
    pub fn kind(self) -> OmniFileKind {
        let name = self.path.rsplit(['/', '\\']).next().unwrap_or_default();
        let has = |key: &str| self.root.get(key).is_some();
        if self.root.pairs().is_none() {
            OmniFileKind::Other
        } else if name.contains(".topic") || has("base_view") && !has("dimensions") && !has("query") {
            OmniFileKind::Topic
        } else if name.contains(".view")
            || name.contains(".query")
            || ["dimensions", "measures", "table_name"].into_iter().any(has)
        {
            OmniFileKind::View
        } else {
            OmniFileKind::Other
        }
    }

    /// Returns the name of the topic in the file.
    #[must_use]
    pub fn topic_name(self) -> &'n str {
        let name = file_stem(self.path);
        name.strip_suffix(".topic").unwrap_or(name)
    }

    /// Returns the name of the view in the file.
    #[must_use]
    pub fn view_name(self) -> String {
        view_name(self.path)
    }

    /// Returns whether the view or topic exists only to be extended.
    #[must_use]
    pub fn is_template(self) -> bool {
        self.root.is_true_at("template")
    }

    /// Returns the fields of the view's primary key, without dimensions whose column no longer exists in dbt. On
    /// Snowflake, Omni writes the fields of a compound key in quotes.
    #[must_use]
    pub fn primary_key(self) -> Vec<String> {
        let compound = self.root.texts_at(COMPOUND_KEY_SETTING).into_iter();
        let compound = compound.map(|name| column_of_sql(&name).map_or(name, |(_, column)| column));
        let mut key: Vec<String> = compound.collect();
        if key.is_empty() {
            let dimensions = self.root.pairs_at("dimensions").iter();
            let dimensions =
                dimensions.filter(|(_, field)| field.is_true_at("primary_key") && !is_removed_from_dbt(field));
            key.extend(dimensions.filter_map(|(name, _)| name.text().map(str::to_owned)));
        }
        key
    }

    /// Returns the source of the view's rows.
    #[must_use]
    pub fn rows(self) -> OmniRowSource {
        match (self.root.get("query"), self.root.get("sql")) {
            (Some(_), _) => OmniRowSource::Query,
            (None, Some(_)) => OmniRowSource::Sql,
            (None, None) => OmniRowSource::Table,
        }
    }

    /// Returns the names of the views or topics that the file extends.
    #[must_use]
    pub fn extends(self) -> Vec<String> {
        let names = self.root.texts_at("extends");
        let plain = |name: String| name.trim_matches(['$', '{', '}']).trim().to_owned();
        names.into_iter().map(plain).collect()
    }

    /// Returns the fields of the view, each with its kind, name and settings.
    pub fn fields(self) -> impl Iterator<Item = (OmniFieldKind, &'n Node, &'n Node)> {
        let kinds = [
            ("dimensions", OmniFieldKind::Dimension),
            ("measures", OmniFieldKind::Measure),
            ("filters", OmniFieldKind::Filter),
        ];
        kinds.into_iter().flat_map(move |(key, kind)| {
            let pairs = self.root.pairs_at(key);
            pairs.iter().map(move |(name, field)| (kind, name, field))
        })
    }

    /// Returns the joins in the file.
    #[must_use]
    pub fn joins(self) -> &'n [Node] {
        let joins = self.root.items().or_else(|| self.root.get("relationships")?.items());
        joins.unwrap_or_default()
    }
}

/// Returns whether the column of a dimension no longer exists in dbt.
pub(super) fn is_removed_from_dbt(dimension: &Node) -> bool {
    dimension.texts_at("tags").iter().any(|tag| tag == REMOVED_FROM_DBT_TAG)
}

/// Returns the column name, with the name of its relation, if SQL consists of nothing else, as in `amount`, `"AMOUNT"`
/// or `orders.amount`.
#[must_use]
pub fn column_of_sql(sql: &str) -> Option<(Option<String>, String)> {
    let part = |text: &str| {
        let text = text.trim();
        let quotes = [('"', '"'), ('`', '`'), ('[', ']')];
        let quoted = quotes
            .iter()
            .find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
        match quoted {
            Some(inside) if !inside.is_empty() && !inside.contains(['"', '`', ']', '.']) => Some(inside.to_owned()),
            Some(_) => None,
            None => {
                let has_valid_start = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
                let keywords = ["true", "false", "null", "current_date", "current_timestamp"];
                let is_keyword = keywords.iter().any(|keyword| text.eq_ignore_ascii_case(keyword));
                (has_valid_start && text.chars().all(is_word_char) && !is_keyword).then(|| text.to_owned())
            }
        }
    };
    match sql.trim().split_once('.') {
        Some((relation, column)) => Some((Some(part(relation)?), part(column)?)),
        None => Some((None, part(sql)?)),
    }
}

/// Reference to a field, such as `orders.created_at[month]` or `created_at`, with or without `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmniReference {
    /// Name or alias of the view. `None` if the reference consists only of the field.
    pub view: Option<String>,
    /// Name of the field.
    pub field: String,
    /// Timeframe, in lower case.
    pub frame: Option<String>,
}

impl OmniReference {
    /// Parses a reference.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let inner = text.strip_prefix("${").and_then(|inner| inner.strip_suffix('}'));
        let text = inner.unwrap_or(text).trim();
        let (name, frame) = match text.split_once('[') {
            Some((name, frame)) => (name, Some(frame.trim_end_matches(']').trim().to_lowercase())),
            None => (text, None),
        };
        let (view, field) = match name.rsplit_once('.') {
            Some((view, field)) => (Some(view.trim().to_owned()), field),
            None => (None, name),
        };
        Self {
            view,
            field: field.trim().to_owned(),
            frame,
        }
    }
}

/// Returns the references in SQL, such as `orders.amount` for `${orders.amount}`, each with the range of its `${…}`.
pub fn omni_references(sql: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    sql.split("${").skip(1).filter_map(move |part| {
        start = sql.get(start..)?.find("${")? + start + 2;
        let (name, _) = part.split_once('}')?;
        Some((start - 2..start + name.len() + 1, name))
    })
}

/// Replaces each reference in SQL with the result of `with`.
pub fn replace_omni_references(sql: &str, mut with: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied_end = 0;
    for (range, name) in omni_references(sql) {
        out.push_str(sql.get(copied_end..range.start).unwrap_or_default());
        out.push_str(&with(name));
        copied_end = range.end;
    }
    out + sql.get(copied_end..).unwrap_or_default()
}

/// Returns whether a reference is Looker's `${TABLE}`, the table of the view. Omni does not support this reference.
pub fn is_looker_table(reference: &str) -> bool {
    reference.trim().eq_ignore_ascii_case("table")
}

/// Removes Looker's `${TABLE}.` before the names of columns.
pub fn without_looker_tables(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut copied_end = 0;
    for (range, _) in omni_references(sql).filter(|(_, name)| is_looker_table(name)) {
        let is_qualifier = sql.get(range.end..).is_some_and(|rest| rest.starts_with('.'));
        if is_qualifier {
            out.push_str(sql.get(copied_end..range.start).unwrap_or_default());
            copied_end = range.end + 1;
        }
    }
    out + sql.get(copied_end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn looker_tables_are_removed_in_any_case() {
        let sql = "${TABLE}.a - ${ table }.b + ${Table} * ${orders.c}";
        assert_eq!(without_looker_tables(sql), "a - b + ${Table} * ${orders.c}");
    }

    #[test]
    fn kinds_of_files() {
        use OmniFileKind::{Other, Topic, View};
        for (path, text, kind) in [
            ("a/orders.view.yaml", "schema: a", View),
            ("a\\orders.view", "schema: a", View),
            ("orders.query.yml", "query: {}", View),
            ("orders.yaml", "measures: {}", View),
            ("orders.query.view.yaml", "base_view: a\nquery: {}", View),
            ("orders.topic.yaml", "label: a", Topic),
            ("orders.yaml", "base_view: a", Topic),
            ("relationships.yaml", "- join_from_view: a", Other),
            ("model.yaml", "relationships: []", Other),
            ("orders.view.yaml", "[]", Other),
        ] {
            let root = yaml::parse_root(text).unwrap();
            assert_eq!(OmniFile::new(path, &root).kind(), kind, "{path}: {text}");
        }
    }

    #[test]
    fn references_are_replaced() {
        for (sql, expected) in [
            ("${a.b} + ${ c[month] }", "<a.b> + < c[month] >"),
            ("${a${b}", "${a<b>"),
            ("a ${", "a ${"),
            ("{é}", "{é}"),
        ] {
            assert_eq!(replace_omni_references(sql, |name| format!("<{name}>")), expected);
        }
    }

    #[test]
    fn extended_names_have_no_braces() {
        let root = yaml::parse_root("extends: [a, \"${b}\"]").unwrap();
        let path = "c.view.yaml";
        assert_eq!(OmniFile::new(path, &root).extends(), ["a", "b"]);
    }
}
