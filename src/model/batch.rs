//! Compiles several specs that may read each other's models.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use super::compile::SpecContents;
use super::file::SpecFile;
use super::graph::{self, ModelRead};
use super::load::SpecKind;
use super::metrics::MetricSetWithErrors;
use super::{CompiledSpec, ModelTest};
use crate::compiler::Compiler;
use crate::diag::{self, Code, Diagnostic};
use crate::parallel;
use crate::schema::{Column, Relation};
use crate::span::Span;

/// Text and path of a spec. The headers of generated files contain the path.
#[derive(Clone, Copy, Debug)]
pub struct SpecText<'t> {
    /// YAML text of the spec.
    pub text: &'t str,
    /// Path of the spec, relative to the project.
    pub path: Option<&'t str>,
}

/// Spec that has been read but not compiled yet.
struct UncompiledSpec<'t> {
    /// Parsed file and its contents, which are removed from here when the spec is compiled. The contents were read
    /// without knowing the models of other specs.
    parts: Mutex<Option<(SpecFile<'t>, SpecContents)>>,
    name: Option<(String, Span)>,
    reads: Vec<ModelRead>,
}

impl Compiler {
    /// Compiles specs that may read each other's models. Dependencies are compiled first, so that their columns, types
    /// and keys are known. The results are in the order of `specs`.
    ///
    /// If two models have the same name, the later spec gets an error. If models form a cycle, all specs in the cycle
    /// get an error.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let share = "model: share\nfrom: by_country\nkeep: all\ndefinitions: share = revenue / SUM(revenue:revenue)\n";
    /// let first = "model: by_country\nfrom: orders\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
    /// let texts = [share, first].map(|text| SpecText { text, path: None });
    /// let compiled = Compiler::default().compile_specs(&texts);
    /// let names: Vec<_> = compiled[0].columns().iter().map(|column| column.name()).collect();
    /// assert_eq!(names, ["country", "revenue", "share"]);
    /// ```
    #[must_use]
    pub fn compile_specs(&self, specs: &[SpecText<'_>]) -> Vec<CompiledSpec> {
        self.compile_specs_with_progress(specs, || {})
    }

    /// Compiles specs on several threads. Each thread calls `done` after a spec.
    #[must_use]
    pub fn compile_specs_with_progress(&self, specs: &[SpecText<'_>], done: impl Fn() + Sync) -> Vec<CompiledSpec> {
        self.compile_first_specs(specs, specs.len(), done)
    }

    /// Compiles the first `count` specs and all specs on which they depend. Returns the first `count` results.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let texts = ["model: b\nfrom: a\nkeep: all\n", "model: a\nfrom: t\ngroup_by: g\n", "model: c\nfrom: t\n"];
    /// let texts = texts.map(|text| SpecText { text, path: None });
    /// let compiled = Compiler::default().compile_first_specs(&texts, 1, || {});
    /// assert_eq!(compiled.len(), 1);
    /// assert_eq!(compiled[0].columns()[0].name(), "g");
    /// ```
    #[must_use]
    pub fn compile_first_specs(
        &self,
        specs: &[SpecText<'_>],
        count: usize,
        done: impl Fn() + Sync,
    ) -> Vec<CompiledSpec> {
        let mut compiler = self.clone();
        let files = parallel::map_range(specs.len(), |number| compiler.read_file(specs[number]));
        let sets = compiler.add_metric_sets(&files);
        let read_specs = compiler.read_batch_specs(files);
        let mut first: FxHashMap<String, usize> = FxHashMap::default();
        for (number, read_spec) in read_specs.iter().enumerate() {
            if let Some((name, _)) = &read_spec.name {
                first.entry(name.to_lowercase()).or_insert(number);
            }
        }
        let parents: Vec<Vec<usize>> = read_specs
            .iter()
            .enumerate()
            .map(|(number, read_spec)| spec_parents(number, read_spec, &first))
            .collect();
        let order = graph::order_specs(&parents);
        let needed = flag_first_specs_and_ancestors(&parents, count);
        let mut all: Vec<Option<CompiledSpec>> = specs.iter().map(|_| None).collect();
        let behind: Vec<usize> = order.circles.iter().flatten().chain(&order.behind).copied().collect();
        for (place, wave) in order.waves.iter().chain([&behind]).enumerate() {
            // Models in a cycle, and models that read them, have unknown columns.
            if place == order.waves.len() {
                compiler.add_models(
                    wave.iter()
                        .filter_map(|number| Some(Relation::unknown(read_specs[*number].name.as_ref()?.0.clone()))),
                );
            }
            let wave: Vec<usize> = wave.iter().copied().filter(|number| needed[*number]).collect();
            // The specs of the first wave read no models, so the contents that were read before are still valid.
            let is_first = place == 0 && place < order.waves.len();
            let compiled = parallel::map_range(wave.len(), |at| {
                let compiled = compiler.compile_read_spec(&read_specs[wave[at]], specs[wave[at]], is_first);
                done();
                compiled
            });
            compiler.add_models(compiled.iter().filter_map(CompiledSpec::as_relation));
            for (number, compiled) in wave.iter().zip(compiled) {
                all[*number] = Some(compiled);
            }
        }
        for circle in &order.circles {
            report_cycle(circle, &read_specs, &mut all);
        }
        report_duplicate_metric_sets(specs, &sets, &mut all, count);
        all.truncate(count);
        move_metric_set_tests(&mut all);
        let mut all: Vec<CompiledSpec> = all.into_iter().flatten().collect();
        for (number, read_spec) in read_specs.iter().enumerate().take(count) {
            if let Some((name, span)) = &read_spec.name
                && first.get(&name.to_lowercase()) != Some(&number)
            {
                let message = format!("another spec generates the model `{name}` as well");
                let other = first
                    .get(&name.to_lowercase())
                    .and_then(|first| specs.get(*first)?.path);
                let other = other.map_or_else(String::new, |path| format!("; the other is in `{path}`"));
                let fault = Diagnostic::new(Code::SameModelTwice, *span, message);
                all[number].model_fault = Some(fault.with_help(format!("rename one of the models{other}")));
            }
        }
        all
    }

    /// Returns a copy of the compiler that also knows the models of these specs.
    ///
    /// ```
    /// let compiler = formulac_model::Compiler::default();
    /// let first = compiler.compile_spec("model: a\nfrom: t\ngroup_by: g\ndefinitions: n = COUNT()\n");
    /// let second = compiler.with_models(&[first]).compile_spec("model: b\nfrom: a\nkeep: all\n");
    /// assert_eq!(second.columns().len(), 2);
    /// ```
    #[must_use]
    pub fn with_models(&self, specs: &[CompiledSpec]) -> Self {
        let mut compiler = self.clone();
        compiler.add_models(specs.iter().filter_map(CompiledSpec::as_relation));
        let sets = &mut Arc::make_mut(&mut compiler.specs).sets;
        specs
            .iter()
            .filter_map(|spec| spec.metric_set.as_ref())
            .for_each(|set| sets.add(Arc::clone(set)));
        compiler
    }

    /// Parses a spec, and its metric set if it is one.
    fn read_file<'t>(&self, spec: SpecText<'t>) -> (SpecFile<'t>, Option<MetricSetWithErrors>) {
        let file = SpecFile::read(spec.text, spec.path, &self.options.limits);
        let set = MetricSetWithErrors::from_file(self, &file);
        (file, set)
    }

    /// Adds the metric sets of files. Returns the index and lower-case name of each.
    fn add_metric_sets(&mut self, files: &[(SpecFile<'_>, Option<MetricSetWithErrors>)]) -> Vec<(usize, String)> {
        let sets = files.iter().enumerate();
        let sets = sets.filter_map(|(number, (_, read))| Some((number, read.as_ref()?.set.as_ref()?)));
        let known = &mut Arc::make_mut(&mut self.specs).sets;
        let added = sets.map(|(number, set)| {
            known.add(Arc::clone(set));
            (number, set.name.to_lowercase())
        });
        added.collect()
    }

    /// Reads the names, inputs and contents of files.
    fn read_batch_specs<'t>(&self, files: Vec<(SpecFile<'t>, Option<MetricSetWithErrors>)>) -> Vec<UncompiledSpec<'t>> {
        let found = parallel::map_range(files.len(), |number| {
            let (file, set) = &files[number];
            let contents = SpecContents::from_file_and_metric_set(self, file, set.clone());
            let (name, reads) = model_name_and_inputs(file, &contents);
            (contents, name, reads)
        });
        let read_specs = files.into_iter().zip(found);
        let read_specs = read_specs.map(|((file, _), (contents, name, reads))| UncompiledSpec {
            parts: Mutex::new(Some((file, contents))),
            name,
            reads,
        });
        read_specs.collect()
    }

    /// Compiles a spec. `is_first` is `true` if no models were added to the compiler since the contents were read.
    fn compile_read_spec(&self, read_spec: &UncompiledSpec<'_>, spec: SpecText<'_>, is_first: bool) -> CompiledSpec {
        let parts = read_spec.parts.lock().ok().and_then(|mut parts| parts.take());
        match parts {
            Some((file, contents)) if is_first => self.compile_contents(file, contents),
            Some((file, _)) => self.compile_file(file),
            None => self.compile_spec_at(spec.text, spec.path),
        }
    }

    /// Adds models to the known relations. The options are not copied, because they are shared only while a spec is
    /// compiled.
    fn add_models(&mut self, models: impl Iterator<Item = Relation>) {
        let options = Arc::make_mut(&mut self.formulas.options);
        models.for_each(|model| options.models.push(model));
    }
}

/// Returns the name of a spec's model, and the models that the spec reads. The name is `None` for a metric set.
fn model_name_and_inputs(file: &SpecFile<'_>, contents: &SpecContents) -> (Option<(String, Span)>, Vec<ModelRead>) {
    match contents {
        SpecContents::Set(_) => (None, file.root().map(graph::metric_set_reads).unwrap_or_default()),
        SpecContents::OverSets(model) => {
            let node = file.root().and_then(|root| root.get("model"));
            let name = node.and_then(|node| Some((node.text()?.to_owned(), node.span)));
            (name, model.reads())
        }
        SpecContents::Periods | SpecContents::Plain => {
            let loaded = file.spec(SpecKind::Written, &mut Vec::new());
            let name = loaded
                .as_ref()
                .map(|spec| (spec.model.text.to_owned(), spec.model.node.span));
            (name, loaded.as_ref().map(graph::model_reads).unwrap_or_default())
        }
    }
}

/// Returns the indexes of the distinct specs that a spec reads. A spec that reads a relation with its own name is left
/// out: it reads a table of the warehouse, or the error is reported elsewhere.
fn spec_parents(number: usize, read_spec: &UncompiledSpec<'_>, first: &FxHashMap<String, usize>) -> Vec<usize> {
    let mut parents: Vec<usize> = read_spec
        .reads
        .iter()
        .filter_map(|read| first.get(&read.model).copied())
        .collect();
    parents.sort_unstable();
    parents.dedup();
    parents.retain(|parent| *parent != number);
    parents
}

/// Returns, for each spec, whether it is one of the first `count` specs or an ancestor of one of these specs.
fn flag_first_specs_and_ancestors(parents: &[Vec<usize>], count: usize) -> Vec<bool> {
    let mut needed = vec![false; parents.len()];
    let mut next: Vec<usize> = (0..count.min(parents.len())).collect();
    while let Some(number) = next.pop() {
        if !std::mem::replace(&mut needed[number], true) {
            next.extend(&parents[number]);
        }
    }
    needed
}

/// Reports metric sets with the same name. `sets` contains the index and lower-case name of each set. If none of these
/// sets is one of the first `count` specs, the error is reported for the specs that read the sets.
fn report_duplicate_metric_sets(
    specs: &[SpecText<'_>],
    sets: &[(usize, String)],
    all: &mut [Option<CompiledSpec>],
    count: usize,
) {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, name) in sets {
        by_name.entry(name).or_default().push(*number);
    }
    let path = |number: &usize| specs.get(*number).and_then(|spec| spec.path);
    for (name, numbers) in by_name.iter().filter(|(_, numbers)| numbers.len() > 1) {
        for number in numbers.iter().filter(|number| **number < count) {
            let Some(spec) = all.get_mut(*number).and_then(Option::as_mut) else {
                continue;
            };
            let Some(set) = spec.metric_set.clone() else { continue };
            let other = numbers.iter().find(|other| *other != number).and_then(path);
            let other = other.map_or_else(String::new, |path| format!("; the other is in `{path}`"));
            add_duplicate_set_error(spec, &set.name, set.name_span, &other);
        }
        if numbers.iter().any(|number| *number < count) {
            continue;
        }
        let paths: Vec<String> = numbers
            .iter()
            .filter_map(path)
            .map(|path| format!("`{path}`"))
            .collect();
        let places = format!("; they are in {}", paths.join(" and "));
        for spec in all.iter_mut().take(count).flatten() {
            if spec.sets().any(|set| set.eq_ignore_ascii_case(name)) {
                add_duplicate_set_error(spec, name, spec.name_span, &places);
            }
        }
    }
}

fn add_duplicate_set_error(spec: &mut CompiledSpec, set: &str, span: Span, places: &str) {
    let message = format!("two metric sets are named `{set}`");
    let fault = Diagnostic::new(Code::SameModelTwice, span, message);
    spec.diagnostics
        .push(fault.with_help(format!("rename one of the metric sets{places}")));
    diag::sort(&mut spec.diagnostics);
}

/// Moves the tests of each metric set to the alphabetically first model that reads the set, so that the tests are
/// written only once.
fn move_metric_set_tests(all: &mut [Option<CompiledSpec>]) {
    let tested: Vec<(String, Vec<ModelTest>)> = all
        .iter()
        .flatten()
        .filter(|spec| !spec.set_tests.is_empty())
        .filter_map(|spec| Some((spec.metric_set.as_ref()?.name.clone(), spec.set_tests.clone())))
        .collect();
    for (set, mut tests) in tested {
        let reads = |spec: &&mut CompiledSpec| spec.model.is_some() && spec.sets().any(|of| of == set);
        let readers = all.iter_mut().flatten().filter(reads);
        if let Some(model) = readers
            .min_by(|a, b| a.name.cmp(&b.name))
            .and_then(|spec| spec.model.as_mut())
        {
            model.tests.append(&mut tests);
        }
    }
}

/// Reports a cycle of specs, in which each spec reads the next one.
fn report_cycle(circle: &[usize], read_specs: &[UncompiledSpec<'_>], all: &mut [Option<CompiledSpec>]) {
    let name = |number: usize| read_specs[number].name.as_ref().map_or("", |(name, _)| name.as_str());
    for (place, number) in circle.iter().enumerate() {
        let around = circle[place..].iter().chain(&circle[..=place]);
        let path: Vec<String> = around.map(|number| format!("`{}`", name(*number))).collect();
        let next = name(circle[(place + 1) % circle.len()]).to_lowercase();
        let span = read_specs[*number]
            .reads
            .iter()
            .find(|read| read.model == next)
            .map_or(Span::default(), |read| read.span);
        let message = format!("these models depend on each other in a cycle: {}", path.join(" reads "));
        let Some(compiled) = &mut all[*number] else { continue };
        compiled.diagnostics.push(
            Diagnostic::new(Code::ModelsInCircle, span, message)
                .with_help("change one of them to read the inputs of the others instead"),
        );
        (compiled.query, compiled.model) = (None, None);
        diag::sort(&mut compiled.diagnostics);
    }
}

impl CompiledSpec {
    /// Returns the model as a relation for other specs. If the spec has errors, the relation has unknown columns.
    /// Returns `None` if the spec has no name.
    fn as_relation(&self) -> Option<Relation> {
        let name = self.name.clone()?;
        if self.query.is_none() {
            return Some(Relation::unknown(name));
        }
        // Columns with a NOT NULL test are treated as NOT NULL, as in models from a manifest.
        let tested = |column: &Column| self.never_null.contains(&column.name().to_lowercase());
        let columns = self.columns.iter().map(|column| {
            let nullable = column.is_nullable() && !tested(column);
            column.clone().nullable(nullable)
        });
        let relation = columns.fold(Relation::new(name), Relation::with).with_key(&self.key);
        let relation = if self.open {
            relation.partially_known()
        } else {
            relation
        };
        Some(match &self.access {
            Some((access, group)) => relation.with_access(*access, group.as_deref()),
            None => relation,
        })
    }
}
