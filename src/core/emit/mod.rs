//! Emitter: translates the typed IR to SQL expressions in one dialect. The emitter loops over the nodes that are needed
//! and does not recurse.

mod calendar_windows;
mod calls;
mod column_names;
mod digits;
mod keys;
mod literal_operands;
mod nodes;
mod numbers;
mod period;
mod reachable_values;
mod reads;
mod repetition;
mod rounded;
mod size;
mod template;
mod truncated;
mod windows;

pub use period::{PeriodLookupKeys, supports_calendar_frames};
pub use repetition::repeated_random_value_diagnostic;
pub use windows::SelectWindowKeys;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Type;
use crate::arena::Arena;
use crate::diag::Diagnostic;
use crate::dialect::{Cell, Dialect, Template};
use crate::ir::{Ir, IrId, Program};
use crate::limits::Limits;
use crate::schema::DecimalDigits;
use crate::span::Span;
use crate::sql::{SqlId, SqlTree};

/// Scratch buffers for the emitter, reused for the next source.
#[derive(Debug, Default)]
pub struct EmitBuffers {
    pub tree: SqlTree,
    /// SQL expression of each IR node.
    sql: Arena<SqlId>,
    /// Number of bytes that templates add by repeating arguments, for each node of the SQL tree.
    repeated: Arena<u64>,
    /// SQL expression of each definition.
    roots: Arena<Option<SqlId>>,
    columns: Arena<EmittedColumn>,
    /// Columns whose names are already in the tree, in insertion order.
    named_columns: Vec<u32>,
    needed: Arena<bool>,
    /// Sizes of numbers, by IR node. The sizes are computed on demand, up to the last requested node.
    sizes: Arena<u32>,
    /// Precision and scale of decimals, by IR node. Also computed on demand, up to the last requested node.
    digits: Arena<Option<DecimalDigits>>,
    template: template::TemplateBuffers,
    reads: reads::ColumnReadRecord,
}

/// State of a column during emission.
#[derive(Clone, Copy, Debug, Default)]
struct EmittedColumn {
    /// Tree node with the column's name.
    name: Option<SqlId>,
    /// Number of the last definition that reads the column, starting from 1.
    reader: u32,
}

impl EmitBuffers {
    /// Clears everything except the tree, which the steps of a query share.
    fn reset(&mut self, program: &Program) {
        let Self {
            tree: _,
            sql,
            repeated,
            roots,
            columns,
            named_columns,
            needed,
            sizes,
            digits,
            template: _,
            reads,
        } = self;
        sql.clear();
        sql.resize(program.len(), NO_NODE);
        repeated.clear();
        roots.clear();
        roots.resize(program.definitions.len(), None);
        columns.clear();
        columns.resize(program.columns.len(), EmittedColumn::default());
        named_columns.clear();
        sizes.clear();
        digits.clear();
        reads.reset(program);
        needed.clear();
        needed.resize(if program.has_unused_nodes { program.len() } else { 0 }, false);
    }
}

pub struct Emitter<'p> {
    pub program: &'p Program,
    pub dialect: Dialect,
    limits: &'p Limits,
    /// Whether the query has grouping keys. With grouping keys, every group contains at least one row, so a sum of
    /// non-NULL values is never NULL.
    pub grouped_by_keys: bool,
    /// Relation that qualifies column names. Set only if a column could be confused with an output of the same name.
    pub qualifier: Option<SqlId>,
    /// Whether the select reads several relations. If `true`, every column is qualified with its own relation.
    joined: bool,
    /// Whether the input is an earlier select of the same step. If `true`, no column is qualified with its original
    /// relation.
    passed_on: bool,
    /// Names of the columns that the earlier select renames, by column index.
    pub renamed: FxHashMap<u32, String>,
    /// Column names that are quoted in the source, which means that they are case-sensitive.
    pub cased: FxHashSet<String>,
    /// Whether every column must be qualified, for example because a column of the relation has the same name as the
    /// relation.
    pub shadowed: bool,
    /// Whether the name of a column or definition could also be an alias in a template.
    has_alias_names: bool,
    /// Relation that a standalone expression reads. Set only in dialects in which the name of a relation hides a column
    /// of the same name.
    pub only_relation: Option<&'p str>,
    pub windows: SelectWindowKeys,
    /// Nodes that are emitted as columns of the current relation.
    read: FxHashSet<IrId>,
    buffers: &'p mut EmitBuffers,
    warned: Option<(Span, Span)>,
    pub diagnostics: Vec<Diagnostic>,
    failed: bool,
    /// Functions that the formulas call, by position. Collected for the first error that needs them.
    called_functions: Option<FxHashMap<Span, &'static str>>,
    /// Whether the program has aggregates that sort different values and that the dialect does not support in the same
    /// select.
    sorts_different_values: bool,
}

/// Checkpoint of the emitter: the size of the tree and the number of column names in the tree.
#[derive(Clone, Copy, Debug)]
pub struct EmitterCheckpoint {
    tree: (usize, usize, usize),
    named_columns: usize,
}

const NO_NODE: SqlId = SqlId(u32::MAX);

