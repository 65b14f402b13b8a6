//! Metric sets: spec files with `metric_set` instead of `model`.

use std::collections::BTreeMap;
use std::sync::Arc;

use formulac_syntax::lex::quote_formula_name;

use super::formulas::{AnalysisScope, MetricFormula, NameOccurrence, analyze_in_scope};
use super::inputs::relation_name;
use super::set_checks::{
    report_invalid_dates, report_invalid_input, report_time_with_timeframe, report_unsupported_joins,
};
use crate::arena::Arena;
use crate::catalog_lookup::schema_relation;
use crate::check::DefinitionRole;
use crate::checks::is_identifier;
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::diag::{Code, Diagnostic};
use crate::file::SpecFile;
use crate::keys::METRIC_SET;
use crate::load::SpecLoader;
use crate::plan::split_timeframe;
use crate::schema::lookups::{self, RecordedLookup};
use crate::schema::{Column, Relation};
use crate::span::Span;
use crate::yaml::Node;
use crate::{Level, SpecText, Type};

/// Settings of a metric set that also apply to the models that use it.
pub const INHERITED_SETTINGS: [&str; 4] = ["timezone", "blanks", "week_start", "fiscal_month_offset"];

/// Date or time column of the rows of a metric set.
#[derive(Clone, Debug)]
pub struct MetricSetTime {
    /// Name without `${}`.
    pub column: String,
    pub grain: Option<String>,
    pub span: Span,
}

impl MetricSetTime {
    /// Returns the column in formula syntax.
    pub fn reference(&self) -> String {
        quote_formula_name(&self.column)
    }

    /// Returns the column's period, such as `ordered_at[month]`.
    pub fn period(&self, frame: &str) -> String {
        format!("{}[{frame}]", self.reference())
    }

    /// Returns a key in which the qualified name of the time column replaces its plain name. Other keys are not
    /// changed.
    pub fn qualified(key: &str, time: &str, qualified: &str) -> String {
        let (name, frame) = split_timeframe(key);
        match name.eq_ignore_ascii_case(time) && qualified != time {
            true if frame.is_empty() => quote_formula_name(qualified),
            true => format!("{}[{frame}]", quote_formula_name(qualified)),
            false => key.to_owned(),
        }
    }
}

/// Column that an earlier step has computed as a timeframe of a date.
#[derive(Clone, Debug)]
pub struct InputTimeframe {
    pub frame: String,
    /// Index of the step that computed the timeframe, and the column with the date, such as `0.ordered_at`.
    pub origin: String,
}

/// Parsed metric set.
#[derive(Clone, Debug)]
pub struct MetricSet {
    pub name: String,
    pub name_span: Span,
    pub path: Option<String>,
    pub text: String,
    pub root: Node,
    /// Metric sets on which this metric set is built. Empty if the metric set has `from`.
    pub sets: Vec<String>,
    pub time: Option<MetricSetTime>,
    pub filter: Option<MetricFormula>,
    pub definitions: Arena<MetricFormula>,
    /// Former name of each renamed metric or dimension, in lower case, with its current name.
    pub renamed: BTreeMap<String, String>,
    /// Columns of the input that are timeframes, by lower-case name.
    pub periods: BTreeMap<String, InputTimeframe>,
    /// Errors in the file's keys. Errors in formulas are not included, because they affect only the definitions that
    /// use the formulas.
    pub faults: Vec<Diagnostic>,
}

impl MetricSet {
    /// Returns the position of a dimension or metric.
    pub fn position(&self, name: &str) -> Option<usize> {
        let has_name = |formula: &MetricFormula| formula.name.eq_ignore_ascii_case(name);
        self.definitions.iter().position(has_name)
    }

    /// Returns the definition to which a key without a timeframe refers, such as `month_of_order` or `${month of
    /// order}`.
    pub fn definition_of_key(&self, key: &str) -> Option<&MetricFormula> {
        let (name, frame) = split_timeframe(key);
        let index = self.position(name).filter(|_| frame.is_empty())?;
        self.definitions.try_get(index)
    }

    /// Returns the name by which formulas refer to the relation or step that contains the rows.
    pub fn input_name(&self) -> String {
        let from = self.root.text_at("from");
        from.map_or_else(|| self.name.clone(), relation_name)
    }

