//! Enforced contracts. If a contract is enforced, every column is cast to its declared type.

use formulac_syntax::diag::lists::quote_names;
use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::config::config_text;
use super::keys::CONTRACT;
use super::load::{ColumnKeys, DbtKeys};
use crate::Type;
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{self, Item, Query, RowPlan, Sql, SqlId, SqlTree};
use crate::yaml::Node;

pub(super) fn contract_node<'y>(dbt: &DbtKeys<'y>) -> Option<&'y Node> {
    dbt.contract.or_else(|| dbt.config?.get("contract"))
}

/// Returns whether a spec enforces the model's contract. `None` if the project decides this.
pub(super) fn contract_setting(dbt: &DbtKeys<'_>) -> Option<bool> {
    contract_node(dbt)?.get("enforced")?.boolean()
}

/// Returns the type that a contract declares for a column, or `None` if the type is unknown.
pub(super) fn data_type(dialect: Dialect, column: &Column) -> Option<String> {
    match column.ty() {
        Type::Unknown | Type::Other | Type::Number => None,
        Type::Text if !dialect.facts().contract_text.is_empty() => Some(dialect.facts().contract_text.to_owned()),
        _ => Some(column.cast_type(dialect)),
    }
}

impl SpecCompilation<'_> {
    pub(super) fn is_contract_enforced(&self) -> bool {
        contract_setting(&self.spec.dbt).unwrap_or(self.compiler.specs.contracts)
    }

    /// Reports what an enforced contract lacks, such as the type of a column, and constraints that have no effect.
    /// `has_unknown_columns` is `true` if the model may have unknown columns.
    pub(super) fn check_contract(
        &self,
        output: &Relation,
        has_unknown_columns: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let dbt = &self.spec.dbt;
        let materialized = config_text(dbt, "materialized");
        self.check_constraints(materialized, diagnostics);
        if !self.is_contract_enforced() {
            return;
        }
        let span = contract_node(dbt).map_or(self.spec.model.node.span, |contract| contract.span);
        if let Some(kind @ ("ephemeral" | "materialized_view")) = materialized {
            diagnostics.push(
                Diagnostic::new(
                    Code::ContractOfNoRelation,
                    span,
                    format!("dbt does not enforce contracts for the materialization `{kind}`"),
                )
                .with_help("write `config: {materialized: table}`, or `contract: {enforced: false}`"),
            );
        }
        if has_unknown_columns {
            let message =
                "an enforced contract needs the type of every column, but no schema lists the columns of `keep: all`";
            diagnostics.push(
                Diagnostic::new(Code::ContractWithoutTypes, span, message)
                    .with_help("provide a schema with `--schema`, or list the columns in `keep`"),
            );
            return;
        }
        let declared_types = self.declared_types();
        let dialect = self.compiler.options.dialect;
        let is_missing = |column: &&Column| {
            !declared_types.contains_key(&column.name().to_lowercase()) && data_type(dialect, column).is_none()
        };
        let missing: Vec<&str> = output.columns().iter().filter(is_missing).map(Column::name).collect();
        if let Some(first) = missing.first() {
            let message = format!(
                "an enforced contract needs the type of every column, but the type of {} is unknown",
                quote_names(&missing).join(", ")
            );
            diagnostics.push(
                Diagnostic::new(Code::ContractWithoutTypes, span, message).with_help(format!(
                    "add `columns: {{{first}: {{data_type: …}}}}` with the warehouse's name for the type, or \
                        provide a schema with `--schema`"
                )),
            );
        }
        for node in self.spec.columns.iter().filter_map(|column| column.data_type) {
            if node.text().is_some_and(|text| !Dialect::is_type_text(text)) {
                let type_text = node.text().unwrap_or_default();
                diagnostics.push(
                    Diagnostic::new(
                        Code::WrongShape,
                        node.span,
                        format!("`data_type` must be the name of a column type, found `{type_text}`"),
                    )
                    .with_help(format!(
                        "write the name of the type in {dialect}, such as `{}`",
                        dialect.type_name(Type::Text)
                    )),
                );
            }
        }
    }

    /// Reports constraints that dbt would not create in the warehouse.
    fn check_constraints(&self, materialized: Option<&str>, diagnostics: &mut Vec<Diagnostic>) {
        let enforced = self.is_contract_enforced();
        let constrained =
            |column: &ColumnKeys<'_>| column.constraints.map(|node| (column.name.text.to_owned(), node.span));
        let Some((name, span)) = self.spec.columns.iter().find_map(constrained) else {
            return;
        };
        // A faulty `contract` is already reported.
        let is_faulty = contract_node(&self.spec.dbt).is_some_and(|contract| {
            let is_unknown = |key: &Node| key.text().is_none_or(|key| CONTRACT.get(key).is_none());
            let is_faulty_pair = |(key, value): &(Node, Node)| is_unknown(key) || value.boolean().is_none();
            contract.pairs().is_none_or(|pairs| pairs.iter().any(is_faulty_pair))
        });
        let (message, help) = match materialized {
            _ if !enforced && is_faulty => return,
            _ if !enforced => (
                format!(
                    "dbt creates constraints only for models with a contract, so the constraints of `{name}` have no \
                    effect"
                ),
                "add `contract: {enforced: true}`, or write `data_tests` instead of `constraints`",
            ),
            Some(kind) if !["table", "incremental"].contains(&kind) => (
                format!(
                    "dbt does not create constraints for the materialization `{kind}`, so the constraints of \
                        `{name}` have no effect"
                ),
                "write `config: {materialized: table}`, or `data_tests` instead of `constraints`",
            ),
            _ => return,
        };
        diagnostics.push(Diagnostic::new(Code::ConstraintWithoutEffect, span, message).with_help(help));
    }

    /// Returns the types that the spec declares, by lower-case column name.
    fn declared_types(&self) -> FxHashMap<String, &str> {
        let columns = self.spec.columns.iter();
        columns
            .filter_map(|column| Some((column.name.text.to_lowercase(), column.data_type?.text()?)))
            .collect()
    }

    /// If a contract is enforced, casts every column of the last select to its type.
    pub(super) fn cast_to_contract(&mut self, mut query: Query, columns: &[Column], tree: &mut SqlTree) -> Query {
        if !self.is_contract_enforced() {
            return query;
        }
        let dialect = self.compiler.options.dialect;
        let items = query.body.items_mut();
        if items.is_none_or(|items| items.len() != columns.len()) {
            // If the items of the select are not exactly the columns, the select becomes a separate CTE, and the new
            // last select lists the columns.
            let name = dialect.name_text(&self.names.choose_name("final"), true);
            let items = columns
                .iter()
                .map(|column| Item::unnamed(tree.add_raw_text(&column.sql_name(dialect))));
            let select = RowPlan::scan_cte(name.clone()).project(items);
            query.wrap_body_in_cte(name, select);
        }
        let declared_types = self.declared_types();
        for (item, column) in query.body.items_mut().into_iter().flatten().zip(columns) {
            let of_spec = declared_types
                .get(&column.name().to_lowercase())
                .map(|ty| (*ty).to_owned());
            let Some(ty) = of_spec.or_else(|| data_type(dialect, column)) else {
                continue;
            };
            if item.alias.is_none() {
                item.alias = Some(sql::implicit_name(tree, item.expr));
            }
            item.expr = cast_value(tree, item.expr, &ty);
        }
        query
    }
}

