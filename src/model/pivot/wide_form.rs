//! Wide form of a pivoted sheet: one row per row of the pivot, and one column per pivot value and measure.

use rustc_hash::FxHashMap;

use super::values::PivotValue;
use super::{PivotCells, has_column};
use crate::Level;
use crate::column_sql::ColumnSql;
use crate::compile::{SpecCompilation, StepToCompile};
use crate::compiler::split_sort_key;
use crate::described_formulas::FormulaTrace;
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::dialect::op::Op;
use crate::emit::{EmitBuffers, Emitter};
use crate::ir::{Ir, IrId, NodeMeta, Program};
use crate::load::{ColumnProjection, Step};
use crate::plan::{StepOutput, definitions_constant_across_pivot, key_name};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{Cte, Item, RowPlan, Sql, SqlId};
use crate::worksheet::{pivot_keys, pivot_row_columns};

/// Output columns of the wide form.
struct WideForm {
    dialect: Dialect,
    items: Vec<Item>,
    relation: Relation,
    /// For each output column, by lower-case name: a description of its origin for messages.
    origins: FxHashMap<String, String>,
    /// Position of the pivot's values in the spec.
    span: Span,
    name_clashes: Vec<Diagnostic>,
    long_names: Vec<Diagnostic>,
}

/// Sheet column that has one value per cell.
struct CellColumn<'c> {
    column: &'c Column,
    /// Name of the column in SQL.
    sql_name: String,
    /// Node with the type of the column.
    node: IrId,
}

impl SpecCompilation<'_> {
    /// Converts the output of a sheet to the wide form.
    pub(crate) fn convert_to_wide_form(
        &mut self,
        work: &StepToCompile<'_>,
        cells: &PivotCells,
        program: &mut Program,
        emit: &mut EmitBuffers,
        output: &mut StepOutput,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let options = &self.compiler.options;
        let (step, input) = (work.step, work.rows);
        let column_sql = ColumnSql {
            dialect: options.dialect,
            relation: input.relation,
        };
        let (rows, keys) = (pivot_row_columns(step, input.grain), pivot_keys(step));
        let of_row = definitions_constant_per_row(program, &[rows.as_slice(), &cells.totals_of_rows].concat());
        let columns = wide_form_columns(step, cells, &keys, &output.relation);
        let nodes = add_column_nodes(program, &columns);
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
        let key = keys.first().map(|key| column_sql.column(key)).unwrap_or_default();
        let mut form = WideForm::new(step, output.relation.name(), options.dialect);
        let formulas = FormulaTrace::new(self);
        let mut descriptions = Vec::new();
        for (column, node) in columns.iter().zip(nodes) {
            let name = column.name();
            let cell = CellColumn {
                column,
                sql_name: column.sql_name(options.dialect),
                node,
            };
            let lower = name.to_ascii_lowercase();
            let is_constant = of_row.get(&lower) == Some(&true);
            if has_column(&rows, name) || is_constant {
                form.add_row_column(&cell, !has_column(&rows, name), &mut emitter);
                continue;
            }
            let described = self.descriptions.get(&lower).cloned();
            let described = described.or_else(|| formulas.formula(work.index, name));
            let description = described.as_deref().unwrap_or(name);
            for value in &cells.values {
                let alias = form.add_pivot_column(&cell, value, &key, &mut emitter);
                let about = format!("{description} ({}: {})", keys.join(", "), value.text);
                descriptions.push((alias.to_ascii_lowercase(), about));
            }
        }
        self.descriptions.extend(descriptions);
        diagnostics.append(&mut form.name_clashes);
        diagnostics.append(&mut form.long_names);
        let tree = emitter.tree();
        let group_by: Vec<SqlId> = rows
            .iter()
            .map(|name| tree.add_raw_text(&column_sql.column(name)))
            .collect();
        let order_by = match work.last || step.limit.is_some() {
            true => row_sort_keys(step, &rows, column_sql, &mut emitter),
            false => Vec::new(),
        };
        let mut inner = std::mem::take(&mut output.body);
        inner.remove_order();
        let preferred_name = format!("{}_in_every_cell", input.name);
        let name = options
            .dialect
            .name_text(&self.names.choose_short_name(&preferred_name), true);
        output.ctes.push(Cte::new(name.clone(), inner));
        output.body = RowPlan::scan_cte(name)
            .aggregate(group_by, form.items)
            .sort(order_by)
            .limit(step.limit);
        output.relation = form.relation;
        output.grain = rows;
    }
}

