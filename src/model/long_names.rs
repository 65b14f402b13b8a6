//! Reports names that the warehouse rejects or truncates. Postgres silently truncates names that are too long, and
//! other warehouses reject them. BigQuery rejects columns whose names contain some special characters or begin like its
//! system columns.

use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::config::{config_text, config_value};
use super::versions::latest_version;
use crate::ast::Ast;
use crate::check::DefinitionRole;
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::formula_keys::is_formula_key;
use crate::ir::Ir;
use crate::plan::{StepPlan, key_name, snake_case, truncate_name};
use crate::span::Span;

/// Names of one kind, which must be distinct even after truncation.
struct TruncatedNames {
    dialect: Dialect,
    /// Whether the names are visible outside the query. If `true`, truncation must be reported.
    seen_outside: bool,
    /// For each truncated form, the first name that has this form, with its span.
    truncated_names: FxHashMap<String, (String, Span)>,
}

impl TruncatedNames {
    fn new(dialect: Dialect, seen_outside: bool) -> Self {
        Self {
            dialect,
            seen_outside,
            truncated_names: FxHashMap::default(),
        }
    }

    fn add_name(&mut self, name: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) {
        let (dialect, most) = (self.dialect, self.dialect.max_bytes());
        if most == 0 {
            return;
        }
        let truncated = truncate_name(name, most);
        let first = self
            .truncated_names
            .entry(truncated.to_lowercase())
            .or_insert_with(|| (name.to_owned(), span));
        let is_other = first.1 != span && !first.0.eq_ignore_ascii_case(name);
        if dialect.facts().names_ignore_all_case && is_other && name.to_lowercase() == first.0.to_lowercase() {
            let message = format!(
                "`{name}` and `{}` are the same column on {dialect}, because the names differ only in case",
                first.0
            );
            diagnostics.push(
                Diagnostic::new(Code::RefusedName, span, message)
                    .with_secondary_label(first.1, "the first")
                    .with_help("use a name that differs in more than the case of its letters"),
            );
            return;
        }
        if truncated.len() == name.len() && first.0.len() <= most {
            return;
        }
        let (length, warehouse) = (name.len(), dialect.name());
        if is_other {
            diagnostics.push(
                Diagnostic::new(
                    Code::NameTooLong,
                    span,
                    format!(
                        "`{name}` and `{}` become the same name in {warehouse}, which truncates names to {most} bytes",
                        first.0
                    ),
                )
                .with_secondary_label(first.1, "the first")
                .with_help("shorten the names, or make them differ closer to the beginning"),
            );
        } else if !dialect.facts().cuts_long_names {
            diagnostics.push(
                Diagnostic::new(
                    Code::NameTooLong,
                    span,
                    format!("`{name}` is {length} bytes long, but {warehouse} allows names of at most {most} bytes"),
                )
                .with_help("use a shorter name"),
            );
        } else if self.seen_outside && first.1 == span {
            diagnostics.push(
                Diagnostic::new(
                    Code::NameIsCut,
                    span,
                    format!("`{name}` is {length} bytes long; {warehouse} truncates it to `{truncated}`"),
                )
                .with_help("use a shorter name"),
            );
        }
    }
}

/// Checks the names of a step's columns. The columns of the last step are the columns of the model.
pub(super) fn check_column_name_lengths(
    plan: &StepPlan<'_>,
    ast: &Ast,
    text: &str,
    last: bool,
    dialect: Dialect,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let program = plan.program;
    let mut names = TruncatedNames::new(dialect, last);
    for (index, definition) in program.definitions.iter().enumerate() {
        let span = definition.span;
        match (plan.roles.try_get(index), definition.name.as_deref()) {
            (Some(DefinitionRole::Definitions), Some(name)) if plan.outputs.try_get(index) == Some(&true) => {
                let name_span = ast.definitions.get(index).and_then(|d| d.name);
                let span = name_span.unwrap_or(span);
                names.add_name(name, span, diagnostics);
                let help = |plain: &str| format!("write `{plain}`");
                diagnostics.extend(rejected_character_error(name, span, dialect, last, help));
            }
            (Some(DefinitionRole::GroupBy), _) if !is_formula_key(plan, ast, index) => {
                let name = key_name(span.text(text));
                let help = |plain: &str| {
                    let formula = span.excerpt(text);
                    format!("define `{plain} = {formula}`, and group by `{plain}`")
                };
                names.add_name(&name, span, diagnostics);
                if matches!(program.node(definition.root), Ir::Apply { .. }) {
                    diagnostics.extend(rejected_character_error(&name, span, dialect, last, help));
                } else if last {
                    diagnostics.extend(reserved_prefix_error(&name, span, dialect, help));
                }
            }
            _ => {}
        }
    }
}

