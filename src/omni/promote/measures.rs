//! Converts Omni's measures. Aggregates become formulas, and filters become conditions.

use super::fields::{FieldKey, FieldResolver};
use super::from_sql::ConvertedSql;
use super::misspellings::correct_spelling;
use super::term::FormulaTerm;
use crate::Type;
use crate::diag::lists::join_words;
use crate::schema::{OmniReference, ViewField, column_of_sql};
use crate::yaml::Node;

/// State for `…_distinct_on` aggregates, which aggregate one row per value of a key. The state exists only if all
/// measures are aggregates of this kind with the same key.
#[derive(Clone, Debug)]
pub(super) struct PerKeyAggregation {
    /// SQL expression of the key in Omni.
    pub sql: String,
    pub key: FormulaTerm,
    /// Names and formulas of the values that the step with one row per key computes.
    pub values: Vec<(String, String)>,
}

const DISTINCT_ON: [(&str, &str); 4] = [
    ("sum_distinct_on", "sum"),
    ("average_distinct_on", "average"),
    ("median_distinct_on", "median"),
    ("percentile_distinct_on", "percentile"),
];

/// Converts a measure. The flag is `true` if the result is a date or time.
pub(super) fn convert_measure(
    fields: &mut FieldResolver<'_, '_>,
    key: &FieldKey,
    field: &ViewField,
) -> Result<(ConvertedSql, bool), String> {
    if field.node.get("level_of_detail").is_some() {
        let why = "`level_of_detail` aggregates at another grain, so it needs a separate grouped step";
        return Err(why.to_owned());
    }
    let view = &key.0;
    let mut converted = match field.text("sql") {
        Some(sql) => Some(fields.convert_sql(view, Some(&key.1), sql)?),
        None => None,
    };
    let mut caveats = Vec::new();
    let mut computes = false;
    let x = converted.take().map(|converted| {
        caveats = converted.caveats;
        computes = converted.computes;
        converted.term
    });
    let condition = combine_filters(fields, view, field, &mut caveats)?;
    let kind = field.text("aggregate_type");
    let Some(kind) = kind else {
        let term = x.ok_or_else(|| missing_sql_reason(field))?;
        if condition.is_some() {
            return Err("`filters` are not supported for SQL that aggregates".to_owned());
        }
        let is_temporal = term.ty.is_some_and(Type::is_temporal);
        return Ok((
            ConvertedSql {
                term,
                caveats,
                computes,
            },
            is_temporal,
        ));
    };
    if x.as_ref().is_some_and(|x| x.aggregates) {
        return Err("both `sql` and `aggregate_type` aggregate, so the value would be aggregated twice".to_owned());
    }
    let distinct_on = DISTINCT_ON.iter().find(|(name, _)| *name == kind);
    let plain = distinct_on.map_or(kind, |(_, plain)| plain);
    let (x, condition) = match distinct_on {
        Some(_) => convert_distinct_on(fields, key, field, x, condition)?,
        None => (x, condition),
    };
    let repeats = distinct_on.is_none() && fields.joins.has_repeated_rows(view);
    if repeats && !matches!(plain, "count" | "count_distinct" | "min" | "max") {
        return Err(format!(
            "joins repeat the rows of `{view}`, and Omni compensates for this with the view's key; promote `{plain}` \
             from a query whose base view is `{view}`"
        ));
    }
    if plain == "count" && x.is_none() {
        return count_rows_term(fields, view, condition, caveats);
    }
    if plain == "count" && repeats {
        return Err(format!(
            "joins repeat the rows of `{view}`, so the values would be aggregated more than once"
        ));
    }
    let term = aggregate_term(plain, field, x, condition.as_ref(), &mut caveats)?;
    let is_temporal = term.ty.is_some_and(Type::is_temporal);
    Ok((
        ConvertedSql {
            term: term.into_aggregate(),
            caveats,
            computes,
        },
        is_temporal,
    ))
}

