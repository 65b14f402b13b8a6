//! The whole path for formulas: text to SQL expressions.

use std::sync::Arc;

use crate::check::{self, Context, Role, Scope};
use crate::diag::{self, Code, Diagnostic};
use crate::dialect::Dialect;
use crate::emit::{self, Emitter};
use crate::ir::{ColumnUse, Ir, IrId, Program};
use crate::lex::Mode;
use crate::limits::Limits;
use crate::memory::{Memory, Pool};
use crate::parse::{self, SourcePart};
use crate::schema::Schema;
use crate::span::Span;
use crate::sql;
use crate::types::{Level, Type};

/// A compiler for one dialect and schema; cheap to share between threads.
///
/// ```
/// use formulac::{Column, Compiler, Relation, Schema, Type};
/// let schema = Schema::new().with(Relation::new("orders").with(Column::new("revenue", Type::Decimal)));
/// let compiler = Compiler::builder().dialect("bigquery".parse().unwrap()).schema(schema).build();
/// let compiled = compiler.compile("total = SUM(revenue)");
/// assert_eq!(compiled.definitions()[0].sql(), "coalesce(sum(revenue), 0)");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    pub(crate) options: Arc<Options>,
    pub(crate) pool: Arc<Pool>,
}

/// What emitting works in.
struct EmitMemory<'m> {
    program: &'m mut Program,
    work: &'m mut emit::Buffers,
    reads: &'m mut Reads,
    print: &'m mut Vec<sql::Step>,
}

/// A text with grouping and ordering keys behind it.
struct Keys {
    text: String,
    parts: Vec<SourcePart>,
    roles: Vec<Role>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub dialect: Dialect,
    pub schema: Schema,
    pub from: Option<String>,
    pub context: Context,
    pub group_by: Vec<String>,
    pub order_by: Vec<String>,
    pub partition_by: Vec<String>,
    pub limits: Limits,
    pub timezone: Option<String>,
    pub blank_zero: bool,
    pub silenced: Vec<Code>,
    pub map_spans: bool,
}

/// Collects what a [`Compiler`] is to know.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    options: Options,
}

impl Builder {
    /// The dialect to write; Postgres when not said.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.options.dialect = dialect;
        self
    }

    /// What is known of the data; with nothing known, types are taken from use.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.options.schema = schema;
        self
    }

    /// The relation that bare names come from.
    pub fn from(mut self, relation: impl Into<String>) -> Self {
        self.options.from = Some(relation.into());
        self
    }

    /// What formulas are written for; measures when not said.
    pub fn context(mut self, context: Context) -> Self {
        self.options.context = context;
        self
    }

    /// The names that the query groups by.
    pub fn group_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.group_by = names.into_iter().map(Into::into).collect();
        self
    }

    /// The order of rows, `name` or `name desc`, for what looks at other rows.
    pub fn order_by<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.options.order_by = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Where what looks at other rows begins anew.
    pub fn partition_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.partition_by = names.into_iter().map(Into::into).collect();
        self
    }

    /// How much input is taken.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// The time zone in which an instant becomes a date, such as `Europe/Berlin`.
    pub fn timezone(mut self, zone: impl Into<String>) -> Self {
        self.options.timezone = Some(zone.into());
        self
    }

    /// Whether blank operands of `+ - *` and of numerators count as 0, as in Omni's engine.
    pub fn blanks_as_zero(mut self, yes: bool) -> Self {
        self.options.blank_zero = yes;
        self
    }

    /// Warnings that are not wanted; errors stay whatever is named here.
    pub fn without_warnings(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.options.silenced = codes.into_iter().collect();
        self
    }

    /// Whether each definition also says which part of its SQL comes from which part of the formula.
    pub fn map_spans(mut self, yes: bool) -> Self {
        self.options.map_spans = yes;
        self
    }

    /// The compiler.
    #[must_use]
    pub fn build(self) -> Compiler {
        Compiler { options: Arc::new(self.options), pool: Arc::default() }
    }
}

/// A column that a definition reads.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadColumn(ColumnUse);

impl ReadColumn {
    /// The relation, where one is known or written.
    #[must_use]
    pub fn relation(&self) -> Option<&str> {
        self.0.relation.as_deref()
    }

