//! Checks whether key values have the shapes that the key tables define.

use formulac_syntax::diag::lists::{join_names, quote_names};

use super::SpecLoader;
use crate::calendar::Weekday;
use crate::diag::{Code, Diagnostic, suggest};
use crate::dialect::Dialect;
use crate::keys::{Key, KeyShape, KeyTable, MODEL};
use crate::time_zone::{is_time_zone, time_zone_names};
use crate::yaml::{self, Node};

/// Keys of dbt's files that a spec does not need, with help.
const SUPERFLUOUS_DBT_KEYS: [(&str, &str); 4] = [
    ("version", "remove it; only dbt's properties files have a version"),
    ("vars", "move the variables to `vars` in dbt_project.yml"),
    ("models", "write one file per model, with `model: NAME` at the top"),
    (
        "semantic_models",
        "write `semantic_model: true`; formulac then writes dbt's semantic model",
    ),
];

impl SpecLoader<'_, '_> {
    /// Reports errors in a mapping: unknown keys, missing keys, duplicate keys, and values with the wrong shape. A key
    /// of the mapping may come from any of the tables. Messages list the keys of the first table first.
    pub(crate) fn check_keys(&mut self, node: &Node, tables: &[&'static KeyTable]) {
        let keys = || tables.iter().flat_map(|table| table.keys);
        let mut seen: Vec<(&'static Key, &Node)> = Vec::new();
        let mut suggested_keys: Vec<&str> = Vec::new();
        let find = |name: &str| tables.iter().find_map(|table| table.get(name));
        // Some text values may be calls with commas, for example a date in `fill` or a relation.
        let may_have_comma = |key: &Node, _: &Node| {
            key.text()
                .and_then(find)
                .is_some_and(|key| matches!(key.shape, KeyShape::Formula | KeyShape::Text))
        };
        for (key, value) in self.pairs_without_comma_errors(node, may_have_comma) {
            let Some(text) = key.text() else {
                self.report(
                    Diagnostic::new(Code::UnknownKey, key.span, "a key must be a string")
                        .with_help("write `key: value`, or remove this text"),
                );
                continue;
            };
            let Some(known_key) = find(text) else {
                // An open mapping may contain other dbt keys.
                let is_open = tables.iter().any(|table| table.open);
                if !is_open || suggest::nearest_name(text, keys().map(|key| key.name)).is_some() {
                    suggested_keys.extend(self.report_unknown_key(text, key, keys()));
                }
                continue;
            };
            let canonical_name = known_key.alias_of.unwrap_or(known_key.name);
            if let Some((first, first_node)) = seen
                .iter()
                .find(|(first, _)| first.alias_of.unwrap_or(first.name) == canonical_name)
            {
                let message = format!("`{}` and `{text}` are the same key", first.name);
                self.report(
                    Diagnostic::new(Code::UnknownKey, key.span, message)
                        .with_secondary_label(first_node.span, "the first")
                        .with_help(format!("move everything to `{canonical_name}`")),
                );
            }
            seen.push((known_key, key));
            self.check_shape(text, known_key, value);
        }
        for key in keys() {
            // A key is required only if the first table that contains it specifies this.
            let is_first = find(key.name).is_some_and(|first| std::ptr::eq(first, key));
            let is_present = node.get(key.name).is_some() || suggested_keys.contains(&key.name);
            if let (Some(requirement), false, true) = (key.required, is_present, is_first) {
                // The user may have written `name:` instead, which is dbt's key for models and the specs' key for
                // steps.
                let name = node.text_at("name").filter(|_| matches!(key.shape, KeyShape::Name));
                match name {
                    Some(name) => self.report_missing_key(
                        node,
                        key.name,
                        format!("write `{}: {name}` instead of `name: {name}`", key.name),
                    ),
                    None => self.report_missing_key(node, key.name, format!("add {requirement}")),
                }
            }
        }
    }

    /// Reports an unknown key. Returns the key that the user probably meant.
    pub(crate) fn report_unknown_key(
        &mut self,
        text: &str,
        key: &Node,
        valid_keys: impl Iterator<Item = &'static Key> + Clone,
    ) -> Option<&'static str> {
        let diagnostic = if text == "<<" {
            Diagnostic::new(Code::UnknownKey, key.span, "YAML merge keys (`<<`) are not supported")
        } else {
            Diagnostic::new(Code::UnknownKey, key.span, format!("unknown key `{text}`"))
        };
        let names = || valid_keys.clone().map(|k| k.name);
        // Do not suggest a similar key if the key is valid elsewhere.
        let in_step = || names().any(|name| name == "partition_by") && !names().any(|name| name == "model");
        let word = text.to_lowercase();
        let mut of_other_tools = valid_keys.clone().filter(|key| key.synonyms.contains(&&*word));
        if let (Some(key), false) = (of_other_tools.next(), in_step() && MODEL.get(text).is_some()) {
            self.report(diagnostic.with_help(match key.shape {
                KeyShape::Mapping => format!("write it below `{}`", key.name),
                _ => format!("use `{}` instead", key.name),
            }));
            return Some(key.name);
        }
        let is_model = || names().any(|name| name == "model");
        if let (Some((_, help)), true) = (SUPERFLUOUS_DBT_KEYS.iter().find(|(name, _)| *name == text), is_model()) {
            self.report(diagnostic.with_help(*help));
            return None;
        }
        let near = suggest::nearest_name(text, names());
        self.report(match near {
            _ if text == "<<" => diagnostic.with_help("repeat the keys in each mapping instead"),
            _ if text == "from" && in_step() => diagnostic.with_help(
                "move `from` to the top of the spec; the first step reads it, and a later step reads the previous \
                    step",
            ),
            _ if MODEL.get(text).is_some() && in_step() => diagnostic.with_help(format!(
                "move `{text}` to the top of the spec, because it is a key of the model"
            )),
            Some(near) => {
                let diagnostic = diagnostic.with_help(suggest::similar_name_help(near));
                if suggest::is_unique_match(text, near, names()) {
                    diagnostic.with_fix(key.span, near)
                } else {
                    diagnostic
                }
            }
            None => {
                let key_list = valid_keys.filter(|k| k.alias_of.is_none());
                // Name each key only once, because several tables may contain the same key.
                let mut seen = rustc_hash::FxHashSet::default();
                let key_names = quote_names(key_list.map(|k| k.name).filter(|name| seen.insert(*name)));
                diagnostic.with_help(format!("the valid keys are {}", key_names.join(", ")))
            }
        });
        near
    }

    fn check_shape(&mut self, name: &str, key: &'static Key, value: &Node) {
        if value.is_null() && key.may_be_empty() {
            return;
        }
        self.check_value(name, &key.shape, value);
    }

    /// Reports a value that does not have the shape of its key.
    pub(crate) fn check_value(&mut self, name: &str, shape: &'static KeyShape, value: &Node) {
        let fits = match shape {
            KeyShape::Text | KeyShape::Name => {
                let value_text = value.span.text(self.source);
                // Without quotes, YAML parses `{{ ref('orders') }}` as a mapping.
                if value.text().is_none() && value_text.starts_with("{{") {
                    return self.report_jinja(name, value, value_text);
                }
                value.text().is_some()
            }
            KeyShape::Formula => {
                if value.text().is_some() {
                    self.check_truncated_text(name, value);
                }
                value.text().is_some()
            }
            KeyShape::Choice(words) => match value.text() {
                Some(text) if words.contains(&text) => true,
                Some(text) => return self.report_invalid_choice(name, shape, text, words.iter().copied(), value),
                None => false,
            },
            KeyShape::Dialect => match value.text().map(str::parse::<Dialect>) {
                Some(Err(unknown)) => return self.report_unknown_dialect(value, &unknown.to_string()),
                dialect => dialect.is_some(),
            },
            KeyShape::Weekday => match value.text() {
                Some(text) if text.parse::<Weekday>().is_ok() => true,
                Some(text) => {
                    return self.report_invalid_choice(name, shape, text, Weekday::ALL.map(Weekday::name), value);
                }
                None => false,
            },
            KeyShape::TimeZone => match value.text() {
                Some(text) if is_time_zone(text) => true,
                Some(text) => {
                    let names = std::iter::once("Europe/Berlin").chain(time_zone_names());
                    return self.report_invalid_choice(name, shape, text, names, value);
                }
                None => false,
            },
            KeyShape::Boolean => value.boolean().is_some(),
            KeyShape::Count(example) => return self.check_count_value(name, example, value),
            KeyShape::Number => {
                let number = value
                    .text()
                    .filter(|_| !value.is_quoted())
                    .and_then(|text| text.parse::<f64>().ok());
                number.is_some_and(|n| n.is_finite() && n >= 0.0)
            }
            KeyShape::Names => return self.check_names_list(name, value),
            KeyShape::Texts => match value.items() {
                Some(items) => return self.check_texts(name, items),
                None => value.text().is_some(),
            },
            KeyShape::Mapping => value.pairs().is_some(),
            KeyShape::Keys(keys) => {
                if value.pairs().is_some() {
                    return self.check_keys(value, &[keys]);
                }
                false
            }
            KeyShape::Each(inner) => match value.pairs() {
                Some(_) => return self.check_mapping_values(inner, value),
                None => false,
            },
            KeyShape::List(inner) => match value.items() {
                Some(items) => {
                    self.report_calls_cut_at_comma(items);
                    return items.iter().for_each(|item| self.check_value(name, inner, item));
                }
                None => false,
            },
            KeyShape::Either(first_shape, other) => {
                let inner = if accepts_node_kind(first_shape, value) {
                    first_shape
                } else {
                    other
                };
                if accepts_node_kind(inner, value) {
                    return self.check_value(name, inner, value);
                }
                false
            }
            KeyShape::DataTest => {
                let pairs = value.pairs().unwrap_or_default();
                let is_named_test = matches!(pairs, [(_, node)] if node.is_null() || node.pairs().is_some());
                value.text().is_some() || is_named_test || value.get("test_name").is_some()
            }
            // Other functions check these values when they parse them.
            KeyShape::Definitions | KeyShape::Joins | KeyShape::SpecRule | KeyShape::Lint => true,
            KeyShape::Steps => match value.pairs().and_then(|pairs| pairs.first()) {
                Some((first, _)) => return self.report_mapping_of_steps(name, first, value),
                None => value.items().is_some(),
            },
        };
        if !fits {
            self.report_shape_error(name, shape, value);
        }
    }

    fn check_texts(&mut self, name: &str, items: &[Node]) {
        self.report_calls_cut_at_comma(items);
        for item in items {
            match item.is_null() {
                true => self.report_empty_item(name, item),
                false => self.check_value(name, &KeyShape::Text, item),
            }
        }
    }

    /// Reports list items that YAML splits at a comma inside brackets, such as `[IF(a, b)]`.
    fn report_calls_cut_at_comma(&mut self, items: &[Node]) {
        for item in items {
            let is_cut = |text: &str| !item.is_quoted() && text.matches('(').count() > text.matches(')').count();
            if item.text().is_some_and(is_cut)
                && let Some(diagnostic) = yaml::call_in_flow_diagnostic(self.source, item.span.start)
            {
                self.report(diagnostic);
            }
        }
    }

    fn check_count_value(&mut self, name: &str, example: &str, value: &Node) {
        if value.text().is_some_and(|text| text.parse::<u64>().is_ok()) {
            return;
        }
        let message = format!("`{name}` must be an integer of 0 or more, found {}", value.describe());
        let help = match name {
            "limit" => format!("write the maximum number of rows, such as `{example}`"),
            _ => format!("write an integer, such as `{example}`"),
        };
        self.report(Diagnostic::new(Code::WrongShape, value.span, message).with_help(help));
    }

    /// Reports steps that are written as a mapping. `first` is the key of the first step.
    fn report_mapping_of_steps(&mut self, name: &str, first: &Node, value: &Node) {
        let step = first.text().unwrap_or("…");
        let message = format!("`{name}` must be a list, found a mapping");
        let help = format!("write `- name: {step}` instead of `{step}:`, for each step");
        self.report(Diagnostic::new(Code::WrongShape, value.span, message).with_help(help));
    }

    /// Reports a value with the wrong shape.
    fn report_shape_error(&mut self, name: &str, shape: &KeyShape, value: &Node) {
        match value.text() {
            Some(text) if matches!(shape, KeyShape::Boolean | KeyShape::Number) => {
                let message = format!("`{name}` must be {}, found `{text}`", shape.expected());
                let help = format!("for `{name}`, write {}", shape.expected());
                self.report(Diagnostic::new(Code::WrongShape, value.span, message).with_help(help));
            }
            Some(text) => {
                let message = format!("`{name}` must be {}, found {}", shape.expected(), value.kind_name());
                let help = text_instead_of_mapping_help(name, shape, text, value)
                    .unwrap_or_else(|| format!("for `{name}`, write {}", shape.expected()));
                self.report(Diagnostic::new(Code::WrongShape, value.span, message).with_help(help));
            }
            None => self.report_invalid_shape(name, &shape.expected(), value),
        }
    }

    fn check_mapping_values(&mut self, inner: &'static KeyShape, mapping: &Node) {
        let may_have_comma = |_: &Node, _: &Node| matches!(inner, KeyShape::Formula | KeyShape::Text);
        for (key, value) in self.pairs_without_comma_errors(mapping, may_have_comma) {
            let Some(name) = self.name(key, "a name") else { continue };
            // An empty value is allowed here, for example for a column without properties.
            if !(value.is_null() && matches!(inner, KeyShape::Keys(_))) {
                self.check_value(name, inner, value);
            }
        }
    }

    fn report_unknown_dialect(&mut self, value: &Node, message: &str) {
        let names = || Dialect::all().map(Dialect::name);
        let help = suggest::similar_name_help_or(value.text().unwrap_or_default(), names(), || {
            format!("use {}", join_names(names(), "or"))
        });
        self.report(Diagnostic::new(Code::WrongShape, value.span, message).with_help(help));
    }

    fn report_invalid_choice<'w>(
        &mut self,
        name: &str,
        shape: &KeyShape,
        text: &str,
        words: impl IntoIterator<Item = &'w str>,
        value: &Node,
    ) {
        let words: Vec<&str> = words.into_iter().collect();
        let message = format!("`{name}` must be {}, found `{text}`", shape.expected());
        let diagnostic = Diagnostic::new(Code::WrongShape, value.span, message);
        let start = text.to_lowercase();
        let mut long_forms = words
            .iter()
            .copied()
            .filter(|word| !start.is_empty() && word.starts_with(&start));
        let long_form = long_forms.next().filter(|_| long_forms.next().is_none());
        self.report(
            match long_form.or_else(|| suggest::nearest_name(text, words.iter().copied())) {
                Some(near) => diagnostic
                    .with_help(suggest::similar_name_help(near))
                    .with_fix(value.span, near),
                None => diagnostic.with_help(format!("write `{name}: {}`", words.first().unwrap_or(&""))),
            },
        );
    }

