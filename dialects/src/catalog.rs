//! Functions in the formula language, from `dialects/functions/*.toml`.

use crate::tables;
use crate::types::Level;

pub use crate::hash;
pub use crate::tables::internal;
pub use crate::tables::{
    Function, FunctionId, Lowering, Nulls, Overload, OverloadId, Param, ParamType, ResultType, SafeLast,
};

/// Returns the function with the given id.
#[expect(clippy::indexing_slicing, reason = "only the catalogue creates ids")]
pub fn get(id: FunctionId) -> &'static Function {
    &tables::FUNCTIONS[id.0 as usize]
}

/// Returns the overload with the given id.
pub fn overload(id: OverloadId) -> Option<&'static Overload> {
    get(overload_owner(id)).overloads.iter().find(|o| o.id == id)
}

/// Returns the first overload of a function that has overloads. Most internal functions have only one.
#[expect(clippy::indexing_slicing, reason = "callers choose functions that have overloads")]
pub fn first_overload(id: FunctionId) -> &'static Overload {
    &get(id).overloads[0]
}

/// Returns the function to which an overload belongs.
#[expect(clippy::indexing_slicing, reason = "only the catalogue creates ids")]
pub fn overload_owner(id: OverloadId) -> FunctionId {
    tables::OWNERS[id.0 as usize]
}

/// Returns the null rule of an overload. The default is the rule of its function.
pub fn null_rule(id: OverloadId) -> Nulls {
    let own_rule = overload(id).and_then(|overload| overload.nulls);
    own_rule.unwrap_or(get(overload_owner(id)).nulls)
}

/// Looks up a function by its name in formulas, ignoring case.
///
/// ```
/// assert_eq!(formulac_catalog::catalog::lookup("sumif").unwrap().name, "SUMIF");
/// assert!(formulac_catalog::catalog::lookup("add").is_none());
/// ```
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Function> {
    find(name).map(get)
}

/// Returns the id of a function by its name in formulas.
#[inline]
pub fn find(name: &str) -> Option<FunctionId> {
    match hash::find(tables::NAME_SLOTS, name, |i| {
        tables::NAMES.get(i).map_or("", |name| name.0)
    }) {
        Some(slot) => tables::NAMES.get(slot).map(|name| name.1),
        None => find_spaced(name),
    }
}

/// Returns the id of a function. `None` for a function without overloads.
pub fn id_of(function: &Function) -> Option<FunctionId> {
    function.overloads.first().map(|o| overload_owner(o.id))
}

/// Returns the id of an internal function, which only the compiler and function definitions call.
pub fn find_internal(name: &str) -> Option<FunctionId> {
    let is_named = |f: &&Function| f.internal && f.name == name;
    tables::FUNCTIONS.iter().find(is_named).and_then(id_of)
}

/// Looks up a dotted name that is written with whitespace around its dot.
#[cold]
fn find_spaced(name: &str) -> Option<FunctionId> {
    let name: String = name
        .contains(char::is_whitespace)
        .then(|| name.split_whitespace().collect())?;
    find(&name)
}

/// Returns `true` if the overload belongs to an aggregate, which can also be used as a window function.
pub fn is_aggregate(id: OverloadId) -> bool {
    get(overload_owner(id)).level == Level::Aggregate
}

/// Returns the function's name in formulas. For an internal function, returns the name of the aggregate that it
/// implements.
pub fn display_name(id: FunctionId) -> Option<&'static str> {
    let function = get(id);
    let whose = |f: &&Function| [f.over, f.framed, f.of_list].contains(&Some(id));
    let aggregate = if function.internal {
        functions().find(whose)?
    } else {
        function
    };
    Some(aggregate.name)
}

/// Returns all functions that a formula can call, sorted by name.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    tables::FUNCTIONS.iter().filter(|f| !f.internal)
}

/// Returns all function names that a formula can use, including aliases.
pub fn names() -> impl Iterator<Item = &'static str> {
    tables::NAMES.iter().map(|(n, _)| *n)
}
