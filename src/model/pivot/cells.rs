//! Cells of a pivoted sheet: every combination of a row and a pivot column, with the matching input row, if any.

use formulac_syntax::diag::lists::join_names;
use rustc_hash::FxHashSet;

use super::values::{PivotValue, pivot_value_rows};
use super::{PivotCells, has_column};
use crate::Type;
use crate::check::{SheetTotal, SheetTotalKind};
use crate::column_sql::ColumnSql;
use crate::compile::{SpecCompilation, StepToCompile};
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::emit::{EmitBuffers, Emitter};
use crate::ir::Program;
use crate::load::{ColumnProjection, Step};
use crate::plan::{StepInput, unused_name};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, RowPlan, SelectList, SelectSource, Sql, SqlId, SqlTree, Star};
use crate::worksheet::{pivot_keys, pivot_row_columns};

/// Alias of the input's rows in the select that returns the cells.
const INPUT_ROWS_ALIAS: &str = "filled";

/// Column names of a pivoted sheet's cells.
struct CellColumns {
    /// Columns that identify the rows of the pivot.
    rows: Vec<String>,
    /// Columns that identify the columns of the pivot.
    keys: Vec<String>,
    /// Columns of the input that the step keeps.
    kept_columns: Vec<String>,
    /// All columns of the input that the cells have.
    input_columns: Vec<String>,
    /// Totals that the input contains.
    totals: Vec<String>,
    /// Totals of a row and of the sheet.
    totals_of_rows: Vec<String>,
    /// Column with the number of the pivot column, for the wide form.
    pivot_number: Option<String>,
    /// Column that is true if a cell has a row, for the long form.
    has_row: Option<String>,
}

/// Sources that the select of the cells joins.
struct CellSources {
    /// CTE with one row per row of the pivot.
    rows: String,
    /// CTE with one row per column of the pivot.
    columns: String,
    /// Rows of the input.
    input: SelectSource,
    /// Key column that is never NULL in the input, so that it indicates whether a cell has a row. `None` if there is no
    /// such column. In this case, `input` has a marker column if the cells need one.
    never_null: Option<String>,
}

