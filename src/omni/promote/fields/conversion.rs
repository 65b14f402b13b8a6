//! Converts the SQL and the filters of fields to formulas.

use formulac_syntax::lex::name_needs_quotes;

use super::super::calendar::{OmniCalendar, timeframe_caveat};
use super::super::filters::{self, FilteredValue};
use super::super::from_sql::{self, ConvertedSql, FormulaFinder, SqlNames};
use super::super::omni_model::find_references;
use super::super::term::FormulaTerm;
use super::groups;
use super::{FieldKey, FieldResolver, ResolvedField};
use crate::Type;
use crate::schema::{OmniReference, Relation, ViewField};
use crate::yaml::Node;

/// Dimension settings that formulas cannot express, with the reasons.
const UNSUPPORTED_DIMENSION_SETTINGS: &[(&str, &str)] = &[
    (
        "level_of_detail",
        "`level_of_detail` aggregates at another grain, so it needs a separate grouped step",
    ),
    ("dynamic_top_n", "the values of `dynamic_top_n` depend on the query"),
    ("duration", "the query chooses the unit of a `duration`"),
];

/// Name resolution for the SQL of a field.
struct FieldScope<'f, 'm, 't> {
    fields: &'f FieldResolver<'m, 't>,
    view: &'f str,
    own: Option<&'f str>,
}

impl<'m> FieldResolver<'m, '_> {
    /// Converts a dimension.
    pub(super) fn convert_dimension(
        &mut self,
        key: &FieldKey,
        field: &ViewField,
    ) -> Result<(ConvertedSql, bool), String> {
        for (name, why) in UNSUPPORTED_DIMENSION_SETTINGS {
            if field.node.get(name).is_some() {
                return Err((*why).to_owned());
            }
        }
        let has_timeframes = field.node.get("timeframes").is_some();
        let mut converted = match field.text("sql") {
            None => self.convert_column(&key.0, &field.name),
            Some(sql) => self.convert_sql(&key.0, Some(&key.1), sql)?,
        };
        if let Some(groups) = field.node.get("groups") {
            converted = groups::convert_groups(converted, groups, field, self.calendar)?;
        } else if let Some(bounds) = field.node.get("bin_boundaries") {
            converted.term = groups::convert_bins(converted.term, bounds)?;
        }
        let is_temporal = has_timeframes || converted.term.ty.is_some_and(Type::is_temporal);
        Ok((converted, is_temporal))
    }

    fn convert_column(&self, view: &str, column: &str) -> ConvertedSql {
        ConvertedSql {
            term: self.table_column(view, column).term,
            caveats: Vec::new(),
            computes: false,
        }
    }

    /// Converts the SQL of a view's field. `field_name` is the name of this field.
    pub fn convert_sql(&self, view: &str, field_name: Option<&str>, sql: &str) -> Result<ConvertedSql, String> {
        let scope = FieldScope {
            fields: self,
            view,
            own: field_name,
        };
        let mut converted = from_sql::convert(sql, self.dialect, &scope)?;
        let frames = find_references(sql).map(|reference| OmniReference::read(reference).frame);
        let caveats = frames.filter_map(|frame| timeframe_caveat(frame.as_deref()));
        converted.caveats.extend(caveats);
        converted.caveats.dedup();
        Ok(converted)
    }

    /// Converts an Omni filter on a field to a condition.
    pub fn convert_filter(
        &self,
        key: &FieldKey,
        frame: Option<&str>,
        filter: &Node,
    ) -> Result<filters::ConvertedCondition, String> {
        let resolved = self.resolved_field(key)?;
        convert_filter_of_term(resolved.term, resolved.is_temporal, self.calendar, (frame, filter))
    }

    /// Converts a filter for `where`. In `where`, columns take precedence over definitions, so a definition with the
    /// same name as a column is replaced with its formula.
    pub fn convert_row_filter(
        &self,
        key: &FieldKey,
        frame: Option<&str>,
        filter: &Node,
    ) -> Result<filters::ConvertedCondition, String> {
        let resolved = self.resolved_field(key)?;
        convert_filter_of_term(
            self.inlined_term(&resolved),
            resolved.is_temporal,
            self.calendar,
            (frame, filter),
        )
    }

    /// Returns the term for use in `where` and join conditions.
    pub fn inlined_term(&self, resolved: &ResolvedField) -> FormulaTerm {
        match resolved.definition.and_then(|index| self.definitions.get(index)) {
            Some(definition) if self.is_column_name(&definition.name) => definition.term.clone(),
            _ => resolved.term.clone(),
        }
    }

    fn is_column_name(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let of_schema = || {
            self.known_relations
                .values()
                .any(|relation| relation.column(&name).is_some())
        };
        self.columns.borrow().contains(&name) || of_schema()
    }

    pub(super) fn relation(&self, view: &str) -> Option<&'m Relation> {
        self.known_relations.get(view).copied()
    }

    /// Converts a column of the view's table to formula syntax.
    pub fn table_column(&self, view: &str, column: &str) -> ResolvedField {
        let known_column = self.relation(view).and_then(|relation| relation.column(column));
        let name = known_column.map_or_else(|| column.to_lowercase(), |column| column.name().to_owned());
        // A non-ASCII name is quoted in SQL, so its case matters.
        let is_quoted = !column.is_ascii() || name_needs_quotes(&column.to_lowercase());
        let name = if known_column.is_none() && is_quoted {
            column.to_owned()
        } else {
            name
        };
        let relation = self.relations.get(view).map_or(view, String::as_str);
        self.columns.borrow_mut().insert(column.to_lowercase());
        let is_clear = self.joins.all.is_empty() && !self.defined.contains(&name.to_lowercase());
        let text = match name_needs_quotes(&name) {
            true => format!("${{{relation}.{name}}}"),
            false if is_clear => name,
            false => format!("{relation}.{name}"),
        };
        let ty = known_column
            .map(formulac_core::Column::ty)
            .filter(|ty| *ty != Type::Unknown);
        let is_never_null =
            known_column.is_some_and(|column| !column.is_nullable()) && !self.joins.may_lack_match(view);
        ResolvedField {
            term: FormulaTerm::atom(text).with_type(ty).with_never_null(is_never_null),
            is_temporal: ty.is_some_and(Type::is_temporal),
            definition: None,
        }
    }
}

