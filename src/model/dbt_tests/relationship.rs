//! Rules with `found_in`. All values of a column must exist in another relation, as in dbt's `relationships` test.

use super::super::compile::SpecCompilation;
use super::super::load::{ReferencedColumn, SpecRule};
use super::TestedModel;
use super::equivalent_tests::{EquivalentTest, column};
use crate::Type;
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::{IrId, Program};
use crate::schema::Column;

impl SpecCompilation<'_> {
    /// Returns the checked column and the tests on it.
    ///
    /// # Errors
    ///
    /// Returns an error if the checked expression is not a column of the model, or if the other relation has no column
    /// with a matching name and type.
    pub(super) fn relationship_tests(
        &self,
        rule: &SpecRule<'_>,
        found_in: &ReferencedColumn<'_>,
        (program, root): (&Program, IrId),
        tested: &TestedModel<'_>,
    ) -> Result<(String, Vec<EquivalentTest>), Diagnostic> {
        let input_column = column(program, root)
            .and_then(|index| program.columns.try_get(index as usize))
            .ok_or_else(|| {
                let message = "`found_in` checks the values of a column, but this value is computed";
                Diagnostic::new(Code::WrongShape, rule.check.node.span, message)
                    .with_help("define the value as a column of the model, and use that column here")
            })?;
        let ours = tested.relation.column(&input_column.name);
        let name = ours.map_or(&*input_column.name, Column::name);
        let dialect = self.compiler.options.dialect;
        let field_name = found_in.field.map_or(name, |field| field.text);
        let relation = self.schema_relation(&found_in.to);
        let theirs = relation.and_then(|relation| relation.column(field_name));
        if let (Some(relation), None) = (relation.filter(|relation| !relation.is_marked_incomplete()), theirs) {
            return Err(self.report_missing_field(found_in, field_name, relation));
        }
        let types = [ours, theirs].map(|column| column.map_or(Type::Unknown, Column::ty));
        if are_never_equal(types) {
            let [ours, theirs] = types;
            let message = format!(
                "`{name}` is {}, but `{}.{field_name}` is {}, so their values never match",
                ours.describe(),
                found_in.to.name(),
                theirs.describe()
            );
            return Err(
                Diagnostic::new(Code::TypeMismatch, rule.check.span(self.source), message)
                    .with_help("use two columns of the same type"),
            );
        }
        let to = found_in
            .to
            .ref_call()
            .unwrap_or_else(|| found_in.to.display_name().into_owned());
        let field = theirs.map_or_else(|| dialect.name_text(field_name, true), |c| c.sql_name(dialect));
        let mut tests = vec![EquivalentTest::Relationships(to, field)];
        tests.extend(rule.nulls_fail.then_some(EquivalentTest::NotNull));
        Ok((name.to_owned(), tests))
    }

    fn report_missing_field(
        &self,
        found_in: &ReferencedColumn<'_>,
        field_name: &str,
        relation: &crate::schema::Relation,
    ) -> Diagnostic {
        let span = found_in.field.map_or(found_in.to_span, |field| field.span(self.source));
        let message = format!("`{}` has no column `{field_name}`", relation.name());
        let help = match suggest::nearest_name(field_name, relation.columns().iter().map(Column::name)) {
            Some(near) if found_in.field.is_some() => suggest::similar_name_help(near),
            Some(near) => format!("specify the column: `field: {near}`"),
            None => "specify the column in `field`".to_owned(),
        };
        Diagnostic::new(Code::UnknownName, span, message).with_help(help)
    }
}

/// Returns whether values of these types are never equal or cannot be compared.
fn are_never_equal([ours, theirs]: [Type; 2]) -> bool {
    let kind = |ty: Type| match ty {
        Type::Unknown | Type::Other => None,
        ty if ty.is_number() => Some(Type::Number),
        ty if ty.is_temporal() => Some(Type::Timestamp),
        ty => Some(ty),
    };
    kind(ours)
        .zip(kind(theirs))
        .is_some_and(|(ours, theirs)| ours != theirs)
}
