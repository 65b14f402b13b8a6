//! Reads and writes `known.yml`. The file records the facts about the data, such as column types and keys, that were
//! used when models were last generated, so that the SQL depends only on the commit.

mod manifest;
mod write;

pub use manifest::{from_dbt, from_text, from_texts};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::write::{display_column_facts, relation_facts, sql_relevant_column_yaml, write_relation};
use super::descriptions::ColumnDescription;
use crate::artifacts::Manifest;
use crate::compiler::SpecOptions;
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::schema::read::{string_keyed_pairs, unexpected_node_error};
use crate::schema::{Column, Relation, Schema, file};
use crate::yaml;

/// Tests from dbt packages that formulac uses in generated files if the packages are installed.
const PACKAGE_TESTS: [&str; 2] = [crate::model::UNIQUE_COMBINATION_TEST, crate::model::RANGE_TEST];

const KNOWN_FACTS_HEADER: &str = "# The columns and types that formulac knew when models were last generated. `formulac generate` updates this file.\n";

/// Known facts about the relations that specs read, and about the project's dbt installation.
///
/// ```
/// use formulac_sync::known::KnownFacts;
/// let text = "relations:\n  orders:\n    columns:\n      amount: decimal(12,2)\n";
/// let (known, faults) = KnownFacts::from_text(text);
/// assert!(faults.is_empty());
/// assert!(known.schema.relation("orders").unwrap().is_marked_incomplete());
/// assert!(known.text().ends_with(text));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownFacts {
    /// Relations with the columns that specs read. The schema is incomplete because it lists only these columns.
    pub schema: Schema,
    /// Dialect of the adapter.
    pub dialect: Option<Dialect>,
    /// Version of dbt.
    pub dbt_version: Option<String>,
    /// Data tests from dbt packages that affect the generated files.
    pub generic_tests: BTreeSet<String>,
    /// Groups of the dbt project. Only a manifest contains them, so they are `None` without a manifest.
    pub groups: Option<BTreeSet<String>>,
}

impl From<Schema> for KnownFacts {
    /// Takes the facts about relations from a schema, without facts about dbt.
    fn from(schema: Schema) -> Self {
        Self {
            schema,
            ..Self::default()
        }
    }
}

/// Fact about a relation or a column that contradicts dbt's artifacts.
struct KnownFactContradiction {
    relation: String,
    /// Column that the fact describes. `None` if the fact describes the relation.
    column: Option<String>,
    /// The old fact and the new one.
    text: String,
}

impl KnownFacts {
    /// Parses the contents of `known.yml`. Unreadable parts are reported and skipped.
    #[must_use]
    pub fn from_text(text: &str) -> (Self, Vec<Diagnostic>) {
        let mut facts = Self::default();
        let mut faults = Vec::new();
        let root = match yaml::read(text, &mut faults) {
            Ok(root) => root,
            Err(fault) => return (facts, vec![fault]),
        };
        for (key, name, value) in root
            .iter()
            .flat_map(|root| string_keyed_pairs(root, "known.yml", &mut faults))
            .collect::<Vec<_>>()
        {
            match name {
                "relations" => {
                    for (_, name, value) in string_keyed_pairs(value, "`relations`", &mut faults) {
                        let relation = file::read_relation(name, value, &mut faults);
                        let is_whole = value.is_true_at("complete");
                        facts
                            .schema
                            .push(if is_whole { relation } else { relation.mark_incomplete() });
                    }
                }
                "dbt" => {
                    let text = |key: &str| value.text_at(key);
                    facts.dialect = text("dialect").and_then(|name| name.parse().ok());
                    facts.dbt_version = text("version").map(str::to_owned);
                    facts.generic_tests = value.texts_at("tests").into_iter().collect();
                }
                _ => faults.push(unexpected_node_error(key, "known.yml", "`dbt` or `relations`")),
            }
        }
        facts.schema = facts.schema.mark_as_incomplete();
        (facts, faults)
    }

