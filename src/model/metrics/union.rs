//! Union of the steps that aggregate the rows of each metric set.

use formulac_syntax::text::format_count;
use rustc_hash::FxHashMap;

use crate::check::common_type;
use crate::compile::SpecCompilation;
use crate::contract::add_cast;
use crate::diag::{Code, Diagnostic};
use crate::load::{ColumnProjection, PeriodSeries, SpannedText, SpecKind, Step};
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Cte, Item, Join, RowPlan, SelectSource, Sql, SqlId, SqlTree};
use crate::{Type, dialect::Dialect};

impl SpecCompilation<'_> {
    /// Adds a CTE with the rows of several steps. If a step lacks a column, that column is NULL in the step's rows.
    /// Returns the union as a relation.
    pub(crate) fn add_union_cte(
        &mut self,
        step: &Step<'_>,
        memory: &mut CompileMemory,
        faults: &mut Vec<Diagnostic>,
    ) -> Relation {
        let steps = step.union.as_slice();
        let dialect = self.compiler.options.dialect;
        // The rows of a single step need no union.
        let relation_of = |step: &str| self.facts.get(self.spec.find_step(step)?)?.relation.clone();
        if let [step] = steps {
            return relation_of(step.text).map_or_else(
                || Relation::unknown(step.text),
                |relation| relation.with_name(step.text.to_owned()),
            );
        }
        if let Some(unknown) = steps.iter().find(|step| relation_of(step.text).is_none()) {
            faults.push(unknown_union_columns_error(unknown, self.source));
            return Relation::unknown(unknown.text);
        }
        let has_same_steps =
            |union_entry: &&(Vec<String>, Relation)| union_entry.0.iter().eq(steps.iter().map(|step| step.text));
        if let Some((_, known_relation)) = self.unions.iter().find(has_same_steps) {
            return known_relation.clone();
        }
        // Read an earlier union of the first steps instead of writing it again.
        let is_first = |union_entry: &&(Vec<String>, Relation)| {
            union_entry.0.len() < steps.len()
                && union_entry
                    .0
                    .iter()
                    .zip(steps)
                    .all(|(step_name, step)| step_name == step.text)
        };
        let prefix_union = self
            .unions
            .iter()
            .filter(is_first)
            .max_by_key(|union_entry| union_entry.0.len());
        let (united, known_relation) =
            prefix_union.map_or((0, None), |(names, relation)| (names.len(), Some(relation.clone())));
        let prefix_relation = known_relation.map(|relation| (relation.name().to_owned(), relation));
        let other_relations = steps.iter().skip(united);
        let step_relations = other_relations.filter_map(|step| Some((step.text.to_owned(), relation_of(step.text)?)));
        let relations: Vec<(String, Relation)> = prefix_relation.into_iter().chain(step_relations).collect();
        let is_over_sets = self.spec.kind != SpecKind::Written;
        let columns = union_columns((step, is_over_sets), &relations, faults);
        let tree = &mut memory.emit.tree;
        // Postgres resolves the types of the first two branches before it reads the third branch, so the NULLs of a
        // column that both branches lack need a type.
        let is_untyped = |column: &Column| {
            let lacks = |member: &(String, Relation)| member.1.position(column.name()).is_none();
            relations.len() > 2 && relations.iter().take(2).all(lacks)
        };
        let members = relations.iter().enumerate().map(|(index, (step, relation))| {
            let item = |column: &Column| {
                let name = column.sql_name(dialect);
                match relation.column(column.name()) {
                    Some(step_column) => {
                        let column_sql = step_column.sql_name(dialect);
                        let is_hidden =
                            dialect.facts().relation_shadows_column && column.name().eq_ignore_ascii_case(step);
                        let expr = match is_hidden {
                            true => tree.add_field(&dialect.name_text(step, true), &column_sql),
                            false => add_name_node(tree, &column_sql),
                        };
                        Item::new(expr, (column_sql != name).then_some(name))
                    }
                    None => {
                        let mut typed = relations.iter().filter(|_| index == 0 && is_untyped(column));
                        let typed = typed.find(|(_, relation)| relation.position(column.name()).is_some());
                        Item::named(
                            match typed {
                                Some((source, _)) => typed_null(tree, dialect, column, source),
                                None => tree.add_word("null", Span::default()),
                            },
                            name,
                        )
                    }
                }
            };
            RowPlan::scan_cte(dialect.name_text(step, true)).project(columns.iter().map(item))
        });
        let body = RowPlan::union_all(members);
        let series = steps
            .iter()
            .find_map(|step| self.spec.steps.get(self.spec.find_step(step.text)?)?.series);
        let name = series.map_or_else(
            || "unioned".to_owned(),
            |series| format!("with_missing_{}s", series.unit),
        );
        let name = self.names.choose_short_name(&name);
        let union = columns
            .iter()
            .cloned()
            .fold(Relation::new(name.clone()), Relation::with);
        let names = steps.iter().map(|step| step.text.to_owned()).collect();
        self.unions.push((names, union.clone()));
        self.ctes.push(Cte::new(dialect.name_text(&name, true), body));
        union
    }
}

