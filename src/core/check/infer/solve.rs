//! Solves the constraints that the inference pass collects. No step depends on the order of the definitions.
//!
//! 1. The types of a variable are the types that all of its uses accept.
//! 2. Variables that must have the same type are merged.
//! 3. The operands and results of sums are numbers or dates. Everything that follows from the known operands and
//!    results is derived first, then the remaining operands are numbers.

use rustc_hash::FxHashSet;

use super::type_set::TypeSet;
use super::{InferBuffers, TypeTerm};
use crate::ast::{Ast, BinaryOp, ExprId};

/// Type variable: the type of a column, an empty argument or a sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeVariable {
    /// Variable that has the same type and represents this variable.
    pub same_as: Option<u32>,
    pub types: TypeSet,
    /// Use that last reduced the number of possible types.
    pub evidence: ExprId,
}

impl TypeVariable {
    pub const fn new(types: TypeSet) -> Self {
        Self {
            same_as: None,
            types,
            evidence: ExprId(0),
        }
    }
}

/// Use of a variable, which accepts only certain types.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeUse {
    pub var: u32,
    pub types: TypeSet,
    pub expr: ExprId,
    /// Whether `lower` reports a wrong type of this use, with a more specific message than the message about
    /// conflicting uses.
    pub is_checked_later: bool,
    /// Whether another step contains the use. `expr` is then the place of the value in this step.
    pub is_in_other_step: bool,
}

/// Sum or difference with an operand of unknown type.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingSum {
    pub op: BinaryOp,
    pub operands: [TypeTerm; 2],
    pub result: u32,
    pub expr: ExprId,
}

/// Two uses of the same value that accept no common type. The second use is the later use in the text. Uses in other
/// steps come last.
pub(super) struct TypeConflict {
    pub first: TypeUse,
    pub second: TypeUse,
}

/// Type of an operand or result of a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SumType {
    Number,
    Date,
    /// Variable that may be a number or a date.
    Open(u32),
    Other,
}

impl InferBuffers {
    /// Finds the representative of a variable, with path halving so that chains remain short.
    pub(super) fn find_root(&mut self, mut var: u32) -> u32 {
        while let Some(other) = self.vars[var as usize].same_as {
            if let Some(next) = self.vars[other as usize].same_as {
                self.vars[var as usize].same_as = Some(next);
            }
            var = other;
        }
        var
    }

    /// Solves all constraints, and returns the conflicts between the uses of a variable.
    pub(super) fn solve(&mut self, ast: &Ast) -> Vec<TypeConflict> {
        let mut contradictory: Vec<u32> = Vec::new();
        for index in 0..self.uses.len() {
            let TypeUse { var, types, expr, .. } = self.uses[index];
            let was_possible = !self.vars[var as usize].types.is_empty();
            self.narrow(var, types, expr);
            if was_possible && self.vars[var as usize].types.is_empty() {
                contradictory.push(var);
            }
        }
        let conflicts = self.find_conflicts(ast, contradictory);
        for index in 0..self.links.len() {
            let (a, b) = self.links[index];
            self.merge(a, b);
        }
        if !self.waiting.is_empty() {
            self.solve_sums();
        }
        conflicts
    }

    /// Removes the types that a use does not accept.
    pub(super) fn narrow(&mut self, root: u32, types: TypeSet, evidence: ExprId) {
        let var = &mut self.vars[root as usize];
        let common = var.types.intersection(types);
        if common != var.types {
            var.types = common;
            var.evidence = evidence;
        }
    }

