//! SQL generation for checked definitions.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::compiled::{Definition, DefinitionReads, ReadColumn};
use super::{Compiler, split_sort_key};
use crate::check::{DefinitionRole, find_sort_key_to_shift};
use crate::diag::{Code, Diagnostic};
use crate::emit::{Emitter, PeriodLookupKeys, repeated_random_value_diagnostic};
use crate::ir::{Ir, IrDefinition, IrId, Program, SortedAggregates};
use crate::limits::format_bytes;
use crate::parse;
use crate::plan::dependency_nodes;
use crate::schema::Relation;
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{self, SqlText};

impl Compiler {
    pub(super) fn emit(
        &self,
        memory: &mut CompileMemory,
        roles: &[DefinitionRole],
        text: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Definition> {
        let options = &*self.options;
        let CompileMemory {
            ast,
            program,
            emit: buffers,
            print,
            ..
        } = memory;
        buffers.tree.clear();
        let mut definitions: Vec<Definition> = Vec::with_capacity(program.definitions.len());
        let mut budget = options.limits.output;
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, buffers);
        emitter.grouped_by_keys = roles.contains(&DefinitionRole::GroupBy);
        emitter.only_relation = options
            .from
            .as_deref()
            .filter(|_| options.dialect.facts().relation_shadows_column);
        self.emit_window_keys(program, ast, roles, text, &mut emitter);
        let is_separate = !options.dialect.facts().sorted_aggregates_combine;
        let mut sorted: FxHashMap<u32, SortedAggregates> = FxHashMap::default();
        for index in &program.order {
            let definition_index = *index as usize;
            let definition = &program.definitions[definition_index];
            let part = ast.definition(*index).part;
            if definition.failed || roles.get(part as usize) != Some(&DefinitionRole::Definitions) {
                continue;
            }
            if let Some(span) = find_repeated_random_value(program, definition) {
                diagnostics.push(repeated_random_value_diagnostic(span));
                continue;
            }
            if is_separate {
                let aggregates = program.sorted_aggregates_of(*index, &sorted);
                sorted.insert(*index, aggregates[1]);
                let span = program.meta(definition.root).span;
                if !emitter.set_definition_aggregates(aggregates, span) {
                    continue;
                }
            }
            let mark = emitter.checkpoint();
            let Some(root) = emitter.emit_definition(*index) else {
                continue;
            };
            if !emitter.check_sql_repetition(*index, root) {
                continue;
            }
            let meta = program.meta(definition.root);
            let width = emitter.tree().width(root) as usize;
            if width > budget {
                budget = 0;
                diagnostics.push(output_too_large_diagnostic(definition.span, options.limits.output));
                continue;
            }
            budget -= width;
            if let Some((span, repeated)) = emitter.largest_repetition() {
                diagnostics.push(repeated_argument_diagnostic(span, &repeated.excerpt(text)));
            }
            let mut sql = SqlText::with_capacity(width);
            let mappings = if options.map_spans {
                sql::write_single_line_mapped(emitter.tree(), root, &mut sql)
            } else {
                sql::write_single_line(emitter.tree(), root, print, &mut sql);
                Vec::new()
            };
            if !definition.used {
                emitter.roll_back(mark);
                emitter.skip_sizes(definition.first, definition.root);
            }
            definitions.push(Definition {
                name: None,
                sql: sql.into_query(emitter.tree()),
                ty: meta.ty,
                level: meta.level,
                nullable: meta.nullable,
                reads: DefinitionReads::from_indices(emitter.read_columns()),
                columns: None,
                description: parse::description(text, definition.span.start),
                span: definition.span,
                mappings,
            });
        }
        diagnostics.append(&mut emitter.diagnostics);
        definitions.sort_by_key(|d| d.span.start);
        move_names_and_columns(program, &mut definitions);
        definitions
    }