/// Reports that a union reads a step whose columns no schema lists. Each select of a union lists the columns of all
/// steps.
fn unknown_union_columns_error(step: &SpannedText<'_>, source: &str) -> Diagnostic {
    let name = step.text;
    let message = format!("`union` cannot combine `{name}`, because the columns of `{name}` are unknown");
    let help = format!("list the columns in `keep` of `{name}`, or provide a schema with `--schema`");
    Diagnostic::new(Code::ColumnsNotKnown, step.span(source), message).with_help(help)
}

/// Returns the columns that exist in at least one of the relations. Reports keys whose types cannot be compared.
fn union_columns(
    (step, is_over_sets): (&Step<'_>, bool),
    relations: &[(String, Relation)],
    faults: &mut Vec<Diagnostic>,
) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for column in relations.iter().flat_map(|(_, relation)| relation.columns()) {
        let everywhere = relations
            .iter()
            .all(|(_, relation)| relation.position(column.name()).is_some());
        let mut column = Column::new(column.name(), column.ty())
            .with_digits(column.decimal_digits())
            .with_quoted_name(column.is_quoted())
            .nullable(!everywhere || column.is_nullable())
            .null_is_error(column.is_null_error())
            .with_month_start(everywhere && column.is_month_start());
        let index = *places.entry(column.name().to_lowercase()).or_insert(columns.len());
        let Some(first) = columns.get_mut(index) else {
            columns.push(column);
            continue;
        };
        let (first_type, other) = (first.ty(), column.ty());
        let is_comparable = first_type == other || !(first_type.is_temporal() && other.is_temporal());
        let ty = common_type(first_type, other).filter(|_| is_comparable);
        if ty.is_none() {
            faults.push(different_types_error(step, is_over_sets, first, &column));
        }
        let digits = first.decimal_digits().zip(column.decimal_digits());
        column = Column::new(first.name(), ty.unwrap_or(first_type))
            .with_digits(digits.and_then(|(first_digits, other)| first_digits.union(other)))
            .with_quoted_name(first.is_quoted())
            .nullable(first.is_nullable() || column.is_nullable())
            .null_is_error(first.is_null_error() || column.is_null_error())
            .with_month_start(first.is_month_start() && column.is_month_start());
        *first = column;
    }
    columns
}

/// Reports that a key, or a column of combined steps, has types that cannot be compared, such as dates and times.
fn different_types_error(step: &Step<'_>, is_over_sets: bool, first_column: &Column, other: &Column) -> Diagnostic {
    let key = step.group_by.iter().find(|key| key.text == first_column.name());
    let span = key.or(step.union.first()).map_or(Span::default(), |key| key.node.span);
    if !is_over_sets {
        let (name, first_type, other) = (first_column.name(), first_column.ty().describe(), other.ty().describe());
        let message =
            format!("the column `{name}` is {first_type} in one of the combined steps and {other} in another");
        let help = "give the columns different names, or convert one of them";
        return Diagnostic::new(Code::TypeMismatch, span, message).with_help(help);
    }
    let name = first_column.name();
    let (first_type, other) = (first_column.ty(), other.ty());
    let message = format!(
        "the key `{name}` is {} in one metric set and {} in another",
        first_type.describe(),
        other.describe()
    );
    let help = match first_type.is_temporal() && other.is_temporal() {
        true => format!("use a timeframe of each set's column, such as `{name}: {{orders: \"ordered_at[day]\", …}}`"),
        false => "use columns of one type, or convert one of them in a dimension of its set".to_owned(),
    };
    Diagnostic::new(Code::MetricKey, span, message).with_help(help)
}

fn add_name_node(tree: &mut SqlTree, name: &str) -> SqlId {
    tree.add_text(Span::default(), |out| out.push_str(name))
}

