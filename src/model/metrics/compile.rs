//! Compiles metric sets, and models built on them, by compiling the specs to which they are expanded.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::check_model::{rewrite_help_for_set, write_check_model};
use super::expand::{SpecExpansion, StepExpansion, expand, expand_periods};
use super::formulas::{MetricFormula, NameOccurrence};
use super::metric_set::{MetricSet, MetricSetWithErrors, MetricSets};
use super::period_steps::period_steps;
use crate::CompiledSpec;
use crate::compile::GeneratedSpecSources;
use crate::compiler::Compiler;
use crate::dbt_tests::with_original_key;
use crate::diag::{self, Code, Diagnostic};
use crate::file::SpecFile;
use crate::graph::{self, ModelRead};
use crate::incremental::incremental_fill_error;
use crate::load::{SpecKind, load};
use crate::schema::Column;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Model built on metric sets, expanded but not yet compiled.
pub struct UncompiledModelOnMetricSets {
    expanded_file: Option<ExpandedFile>,
    faults: Vec<Diagnostic>,
}

/// Expanded spec with its YAML.
struct ExpandedFile {
    expansion: SpecExpansion,
    diagnostics: Vec<Diagnostic>,
    root: Option<Node>,
}

impl UncompiledModelOnMetricSets {
    /// Expands a model built on metric sets.
    pub fn from_file(compiler: &Compiler, file: &SpecFile<'_>) -> Self {
        let mut faults = file.diagnostics.clone();
        let (sets, kind) = (&compiler.specs.sets, SpecKind::OverSets);
        let expansion = file
            .root()
            .and_then(|root| expand(compiler, sets, (root, file.source), kind, &mut faults));
        let expanded_file = expansion.map(|expansion| ExpandedFile::new(compiler, expansion));
        Self { expanded_file, faults }
    }

    /// Returns the models that the model reads.
    pub fn reads(&self) -> Vec<ModelRead> {
        let reads = |expanded: &ExpandedFile| {
            let spec = load(
                expanded.root.as_ref()?,
                &expanded.expansion.text.text,
                SpecKind::OverSets,
                &mut Vec::new(),
            );
            spec.as_ref().map(graph::model_reads)
        };
        self.expanded_file.as_ref().and_then(reads).unwrap_or_default()
    }
}

impl ExpandedFile {
    fn new(compiler: &Compiler, expansion: SpecExpansion) -> Self {
        let SpecFile { diagnostics, root, .. } = SpecFile::read(&expansion.text.text, None, &compiler.options.limits);
        Self {
            expansion,
            diagnostics,
            root,
        }
    }
}

impl Compiler {
    /// Compiles a model built on metric sets. `model` is the expansion of the file.
    pub(crate) fn compile_from_metric_sets(
        &self,
        file: &SpecFile<'_>,
        model: UncompiledModelOnMetricSets,
    ) -> CompiledSpec {
        let (source, kind) = (file.source, SpecKind::OverSets);
        let name = file.root().and_then(|root| root.get("model"));
        let UncompiledModelOnMetricSets {
            expanded_file: expanded,
            faults,
        } = model;
        let Some(expanded) = expanded else {
            let mut compiled = CompiledSpec::new(self.options.dialect, faults);
            compiled.is_over_sets = true;
            compiled.name = name.and_then(Node::text).map(str::to_owned);
            compiled.name_span = name.map_or(Span::default(), |node| node.span);
            diag::sort(&mut compiled.diagnostics);
            return compiled;
        };
        let faults = (faults, expanded.expansion.sources_of_metric_set_steps());
        let (mut compiled, expansion) = self.compile_and_map_to_original(expanded, (source, file.path), kind, faults);
        compiled.is_over_sets = true;
        compiled.sets = expansion.sets;
        compiled.metrics_read = expansion.metrics;
        compiled.dimensions_read = compiled.find_dimensions_read(source);
        compiled.metrics_of_columns = expansion.metrics_of_columns;
        compiled.metrics_of_rows = expansion.metrics_of_rows;
        compiled.assumed_periods = expansion.assumed_periods;
        compiled.expanded = Some(expansion.text.text);
        compiled
    }

