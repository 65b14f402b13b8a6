//! Columns that a comparison reads from the model and the other relation, and the conditions on these columns.

use super::super::compile::SpecCompilation;
use super::super::load::{SpannedText, SpecComparison};
use super::{TestedModel, to_file_name_part};
use crate::Type;
use crate::diag::{Code, Diagnostic, suggest};
use crate::dialect::Dialect;
use crate::dialect::op::Op;
use crate::plan::{CteNames, unused_name};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{Item, SelectSource, Sql, SqlId, SqlTree};
use crate::verify::{SharedColumn, is_tolerance_applicable};

/// Span of generated nodes, which are not part of a formula.
const EMPTY_SPAN: Span = Span { start: 0, end: 0 };

/// One side of the select that compares two relations.
pub(super) struct ComparedInput {
    /// Name of the relation in SQL.
    pub name: String,
    pub source: SelectSource,
    /// Whether a column counts the rows that have the same keys.
    pub is_counted: bool,
}

/// Column that both relations have.
pub(super) struct ComparedPair<'c> {
    name_in_spec: SpannedText<'c>,
    /// SQL names of the column in the model and in the other relation.
    names: [String; 2],
    types: [Type; 2],
    ty: Type,
    /// Whether the column is never NULL on at least one side. NULLs on the other side then correctly have no match.
    never_null: bool,
}

/// Columns that a comparison reads from both relations.
pub(super) struct ComparedColumns<'c> {
    pub keys: Vec<ComparedPair<'c>>,
    pub columns: Vec<ComparedPair<'c>>,
    /// Name of the column that marks existing rows if no key column can serve this purpose.
    row_mark: String,
    /// Name of the column with the number of rows that have the same keys.
    rows_of_key: String,
}

impl SpecCompilation<'_> {
    /// Returns the keys and the compared columns. `None` if any of these columns is missing in a relation.
    pub(super) fn compared_columns<'c>(
        &'c self,
        comparison: &'c SpecComparison<'_>,
        tested: &'c TestedModel<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<ComparedColumns<'c>> {
        let other = self.schema_relation(&comparison.with);
        let with = SpannedText {
            text: comparison.with.name(),
            ..*comparison.keys.first()?
        };
        let name_in_spec: Vec<SpannedText<'_>> = match &comparison.columns {
            Some(columns) => columns.clone(),
            None if tested.has_unknown_columns => {
                let message = "the model cannot be compared, because its columns are unknown";
                diagnostics.push(
                    Diagnostic::new(Code::ColumnsNotKnown, comparison.with_span, message)
                        .with_help("list the columns in `columns`, or provide a schema with `--schema`"),
                );
                return None;
            }
            None => {
                let is_key = |name: &str| comparison.keys.iter().any(|key| key.text.eq_ignore_ascii_case(name));
                let column_names = tested
                    .relation
                    .columns()
                    .iter()
                    .map(Column::name)
                    .filter(|name| !is_key(name));
                column_names.map(|text| SpannedText { text, ..with }).collect()
            }
        };
        let before = diagnostics.len();
        for name in comparison.keys.iter().chain(&name_in_spec) {
            let Some(other) = other.filter(|other| other.column(name.text).is_none()) else {
                continue;
            };
            let is_specified = comparison.columns.is_some() || comparison.keys.iter().any(|key| key.text == name.text);
            let span = if is_specified {
                name.span(self.source)
            } else {
                comparison.with_span
            };
            let message = format!("`{}` has no column `{}`", other.name(), name.text);
            let near = suggest::nearest_name(name.text, other.columns().iter().map(Column::name));
            let help = match near {
                Some(near) if is_specified => suggest::similar_name_help(near),
                _ => "list only columns that both relations have in `columns`".to_owned(),
            };
            diagnostics.push(Diagnostic::new(Code::UnknownName, span, message).with_help(help));
        }
        let pair = |name_in_spec: &SpannedText<'c>| self.compared_pair(*name_in_spec, tested, other);
        let (keys, columns): (Vec<ComparedPair<'c>>, Vec<ComparedPair<'c>>) = (
            comparison.keys.iter().map(pair).collect(),
            name_in_spec.iter().map(pair).collect(),
        );
        let numbers = columns.iter().any(|column| comparison.has_tolerance(column));
        if let (Some(_), false) = (comparison.tolerance, numbers) {
            let message = "`tolerance` has no effect, because no numeric column is compared";
            diagnostics.push(
                Diagnostic::new(Code::KeyWithoutEffect, comparison.with_span, message)
                    .with_help("remove `tolerance`, or add numeric columns to `columns`"),
            );
        }
        let is_faulty = diagnostics.iter().skip(before).any(Diagnostic::is_error);
        let helper_name = |preferred_name: &str| {
            let relations = [Some(&tested.relation), other].into_iter().flatten();
            let names = relations.flat_map(Relation::columns).map(Column::name);
            let in_use = names.chain(keys.iter().chain(&columns).map(|pair| pair.name_in_spec.text));
            unused_name(preferred_name, in_use, self.compiler.options.dialect.max_bytes())
        };
        let (row_mark, rows_of_key) = (helper_name("is_present"), helper_name("rows_of_key"));
        (!is_faulty).then_some(ComparedColumns {
            keys,
            columns,
            row_mark,
            rows_of_key,
        })
    }

    fn compared_pair<'c>(
        &self,
        name_in_spec: SpannedText<'c>,
        tested: &TestedModel<'_>,
        other: Option<&Relation>,
    ) -> ComparedPair<'c> {
        let dialect = self.compiler.options.dialect;
        let (ours, theirs) = (
            tested.relation.column(name_in_spec.text),
            other.and_then(|other| other.column(name_in_spec.text)),
        );
        let display_name = |column: Option<&Column>| match column.or(ours) {
            Some(column) => column.sql_name(dialect),
            None => dialect.name_text(name_in_spec.text, true),
        };
        let column_types = [ours, theirs].into_iter().flatten().map(Column::ty);
        let ty = column_types
            .filter(|ty| !matches!(ty, Type::Unknown))
            .max_by_key(|ty| ty.is_number());
        ComparedPair {
            name_in_spec,
            names: [display_name(ours), display_name(theirs)],
            types: [ours, theirs].map(|column| column.map(Column::ty).unwrap_or_default()),
            ty: ty.unwrap_or_default(),
            never_null: self.never_null(name_in_spec.text, tested)
                || theirs.is_some_and(|column| !column.is_nullable()),
        }
    }
}

