//! Pivoted worksheets: adds rows for empty cells if formulas need them, and generates the long or wide form.

use rustc_hash::FxHashMap;

use super::column_sql::ColumnSql;
use super::compile::SpecCompilation;
use super::load::{SpannedText, Step};
use super::worksheet::{pivot_keys, pivot_rows};
use crate::check::{SheetTotal, SheetTotalKind};
use crate::compiler::split_sort_key;
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::emit::{EmitBuffers, Emitter};
use crate::ir::{Ir, IrId, NodeMeta, Program};
use crate::plan::{KeepColumns, StepInput, StepOutput, constant_along_row, key_name, snake_case};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, OrderKey, Select, SelectSource, Sql, SqlId, SqlTree};
use crate::{Level, Type};

/// Cells of a pivoted sheet. There is one row per cell, even if the input has no row for the cell.
#[derive(Debug)]
pub(super) struct PivotCells {
    /// Name of the CTE.
    pub name: String,
    /// Columns of the CTE. `None` if no schema lists the columns of the input.
    pub relation: Option<Relation>,
    pub grain: Vec<String>,
    /// Columns of the CTE that the step keeps, including helper columns.
    pub kept: Vec<String>,
    /// Totals that are the same in all cells of a row.
    totals_of_rows: Vec<String>,
    /// Boolean column that is true if a cell has a row. Only the long form has this column.
    filled: Option<String>,
    /// Column with the number of the pivot column. Only the wide form has this column.
    pub place: Option<String>,
}

impl PivotCells {
    /// Returns the step's input, with the sheet's cells in place of its rows.
    pub fn with_cells<'c>(&'c self, of: &StepInput<'c>) -> StepInput<'c> {
        StepInput {
            name: &self.name,
            source: None,
            relation: self.relation.as_ref(),
            grain: &self.grain,
            ..of.clone()
        }
    }
}

/// Value of a pivot column: its SQL, and its text for column names.
#[derive(Debug)]
pub(super) struct PivotValue {
    sql: SqlId,
    text: String,
    name: String,
}

