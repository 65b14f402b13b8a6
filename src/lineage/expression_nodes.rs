//! Children and attributes of sqlparser's expression nodes.

use std::hash::Hash;

use rustc_hash::FxHasher;
use sqlparser::ast::{AccessExpr, CastKind, CeilFloorKind, Expr, Ident, JsonPathElem, Subscript};

/// Calls a function for each child of an expression, from first to last. Excludes the arguments of function calls and
/// the content of subqueries.
#[allow(clippy::too_many_lines, reason = "one table: one entry per shape of expression")]
pub(super) fn for_each_child<'e>(expr: &'e Expr, mut visit: impl FnMut(&'e Expr)) {
    match expr {
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::TypedString(_)
        | Expr::Function(_)
        | Expr::Exists { .. }
        | Expr::Subquery(_)
        | Expr::MatchAgainst { .. }
        | Expr::Wildcard(_)
        | Expr::QualifiedWildcard(..) => {}
        Expr::Nested(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotUnknown(inner)
        | Expr::OuterJoin(inner)
        | Expr::Prior(inner)
        | Expr::IsJson { expr: inner, .. }
        | Expr::IsNormalized { expr: inner, .. }
        | Expr::InSubquery { expr: inner, .. }
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::Cast { expr: inner, .. }
        | Expr::Extract { expr: inner, .. }
        | Expr::Ceil { expr: inner, .. }
        | Expr::Floor { expr: inner, .. }
        | Expr::Collate { expr: inner, .. }
        | Expr::Prefixed { value: inner, .. }
        | Expr::Named { expr: inner, .. } => visit(inner),
        Expr::Interval(interval) => visit(&interval.value),
        Expr::Lambda(lambda) => visit(&lambda.body),
        Expr::IsDistinctFrom(left, right)
        | Expr::IsNotDistinctFrom(left, right)
        | Expr::BinaryOp { left, right, .. }
        | Expr::AnyOp { left, right, .. }
        | Expr::AllOp { left, right, .. }
        | Expr::InUnnest {
            expr: left,
            array_expr: right,
            ..
        }
        | Expr::RLike {
            expr: left,
            pattern: right,
            ..
        }
        | Expr::AtTimeZone {
            timestamp: left,
            time_zone: right,
        }
        | Expr::Position {
            expr: left,
            r#in: right,
        } => [left, right].into_iter().for_each(|child| visit(child)),
        Expr::MemberOf(member) => [&member.value, &member.array]
            .into_iter()
            .for_each(|child| visit(child)),
        Expr::Between {
            expr: inner, low, high, ..
        } => [inner, low, high].into_iter().for_each(|child| visit(child)),
        Expr::Like {
            expr: inner,
            pattern,
            escape_char,
            ..
        }
        | Expr::ILike {
            expr: inner,
            pattern,
            escape_char,
            ..
        }
        | Expr::SimilarTo {
            expr: inner,
            pattern,
            escape_char,
            ..
        } => [inner, pattern]
            .into_iter()
            .chain(escape_char)
            .for_each(|child| visit(child)),
        Expr::Substring {
            expr: inner,
            substring_from,
            substring_for,
            ..
        } => [Some(inner), substring_from.as_ref(), substring_for.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|child| visit(child)),
        Expr::Overlay {
            expr: inner,
            overlay_what,
            overlay_from,
            overlay_for,
        } => [inner, overlay_what, overlay_from]
            .into_iter()
            .chain(overlay_for)
            .for_each(|child| visit(child)),
        Expr::Trim {
            trim_what,
            expr: inner,
            trim_characters,
            ..
        } => {
            std::iter::once(inner).chain(trim_what).for_each(|child| visit(child));
            trim_characters.iter().flatten().for_each(visit);
        }
        Expr::InList { expr: inner, list, .. } => {
            visit(inner);
            list.iter().for_each(visit);
        }
        Expr::Convert {
            expr: inner, styles, ..
        } => {
            visit(inner);
            styles.iter().for_each(visit);
        }
        Expr::Tuple(values) | Expr::Struct { values, .. } => values.iter().for_each(visit),
        Expr::Array(array) => array.elem.iter().for_each(visit),
        Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => sets.iter().flatten().for_each(visit),
        Expr::Dictionary(fields) => fields.iter().for_each(|field| visit(&field.value)),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| [&entry.key, &entry.value])
            .for_each(|child| visit(child)),
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            operand.iter().for_each(|child| visit(child));
            for when in conditions {
                visit(&when.condition);
                visit(&when.result);
            }
            else_result.iter().for_each(|child| visit(child));
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            if call_receiver(root, access_chain).is_none() && accessed_name(root, access_chain).is_none() {
                visit(root);
            }
            access_chain
                .iter()
                .for_each(|access| for_each_child_of_access(access, &mut visit));
        }
        Expr::JsonAccess { value, path } => {
            visit(value);
            for element in &path.path {
                match element {
                    JsonPathElem::Dot { .. } => {}
                    JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => visit(key),
                }
            }
        }
    }
}

