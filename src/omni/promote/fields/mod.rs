//! Converts Omni fields to definitions. Each field becomes a definition with the same name, so that no field is
//! computed twice.

mod conversion;
mod groups;

pub(super) use conversion::convert_filter_of_term;

use rustc_hash::{FxHashMap, FxHashSet};

use super::access::required_grants_of;
use super::calendar::OmniCalendar;
use super::display::{DisplaySettingValue, display_settings, omitted_settings, original_definition};
use super::from_sql::{ConvertedSql, FormulaFinder};
use super::joins::ViewJoins;
use super::names::{UsedSpecNames, to_snake_case};
use super::omni_model::find_references;
use super::term::FormulaTerm;
use super::{PromotionIssue, measures};
use crate::Type;
use crate::compiler::Compiler;
use crate::dialect::Dialect;
use crate::schema::{OmniFieldKind, OmniReference, ParsedOmniModel, Relation, Schema, ViewField};

/// Definition in the generated spec.
#[derive(Clone, Debug)]
pub(super) struct PromotedDefinition {
    pub name: String,
    pub term: FormulaTerm,
    /// Description that the field has in Omni.
    pub description: Option<String>,
    /// Display settings that the field has in Omni.
    pub display_settings: Vec<(String, DisplaySettingValue)>,
    pub tags: Vec<String>,
    /// Qualified name of the field, such as `orders.revenue`.
    pub field: String,
    /// Name in Omni. `None` if both names are the same.
    pub omni_name: Option<String>,
    pub file: usize,
    pub line: usize,
    pub original: String,
}

/// Result of converting a field.
#[derive(Clone, Debug)]
pub(super) struct ResolvedField {
    pub term: FormulaTerm,
    pub is_temporal: bool,
    /// Index of the definition. `None` if the field is only a column.
    pub definition: Option<usize>,
}

/// Key that identifies a field: the name of the view in the joins, and the name of the field, both in lower case.
pub(super) type FieldKey = (String, String);

/// Name of the measure that exists in every Omni view.
pub(super) const COUNT_MEASURE: &str = "count";

/// Setting with the names of the access grants that a field requires.
const REQUIRED_GRANTS_SETTING: &str = "required_access_grants";

pub(super) struct FieldResolver<'m, 't> {
    pub model: &'m ParsedOmniModel<'t>,
    pub dialect: Dialect,
    pub schema: &'m Schema,
    pub base: usize,
    pub base_name: String,
    pub joins: ViewJoins,
    /// Calendar settings of the Omni model.
    pub calendar: OmniCalendar,
    /// Name that formulas use for the relation of each view.
    pub relations: FxHashMap<String, String>,
    /// Formulas for SQL that no rule converts.
    proven: FormulaFinder,
    /// Known columns of each view's relation.
    pub known_relations: FxHashMap<String, &'m Relation>,
    pub definitions: Vec<PromotedDefinition>,
    resolved: FxHashMap<FieldKey, Result<ResolvedField, String>>,
    /// Definition name of each field that becomes a definition.
    names: FxHashMap<FieldKey, String>,
    pub used_names: UsedSpecNames,
    /// Names of definitions, in lower case. A column with the same name as a definition is qualified with its relation.
    pub defined: FxHashSet<String>,
    /// Names of warehouse columns that the spec reads, in lower case.
    columns: std::cell::RefCell<FxHashSet<String>>,
    pub gaps: Vec<PromotionIssue>,
    /// Whether a formula does arithmetic with values that may be NULL. In SQL, the result is NULL if one of these
    /// values is NULL.
    pub computes: bool,
    /// Key of the aggregates, which use one row per value of this key. `None` unless all measures are `…_distinct_on`
    /// aggregates with one common key.
    pub per_key: Option<measures::PerKeyAggregation>,
}

impl<'m, 't> FieldResolver<'m, 't> {
    pub fn new(model: &'m ParsedOmniModel<'t>, compiler: &'m Compiler, base: usize) -> Self {
        let base_name = model.view_reference_name(base);
        let calendar = OmniCalendar::read(model);
        Self {
            model,
            dialect: compiler.dialect(),
            schema: &compiler.options.schema,
            base,
            base_name,
            joins: ViewJoins::default(),
            calendar,
            relations: FxHashMap::default(),
            proven: FormulaFinder::new(compiler, calendar),
            known_relations: FxHashMap::default(),
            definitions: Vec::new(),
            resolved: FxHashMap::default(),
            names: FxHashMap::default(),
            used_names: UsedSpecNames::default(),
            defined: FxHashSet::default(),
            columns: std::cell::RefCell::default(),
            gaps: Vec::new(),
            computes: false,
            per_key: None,
        }
    }

