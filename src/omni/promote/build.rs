//! Builds the spec for a promotion request: outputs, filters, order and calculations. The spec is then compiled.

use rustc_hash::{FxHashMap, FxHashSet};

use super::calculations::{self, CalculationSheet, reference_name};
use super::fields::{FieldKey, FieldResolver, apply_timeframe, display_settings, is_column, one_line};
use super::joins::Joins;
use super::measures::PerKey;
use super::names::to_snake_case;
use super::omni_model::{OmniReference, OmniSavedQuery, OmniSource, QueryRows, find_references};
use super::request::{self, PromoteRequest, query_fields, query_sorts};
use super::spec_text::{self, SheetColumn, SpecJoin, SpecLine, SpecSource, SpecStep};
use super::{PromoteFault, PromoteGap, PromotedField, Promotion, Request};
use crate::calendar::Weekday;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic, suggest};
use crate::schema::Schema;
use crate::span::Span;
use crate::yaml::Node;

/// Maximum number of rounds for removing definitions with compile errors. Each round removes all definitions that have
/// errors.
const MAX_ROUNDS: usize = 16;

/// Output column.
struct SpecOutput {
    reference: OmniReference,
    key: FieldKey,
    /// Requested name of the column.
    asked: Option<String>,
}

/// Calculation of a query.
struct Calculation<'m> {
    omni_name: String,
    name: String,
    sql: &'m str,
    node: &'m Node,
    at: &'m Node,
}

/// Normalized content of a promotion request.
struct BuildPlan<'m> {
    base: usize,
    outputs: Vec<SpecOutput>,
    /// Whether the spec adds columns to the rows without grouping them.
    of_rows: bool,
    filters: Vec<(OmniReference, &'m Node, &'m Node)>,
    /// SQL conditions. Each entry contains the text, the YAML node of the key, and whether the condition applies to
    /// groups.
    conditions: Vec<(&'m str, &'m Node, bool)>,
    sorts: Vec<(String, bool)>,
    /// YAML node of the sort keys.
    sorts_at: Option<&'m Node>,
    limit: Option<u64>,
    calculations: Vec<Calculation<'m>>,
    /// Whether all columns precede the calculations in Omni, as in the spec, so that the column letters are the same.
    letters_fit: bool,
    topic: Option<&'m Node>,
    file: usize,
    name: String,
    description: Option<String>,
    promoted_from: Option<String>,
    /// Whether the spec records the fields from which it was promoted.
    takes_over: bool,
    gaps: Vec<(&'m Node, String, String)>,
    notes: Vec<String>,
}

pub(super) fn build_promotion(
    files: &[(String, String)],
    request: &Request,
    compiler: &Compiler,
) -> Result<Promotion, PromoteFault> {
    let (model, faults) = OmniSource::read(files);
    let Some(number) = files.iter().position(|(path, _)| *path == request.file) else {
        let text = format!("there is no file `{}` among those of the Omni model", request.file);
        return Err((0, Diagnostic::new(Code::NothingToPromote, Span::default(), text)));
    };
    if let Some(fault) = faults.into_iter().find(|(at, _)| *at == number) {
        return Err(fault);
    }
    let Some(file) = model.files.iter().position(|file| file.path == request.file) else {
        let text = format!("`{}` is empty", request.file);
        return Err((number, Diagnostic::new(Code::NothingToPromote, Span::default(), text)));
    };
    let (asked, notes) = request::read(&model, file, request, number)?;
    let mut plan = plan_build(&model, asked, file, request, number)?;
    plan.notes.splice(0..0, notes);
    SpecBuilder::new(&model, compiler, request, plan).run()
}

fn plan_build<'m>(
    model: &'m OmniSource<'_>,
    asked: PromoteRequest<'m>,
    file: usize,
    request: &Request,
    number: usize,
) -> Result<BuildPlan<'m>, PromoteFault> {
    match asked {
        PromoteRequest::Measures { view, grain, measures } => {
            let of_grain = grain.into_iter();
            let of_measures = measures.into_iter().map(|field| OmniReference {
                view: None,
                field,
                frame: None,
            });
            let references: Vec<OmniReference> = of_grain.chain(of_measures).collect();
            Ok(build_view(model, view, file, references, false))
        }
        PromoteRequest::Rows { view, dimensions } => Ok(build_view(model, view, file, dimensions, true)),
        PromoteRequest::Query { query, calculations } => {
            build_query(model, query, calculations.as_deref(), request, number)
        }
    }
}