/// Returns the formula of an Omni aggregate over the rows that meet a condition.
fn aggregate_term(
    kind: &str,
    field: &ViewField,
    x: Option<FormulaTerm>,
    condition: Option<&FormulaTerm>,
    caveats: &mut Vec<String>,
) -> Result<FormulaTerm, String> {
    let need = || x.clone().ok_or(format!("`{kind}` needs `sql`"));
    let when = |x: FormulaTerm| match condition {
        Some(condition) => FormulaTerm::call("IF", &[condition.clone(), x]),
        None => x,
    };
    Ok(match kind {
        "count" => FormulaTerm::call("COUNT", &[when(need()?)])
            .with_type(Some(Type::Integer))
            .with_never_null(true),
        "count_distinct" => {
            let x = FormulaTerm::call("DISTINCT", &[when(need()?)]);
            FormulaTerm::call("COUNT", &[x])
                .with_type(Some(Type::Integer))
                .with_never_null(true)
        }
        "sum" | "average" => {
            let x = need()?;
            let ty = if kind == "sum" { x.ty } else { Some(Type::Float) };
            let name = if kind == "sum" { "SUM" } else { "AVERAGE" };
            let term = match condition {
                Some(condition) => FormulaTerm::call(&format!("{name}IF"), &[condition.clone(), x]),
                None => FormulaTerm::call(name, &[x]),
            };
            term.with_type(ty).with_never_null(kind == "sum")
        }
        "min" | "max" | "median" => {
            let x = need()?;
            let ty = if kind == "median" { Some(Type::Float) } else { x.ty };
            FormulaTerm::call(&kind.to_uppercase(), &[when(x)]).with_type(ty)
        }
        "percentile" => {
            let share = field.text("percentile").and_then(|text| text.parse::<f64>().ok());
            let share = share
                .filter(|share| (0.0..=100.0).contains(share))
                .ok_or("`percentile` is not a number from 0 to 100")?;
            let share = super::filters::number_term(
                format!("{:.12}", share / 100.0)
                    .trim_end_matches('0')
                    .trim_end_matches('.'),
            );
            FormulaTerm::call("PERCENTILE", &[when(need()?), share]).with_type(Some(Type::Float))
        }
        "list" => {
            caveats.push(
                "Omni does not document the order and separator of the list; here the values are sorted and \
                separated by `, `"
                    .to_owned(),
            );
            list_aggregate_term(when(need()?))
        }
        other => return Err(format!("the aggregate type `{other}` is unknown")),
    })
}

/// Returns a term for a string that lists all values. The string is NULL if there are no values.
fn list_aggregate_term(x: FormulaTerm) -> FormulaTerm {
    let list = FormulaTerm::call(
        "TEXTJOIN",
        &[
            FormulaTerm::string_literal(", "),
            FormulaTerm::boolean_literal(true),
            x.clone(),
        ],
    );
    let nothing = FormulaTerm::call("COUNT", &[x]).compare_with("=", &FormulaTerm::integer(0));
    FormulaTerm::call("IF", &[nothing, FormulaTerm::null(), list]).with_type(Some(Type::Text))
}

/// Combines all filters of a measure into one condition.
fn combine_filters(
    fields: &FieldResolver<'_, '_>,
    view: &str,
    field: &ViewField,
    caveats: &mut Vec<String>,
) -> Result<Option<FormulaTerm>, String> {
    let Some(filters) = field.node.get("filters").and_then(Node::pairs) else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    for (name, filter) in filters {
        let reference = OmniReference::read(name.text().unwrap_or_default());
        let key = fields.key(view, &reference);
        let condition = fields.convert_filter(&key, reference.frame.as_deref(), filter);
        let condition = condition.map_err(|reason| format!("the filter of `{}`: {reason}", reference.field))?;
        if condition.term.aggregates {
            return Err(format!("the filter of `{}` is on a measure", reference.field));
        }
        caveats.extend(condition.caveats);
        parts.push(condition.term);
    }
    Ok((!parts.is_empty()).then(|| FormulaTerm::combine_conditions("AND", parts)))
}