    /// Returns the relation of the rows. `None` if the relation is unknown.
    pub fn relation<'c>(&self, compiler: &'c Compiler) -> Option<&'c Relation> {
        self.relations(compiler).next().flatten()
    }

    /// Returns the relation of the rows and the joined relations. `None` for each unknown relation.
    pub fn relations<'c>(&self, compiler: &'c Compiler) -> impl Iterator<Item = Option<&'c Relation>> {
        let joined = self.root.items_at("joins").iter().map(|join| join.text_at("to"));
        let names = std::iter::once(self.root.text_at("from")).chain(joined);
        names.map(|name| schema_relation(&compiler.options, &RelationReference::read(name?)?))
    }

    /// Returns a column that a key of the metric set names, such as `time`. The column is qualified with the name of
    /// the metric set's relation if a join makes it ambiguous: not all columns of the relations are known, and no
    /// relation is known to have the column.
    pub fn qualified_column(&self, compiler: &Compiler, name: &str) -> String {
        let is_plain = !name.contains('.') && self.position(name).is_none();
        let may_be_of_from = self.relation(compiler).is_none_or(Relation::may_have_unlisted_columns);
        let known: Vec<&Relation> = self.relations(compiler).flatten().collect();
        let is_ambiguous = !known.is_empty()
            && !self.root.items_at("joins").is_empty()
            && !known.iter().any(|relation| relation.position(name).is_some());
        match is_plain && may_be_of_from && is_ambiguous {
            true => format!("{}.{name}", self.input_name()),
            false => name.to_owned(),
        }
    }

    /// Returns a key or formula for a period of the metric set's `time`. The time column is qualified if a join makes
    /// it ambiguous.
    pub fn qualify_time_in_key(&self, compiler: &Compiler, time: &MetricSetTime, key: &str) -> String {
        MetricSetTime::qualified(key, &time.column, &self.qualified_column(compiler, &time.column))
    }

    /// Returns whether a name is a column of the metric set's relation that is known to be a date or time.
    pub fn is_temporal(&self, compiler: &Compiler, name: &str) -> bool {
        self.column_type(compiler, name).is_some_and(Type::is_temporal)
    }

    /// Returns whether a key is the column or dimension in the metric set's `time`. The key may be spelled differently,
    /// such as `orders.ordered_at`.
    pub fn is_time(&self, compiler: &Compiler, key: &str) -> bool {
        let time = self.time.as_ref();
        time.is_some_and(|time| self.is_same_column(compiler, &time.column, key))
    }

    /// Returns whether a name is spelled like the metric set's `time`, so that it hides `time` in formulas.
    pub fn is_name_of_time(&self, name: &str) -> bool {
        let time = self.time.as_ref();
        time.is_some_and(|time| time.column.eq_ignore_ascii_case(name))
    }

    /// Returns whether a key is the metric set's `time`, and is known to be a date.
    pub fn is_date_of_time(&self, compiler: &Compiler, key: &str) -> bool {
        self.is_time(compiler, key) && self.column_type(compiler, key) == Some(Type::Date)
    }

    /// Returns the definition that has the name of the metric set's time column and reads this column.
    pub fn definition_shadowing_time(&self) -> Option<&MetricFormula> {
        let formula = &self.definitions[self.position(&self.time.as_ref()?.column)?];
        let is_own = |name: &NameOccurrence| name.name.eq_ignore_ascii_case(&formula.name);
        formula.names.iter().any(is_own).then_some(formula)
    }

    /// Returns whether the time column has a value in every row of the metric set: the column is never NULL, or the
    /// filter compares it with a constant.
    pub fn has_time_in_every_row(&self, compiler: &Compiler) -> bool {
        let Some(MetricSetTime { column, .. }) = &self.time else {
            return false;
        };
        let is_declared = self.column_property(compiler, column, |column| !column.is_nullable()) == Some(true);
        let conditions = self.filter.iter().flat_map(|filter| &filter.conditions);
        let mut bounds = conditions.filter(|condition| condition.compares_time());
        // A definition with the name of the column may be NULL even if the filter compares the column.
        let is_bounded = self.position(column).is_none()
            && bounds.any(|bound| bound.columns.iter().any(|name| self.is_time(compiler, name)));
        is_declared || is_bounded
    }

    fn column_type(&self, compiler: &Compiler, name: &str) -> Option<Type> {
        self.column_property(compiler, name, Column::ty)
    }

    fn column_property<T>(&self, compiler: &Compiler, name: &str, property: impl Fn(&Column) -> T) -> Option<T> {
        let column = self.resolve_column(compiler, name);
        let relation = self.relation(compiler).filter(|_| column.input == Some(0))?;
        Some(property(relation.columns().get(relation.position(&*column.name)?)?))
    }

    /// Adds analyzed formulas to the metric set: its filter and its definitions.
    pub fn add_formulas(&mut self, formulas: Vec<MetricFormula>) {
        for formula in formulas {
            match formula.role {
                DefinitionRole::Where => self.filter = Some(formula),
                DefinitionRole::Definitions if !formula.name.is_empty() => match self.position(&formula.name) {
                    // A name that is defined twice is ambiguous.
                    Some(first) => self.definitions[first].is_broken = true,
                    None => self.definitions.push(formula),
                },
                _ => {}
            }
        }
    }

    /// Returns the metrics: the definitions that are aggregates or windows.
    pub fn metrics(&self) -> impl Iterator<Item = &MetricFormula> {
        self.definitions.iter().filter(|formula| self.is_metric(formula))
    }

    /// Returns whether a definition is a metric rather than a dimension. In a metric set built on other metric sets,
    /// all definitions are metrics.
    pub fn is_metric(&self, formula: &MetricFormula) -> bool {
        formula.level > Level::Row || !self.sets.is_empty()
    }

    /// Returns the properties of a metric or dimension.
    pub fn properties(&self, name: &str) -> Option<&Node> {
        let pairs = self.root.get("columns")?.pairs()?;
        let has_name = |key: &Node| key.text().is_some_and(|key| key.eq_ignore_ascii_case(name));
        pairs.iter().find(|(key, _)| has_name(key)).map(|(_, value)| value)
    }

    /// Returns the text of a setting.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.root.text_at(key)
    }
}

