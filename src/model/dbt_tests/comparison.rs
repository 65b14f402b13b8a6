//! Tests for `compare:`, which compare the model and another relation row by row. A row that exists in only one
//! relation is a difference.

use super::super::compile::SpecCompilation;
use super::super::load::{CompareEntry, SpannedText};
use super::super::sources::ReadSource;
use super::{SingularTest, TestedModel, to_file_name_part};
use crate::Type;
use crate::check::DefinitionRole;
use crate::dbt::{self, TestConfig};
use crate::diag::{Code, Diagnostic, suggest};
use crate::dialect::Dialect;
use crate::dialect::op::Op;
use crate::emit::Emitter;
use crate::plan::CteNames;
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{self, Cte, Item, Join, JoinKind, Query, Select, SelectSource, Sql, SqlId, SqlTree};
use crate::verify::{NamedColumns, SharedColumn, SqlTexts, is_tolerance_applicable};

/// Name of the column that marks existing rows if no key column can serve this purpose.
const PRESENT: &str = "is_present";
/// Span of generated nodes, which are not part of a formula.
const EMPTY_SPAN: Span = Span { start: 0, end: 0 };

/// One side of the select that compares two relations.
struct ComparisonSide {
    /// Name of the relation in SQL.
    name: String,
    source: SelectSource,
}

/// Column that both relations have.
struct ComparedPair<'c> {
    said: SpannedText<'c>,
    /// SQL names of the column in the model and in the other relation.
    names: [String; 2],
    types: [Type; 2],
    ty: Type,
    /// Whether the column is never NULL on at least one side. NULLs on the other side then correctly have no match.
    never_null: bool,
}

