//! Determines the kind of a promotion request: measures at a grain, row-level dimensions, or a saved query.

use super::omni_model::{OmniSavedQuery, queries_in_file};
use super::{PromotionError, PromotionRequest};
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::{OmniFieldKind, OmniReference, OmniRowSource, ParsedOmniModel, ParsedOmniView, ViewField};
use crate::span::Span;
use crate::yaml::Node;

/// Items to promote.
pub(super) enum RequestedContent<'m> {
    /// Measures, and the grain at which the measures are computed.
    Measures {
        view: usize,
        grain: Vec<OmniReference>,
        measures: Vec<String>,
    },
    /// Row-level dimensions, without grouping.
    Rows {
        view: usize,
        dimensions: Vec<OmniReference>,
    },
    Query {
        query: OmniSavedQuery<'m>,
        calculations: Option<Vec<String>>,
    },
}

/// Notes on choices that the request did not specify.
pub(super) type RequestNotes = Vec<String>;

pub(super) fn read<'m>(
    model: &'m ParsedOmniModel<'_>,
    file: usize,
    request: &PromotionRequest<'_>,
    number: usize,
) -> Result<(RequestedContent<'m>, RequestNotes), PromotionError> {
    let empty_request_error = |text: String, help: String| {
        (
            number,
            Diagnostic::new(Code::NothingToPromote, Span::default(), text).with_help(help),
        )
    };
    let mut queries = queries_in_file(model, file);
    let view = model
        .view_in_file(file)
        .and_then(|index| Some((index, model.views.get(index)?)));
    if let Some((index, of_view)) = view {
        let is_field = |name: &String| {
            let field = model.field(index, &OmniReference::read(name).field);
            field.is_some_and(is_computed_from_query)
        };
        if of_view.rows != OmniRowSource::Query || request.fields.iter().any(is_field) {
            return request_from_view(model, index, of_view, request, &empty_request_error);
        }
        let Some(query) = queries.into_iter().next() else {
            return Err(empty_request_error(
                "the query view has no query".to_owned(),
                "check the `query:` of the view".to_owned(),
            ));
        };
        return request_from_query_view(query, request, &empty_request_error);
    }
    let names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    let query_names = names
        .iter()
        .map(|name| format!("`{}:{name}`", request.file))
        .collect::<Vec<_>>()
        .join(", ");
    let query_name = match (request.fields.as_slice(), names.as_slice()) {
        (_, []) => {
            let text = format!("`{}` contains no view and no saved query", request.file);
            return Err(empty_request_error(
                text,
                "specify the file of a view, a query view, or a topic with `sample_queries`".to_owned(),
            ));
        }
        ([], [name]) => *name,
        ([], _) => {
            let text = format!(
                "`{}` has {} saved queries, but a spec is generated from a single query",
                request.file,
                names.len()
            );
            return Err(empty_request_error(
                text,
                format!("specify one of the queries: {query_names}"),
            ));
        }
        ([field], _) => field,
        _ => {
            let text = "pass only one saved query, because a spec is generated from a single query".to_owned();
            return Err(empty_request_error(text, "run the command once per query".to_owned()));
        }
    };
    let Some(index) = queries
        .iter()
        .position(|query| query.name.eq_ignore_ascii_case(query_name))
    else {
        let other = || format!("the saved queries are {query_names}");
        let help = suggest::similar_name_help_or(query_name, names.iter().copied(), other);
        return Err(empty_request_error(
            format!("there is no saved query `{query_name}` in `{}`", request.file),
            help,
        ));
    };
    let query = queries.swap_remove(index);
    Ok((
        RequestedContent::Query {
            query,
            calculations: None,
        },
        Vec::new(),
    ))
}

/// Returns whether a field of a query view computes values from the rows of the query.
pub(super) fn is_computed_from_query(field: &ViewField) -> bool {
    match field.kind {
        OmniFieldKind::Measure => true,
        OmniFieldKind::Dimension => !field.is_column(),
        OmniFieldKind::Filter => false,
    }
}

fn request_from_query_view<'m>(
    query: OmniSavedQuery<'m>,
    request: &PromotionRequest<'_>,
    empty_request_error: &dyn Fn(String, String) -> PromotionError,
) -> Result<(RequestedContent<'m>, RequestNotes), PromotionError> {
    if request.fields.is_empty() {
        return Ok((
            RequestedContent::Query {
                query,
                calculations: None,
            },
            Vec::new(),
        ));
    }
    let calculations: Vec<&str> = query
        .query
        .pairs_at("calculations")
        .iter()
        .filter_map(|(name, _)| name.text())
        .collect();
    let columns: Vec<&str> = fields_of_query(query.query)
        .into_iter()
        .filter_map(|(_, column)| column)
        .collect();
    for name in &request.fields {
        if !calculations
            .iter()
            .chain(&columns)
            .any(|known_name| known_name.eq_ignore_ascii_case(name))
        {
            let names = calculations.iter().chain(&columns).copied();
            let other = || format!("the columns are {}", calculations.join(", "));
            let help = suggest::similar_name_help_or(name, names, other);
            return Err(empty_request_error(format!("the query has no column `{name}`"), help));
        }
    }
    let note = "all columns of the query are kept because they define its rows".to_owned();
    Ok((
        RequestedContent::Query {
            query,
            calculations: Some(request.fields.clone()),
        },
        vec![note],
    ))
}