impl<'p> Emitter<'p> {
    /// Creates an emitter that adds nodes to the SQL tree in `buffers`.
    pub fn new(program: &'p Program, dialect: Dialect, limits: &'p Limits, buffers: &'p mut EmitBuffers) -> Self {
        buffers.reset(program);
        let mut names = program.columns.iter().map(|column| &*column.name).chain(
            program
                .definitions
                .iter()
                .filter_map(|definition| definition.name.as_deref()),
        );
        let has_alias_names = names.any(template::resembles_template_alias);
        Self {
            has_alias_names,
            program,
            dialect,
            limits,
            grouped_by_keys: false,
            qualifier: None,
            joined: false,
            passed_on: false,
            renamed: FxHashMap::default(),
            cased: FxHashSet::default(),
            shadowed: false,
            only_relation: None,
            read: FxHashSet::default(),
            windows: SelectWindowKeys::default(),
            buffers,
            warned: None,
            diagnostics: Vec::new(),
            failed: false,
            called_functions: None,
            sorts_different_values: !dialect.facts().sorted_aggregates_combine && program.sorts_different_values(),
        }
    }

    pub fn tree(&mut self) -> &mut SqlTree {
        &mut self.buffers.tree
    }

    /// Emits a definition and returns its expression. The definitions that it uses must be emitted first because they
    /// are inlined. If the dialect cannot express the definition, reports an error and returns `None`.
    pub fn emit_definition(&mut self, index: u32) -> Option<SqlId> {
        let program = self.program;
        let definition = &program.definitions[index as usize];
        let (first, root) = (definition.first, definition.root);
        self.failed = false;
        self.warned = None;
        self.start_recording_reads(index);
        if definition.has_unused_nodes {
            self.mark_live_nodes(first, root);
        }
        for (id, entry) in program.entries(first, root) {
            if definition.has_unused_nodes && !self.buffers.needed[id.index()] {
                self.record_reads_of_folded_node(id);
                continue;
            }
            self.emit_node(id, entry);
            if !self.buffers.repeated.is_empty() && self.sum_operand_repetition(id) > self.limits.repetition as u64 {
                self.report_sql_too_large(id);
                break;
            }
        }
        if self.failed {
            return None;
        }
        self.finish_recording_reads(index);
        let root_sql = self.emit_root(root);
        self.buffers.roots[index as usize] = Some(root_sql);
        Some(root_sql)
    }

    /// Returns a checkpoint of the tree.
    pub fn checkpoint(&self) -> EmitterCheckpoint {
        EmitterCheckpoint {
            tree: self.buffers.tree.checkpoint(),
            named_columns: self.buffers.named_columns.len(),
        }
    }

    /// Removes the nodes that were added after a checkpoint. None of the remaining nodes may depend on the removed
    /// nodes.
    pub fn roll_back(&mut self, checkpoint: EmitterCheckpoint) {
        let buffers = &mut *self.buffers;
        buffers.tree.truncate_to(checkpoint.tree);
        buffers.repeated.truncate(buffers.tree.len());
        for column in buffers.named_columns.drain(checkpoint.named_columns..) {
            buffers.columns[column as usize].name = None;
        }
    }

    /// Marks the nodes on which the root depends. Other nodes do not appear in the SQL, because lowering replaced them
    /// with simpler expressions.
    fn mark_live_nodes(&mut self, first: IrId, root: IrId) {
        self.buffers.needed[root.index()] = true;
        for node_index in (first.0..=root.0).rev() {
            let id = IrId(node_index);
            if !self.buffers.needed[id.index()] {
                continue;
            }
            for operand in self.program.operands(id) {
                self.buffers.needed[operand.index()] = true;
            }
        }
    }

    /// Reports why the definition cannot be expressed in SQL.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.diagnostics.push(diagnostic);
    }

    /// Returns a placeholder for a node that cannot be expressed in SQL, and marks the definition as failed.
    pub fn null_placeholder(&mut self, span: Span) -> SqlId {
        self.failed = true;
        self.buffers.tree.add_word("null", span)
    }

    /// Returns the SQL of a definition's root. Casts a bare NULL or text literal if the dialect cannot infer its type.
    pub fn emit_root(&mut self, root: IrId) -> SqlId {
        let sql = self.buffers.sql[root.index()];
        let meta = self.program.meta(root);
        let is_untyped = match self.program.node(root) {
            Ir::Null => self.dialect.facts().typed_null && meta.ty != Type::Unknown,
            Ir::Text(_) => self.dialect.facts().typed_text,
            _ => false,
        };
        if is_untyped {
            return self.add_cast(sql, meta.ty, meta.span);
        }
        sql
    }

    /// Emits one node. Its operands must be emitted first. A reference to a definition uses the SQL of the
    /// definition's root.
    pub fn emit(&mut self, id: IrId) {
        if let Ir::Definition(definition_index) = self.program.node(id) {
            self.buffers.sql[id.index()] = self.buffers.sql[self.program.definition_root(definition_index).index()];
        } else {
            self.emit_node(id, self.program.entry(id));
            if !self.buffers.repeated.is_empty() {
                self.sum_operand_repetition(id);
            }
        }
    }

    /// Sets the SQL of a node.
    pub fn set_sql(&mut self, id: IrId, sql: SqlId) {
        self.buffers.sql[id.index()] = sql;
    }

    /// Returns the SQL of an emitted node.
    pub fn emitted_sql(&self, id: IrId) -> SqlId {
        self.buffers.sql[id.index()]
    }
}

/// Returns the dialect's template for a call or an aggregate. `None` if the dialect has no template for it.
fn find_template(dialect: Dialect, node: Ir) -> Option<&'static Template> {
    match node {
        Ir::Apply { overload, .. } | Ir::Aggregate { overload, .. } => match dialect.cell(overload) {
            Cell::Template(template) => Some(template),
            _ => None,
        },
        _ => None,
    }
}