/// Returns a NULL of a column's type. If the type has no name, or a cast to the type could round the values of the
/// other steps, the NULL is read from the step `source`, which has the column. Engines that infer the type from any of
/// the steps do not need a typed NULL in this case.
fn typed_null(tree: &mut SqlTree, dialect: Dialect, column: &Column, source: &str) -> SqlId {
    let is_unnamed = matches!(column.ty(), Type::Unknown | Type::Other);
    let null_type = column.null_type(dialect).filter(|_| !is_unnamed);
    if null_type.is_none() && dialect.facts().unions_in_pairs {
        let source = dialect.name_text(source, true);
        let query = tree.add_raw_text(&format!(
            "select {} from {source} where false",
            column.sql_name(dialect)
        ));
        return tree.add(Sql::Paren(query), Span::default());
    }
    let null = tree.add_word("null", Span::default());
    match null_type {
        Some(ty) => add_cast(tree, null, &ty),
        None => null,
    }
}

impl SpecCompilation<'_> {
    /// Adds a CTE with one row for each row of the previous step and each period between two of its columns. Returns
    /// the CTE as a relation.
    pub(crate) fn add_period_series_cte(
        &mut self,
        step: &Step<'_>,
        series: PeriodSeries<'_>,
        before: &str,
        relation: Option<&Relation>,
        memory: &mut CompileMemory,
    ) -> Relation {
        let dialect = self.compiler.options.dialect;
        let facts = dialect.facts();
        let column_names: Vec<&str> = match &step.keep {
            ColumnProjection::Columns(names) => names.iter().map(|name| name.text).collect(),
            _ => Vec::new(),
        };
        let (unit, count) = match series.unit {
            "week" => ("day", 7),
            "quarter" | "fiscal_quarter" => ("month", 3),
            "fiscal_year" => ("month", 12),
            unit => (unit, 1),
        };
        let column = |name: &str| dialect.name_text(name, true);
        let tree = &mut memory.emit.tree;
        let find_column = |name: &&str| relation.and_then(|relation| relation.column(name)).cloned();
        let is_ambiguous = |name: &str| {
            let mut columns = facts.series_columns.split(' ');
            columns.any(|candidate| candidate.eq_ignore_ascii_case(name))
        };
        let kept_text = |name: &&str| {
            let text = find_column(name).map_or_else(|| column(name), |input_column| input_column.sql_name(dialect));
            match is_ambiguous(name) {
                true => format!("{}.{text}", column(before)),
                false => text,
            }
        };
        let (first, last) = (kept_text(&series.first.text), kept_text(&series.last.text));
        let fill = |text: &str| {
            // A factor of 1 is omitted.
            let text = match count {
                1 => text.replace("{count} * ", "").replace(", {count}", ""),
                _ => text.to_owned(),
            };
            let text = text.replace("{first}", &first).replace("{last}", &last);
            let text = text.replace("{interval}", &format_count(count, unit, &format!("{unit}s")));
            text.replace("{unit}", unit).replace("{count}", &count.to_string())
        };
        let mut items: Vec<Item> = column_names
            .iter()
            .map(|name| Item::unnamed(add_name_node(tree, &kept_text(name))))
            .collect();
        let period = column(series.name.text);
        let value = fill(facts.series_value);
        let alias = (value != period).then_some(period);
        items.push(Item::new(add_name_node(tree, &value), alias));
        let name = step.name.map_or("", |name| name.text);
        self.ctes.push(Cte::new(
            column(name),
            RowPlan::scan_cte(column(before))
                .join([Join::cross(SelectSource::Name(fill(facts.series))).with_alias(facts.series_alias.to_owned())])
                .project(items),
        ));
        self.record_period_step_lineage(&column_names);
        let columns = column_names
            .iter()
            .map(|name| find_column(name).unwrap_or_else(|| Column::new(*name, Type::Unknown)));
        columns
            .chain([Column::new(series.name.text, Type::Date)
                .nullable(false)
                .with_month_start(unit == "month" || unit == "year")])
            .fold(Relation::new(name), Relation::with)
    }
}

#[cfg(test)]
mod tests {
    use formulac_catalog::{Dialect, Type};
    use formulac_core::{Column, Relation, Schema};

    use crate::{Compiler, SpecText};

