//! Records in specs what was promoted, and detects promoted fields that Omni still defines.
//!
//! Records are stored in `meta`, which dbt preserves. The record of a field is `columns: {revenue: {meta:
//! {promoted_from: orders.revenue}}}`, and the record of a query view is `meta: {promoted_from: top_months}`.

use std::cell::OnceCell;

use rustc_hash::FxHashMap;

use super::omni_model::{find_references, read_model};
use super::retarget::{RetargetSource, TargetModel};
use super::retarget_checks::RetargetError;
use crate::diag::{Code, Diagnostic};
use crate::model::CompiledSpec;
use crate::parse;
use crate::schema::{OmniFieldKind, OmniReference, OmniRowSource, ParsedOmniModel, ViewField};
use crate::yaml::{self, Node};

/// Key of the record under `meta`.
const PROVENANCE_KEY: &str = "promoted_from";

/// Promotion record in a spec.
pub(super) struct ProvenanceRecord<'n> {
    /// Promoted item in Omni: a field such as `orders.revenue`, or a query view.
    pub from: &'n Node,
    /// Promoted column. `None` if the whole model was promoted.
    pub column: Option<&'n str>,
}

/// Returns the promotion records of a spec.
pub(super) fn promotion_records(root: &Node) -> Vec<ProvenanceRecord<'_>> {
    let has_record = |node: &'_ Node| -> bool { node.get("meta").and_then(|meta| meta.get(PROVENANCE_KEY)).is_some() };
    let mut provenance_records = Vec::new();
    if has_record(root) {
        provenance_records.extend(
            root.get("meta")
                .and_then(|meta| meta.get(PROVENANCE_KEY))
                .map(|from| ProvenanceRecord { from, column: None }),
        );
    }
    let steps = root.items_at("steps");
    let definitions = steps
        .iter()
        .chain([root])
        .filter_map(|step| step.get("definitions")?.pairs());
    let columns = root.pairs_at("columns");
    for (name, column) in definitions.flatten().chain(columns) {
        let from = column
            .get("meta")
            .and_then(|meta| meta.get(PROVENANCE_KEY))
            .filter(|from| from.text().is_some());
        provenance_records.extend(from.map(|from| ProvenanceRecord {
            from,
            column: name.text(),
        }));
    }
    provenance_records
}

/// Promotion records of all specs.
pub(super) struct PromotedSpecs {
    /// YAML of each spec. `None` if it cannot be read.
    pub roots: Vec<Option<Node>>,
    /// Specs that were promoted from each field or query view, by the lower-case name of the field or query view. Each
    /// entry contains the index of the spec, and the promoted column.
    by_name: FxHashMap<String, Vec<(usize, Option<String>)>>,
}

impl PromotedSpecs {
    pub fn read(specs: &[(String, String)]) -> Self {
        let parse_root = |(_, text): &(String, String)| yaml::parse_root(text);
        let roots: Vec<Option<Node>> = specs.iter().map(parse_root).collect();
        let mut by_name: FxHashMap<String, Vec<(usize, Option<String>)>> = FxHashMap::default();
        for (number, root) in roots.iter().enumerate() {
            for record in root.iter().flat_map(promotion_records) {
                let Some(from) = record.from.text() else { continue };
                let promoted = by_name.entry(from.to_ascii_lowercase()).or_default();
                // If several columns have the same origin, the first column replaces the field.
                if promoted.last().is_none_or(|(last, _)| *last != number) {
                    promoted.push((number, record.column.map(str::to_owned)));
                }
            }
        }
        Self { roots, by_name }
    }

    /// Returns the specs that were promoted from a field or query view. Each entry contains the index of the spec, its
    /// YAML, and the promoted column.
    pub fn promoted_from(&self, from: &str) -> impl Iterator<Item = (usize, &Node, Option<&str>)> {
        let promoted = self.by_name.get(&from.to_ascii_lowercase()).into_iter().flatten();
        promoted.filter_map(|(number, column)| {
            let root = self.roots.get(*number)?.as_ref()?;
            Some((*number, root, column.as_deref()))
        })
    }
}