fn for_each_child_of_access<'e>(access: &'e AccessExpr, visit: &mut impl FnMut(&'e Expr)) {
    match access {
        // The name of a struct field is not a column.
        AccessExpr::Dot(Expr::Identifier(_)) => {}
        AccessExpr::Dot(field) => visit(field),
        AccessExpr::Subscript(Subscript::Index { index }) => visit(index),
        AccessExpr::Subscript(Subscript::Slice {
            lower_bound,
            upper_bound,
            stride,
        }) => [lower_bound, upper_bound, stride].into_iter().flatten().for_each(visit),
    }
}

/// Returns the word before the first function of an access chain, as in `name.upper()`.
pub(super) fn call_receiver<'e>(root: &'e Expr, access_chain: &[AccessExpr]) -> Option<&'e Ident> {
    match (root, access_chain.first()) {
        (Expr::Identifier(word), Some(AccessExpr::Dot(Expr::Function(_)))) => Some(word),
        _ => None,
    }
}

/// Returns the qualified name at the beginning of an access chain, such as `orders.items` in `orders.items[0].price`.
pub(super) fn accessed_name(root: &Expr, access_chain: &[AccessExpr]) -> Option<Vec<String>> {
    let Expr::Identifier(first) = root else {
        return None;
    };
    let fields = access_chain.iter().map_while(|access| match access {
        AccessExpr::Dot(Expr::Identifier(field)) => Some(field),
        _ => None,
    });
    let name: Vec<String> = std::iter::once(first)
        .chain(fields)
        .map(|word| word.value.to_lowercase())
        .collect();
    (name.len() > 1).then_some(name)
}

/// Adds to the fingerprint the parts of a node that are not expressions: operators, types, negations and counts.
pub(super) fn hash_node_attributes(expr: &Expr, hasher: &mut FxHasher) {
    match expr {
        Expr::CompoundFieldAccess { access_chain, .. } => {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(field)) = access {
                    field.value.hash(hasher);
                }
            }
        }
        Expr::JsonAccess { path, .. } => {
            for element in &path.path {
                if let JsonPathElem::Dot { key, .. } = element {
                    key.hash(hasher);
                }
            }
        }
        Expr::IsJson { kind, negated, .. } => (format!("{kind:?}"), negated).hash(hasher),
        Expr::IsNormalized { form, negated, .. } => (format!("{form:?}"), negated).hash(hasher),
        Expr::InList { list, negated, .. } => (negated, list.len()).hash(hasher),
        Expr::InSubquery { negated, .. }
        | Expr::InUnnest { negated, .. }
        | Expr::Between { negated, .. }
        | Expr::SimilarTo { negated, .. }
        | Expr::Exists { negated, .. } => negated.hash(hasher),
        Expr::BinaryOp { op, .. } => op.to_string().hash(hasher),
        Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => compare_op.to_string().hash(hasher),
        Expr::UnaryOp { op, .. } => op.to_string().hash(hasher),
        Expr::Like { negated, any, .. } | Expr::ILike { negated, any, .. } => (negated, any).hash(hasher),
        Expr::RLike { negated, regexp, .. } => (negated, regexp).hash(hasher),
        Expr::Convert { is_try, data_type, .. } => {
            (is_try, data_type.as_ref().map(ToString::to_string)).hash(hasher);
        }
        Expr::Cast {
            kind,
            data_type,
            format,
            ..
        } => {
            let is_safe = !matches!(kind, CastKind::Cast | CastKind::DoubleColon);
            let format = format.as_ref().map(ToString::to_string);
            (is_safe, data_type.to_string().to_lowercase(), format).hash(hasher);
        }
        Expr::Extract { field, .. } => field.to_string().to_lowercase().hash(hasher),
        Expr::Ceil { field, .. } | Expr::Floor { field, .. } => match field {
            CeilFloorKind::DateTimeField(field) => field.to_string().hash(hasher),
            CeilFloorKind::Scale(scale) => scale.to_string().hash(hasher),
        },
        Expr::Substring {
            substring_from,
            substring_for,
            ..
        } => (substring_from.is_some(), substring_for.is_some()).hash(hasher),
        Expr::Trim {
            trim_where, trim_what, ..
        } => (format!("{trim_where:?}"), trim_what.is_some()).hash(hasher),
        Expr::Collate { collation, .. } => collation.to_string().hash(hasher),
        Expr::Value(value) => value.to_string().hash(hasher),
        Expr::Prefixed { prefix, .. } => prefix.value.hash(hasher),
        Expr::TypedString(typed) => typed.to_string().hash(hasher),
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => (operand.is_some(), conditions.len(), else_result.is_some()).hash(hasher),
        Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
            sets.iter().for_each(|set| set.len().hash(hasher));
        }
        Expr::Tuple(values) => values.len().hash(hasher),
        Expr::Struct { fields, .. } => fields.iter().for_each(|field| field.to_string().hash(hasher)),
        Expr::Named { name, .. } => name.value.hash(hasher),
        Expr::Dictionary(fields) => fields.iter().for_each(|field| field.key.value.hash(hasher)),
        Expr::Array(array) => array.elem.len().hash(hasher),
        Expr::Interval(interval) => {
            for field in [&interval.leading_field, &interval.last_field] {
                field
                    .as_ref()
                    .map(|field| field.to_string().to_lowercase())
                    .hash(hasher);
            }
        }
        Expr::MatchAgainst { match_value, .. } => match_value.to_string().hash(hasher),
        Expr::Lambda(lambda) => lambda.to_string().hash(hasher),
        _ => {}
    }
}