    /// Returns the SQL of a model that contains one metric from each of three metric sets. `ty` is the type of the
    /// column in the third metric set.
    fn query_over_three_sets(dialect: &str, ty: &str, aggregate: &str) -> String {
        let relation = |name: &str, ty: &str| {
            let value = Column::new("value", Type::Decimal).with_declared_type(ty);
            Relation::new(name).with(Column::new("day", Type::Date)).with(value)
        };
        let schema = Schema::new()
            .with(relation("fx", "decimal(18, 8)"))
            .with(relation("fy", "decimal(18, 8)"))
            .with(relation("fz", ty));
        let set = |name: &str, from: &str, metric: &str| {
            format!("metric_set: {name}\nfrom: {from}\ntime: day\ndefinitions: {metric}\n")
        };
        let texts = [
            "model: m\nmetrics: [a.total, b.others, c.third]\ngroup_by: month\n".to_owned(),
            set("a", "fx", "total = SUM(value)"),
            set("b", "fy", "others = SUM(value)"),
            set("c", "fz", &format!("third = {aggregate}(value)")),
        ];
        let dialect: Dialect = dialect.parse().unwrap();
        let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
        let texts: Vec<SpecText<'_>> = texts.iter().map(|text| SpecText { text, path: None }).collect();
        let compiled = compiler.compile_specs_with_dependencies(&texts, 1, || {});
        assert!(!compiled[0].has_errors(), "{:?}", compiled[0].diagnostics());
        compiled[0].query().unwrap().to_owned()
    }

    #[test]
    fn missing_decimals_do_not_reduce_the_scale() {
        for (dialect, ty, aggregate, null) in [
            (
                "duckdb",
                "decimal(18, 8)",
                "SUM",
                "cast(null as decimal(38, 8)) as third",
            ),
            (
                "duckdb",
                "decimal(18, 8)",
                "MAX",
                "cast(null as decimal(18, 8)) as third",
            ),
            ("duckdb", "decimal", "SUM", "null as third"),
            (
                "snowflake",
                "number(18, 8)",
                "MAX",
                "cast(null as number(18, 8)) as third",
            ),
            ("snowflake", "number", "SUM", "null as third"),
            // These types do not have a fixed scale.
            ("postgres", "numeric(18, 8)", "MAX", "cast(null as numeric) as third"),
            ("bigquery", "numeric", "SUM", "cast(null as numeric) as third"),
        ] {
            let sql = query_over_three_sets(dialect, ty, aggregate);
            let (first, _) = sql.split_once("union all").expect("the sets are united");
            assert!(first.contains(null), "{dialect}, {ty}: {sql}");
            assert!(!first.contains(", 6)"), "{dialect}, {ty}: {sql}");
        }
    }

    #[test]
    fn long_calls_that_list_periods_have_an_argument_per_line() {
        let spec =
            "model: m\nfrom: orders\ngroup_by: \"ordered_at[quarter]\"\nfill: quarter\ndefinitions: n = COUNT()\n";
        for (dialect, join) in [
            (
                "postgres",
                "    cross join generate_series(\n        cast(first_quarter as timestamp),\n        last_quarter,\n        \
                 interval '3 months'\n    ) as series (period)\n",
            ),
            (
                "duckdb",
                "    cross join unnest(\n        generate_series(first_quarter, last_quarter, interval '3 months')\n    \
                 ) as series (period)\n",
            ),
        ] {
            let dialect: Dialect = dialect.parse().unwrap();
            let compiled = Compiler::builder().dialect(dialect).build().compile_spec(spec);
            let text = compiled.query().unwrap();
            assert!(text.contains(join), "{text}");
        }
    }

    #[test]
    fn equal_keys_of_sets_have_names_with_their_relations() {
        let set = |name: &str, from: &str| {
            format!(
                "metric_set: {name}\nfrom: {from}\ntime: day\nfiscal_month_offset: 1\ndefinitions: n_of_{name} = COUNT()\n"
            )
        };
        let texts = [
            "model: m\nmetrics: [a.n_of_a, b.n_of_b, c.n_of_c]\ngroup_by: fiscal_quarter\n".to_owned(),
            set("a", "orders"),
            set("b", "refunds"),
            set("c", "plans"),
        ];
        let texts: Vec<SpecText<'_>> = texts.iter().map(|text| SpecText { text, path: None }).collect();
        let compiled = Compiler::default().compile_specs_with_dependencies(&texts, 1, || {});
        let text = compiled[0].query().unwrap();
        for name in [
            "with with_fiscal_quarter as (",
            "refunds_with_fiscal_quarter as (",
            "plans_with_fiscal_quarter as (",
        ] {
            assert!(text.contains(name), "{name}: {text}");
        }
    }
}
