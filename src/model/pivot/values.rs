//! Values of a pivot's key for which the wide form has columns.

use crate::Type;
use crate::check::is_iso_date;
use crate::compile::{SpecCompilation, StepToCompile};
use crate::diag::{Code, Diagnostic};
use crate::emit::{EmitBuffers, Emitter};
use crate::ir::{Ir, IrId, NodeMeta, Program};
use crate::load::SpannedText;
use crate::plan::snake_case;
use crate::schema::Column;
use crate::span::Span;
use crate::sql::{Item, RowPlan, SqlId, SqlTree};
use crate::worksheet::pivot_keys;

/// Value of a pivot column.
#[derive(Debug)]
pub struct PivotValue {
    /// Literal for conditions.
    pub sql: SqlId,
    /// Literal for a column, with a type if the dialect cannot infer it.
    column: SqlId,
    /// Text for column names.
    pub text: String,
    pub name: String,
}

impl SpecCompilation<'_> {
    /// Returns the values for which the wide form has columns, and reports errors in them.
    pub(crate) fn pivot_values(
        &self,
        work: &StepToCompile<'_>,
        program: &mut Program,
        emit: &mut EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<PivotValue> {
        let (step, relation) = (work.step, work.rows.relation);
        let Some(pivot) = step.sheet.as_ref().and_then(|sheet| sheet.pivot.as_ref()) else {
            return Vec::new();
        };
        let Some(value_texts) = &pivot.values else {
            return Vec::new();
        };
        let unfit = |span: Span, message: &str, help: &str| {
            Diagnostic::new(Code::UnfitForPivot, span, message.to_owned()).with_help(help)
        };
        if value_texts.is_empty() {
            let help = "list the values, for example `values: [web, shop]`, or remove `values` for the long form";
            diagnostics.push(unfit(pivot.values_span, "`values` is empty", help));
        }
        if let [_, second, ..] = pivot.columns.as_slice() {
            let message = "`values` needs a single key, but the pivot has several";
            let help =
                "combine the keys in an earlier step, for example `channel_and_region = channel & \" \" & region`";
            diagnostics.push(unfit(second.span(self.source), message, help));
            return Vec::new();
        }
        let key = pivot_keys(step).first().cloned().unwrap_or_default();
        let ty = relation
            .and_then(|relation| relation.column(&key))
            .map_or(Type::Unknown, Column::ty);
        let mut nodes: Vec<(IrId, String)> = Vec::new();
        for value in value_texts {
            match convert_value(program, value, ty) {
                Some(node) => nodes.push((node, value.text.to_owned())),
                None => {
                    let message = format!(
                        "the values of `{key}` have the type {}, but `{}` has another type",
                        ty.name(),
                        value.text
                    );
                    diagnostics.push(unfit(
                        value.span(self.source),
                        &message,
                        "write values of the key, such as `[2023, 2024]` or `[2024-01-31]`",
                    ));
                }
            }
        }
        let options = &self.compiler.options;
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, emit);
        let mut values: Vec<PivotValue> = Vec::new();
        for ((node, text), value) in nodes.into_iter().zip(value_texts) {
            emitter.emit(node);
            let name = to_name_part(&text);
            if values.iter().any(|other| other.name == name) {
                let message = format!("`{text}` and another value would have the same column names, `…_{name}`");
                diagnostics.push(unfit(
                    value.span(self.source),
                    &message,
                    "list each value only once; if two values differ only in special characters, rename one of \
                        them in an earlier step",
                ));
                continue;
            }
            values.push(PivotValue {
                sql: emitter.emitted_sql(node),
                column: emitter.emit_root(node),
                text,
                name,
            });
        }
        values
    }
}

/// Returns a select with one numbered row per pivot value.
pub(super) fn pivot_value_rows(tree: &mut SqlTree, values: &[PivotValue], key: &str, number_name: &str) -> RowPlan {
    RowPlan::union_all(values.iter().enumerate().map(|(index, value)| {
        let number = tree.add_raw_text(&(index + 1).to_string());
        RowPlan::values([Item::named(value.column, key), Item::named(number, number_name)])
    }))
}

/// Converts a pivot value to the type of the key. If this type is unknown, the value has the type that it has in YAML.
/// Returns `None` if the value cannot have the type.
fn convert_value(program: &mut Program, value: &SpannedText<'_>, ty: Type) -> Option<IrId> {
    let text = value.text;
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite)
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    let ty = match ty {
        Type::Unknown if value.node.is_quoted() => Type::Text,
        Type::Unknown if is_number => Type::Integer,
        Type::Unknown if value.node.boolean().is_some() => Type::Boolean,
        Type::Unknown if is_iso_date(text) => Type::Date,
        Type::Unknown => Type::Text,
        ty => ty,
    };
    let meta = NodeMeta::constant(ty, Span::default());
    let slice = program.add_text(text);
    let node = match ty {
        Type::Text => Ir::Text(slice),
        Type::Boolean => match text {
            _ if text.eq_ignore_ascii_case("true") => Ir::Bool(true),
            _ if text.eq_ignore_ascii_case("false") => Ir::Bool(false),
            _ => return None,
        },
        Type::Date => {
            let mut parts = text.splitn(3, '-').map(str::parse::<u32>);
            let (Some(Ok(_)), Some(Ok(1..=12)), Some(Ok(1..=31))) = (parts.next(), parts.next(), parts.next()) else {
                return None;
            };
            Ir::Date(slice)
        }
        ty if ty.is_number() && is_number => Ir::Number(slice),
        _ => return None,
    };
    Some(program.add(node, meta))
}

/// Converts a value to a part of a column name, for example `Web shop` to `web_shop`.
fn to_name_part(text: &str) -> String {
    let name = snake_case(text);
    if name.is_empty() { "blank".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use crate::Compiler;

    #[test]
    fn values_of_an_unknown_type_have_the_type_of_yaml() {
        for (values, expected) in [
            ("[true, false]", "true as k"),
            ("[2024-01-31]", "date '2024-01-31' as k"),
            ("[1, 2]", "1 as k"),
            ("[\"true\", web]", "'true' as k"),
            ("[\"2024-01-31\"]", "'2024-01-31' as k"),
        ] {
            let spec = format!("model: m\nfrom: t\ncolumns: [d, k, x]\npivot_by: k\nvalues: {values}\norder_by: d\n");
            let compiled = Compiler::default().compile_spec(&spec);
            let sql = compiled.query().unwrap_or_default();
            assert!(sql.contains(expected), "{values}: {sql}");
        }
    }

    #[test]
    fn texts_in_columns_have_a_type_if_the_dialect_needs_it() {
        let spec = "model: m\nfrom: t\ncolumns: [d, k, x]\npivot_by: k\nvalues: [web]\norder_by: d\n";
        let compiler = Compiler::builder().dialect("redshift".parse().unwrap()).build();
        let compiled = compiler.compile_spec(spec);
        let sql = compiled.query().unwrap_or_default();
        assert!(
            sql.contains("cast('web' as varchar) as k") && sql.contains("when k = 'web' then"),
            "{sql}"
        );
    }
}
