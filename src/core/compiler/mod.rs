//! Compiler for formulas: from source text to SQL expressions.

mod compiled;
mod emission;
mod session;
mod type_sensitive_columns;

use std::sync::Arc;

pub use compiled::{Compiled, Definition, ReadColumn};
pub use session::FormulaSession;

pub use type_sensitive_columns::{TypeSensitiveColumn, column_path};

use crate::calendar::{Calendar, Weekday};
use crate::check::{self, CheckScope, Context, DefinitionRole, OtherFileDefinitions, WorksheetGrid};
use crate::diag::{self, Code, Diagnostic};
use crate::dialect::Dialect;

use crate::Type;
use crate::ir::{Ir, Program};
use crate::lex::LayoutMode;
use crate::limits::Limits;
use crate::parse::{self, SourcePart};
use crate::plan::key_name;
use crate::schema::{Relation, Schema};
use crate::scratch::{CompileMemory, MemoryPool};
use crate::span::Span;

/// Compiler for a dialect and a schema. Clones are cheap and can be used in several threads.
///
/// ```
/// use formulac_core::{Column, Compiler, Relation, Schema, Type};
/// let schema = Schema::new().with(Relation::new("orders").with(Column::new("revenue", Type::Decimal)));
/// let compiler = Compiler::builder().dialect("bigquery".parse().unwrap()).schema(schema).build();
/// let compiled = compiler.compile("total = SUM(revenue)");
/// assert_eq!(compiled.definitions()[0].sql(), "coalesce(sum(revenue), 0)");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Compiler {
    /// Options of the compiler.
    pub options: Arc<CompilerOptions>,
    /// Pool of scratch memory, shared by copies of the compiler.
    pub pool: Arc<MemoryPool>,
}

/// Source text with the grouping, partition and sort keys appended.
struct SourceWithKeys {
    text: String,
    parts: Vec<SourcePart>,
    roles: Vec<DefinitionRole>,
    /// Whether each part is a sort key in descending order.
    descending: Vec<bool>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompilerOptions {
    pub dialect: Dialect,
    pub schema: Arc<Schema>,
    /// Models that other specs define, with their known columns.
    pub models: Schema,
    pub from: Option<String>,
    pub context: Context,
    pub group_by: Vec<String>,
    pub order_by: Vec<String>,
    pub partition_by: Vec<String>,
    /// Columns of the worksheet. Defaults to the columns of the relation.
    pub columns: Option<Vec<String>>,
    /// Row for which the worksheet's formulas are written. Defaults to 1.
    pub row: Option<u32>,
    pub limits: Limits,
    pub timezone: Option<String>,
    pub blank_zero: bool,
    pub calendar: Calendar,
    pub silenced: Vec<Code>,
    pub map_spans: bool,
    /// Types that the caller specifies for columns whose type is unknown in the schema, by lower-case name.
    pub given_types: Vec<(String, Type)>,
    /// Whether the SQL is only compared with other SQL. A trial stops after an error, and needs no warnings.
    pub is_trial: bool,
    /// Whether the schema comes from a parsed dbt project.
    pub from_dbt: bool,
}

impl CompilerOptions {
    /// Returns a scope with these settings, in which windows are sorted and formulas belong to no worksheet.
    pub fn check_scope<'a>(
        &'a self,
        context: Context,
        relations: &'a [Relation],
        roles: &'a [DefinitionRole],
    ) -> CheckScope<'a> {
        CheckScope {
            context,
            relations,
            merged: &[],
            open: false,
            are_unknown_names_columns: false,
            chosen: true,
            roles,
            ordered: true,
            descending: &[],
            blank_zero: self.blank_zero,
            timezone: self.timezone.as_deref(),
            calendar: self.calendar,
            today: None,
            strata: true,
            has_empty_groups: false,
            struct_fields: self.dialect.facts().struct_fields,
            sheet: None,
            given_types: &self.given_types,
            reports_lints: !self.is_trial,
            column_periods: &[],
            rest: OtherFileDefinitions::default(),
        }
    }

    /// Returns the relation with the given name, from the models of other specs or from the schema.
    pub fn find_relation(&self, name: &str) -> Option<&Relation> {
        self.models.relation(name).or_else(|| self.schema.relation(name))
    }

    /// Returns the help text for an unknown relation whose name is not similar to any known relation. `key` is the name
    /// of the option that contains the unknown name.
    pub fn unknown_relation_help(&self, key: &str) -> String {
        if self.from_dbt {
            format!("correct `{key}`; if a model or source is new in dbt, run `dbt parse` first")
        } else {
            format!("correct `{key}`, or add the relation to the schema")
        }
    }
}