    /// The column's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `relation.name`, or the name where no relation is known.
    #[must_use]
    pub fn path(&self) -> String {
        self.relation().map_or_else(|| self.name().to_owned(), |r| format!("{r}.{}", self.name()))
    }

    /// The type that was taken from use, where no schema says it: unknown where the uses leave it open.
    #[must_use]
    pub fn assumed(&self) -> Option<Type> {
        self.0.assumed.then_some(self.0.ty)
    }
}

/// A compiled definition.
#[derive(Clone, Debug)]
pub struct Definition {
    name: Option<Arc<str>>,
    sql: String,
    ty: Type,
    level: Level,
    nullable: bool,
    reads: Vec<u32>,
    /// All that the text reads; there once all its definitions are.
    columns: Option<Arc<[ReadColumn]>>,
    description: Option<String>,
    span: Span,
    mappings: Vec<sql::Mapping>,
}

impl Definition {
    /// Its name; none for a bare formula.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its SQL, one expression in one line.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The type of its values.
    #[must_use]
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// Where it is computed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether it may be NULL.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.nullable
    }

    /// The input columns that it reads, by itself or through others, in the order of first use.
    pub fn columns(&self) -> impl Iterator<Item = &ReadColumn> {
        let all = self.columns.as_deref().unwrap_or_default();
        self.reads.iter().filter_map(|i| all.get(*i as usize))
    }

    /// The text of the `///` lines above it.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// Parts of the SQL with the parts of the source that they were made of, outer ones first;
    /// empty unless [`Builder::map_spans`] asked for them.
    ///
    /// ```
    /// let compiler = formulac::Compiler::builder().map_spans(true).build();
    /// let compiled = compiler.compile("SUM(x) / 2");
    /// let definition = &compiled.definitions()[0];
    /// let texts: Vec<_> = definition
    ///     .mappings()
    ///     .map(|(sql, formula)| (sql.text(definition.sql()), formula.text("SUM(x) / 2")))
    ///     .collect();
    /// assert!(texts.contains(&("sum(x)", "SUM(x)")));
    /// ```
    pub fn mappings(&self) -> impl Iterator<Item = (Span, Span)> {
        self.mappings.iter().map(|m| (m.sql, m.formula))
    }
}

/// The result of compiling: definitions without errors, and all diagnostics.
#[derive(Clone, Debug)]
pub struct Compiled {
    dialect: Dialect,
    definitions: Vec<Definition>,
    diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// The dialect of the SQL.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The definitions without errors, in the order written.
    #[must_use]
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// Everything that was found, in the order of the text.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether there is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The definitions when there is no error, else the diagnostics.
    ///
    /// # Errors
    ///
    /// The diagnostics, warnings among them, when at least one is an error.
    pub fn into_result(self) -> Result<Vec<Definition>, Vec<Diagnostic>> {
        if self.has_errors() { Err(self.diagnostics) } else { Ok(self.definitions) }
    }
}

