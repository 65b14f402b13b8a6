//! What must hold of the model is checked against the columns that it has.

use rustc_hash::FxHashSet;

use super::compile::Run;
use super::formulas::Formulas;
use super::load::Text;
use crate::check::{self, Context, Scope};
use crate::diag::{Code, Diagnostic, suggest};
use crate::memory::Memory;
use crate::parse;
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::yaml::Node;

impl Run<'_> {
    /// The formulas of rules and comparisons, and the names of columns beside them. `open` where the model may have
    /// columns that nobody knows.
    pub(super) fn check_proofs(
        &self,
        output: &Relation,
        open: bool,
        memory: &mut Memory,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.check_conditions(output, open, memory, diagnostics);
        if open {
            return;
        }
        let mut known = |name: &str, span: Span| {
            if output.column(name).is_none() {
                diagnostics.push(no_column(name, span, output));
            }
        };
        for comparison in &self.spec.comparisons {
            let names = comparison.keys.iter().chain(comparison.columns.iter().flatten());
            names.for_each(|name| known(name.text, name.place(self.source)));
        }
        for example in &self.spec.examples {
            let rows = example.expect.get("rows").and_then(Node::items).unwrap_or_default();
            let mut columns = FxHashSet::default();
            for (key, _) in rows.iter().filter_map(Node::pairs).flatten() {
                // A name is wrong once, not in every row.
                if let Some(name) = key.text().filter(|name| columns.insert(*name)) {
                    known(name, key.span);
                }
            }
        }
    }

    fn check_conditions(&self, output: &Relation, open: bool, memory: &mut Memory, diagnostics: &mut Vec<Diagnostic>) {
        let mut formulas = Formulas::default();
        let rules = self.spec.rules.iter().flat_map(|rule| [Some(rule.check), rule.filter]);
        let comparisons = self.spec.comparisons.iter().map(|comparison| comparison.filter);
        rules.chain(comparisons).flatten().for_each(|text: Text<'_>| formulas.rule(text, self.source));
        if formulas.parts.is_empty() {
            return;
        }
        let Memory { parse, ast, check, program, .. } = memory;
        let options = &self.compiler.options;
        let mut found = Vec::new();
        parse::parse_parts(&formulas.text, &formulas.parts, &options.limits, parse, ast, &mut found);
        let named = output.columns().iter().cloned().fold(Relation::new(self.spec.model.text), Relation::with);
        let scope = Scope {
            context: Context::Row,
            relations: std::slice::from_ref(&named),
            merged: &[],
            open,
            chosen: true,
            roles: &formulas.roles,
            ordered: true,
            blank_zero: self.spec.blank_zero || options.blank_zero,
            timezone: self.spec.timezone.as_deref().or(options.timezone.as_deref()),
            calendar: self.calendar(),
            today: self.spec.today.as_ref().map(|today| &today.value),
            strata: true,
            sheet: None,
        };
        check::check(ast, &formulas.text, &scope, check, program, &mut found);
        let found = found.into_iter().map(|d| d.mapped(|span| formulas.in_file(span)));
        diagnostics.extend(found.filter(|d| !self.is_cut(d.span())));
    }

    /// Whether it stands in a formula that YAML has cut: what is wrong there follows from that.
    pub(super) fn is_cut(&self, span: Span) -> bool {
        self.spec.cut.iter().any(|cut| cut.start <= span.start && span.end <= cut.end)
    }
}

pub(super) fn no_column(name: &str, span: Span, output: &Relation) -> Diagnostic {
    let help = match suggest::nearest(name, output.columns().iter().map(Column::name)) {
        Some(near) => suggest::similar(near),
        None => "correct the name, or leave it out".to_owned(),
    };
    Diagnostic::new(Code::UnknownName, span, format!("the model has no column `{name}`")).with_help(help)
}
