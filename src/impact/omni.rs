//! The Omni model: which fields of views read which columns, and what uses those fields.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::lineage;
use crate::schema::omni_view_name;
use crate::yaml::{self, Node};

/// What a folder of Omni files says, as far as it reads tables.
#[derive(Clone, Debug, Default)]
pub struct OmniModel {
    views: Vec<View>,
    users: Vec<User>,
}

/// A view.
#[derive(Clone, Debug, Default)]
struct View {
    name: String,
    file: String,
    schema: Option<String>,
    table: String,
    /// Whether it is of a table, and not of SQL or of a saved query.
    is_table: bool,
    fields: Vec<Field>,
}

/// A field, and what it reads.
#[derive(Clone, Debug, Default)]
struct Field {
    name: String,
    kind: &'static str,
    /// Columns of the view's table, in small letters.
    columns: BTreeSet<String>,
    /// Fields, those of other views with the view's name in front.
    fields: BTreeSet<String>,
    /// Its SQL; none where it is the column of its name, or counts rows.
    sql: Option<String>,
    /// Whether its SQL could not be followed, so that every word in it is taken for a column.
    is_guessed: bool,
}

/// A topic or a join: what uses views and fields.
#[derive(Clone, Debug, Default)]
struct User {
    name: String,
    kind: &'static str,
    file: String,
    /// Views as a whole.
    views: BTreeSet<String>,
    fields: BTreeSet<String>,
}

/// A field that a change reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    pub view: String,
    pub field: String,
    pub kind: &'static str,
    pub file: String,
    /// The column or field that it is reached by.
    pub by: String,
    /// Whether that is a field.
    pub by_field: bool,
    /// The column at the beginning; none where other rows come.
    pub column: Option<String>,
    /// Whether it reads the column itself, and in SQL.
    pub in_sql: bool,
    pub is_guessed: bool,
}

impl OmniModel {
    /// Reads Omni files: their names and texts. What is no Omni YAML is left out and told.
    #[must_use]
    pub fn from_texts(files: &[(String, String)], dialect: Option<Dialect>) -> (Self, Vec<(usize, Diagnostic)>) {
        let mut model = Self::default();
        let mut faults = Vec::new();
        for (number, (file, text)) in files.iter().enumerate() {
            let mut found = Vec::new();
            match yaml::read(text, &mut found) {
                Ok(Some(root)) => model.read(file, &root, dialect),
                Ok(None) => {}
                Err(fault) => found.push(fault),
            }
            faults.extend(found.into_iter().filter(Diagnostic::is_error).map(|fault| (number, fault)));
        }
        (model, faults)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty() && self.users.is_empty()
    }

    fn read(&mut self, file: &str, root: &Node, dialect: Option<Dialect>) {
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
        if let Some(joins) = root.items() {
            joins.iter().for_each(|join| self.join(file, join));
        } else if name.contains(".topic")
            || root.get("base_view").is_some() && root.get("dimensions").is_none() && root.get("query").is_none()
        {
            self.topic(file, root);
        } else if name.contains(".view")
            || name.contains(".query")
            || root.get("dimensions").is_some()
            || root.get("measures").is_some()
        {
            self.view(file, root, dialect);
        }
        for join in root.get("relationships").and_then(Node::items).unwrap_or_default() {
            self.join(file, join);
        }
    }