    /// Compiles an expanded spec, and maps its diagnostics, positions and definitions back to the original spec.
    /// `generated_from` describes the sources of the original spec if that spec is itself generated.
    fn compile_and_map_to_original(
        &self,
        expanded: ExpandedFile,
        (source, path): (&str, Option<&str>),
        kind: SpecKind,
        (mut faults, generated_from): (Vec<Diagnostic>, GeneratedSpecSources),
    ) -> (CompiledSpec, SpecExpansion) {
        let (mut compiled, expansion) = self.compile_expansion(expanded, path, kind, generated_from);
        let name_span = expansion.to_model_span(compiled.name_span);
        compiled.map_spans(
            |diagnostic| {
                let mapped = expansion.to_model_diagnostic(diagnostic)?;
                // A warning at the model's name means that no key of the spec has the column's name. In this case, the
                // text at the span is not a key.
                let is_key = mapped.span() != name_span;
                Some(if is_key {
                    with_original_key(mapped, source)
                } else {
                    mapped
                })
            },
            |span| expansion.to_model_span(span),
        );
        compiled.restore_original_definitions(&expansion);
        expansion.remove_duplicate_errors(&mut compiled.diagnostics);
        // The expansion has the same windows as the spec, so do not report these warnings for both.
        for code in [Code::PeriodOutsidePartition, Code::PartitionOfOne] {
            if faults.iter().any(|diagnostic| diagnostic.kind() == code) {
                compiled.diagnostics.retain(|diagnostic| diagnostic.kind() != code);
            }
        }
        compiled.diagnostics.append(&mut faults);
        crate::compiler::remove_silenced_warnings(&mut compiled.diagnostics, source, &self.options.silenced);
        diag::sort(&mut compiled.diagnostics);
        if compiled.has_errors() {
            (compiled.query, compiled.model) = (None, None);
        }
        (compiled, expansion)
    }

    fn compile_expansion(
        &self,
        expanded: ExpandedFile,
        path: Option<&str>,
        kind: SpecKind,
        mut generated_from: GeneratedSpecSources,
    ) -> (CompiledSpec, SpecExpansion) {
        let ExpandedFile {
            expansion,
            diagnostics,
            root,
        } = expanded;
        let file = SpecFile {
            source: &expansion.text.text,
            path,
            diagnostics,
            root,
        };
        generated_from.formulas.extend(expansion.original_formulas());
        (self.compile_spec_with_periods(file, kind, generated_from), expansion)
    }

