//! Time columns of a step, and the expressions from which they are computed. Incremental models use these expressions
//! to find late rows.

use super::planner::Planner;
use super::step::{InputColumn, InputProjection};
use crate::check::split_truncation;
use crate::ir::IrId;
use crate::schema::{Column, Relation};
use crate::sql::SqlId;
use crate::{Level, Type};

/// Time column, with its value before truncation to a calendar unit.
#[derive(Clone, Debug)]
pub struct TimeColumn {
    pub name: String,
    /// Expression in the first select of the step.
    pub value: SqlId,
    pub ty: Type,
}

/// Returns whether a value of this type can be a time. Also returns `true` for the unknown type.
fn may_be_time(ty: Type) -> bool {
    ty.is_temporal() || ty == Type::Unknown
}

impl Planner<'_> {
    /// Returns the step's time columns, with values that the step's first select can test.
    pub(super) fn find_time_columns(&mut self) -> Vec<TimeColumn> {
        let program = self.step.program;
        let mut times = Vec::new();
        let roots: Vec<(String, IrId)> = self.outputs.iter().map(|o| (o.name.clone(), o.root)).collect();
        for (name, root) in roots {
            let (operand, _) = split_truncation(program, root);
            let meta = program.meta(operand);
            if may_be_time(program.meta(root).ty) && meta.level <= Level::Row && !meta.volatile {
                self.emit_nodes(&[operand], 0);
                times.push(TimeColumn {
                    name,
                    value: self.emit_column_or_value(operand, 0),
                    ty: meta.ty,
                });
            }
        }
        let relation = self.input.relation;
        let of_input = |name: &str| InputColumn {
            relations: vec![0],
            name: name.to_owned(),
        };
        let kept_columns: Vec<(InputColumn, Type)> = match &self.spec.keep {
            _ if self.step.grouped => Vec::new(),
            InputProjection::Nothing => Vec::new(),
            InputProjection::All => relation
                .into_iter()
                .flat_map(Relation::columns)
                .map(|c| (of_input(c.name()), c.ty()))
                .collect(),
            InputProjection::Some(names) => {
                let ty = |name: &str| relation.and_then(|r| r.column(name)).map_or(Type::Unknown, Column::ty);
                names.iter().map(|name| (of_input(name), ty(name))).collect()
            }
            InputProjection::Joined(columns) => {
                let ty = |c: &InputColumn| {
                    self.input
                        .joined
                        .and_then(|joined| joined.column(c))
                        .map_or(Type::Unknown, Column::ty)
                };
                columns.iter().map(|column| (column.clone(), ty(column))).collect()
            }
        };
        let outputs = self.output_names();
        for (column, ty) in kept_columns {
            if may_be_time(ty) && !outputs.contains(&column.name.to_ascii_lowercase()) {
                let value = self.emit_input_column(&column, 0);
                times.push(TimeColumn {
                    name: column.name,
                    value,
                    ty,
                });
            }
        }
        times
    }
}