/// Counts the rows of a view. If joins may repeat or omit rows of the view, counts the view's primary keys instead.
pub(super) fn count_rows_term(
    fields: &FieldResolver<'_, '_>,
    view: &str,
    condition: Option<FormulaTerm>,
    caveats: Vec<String>,
) -> Result<(ConvertedSql, bool), String> {
    let repeats = fields.joins.has_repeated_rows(view);
    let is_base = !fields.joins.may_lack_match(view);
    let term = if is_base && !repeats {
        match condition {
            Some(condition) => FormulaTerm::call("COUNTIF", &[condition]),
            None => FormulaTerm::call("COUNT", &[]),
        }
    } else {
        let of_view = fields.view(view).and_then(|index| fields.model.views.get(index));
        let [key] = of_view.map(|view| view.key.as_slice()).unwrap_or_default() else {
            return Err(format!(
                "rows of `{view}` can be counted after a join only if the view has a primary key of one dimension"
            ));
        };
        let index = (view.to_owned(), key.to_lowercase());
        let field = fields.field(&index);
        // The primary key can be counted here only if it is a column.
        let column = field.filter(|field| field.is_column()).map(|field| {
            let column = field
                .text("sql")
                .and_then(column_of_sql)
                .map_or(field.name.clone(), |column_path| column_path.1);
            fields.table_column(view, &column).term
        });
        let key = column.ok_or_else(|| format!("the primary key of `{view}` is not a column"))?;
        let key = match condition {
            Some(condition) => FormulaTerm::call("IF", &[condition, key]),
            None => key,
        };
        let key = if repeats {
            FormulaTerm::call("DISTINCT", &[key])
        } else {
            key
        };
        FormulaTerm::call("COUNT", &[key])
    };
    let term = term
        .with_type(Some(Type::Integer))
        .with_never_null(true)
        .into_aggregate();
    Ok((
        ConvertedSql {
            term,
            caveats,
            computes: false,
        },
        false,
    ))
}

/// Converts a `…_distinct_on` aggregate. If the key of the aggregate is the view's own primary key and no join repeats
/// the rows, the arguments are returned unchanged. Otherwise, an additional step reduces the rows to one row per key.
fn convert_distinct_on(
    fields: &mut FieldResolver<'_, '_>,
    key: &FieldKey,
    field: &ViewField,
    x: Option<FormulaTerm>,
    condition: Option<FormulaTerm>,
) -> Result<(Option<FormulaTerm>, Option<FormulaTerm>), String> {
    let view = fields.view(&key.0).and_then(|index| fields.model.views.get(index));
    let key_columns = view.map(|view| view.key.as_slice()).unwrap_or_default();
    let sql = field.text("custom_primary_key_sql");
    let reference = sql.map(OmniReference::read);
    let is_own = match (&reference, key_columns) {
        (None, [_, ..]) => true,
        (Some(reference), [column]) => {
            reference.field.eq_ignore_ascii_case(column) && fields.key(&key.0, reference).0 == key.0
        }
        _ => false,
    };
    if is_own && !fields.joins.has_repeated_rows(&key.0) {
        return Ok((x, condition));
    }
    let sql = sql.ok_or("the measure needs `custom_primary_key_sql`, or a primary key of its view")?;
    let Some(per_key) = fields.per_key.clone().filter(|per_key| per_key.sql == sql) else {
        return Err(format!(
            "the measure aggregates one row per `{sql}`, which needs a separate step: promote the measure separately \
             from measures of other kinds"
        ));
    };
    let x = x.ok_or("the measure needs `sql`")?;
    let mut conditions = vec![per_key.key.clone().isblank_call().negate()];
    conditions.extend(condition.clone());
    let of_one = FormulaTerm::call("IF", &[FormulaTerm::combine_conditions("AND", conditions), x.clone()]);
    let formula = FormulaTerm::call("MAX", &[of_one]).text;
    let ty = x.ty;
    if let Some((name, _)) = per_key
        .values
        .iter()
        .find(|(_, other_formula)| *other_formula == formula)
    {
        return Ok((Some(FormulaTerm::atom(name).with_type(ty)), None));
    }
    let begin = if condition.is_some() {
        field.name.as_str()
    } else {
        x.text.as_str()
    };
    let name = fields
        .used_names
        .reserve(&[&format!("{}_once", super::names::to_snake_case(begin))]);
    if let Some(per_key) = &mut fields.per_key {
        per_key.values.push((name.clone(), formula));
    }
    Ok((Some(FormulaTerm::atom(name).with_type(ty)), None))
}

/// Returns the reason why a measure without `sql` and `aggregate_type` is not converted, with the misspelled keys.
fn missing_sql_reason(field: &ViewField) -> String {
    let pairs = field.node.pairs().unwrap_or_default().iter();
    let misspelled = pairs.filter_map(|(key, _)| {
        let name = key.text()?;
        Some(format!(
            "`{}` instead of `{name}`",
            correct_spelling(name, ["sql", "aggregate_type"])?
        ))
    });
    let misspelled: Vec<String> = misspelled.collect();
    let question = match misspelled.as_slice() {
        [] => String::new(),
        names => format!("; did you mean {}?", join_words(names, "and")),
    };
    format!("the measure has neither `sql` nor `aggregate_type`{question}")
}