    fn view(&mut self, file: &str, root: &Node, dialect: Option<Dialect>) {
        let text = |key: &str| root.get(key).and_then(Node::text).map(str::to_owned);
        let name = omni_view_name(file);
        let mut view = View {
            table: text("table_name").unwrap_or_else(|| name.clone()),
            schema: text("schema"),
            is_table: root.get("sql").is_none() && root.get("query").is_none(),
            file: file.to_owned(),
            name,
            fields: Vec::new(),
        };
        // Columns of a query view are made of fields of others.
        let query = root.get("query").and_then(|query| query.get("fields")).and_then(Node::pairs).unwrap_or_default();
        for (of, column) in query {
            let (Some(of), Some(column)) = (of.text(), column.text()) else { continue };
            let fields = BTreeSet::from([without_timeframe(of).to_lowercase()]);
            view.fields.push(Field { name: column.to_owned(), kind: "column", fields, ..Field::default() });
        }
        let own_sql = root.get("sql").and_then(Node::text).map(|sql| Sql::read(sql, dialect));
        for (key, kind) in [("dimensions", "dimension"), ("measures", "measure"), ("filters", "filter")] {
            for (name, field) in root.get(key).and_then(Node::pairs).unwrap_or_default() {
                let Some(name) = name.text() else { continue };
                if field.get("ignored").and_then(Node::boolean) == Some(true) {
                    continue;
                }
                let mut read = read_field(name, kind, field, dialect);
                if let Some(own) = &own_sql {
                    // Which table a column of the view's own SQL is of is not looked at.
                    read.fields.extend(own.fields.iter().cloned());
                }
                match view.fields.iter_mut().find(|known| known.name.eq_ignore_ascii_case(name)) {
                    Some(known) => known.fields.extend(read.fields),
                    None => view.fields.push(read),
                }
            }
        }
        self.views.push(view);
    }

    fn join(&mut self, file: &str, join: &Node) {
        let text = |key: &str| join.get(key).and_then(Node::text);
        let (Some(from), Some(to)) = (text("join_from_view"), text("join_to_view")) else { return };
        let mut fields = BTreeSet::new();
        for key in ["on_sql", "where_sql"] {
            fields.extend(text(key).map(references).into_iter().flatten());
        }
        // An alias is another name of the view.
        let real = |field: String| {
            let aliases = [(text("join_from_view_as"), from), (text("join_to_view_as"), to)];
            let of = aliases
                .into_iter()
                .find_map(|(alias, view)| Some((field.strip_prefix(alias?)?.strip_prefix('.')?, view)));
            of.map_or(field.clone(), |(rest, view)| format!("{}.{rest}", view.to_lowercase()))
        };
        let fields = fields.into_iter().map(real).collect();
        let name = format!("{from} → {to}");
        self.users.push(User { name, kind: "join", file: file.to_owned(), views: BTreeSet::new(), fields });
    }

