//! Results that are kept between compilations, so that a change to one spec does not require compiling all other specs
//! again.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::compiler::{Compiler, CompilerOptions, SpecOptions};
use crate::graph::SpecInputs;
use crate::metrics::{MetricSet, MetricSetWithErrors, MetricSets};
use crate::schema::Schema;
use crate::schema::lookups::{RecordedLookup, record_lookups};
use crate::{CompiledSpec, SpecText};

/// Compiles the specs of a project repeatedly, for example in an editor. A session compiles only the specs that changed
/// or that depend on a change. The results equal those of [`Compiler::compile_specs`].
///
/// A spec is compiled again if its text, its path or an option of the compiler changed. The spec is also compiled again
/// if a relation or metric set that it looked up was changed, added or removed. A spec that uses an unknown name is
/// always compiled again, because the help for such a name may depend on all other names.
///
/// ```
/// use formulac_model::{Compiler, SpecSession, SpecText};
/// use std::sync::Arc;
/// let text = |text| SpecText { text, path: None };
/// let daily = text("model: daily\nfrom: orders\ngroup_by: day\ndefinitions: revenue = SUM(amount)\n");
/// let monthly = text("model: monthly\nfrom: daily\ngroup_by: day[month]\ndefinitions: revenue = SUM(revenue)\n");
/// let edited = text("model: monthly\nfrom: daily\ngroup_by: day[month]\ndefinitions: days = COUNT()\n");
/// let (compiler, mut session) = (Compiler::default(), SpecSession::default());
/// let first = session.compile_specs(&compiler, &[daily, monthly]);
/// let second = session.compile_specs(&compiler, &[daily, edited]);
/// assert!(Arc::ptr_eq(&first[0], &second[0]));
/// assert_eq!(second[1].columns()[1].name(), "days");
/// ```
#[derive(Debug, Default)]
pub struct SpecSession {
    /// Fingerprint of the compiler's options.
    options: u64,
    /// Results by fingerprint of the spec's path and text.
    files: FxHashMap<u64, CachedSpecFile>,
}

