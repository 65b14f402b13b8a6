//! Reads the first step of a spec: its input, keys and definitions.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::FormulaTrees;
use crate::Level;
use crate::arena::Arena;
use crate::catalog_lookup::schema_relation;
use crate::check::DefinitionRole;
use crate::checks::is_identifier;
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::joins::{JoinCriterion, JoinedRelation};
use crate::load::{self, SpannedText, SpecKind, Step, StepDefinitions};
use crate::metrics::{
    INHERITED_SETTINGS, MetricFormula, analyze, find_step_over_metric_sets, format_node_inline, period_unit,
};
use crate::plan::{key_name, split_timeframe};
use crate::span::Span;
use crate::sql::JoinKind;
use crate::yaml::{self, Node};

/// First step of a spec that reads a relation.
#[derive(Clone, Debug)]
pub struct FirstStep {
    /// Name of the spec's model.
    pub model: String,
    /// `true` if the spec has no `steps`, so the keys of the step are at the top level.
    pub is_at_top: bool,
    /// Whether the rows of the step are the rows of the model.
    pub is_last: bool,
    /// Metric set that the step reads. `None` if the step reads a relation.
    pub metric_set: Option<String>,
    /// Relation as written in the spec.
    pub from: String,
    /// Text that identifies the relation: its `ref` or `source` call, if it has one.
    pub relation: String,
    /// Last part of the relation's name.
    pub relation_name: String,
    /// Joins in the order of the file.
    pub joins: Vec<FirstStepJoin>,
    /// Filter of the rows.
    pub filter: Option<FirstStepFilter>,
    /// Settings of the spec that a metric set can have.
    pub settings: Vec<(&'static str, String)>,
    /// Entries of `group_by`.
    pub keys: Vec<FirstStepGroupKey>,
    /// Entries of `order_by`, with their directions.
    pub order_by: Option<Vec<String>>,
    /// Entries of `partition_by`.
    pub partition_by: Option<Vec<String>>,
    /// Definitions in the order of the file.
    pub definitions: Arena<FirstStepDefinition>,
    /// Text of `definitions`, if it is a text block.
    pub block: Option<String>,
}

/// Join of a first step.
#[derive(Clone, Debug)]
pub struct FirstStepJoin {
    /// Name that qualifies the relation's columns, in lower case.
    pub name: String,
    /// Text that identifies the join. Joins with equal text are the same.
    pub identity: String,
    /// Join as a YAML flow mapping.
    pub text: String,
    /// Whether the join filters rows.
    pub is_inner: bool,
}

/// Filter of a first step.
#[derive(Clone, Debug)]
pub struct FirstStepFilter {
    /// ID of the formula's tree.
    pub tree: u32,
    /// Formula of the filter.
    pub text: String,
}

/// Entry of `group_by`.
#[derive(Clone, Debug)]
pub struct FirstStepGroupKey {
    /// Text of the entry.
    pub text: String,
    /// Name of the key's column.
    pub name: String,
    /// Column and period, if the key is a period of a column.
    pub period: Option<(String, String)>,
    /// Definition to which the key refers.
    pub definition: Option<usize>,
}

/// Definition of a first step.
#[derive(Clone, Debug)]
pub struct FirstStepDefinition {
    /// Defined name.
    pub name: String,
    /// Origin of the definition.
    pub origin: FirstStepDefinitionSource,
    /// ID of the formula's tree.
    pub tree: u32,
    /// Level at which the formula is evaluated, such as per row or per group.
    pub level: Level,
    /// Formula as written.
    pub formula: String,
    /// Comments above the definition, one per line, without the comments that form its description. YAML comments are
    /// written as comments of formulas.
    pub comments: Vec<String>,
    /// Byte range of the YAML comments directly above the definition in the file. Empty if there are no comments.
    pub yaml_comments: Range<usize>,
    /// Comment after the formula. Empty if there is no comment.
    pub note: String,
    /// Description of the definition.
    pub description: Option<String>,
    /// dbt keys of the definition, as YAML: `data_tests`, `meta`.
    pub keys: Vec<(&'static str, String)>,
    /// Names in the formula that refer to other definitions of the step, each with its byte range and the index of the
    /// definition.
    pub uses: Vec<(Range<usize>, usize)>,
    /// Whether the formula uses the definition's own name. In the formula, this name refers to a column.
    pub reads_own_name: bool,
    /// Whether the formula aggregates columns, and not only other definitions.
    pub has_aggregates: bool,
    /// Bytes of the text block that belong to the definition, including the comments above it.
    pub segment: Option<Range<usize>>,
    /// Bytes of the definition in the file.
    pub span: Span,
}

/// Origin of a definition in a first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStepDefinitionSource {
    /// The spec contains the definition.
    Spec,
    /// The spec lists a metric of a metric set.
    Listed,
    /// A formula of the spec uses a metric of a metric set, but the spec does not list the metric.
    Used,
}

/// Reads the first step of a spec. Returns `None` for a file that is not a spec with `from`. Returns an error with the
/// reason if the step's definitions cannot be definitions of a metric set.
pub fn read_first_step(compiler: &Compiler, trees: &mut FormulaTrees, text: &str) -> Option<Result<FirstStep, String>> {
    let root = yaml::parse_root(text)?;
    if root.get("metric_set").is_some() || find_step_over_metric_sets(&root).is_some() {
        return None;
    }
    let spec = load::load(&root, text, SpecKind::Written, &mut Vec::new())?;
    let step = spec.steps.first()?;
    let reason = match step {
        Step { sheet: Some(_), .. } => Some("the first step is a worksheet"),
        step if step.joins.iter().any(may_multiply_rows) => {
            Some("a metric set can contain only left and inner joins that match at most one row")
        }
        _ => None,
    };
    if let Some(reason) = reason {
        return Some(Err(reason.to_owned()));
    }
    let source = StepSource {
        root: &root,
        text,
        model: spec.model.text,
        from: &spec.from,
        is_last: spec.steps.len() == 1,
    };
    Some(source.read_step(compiler, trees, step).and_then(|step| {
        let is_grouped = step.definitions.iter().any(|definition| definition.level > Level::Row);
        is_grouped
            .then_some(step)
            .ok_or_else(|| "the first step has no aggregates".to_owned())
    }))
}

/// Reads a metric set with `from` as a step without keys. Returns `None` if the file is not such a metric set, or if
/// its definitions cannot be compared with those of specs.
pub fn read_metric_set_as_step(compiler: &Compiler, trees: &mut FormulaTrees, text: &str) -> Option<FirstStep> {
    let root = yaml::parse_root(text)?;
    let model = root.text_at("metric_set")?;
    let from = RelationReference::read(root.text_at("from")?)?;
    let steps = load::load_steps(&root, text);
    let source = StepSource {
        root: &root,
        text,
        model,
        from: &from,
        is_last: true,
    };
    source.read_step(compiler, trees, steps.first()?).ok()
}

/// File that contains a step.
struct StepSource<'s> {
    root: &'s Node,
    text: &'s str,
    /// Name of the model or metric set.
    model: &'s str,
    from: &'s RelationReference,
    is_last: bool,
}