    fn topic(&mut self, file: &str, root: &Node) {
        let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = [".yaml", ".yml"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let name = name.strip_suffix(".topic").unwrap_or(name).to_owned();
        let base = root.get("base_view").and_then(Node::text).unwrap_or(&name).to_owned();
        let mut views = BTreeSet::from([base.to_lowercase()]);
        let mut stack: Vec<&Node> = root.get("joins").into_iter().collect();
        while let Some(node) = stack.pop() {
            for (view, below) in node.pairs().unwrap_or_default() {
                views.extend(view.text().map(str::to_lowercase));
                stack.push(below);
            }
        }
        let mut fields = BTreeSet::new();
        for key in ["always_where_sql", "always_having_sql"] {
            fields.extend(root.get(key).and_then(Node::text).map(references).into_iter().flatten());
        }
        for key in ["default_filters", "always_where_filters", "always_having_filters", "access_filters"] {
            let names =
                root.get(key).and_then(Node::pairs).unwrap_or_default().iter().filter_map(|(name, _)| name.text());
            fields.extend(names.map(|name| without_timeframe(name).to_lowercase()));
        }
        // A list of fields says which of the views are shown.
        let listed = root.get("fields").map(Node::texts).unwrap_or_default();
        let is_whole = listed.is_empty() || listed.iter().any(|field| field.contains('*') || field.contains(':'));
        if !is_whole {
            views.clear();
            let named = listed.iter().filter(|field| !field.starts_with('-'));
            fields.extend(named.map(|field| without_timeframe(field).to_lowercase()));
        }
        self.users.push(User { name, kind: "topic", file: file.to_owned(), views, fields });
    }

    /// The fields that changes of a table reach, each once, with what they are reached by. `columns` are those that
    /// change, in small letters; `rows` says whether all do.
    pub(super) fn reached(
        &self,
        schema: Option<&str>,
        table: &str,
        columns: &BTreeSet<String>,
        rows: bool,
    ) -> Vec<Reached> {
        let is_of = |view: &&View| {
            let same = |own: &Option<String>| match (own.as_deref(), schema) {
                (Some(own), Some(schema)) => own.eq_ignore_ascii_case(schema),
                _ => true,
            };
            view.is_table && view.table.eq_ignore_ascii_case(table) && same(&view.schema)
        };
        let mut found: Vec<Reached> = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for view in self.views.iter().filter(is_of) {
            for field in &view.fields {
                let column = field.columns.iter().find(|column| columns.contains(*column));
                if column.is_none() && !rows {
                    continue;
                }
                let by = column.map_or_else(|| view.table.clone(), |column| format!("{}.{column}", view.table));
                seen.insert(full(view, field), found.len());
                found.push(reached(view, field, by, column.cloned(), false));
            }
        }
        // Fields of any view that are made of those.
        let mut by_read: FxHashMap<String, Vec<(&View, &Field)>> = FxHashMap::default();
        for view in &self.views {
            for field in &view.fields {
                for read in &field.fields {
                    let read =
                        if read.contains('.') { read.clone() } else { format!("{}.{read}", view.name.to_lowercase()) };
                    by_read.entry(read).or_default().push((view, field));
                }
            }
        }
        let mut next = 0;
        while let Some((name, column)) =
            found.get(next).map(|at| (format!("{}.{}", at.view, at.field), at.column.clone()))
        {
            next += 1;
            for (view, field) in by_read.get(&name.to_lowercase()).into_iter().flatten() {
                let full = full(view, field);
                if let std::collections::btree_map::Entry::Vacant(place) = seen.entry(full) {
                    place.insert(found.len());
                    found.push(reached(view, field, name.clone(), column.clone(), true));
                }
            }
        }
        found
    }

    /// Topics and joins that use fields, each once: kind, name, file, and the field.
    pub(super) fn users(&self, fields: &[Reached]) -> Vec<(&'static str, String, String, String)> {
        let user = |user: &User| {
            let is_used = |field: &&Reached| {
                let view = field.view.to_lowercase();
                user.views.contains(&view) || user.fields.contains(&format!("{view}.{}", field.field.to_lowercase()))
            };
            let field = fields.iter().find(is_used)?;
            Some((user.kind, user.name.clone(), user.file.clone(), format!("{}.{}", field.view, field.field)))
        };
        self.users.iter().filter_map(user).collect()
    }
}

fn full(view: &View, field: &Field) -> String {
    format!("{}.{}", view.name, field.name).to_lowercase()
}

fn reached(view: &View, field: &Field, by: String, column: Option<String>, by_field: bool) -> Reached {
    Reached {
        by_field,
        in_sql: by_field || field.sql.is_some(),
        view: view.name.clone(),
        field: field.name.clone(),
        kind: field.kind,
        file: view.file.clone(),
        by,
        column,
        is_guessed: field.is_guessed,
    }
}

fn read_field(name: &str, kind: &'static str, field: &Node, dialect: Option<Dialect>) -> Field {
    let mut read = Field { name: name.to_owned(), kind, ..Field::default() };
    let text = |key: &str| field.get(key).and_then(Node::text);
    let duration = field.get("duration");
    let of_duration = ["sql_start", "sql_end"].into_iter().filter_map(|key| duration?.get(key)?.text());
    let sqls: Vec<&str> = text("sql").into_iter().chain(text("custom_primary_key_sql")).chain(of_duration).collect();
    if sqls.is_empty() && kind == "dimension" {
        read.columns.insert(name.to_lowercase());
    }
    for sql in &sqls {
        let sql = Sql::read(sql, dialect);
        read.fields.extend(sql.fields);
        read.columns.extend(sql.columns);
        read.is_guessed |= sql.is_guessed;
    }
    read.sql = sqls.first().map(|sql| (*sql).to_owned());
    let filters = field.get("filters").and_then(Node::pairs).unwrap_or_default();
    let filters = filters.iter().filter_map(|(name, _)| name.text()).map(|name| without_timeframe(name).to_lowercase());
    read.fields.extend(filters);
    // A field that names itself means the column.
    if read.fields.remove(&name.to_lowercase()) {
        read.columns.insert(name.to_lowercase());
    }
    read
}

/// What a text of SQL with `${…}` reads.
struct Sql {
    columns: BTreeSet<String>,
    fields: BTreeSet<String>,
    is_guessed: bool,
}

impl Sql {
    fn read(sql: &str, dialect: Option<Dialect>) -> Self {
        let fields: BTreeSet<String> = references(sql).collect();
        let plain = without_references(sql);
        let (columns, is_guessed) = match lineage::columns_of_expression(&plain, dialect) {
            Some(columns) => (columns.into_iter().collect(), false),
            None => (words(&plain), true),
        };
        Self { columns, fields, is_guessed }
    }
}

/// The fields in `${…}`, in small letters and without timeframes.
fn references(sql: &str) -> impl Iterator<Item = String> + '_ {
    sql.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| without_timeframe(name).to_lowercase())
}