    /// Compiles a spec in which steps may have `fill`, `since` or `until`. `generated_from` describes the files from
    /// which the spec is generated.
    pub(crate) fn compile_spec_with_periods(
        &self,
        file: SpecFile<'_>,
        kind: SpecKind,
        generated_from: GeneratedSpecSources,
    ) -> CompiledSpec {
        let periods = file.root().map(period_steps).unwrap_or_default();
        if periods.is_empty() {
            return self.compile_model(file, kind, generated_from);
        }
        let (source, path) = (file.source, file.path);
        let mut faults = file.diagnostics.clone();
        let expansion = file
            .root()
            .and_then(|root| expand_periods(self, (root, source), &periods, &mut faults));
        let has_fill = periods.iter().any(|(_, step)| step.get("fill").is_some());
        // Compile the spec without these keys to find errors that are unrelated to them.
        let filled_error = file.root().and_then(|root| incremental_fill_error(root, &periods));
        let mut plain = self.compile_query(file, kind);
        if filled_error.is_some() {
            // No key could make a filled model incremental.
            plain
                .diagnostics
                .retain(|fault| fault.kind() != Code::IncrementalWithoutKey);
        }
        let Some(expansion) = expansion.filter(|_| !plain.has_errors()) else {
            let mut compiled = plain;
            // The spec was compiled without `fill`, so the warning about missing periods does not apply.
            if has_fill {
                compiled
                    .diagnostics
                    .retain(|diagnostic| diagnostic.kind() != Code::RowsNotPeriods);
            }
            compiled.diagnostics.append(&mut faults);
            compiled.diagnostics.extend(filled_error);
            diag::sort(&mut compiled.diagnostics);
            (compiled.query, compiled.model) = (None, None);
            return compiled;
        };
        let expanded = ExpandedFile::new(self, expansion);
        let kind = match kind {
            SpecKind::Written => SpecKind::Periods,
            of_sets => of_sets,
        };
        // The expansion omits unused helpers, so copy the warnings about them.
        let unused = plain
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.kind() == Code::UnusedHelper);
        faults.extend(unused.cloned());
        let (mut compiled, _) =
            self.compile_and_map_to_original(expanded, (source, path), kind, (faults, generated_from));
        compiled.diagnostics.dedup();
        compiled.check_columns_match(&plain)
    }

    /// Checks a metric set by compiling a model with all its metrics and dimensions.
    pub(crate) fn compile_metric_set(&self, file: &SpecFile<'_>, set_with_errors: MetricSetWithErrors) -> CompiledSpec {
        let mut compiled = CompiledSpec::new(self.options.dialect, file.diagnostics.clone());
        let MetricSetWithErrors {
            set,
            mut faults,
            errors_in_formulas,
        } = set_with_errors;
        compiled.diagnostics.append(&mut faults);
        let Some(set) = set else {
            compiled.diagnostics.extend(errors_in_formulas);
            return compiled;
        };
        let metric_sets = &self.specs.sets;
        let with_own;
        let sets = match metric_sets.get(&set.name) {
            Some(known_set) if Arc::ptr_eq(known_set, &set) => metric_sets,
            _ => {
                with_own = metric_sets.with(Arc::clone(&set));
                &with_own
            }
        };
        compiled
            .diagnostics
            .append(&mut set.check_names_of_other_sets(metric_sets));
        let today = self.specs.current_date.as_deref();
        compiled
            .diagnostics
            .append(&mut set.check_outdated_metrics(metric_sets, today));
        // Compile the check model only if the metric set has either `from` or `sets`. Otherwise, every name would be
        // unknown.
        let has_input = set.root.get("from").is_some() != set.root.get("sets").is_some();
        let is_probed = has_input && self.compile_check_model(&set, sets, file, &mut compiled);
        compiled
            .diagnostics
            .extend(errors_in_formulas.into_iter().filter(|_| !is_probed));
        compiled.tags = set.root.texts_at("tags");
        compiled.metric_set = Some(set);
        let diagnostics = std::mem::take(&mut compiled.diagnostics).into_iter();
        compiled.diagnostics = diagnostics.map(|fault| fault.map_help(rewrite_help_for_set)).collect();
        crate::compiler::remove_silenced_warnings(&mut compiled.diagnostics, file.source, &self.options.silenced);
        diag::sort(&mut compiled.diagnostics);
        compiled
    }

    /// Checks a metric set by compiling a check model, which contains all metrics and dimensions of the set. Adds to
    /// `compiled` the errors that do not result from earlier errors, and the inputs of the metric set. Returns `false`
    /// if errors in the keys of the metric sets prevent the check model from being compiled.
    fn compile_check_model(
        &self,
        set: &MetricSet,
        sets: &MetricSets,
        file: &SpecFile<'_>,
        compiled: &mut CompiledSpec,
    ) -> bool {
        let had_errors = compiled.has_errors();
        let text = write_check_model(set, sets);
        let probe = yaml::parse_root(&text);
        let mut diagnostics = Vec::new();
        let expansion = probe.and_then(|root| expand(self, sets, (&root, &text), SpecKind::WholeSet, &mut diagnostics));
        if !had_errors {
            // The check model's text is generated and has no position in the file, so report its diagnostics at the
            // name of the metric set.
            let at_set = |fault: Diagnostic| fault.map_spans(|_| set.name_span);
            let probe_errors = diagnostics.into_iter().filter(Diagnostic::is_error).map(at_set);
            compiled.diagnostics.extend(probe_errors);
        }
        let Some(expansion) = expansion else { return false };
        let expanded = ExpandedFile::new(self, expansion);
        let generated_from = expanded.expansion.sources_of_metric_set_steps();
        let (inner, expansion) = self.compile_expansion(expanded, file.path, SpecKind::WholeSet, generated_from);
        let text = &expansion.text;
        // The check model's text is generated, so an error in it can only come from the metric set's `time`.
        let time = set.time.as_ref();
        let of_time = |fault: &&Diagnostic| {
            let reported_text = text.text.get(fault.span().start as usize..fault.span().end as usize);
            let is_named = time
                .zip(reported_text)
                .is_some_and(|(time, fault_text)| fault_text.contains(&time.column));
            fault.is_error() && is_named && text.origin(fault.span()).0 == 0
        };
        let of_time = inner
            .diagnostics
            .iter()
            .filter(of_time)
            .min_by_key(|fault| is_level_error(fault))
            .cloned();
        let own = inner.diagnostics.into_iter();
        let inner_faults = own.filter_map(|fault| expansion.to_set_diagnostic(fault, 1));
        let (mut consequences, mut set_faults) =
            inner_faults.partition::<Vec<_>, _>(|fault| may_be_follow_up_error(fault, set));
        let errors = compiled.diagnostics.iter().filter(|fault| fault.is_error());
        let mut seen: FxHashSet<(Span, String)> =
            errors.map(|fault| (fault.span(), fault.message().to_owned())).collect();
        let is_of_keys = |fault: &Diagnostic| {
            let mut of_keys = set.faults.iter();
            of_keys.any(|diagnostic| diagnostic.kind() == fault.kind() && diagnostic.message() == fault.message())
        };
        // Each generated step warns about its unqualified names. One warning is sufficient for the set.
        let mut has_unqualified_names = false;
        set_faults.retain(|fault| {
            fault.kind() != Code::UnqualifiedName || !std::mem::replace(&mut has_unqualified_names, true)
        });
        set_faults.retain(|fault| {
            !fault.is_error() || (!is_of_keys(fault) && seen.insert((fault.span(), fault.message().to_owned())))
        });
        compiled.diagnostics.append(&mut set_faults);
        // An error in a dimension or in all aggregates may cause an error about `time`. Report the error about `time`
        // only if there are no such errors.
        if let (Some(fault), Some(time)) = (of_time, time)
            && (!compiled.has_errors() || (set.position(&time.column).is_none() && !is_level_error(&fault)))
        {
            compiled.diagnostics.push(fault.map_spans(|_| time.span).without_fix());
        }
        if !compiled.has_errors() {
            compiled.diagnostics.append(&mut consequences);
        }
        compiled.reads = inner.reads;
        compiled.tables = inner.tables;
        compiled.columns_read = inner.columns_read;
        compiled.lineage = inner.lineage;
        compiled.known_relations = inner.known_relations;
        if set.sets.is_empty() {
            compiled.set_tests = inner.set_tests;
        }
        true
    }
}

