//! The functions and the dialects as static tables: the shape of their rows, and what the build script made of the TOML.

mod dialect;
mod function;
mod lowering;
/// Operators of SQL.
pub mod op;
/// Parts of templates.
pub mod part;

pub use dialect::{Cell, DialectData, Fold, Form, Shape, Template};
pub use function::{Function, FunctionId, Nulls, Overload, OverloadId, Param, ParamType, ResultType};
pub use generated::*;
pub use lowering::Lowering;

/// What the build script wrote.
#[allow(missing_docs, clippy::all)]
mod generated {
    use super::op::Op;
    use super::part::{Mode, Part, TypeName};
    use super::*;
    use crate::types::{Level, Type};

    include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
}
