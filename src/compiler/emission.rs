//! The SQL of checked definitions, one after the other, and the columns that each reads.

use std::sync::Arc;

use super::compiled::{Definition, ReadColumn};
use super::{Compiler, order_key};
use crate::check::Role;
use crate::diag::{Code, Diagnostic};
use crate::emit::Emitter;
use crate::ir::{Ir, Program};
use crate::memory::Memory;
use crate::parse;
use crate::sql;

impl Compiler {
    pub(super) fn emit(
        &self,
        memory: &mut Memory,
        roles: &[Role],
        text: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Definition> {
        let options = &*self.options;
        let Memory { ast, program, emit: work, reads, print, .. } = memory;
        work.tree.clear();
        let mut definitions: Vec<Definition> = Vec::with_capacity(program.definitions.len());
        reads.reset(program);
        let mut budget = options.limits.output;
        let mut emitter = Emitter::new(program, options.dialect, &options.limits, work);
        emitter.grouped_by_keys = roles.contains(&Role::GroupBy);
        self.windows(program, ast, roles, &mut emitter);
        for index in &program.order {
            let at = *index as usize;
            let definition = &program.definitions[at];
            let part = ast.definitions[at].part;
            if definition.failed || roles.get(part as usize) != Some(&Role::Definitions) {
                continue;
            }
            let read = reads.of(program, at, &definitions);
            let mark = emitter.mark_tree();
            let Some(root) = emitter.definition(*index) else { continue };
            let meta = program.meta(definition.root);
            let width = emitter.tree().width(root) as usize;
            if width > budget {
                budget = 0;
                diagnostics.push(
                    Diagnostic::new(
                        Code::OutputTooLarge,
                        definition.span,
                        format!("the SQL of all definitions is more than {} MiB long", options.limits.output >> 20),
                    )
                    .with_help("compile a spec with `formulac query`, which names what is used again"),
                );
                continue;
            }
            budget -= width;
            if let Some((span, repeated)) = emitter.repetition() {
                let part = repeated.excerpt(text);
                diagnostics.push(
                    Diagnostic::new(Code::RepeatedArgument, span, format!("`{part}` stands more than once in the SQL"))
                        .with_help("name it as a definition of a spec; `formulac query` computes it once"),
                );
            }
            let mut sql = String::with_capacity(width);
            let mappings = if options.map_spans {
                sql::flat_mapped(emitter.tree(), root, &mut sql)
            } else {
                sql::flat(emitter.tree(), root, print, &mut sql);
                Vec::new()
            };
            if !definition.used {
                emitter.forget(mark);
            }
            reads.note(at, definitions.len());
            definitions.push(Definition {
                name: definition.name.clone(),
                sql,
                ty: meta.ty,
                level: meta.level,
                nullable: meta.nullable,
                reads: read,
                columns: None,
                description: parse::description(text, definition.span.start),
                span: definition.span,
                mappings,
            });
        }
        diagnostics.append(&mut emitter.diagnostics);
        definitions.sort_by_key(|d| d.span.start);
        let columns: Arc<[ReadColumn]> = program.columns.drain(..).map(ReadColumn).collect();
        definitions.iter_mut().for_each(|d| d.columns = Some(Arc::clone(&columns)));
        definitions
    }

    /// The SQL of the order and the partitions of windows.
    fn windows(&self, program: &Program, ast: &crate::ast::Ast, roles: &[Role], emitter: &mut Emitter<'_>) {
        let mut keys = self.options.order_by.iter();
        for (index, definition) in ast.definitions.iter().enumerate() {
            let role = roles.get(definition.part as usize);
            let descending =
                if role == Some(&Role::OrderBy) { keys.next().is_some_and(|k| order_key(k).1) } else { false };
            if program.definitions.get(index).is_none_or(|d| d.failed) {
                continue;
            }
            match role {
                Some(Role::PartitionBy) => {
                    let sql = emitter.definition(index as u32);
                    emitter.windows.partition.extend(sql);
                }
                Some(Role::OrderBy) => {
                    if let Some(sql) = emitter.definition(index as u32) {
                        let nullable = program.meta(program.definitions[index].root).nullable;
                        let key = emitter.order_key(sql, descending, nullable);
                        emitter.windows.order.push(key);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Which columns definitions read.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// By column: the last definition, counted from 1, that was seen to read it.
    seen: Vec<usize>,
    found: Vec<u32>,
    /// By definition: its place among the compiled ones.
    places: Vec<usize>,
}

impl Reads {
    fn reset(&mut self, program: &Program) {
        self.seen.clear();
        self.seen.resize(program.columns.len(), 0);
        self.places.clear();
        self.places.resize(program.definitions.len(), usize::MAX);
    }

    fn note(&mut self, definition: usize, place: usize) {
        self.places[definition] = place;
    }

    /// The columns that a definition reads, those of the definitions that it uses included.
    fn of(&mut self, program: &Program, index: usize, compiled: &[Definition]) -> Vec<u32> {
        self.found.clear();
        let mut read = |column: u32| {
            if std::mem::replace(&mut self.seen[column as usize], index + 1) != index + 1 {
                self.found.push(column);
            }
        };
        for node in program.nodes_of(&program.definitions[index]) {
            match *node {
                Ir::Column(column) => read(column),
                Ir::Definition(used) => {
                    let used = compiled.get(self.places[used as usize]);
                    used.map_or(&[][..], |d| &d.reads).iter().for_each(|c| read(*c));
                }
                _ => {}
            }
        }
        self.found.clone()
    }
}
