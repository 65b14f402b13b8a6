//! The functions of the language, from `dialects/functions/*.toml`.

use crate::tables;
use crate::types::Level;

pub use crate::hash;
pub use crate::tables::internal;
pub use crate::tables::{Function, FunctionId, Lowering, Nulls, Overload, OverloadId, Param, ParamType, ResultType};

/// The function of an id.
pub fn get(id: FunctionId) -> &'static Function {
    &tables::FUNCTIONS[id.0 as usize]
}

/// The overload of an id.
pub fn overload(id: OverloadId) -> Option<&'static Overload> {
    get(owner(id)).overloads.iter().find(|o| o.id == id)
}

/// The function that an overload is of.
pub fn owner(id: OverloadId) -> FunctionId {
    tables::OWNERS[id.0 as usize]
}

/// The function that a formula calls by this name, in any case.
///
/// ```
/// assert_eq!(formulac_catalog::catalog::lookup("sumif").unwrap().name, "SUMIF");
/// assert!(formulac_catalog::catalog::lookup("add").is_none());
/// ```
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Function> {
    find(name).map(get)
}

/// The place of the function that a formula calls by this name.
#[inline]
pub fn find(name: &str) -> Option<FunctionId> {
    match hash::find(tables::NAME_SLOTS, name, |i| tables::NAMES[i].0) {
        Some(slot) => Some(tables::NAMES[slot].1),
        None => find_spaced(name),
    }
}

/// The place of an entry that only the compiler calls.
pub fn find_internal(entry: &Function) -> Option<FunctionId> {
    entry.overloads.first().map(|o| owner(o.id))
}

/// A dotted name may have blanks around its dot.
#[cold]
fn find_spaced(name: &str) -> Option<FunctionId> {
    let name: String = name.contains(char::is_whitespace).then(|| name.split_whitespace().collect())?;
    find(&name)
}

/// Whether the overload is one of an aggregate, which may stand as a window too.
pub fn is_aggregate(id: OverloadId) -> bool {
    get(owner(id)).level == Level::Aggregate
}

/// The name that formulas call an entry by: its own, or that of the aggregate which it stands for.
pub fn shown(id: FunctionId) -> Option<&'static str> {
    let function = get(id);
    let whose = |f: &&Function| f.over == Some(id) || f.framed == Some(id);
    let named = if function.internal { functions().find(whose)? } else { function };
    Some(named.name)
}

/// Every function that a formula can call, by name.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    tables::FUNCTIONS.iter().filter(|f| !f.internal)
}

/// Every name that a formula can call, aliases included.
pub fn names() -> impl Iterator<Item = &'static str> {
    tables::NAMES.iter().map(|(n, _)| *n)
}