/// Returns an error if the warehouse rejects a column name because of one of its characters. In the last step, also
/// returns an error if the warehouse rejects the beginning of the name. `help` returns the help for a name that the
/// warehouse accepts.
fn rejected_character_error(
    name: &str,
    span: Span,
    dialect: Dialect,
    last: bool,
    help: impl Fn(&str) -> String,
) -> Option<Diagnostic> {
    match name.chars().find(|c| !dialect.allows_in_names(*c)) {
        Some(prefix) => Some(rejected_name_error(
            name,
            span,
            dialect,
            &format!("contains `{prefix}`"),
            help,
        )),
        None if last => reserved_prefix_error(name, span, dialect, help),
        None => None,
    }
}

/// Returns an error if the name of a column begins like one of the warehouse's system columns.
fn reserved_prefix_error(
    name: &str,
    span: Span,
    dialect: Dialect,
    help: impl Fn(&str) -> String,
) -> Option<Diagnostic> {
    let lower = name.to_ascii_lowercase();
    let mut beginnings = dialect.facts().refused_beginnings.split_ascii_whitespace();
    let prefix = beginnings.find(|beginning| lower.starts_with(beginning))?;
    let why = format!("begins with `{prefix}`, as the names of system columns do");
    Some(rejected_name_error(name, span, dialect, &why, help))
}

fn rejected_name_error(
    name: &str,
    span: Span,
    dialect: Dialect,
    why: &str,
    help: impl Fn(&str) -> String,
) -> Diagnostic {
    let message = format!("`{name}` cannot be a column on {dialect}, because its name {why}");
    let plain = snake_case(name);
    let help = match plain.trim_start_matches('_') {
        "" => "use a name that consists of letters and digits".to_owned(),
        plain => help(plain),
    };
    Diagnostic::new(Code::RefusedName, span, message).with_help(help)
}

/// Names that Windows reserves for devices. A file cannot have such a name, whatever its extension is.
const WINDOWS_DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

impl SpecCompilation<'_> {
    /// Checks the name of the table or view, because dbt rejects a name that the warehouse would truncate. Also checks
    /// the name of the model, which must not be reserved in SQL or on Windows.
    pub(super) fn check_model_name(&self, diagnostics: &mut Vec<Diagnostic>) {
        let (dialect, model) = (self.compiler.options.dialect, self.spec.model);
        let dbt = &self.spec.dbt;
        if dialect.is_reserved(model.text) {
            let message = format!(
                "`{}` is a reserved word in {dialect}, so every query of the model must quote it",
                model.text
            );
            diagnostics.push(
                Diagnostic::new(Code::ReservedModelName, model.node.span, message).with_help(format!(
                    "write `model: {}_model`, or choose a name that describes its rows",
                    model.text.to_ascii_lowercase()
                )),
            );
        }
        if WINDOWS_DEVICES
            .iter()
            .any(|device| model.text.eq_ignore_ascii_case(device))
        {
            let message = format!(
                "`{}` is the name of a device on Windows, so git cannot create the model's files there",
                model.text
            );
            diagnostics.push(
                Diagnostic::new(Code::ReservedModelName, model.node.span, message).with_help(format!(
                    "write `model: {}_model`, or choose a name that describes its rows",
                    model.text.to_ascii_lowercase()
                )),
            );
        }
        let (name, span) = match (
            config_value(dbt, "alias").filter(|_| config_text(dbt, "alias").is_some()),
            latest_version(dbt),
        ) {
            (Some(alias), _) => (alias.text().unwrap_or_default().to_owned(), alias.span),
            (None, Some(version)) => (format!("{}_v{version}", model.text), model.node.span),
            (None, None) => (model.text.to_owned(), model.node.span),
        };
        let (length, most) = (name.len(), dialect.max_bytes());
        if most > 0 && length > most {
            let message = format!(
                "the table name `{name}` is {length} bytes long, but dbt accepts at most {most} bytes for \
                    {dialect}"
            );
            diagnostics.push(
                Diagnostic::new(Code::NameTooLong, span, message).with_help(if span == model.node.span {
                    "use a shorter name, or `config: {alias: …}`"
                } else {
                    "use a shorter alias"
                }),
            );
        }
    }

    /// Checks step names, which become CTE names.
    pub(super) fn check_step_name_lengths(&self, diagnostics: &mut Vec<Diagnostic>) {
        let mut names = TruncatedNames::new(self.compiler.options.dialect, false);
        for name in self.spec.steps.iter().filter_map(|step| step.name) {
            names.add_name(name.text, name.node.span, diagnostics);
        }
    }
}