    /// Emits the sort keys and partition keys of windows. As in a step of a spec, the grouping keys that are not sort
    /// keys become the partition keys, unless partition keys are specified.
    fn emit_window_keys(
        &self,
        program: &Program,
        ast: &crate::ast::Ast,
        roles: &[DefinitionRole],
        text: &str,
        emitter: &mut Emitter<'_>,
    ) {
        let default = self.options.partition_by.is_empty() && !self.options.order_by.is_empty();
        let mut order = self.options.order_by.iter();
        let mut partition = Vec::new();
        for (index, definition) in ast.definitions.iter().enumerate() {
            let role = roles.get(definition.part as usize);
            let key = order
                .as_slice()
                .first()
                .filter(|_| role == Some(&DefinitionRole::OrderBy));
            let descending = key.is_some_and(|key| split_sort_key(key).1);
            if key.is_some() {
                order.next();
            }
            if program.definitions.try_get(index).is_none_or(|d| d.failed) {
                continue;
            }
            let ordered_by = |key: &str| {
                let name = definition.span.text(text).trim();
                name.eq_ignore_ascii_case(split_sort_key(key).0)
            };
            let partition_key = |emitter: &mut Emitter<'_>| {
                let sql = emitter.emit_definition(index as u32)?;
                Some(emitter.partition_key(program.definitions[index].root, sql))
            };
            match role {
                Some(DefinitionRole::PartitionBy) => {
                    let key = partition_key(emitter);
                    emitter.windows.own_partition.extend(key);
                    partition.extend(key);
                }
                Some(DefinitionRole::GroupBy)
                    if default && !self.options.order_by.iter().any(|key| ordered_by(key)) =>
                {
                    partition.extend(partition_key(emitter));
                }
                Some(DefinitionRole::OrderBy) => {
                    if let Some(sql) = emitter.emit_definition(index as u32) {
                        let nullable = program.meta(program.definitions[index].root).nullable;
                        let key = emitter.emit_order_by_key(sql, descending, nullable);
                        emitter.windows.order.push(key);
                    }
                }
                _ => {}
            }
        }
        emitter.windows.partition = partition;
        if !program.periods.is_empty() {
            emitter.windows.period_lookup_keys = self.emit_period_keys(program, ast, roles, text, emitter);
        }
    }

    /// Returns the keys for period lookups: the first date among the sort keys, and the partition keys. `None` unless
    /// these keys include all grouping keys or, without grouping keys, the key of the relation, because a period could
    /// otherwise contain several rows.
    fn emit_period_keys(
        &self,
        program: &Program,
        ast: &crate::ast::Ast,
        roles: &[DefinitionRole],
        text: &str,
        emitter: &mut Emitter<'_>,
    ) -> Option<PeriodLookupKeys> {
        let definitions_with_role = |definition_role: DefinitionRole| {
            let definitions = ast.definitions.iter().zip(&program.definitions).enumerate();
            let role_definitions = definitions.filter(move |(_, (d, ir_definition))| {
                roles.get(d.part as usize) == Some(&definition_role) && !ir_definition.failed
            });
            role_definitions
                .map(|(index, (d, ir_definition))| (index as u32, ir_definition.root, d.span.text(text).trim()))
        };
        let root = find_sort_key_to_shift(
            program,
            definitions_with_role(DefinitionRole::OrderBy).map(|(_, root, _)| root),
        )?;
        let (index, _, name) =
            definitions_with_role(DefinitionRole::OrderBy).find(|(_, key_root, _)| *key_root == root)?;
        let name = split_sort_key(name).0;
        let groups: Vec<(u32, &str)> = definitions_with_role(DefinitionRole::GroupBy)
            .map(|(index, _, name)| (index, name))
            .collect();
        let parts: Vec<(u32, &str)> = definitions_with_role(DefinitionRole::PartitionBy)
            .map(|(index, _, name)| (index, name))
            .collect();
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let relation = self
            .options
            .from
            .as_deref()
            .and_then(|from| self.options.schema.relation(from));
        let key_names: Vec<&str> = if groups.is_empty() {
            relation
                .into_iter()
                .flat_map(Relation::key)
                .map(String::as_str)
                .collect()
        } else {
            groups.iter().map(|(_, name)| *name).collect()
        };
        let default = parts.is_empty();
        let equal = if default {
            groups.into_iter().filter(|(_, name)| !is(name)).collect()
        } else {
            parts
        };
        let is_sort_or_partition_key =
            |name: &&str| is(name) || equal.iter().any(|(_, other)| other.eq_ignore_ascii_case(name));
        if !key_names.iter().any(|name| is(name)) || !key_names.iter().all(is_sort_or_partition_key) {
            return None;
        }
        let mut partition = Vec::with_capacity(equal.len());
        for (index, _) in equal {
            let sql = emitter.emit_definition(index)?;
            partition.push(emitter.partition_key(program.definition_root(index), sql));
        }
        let key = emitter.emit_definition(index)?;
        Some(PeriodLookupKeys {
            partition,
            key,
            nullable: program.meta(root).nullable,
        })
    }
}

/// Moves the names and columns from the program into the definitions, because a move is cheaper than sharing or
/// copying.
fn move_names_and_columns(program: &mut Program, definitions: &mut [Definition]) {
    let mut ir_definitions = program.definitions.iter_mut();
    for definition in &mut *definitions {
        definition.name = ir_definitions
            .find(|d| d.span == definition.span)
            .and_then(|d| d.name.take());
    }
    if let (false, Some((last, others))) = (program.columns.is_empty(), definitions.split_last_mut()) {
        let columns: Arc<[ReadColumn]> = program.columns.drain().map(ReadColumn::from).collect();
        others.iter_mut().for_each(|d| d.columns = Some(Arc::clone(&columns)));
        last.columns = Some(columns);
    }
}

fn repeated_argument_diagnostic(span: Span, part: &str) -> Diagnostic {
    let message = format!("`{part}` occurs more than once in the SQL");
    Diagnostic::new(Code::RepeatedArgument, span, message)
        .with_help("make the repeated part a definition in a spec, so that `formulac query` computes it only once")
}

fn output_too_large_diagnostic(span: Span, limit: usize) -> Diagnostic {
    let message = format!("the SQL of all definitions is longer than {}", format_bytes(limit));
    Diagnostic::new(Code::OutputTooLarge, span, message)
        .with_help("compile a spec with `formulac query`, which computes each repeated value once")
}

/// Returns the position of a random value that a definition uses more than once.
fn find_repeated_random_value(program: &Program, definition: &IrDefinition) -> Option<Span> {
    let is_volatile = |id: IrId| program.meta(id).volatile;
    if !is_volatile(definition.root) {
        return None;
    }
    let mut seen_values = FxHashSet::default();
    let nodes = dependency_nodes(program, definition.first, definition.root);
    let mut operands = nodes.iter().flat_map(|node| program.operands(*node));
    let again = operands.find(|operand| {
        let value = match program.node(*operand) {
            Ir::Definition(definition_index) => program.definition_root(definition_index),
            _ => *operand,
        };
        is_volatile(value) && !seen_values.insert(value)
    });
    again.map(|operand| program.meta(operand).span)
}