impl SpecComparison<'_> {
    /// Returns whether the tolerance applies to this column. A column of unknown type is treated as a number if the
    /// comparison lists columns explicitly.
    fn has_tolerance(&self, column: &ComparedPair<'_>) -> bool {
        is_tolerance_applicable(column.ty, self.columns.is_some())
    }
}

impl ComparedColumns<'_> {
    /// Returns a key column that is never NULL on at least one side and therefore shows which rows exist.
    pub(super) fn never_null_key(&self) -> Option<&ComparedPair<'_>> {
        self.keys.iter().find(|key| key.never_null)
    }

    /// Returns whether a relation may have several rows with the same keys. `relation_key` is a key of the relation.
    /// Also returns `false` if a key is a float, because some warehouses cannot partition rows by floats.
    pub(super) fn may_repeat_keys(&self, relation_key: Option<&[String]>) -> bool {
        let is_key = |name: &String| {
            self.keys
                .iter()
                .any(|key| key.name_in_spec.text.eq_ignore_ascii_case(name))
        };
        let is_float = |key: &ComparedPair<'_>| key.types.contains(&Type::Float);
        !relation_key.is_some_and(|known_key| known_key.iter().all(is_key)) && !self.keys.iter().any(is_float)
    }

    /// Returns the columns that are added to one side of the comparison: whether the row exists, and the number of rows
    /// with the same keys.
    pub(super) fn presence_and_count_columns(
        &self,
        side: usize,
        is_marked: bool,
        is_counted: bool,
        tree: &mut SqlTree,
    ) -> Vec<Item> {
        let row_mark = is_marked.then(|| Item::named(tree.add_word("true", EMPTY_SPAN), &*self.row_mark));
        let mut items: Vec<Item> = row_mark.into_iter().collect();
        if is_counted {
            let names = self.keys.iter().filter_map(|key| key.names.get(side));
            let keys: Vec<SqlId> = names.map(|name| tree.add_raw_text(name)).collect();
            let star = tree.add_raw_text("*");
            let x = tree.add_call("count", &[star], EMPTY_SPAN);
            let count = tree.add_window(x, &keys, &[], EMPTY_SPAN);
            items.push(Item::named(count, &*self.rows_of_key));
        }
        items
    }

    /// Returns the columns that describe a difference: the keys, and each compared column of both sides. `other` is the
    /// prefix for columns of the other relation.
    pub(super) fn items(
        &self,
        sides: &[ComparedInput; 2],
        other: &str,
        dialect: Dialect,
        tree: &mut SqlTree,
    ) -> Vec<Item> {
        let mut names = CteNames::new(dialect.max_bytes());
        let pairs = self.keys.iter().chain(&self.columns);
        pairs.for_each(|pair| names.reserve(pair.name_in_spec.text));
        let mut items = Vec::new();
        for key in &self.keys {
            let key_pair = key.qualified_columns(tree, sides);
            items.push(Item::new(
                tree.add_call("coalesce", &key_pair, EMPTY_SPAN),
                key.names.first().cloned(),
            ));
        }
        for column in &self.columns {
            let [ours, theirs] = column.qualified_columns(tree, sides);
            let name = names.choose_name(&format!("{other}_{}", to_file_name_part(column.name_in_spec.text)));
            items.extend([Item::unnamed(ours), Item::named(theirs, dialect.name_text(&name, true))]);
        }
        items
    }

    /// Returns the condition that the keys are equal.
    pub(super) fn join_condition(
        &self,
        sides: &[ComparedInput; 2],
        dialect: Dialect,
        tree: &mut SqlTree,
    ) -> Option<SqlId> {
        let mut condition = None;
        for key in &self.keys {
            let equality = key.key_equality(tree, sides, dialect);
            condition = combine_conditions(tree, Op::And, condition, equality);
        }
        condition
    }

    /// Returns the condition for a difference: a row is missing from one side, another row on the same side has the
    /// same keys, or a compared column differs.
    pub(super) fn difference(
        &self,
        sides: &[ComparedInput; 2],
        comparison: &SpecComparison<'_>,
        dialect: Dialect,
        tree: &mut SqlTree,
    ) -> Option<SqlId> {
        let mut filter = None;
        for (index, side) in sides.iter().enumerate() {
            let key = self.never_null_key().and_then(|key| key.names.get(index));
            let x = tree.add_field(&side.name, key.unwrap_or(&self.row_mark));
            let missing = tree.add(Sql::Postfix { op: "is null", x }, EMPTY_SPAN);
            filter = combine_conditions(tree, Op::Or, filter, missing);
        }
        for side in sides.iter().filter(|side| side.is_counted) {
            let rows = tree.add_field(&side.name, &self.rows_of_key);
            let literal_one = tree.add_raw_text("1");
            let several = tree.add_binary(Op::Greater, rows, literal_one, EMPTY_SPAN);
            filter = combine_conditions(tree, Op::Or, filter, several);
        }
        for column in &self.columns {
            for differs in column.difference_conditions(tree, sides, comparison, dialect) {
                filter = combine_conditions(tree, Op::Or, filter, differs);
            }
        }
        filter
    }
}