impl SpecSession {
    /// Compiles specs that may read each other's models. The results are in the order of `specs`. Results of specs that
    /// are not in `specs` are discarded.
    #[must_use]
    pub fn compile_specs(&mut self, compiler: &Compiler, specs: &[SpecText<'_>]) -> Vec<Arc<CompiledSpec>> {
        self.compile_specs_with_dependencies(compiler, specs, specs.len(), || {})
    }

    /// Compiles the first `count` specs and all specs on which they depend. Returns the first `count` results.
    /// `progress` is called after each spec.
    #[must_use]
    pub fn compile_specs_with_dependencies(
        &mut self,
        compiler: &Compiler,
        specs: &[SpecText<'_>],
        count: usize,
        progress: impl Fn() + Sync,
    ) -> Vec<Arc<CompiledSpec>> {
        compiler.compile_batch(specs, count, progress, Some(self))
    }

    /// Returns a fingerprint of all options of a compiler. Results can be reused only with the same options.
    #[doc(hidden)]
    #[must_use]
    pub fn options_fingerprint(compiler: &Compiler) -> u64 {
        // Relations, metric sets and the current date are omitted, because each result records which of them it uses.
        let options = CompilerOptions {
            schema: Arc::default(),
            models: Schema::new(),
            ..(*compiler.options).clone()
        };
        let specs = SpecOptions {
            sets: MetricSets::default(),
            current_date: None,
            ..(*compiler.specs).clone()
        };
        let schema = &compiler.options.schema;
        fingerprint_of(&(
            format!("{options:?} {specs:?}"),
            schema.is_partial_list(),
            schema.is_empty(),
        ))
    }

    /// Takes the results of earlier compilations of these specs, and discards all others.
    pub(crate) fn take_cached_files(&mut self, compiler: &Compiler, specs: &[SpecText<'_>]) -> Vec<CachedSpecFile> {
        let options = Self::options_fingerprint(compiler);
        let mut cached_files = std::mem::take(&mut self.files);
        if std::mem::replace(&mut self.options, options) != options {
            cached_files.clear();
        }
        let take = |spec: &SpecText<'_>| cached_files.remove(&spec_fingerprint(*spec)).unwrap_or_default();
        specs.iter().map(take).collect()
    }

    /// Returns whether a spec was compiled after the session was restored.
    #[doc(hidden)]
    #[must_use]
    pub fn has_new_results(&self) -> bool {
        let is_new = |entry: &CachedResult<CachedSpec>| entry.value.encoded.is_none();
        self.files
            .values()
            .filter_map(|file| file.compiled.as_ref())
            .any(is_new)
    }

    /// Returns the session as bytes for [`Self::from_bytes`].
    ///
    /// ```
    /// use formulac_model::{Compiler, SpecSession, SpecText};
    /// let spec = SpecText { text: "model: a\nfrom: t\ngroup_by: g\n", path: None };
    /// let (compiler, mut session) = (Compiler::default(), SpecSession::default());
    /// let first = session.compile_specs(&compiler, &[spec]);
    /// let mut restored = SpecSession::from_bytes(&session.to_bytes().unwrap()).unwrap();
    /// assert_eq!(restored.compile_specs(&compiler, &[spec])[0].model_sql(), first[0].model_sql());
    /// ```
    #[doc(hidden)]
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let files = self.files.iter().map(|(fingerprint, file)| {
            let compiled = file.compiled.as_ref().and_then(|CachedResult { value, lookups }| {
                let encoded = match &value.encoded {
                    Some(encoded) => Cow::Borrowed(encoded),
                    None => Cow::Owned(EncodedSpec::new(value.decoded.get()?)?),
                };
                Some((encoded, lookups))
            });
            (fingerprint, (file.metric_set_fingerprint, &file.inputs, compiled))
        });
        postcard::to_stdvec(&(self.options, files.collect::<Vec<_>>())).ok()
    }

    /// Restores a session from bytes that the same build of formulac wrote. The caller has to check that the bytes are
    /// complete and unchanged. Returns `None` if the bytes are not a session.
    #[doc(hidden)]
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        type StoredFile = (
            Option<u64>,
            Option<CachedResult<SpecInputs>>,
            Option<(EncodedSpec, Vec<(RecordedLookup, u64)>)>,
        );
        let (options, files): (u64, Vec<(u64, StoredFile)>) = postcard::from_bytes(bytes).ok()?;
        let file = |(metric_set_fingerprint, inputs, compiled): StoredFile| CachedSpecFile {
            // If the file contains a metric set, the metric set is parsed again.
            set: metric_set_fingerprint.is_none().then(|| CachedResult {
                value: None,
                lookups: Vec::new(),
            }),
            metric_set_fingerprint,
            inputs,
            compiled: compiled.map(|(encoded, lookups)| CachedResult {
                value: CachedSpec {
                    decoded: OnceLock::new(),
                    encoded: Some(encoded),
                },
                lookups,
            }),
        };
        let files = files
            .into_iter()
            .map(|(fingerprint, stored)| (fingerprint, file(stored)));
        Some(Self {
            options,
            files: files.collect(),
        })
    }

    pub(crate) fn store_files<'t>(&mut self, files: impl Iterator<Item = (SpecText<'t>, CachedSpecFile)>) {
        self.files = files.map(|(spec, file)| (spec_fingerprint(spec), file)).collect();
    }
}

/// Results of the stages in which a spec is compiled. `None` if the stage has not run.
#[derive(Debug, Default)]
pub(crate) struct CachedSpecFile {
    /// Metric set, if the file contains one.
    pub set: Option<CachedResult<Option<MetricSetWithErrors>>>,
    /// Fingerprint of the metric set with which the other results were computed. `None` if the file is not a metric
    /// set.
    pub metric_set_fingerprint: Option<u64>,
    pub inputs: Option<CachedResult<SpecInputs>>,
    pub compiled: Option<CachedResult<CachedSpec>>,
}

/// Result with everything that was looked up to compute it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CachedResult<T> {
    pub value: T,
    pub lookups: Vec<(RecordedLookup, u64)>,
}

/// Compiled spec. At least one of the fields is not `None`.
#[derive(Debug)]
pub(crate) struct CachedSpec {
    /// Decoded spec. Empty for a stored spec that has not been needed yet.
    pub decoded: OnceLock<Arc<CompiledSpec>>,
    /// Spec as bytes. `None` for a spec that has not been stored yet.
    pub encoded: Option<EncodedSpec>,
}

impl From<CompiledSpec> for CachedSpec {
    fn from(compiled: CompiledSpec) -> Self {
        Self {
            decoded: OnceLock::from(Arc::new(compiled)),
            encoded: None,
        }
    }
}

