//! Builds the spec for a promotion request: outputs, filters, order and calculations. The spec is then compiled.

mod calculations;
mod faulty;
mod query;
mod relations;
mod settings;
mod steps;
mod view;

use query::plan_query_promotion;
use rustc_hash::FxHashMap;
use steps::step_name;
use view::plan_view_promotion;

use super::access::ViewAccess;
use super::calculations::reference_name;
use super::display::yaml_line;
use super::fields::{FieldKey, FieldResolver};
use super::names::to_snake_case;
use super::omni_model::{read_model, relations_of_views};
use super::request::{self, RequestedContent};
use super::spec_text::{self, SORT_KEYS, SpecContent, SpecStep, flow_list};
use super::{PromotedField, Promotion, PromotionError, PromotionIssue, PromotionRequest};
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};
use crate::schema::{OmniReference, OmniTopic, ParsedOmniModel, ViewField};
use crate::span::Span;
use crate::yaml::Node;

/// Maximum number of rounds for removing definitions with compile errors. Each round removes all definitions that have
/// errors.
const MAX_ROUNDS: usize = 16;

/// Reason why a query without sorts keeps no limit.
const UNSORTED_LIMIT: &str = "without sorts, the limit would keep arbitrary rows";

/// Output column.
struct SpecOutput {
    reference: OmniReference,
    key: FieldKey,
    /// Requested name of the column.
    requested_name: Option<String>,
}

/// Calculation of a query.
struct QueryCalculation<'m> {
    omni_name: String,
    name: String,
    sql: &'m str,
    node: &'m Node,
    at: &'m Node,
}

/// Normalized content of a promotion request.
struct PromotionPlan<'m> {
    base: usize,
    outputs: Vec<SpecOutput>,
    /// Whether the spec adds columns to the rows without grouping them.
    of_rows: bool,
    filters: Vec<(OmniReference, &'m Node, &'m Node)>,
    /// Filters on calculations, to apply after the calculations.
    calculation_filters: Vec<(OmniReference, &'m Node, &'m Node)>,
    /// SQL conditions. Each entry contains the text, the YAML node of the key, and whether the condition applies to
    /// groups.
    conditions: Vec<(&'m str, &'m Node, bool)>,
    sorts: Vec<(String, bool)>,
    /// YAML node of the sort keys.
    sorts_at: Option<&'m Node>,
    limit: Option<u64>,
    calculations: Vec<QueryCalculation<'m>>,
    /// Columns by which the rows are partitioned for the calculations.
    partitions: Vec<OmniReference>,
    /// Names of the query's columns and calculations in Omni, in the order of their letters.
    omni_columns: Vec<String>,
    topic: Option<&'m OmniTopic>,
    file: usize,
    name: String,
    description: Option<String>,
    promoted_from: Option<String>,
    /// Whether the spec records the fields from which it was promoted.
    takes_over: bool,
    gaps: Vec<(&'m Node, String, String)>,
    /// Gaps in other fields of the file. The spec contains the entire query despite these gaps.
    field_gaps: Vec<(&'m Node, String, String)>,
    /// Fields of a query view that show columns of the query.
    own_fields: Vec<&'m ViewField>,
    access: ViewAccess<'m>,
    notes: Vec<String>,
}

pub(super) fn build_promotion(
    files: &[(String, String)],
    request: &PromotionRequest<'_>,
    compiler: &Compiler,
) -> Result<Promotion, PromotionError> {
    let (model, faults) = read_model(files);
    let relations = request
        .manifest
        .map(|manifest| relations_of_views(&model, manifest, &request.paths));
    let Some(number) = files.iter().position(|(path, _)| *path == request.file) else {
        let text = format!("the Omni model has no file `{}`", request.file);
        return Err((0, Diagnostic::new(Code::NothingToPromote, Span::default(), text)));
    };
    let Some(file) = model.files.iter().position(|file| file.path == request.file) else {
        let fault = faults.into_iter().find(|(file_number, _)| *file_number == number);
        return Err(fault.unwrap_or_else(|| {
            let text = format!("`{}` is empty", request.file);
            (number, Diagnostic::new(Code::NothingToPromote, Span::default(), text))
        }));
    };
    let (promote_request, notes) = request::read(&model, file, request, number)?;
    let mut plan = plan_promotion(&model, promote_request, file, request, number)?;
    plan.notes.splice(0..0, notes);
    let mut builder = SpecBuilder::new(&model, compiler, request, plan);
    builder.relations = relations.unwrap_or_default();
    Ok(builder.run())
}

fn plan_promotion<'m>(
    model: &'m ParsedOmniModel<'_>,
    promote_request: RequestedContent<'m>,
    file: usize,
    request: &PromotionRequest<'_>,
    number: usize,
) -> Result<PromotionPlan<'m>, PromotionError> {
    match promote_request {
        RequestedContent::Measures { view, grain, measures } => {
            let of_grain = grain.into_iter();
            let of_measures = measures.into_iter().map(|field| OmniReference {
                view: None,
                field,
                frame: None,
            });
            let references: Vec<OmniReference> = of_grain.chain(of_measures).collect();
            Ok(plan_view_promotion(
                model,
                view,
                file,
                references,
                false,
                request.drop_access,
            ))
        }
        RequestedContent::Rows { view, dimensions } => Ok(plan_view_promotion(
            model,
            view,
            file,
            dimensions,
            true,
            request.drop_access,
        )),
        RequestedContent::Query { query, calculations } => {
            plan_query_promotion(model, query, calculations.as_deref(), request, number)
        }
    }
}

