//! Selects the joins from a query's base view to other views, and determines whether these joins repeat rows.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::schema::{OmniRelationship, OmniTopic, ParsedOmniModel};

/// Join that the generated model contains.
#[derive(Clone, Debug)]
pub(super) struct ViewJoin {
    /// Name that references use for the joined view. `view` is the index of this view.
    pub name: String,
    pub view: usize,
    /// Index of the join in the list of relationships.
    pub relationship: usize,
    /// Join type: `left`, `inner`, `full`, `cross`.
    pub kind: &'static str,
    /// Whether a row may match several rows of the joined view.
    pub is_many: bool,
    /// Whether several rows of the parent view may match the same row of the joined view.
    repeats: bool,
    /// Name of the view from which the join starts.
    parent: String,
}

/// Joins to other views, and the name of the base view.
#[derive(Debug, Default)]
pub(super) struct ViewJoins {
    base: String,
    pub all: Vec<ViewJoin>,
}

impl ViewJoins {
    /// Finds the joins that lead from the base view to the views with the given names. Also returns the names of views
    /// that cannot be reached, each with the reason.
    pub fn find(
        model: &ParsedOmniModel<'_>,
        base: &str,
        views: &[String],
        topic: Option<&OmniTopic>,
    ) -> (Self, Vec<(String, String)>) {
        // A topic without `joins` does not restrict the joins of its queries.
        let topic = topic.filter(|topic| model.topic_setting(topic, "joins").is_some());
        let canonical = |(from, to)| (model.canonical_name(from), model.canonical_name(to));
        let allowed = topic.map(|topic| model.topic_joins(topic).into_iter().map(canonical).collect());
        let allowed: Option<FxHashSet<(String, String)>> = allowed;
        let mut edges: FxHashMap<String, Vec<(usize, bool)>> = FxHashMap::default();
        for (index, join) in model.relationships.iter().enumerate() {
            let (from, to) = (model.canonical_name(&join.from_as), model.canonical_name(&join.to_as));
            if let Some(allowed) = &allowed
                && !allowed.contains(&(from.clone(), to.clone()))
                && !allowed.contains(&(to.clone(), from.clone()))
            {
                continue;
            }
            edges.entry(from).or_default().push((index, false));
            edges.entry(to).or_default().push((index, true));
        }
        // Find the shortest path to each view.
        let base = base.to_lowercase();
        let mut reached: FxHashMap<String, Option<(usize, bool, String)>> =
            FxHashMap::from_iter([(base.clone(), None)]);
        let mut next = VecDeque::from([base.clone()]);
        while let Some(name) = next.pop_front() {
            for (index, is_back) in edges.get(&name).into_iter().flatten() {
                let Some(join) = model.relationships.get(*index) else {
                    continue;
                };
                let other = model.canonical_name(if *is_back { &join.from_as } else { &join.to_as });
                if !reached.contains_key(&other) && join_direction(join, *is_back).is_ok() {
                    reached.insert(other.clone(), Some((*index, *is_back, name.clone())));
                    next.push_back(other);
                }
            }
        }
        let mut joins = Self {
            base: base.clone(),
            all: Vec::new(),
        };
        let mut missing = Vec::new();
        for name in views {
            let mut path = Vec::new();
            let mut view_name = name.to_lowercase();
            while view_name != base && !joins.all.iter().any(|join| join.name == view_name) {
                let Some(Some((index, is_back, parent))) = reached.get(&view_name) else {
                    path.clear();
                    missing.push((name.clone(), unreachable_view_message(model, &base, &view_name)));
                    break;
                };
                path.push((view_name.clone(), *index, *is_back, parent.clone()));
                view_name.clone_from(parent);
            }
            for (name, index, is_back, parent) in path.into_iter().rev() {
                let Some(join) = model.relationships.get(index) else {
                    continue;
                };
                let view = model.view(if is_back { &join.from } else { &join.to });
                let (Some(view), Ok((kind, is_many, repeats))) = (view, join_direction(join, is_back)) else {
                    missing.push((name, "there is no file for that view".to_owned()));
                    break;
                };
                joins.all.push(ViewJoin {
                    name,
                    view,
                    relationship: index,
                    kind,
                    is_many,
                    repeats,
                    parent,
                });
            }
        }
        (joins, missing)
    }

    /// Returns the index of the view with this name.
    pub fn view(&self, name: &str) -> Option<usize> {
        self.all
            .iter()
            .find(|join| join.name.eq_ignore_ascii_case(name))
            .map(|join| join.view)
    }

    /// Returns whether the joins may repeat the rows of a view.
    pub fn has_repeated_rows(&self, name: &str) -> bool {
        let mut on_the_way: FxHashSet<&str> = FxHashSet::default();
        let mut view_name = name.to_lowercase();
        let mut repeats = false;
        while view_name != self.base {
            let Some(join) = self.all.iter().find(|join| join.name == view_name) else {
                break;
            };
            repeats |= join.repeats;
            on_the_way.insert(&join.name);
            view_name.clone_from(&join.parent);
        }
        repeats
            || self
                .all
                .iter()
                .any(|join| join.is_many && !on_the_way.contains(join.name.as_str()))
    }

    /// Returns whether some joined rows may lack a row of the view.
    pub fn may_lack_match(&self, name: &str) -> bool {
        !name.eq_ignore_ascii_case(&self.base) || self.all.iter().any(|join| join.kind == "full")
    }
}

/// Returns the join type, whether a row may have several matches, and whether several rows may match the same row.
/// Returns an error with the reason if the join cannot be used in this direction.
fn join_direction(join: &OmniRelationship, is_back: bool) -> Result<(&'static str, bool, bool), String> {
    let (from_many, to_many) = match join.cardinality.as_str() {
        "one_to_one" => (false, false),
        "many_to_one" | "assumed_many_to_one" => (true, false),
        "one_to_many" => (false, true),
        "many_to_many" => (true, true),
        other => return Err(format!("the relationship type `{other}` is unknown")),
    };
    let (is_many, repeats) = if is_back {
        (from_many, to_many)
    } else {
        (to_many, from_many)
    };
    let kind = match join.join_type.as_str() {
        "always_left" => "left",
        "inner" => "inner",
        "full_outer" => "full",
        "cross" => "cross",
        other => return Err(format!("joins of the type `{other}` are not supported")),
    };
    if is_back && is_many && !join.reversible {
        return Err("the join repeats rows in this direction and is not `reversible`".to_owned());
    }
    Ok((kind, is_many, repeats))
}

fn unreachable_view_message(model: &ParsedOmniModel<'_>, base: &str, name: &str) -> String {
    let between = model.relationships.iter().find_map(|join| {
        let is = |first_name: &str, other: &str| {
            model.canonical_name(first_name) == base && model.canonical_name(other) == name
        };
        let is_back = is(&join.to_as, &join.from_as);
        (is_back || is(&join.from_as, &join.to_as)).then(|| join_direction(join, is_back).err())?
    });
    between.unwrap_or_else(|| format!("there is no relationship from `{base}` to `{name}`"))
}