/// Finds fields that are defined both in a spec and in Omni's files. Returns the index of the spec and a warning for
/// each field. `compile` returns the compiled spec with a given index, or `None` if the spec has errors. The model's
/// key determines whether `promote --repoint` is possible. The help for a warning recommends this command only if it is
/// possible.
///
/// ```
/// let spec = "model: m\nfrom: orders\ndefinitions: revenue = SUM(amount)\ncolumns:\n  revenue: {meta: {promoted_from: orders.revenue}}\n";
/// let view = "measures:\n  revenue: {sql: '${amount}', aggregate_type: sum}\n";
/// let file = |path: &str, text: &str| vec![(path.to_owned(), text.to_owned())];
/// use formulac_omni::promote::duplicate_field_warnings;
/// let compile = |_| Some(formulac_model::Compiler::default().compile_spec(spec));
/// let both = duplicate_field_warnings(&file("m.yml", spec), &file("orders.view.yaml", view), compile);
/// assert_eq!(both[0].1.code(), "W0712");
/// assert!(both[0].1.help().unwrap().starts_with("remove the field in Omni"));
/// let reads = view.replace("${amount}", "${m.revenue}");
/// let omni = [file("orders.view.yaml", &reads), file("m.view.yaml", "dimensions: {revenue: {}}\n")].concat();
/// assert!(duplicate_field_warnings(&file("m.yml", spec), &omni, compile).is_empty());
/// ```
#[must_use]
pub fn duplicate_field_warnings(
    specs: &[(String, String)],
    omni: &[(String, String)],
    compile: impl Fn(usize) -> Option<CompiledSpec>,
) -> Vec<(usize, Diagnostic)> {
    if omni.is_empty() {
        return Vec::new();
    }
    let (model, _) = read_model(omni);
    let promoted = PromotedSpecs::read(specs);
    let mut warnings = Vec::new();
    for (number, root) in promoted.roots.iter().enumerate() {
        let Some(root) = root else { continue };
        let Some(name) = root.get("model") else { continue };
        let Some(model_name) = name.text() else { continue };
        let compiled = OnceCell::new();
        for record in promotion_records(root) {
            if let Some((fault, item, command)) = duplicate_definition_diagnostic(&model, model_name, &record) {
                let changed = match compiled.get_or_init(|| compile(number)) {
                    Some(compiled) => {
                        TargetModel::edits_to_read_spec_model(number, specs, &promoted, &model, &item, compiled)
                    }
                    None => Err(RetargetError::with_remedy(
                        "the spec has errors",
                        "fix the errors in this spec",
                    )),
                };
                let help = duplicate_help(&item, changed.err(), &command);
                warnings.push((number, fault.with_help(help)));
            }
        }
        for (view_index, view) in model.views_of_table(model_name) {
            for column in output_names(root) {
                let Some(field) = model.field(view_index, &column) else {
                    continue;
                };
                if field.kind == OmniFieldKind::Dimension && !field.is_column() {
                    warnings.push((number, recomputed_field_diagnostic(&model, &view.name, field, name)));
                }
            }
        }
    }
    warnings
}

/// Returns the help for a field that a spec also defines. `retarget_error` is the reason why the field cannot read the
/// model.
fn duplicate_help(item: &RetargetSource, retarget_error: Option<RetargetError>, command: &str) -> String {
    let kind = if item.field.is_some() { "field" } else { "query view" };
    let remove = format!("remove the {kind} in Omni; to keep both, remove `promoted_from` here");
    match retarget_error.map(|retarget_error| (retarget_error.remedy, retarget_error.reason)) {
        None => format!("after the model is built, run `{command}`, or {remove}"),
        Some((Some(remedy), _)) => format!("{remedy}, then run `{command}`, or {remove}"),
        Some((None, reason)) => format!("{remove}. The {kind} cannot read the model: {reason}"),
    }
}

/// Returns the warning about a field or query view that a spec also defines. Also returns the field or query view, and
/// the command that makes it read the model.
fn duplicate_definition_diagnostic(
    model: &ParsedOmniModel<'_>,
    model_name: &str,
    record: &ProvenanceRecord<'_>,
) -> Option<(Diagnostic, RetargetSource, String)> {
    let from = record.from.text()?;
    let Some(column) = record.column else {
        let index = model.view(from)?;
        let view = model
            .views
            .get(index)
            .filter(|view| view.rows == OmniRowSource::Query)?;
        let file = model.files.get(view.file)?;
        let text = format!("both the query view `{from}` and this model compute the same rows");
        let command = format!("formulac promote {} --repoint", file.path);
        let line = file.root.get("query").map_or(1, |query| file.line(query));
        let text = format!("{text}: the query view is in {}:{line}", file.path);
        let fault = Diagnostic::new(Code::DefinedTwice, record.from.span, text);
        return Some((fault, RetargetSource::new(file.path, None), command));
    };
    let reference = OmniReference::read(from);
    let index = model.view_by_name_or_alias(reference.view.as_deref()?)?;
    let field = model.field(index, &reference.field)?;
    let file = model.files.get(field.file)?;
    if field.is_column() && field.kind != OmniFieldKind::Measure || reads_model_column(model, field, model_name, column)
    {
        return None;
    }
    let text = format!(
        "`{from}` is defined both here and in Omni, in {}:{}",
        file.path,
        file.line(&field.at)
    );
    let command = format!("formulac promote {}:{} --repoint", file.path, field.name);
    let fault = Diagnostic::new(Code::DefinedTwice, record.from.span, text);
    Some((fault, RetargetSource::new(file.path, Some(&field.name)), command))
}

