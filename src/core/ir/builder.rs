//! Builder of IR nodes: constants, and nodes whose arguments are a list.

use super::{Ir, IrId, NodeMeta, PoolRange, Program, WindowFrame};
use crate::span::Span;
use crate::{Level, Type};

impl NodeMeta {
    /// Properties of a constant that is not NULL.
    #[inline]
    pub fn constant(ty: Type, span: Span) -> Self {
        Self {
            ty,
            nullable: false,
            level: Level::Const,
            reads_only_keys: true,
            volatile: false,
            columnless: false,
            span,
        }
    }
}

impl Program {
    /// Adds a NULL constant.
    pub fn add_null(&mut self, ty: Type, span: Span) -> IrId {
        let meta = NodeMeta {
            nullable: true,
            ..NodeMeta::constant(ty, span)
        };
        self.add(Ir::Null, meta)
    }

    /// Adds a boolean constant.
    pub fn add_boolean(&mut self, value: bool, span: Span) -> IrId {
        self.add(Ir::Bool(value), NodeMeta::constant(Type::Boolean, span))
    }

    /// Adds an integer constant.
    pub fn add_integer(&mut self, digits: &str, span: Span) -> IrId {
        self.add_number(digits, Type::Integer, span)
    }

    /// Adds a numeric constant.
    pub fn add_number(&mut self, digits: &str, ty: Type, span: Span) -> IrId {
        let text = self.add_text(digits);
        self.add(Ir::Number(text), NodeMeta::constant(ty, span))
    }

    /// Adds a text constant.
    pub fn add_text_literal(&mut self, value: &str, span: Span) -> IrId {
        let text = self.add_text(value);
        self.add(Ir::Text(text), NodeMeta::constant(Type::Text, span))
    }

    /// Adds a node with a list of arguments.
    pub fn add_node_with_args(&mut self, make: impl FnOnce(PoolRange) -> Ir, args: &[IrId], meta: NodeMeta) -> IrId {
        let args = self.add_args(args);
        self.add(make(args), meta)
    }

    /// Adds a window that is partitioned by the given values, in addition to the step's partition keys.
    pub fn add_window_call(&mut self, call: IrId, over: WindowFrame, partition: &[IrId], meta: NodeMeta) -> IrId {
        let over = self.add_window(over, partition);
        self.add(Ir::Window { call, over }, meta)
    }
}