    /// Returns the index of the view with this name in the joins.
    pub fn view(&self, name: &str) -> Option<usize> {
        if name.eq_ignore_ascii_case(&self.base_name) {
            Some(self.base)
        } else {
            self.joins.view(name)
        }
    }

    /// Returns the field with this key.
    pub fn field(&self, key: &FieldKey) -> Option<&'m ViewField> {
        self.model.field(self.model.view_by_name_or_alias(&key.0)?, &key.1)
    }

    /// Returns whether a field is a duration, whose unit is part of each reference.
    pub fn is_duration(&self, key: &FieldKey) -> bool {
        self.field(key)
            .is_some_and(|field| field.node.get("duration").is_some())
    }

    /// Resolves a reference in a field of the view `containing_view` to a field key.
    pub fn key(&self, containing_view: &str, reference: &OmniReference) -> FieldKey {
        let containing_view = containing_view.to_lowercase();
        let field = reference.field.to_lowercase();
        let Some(view) = &reference.view else {
            return (containing_view, field);
        };
        let canonical_view = self.model.canonical_name(view);
        // If a view is joined under an alias, its original name refers to the alias.
        let is_own = self.model.view(&canonical_view).is_some()
            && self.model.view(&canonical_view) == self.model.view_by_name_or_alias(&containing_view);
        if is_own {
            (containing_view, field)
        } else {
            (canonical_view, field)
        }
    }

    /// Returns the given fields and all fields on which they depend, dependencies first. In a cycle, a field may come
    /// before a field on which it depends.
    pub fn field_closure(&self, fields: &[FieldKey]) -> Vec<FieldKey> {
        enum FieldResolutionTask {
            Enter(FieldKey),
            Leave(FieldKey),
        }
        let mut order = Vec::new();
        let mut visited_keys: FxHashSet<FieldKey> = FxHashSet::default();
        let mut open: FxHashSet<FieldKey> = FxHashSet::default();
        let mut stack: Vec<FieldResolutionTask> =
            fields.iter().rev().cloned().map(FieldResolutionTask::Enter).collect();
        while let Some(step) = stack.pop() {
            match step {
                FieldResolutionTask::Leave(key) => {
                    open.remove(&key);
                    if visited_keys.insert(key.clone()) {
                        order.push(key);
                    }
                }
                FieldResolutionTask::Enter(key) if visited_keys.contains(&key) => {}
                FieldResolutionTask::Enter(key) => {
                    if !open.insert(key.clone()) {
                        continue;
                    }
                    stack.push(FieldResolutionTask::Leave(key.clone()));
                    let Some(field) = self.field(&key) else { continue };
                    let made_of = field_references(field)
                        .into_iter()
                        .map(|reference| self.key(&key.0, &reference));
                    // If a field refers to its own name, it reads the column with this name.
                    let made_of = made_of.filter(|dependency| *dependency != key && !self.is_duration(dependency));
                    let made_of: Vec<FieldKey> = made_of.collect();
                    stack.extend(made_of.into_iter().rev().map(FieldResolutionTask::Enter));
                }
            }
        }
        order
    }

    /// Chooses names for the fields that become definitions. `requested_names` contains the output names that
    /// the request specifies.
    pub fn choose_definition_names(&mut self, order: &[FieldKey], requested_names: &FxHashMap<FieldKey, String>) {
        let asked_first = order.iter().filter(|key| requested_names.contains_key(*key));
        let others = order.iter().filter(|key| !requested_names.contains_key(*key));
        let keys: Vec<FieldKey> = asked_first.chain(others).cloned().collect();
        for key in keys {
            let field = self.field(&key);
            let is_column = match field {
                Some(field) => field.kind != OmniFieldKind::Measure && field.is_column(),
                None => key.1 != COUNT_MEASURE,
            };
            if is_column {
                continue;
            }
            let field_name = field.map_or(key.1.as_str(), |field| &field.name);
            let base_name = requested_names
                .get(&key)
                .cloned()
                .unwrap_or_else(|| to_snake_case(field_name));
            let name = self
                .used_names
                .reserve(&[&base_name, &format!("{}_{base_name}", to_snake_case(&key.0))]);
            self.defined.insert(name.to_lowercase());
            self.names.insert(key, name);
        }
    }

    /// Converts fields to definitions, in the given order.
    pub fn resolve_all(&mut self, order: &[FieldKey]) {
        for key in order {
            let resolved = self.resolve_field(key);
            self.resolved.insert(key.clone(), resolved);
        }
    }

    /// Returns the converted field, or the reason why the conversion failed.
    pub fn resolved_field(&self, key: &FieldKey) -> Result<ResolvedField, String> {
        match self.resolved.get(key) {
            Some(resolved) => resolved.clone(),
            // Fields are converted after the fields on which they depend, so a field that is not converted yet depends
            // on itself.
            None if self.field(key).is_some() => Err(format!("`{}` depends on itself", format_field_key(key))),
            None => Err(format!("there is no field `{}`", format_field_key(key))),
        }
    }

    fn resolve_field(&mut self, key: &FieldKey) -> Result<ResolvedField, String> {
        let Some(field) = self.field(key) else {
            if self.view(&key.0).is_none() {
                return Err(format!("no joined view is named `{}`", key.0));
            }
            // The key is a column without settings in Omni, or the count that every view has.
            return if key.1 == COUNT_MEASURE {
                self.define_count(key)
            } else {
                Ok(self.table_column(&key.0, &key.1))
            };
        };
        let field_conversion = match field.kind {
            OmniFieldKind::Filter => Err("a filter-only field has no values".to_owned()),
            OmniFieldKind::Dimension => self.convert_dimension(key, field),
            OmniFieldKind::Measure => measures::convert_measure(self, key, field),
        };
        let (converted, is_temporal) = match field_conversion {
            Ok(conversion) => conversion,
            Err(reason) => {
                self.record_issue(field, &field.name, reason.clone(), false);
                return Err(format!("`{}` could not be converted", format_field_key(key)));
            }
        };
        let ConvertedSql {
            term,
            caveats,
            computes,
        } = converted;
        if field.kind == OmniFieldKind::Measure && !term.aggregates && !term.is_never_null {
            let reason = "the measure does not aggregate, so it has one value per row".to_owned();
            self.record_issue(field, &field.name, reason, false);
            return Err(format!("`{}` could not be converted", format_field_key(key)));
        }
        self.computes |= computes;
        for doubt in caveats {
            self.record_issue(field, &field.name, doubt, true);
        }
        let Some(name) = self.names.get(key).cloned() else {
            return Ok(ResolvedField {
                term,
                is_temporal,
                definition: None,
            });
        };
        if term.text.contains(['\n', '\r']) {
            self.record_issue(
                field,
                &field.name,
                "the field contains a string with several lines".to_owned(),
                false,
            );
            return Err(format!("`{}` could not be converted", format_field_key(key)));
        }
        let definition = self.definition(key, field, name.clone(), &term);
        self.definitions.push(definition);
        let name_term = FormulaTerm::atom(name)
            .with_type(term.ty)
            .with_never_null(term.is_never_null);
        let reference = if term.aggregates {
            name_term.into_aggregate()
        } else {
            name_term
        };
        Ok(ResolvedField {
            term: reference,
            is_temporal,
            definition: Some(self.definitions.len() - 1),
        })
    }

    /// Defines the row count of a view whose file does not define a count.
    fn define_count(&mut self, key: &FieldKey) -> Result<ResolvedField, String> {
        let (converted, _) = measures::count_rows_term(self, &key.0, None, Vec::new())?;
        let name = self.names.get(key).cloned().unwrap_or_else(|| COUNT_MEASURE.to_owned());
        let file = self
            .view(&key.0)
            .and_then(|view| self.model.views.get(view))
            .map_or(0, |view| view.file);
        self.definitions.push(PromotedDefinition {
            name: name.clone(),
            term: converted.term,
            description: None,
            display_settings: Vec::new(),
            tags: Vec::new(),
            field: format_field_key(key),
            omni_name: None,
            file,
            line: 1,
            original: "the count that every view has".to_owned(),
        });
        let term = FormulaTerm::atom(name)
            .with_type(Some(Type::Integer))
            .with_never_null(true)
            .into_aggregate();
        Ok(ResolvedField {
            term,
            is_temporal: false,
            definition: Some(self.definitions.len() - 1),
        })
    }

    fn definition(&self, key: &FieldKey, field: &ViewField, name: String, term: &FormulaTerm) -> PromotedDefinition {
        let file = self.model.files.get(field.file);
        PromotedDefinition {
            omni_name: (field.name != name && to_snake_case(&field.name) == name).then(|| field.name.clone()),
            name,
            term: term.clone(),
            description: field.text("description").map(str::to_owned),
            display_settings: self.display_settings_with_grants(key, field),
            tags: field.node.texts_at("tags"),
            field: format!("{}.{}", key.0, field.name),
            file: field.file,
            line: file.map_or(1, |file| file.line(&field.at)),
            original: original_definition(field),
        }
    }

    /// Returns the display settings of a field, and the access grants that are required by the field or by a field on
    /// which it depends.
    pub fn display_settings_with_grants(
        &self,
        key: &FieldKey,
        field: &ViewField,
    ) -> Vec<(String, DisplaySettingValue)> {
        let mut settings = display_settings(&field.node);
        let grants = self.required_grants(key);
        if !grants.is_empty() {
            settings.push((REQUIRED_GRANTS_SETTING.to_owned(), DisplaySettingValue::Texts(grants)));
        }
        settings
    }

    fn required_grants(&self, key: &FieldKey) -> Vec<String> {
        let keys = self.field_closure(std::slice::from_ref(key));
        let grants = keys
            .iter()
            .filter_map(|key| self.field(key))
            .flat_map(|field| required_grants_of(&field.node));
        let mut grants: Vec<String> = grants.collect();
        grants.sort();
        grants.dedup();
        grants
    }

    /// Records the access grants that a user needs to see a field in Omni.
    pub fn record_grants(&mut self, key: &FieldKey, field: &ViewField) {
        let grants = self.required_grants(key);
        if !grants.is_empty() {
            let reason = format!(
                "the field requires the access grants `{}` in Omni; the grants do not restrict who can read the column in \
                 the warehouse",
                grants.join("`, `")
            );
            self.record_issue(field, &field.name, reason, true);
        }
    }

    /// Records a field's Omni settings that the spec does not contain.
    pub fn record_omitted_settings(&mut self, field: &ViewField) {
        for (name, original, reason) in omitted_settings(&field.node) {
            let subject = format!("{}.{name}", field.name);
            self.record_issue_with_original(field, &subject, original, reason, false);
        }
    }

    /// Creates a definition that copies a column under its requested name.
    pub fn define_column(&mut self, key: &FieldKey, name: String, term: &FormulaTerm) -> PromotedDefinition {
        self.defined.insert(name.to_lowercase());
        if let Some(field) = self.field(key) {
            let definition = self.definition(key, field, name, term);
            return PromotedDefinition {
                original: String::new(),
                ..definition
            };
        }
        PromotedDefinition {
            name,
            term: term.clone(),
            description: None,
            display_settings: Vec::new(),
            tags: Vec::new(),
            field: format_field_key(key),
            omni_name: None,
            file: 0,
            line: 1,
            original: String::new(),
        }
    }

    /// Records a gap for a field that is missing from the spec or may differ in the spec.
    pub fn record_issue(&mut self, field: &ViewField, issue_subject: &str, reason: String, is_carried: bool) {
        self.record_issue_with_original(field, issue_subject, original_definition(field), reason, is_carried);
    }

    fn record_issue_with_original(
        &mut self,
        field: &ViewField,
        issue_subject: &str,
        original: String,
        reason: String,
        is_carried: bool,
    ) {
        let file = self.model.files.get(field.file);
        let view = self
            .model
            .view_in_file(field.file)
            .and_then(|view| self.model.views.get(view));
        let subject = view.map_or_else(
            || issue_subject.to_owned(),
            |view| format!("{}.{issue_subject}", view.name),
        );
        let gap = PromotionIssue {
            file: file.map(|file| file.path.to_owned()).unwrap_or_default(),
            line: file.map_or(1, |file| file.line(&field.at)),
            what: subject,
            original,
            reason,
            is_carried,
        };
        // A query may read several timeframes of the same field.
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

fn format_field_key(key: &FieldKey) -> String {
    format!("{}.{}", key.0, key.1)
}

/// Returns the references of a field, including the references in its filters.
fn field_references(field: &ViewField) -> Vec<OmniReference> {
    let sqls = ["sql", "custom_primary_key_sql"]
        .into_iter()
        .filter_map(|key| field.text(key));
    let mut references: Vec<OmniReference> = sqls.flat_map(find_references).map(OmniReference::read).collect();
    let filters = field.node.pairs_at("filters");
    references.extend(
        filters
            .iter()
            .filter_map(|(name, _)| name.text())
            .map(OmniReference::read),
    );
    references
}
