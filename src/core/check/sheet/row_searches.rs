//! Builds the part of a lookup that searches for a row by key or by row number.

use crate::catalog::{Function, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, LookupMatchMode, LookupSpec, NodeMeta};
use crate::span::Span;
use crate::{Level, Type};

/// Parameters of the search for a row.
#[derive(Clone, Copy)]
pub(in crate::check) struct RowSearch {
    pub tab: Option<u32>,
    pub value: IrId,
    /// Column that is searched for the value. `None` if the value is a row number.
    pub by: Option<IrId>,
    pub matching: LookupMatchMode,
}

impl Lowerer<'_> {
    /// Builds the lookup of a row. The lookup returns a value from the row, or the row number if `gives` is `None`.
    pub(in crate::check) fn build_row_lookup(
        &mut self,
        row_search: RowSearch,
        gives: Option<IrId>,
        function: &'static Function,
        span: Span,
    ) -> Option<IrId> {
        let RowSearch {
            tab,
            value,
            by: given_key,
            matching,
        } = row_search;
        if self.is_error(value) || !self.check_window_allowed(function.name, Some(value), span) {
            return None;
        }
        // A lookup by key requires no order here, because the planner checks later whether the key occurs in several
        // rows.
        if given_key.is_none() && !self.check_row_order(tab, function, span) {
            return None;
        }
        self.convert_decimal_literal_to_float(value);
        let ty = gives.map_or(Type::Integer, |gives| self.program.meta(gives).ty);
        if self.is_null(value) {
            return Some(self.program.add_null(ty, span));
        }
        let key = match given_key {
            Some(search_key) => search_key,
            None => {
                let meta = NodeMeta {
                    level: Level::Row,
                    ..NodeMeta::constant(Type::Integer, span)
                };
                self.program.add(
                    Ir::TabColumn {
                        tab: u32::MAX,
                        column: u32::MAX,
                    },
                    meta,
                )
            }
        };
        let test = self.build_key_test(value, key, matching, function)?;
        let args: Vec<IrId> = [value, key].into_iter().chain(gives).collect();
        let volatile = self.program.meta(value).volatile;
        let meta = NodeMeta {
            nullable: true,
            level: Level::Window,
            volatile,
            ..NodeMeta::constant(ty, span)
        };
        self.program.lookups.push(LookupSpec {
            tab,
            by_number: given_key.is_none(),
            matching,
            test,
        });
        let lookup = self.program.lookups.len() as u32 - 1;
        let node = self
            .program
            .add_node_with_args(|args| Ir::RowLookup { args, lookup }, &args, meta);
        if gives.is_none() && !self.has_row_order(tab) {
            // Only INDEX can use the row that MATCH finds. Other uses of the row number are reported, because the rows
            // have no order.
            self.contains_markers = true;
            self.lookups_without_order.insert(node, function);
        }
        Some(node)
    }

    /// Builds a condition that is true if a key matches the value to find.
    fn build_key_test(
        &mut self,
        value: IrId,
        key: IrId,
        matching: LookupMatchMode,
        function: &Function,
    ) -> Option<IrId> {
        let (a, b) = (self.program.meta(value), self.program.meta(key));
        let span = a.span;
        if matching == LookupMatchMode::Pattern {
            let Ir::Text(text) = self.program.node(value) else {
                self.report_non_constant(value, function.name, "key", "XLOOKUP(\"north*\", A:A, B:B, 0, 2)");
                return None;
            };
            if !matches!(b.ty, Type::Text | Type::Unknown | Type::Other) {
                self.report_type_mismatch(a, b, function);
                return None;
            }
            return Some(self.build_wildcard_match(key, text, span));
        }
        let is_known = |ty: Type| !matches!(ty, Type::Unknown | Type::Other);
        let alike = (a.ty.is_number() && b.ty.is_number())
            || (a.ty.is_temporal() && b.ty.is_temporal())
            || (b.ty.is_temporal() && matches!(self.program.node(value), Ir::Text(_)))
            || a.ty == b.ty;
        if is_known(a.ty) && is_known(b.ty) && !alike {
            self.report_type_mismatch(a, b, function);
            return None;
        }
        let (entry, pair) = match matching {
            LookupMatchMode::Below => (internal::LESS_EQUAL, [key, value]),
            LookupMatchMode::Above => (internal::GREATER_EQUAL, [key, value]),
            // Put the constant on the right-hand side of the comparison.
            LookupMatchMode::Exact | LookupMatchMode::Pattern if a.level == Level::Const => {
                (internal::EQUAL, [key, value])
            }
            LookupMatchMode::Exact | LookupMatchMode::Pattern | LookupMatchMode::Count => {
                (internal::EQUAL, [value, key])
            }
        };
        let test = self.add_scalar_call(entry, &pair, span, function.name);
        (!self.is_error(test)).then_some(test)
    }

    #[cold]
    fn report_type_mismatch(&mut self, value: NodeMeta, key: NodeMeta, function: &Function) {
        let [text, key_text] = [value.span, key.span].map(|span| self.source_text(span));
        let message = format!(
            "`{}` searches for `{text}`, which is {}, but `{key_text}` is {}",
            function.name,
            value.ty.describe(),
            key.ty.describe(),
        );
        let help = match (value.ty, key.ty) {
            (ty, Type::Text) if ty.is_number() => format!("convert the value to text: `{text} & \"\"`"),
            (Type::Text, ty) if ty.is_number() => format!("convert the value to a number: `VALUE({text})`"),
            _ => "search a column of the same type".to_owned(),
        };
        self.report(
            Diagnostic::new(Code::TypeMismatch, value.span, message)
                .with_secondary_label(key.span, "searched here")
                .with_help(help),
        );
    }

    /// Returns whether the rows in a tab or in the sheet have a sort order.
    fn has_row_order(&self, tab: Option<u32>) -> bool {
        match tab {
            None => self.scope.ordered,
            Some(tab) => {
                let tabs = self.scope.sheet.map_or(&[][..], |sheet| sheet.tabs.as_slice());
                tabs.get(tab as usize).is_some_and(|tab| tab.ordered)
            }
        }
    }

    /// Returns whether the rows in a tab or in the sheet have a sort order. Reports a missing order.
    fn check_row_order(&mut self, tab: Option<u32>, function: &Function, span: Span) -> bool {
        let Some(tab) = tab else {
            return self.has_order(function.name, span);
        };
        if self.has_row_order(Some(tab)) {
            return true;
        }
        let Some(tab) = self.scope.sheet.and_then(|sheet| sheet.tabs.get(tab as usize)) else {
            return false;
        };
        let message = format!(
            "`{}` counts rows, but the rows of `{}` have no order",
            function.name, tab.name
        );
        let column = tab.columns.first().map_or("…", |column| column.name());
        let help = format!("add `order_by` to the tab, with `{column}` or another column that orders its rows");
        self.report(Diagnostic::new(Code::OrderNeeded, span, message).with_help(help));
        false
    }

    /// Reports the use of a row number if the rows have no sort order.
    #[cold]
    pub(in crate::check) fn report_row_number_without_order(&mut self, number: IrId, span: Span) -> IrId {
        let tab = match self.program.node(number) {
            Ir::RowLookup { lookup, .. } => self
                .program
                .lookups
                .try_get(lookup as usize)
                .and_then(|lookup| lookup.tab),
            _ => None,
        };
        if let Some(function) = self.lookups_without_order.get(&number).copied() {
            self.check_row_order(tab, function, span);
        }
        self.add_error(span)
    }
}
