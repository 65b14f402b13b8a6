//! Types of subexpressions in edited SQL. A type is derived from columns, literals and a few functions.

use formulac_syntax::lex::quote_formula_name;
use rustc_hash::FxHashMap;

use super::alternatives::ValueType;
use super::candidate_check::CandidateCheck;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::Type;
use crate::dialect::Dialect;

/// Maximum depth of an expression whose type is derived from its operands.
const MAX_DEPTH: usize = 8;

/// Types of subexpressions, in the step that contains a definition.
pub(super) struct ValueTypes<'c, 'a, 's> {
    check: &'c CandidateCheck<'a, 's>,
    /// Types of columns, by their names in formulas.
    columns: FxHashMap<String, Option<ValueType>>,
}

impl<'c, 'a, 's> ValueTypes<'c, 'a, 's> {
    pub fn new(check: &'c CandidateCheck<'a, 's>) -> Self {
        Self {
            check,
            columns: FxHashMap::default(),
        }
    }

    /// Returns the type of a subexpression. `None` if the type is not known.
    pub fn type_of(&mut self, trees: &SqlTrees, part: SqlNodeId) -> Option<ValueType> {
        self.type_of_subexpression(trees, part, MAX_DEPTH)
    }

    fn type_of_subexpression(&mut self, trees: &SqlTrees, part: SqlNodeId, depth: usize) -> Option<ValueType> {
        let depth = depth.checked_sub(1)?;
        match (trees.label(part), trees.children(part)) {
            (SqlLabel::Text(..), _) => Some((Type::Text, false)),
            (SqlLabel::Number(digits), _) => {
                let is_integer = digits.bytes().all(|c| c.is_ascii_digit());
                Some((if is_integer { Type::Integer } else { Type::Point }, false))
            }
            (SqlLabel::Word(word), _) if matches!(word.as_str(), "true" | "false") => Some((Type::Boolean, false)),
            (SqlLabel::Word(word), _) if word == "current_date" => Some((Type::Date, false)),
            (SqlLabel::Word(word), _) if word == "null" => None,
            (SqlLabel::Typed, [name, _]) => match trees.label(*name) {
                SqlLabel::Word(name) if name == "date" => Some((Type::Date, false)),
                _ => None,
            },
            (SqlLabel::Call, [name, args @ ..]) => {
                let SqlLabel::Word(name) = trees.label(*name) else {
                    return None;
                };
                self.type_of_call(trees, name, args, depth)
            }
            (SqlLabel::Op(op), [left, right]) => {
                let (left, right) = (
                    self.type_of_subexpression(trees, *left, depth)?,
                    self.type_of_subexpression(trees, *right, depth)?,
                );
                let nullable = left.1 || right.1;
                match (op.as_str(), left.0, right.0) {
                    ("||", Type::Text, Type::Text) => Some((Type::Text, nullable)),
                    ("+" | "-", Type::Date, Type::Integer) => Some((Type::Date, nullable)),
                    ("+" | "-" | "*", Type::Integer, Type::Integer) => Some((Type::Integer, nullable)),
                    _ => None,
                }
            }
            _ => {
                let (relation, name) = trees.column(part)?;
                let name = match relation {
                    Some(relation) => quote_formula_name(&format!("{relation}.{name}")),
                    None => quote_formula_name(name),
                };
                self.type_of_column(name)
            }
        }
    }

    fn type_of_call(&mut self, trees: &SqlTrees, name: &str, args: &[SqlNodeId], depth: usize) -> Option<ValueType> {
        let dialect = self.check.edited_file.dialect;
        let mut types = |args: &[SqlNodeId]| -> Vec<Option<ValueType>> {
            args.iter()
                .map(|arg| self.type_of_subexpression(trees, *arg, depth))
                .collect()
        };
        match (name, args) {
            ("cast", [row]) => {
                let [value, _, ty] = trees.children(*row) else {
                    return None;
                };
                let SqlLabel::Word(ty) = trees.label(*ty) else {
                    return None;
                };
                let ty = type_of_name(ty, dialect)?;
                let value = types(&[*value]).pop().flatten();
                Some((ty, value.is_none_or(|(_, nullable)| nullable)))
            }
            ("coalesce", _) => {
                let types = types(args).into_iter().collect::<Option<Vec<ValueType>>>()?;
                let (ty, _) = *types.first()?;
                let nullable = types.iter().all(|(_, nullable)| *nullable);
                types.iter().all(|(other, _)| *other == ty).then_some((ty, nullable))
            }
            ("count", _) => Some((Type::Integer, false)),
            ("min" | "max", [value]) => types(&[*value]).pop()?.map(|(ty, _)| (ty, true)),
            ("upper" | "lower" | "left" | "right" | "substr" | "replace" | "trim", [..]) => Some((Type::Text, true)),
            _ => None,
        }
    }

    /// Returns the type of a column, inferred from a definition whose formula is the column itself or its `MAX`.
    fn type_of_column(&mut self, name: String) -> Option<ValueType> {
        if let Some(cached_type) = self.columns.get(&name) {
            return *cached_type;
        }
        let check = self.check;
        let of_formula = |formula: &str| check.formula_type(formula).filter(|(ty, _)| *ty != Type::Unknown);
        let column_type = of_formula(&name).or_else(|| of_formula(&format!("MAX({name})")));
        // The formula does not compile in place of this definition if other definitions need a different type. In this
        // case, use the column's type in the step's relation.
        let value_type = column_type.or_else(|| check.base_column_type(&name).filter(|(ty, _)| *ty != Type::Unknown));
        self.columns.insert(name, value_type);
        value_type
    }
}

/// Returns the type that has this name in SQL.
fn type_of_name(name: &str, dialect: Dialect) -> Option<Type> {
    let types = [
        Type::Boolean,
        Type::Integer,
        Type::Float,
        Type::Text,
        Type::Date,
        Type::Timestamp,
    ];
    types.into_iter().find(|ty| dialect.type_name(*ty) == name)
}