/// Casts a value to a type unless the value is already cast to that type.
fn cast_value(tree: &mut SqlTree, value: SqlId, ty: &str) -> SqlId {
    if let Sql::Cast { ty: cast_type, .. } = tree.node(value)
        && cast_type.eq_ignore_ascii_case(ty)
    {
        return value;
    }
    add_cast(tree, value, ty)
}

/// Returns `cast(value as type)`.
pub(super) fn add_cast(tree: &mut SqlTree, value: SqlId, ty: &str) -> SqlId {
    let span = Span::default();
    let word = tree.add_word("as", span);
    let ty = tree.add_text(span, |out| out.push_str(ty));
    let parts = tree.add_slice(&[value, word, ty]);
    let inside = tree.add(Sql::Spaced(parts), span);
    tree.add_call("cast", &[inside], span)
}

#[cfg(test)]
mod tests {
    use formulac_catalog::{Dialect, Type};
    use formulac_core::{Column, Relation, Schema};

    use crate::Compiler;

    /// Returns the types that the contract of a model that reads `rates` declares, one `column: type` per column. The
    /// column `rate` is `decimal(18, 8)`, `price` is `decimal(12, 2)`, and the scale of `amount` is unknown.
    fn contract_types(dialect: &str, spec: &str) -> Vec<String> {
        let rates = Relation::new("rates")
            .with(Column::new("currency", Type::Text))
            .with(Column::new("units", Type::Integer))
            .with(Column::new("rate", Type::Decimal).with_declared_type("decimal(18, 8)"))
            .with(Column::new("price", Type::Decimal).with_declared_type("decimal(12, 2)"))
            .with(Column::new("amount", Type::Decimal));
        let dialect: Dialect = dialect.parse().unwrap();
        let compiler = Compiler::builder()
            .dialect(dialect)
            .schema(Schema::new().with(rates))
            .build();
        let spec = format!("model: m\nfrom: rates\ncontract: {{enforced: true}}\n{spec}");
        let compiled = compiler.compile_spec(&spec);
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
        let (sql, yml) = (compiled.model_sql().unwrap(), compiled.model_yml().unwrap());
        let mut name = "";
        let mut types = Vec::new();
        for line in yml.lines().map(str::trim) {
            if let Some(column) = line.strip_prefix("- name: ") {
                name = column;
            } else if let Some(ty) = line.strip_prefix("data_type: ") {
                let cast = format!("as {ty}) as {name}");
                assert!(sql.contains(&cast), "the cast of `{name}` is not to {ty}: {sql}");
                types.push(format!("{name}: {ty}"));
            }
        }
        types
    }