impl Compiler {
    /// Begins a compiler.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Its dialect.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.options.dialect
    }

    /// What it knows of the data.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.options.schema
    }

    /// Compiles a text of definitions, or one formula. There is always a result.
    ///
    /// ```
    /// let compiled = formulac::Compiler::default().compile("a = SUM(x)\nb = SUMM(x)");
    /// assert_eq!(compiled.definitions().len(), 1);
    /// assert_eq!(compiled.diagnostics()[0].code(), "F0301");
    /// ```
    #[must_use]
    pub fn compile(&self, source: &str) -> Compiled {
        self.pool.lend(|memory| self.run(memory, source, true))
    }

    /// What is wrong with a text of definitions, or one formula, as far as that needs no SQL: syntax, names, types, levels.
    /// What only the dialect cannot do is found by [`Compiler::compile`].
    ///
    /// ```
    /// let found = formulac::Compiler::default().check("a = SUM(x)\nb = SUMM(x)");
    /// assert_eq!(found[0].code(), "F0301");
    /// ```
    #[must_use]
    pub fn check(&self, source: &str) -> Vec<Diagnostic> {
        self.pool.lend(|memory| self.run(memory, source, false)).diagnostics
    }

    fn run(&self, memory: &mut Memory, source: &str, emit: bool) -> Compiled {
        let Memory { parse, ast, check, program, emit: work, reads, print } = memory;
        let options = &*self.options;
        let mut diagnostics = Vec::new();
        let keys = self.keys(source);
        let whole = [SourcePart { span: Span::new(0, source.len() as u32), mode: Mode::File, name: None }];
        let (text, parts, roles) = match &keys {
            Some(keys) => (keys.text.as_str(), keys.parts.as_slice(), keys.roles.as_slice()),
            None => (source, whole.as_slice(), [Role::Definitions].as_slice()),
        };
        ast.clear();
        parse::parse_parts(text, parts, &options.limits, parse, ast, &mut diagnostics);
        let scope = self.scope(roles, &mut diagnostics);
        check::check(ast, text, &scope, check, program, &mut diagnostics);
        self.warn_comparisons(program, source, &mut diagnostics);
        let mut definitions = Vec::new();
        if emit {
            definitions = self.emit(ast, roles, text, EmitMemory { program, work, reads, print }, &mut diagnostics);
        }
        if !diagnostics.is_empty() {
            drop_failed(&mut definitions, &diagnostics, source);
            place_options(&mut diagnostics, source, text);
            silence(&mut diagnostics, source, &options.silenced);
            diag::sort(&mut diagnostics);
        }
        Compiled { dialect: options.dialect, definitions, diagnostics }
    }

    /// The text with the keys that options name behind it, each a part of its own; none when there are no keys.
    fn keys(&self, source: &str) -> Option<Keys> {
        let options = &*self.options;
        let keys = [
            (&options.group_by, Role::GroupBy),
            (&options.partition_by, Role::PartitionBy),
            (&options.order_by, Role::OrderBy),
        ];
        if keys.iter().all(|(names, _)| names.is_empty()) {
            return None;
        }
        let span = Span::new(0, source.len() as u32);
        let mut parts = vec![SourcePart { span, mode: Mode::File, name: None }];
        let mut roles = vec![Role::Definitions];
        let mut text = source.to_owned();
        for (names, role) in keys {
            for name in names {
                text.push('\n');
                let start = text.len() as u32;
                text.push_str(if role == Role::OrderBy { order_key(name).0 } else { name.trim() });
                let span = Span::new(start, text.len() as u32);
                parts.push(SourcePart { span, mode: Mode::Formula, name: None });
                roles.push(role);
            }
        }
        Some(Keys { text, parts, roles })
    }

    fn scope<'a>(&'a self, roles: &'a [Role], diagnostics: &mut Vec<Diagnostic>) -> Scope<'a> {
        let options = &*self.options;
        let chosen = options.from.as_deref().and_then(|from| options.schema.relation(from));
        if let (Some(from), None, false) = (&options.from, chosen, options.schema.is_empty()) {
            let names: Vec<&str> = options.schema.relations().iter().map(|r| r.name()).collect();
            let near = diag::suggest::nearest(from, names.iter().copied());
            let help = near.map_or_else(|| "correct `--from`".to_owned(), |n| format!("`{n}` has a similar name"));
            diagnostics.push(
                Diagnostic::new(Code::UnknownRelation, Span::default(), format!("the schema has no relation `{from}`"))
                    .with_help(help),
            );
        }
        let relations = match chosen {
            Some(relation) => std::slice::from_ref(relation),
            None if options.from.is_some() => &[],
            None => options.schema.relations(),
        };
        Scope {
            context: options.context,
            relations,
            // A relation that is not known has any columns; that it is not known is said once.
            open: options.schema.is_empty() || (options.from.is_some() && chosen.is_none()),
            chosen: chosen.is_some(),
            roles,
            ordered: !options.order_by.is_empty(),
            blank_zero: options.blank_zero,
            timezone: options.timezone.as_deref(),
            strata: false,
        }
    }

    fn emit(
        &self,
        ast: &crate::ast::Ast,
        roles: &[Role],
        text: &str,
        memory: EmitMemory<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Definition> {
        let options = &*self.options;
        let EmitMemory { program, work, reads, print } = memory;
        work.tree.clear();
        let mut definitions: Vec<Definition> = Vec::with_capacity(program.definitions.len());
        reads.reset(program);
        let mut budget = options.limits.output;
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, work);
        emitter.grouped_by_keys = roles.contains(&Role::GroupBy);
        self.windows(program, ast, roles, &mut emitter);
        for index in &program.order {
            let at = *index as usize;
            let definition = &program.definitions[at];
            let part = ast.definitions[at].part;
            if definition.failed || roles.get(part as usize) != Some(&Role::Definitions) {
                continue;
            }
            let read = reads.of(program, at, &definitions);
            let mark = emitter.mark_tree();
            let Some(root) = emitter.definition(*index) else { continue };
            let meta = program.meta(definition.root);
            let width = emitter.tree().width(root) as usize;
            if width > budget {
                budget = 0;
                diagnostics.push(
                    Diagnostic::new(
                        Code::OutputTooLarge,
                        definition.span,
                        format!("the SQL of all definitions is more than {} MiB long", options.limits.output >> 20),
                    )
                    .with_help("compile a spec with `formulac query`, which names what is used again"),
                );
                continue;
            }
            budget -= width;
            if let Some((span, repeated)) = emitter.repetition() {
                let part = repeated.excerpt(text);
                diagnostics.push(
                    Diagnostic::new(Code::RepeatedArgument, span, format!("`{part}` stands more than once in the SQL"))
                        .with_help("name it as a definition of a spec; `formulac query` computes it once"),
                );
            }
            let mut sql = String::with_capacity(width);
            let mappings = if options.map_spans {
                sql::flat_mapped(emitter.tree(), root, &mut sql)
            } else {
                sql::flat(emitter.tree(), root, print, &mut sql);
                Vec::new()
            };
            if !definition.used {
                emitter.forget(mark);
            }
            reads.note(at, definitions.len());
            definitions.push(Definition {
                name: definition.name.clone(),
                sql,
                ty: meta.ty,
                level: meta.level,
                nullable: meta.nullable,
                reads: read,
                columns: None,
                description: parse::description(text, definition.span.start),
                span: definition.span,
                mappings,
            });
        }
        diagnostics.append(&mut emitter.diagnostics);
        definitions.sort_by_key(|d| d.span.start);
        let columns: Arc<[ReadColumn]> = program.columns.drain(..).map(ReadColumn).collect();
        definitions.iter_mut().for_each(|d| d.columns = Some(Arc::clone(&columns)));
        definitions
    }

    /// The SQL of the order and the partitions of windows.
    fn windows(&self, program: &Program, ast: &crate::ast::Ast, roles: &[Role], emitter: &mut Emitter<'_>) {
        let mut keys = self.options.order_by.iter();
        for (index, definition) in ast.definitions.iter().enumerate() {
            let role = roles.get(definition.part as usize);
            let descending =
                if role == Some(&Role::OrderBy) { keys.next().is_some_and(|k| order_key(k).1) } else { false };
            if program.definitions.get(index).is_none_or(|d| d.failed) {
                continue;
            }
            match role {
                Some(Role::PartitionBy) => {
                    let sql = emitter.definition(index as u32);
                    emitter.windows.partition.extend(sql);
                }
                Some(Role::OrderBy) => {
                    if let Some(sql) = emitter.definition(index as u32) {
                        let nullable = program.meta(program.definitions[index].root).nullable;
                        let key = emitter.order_key(sql, descending, nullable);
                        emitter.windows.order.push(key);
                    }
                }
                _ => {}
            }
        }
    }

    /// `status = "open"` defines `status`; where a column has that name a comparison may be meant.
    fn warn_comparisons(&self, program: &Program, source: &str, diagnostics: &mut Vec<Diagnostic>) {
        for definition in &program.definitions {
            let Some(name) = &definition.name else { continue };
            if !matches!(program.node(definition.root), Ir::Text(_)) {
                continue;
            }
            if self.options.schema.relations().iter().any(|r| r.column(name).is_some()) {
                let text = definition.span.text(source).trim();
                diagnostics.push(
                    Diagnostic::new(
                        Code::LooksLikeComparison,
                        definition.span,
                        format!("this defines `{name}`, which is also a column"),
                    )
                    .with_help(format!("to compare, begin with `=`: `={text}`")),
                );
            }
        }
    }
}