impl SpecCompilation<'_> {
    /// Adds CTEs with the cells of a pivoted sheet. Returns `None` if the key of the sheet's rows is unknown, which is
    /// reported elsewhere.
    pub(crate) fn pivot_cells(
        &mut self,
        work: &StepToCompile<'_>,
        values: Vec<PivotValue>,
        program: &Program,
        emit: &mut EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<PivotCells> {
        let input = work.rows;
        let options = &self.compiler.options;
        let columns = CellColumns::new(work, &values, program, options.dialect);
        let before = diagnostics.len();
        self.check_cells(work, program, &columns, diagnostics);
        if columns.rows.is_empty() || diagnostics.len() > before {
            return None;
        }
        if input.grain.is_empty() && !values.is_empty() {
            diagnostics.push(several_rows_in_cell_diagnostic(work.step, &columns, self.source));
        }
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
        let sources = self.add_cell_sources(&columns, &values, input, emitter.tree());
        let column_sql = ColumnSql {
            dialect: options.dialect,
            relation: input.relation,
        };
        let body = columns.select_cells(sources, column_sql, &mut emitter);
        let name = self.names.choose_short_name(&format!("{}_cells", input.name));
        self.ctes.push(Cte::new(options.dialect.name_text(&name, true), body));
        Some(PivotCells {
            relation: input.relation.map(|input| columns.relation(&name, input)),
            name,
            grain: columns.grain(input.grain),
            kept_columns: columns.projected_cell_columns(),
            values,
            totals_of_rows: columns.totals_of_rows,
            has_row: columns.has_row,
            pivot_number: columns.pivot_number,
        })
    }

    /// Adds CTEs with the rows and the columns of a pivot, and a CTE that marks the input's rows if necessary.
    fn add_cell_sources(
        &mut self,
        columns: &CellColumns,
        values: &[PivotValue],
        input: &StepInput<'_>,
        tree: &mut SqlTree,
    ) -> CellSources {
        let dialect = self.compiler.options.dialect;
        let column_sql = ColumnSql {
            dialect,
            relation: input.relation,
        };
        let distinct = |tree: &mut SqlTree, names: &[String]| {
            let item = |name: &String| Item::unnamed(tree.add_raw_text(&column_sql.column(name)));
            RowPlan::scan(input_source(input, dialect))
                .project(names.iter().map(item))
                .distinct()
        };
        // Row totals and grand totals are computed as columns, because a row may have none of the listed values.
        let body = distinct(tree, &[columns.rows.as_slice(), &columns.totals_of_rows].concat());
        let of_rows = self.add_pivot_cte(&format!("{}_rows", input.name), body);
        let body = match &columns.pivot_number {
            Some(number_name) => {
                let key = columns
                    .keys
                    .first()
                    .map(|key| column_sql.column(key))
                    .unwrap_or_default();
                pivot_value_rows(tree, values, &key, &dialect.name_text(number_name, true))
            }
            None => distinct(tree, &columns.keys),
        };
        let of_columns = self.add_pivot_cte(&format!("{}_columns", input.name), body);
        let mut keys = columns.rows.iter().chain(&columns.keys);
        let never_null = keys.find(|name| !column_sql.is_nullable(name)).cloned();
        let filled = match (&columns.has_row, &never_null) {
            (Some(marker), None) => {
                let mark = Item::named(tree.add_raw_text("true"), dialect.name_text(marker, true));
                let list = SelectList::new(Some(Star(None)), [mark]);
                let marked = RowPlan::scan(input_source(input, dialect)).project_list(list);
                SelectSource::Name(self.add_pivot_cte(&format!("{}_filled", input.name), marked))
            }
            _ => input_source(input, dialect),
        };
        CellSources {
            rows: of_rows,
            columns: of_columns,
            input: filled,
            never_null,
        }
    }

    /// Adds a CTE and returns its name in SQL.
    fn add_pivot_cte(&mut self, expected: &str, body: RowPlan) -> String {
        let dialect = self.compiler.options.dialect;
        let name = dialect.name_text(&self.names.choose_short_name(expected), true);
        self.ctes.push(Cte::new(name.clone(), body));
        name
    }

    /// Reports the parts of a sheet that are incompatible with one row per cell.
    fn check_cells(
        &self,
        work: &StepToCompile<'_>,
        program: &Program,
        columns: &CellColumns,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let (step, input) = (work.step, work.rows);
        let Some(pivot) = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref()) else {
            return;
        };
        let span = pivot
            .columns
            .first()
            .map_or(Span::default(), |key| key.span(self.source));
        if let Some(filter) = step.filter {
            let message = "`where` would remove cells that the pivot's formulas use";
            let has_totals = work
                .sheet
                .is_some_and(|sheet| sheet.totals.as_ref().is_some_and(|totals| !totals.is_empty()));
            let help = match has_totals {
                true => {
                    "move the condition to `where` of the grouped step, so that the totals exclude these rows as well"
                }
                false => "filter in an earlier step with `keep: all` and `where: …`",
            };
            diagnostics.push(Diagnostic::new(Code::UnfitForPivot, filter.node.span, message).with_help(help));
        }
        let is_computed = |name: &str| {
            let defined = program.definitions.iter().filter_map(|d| d.name.as_deref());
            let mut defined = defined.filter(|d| d.eq_ignore_ascii_case(name));
            defined.next().is_some() || input.relation.is_some_and(|relation| relation.column(name).is_none())
        };
        for name in columns
            .rows
            .iter()
            .chain(&columns.keys)
            .filter(|name| is_computed(name))
        {
            let message =
                format!("row and column keys of a pivot must be columns of its input, but `{name}` is computed here");
            diagnostics.push(Diagnostic::new(Code::UnfitForPivot, span, message).with_help(
                "compute the key in an earlier \
                    step",
            ));
        }
        if input.relation.is_none() && matches!(step.keep, ColumnProjection::All) {
            let message = "the spec does not list the columns of the sheet";
            diagnostics.push(
                Diagnostic::new(Code::UnfitForPivot, span, message)
                    .with_help("list the columns, for example `columns: [month, channel, revenue]`"),
            );
        }
    }
}

