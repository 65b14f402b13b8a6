//! Metric queries that are specified by options instead of a spec.

use formulac::lex::split_list;
use formulac::limits::Limits;

use super::args::MetricsArgs;
use super::exit::FileDiagnostics;
use super::source::SourceText;

/// Name of the spec that the options describe. The name is not part of the output.
pub const MODEL: &str = "metrics_query";
/// Name that messages use for the text generated from the options.
const OPTIONS: &str = "<options>";
/// Keys of a spec, with the options that replace them.
const KEYS: [(&str, &str); 9] = [
    ("`metrics`", "`--metrics`"),
    ("`group_by`", "`--by`"),
    ("`where`", "`--where`"),
    ("`having`", "`--having`"),
    ("`since`", "`--since`"),
    ("`until`", "`--until`"),
    ("`fill`", "`--fill`"),
    ("`order_by`", "`--order-by`"),
    ("`definitions`", "`--define`"),
];

impl MetricsArgs {
    /// Returns whether the options describe a query.
    pub fn is_given(&self) -> bool {
        !self.metrics.is_empty()
    }

    /// Returns the spec that the options describe.
    pub fn spec(&self, limit: Option<u32>) -> SourceText {
        let mut text = format!("model: {MODEL}\nmetrics:\n");
        for metric in entries(&self.metrics) {
            let (metric, name) = match metric.to_ascii_lowercase().find(" as ") {
                Some(end) => (
                    &metric[..end],
                    Some(metric[end + " as ".len()..].trim().trim_matches('"')),
                ),
                None => (metric, None),
            };
            let metric = quoted(metric);
            text.push_str(&match name {
                Some(name) => format!("  - {}: {metric}\n", quoted(name)),
                None => format!("  - {metric}\n"),
            });
        }
        for (key, names) in [("group_by", &self.by), ("order_by", &self.order_by)] {
            let names: Vec<String> = entries(names).map(quoted).collect();
            if !names.is_empty() {
                text.push_str(&format!("{key}: [{}]\n", names.join(", ")));
            }
        }
        let formulas = [
            ("where", &self.filter),
            ("having", &self.having),
            ("since", &self.since),
            ("until", &self.until),
        ];
        for (key, formula) in formulas {
            if let Some(formula) = formula {
                text.push_str(&format!("{key}: {}\n", quoted(formula)));
            }
        }
        if let Some(fill) = &self.fill {
            // A mapping has the same syntax as in a spec, so do not quote it as a string.
            let is_mapping = fill.trim_start().starts_with('{');
            let fill = if is_mapping {
                fill.replace(['\n', '\r'], " ")
            } else {
                quoted(fill)
            };
            text.push_str(&format!("fill: {fill}\n"));
        }
        if !self.define.is_empty() {
            text.push_str("definitions: |\n");
            for definition in &self.define {
                definition
                    .lines()
                    .for_each(|line| text.push_str(&format!("  {line}\n")));
            }
        }
        if let Some(limit) = limit {
            text.push_str(&format!("limit: {limit}\n"));
        }
        SourceText::from_bytes(OPTIONS, text.into_bytes(), Limits::default().source)
    }
}

/// Replaces spec keys with the corresponding options, in diagnostics about the options.
pub fn replace_keys_with_options(file_diagnostics: &mut [FileDiagnostics]) {
    let name = |text: &str| {
        let replace = |text: String, (key, option): &(&str, &str)| text.replace(key, option);
        KEYS.iter().fold(text.to_owned(), replace)
    };
    for file in file_diagnostics.iter_mut().filter(|file| file.file == OPTIONS) {
        let diagnostics = std::mem::take(&mut file.diagnostics);
        file.diagnostics = diagnostics
            .into_iter()
            .map(|diagnostic| diagnostic.map_texts(name))
            .collect();
    }
}

/// Returns the entries of an option that may be repeated and that may contain several entries.
fn entries(values: &[String]) -> impl Iterator<Item = &str> {
    values.iter().flat_map(|value| split_list(value))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text.trim()).to_string()
}
