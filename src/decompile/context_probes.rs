//! Learns SQL that depends on a definition's context: windows, ranges, looked-up rows, worksheets and other
//! definitions.

use formulac_syntax::lex::quote_formula_name;
use rustc_hash::FxHashSet;

use super::candidate_check::{CandidateCheck, ColumnOrClause, expression_columns};
use super::constant_probes::constants_in_expression;
use super::expression_text::{FormulaTemplate, FormulaText, RangeUse};
use super::patterns::{Patterns, SqlPattern, build_pattern};
use super::periods::{collect_numbers, period_probes};
use super::probes::{self, ProbeArgument, ProbeFormula};
use super::ranges;
use super::search::{FormulaSearch, SeedFormulas};
use super::sheets::{self, SheetLookup};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use super::windows::{large_and_small_probes, range_aggregate_probes, window_probes};

/// Maximum number of windows to examine in one expression.
const MAX_WINDOWS: usize = 16;
/// Cost of a definition's name in place of the definition's expression.
pub(super) const DEFINITION_NAME_COST: u32 = 30;
/// Cost of a definition's formula if it is written instead of the definition's name.
const INLINED_FORMULA_COST: u32 = 9;
/// Maximum number of definitions in a step that are considered for use in another definition's formula.
const MAX_DEFINITIONS: usize = 400;
/// Maximum number of definitions without a column to compile in order to find their expressions.
const MAX_DEFINITIONS_WITHOUT_COLUMN: usize = 8;
/// Maximum number of column names to examine in an expression.
const MAX_COLUMN_NAMES: usize = 16;
/// Maximum number of numeric constants from an expression to try in compiled formulas.
const MAX_NUMBERS: usize = 6;
/// Maximum number of names in compiled formulas that stand for any expression.
const MAX_NAMES: usize = 4;

/// Returns the most likely numbers. The other numbers are omitted because each number is compiled with many formulas.
fn likely_numbers(trees: &SqlTrees, expression: SqlNodeId) -> Vec<String> {
    let mut numbers = constants_in_expression(trees, expression).numbers;
    numbers.truncate(MAX_NUMBERS);
    numbers
}

impl CandidateCheck<'_, '_> {
    /// Compiles probes in place of this definition's formula, and adds their patterns.
    fn add_probe_patterns(&self, probes: Vec<ProbeFormula>, trees: &mut SqlTrees, patterns: &mut Patterns) {
        for probe in probes {
            let Some(root) = probe
                .formula()
                .and_then(|formula| self.expression_tree(&formula, trees))
            else {
                continue;
            };
            let none = vec![None; probe.args.len()];
            if let Some(pattern) = build_pattern(trees, root, &probe, none) {
                pattern
                    .without_zero_default()
                    .into_iter()
                    .for_each(|sql_pattern| patterns.add_pattern(sql_pattern));
                patterns.add_pattern(pattern);
            }
        }
    }

    fn contains_window(&self, trees: &SqlTrees, expression: SqlNodeId) -> bool {
        trees
            .descendants(expression)
            .iter()
            .any(|part| *trees.label(*part) == SqlLabel::Behind("over"))
    }

    /// Learns the SQL of functions that read other rows, in the context of this step.
    pub fn learn_window_functions(
        &self,
        trees: &mut SqlTrees,
        expression: SqlNodeId,
        names: &[ProbeArgument],
    ) -> Patterns {
        let mut patterns = Patterns::default();
        let mut probes = Vec::new();
        if self.contains_window(trees, expression) {
            let first = names.get(..1).unwrap_or(names);
            // Also try an expression in place of a name, because rows can also be sorted by an expression.
            let marked = first.iter().find_map(|name| match name {
                ProbeArgument::Named(name, _) => sheets::artificial_lookup_keys(name)
                    .iter()
                    .find_map(|marked| self.probe_argument_from_formula(marked, trees)),
                _ => None,
            });
            probes = [
                window_probes(first),
                window_probes(marked.as_slice()),
                large_and_small_probes(names),
            ]
            .concat();
        }
        // These functions are learned in the context of the spec, because the spec may set today's date.
        if self.editable_spec.outline.today {
            for call in ["TODAY()", "NOW()"] {
                probes.push(ProbeFormula {
                    shape: FormulaTemplate::named(call),
                    args: Vec::new(),
                });
            }
        }
        self.add_probe_patterns(probes, trees, &mut patterns);
        patterns
    }