fn request_from_view<'m>(
    model: &ParsedOmniModel<'_>,
    index: usize,
    view: &ParsedOmniView,
    request: &PromotionRequest<'_>,
    empty_request_error: &dyn Fn(String, String) -> PromotionError,
) -> Result<(RequestedContent<'m>, RequestNotes), PromotionError> {
    let mut notes = Vec::new();
    let grain: Vec<OmniReference> = request.grain.iter().map(|name| OmniReference::read(name)).collect();
    let kind = |name: &str| model.field(index, name).map(|field| field.kind);
    let mut measures = Vec::new();
    let mut dimensions = Vec::new();
    for name in &request.fields {
        let reference = OmniReference::read(name);
        match kind(&reference.field) {
            Some(OmniFieldKind::Measure) => measures.push(reference.field),
            Some(OmniFieldKind::Dimension) => dimensions.push(reference),
            _ if model.is_ignored(index, &reference.field) => {
                return Err(empty_request_error(
                    format!(
                        "the field `{}` of the view `{}` is ignored in Omni",
                        reference.field, view.name
                    ),
                    "remove `ignored: true` from the field".to_owned(),
                ));
            }
            _ => {
                let names = view.named_fields().map(|field| field.name.as_str());
                let other = || {
                    format!(
                        "specify one of the fields {}",
                        names.clone().collect::<Vec<_>>().join(", ")
                    )
                };
                let help = suggest::similar_name_help_or(&reference.field, names.clone(), other);
                return Err(empty_request_error(
                    format!("the view `{}` has no field `{}`", view.name, reference.field),
                    help,
                ));
            }
        }
    }
    if request.fields.is_empty() {
        let of_kind = |field_kind: OmniFieldKind| {
            let fields = model.fields_in_file(index);
            fields.filter(move |field| field.kind == field_kind)
        };
        measures = of_kind(OmniFieldKind::Measure)
            .map(|field| field.name.clone())
            .collect();
        if measures.is_empty() {
            let computed = of_kind(OmniFieldKind::Dimension).filter(|field| !field.is_column());
            dimensions = computed.map(|field| OmniReference::read(&field.name)).collect();
            if dimensions.is_empty() {
                let text = format!("the view `{}` has no measures and no computed dimensions", view.name);
                return Err(empty_request_error(
                    text,
                    "the columns of the view are the columns of the table, so there is nothing to promote".to_owned(),
                ));
            }
            notes.push(all_items_note(dimensions.len(), "computed dimension", &view.name));
        } else {
            notes.push(all_items_note(measures.len(), "measure", &view.name));
        }
    }
    if measures.is_empty() && grain.is_empty() {
        return Ok((
            RequestedContent::Rows {
                view: index,
                dimensions,
            },
            notes,
        ));
    }
    let grain: Vec<OmniReference> = grain.into_iter().chain(dimensions).collect();
    Ok((
        RequestedContent::Measures {
            view: index,
            grain,
            measures,
        },
        notes,
    ))
}

/// Returns a note that the request contains all items of a view, such as its measures.
fn all_items_note(count: usize, item: &str, view: &str) -> String {
    match count {
        1 => format!("the only {item} of {view}"),
        count => format!("all {count} {item}s of {view}"),
    }
}

/// Returns the fields of a query in order, each with its column name if specified.
pub(super) fn fields_of_query(query: &Node) -> Vec<(&str, Option<&str>)> {
    let Some(fields) = query.get("fields") else {
        return Vec::new();
    };
    match (fields.pairs(), fields.items()) {
        (Some(pairs), _) => pairs
            .iter()
            .filter_map(|(name, column)| Some((name.text()?, column.text())))
            .collect(),
        (None, Some(items)) => items.iter().filter_map(|item| Some((item.text()?, None))).collect(),
        (None, None) => Vec::new(),
    }
}

/// Returns the sort keys of a query: each field, and whether the order is descending.
pub(super) fn query_sorts(query: &Node) -> Vec<(&str, bool)> {
    let sorts = query.items_at("sorts");
    sorts
        .iter()
        .filter_map(|node| {
            let name = node.get("field").or_else(|| node.get("column_name")).unwrap_or(node);
            Some((name.text()?, is_descending(node)))
        })
        .collect()
}

fn is_descending(sort: &Node) -> bool {
    ["desc", "sort_descending"].iter().any(|key| sort.is_true_at(key))
}
