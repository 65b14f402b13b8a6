//! Type classes: the type names that constructs use.

/// Returns a function name without the prefix `safe.`, which makes a call return NULL instead of an error.
pub fn strip_safe_prefix(name: &str) -> &str {
    name.strip_prefix("safe.").unwrap_or(name)
}

pub(super) fn is_temporal_class(class: &str) -> bool {
    matches!(class, "date" | "timestamp" | "timestamptz" | "temporal")
}

/// Returns the class of a type in a signature.
pub fn class_of_type(ty: &str) -> &str {
    match ty {
        "positive" | "negative" => "number",
        _ if ty.contains("..") => "integer",
        "time" => "float",
        "integer" | "decimal" | "float" | "number" | "text" | "boolean" | "date" | "timestamp" | "timestamptz"
        | "temporal" => ty,
        _ => "any",
    }
}

/// Returns the class of a type that a template specifies by the dialect's name for the type.
pub(super) fn class_of_native_type(name: &str) -> &'static str {
    let head = name.split('(').next().unwrap_or_default().trim();
    match head {
        "int64" | "integer" | "bigint" | "hugeint" | "int" | "smallint" => "integer",
        "number" if name.ends_with("0)") => "integer",
        "decimal" | "numeric" | "number" | "bignumeric" => "decimal",
        "double" | "float" | "float64" | "double precision" | "real" => "float",
        "varchar" | "text" | "string" => "text",
        "date" => "date",
        "timestamp" | "datetime" => "timestamp",
        _ if head.ends_with("[]") || head == "array" => "array",
        _ => "any",
    }
}

/// Returns the class of an arithmetic result.
pub(super) fn arithmetic_class(op: &str, left: &str, right: &str) -> String {
    if op == "#>>" {
        return "text".to_owned();
    }
    if is_temporal_class(left) && is_temporal_class(right) {
        return "integer".to_owned();
    }
    if is_temporal_class(left) {
        return left.to_owned();
    }
    if is_temporal_class(right) {
        return right.to_owned();
    }
    let widest = ["interval", "float", "number", "decimal", "integer"];
    widest
        .into_iter()
        .find(|class| left == *class || right == *class)
        .unwrap_or("any")
        .to_owned()
}
