//! Plans a promotion of a saved query.

use rustc_hash::FxHashSet;

use super::super::access::ViewAccess;
use super::super::names::to_snake_case;
use super::super::omni_model::{OmniReference, OmniSavedQuery, ParsedOmniModel};
use super::super::request::{is_computed, query_fields, query_sorts};
use super::super::{PromoteFault, Request};
use super::{Calculation, PromotionPlan, SpecOutput, field_key};
use crate::diag::{Code, Diagnostic, suggest};
use crate::yaml::Node;

#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
pub(super) fn plan_query_promotion<'m>(
    model: &'m ParsedOmniModel<'_>,
    query: OmniSavedQuery<'m>,
    chosen: Option<&[String]>,
    request: &Request,
    number: usize,
) -> Result<PromotionPlan<'m>, PromoteFault> {
    let OmniSavedQuery {
        name,
        file,
        query: node,
        about,
        topic,
        is_view,
    } = query;
    let topic = topic
        .as_deref()
        .and_then(|name| Some((name.to_owned(), &model.topic(name)?.root)));
    let text = |key: &str| node.get(key).and_then(Node::text);
    let base_name = text("base_view")
        .or_else(|| text("table"))
        .or_else(|| topic.as_ref()?.1.get("base_view")?.text())
        .map(str::to_owned)
        .or_else(|| topic.as_ref().map(|(name, _)| name.clone()));
    let base = base_name.as_deref().and_then(|name| model.view(name));
    let Some(base) = base else {
        let span = node.get("base_view").unwrap_or(node).span;
        let text = match &base_name {
            Some(name) => format!("there is no file for the view `{name}`, the base view of the query"),
            None => "the query does not specify its base view".to_owned(),
        };
        let fault = Diagnostic::new(Code::NothingToPromote, span, text);
        let near = base_name
            .as_deref()
            .and_then(|name| suggest::nearest_name(name, model.views.iter().map(|view| view.name.as_str())));
        let help = near.map_or_else(
            || "add `base_view`, and the file of that view".to_owned(),
            suggest::similar_name_help,
        );
        return Err((number, fault.with_help(help)));
    };
    let own = model.name_of(base);
    let mut gaps = Vec::new();
    let mut calculations = Vec::new();
    for (at, calculation) in node.get("calculations").and_then(Node::pairs).unwrap_or_default() {
        let Some(omni_name) = at.text() else { continue };
        let sql = calculation.get("sql").unwrap_or(calculation).text();
        match sql {
            Some(sql) => calculations.push(Calculation {
                omni_name: omni_name.to_owned(),
                name: to_snake_case(omni_name),
                sql,
                node: calculation,
                at,
            }),
            None => gaps.push((
                at,
                omni_name.to_owned(),
                "a calculation without `sql` is not converted".to_owned(),
            )),
        }
    }
    let mut outputs = Vec::new();
    let mut places: Vec<(usize, String)> = Vec::new();
    let mut letters_fit = true;
    for (place, (field, column)) in query_fields(node).into_iter().enumerate() {
        if let Some(calculation) = calculations
            .iter_mut()
            .find(|calculation| calculation.omni_name.eq_ignore_ascii_case(field))
        {
            places.push((place, calculation.omni_name.clone()));
            if let Some(column) = column {
                calculation.name = to_snake_case(column);
            }
            continue;
        }
        letters_fit &= places.is_empty();
        let reference = OmniReference::read(field);
        let key = field_key(model, &own, &reference);
        outputs.push(SpecOutput {
            reference,
            key,
            asked: column.map(to_snake_case),
        });
    }
    // Sort the calculations by their position in the field list. Calculations that are missing from the list come last.
    calculations.sort_by_key(|it| {
        places
            .iter()
            .find(|(_, name)| *name == it.omni_name)
            .map_or(usize::MAX, |it| it.0)
    });
    if let Some(chosen) = chosen {
        let is_named = |name: &str| chosen.iter().any(|it| it.eq_ignore_ascii_case(name));
        let needed = needed_calculations(&calculations, &is_named);
        calculations.retain(|it| needed.contains(&it.omni_name));
    }
    let mut filters: Vec<(OmniReference, &Node, &Node)> = Vec::new();
    let mut conditions = Vec::new();
    let mut add_filters = |of: Option<&'m Node>| {
        for (name, filter) in of.and_then(Node::pairs).unwrap_or_default() {
            filters.extend(name.text().map(|text| (OmniReference::read(text), filter, name)));
        }
    };
    add_filters(node.get("filters"));
    if let Some((_, topic)) = &topic {
        add_filters(topic.get("always_where_filters"));
        add_filters(topic.get("always_having_filters"));
        for (key, of_groups) in [("always_where_sql", false), ("always_having_sql", true)] {
            conditions.extend(topic.get(key).and_then(|node| Some((node.text()?, node, of_groups))));
        }
        for key in ["access_filters", "required_access_grants"] {
            gaps.extend(topic.get(key).map(|node| {
                (
                    node,
                    key.to_owned(),
                    "only Omni controls who may see which rows; in dbt, use `access`, `group` and warehouse grants"
                        .to_owned(),
                )
            }));
        }
    }
    for (key, why) in [
        (
            "pivots",
            "the spec does not contain the query's pivot; use `pivot_by` in a worksheet instead",
        ),
        (
            "bind",
            "filters on the current user are possible only in a query, because a model has no current user",
        ),
        (
            "bind_all_filters",
            "filters on the current user are possible only in a query, because a model has no current user",
        ),
        (
            "fill_fields",
            "missing rows are not added; use a model of dates and a left join",
        ),
        (
            "join_via_map",
            "the join path of the query is not converted; the shortest path is used",
        ),
    ] {
        let is_set = |node: &&Node| node.boolean() != Some(false) && !node.items().is_some_and(<[Node]>::is_empty);
        gaps.extend(
            node.get(key)
                .filter(is_set)
                .map(|node| (node, key.to_owned(), why.to_owned())),
        );
    }
    let mut field_gaps = Vec::new();
    if is_view && let Some(view) = model.view_in_file(file) {
        let names = model
            .views
            .get(view)
            .map(|view| view.order.as_slice())
            .unwrap_or_default();
        let fields = names.iter().filter_map(|name| model.field(view, name));
        field_gaps.extend(fields.filter(|field| is_computed(field)).map(|field| {
            let reason = format!(
                "the field reads the rows of this query; promote it after this model with `formulac promote {}:{}`",
                request.file, field.name
            );
            (&field.at, format!("{name}.{}", field.name), reason)
        }));
    }
    let mut notes = Vec::new();
    let limit = text("limit").and_then(|text| text.parse().ok());
    let sorts: Vec<(String, bool)> = query_sorts(node)
        .into_iter()
        .map(|(name, desc)| (name.to_owned(), desc))
        .collect();
    let limit = match limit {
        Some(_) if is_view => {
            notes.push("`limit` is dropped, because Omni also drops `limit` from query views".to_owned());
            None
        }
        Some(_) if sorts.is_empty() => {
            notes.push("`limit` is dropped, because without sorts it would keep arbitrary rows".to_owned());
            None
        }
        limit => limit,
    };
    let description = about.get("description").and_then(Node::text).map(str::to_owned);
    let promoted_from = match (&topic, is_view) {
        (_, true) => name.clone(),
        (Some((topic, _)), false) => format!("{topic}: {name}"),
        (None, false) => name.clone(),
    };
    let mut model_name = to_snake_case(&name);
    if let Some(asked) = &request.name {
        model_name.clone_from(asked);
    }
    Ok(PromotionPlan {
        base,
        outputs,
        of_rows: false,
        filters,
        conditions,
        sorts,
        sorts_at: node.get("sorts"),
        limit,
        calculations,
        letters_fit,
        topic: topic.map(|(_, node)| node),
        file,
        name: model_name,
        description,
        promoted_from: Some(promoted_from),
        takes_over: false,
        gaps,
        field_gaps,
        access: ViewAccess::default(),
        notes,
    })
}

/// Returns the names of the requested calculations and of the calculations on which they depend.
pub(super) fn needed_calculations(
    calculations: &[Calculation<'_>],
    is_named: &dyn Fn(&str) -> bool,
) -> FxHashSet<String> {
    let mut found: FxHashSet<String> = FxHashSet::default();
    let mut open: Vec<&Calculation<'_>> = calculations
        .iter()
        .filter(|it| is_named(&it.omni_name) || is_named(&it.name))
        .collect();
    while let Some(calculation) = open.pop() {
        if found.insert(calculation.omni_name.clone()) {
            let lower = calculation.sql.to_lowercase();
            open.extend(
                calculations
                    .iter()
                    .filter(|other| lower.contains(&other.omni_name.to_lowercase())),
            );
        }
    }
    found
}
