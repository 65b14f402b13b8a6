//! Generates random joins of tables and of earlier steps, by keys and by other columns, with additional conditions.

use crate::database::Table;
use crate::draw_specs::{GROUPED, Input, Maker, Scope};
use crate::expr::{InterpreterExpr, InterpreterOp};
use crate::kind::Kind;
use crate::spec::{InterpreterJoin, InterpreterJoinKind, JoinCondition, unqualified_name};

/// A table, or a step that was generated earlier.
#[derive(Clone)]
pub struct Relation {
    pub name: String,
    pub columns: Vec<(String, Kind)>,
    /// Columns that identify a row.
    pub grain: Vec<String>,
    /// `true` if no column of the grain is ever NULL.
    pub sure: bool,
    /// `true` if the relation has at most one row.
    pub single: bool,
}

impl Relation {
    pub fn of(table: &Table) -> Self {
        Self {
            name: table.name.clone(),
            columns: table.columns.iter().map(|c| (c.name.to_owned(), c.kind)).collect(),
            grain: table.key.iter().map(|k| (*k).to_owned()).collect(),
            sure: true,
            single: false,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| column == name)
    }
}

/// Joined relation in which a row can match several rows. The step may only aggregate the columns of this relation.
#[derive(Clone)]
pub struct Many {
    relation: String,
    /// Columns of the relation, as spelled in formulas.
    pub leaves: Vec<(InterpreterExpr, Kind)>,
    /// `true` if there may be rows that match no row of this relation.
    pub unmatched: bool,
}

/// A column of `using` and the relations that contain it.
struct Merged {
    name: String,
    columns: Vec<usize>,
}

/// Relations that a step has joined so far.
struct Joined {
    relations: Vec<Relation>,
    merged_columns: Vec<Merged>,
}

impl Joined {
    /// Returns the relations that contain a column. Relations with a column that `using` merges count as one relation.
    fn owners(&self, name: &str) -> Vec<usize> {
        let merged = self.merged_columns.iter().find(|m| m.name == name);
        let mut owners: Vec<usize> = (0..self.relations.len())
            .filter(|at| self.relations[*at].has(name))
            .collect();
        if let Some(merged) = merged {
            owners.retain(|at| *at == merged.columns[0] || !merged.columns.contains(at));
        }
        owners
    }

    /// Returns every column, once for each name that identifies it.
    fn leaves(&self) -> Vec<(InterpreterExpr, Kind)> {
        let mut leaves = Vec::new();
        for (at, relation) in self.relations.iter().enumerate() {
            for (column, kind) in &relation.columns {
                if self.owners(column) == [at] {
                    leaves.push((InterpreterExpr::name(column), *kind));
                }
                leaves.push((InterpreterExpr::name(&format!("{}.{column}", relation.name)), *kind));
            }
        }
        leaves
    }
}