fn field_key(model: &ParsedOmniModel<'_>, containing_view: &str, reference: &OmniReference) -> FieldKey {
    let view = reference
        .view
        .as_deref()
        .map_or_else(|| containing_view.to_owned(), |view| model.canonical_name(view));
    (view, reference.field.to_lowercase())
}

/// Column of the result.
struct BuiltColumn {
    name: String,
    /// Name of the column in `group_by` and `order_by`.
    entry: String,
    is_never_null: bool,
    is_measure: bool,
    canonical_name: String,
    /// Name of the field as written in the query. `canonical_name` is the same name with the canonical name of the
    /// view.
    written_as: String,
}

struct SpecBuilder<'m, 't> {
    model: &'m ParsedOmniModel<'t>,
    compiler: &'m Compiler,
    request: &'m PromotionRequest<'m>,
    plan: PromotionPlan<'m>,
    fields: FieldResolver<'m, 't>,
    /// Relation in dbt of each view, by the index of the view.
    relations: FxHashMap<usize, RelationReference>,
    /// Fields that are never NULL in the result, because filters remove the rows with NULL.
    filled: Vec<(String, String)>,
    spec: SpecContent,
    gaps: Vec<PromotionIssue>,
    notes: Vec<String>,
    carried: Vec<PromotedField>,
    /// Sort keys for the last step before the calculations, used only if no calculation remains.
    sort_keys: Vec<String>,
    /// Filters of calculations: the name of the calculation, the condition, and the gap that is reported if the
    /// calculation has to be removed.
    calculation_conditions: Vec<(String, String, PromotionIssue)>,
    /// Maps the name of each definition to the gap that is reported if the definition has to be removed.
    sources: FxHashMap<String, PromotionIssue>,
}

impl<'m, 't> SpecBuilder<'m, 't> {
    fn new(
        model: &'m ParsedOmniModel<'t>,
        compiler: &'m Compiler,
        request: &'m PromotionRequest<'m>,
        plan: PromotionPlan<'m>,
    ) -> Self {
        let fields = FieldResolver::new(model, compiler, plan.base);
        Self {
            model,
            compiler,
            request,
            plan,
            fields,
            relations: FxHashMap::default(),
            filled: Vec::new(),
            spec: SpecContent::default(),
            gaps: Vec::new(),
            notes: Vec::new(),
            carried: Vec::new(),
            sort_keys: Vec::new(),
            calculation_conditions: Vec::new(),
            sources: FxHashMap::default(),
        }
    }

