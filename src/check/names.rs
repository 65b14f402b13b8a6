//! What each name means: a definition, a column, or nothing.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Role, Scope};
use crate::ast::{Ast, Expr, ExprId};
use crate::catalog::{self, FunctionId};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::ColumnUse;
use crate::parse::{reference, unquote};
use crate::span::Span;
use crate::types::{Level, Type};

/// A name that is compared without ASCII case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded<'s>(pub &'s str);

impl Hash for Folded<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.0.bytes() {
            hash = (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
        }
        state.write_u64(hash);
    }
}

impl PartialEq for Folded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Folded<'_> {}

/// What a node of the tree stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    None,
    Definition(u32),
    Column(u32),
    Bool(bool),
    /// A function that is called.
    Function(FunctionId),
    /// Reported already.
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lookup {
    Not,
    Column(u32),
    Missing,
    Ambiguous,
}

struct Symbol {
    definition: Option<u32>,
    column: Lookup,
}

/// The outcome of resolving.
pub(super) struct Names {
    /// By node.
    pub targets: Vec<Target>,
    pub columns: Vec<ColumnUse>,
    /// Which definitions each definition uses: pairs of user and used, by user.
    pub uses: Vec<(u32, u32)>,
    /// Definitions that have an error already.
    pub failed: Vec<bool>,
    /// Some definition aggregates.
    pub aggregates: bool,
    /// Columns, definitions and truncated columns that the step groups by.
    pub keys: Vec<Key>,
}

/// Something that is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Column(u32),
    Definition(u32),
    /// A column's timeframe; the span is that of the timeframe's name.
    Timeframe(u32, Span),
}

struct Resolver<'a, 's> {
    ast: &'a Ast,
    source: &'s str,
    scope: &'a Scope<'a>,
    diagnostics: &'a mut Vec<Diagnostic>,
    symbols: FxHashMap<Folded<'s>, Symbol>,
    columns: Vec<ColumnUse>,
    /// The use of each relation's column, by relation and position.
    used: FxHashMap<(usize, usize), u32>,
    /// The use of each column of no known relation that is written with a view or in `${…}`.
    used_open: FxHashMap<(Option<String>, String), u32>,
    /// The relation that the first name came from, when none is chosen.
    settled: Option<Arc<str>>,
}

pub(super) fn resolve<'s>(
    ast: &Ast,
    source: &'s str,
    scope: &Scope<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Names {
    let count = ast.definitions.len();
    let mut names = Names {
        targets: vec![Target::None; ast.len()],
        columns: Vec::new(),
        uses: Vec::new(),
        failed: vec![false; count],
        aggregates: false,
        keys: Vec::new(),
    };
    let mut symbols: FxHashMap<Folded<'s>, Symbol> = FxHashMap::default();
    for (index, definition) in ast.definitions.iter().enumerate() {
        names.failed[index] = definition.broken;
        let Some(span) = definition.name else { continue };
        let name = span.text(source);
        let symbol = symbols.entry(Folded(name)).or_insert(Symbol { definition: None, column: Lookup::Not });
        if let Some(first) = symbol.definition {
            names.failed[index] = true;
            let other = ast.definitions[first as usize].name.unwrap_or_default();
            diagnostics.push(
                Diagnostic::new(Code::DuplicateDefinition, span, format!("`{name}` is defined twice"))
                    .with_other(other, "first defined here")
                    .with_help("give one of them another name; names that differ only by case are the same"),
            );
        } else {
            symbol.definition = Some(index as u32);
        }
    }
    let mut resolver = Resolver {
        ast,
        source,
        scope,
        diagnostics,
        symbols,
        columns: Vec::new(),
        used: FxHashMap::default(),
        used_open: FxHashMap::default(),
        settled: None,
    };
    for (index, definition) in ast.definitions.iter().enumerate() {
        let role = scope.role(definition.part);
        let own = definition.name.map(|n| n.text(source));
        for node in definition.first.index()..=definition.body.index() {
            let id = ExprId(node as u32);
            let target = match ast.expr(id) {
                Expr::Name => resolver.name(ast.span(id), own, role),
                Expr::Field | Expr::Model => resolver.field(ast.span(id), own, role),
                Expr::Call(call) => {
                    let call = ast.call(call);
                    let target = resolver.function(call.name, call.count as usize);
                    if let Target::Function(function) = target {
                        let function = catalog::get(function);
                        let across = call.count > 1 && function.across.is_some();
                        names.aggregates |= function.level == Level::Aggregate && !across;
                    }
                    target
                }
                _ => continue,
            };
            match target {
                Target::Definition(used) => names.uses.push((index as u32, used)),
                Target::Error => names.failed[index] = true,
                _ => {}
            }
            names.targets[node] = target;
        }
        if role == Role::GroupBy {
            names.keys.extend(key(ast, definition.body, &names.targets, source));
        }
    }
    names.columns = resolver.columns;
    names
}