fn recomputed_field_diagnostic(model: &ParsedOmniModel<'_>, view: &str, field: &ViewField, name: &Node) -> Diagnostic {
    let file = model.files.get(field.file);
    let view_index = file
        .map(|file| format!("{}:{}", file.path, file.line(&field.at)))
        .unwrap_or_default();
    let text = format!(
        "`{}` is computed here, and Omni's view `{view}` of this model computes a field with that name again, in {view_index}",
        field.name
    );
    Diagnostic::new(Code::DefinedTwice, name.span, text).with_help(format!(
        "remove `sql` of `{}` in Omni, so that the field reads the column",
        field.name
    ))
}

/// Returns whether a field reads a column of the model through one of the model's views.
fn reads_model_column(model: &ParsedOmniModel<'_>, field: &ViewField, model_name: &str, column: &str) -> bool {
    let column_references = field
        .text("sql")
        .map(find_references)
        .into_iter()
        .flatten()
        .map(OmniReference::read);
    let mut references = column_references.filter(|reference| reference.field.eq_ignore_ascii_case(column));
    references.any(|reference| {
        let index = reference
            .view
            .as_deref()
            .and_then(|view| model.view_by_name_or_alias(view));
        index
            .and_then(|index| model.views.get(index))
            .is_some_and(|view| view.table.name().eq_ignore_ascii_case(model_name))
    })
}

/// Returns the names of the definitions and calculations in the last step.
fn output_names(root: &Node) -> Vec<String> {
    let last = root
        .get("steps")
        .and_then(Node::items)
        .and_then(<[Node]>::last)
        .unwrap_or(root);
    let mut names = Vec::new();
    for key in ["definitions", "calculations"] {
        let Some(node) = last.get(key) else { continue };
        match (node.pairs(), node.text()) {
            (Some(pairs), _) => names.extend(pairs.iter().filter_map(|(name, _)| name.text()).map(str::to_owned)),
            (None, Some(text)) => {
                let (parsed, _) = parse::parse(text);
                let defined = parsed.ast().definitions.iter().filter_map(|definition| definition.name);
                names.extend(defined.map(|span| span.text(parsed.source()).to_owned()));
            }
            (None, None) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::duplicate_field_warnings;
    use crate::compiler::Compiler;

    #[test]
    fn several_specs_of_a_field_are_only_named_if_it_could_read_one_of_them() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let spec = |name: &str, key: &str| {
            let text = format!(
                "model: {name}\nfrom: orders\ngroup_by: {key}\ndefinitions: revenue = SUM(amount)\n\
                 columns:\n  revenue: {{meta: {{promoted_from: orders.revenue}}}}\n"
            );
            file(&format!("{name}.yml"), &text)
        };
        let view = "dimensions:\n  id: {primary_key: true}\n  month: {}\n\
                    measures:\n  revenue: {sql: '${amount}', aggregate_type: sum}\n";
        let omni = [file("orders.view.yaml", view)];
        let helps = |specs: [(String, String); 2]| -> Vec<String> {
            let compile = |index: usize| Some(Compiler::default().compile_spec(&specs[index].1));
            let warnings = duplicate_field_warnings(&specs, &omni, compile);
            warnings
                .iter()
                .map(|(_, diagnostic)| diagnostic.help().unwrap_or_default().to_owned())
                .collect()
        };
        let by_month =
            "remove the field in Omni; to keep both, remove `promoted_from` here. The field cannot read the model";
        let [first, second] = helps([spec("a", "month"), spec("b", "month")]).try_into().unwrap();
        assert!(
            first.starts_with(by_month) && second.starts_with(by_month),
            "{first}\n{second}"
        );
        let [first, second] = helps([spec("a", "month"), spec("b", "id")]).try_into().unwrap();
        assert!(first.starts_with(by_month), "{first}");
        assert!(
            second.starts_with("remove `promoted_from` from all but one of these specs, then run"),
            "{second}"
        );
    }
}