    /// Finds formulas for the subexpressions that aggregate ranges.
    pub fn learn_ranges(
        &self,
        (patterns, input): (&[&Patterns], &SeedFormulas),
        trees: &mut SqlTrees,
        expression: SqlNodeId,
        names: &[ProbeArgument],
    ) -> SeedFormulas {
        let mut range_input = SeedFormulas::new();
        let windows = ranges::find_window_expressions(trees, expression);
        let Some(name) = names.first().filter(|_| !windows.is_empty()) else {
            return range_input;
        };
        let is_pivoted = self.sheet_outline().is_some_and(|sheet| sheet.is_pivoted);
        let learned = self.windows.get_or_init(|| {
            let learn = |probe: ProbeFormula| {
                let count_tree = self.expression_tree(&probe.formula()?, trees)?;
                ranges::learn_ranges_of_window(trees, count_tree, &probe)
            };
            ranges::row_count_probes(name, is_pivoted)
                .into_iter()
                .filter_map(learn)
                .collect()
        });
        for window in windows.into_iter().take(MAX_WINDOWS) {
            let Some(range) = learned
                .iter()
                .find_map(|learned| learned.range_of_window(trees, window))
            else {
                continue;
            };
            let bare = ranges::subexpressions_without_window(trees, expression, window);
            let Some(bare_root) = bare.get(&expression).copied() else {
                continue;
            };
            let mut search = FormulaSearch::new(patterns, trees)
                .with_seed_formulas(input)
                .with_range(&range);
            search.candidate_formulas(bare_root);
            for (part, bare) in bare {
                let forms = search
                    .formulas_found_for(bare)
                    .iter()
                    .filter(|form| form.range == RangeUse::Inside);
                range_input.entry(part).or_default().extend(forms.cloned());
            }
        }
        range_input
    }

    /// Returns the ranges that an expression reads, with `{0}` in place of the name that the range aggregates.
    fn find_ranges(&self, trees: &SqlTrees, expression: SqlNodeId) -> Vec<String> {
        let windows = ranges::find_window_expressions(trees, expression);
        let learned = self.windows.get().map_or(&[][..], Vec::as_slice);
        let of_window = |window: SqlNodeId| {
            learned
                .iter()
                .find_map(|learned| learned.range_of_window(trees, window))
        };
        let ranges = windows.into_iter().take(MAX_WINDOWS).filter_map(of_window);
        ranges.map(|range| range.replace("{}", "{0}")).collect()
    }