/// `month desc` is `month`, descending.
pub(crate) fn order_key(text: &str) -> (&str, bool) {
    let text = text.trim();
    match text.rsplit_once(char::is_whitespace) {
        Some((name, word)) if word.eq_ignore_ascii_case("desc") => (name.trim(), true),
        Some((name, word)) if word.eq_ignore_ascii_case("asc") => (name.trim(), false),
        _ => (text, false),
    }
}

/// Which columns definitions read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// By column: the last definition, counted from 1, that was seen to read it.
    seen: Vec<usize>,
    found: Vec<u32>,
    /// By definition: its place among the compiled ones.
    places: Vec<usize>,
}

impl Reads {
    fn reset(&mut self, program: &Program) {
        self.seen.clear();
        self.seen.resize(program.columns.len(), 0);
        self.places.clear();
        self.places.resize(program.definitions.len(), usize::MAX);
    }

    fn note(&mut self, definition: usize, place: usize) {
        self.places[definition] = place;
    }

    /// The columns that a definition reads, those of the definitions that it uses included.
    fn of(&mut self, program: &Program, index: usize, compiled: &[Definition]) -> Vec<u32> {
        self.found.clear();
        let mut read = |column: u32| {
            if std::mem::replace(&mut self.seen[column as usize], index + 1) != index + 1 {
                self.found.push(column);
            }
        };
        let definition = &program.definitions[index];
        for at in definition.first.0..definition.root.0 + 1 {
            match program.node(IrId(at)) {
                Ir::Column(column) => read(column),
                Ir::Definition(used) => {
                    let used = compiled.get(self.places[used as usize]);
                    used.map_or(&[][..], |d| &d.reads).iter().for_each(|c| read(*c));
                }
                _ => {}
            }
        }
        self.found.clone()
    }
}

