//! Fields of STRUCT columns, such as `device.category`.

use super::{NameTarget, Resolver};
use crate::Type;
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::{Column, Relation};
use crate::span::Span;
use formulac_syntax::diag::lists::join_names;
use formulac_syntax::lex::quote_formula_name;

impl Resolver<'_> {
    /// Resolves `device.category` or `events.device.category`, where `device` is a column. `None` if no such column is
    /// known.
    pub(in crate::check) fn resolve_struct_field(&mut self, view: Span, field: Span) -> Option<NameTarget> {
        let (scope, source) = (self.scope, self.source);
        let parts = view.text(source).split('.').chain([field.text(source)]);
        let path = parts.map(str::trim).collect::<Vec<_>>().join(".");
        let (first, rest) = path.split_once('.')?;
        let named_index = scope
            .relations
            .iter()
            .position(|relation| relation.name().eq_ignore_ascii_case(first));
        let (relations, path) = match named_index.filter(|_| rest.contains('.')) {
            Some(relation_index) => (relation_index..relation_index + 1, rest),
            None => (0..scope.relations.len(), path.as_str()),
        };
        // Without a schema, any name except that of the only relation must be a column.
        let is_similar = |relation: &Relation| suggest::nearest_name(first, [relation.name()]).is_some();
        let is_only_open = |relation: &Relation| {
            scope.relations.len() == 1 && relation.is_open() && (named_index.is_some() || !is_similar(relation))
        };
        let of_struct = relations.filter(|relation_index| {
            let relation = scope.relation(*relation_index);
            let is_listed = relation.position(path).is_some();
            is_listed || (scope.struct_fields && (may_have_field(relation, path) || is_only_open(relation)))
        });
        let indices: Vec<usize> = of_struct.collect();
        let full_span = view.to(field);
        match indices.as_slice() {
            [] => None,
            [relation_index] => Some(self.field_of_struct(*relation_index, path, full_span)),
            several => {
                let names: Vec<&str> = several
                    .iter()
                    .map(|relation_index| scope.relation(*relation_index).name())
                    .collect();
                let message = format!(
                    "`{path}` is ambiguous: it may be a field of a column of {}",
                    join_names(&names, "or")
                );
                let help = format!(
                    "specify the relation, for example `{}`",
                    quote_formula_name(&format!("{}.{path}", names.first().copied().unwrap_or_default()))
                );
                self.diagnostics
                    .push(Diagnostic::new(Code::AmbiguousName, full_span, message).with_help(help));
                Some(NameTarget::Error)
            }
        }
    }

    fn field_of_struct(&mut self, relation_index: usize, path: &str, span: Span) -> NameTarget {
        let relation = self.scope.relation(relation_index);
        if let Some(array) = prefixes(path).find(|prefix| relation.column(prefix).is_some_and(Column::is_array)) {
            let message = format!("`{array}` is an array, so a row may have several values of `{path}`");
            let help = format!(
                "select one element in a dbt model, as in `(select … from unnest({array}) where …) as name`, and use its column"
            );
            self.diagnostics
                .push(Diagnostic::new(Code::FieldOfArray, span, message).with_help(help));
            return NameTarget::Error;
        }
        if let Some(position) = relation.position(path) {
            let column = self.record_column_use(relation_index, position);
            return self.resolve_in_one_relation(column, span);
        }
        let head = prefixes(path).next().unwrap_or_default();
        let is_field = |name: &&str| {
            let start = name
                .get(..head.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(head));
            start && name[head.len()..].starts_with('.')
        };
        let fields: Vec<&str> = relation.columns().iter().map(Column::name).filter(is_field).collect();
        if !fields.is_empty() && !relation.is_marked_incomplete() {
            let message = format!("`{head}` has no field `{}`", &path[head.len() + 1..]);
            let other = || {
                format!(
                    "the fields are {}",
                    join_names(fields.get(..8).unwrap_or(&fields), "and")
                )
            };
            let near = suggest::nearest_name(path, fields.iter().copied());
            let help = near.map_or_else(other, suggest::similar_formula_name_help);
            self.diagnostics
                .push(Diagnostic::new(Code::UnknownName, span, message).with_help(help));
            return NameTarget::Error;
        }
        NameTarget::Column(self.record_possible_column_use(relation, path, span))
    }

    /// Returns the help for `device.category` if there is neither a relation nor a column `device`.
    pub(in crate::check) fn help_for_unknown_relation(
        &self,
        view: &str,
        field: &str,
        relation_names: &[&str],
    ) -> String {
        let mut relations = self.scope.relations.iter();
        let owner = relations.find(|relation| relation.position(field).is_some());
        let suggestion = match owner {
            Some(owner) => suggest::similar_formula_name_help(&format!("{}.{field}", owner.name())),
            None => format!(
                "add `{view}` to `joins` in a spec, or use a column of {}",
                join_names(relation_names.get(..8).unwrap_or(relation_names), "and")
            ),
        };
        let mut open = self
            .scope
            .relations
            .iter()
            .filter(|relation| relation.may_have_unlisted_columns());
        match open.next() {
            Some(relation) if self.scope.struct_fields => format!(
                "{suggestion}{} If `{view}` is a STRUCT column of `{}`, add a column `{view}.{field}` to its columns in a properties \
                 file or schema file, or run `dbt docs generate`",
                if suggestion.ends_with('?') { "" } else { "." },
                relation.name()
            ),
            _ => suggestion,
        }
    }
}

/// Returns whether a relation has a column that may be a STRUCT with this field.
fn may_have_field(relation: &Relation, path: &str) -> bool {
    let head = prefixes(path).next().and_then(|head| relation.column(head));
    head.is_some_and(|column| matches!(column.ty(), Type::Other | Type::Unknown))
}

/// Returns the parts of a path before each dot: `a` and `a.b` for `a.b.c`.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('.').filter_map(|(offset, _)| path.get(..offset))
}