    /// Learns the functions that read joined rows and the functions that are available only in worksheets. The
    /// functions are learned in waves, with rarely used functions in the last waves. Returns `None` after the last
    /// wave.
    pub fn learn_joined_row_functions(
        &self,
        trees: &mut SqlTrees,
        expression: SqlNodeId,
        names: &[ProbeArgument],
        wave: usize,
    ) -> Option<Patterns> {
        let mut patterns = Patterns::default();
        let parts = trees.descendants(expression);
        let joins = |join_kind: &str| {
            parts
                .iter()
                .any(|part| matches!(trees.label(*part), SqlLabel::Joined(j) if j == join_kind))
        };
        let (has_left_join, has_cross_join) = (joins("left join"), joins("cross join"));
        let has_window = self.contains_window(trees, expression);
        let reads_frames = has_window && !self.compiler.options.dialect.facts().hashes_nullable_keys;
        let Some(sheet) = self.sheet_outline() else {
            let probes = match wave {
                0 if has_left_join || reads_frames => {
                    let columns = expression_columns(trees, expression);
                    let marked = columns
                        .iter()
                        .take(3)
                        .flat_map(|(_, name)| sheets::artificial_lookup_keys(name));
                    let marked: Vec<ProbeArgument> = marked
                        .collect::<Vec<_>>()
                        .iter()
                        .filter_map(|m| self.probe_argument_from_formula(m, trees))
                        .collect();
                    let mut names: Vec<ProbeArgument> =
                        names.iter().take(2).chain(marked.iter().take(2)).cloned().collect();
                    // A column needs an aggregate in a grouped step, because it has several values per group.
                    let columns = columns.iter().take(2).map(|(_, name)| format!("MAX({name})"));
                    let of_group: Vec<String> = columns.chain(["COUNT()".to_owned()]).collect();
                    names.extend(
                        of_group
                            .iter()
                            .find_map(|formula| self.probe_argument_from_formula(formula, trees)),
                    );
                    period_probes(&names, &collect_numbers(trees, &parts))
                }
                1 if has_window => window_probes(names),
                2 if has_left_join || has_cross_join || has_window => range_aggregate_probes(
                    names,
                    &likely_numbers(trees, expression),
                    &self.find_ranges(trees, expression),
                ),
                0..=2 => Vec::new(),
                _ => return None,
            };
            self.add_probe_patterns(probes, trees, &mut patterns);
            return Some(patterns);
        };
        let probes = match wave {
            0 if has_window => [sheets::pivot_cell_probes(sheet, names), window_probes(names)].concat(),
            1 if has_left_join || has_cross_join || has_window => sheets::measure_total_probes(sheet),
            2 if has_left_join || has_cross_join || has_window => {
                let lookups = self.find_sheet_lookups(trees, &parts, names, has_left_join);
                lookups
                    .iter()
                    .flat_map(SheetLookup::lookup_probes_without_default)
                    .chain(lookups.iter().flat_map(SheetLookup::workday_probes))
                    .collect()
            }
            3 if has_cross_join => self
                .find_sheet_lookups(trees, &parts, names, has_left_join)
                .iter()
                .flat_map(SheetLookup::wildcard_lookup_probes)
                .collect(),
            4 if has_window => {
                let numbers = likely_numbers(trees, expression);
                [
                    sheets::cell_block_probes(names),
                    range_aggregate_probes(names, &numbers, &self.find_ranges(trees, expression)),
                ]
                .concat()
            }
            0..=4 => Vec::new(),
            _ => return None,
        };
        let plain = if wave == 2 { probes.clone() } else { Vec::new() };
        self.add_probe_patterns(probes, trees, &mut patterns);
        let is_in = |pattern: &SqlPattern| parts.iter().any(|part| pattern.match_node(trees, *part).is_some());
        let fit: Vec<&FormulaTemplate> = patterns
            .all()
            .filter(|pattern| is_in(pattern))
            .map(|pattern| &pattern.shape)
            .collect();
        let probe_formulas: Vec<ProbeFormula> = plain.into_iter().filter(|probe| fit.contains(&&probe.shape)).collect();
        // The comparison represents any boolean value.
        let compared =
            self.probe_argument_from_formula(&format!("{} = {}", probes::NUMBERS[0], probes::NUMBERS[1]), trees);
        let defaults: Vec<ProbeArgument> = names.iter().take(3).cloned().chain(compared).collect();
        self.add_probe_patterns(
            sheets::with_lookup_defaults(&probe_formulas, &defaults),
            trees,
            &mut patterns,
        );
        Some(patterns)
    }

