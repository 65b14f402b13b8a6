//! A spec's steps, each checked and planned on what the one before gives.

use rustc_hash::FxHashMap;

use super::formulas::Formulas;
use super::load::{self, Keep, Spec, Step};
use super::{CompiledSpec, Model};
use crate::ast::Ast;
use crate::check::{self, Context, Role, Scope};
use crate::compiler::Compiler;
use crate::dbt::{self, ColumnDoc};
use crate::diag::{self, Code, Diagnostic, suggest};
use crate::ir::{Ir, Program};
use crate::parse;
use crate::plan::{
    CteNames, KeepColumns, StepInput, StepOutput, StepPlan, StepSpec, key_name, plan_step, use_window_forms,
};
use crate::schema::{Column, Relation, Schema};
use crate::span::Span;
use crate::sql::{self, Cte, Query, Select, Tree};
use crate::types::{Level, Type};
use crate::yaml;

impl Compiler {
    /// Compiles a model spec. There is always a result; its texts are there when no error is.
    ///
    /// The schema's relation of the spec's `from` gives types and nullability; without one, names are taken as
    /// columns and their types from use.
    #[must_use]
    pub fn compile_spec(&self, source: &str) -> CompiledSpec {
        self.compile_spec_at(source, None)
    }

    /// The same, with the path of the spec, which the headers of generated files name.
    #[must_use]
    pub fn compile_spec_at(&self, source: &str, path: Option<&str>) -> CompiledSpec {
        let mut compiled = CompiledSpec {
            dialect: self.options.dialect,
            name: None,
            name_span: Span::default(),
            query: None,
            model: None,
            columns: Vec::new(),
            diagnostics: Vec::new(),
        };
        if source.len() > self.options.limits.source {
            compiled.diagnostics.push(Diagnostic::new(
                Code::SourceTooLarge,
                Span::default(),
                format!(
                    "the spec is {} bytes long, more than the limit of {}",
                    source.len(),
                    self.options.limits.source
                ),
            ));
            return compiled;
        }
        match yaml::read(source) {
            Err(diagnostic) => compiled.diagnostics.push(diagnostic),
            Ok(None) => compiled.diagnostics.push(
                Diagnostic::new(Code::MissingKey, Span::default(), "the spec is empty")
                    .with_help("begin with `model: name` and `from: table`"),
            ),
            Ok(Some(root)) => {
                if let Some(spec) = load::load(&root, source, &mut compiled.diagnostics) {
                    compiled.name = Some(spec.model.text.to_owned());
                    compiled.name_span = spec.model.node.span;
                    Run::new(self, &spec, source, path).run(&mut compiled);
                }
            }
        }
        crate::compiler::silence(&mut compiled.diagnostics, source, &self.options.silenced);
        diag::sort(&mut compiled.diagnostics);
        if compiled.has_errors() {
            compiled.query = None;
            compiled.model = None;
        }
        compiled
    }
}

struct Run<'r> {
    compiler: &'r Compiler,
    spec: &'r Spec<'r>,
    source: &'r str,
    path: Option<&'r str>,
    tree: Tree,
    names: CteNames,
    ctes: Vec<Cte>,
    /// Description of columns by name: what the analyst wrote of a definition.
    descriptions: FxHashMap<String, String>,
    /// Name and text of every definition, for the header.
    formulas: Vec<(String, String)>,
    /// Name and text of grouping keys.
    written_keys: Vec<(String, String)>,
}

impl<'r> Run<'r> {
    fn new(compiler: &'r Compiler, spec: &'r Spec<'r>, source: &'r str, path: Option<&'r str>) -> Self {
        Self {
            compiler,
            spec,
            source,
            path,
            tree: Tree::default(),
            names: CteNames::default(),
            ctes: Vec::new(),
            descriptions: FxHashMap::default(),
            formulas: Vec::new(),
            written_keys: Vec::new(),
        }
    }

