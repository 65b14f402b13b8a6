//! Plans a promotion of a saved query.

use rustc_hash::FxHashSet;

use super::super::access::ViewAccess;
use super::super::misspellings::{QUERY_KEYS, VIEW_KEYS, misspelled_keys, undefined_field_note};
use super::super::names::to_snake_case;
use super::super::omni_model::OmniSavedQuery;
use super::super::request::{fields_of_query, is_computed_from_query, query_sorts};
use super::super::{PromotionError, PromotionRequest};
use super::view::{add_access_keys, is_measure};
use super::{PromotionPlan, QueryCalculation, SpecOutput, field_key};
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::{OmniFieldKind, OmniReference, OmniTopic, ParsedOmniModel, ViewField};
use crate::yaml::Node;

/// Keys of queries that a spec cannot express, with the explanation of each.
const UNCONVERTED_KEYS: [(&str, &str); 6] = [
    (
        "pivots",
        "the spec has one row per pivot column, and evaluates the calculations in each of these rows; to get columns \
         instead of rows, use `pivot_by`",
    ),
    (
        "bind",
        "Omni applies the filters of the outer query to the rows of this query, but a model has no outer query, so \
         these filters are dropped",
    ),
    (
        "bind_all_filters",
        "Omni applies the filters of the outer query to the rows of this query, but a model has no outer query, so \
         these filters are dropped",
    ),
    (
        "fill_fields",
        "formulac does not add the missing rows; add `fill: month`, or another period, to the spec",
    ),
    (
        "userEditedSQL",
        "the rows of the query come from edited SQL; write this SQL in a separate model",
    ),
    (
        "join_via_map",
        "formulac cannot convert the join path of the query, and uses the shortest path instead",
    ),
];

/// Part of the query that the spec does not contain: its YAML node, its name and the reason.
type QueryIssue<'m> = (&'m Node, String, String);

pub(super) fn plan_query_promotion<'m>(
    model: &'m ParsedOmniModel<'_>,
    query: OmniSavedQuery<'m>,
    selected_names: Option<&[String]>,
    request: &PromotionRequest<'_>,
    number: usize,
) -> Result<PromotionPlan<'m>, PromotionError> {
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
        .and_then(|name| Some((name.to_owned(), model.topic(name)?)));
    let base = find_base_view(model, node, topic.as_ref().map(|(_, topic)| *topic)).map_err(|fault| (number, fault))?;
    let (mut calculations, mut gaps) = read_calculations(node);
    let (mut outputs, omni_columns) = read_outputs(model, &model.view_reference_name(base), node, &mut calculations);
    if let Some(field_names) = selected_names {
        let is_named = |name: &str| {
            field_names
                .iter()
                .any(|field_name| field_name.eq_ignore_ascii_case(name))
        };
        let calculation_names = required_calculations(&calculations, &is_named);
        calculations.retain(|calculation| calculation_names.contains(&calculation.omni_name));
    }
    let topic_node = topic
        .as_ref()
        .and_then(|(_, topic)| Some(&model.files.get(topic.file)?.root));
    gaps.extend(unconverted_keys(node));
    gaps.extend(misspelled_keys(node, &QUERY_KEYS));
    if let Some(view_file) = model.files.get(file).filter(|_| is_view) {
        gaps.extend(misspelled_keys(&view_file.root, &VIEW_KEYS));
    }
    let (field_gaps, own_fields) = match model.view_in_file(file) {
        Some(view) if is_view => (
            fields_of_query_view(model, view, &name, request),
            columns_of_query_view(model, view),
        ),
        _ => Default::default(),
    };
    let sorts: Vec<(String, bool)> = query_sorts(node)
        .into_iter()
        .map(|(name, desc)| (name.to_owned(), desc))
        .collect();
    // The filters of topics do not apply to a query without a topic.
    let topic_name = topic.as_ref().map_or("", |(name, _)| name);
    let mut access = ViewAccess::find(model, base, Some(topic_name));
    access.add_topic_issues(model, topic_name);
    let fields = outputs.len();
    let mut notes = match request.drop_access {
        true => Vec::new(),
        false => add_access_keys(model, &model.view_reference_name(base), &access, &mut outputs, fields),
    };
    notes.extend(
        outputs
            .iter()
            .filter_map(|column| undefined_field_note(model, &column.key)),
    );
    // Omni computes calculations from the rows that the user can see, and separately for each column of a pivot, so
    // partition the calculations by the filtered fields and by the pivots.
    let filtered = access.filters.iter().map(|filter| filter.field.clone());
    let filtered = filtered.filter(|_| !request.drop_access);
    let pivots = node.texts_at("pivots");
    let pivots = pivots.iter().map(|name| OmniReference::read(name));
    let partitions: Vec<OmniReference> = filtered.chain(pivots).collect();
    let (is_unsorted, has_access_keys) = (sorts.is_empty(), outputs.len() > fields);
    let limit = match node.get("limit").filter(|limit| !limit.is_null()) {
        Some(_) if is_view => {
            notes.push("`limit` is dropped, because Omni also drops `limit` from query views".to_owned());
            None
        }
        Some(limit) => read_limit(limit, is_unsorted, has_access_keys, &mut gaps),
        None => None,
    };
    let promoted_from = match (&topic, is_view) {
        (_, true) => name.clone(),
        (Some((topic, _)), false) => format!("{topic}: {name}"),
        (None, false) => name.clone(),
    };
    // Source: https://docs.omni.co/modeling/query-views/parameters/default-group-by
    let is_ungrouped = node.get("default_group_by").and_then(Node::boolean) == Some(false);
    Ok(PromotionPlan {
        base,
        of_rows: is_ungrouped && !outputs.iter().any(|output| is_measure(model, output)),
        outputs,
        filters: read_filters(node, topic_node),
        calculation_filters: Vec::new(),
        conditions: topic_node.map(read_conditions).unwrap_or_default(),
        sorts,
        sorts_at: node.get("sorts"),
        limit,
        calculations,
        partitions,
        omni_columns,
        topic: topic.map(|(_, topic)| topic),
        file,
        name: request.name.clone().unwrap_or_else(|| to_snake_case(&name)),
        description: about.text_at("description").map(str::to_owned),
        promoted_from: Some(promoted_from),
        takes_over: false,
        gaps,
        field_gaps,
        own_fields,
        access,
        notes,
    })
}

