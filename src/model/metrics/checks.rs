//! Checks the names and settings of a model built on metric sets.

use std::ops::Range;

use super::formulas::{MetricFormula, NameOccurrence};
use super::graph::ModelNameTarget;
use super::keys::ModelKeys;
use super::metric_set::INHERITED_SETTINGS;
use super::model_on_metric_sets::{ModelKey, ModelOnMetricSets};
use super::non_additive::RowGroup;
use crate::check::DefinitionRole;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::load::SpecKind;
use crate::span::Span;
use crate::yaml::Node;

impl ModelOnMetricSets<'_> {
    /// Returns the value of `materialized` if the spec requests an incremental model.
    pub fn incremental_node(&self) -> Option<&Node> {
        let node = self.root.get("config")?.get("materialized")?;
        (node.text() == Some("incremental")).then_some(node)
    }

    /// Returns an error if an incremental model reads several metric sets or `non_additive` metrics, because no run
    /// could compute such a model from only the new rows.
    pub fn incremental_error(&self, groups: &[RowGroup]) -> Option<Diagnostic> {
        let node = self.incremental_node().filter(|_| self.kind == SpecKind::OverSets)?;
        let clause = match groups {
            _ if self.sets.len() > 1 => "over several metric sets",
            [_, _, ..] => "whose metrics have different `non_additive` rules",
            _ => return None,
        };
        let message = format!(
            "a model {clause} cannot be incremental, because a run reads only the new and late rows of one relation"
        );
        Some(Diagnostic::new(Code::UnboundedInTime, node.span, message).with_help("write `materialized: table`"))
    }

    /// Returns an error if an aggregate in `having` would aggregate the rows of a generated step instead of the rows of
    /// the metric set. Such a step combines the results of several metric sets or row groups.
    pub fn having_error(&self, groups: &[RowGroup]) -> Option<Diagnostic> {
        let is_combined = self.sets.len() > 1 || groups.iter().any(|group| group.rule.is_some());
        let having = self.having.as_ref().filter(|_| is_combined)?;
        self.aggregate_error(having, None)
    }

    /// Returns an error if a formula of the model aggregates rows. `own_definition` is the index of the formula among
    /// the model's definitions.
    fn aggregate_error(&self, formula: &MetricFormula, own_definition: Option<usize>) -> Option<Diagnostic> {
        let call = &formula.aggregates.first()?.range;
        let message = "a model built on metric sets cannot aggregate rows itself; its formulas use metrics";
        let help = match self.aggregate_as_window(formula, call, own_definition) {
            Some(total) if formula.role == DefinitionRole::Having => {
                format!("for the total of all rows, define {total} in `definitions`, and filter by it in the next step")
            }
            Some(total) => format!("for the total of all rows, write {total}"),
            None => format!(
                "define the aggregate as a metric of the set `{}`, and use the metric here",
                self.sets[0].name
            ),
        };
        Some(Diagnostic::new(Code::AggregateOverSets, formula.file_span(call), message).with_help(help))
    }

    /// For an aggregate of a metric, such as `SUM(revenue)`, returns the window that aggregates the metric over all
    /// rows, `SUM(revenue:revenue)`, and the key that this window needs. `None` if the argument is not a metric.
    fn aggregate_as_window(
        &self,
        formula: &MetricFormula,
        call: &Range<usize>,
        own_definition: Option<usize>,
    ) -> Option<String> {
        let keys = self.possible_key_names();
        let resolve = |own, name: &NameOccurrence| self.resolve_in_model(own, name, Span::default(), &keys);
        let text = formula.text.get(call.clone())?;
        let (function, argument) = text.strip_suffix(')')?.split_once('(')?;
        let argument = argument.trim();
        let mut names = formula.names.iter();
        let name = names.find(|name| call.contains(&name.range.start))?;
        let is_metric = matches!(resolve(own_definition, name), Ok(ModelNameTarget::Metric(_)));
        if !is_metric || formula.text.get(name.range.clone()) != Some(argument) {
            return None;
        }
        // If `order_by` contains a key, windows are partitioned by the other keys. Other entries only sort the result.
        let is_key = |entry: &MetricFormula| match entry.names.as_slice() {
            [name] => matches!(resolve(None, name), Ok(ModelNameTarget::Key(_))),
            _ => false,
        };
        let is_divided =
            self.partition_by.is_none() && self.keys.len() > 1 && self.order_by.iter().flatten().any(is_key);
        let partition = if is_divided { " and `partition_by: []`" } else { "" };
        Some(format!("`{}({argument}:{argument})`{partition}", function.trim()))
    }

    /// Reports definitions that have the same name as a metric, and columns with duplicate names.
    pub fn check_names(&self, faults: &mut Vec<Diagnostic>) {
        let metric = |name: &str| {
            let is_listed = self
                .listed_metrics
                .iter()
                .any(|listed_metric| listed_metric.name.eq_ignore_ascii_case(name));
            let named_sets = self.sets.iter().take(self.set_count);
            is_listed
                || named_sets
                    .flat_map(|set| set.metrics())
                    .any(|metric| metric.name.eq_ignore_ascii_case(name))
        };
        for (index, definition) in self.definitions.iter().enumerate() {
            let name = &definition.name;
            if metric(name) && !self.is_overridden(name) {
                faults.push(
                    Diagnostic::new(
                        Code::MetricRedefined,
                        definition.span,
                        format!("`{name}` is a metric of the model's sets, and the model defines it again"),
                    )
                    .with_help(format!(
                        "use another name, or add `overrides: [{name}]` to replace the metric"
                    )),
                );
            }
            if definition.level < crate::Level::Window {
                faults.extend(self.aggregate_error(definition, Some(index)));
            }
        }
        for (name, span) in &self.overrides {
            let is_defined = self
                .definitions
                .iter()
                .any(|definition| definition.name.eq_ignore_ascii_case(name));
            let (code, message, help) = if !metric(name) {
                let message = format!("`overrides` names `{name}`, which is not a metric of the model's sets");
                (
                    Code::UnknownMetric,
                    message,
                    "remove the name, or correct it".to_owned(),
                )
            } else if !is_defined {
                let message = format!("`overrides` names `{name}`, but the model does not define it");
                let help = format!("add `{name} = …` to `definitions`, or remove the name");
                (Code::MetricRedefined, message, help)
            } else {
                continue;
            };
            faults.push(Diagnostic::new(code, *span, message).with_help(help));
        }
        for (index, listed_metric) in self.listed_metrics.iter().enumerate() {
            let has_same_name = |other: &&super::model_on_metric_sets::ListedMetric| {
                other.name.eq_ignore_ascii_case(&listed_metric.name)
            };
            if self
                .listed_metrics
                .iter()
                .take(index)
                .any(|other| has_same_name(&other))
            {
                let message = format!("two columns of the model are named `{}`", listed_metric.name);
                let set = &self.sets[listed_metric.set];
                let full = format!("{}.{}", set.name, set.definitions[listed_metric.metric].name);
                faults.push(
                    Diagnostic::new(Code::MetricRedefined, listed_metric.span, message)
                        .with_help(format!("rename one of the columns: `{{other_name: {full}}}`")),
                );
            }
        }
    }

    /// Reports metrics and definitions that have the same name as a key.
    pub fn check_key_names(&self, keys: &ModelKeys, faults: &mut Vec<Diagnostic>) {
        let listed_names = self
            .listed_metrics
            .iter()
            .map(|listed_metric| (&listed_metric.name, listed_metric.span));
        for (name, span) in listed_names.chain(
            self.definitions
                .iter()
                .map(|definition| (&definition.name, definition.span)),
        ) {
            // In a step with `from`, the entry of `group_by` refers to the definition, whose level or type is reported.
            let is_own_key = |key: &ModelKey| key.text.eq_ignore_ascii_case(name);
            if self.kind == SpecKind::Periods && self.keys.iter().any(is_own_key) {
                continue;
            }
            // Formulas can also refer to a key by the word in `group_by`, such as `month` for `ordered_at_month`.
            let words = self.keys.iter().map(|key| &key.text);
            if keys.names.iter().chain(words).any(|key| key.eq_ignore_ascii_case(name)) {
                let message = format!("`{name}` is the name of a key and of another column of the model");
                faults.push(
                    Diagnostic::new(Code::MetricRedefined, span, message).with_help("give the column another name"),
                );
            }
        }
    }

    /// Reports settings that differ between the metric sets and the model.
    pub fn check_settings(&self, compiler: &Compiler, faults: &mut Vec<Diagnostic>) {
        let options = &compiler.options;
        let in_project = |key: &str| match key {
            "timezone" => options.timezone.clone(),
            "fiscal_month_offset" => options.calendar.fiscal_month_offset.map(|months| months.to_string()),
            "blanks" => Some(if options.blank_zero { "zero" } else { "NULL" }.to_owned()),
            "week_start" => Some(options.calendar.week_start.name().to_owned()),
            _ => None,
        };
        for key in INHERITED_SETTINGS {
            let mut first: Option<(&str, &str)> = None;
            for set in &self.sets {
                let Some(value) = set.setting(key) else { continue };
                match first {
                    Some((other, first_value)) if !first_value.eq_ignore_ascii_case(value) => faults.push(
                        Diagnostic::new(
                            Code::SettingsDiffer,
                            self.span,
                            format!(
                                "`{key}` is `{first_value}` in the set `{other}`, but `{value}` in the set `{}`",
                                set.name
                            ),
                        )
                        .with_help("use the same value in both sets"),
                    ),
                    Some(_) => {}
                    None => first = Some((&set.name, value)),
                }
            }
            let model_setting = self.root.get(key).and_then(|node| Some((node.span, node.text()?)));
            let lacking = self
                .sets
                .iter()
                .find(|set| set.sets.is_empty() && set.setting(key).is_none());
            let of_project = in_project(key);
            // Without `fiscal_month_offset`, the fiscal year starts in January.
            let default = (key == "fiscal_month_offset").then_some("0");
            if let (Some((set, first_value)), Some(lacking), None) = (first, lacking, model_setting)
                && of_project
                    .as_deref()
                    .or(default)
                    .is_none_or(|value| !first_value.eq_ignore_ascii_case(value))
            {
                let lacking = &lacking.name;
                let in_lacking = match of_project {
                    Some(value) => format!("`{value}` in the set `{lacking}`, which has no setting of its own"),
                    None => format!("is not set in the set `{lacking}`"),
                };
                let message = format!("`{key}` is `{first_value}` in the set `{set}`, but {in_lacking}");
                let help =
                    format!("add `{key}: {first_value}` to the set `{lacking}`, or use the same value in both sets");
                faults.push(Diagnostic::new(Code::SettingsDiffer, self.span, message).with_help(help));
            }
            if let (Some((set, first_value)), Some((span, value))) = (first, model_setting)
                && !first_value.eq_ignore_ascii_case(value)
            {
                let message = format!(
                    "`{key}` must be `{first_value}`, as in the set `{set}`, because the settings of a set apply wherever it is used"
                );
                faults.push(
                    Diagnostic::new(Code::SettingsDiffer, span, message)
                        .with_help(format!("remove `{key}` here, or change it in the set `{set}`")),
                );
            }
        }
    }
}