impl SpecCompilation<'_> {
    pub(super) fn add_comparison_tests(
        &mut self,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for comparison in &self.spec.comparisons {
            let test = self.differing_rows_test(comparison, tested, memory, diagnostics);
            let (test, named) = test.unzip();
            self.proofs.compared.extend(named);
            self.add_test(test, comparison.with_span, diagnostics);
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn differing_rows_test(
        &self,
        comparison: &CompareEntry<'_>,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(SingularTest, NamedColumns)> {
        let dialect = self.compiler.options.dialect;
        let (mut sources, mut names) = self.read_model(tested);
        sources.add(&comparison.with, dialect, &mut names);
        if sources.all.len() < 2 {
            diagnostics.push(
                Diagnostic::new(
                    Code::ModelReadsItself,
                    comparison.with_span,
                    "the model would be compared with itself",
                )
                .with_help("write another relation in `with`"),
            );
            return None;
        }
        let other_known = self.known_relation(&comparison.with);
        diagnostics.extend(other_known.and_then(|other| self.check_test_access(other, comparison.with_span)));
        let (keys, columns) = self.compared_pairs(comparison, tested, diagnostics)?;
        let by_key = keys.iter().find(|key| key.never_null);
        let mut ctes = Vec::new();
        let mut sides = Vec::new();
        let mut filters = Vec::new();
        for (place, source) in (0..).zip(&sources.all) {
            let filter = match comparison.filter {
                Some(filter) => Some(self.side_filter(filter, source, tested, memory, diagnostics)?),
                None => None,
            };
            filters.extend(filter.map(|filter| self.condition_texts(&memory.emit.tree, filter)));
            if filter.is_none() && by_key.is_some() {
                sides.push(ComparisonSide {
                    name: source.import.clone(),
                    source: SelectSource::Input(place),
                });
                continue;
            }
            let name = dialect.name_text(&names.choose_name(&format!("{}_rows", source.name)), true);
            let present = Item {
                expr: memory.emit.tree.add_word("true", EMPTY_SPAN),
                alias: Some(PRESENT.to_owned()),
            };
            let items = if by_key.is_some() { Vec::new() } else { vec![present] };
            let body = Select {
                star: true,
                items,
                from: Some(SelectSource::Input(place)),
                filter,
                ..Select::default()
            };
            ctes.push(Cte {
                name: name.clone(),
                body,
            });
            sides.push(ComparisonSide {
                name: name.clone(),
                source: SelectSource::Name(name),
            });
        }
        let tree = &mut memory.emit.tree;
        let [here, there]: [ComparisonSide; 2] = sides.try_into().ok()?;
        let sides = [&here, &there];
        let with = &sources.all.last()?.name;
        let other = to_file_name_part(with);
        let mut listed = CteNames::new(dialect.max_bytes());
        keys.iter()
            .chain(&columns)
            .for_each(|pair| listed.reserve(pair.said.text));
        let mut items = Vec::new();
        for key in &keys {
            let both = key.qualified_columns(tree, sides);
            let expr = tree.add_call("coalesce", &both, EMPTY_SPAN);
            items.push(Item {
                expr,
                alias: key.names.first().cloned(),
            });
        }
        for column in &columns {
            let [ours, theirs] = column.qualified_columns(tree, sides);
            let alias = dialect.name_text(
                &listed.choose_name(&format!("{other}_{}", to_file_name_part(column.said.text))),
                true,
            );
            items.extend([
                Item {
                    expr: ours,
                    alias: None,
                },
                Item {
                    expr: theirs,
                    alias: Some(alias),
                },
            ]);
        }
        let mut on = None;
        for key in &keys {
            let same = key.key_equality(tree, sides, dialect);
            on = append_condition(tree, Op::And, on, same);
        }
        let mut filter = None;
        for (place, side) in sides.into_iter().enumerate() {
            let shown = by_key
                .and_then(|key| key.names.get(place))
                .map_or(PRESENT, String::as_str);
            let x = tree.add_field(&side.name, shown);
            let missing = tree.add(Sql::Postfix { op: "is null", x }, EMPTY_SPAN);
            filter = append_condition(tree, Op::Or, filter, missing);
        }
        for column in &columns {
            for differs in column.difference_conditions(tree, sides, comparison) {
                filter = append_condition(tree, Op::Or, filter, differs);
            }
        }
        let join = Join {
            kind: JoinKind::Full,
            source: there.source,
            alias: None,
            on,
        };
        let body = Select {
            items,
            from: Some(here.source),
            joins: vec![join],
            filter,
            ..Select::default()
        };
        let model = self.spec.model.text;
        let both_have = |pairs: &[ComparedPair<'_>]| -> Vec<SharedColumn> {
            pairs
                .iter()
                .map(|pair| pair.shared_column(comparison.columns.is_some()))
                .collect()
        };
        let named = NamedColumns {
            with: comparison.with.clone(),
            keys: both_have(&keys),
            columns: both_have(&columns),
            tolerance: comparison.tolerance.map(str::to_owned),
            aliases: [sources.all.first()?.import.clone(), sources.all.last()?.import.clone()],
            filters: filters.try_into().ok(),
        };
        let test = SingularTest {
            name: self.test_name(&format!("matches_{other}")),
            config: TestConfig {
                group: self.group_of_test(other_known),
                ..TestConfig::default()
            },
            about: format!(
                "Fails for each row that differs between {model} and {with}, or is missing from one of the two."
            ),
            sql: self.test_sql(&sources, tree, &Query { ctes, body }),
        };
        Some((test, named))
    }

    /// Returns a condition as plain SQL and as SQL for dbt.
    fn condition_texts(&self, tree: &SqlTree, condition: SqlId) -> SqlTexts {
        let mut text = String::new();
        sql::write_flat(tree, condition, &mut Vec::new(), &mut text);
        SqlTexts {
            dbt: self.substitute_variable(&text, dbt::escape_jinja),
            plain: self.substitute_date(text),
        }
    }

    /// Returns the keys and the compared columns. `None` if any of these columns is missing in a relation.
    fn compared_pairs<'c>(
        &'c self,
        comparison: &'c CompareEntry<'_>,
        tested: &'c TestedModel<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(Vec<ComparedPair<'c>>, Vec<ComparedPair<'c>>)> {
        let other = self.known_relation(&comparison.with);
        let with = SpannedText {
            text: comparison.with.name(),
            ..*comparison.keys.first()?
        };
        let said: Vec<SpannedText<'_>> = match &comparison.columns {
            Some(columns) => columns.clone(),
            None if tested.open => {
                let message = "the model cannot be compared, because its columns are unknown";
                diagnostics.push(
                    Diagnostic::new(Code::ColumnsNotKnown, comparison.with_span, message)
                        .with_help("list the columns in `columns`, or provide a schema with `--schema`"),
                );
                return None;
            }
            None => {
                let is_key = |name: &str| comparison.keys.iter().any(|key| key.text.eq_ignore_ascii_case(name));
                let all = tested
                    .relation
                    .columns()
                    .iter()
                    .map(Column::name)
                    .filter(|name| !is_key(name));
                all.map(|text| SpannedText { text, ..with }).collect()
            }
        };
        let before = diagnostics.len();
        for name in comparison.keys.iter().chain(&said) {
            let Some(other) = other.filter(|other| other.column(name.text).is_none()) else {
                continue;
            };
            let is_said = comparison.columns.is_some() || comparison.keys.iter().any(|key| key.text == name.text);
            let place = if is_said {
                name.span(self.source)
            } else {
                comparison.with_span
            };
            let message = format!("`{}` has no column `{}`", other.name(), name.text);
            let near = suggest::nearest_name(name.text, other.columns().iter().map(Column::name));
            let help = match near {
                Some(near) if is_said => suggest::similar_name_help(near),
                _ => "list only columns that both relations have in `columns`".to_owned(),
            };
            diagnostics.push(Diagnostic::new(Code::UnknownName, place, message).with_help(help));
        }
        let pair = |said: &SpannedText<'c>| self.compared_pair(*said, tested, other);
        let (keys, columns): (Vec<ComparedPair<'c>>, Vec<ComparedPair<'c>>) = (
            comparison.keys.iter().map(pair).collect(),
            said.iter().map(pair).collect(),
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
        (!is_faulty).then_some((keys, columns))
    }

    fn compared_pair<'c>(
        &self,
        said: SpannedText<'c>,
        tested: &TestedModel<'_>,
        other: Option<&Relation>,
    ) -> ComparedPair<'c> {
        let dialect = self.compiler.options.dialect;
        let (ours, theirs) = (
            tested.relation.column(said.text),
            other.and_then(|other| other.column(said.text)),
        );
        let written = |column: Option<&Column>| match column.or(ours) {
            Some(column) => dialect.name_text(column.name(), !column.is_quoted()),
            None => dialect.name_text(said.text, true),
        };
        let known = [ours, theirs].into_iter().flatten().map(Column::ty);
        let ty = known
            .filter(|ty| !matches!(ty, Type::Unknown))
            .max_by_key(|ty| ty.is_number());
        ComparedPair {
            said,
            names: [written(ours), written(theirs)],
            types: [ours, theirs].map(|column| column.map(Column::ty).unwrap_or_default()),
            ty: ty.unwrap_or_default(),
            never_null: self.never_null(said.text, tested) || theirs.is_some_and(|column| !column.is_nullable()),
        }
    }

    /// Returns the comparison's filter as a condition on one side's columns.
    fn side_filter(
        &self,
        filter: SpannedText<'_>,
        relation: &ReadSource,
        tested: &TestedModel<'_>,
        memory: &mut CompileMemory,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<SqlId> {
        let formulas = self.condition_formulas(
            &[(filter, DefinitionRole::Rule)],
            &tested.relation,
            tested.open,
            memory,
            &mut Vec::new(),
        );
        let options = &self.compiler.options;
        let CompileMemory { program, emit, .. } = memory;
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
        let is_named = || {
            program
                .columns
                .iter()
                .any(|column| column.name.eq_ignore_ascii_case(&relation.name))
        };
        if options.dialect.facts().relation_shadows_column && is_named() {
            emitter.qualifier = Some(emitter.tree().add_raw_text(&relation.import));
        }
        let sql = emitter.definition_sql(0);
        let found = std::mem::take(&mut emitter.diagnostics);
        diagnostics.extend(
            found
                .into_iter()
                .map(|d| d.map_spans(|span| formulas.to_file_span(span))),
        );
        sql
    }
}

