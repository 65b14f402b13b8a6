//! Decompiler that converts manually edited SQL back to formulas.
//!
//! [`SqlEdits`] lists the differences between the generated SQL of a model and the edited SQL, column by column.
//! [`Decompiler`] finds the formula of an edited column. [`with_formula`] writes a formula to the text of a spec, and
//! [`find_spec_for_sql`] transfers edits that change only a few words, numbers or operators to the spec.
//!
//! The decompiler contains no rules for SQL. The decompiler compiles *probes*, which are functions and operators with
//! placeholders for columns and literals, and compares the results with the edited expression. Before the comparison,
//! columns of helper CTEs are replaced with their expressions. Constructs that depend on a step (windows, ranges,
//! lookups, worksheets) are compiled in place of the definition's formula.
//!
//! Each candidate formula is compiled in its spec, or in a part of a large spec (`reduced_model`). A formula is
//! returned only if the whole spec with it produces the edited SQL. The decompiler may therefore fail to find a
//! formula, but never returns a wrong formula.
//!
//! A probe is compiled once per dialect, when an edit calls the same SQL functions. All columns and models of a run
//! share the results.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod alternatives;
mod cache;
mod call_probes;
mod candidate_check;
mod column_positions;
mod column_readers;
mod columns;
mod comments;
mod comparisons;
mod compiled_probes;
mod constant_probes;
mod context_probes;
mod criteria;
mod cte_names;
mod edits;
mod equivalent_files;
mod errors;
mod expression_text;
mod file;
mod filter_edits;
mod formula;
mod formula_names;
mod from_clause;
mod group_keys;
mod guard_positions;
mod guarded_formula;
mod guards;
mod inlined_metrics;
mod joint_search;
mod layout;
mod literal_probes;
mod masks;
mod metric_edits;
mod metric_set_edits;
mod operator_probes;
mod order;
mod parse;
mod patterns;
mod periods;
mod probe_index;
mod probes;
mod ranges;
mod reduced_model;
mod restore;
mod search;
mod separated_list;
mod sheets;
mod spec_edit;
mod spec_reduction;
mod spec_structure;
mod spellings;
mod substitute;
mod synonyms;
mod tree;
mod unresolved_names;
mod value_types;
mod windows;

pub use column_readers::{column_readers, has_column, uses_name};
pub use cte_names::{
    RenamedCte, renamed_ctes, substitutions_to_generated_cte_names, with_cte_names_from, with_edited_cte_names,
};
pub use edits::{ColumnEdit, NonColumnEdit, SqlEdits};
pub use equivalent_files::{is_equivalent_sql, is_same_expression};
pub use file::{FilePartPosition, columns_before, output_cte};
pub use filter_edits::FilterEdit;
pub use formula::{DecompileError, Decompiler};
pub use formula_names::{replace_formula_names, with_relations};
pub use group_keys::{AddedGroupKey, GroupKeyDifferences, added_group_keys, compare_group_keys};
pub use guarded_formula::{DecompiledFormula, RewrittenSql};
pub use guards::SqlGuard;
pub use layout::{MergeConflict, merge, query_merge_conflicts, restore_missing_comments};
pub use metric_edits::{EditMatch, EditedDefinitionSource, EditedModel, MetricEdit};
pub use metric_set_edits::{EditedMetricSetPart, MetricSetEdit};
pub use order::with_column_order_of;
pub use restore::restore_edited_column;
pub use spec_edit::{SpecEditError, with_formula, with_formulas};
pub use spec_structure::{definition_byte_range, with_renamed_definition};
pub use substitute::{Substitution, apply_replacements, find_spec_for_sql};
pub use unresolved_names::unresolved_name_conflicts;

use formulac_catalog::{Level, Type, catalog, dialect};
use formulac_core::{check, schema};
use formulac_dbt as dbt;
use formulac_model::{self as model, compiler};
use formulac_runtime::parallel;
use formulac_syntax::{ast, span, yaml};