/// Returns whether a diagnostic about a generated step may result from another error. If a metric or aggregate contains
/// an error, the step lacks its column. If all aggregates contain errors, or if a metric set without rows contains
/// aggregates, the step seems to mix row-level and aggregated values. In a formula of the metric set, only a name that
/// the metric set does not define can be unknown.
fn may_be_follow_up_error(fault: &Diagnostic, set: &MetricSet) -> bool {
    let is_in_formula = |formula: &MetricFormula| formula.span.contains(fault.span());
    if is_level_error(fault) {
        return set.aggregates_other_sets() || !set.definitions.iter().any(is_in_formula);
    }
    let is_name = |formula: &MetricFormula| {
        let is_own = |name: &str| name.eq_ignore_ascii_case(&formula.name);
        let is_other = |name: &NameOccurrence| {
            let is_defined = name.qualifier.is_none() && set.position(&name.name).is_some();
            is_own(&name.name) || !is_defined
        };
        let mut names = formula.names.iter().filter(|name| is_other(name));
        names.any(|name| formula.file_span(&name.range) == fault.span())
    };
    let is_whole = |formula: &MetricFormula| {
        let mut calls = formula.aggregates.iter();
        let mut names = formula.names.iter();
        formula.span == fault.span()
            || names.any(|name| formula.file_span(&name.range) == fault.span())
            || calls.any(|call| formula.file_span(&call.range) == fault.span())
    };
    fault.kind() == Code::UnknownName && !set.definitions.iter().any(is_name) && set.definitions.iter().any(is_whole)
}