    fn run(mut self) -> Promotion {
        self.notes = std::mem::take(&mut self.plan.notes);
        for (node, subject, reason) in std::mem::take(&mut self.plan.gaps) {
            let gap = self.new_issue(self.plan.file, node, &subject, yaml_line(node), reason, false);
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
        for (node, subject, reason) in std::mem::take(&mut self.plan.field_gaps) {
            let gap = self.new_issue(self.plan.file, node, &subject, subject.clone(), reason, false);
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
        for notice in std::mem::take(&mut self.plan.access.notices) {
            let original = yaml_line(notice.node);
            let gap = self.new_issue(
                notice.file,
                notice.node,
                &notice.what,
                original,
                notice.reason,
                notice.is_carried,
            );
            self.spec.gaps.push(gap.comment());
            self.gaps.push(gap);
        }
        self.join_views();
        self.set_relations();
        self.resolve_fields();
        let mut step = SpecStep::default();
        self.write_joins(&mut step);
        let mut built_columns = self.write_outputs(&mut step);
        self.write_access(&built_columns);
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
        let grain: Vec<String> = built_columns
            .iter()
            .filter(|built_column| !built_column.is_measure)
            .map(|built_column| built_column.name.clone())
            .collect();
        let grain = if self.plan.of_rows { Vec::new() } else { grain };
        step.name = step_name(&grain, &self.spec.model, "grouped");
        let steps = self.split_step_per_key(step, &built_columns);
        self.spec.steps = steps;
        self.write_order(&mut built_columns);
        self.write_query_view_settings(&built_columns);
        self.copy_calendar();
        self.compile_promotion(grain)
    }

    /// Copies the access settings to the model, so that `pull` writes them to the view and the topic.
    fn write_access(&mut self, built_columns: &[BuiltColumn]) {
        let access = &self.plan.access;
        let mut settings = Vec::new();
        if !access.grants.is_empty() {
            settings.push(format!("required_access_grants: {}", flow_list(&access.grants)));
        }
        let mut entries: Vec<String> = Vec::new();
        for filter in &access.filters {
            let key = field_key(self.model, &self.fields.base_name, &filter.field);
            let column_name = reference_name(&key.0, &filter.field);
            let column = built_columns
                .iter()
                .find(|built_column| built_column.canonical_name == column_name)
                .map(|built_column| &built_column.name);
            // A row-level model has all columns of its table.
            let is_kept = self.plan.of_rows && key.0 == self.fields.base_name;
            let entry = column
                .or(Some(&key.1).filter(|_| is_kept))
                .map(|name| filter.entry(name));
            entries.extend(entry.filter(|entry| !entries.contains(entry)));
        }
        if !entries.is_empty() {
            settings.push(format!("topic: {{access_filters: [{}]}}", entries.join(", ")));
        }
        self.spec.omni = settings;
    }

    fn new_issue(
        &self,
        file: usize,
        node: &Node,
        subject: &str,
        original: String,
        reason: String,
        is_carried: bool,
    ) -> PromotionIssue {
        let file = self.model.files.get(file);
        PromotionIssue {
            file: file.map(|file| file.path.to_owned()).unwrap_or_default(),
            line: file.map_or(1, |file| file.line(node)),
            what: subject.to_owned(),
            original,
            reason,
            is_carried,
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
                let offset = fault.span().start as usize;
                let owner = places.iter().find(|(_, range)| range.contains(&offset));
                if let Some((name, _)) = owner {
                    faulty.entry(name.clone()).or_insert_with(|| fault.message().to_owned());
                }
            }
            round += 1;
            if faulty.is_empty() || round > MAX_ROUNDS {
                break (text, diagnostics);
            }
            // The rows of a worksheet need an order before its cells are computed, so a share cannot be a sort key of
            // the same step.
            if faulty.remove(SORT_KEYS).is_some() {
                self.sort_in_next_step();
                continue;
            }
            self.remove_faulty_definitions(&faulty);
        };
        // An empty spec could only report that it has no columns, so its diagnostics are omitted.
        let is_empty = self.spec.steps.iter().all(SpecStep::is_empty) && !self.gaps.is_empty();
        let diagnostics = if is_empty { Vec::new() } else { diagnostics };
        Promotion {
            is_empty,
            name: self.spec.model,
            spec,
            grain,
            carried: self.carried,
            gaps: self.gaps,
            notes: self.notes,
            diagnostics,
        }
    }
}