/// Returns whether a spec file is a metric set.
pub fn is_metric_set(root: &Node) -> bool {
    root.get("metric_set").is_some()
}

/// Metric set of a file, with the errors in the file.
#[derive(Clone, Debug)]
pub struct MetricSetWithErrors {
    /// Parsed metric set. `None` if it has no name.
    pub set: Option<Arc<MetricSet>>,
    pub faults: Vec<Diagnostic>,
    /// Errors in formulas that can be found without the types of columns. These errors are also found when a model that
    /// is built on the metric set is compiled.
    pub errors_in_formulas: Vec<Diagnostic>,
}

impl MetricSetWithErrors {
    /// Parses the metric set of a file. Returns `None` if the file is not a metric set.
    pub fn from_file(compiler: &Compiler, file: &SpecFile<'_>) -> Option<Self> {
        let root = file.root().filter(|root| is_metric_set(root))?;
        Some(parse_metric_set(compiler, root, file.source, file.path))
    }

    /// Parses the text of a metric set. Returns `None` if the text is not a metric set.
    pub fn from_text(compiler: &Compiler, spec: SpecText<'_>) -> Option<Self> {
        Self::from_file(
            compiler,
            &SpecFile::read(spec.text, spec.path, &compiler.options.limits),
        )
    }
}