    /// Merges two variables that must have the same type. Variables without a common type are not merged, because
    /// `lower` reports the expression that combines them.
    fn merge(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find_root(a), self.find_root(b));
        let TypeVariable { types, evidence, .. } = self.vars[a as usize];
        if a != b && !types.intersection(self.vars[b as usize].types).is_empty() {
            self.narrow(b, types, evidence);
            self.vars[a as usize].same_as = Some(b);
        }
    }

    /// Finds the second of two conflicting uses in the order of the text. If `lower` reports that use, the value gets
    /// the type of its earlier uses. Otherwise, the conflict is returned and the type is unknown.
    #[cold]
    fn find_conflicts(&mut self, ast: &Ast, contradictory: Vec<u32>) -> Vec<TypeConflict> {
        let mut conflicts = Vec::new();
        if contradictory.is_empty() {
            return conflicts;
        }
        let vars: FxHashSet<u32> = contradictory.into_iter().collect();
        let mut uses: Vec<TypeUse> = self
            .uses
            .iter()
            .filter(|used| vars.contains(&used.var))
            .copied()
            .collect();
        uses.sort_by_key(|used| (used.var, used.is_in_other_step, ast.span(used.expr).start));
        for uses in uses.chunk_by(|a, b| a.var == b.var) {
            let mut earlier = TypeVariable::new(TypeSet::ALL);
            for (position, second) in uses.iter().enumerate() {
                let types = earlier.types.intersection(second.types);
                if !types.is_empty() {
                    if types != earlier.types {
                        earlier = TypeVariable {
                            types,
                            evidence: second.expr,
                            ..earlier
                        };
                    }
                    continue;
                }
                let mut before = uses.iter().take(position);
                match before.find(|first| first.types.intersection(second.types).is_empty()) {
                    Some(first) if !second.is_checked_later => conflicts.push(TypeConflict {
                        first: *first,
                        second: *second,
                    }),
                    _ => self.vars[second.var as usize] = earlier,
                }
                break;
            }
        }
        conflicts
    }

    fn sum_type(&mut self, term: TypeTerm) -> SumType {
        let (root, types) = match term {
            TypeTerm::Var(var) => {
                let root = self.find_root(var);
                (Some(root), self.vars[root as usize].types)
            }
            term => (None, TypeSet::from_term(term)),
        };
        match root {
            _ if types.is_part_of(TypeSet::NUMBER) => SumType::Number,
            _ if types.is_part_of(TypeSet::DATE) => SumType::Date,
            Some(root) if types.is_part_of(TypeSet::SUM) => SumType::Open(root),
            _ => SumType::Other,
        }
    }

    fn solve_sums(&mut self) {
        let sums = std::mem::take(&mut self.waiting);
        // Sums by the variables that they contain.
        let mut readers: Vec<(u32, u32)> = Vec::with_capacity(sums.len() * 3);
        let mut results: FxHashSet<u32> = FxHashSet::default();
        for (index, sum) in sums.iter().enumerate() {
            let result = self.find_root(sum.result);
            results.insert(result);
            readers.push((result, index as u32));
            for operand in sum.operands {
                if let TypeTerm::Var(var) = operand {
                    readers.push((self.find_root(var), index as u32));
                }
            }
        }
        readers.sort_unstable();
        let mut queue: Vec<u32> = (0..sums.len() as u32).collect();
        self.derive_sum_types(sums.as_slice(), &readers, &mut queue);
        // First the operands that are not sums themselves, because the type of a sum follows from its operands.
        for includes_sums in [false, true] {
            for sum in &sums {
                let result = TypeTerm::Var(sum.result);
                let [left, right] = sum.operands;
                for term in [left, right, result]
                    .into_iter()
                    .take(if includes_sums { 3 } else { 2 })
                {
                    if let SumType::Open(root) = self.sum_type(term)
                        && (includes_sums || !results.contains(&root))
                    {
                        self.set_sum_type(root, TypeSet::NUMBER, sum.expr, &readers, &mut queue);
                    }
                }
            }
            self.derive_sum_types(sums.as_slice(), &readers, &mut queue);
        }
        for sum in &sums {
            self.copy_date_type(sum);
        }
        self.waiting = sums;
    }

    /// Derives the types that follow from the known types. `a - b = c` has the types of `b + c = a`.
    fn derive_sum_types(&mut self, sums: &[PendingSum], readers: &[(u32, u32)], queue: &mut Vec<u32>) {
        while let Some(sum) = queue.pop().and_then(|index| sums.get(index as usize)) {
            let [left, right] = sum.operands.map(|operand| self.sum_type(operand));
            let result = self.sum_type(TypeTerm::Var(sum.result));
            let [a, b, total] = match sum.op {
                BinaryOp::Subtract => [right, result, left],
                _ => [left, right, result],
            };
            let (number, date) = (SumType::Number, SumType::Date);
            let derived = [
                (b == date || total == number, a, TypeSet::NUMBER),
                (a == date || total == number, b, TypeSet::NUMBER),
                (total == date && b == number, a, TypeSet::DATE),
                (total == date && a == number, b, TypeSet::DATE),
                (a == date || b == date, total, TypeSet::DATE),
                (a == number && b == number, total, TypeSet::NUMBER),
            ];
            for (follows, term, types) in derived {
                if let (true, SumType::Open(root)) = (follows, term) {
                    self.set_sum_type(root, types, sum.expr, readers, queue);
                }
            }
        }
    }

    fn set_sum_type(
        &mut self,
        root: u32,
        types: TypeSet,
        evidence: ExprId,
        readers: &[(u32, u32)],
        queue: &mut Vec<u32>,
    ) {
        self.narrow(root, types, evidence);
        let first = readers.partition_point(|(var, _)| *var < root);
        let of_root = readers.iter().skip(first).take_while(|(var, _)| *var == root);
        queue.extend(of_root.map(|(_, sum)| *sum));
    }

    /// Gives the sum of a date and a number of days the type of the date.
    fn copy_date_type(&mut self, sum: &PendingSum) {
        if self.sum_type(TypeTerm::Var(sum.result)) != SumType::Date {
            return;
        }
        let [left, right] = sum.operands;
        let operands = match sum.op {
            BinaryOp::Subtract => [left, left],
            _ => [left, right],
        };
        match operands
            .into_iter()
            .find(|operand| self.sum_type(*operand) == SumType::Date)
        {
            Some(TypeTerm::Var(date)) => self.merge(date, sum.result),
            Some(term) => {
                let root = self.find_root(sum.result);
                self.narrow(root, TypeSet::from_term(term), sum.expr);
            }
            None => {}
        }
    }
}