    /// Returns the contents of `known.yml`. Relations and columns are sorted by name, but the columns of a relation
    /// that is read completely keep their own order.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = KNOWN_FACTS_HEADER.to_owned();
        let mut dbt = Vec::new();
        dbt.extend(self.dialect.map(|dialect| format!("dialect: {}", dialect.name())));
        dbt.extend(self.dbt_version.iter().map(|version| format!("version: \"{version}\"")));
        if !self.generic_tests.is_empty() {
            let tests: Vec<String> = self
                .generic_tests
                .iter()
                .map(|name| yaml::format_flow_scalar(name))
                .collect();
            dbt.push(format!("tests: [{}]", tests.join(", ")));
        }
        if !dbt.is_empty() {
            let _ = writeln!(out, "dbt: {{{}}}", dbt.join(", "));
        }
        let relations: BTreeMap<&str, &Relation> = self
            .schema
            .relations()
            .iter()
            .map(|relation| (relation.schema_name(), relation))
            .collect();
        out.push_str(if relations.is_empty() {
            "relations: {}\n"
        } else {
            "relations:\n"
        });
        for (name, relation) in relations {
            let _ = writeln!(out, "  {}:", yaml::key_text(name));
            write_relation(&mut out, relation);
        }
        out
    }

    /// Returns the facts in `self`, supplemented with facts from `other`.
    #[must_use]
    pub fn merged_with(self, other: &Self) -> Self {
        Self {
            schema: self.schema.merged_with(&other.schema),
            dialect: self.dialect.or(other.dialect),
            // Take the package tests and the version of dbt from the same side, because they come from the same
            // manifest.
            generic_tests: if self.dbt_version.is_some() {
                self.generic_tests
            } else {
                other.generic_tests.clone()
            },
            dbt_version: self.dbt_version.or_else(|| other.dbt_version.clone()),
            groups: self.groups.or_else(|| other.groups.clone()),
        }
    }

    /// Returns the facts from `--schema`, supplemented with the project's facts.
    #[must_use]
    pub fn merged_with_missing_columns(mut self, project: &Self) -> Self {
        let schema = std::mem::take(&mut self.schema);
        let merged = self.merged_with(project);
        Self {
            schema: schema.merged_with_missing_columns(&project.schema),
            ..merged
        }
    }

    /// Returns the facts in the artifacts. Facts that the artifacts lack are taken from `committed`: types of
    /// columns that no catalog lists, and relations that are not in the artifacts.
    #[must_use]
    pub fn with_missing_facts_from(mut self, committed: &Self) -> Self {
        let mut facts = committed.clone();
        facts.schema = Schema::new().mark_as_incomplete();
        for relation in committed.schema.relations() {
            let is_listed = self.schema.relation(relation.schema_name()).is_some();
            facts.schema.push(if is_listed {
                relation.with_types_only()
            } else {
                relation.clone()
            });
        }
        // A different version of dbt is not a change if the same files are generated for it.
        if let (Some(before), Some(now)) = (&committed.dbt_version, &self.dbt_version)
            && SpecOptions::generates_same_files(before, now)
        {
            self.dbt_version = committed.dbt_version.clone();
        }
        let schema = std::mem::take(&mut self.schema).merged_with_type_details(&facts.schema);
        Self {
            schema,
            ..self.merged_with(&facts)
        }
    }

    /// Replaces column descriptions. `manifest` is dbt's manifest, which maps the described nodes to relations.
    #[must_use]
    pub fn with_descriptions(mut self, manifest: &Manifest, described: &[ColumnDescription]) -> Self {
        for one in described {
            let node = manifest.nodes.iter().find(|node| *node.unique_id == *one.node);
            let name = node.and_then(|node| self.schema.relation(self.relation_name(node)));
            if let Some(name) = name.map(|relation| relation.schema_name().to_owned()) {
                self.schema = self.schema.with_description(&name, &one.column, &one.text);
            }
        }
        self
    }

    /// Returns the facts in `committed` that contradict the artifacts, one per line.
    #[must_use]
    pub fn describe_contradicted_facts(&self, committed: &Self) -> Vec<String> {
        let contradictions = self.contradictions(committed).into_iter();
        contradictions.map(|fact| fact.text).collect()
    }

    /// Returns a warning for each fact in the contents of `known.yml` that contradicts the artifacts.
    ///
    /// ```
    /// use formulac_sync::known::KnownFacts;
    /// let artifacts = KnownFacts::from_text("relations: {orders: {columns: {amount: integer}}}").0;
    /// let text = "relations: {orders: {columns: {amount: decimal}}}";
    /// let warnings = artifacts.report_contradictions(text);
    /// assert_eq!(warnings[0].code(), "W0824");
    /// assert_eq!(warnings[0].span().text(text), "amount");
    /// ```
    #[must_use]
    pub fn report_contradictions(&self, text: &str) -> Vec<Diagnostic> {
        let contradictions = self.contradictions(&Self::from_text(text).0);
        if contradictions.is_empty() {
            return Vec::new();
        }
        let root = yaml::parse_root(text);
        let key_in = |node: &yaml::Node, name: &str| {
            let mut keys = node.pairs()?.iter().map(|(key, _)| key);
            Some(keys.find(|key| key.text() == Some(name))?.span)
        };
        let span = |fact: &KnownFactContradiction| {
            let relations = root.as_ref()?.get("relations")?;
            match &fact.column {
                Some(column) => key_in(relations.get(&fact.relation)?.get("columns")?, column),
                None => key_in(relations, &fact.relation),
            }
        };
        let warning = |fact: KnownFactContradiction| {
            let span = span(&fact).unwrap_or_default();
            let message = format!("dbt contradicts known.yml: {}", fact.text);
            Diagnostic::new(Code::OutdatedFact, span, message).with_help("run `formulac generate` to update the file")
        };
        contradictions.into_iter().map(warning).collect()
    }

    fn contradictions(&self, committed: &Self) -> Vec<KnownFactContradiction> {
        let mut contradictions = Vec::new();
        for relation in committed.schema.relations() {
            let Some(now) = self.schema.relation(relation.schema_name()) else {
                continue;
            };
            for column in relation.columns() {
                let facts = match now.column(column.name()) {
                    Some(found) if now.may_have_unlisted_columns() => {
                        sql_relevant_column_yaml(&found.merged_with(column).with_type_details_of(column))
                    }
                    Some(found) => sql_relevant_column_yaml(&found.merged_with(column)),
                    None if now.may_have_unlisted_columns() => continue,
                    None => "does not exist".to_owned(),
                };
                let before = sql_relevant_column_yaml(column);
                if facts != before {
                    contradictions.push(KnownFactContradiction {
                        relation: relation.schema_name().to_owned(),
                        column: Some(column.name().to_owned()),
                        text: format!("{}.{}: {before} → {facts}", relation.schema_name(), column.name()),
                    });
                }
            }
            let [before, facts] = [relation, now].map(|relation| relation_facts(relation).join(", "));
            if facts != before {
                let facts_or_none = |facts: String| {
                    if facts.is_empty() {
                        "not known".to_owned()
                    } else {
                        facts
                    }
                };
                contradictions.push(KnownFactContradiction {
                    relation: relation.schema_name().to_owned(),
                    column: None,
                    text: format!(
                        "{}: {} → {}",
                        relation.schema_name(),
                        facts_or_none(before),
                        facts_or_none(facts)
                    ),
                });
            }
        }
        contradictions
    }

    /// Keeps only these relations. If several specs read a relation, keeps each column that at least one of them reads.
    #[must_use]
    pub fn with_relations<'r>(mut self, relations: impl IntoIterator<Item = &'r Relation>) -> Self {
        let mut all: BTreeMap<String, Relation> = BTreeMap::new();
        for relation in relations {
            let read = all
                .entry(relation.schema_name().to_ascii_lowercase())
                .or_insert_with(|| relation.clone());
            if read.is_marked_incomplete() && relation.is_marked_incomplete() {
                let new: Vec<Column> = relation
                    .columns()
                    .iter()
                    .filter(|column| read.column(column.name()).is_none())
                    .cloned()
                    .collect();
                new.into_iter().for_each(|column| read.push(column));
            } else if read.is_marked_incomplete() {
                *read = relation.clone();
            }
        }
        self.schema = all
            .into_values()
            .fold(Schema::default(), Schema::with)
            .mark_as_incomplete();
        self.generic_tests.retain(|name| PACKAGE_TESTS.contains(&name.as_str()));
        self
    }

    /// Marks the schema as incomplete.
    #[must_use]
    pub fn mark_as_incomplete(mut self) -> Self {
        self.schema = self.schema.mark_as_incomplete();
        self
    }

    /// Returns the differences from the facts in `before`, one line per relation, column or fact.
    ///
    /// ```
    /// use formulac_sync::known::KnownFacts;
    /// let relations = |ty: &str| format!("relations: {{orders: {{columns: {{amount: {ty}}}}}}}");
    /// let known = |ty: &str| KnownFacts::from_text(&relations(ty)).0;
    /// assert_eq!(known("decimal").changes_since(&known("float")), ["orders.amount: float → decimal"]);
    /// ```
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut fact = |name: &str, before: Option<String>, now: Option<String>| {
            if before != now {
                let fact_or_default = |fact: Option<String>, none: &str| fact.unwrap_or_else(|| none.to_owned());
                changes.push(format!(
                    "{name}: {} → {}",
                    fact_or_default(before, "not known"),
                    fact_or_default(now, "no longer kept")
                ));
            }
        };
        let dialect = |facts: &Self| facts.dialect.map(|dialect| dialect.name().to_owned());
        fact("dialect", dialect(before), dialect(self));
        fact("dbt", before.dbt_version.clone(), self.dbt_version.clone());
        let tests = |facts: &Self| Some(facts.generic_tests.iter().cloned().collect::<Vec<_>>().join(", "));
        fact("tests of packages", tests(before), tests(self));
        let names: BTreeSet<&str> = self
            .schema
            .relations()
            .iter()
            .chain(before.schema.relations())
            .map(Relation::schema_name)
            .collect();
        for name in names {
            let [old, new] = [before, self].map(|facts| facts.schema.relation(name));
            let columns: BTreeSet<&str> = [old, new]
                .into_iter()
                .flatten()
                .flat_map(Relation::columns)
                .map(Column::name)
                .collect();
            for column in columns {
                let [old, new] = [old, new].map(|relation| relation?.column(column).map(display_column_facts));
                fact(&format!("{name}.{column}"), old, new);
            }
            let [old, new] = [old, new].map(|relation| Some(relation_facts(relation?).join(", ")));
            fact(
                name,
                old.filter(|facts| !facts.is_empty()),
                new.filter(|facts| !facts.is_empty()),
            );
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_known_facts(text: &str) -> KnownFacts {
        let (facts, faults) = KnownFacts::from_text(text);
        assert_eq!(faults, [], "{text}");
        facts
    }

    #[test]
    fn new_columns_of_unknown_type_are_described_in_words() {
        let text = "relations:\n  t:\n    columns:\n      code: {type: unknown, description: The code}\n      day: {type: date, nullable: false}\n      note: unknown\n";
        let lines = [
            "t.code: not known → column of unknown type, description: The code",
            "t.day: not known → date, nullable: false",
            "t.note: not known → column of unknown type",
        ];
        let facts = parse_known_facts(text);
        assert_eq!(facts.changes_since(&parse_known_facts("")), lines);
    }

    #[test]
    fn known_text_round_trips() {
        let text = "\
dbt: {dialect: duckdb, version: \"1.12.6\", tests: [dbt_utils.accepted_range]}
relations:
  customers:
    complete: true
    access: private
    group: finance
    primary_key: [id]
    columns:
      id: {type: integer, nullable: false}
      Net, Revenue: {type: \"decimal(38,4)\", quoted: true, tags: [pii], description: \"What was paid, net\"}
      email: text
  orders:
    columns:
      amount: decimal(12,2)
      status: {type: text, values: [\"a,b\", open]}
";
        let facts = parse_known_facts(text);
        assert_eq!(facts.text(), format!("{KNOWN_FACTS_HEADER}{text}"));
        assert_eq!(facts.changes_since(&facts), Vec::<String>::new());
    }

    #[test]
    fn missing_facts_are_taken_from_the_committed_file() {
        let committed = parse_known_facts(
            "relations: {orders: {columns: {amount: decimal, id: {type: integer, nullable: false}}}}",
        );
        let manifest = parse_known_facts("relations: {orders: {columns: {id: , status: text}}, items: {columns: {}}}");
        let merged = manifest.merged_with(&committed);
        let orders = merged.schema.relation("orders").unwrap();
        let summaries: Vec<_> = orders
            .columns()
            .iter()
            .map(|c| (c.name(), c.ty().name(), c.is_nullable()))
            .collect();
        assert_eq!(
            summaries,
            [
                ("amount", "decimal", true),
                ("id", "integer", true),
                ("status", "text", true)
            ]
        );
        assert!(orders.is_marked_incomplete() && merged.schema.relation("items").is_some());
    }

    /// A properties file specifies only `numeric`. Without a catalog, the precision in `known.yml` is kept.
    #[test]
    fn details_of_types_stay_until_the_artifacts_contradict_them() {
        let committed = "amount: 'decimal(12,2)', code: uuid, day: date, extra: float";
        let same = "decimal(12,2) uuid date float";
        let facts = |complete: &str, columns: &str| {
            parse_known_facts(&format!("relations: {{orders: {{{complete}columns: {{{columns}}}}}}}"))
        };
        for (complete, columns, expected) in [
            ("", "amount: decimal, code: text, day: date", same),
            (
                "",
                "amount: 'decimal(10,1)', day: timestamp",
                "decimal(10,1) uuid timestamp float",
            ),
            ("", "amount: integer", "integer uuid date float"),
            (
                "complete: true, ",
                "amount: decimal, code: text, day: date, extra: float",
                "decimal text date float",
            ),
        ] {
            let (committed, artifacts) = (facts("", committed), facts(complete, columns));
            let merged = artifacts.clone().with_missing_facts_from(&committed);
            let orders = merged.schema.relation("orders").unwrap();
            let types = ["amount", "code", "day", "extra"].map(|name| orders.column(name).unwrap().type_text());
            assert_eq!(types.join(" "), expected, "{columns}");
            let contradicted = artifacts.describe_contradicted_facts(&committed);
            assert_eq!(contradicted.is_empty(), expected == same, "{contradicted:?}");
        }
    }

    /// A new description changes no SQL, so it is not a contradiction, but known.yml records it.
    #[test]
    fn descriptions_are_no_contradictions() {
        let facts =
            |amount: &str| parse_known_facts(&format!("relations: {{orders: {{columns: {{amount: {amount}}}}}}}"));
        let committed = facts("{type: decimal, description: In cents}");
        let described = facts("{type: decimal, description: In euros}");
        assert_eq!(described.describe_contradicted_facts(&committed), Vec::<String>::new());
        assert_eq!(
            described.changes_since(&committed),
            ["orders.amount: decimal, description: In cents → decimal, description: In euros"]
        );
        let retyped = facts("{type: integer, description: In euros}");
        assert_eq!(
            retyped.describe_contradicted_facts(&committed),
            ["orders.amount: decimal → integer"]
        );
    }

    #[test]
    fn complete_relation_keeps_its_columns_and_order() {
        let committed = parse_known_facts("relations: {orders: {columns: {amount: decimal, gone: text, id: integer}}}");
        let catalog = parse_known_facts("relations: {orders: {complete: true, columns: {id: bigint, amount: double}}}");
        let names = |facts: KnownFacts| {
            let orders = facts.schema.relation("orders").unwrap().clone();
            orders
                .columns()
                .iter()
                .map(|c| format!("{} {}", c.name(), c.ty()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(catalog.clone().merged_with(&committed)),
            ["id integer", "amount float"]
        );
        assert_eq!(
            names(committed.merged_with(&catalog)),
            ["id integer", "amount decimal", "gone text"]
        );
    }
}