/// Parses a metric set.
fn parse_metric_set(compiler: &Compiler, root: &Node, text: &str, path: Option<&str>) -> MetricSetWithErrors {
    let mut faults = Vec::new();
    let mut loader = SpecLoader::new(text, &mut faults);
    loader.check_keys(root, &[&METRIC_SET]);
    let step = loader.read_step(root, true);
    let name = loader.text(root, "metric_set");
    let sets = loader.list(root, "sets").unwrap_or_default();
    let time = root.get("time").and_then(read_time);
    report_invalid_input(root, &mut loader);
    report_unsupported_joins(root, &mut loader);
    report_time_with_timeframe(root, &mut loader);
    report_invalid_dates(root, &mut loader);
    let sets: Vec<String> = sets.iter().map(|set| set.text.to_owned()).collect();
    let analysis_scope = AnalysisScope {
        relations: &[],
        types: &column_types(compiler, root),
        is_descending: false,
    };
    let (formulas, diagnostics) = analyze_in_scope(compiler, &step, text, &analysis_scope);
    // Only these errors are final. The other errors are found again when the metric set is checked with the types of
    // the columns.
    let is_final = |fault: &Diagnostic| fault.is_syntax() || fault.kind() == Code::DuplicateDefinition;
    let errors = diagnostics.into_iter().filter(Diagnostic::is_error);
    let (of_formulas, errors_in_formulas) = errors.partition::<Vec<_>, _>(is_final);
    let Some(name) = name else {
        faults.extend(of_formulas);
        return MetricSetWithErrors {
            set: None,
            faults,
            errors_in_formulas,
        };
    };
    if !is_identifier(name.text) {
        let message = format!(
            "`{}` is not a valid name for a metric set, because the name is used in formulas",
            name.text
        );
        faults.push(
            Diagnostic::new(Code::WrongShape, name.node.span, message)
                .with_help("use letters, digits and `_`, starting with a letter"),
        );
    }
    let mut set = MetricSet {
        name: name.text.to_owned(),
        name_span: name.node.span,
        path: path.map(str::to_owned),
        text: text.to_owned(),
        root: root.clone(),
        sets,
        time,
        filter: None,
        definitions: Arena::new(),
        renamed: BTreeMap::new(),
        periods: BTreeMap::new(),
        faults: Vec::new(),
    };
    set.add_formulas(formulas);
    faults.extend(set.aggregate_errors());
    for (column, keys) in root.pairs_at("columns") {
        let Some(name) = column.text() else { continue };
        if set.position(name).is_none() {
            faults.push(
                Diagnostic::new(
                    Code::UnknownName,
                    column.span,
                    format!("`columns` describes `{name}`, but the set does not define it"),
                )
                .with_help("use the name of a metric or dimension"),
            );
        }
        if let (Some(index), Some(node)) = (set.position(name), keys.get("non_additive")) {
            set.check_has_aggregate(index, node, &mut faults);
            set.check_mixed_additivity(index, node, &mut faults);
        }
        faults.extend(set.replacement_error(keys));
        if let Some((node, former)) = keys.get("renamed_from").and_then(|node| Some((node, node.text()?))) {
            faults.extend(set.former_name_error((former, node.span), name));
            let former = former.to_lowercase();
            set.renamed.entry(former).or_insert_with(|| name.to_owned());
        }
    }
    set.faults
        .extend(faults.iter().filter(|fault| fault.is_error()).cloned());
    faults.extend(of_formulas);
    MetricSetWithErrors {
        set: Some(Arc::new(set)),
        faults,
        errors_in_formulas,
    }
}

/// Returns the types of the columns that a metric set can read, by lower-case name. A name with several types is
/// omitted.
pub fn column_types(compiler: &Compiler, root: &Node) -> Vec<(String, Type)> {
    let joins = root.items_at("joins");
    let joined = joins.iter().filter_map(|join| join.get("to"));
    let relations = root.get("from").into_iter().chain(joined).filter_map(Node::text);
    let relations = relations.filter_map(|text| schema_relation(&compiler.options, &RelationReference::read(text)?));
    let mut types: BTreeMap<String, Type> = BTreeMap::new();
    for column in relations.flat_map(Relation::columns) {
        let ty = types.entry(column.name().to_lowercase()).or_insert(column.ty());
        if *ty != column.ty() {
            *ty = Type::Unknown;
        }
    }
    let option_types = compiler.options.given_types.iter().cloned();
    option_types.chain(types).collect()
}

fn read_time(node: &Node) -> Option<MetricSetTime> {
    let column = node.text().or_else(|| node.text_at("column"))?;
    let name = match split_timeframe(column) {
        (name, "") => name,
        _ => column,
    };
    Some(MetricSetTime {
        column: name.to_owned(),
        grain: node.text_at("grain").map(str::to_owned),
        span: node.span,
    })
}

/// Metric sets by lower-case name.
#[derive(Clone, Debug, Default)]
pub struct MetricSets {
    by_name: BTreeMap<String, Arc<MetricSet>>,
}

impl MetricSets {
    pub fn insert_metric_set(&mut self, set: Arc<MetricSet>) {
        self.by_name.entry(set.name.to_lowercase()).or_insert(set);
    }

    /// Returns a copy that also contains this metric set. The new metric set replaces any existing metric set with the
    /// same name.
    pub fn with(&self, set: Arc<MetricSet>) -> Self {
        let mut sets = self.clone();
        sets.replace(set);
        sets
    }

    /// Adds a metric set, replacing any existing set with the same name.
    pub fn replace(&mut self, set: Arc<MetricSet>) {
        self.by_name.insert(set.name.to_lowercase(), set);
    }

    pub fn get(&self, name: &str) -> Option<&Arc<MetricSet>> {
        let name = name.to_lowercase();
        let set = self.by_name.get(&name);
        lookups::record_lookup(|| RecordedLookup::MetricSet(name));
        set
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<MetricSet>> {
        lookups::record_lookup(|| RecordedLookup::Everything);
        self.by_name.values()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|set| set.name.as_str())
    }
}