impl CellColumns {
    fn new(work: &StepToCompile<'_>, values: &[PivotValue], program: &Program, dialect: Dialect) -> Self {
        let (step, input) = (work.step, work.rows);
        let (rows, keys) = (pivot_row_columns(step, input.grain), pivot_keys(step));
        let kept_columns: Vec<String> = match (input.relation, &step.keep) {
            (Some(relation), ColumnProjection::All) => {
                let columns = relation.columns().iter();
                columns.map(|column| column.name().to_owned()).collect()
            }
            (_, ColumnProjection::Columns(column_names)) => {
                column_names.iter().map(|name| name.text.to_owned()).collect()
            }
            _ => Vec::new(),
        };
        let program_columns = program.columns.iter().map(|column| column.name.to_string());
        let of_input = rows
            .iter()
            .chain(&keys)
            .chain(&kept_columns)
            .cloned()
            .chain(program_columns);
        let of_input = dedup_names(of_input.collect());
        // A sheet selects the helper columns beside its calculations.
        let helper_name = |preferred_name: &str| {
            let definitions = program.definitions.iter().filter_map(|d| d.name.as_deref());
            let columns = input.relation.map_or(&[][..], Relation::columns).iter();
            let in_use = of_input.iter().map(String::as_str).chain(columns.map(Column::name));
            unused_name(preferred_name, in_use.chain(definitions), dialect.max_bytes())
        };
        let is_wide = !values.is_empty();
        let totals = work.totals();
        let of_rows = totals.iter().filter(|total| total.kind != SheetTotalKind::Column);
        let name_of = |total: &SheetTotal| total.column.clone();
        Self {
            pivot_number: is_wide.then(|| helper_name("pivot_index")),
            has_row: (!is_wide).then(|| helper_name("is_filled")),
            rows,
            keys,
            kept_columns,
            totals: totals.iter().map(name_of).collect(),
            totals_of_rows: of_rows.map(name_of).collect(),
            input_columns: of_input,
        }
    }

    fn is_key(&self, name: &str) -> bool {
        has_column(&self.rows, name) || has_column(&self.keys, name)
    }

    /// Returns the select that joins each row of the pivot with each column, and with the input's row for this cell.
    fn select_cells(&self, sources: CellSources, column_sql: ColumnSql<'_>, emitter: &mut Emitter<'_>) -> RowPlan {
        let mut conditions: Vec<SqlId> = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        for name in &self.input_columns {
            let column = column_sql.column(name);
            let of_row = has_column(&self.rows, name) || has_column(&self.totals_of_rows, name);
            let side = match name {
                _ if of_row => sources.rows.as_str(),
                _ if has_column(&self.keys, name) => sources.columns.as_str(),
                _ => INPUT_ROWS_ALIAS,
            };
            let expr = emitter.tree().add_field(side, &column);
            if side == INPUT_ROWS_ALIAS && has_column(&self.totals, name) {
                items.push(Item::named(
                    self.select_column_total(expr, &sources, column_sql, emitter.tree()),
                    column,
                ));
                continue;
            }
            if side != INPUT_ROWS_ALIAS && !has_column(&self.totals_of_rows, name) {
                let right = emitter.tree().add_field(INPUT_ROWS_ALIAS, &column);
                // The pivot values that the spec lists are never NULL.
                let nullable =
                    column_sql.is_nullable(name) && !(self.pivot_number.is_some() && has_column(&self.keys, name));
                conditions.push(emitter.emit_key_comparison(expr, right, nullable));
            }
            items.push(Item::unnamed(expr));
        }
        let tree = emitter.tree();
        items.extend(self.pivot_number_column(&sources, column_sql, tree));
        items.extend(self.row_presence_column(&sources, column_sql, tree));
        let condition = tree.add_conjunction(conditions);
        let columns = Join::cross(SelectSource::Name(sources.columns));
        let filled = Join::new(JoinKind::Left, sources.input, condition).with_alias(INPUT_ROWS_ALIAS.to_owned());
        RowPlan::scan_cte(sources.rows).join([columns, filled]).project(items)
    }

