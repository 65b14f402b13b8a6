//! Formats the generated spec.

use super::display::DisplaySettingValue;
use crate::yaml::{format_flow_scalar, format_scalar, key_text};

/// Content of a model spec before formatting.
#[derive(Debug, Default)]
pub(super) struct SpecContent {
    pub model: String,
    pub description: Option<String>,
    pub from: String,
    /// Gaps that affect which rows the spec returns: joins, grants, and the source of the rows.
    pub gaps: Vec<String>,
    pub steps: Vec<SpecStep>,
    pub columns: Vec<SpecColumnMetadata>,
    /// Settings at the end of the spec, such as `blanks` and `week_start`.
    pub settings: Vec<(&'static str, String)>,
    /// Settings of the model in Omni, each as `key: value`. The spec contains them in `meta.omni`.
    pub omni: Vec<String>,
    /// Query from which the model was promoted.
    pub promoted_from: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct SpecStep {
    pub name: String,
    pub joins: Vec<SpecJoin>,
    pub wheres: Vec<String>,
    pub group_by: Vec<String>,
    pub keep: Vec<String>,
    pub columns: Vec<String>,
    /// Gaps in the definitions of this step.
    pub gaps: Vec<String>,
    pub definitions: Vec<NamedFormula>,
    pub calculations: Vec<NamedFormula>,
    pub partition_by: Vec<String>,
    pub havings: Vec<String>,
    pub order_by: Vec<String>,
    pub limit: Option<u64>,
}

impl SpecStep {
    /// Returns whether the step has no columns.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.group_by, &self.keep, &self.columns];
        lists.into_iter().all(Vec::is_empty) && self.definitions.is_empty() && self.calculations.is_empty()
    }
}

/// Formats a list of strings on one line.
pub(super) fn flow_list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format_flow_scalar(text)).collect();
    format!("[{}]", texts.join(", "))
}

#[derive(Debug)]
pub(super) struct SpecJoin {
    pub to: String,
    pub name: Option<String>,
    pub on: Option<String>,
    pub kind: &'static str,
    pub is_many: bool,
}

/// Definition and its formula.
#[derive(Clone, Debug)]
pub(super) struct NamedFormula {
    pub name: String,
    pub formula: String,
    pub description: Option<String>,
}

/// Metadata of a column.
#[derive(Debug, Default)]
pub(super) struct SpecColumnMetadata {
    pub name: String,
    pub description: Option<String>,
    pub display_settings: Vec<(String, DisplaySettingValue)>,
    pub tags: Vec<String>,
    /// Entries under `meta`.
    pub meta: Vec<(&'static str, String)>,
}

/// Name under which [`write`] returns the range of the sort keys of calculations. No definition can have this name.
pub(super) const SORT_KEYS: &str = "order_by of calculations";

/// Returns the text of the spec, and the byte range of each definition in this text.
pub(super) fn write(spec: &SpecContent) -> (String, Vec<(String, std::ops::Range<usize>)>) {
    let mut writer = SpecWriter {
        out: String::new(),
        lines: Vec::new(),
    };
    writer.write_spec(spec);
    (writer.out, writer.lines)
}

struct SpecWriter {
    out: String,
    lines: Vec<(String, std::ops::Range<usize>)>,
}

impl SpecWriter {
    fn write_spec(&mut self, spec: &SpecContent) {
        self.write_pair(0, "model", &format_scalar(&spec.model, 2));
        if let Some(text) = &spec.description {
            self.write_pair(0, "description", &format_scalar(text, 2));
        }
        self.write_issues(0, &spec.gaps);
        self.write_pair(0, "from", &format_scalar(&spec.from, 2));
        match spec.steps.as_slice() {
            [step] => self.write_step(step, 0),
            steps => {
                self.out.push_str("steps:\n");
                for step in steps {
                    self.out.push_str(&format!("  - name: {}\n", step.name));
                    self.write_step(step, 4);
                }
            }
        }
        self.write_columns(&spec.columns);
        for (key, value) in &spec.settings {
            self.write_pair(0, key, value);
        }
        let mut meta = Vec::new();
        meta.extend(
            spec.promoted_from
                .as_ref()
                .map(|from| format!("promoted_from: {}", format_flow_scalar(from))),
        );
        if !spec.omni.is_empty() {
            meta.push(format!("omni: {{{}}}", spec.omni.join(", ")));
        }
        if !meta.is_empty() {
            self.out.push_str(&format!("meta: {{{}}}\n", meta.join(", ")));
        }
    }