impl CompareEntry<'_> {
    /// Returns whether the tolerance applies to this column. A column of unknown type is treated as a number if the
    /// comparison lists columns explicitly.
    fn has_tolerance(&self, column: &ComparedPair<'_>) -> bool {
        is_tolerance_applicable(column.ty, self.columns.is_some())
    }
}

impl ComparedPair<'_> {
    fn shared_column(&self, is_named: bool) -> SharedColumn {
        let (name, written) = (self.said.text.to_owned(), self.names.clone());
        SharedColumn {
            name,
            written,
            types: self.types,
            is_named,
        }
    }

    /// Returns the column reference for each side.
    fn qualified_columns(&self, tree: &mut SqlTree, sides: [&ComparisonSide; 2]) -> [SqlId; 2] {
        let [here, there] = sides;
        let [ours, theirs] = &self.names;
        [tree.add_field(&here.name, ours), tree.add_field(&there.name, theirs)]
    }

    /// Returns the join condition on a key column. The condition is an equality between the two sides, because engines
    /// require this for a full join.
    fn key_equality(&self, tree: &mut SqlTree, sides: [&ComparisonSide; 2], dialect: Dialect) -> SqlId {
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
        sides: [&ComparisonSide; 2],
        comparison: &CompareEntry<'_>,
    ) -> Vec<SqlId> {
        let [ours, theirs] = self.qualified_columns(tree, sides);
        let Some(tolerance) = comparison.tolerance.filter(|_| comparison.has_tolerance(self)) else {
            return vec![tree.add_binary(Op::Distinct, ours, theirs, EMPTY_SPAN)];
        };
        let difference = tree.add_binary(Op::Subtract, ours, theirs, EMPTY_SPAN);
        let difference = tree.add_call("abs", &[difference], EMPTY_SPAN);
        let tolerance = tree.add_raw_text(tolerance);
        let far = tree.add_binary(Op::Greater, difference, tolerance, EMPTY_SPAN);
        let [left, right] = [ours, theirs].map(|x| tree.add(Sql::Postfix { op: "is null", x }, EMPTY_SPAN));
        vec![far, tree.add_binary(Op::NotEqual, left, right, EMPTY_SPAN)]
    }
}

/// Combines a condition with the previous conditions, if any.
fn append_condition(tree: &mut SqlTree, op: Op, before: Option<SqlId>, next: SqlId) -> Option<SqlId> {
    Some(before.map_or(next, |before| tree.add_binary(op, before, next, EMPTY_SPAN)))
}