impl StepSource<'_> {
    fn read_step(&self, compiler: &Compiler, trees: &mut FormulaTrees, step: &Step<'_>) -> Result<FirstStep, String> {
        let Self { root, text, from, .. } = *self;
        let nodes = root.get("steps").and_then(Node::items);
        let node = nodes.and_then(|steps| steps.first()).unwrap_or(root);
        let (formulas, _) = analyze(compiler, step, text);
        let definitions = read_definitions(compiler, trees, step, (text, from.name()), &formulas, Arena::new())?;
        let places = definition_indexes(&definitions);
        // In a condition on rows, a name refers to a column if there is a column with that name. A definition that uses
        // its own name reads such a column.
        let relation = schema_relation(&compiler.options, from);
        let is_column = |definition: &FirstStepDefinition| {
            definition.reads_own_name
                || relation.is_some_and(|relation| relation.position(definition.name.as_str()).is_some())
        };
        let number = |trees: &mut FormulaTrees, formula: &str| {
            let definition_id = |name: &str| {
                let definition = &definitions[*places.get(&name.to_lowercase())?];
                Some(definition.tree).filter(|_| !is_column(definition))
            };
            trees.tree_id((formula, from.name()), &compiler.options.limits, definition_id)
        };
        let filter = step.filter.and_then(|filter| {
            Some(FirstStepFilter {
                tree: number(trees, filter.text)?,
                text: filter.text.trim().to_owned(),
            })
        });
        let joins = node.items_at("joins");
        let joins = step.joins.iter().zip(joins).map(|(join, node)| FirstStepJoin {
            name: join.name().to_lowercase(),
            identity: join_identity(join, |formula| number(trees, formula)),
            text: format_node_inline(node),
            is_inner: join.kind == JoinKind::Inner,
        });
        let joins = joins.collect();
        let block = step.definitions.iter().find_map(|definitions| match definitions {
            StepDefinitions::Block(text) => Some(text.text.to_owned()),
            StepDefinitions::Named { .. } => None,
        });
        let keys = step
            .group_by
            .iter()
            .map(|key| read_group_key(key.text, &definitions, &places));
        let keys = keys.collect();
        Ok(FirstStep {
            model: self.model.to_owned(),
            is_at_top: nodes.is_none(),
            is_last: self.is_last,
            metric_set: None,
            from: root.text_at("from").unwrap_or_default().trim().to_owned(),
            relation: relation_identity(from),
            relation_name: from.name().to_owned(),
            joins,
            filter,
            settings: INHERITED_SETTINGS
                .iter()
                .filter_map(|key| Some((*key, root.text_at(key)?.to_owned())))
                .collect(),
            keys,
            order_by: node.get("order_by").map(|_| texts(&step.order_by)),
            partition_by: step.partition_by.as_deref().map(texts),
            definitions,
            block,
        })
    }
}