    #[test]
    fn known_decimals_keep_their_scale() {
        let spec = "keep: [rate]\ndefinitions: |\n  gain = rate - price\n  chosen = IF(units > 1, rate, 0)\n  \
            opposite = -rate\n  product = rate * price\n  rounded = ROUND(rate, 7)\n";
        let expected = [
            "rate: decimal(18, 8)",
            "gain: decimal(19, 8)",
            "chosen: decimal(18, 8)",
            "opposite: decimal(18, 8)",
            "product: decimal(30, 10)",
            "rounded: decimal(19, 8)",
        ];
        assert_eq!(contract_types("duckdb", spec), expected);
    }

    /// On Snowflake, a product has at most 12 decimal places, unless one of the factors has more.
    #[test]
    fn products_keep_the_decimal_places_of_the_warehouse() {
        let products = "keep: [currency]\ndefinitions: |\n  square = rate * rate\n  cube = rate * rate * rate * 1.5\n  \
            precise = rate * 0.1234567890123\n";
        let types = |dialect: &str| contract_types(dialect, products);
        assert_eq!(
            types("snowflake"),
            [
                "currency: varchar",
                "square: number(32, 12)",
                "cube: number(38, 12)",
                "precise: number(24, 13)"
            ]
        );
        assert_eq!(types("duckdb")[1], "square: decimal(36, 16)");
    }

    #[test]
    fn aggregates_and_windows_keep_the_scale() {
        let spec = "group_by: currency\ndefinitions: |\n  total = SUM(rate)\n  largest = MAX(rate)\n  \
            paid = SUM(units * price)\n  before = OFFSET(total, -1)\n  change = total - IFNA(before, 0)\n\
            order_by: currency\n";
        let expected = [
            "currency: varchar",
            "total: number(38, 8)",
            "largest: number(18, 8)",
            "paid: number(38, 2)",
            "before: number(38, 8)",
            "change: number(38, 8)",
        ];
        assert_eq!(contract_types("snowflake", spec), expected);
    }

    #[test]
    fn the_scale_survives_several_steps() {
        let spec = "steps:\n  - name: sums\n    group_by: currency\n    definitions: total = SUM(rate)\n  \
            - name: doubled_sums\n    keep: [total]\n    definitions: doubled = total + total\n";
        assert_eq!(
            contract_types("postgres", spec),
            ["total: numeric(38, 8)", "doubled: numeric(38, 8)"]
        );
    }

    #[test]
    fn only_decimals_of_unknown_scale_have_the_type_of_casts() {
        let spec = "keep: [amount]\ndefinitions: added = amount + rate\n";
        for (dialect, ty) in [
            ("postgres", "numeric"),
            ("snowflake", "number(38, 6)"),
            ("duckdb", "decimal(38, 6)"),
            ("bigquery", "numeric"),
        ] {
            let expected = [format!("amount: {ty}"), format!("added: {ty}")];
            assert_eq!(contract_types(dialect, spec), expected);
        }
    }
}