impl SqlNames for FieldScope<'_, '_, '_> {
    fn field(&self, reference: &str) -> Result<FormulaTerm, String> {
        let reference = OmniReference::read(reference);
        let key = self.fields.key(self.view, &reference);
        let is_own = key.0 == self.view.to_lowercase() && self.own == Some(key.1.as_str());
        if self.fields.is_duration(&key) {
            let name = &reference.field;
            return Err(match reference.frame.as_deref() {
                Some(unit) => format!(
                    "Omni does not document how it counts the {unit} of the duration `{name}`, for example whether it counts \
                     only complete {unit}; write the formula yourself, such as `DATEDIF(start, end, \"D\")`"
                ),
                None => format!("the query chooses the unit of the duration `{name}`"),
            });
        }
        let resolved = if is_own {
            self.fields.table_column(&key.0, &key.1)
        } else {
            self.fields.resolved_field(&key)?
        };
        self.timeframe(resolved.term, reference.frame.as_deref())
    }

    fn timeframe(&self, term: FormulaTerm, frame: Option<&str>) -> Result<FormulaTerm, String> {
        Ok(self.fields.calendar.apply_timeframe(term, false, frame)?.0)
    }

    fn proven_formulas(&self) -> Option<&FormulaFinder> {
        Some(&self.fields.proven)
    }

    fn column(&self, relation: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
        let view = match relation {
            None => self.view.to_lowercase(),
            Some(relation) => {
                let of_table = self
                    .fields
                    .relations
                    .iter()
                    .find(|(_, table)| table.eq_ignore_ascii_case(relation));
                of_table.map_or_else(|| self.fields.model.canonical_name(relation), |(view, _)| view.clone())
            }
        };
        if self.fields.view(&view).is_none() {
            return Err(format!("`{view}` is not a joined view"));
        }
        Ok(self.fields.table_column(&view, column).term)
    }
}

/// Converts an Omni filter on a term to a condition.
pub(in super::super) fn convert_filter_of_term(
    term: FormulaTerm,
    is_temporal: bool,
    calendar: OmniCalendar,
    (frame, filter): (Option<&str>, &Node),
) -> Result<filters::ConvertedCondition, String> {
    let (term, is_temporal) = calendar.apply_timeframe(term, is_temporal, frame)?;
    let tested = FilteredValue {
        term,
        is_temporal,
        calendar,
    };
    let mut condition = filters::convert_filter(&tested, filter)?;
    condition.caveats.extend(timeframe_caveat(frame));
    Ok(condition)
}