impl WideForm {
    fn new(step: &Step<'_>, relation: &str, dialect: Dialect) -> Self {
        let pivot = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref());
        Self {
            dialect,
            items: Vec::new(),
            relation: Relation::new(relation),
            origins: FxHashMap::default(),
            span: pivot.map_or(Span::default(), |pivot| pivot.values_span),
            name_clashes: Vec::new(),
            long_names: Vec::new(),
        }
    }

    /// Adds an output column to the wide form. Reports an error if another column has the same name.
    fn add_output_column(&mut self, item: Item, column: Column, origin: String) {
        let name = column.name();
        if let Some(other) = self.origins.insert(name.to_ascii_lowercase(), origin.clone()) {
            let message = format!("both {origin} and {other} would become the column `{name}`");
            self.name_clashes
                .push(Diagnostic::new(Code::UnfitForPivot, self.span, message).with_help("rename one of the columns"));
        }
        self.relation.push(column);
        self.items.push(item);
    }

    /// Adds to the wide form a column that has one value per row of the pivot. `is_computed` specifies whether the
    /// column is a value that must be aggregated instead of a key of the rows.
    fn add_row_column(&mut self, cell: &CellColumn<'_>, is_computed: bool, emitter: &mut Emitter<'_>) {
        let plain = emitter.tree().add_raw_text(&cell.sql_name);
        let item = match is_computed {
            false => Item::unnamed(plain),
            true => Item::named(emitter.emit_maximum(cell.node, plain), cell.sql_name.clone()),
        };
        self.add_output_column(item, cell.column.clone(), format!("`{}`", cell.column.name()));
    }

    /// Adds the column that contains the cells of one pivot value, and returns its name. Reports an error if the name
    /// is too long. `key` is the SQL of the pivot's key.
    fn add_pivot_column(
        &mut self,
        cell: &CellColumn<'_>,
        value: &PivotValue,
        key: &str,
        emitter: &mut Emitter<'_>,
    ) -> String {
        let (column, name) = (cell.column, cell.column.name());
        let alias = format!("{name}_{}", value.name);
        let most = self.dialect.max_bytes();
        if most > 0 && alias.len() > most {
            let message = format!("`{alias}` is longer than {most} bytes, the limit for names");
            let help = format!("use a shorter name for `{name}`");
            self.long_names
                .push(Diagnostic::new(Code::UnfitForPivot, self.span, message).with_help(help));
        }
        let tree = emitter.tree();
        let key_field = tree.add_raw_text(key);
        let condition = tree.add_binary(Op::Equal, key_field, value.sql, Span::default());
        let plain = tree.add_raw_text(&cell.sql_name);
        let arms = tree.add_slice(&[condition, plain]);
        let case_expr = tree.add(Sql::Case { subject: None, arms }, Span::default());
        let item = Item::named(
            emitter.emit_maximum(cell.node, case_expr),
            self.dialect.name_text(&alias, !column.is_quoted()),
        );
        let wide = Column::new(&alias, column.ty())
            .with_size(column.size())
            .with_digits(column.decimal_digits())
            .with_quoted_name(column.is_quoted());
        self.add_output_column(item, wide, format!("`{name}` of `{}`", value.text));
        alias
    }
}

/// Returns for each definition, by lower-case name, whether it has the same value in all cells of a row.
fn definitions_constant_per_row(program: &Program, columns_of_rows: &[String]) -> FxHashMap<String, bool> {
    let constant = definitions_constant_across_pivot(program, columns_of_rows);
    let definitions = program.definitions.iter().zip(constant);
    definitions
        .filter_map(|(definition, constant)| Some((definition.name.as_deref()?.to_ascii_lowercase(), constant)))
        .collect()
}

/// Returns the columns of a sheet that the wide form has: the row keys, the kept columns and the computed columns.
fn wide_form_columns(step: &Step<'_>, cells: &PivotCells, keys: &[String], output: &Relation) -> Vec<Column> {
    let is_kept = |name: &str| match &step.keep {
        ColumnProjection::Columns(names) => names
            .iter()
            .any(|column_name| column_name.text.eq_ignore_ascii_case(name)),
        _ => true,
    };
    let is_helper = |name: &str| has_column(keys, name) || cells.pivot_number.as_deref() == Some(name);
    let columns = output.columns().iter().filter(|column| !is_helper(column.name()));
    columns
        .filter(|column| !has_column(&cells.kept_columns, column.name()) || is_kept(column.name()))
        .cloned()
        .collect()
}

/// Adds a node to the program for each column, so that `max` uses the template for the column's type.
fn add_column_nodes(program: &mut Program, columns: &[Column]) -> Vec<IrId> {
    let add = |column: &Column| {
        let meta = NodeMeta {
            ty: column.ty(),
            nullable: true,
            level: Level::Row,
            reads_only_keys: false,
            volatile: false,
            columnless: false,
            span: Span::default(),
        };
        program.add(Ir::Null, meta)
    };
    columns.iter().map(add).collect()
}

/// Returns the sort keys of the wide form. Empty if the sheet has no order.
fn row_sort_keys(step: &Step<'_>, rows: &[String], column_sql: ColumnSql<'_>, emitter: &mut Emitter<'_>) -> Vec<SqlId> {
    let is_descending = |name: &str| {
        let keys = step.order_by.iter().map(|key| split_sort_key(key.text));
        let mut of_name = keys.filter(|(key, _)| key_name(key).eq_ignore_ascii_case(name));
        of_name.any(|(_, descending)| descending)
    };
    let rows = rows.iter().filter(|_| !step.order_by.is_empty());
    rows.map(|name| {
        let sql = emitter.tree().add_raw_text(&column_sql.column(name));
        emitter.emit_order_by_key(sql, is_descending(name), column_sql.is_nullable(name))
    })
    .collect()
}