fn texts(entries: &[SpannedText<'_>]) -> Vec<String> {
    entries.iter().map(|entry| entry.text.trim().to_owned()).collect()
}

fn may_multiply_rows(join: &JoinedRelation<'_>) -> bool {
    join.many || !matches!(join.kind, JoinKind::Left | JoinKind::Inner)
}

/// Returns the text that identifies a relation: its `ref` or `source` call if it has one.
#[must_use]
pub fn relation_identity(relation: &RelationReference) -> String {
    relation
        .ref_call()
        .unwrap_or_else(|| relation.display_name().into_owned())
}

fn join_identity(join: &JoinedRelation<'_>, mut number: impl FnMut(&str) -> Option<u32>) -> String {
    let criterion = match &join.criterion {
        JoinCriterion::On(text) => format!("on {:?}", number(text.text)),
        JoinCriterion::Using(columns) => {
            let columns: Vec<String> = columns.iter().map(|column| column.text.to_lowercase()).collect();
            format!("using {}", columns.join(","))
        }
        JoinCriterion::Nothing => String::new(),
    };
    format!(
        "{:?} {} as {} {criterion}",
        join.kind,
        relation_identity(&join.to),
        join.name().to_lowercase()
    )
}

/// Returns the index of each definition by its lower-case name.
fn definition_indexes(definitions: &Arena<FirstStepDefinition>) -> FxHashMap<String, usize> {
    let names = definitions.iter().map(|definition| definition.name.to_lowercase());
    names.zip(0..).collect()
}

fn read_group_key(
    text: &str,
    definitions: &Arena<FirstStepDefinition>,
    places: &FxHashMap<String, usize>,
) -> FirstStepGroupKey {
    let definition = places.get(&text.trim().to_lowercase()).copied();
    let formula = definition.map_or(text, |index| definitions[index].formula.as_str());
    let period = Some(split_timeframe(formula)).filter(|(column, frame)| {
        period_unit(frame).is_some() && column.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    });
    FirstStepGroupKey {
        text: text.trim().to_owned(),
        name: key_name(text),
        period: period.map(|(column, frame)| (column.to_owned(), frame.to_lowercase())),
        definition,
    }
}

/// Reads the definitions of a step. `definitions` contains metrics of a metric set, to which the formulas can refer.
pub(super) fn read_definitions(
    compiler: &Compiler,
    trees: &mut FormulaTrees,
    step: &Step<'_>,
    (source, relation): (&str, &str),
    formulas: &[MetricFormula],
    mut definitions: Arena<FirstStepDefinition>,
) -> Result<Arena<FirstStepDefinition>, String> {
    let formulas: Vec<&MetricFormula> = formulas
        .iter()
        .filter(|formula| formula.role == DefinitionRole::Definitions)
        .collect();
    let of_set = definitions.len();
    let mut places = definition_indexes(&definitions);
    places.extend(formulas.iter().map(|formula| formula.name.to_lowercase()).zip(of_set..));
    if places.len() < of_set + formulas.len() {
        return Err("a name is defined twice".to_owned());
    }
    for (index, formula) in (of_set..).zip(&formulas) {
        if !is_identifier(&formula.name) {
            return Err(format!("the name `{}` is not a valid name for a metric", formula.name));
        }
        let names = formula.names.iter().filter(|name| name.qualifier.is_none());
        let uses = names.filter_map(|name| Some((name.range.clone(), *places.get(&name.name.to_lowercase())?)));
        definitions.push(FirstStepDefinition {
            name: formula.name.clone(),
            origin: FirstStepDefinitionSource::Spec,
            tree: 0,
            level: formula.level,
            formula: formula.text.clone(),
            comments: Vec::new(),
            yaml_comments: 0..0,
            note: String::new(),
            description: formula.description.clone(),
            keys: formula
                .keys
                .iter()
                .map(|(key, node)| (*key, format_node_inline(node)))
                .collect(),
            reads_own_name: uses.clone().any(|(_, dependency)| dependency == index),
            uses: uses.filter(|(_, dependency)| *dependency != index).collect(),
            has_aggregates: !formula.aggregates.is_empty(),
            segment: None,
            span: formula.span,
        });
    }
    let order = dependency_order(&definitions).ok_or("the definitions depend on each other in a cycle")?;
    for index in order.into_iter().filter(|index| *index >= of_set) {
        let tree_of_name = |name: &str| {
            let dependency = places
                .get(&name.to_lowercase())
                .filter(|definition_index| **definition_index != index)?;
            Some(definitions[*dependency].tree)
        };
        definitions[index].tree = trees
            .tree_id(
                (&definitions[index].formula, relation),
                &compiler.options.limits,
                tree_of_name,
            )
            .ok_or_else(|| format!("the formula of `{}` has an error", definitions[index].name))?;
    }
    for step_definition in &step.definitions {
        match step_definition {
            StepDefinitions::Block(text) => {
                let offsets = yaml::source_offsets(text.node, source);
                let text_offset = |offset: u32| {
                    offsets
                        .partition_point(|file_offset| *file_offset < offset)
                        .min(text.text.len())
                };
                let places: Vec<Range<usize>> = formulas
                    .iter()
                    .map(|formula| text_offset(formula.span.start)..text_offset(formula.span.end))
                    .collect();
                split_block_by_definition(text.text, &places, definitions.iter_mut().skip(of_set))?;
            }
            StepDefinitions::Named { name, .. } => {
                let own_definition = definitions
                    .iter_mut()
                    .skip(of_set)
                    .find(|definition| definition.name == name.text);
                if let Some(definition) = own_definition {
                    definition.yaml_comments = yaml_comments_above(source, name.node.span.start as usize);
                    let lines = source.get(definition.yaml_comments.clone()).unwrap_or_default().lines();
                    let comments = lines.map(|line| line.trim().replacen('#', "//", 1));
                    definition.comments = comments.collect();
                }
            }
        }
    }
    Ok(definitions)
}

/// Returns the byte range of the YAML comments directly above the line that contains an offset.
fn yaml_comments_above(source: &str, offset: usize) -> Range<usize> {
    let text_above = source.get(..offset).unwrap_or_default();
    let end = text_above.rfind('\n').map_or(0, |line_break| line_break + 1);
    let lines = text_above.get(..end).unwrap_or_default().split_inclusive('\n').rev();
    let comments = lines.take_while(|line| line.trim_start().starts_with('#'));
    end - comments.map(str::len).sum::<usize>()..end
}

/// Returns the indexes of the definitions, in dependency order. `None` if they form a cycle.
fn dependency_order(definitions: &Arena<FirstStepDefinition>) -> Option<Vec<usize>> {
    let mut missing: Arena<usize> = definitions.iter().map(|definition| definition.uses.len()).collect();
    let mut readers: Arena<Vec<usize>> = Arena::filled(Vec::new(), definitions.len());
    for (index, definition) in definitions.iter().enumerate() {
        definition
            .uses
            .iter()
            .for_each(|(_, dependency)| readers[*dependency].push(index));
    }
    let mut order: Vec<usize> = (0..definitions.len()).filter(|index| missing[*index] == 0).collect();
    let mut next = 0;
    while let Some(index) = order.get(next).copied() {
        next += 1;
        for reader in &readers[index] {
            missing[*reader] -= 1;
            if missing[*reader] == 0 {
                order.push(*reader);
            }
        }
    }
    (order.len() == definitions.len()).then_some(order)
}

/// Splits a text block into the lines of each definition, with the comments above it. `places` contains the byte ranges
/// of the definitions.
fn split_block_by_definition<'d>(
    text: &str,
    places: &[Range<usize>],
    definitions: impl Iterator<Item = &'d mut FirstStepDefinition>,
) -> Result<(), String> {
    let mut start = 0;
    for (index, (range, definition)) in places.iter().zip(definitions).enumerate() {
        let rest = text.get(range.end..).unwrap_or_default();
        let line_end = range.end + rest.find('\n').unwrap_or(rest.len());
        let text_above = text.get(start..range.start).unwrap_or_default();
        let note = text.get(range.end..line_end).unwrap_or_default().trim();
        let is_own_line = text_above.rsplit('\n').next().unwrap_or_default().trim().is_empty();
        if !is_own_line || !(note.is_empty() || note.starts_with("//")) {
            return Err("the definitions are not on separate lines".to_owned());
        }
        let comments = text_above.lines().map(str::trim).filter(|line| !line.is_empty());
        definition.comments = comments.map(str::to_owned).collect();
        while definition.description.is_some() && definition.comments.last().is_some_and(|line| line.starts_with("///"))
        {
            definition.comments.pop();
        }
        note.clone_into(&mut definition.note);
        let is_last = index + 1 == places.len();
        let end = if is_last {
            text.len()
        } else {
            (line_end + 1).min(text.len())
        };
        let lines_below = text.get(line_end..end).unwrap_or_default().lines().map(str::trim);
        definition.comments.extend(
            lines_below
                .filter(|line| is_last && !line.is_empty())
                .map(str::to_owned),
        );
        definition.segment = Some(start..end);
        start = end;
    }
    Ok(())
}