/// Builder that collects the options of a [`Compiler`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    options: CompilerOptions,
}

impl Builder {
    /// Sets the SQL dialect. Defaults to Postgres.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.options.dialect = dialect;
        self
    }

    /// Sets the schema of the data. Without a schema, types are inferred from use.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.options.schema = Arc::new(schema);
        self
    }

    /// Sets the relation to which unqualified column names belong.
    pub fn from(mut self, relation: impl Into<String>) -> Self {
        self.options.from = Some(relation.into());
        self
    }

    /// Sets the context of the formulas. Defaults to measures.
    pub fn context(mut self, context: Context) -> Self {
        self.options.context = context;
        self
    }

    /// Sets the grouping keys of the query.
    pub fn group_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.group_by = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the sort order for window functions, as `name` or `name desc`.
    pub fn order_by<S: Into<String>>(mut self, keys: impl IntoIterator<Item = S>) -> Self {
        self.options.order_by = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the partition keys of window functions.
    pub fn partition_by<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.partition_by = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the columns of a worksheet, in the order A, B, C and so on. Defaults to the columns of the relation.
    /// Ignored outside of the worksheet context.
    ///
    /// ```
    /// use formulac_core::{Compiler, Context};
    /// let sheet = Compiler::builder().context(Context::Worksheet).columns(["month", "revenue"]).order_by(["month"]);
    /// let compiled = sheet.build().compile("=B1 - B0").into_result().unwrap();
    /// assert_eq!(compiled[0].sql(), "revenue - lag(revenue, 1) over (order by month)");
    /// ```
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the row for which the worksheet's formulas are written. Defaults to the first row.
    pub fn row(mut self, row: u32) -> Self {
        self.options.row = Some(row);
        self
    }

    /// Sets the limits on the size of the input.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets the time zone in which instants are converted to dates, such as `Europe/Berlin`.
    pub fn timezone(mut self, zone: impl Into<String>) -> Self {
        self.options.timezone = Some(zone.into());
        self
    }

    /// Sets whether blank operands of `+ - *` and blank numerators count as 0, as in Omni's engine.
    pub fn blanks_as_zero(mut self, yes: bool) -> Self {
        self.options.blank_zero = yes;
        self
    }

    /// Sets the first day of the week for the timeframes `week` and `day_of_week_num`. Defaults to Monday.
    pub fn week_start(mut self, day: Weekday) -> Self {
        self.options.calendar.week_start = day;
        self
    }

    /// Sets the number of months from January to the first month of the fiscal year. Fiscal timeframes require this
    /// setting. Numbers above 11 are reduced modulo 12.
    pub fn fiscal_month_offset(mut self, months: u8) -> Self {
        self.options.calendar.fiscal_month_offset = Some(months % 12);
        self
    }

    /// Turns off warnings by code. Errors are always reported.
    pub fn without_warnings(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.options.silenced = codes.into_iter().collect();
        self
    }

    /// Sets whether the schema comes from dbt, so that the help for an unknown relation mentions dbt.
    pub fn mark_schema_as_dbt(mut self, is_from_dbt: bool) -> Self {
        self.options.from_dbt = is_from_dbt;
        self
    }

    /// Sets whether definitions map the parts of their SQL to the parts of the formula.
    pub fn map_spans(mut self, yes: bool) -> Self {
        self.options.map_spans = yes;
        self
    }

    /// Builds the compiler.
    #[must_use]
    pub fn build(self) -> Compiler {
        Compiler {
            options: Arc::new(self.options),
            pool: Arc::default(),
        }
    }
}