impl SpecCompilation<'_> {
    /// Returns the values for which the wide form has columns, and reports errors in them.
    pub(super) fn pivot_values(
        &self,
        step: &Step<'_>,
        relation: Option<&Relation>,
        program: &mut Program,
        work: &mut EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<PivotValue> {
        let Some(pivot) = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref()) else {
            return Vec::new();
        };
        let Some(written) = &pivot.values else {
            return Vec::new();
        };
        let unfit = |span: Span, message: &str, help: &str| {
            Diagnostic::new(Code::UnfitForPivot, span, message.to_owned()).with_help(help)
        };
        if written.is_empty() {
            let help = "list the values, for example `values: [web, shop]`, or remove `values` for the long form";
            diagnostics.push(unfit(pivot.values_span, "`values` is empty", help));
        }
        if let [_, second, ..] = pivot.by.as_slice() {
            let message = "`values` needs a single key, but the pivot has several";
            let help =
                "combine the keys in an earlier step, for example `channel_and_region = channel & \" \" & region`";
            diagnostics.push(unfit(second.span(self.source), message, help));
            return Vec::new();
        }
        let key = pivot_keys(step).first().cloned().unwrap_or_default();
        let ty = relation
            .and_then(|relation| relation.column(&key))
            .map_or(Type::Unknown, Column::ty);
        let mut nodes: Vec<(IrId, String)> = Vec::new();
        for value in written {
            match convert_value(program, value, ty) {
                Some(node) => nodes.push((node, value.text.to_owned())),
                None => {
                    let message = format!("`{}` is not a {} like the values of `{key}`", value.text, ty.name());
                    diagnostics.push(unfit(
                        value.span(self.source),
                        &message,
                        "write values of the key, such as `[2023, 2024]` or `[2024-01-31]`",
                    ));
                }
            }
        }
        let options = &self.compiler.options;
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, work);
        let mut values: Vec<PivotValue> = Vec::new();
        for ((node, text), value) in nodes.into_iter().zip(written) {
            emitter.emit(node);
            let name = to_name_part(&text);
            if values.iter().any(|other| other.name == name) {
                let message = format!("`{text}` and another value would have the same column names, `…_{name}`");
                diagnostics.push(unfit(
                    value.span(self.source),
                    &message,
                    "list each value only once; if two values differ only in special characters, rename one of \
                        them in an earlier step",
                ));
                continue;
            }
            values.push(PivotValue {
                sql: emitter.emitted_sql(node),
                text,
                name,
            });
        }
        values
    }

    /// Adds CTEs with the cells of a pivoted sheet. Returns `None` if the key of the sheet's rows is unknown, which is
    /// reported elsewhere.
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    pub(super) fn pivot_cells(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        program: &Program,
        (values, totals): (&[PivotValue], &[SheetTotal]),
        work: &mut EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<PivotCells> {
        let dialect = self.compiler.options.dialect;
        let mut emitter = Emitter::new(program, dialect, &self.compiler.options.limits, work);
        let tree = emitter.tree();
        let written = ColumnSql {
            dialect,
            relation: input.relation,
        };
        let (rows, keys) = (pivot_rows(step, input.grain), pivot_keys(step));
        let before = diagnostics.len();
        self.check_cells(step, input, program, &rows, &keys, diagnostics);
        if rows.is_empty() || diagnostics.len() > before {
            return None;
        }
        let known: Vec<String> = match (input.relation, &step.keep) {
            (Some(relation), super::load::KeptColumns::All) => relation
                .columns()
                .iter()
                .map(|column| column.name().to_owned())
                .collect(),
            (_, super::load::KeptColumns::Columns(kept)) => kept.iter().map(|name| name.text.to_owned()).collect(),
            _ => Vec::new(),
        };
        let read = program.columns.iter().map(|column| column.name.to_string());
        let mut columns: Vec<String> = Vec::new();
        for name in rows
            .iter()
            .chain(&keys)
            .cloned()
            .chain(known.iter().cloned())
            .chain(read)
        {
            if !columns.iter().any(|column| column.eq_ignore_ascii_case(&name)) {
                columns.push(name);
            }
        }
        let free = |wanted: &str| {
            let mut name = wanted.to_owned();
            while columns.iter().any(|column| column.eq_ignore_ascii_case(&name)) {
                name.push_str("_in_pivot");
            }
            name
        };
        let is_wide = !values.is_empty();
        let place = is_wide.then(|| free("pivot_index"));
        let filled = (!is_wide).then(|| free("is_filled"));
        let source = || match input.source {
            Some(source) => SelectSource::Input(source),
            None => SelectSource::Name(dialect.name_text(input.name, true)),
        };
        let distinct = |tree: &mut SqlTree, names: &[String]| Select {
            distinct: true,
            items: names
                .iter()
                .map(|name| Item {
                    expr: tree.add_raw_text(&written.column(name)),
                    alias: None,
                })
                .collect(),
            from: Some(source()),
            ..Select::default()
        };
        let cte = |run: &mut Self, wanted: String, body: Select| {
            let name = dialect.name_text(&run.names.choose_name(&wanted), true);
            run.ctes.push(Cte {
                name: name.clone(),
                body,
            });
            name
        };
        // Totals of a row and of the sheet are columns of the rows, because a row may have none of the listed values.
        let totals_of_rows: Vec<String> = totals
            .iter()
            .filter(|total| total.kind != SheetTotalKind::Column)
            .map(|total| total.column.clone())
            .collect();
        let body = distinct(tree, &[rows.as_slice(), &totals_of_rows].concat());
        let of_rows = cte(self, format!("{}_rows", input.name), body);
        let body = match &place {
            Some(place) => pivot_value_rows(tree, values, &written.column(&keys[0]), &dialect.name_text(place, true)),
            None => distinct(tree, &keys),
        };
        let of_columns = cte(self, format!("{}_columns", input.name), body);
        // A key column that is never NULL in the input indicates whether the join found a row.
        let sure = rows
            .iter()
            .chain(&keys)
            .find(|name| !written.is_nullable(name))
            .cloned();
        let mut found = source();
        let marker = filled.as_ref().map(|name| dialect.name_text(name, true));
        if let (Some(marker), None) = (&marker, &sure) {
            let items = vec![Item {
                expr: tree.add_raw_text("true"),
                alias: Some(marker.clone()),
            }];
            let body = Select {
                star: true,
                items,
                from: Some(source()),
                ..Select::default()
            };
            found = SelectSource::Name(cte(self, format!("{}_filled", input.name), body));
        }
        let alias = "filled";
        let mut conditions: Vec<SqlId> = Vec::new();
        let mut items: Vec<Item> = Vec::new();
        let is_of = |names: &[String], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        for name in &columns {
            let column = written.column(name);
            let side = match name {
                _ if is_of(&rows, name) || is_of(&totals_of_rows, name) => of_rows.as_str(),
                _ if is_of(&keys, name) => of_columns.as_str(),
                _ => alias,
            };
            let tree = emitter.tree();
            let mut expr = tree.add_field(side, &column);
            if side == alias && totals.iter().any(|total| total.column.eq_ignore_ascii_case(name)) {
                // A cell without a row also needs the total of its column.
                let x = tree.add_call("max", &[expr], Span::default());
                let by: Vec<SqlId> = keys
                    .iter()
                    .map(|name| tree.add_field(&of_columns, &written.column(name)))
                    .collect();
                let partition = tree.add_slice(&by);
                let over = Sql::Over {
                    x,
                    partition,
                    order: crate::sql::SqlSlice::default(),
                    rows: None,
                };
                expr = tree.add(over, Span::default());
                items.push(Item {
                    expr,
                    alias: Some(column),
                });
                continue;
            }
            if side != alias && !is_of(&totals_of_rows, name) {
                let right = tree.add_field(alias, &column);
                // The values in the spec are never NULL.
                let nullable = written.is_nullable(name) && !(is_wide && is_of(&keys, name));
                conditions.push(emitter.emit_key_comparison(expr, right, nullable));
            }
            items.push(Item { expr, alias: None });
        }
        let tree = emitter.tree();
        if let Some(place) = &place {
            items.push(Item {
                expr: tree.add_field(&of_columns, &dialect.name_text(place, true)),
                alias: None,
            });
        }
        if let Some(marker) = &marker {
            let item = match &sure {
                Some(key) => {
                    let x = tree.add_field(alias, &written.column(key));
                    let expr = tree.add(Sql::Postfix { op: "is not null", x }, Span::default());
                    Item {
                        expr,
                        alias: Some(marker.clone()),
                    }
                }
                None => Item {
                    expr: tree.add_field(alias, marker),
                    alias: None,
                },
            };
            items.push(item);
        }
        let on = conditions
            .into_iter()
            .reduce(|a, b| tree.add_binary(Op::And, a, b, Span::default()));
        let joins = vec![
            Join {
                kind: JoinKind::Cross,
                source: SelectSource::Name(of_columns),
                alias: None,
                on: None,
            },
            Join {
                kind: JoinKind::Left,
                source: found,
                alias: Some(alias.to_owned()),
                on,
            },
        ];
        let body = Select {
            items,
            from: Some(SelectSource::Name(of_rows)),
            joins,
            ..Select::default()
        };
        let wanted = format!("{}_cells", input.name);
        let name = self.names.choose_name(&wanted);
        self.ctes.push(Cte {
            name: dialect.name_text(&name, true),
            body,
        });
        let is_key = |name: &str| is_of(&rows, name) || is_of(&keys, name);
        let relation = input.relation.map(|input| {
            let known = columns.iter().filter_map(|column| input.column(column)).cloned();
            let known = known.map(|c| if is_key(c.name()) { c } else { c.nullable(true) });
            let mut relation = known.fold(Relation::new(&name), Relation::with);
            for (extra, ty) in [(&place, Type::Integer), (&filled, Type::Boolean)] {
                extra
                    .iter()
                    .for_each(|extra| relation.push(Column::new(extra.as_str(), ty)));
            }
            relation
        });
        let different = |mut names: Vec<String>| {
            let mut seen = rustc_hash::FxHashSet::default();
            names.retain(|name| seen.insert(name.to_ascii_lowercase()));
            names
        };
        // The grain starts with the grain of the input, so that ties are broken in the same order with and without
        // empty cells.
        let grain = different(input.grain.iter().chain(&rows).chain(&keys).cloned().collect());
        let mut kept: Vec<String> = rows.into_iter().chain(keys).chain(known).collect();
        kept.extend(place.iter().chain(&filled).cloned());
        let kept = different(kept);
        Some(PivotCells {
            name,
            relation,
            grain,
            kept,
            totals_of_rows,
            filled,
            place,
        })
    }

    /// Reports the parts of a sheet that are incompatible with one row per cell.
    fn check_cells(
        &self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        program: &Program,
        rows: &[String],
        keys: &[String],
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let Some(pivot) = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref()) else {
            return;
        };
        let at = pivot.by.first().map_or(Span::default(), |key| key.span(self.source));
        if let Some(filter) = step.filter {
            let message = "`where` would remove cells that the pivot's formulas use";
            diagnostics.push(
                Diagnostic::new(Code::UnfitForPivot, filter.node.span, message)
                    .with_help("filter in an earlier step with `keep: all` and `where: …`"),
            );
        }
        let made = |name: &str| {
            let defined = program.definitions.iter().filter_map(|d| d.name.as_deref());
            let mut defined = defined.filter(|d| d.eq_ignore_ascii_case(name));
            defined.next().is_some() || input.relation.is_some_and(|relation| relation.column(name).is_none())
        };
        for name in rows.iter().chain(keys).filter(|name| made(name)) {
            let message =
                format!("row and column keys of a pivot must be columns of its input, but `{name}` is computed here");
            diagnostics
                .push(Diagnostic::new(Code::UnfitForPivot, at, message).with_help("compute it in an earlier step"));
        }
        if input.relation.is_none() && matches!(step.keep, super::load::KeptColumns::All) {
            let message = "the columns of the sheet are not declared";
            diagnostics.push(
                Diagnostic::new(Code::UnfitForPivot, at, message)
                    .with_help("list the columns, for example `columns: [month, channel, revenue]`"),
            );
        }
    }

    /// Converts the output of a sheet that was computed for all cells to the long form, which contains only the cells
    /// that have a row.
    pub(super) fn convert_to_long_form(
        &mut self,
        cells: &PivotCells,
        input: &StepInput<'_>,
        kept: &KeepColumns<'_>,
        output: &mut StepOutput,
        tree: &mut SqlTree,
    ) {
        let dialect = self.compiler.options.dialect;
        let Some(filled) = &cells.filled else { return };
        let is_kept = |column: &Column| match kept {
            KeepColumns::Some(names) => names.iter().any(|name| name.eq_ignore_ascii_case(column.name())),
            _ => !column.name().eq_ignore_ascii_case(filled),
        };
        let own = |column: &Column| !cells.kept.iter().any(|name| name.eq_ignore_ascii_case(column.name()));
        let columns: Vec<Column> = output
            .relation
            .columns()
            .iter()
            .filter(|c| own(c) || is_kept(c))
            .cloned()
            .collect();
        let mut relation = Relation::new(output.relation.name());
        let mut items = Vec::new();
        for column in columns {
            let text = dialect.name_text(column.name(), !column.is_quoted());
            items.push(Item {
                expr: tree.add_raw_text(&text),
                alias: None,
            });
            let known = input
                .relation
                .and_then(|relation| relation.column(column.name()))
                .filter(|_| !own(&column));
            relation.push(known.cloned().unwrap_or(column));
        }
        let mut inner = std::mem::take(&mut output.body);
        let (order_by, limit) = (std::mem::take(&mut inner.order_by), inner.limit.take());
        let name = dialect.name_text(&self.names.choose_name(&format!("{}_in_every_cell", input.name)), true);
        output.ctes.push(Cte {
            name: name.clone(),
            body: inner,
        });
        let filter = Some(tree.add_raw_text(&dialect.name_text(filled, true)));
        output.body = Select {
            items,
            from: Some(SelectSource::Name(name)),
            filter,
            order_by,
            limit,
            ..Select::default()
        };
        output.relation = relation;
    }

    /// Converts the output of a sheet to the wide form, which has one row per row of the pivot, and one column per
    /// pivot value and measure.
    #[allow(clippy::too_many_arguments, reason = "the arguments are the parts of a step")]
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    pub(super) fn convert_to_wide_form(
        &mut self,
        step: &Step<'_>,
        cells: &PivotCells,
        values: &[PivotValue],
        kept: &KeepColumns<'_>,
        input: &StepInput<'_>,
        (program, work, last): (&mut Program, &mut EmitBuffers, bool),
        output: &mut StepOutput,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let options = &self.compiler.options;
        let dialect = options.dialect;
        let (rows, keys) = (pivot_rows(step, input.grain), pivot_keys(step));
        let same = constant_along_row(program, &[rows.as_slice(), &cells.totals_of_rows].concat());
        let same: FxHashMap<String, bool> = program
            .definitions
            .iter()
            .zip(same)
            .filter_map(|(d, same)| Some((d.name.as_deref()?.to_ascii_lowercase(), same)))
            .collect();
        let is = |names: &[String], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        let is_kept = |name: &str| match kept {
            KeepColumns::Some(names) => names.iter().any(|n| n.eq_ignore_ascii_case(name)),
            _ => true,
        };
        let wanted: Vec<Column> = output
            .relation
            .columns()
            .iter()
            .filter(|c| !is(&keys, c.name()) && cells.place.as_deref() != Some(c.name()))
            .filter(|c| !is(&cells.kept, c.name()) || is_kept(c.name()))
            .cloned()
            .collect();
        // Create a node for each column, so that `max` uses the template for the column's type.
        let typed: Vec<IrId> = wanted
            .iter()
            .map(|column| {
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
            })
            .collect();
        let mut emitter = Emitter::new(program, dialect, &options.limits, work);
        let key = keys
            .first()
            .map(|key| {
                ColumnSql {
                    dialect,
                    relation: input.relation,
                }
                .column(key)
            })
            .unwrap_or_default();
        let mut relation = Relation::new(output.relation.name());
        let mut items: Vec<Item> = Vec::new();
        let mut names: FxHashMap<String, String> = FxHashMap::default();
        let at = step
            .sheet
            .as_ref()
            .and_then(|sheet| sheet.pivot.as_ref())
            .map_or(Span::default(), |p| p.values_span);
        let mut too_long: Vec<Diagnostic> = Vec::new();
        let formulas = self.formulas_by_name();
        let described = self.descriptions.clone();
        let of_cells = |name: &str| {
            let key = name.to_ascii_lowercase();
            described
                .get(&key)
                .or_else(|| formulas.get(&key))
                .cloned()
                .unwrap_or_else(|| name.to_owned())
        };
        for (column, node) in wanted.iter().zip(typed) {
            let name = column.name().to_owned();
            let text = dialect.name_text(&name, !column.is_quoted());
            let mut give = |alias: &str, expr: Item, ty: &Column, of: String| {
                if let Some(other) = names.insert(alias.to_ascii_lowercase(), of.clone()) {
                    let message = format!("both {of} and {other} would be the column `{alias}` of the wide form");
                    diagnostics
                        .push(Diagnostic::new(Code::UnfitForPivot, at, message).with_help("rename one of the columns"));
                }
                relation.push(ty.clone());
                items.push(expr);
            };
            let plain = emitter.tree().add_raw_text(&text);
            if is(&rows, &name) {
                give(
                    &name,
                    Item {
                        expr: plain,
                        alias: None,
                    },
                    column,
                    format!("`{name}`"),
                );
                continue;
            }
            if same.get(&name.to_ascii_lowercase()) == Some(&true) {
                let expr = emitter.emit_maximum(node, plain);
                give(
                    &name,
                    Item {
                        expr,
                        alias: Some(text),
                    },
                    column,
                    format!("`{name}`"),
                );
                continue;
            }
            for value in values {
                let alias = format!("{name}_{}", value.name);
                let most = dialect.max_bytes();
                if most > 0 && alias.len() > most {
                    let message = format!("`{alias}` is longer than {most} bytes, the limit for names");
                    let help = format!("use a shorter name for `{name}`");
                    too_long.push(Diagnostic::new(Code::UnfitForPivot, at, message).with_help(help));
                }
                let tree = emitter.tree();
                let of = tree.add_raw_text(&key);
                let condition = tree.add_binary(Op::Equal, of, value.sql, Span::default());
                let plain = tree.add_raw_text(&text);
                let arms = tree.add_slice(&[condition, plain]);
                let chosen = tree.add(Sql::Case { subject: None, arms }, Span::default());
                let expr = emitter.emit_maximum(node, chosen);
                let about = format!("{} ({}: {})", of_cells(&name), keys.join(", "), value.text);
                self.descriptions.insert(alias.to_ascii_lowercase(), about);
                let wide = Column::new(&alias, column.ty())
                    .with_size(column.size())
                    .quoted(column.is_quoted());
                let item = Item {
                    expr,
                    alias: Some(dialect.name_text(&alias, !column.is_quoted())),
                };
                give(&alias, item, &wide, format!("`{name}` of `{}`", value.text));
            }
        }
        diagnostics.append(&mut too_long);
        let written = ColumnSql {
            dialect,
            relation: input.relation,
        };
        let group_by: Vec<SqlId> = rows
            .iter()
            .map(|name| emitter.tree().add_raw_text(&written.column(name)))
            .collect();
        let order_by = if last || step.limit.is_some() {
            let descending = |name: &str| {
                let key = step.order_by.iter().map(|key| split_sort_key(key.text));
                key.filter(|(key, _)| key_name(key).eq_ignore_ascii_case(name))
                    .any(|(_, descending)| descending)
            };
            let said = step.order_by.is_empty();
            let ordered = rows.iter().filter(|_| !said);
            let keys = ordered.map(|name| {
                let sql = emitter.tree().add_raw_text(&written.column(name));
                OrderKey {
                    expr: emitter.emit_order_key(sql, descending(name), written.is_nullable(name)),
                }
            });
            keys.collect()
        } else {
            Vec::new()
        };
        let mut inner = std::mem::take(&mut output.body);
        inner.order_by.clear();
        inner.limit = None;
        let name = dialect.name_text(&self.names.choose_name(&format!("{}_in_every_cell", input.name)), true);
        output.ctes.push(Cte {
            name: name.clone(),
            body: inner,
        });
        output.body = Select {
            items,
            from: Some(SelectSource::Name(name)),
            group_by,
            order_by,
            limit: step.limit,
            ..Select::default()
        };
        output.relation = relation;
        output.grain = rows;
    }
}