fn build_view<'m>(
    model: &'m OmniSource<'_>,
    view: usize,
    file: usize,
    references: Vec<OmniReference>,
    of_rows: bool,
) -> BuildPlan<'m> {
    let own = model
        .views
        .get(view)
        .map(|view| view.name.to_lowercase())
        .unwrap_or_default();
    let output = |reference: OmniReference| SpecOutput {
        key: field_key(model, &own, &reference),
        reference,
        asked: None,
    };
    let outputs: Vec<SpecOutput> = references.into_iter().map(output).collect();
    let root = model.files.get(file).map(|file| &file.root);
    let gaps = ["required_access_grants", "access_filters"]
        .into_iter()
        .filter_map(|key| root?.get(key))
        .map(|node| {
            (
                node,
                own.clone(),
                "only Omni controls who may see it; dbt has `access`, `group` and grants of the warehouse".to_owned(),
            )
        });
    BuildPlan {
        base: view,
        name: default_name(model, &own, &outputs, of_rows),
        outputs,
        of_rows,
        filters: Vec::new(),
        conditions: Vec::new(),
        sorts: Vec::new(),
        sorts_at: None,
        limit: None,
        calculations: Vec::new(),
        letters_fit: true,
        topic: None,
        file,
        description: None,
        promoted_from: None,
        takes_over: true,
        gaps: gaps.collect(),
        notes: Vec::new(),
    }
}

/// Returns the default name of the model, such as `revenue_by_month`, `orders_by_region_and_month` or
/// `orders_with_is_large`.
fn default_name(model: &OmniSource<'_>, view: &str, outputs: &[SpecOutput], of_rows: bool) -> String {
    let is_measure = |output: &&SpecOutput| {
        let place = model.view_instance(&output.key.0);
        let field = place.and_then(|place| model.field(place, &output.key.1));
        field.is_some_and(|field| field.kind == super::omni_model::FieldKind::Measure)
    };
    let (measures, grain): (Vec<&SpecOutput>, Vec<&SpecOutput>) = outputs.iter().partition(is_measure);
    let view = to_snake_case(view);
    if of_rows {
        return match outputs {
            [one] => format!("{view}_with_{}", to_snake_case(&one.reference.field)),
            _ => format!("{view}_with_dimensions"),
        };
    }
    let begin = match measures.as_slice() {
        [one] => to_snake_case(&one.reference.field),
        _ => view,
    };
    let by: Vec<String> = grain
        .iter()
        .map(|output| match output.reference.frame.as_deref() {
            Some("raw") | None => to_snake_case(&output.reference.field),
            Some(frame) => frame.to_owned(),
        })
        .collect();
    if by.is_empty() {
        format!("{begin}_in_total")
    } else {
        format!("{begin}_by_{}", by.join("_and_"))
    }
}

fn field_key(model: &OmniSource<'_>, inside: &str, reference: &OmniReference) -> FieldKey {
    let view = reference
        .view
        .as_deref()
        .map_or_else(|| inside.to_owned(), |view| model.canonical_name(view));
    (view, reference.field.to_lowercase())
}

