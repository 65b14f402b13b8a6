//! Union of the steps that aggregate the rows of each metric set.

use rustc_hash::FxHashSet;

use crate::compile::SpecCompilation;
use crate::load::SpannedText;
use crate::schema::{Column, Relation};
use crate::scratch::CompileMemory;
use crate::span::Span;
use crate::sql::{Cte, Item, Select, SelectSource, Sql, SqlId, SqlTree};
use crate::{Type, dialect::Dialect};

impl SpecCompilation<'_> {
    /// Adds a CTE with the rows of several steps. A column that a step lacks is NULL in its rows. Returns the union as a
    /// relation.
    pub(crate) fn union_of_steps(&mut self, steps: &[SpannedText<'_>], memory: &mut CompileMemory) -> Relation {
        let dialect = self.compiler.options.dialect;
        let relations: Vec<(String, Relation)> = steps
            .iter()
            .filter_map(|step| {
                let named = |of: &crate::load::Step<'_>| of.name.is_some_and(|name| name.text == step.text);
                let place = self.spec.steps.iter().position(named)?;
                Some((step.text.to_owned(), self.facts.get(place)?.relation.clone()?))
            })
            .collect();
        let mut columns: Vec<Column> = Vec::new();
        let mut seen: FxHashSet<String> = FxHashSet::default();
        for column in relations.iter().flat_map(|(_, relation)| relation.columns()) {
            let everywhere = relations.iter().all(|(_, relation)| relation.position(column.name()).is_some());
            if seen.insert(column.name().to_lowercase()) {
                columns.push(Column::new(column.name(), column.ty()).nullable(!everywhere || column.is_nullable()));
            }
        }
        let tree = &mut memory.emit.tree;
        // Postgres resolves the types of the first two branches before it looks at the third.
        let is_untyped = |column: &Column| {
            let lacks = |member: &(String, Relation)| member.1.position(column.name()).is_none();
            relations.len() > 2 && relations.iter().take(2).all(lacks)
        };
        let mut members = relations.iter().enumerate().map(|(place, (step, relation))| {
            let item = |column: &Column| {
                let name = dialect.name_text(column.name(), true);
                match relation.position(column.name()) {
                    Some(_) => Item {
                        expr: tree_name(tree, &name),
                        alias: None,
                    },
                    None => Item {
                        expr: match place == 0 && is_untyped(column) {
                            true => typed_null(tree, dialect, column.ty()),
                            false => tree.add_word("null", Span::default()),
                        },
                        alias: Some(name),
                    },
                }
            };
            Select {
                items: columns.iter().map(item).collect(),
                from: Some(SelectSource::Name(dialect.name_text(step, true))),
                ..Select::default()
            }
        });
        let mut body = members.next().unwrap_or_default();
        body.unions = members.collect();
        let name = self.names.choose_name("metrics_by_set");
        self.ctes.push(Cte {
            name: dialect.name_text(&name, true),
            body,
        });
        columns.into_iter().fold(Relation::new(name), Relation::with)
    }
}

fn tree_name(tree: &mut SqlTree, name: &str) -> SqlId {
    tree.add_text(Span::default(), |out| out.push_str(name))
}

/// Returns a NULL of a type.
fn typed_null(tree: &mut SqlTree, dialect: Dialect, ty: Type) -> SqlId {
    let null = tree.add_word("null", Span::default());
    match ty {
        Type::Unknown => null,
        ty => tree.add(
            Sql::Cast {
                name: "cast",
                x: null,
                ty: dialect.type_name(ty),
            },
            Span::default(),
        ),
    }
}