/// Returns the limit of a query. If a spec cannot express the limit, adds a gap.
fn read_limit<'m>(
    limit: &'m Node,
    is_unsorted: bool,
    has_access_keys: bool,
    gaps: &mut Vec<QueryIssue<'m>>,
) -> Option<u64> {
    let reason = match (is_unsorted, has_access_keys) {
        (true, _) => super::UNSORTED_LIMIT,
        (false, true) => "the limit would apply to the rows of all users combined",
        (false, false) => match limit.text().and_then(|limit| limit.parse().ok()) {
            Some(rows) => return Some(rows),
            None => "the limit is not a number of rows",
        },
    };
    gaps.push((limit, "limit".to_owned(), reason.to_owned()));
    None
}

/// Returns the index of the query's base view, or of its topic's base view.
fn find_base_view(model: &ParsedOmniModel<'_>, query: &Node, topic: Option<&OmniTopic>) -> Result<usize, Diagnostic> {
    let text = |key: &str| query.text_at(key);
    let of_topic = || topic.map(|topic| topic.base_view.as_str());
    let name = text("base_view").or_else(|| text("table")).or_else(of_topic);
    if let Some(base) = name.and_then(|name| model.view(name)) {
        return Ok(base);
    }
    let span = query.get("base_view").unwrap_or(query).span;
    let text = match name {
        Some(name) => format!("there is no file for the view `{name}`, the base view of the query"),
        None => "the query does not specify its base view".to_owned(),
    };
    let near = name.and_then(|name| suggest::nearest_name(name, model.views.iter().map(|view| view.name.as_str())));
    let help = near.map_or_else(
        || "add `base_view`, and the file of that view".to_owned(),
        suggest::similar_name_help,
    );
    Err(Diagnostic::new(Code::NothingToPromote, span, text).with_help(help))
}

fn read_calculations(query: &Node) -> (Vec<QueryCalculation<'_>>, Vec<QueryIssue<'_>>) {
    let (mut calculations, mut gaps) = (Vec::new(), Vec::new());
    for (name_node, calculation) in query.pairs_at("calculations") {
        let Some(omni_name) = name_node.text() else { continue };
        let sql = calculation.get("sql").unwrap_or(calculation).text();
        match sql {
            Some(sql) => calculations.push(QueryCalculation {
                omni_name: omni_name.to_owned(),
                name: to_snake_case(omni_name),
                sql,
                node: calculation,
                at: name_node,
            }),
            None => gaps.push((
                name_node,
                omni_name.to_owned(),
                "formulac cannot convert a calculation without `sql`".to_owned(),
            )),
        }
    }
    (calculations, gaps)
}