    fn write_step(&mut self, step: &SpecStep, indent: usize) {
        if !step.joins.is_empty() {
            self.write_pair(indent, "joins", "");
            for join in &step.joins {
                let mut keys = vec![("to", format_flow_scalar(&join.to))];
                keys.extend(join.name.as_ref().map(|name| ("as", format_flow_scalar(name))));
                keys.extend(join.on.as_ref().map(|condition| ("on", format_flow_scalar(condition))));
                if join.kind != "left" {
                    keys.push(("type", join.kind.to_owned()));
                }
                if join.is_many {
                    keys.push(("cardinality", "many".to_owned()));
                }
                let keys: Vec<String> = keys.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                self.write_line(indent, &format!("  - {{{}}}", keys.join(", ")));
            }
        }
        self.write_condition(indent, "where", &step.wheres);
        self.write_list(indent, "keep", &step.keep);
        self.write_list(indent, "group_by", &step.group_by);
        self.write_list(indent, "columns", &step.columns);
        if !step.calculations.is_empty() {
            self.write_list(indent, "partition_by", &step.partition_by);
            let begin = self.out.len();
            self.write_list(indent, "order_by", &step.order_by);
            self.lines.push((SORT_KEYS.to_owned(), begin..self.out.len()));
        }
        self.write_issues(indent, &step.gaps);
        self.write_definitions(indent, "definitions", &step.definitions);
        self.write_definitions(indent, "calculations", &step.calculations);
        self.write_condition(indent, "having", &step.havings);
        if step.calculations.is_empty() {
            self.write_list(indent, "order_by", &step.order_by);
        }
        if let Some(limit) = step.limit {
            self.write_pair(indent, "limit", &limit.to_string());
        }
    }

    fn write_definitions(&mut self, indent: usize, key: &str, lines: &[NamedFormula]) {
        if lines.is_empty() {
            return;
        }
        self.write_pair(indent, key, "|");
        for line in lines {
            let begin = self.out.len();
            for text in line.description.iter().flat_map(|text| text.lines()) {
                self.write_line(indent + 2, format!("/// {}", text.trim()).trim_end());
            }
            self.write_line(indent + 2, &format!("{} = {}", line.name, line.formula));
            self.lines.push((line.name.clone(), begin..self.out.len()));
        }
    }

    fn write_columns(&mut self, columns: &[SpecColumnMetadata]) {
        let has_metadata = |column: &&SpecColumnMetadata| {
            column.description.is_some()
                || !column.display_settings.is_empty()
                || !column.tags.is_empty()
                || !column.meta.is_empty()
        };
        let mut described = columns.iter().filter(has_metadata).peekable();
        if described.peek().is_none() {
            return;
        }
        self.write_pair(0, "columns", "");
        for column in described {
            self.write_pair(2, &key_text(&column.name), "");
            if let Some(text) = &column.description {
                self.write_pair(4, "description", &format_scalar(text, 6));
            }
            if !column.tags.is_empty() {
                self.write_pair(4, "tags", &flow_list(&column.tags));
            }
            if !column.display_settings.is_empty() {
                self.write_pair(4, "omni", "");
                for (key, value) in &column.display_settings {
                    let value = match value {
                        DisplaySettingValue::Text(text) => format_scalar(text, 8),
                        DisplaySettingValue::Texts(texts) => flow_list(texts),
                    };
                    self.write_pair(6, key, &value);
                }
            }
            if !column.meta.is_empty() {
                let meta: Vec<String> = column
                    .meta
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", format_flow_scalar(value)))
                    .collect();
                self.write_pair(4, "meta", &format!("{{{}}}", meta.join(", ")));
            }
        }
    }

    /// Writes conditions that are combined with AND.
    fn write_condition(&mut self, indent: usize, key: &str, conditions: &[String]) {
        let text = match conditions {
            [] => return,
            [condition] => condition.clone(),
            several => format!("AND({})", several.join(", ")),
        };
        self.write_pair(indent, key, &format_scalar(&text, indent + 2));
    }

    fn write_list(&mut self, indent: usize, key: &str, names: &[String]) {
        match names {
            [] => {}
            [name] => self.write_pair(indent, key, &format_scalar(name, indent + 2)),
            several => self.write_pair(indent, key, &flow_list(several)),
        }
    }

    fn write_issues(&mut self, indent: usize, gaps: &[String]) {
        for gap in gaps {
            let text: String = gap.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.write_line(indent, &format!("# gap: {text}"));
        }
    }

    fn write_pair(&mut self, indent: usize, key: &str, value: &str) {
        let value = if value.is_empty() {
            String::new()
        } else {
            format!(" {value}")
        };
        self.write_line(indent, &format!("{key}:{value}"));
    }

    fn write_line(&mut self, indent: usize, text: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(text);
        self.out.push('\n');
    }
}