    fn check_names_list(&mut self, name: &str, value: &Node) {
        if value.text().is_some() {
            return;
        }
        let Some(items) = value.items() else {
            return self.report_invalid_shape(name, &KeyShape::Names.expected(), value);
        };
        for item in items {
            match (item.text(), item.items()) {
                (Some(_), _) => {}
                // YAML parses `[billing_date[month]]` as a string and a list.
                (None, Some(_)) => self.report(
                    Diagnostic::new(
                        Code::WrongShape,
                        item.span,
                        format!("`{name}` contains a list inside a list"),
                    )
                    .with_help("inside a flow list, put a timeframe in quotes: `[\"billing_date[month]\"]`"),
                ),
                _ => {
                    let message = format!("`{name}` must be a list of names, found {}", item.kind_name());
                    // The user may have written `- a: desc` instead of `- a desc`.
                    let direction = |text: &&str| matches!(text.to_ascii_lowercase().as_str(), "asc" | "desc");
                    let directed = match item.pairs() {
                        Some([(name, node)]) => name.text().zip(node.text().filter(direction)),
                        _ => None,
                    };
                    let help = match directed {
                        Some((entry, direction)) if name == "order_by" => format!("write `{entry} {direction}`"),
                        Some((entry, _)) => format!("write `{entry}`"),
                        None => {
                            "list at least one name, or remove the key; put a name such as `null` in quotes".to_owned()
                        }
                    };
                    self.report(Diagnostic::new(Code::WrongShape, item.span, message).with_help(help));
                }
            }
        }
    }
}

