//! Determines how each value of a step behaves under aggregation.

use formulac_syntax::text::collapse_whitespace;

use super::arithmetic::{AggregateSql, OperatorPrecedence, classify_arithmetic, classify_coalesce, combine_classes};
use super::{Additivity, ColumnFormula, NonAdditiveReason, StepColumns};
use crate::Type;
use crate::catalog::{self, internal};
use crate::ir::{Ir, IrId, Program};
use crate::plan::{StepInput, StepPlan};

/// Behavior of a node's value under aggregation.
#[derive(Clone)]
pub(super) enum AggregationClass {
    Constant,
    Dimension(Option<&'static str>),
    /// Value of a single row.
    Row,
    Total(TotalClass),
    NonAdditive(NonAdditiveReason),
}

#[derive(Clone)]
pub(super) struct TotalClass {
    pub kind: TotalKind,
    /// Formula over columns, or the reason why no formula exists.
    pub aggregate_sql: Result<AggregateSql, NonAdditiveReason>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TotalKind {
    Sum,
    Min,
    Max,
    Formula,
}

/// Data needed to determine the class of each node in a step.
pub(super) struct AggregationClassifier<'c> {
    pub plan: &'c StepPlan<'c>,
    pub input: &'c StepInput<'c>,
    pub previous_columns: Option<&'c StepColumns>,
    pub text: &'c str,
}

impl AggregationClassifier<'_> {
    pub fn classify_nodes(&self) -> Vec<AggregationClass> {
        let program = self.plan.program;
        let mut values: Vec<AggregationClass> = Vec::with_capacity(program.len());
        for (node_index, node) in program.nodes().enumerate() {
            let value = self.classify(program, IrId(node_index as u32), node, &values);
            values.push(value);
        }
        values
    }