#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn build_query<'m>(
    model: &'m OmniSource<'_>,
    query: OmniSavedQuery<'m>,
    chosen: Option<&[String]>,
    request: &Request,
    number: usize,
) -> Result<BuildPlan<'m>, PromoteFault> {
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
    let own = model
        .views
        .get(base)
        .map(|view| view.name.to_lowercase())
        .unwrap_or_default();
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
                    "only Omni controls who may see which rows; dbt has `access`, `group` and grants of the warehouse"
                        .to_owned(),
                )
            }));
        }
    }
    for (key, why) in [
        (
            "pivots",
            "the spec does not contain the query's pivot; use `pivot_by` in a worksheet for one",
        ),
        (
            "bind",
            "filters on the current user belong to a query, but a model has no current user",
        ),
        (
            "bind_all_filters",
            "filters on the current user belong to a query, but a model has no current user",
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
    let mut notes = Vec::new();
    let limit = text("limit").and_then(|text| text.parse().ok());
    let sorts: Vec<(String, bool)> = query_sorts(node)
        .into_iter()
        .map(|(name, desc)| (name.to_owned(), desc))
        .collect();
    let limit = match limit {
        Some(_) if is_view => {
            notes.push("`limit` is dropped, as Omni drops it from query views".to_owned());
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
    Ok(BuildPlan {
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
        notes,
    })
}

/// Returns the names of the requested calculations and of the calculations on which they depend.
fn needed_calculations(calculations: &[Calculation<'_>], is_named: &dyn Fn(&str) -> bool) -> FxHashSet<String> {
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

/// Column of the result.
struct BuiltSpec {
    name: String,
    /// Name of the column in `group_by` and `order_by`.
    entry: String,
    is_there: bool,
    is_measure: bool,
    known_as: String,
}

struct SpecBuilder<'m, 't> {
    model: &'m OmniSource<'t>,
    compiler: &'m Compiler,
    request: &'m Request,
    plan: BuildPlan<'m>,
    fields: FieldResolver<'m, 't>,
    /// Fields that are never NULL in the result, because filters remove the rows with NULL.
    filled: Vec<(String, String)>,
    spec: SpecSource,
    gaps: Vec<PromoteGap>,
    notes: Vec<String>,
    carried: Vec<PromotedField>,
    /// Maps the name of each definition to the gap that is reported if the definition has to be removed.
    sources: FxHashMap<String, PromoteGap>,
}

impl<'m, 't> SpecBuilder<'m, 't> {
    fn new(model: &'m OmniSource<'t>, compiler: &'m Compiler, request: &'m Request, plan: BuildPlan<'m>) -> Self {
        let schema: &Schema = &compiler.options.schema;
        let fields = FieldResolver::new(model, schema, compiler.dialect(), plan.base);
        Self {
            model,
            compiler,
            request,
            plan,
            fields,
            filled: Vec::new(),
            spec: SpecSource::default(),
            gaps: Vec::new(),
            notes: Vec::new(),
            carried: Vec::new(),
            sources: FxHashMap::default(),
        }
    }

    fn run(mut self) -> Result<Promotion, PromoteFault> {
        self.notes = std::mem::take(&mut self.plan.notes);
        for (node, what, reason) in std::mem::take(&mut self.plan.gaps) {
            let gap = self.gap_at(self.plan.file, node, &what, one_line(node), reason, false);
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
        self.join_views();
        self.set_relations();
        self.resolve_fields()?;
        let mut step = SpecStep::default();
        self.write_joins(&mut step);
        let mut made = self.write_outputs(&mut step);
        self.write_filters(&mut step);
        self.write_definitions(&mut step);
        self.gaps.append(&mut self.fields.gaps);
        let asked_name = self.request.name.clone().map(|name| to_snake_case(&name));
        self.spec.model = asked_name.unwrap_or_else(|| self.plan.name.clone());
        if self.spec.from.eq_ignore_ascii_case(&self.spec.model) {
            self.spec.model.push_str("_promoted");
        }
        self.spec.description.clone_from(&self.plan.description);
        self.spec.promoted_from.clone_from(&self.plan.promoted_from);
        let grain: Vec<String> = made
            .iter()
            .filter(|made| !made.is_measure)
            .map(|made| made.name.clone())
            .collect();
        let grain = if self.plan.of_rows { Vec::new() } else { grain };
        step.name = step_name(&grain, &self.spec.model, "grouped");
        let steps = self.split_per_key(step, &made);
        self.spec.steps = steps;
        self.write_order(&mut made);
        self.copy_calendar();
        Ok(self.compile_promotion(grain))
    }

    fn gap_at(
        &self,
        file: usize,
        node: &Node,
        what: &str,
        original: String,
        reason: String,
        is_carried: bool,
    ) -> PromoteGap {
        let file = self.model.files.get(file);
        PromoteGap {
            file: file.map(|file| file.path.to_owned()).unwrap_or_default(),
            line: file.map_or(1, |file| file.line(node)),
            what: what.to_owned(),
            original,
            reason,
            is_carried,
        }
    }

    /// Determines the views that the spec reads and the joins between them.
    fn join_views(&mut self) {
        let mut wanted: Vec<FieldKey> = self.plan.outputs.iter().map(|output| output.key.clone()).collect();
        let base = self.fields.base_name.clone();
        wanted.extend(
            self.plan
                .filters
                .iter()
                .map(|(reference, ..)| field_key(self.model, &base, reference)),
        );
        let sqls = self
            .plan
            .conditions
            .iter()
            .flat_map(|(sql, ..)| find_references(sql))
            .map(OmniReference::read);
        wanted.extend(sqls.map(|reference| field_key(self.model, &base, &reference)));
        let order = self.fields.field_closure(&wanted).unwrap_or_default();
        let mut names: Vec<String> = Vec::new();
        for (view, _) in &order {
            if *view != base && !names.contains(view) {
                names.push(view.clone());
            }
        }
        let (joins, missing) = Joins::find(self.model, &base, &names, self.plan.topic);
        for (name, reason) in missing {
            let root = self.model.files.get(self.plan.file).map(|file| file.root.clone());
            if let Some(root) = root {
                let gap = self.gap_at(self.plan.file, &root, &name, format!("joins of {name}"), reason, false);
                self.spec.gaps.push(gap.comment());
                self.gaps.push(gap);
            }
        }
        self.fields.joins = joins;
    }

    /// Sets the relation from which the spec reads, and the relation names of all views.
    fn set_relations(&mut self) {
        let Some(view) = self.model.views.get(self.plan.base) else {
            return;
        };
        let relation = match view.rows {
            QueryRows::Table => view.table.clone(),
            _ => view.name.clone(),
        };
        let why = match view.rows {
            QueryRows::Table => None,
            QueryRows::Sql => Some("its rows are raw SQL of the warehouse, which belongs in a separate model"),
            QueryRows::Query => Some("its rows are another query: promote that query first, to a model with this name"),
        };
        if let (Some(why), Some(file)) = (why, self.model.files.get(view.file)) {
            let node = file.root.get("sql").or_else(|| file.root.get("query"));
            let node = node.unwrap_or(&file.root);
            let gap = self.gap_at(view.file, node, &view.name, one_line(node), why.to_owned(), false);
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
        self.spec.from = self.source_call(self.plan.base).unwrap_or_else(|| relation.clone());
        self.fields.relations.insert(self.fields.base_name.clone(), relation);
        for join in &self.fields.joins.all {
            let table = self
                .model
                .views
                .get(join.view)
                .map(|view| view.table.clone())
                .unwrap_or_default();
            let is_taken = self
                .fields
                .relations
                .values()
                .any(|known| known.eq_ignore_ascii_case(&table));
            let name = if is_taken || self.model.view(&join.name).is_none() {
                to_snake_case(&join.name)
            } else {
                table
            };
            self.fields.relations.insert(join.name.clone(), name);
        }
    }

    /// Returns the relation as a dbt source, such as `source('raw', 'orders')`. `None` if the table is not a dbt
    /// source.
    fn source_call(&self, view: usize) -> Option<String> {
        let view = self.model.views.get(view)?;
        let of_table = self.request.sources.iter().find(|(schema, table, _)| {
            let same_schema = view.schema.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(schema));
            same_schema && table.eq_ignore_ascii_case(&view.table)
        });
        of_table.map(|(_, table, group)| format!("source('{group}', '{table}')"))
    }

    /// Converts all fields that the spec reads to definitions.
    fn resolve_fields(&mut self) -> Result<(), PromoteFault> {
        let base = self.fields.base_name.clone();
        let mut wanted: Vec<FieldKey> = self.plan.outputs.iter().map(|output| output.key.clone()).collect();
        wanted.extend(
            self.plan
                .filters
                .iter()
                .map(|(reference, ..)| field_key(self.model, &base, reference)),
        );
        let sqls = self
            .plan
            .conditions
            .iter()
            .flat_map(|(sql, ..)| find_references(sql))
            .map(OmniReference::read);
        wanted.extend(sqls.map(|reference| field_key(self.model, &base, &reference)));
        for join in &self.fields.joins.all {
            let Some(relationship) = self.model.relationships.get(join.relationship) else {
                continue;
            };
            let sqls = [&relationship.on, &relationship.condition].into_iter().flatten();
            let read = sqls.flat_map(|sql| find_references(sql)).map(OmniReference::read);
            wanted.extend(read.map(|reference| field_key(self.model, &base, &reference)));
        }
        let order = self.fields.field_closure(&wanted).map_err(|reason| {
            (
                0,
                Diagnostic::new(Code::NothingToPromote, Span::default(), reason).with_help("fix it in Omni first"),
            )
        })?;
        let mut asked: FxHashMap<FieldKey, String> = FxHashMap::default();
        for output in &self.plan.outputs {
            if output.reference.frame.is_none() {
                let own = output
                    .asked
                    .clone()
                    .unwrap_or_else(|| to_snake_case(&output.reference.field));
                asked.entry(output.key.clone()).or_insert(own);
            }
        }
        // Columns that are copied unchanged keep their names, so reserve these names first.
        for output in &self.plan.outputs {
            let is_plain = self
                .fields
                .field(&output.key)
                .is_none_or(|field| field.kind != super::omni_model::FieldKind::Measure && is_column(field));
            if is_plain && output.reference.frame.is_none() && output.key.1 != "count" {
                let own = output
                    .asked
                    .clone()
                    .unwrap_or_else(|| to_snake_case(&output.reference.field));
                self.fields.taken.choose(&[&own]);
            }
        }
        self.fields.name_all(&order, &asked);
        let is_measure = |key: &&FieldKey| {
            self.fields
                .field(key)
                .is_some_and(|field| field.kind == super::omni_model::FieldKind::Measure)
        };
        let (measures, others): (Vec<&FieldKey>, Vec<&FieldKey>) = order.iter().partition(is_measure);
        let (measures, others): (Vec<FieldKey>, Vec<FieldKey>) = (
            measures.into_iter().cloned().collect(),
            others.into_iter().cloned().collect(),
        );
        self.fields.resolve_all(&others);
        self.find_key(&measures);
        self.fields.resolve_all(&measures);
        Ok(())
    }

    /// Finds the key for `…_distinct_on` aggregates, if all measures aggregate one row per value of the key.
    fn find_key(&mut self, measures: &[FieldKey]) {
        let mut sqls: Vec<Option<String>> = measures
            .iter()
            .filter_map(|key| self.fields.field(key))
            .filter(|field| field.text("aggregate_type").is_some())
            .map(|field| {
                let is_on = field
                    .text("aggregate_type")
                    .is_some_and(|kind| kind.ends_with("_distinct_on"));
                field
                    .text("custom_primary_key_sql")
                    .filter(|_| is_on)
                    .map(str::to_owned)
            })
            .collect();
        sqls.dedup();
        let [Some(sql)] = sqls.as_slice() else { return };
        let view = measures.first().map(|key| key.0.clone()).unwrap_or_default();
        if let Ok(converted) = self.fields.convert_sql(&view, None, sql) {
            self.fields.per_key = Some(PerKey {
                sql: sql.clone(),
                key: converted.term,
                values: Vec::new(),
            });
        }
    }

    fn write_joins(&mut self, step: &mut SpecStep) {
        for join in self.fields.joins.all.clone() {
            let Some(relationship) = self.model.relationships.get(join.relationship) else {
                continue;
            };
            let table = self
                .model
                .views
                .get(join.view)
                .map(|view| view.table.clone())
                .unwrap_or_default();
            let known = self.fields.relations.get(&join.name).cloned().unwrap_or_default();
            let on = relationship
                .on
                .as_deref()
                .map(|on| self.fields.convert_sql(&self.fields.base_name, None, on));
            let on = match on {
                Some(Ok(converted)) => Some(converted.term.text),
                Some(Err(reason)) => {
                    let original = one_line(&relationship.node);
                    let what = format!("join of {}", join.name);
                    let gap = self.gap_at(relationship.file, &relationship.node, &what, original, reason, false);
                    self.spec.gaps.push(gap.comment());
                    self.gaps.push(gap);
                    continue;
                }
                None => None,
            };
            step.joins.push(SpecJoin {
                to: self.source_call(join.view).unwrap_or_else(|| table.clone()),
                name: (known != table).then_some(known),
                on,
                kind: join.kind,
                is_many: join.is_many,
            });
            if let Some(condition) = relationship.condition.as_deref() {
                self.write_sql_condition(step, condition, &relationship.node, relationship.file, false);
            }
        }
    }

    fn write_sql_condition(&mut self, step: &mut SpecStep, sql: &str, node: &Node, file: usize, of_groups: bool) {
        match self.fields.convert_sql(&self.fields.base_name, None, sql) {
            Ok(converted) => {
                for doubt in converted.doubts {
                    let gap = self.gap_at(file, node, "condition", one_line(node), doubt, true);
                    step.gaps.push(gap.comment());
                    self.gaps.push(gap);
                }
                let into = if of_groups { &mut step.havings } else { &mut step.wheres };
                into.push(converted.term.text);
            }
            Err(reason) => {
                let gap = self.gap_at(file, node, "condition", one_line(node), reason, false);
                step.gaps.push(gap.comment());
                self.gaps.push(gap);
            }
        }
    }

    /// Sets the group keys, and returns the output columns in the requested order.
    fn write_outputs(&mut self, step: &mut SpecStep) -> Vec<BuiltSpec> {
        let mut made = Vec::new();
        for output in std::mem::take(&mut self.plan.outputs) {
            let SpecOutput { reference, key, asked } = output;
            let resolved = match self.fields.resolved_field(&key) {
                Ok(resolved) => resolved,
                Err(reason) => {
                    let is_told = self
                        .fields
                        .gaps
                        .iter()
                        .any(|gap| gap.what.eq_ignore_ascii_case(&format!("{}.{}", key.0, key.1)));
                    if !is_told {
                        let root = self.model.files.get(self.plan.file).map(|file| file.root.clone());
                        let what = format!("{}.{}", key.0, key.1);
                        let gap =
                            root.map(|root| self.gap_at(self.plan.file, &root, &what, what.clone(), reason, false));
                        self.gaps.extend(gap.clone());
                        step.gaps.extend(gap.map(|gap| gap.comment()));
                    }
                    continue;
                }
            };
            let frame = reference.frame.as_deref().filter(|frame| *frame != "raw");
            let known_as = reference_name(&key.0, &reference);
            let is_measure = resolved.term.aggregates;
            let (term, _) = apply_timeframe(resolved.term.clone(), false, frame);
            let own = to_snake_case(&reference.field);
            let plain_name = term_name(&term.text);
            let wanted = asked.clone().unwrap_or_else(|| match frame {
                Some(frame) => format!("{own}_{frame}"),
                None => own.clone(),
            });
            let name = match resolved.definition {
                Some(_) if frame.is_none() => term.text.clone(),
                // The column already has the requested name, so it needs no definition.
                _ if plain_name == Some(wanted.clone()) && !made.iter().any(|it: &BuiltSpec| it.name == wanted) => {
                    wanted.clone()
                }
                _ => {
                    let name = match frame {
                        None => wanted.clone(),
                        Some(_) => self
                            .fields
                            .taken
                            .choose(&[&wanted, &format!("{}_{wanted}", to_snake_case(&key.0))]),
                    };
                    let definition = self.fields.define_column(&key, name.clone(), &term);
                    self.fields.definitions.push(definition);
                    made.push(BuiltSpec {
                        entry: name.clone(),
                        name: name.clone(),
                        is_there: term.is_there,
                        is_measure,
                        known_as: known_as.clone(),
                    });
                    if !self.plan.of_rows {
                        step.group_by.push(name);
                    }
                    continue;
                }
            };
            if resolved.definition.is_none() {
                self.note_column(&key, &name);
            }
            if !is_measure && !self.plan.of_rows {
                step.group_by.push(term.text.clone());
            } else if self.plan.of_rows && resolved.definition.is_none() && frame.is_none() {
                step.keep.push(term.text.clone());
            }
            made.push(BuiltSpec {
                entry: if is_measure { name.clone() } else { term.text },
                name,
                is_there: term.is_there,
                is_measure,
                known_as,
            });
        }
        if self.plan.of_rows && !self.fields.definitions.is_empty() {
            step.keep = vec!["all".to_owned()];
        }
        made
    }

    /// Copies the description and display settings in Omni of a column that is copied unchanged.
    fn note_column(&mut self, key: &FieldKey, name: &str) {
        let Some(field) = self.fields.field(key) else { return };
        let is_cleaned = field.name != name && to_snake_case(&field.name) == name;
        let meta = is_cleaned
            .then(|| ("omni_name", field.name.clone()))
            .into_iter()
            .collect();
        self.spec.columns.push(SheetColumn {
            name: name.to_owned(),
            description: field.text("description").map(str::to_owned),
            shown: display_settings(&field.node),
            tags: field.node.get("tags").map(Node::texts).unwrap_or_default(),
            meta,
        });
    }

    /// Writes filters on rows to `where` and filters on groups to `having`.
    fn write_filters(&mut self, step: &mut SpecStep) {
        let base = self.fields.base_name.clone();
        for (reference, filter, at) in std::mem::take(&mut self.plan.filters) {
            let key = field_key(self.model, &base, &reference);
            let of_groups = self
                .fields
                .resolved_field(&key)
                .is_ok_and(|resolved| resolved.term.aggregates);
            let condition = if of_groups {
                self.fields.convert_filter(&key, reference.frame.as_deref(), filter)
            } else {
                self.fields.convert_row_filter(&key, reference.frame.as_deref(), filter)
            };
            let what = format!("filter of {}.{}", key.0, key.1);
            let original = format!("{}: {}", one_line(at), one_line(filter));
            match condition {
                Ok(condition) => {
                    for doubt in condition.doubts {
                        let gap = self.gap_at(self.plan.file, at, &what, original.clone(), doubt, true);
                        step.gaps.push(gap.comment());
                        self.gaps.push(gap);
                    }
                    let text = condition.term.text;
                    // The condition removes the rows with NULL, because it is never true for NULL.
                    if !text.replacen("NOT(ISBLANK(", "", 1).contains("ISBLANK(") {
                        self.filled.push(key);
                    }
                    let into = if of_groups { &mut step.havings } else { &mut step.wheres };
                    into.push(text);
                }
                Err(reason) => {
                    let reason = format!("{reason}, so the model has rows that the query does not have");
                    let gap = self.gap_at(self.plan.file, at, &what, original, reason, false);
                    step.gaps.push(gap.comment());
                    self.gaps.push(gap);
                }
            }
        }
        for (sql, node, of_groups) in std::mem::take(&mut self.plan.conditions) {
            self.write_sql_condition(step, sql, node, self.plan.file, of_groups);
        }
    }

    /// Writes the definitions and their metadata.
    fn write_definitions(&mut self, step: &mut SpecStep) {
        step.gaps.extend(self.fields.gaps.iter().map(PromoteGap::comment));
        for definition in self.fields.definitions.clone() {
            let file = self
                .model
                .files
                .get(definition.file)
                .map(|file| file.path.to_owned())
                .unwrap_or_default();
            self.sources.insert(
                definition.name.clone(),
                PromoteGap {
                    file,
                    line: definition.line,
                    what: definition.field.clone(),
                    original: definition.original.clone(),
                    reason: String::new(),
                    is_carried: false,
                },
            );
            self.carried.push(PromotedField {
                field: definition.field.clone(),
                column: definition.name.clone(),
                formula: definition.term.text.clone(),
            });
            step.definitions.push(SpecLine {
                name: definition.name.clone(),
                formula: definition.term.text.clone(),
                description: definition.description,
            });
            let is_output = definition.term.aggregates || self.plan.of_rows || step.group_by.contains(&definition.name);
            let mut meta = Vec::new();
            if self.plan.takes_over && is_output && !definition.original.is_empty() {
                meta.push(("promoted_from", definition.field));
            }
            meta.extend(
                definition
                    .omni_name
                    .filter(|_| is_output)
                    .map(|name| ("omni_name", name)),
            );
            if is_output {
                self.spec.columns.push(SheetColumn {
                    name: definition.name,
                    description: None,
                    shown: definition.shown,
                    tags: definition.tags,
                    meta,
                });
            }
        }
    }

    /// Splits the step in two if the measures aggregate one row per value of a key. Otherwise, returns the step
    /// unchanged.
    fn split_per_key(&mut self, mut step: SpecStep, made: &[BuiltSpec]) -> Vec<SpecStep> {
        let Some(per_key) = self.fields.per_key.take().filter(|per_key| !per_key.values.is_empty()) else {
            return vec![step];
        };
        let measures: FxHashSet<&str> = self
            .fields
            .definitions
            .iter()
            .filter(|it| it.term.aggregates)
            .map(|it| it.name.as_str())
            .collect();
        let (later, first): (Vec<SpecLine>, Vec<SpecLine>) = std::mem::take(&mut step.definitions)
            .into_iter()
            .partition(|line| measures.contains(line.name.as_str()));
        let key_name = term_name(&per_key.key.text).unwrap_or_else(|| "key".to_owned());
        let mut first_step = SpecStep {
            name: format!("one_row_for_each_{key_name}"),
            joins: step.joins,
            wheres: step.wheres,
            group_by: step.group_by,
            definitions: first,
            ..SpecStep::default()
        };
        let key = if term_name(&per_key.key.text).is_some() {
            per_key.key.text.clone()
        } else {
            first_step.definitions.push(SpecLine {
                name: key_name.clone(),
                formula: per_key.key.text.clone(),
                description: None,
            });
            key_name
        };
        if !first_step.group_by.contains(&key) {
            first_step.group_by.push(key);
        }
        let values = per_key.values.into_iter();
        first_step.definitions.extend(values.map(|(name, formula)| SpecLine {
            name,
            formula,
            description: None,
        }));
        let second = SpecStep {
            name: step.name,
            group_by: made
                .iter()
                .filter(|made| !made.is_measure)
                .map(|made| made.name.clone())
                .collect(),
            definitions: later,
            havings: step.havings,
            gaps: step.gaps,
            ..SpecStep::default()
        };
        vec![first_step, second]
    }

    /// Writes the sort keys, the limit, and the calculations over the sorted rows.
    fn write_order(&mut self, made: &mut [BuiltSpec]) {
        let mut sheet = CalculationSheet::default();
        for (place, column) in made.iter().enumerate() {
            sheet.add(&column.known_as, &column.name, place, column.is_there);
            let bare = column.known_as.split_once('.').map_or("", |(_, name)| name).to_owned();
            if column.known_as.starts_with(&format!("{}.", self.fields.base_name)) {
                sheet.add(&bare, &column.name, place, false);
            }
        }
        for (place, calculation) in self.plan.calculations.iter().enumerate() {
            sheet.add(&calculation.omni_name, &calculation.name, made.len() + place, false);
        }
        let lines = self.write_calculations(&sheet);
        let mut names = Vec::new();
        let mut entries = Vec::new();
        let mut of_calculation = false;
        let mut gaps = Vec::new();
        for (field, is_descending) in std::mem::take(&mut self.plan.sorts) {
            let reference = OmniReference::read(&field);
            let key = field_key(self.model, &self.fields.base_name, &reference);
            let known = reference_name(&key.0, &reference);
            let column = made.iter().find(|made| made.known_as == known);
            let direction = if is_descending { " desc" } else { "" };
            let calculation = lines.iter().find(|line| {
                let of = self
                    .plan
                    .calculations
                    .iter()
                    .find(|it| it.omni_name.eq_ignore_ascii_case(&field));
                of.is_some_and(|of| of.name == line.name)
            });
            match (column, calculation) {
                (Some(column), _) => {
                    names.push(format!("{}{direction}", column.name));
                    entries.push(format!("{}{direction}", column.entry));
                    let matters = self.plan.limit.is_some() || !lines.is_empty();
                    if !column.is_there && !self.filled.contains(&key) && !is_descending && matters {
                        let reason = format!(
                            "Omni sorts rows in which `{}` is NULL first, but here they come last",
                            column.name
                        );
                        gaps.push((format!("sort by {field}"), reason, true));
                    }
                }
                (None, Some(line)) => {
                    of_calculation = true;
                    names.push(format!("{}{direction}", line.name));
                }
                (None, None) => {
                    let reason =
                        "the field is not a column of the result, so the rows cannot be sorted by it".to_owned();
                    gaps.push((format!("sort by {field}"), reason, false));
                }
            }
        }
        let mut comments = Vec::new();
        for (what, reason, is_carried) in gaps {
            let Some(at) = self.plan.sorts_at else { break };
            let gap = self.gap_at(self.plan.file, at, &what, one_line(at), reason, is_carried);
            comments.push(gap.comment());
            self.gaps.push(gap);
        }
        let Some(last) = self.spec.steps.last_mut() else { return };
        last.gaps.extend(comments);
        if lines.is_empty() {
            last.order_by = entries;
            last.limit = self.plan.limit.filter(|_| !last.order_by.is_empty());
            return;
        }
        let mut worksheet = SpecStep {
            name: "calculations".to_owned(),
            columns: made.iter().map(|made| made.name.clone()).collect(),
            order_by: names,
            calculations: lines,
            ..SpecStep::default()
        };
        match self.plan.limit {
            // Apply the limit before the calculations, so that the calculations read only the returned rows.
            Some(_) if !of_calculation => {
                last.order_by = entries;
                last.limit = self.plan.limit;
            }
            limit => worksheet.limit = limit,
        }
        self.spec.steps.push(worksheet);
    }

    fn write_calculations(&mut self, sheet: &CalculationSheet) -> Vec<SpecLine> {
        let mut lines = Vec::new();
        let mut gaps = Vec::new();
        for calculation in &self.plan.calculations {
            let original = format!(
                "sql: {}",
                calculation.sql.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            let what = calculation.omni_name.clone();
            let gap = self.gap_at(self.plan.file, calculation.at, &what, original, String::new(), false);
            match calculations::calculation_formula(calculation.sql, sheet, self.plan.letters_fit, self.fields.dialect)
            {
                Ok(formula) => {
                    self.sources.insert(calculation.name.clone(), gap);
                    self.carried.push(PromotedField {
                        field: calculation.omni_name.clone(),
                        column: calculation.name.clone(),
                        formula: formula.clone(),
                    });
                    let description = calculation
                        .node
                        .get("description")
                        .and_then(Node::text)
                        .map(str::to_owned);
                    lines.push(SpecLine {
                        name: calculation.name.clone(),
                        formula,
                        description,
                    });
                    let mut meta = Vec::new();
                    if calculation.omni_name != calculation.name {
                        meta.push(("omni_name", calculation.omni_name.clone()));
                    }
                    self.spec.columns.push(SheetColumn {
                        name: calculation.name.clone(),
                        shown: display_settings(calculation.node),
                        meta,
                        ..SheetColumn::default()
                    });
                }
                Err(reason) => gaps.push(PromoteGap { reason, ..gap }),
            }
        }
        let blanks = lines
            .iter()
            .any(|line| calculations::counts_blanks(&line.formula, sheet));
        if blanks && self.fields.computes {
            for line in &mut lines {
                line.formula = calculations::with_blanks_as_zero(&line.formula, sheet);
            }
        } else if blanks {
            self.spec.settings.push(("blanks", "zero".to_owned()));
        }
        if let Some(last) = self.spec.steps.last_mut() {
            last.gaps.extend(gaps.iter().map(PromoteGap::comment));
        }
        self.gaps.extend(gaps);
        lines
    }

    /// Copies the first day of the week and the start of the fiscal year from Omni's model file, if they differ from
    /// the settings of the project.
    fn copy_calendar(&mut self) {
        let said = |key: &str| {
            self.model
                .files
                .iter()
                .find_map(|file| file.root.get(key)?.text().map(str::to_owned))
        };
        let calendar = &self.compiler.options.calendar;
        if let Some(day) = said("week_start_day").and_then(|day| day.parse::<Weekday>().ok())
            && day != calendar.week_start
        {
            self.spec.settings.push(("week_start", day.name().to_lowercase()));
        }
        if let Some(months) = said("fiscal_month_offset").and_then(|text| text.parse::<u8>().ok())
            && Some(months) != calendar.fiscal_month_offset
        {
            self.spec.settings.push(("fiscal_month_offset", months.to_string()));
        }
    }

    /// Compiles the spec and returns the final text. Definitions with compile errors are omitted and reported as gaps.
    fn compile_promotion(mut self, grain: Vec<String>) -> Promotion {
        let mut round = 0;
        let (spec, diagnostics) = loop {
            let (text, places) = spec_text::write(&self.spec);
            let compiled = self.compiler.compile_spec(&text);
            let diagnostics = compiled.diagnostics().to_vec();
            let mut faulty: FxHashMap<String, String> = FxHashMap::default();
            for fault in diagnostics.iter().filter(|fault| fault.is_error()) {
                let at = fault.span().start as usize;
                let place = places.iter().find(|(_, range)| range.contains(&at));
                if let Some((name, _)) = place {
                    faulty.entry(name.clone()).or_insert_with(|| fault.message().to_owned());
                }
            }
            round += 1;
            if faulty.is_empty() || round > MAX_ROUNDS {
                break (text, diagnostics);
            }
            self.remove_faulty(&faulty);
        };
        Promotion {
            name: self.spec.model,
            spec,
            grain,
            carried: self.carried,
            gaps: self.gaps,
            notes: self.notes,
            diagnostics,
        }
    }

    fn remove_faulty(&mut self, faulty: &FxHashMap<String, String>) {
        for step in &mut self.spec.steps {
            let mut gaps = Vec::new();
            let mut keep = |line: &SpecLine| {
                let Some(reason) = faulty.get(&line.name) else {
                    return true;
                };
                let source = self.sources.get(&line.name).cloned();
                let gap = source.unwrap_or_else(|| PromoteGap {
                    file: String::new(),
                    line: 1,
                    what: line.name.clone(),
                    original: line.formula.clone(),
                    reason: String::new(),
                    is_carried: false,
                });
                let reason = format!("as `{}` it would not compile: {reason}", line.formula);
                gaps.push(PromoteGap { reason, ..gap });
                false
            };
            step.definitions.retain(&mut keep);
            step.calculations.retain(&mut keep);
            step.gaps.extend(gaps.iter().map(PromoteGap::comment));
            self.gaps.extend(gaps);
        }
        let defined = |name: &String| !faulty.contains_key(name);
        for step in &mut self.spec.steps {
            step.columns.retain(defined);
            step.order_by
                .retain(|entry| defined(&entry.trim_end_matches(" desc").to_owned()));
            step.group_by.retain(defined);
        }
        self.spec
            .steps
            .retain(|step| step.columns.is_empty() || !step.calculations.is_empty());
        self.spec.columns.retain(|column| !faulty.contains_key(&column.name));
        self.carried.retain(|carried| !faulty.contains_key(&carried.column));
    }
}

/// Returns the column name for a reference: `amount` for `orders.amount`, `day_month` for `day[month]`. `None` if the
/// text is not a reference.
fn term_name(text: &str) -> Option<String> {
    let text = text
        .strip_prefix("${")
        .and_then(|inner| inner.strip_suffix('}'))
        .unwrap_or(text);
    let (name, frame) = match text.split_once('[') {
        Some((name, frame)) => (name, frame.strip_suffix(']')),
        None => (text, None),
    };
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let name = name.to_lowercase();
    is_word.then(|| frame.map_or(name.clone(), |frame| format!("{name}_{frame}")))
}

fn step_name(grain: &[String], model: &str, otherwise: &str) -> String {
    let name = if grain.is_empty() {
        otherwise.to_owned()
    } else {
        format!("by_{}", grain.join("_and_"))
    };
    if name == model { format!("{name}_rows") } else { name }
}