/// Returns whether a diagnostic reports that a step mixes row-level and aggregated values.
fn is_level_error(fault: &Diagnostic) -> bool {
    matches!(fault.kind(), Code::KeepInGroupedStep | Code::MixedLevels)
}

impl SpecExpansion {
    /// Returns the original formulas, from the metric sets and the spec, of the generated steps that contain rewritten
    /// formulas.
    fn original_formulas(&self) -> FxHashMap<(String, String), String> {
        let mut formulas = FxHashMap::default();
        for step in self.steps.iter().filter(|step| !step.is_as_written) {
            for (column, formula) in &step.formulas {
                let (column, formula) = (column.to_lowercase(), crate::write::strip_comments(formula));
                for name in &step.names {
                    formulas.insert((name.clone(), column.clone()), formula.clone());
                }
            }
        }
        formulas
    }

    /// Returns the names of the steps that are generated from metric sets.
    fn sources_of_metric_set_steps(&self) -> GeneratedSpecSources {
        GeneratedSpecSources {
            last_row_steps: self
                .steps
                .iter()
                .flat_map(|step| step.last_row_steps.iter().cloned())
                .collect(),
            steps_of_sets: self.steps.iter().flat_map(|step| step.names.iter().cloned()).collect(),
            ..GeneratedSpecSources::default()
        }
    }

    /// Maps a span of the expanded text to a span of the model's spec.
    fn to_model_span(&self, span: Span) -> Span {
        match self.text.origin(span) {
            (0, span) => span,
            _ => self.span,
        }
    }

    /// Converts a diagnostic about the expanded text to a diagnostic about the model's spec. Warnings about a metric
    /// set are reported where the set is checked.
    fn to_model_diagnostic(&self, diagnostic: Diagnostic) -> Option<Diagnostic> {
        let start = self.to_model_span(diagnostic.span()).start;
        // Filters in expanded steps have already been checked in their original form.
        let is_expanded = |step: &StepExpansion| (step.span.start..step.span.end).contains(&start);
        if diagnostic.kind() == Code::HiddenPeriods && self.steps.iter().any(is_expanded) {
            return None;
        }
        if diagnostic.kind() == Code::RowsNotPeriods && self.filled_steps.contains(&start) {
            return None;
        }
        if diagnostic.kind() == Code::SeveralInPeriod && self.are_all_keys_determined {
            return None;
        }
        let (file, in_set) = self.text.origin(diagnostic.span());
        let set = usize::from(file).checked_sub(1).and_then(|set| self.sets.get(set));
        // Show these warnings for the model. Its keys and order determine the rows in a partition, and a query does not
        // run the tests of a metric set's joins.
        let is_shown = diagnostic.is_error()
            || matches!(
                diagnostic.kind(),
                Code::PartitionOfOne | Code::JoinMayMultiply | Code::PartialKeyJoin
            );
        let mut mapped = diagnostic.map_spans(|span| self.to_model_span(span)).without_fix();
        if mapped.kind() == Code::RowsNotPeriods && self.filled_steps.end <= start {
            let by_calendar = mapped.help().and_then(|help| help.split_once(", or add `fill:"));
            let moved = "move the condition in `having`, which may remove periods, to a later step";
            let help = by_calendar.map_or(moved.to_owned(), |(by_calendar, _)| {
                format!("{by_calendar}, or {moved}")
            });
            mapped = mapped.with_help(help);
        }
        // A step that reads metric sets cannot define row-level formulas, so the help suggests a dimension.
        if mapped.kind() == Code::StrayFormula
            && self.steps.iter().any(is_expanded)
            && let Some(set) = self.sets.first()
        {
            let help = format!(
                "define the formula as a dimension of the set `{}`, and group by the dimension",
                set.name
            );
            mapped = mapped.with_help(help);
        }
        match set {
            None => Some(mapped),
            Some(set) => is_shown.then(|| {
                let context = format!("in the metric set `{}`", set.name);
                mapped.with_context(&context).with_cause(set.path.as_deref(), in_set)
            }),
        }
    }