/// Returns the help for a text that is written instead of a mapping, if the mapping has a key for the text: the boolean
/// of `contract: true`, and the formula, description or type of a column.
fn text_instead_of_mapping_help(name: &str, shape: &KeyShape, text: &str, value: &Node) -> Option<String> {
    let KeyShape::Keys(table) = shape else {
        return None;
    };
    if table.get("data_type").is_some() {
        return Some(if text.contains(['(', '*', '/', '+', '=']) {
            format!(
                "write `{name} = {text}` below `definitions`, because `columns` only contains properties of columns"
            )
        } else {
            format!("write the description as `{name}: {{description: …}}`, and the type as `{name}: {{data_type: …}}`")
        });
    }
    value.boolean()?;
    let key = table.keys.iter().find(|key| matches!(key.shape, KeyShape::Boolean))?;
    Some(format!("write `{name}: {{{}: {text}}}`", key.name))
}

/// Returns whether a shape accepts this kind of node, regardless of its content.
fn accepts_node_kind(shape: &KeyShape, value: &Node) -> bool {
    match shape {
        KeyShape::Mapping | KeyShape::Keys(_) | KeyShape::Each(_) => value.pairs().is_some(),
        KeyShape::List(_) | KeyShape::Joins | KeyShape::Steps => value.items().is_some(),
        KeyShape::Names | KeyShape::Texts => value.text().is_some() || value.items().is_some(),
        KeyShape::Definitions | KeyShape::SpecRule | KeyShape::DataTest => {
            value.text().is_some() || value.pairs().is_some()
        }
        KeyShape::Either(first_shape, other) => {
            accepts_node_kind(first_shape, value) || accepts_node_kind(other, value)
        }
        KeyShape::Boolean => value.boolean().is_some(),
        _ => value.text().is_some(),
    }
}
