//! Compiles several specs that may read each other's models.

use std::sync::{Arc, Mutex};

use rustc_hash::{FxHashMap, FxHashSet};

use super::batch_errors::{report_cycle, report_duplicate_metric_sets};
use super::compile::SpecContents;
use super::file::SpecFile;
use super::graph::{self, ModelRead, SpecInputs};
use super::load::SpecKind;
use super::metrics::MetricSetWithErrors;
use super::semantic::SemanticNames;
use super::session::{self, CachedSpec, CachedSpecFile, LookupSources, SpecSession};
use super::{CompiledSpec, ModelTest, SemanticModels};
use crate::arena::Arena;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
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

/// Specs that are compiled together.
struct SpecBatch<'t> {
    files: Arena<BatchFile<'t>>,
    /// Index and lower-case name of each metric set.
    sets: Vec<(usize, String)>,
    /// Fingerprint of each metric set by lower-case name.
    metric_set_fingerprints: FxHashMap<String, u64>,
    is_session: bool,
}

/// Spec of a batch, with the results of each compilation stage.
pub(super) struct BatchFile<'t> {
    spec: SpecText<'t>,
    cache: CachedSpecFile,
    /// Parsed file and its contents, which were read before the models of other specs were known. Compiling the spec
    /// takes both values out of this field.
    parts: Mutex<Option<(SpecFile<'t>, Option<SpecContents>)>>,
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

    /// Compiles specs on several threads. Each thread calls `progress` after a spec.
    #[must_use]
    pub fn compile_specs_with_progress(&self, specs: &[SpecText<'_>], progress: impl Fn() + Sync) -> Vec<CompiledSpec> {
        self.compile_specs_with_dependencies(specs, specs.len(), progress)
    }

    /// Compiles the first `count` specs and all specs on which they depend. Returns the first `count` results.
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecText};
    /// let texts = ["model: b\nfrom: a\nkeep: all\n", "model: a\nfrom: t\ngroup_by: g\n", "model: c\nfrom: t\n"];
    /// let texts = texts.map(|text| SpecText { text, path: None });
    /// let compiled = Compiler::default().compile_specs_with_dependencies(&texts, 1, || {});
    /// assert_eq!(compiled.len(), 1);
    /// assert_eq!(compiled[0].columns()[0].name(), "g");
    /// ```
    #[must_use]
    pub fn compile_specs_with_dependencies(
        &self,
        specs: &[SpecText<'_>],
        count: usize,
        progress: impl Fn() + Sync,
    ) -> Vec<CompiledSpec> {
        let compiled = self.compile_batch(specs, count, progress, None).into_iter();
        compiled.map(Arc::unwrap_or_clone).collect()
    }

    /// Compiles the first `count` specs and all specs on which they depend, except those whose results in `session` are
    /// current.
    pub(crate) fn compile_batch(
        &self,
        specs: &[SpecText<'_>],
        count: usize,
        progress: impl Fn() + Sync,
        mut session: Option<&mut SpecSession>,
    ) -> Vec<Arc<CompiledSpec>> {
        let mut compiler = self.clone();
        let mut batch = SpecBatch::new(&compiler, specs, session.as_deref_mut());
        batch.read_metric_sets(&mut compiler);
        batch.read_inputs(&compiler);
        let mut first: FxHashMap<String, usize> = FxHashMap::default();
        for (number, file) in batch.files.iter().enumerate() {
            if let Some((name, _)) = file.name() {
                first.entry(name.to_lowercase()).or_insert(number);
            }
        }
        let files = batch.files.iter().enumerate();
        let parents: Arena<Vec<usize>> = files
            .map(|(number, file)| dependency_indexes(number, file.reads(), &first))
            .collect();
        let order = graph::sort_specs_by_dependency(&parents);
        let is_needed = mark_required_specs(&parents, count, |number| batch.files[number].has_semantic_model(self));
        let mut spec_results: Arena<Option<Arc<CompiledSpec>>> = specs.iter().map(|_| None).collect();
        let behind: Vec<usize> = order
            .cycles
            .iter()
            .flatten()
            .chain(&order.dependents_of_cycles)
            .copied()
            .collect();
        for (index, level) in order.levels.iter().chain([&behind]).enumerate() {
            // Models in a cycle, and models that read them, have unknown columns.
            if index == order.levels.len() {
                compiler.add_models(
                    level
                        .iter()
                        .filter_map(|number| Some(Relation::unknown(batch.files[*number].name()?.0.clone()))),
                );
            }
            let level: Vec<usize> = level.iter().copied().filter(|number| is_needed[*number]).collect();
            // The specs in the first level read no models, so the contents that were read before are still valid.
            let is_first = index == 0 && index < order.levels.len();
            batch.compile_dependency_level(&compiler, &level, is_first, &progress);
            let compiled = || {
                level
                    .iter()
                    .filter_map(|number| Some((*number, batch.files[*number].compiled()?)))
            };
            compiler.add_models(compiled().filter_map(|(_, compiled)| compiled.as_relation()));
            compiled().for_each(|(number, compiled)| spec_results[number] = Some(Arc::clone(compiled)));
        }
        batch.resolve_semantic_name_conflicts(&mut compiler, &mut spec_results);
        for circle in &order.cycles {
            report_cycle(circle, &batch.files, &mut spec_results);
        }
        report_duplicate_metric_sets(specs, &batch.sets, &mut spec_results, count);
        batch.compile_metric_sets_with_joins(&compiler, &mut spec_results, count);
        move_metric_set_tests(&mut spec_results, count);
        spec_results.truncate(count);
        let mut compiled_specs: Arena<Arc<CompiledSpec>> = spec_results.into_iter().flatten().collect();
        for (number, file) in batch.files.iter().enumerate().take(count) {
            if let Some((name, span)) = file.name()
                && first.get(&name.to_lowercase()) != Some(&number)
            {
                let message = format!("another spec generates the model `{name}` as well");
                let other = first
                    .get(&name.to_lowercase())
                    .and_then(|first| specs.get(*first)?.path);
                let other = other.map_or_else(String::new, |path| format!("; the other is in `{path}`"));
                let fault = Diagnostic::new(Code::SameModelTwice, *span, message);
                Arc::make_mut(&mut compiled_specs[number]).model_fault =
                    Some(fault.with_help(format!("rename one of the models{other}")));
            }
        }
        if let Some(session) = session {
            session.store_files(batch.files.into_iter().map(|file| (file.spec, file.cache)));
        }
        compiled_specs.into_iter().collect()
    }

    /// Returns a copy of the compiler that also has the models of these specs.
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
            .for_each(|set| sets.insert_metric_set(Arc::clone(set)));
        compiler
    }

    /// Adds models to the known relations. `make_mut` does not copy the options here, because other threads share them
    /// only while a spec is compiled.
    fn add_models(&mut self, models: impl Iterator<Item = Relation>) {
        let options = Arc::make_mut(&mut self.formulas.options);
        models.for_each(|model| options.models.push(model));
    }
}

impl<'t> SpecBatch<'t> {
    fn new(compiler: &Compiler, specs: &[SpecText<'t>], session: Option<&mut SpecSession>) -> Self {
        let is_session = session.is_some();
        let caches = session.map_or_else(
            || specs.iter().map(|_| CachedSpecFile::default()).collect(),
            |session| session.take_cached_files(compiler, specs),
        );
        let files = specs.iter().zip(caches).map(|(spec, spec_cache)| BatchFile {
            spec: *spec,
            cache: spec_cache,
            parts: Mutex::default(),
        });
        Self {
            files: files.collect(),
            sets: Vec::new(),
            metric_set_fingerprints: session::metric_set_fingerprints(&compiler.specs.sets),
            is_session,
        }
    }

    fn lookup_sources<'c>(&'c self, compiler: &'c Compiler) -> LookupSources<'c> {
        LookupSources::new(compiler, &self.metric_set_fingerprints, self.is_session)
    }

    /// Parses the files, and adds their metric sets to the compiler.
    fn read_metric_sets(&mut self, compiler: &mut Compiler) {
        let inputs = self.lookup_sources(compiler);
        let parsed_files = parallel::map_range(self.files.len(), |number| {
            if inputs.is_current(self.files[number].cache.set.as_ref()) {
                return None;
            }
            let file = self.files[number].parse(compiler);
            let set = inputs.memoize(|| MetricSetWithErrors::from_file(compiler, &file));
            Some((file, set))
        });
        let sets = &mut Arc::make_mut(&mut compiler.specs).sets;
        for (number, (file, parsed_file)) in self.files.iter_mut().zip(parsed_files).enumerate() {
            if let Some((parsed, set)) = parsed_file {
                let fingerprint = set.metric_set_fingerprint(file.spec);
                if fingerprint != file.cache.metric_set_fingerprint {
                    file.cache = CachedSpecFile::default();
                }
                (file.cache.set, file.cache.metric_set_fingerprint) = (Some(set), fingerprint);
                file.parts = Mutex::new(Some((parsed, None)));
            }
            if let Some(set) = file.metric_set().and_then(|metric_set| metric_set.set.as_ref()) {
                let name = set.name.to_lowercase();
                sets.insert_metric_set(Arc::clone(set));
                let fingerprints = self.metric_set_fingerprints.entry(name.clone());
                fingerprints.or_insert(file.cache.metric_set_fingerprint.unwrap_or_default());
                self.sets.push((number, name));
            }
        }
    }

    /// Reads the names, inputs and contents of the files.
    fn read_inputs(&mut self, compiler: &Compiler) {
        let lookup_sources = self.lookup_sources(compiler);
        let file_inputs = parallel::map_range(self.files.len(), |number| {
            let file = &self.files[number];
            if lookup_sources.is_current(file.cache.inputs.as_ref()) {
                return None;
            }
            let parsed = file.take_file_and_contents().map(|(parsed, _)| parsed);
            let parsed = parsed.unwrap_or_else(|| file.parse(compiler));
            let set = file.metric_set().cloned();
            let mut contents = None;
            let inputs = lookup_sources.memoize(|| {
                let spec_contents = SpecContents::from_file_and_metric_set(compiler, &parsed, set);
                let inputs = model_name_and_inputs(&parsed, &spec_contents);
                contents = Some(spec_contents);
                inputs
            });
            Some((inputs, (parsed, contents)))
        });
        for (file, file_input) in self.files.iter_mut().zip(file_inputs) {
            if let Some((inputs, parts)) = file_input {
                (file.cache.inputs, file.cache.compiled) = (Some(inputs), None);
                file.parts = Mutex::new(Some(parts));
            }
        }
    }

    /// Compiles specs. `is_first` is `true` if no models were added to the compiler since the contents were read.
    fn compile_dependency_level(
        &mut self,
        compiler: &Compiler,
        dependency_level: &[usize],
        is_first: bool,
        progress: &(impl Fn() + Sync),
    ) {
        let inputs = self.lookup_sources(compiler);
        let compiled = parallel::map(dependency_level, |number| {
            let file = &self.files[*number];
            let is_current = inputs.is_current(file.cache.compiled.as_ref()) && file.decode(compiler);
            let compiled = (!is_current).then(|| inputs.memoize(|| CachedSpec::from(file.compile(compiler, is_first))));
            progress();
            compiled
        });
        for (number, compiled) in dependency_level.iter().zip(compiled) {
            if compiled.is_some() {
                self.files[*number].cache.compiled = compiled;
            }
        }
    }

    /// Compiles the metric sets with joins that the first `count` specs read, because the tests of these joins are
    /// generated for the metric sets.
    fn compile_metric_sets_with_joins(
        &mut self,
        compiler: &Compiler,
        compiled_specs: &mut Arena<Option<Arc<CompiledSpec>>>,
        count: usize,
    ) {
        let has_joins = |number: usize| {
            let set = self.files[number].metric_set().and_then(|set| set.set.as_ref());
            set.is_some_and(|set| !set.root.items_at("joins").is_empty())
        };
        let specs = compiled_specs.iter().take(count).flatten();
        let read_sets = specs.filter(|spec| spec.model.is_some()).flat_map(|spec| spec.sets());
        let read_sets: FxHashSet<String> = read_sets.map(str::to_ascii_lowercase).collect();
        let sets = self.sets.iter().filter(|(number, name)| {
            *number >= count
                && compiled_specs[*number].is_none()
                && read_sets.contains(&name.to_ascii_lowercase())
                && has_joins(*number)
        });
        let sets: Vec<usize> = sets.map(|(number, _)| *number).collect();
        self.compile_dependency_level(compiler, &sets, false, &|| {});
        for number in sets {
            compiled_specs[number] = self.files[number].compiled().cloned();
        }
    }

    /// If several semantic models use the same name for different kinds of elements, recompiles the specs that must use
    /// another kind, because dbt rejects such names.
    fn resolve_semantic_name_conflicts(
        &self,
        compiler: &mut Compiler,
        compiled_specs: &mut Arena<Option<Arc<CompiledSpec>>>,
    ) {
        let models = compiled_specs.iter().flatten().filter_map(|spec| spec.semantic_model());
        let names = SemanticNames::from_models(models);
        let differs = |spec: &Arc<CompiledSpec>| spec.semantic_model().is_some_and(|model| names.contradicts(model));
        let specs = compiled_specs.iter().enumerate();
        let others: Vec<usize> = specs
            .filter_map(|(number, spec)| spec.as_ref().is_some_and(differs).then_some(number))
            .collect();
        if others.is_empty() {
            return;
        }
        Arc::make_mut(&mut compiler.specs).semantic_names = names;
        let compiled = parallel::map(&others, |number| self.files[*number].compile(compiler, false));
        for (number, compiled) in others.into_iter().zip(compiled) {
            compiled_specs[number] = Some(Arc::new(compiled));
        }
    }
}

impl<'t> BatchFile<'t> {
    fn has_semantic_model(&self, compiler: &Compiler) -> bool {
        let of_spec = self.inputs().and_then(|inputs| inputs.semantic);
        self.name().is_some() && of_spec.unwrap_or(compiler.specs.semantic_models) != SemanticModels::Off
    }

    fn parse(&self, compiler: &Compiler) -> SpecFile<'t> {
        SpecFile::read(self.spec.text, self.spec.path, &compiler.options.limits)
    }

    fn take_file_and_contents(&self) -> Option<(SpecFile<'t>, Option<SpecContents>)> {
        self.parts.lock().ok().and_then(|mut parts| parts.take())
    }

    fn compile(&self, compiler: &Compiler, is_first: bool) -> CompiledSpec {
        match self.take_file_and_contents() {
            Some((file, Some(contents))) if is_first => compiler.compile_contents(file, contents),
            parts => {
                let file = parts.map_or_else(|| self.parse(compiler), |(file, _)| file);
                // Do not parse the metric set again, even though more column types are known by now: the models built
                // on it have read this version.
                let set = self.metric_set().cloned();
                let contents = SpecContents::from_file_and_metric_set(compiler, &file, set);
                compiler.compile_contents(file, contents)
            }
        }
    }

    /// Decodes the earlier result if it was stored. Returns `false` if there is no result that can be decoded.
    fn decode(&self, compiler: &Compiler) -> bool {
        let cached = self.cache.compiled.as_ref();
        cached.is_some_and(|cached_spec| cached_spec.value.decode(&compiler.specs.sets, self.metric_set()))
    }

    /// Returns the metric set, if the file contains one.
    fn metric_set(&self) -> Option<&MetricSetWithErrors> {
        self.cache.set.as_ref()?.value.as_ref()
    }

    fn inputs(&self) -> Option<&SpecInputs> {
        self.cache.inputs.as_ref().map(|cached_inputs| &cached_inputs.value)
    }

    /// Returns the name of the model and its position. `None` for a metric set.
    pub(super) fn name(&self) -> Option<&(String, Span)> {
        self.inputs()?.name.as_ref()
    }

    pub(super) fn reads(&self) -> &[ModelRead] {
        self.inputs().map_or(&[], |inputs| &inputs.reads)
    }

    fn compiled(&self) -> Option<&Arc<CompiledSpec>> {
        self.cache.compiled.as_ref()?.value.decoded.get()
    }
}

/// Returns the name of a spec's model, and the models that the spec reads.
fn model_name_and_inputs(file: &SpecFile<'_>, contents: &SpecContents) -> SpecInputs {
    let (name, reads) = match contents {
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
    };
    let semantic = file.root().and_then(|root| root.get("semantic_model"));
    let semantic = semantic.and_then(SemanticModels::from_node);
    SpecInputs { name, reads, semantic }
}

/// Returns the indexes of the distinct specs that a spec reads. The spec itself is left out even if it reads a relation
/// with its own name, because this relation is either a table of the warehouse, or an error that is reported elsewhere.
fn dependency_indexes(number: usize, reads: &[ModelRead], first: &FxHashMap<String, usize>) -> Vec<usize> {
    let mut parents: Vec<usize> = reads
        .iter()
        .filter_map(|model_read| first.get(&model_read.model).copied())
        .collect();
    parents.sort_unstable();
    parents.dedup();
    parents.retain(|parent| *parent != number);
    parents
}

/// Returns, for each spec, whether it is one of the first `count` specs or an ancestor of one of these specs. If one of
/// the first specs has a semantic model, all other specs with a semantic model are needed too.
fn mark_required_specs(
    parents: &Arena<Vec<usize>>,
    count: usize,
    has_semantic_model: impl Fn(usize) -> bool,
) -> Arena<bool> {
    let mut is_needed = Arena::filled(false, parents.len());
    let mut next: Vec<usize> = (0..count.min(parents.len())).collect();
    if next.iter().any(|number| has_semantic_model(*number)) {
        next.extend((count..parents.len()).filter(|number| has_semantic_model(*number)));
    }
    while let Some(number) = next.pop() {
        if !std::mem::replace(&mut is_needed[number], true) {
            next.extend(&parents[number]);
        }
    }
    is_needed
}

/// Moves the tests of each metric set to one model, so that the tests are written only once. This model is the
/// alphabetically first of those models among the first `count` models that read the metric set.
fn move_metric_set_tests(compiled_specs: &mut Arena<Option<Arc<CompiledSpec>>>, count: usize) {
    let tested: Vec<(String, Vec<ModelTest>)> = compiled_specs
        .iter()
        .flatten()
        .filter(|spec| !spec.set_tests.is_empty())
        .filter_map(|spec| Some((spec.metric_set.as_ref()?.name.clone(), spec.set_tests.clone())))
        .collect();
    for (set, mut tests) in tested {
        let reads = |spec: &&mut Arc<CompiledSpec>| spec.model.is_some() && spec.sets().any(|set_name| set_name == set);
        let readers = compiled_specs.iter_mut().take(count).flatten().filter(reads);
        if let Some(model) = readers
            .min_by(|a, b| a.name.cmp(&b.name))
            .and_then(|spec| Arc::make_mut(spec).model.as_mut())
        {
            model.tests.append(&mut tests);
        }
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
            relation.mark_incomplete()
        } else {
            relation
        };
        Some(match &self.access {
            Some((access, group)) => relation.with_access(*access, group.as_deref()),
            None => relation,
        })
    }
}