impl Compiler {
    /// Returns a builder with default options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the dialect of the compiler.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.options.dialect
    }

    /// Returns the schema of the data.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.options.schema
    }

    /// Compiles definitions or a single formula. Returns a result even if the source contains errors.
    ///
    /// ```
    /// let compiled = formulac_core::Compiler::default().compile("a = SUM(x)\nb = SUMM(x)");
    /// assert_eq!(compiled.definitions().len(), 1);
    /// assert_eq!(compiled.diagnostics()[0].code(), "F0301");
    /// ```
    #[must_use]
    pub fn compile(&self, source: &str) -> Compiled {
        self.pool.with_compile_memory(|memory| {
            self.compile_source(memory, source, true, OtherFileDefinitions::default(), |_, _| ())
        })
    }

    /// Returns the diagnostics for definitions or a single formula without generating SQL: syntax, names, types and
    /// levels. Only [`Compiler::compile`] reports features that the dialect does not support.
    ///
    /// ```
    /// let found = formulac_core::Compiler::default().check("a = SUM(x)\nb = SUMM(x)");
    /// assert_eq!(found[0].code(), "F0301");
    /// ```
    #[must_use]
    pub fn check(&self, source: &str) -> Vec<Diagnostic> {
        self.pool
            .with_compile_memory(|memory| {
                self.compile_source(memory, source, false, OtherFileDefinitions::default(), |_, _| ())
            })
            .diagnostics
    }

    /// Compiles a source. `observe` is called after the check, and again after SQL generation, before definitions with
    /// errors and silenced warnings are removed.
    fn compile_source(
        &self,
        memory: &mut CompileMemory,
        source: &str,
        emit: bool,
        rest: OtherFileDefinitions<'_>,
        observe: impl FnMut(&CompileMemory, Option<(&[Definition], &[Diagnostic])>),
    ) -> Compiled {
        let keys = self.append_option_keys(source);
        let mut diagnostics = Vec::new();
        self.parse(memory, source, keys.as_ref(), &mut diagnostics);
        self.compile_parsed(memory, (source, keys.as_ref()), emit, rest, diagnostics, observe)
    }

    /// Parses a source with the keys of the options.
    fn parse(
        &self,
        memory: &mut CompileMemory,
        source: &str,
        keys: Option<&SourceWithKeys>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let source_part = [SourcePart {
            span: Span::new(0, source.len() as u32),
            mode: LayoutMode::File,
            name: None,
        }];
        let (text, parts) = match keys {
            Some(keys) => (keys.text.as_str(), keys.parts.as_slice()),
            None => (source, source_part.as_slice()),
        };
        let CompileMemory { parse, ast, .. } = &mut *memory;
        parse::parse_parts(text, parts, &self.options.limits, parse, ast, diagnostics);
        memory.free_parse_buffers();
    }

    /// Compiles the source whose tree is in `memory`. `diagnostics` are those of the parser.
    fn compile_parsed(
        &self,
        memory: &mut CompileMemory,
        (source, keys): (&str, Option<&SourceWithKeys>),
        emit: bool,
        rest: OtherFileDefinitions<'_>,
        mut diagnostics: Vec<Diagnostic>,
        mut observe: impl FnMut(&CompileMemory, Option<(&[Definition], &[Diagnostic])>),
    ) -> Compiled {
        let options = &*self.options;
        let (text, roles) = match keys {
            Some(keys) => (keys.text.as_str(), keys.roles.as_slice()),
            None => (source, [DefinitionRole::Definitions].as_slice()),
        };
        let mut scope = self.check_scope(roles, &mut diagnostics);
        let sheet = self.worksheet_grid(scope.relations);
        scope.sheet = sheet.as_ref();
        scope.rest = rest;
        scope.descending = keys.map_or(&[], |keys| &keys.descending);
        let CompileMemory {
            ast, check, program, ..
        } = &mut *memory;
        check::check(ast, text, &scope, check, program, &mut diagnostics);
        self.warn_of_definitions_like_comparisons(program, source, &mut diagnostics);
        observe(memory, None);
        // The next trial checks the same tree again.
        if !options.is_trial {
            memory.free_check_buffers();
        }
        let is_rejected = options.is_trial && diagnostics.iter().any(Diagnostic::is_error);
        let mut definitions = Vec::new();
        if emit && !is_rejected {
            definitions = self.emit(memory, roles, text, &mut diagnostics);
        }
        observe(memory, Some((&definitions, &diagnostics)));
        if !diagnostics.is_empty() {
            remove_failed_definitions(&mut definitions, &diagnostics, source);
            move_option_diagnostics_to_end(&mut diagnostics, source, text);
            remove_silenced_warnings(&mut diagnostics, source, &options.silenced);
            diag::sort(&mut diagnostics);
        }
        let meanings = std::mem::take(&mut memory.program.meanings);
        Compiled {
            dialect: options.dialect,
            definitions,
            diagnostics,
            meanings,
        }
    }

    /// Returns the worksheet that contains the formulas. `None` in contexts other than a worksheet.
    fn worksheet_grid(&self, relations: &[Relation]) -> Option<WorksheetGrid> {
        let options = &*self.options;
        if options.context != Context::Worksheet {
            return None;
        }
        let columns = match (&options.columns, relations) {
            (Some(columns), _) => columns.iter().map(|column| key_name(column)).collect(),
            (None, [relation]) => relation
                .columns()
                .iter()
                .map(|column| column.name().to_owned())
                .collect(),
            (None, _) => Vec::new(),
        };
        Some(WorksheetGrid {
            columns,
            row: i64::from(options.row.unwrap_or(1).max(1)),
            tabs: Vec::new(),
            pivot: None,
            totals: None,
        })
    }

    /// Appends each key in the options to the source text as a separate part. `None` if the options contain no keys.
    fn append_option_keys(&self, source: &str) -> Option<SourceWithKeys> {
        let options = &*self.options;
        let keys = [
            (&options.group_by, DefinitionRole::GroupBy),
            (&options.partition_by, DefinitionRole::PartitionBy),
            (&options.order_by, DefinitionRole::OrderBy),
        ];
        if keys.iter().all(|(names, _)| names.is_empty()) {
            return None;
        }
        let span = Span::new(0, source.len() as u32);
        let mut parts = vec![SourcePart {
            span,
            mode: LayoutMode::File,
            name: None,
        }];
        let mut roles = vec![DefinitionRole::Definitions];
        let mut descending = vec![false];
        let mut text = source.to_owned();
        for (names, role) in keys {
            for name in names {
                text.push('\n');
                let start = text.len() as u32;
                text.push_str(if role == DefinitionRole::OrderBy {
                    split_sort_key(name).0
                } else {
                    name.trim()
                });
                let span = Span::new(start, text.len() as u32);
                parts.push(SourcePart {
                    span,
                    mode: LayoutMode::Formula,
                    name: None,
                });
                roles.push(role);
                descending.push(role == DefinitionRole::OrderBy && split_sort_key(name).1);
            }
        }
        Some(SourceWithKeys {
            text,
            parts,
            roles,
            descending,
        })
    }

    /// Returns a copy of the compiler for another dialect.
    #[must_use]
    pub fn in_dialect(&self, dialect: Dialect) -> Self {
        let options = CompilerOptions {
            dialect,
            ..(*self.options).clone()
        };
        Self {
            options: Arc::new(options),
            pool: Arc::default(),
        }
    }

    /// Returns whether any relation is known, from the schema or from another spec.
    #[must_use]
    pub fn has_relations(&self) -> bool {
        !self.options.schema.is_empty() || !self.options.models.is_empty()
    }

    /// Returns the relations that have all the given columns. A column may be written as `relation.column`.
    #[must_use]
    pub fn relations_with_columns(&self, names: &std::collections::BTreeSet<String>) -> Vec<String> {
        let options = &self.options;
        let has = |relation: &Relation, name: &str| match name.split_once('.') {
            Some((view, column)) => relation.name().eq_ignore_ascii_case(view) && relation.column(column).is_some(),
            None => relation.column(name).is_some(),
        };
        let mut relation_names: Vec<String> = Vec::new();
        for relation in options.models.relations().iter().chain(options.schema.relations()) {
            let is_found = relation_names
                .iter()
                .any(|other| other.eq_ignore_ascii_case(relation.name()));
            if !is_found && names.iter().all(|name| has(relation, name)) {
                relation_names.push(relation.name().to_owned());
            }
        }
        relation_names
    }

    fn check_scope<'a>(&'a self, roles: &'a [DefinitionRole], diagnostics: &mut Vec<Diagnostic>) -> CheckScope<'a> {
        let options = &*self.options;
        let from_relation = options.from.as_deref().and_then(|from| options.find_relation(from));
        let closed_relation = from_relation.filter(|relation| !relation.is_open());
        if let (Some(from), None, false) = (&options.from, from_relation, options.schema.is_partial_list()) {
            let names = options.schema.relations().iter().map(Relation::name);
            let help = diag::suggest::similar_name_help_or(from, names, || options.unknown_relation_help("--from"));
            diagnostics.push(
                Diagnostic::new(
                    Code::UnknownRelation,
                    Span::default(),
                    format!("the schema has no relation `{from}`"),
                )
                .with_help(help),
            );
        }
        let relations = match closed_relation {
            Some(relation) => std::slice::from_ref(relation),
            None if options.from.is_some() => &[],
            None => options.schema.relations(),
        };
        CheckScope {
            // Accept any column if the relation is unknown, so that only the unknown relation is reported.
            open: options.schema.is_empty() || (options.from.is_some() && closed_relation.is_none()),
            chosen: closed_relation.is_some(),
            ordered: !options.order_by.is_empty(),
            strata: false,
            ..options.check_scope(options.context, relations, roles)
        }
    }

    /// Warns about a definition such as `status = "open"` if a column `status` also exists, because the author may have
    /// intended a comparison.
    fn warn_of_definitions_like_comparisons(&self, program: &Program, source: &str, diagnostics: &mut Vec<Diagnostic>) {
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
                        format!("this line defines `{name}`, which is also a column"),
                    )
                    .with_help(format!("to write a comparison instead, start with `=`: `={text}`")),
                );
            }
        }
    }
}