    fn run(mut self, compiled: &mut CompiledSpec) {
        let spec = self.spec;
        self.check_names(&mut compiled.diagnostics);
        let from = spec.from.name().to_owned();
        self.names.reserve(&from);
        spec.steps.iter().filter_map(|s| s.name).for_each(|n| self.names.reserve(n.text));
        let schema = &self.compiler.options.schema;
        let known = schema.relation(&from);
        if let (None, false) = (known, schema.is_empty()) {
            let diagnostic =
                Diagnostic::new(Code::UnknownRelation, spec.from_span, format!("the schema has no relation `{from}`"));
            let near = suggest::nearest(&from, schema.relations().iter().map(Relation::name));
            compiled.diagnostics.push(match near {
                Some(near) => diagnostic.with_help(format!("`{near}` has a similar name")),
                None => diagnostic.with_help("correct `from`, or add the relation to the schema"),
            });
            return;
        }
        let mut relation: Option<Relation> = known.cloned();
        let mut grain: Vec<String> = known.map(|r| r.key().to_vec()).unwrap_or_default();
        let mut name = from;
        let mut body = Select::default();
        let count = spec.steps.len();
        for (index, step) in spec.steps.iter().enumerate() {
            let last = index + 1 == count;
            let input = StepInput { name: &name, first: index == 0, relation: relation.as_ref(), grain: &grain };
            let Some(output) = self.step(step, &input, last, &mut compiled.diagnostics) else {
                spec.steps
                    .iter()
                    .skip(index + 1)
                    .for_each(|step| self.faults_of_its_own(step, &mut compiled.diagnostics));
                return;
            };
            self.ctes.extend(output.ctes);
            if last {
                if !output.open {
                    self.check_columns(&output.relation, &mut compiled.diagnostics);
                }
                body = output.body;
                compiled.columns = self.documented(&output.relation);
            } else {
                let step_name = step.name.map_or_else(String::new, |n| n.text.to_owned());
                let written = self.compiler.options.dialect.name_text(&step_name, true);
                self.ctes.push(Cte { name: written, body: output.body });
                name = step_name;
            }
            grain = output.grain;
            relation = (!output.open).then_some(output.relation);
        }
        if !compiled.diagnostics.iter().any(Diagnostic::is_error) {
            self.write(body, &grain, compiled);
        }
    }

    /// What is said of columns that the model does not have is said of none.
    fn check_columns(&self, output: &Relation, diagnostics: &mut Vec<Diagnostic>) {
        let columns = output.columns();
        for (name, _) in self.spec.columns.iter().filter(|(name, _)| output.column(name.text).is_none()) {
            let message = format!("the model has no column `{}`", name.text);
            let help = match suggest::nearest(name.text, columns.iter().map(Column::name)) {
                Some(near) => format!("`{near}` has a similar name"),
                None => "correct the name, or leave it out".to_owned(),
            };
            diagnostics.push(Diagnostic::new(Code::UnknownName, name.node.span, message).with_help(help));
        }
    }