/// The same SQL with a number in place of each.
fn without_references(sql: &str) -> String {
    let mut parts = sql.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((_, rest)) => {
                out.push_str(" 1 ");
                out.push_str(rest);
            }
            None => out.push_str(part),
        }
    }
    out
}

fn words(sql: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    sql.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// `created_at[month]` is the field `created_at`.
fn without_timeframe(name: &str) -> &str {
    name.split_once('[').map_or(name, |(name, _)| name).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_read_a_column() {
        let files = [
            (
                "omni/analytics/orders.view.yaml",
                "schema: analytics\ntable_name: fct_orders\ndimensions:\n  amount: {}\n  is_large: {sql: '${amount} > 1000'}\n  raw: {sql: 'upper(status)'}\n  other: {}\nmeasures:\n  count: {aggregate_type: count}\n  revenue: {sql: '${amount}', aggregate_type: sum, filters: {region: {is: West}}}\n  odd: {sql: 'sum(amount'}\n",
            ),
            ("omni/customers.view", "dimensions: {ltv: {sql: '${orders.revenue} / 2'}}\n"),
            (
                "omni/top.query.view",
                "query: {base_view: orders, fields: {orders.revenue: total}}\ndimensions: {total: {}}\n",
            ),
            ("omni/orders.topic.yaml", "base_view: orders\njoins: {customers: {}}\n"),
            ("omni/small.topic.yaml", "base_view: orders\nfields: [orders.other]\n"),
            (
                "omni/relationships.yaml",
                "- {join_from_view: orders, join_to_view: customers, on_sql: '${orders.amount} = ${customers.id}'}\n",
            ),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let (model, faults) = OmniModel::from_texts(&files, None);
        assert_eq!(faults, []);
        let columns = BTreeSet::from(["amount".to_owned()]);
        let reached = model.reached(Some("ANALYTICS"), "FCT_ORDERS", &columns, false);
        let shown: Vec<String> =
            reached.iter().map(|r| format!("{}.{} {} by {}", r.view, r.field, r.kind, r.by)).collect();
        assert_eq!(
            shown,
            [
                "orders.amount dimension by fct_orders.amount",
                "orders.odd measure by fct_orders.amount",
                "orders.is_large dimension by orders.amount",
                "orders.revenue measure by orders.amount",
                "customers.ltv dimension by orders.revenue",
                "top.total column by orders.revenue",
            ]
        );
        assert!(reached[1].is_guessed);
        let users: Vec<String> =
            model.users(&reached).into_iter().map(|(kind, name, ..)| format!("{kind} {name}")).collect();
        assert_eq!(users, ["topic orders", "join orders → customers"]);
        assert!(model.reached(Some("raw"), "fct_orders", &columns, false).is_empty());
        assert_eq!(model.reached(None, "fct_orders", &BTreeSet::new(), true).len(), 9);
    }
}