impl Maker<'_> {
    /// Generates joins for the step, and updates the step's input. Any of the `known` relations may be joined.
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    pub fn joins(&mut self, relations: &[Relation]) {
        let mut joined = Joined {
            relations: vec![self.input.relation.clone()],
            merged_columns: Vec::new(),
        };
        let mut grain: Vec<String> = self
            .input
            .relation
            .grain
            .iter()
            .map(|g| format!("{}.{g}", self.input.relation.name))
            .collect();
        let mut sure = self.input.relation.sure;
        let mut many: Vec<Many> = Vec::new();
        for _ in 0..*self.random.pick(&[1, 1, 1, 2, 2, 3]) {
            let target = self.random.pick(relations).clone();
            let Some(join) = self.join(&joined, &target) else {
                continue;
            };
            let name = join.name().to_owned();
            let at = joined.relations.len();
            if let JoinCondition::Using(names) = &join.condition {
                for name in names {
                    let of = joined.owners(name);
                    match joined.merged_columns.iter_mut().find(|m| m.name == *name) {
                        Some(merged) => merged.columns.push(at),
                        None => joined.merged_columns.push(Merged {
                            name: name.clone(),
                            columns: vec![of[0], at],
                        }),
                    }
                }
            }
            let repeats = self.may_repeat_rows(&join, &target);
            let qualified = |g: &String| format!("{name}.{g}");
            match (&join.condition, join.kind) {
                (JoinCondition::Using(names), InterpreterJoinKind::Full)
                    if at == 1
                        && (sure || target.sure)
                        && !names.is_empty()
                        && same_names(names, &self.input.relation.grain)
                        && same_names(names, &target.grain) =>
                {
                    grain.clone_from(&target.grain);
                }
                (_, InterpreterJoinKind::Full) => grain.clear(),
                _ if join.many || (join.kind == InterpreterJoinKind::Cross && !target.single) => {
                    if target.grain.is_empty() || !(join.many || join.kind == InterpreterJoinKind::Cross) {
                        grain.clear();
                    }
                    if !grain.is_empty() {
                        grain.extend(target.grain.iter().map(qualified));
                    }
                    sure = sure && target.sure && join.kind != InterpreterJoinKind::Left;
                }
                // Skip this condition. The compiler assumes that each row has at most one match, but these rows have
                // several.
                _ if repeats => grain.clear(),
                _ => {}
            }
            if at > 1
                && matches!(
                    self.step.joins.first(),
                    Some(InterpreterJoin {
                        kind: InterpreterJoinKind::Full,
                        ..
                    })
                )
            {
                grain.clear();
            }
            if join.many {
                let unmatched = matches!(join.kind, InterpreterJoinKind::Left | InterpreterJoinKind::Full);
                many.push(Many {
                    relation: name.clone(),
                    leaves: Vec::new(),
                    unmatched,
                });
            }
            self.multiplied += usize::from(repeats);
            let relation = Relation { name, ..target };
            joined.relations.push(relation);
            self.step.joins.push(join);
        }
        if self.step.joins.is_empty() {
            return;
        }
        let leaves = joined.leaves();
        for many in &mut many {
            let of = joined
                .relations
                .iter()
                .position(|r| r.name == many.relation)
                .expect("it is joined");
            let own = |x: &InterpreterExpr| match x {
                InterpreterExpr::Name(name) => match name.split_once('.') {
                    Some((relation, _)) => relation == many.relation,
                    None => {
                        joined.owners(name) == [of] && joined.merged_columns.iter().all(|merged| merged.name != *name)
                    }
                },
                _ => false,
            };
            many.leaves = leaves.iter().filter(|(x, _)| own(x)).cloned().collect();
        }
        let columns = joined.relations[0].columns.clone();
        let first = Relation {
            columns,
            grain: grain.clone(),
            sure,
            single: false,
            name: self.input.relation.name.clone(),
        };
        // If a column has two names, some specs use the first name and other specs the second name.
        let some: Vec<(InterpreterExpr, Kind)> = leaves.iter().filter(|_| self.random.chance(80)).cloned().collect();
        let every = leaves;
        let leaves = if some.is_empty() { every.clone() } else { some };
        self.input = Input {
            relation: first,
            leaves,
            every,
            many,
        };
    }

    fn join(&mut self, joined: &Joined, target: &Relation) -> Option<InterpreterJoin> {
        let taken = |name: &str| joined.relations.iter().any(|r| r.name == name);
        let alias = (taken(&target.name) || self.random.chance(15))
            .then(|| ["other", "further", "last_one"].into_iter().find(|name| !taken(name)))
            .flatten();
        let kinds = [
            InterpreterJoinKind::Left,
            InterpreterJoinKind::Left,
            InterpreterJoinKind::Left,
            InterpreterJoinKind::Inner,
            InterpreterJoinKind::Inner,
            InterpreterJoinKind::Full,
            InterpreterJoinKind::Full,
            InterpreterJoinKind::Cross,
        ];
        let kind = *self.random.pick(&kinds);
        let mut join = InterpreterJoin {
            to: target.name.clone(),
            alias: alias.map(str::to_owned),
            condition: JoinCondition::Nothing,
            kind,
            many: self.random.chance(12),
        };
        if kind != InterpreterJoinKind::Cross {
            join.condition = self.draw_condition(joined, target, join.name())?;
        }
        if self.may_repeat_rows(&join, target) {
            // The number of rows must remain small enough for the interpreter.
            if self.multiplied > 1 {
                return None;
            }
            join.many |= self.random.chance(70);
        }
        // All engines accept a condition without an equality only if unmatched rows are dropped.
        if let (InterpreterJoinKind::Inner, true, JoinCondition::On(_)) = (kind, join.many, &join.condition)
            && self.multiplied < 2
            && self.random.chance(12)
        {
            let scope = self.joined_scope(joined, target, join.name());
            join.condition = JoinCondition::On(self.with_name(Kind::Bool, &scope));
        }
        Some(join)
    }

    /// Returns `true` if a row may have several matches.
    fn may_repeat_rows(&self, join: &InterpreterJoin, target: &Relation) -> bool {
        let asked: Vec<String> = match &join.condition {
            JoinCondition::Using(names) => names.clone(),
            JoinCondition::On(condition) => equalities(condition, join.name()),
            JoinCondition::Nothing => Vec::new(),
        };
        let proven = !target.grain.is_empty() && target.grain.iter().all(|g| asked.contains(g));
        !target.single && !proven
    }

    fn joined_scope(&self, joined: &Joined, target: &Relation, name: &str) -> Scope {
        let mut relations = joined.relations.clone();
        relations.push(Relation {
            name: name.to_owned(),
            ..target.clone()
        });
        let leaves = relations.iter().flat_map(|r| {
            r.columns
                .iter()
                .map(move |(column, kind)| (InterpreterExpr::name(&format!("{}.{column}", r.name)), *kind))
        });
        Scope {
            leaves: leaves.collect(),
            ..Scope::default()
        }
    }

    /// Generates a condition that requires both sides to be equal, on the target's key or on another column.
    fn draw_condition(&mut self, joined: &Joined, target: &Relation, name: &str) -> Option<JoinCondition> {
        let of_kind = |kind: Kind| {
            let columns = joined.relations.iter().flat_map(|r| {
                r.columns
                    .iter()
                    .map(move |(column, kind)| (format!("{}.{column}", r.name), *kind))
            });
            columns
                .filter(move |(_, k)| *k == kind)
                .map(|(name, _)| name)
                .collect::<Vec<String>>()
        };
        let can_equal: Vec<(String, Kind)> = target
            .columns
            .iter()
            .filter(|(_, kind)| GROUPED.contains(kind) && !of_kind(*kind).is_empty())
            .cloned()
            .collect();
        let in_key = |column: &String| target.grain.contains(column);
        let key: Vec<(String, Kind)> = can_equal.iter().filter(|(column, _)| in_key(column)).cloned().collect();
        let wanted = if !key.is_empty() && self.random.chance(65) {
            key
        } else if can_equal.is_empty() {
            return None;
        } else {
            vec![self.random.pick(&can_equal).clone()]
        };
        let one_side = |column: &String| {
            let kind = |r: &Relation| r.columns.iter().find(|(n, _)| n == column).map(|(_, k)| *k);
            match joined.owners(column).as_slice() {
                [one] => kind(&joined.relations[*one]) == kind(target),
                _ => false,
            }
        };
        if wanted.iter().all(|(column, _)| one_side(column)) && self.random.chance(60) {
            return Some(JoinCondition::Using(
                wanted.into_iter().map(|(column, _)| column).collect(),
            ));
        }
        let mut conditions: Vec<InterpreterExpr> = Vec::new();
        for (column, kind) in wanted {
            let others = of_kind(kind);
            let alike: Vec<String> = others
                .iter()
                .filter(|other| unqualified_name(other) == column)
                .cloned()
                .collect();
            let other = if !alike.is_empty() && self.random.chance(80) {
                self.random.pick(&alike).clone()
            } else {
                self.random.pick(&others).clone()
            };
            let (own, mut other) = (
                InterpreterExpr::name(&format!("{name}.{column}")),
                InterpreterExpr::name(&other),
            );
            if self.random.chance(12) {
                other = InterpreterExpr::Call("COALESCE", vec![other, self.literal(kind)]);
            }
            let (a, b) = if self.random.chance(50) {
                (own, other)
            } else {
                (other, own)
            };
            conditions.push(InterpreterExpr::Binary(InterpreterOp::Equal, Box::new(a), Box::new(b)));
        }
        if self.random.chance(30) {
            let scope = self.joined_scope(joined, target, name);
            let more = self.with_name(Kind::Bool, &scope);
            conditions.push(more);
        }
        Some(JoinCondition::On(match <[InterpreterExpr; 1]>::try_from(conditions) {
            Ok([one]) => one,
            Err(several) => InterpreterExpr::Call("AND", several),
        }))
    }
}

fn same_names(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().all(|name| b.contains(name))
}

/// Returns the columns of a relation that a condition compares for equality with a value in another relation.
fn equalities(condition: &InterpreterExpr, relation: &str) -> Vec<String> {
    let own = |x: &InterpreterExpr| match x {
        InterpreterExpr::Name(name) => name
            .split_once('.')
            .filter(|(of, _)| *of == relation)
            .map(|(_, column)| column.to_owned()),
        _ => None,
    };
    match condition {
        InterpreterExpr::Call("AND", parts) => parts.iter().flat_map(|part| equalities(part, relation)).collect(),
        InterpreterExpr::Binary(InterpreterOp::Equal, a, b) => {
            let of_it = |x: &InterpreterExpr| {
                let mut names = Vec::new();
                x.collect_names(&mut names);
                names
                    .iter()
                    .any(|name| name.split_once('.').is_some_and(|(of, _)| of == relation))
            };
            match (own(a), own(b)) {
                (Some(column), None) if !of_it(b) => vec![column],
                (None, Some(column)) if !of_it(a) => vec![column],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}