    /// Returns the columns of the sheet and of its tabs that occur in an expression, with the keys that may be looked
    /// up in them.
    fn find_sheet_lookups(
        &self,
        trees: &mut SqlTrees,
        parts: &[SqlNodeId],
        names: &[ProbeArgument],
        has_left_join: bool,
    ) -> Vec<SheetLookup> {
        let Some(sheet) = self.sheet_outline() else {
            return Vec::new();
        };
        let literals = sheets::literal_lookup_keys(trees, parts);
        // Columns that are lookup keys come first.
        let joined_values = parts
            .iter()
            .filter(|part| matches!(trees.label(**part), SqlLabel::Joined(_)));
        let joined_values = joined_values.filter_map(|part| trees.children(*part).get(1).copied());
        let of_part = |part: SqlNodeId| {
            expression_columns(trees, part)
                .into_iter()
                .filter_map(|(column, _)| trees.column(column))
        };
        let mut columns: Vec<(Option<String>, String)> = joined_values
            .chain(parts.last().copied())
            .flat_map(of_part)
            .map(|(relation, name)| (relation.map(str::to_owned), name.to_owned()))
            .collect();
        let mut seen = FxHashSet::default();
        columns.retain(|column| seen.insert(column.clone()));
        let is_of = |relation: Option<&str>| {
            let of_it = columns.iter().filter(move |(other, _)| match (relation, other) {
                (Some(relation), Some(other)) => other.eq_ignore_ascii_case(relation),
                (None, None) => true,
                _ => false,
            });
            of_it.map(|(_, name)| name.clone()).collect::<Vec<_>>()
        };
        let own_columns = is_of(None);
        let mut keys: Vec<ProbeArgument> = Vec::new();
        if has_left_join {
            let marked = own_columns
                .iter()
                .take(3)
                .flat_map(|name| sheets::artificial_lookup_keys(&quote_formula_name(name)))
                .collect::<Vec<_>>();
            keys = marked
                .iter()
                .filter_map(|key| self.probe_argument_from_formula(key, trees))
                .collect();
        }
        let own_keys = keys.iter().chain(names).chain(&literals).cloned().collect();
        let tab_keys: Vec<ProbeArgument> = names
            .iter()
            .filter(|_| has_left_join)
            .chain(&literals)
            .cloned()
            .collect();
        let mut lookups: Vec<SheetLookup> = Vec::new();
        for (tab, relation) in sheet.tabs.iter().filter(|(tab, _)| !tab.contains('\'')) {
            // A value that a helper CTE selects is not qualified with a relation.
            let columns = is_of(Some(relation))
                .into_iter()
                .chain(own_columns.iter().cloned())
                .collect();
            lookups.push(SheetLookup::new(
                format!("'{tab}'!"),
                columns,
                tab_keys.clone(),
                (trees, parts),
            ));
        }
        lookups.push(SheetLookup::new(String::new(), own_columns, own_keys, (trees, parts)));
        lookups
    }

    /// Adds the other definitions of this step: maps the expression of each definition to the definition's name, and
    /// the name to the formula.
    pub fn add_definitions(&self, trees: &mut SqlTrees, input: &mut SeedFormulas) {
        let Some(step) = self.editable_spec.outline.steps.get(self.step_index) else {
            return;
        };
        let mut columns = self
            .editable_spec
            .column_resolver(self.edited_file, self.step_index, &self.definition.name);
        if let ColumnOrClause::Column(column_name) = self.definition_part {
            let column_expression =
                self.editable_spec
                    .find_column_expression(&columns, self.edited_file, self.cte, column_name);
            let _ = column_expression.map(|column_expression| columns.resolve_expression(&column_expression, trees));
        }
        for (joined, column) in std::mem::take(&mut columns.aliases) {
            if let Some((Some(relation), name)) = trees.column(column) {
                input
                    .entry(joined)
                    .or_default()
                    .push(FormulaText::name(quote_formula_name(&format!("{relation}.{name}")), 2));
            }
        }
        // A key that exists in several relations is qualified with the step's own relation.
        for key in &step.keys {
            let mut columns = self
                .editable_spec
                .column_resolver(self.edited_file, self.step_index, key);
            let column_expression =
                self.editable_spec
                    .find_column_expression(&columns, self.edited_file, self.cte, key);
            let tree = column_expression
                .and_then(|column_expression| columns.resolve_expression(&column_expression, trees).ok());
            if let Some((Some(relation), name)) = tree.and_then(|tree| trees.column(tree)) {
                let path = quote_formula_name(&format!("{relation}.{name}"));
                let word = trees.add_word(&key.to_ascii_lowercase());
                input.entry(word).or_default().push(FormulaText::name(path, 2));
            }
        }
        let others = step
            .definitions
            .iter()
            .filter(|other| other.name != self.definition.name);
        let mut name_count = 0;
        for definition in others.take(MAX_DEFINITIONS) {
            let name = trees.add_word(&definition.name.to_ascii_lowercase());
            input
                .entry(name)
                .or_default()
                .push(FormulaText::from_formula(&definition.formula, INLINED_FORMULA_COST));
            let column_expression =
                self.editable_spec
                    .find_column_expression(&columns, self.edited_file, self.cte, &definition.name);
            let tree = match column_expression {
                Some(column_expression) => columns.resolve_expression(&column_expression, trees).ok(),
                // The definition has no column, so its expression is repeated wherever it is used.
                None if name_count < MAX_DEFINITIONS_WITHOUT_COLUMN => {
                    name_count += 1;
                    self.expand_formula(self.definition, &definition.formula, trees)
                }
                None => None,
            };
            let Some(tree) = tree else { continue };
            let is_joined = matches!(trees.label(tree), SqlLabel::Joined(_));
            if trees.column(tree).is_none() {
                let cost = if is_joined { 1 } else { DEFINITION_NAME_COST };
                input
                    .entry(tree)
                    .or_default()
                    .push(FormulaText::name(quote_formula_name(&definition.name), cost));
            }
        }
    }

