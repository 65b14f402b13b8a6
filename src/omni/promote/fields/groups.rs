//! Dimensions with `groups` and `bins`.

use super::super::calendar::OmniCalendar;
use super::super::filters::{self, FilteredValue};
use super::super::from_sql::ConvertedSql;
use super::super::term::FormulaTerm;
use crate::Type;
use crate::schema::ViewField;
use crate::yaml::Node;

/// Converts `groups`, which uses filters to assign values to named groups.
pub(super) fn convert_groups(
    converted: ConvertedSql,
    groups: &Node,
    field: &ViewField,
    calendar: OmniCalendar,
) -> Result<ConvertedSql, String> {
    let ConvertedSql {
        term,
        mut caveats,
        computes,
    } = converted;
    let tested = FilteredValue {
        term,
        is_temporal: false,
        calendar,
    };
    let mut args = Vec::new();
    for group in groups.items().unwrap_or_default() {
        let filter = group
            .get("filter")
            .ok_or("formulac cannot convert a group without `filter`")?;
        let name = group
            .text_at("name")
            .ok_or("formulac cannot convert a group without `name`")?;
        let condition = filters::convert_filter(&tested, filter)?;
        caveats.extend(condition.caveats);
        args.extend([condition.term, FormulaTerm::string_literal(name)]);
    }
    if args.is_empty() {
        return Err("`groups` contains no group".to_owned());
    }
    match field.text("else") {
        Some(otherwise) => args.extend([
            FormulaTerm::boolean_literal(true),
            FormulaTerm::string_literal(otherwise),
        ]),
        None => {
            caveats.push(
                "Omni's value for rows outside all groups is unknown if there is no `else`; the formula returns NULL"
                    .to_owned(),
            );
        }
    }
    let term = FormulaTerm::call("IFS", &args)
        .with_type(Some(Type::Text))
        .with_never_null(field.text("else").is_some());
    Ok(ConvertedSql {
        term,
        caveats,
        computes,
    })
}

/// Converts `bin_boundaries`. The bins have the same names as in Omni: `< 21`, `>= 21 and < 65`, `65 and above`.
pub(super) fn convert_bins(x: FormulaTerm, bounds: &Node) -> Result<FormulaTerm, String> {
    let bounds = bounds.texts();
    if bounds.is_empty() || !bounds.iter().all(|bound| filters::is_number(bound)) {
        return Err("`bin_boundaries` is not a list of numbers".to_owned());
    }
    let mut args = Vec::new();
    for (index, bound) in bounds.iter().enumerate() {
        let name = match index.checked_sub(1).and_then(|before| bounds.get(before)) {
            None => format!("< {bound}"),
            Some(before) => format!(">= {before} and < {bound}"),
        };
        args.extend([
            x.clone().compare_with("<", &filters::number_term(bound)),
            FormulaTerm::string_literal(&name),
        ]);
    }
    if let Some(last) = bounds.last() {
        args.push(x.compare_with(">=", &filters::number_term(last)));
        args.push(FormulaTerm::string_literal(&format!("{last} and above")));
    }
    Ok(FormulaTerm::call("IFS", &args).with_type(Some(Type::Text)))
}