/// A definition with an error anywhere in it is left out. Definitions stand in the order of the text. A bare formula
/// is all of the text, and a relation that is not known is that of all definitions.
fn drop_failed(definitions: &mut Vec<Definition>, diagnostics: &[Diagnostic], source: &str) {
    let bare = matches!(definitions.as_slice(), [Definition { name: None, .. }]);
    let is_of_all = |d: &Diagnostic| {
        let span = d.span();
        (d.kind() == Code::UnknownRelation && span.is_empty()) || (bare && span.start as usize <= source.len())
    };
    if diagnostics.iter().any(|d| d.is_error() && is_of_all(d)) {
        definitions.clear();
    }
    let mut failed = vec![false; definitions.len()];
    for error in diagnostics.iter().filter(|d| d.is_error()).map(Diagnostic::span) {
        let at = definitions.partition_point(|d| d.span.start <= error.start);
        if let Some(index) = at.checked_sub(1).filter(|i| error.start <= definitions[*i].span.end) {
            failed[index] = true;
        }
    }
    let mut failed = failed.into_iter();
    definitions.retain(|_| !failed.next().unwrap_or(false));
}

/// Faults of options have no place in the text; they are reported at its end.
fn place_options(diagnostics: &mut Vec<Diagnostic>, source: &str, text: &str) {
    if text.len() == source.len() {
        return;
    }
    let end = source.len() as u32;
    for diagnostic in diagnostics {
        if diagnostic.span().start > end {
            let key = diagnostic.span().text(text).to_owned();
            *diagnostic =
                diagnostic.clone().mapped(|s| if s.start > end { Span::new(end, end) } else { s }).in_option(&key);
        }
    }
}

/// Drops warnings that the options turn off, or a comment on their line: `// noqa: W0412`, or `// noqa` for all.
pub(crate) fn silence(diagnostics: &mut Vec<Diagnostic>, source: &str, silenced: &[Code]) {
    diagnostics.retain(|d| d.is_error() || !silenced.contains(&d.kind()));
    if !source.contains("noqa") {
        return;
    }
    diagnostics.retain(|d| {
        if d.is_error() {
            return true;
        }
        let start = d.span().start as usize;
        let line_start = source.get(..start).and_then(|s| s.rfind('\n')).map_or(0, |i| i + 1);
        let line = source.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let Some((_, comment)) = line.rsplit_once("//") else { return true };
        match comment.trim().strip_prefix("noqa") {
            Some(codes) => {
                let codes = codes.trim_start_matches(':').trim();
                !(codes.is_empty() || codes.split([',', ' ']).any(|c| c.trim() == d.code()))
            }
            None => true,
        }
    });
}