/// Splits a sort key such as `month desc` into its name and a flag for descending order.
pub fn split_sort_key(text: &str) -> (&str, bool) {
    let text = text.trim();
    match text.rsplit_once(char::is_whitespace) {
        Some((name, word)) if word.eq_ignore_ascii_case("desc") => (name.trim(), true),
        Some((name, word)) if word.eq_ignore_ascii_case("asc") => (name.trim(), false),
        _ => (text, false),
    }
}

/// Removes definitions that contain an error. The definitions must be in source order. An unknown relation and an error
/// in a formula without a name affect all definitions.
fn remove_failed_definitions(definitions: &mut Vec<Definition>, diagnostics: &[Diagnostic], source: &str) {
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
        let position = definitions.partition_point(|d| d.span.start <= error.start);
        let index = position.checked_sub(1);
        if let Some((definition, failed)) = index.and_then(|i| definitions.get(i).zip(failed.get_mut(i)))
            && error.start <= definition.span.end
        {
            *failed = true;
        }
    }
    let mut failed = failed.into_iter();
    definitions.retain(|_| !failed.next().unwrap_or(false));
}

/// Moves errors in options to the end of the source and removes labels in options, because options are not part of the
/// source.
fn move_option_diagnostics_to_end(diagnostics: &mut Vec<Diagnostic>, source: &str, text: &str) {
    if text.len() == source.len() {
        return;
    }
    let end = source.len() as u32;
    for diagnostic in diagnostics {
        if diagnostic.span().start > end {
            let key = diagnostic.span().text(text).to_owned();
            *diagnostic = diagnostic
                .clone()
                .map_spans(|s| if s.start > end { Span::new(end, end) } else { s })
                .in_option(&key);
        } else {
            diagnostic.remove_labels_after(end);
        }
    }
}