    fn classify(&self, program: &Program, id: IrId, node: Ir, values: &[AggregationClass]) -> AggregationClass {
        let class_of = |id: IrId| {
            values
                .get(id.index())
                .cloned()
                .unwrap_or(AggregationClass::NonAdditive(NonAdditiveReason::Function))
        };
        match node {
            Ir::Null | Ir::Bool(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Today(_) | Ir::Macro(_) => {
                AggregationClass::Constant
            }
            Ir::Column(column) => match program.columns.try_get(column as usize) {
                Some(input_column) => {
                    self.column_class(input_column.relation.as_deref(), &input_column.name, input_column.ty)
                }
                None => AggregationClass::Row,
            },
            Ir::Definition(definition_index) => self.classify_definition(program, definition_index as usize, values),
            Ir::CountRows => self.classify_aggregate(program, id, TotalKind::Sum),
            Ir::Aggregate { distinct: true, .. } => AggregationClass::NonAdditive(NonAdditiveReason::Distinct),
            Ir::Aggregate { overload, .. } => {
                let function = catalog::overload_owner(overload);
                match function {
                    internal::SUM
                    | internal::SUMIF
                    | internal::SUMIFS
                    | internal::SUMPRODUCT
                    | internal::COUNT
                    | internal::COUNTA
                    | internal::COUNTIF
                    | internal::COUNTIFS
                    | internal::COUNTBLANK
                    | internal::COUNT_IF => self.classify_aggregate(program, id, TotalKind::Sum),
                    internal::MIN | internal::MINIFS => self.classify_aggregate(program, id, TotalKind::Min),
                    internal::MAX | internal::MAXIFS => self.classify_aggregate(program, id, TotalKind::Max),
                    internal::AVERAGE | internal::AVERAGEIF | internal::AVERAGEIFS => {
                        AggregationClass::NonAdditive(NonAdditiveReason::Average)
                    }
                    internal::COUNTUNIQUE => AggregationClass::NonAdditive(NonAdditiveReason::Distinct),
                    other => AggregationClass::NonAdditive(NonAdditiveReason::Aggregate(
                        catalog::display_name(other).unwrap_or("the aggregate").to_owned(),
                    )),
                }
            }
            Ir::Apply { overload, args } => classify_arithmetic(
                program,
                id,
                catalog::overload_owner(overload),
                program.args(args),
                values,
            ),
            Ir::Coalesce(args) => classify_coalesce(program, program.args(args), values),
            Ir::Window { .. }
            | Ir::GroupWindow { .. }
            | Ir::PeriodLookup { .. }
            | Ir::RowLookup { .. }
            | Ir::TabColumn { .. }
            | Ir::Range { .. }
            | Ir::Ranges(_) => AggregationClass::NonAdditive(NonAdditiveReason::OtherRows),
            Ir::Distinct(x) => class_of(x),
            Ir::Error => AggregationClass::NonAdditive(NonAdditiveReason::Function),
            Ir::Case(_) | Ir::Switch { .. } | Ir::And(_) | Ir::Or(_) | Ir::Not(_) | Ir::IsNull { .. } => {
                let cases = &mut program.operands(id).map(class_of);
                combine_classes(cases, NonAdditiveReason::Condition)
            }
        }
    }

    /// Returns the class of a column that the step reads.
    pub fn column_class(&self, relation: Option<&str>, name: &str, ty: Type) -> AggregationClass {
        let index = self
            .input
            .joined
            .and_then(|joined| joined.position(relation?))
            .unwrap_or(0);
        let of_single_rows = || {
            if ty.is_number() {
                AggregationClass::Row
            } else {
                AggregationClass::Dimension(None)
            }
        };
        let Some(before) = self.previous_columns.filter(|_| index == 0) else {
            return of_single_rows();
        };
        if self.plan.grouped {
            // The class of the input does not matter because the step groups its input.
            return of_single_rows();
        }
        let atom = |kind: TotalKind| {
            let aggregate = AggregateSql {
                sql: name.to_owned(),
                columns: vec![name.to_owned()],
                binds: OperatorPrecedence::Name,
                ratio: None,
            };
            AggregationClass::Total(TotalClass {
                kind,
                aggregate_sql: Ok(aggregate),
            })
        };
        match before.columns.get(&name.to_lowercase()) {
            Some(Additivity::Dimension { unit }) => AggregationClass::Dimension(*unit),
            Some(Additivity::Sum) => atom(TotalKind::Sum),
            Some(Additivity::Min) => atom(TotalKind::Min),
            Some(Additivity::Max) => atom(TotalKind::Max),
            Some(Additivity::Ratio { .. } | Additivity::Formula(_)) => atom(TotalKind::Formula),
            Some(Additivity::NonAdditive(NonAdditiveReason::SingleRows)) => AggregationClass::Row,
            Some(Additivity::NonAdditive(lost)) => AggregationClass::NonAdditive(lost.clone()),
            // In a grouped step, a column without an entry is a total of the whole sheet.
            None if before.grouped => AggregationClass::NonAdditive(NonAdditiveReason::OtherRows),
            None => of_single_rows(),
        }
    }

    /// Returns the additivity of an output column that is an unchanged but possibly renamed input column.
    pub fn additivity_of_unchanged_column(&self, column: u32, value: &AggregationClass) -> Additivity {
        match self.plan.program.columns.try_get(column as usize) {
            Some(input_column) => self.additivity_of_projected_column(
                input_column.relation.as_deref(),
                &input_column.name,
                input_column.ty,
            ),
            None => additivity_of_value(value, Type::Unknown),
        }
    }

    /// Returns the additivity of an input column with the given name that the step outputs unchanged.
    pub fn additivity_of_projected_column(&self, relation: Option<&str>, name: &str, ty: Type) -> Additivity {
        let index = self
            .input
            .joined
            .and_then(|joined| joined.position(relation?))
            .unwrap_or(0);
        let before = self.previous_columns.filter(|_| index == 0 && !self.plan.grouped);
        match before.and_then(|before| before.columns.get(&name.to_lowercase())) {
            Some(additivity) => additivity.clone(),
            None => additivity_of_value(&self.column_class(relation, name, ty), ty),
        }
    }

    fn classify_definition(
        &self,
        program: &Program,
        definition_index: usize,
        values: &[AggregationClass],
    ) -> AggregationClass {
        let Some(definition) = program.definitions.try_get(definition_index) else {
            return AggregationClass::Row;
        };
        let Some(value) = values.get(definition.root.index()) else {
            return AggregationClass::Row;
        };
        if self.plan.keys.try_get(definition_index) == Some(&true) {
            return AggregationClass::Dimension(truncation_unit(program, definition.root));
        }
        let name = definition
            .name
            .as_deref()
            .filter(|_| self.plan.outputs.try_get(definition_index) == Some(&true));
        match (value, name) {
            (AggregationClass::Total(total), Some(name)) => {
                let columns = vec![name.to_owned()];
                let aggregate = AggregateSql {
                    sql: name.to_owned(),
                    columns,
                    binds: OperatorPrecedence::Name,
                    ratio: None,
                };
                AggregationClass::Total(TotalClass {
                    kind: total.kind,
                    aggregate_sql: Ok(aggregate),
                })
            }
            (value, _) => value.clone(),
        }
    }

    fn classify_aggregate(&self, program: &Program, id: IrId, kind: TotalKind) -> AggregationClass {
        let part = collapse_whitespace(program.meta(id).span.text(self.text));
        AggregationClass::Total(TotalClass {
            kind,
            aggregate_sql: Err(NonAdditiveReason::Part(part)),
        })
    }
}

/// Returns the additivity of an output column.
pub(super) fn additivity_of_value(value: &AggregationClass, ty: Type) -> Additivity {
    match value {
        AggregationClass::Constant => Additivity::Dimension { unit: None },
        AggregationClass::Dimension(unit) => Additivity::Dimension { unit: *unit },
        AggregationClass::Row if ty.is_number() => Additivity::NonAdditive(NonAdditiveReason::SingleRows),
        AggregationClass::Row => Additivity::Dimension { unit: None },
        AggregationClass::NonAdditive(lost) => Additivity::NonAdditive(lost.clone()),
        AggregationClass::Total(TotalClass {
            kind: TotalKind::Sum, ..
        }) => Additivity::Sum,
        AggregationClass::Total(TotalClass {
            kind: TotalKind::Min, ..
        }) => Additivity::Min,
        AggregationClass::Total(TotalClass {
            kind: TotalKind::Max, ..
        }) => Additivity::Max,
        AggregationClass::Total(TotalClass {
            aggregate_sql: Err(lost),
            ..
        }) => Additivity::NonAdditive(lost.clone()),
        AggregationClass::Total(TotalClass {
            aggregate_sql: Ok(aggregate),
            ..
        }) => match &aggregate.ratio {
            Some((numerator, denominator)) => Additivity::Ratio {
                numerator: numerator.clone(),
                denominator: denominator.clone(),
            },
            None => Additivity::Formula(ColumnFormula {
                sql: aggregate.sql.clone(),
                columns: aggregate.columns.clone(),
            }),
        },
    }
}

/// Returns the calendar unit to which a value is truncated, if `MetricFlow` supports that unit.
pub(super) fn truncation_unit(program: &Program, root: IrId) -> Option<&'static str> {
    let Ir::Apply { overload, .. } = program.node(program.resolve_references(root)) else {
        return None;
    };
    match catalog::overload_owner(overload) {
        internal::TRUNC_DAY => Some("day"),
        internal::TRUNC_WEEK => Some("week"),
        internal::TRUNC_MONTH => Some("month"),
        internal::TRUNC_QUARTER => Some("quarter"),
        internal::TRUNC_YEAR => Some("year"),
        _ => None,
    }
}