    /// The names of the model and its steps.
    fn check_names(&self, diagnostics: &mut Vec<Diagnostic>) {
        let model = self.spec.model;
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        let begins_well = model.text.starts_with(|c: char| plain(c) && !c.is_ascii_digit());
        if !begins_well || !model.text.chars().all(plain) {
            let proposed: String =
                model.text.chars().map(|c| if plain(c) { c.to_ascii_lowercase() } else { '_' }).collect();
            let proposed = proposed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
            let proposed = if proposed.is_empty() { "monthly_revenue" } else { proposed };
            diagnostics.push(
                Diagnostic::new(
                    Code::NotADbtName,
                    model.node.span,
                    match model.text {
                        "" => "the model's name is empty".to_owned(),
                        name => format!("`{name}` cannot be the name of a dbt model"),
                    },
                )
                .with_help(format!("write `{proposed}`")),
            );
        }
        let mut seen: FxHashMap<String, Span> = FxHashMap::default();
        for step in &self.spec.steps {
            let Some(name) = step.name else {
                if self.spec.steps.len() > 1 && !step.faulty {
                    diagnostics.push(
                        Diagnostic::new(Code::UnnamedStep, step.span, "a step among several needs a name")
                            .with_help("add `name:`, which becomes the name of its CTE"),
                    );
                }
                continue;
            };
            if let Some(first) = seen.insert(name.text.to_ascii_lowercase(), name.node.span) {
                diagnostics.push(
                    Diagnostic::new(
                        Code::DuplicateStep,
                        name.node.span,
                        format!("two steps are called `{}`", name.text),
                    )
                    .with_other(first, "the first")
                    .with_help("give one of them another name"),
                );
            }
            if name.text.eq_ignore_ascii_case(self.spec.from.name()) {
                diagnostics.push(
                    Diagnostic::new(
                        Code::StepNamedLikeRelation,
                        name.node.span,
                        format!("step `{}` has the name of the relation that the spec reads", name.text),
                    )
                    .with_help(format!("call it `{}_rows`", name.text))
                    .with_fix(name.node.span, format!("{}_rows", name.text)),
                );
            }
        }
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        input: &StepInput<'_>,
        last: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<StepOutput> {
        let options = &self.compiler.options;
        let formulas = Formulas::of(step, self.source);
        let mut found = Vec::new();
        let (ast, syntax) = parse::parse_parts(&formulas.text, &formulas.parts, &options.limits, Vec::new());
        found.extend(syntax);
        let timezone = self.spec.timezone.as_deref().or(options.timezone.as_deref());
        let scope = Scope {
            context: Context::Measure,
            relations: input.relation.into_iter().collect(),
            open: input.relation.is_none(),
            chosen: true,
            roles: &formulas.roles,
            ordered: !step.order_by.is_empty(),
            blank_zero: self.spec.blank_zero || options.blank_zero,
            timezone,
            strata: true,
        };
        let mut program = check::check(&ast, &formulas.text, &scope, &mut found);
        use_window_forms(&mut program, options.dialect);
        check_unnamed(&ast, &formulas, &mut found);
        let plan = plan_of(&program, &ast, &formulas, step);
        check_keys(&plan, &mut found);
        if found.is_empty() {
            check_shape(step, &plan, input, diagnostics);
        }
        let cut = |span: Span| self.spec.cut.iter().any(|c| c.start <= span.start && span.end <= c.end);
        diagnostics.extend(found.into_iter().map(|d| d.mapped(|s| formulas.in_file(s))).filter(|d| !cut(d.span())));
        if diagnostics.iter().any(Diagnostic::is_error) {
            // Later steps read what this one would have given; their faults would be its echoes.
            return None;
        }
        self.collect(&program, &ast, &formulas);
        let name = self.step_name(step, input.name, &plan, &formulas.text);
        let by_definition: Vec<bool> = ast
            .definitions
            .iter()
            .map(|d| formulas.descending.get(d.part as usize).copied().unwrap_or(false))
            .collect();
        let spec = StepSpec {
            name: &name,
            last,
            keep: match &step.keep {
                Keep::Nothing => KeepColumns::Nothing,
                Keep::All => KeepColumns::All,
                Keep::Columns(names) => KeepColumns::Some(names.iter().map(|n| n.text).collect()),
            },
            limit: step.limit,
            descending: &by_definition,
            default_partition: step.partition_by.is_none(),
            source: &formulas.text,
        };
        let tree = std::mem::take(&mut self.tree);
        let (output, tree) = plan_step(&plan, &spec, input, options.dialect, &options.limits, tree, &mut self.names);
        self.tree = tree;
        diagnostics.extend(output.diagnostics.iter().cloned().map(|d| d.mapped(|s| formulas.in_file(s))));
        if let Some(column) = &output.in_the_way {
            diagnostics.push(
                Diagnostic::new(
                    Code::ColumnsNotKnown,
                    step.keep_span,
                    format!("`keep: all` cannot leave out `{column}`, since no schema says the other columns"),
                )
                .with_help("give a schema with `--schema`, or list the columns in `keep`"),
            );
        }
        (!diagnostics.iter().any(Diagnostic::is_error)).then_some(output)
    }

    /// Faults of a step that do not depend on what an earlier, faulty one would have given.
    fn faults_of_its_own(&self, step: &Step<'_>, diagnostics: &mut Vec<Diagnostic>) {
        let options = &self.compiler.options;
        let formulas = Formulas::of(step, self.source);
        let (ast, mut found) = parse::parse_parts(&formulas.text, &formulas.parts, &options.limits, Vec::new());
        let scope = Scope {
            context: Context::Measure,
            relations: Vec::new(),
            open: true,
            chosen: true,
            roles: &formulas.roles,
            ordered: true,
            blank_zero: false,
            timezone: Some("UTC"),
            strata: true,
        };
        check::check(&ast, &formulas.text, &scope, &mut found);
        let own =
            [Code::UnknownFunction, Code::NotBuiltYet, Code::ArgumentCount, Code::UnknownTimeframe, Code::UnknownUnit];
        found.retain(|d| d.code().starts_with("F01") || d.code().starts_with("F02") || own.contains(&d.kind()));
        diagnostics.extend(found.into_iter().map(|d| d.mapped(|s| formulas.in_file(s))));
    }

    /// A step without a name gets one from what it does, for a stratum that needs one.
    fn step_name(&self, step: &Step<'_>, from: &str, plan: &StepPlan<'_>, text: &str) -> String {
        if let Some(name) = step.name {
            return name.text.to_owned();
        }
        let program = plan.program;
        let keys: Vec<String> = (0..program.definitions.len())
            .filter(|i| plan.roles[*i] == Role::GroupBy)
            .filter_map(|i| match program.node(program.definitions[i].root) {
                Ir::Definition(used) => program.definitions[used as usize].name.clone(),
                Ir::Column(column) => Some(program.columns[column as usize].name.to_string()),
                _ => Some(key_name(program.definitions[i].span.text(text))),
            })
            .collect();
        match keys.as_slice() {
            [] if plan.grouped => format!("{from}_in_total"),
            [] => format!("{from}_calculated"),
            [key] => format!("{from}_by_{key}"),
            [one, two] => format!("{from}_by_{one}_and_{two}"),
            [one, ..] => format!("{from}_by_{one}_and_more"),
        }
    }

    /// Descriptions and formulas of a step, for the files beside the SQL.
    fn collect(&mut self, program: &Program, ast: &Ast, formulas: &Formulas) {
        for (definition, parsed) in program.definitions.iter().zip(&ast.definitions) {
            let part = parsed.part as usize;
            if formulas.roles.get(part) == Some(&Role::GroupBy) {
                // A timeframe that is grouped by is described by how it is written.
                let text = definition.span.text(&formulas.text);
                self.written_keys.push((key_name(text), text.to_owned()));
            }
            let Some(name) = definition.name.clone().filter(|_| formulas.roles.get(part) == Some(&Role::Definitions))
            else {
                continue;
            };
            let beside = formulas.descriptions.get(part).cloned().flatten();
            let text = definition.span.text(&formulas.text);
            let formula = match (text.split_once('='), formulas.parts.get(part).and_then(|p| p.name)) {
                (_, Some(_)) => formulas.parts[part].span.text(&formulas.text).trim().to_owned(),
                (Some((_, formula)), None) => formula.trim().to_owned(),
                (None, None) => text.to_owned(),
            };
            let formula = uncommented(&formula);
            let description =
                beside.or_else(|| parse::description(&formulas.text, definition.span.start)).unwrap_or_default();
            let key = name.to_ascii_lowercase();
            if description.is_empty() {
                self.descriptions.remove(&key);
            } else {
                self.descriptions.insert(key, description);
            }
            self.formulas.push((name, formula));
        }
    }

    /// The output columns with the best description that there is.
    fn documented(&self, relation: &Relation) -> Vec<Column> {
        let from = self.compiler.options.schema.relation(self.spec.from.name());
        let by_name = |pairs: &mut dyn Iterator<Item = (&str, &str)>| -> FxHashMap<String, String> {
            pairs.map(|(n, d)| (n.to_ascii_lowercase(), d.to_owned())).collect()
        };
        let said = by_name(&mut self.spec.columns.iter().filter_map(|(n, d)| Some((n.text, d.as_deref()?))));
        let written = self.formulas.iter().chain(&self.written_keys);
        let written = written.filter(|(n, f)| !n.eq_ignore_ascii_case(f));
        let formulas = by_name(&mut written.map(|(n, f)| (n.as_str(), f.as_str())));
        let describe = |column: &Column| -> Option<String> {
            let key = column.name().to_ascii_lowercase();
            let own = said.get(&key).or_else(|| self.descriptions.get(&key)).cloned();
            own.or_else(|| from.and_then(|r| r.column(column.name())?.about().map(str::to_owned)))
                .or_else(|| Some(formulas.get(&key)?.split_whitespace().collect::<Vec<_>>().join(" ")))
        };
        let with = |column: &Column| match describe(column) {
            Some(text) => column.clone().description(text),
            None => column.clone(),
        };
        relation.columns().iter().map(with).collect()
    }

    /// The SQL of one text that tells the rows apart, where it takes several columns. It is a formula of the language,
    /// so that each dialect writes numbers and dates as texts in its way; of a type that is not known it cannot be
    /// said. A NULL is not the empty text beside it.
    fn key_of_several(&self, columns: &[Column], grain: &[String]) -> Option<String> {
        if grain.len() < 2 {
            return None;
        }
        let mut parts = Vec::new();
        for name in grain {
            let column = columns.iter().find(|c| c.name().eq_ignore_ascii_case(name))?;
            let is_written_so = name.contains(['{', '}', '[', ']', ':', '.', '\n']) || name.trim() != name;
            if is_written_so || matches!(column.ty(), Type::Unknown | Type::Other) {
                return None;
            }
            parts.push(if column.is_nullable() && column.ty() == Type::Text {
                format!("COALESCE(${{{name}}}, \"<null>\")")
            } else {
                format!("${{{name}}}")
            });
        }
        let relation = columns.iter().cloned().fold(Relation::new(self.spec.model.text), Relation::with);
        let compiler = Compiler::builder()
            .dialect(self.compiler.options.dialect)
            .schema(Schema::new().with(relation))
            .context(Context::Row)
            .timezone("UTC")
            .build();
        let compiled = compiler.compile(&format!("={}", parts.join(" & \"|\" & ")));
        compiled.definitions().first().map(|key| key.sql().to_owned())
    }

    fn write(&self, mut body: Select, grain: &[String], compiled: &mut CompiledSpec) {
        let options = &self.compiler.options;
        let written = |name: &str| options.dialect.name_text(name, true);
        let table = match &self.spec.from {
            dbt::From::Table(table) => table.split('.').map(written).collect::<Vec<_>>().join("."),
            other => written(other.name()),
        };
        let import = written(self.spec.from.name());
        let mut query = Query { ctes: self.ctes.clone(), body: body.clone() };
        let mut plain = String::new();
        sql::write_query(&self.tree, &query, &table, None, &mut plain);
        if body.limit.is_none() {
            body.order_by.clear();
        }
        query.body = body;
        let mut model = String::new();
        let select = dbt::import(&self.spec.from, &table);
        // Markers of Jinja come from the analyst's texts; those of the import are the only ones that dbt is to see.
        sql::write_query(&self.tree, &query, &import, Some("\u{1}"), &mut model);
        let model = dbt::protect(&model).replacen('\u{1}', &select, 1);
        if model.len().max(plain.len()) > options.limits.output {
            compiled.diagnostics.push(
                Diagnostic::new(
                    Code::OutputTooLarge,
                    self.spec.model.node.span,
                    format!("the SQL is more than {} MiB long", options.limits.output >> 20),
                )
                .with_help("split the spec into several models"),
            );
            return;
        }
        let spec_name = self.path.map_or_else(|| format!("the spec of {}", self.spec.model.text), str::to_owned);
        let columns: Vec<ColumnDoc> = compiled
            .columns
            .iter()
            .map(|c| {
                let key = grain.iter().any(|g| g.eq_ignore_ascii_case(c.name()));
                let mut tests = Vec::new();
                if key && !c.is_nullable() {
                    tests.push("not_null");
                }
                if key && grain.len() == 1 {
                    tests.push("unique");
                }
                ColumnDoc { name: c.name().to_owned(), description: c.about().unwrap_or_default().to_owned(), tests }
            })
            .collect();
        let key = self.key_of_several(&compiled.columns, grain);
        let yml = dbt::properties(self.spec.model.text, self.spec.description.as_deref(), key.as_deref(), &columns);
        compiled.query = Some(plain);
        compiled.model = Some(Model {
            sql: dbt::sealed_sql(&model, &spec_name, &self.formulas),
            yml: dbt::sealed_yml(&yml, &spec_name),
        });
    }
}

/// A formula without its comments, for a header in one line.
fn uncommented(formula: &str) -> String {
    formula
        .lines()
        .map(|l| if l.contains('"') { l } else { l.split("//").next().unwrap_or(l) })
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

fn is_plain_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A definitions block holds definitions, not a formula.
fn check_unnamed(ast: &Ast, formulas: &Formulas, found: &mut Vec<Diagnostic>) {
    for definition in &ast.definitions {
        let role = formulas.roles.get(definition.part as usize);
        if definition.name.is_none() && role == Some(&Role::Definitions) && !definition.broken {
            let text = definition.span.text(&formulas.text);
            let help = match text.split_once(':').map(|(name, formula)| (name.trim(), formula.trim())) {
                // As YAML has it: that it reads as a range besides is not said.
                Some((name, formula)) if is_plain_name(name) && !formula.is_empty() => {
                    found.retain(|d| d.span() != definition.span);
                    format!("write `{name} = {formula}`")
                }
                _ => "give it a name, `name = …`".to_owned(),
            };
            found.push(
                Diagnostic::new(Code::StrayFormula, definition.span, "expected a definition, found a formula")
                    .with_help(help),
            );
        }
    }
}

fn plan_of<'p>(program: &'p Program, ast: &Ast, formulas: &Formulas, step: &Step<'_>) -> StepPlan<'p> {
    let role = |index: usize| {
        ast.definitions
            .get(index)
            .and_then(|d| formulas.roles.get(d.part as usize))
            .copied()
            .unwrap_or(Role::Definitions)
    };
    let count = program.definitions.len();
    let roles: Vec<Role> = (0..count).map(role).collect();
    let aggregates = program.nodes.iter().any(|n| matches!(n, Ir::Aggregate { .. } | Ir::CountRows));
    let grouped = !step.group_by.is_empty() || aggregates;
    let mut keys = vec![false; count];
    for (role, definition) in roles.iter().zip(&program.definitions) {
        if let (Role::GroupBy, Ir::Definition(used)) = (role, program.node(definition.root)) {
            keys[used as usize] = true;
        }
    }
    let outputs = (0..count)
        .map(|i| {
            let level = program.meta(program.definitions[i].root).level;
            roles[i] == Role::Definitions && (!grouped || keys[i] || level != Level::Row)
        })
        .collect();
    StepPlan { program, roles, grouped, keys, outputs }
}

/// A key that is the same for all rows.
fn check_keys(plan: &StepPlan<'_>, found: &mut Vec<Diagnostic>) {
    let program = plan.program;
    for (definition, role) in program.definitions.iter().zip(&plan.roles) {
        let meta = program.meta(definition.root);
        if *role == Role::GroupBy && !definition.failed && meta.level == Level::Const {
            found.push(
                Diagnostic::new(
                    Code::ConstantKey,
                    definition.span,
                    "the key is the same for all rows, so it groups nothing",
                )
                .with_help("leave it out of `group_by`; a constant is a column of its own"),
            );
        }
    }
}

/// Keys that do not go together.
fn check_shape(step: &Step<'_>, plan: &StepPlan<'_>, input: &StepInput<'_>, diagnostics: &mut Vec<Diagnostic>) {
    if plan.grouped && !matches!(step.keep, Keep::Nothing) {
        diagnostics.push(
            Diagnostic::new(Code::KeepInGroupedStep, step.keep_span, "a grouped step keeps no columns of single rows")
                .with_help("name the columns in `group_by`, or aggregate them"),
        );
    }
    if step.limit.is_some() && step.order_by.is_empty() {
        diagnostics.push(
            Diagnostic::new(Code::LimitWithoutOrder, step.limit_span, "`limit` without `order_by` keeps any rows")
                .with_help("add `order_by`"),
        );
    }
    let empty = !step.faulty
        && !plan.outputs.iter().any(|o| *o)
        && step.group_by.is_empty()
        && matches!(step.keep, Keep::Nothing);
    if empty {
        diagnostics.push(
            Diagnostic::new(Code::NothingToSelect, step.span, "the step has no columns")
                .with_help("add `definitions`, `group_by`, or `keep: all`"),
        );
    }
    if let (Keep::Columns(names), Some(relation)) = (&step.keep, input.relation) {
        for name in names.iter().filter(|n| relation.column(n.text).is_none()) {
            let diagnostic = Diagnostic::new(
                Code::UnknownName,
                name.node.span,
                format!("`{}` has no column `{}`", relation.name(), name.text),
            );
            diagnostics.push(match suggest::nearest(name.text, relation.columns().iter().map(Column::name)) {
                Some(near) => diagnostic.with_help(format!("`{near}` has a similar name")),
                None => diagnostic.with_help("correct the name in `keep`"),
            });
        }
    }
}