impl CachedSpec {
    /// Decodes a stored spec. `metric_sets` contains the project's metric sets, and `file_set` the metric set that the
    /// file defines. Returns `false` if the bytes are damaged.
    pub fn decode(&self, metric_sets: &MetricSets, file_set: Option<&MetricSetWithErrors>) -> bool {
        if let (None, Some(encoded)) = (self.decoded.get(), &self.encoded)
            && let Some(decoded) = encoded.decode(metric_sets, file_set)
        {
            self.decoded.get_or_init(|| Arc::new(decoded));
        }
        self.decoded.get().is_some()
    }
}

/// Compiled spec as bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EncodedSpec {
    /// Names of the metric sets that the spec reads.
    sets: Vec<String>,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
}

impl EncodedSpec {
    fn new(compiled: &CompiledSpec) -> Option<Self> {
        Some(Self {
            sets: compiled.sets.iter().map(|set| set.name.clone()).collect(),
            bytes: postcard::to_stdvec(compiled).ok()?,
        })
    }

    fn decode(&self, metric_sets: &MetricSets, own_set: Option<&MetricSetWithErrors>) -> Option<CompiledSpec> {
        let mut compiled: CompiledSpec = postcard::from_bytes(&self.bytes).ok()?;
        let sets: Option<Vec<Arc<MetricSet>>> = self.sets.iter().map(|name| metric_sets.get(name).cloned()).collect();
        compiled.sets = sets?;
        compiled.metric_set = own_set.and_then(|file_set| file_set.set.clone());
        Some(compiled)
    }
}

/// Everything that specs can look up by name.
pub(crate) struct LookupSources<'c> {
    options: &'c CompilerOptions,
    current_date: Option<&'c str>,
    /// Fingerprints of the metric sets, by lower-case name.
    sets: &'c FxHashMap<String, u64>,
    /// Whether results are kept.
    is_session: bool,
}

impl<'c> LookupSources<'c> {
    pub fn new(compiler: &'c Compiler, sets: &'c FxHashMap<String, u64>, is_session: bool) -> Self {
        Self {
            options: &compiler.options,
            current_date: compiler.specs.current_date.as_deref(),
            sets,
            is_session,
        }
    }

    /// Returns the fingerprint of a lookup's result. `None` if the result cannot be kept.
    fn fingerprint(&self, lookup: &RecordedLookup) -> Option<u64> {
        match lookup {
            RecordedLookup::Relation(name) => Some(fingerprint_of(&(
                self.options.models.fingerprint(name),
                self.options.schema.fingerprint(name),
            ))),
            RecordedLookup::MetricSet(name) => Some(self.sets.get(name).copied().unwrap_or_default()),
            RecordedLookup::CurrentDate => Some(fingerprint_of(&self.current_date)),
            RecordedLookup::Everything => None,
        }
    }

    /// Computes a result and records what it looks up.
    pub fn memoize<T>(&self, compute: impl FnOnce() -> T) -> CachedResult<T> {
        if !self.is_session {
            return CachedResult {
                value: compute(),
                lookups: Vec::new(),
            };
        }
        let (value, lookups) = record_lookups(compute);
        let lookups = lookups.into_iter().map(|lookup| {
            let fingerprint = self.fingerprint(&lookup).unwrap_or_default();
            (lookup, fingerprint)
        });
        CachedResult {
            value,
            lookups: lookups.collect(),
        }
    }

    /// Returns whether computing a result again would give the same result.
    pub fn is_current<T>(&self, cached_result: Option<&CachedResult<T>>) -> bool {
        let is_same = |(lookup, before): &(RecordedLookup, u64)| self.fingerprint(lookup) == Some(*before);
        cached_result.is_some_and(|entry| entry.lookups.iter().all(is_same))
    }
}

impl CachedResult<Option<MetricSetWithErrors>> {
    /// Returns a fingerprint of the metric set in `spec`. `None` if the file is not a metric set.
    pub fn metric_set_fingerprint(&self, spec: SpecText<'_>) -> Option<u64> {
        let fingerprint = || fingerprint_of(&(spec_fingerprint(spec), &self.lookups));
        self.value.is_some().then(fingerprint)
    }
}

/// Returns the fingerprints of metric sets, by lower-case name.
pub(crate) fn metric_set_fingerprints(sets: &MetricSets) -> FxHashMap<String, u64> {
    let fingerprint = |set: &Arc<MetricSet>| fingerprint_of(&(&set.text, &set.path));
    let sets = sets.all().map(|set| (set.name.to_lowercase(), fingerprint(set)));
    sets.collect()
}

fn spec_fingerprint(spec: SpecText<'_>) -> u64 {
    fingerprint_of(&(spec.path, spec.text))
}

fn fingerprint_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
