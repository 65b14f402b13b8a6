//! Lookup of the row whose key is nearest to the sought value: the CTEs that choose it.

use super::lookup_by_key::{Among, FoundRow, How, LookupParts, as_part_of_name};
use super::planner::Planner;
use crate::ir::Matching;
use crate::sql::{Cte, Item, Join, JoinKind, Select, SelectSource, SqlId};

impl Planner<'_> {
    /// Returns the rows that a lookup of the nearest key searches, with row numbers if a lookup returns these.
    pub(super) fn candidates_of(
        &mut self,
        found: &mut FoundRow,
        parts: LookupParts,
        stage: u32,
        from: &str,
        ctes: &mut Vec<Cte>,
    ) -> (Among, bool) {
        let counts = self.alike(parts, true).iter().any(|other| other.gives.is_none());
        if !counts {
            return (self.among(parts.find.tab, stage, from), false);
        }
        let numbered = self.numbered(parts, stage, from, ctes);
        found.position = numbered.position;
        let source = SelectSource::Name(self.quoted_name(&numbered.name));
        (Among { name: numbered.name, source, renamed: false }, true)
    }

    /// Returns the order in which the first key is the one to choose.
    pub(super) fn nearest(
        &mut self,
        parts: LookupParts,
        key: SqlId,
        stage: u32,
        counted: Option<&str>,
        qualifier: Option<&str>,
    ) -> Vec<SqlId> {
        let mut order = Vec::new();
        match parts.find.matching {
            Matching::Below => order.push(self.emitter.order_key(key, true, false)),
            Matching::Above => order.push(self.emitter.order_key(key, false, false)),
            Matching::Exact | Matching::Pattern | Matching::Count => {}
        }
        match counted {
            Some(position) => order.push(match qualifier {
                Some(name) => self.emitter.field(name, position, false),
                None => self.emitter.column_spelled(position, false),
            }),
            None if !order.is_empty() && self.is_unique(parts, stage) => {}
            None => {
                let rest = self.order_of(parts, stage, qualifier, !order.is_empty());
                order.extend(rest);
                let by = self.column_found(parts.by, stage).map(|(name, _)| name).unwrap_or_default();
                self.warn_of_several_matches(parts, &by);
            }
        }
        order
    }

    /// Adds CTEs that choose the row with the nearest key, for each sought value.
    pub(super) fn chosen_rows(
        &mut self,
        found: &mut FoundRow,
        parts: LookupParts,
        stage: u32,
        from: &str,
        ctes: &mut Vec<Cte>,
    ) {
        let Some(here) = self.column_of(parts.sought, stage) else { return };
        let alike = self.alike(parts, true);
        let (among, counted) = self.candidates_of(found, parts, stage, from, ctes);
        let columns = self.columns_read(&alike, stage);
        let mut alias = among.name.clone();
        let own = alias.eq_ignore_ascii_case(from);
        if own {
            alias.push_str("_rows");
        }
        let there = match columns.iter().any(|((name, _), _)| name.eq_ignore_ascii_case(&here.0)) {
            true => self.free_name(&format!("{}_sought", here.0), &columns, parts.find.tab),
            false => here.0.clone(),
        };
        let place = self.free_name(&format!("{}_row", as_part_of_name(&there)), &columns, parts.find.tab);
        let sought = self.emitter.field(from, &here.0, here.1);
        let (by, quoted) = self.column_found(parts.by, stage).unwrap_or_default();
        let key = self.emitter.field(&alias, &by, quoted);
        self.emitter.set(parts.sought, sought);
        self.emitter.set(parts.by, key);
        let test = self.written_test(parts.find.test, &[parts.sought, parts.by]);
        let part = self.same_part(parts.find.tab, stage, from, &alias);
        let on = self.and(part, test);
        let written_alias = self.quoted_name(&alias);
        let on = self.emitter.tree().earlier_first(on, &written_alias);
        let position = found.position.clone();
        let order = self.nearest(parts, key, stage, counted.then_some(position.as_str()), Some(&alias));
        let renamed = (there != here.0).then(|| self.quoted_name(&there));
        let mut items = vec![Item { expr: sought, alias: renamed }];
        for (column, _) in &columns {
            items.push(Item { expr: self.emitter.field(&alias, &column.0, column.1), alias: None });
        }
        if counted {
            items.push(Item { expr: self.emitter.field(&alias, &position, false), alias: None });
        }
        let mut partition = vec![self.emitter.partition_key(parts.sought, sought)];
        for ((name, quoted), id) in self.parted(parts.find.tab, stage) {
            let written = self.emitter.field(&alias, &name, quoted);
            partition.push(self.emitter.partition_key(id, written));
        }
        let expr = self.row_number(&partition, &order);
        items.push(Item { expr, alias: Some(self.quoted_name(&place)) });
        let written_alias = (own || among.renamed).then_some(written_alias);
        let join = Join { kind: JoinKind::Inner, source: among.source, alias: written_alias, on: Some(on) };
        let body = Select { items, from: Some(self.source(stage, from)), joins: vec![join], ..Select::default() };
        let origin = self.among(parts.find.tab, stage, from).name;
        let side = match parts.find.matching {
            Matching::Above => "from",
            _ => "up_to",
        };
        let candidates = self.cte_names.choose(&format!("{origin}_{side}_{}", as_part_of_name(&here.0)));
        ctes.push(Cte { name: self.quoted_name(&candidates), body });
        let quoted_there = here.1 && there == here.0;
        let mut items = vec![Item { expr: self.emitter.column_spelled(&there, quoted_there), alias: None }];
        for (column, _) in &columns {
            items.push(Item { expr: self.emitter.column_spelled(&column.0, column.1), alias: None });
        }
        if counted {
            items.push(Item { expr: self.emitter.column_spelled(&position, false), alias: None });
        }
        let filter = Some(self.is_first(&place));
        let name = self.cte_names.choose(&format!("{origin}_for_{}", as_part_of_name(&here.0)));
        let from = Some(SelectSource::Name(self.quoted_name(&candidates)));
        ctes.push(Cte { name: self.quoted_name(&name), body: Select { items, from, filter, ..Select::default() } });
        found.source = Some(SelectSource::Name(self.quoted_name(&name)));
        found.alias = name;
        found.how = How::ByValues(vec![(here, (there, quoted_there))]);
    }

    /// Adds CTEs that choose the row with the nearest key, if all rows seek the same value.
    pub(super) fn one_of_ordered(
        &mut self,
        found: &mut FoundRow,
        parts: LookupParts,
        stage: u32,
        from: &str,
        ctes: &mut Vec<Cte>,
    ) {
        let alike = self.alike(parts, true);
        let (among, counted) = self.candidates_of(found, parts, stage, from, ctes);
        let columns = self.columns_read(&alike, stage);
        let position = found.position.clone();
        let alone = if counted { None } else { self.read_alone(parts.find.tab, stage, from) };
        let test = self.test_here(parts, stage, &position);
        let (by, quoted) = self.column_found(parts.by, stage).unwrap_or_default();
        let key = self.emitter.column_spelled(&by, quoted);
        let order = self.nearest(parts, key, stage, counted.then_some(position.as_str()), alone.as_deref());
        let place = self.free_name(&format!("{}_row", as_part_of_name(&by)), &columns, parts.find.tab);
        let mut items = Vec::new();
        for (column, _) in &columns {
            items.push(Item { expr: self.emitter.column_spelled(&column.0, column.1), alias: None });
        }
        if counted {
            items.push(Item { expr: self.emitter.column_spelled(&position, false), alias: None });
        }
        let parted = self.parted_by(parts.find.tab, stage);
        let expr = self.row_number(&parted, &order);
        items.push(Item { expr, alias: Some(self.quoted_name(&place)) });
        let origin = self.among(parts.find.tab, stage, from).name;
        let side = match parts.find.matching {
            Matching::Below => "up_to",
            Matching::Above => "from",
            Matching::Exact | Matching::Pattern | Matching::Count => "like",
        };
        let name = self.cte_names.choose(&format!("{origin}_{side}_{}", self.name_sought(parts.sought)));
        let body = Select { items, from: Some(among.source), filter: Some(test), ..Select::default() };
        ctes.push(Cte { name: self.quoted_name(&name), body });
        self.read_other();
        let source = SelectSource::Name(self.quoted_name(&name));
        let filter = self.is_first(&place);
        self.single(found, parts, &alike, source, filter, stage, from, ctes);
    }
}
