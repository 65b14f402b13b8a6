//! Indirect dependencies in a source: definitions that depend on each other although neither contains the name of the
//! other.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHasher;

use crate::ast::Ast;
use crate::catalog;
use crate::check::CheckBuffers;
use crate::check::criteria::case_insensitive_text::{ComparedName, compared_criteria, text_comparison};
use crate::check::lint::WeekCallKind;
use crate::check::names::NameTarget;
use crate::ir::{ColumnUse, Ir, Program};

/// Link from a definition to a subject, such as a string or a column. The subject is stored as a hash. If at least one
/// definition has a decisive link to a subject, the results of all definitions with that subject depend on each other.
/// For example, a comparison with a string causes a warning only if there is a criterion for the same string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyLink {
    pub subject: u64,
    pub is_decisive: bool,
}

impl DependencyLink {
    fn new(subject: impl Hash, is_decisive: bool) -> Self {
        let mut hasher = FxHasher::default();
        subject.hash(&mut hasher);
        Self {
            subject: hasher.finish(),
            is_decisive,
        }
    }
}

/// Indirect dependencies of a definition.
#[derive(Clone, Debug, Default)]
pub struct DefinitionDependencies {
    pub links: Vec<DependencyLink>,
    /// Whether the types in the definition depend on other definitions that use the same values.
    pub is_open: bool,
    /// Whether a diagnostic depends on the names of all definitions.
    pub reads_all_names: bool,
    /// Number of searches for similar names, which
    /// [`MAX_SIMILAR_NAME_SEARCHES`](crate::check::MAX_SIMILAR_NAME_SEARCHES) limits.
    pub searches: usize,
}

impl DefinitionDependencies {
    /// Adds a link to a column of unknown type, because all uses of the column determine its type.
    fn add_column(&mut self, columns: &[ColumnUse], column: u32) {
        if let Some(column) = columns.get(column as usize).filter(|column| column.assumed) {
            let link = DependencyLink::new(("type", column.name.to_ascii_lowercase()), true);
            self.is_open = true;
            if !self.links.contains(&link) {
                self.links.push(link);
            }
        }
    }
}

/// Indirect dependencies in a source. Indices refer to the definitions of the syntax tree.
#[derive(Clone, Debug, Default)]
pub struct SourceDependencies {
    pub definitions: Vec<DefinitionDependencies>,
    /// First definition that uses an aggregate.
    pub first_aggregate: Option<u32>,
    /// Relation of the first column, to which all other columns must belong, and the definition that uses the first
    /// column. `None` if only one relation is possible.
    pub common_relation_and_reader: Option<(Arc<str>, u32)>,
}

/// Collects the indirect dependencies in the source that was checked last.
pub fn collect_source_dependencies(ast: &Ast, buffers: &CheckBuffers, program: &Program) -> SourceDependencies {
    let CheckBuffers { names, infer, .. } = buffers;
    let mut definitions: Vec<DefinitionDependencies> = Vec::with_capacity(ast.definitions.len());
    for definition in &ast.definitions {
        let mut facts = DefinitionDependencies {
            is_open: infer.has_variables(definition),
            ..DefinitionDependencies::default()
        };
        let nodes = definition.first.index()..definition.body.index() + 1;
        for target in names.targets.as_slice().get(nodes).unwrap_or_default() {
            if let NameTarget::Column(column) = target {
                facts.add_column(program.columns.as_slice(), *column);
            }
        }
        definitions.push(facts);
    }
    for (node, column) in &names.conflicting {
        let owner = ast.definitions.partition_point(|definition| definition.body < *node);
        if let Some(facts) = definitions.get_mut(owner) {
            facts.add_column(program.columns.as_slice(), *column);
        }
    }
    for definition in &names.unknown_names {
        if let Some(facts) = definitions.get_mut(*definition as usize) {
            facts.reads_all_names = true;
        }
    }
    for definition in &names.searches {
        if let Some(facts) = definitions.get_mut(*definition as usize) {
            facts.searches += 1;
        }
    }
    link_definitions_compared_by_lints(program, &mut definitions);
    SourceDependencies {
        definitions,
        first_aggregate: names.first_aggregate,
        common_relation_and_reader: names.common_relation_and_reader.clone(),
    }
}

/// Links the definitions that a lint compares with each other.
fn link_definitions_compared_by_lints(program: &Program, definitions: &mut [DefinitionDependencies]) {
    // The nodes of a definition end where the nodes of the next lowered definition begin.
    let mut starts: Vec<(u32, usize)> = (0..)
        .zip(&program.definitions)
        .map(|(index, d)| (d.first.0, index))
        .collect();
    starts.sort_unstable();
    let mut add = |node: u32, link: DependencyLink| {
        let index = starts.partition_point(|(start, _)| *start <= node);
        let owner = index
            .checked_sub(1)
            .and_then(|index| definitions.get_mut(starts.get(index)?.1));
        if let Some(owner) = owner.filter(|owner| !owner.links.contains(&link)) {
            owner.links.push(link);
        }
    };
    let name = |compared: ComparedName| match compared {
        ComparedName::Column(column) => program
            .columns
            .try_get(column as usize)
            .map(|c| c.name.to_ascii_lowercase()),
        ComparedName::Definition(definition_index) => {
            let definition_name = program
                .definitions
                .try_get(definition_index as usize)
                .and_then(|d| d.name.as_deref());
            definition_name.map(str::to_ascii_lowercase)
        }
    };
    for (range, (compared, text), _) in compared_criteria(program) {
        add(range.0, DependencyLink::new(("text", name(compared), text), true));
    }
    for (id, node) in (0u32..).zip(program.nodes()) {
        let Ir::Apply { overload, args } = node else { continue };
        if let Some(comparison) = text_comparison(program, node, |_| true) {
            let (compared, text) = comparison.of;
            add(id, DependencyLink::new(("text", name(compared), text), false));
        }
        match WeekCallKind::from_call(program, catalog::overload_owner(overload), args) {
            Some(WeekCallKind::Weeknum) => add(id, DependencyLink::new("week", true)),
            Some(WeekCallKind::Week) => add(id, DependencyLink::new("week", false)),
            Some(WeekCallKind::Weekday) => add(id, DependencyLink::new("weekday", true)),
            Some(WeekCallKind::DayOfWeek) => add(id, DependencyLink::new("weekday", false)),
            None => {}
        }
    }
}
