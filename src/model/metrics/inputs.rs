//! Inputs of a metric set, which are its own relation and the joined relations, and the input to which a column name
//! refers. A column has several spellings, such as `ordered_at`, `orders.ordered_at`, or a dimension.

use super::metric_set::MetricSet;
use crate::catalog_lookup::schema_relation;
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::plan::split_timeframe;
use crate::yaml::Node;

/// Column or dimension to which a name in a metric set refers, with all names in lower case.
#[derive(PartialEq, Eq)]
pub struct ResolvedColumn {
    /// Index of the input: 0 is the metric set's own relation, the joined relations follow. `None` if the name is a
    /// dimension, or if its qualifier is not an input.
    pub input: Option<usize>,
    pub name: String,
}

/// Key that is a column of a relation that a metric set reads or joins.
pub struct QualifiedKeyColumn {
    /// Relation, column and timeframe. Two metric sets have the same key if all three are equal.
    pub identity: [String; 3],
    /// Key, qualified with the name of the relation in the metric set.
    pub text: String,
}

impl MetricSet {
    /// Returns the column or dimension to which a name refers. A timeframe is ignored. A dimension that is only a
    /// column counts as this column.
    pub fn resolve_column(&self, compiler: &Compiler, name: &str) -> ResolvedColumn {
        let mut text = split_timeframe(name).0;
        // A dimension may consist only of another dimension's name. The limit prevents endless loops.
        for _ in 0..=self.definitions.len() {
            let Some(definition) = self.definition_of_key(text) else {
                break;
            };
            let dimension = text;
            match definition.only_name() {
                Some(column) => text = split_timeframe(column).0,
                None => {
                    let name = dimension.to_lowercase();
                    return ResolvedColumn { input: None, name };
                }
            }
            // In its own formula, a definition's name refers to the input column.
            if text.eq_ignore_ascii_case(dimension) {
                break;
            }
        }
        let (qualifier, column) = split_qualifier(text);
        let inputs = self.inputs();
        let own = || qualifier.eq_ignore_ascii_case(&self.name).then_some(0);
        let input = find_input(compiler, &inputs, qualifier, column).or_else(own);
        let name = if input.is_some() { column } else { text };
        ResolvedColumn {
            input,
            name: name.to_lowercase(),
        }
    }

    /// Returns the inputs, each with the name that formulas use and its relation. The first is the metric set's own
    /// relation, which is empty if an earlier step contains the rows.
    fn inputs(&self) -> Vec<(String, &str)> {
        let joined = self.root.items_at("joins").iter().filter_map(joined_relation);
        let from = self.root.text_at("from").unwrap_or_default();
        std::iter::once((self.input_name(), from)).chain(joined).collect()
    }

    /// Returns the column of a key. The key may use the name of the relation instead of its alias, or no name if only
    /// one joined relation is known to have the column. `None` if the key is a dimension of the metric set.
    pub fn relation_column(&self, compiler: &Compiler, key: &str) -> Option<QualifiedKeyColumn> {
        let (base, frame) = split_timeframe(key);
        let (qualifier, column) = split_qualifier(base);
        let is_dimension = self.position(column).is_some() || self.current_dimension(column).is_some();
        if qualifier.is_empty() && is_dimension {
            return None;
        }
        self.root.text_at("from")?;
        let inputs = self.inputs();
        let index = find_input(compiler, &inputs, qualifier, column)?;
        let (name, to) = inputs.get(index)?;
        let relation = RelationReference::read(to).and_then(|relation| relation.ref_call());
        let is_spelled = name.eq_ignore_ascii_case(qualifier) || index == 0 && qualifier.is_empty();
        let text = match is_spelled {
            true => key.to_owned(),
            false if frame.is_empty() => format!("{name}.{column}"),
            false => format!("{name}.{column}[{frame}]"),
        };
        Some(QualifiedKeyColumn {
            identity: [
                relation.unwrap_or_else(|| (*to).to_owned()),
                column.to_owned(),
                frame.to_owned(),
            ]
            .map(|part| part.to_lowercase()),
            text,
        })
    }
}

/// Returns the index of the input that contains a column. `None` if the qualifier is not an input.
fn find_input(compiler: &Compiler, inputs: &[(String, &str)], qualifier: &str, column: &str) -> Option<usize> {
    let find_relation = |to: &str| schema_relation(&compiler.options, &RelationReference::read(to)?);
    let has_column = |to: &str| find_relation(to).is_some_and(|relation| relation.position(column).is_some());
    let only = |is_it: &dyn Fn(&str) -> bool| {
        let mut candidates = inputs.iter().enumerate().filter(|(_, (_, to))| is_it(to));
        let (index, _) = candidates.next()?;
        candidates.next().is_none().then_some(index)
    };
    if !qualifier.is_empty() {
        let named = inputs
            .iter()
            .rposition(|(name, _)| name.eq_ignore_ascii_case(qualifier));
        return named.or_else(|| only(&|to| relation_name(to).eq_ignore_ascii_case(qualifier)));
    }
    let own = inputs.first().and_then(|(_, from)| find_relation(from));
    let lacks_column = own.is_some_and(|own| !own.may_have_unlisted_columns() && own.position(column).is_none());
    let joined = lacks_column.then(|| only(&has_column)).flatten();
    Some(joined.unwrap_or(0))
}

/// Splits a name into its qualifier and the name of the column. The qualifier may be empty.
fn split_qualifier(name: &str) -> (&str, &str) {
    let (qualifier, column) = name.rsplit_once('.').unwrap_or(("", name));
    (qualifier.trim(), column.trim())
}

/// Returns the name that formulas use for a joined relation, and the relation.
pub fn joined_relation(join: &Node) -> Option<(String, &str)> {
    let to = join.text_at("to")?;
    let alias = join.text_at("as");
    Some((alias.map_or_else(|| relation_name(to), str::to_owned), to))
}

/// Returns the name of a relation as used in formulas.
pub fn relation_name(text: &str) -> String {
    RelationReference::read(text).map_or_else(|| text.to_owned(), |relation| relation.name().to_owned())
}