impl ComparedPair<'_> {
    pub(super) fn to_shared_column(&self, is_named: bool) -> SharedColumn {
        let (name, display_names) = (self.name_in_spec.text.to_owned(), self.names.clone());
        SharedColumn {
            name,
            written: display_names,
            types: self.types,
            is_named,
        }
    }

    /// Returns the column reference for each side.
    fn qualified_columns(&self, tree: &mut SqlTree, sides: &[ComparedInput; 2]) -> [SqlId; 2] {
        let [comparison_side, other_side] = sides;
        let [ours, theirs] = &self.names;
        [
            tree.add_field(&comparison_side.name, ours),
            tree.add_field(&other_side.name, theirs),
        ]
    }

    /// Returns the join condition on a key column. The condition is an equality between the two sides, because engines
    /// require an equality for a full join.
    fn key_equality(&self, tree: &mut SqlTree, sides: &[ComparedInput; 2], dialect: Dialect) -> SqlId {
        let [ours, theirs] = self.qualified_columns(tree, sides);
        if self.never_null {
            return tree.add_binary(Op::Equal, ours, theirs, EMPTY_SPAN);
        }
        let filled = |tree: &mut SqlTree, key: SqlId| {
            let date = &dialect.forms().date;
            let (key, instead) = match self.ty {
                Type::Text => (key, tree.add_text(EMPTY_SPAN, |out| dialect.push_text(out, ""))),
                ty if ty.is_number() => (key, tree.add_raw_text("0")),
                Type::Boolean => (key, tree.add_word("false", EMPTY_SPAN)),
                Type::Date => (key, tree.add_text(EMPTY_SPAN, |out| date.push(out, "1970-01-01"))),
                _ => {
                    let text = Sql::Cast {
                        name: "cast",
                        x: key,
                        ty: dialect.type_name(Type::Text),
                    };
                    (
                        tree.add(text, EMPTY_SPAN),
                        tree.add_text(EMPTY_SPAN, |out| dialect.push_text(out, "")),
                    )
                }
            };
            tree.add_call("coalesce", &[key, instead], EMPTY_SPAN)
        };
        let [left, right] = [ours, theirs].map(|key| filled(tree, key));
        let equal = tree.add_binary(Op::Equal, left, right, EMPTY_SPAN);
        let [left, right] = [ours, theirs].map(|x| tree.add(Sql::Postfix { op: "is null", x }, EMPTY_SPAN));
        let both_null = tree.add_binary(Op::Equal, left, right, EMPTY_SPAN);
        tree.add_binary(Op::And, equal, both_null, EMPTY_SPAN)
    }

    /// Returns conditions that are true if the values differ. Two NULLs are considered equal.
    fn difference_conditions(
        &self,
        tree: &mut SqlTree,
        sides: &[ComparedInput; 2],
        comparison: &SpecComparison<'_>,
        dialect: Dialect,
    ) -> Vec<SqlId> {
        let [ours, theirs] = self.qualified_columns(tree, sides);
        let far = match comparison.tolerance.filter(|_| comparison.has_tolerance(self)) {
            None if dialect.facts().is_distinct_from => {
                return vec![tree.add_binary(Op::Distinct, ours, theirs, EMPTY_SPAN)];
            }
            None => tree.add_binary(Op::NotEqual, ours, theirs, EMPTY_SPAN),
            Some(tolerance) => {
                let difference = tree.add_binary(Op::Subtract, ours, theirs, EMPTY_SPAN);
                let difference = tree.add_call("abs", &[difference], EMPTY_SPAN);
                let tolerance = tree.add_raw_text(tolerance);
                tree.add_binary(Op::Greater, difference, tolerance, EMPTY_SPAN)
            }
        };
        let [left, right] = [ours, theirs].map(|x| tree.add(Sql::Postfix { op: "is null", x }, EMPTY_SPAN));
        vec![far, tree.add_binary(Op::NotEqual, left, right, EMPTY_SPAN)]
    }
}

