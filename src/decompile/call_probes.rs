//! Probes that consist of a function call, for each overload and number of arguments.

use super::expression_text::FormulaTemplate;
use super::probes::{
    ARGUMENT_POSITIONS, NUMBERS, ProbeArgument, ProbeFormula, TIME_PART_NUMBERS, column_args, parameter_args,
    parameter_literal, placeholder_literal_at, probe_column, shortest_literal, type_assignments, types_by_rank,
    with_value_at,
};
use crate::Type;
use crate::catalog::{Overload, Param};

/// Maximum number of literals per parameter, if the literals of two parameters are combined.
const MAX_COMBINED_LITERALS: usize = 3;

pub(super) fn add_overload_probes(
    name: &'static str,
    overload: &Overload,
    widest: usize,
    probes: &mut Vec<ProbeFormula>,
) {
    let most = if overload.repeated {
        widest.clamp(overload.params.len() + 2, ARGUMENT_POSITIONS)
    } else {
        overload.params.len()
    };
    for count in overload.min_arguments..=most {
        let param = |index: usize| overload.params.get(index).or(overload.params.last());
        let exceeds_parameter_count = count > overload.params.len() + 2;
        let mut call = CallProbes {
            name,
            params: (0..count).filter_map(param).collect(),
            count,
            all: &mut *probes,
        };
        call.add_columns(exceeds_parameter_count);
        if !exceeds_parameter_count {
            call.add_literals();
            call.add_columns_with_literals();
        }
    }
}

/// Probes that call a function with `count` arguments.
struct CallProbes<'p> {
    name: &'static str,
    params: Vec<&'p Param>,
    count: usize,
    all: &'p mut Vec<ProbeFormula>,
}

impl CallProbes<'_> {
    fn push_probe(&mut self, args: Vec<ProbeArgument>) {
        self.all.push(ProbeFormula {
            shape: FormulaTemplate::Call(self.name),
            args,
        });
    }

    /// Adds calls in which every argument is a column. With many arguments, adds only calls whose columns are all
    /// nullable or all not nullable.
    fn add_columns(&mut self, exceeds_parameter_count: bool) {
        let count = self.count;
        for types in type_assignments(&self.params)
            .into_iter()
            .chain([vec![Type::Unknown; count]])
        {
            let columns = |nulls: &dyn Fn(usize) -> bool| -> Vec<ProbeArgument> {
                let column_arg =
                    |(index, ty): (usize, &Type)| ProbeArgument::Column(probe_column(*ty, nulls(index), index));
                types.iter().enumerate().map(column_arg).collect()
            };
            self.push_probe(columns(&|_| true));
            self.push_probe(columns(&|_| false));
            for column_index in 0..if exceeds_parameter_count { 0 } else { count.min(6) } {
                self.push_probe(columns(&|index| index != column_index));
                if count > 2 {
                    self.push_probe(columns(&|index| index == column_index));
                }
            }
        }
    }

    /// Adds calls whose arguments are all literals, and calls with quotients, negated numbers or NULL.
    fn add_literals(&mut self) {
        let params = self.params.clone();
        // Each call contains either only large numbers (`NUMBERS`) or only small numbers (`TIME_PART_NUMBERS`).
        for (numbers, is_true) in [(NUMBERS, true), (NUMBERS, false), (TIME_PART_NUMBERS, true)] {
            self.push_probe(
                params
                    .iter()
                    .enumerate()
                    .map(|(param_index, param)| parameter_literal(param, numbers, param_index, is_true))
                    .collect(),
            );
        }
        let is_number = |index: &usize| {
            let simple = params
                .get(*index)
                .map(|param| parameter_literal(param, NUMBERS, *index, true));
            matches!(simple, Some(ProbeArgument::Number(_)))
        };
        for index in (0..self.count.min(5)).filter(is_number) {
            for types in types_by_rank(&params).into_iter().take(2) {
                let type_arg = |(type_index, ty): (usize, &Type)| match type_index == index {
                    true => ProbeArgument::Quotient(type_index),
                    false => ProbeArgument::Column(probe_column(*ty, true, type_index)),
                };
                self.push_probe(types.iter().enumerate().map(type_arg).collect());
            }
            let of_place = |(param_index, param): (usize, &&Param)| match param_index == index {
                true => ProbeArgument::Minus(placeholder_literal_at(&NUMBERS, param_index)),
                false => parameter_literal(param, NUMBERS, param_index, true),
            };
            self.push_probe(params.iter().enumerate().map(of_place).collect());
        }
        for index in 0..self.count.min(2) {
            let args: Vec<ProbeArgument> = params
                .iter()
                .map(|param| ProbeArgument::Fixed(shortest_literal(param)))
                .collect();
            self.push_probe(with_value_at(&args, index, ProbeArgument::Fixed("1 / 0".to_owned())));
        }
    }

    /// Adds calls with a literal for one argument, for two arguments, or for all arguments except the first.
    fn add_columns_with_literals(&mut self) {
        let (params, count) = (self.params.clone(), self.count);
        let literals = |index: usize| params.get(index).map(|p| parameter_args(p, index)).unwrap_or_default();
        for types in &types_by_rank(&params) {
            for nullable in [true, false] {
                let base = column_args(types, nullable);
                for index in 0..count.min(6) {
                    for literal in literals(index) {
                        self.push_probe(with_value_at(&base, index, literal));
                    }
                }
                for first in 0..count.min(5) {
                    for second in first + 1..count.min(5) {
                        for a in literals(first).into_iter().take(MAX_COMBINED_LITERALS) {
                            for b in literals(second).into_iter().take(MAX_COMBINED_LITERALS) {
                                let args = with_value_at(&base, first, a.clone());
                                self.push_probe(with_value_at(&args, second, b));
                            }
                        }
                    }
                }
                if count > 3 {
                    for step in [1, 2] {
                        let mut args = base.clone();
                        for (index, arg) in args.iter_mut().enumerate().skip(1).step_by(step) {
                            if let Some(literal) = literals(index).into_iter().next() {
                                *arg = literal;
                            }
                        }
                        self.push_probe(args);
                    }
                }
            }
        }
    }
}