/// What a grouping entry groups by.
fn key(ast: &Ast, body: ExprId, targets: &[Target], source: &str) -> Option<Key> {
    match (ast.expr(body), targets[body.index()]) {
        (Expr::Timeframe { base, frame }, _) => match targets[base.index()] {
            Target::Column(column) => Some(Key::Timeframe(column, ast.names[frame as usize])),
            _ => None,
        },
        (Expr::Model, Target::Column(column)) => match reference(source, ast.span(body)).timeframe {
            Some(frame) => Some(Key::Timeframe(column, frame)),
            None => Some(Key::Column(column)),
        },
        (_, Target::Definition(definition)) => Some(Key::Definition(definition)),
        (_, Target::Column(column)) => Some(Key::Column(column)),
        _ => None,
    }
}

impl<'s> Resolver<'_, 's> {
    fn name(&mut self, span: Span, own: Option<&str>, role: Role) -> Target {
        let text = span.text(self.source);
        let is_own = own.is_some_and(|own| own.eq_ignore_ascii_case(text));
        let symbol = self.symbols.get(&Folded(text));
        if let Some(definition) = symbol.and_then(|s| s.definition).filter(|_| !is_own) {
            // A filter on rows sees the input first, then definitions.
            let is_column = self.find_column(text).is_some() || symbol.is_some_and(|s| matches!(s.column, Lookup::Column(_)));
            if role != Role::Where || !is_column {
                return Target::Definition(definition);
            }
        }
        let lookup = match symbol.map(|s| s.column) {
            Some(lookup) if lookup != Lookup::Not => lookup,
            _ => {
                let lookup = self.column(text);
                self.symbols.entry(Folded(text)).or_insert(Symbol { definition: None, column: lookup }).column = lookup;
                lookup
            }
        };
        match lookup {
            Lookup::Column(column) => self.one_relation(column, span),
            Lookup::Ambiguous => self.ambiguous(text, span),
            Lookup::Missing | Lookup::Not => self.missing(text, span, is_own),
        }
    }

    /// The column of the scope with this name: relation and position.
    fn find_column(&self, name: &str) -> Option<(usize, usize)> {
        self.scope.relations.iter().enumerate().find_map(|(r, relation)| Some((r, relation.position(name)?)))
    }

    fn column(&mut self, name: &str) -> Lookup {
        let mut found = None;
        for (r, relation) in self.scope.relations.iter().enumerate() {
            if let Some(position) = relation.position(name) {
                if found.is_some() {
                    return Lookup::Ambiguous;
                }
                found = Some((r, position));
            }
        }
        match found {
            Some((r, position)) => Lookup::Column(self.use_column(r, position)),
            None if self.scope.open && !looks_like_cell(name) && boolean(name).is_none() && !name.eq_ignore_ascii_case("null") => {
                let column = ColumnUse {
                    relation: None,
                    name: Arc::from(name),
                    quoted: false,
                    ty: Type::Unknown,
                    nullable: true,
                    assumed: true,
                    unknown: true,
                };
                self.columns.push(column);
                Lookup::Column(self.columns.len() as u32 - 1)
            }
            None => Lookup::Missing,
        }
    }

    fn use_column(&mut self, relation: usize, position: usize) -> u32 {
        let next = self.columns.len() as u32;
        let index = *self.used.entry((relation, position)).or_insert(next);
        if index == next {
            let relation = self.scope.relations[relation];
            let column = &relation.columns()[position];
            self.columns.push(ColumnUse {
                relation: Some(relation.shared_name()),
                name: column.shared_name(),
                quoted: column.is_quoted(),
                ty: column.ty(),
                nullable: column.is_nullable(),
                assumed: column.ty() == Type::Unknown,
                unknown: false,
            });
        }
        index
    }

    /// Without a chosen relation, all names come from one.
    fn one_relation(&mut self, column: u32, span: Span) -> Target {
        if self.scope.relations.len() > 1 && !self.scope.chosen {
            if let Some(relation) = &self.columns[column as usize].relation {
                match &self.settled {
                    None => self.settled = Some(relation.clone()),
                    Some(first) if first != relation => {
                        self.diagnostics.push(
                            Diagnostic::new(
                                Code::SeveralRelations,
                                span,
                                format!("`{}` is a column of `{relation}`, other names come from `{first}`", span.text(self.source)),
                            )
                            .with_help("take all names from one relation, or join them in a spec"),
                        );
                        return Target::Error;
                    }
                    Some(_) => {}
                }
            }
        }
        Target::Column(column)
    }

    fn ambiguous(&mut self, text: &str, span: Span) -> Target {
        let owners: Vec<&str> =
            self.scope.relations.iter().filter(|r| r.position(text).is_some()).map(|r| r.name()).collect();
        self.diagnostics.push(
            Diagnostic::new(Code::AmbiguousName, span, format!("`{text}` is a column of {}", listed(&owners)))
                .with_help(format!("write `{}.{text}`, or choose the relation with `--from`", owners[0])),
        );
        Target::Error
    }

    #[cold]
    fn missing(&mut self, text: &str, span: Span, is_own: bool) -> Target {
        if let Some(value) = boolean(text) {
            let upper = text.to_ascii_uppercase();
            self.diagnostics.push(
                Diagnostic::new(Code::LowercaseBoolean, span, format!("`{text}` is read as `{upper}`"))
                    .with_help(format!("write `{upper}`"))
                    .with_fix(span, upper),
            );
            return Target::Bool(value);
        }
        if looks_like_cell(text) {
            self.diagnostics.push(
                Diagnostic::new(Code::NeedsWorksheet, span, format!("cell references need a worksheet; `{text}` reads as a cell"))
                    .with_help(format!("name the column, or write `${{{text}}}` where a column has that name")),
            );
            return Target::Error;
        }
        if text.eq_ignore_ascii_case("null") {
            self.diagnostics.push(
                Diagnostic::new(Code::NotFormulaSyntax, span, "there is no NULL in formulas")
                    .with_help("write `1/0` for an empty value, and `ISBLANK(x)` to test for one"),
            );
            return Target::Error;
        }
        if let Some(what) = worksheet_name(text) {
            self.diagnostics.push(
                Diagnostic::new(Code::NeedsWorksheet, span, format!("{what} need a worksheet; there is no column or definition `{text}`"))
                    .with_help("name the column"),
            );
            return Target::Error;
        }
        let mut diagnostic = if is_own {
            Diagnostic::new(Code::UnknownName, span, format!("there is no input column `{text}`"))
                .with_label("in its own definition a name means the input column")
        } else {
            Diagnostic::new(Code::UnknownName, span, format!("there is no column or definition `{text}`"))
        };
        let definitions = self.ast.definitions.iter().filter_map(|d| d.name).map(|n| n.text(self.source));
        let columns = self.scope.relations.iter().flat_map(|r| r.columns().iter().map(|c| c.name()));
        diagnostic = match suggest::nearest(text, definitions.chain(columns)) {
            Some(near) => diagnostic.with_help(format!("`{near}` has a similar name")),
            None => match self.scope.relations.first() {
                Some(relation) => {
                    let names: Vec<&str> = relation.columns().iter().take(8).map(|c| c.name()).collect();
                    diagnostic.with_help(format!("`{}` has {}", relation.name(), listed(&names)))
                }
                None => diagnostic.with_help("define it, or correct the name"),
            },
        };
        self.diagnostics.push(diagnostic);
        Target::Error
    }

    fn field(&mut self, span: Span, own: Option<&str>, role: Role) -> Target {
        let parts = reference(self.source, span);
        if let Some(total) = parts.total {
            self.diagnostics.push(
                Diagnostic::new(
                    Code::NeedsWorksheet,
                    total,
                    format!("totals need a worksheet; `:{}` has no meaning here", total.text(self.source)),
                )
                .with_help("compute the total in an earlier step"),
            );
            return Target::Error;
        }
        let Some(view) = parts.view else {
            let text = parts.field.text(self.source);
            // A name in `${…}` is never a cell, and may hold blanks.
            if self.scope.open && self.find_column(text).is_none() && !self.symbols.contains_key(&Folded(text)) {
                return self.open_column(None, text);
            }
            return self.name(parts.field, own, role);
        };
        let (view_text, text) = (view.text(self.source), parts.field.text(self.source));
        let Some(relation) = self.scope.relations.iter().position(|r| r.name().eq_ignore_ascii_case(view_text)) else {
            if self.scope.open && self.scope.relations.is_empty() {
                return self.open_column(Some(view_text), text);
            }
            let known: Vec<&str> = self.scope.relations.iter().map(|r| r.name()).collect();
            let mut diagnostic =
                Diagnostic::new(Code::UnknownRelation, view, format!("there is no relation `{view_text}` here"));
            diagnostic = match suggest::nearest(view_text, known.iter().copied()) {
                Some(near) => diagnostic.with_help(format!("`{near}` has a similar name")),
                None => diagnostic.with_help(format!("there is {}", listed(&known))),
            };
            self.diagnostics.push(diagnostic);
            return Target::Error;
        };
        match self.scope.relations[relation].position(text) {
            Some(position) => {
                let column = self.use_column(relation, position);
                self.one_relation(column, span)
            }
            None => {
                let relation = self.scope.relations[relation];
                let mut diagnostic = Diagnostic::new(
                    Code::UnknownName,
                    parts.field,
                    format!("`{}` has no column `{text}`", relation.name()),
                );
                if let Some(near) = suggest::nearest(text, relation.columns().iter().map(|c| c.name())) {
                    diagnostic = diagnostic.with_help(format!("`{near}` has a similar name"));
                }
                self.diagnostics.push(diagnostic);
                Target::Error
            }
        }
    }

    fn open_column(&mut self, relation: Option<&str>, name: &str) -> Target {
        let key = (relation.map(str::to_ascii_lowercase), name.to_ascii_lowercase());
        let next = self.columns.len() as u32;
        let index = *self.used_open.entry(key).or_insert(next);
        if index == next {
            let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            self.columns.push(ColumnUse {
                relation: relation.map(Arc::from),
                name: Arc::from(name),
                quoted: !plain,
                ty: Type::Unknown,
                nullable: true,
                assumed: true,
                    unknown: true,
            });
        }
        Target::Column(index)
    }

    fn function(&mut self, span: Span, count: usize) -> Target {
        let text = span.text(self.source);
        if let Some(function) = catalog::find(text) {
            return Target::Function(function);
        }
        let name = text.to_ascii_uppercase();
        let diagnostic = super::planned::diagnostic(&name, span).unwrap_or_else(|| {
            let diagnostic =
                Diagnostic::new(Code::UnknownFunction, span, format!("unknown function `{text}`"))
                    .with_label("not in the function catalogue");
            match suggest::nearest(text, catalog::names()) {
                Some(near) => diagnostic.with_help(format!("`{near}` has a similar name")),
                None if count == 0 => diagnostic.with_help("`formulac functions` lists them all"),
                None => diagnostic.with_help("`formulac functions` lists them all; there is no implied multiplication"),
            }
        });
        self.diagnostics.push(diagnostic);
        Target::Error
    }
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `C1`, `FY24`: one to three letters and a number.
pub(super) fn looks_like_cell(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let rest = text.get(letters..).unwrap_or_default();
    (1..=3).contains(&letters) && (1..=7).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
}

/// `B_TOTAL`, `B2_ROW_TOTAL`: the totals of a worksheet; `C`: its columns by letter.
fn worksheet_name(text: &str) -> Option<&'static str> {
    let column = |t: &str| {
        let letters = t.bytes().take_while(u8::is_ascii_uppercase).count();
        (1..=2).contains(&letters) && t.bytes().skip(letters).all(|b| b.is_ascii_digit())
    };
    if let Some(of) = text.strip_suffix("_TOTAL") {
        let of = ["_ROW", "_GRAND"].iter().find_map(|s| of.strip_suffix(s)).unwrap_or(of);
        return column(of).then_some("totals");
    }
    (text.len() == 1 && column(text)).then_some("columns by letter")
}

/// `a`, `a and b`, `a, b and c`, in backticks.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The value of a text node.
pub(super) fn text_value(ast: &Ast, source: &str, id: ExprId) -> Option<String> {
    matches!(ast.expr(id), Expr::Text).then(|| unquote(ast.span(id).text(source)).into_owned())
}