/// Returns a select with one numbered row per pivot value.
fn pivot_value_rows(tree: &mut SqlTree, values: &[PivotValue], key: &str, place: &str) -> Select {
    let mut rows: Vec<Select> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let number = tree.add_raw_text(&(index + 1).to_string());
        let item = |expr, name: &str| Item {
            expr,
            alias: Some(name.to_owned()),
        };
        let items = vec![item(value.sql, key), item(number, place)];
        rows.push(Select {
            items,
            ..Select::default()
        });
    }
    let mut rows = rows.into_iter();
    let mut first = rows.next().unwrap_or_default();
    first.unions = rows.collect();
    first
}

/// Converts a pivot value to the type of the key. Returns `None` if this is not possible.
fn convert_value(program: &mut Program, value: &SpannedText<'_>, ty: Type) -> Option<IrId> {
    let text = value.text;
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite)
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    let ty = match ty {
        Type::Unknown if is_number && !value.node.is_quoted() => Type::Integer,
        Type::Unknown => Type::Text,
        ty => ty,
    };
    let meta = NodeMeta {
        ty,
        nullable: false,
        level: Level::Const,
        reads_only_keys: true,
        volatile: false,
        columnless: false,
        span: Span::default(),
    };
    let slice = program.add_text(text);
    let node = match ty {
        Type::Text => Ir::Text(slice),
        Type::Boolean => match text {
            _ if text.eq_ignore_ascii_case("true") => Ir::Bool(true),
            _ if text.eq_ignore_ascii_case("false") => Ir::Bool(false),
            _ => return None,
        },
        Type::Date => {
            let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
            let (Some(Ok(_)), Some(Ok(1..=12)), Some(Ok(1..=31))) = (parts.next(), parts.next(), parts.next()) else {
                return None;
            };
            Ir::Date(slice)
        }
        ty if ty.is_number() && is_number => Ir::Number(slice),
        _ => return None,
    };
    Some(program.add(node, meta))
}

/// Converts a value to a part of a column name, for example `Web shop` to `web_shop`.
fn to_name_part(text: &str) -> String {
    let name = snake_case(text);
    if name.is_empty() { "blank".to_owned() } else { name }
}