    /// Returns the total of a cell's column: the maximum over all cells of the column, because cells without a row
    /// contain no total.
    fn select_column_total(
        &self,
        total: SqlId,
        sources: &CellSources,
        column_sql: ColumnSql<'_>,
        tree: &mut SqlTree,
    ) -> SqlId {
        let x = tree.add_call("max", &[total], Span::default());
        let keys = self.keys.iter();
        let partition_keys: Vec<SqlId> = keys
            .map(|name| tree.add_field(&sources.columns, &column_sql.column(name)))
            .collect();
        tree.add_window(x, &partition_keys, &[], Span::default())
    }

    /// Returns the number of the pivot column.
    fn pivot_number_column(
        &self,
        sources: &CellSources,
        column_sql: ColumnSql<'_>,
        tree: &mut SqlTree,
    ) -> Option<Item> {
        let number_name = column_sql.dialect.name_text(self.pivot_number.as_ref()?, true);
        Some(Item::unnamed(tree.add_field(&sources.columns, &number_name)))
    }

    /// Returns the column that is true if a cell has a row.
    fn row_presence_column(
        &self,
        sources: &CellSources,
        column_sql: ColumnSql<'_>,
        tree: &mut SqlTree,
    ) -> Option<Item> {
        let marker = column_sql.dialect.name_text(self.has_row.as_ref()?, true);
        let Some(key) = &sources.never_null else {
            return Some(Item::unnamed(tree.add_field(INPUT_ROWS_ALIAS, &marker)));
        };
        let x = tree.add_field(INPUT_ROWS_ALIAS, &column_sql.column(key));
        let expr = tree.add(Sql::Postfix { op: "is not null", x }, Span::default());
        Some(Item::named(expr, marker))
    }

    /// Returns the columns of the cells. Columns that are not keys may be NULL, because cells may have no row.
    fn relation(&self, name: &str, input: &Relation) -> Relation {
        let columns = self
            .input_columns
            .iter()
            .filter_map(|column| input.column(column))
            .cloned();
        let input_columns = columns.map(|column| match self.is_key(column.name()) {
            true => column,
            false => column.nullable(true),
        });
        let mut relation = input_columns.fold(Relation::new(name), Relation::with);
        let number_name = self.pivot_number.iter().map(|name| (name, Type::Integer));
        let filled = self.has_row.iter().map(|name| (name, Type::Boolean));
        for (name, ty) in number_name.chain(filled) {
            relation.push(Column::new(name.as_str(), ty));
        }
        relation
    }

    /// Returns the grain of the cells. The grain starts with the grain of the input, so that ties are broken in the
    /// same order with and without empty cells.
    fn grain(&self, of_input: &[String]) -> Vec<String> {
        dedup_names(of_input.iter().chain(&self.rows).chain(&self.keys).cloned().collect())
    }

    /// Returns the columns of the cells that the step keeps, including helper columns.
    fn projected_cell_columns(&self) -> Vec<String> {
        let column_names = self.rows.iter().chain(&self.keys).chain(&self.kept_columns);
        dedup_names(
            column_names
                .chain(&self.pivot_number)
                .chain(&self.has_row)
                .cloned()
                .collect(),
        )
    }
}

/// Removes names that occur earlier in the list, regardless of case.
fn dedup_names(mut names: Vec<String>) -> Vec<String> {
    let mut seen = FxHashSet::default();
    names.retain(|name| seen.insert(name.to_ascii_lowercase()));
    names
}

/// Returns the rows of a step's input.
fn input_source(input: &StepInput<'_>, dialect: Dialect) -> SelectSource {
    match input.source {
        Some(source) => SelectSource::Input(source),
        None => SelectSource::Name(dialect.name_text(input.name, true)),
    }
}

/// Builds the warning for an input without a known key.
fn several_rows_in_cell_diagnostic(step: &Step<'_>, columns: &CellColumns, source: &str) -> Diagnostic {
    let keys = [columns.rows.as_slice(), &columns.keys].concat();
    let message = format!(
        "several rows may have the same {}, and a cell shows only the largest of their values",
        join_names(&keys, "and")
    );
    let pivot = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref());
    let span = pivot
        .and_then(|pivot| pivot.columns.first())
        .map_or(Span::default(), |key| key.span(source));
    Diagnostic::new(Code::SeveralInCell, span, message).with_help(
        "aggregate the rows in an earlier step that groups by these columns, or add a `primary_key` to the schema",
    )
}