/// Removes warnings that are turned off by the options or by a comment on the same line. The comment is `// noqa:
/// W0412`, with the code or the name of the warning, or `// noqa` for all warnings.
pub fn remove_silenced_warnings(diagnostics: &mut Vec<Diagnostic>, source: &str, silenced: &[Code]) {
    diagnostics.retain(|d| d.is_error() || !silenced.contains(&d.kind()));
    if !source.contains("noqa") {
        return;
    }
    // Diagnostics are in source order, so the comment is searched for only once per line, even if the line has many
    // diagnostics.
    let mut last_line = (0..0, None);
    diagnostics.retain(|d| {
        let start = d.span().start as usize;
        if d.is_error() {
            return true;
        }
        if !last_line.0.contains(&start) {
            let before = source.get(..start).unwrap_or_default();
            let after = source.get(start..).unwrap_or_default();
            let end = after.find('\n').map_or(source.len(), |i| start + i + 1);
            let line = before.rfind('\n').map_or(0, |i| i + 1)..end;
            let comment = source.get(line.clone()).unwrap_or_default().rsplit_once("//");
            last_line = (
                line,
                comment.and_then(|(_, comment)| comment.trim().strip_prefix("noqa")),
            );
        }
        last_line.1.is_none_or(|codes| {
            // In YAML, the formula may be quoted, so there may be a closing quote after the codes.
            let codes = codes.trim_start_matches(':').trim().trim_end_matches(['"', '\'']);
            !(codes.is_empty() || codes.split([',', ' ']).any(|c| Code::parse(c.trim()) == Some(d.kind())))
        })
    });
}
