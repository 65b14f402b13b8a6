//! Reads the values of keys. Values with the wrong shape are skipped, because `shapes` has already reported them.

use super::{SpannedText, SpecLoader};
use crate::diag::{Code, Diagnostic};
use crate::lex::split_list;
use crate::span::Span;
use crate::yaml::{self, Node};

impl<'y> SpecLoader<'y, '_> {
    pub(crate) fn report_invalid_shape(&mut self, key: &str, expected: &str, node: &Node) {
        let message = format!("`{key}` must be {expected}, found {}", node.kind_name());
        // In dbt and in YAML for other tools, a list of conditions means that all of them must be true.
        let conditions: Option<Vec<&str>> = node
            .items()
            .filter(|items| ["where", "having"].contains(&key) && items.len() > 1)
            .and_then(|items| items.iter().map(Node::text).collect());
        let help = match conditions {
            Some(conditions) => format!("write all conditions as one formula: `AND({})`", conditions.join(", ")),
            None if key == "metrics" && node.pairs().is_some() => {
                "write formulas below `definitions`; `metrics` lists metrics of metric sets, such as `orders.revenue`"
                    .to_owned()
            }
            None => format!("for `{key}`, write {expected}"),
        };
        self.report(Diagnostic::new(Code::WrongShape, node.span, message).with_help(help));
    }

    pub(crate) fn report_empty_item(&mut self, key: &str, item: &Node) {
        let message = format!("`{key}` contains an empty value");
        let help = "remove it, or put it in quotes if you mean text; for NULL, write another value in an earlier step \
                    and list that value";
        self.report(Diagnostic::new(Code::WrongShape, item.span, message).with_help(help));
    }

    pub(crate) fn report_missing_key(&mut self, node: &Node, key: &str, help: String) {
        let span = Span::new(node.span.start, node.span.start);
        self.report(Diagnostic::new(Code::MissingKey, span, format!("the key `{key}` is missing")).with_help(help));
    }

    /// Returns the value of a key if the value is a string or a formula.
    pub(crate) fn text(&self, node: &'y Node, key: &str) -> Option<SpannedText<'y>> {
        let value = node.get(key)?;
        Some(SpannedText {
            text: value.text()?,
            node: value,
        })
    }

    pub(crate) fn description(&self, node: &'y Node) -> Option<String> {
        Some(self.text(node, "description")?.text.trim().to_owned())
    }

    /// Returns a name that is a YAML key, and reports an invalid name. The name must be in quotes if other YAML parsers
    /// would read it as another type.
    pub(crate) fn name<'n>(&mut self, key: &'n Node, description: &str) -> Option<&'n str> {
        let yaml::NodeKind::Scalar { style, value } = &key.kind else {
            self.report(
                Diagnostic::new(
                    Code::UnknownKey,
                    key.span,
                    format!("{description} must be a string, found {}", key.kind_name()),
                )
                .with_help("write `name: formula`"),
            );
            return None;
        };
        // Allow `on` without quotes, because it is also a key of specs, although old YAML parsers read it as `true`.
        let is_plain = *style == yaml::YamlStyle::Plain && !value.eq_ignore_ascii_case("on");
        let reading = yaml::non_text_type(value).filter(|_| is_plain);
        match reading {
            Some(_) if value.is_empty() => self.report(
                Diagnostic::new(Code::WrongShape, key.span, format!("{description} is empty"))
                    .with_help("use letters, digits and `_`"),
            ),
            Some(reading) => self.report(
                Diagnostic::new(
                    Code::NotATextToYaml,
                    key.span,
                    format!("YAML parses `{value}` as {reading}, but {description} must be a string"),
                )
                .with_help(format!("put the name in quotes: `\"{value}\": …`"))
                .with_fix(key.span, format!("\"{value}\"")),
            ),
            None => return Some(value),
        }
        None
    }

    /// Returns the names in a list or in a comma-separated string.
    pub(crate) fn list(&self, node: &'y Node, key: &str) -> Option<Vec<SpannedText<'y>>> {
        let value = node.get(key)?;
        if let Some(text) = value.text() {
            let names = split_list(text).into_iter();
            return Some(names.map(|text| SpannedText { text, node: value }).collect());
        }
        let items = value.items().unwrap_or_default();
        Some(
            items
                .iter()
                .filter_map(|item| {
                    Some(SpannedText {
                        text: item.text()?,
                        node: item,
                    })
                })
                .collect(),
        )
    }

    /// Reports an unquoted formula that YAML misreads: as a date, or only up to ` #`, which starts a comment.
    pub(crate) fn check_truncated_text(&mut self, key: &str, node: &Node) {
        let yaml::NodeKind::Scalar {
            style: yaml::YamlStyle::Plain,
            value,
        } = &node.kind
        else {
            return;
        };
        if yaml::non_text_type(value) == Some("a date") {
            let message =
                format!("YAML parses `{value}` as a date, but as the formula of `{key}` it would be a subtraction");
            let parts: Vec<&str> = value.split('-').map(|part| part.trim_start_matches('0')).collect();
            self.report(
                Diagnostic::new(Code::NotATextToYaml, node.span, message)
                    .with_help(format!("write `DATE({})`", parts.join(", "))),
            );
            return;
        }
        let after = self.source.get(node.span.end as usize..).unwrap_or_default();
        let rest = after.split('\n').next().unwrap_or_default();
        if rest.trim_start().starts_with('#') && has_unclosed_delimiter(value) {
            self.truncated_formulas.push(node.span);
            let full_formula = format!("{}{}", value, rest.trim_end());
            let end = node.span.end + rest.trim_end().len() as u32;
            let corrected = yaml::quote_with_style(&full_formula, yaml::YamlStyle::Single);
            self.report(
                Diagnostic::new(
                    Code::FormulaCut,
                    Span::new(node.span.end, end),
                    format!(
                        "YAML parses `{}` as a comment, so the formula of `{key}` ends before it",
                        rest.trim()
                    ),
                )
                .with_help(format!("put the value in quotes: `{key}: {corrected}`"))
                .with_fix(Span::new(node.span.start, end), corrected),
            );
        }
    }

    /// Reports a formula inside `{…}` that contains a comma, because YAML ends the value at the comma. Returns the span
    /// of the text after the end of the value.
    pub(crate) fn report_text_after_comma(&mut self, key: &str, node: &Node, value: &Node) -> Option<Span> {
        let yaml::NodeKind::Scalar {
            style: yaml::YamlStyle::Plain,
            value: text,
        } = &value.kind
        else {
            return None;
        };
        let rest = node
            .span
            .text(self.source)
            .get((value.span.start.checked_sub(node.span.start)?) as usize..)?;
        if !node.span.text(self.source).starts_with('{') || text.matches('(').count() <= text.matches(')').count() {
            return None;
        }
        // Limit the length, so that a file with many of these formulas does not take long to read.
        let rest: &str = rest
            .char_indices()
            .nth(1_000)
            .map_or(rest, |(end, _)| rest.get(..end).unwrap_or_default());
        let (mut depth, mut quoted) = (0usize, false);
        let ends = |(_, c): &(usize, char)| {
            match c {
                '"' => quoted = !quoted,
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth = depth.saturating_sub(1),
                ',' | '}' if !quoted && depth == 0 => return true,
                _ => {}
            }
            false
        };
        let (end, _) = rest.char_indices().find(ends)?;
        let full_formula = rest.get(..end)?.trim_end();
        let whole_span = Span::new(value.span.start, value.span.start + full_formula.len() as u32);
        let corrected = yaml::quote_with_style(full_formula, yaml::YamlStyle::Single);
        let rest_span = Span::new(value.span.end.min(whole_span.end), whole_span.end);
        self.report(
            Diagnostic::new(
                Code::FormulaCut,
                rest_span,
                format!("inside `{{…}}`, a comma ends a value in YAML, so the formula of `{key}` ends before it"),
            )
            .with_help(format!("put the value in quotes: `{key}: {corrected}`"))
            .with_fix(whole_span, corrected),
        );
        self.truncated_formulas.push(whole_span);
        Some(rest_span)
    }

    /// Returns the pairs of a mapping, except pairs that exist only because a formula contains a comma. `is_formula`
    /// returns whether the value of a key is a formula.
    pub(crate) fn pairs_without_comma_errors<'n>(
        &mut self,
        node: &'n Node,
        is_formula: impl Fn(&Node, &Node) -> bool,
    ) -> Vec<&'n (Node, Node)> {
        let pairs = node.pairs().unwrap_or_default();
        if !node.span.text(self.source).starts_with('{') {
            return pairs.iter().collect();
        }
        let mut truncated: Option<Span> = None;
        let mut complete_pairs = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let (key, value) = pair;
            if truncated.is_some_and(|truncated| truncated.contains(key.span)) {
                continue;
            }
            if is_formula(key, value) {
                truncated = self.report_text_after_comma(key.text().unwrap_or_default(), node, value);
            }
            complete_pairs.push(pair);
        }
        complete_pairs
    }

    /// Reports a Jinja call, and suggests a notation without Jinja.
    pub(crate) fn report_jinja(&mut self, key: &str, node: &Node, text: &str) {
        let inside = text.trim().trim_start_matches('{').trim_end_matches('}').trim();
        let diagnostic = Diagnostic::new(
            Code::WrongShape,
            node.span,
            format!("`{key}` cannot contain Jinja braces, found `{}`", text.trim()),
        );
        let sure = (inside.starts_with("ref(") || inside.starts_with("source(")) && inside.ends_with(')');
        self.report(if sure {
            let corrected = if inside.contains(',') {
                format!("\"{inside}\"")
            } else {
                inside.to_owned()
            };
            diagnostic
                .with_help(format!("write `{key}: {corrected}`"))
                .with_fix(node.span, corrected)
        } else if ["from", "to", "model"].contains(&key) && !inside.contains("this") {
            diagnostic.with_help(format!("write `{key}: ref('orders')` or `{key}: orders`"))
        } else if let Some(name) = environment_variable(inside) {
            diagnostic.with_help(format!(
                "write `${{env.{name}}}`, which the settings of an environment may contain"
            ))
        } else {
            diagnostic.with_help(format!("write the value of `{key}` without Jinja"))
        });
    }
}

/// Returns the name of the variable in `env_var('NAME')`.
fn environment_variable(call: &str) -> Option<&str> {
    let arguments = call.strip_prefix("env_var(")?.strip_suffix(')')?;
    let quote = arguments.chars().next().filter(|quote| "'\"".contains(*quote))?;
    arguments.get(1..)?.split_once(quote).map(|(name, _)| name)
}

/// Returns whether a quote, a parenthesis or `${` in a formula is unclosed.
fn has_unclosed_delimiter(formula: &str) -> bool {
    let count = |text: &str| formula.matches(text).count();
    count("\"") % 2 == 1
        || count("(") > count(")")
        || count("${") > count("}")
        || formula
            .trim_end()
            .ends_with(['+', '-', '*', '/', '^', '&', '=', '<', '>', ','])
}