    /// Keeps the first error at each position in the model, because the expansion contains a condition of the model
    /// once per metric set. All errors in the metric sets have the same position. The expansion may also contain a join
    /// several times.
    fn remove_duplicate_errors(&self, diagnostics: &mut Vec<Diagnostic>) {
        let mut seen: FxHashSet<(Span, Code)> = FxHashSet::default();
        let mut joins: FxHashSet<String> = FxHashSet::default();
        let is_of_join = |code: Code| matches!(code, Code::JoinMayMultiply | Code::PartialKeyJoin);
        diagnostics.retain(|fault| !is_of_join(fault.kind()) || joins.insert(fault.message().to_owned()));
        diagnostics.retain(|fault| {
            !fault.is_error() || fault.span() == self.span || seen.insert((fault.span(), fault.kind()))
        });
    }

    /// Converts a diagnostic about the expanded text to a diagnostic about the metric set's file. Returns `None` for
    /// diagnostics about text from another file, and for warnings about keys and names that exist only in the check
    /// model.
    fn to_set_diagnostic(&self, diagnostic: Diagnostic, file: u16) -> Option<Diagnostic> {
        let is_about_use = matches!(
            diagnostic.kind(),
            Code::UnusedHelper | Code::NullableKey | Code::HiddenPeriods
        );
        let (origin_file, _) = self.text.origin(diagnostic.span());
        (origin_file == file && !is_about_use)
            .then(|| diagnostic.map_spans(|span| self.text.origin(span).1).without_fix())
    }
}

impl CompiledSpec {
    /// Reports an internal error if the columns of the spec differ from the columns without `fill`, `since` and
    /// `until`.
    fn check_columns_match(mut self, plain: &Self) -> Self {
        let column_names = self.columns.iter().map(Column::name);
        if !column_names.eq(plain.columns.iter().map(Column::name)) && !self.has_errors() {
            let message = "the expansion of `fill`, `since` or `until` has different columns than the step";
            self.diagnostics
                .push(Diagnostic::new(Code::Internal, self.name_span, message));
            (self.query, self.model) = (None, None);
        }
        self
    }

    /// Replaces the definitions of the expanded steps with the original definitions. The definitions of other steps
    /// remain unchanged.
    fn restore_original_definitions(&mut self, expansion: &SpecExpansion) {
        let expanded = std::mem::take(&mut self.definitions);
        let mut steps: FxHashMap<&str, usize> = FxHashMap::default();
        for (index, step) in expansion.steps.iter().enumerate() {
            steps.extend(step.names.iter().map(|name| (name.as_str(), index)));
        }
        let step_of = |definition: &crate::SpecDefinition| {
            let name = definition.step.as_deref().unwrap_or_default();
            steps.get(name).copied()
        };
        let mut definitions: Vec<crate::SpecDefinition> = Vec::new();
        let mut seen: FxHashSet<(usize, String)> = FxHashSet::default();
        // If a name is defined several times, its last definition is the step's column.
        for mut definition in expanded.into_iter().rev() {
            let step = step_of(&definition).and_then(|step| Some((step, expansion.steps.get(step)?)));
            let Some((step, step_formulas)) = step else {
                definitions.push(definition);
                continue;
            };
            let has_name = |(column_name, _): &&(String, String)| column_name.eq_ignore_ascii_case(&definition.name);
            if let Some((_, formula)) = step_formulas.formulas.iter().find(has_name)
                && seen.insert((step, definition.name.to_lowercase()))
            {
                definition.formula = crate::write::strip_comments(formula);
                definition.step.clone_from(&step_formulas.name);
                definitions.push(definition);
            }
        }
        definitions.reverse();
        self.definitions = definitions;
    }

    /// Maps positions in the expanded text to positions in the model's spec.
    fn map_spans(&mut self, diagnostic: impl Fn(Diagnostic) -> Option<Diagnostic>, span: impl Fn(Span) -> Span) {
        for diagnostics in [&mut self.diagnostics, &mut self.model_warnings] {
            *diagnostics = std::mem::take(diagnostics)
                .into_iter()
                .filter_map(&diagnostic)
                .collect();
        }
        self.model_fault = self.model_fault.take().and_then(&diagnostic);
        self.name_span = span(self.name_span);
        for definition in &mut self.definitions {
            definition.span = span(definition.span);
        }
    }
}