/// Returns the output columns of a query, and the names of all its columns and calculations in the order of their
/// letters. The names and the order of the calculations are taken from the query's field list. Calculations that are
/// missing from the list come last.
fn read_outputs(
    model: &ParsedOmniModel<'_>,
    base: &str,
    query: &Node,
    calculations: &mut [QueryCalculation<'_>],
) -> (Vec<SpecOutput>, Vec<String>) {
    let mut outputs = Vec::new();
    let mut places: Vec<(usize, String)> = Vec::new();
    for (index, (field, column)) in fields_of_query(query).into_iter().enumerate() {
        if let Some(calculation) = calculations
            .iter_mut()
            .find(|calculation| calculation.omni_name.eq_ignore_ascii_case(field))
        {
            places.push((index, calculation.omni_name.clone()));
            if let Some(column) = column {
                calculation.name = to_snake_case(column);
            }
            continue;
        }
        let reference = OmniReference::read(field);
        let key = field_key(model, base, &reference);
        outputs.push(SpecOutput {
            reference,
            key,
            requested_name: column.map(to_snake_case),
        });
    }
    calculations.sort_by_key(|calculation| {
        places
            .iter()
            .find(|(_, name)| *name == calculation.omni_name)
            .map_or(usize::MAX, |place| place.0)
    });
    let field_names = fields_of_query(query).into_iter().map(|(field, _)| field.to_owned());
    let unlisted = calculations
        .iter()
        .skip(places.len())
        .map(|calculation| calculation.omni_name.clone());
    (outputs, field_names.chain(unlisted).collect())
}

/// Returns the filters of a query and its topic, each with the YAML nodes of the filter and of the filter's name.
fn read_filters<'m>(query: &'m Node, topic: Option<&'m Node>) -> Vec<(OmniReference, &'m Node, &'m Node)> {
    let of_topic = |key: &str| topic.and_then(|topic| topic.get(key));
    [
        query.get("filters"),
        of_topic("always_where_filters"),
        of_topic("always_having_filters"),
    ]
    .into_iter()
    .flatten()
    .flat_map(|filters| filters.pairs().unwrap_or_default())
    .filter_map(|(name, filter)| Some((OmniReference::read(name.text()?), filter, name)))
    .collect()
}

/// Returns the SQL conditions of a topic. The flag is `true` for conditions on groups.
fn read_conditions(topic: &Node) -> Vec<(&str, &Node, bool)> {
    [("always_where_sql", false), ("always_having_sql", true)]
        .into_iter()
        .filter_map(|(key, of_groups)| {
            let node = topic.get(key)?;
            Some((node.text()?, node, of_groups))
        })
        .collect()
}

fn unconverted_keys(query: &Node) -> impl Iterator<Item = QueryIssue<'_>> {
    let is_set = |node: &&Node| node.boolean() != Some(false) && !node.items().is_some_and(<[Node]>::is_empty);
    UNCONVERTED_KEYS
        .into_iter()
        .filter_map(move |(key, why)| Some((query.get(key).filter(is_set)?, key.to_owned(), why.to_owned())))
}

/// Returns the fields of a query view that are computed from the rows of the query.
fn fields_of_query_view<'m>(
    model: &'m ParsedOmniModel<'_>,
    view: usize,
    name: &str,
    request: &PromotionRequest<'_>,
) -> Vec<QueryIssue<'m>> {
    model
        .fields_in_file(view)
        .filter(|field| is_computed_from_query(field))
        .map(|field| {
            let reason = format!(
                "the field reads the rows of this query; promote it after this model with `formulac promote {}:{}`",
                request.file, field.name
            );
            (&field.at, format!("{name}.{}", field.name), reason)
        })
        .collect()
}

/// Returns the fields of a query view that show columns of the query.
fn columns_of_query_view<'m>(model: &'m ParsedOmniModel<'_>, view: usize) -> Vec<&'m ViewField> {
    model
        .fields_in_file(view)
        .filter(|field| field.kind == OmniFieldKind::Dimension && !is_computed_from_query(field))
        .collect()
}

/// Returns the names of the requested calculations and of the calculations on which they depend.
pub(super) fn required_calculations(
    calculations: &[QueryCalculation<'_>],
    is_named: &dyn Fn(&str) -> bool,
) -> FxHashSet<String> {
    let mut names: FxHashSet<String> = FxHashSet::default();
    let mut open: Vec<&QueryCalculation<'_>> = calculations
        .iter()
        .filter(|calculation| is_named(&calculation.omni_name) || is_named(&calculation.name))
        .collect();
    while let Some(calculation) = open.pop() {
        if names.insert(calculation.omni_name.clone()) {
            let lower = calculation.sql.to_lowercase();
            open.extend(
                calculations
                    .iter()
                    .filter(|other| lower.contains(&other.omni_name.to_lowercase())),
            );
        }
    }
    names
}
