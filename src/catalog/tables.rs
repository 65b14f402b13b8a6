//! What `grammar/build.rs` made of `dialects/**`.
#![allow(missing_docs, clippy::all)]

use super::{Function, FunctionId, Lowering, Nulls, Overload, OverloadId, Param, ParamType, ResultType};
use crate::dialect::op::Op;
use crate::dialect::part::{Mode, Part, TypeName};
use crate::dialect::{Cell, DialectData, Fold, Form, Shape, Template};
use crate::types::{Level, Type};

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