/// Combines a condition with the previous conditions, if any.
fn combine_conditions(tree: &mut SqlTree, op: Op, before: Option<SqlId>, next: SqlId) -> Option<SqlId> {
    Some(before.map_or(next, |before| tree.add_binary(op, before, next, EMPTY_SPAN)))
}

#[cfg(test)]
mod tests {
    use crate::schema::{Column, Relation, Schema};
    use crate::{Compiler, Type};

    #[test]
    fn helper_columns_of_a_comparison_have_names_that_no_column_has() {
        let with_columns = |relation: &str, names: &[&str]| {
            let columns = names.iter().map(|name| Column::new(*name, Type::Integer));
            columns.fold(Relation::new(relation), Relation::with)
        };
        let schema = Schema::new()
            .with(with_columns("orders", &["id", "is_present"]))
            .with(with_columns("old_orders", &["id", "is_present", "rows_of_key"]));
        let spec = "model: m\nfrom: orders\nkeep: [id, is_present]\ncompare:\n  - {with: old_orders, keys: id}\n";
        let compiled = Compiler::builder().schema(schema).build().compile_spec(spec);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        let mut tests = compiled.model_tests().iter();
        let test = tests.find(|test| test.name().contains("matches_old_orders"));
        let sql = test.expect("a test of the comparison").sql();
        for part in [
            "true as is_present_value,\n",
            "as rows_of_key_value\n",
            "m_rows.is_present_value is null\n",
            "old_orders_rows.rows_of_key_value > 1\n",
            "m_rows.is_present is distinct from old_orders_rows.is_present",
        ] {
            assert!(sql.contains(part), "{part}: {sql}");
        }
    }
}