    /// Adds names that resolve to a compound expression, such as a column by which two relations are joined.
    pub fn add_names_of_compound_expressions(
        &self,
        trees: &mut SqlTrees,
        expression: SqlNodeId,
        input: &mut SeedFormulas,
    ) {
        for name in self.candidate_names(trees, expression) {
            if let ProbeArgument::Named(text, tree) = name
                && trees.column(tree).is_none()
            {
                input.entry(tree).or_default().push(FormulaText::name(text, 0));
            }
        }
    }

    /// Returns the names that occur in an expression, followed by other names in its step. A few names are enough
    /// because each name represents any expression.
    pub fn candidate_names(&self, trees: &mut SqlTrees, expression: SqlNodeId) -> Vec<ProbeArgument> {
        let step = self.editable_spec.outline.steps.get(self.step_index);
        let columns = step
            .into_iter()
            .filter_map(|step| step.sheet.as_ref())
            .flat_map(|sheet| &sheet.columns);
        let definitions = step
            .into_iter()
            .flat_map(|step| &step.definitions)
            .map(|placed| &placed.name);
        let others = columns
            .chain(definitions)
            .filter(|name| **name != self.definition.name)
            .cloned();
        let others: Vec<String> = others.collect();
        let mut args: Vec<ProbeArgument> = Vec::new();
        let is_known = |args: &[ProbeArgument], name: &str| {
            args.iter()
                .any(|arg| matches!(arg, ProbeArgument::Named(text, _) if text == name))
        };
        // Keywords do not compile, so only names remain.
        for (column, name) in expression_columns(trees, expression).into_iter().take(MAX_COLUMN_NAMES) {
            if args.len() + 1 < MAX_NAMES && !is_known(&args, &name) {
                // A name that occurs only inside aggregates does not compile to a column.
                let tree = self
                    .expression_tree(&name, trees)
                    .or_else(|| self.compile_formula(&name).map(|_| column));
                args.extend(tree.map(|tree| ProbeArgument::Named(name, tree)));
            }
        }
        // Also add names that do not compile here, because a probe may need a value of this definition's type.
        for (column, name) in expression_columns(trees, expression).into_iter().take(MAX_COLUMN_NAMES) {
            if args.len() < 2 && !is_known(&args, &name) {
                // If several relations have a column with this name, the step's own column needs its relation name.
                let qualified_name = format!("{}.{name}", self.base_relation());
                let is_own = trees.column(column).is_some_and(|(relation, _)| relation.is_none());
                let name = if is_own && self.compile_formula(&qualified_name).is_some() {
                    qualified_name
                } else {
                    name
                };
                args.push(ProbeArgument::Named(name, column));
            }
        }
        // If the expression contains no names, for example only literals, use columns of the relation instead.
        let columns = self.columns_of_base_relation().into_iter().map(|(name, _)| name);
        let of_base: Vec<String> = if args.is_empty() {
            columns.take(MAX_NAMES).collect()
        } else {
            Vec::new()
        };
        for name in others.iter().map(|name| quote_formula_name(name)) {
            if args.len() < MAX_NAMES && !is_known(&args, &name) {
                args.extend(self.probe_argument_from_formula(&name, trees));
            }
        }
        for name in of_base
            .iter()
            .flat_map(|name| sheets::artificial_lookup_keys(&quote_formula_name(name)))
        {
            if args.len() < MAX_NAMES {
                args.extend(self.probe_argument_from_formula(&name, trees));
            }
        }
        args
    }
}
