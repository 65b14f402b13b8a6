//! Evidence that a warehouse supports the constructs in the templates of a function.

use super::Dialect;
use crate::catalog;
use crate::tables::{ConstructFact, Function};

impl Dialect {
    /// Returns the evidence for the constructs in a function's templates. Includes the entries that compute the
    /// function over windows and across columns, and the functions in its definition. Empty if the compiler lowers the
    /// function without a template.
    #[must_use]
    pub fn function_facts(self, function: &'static Function) -> Vec<&'static ConstructFact> {
        let mut facts: Vec<&ConstructFact> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        let mut waiting = vec![function];
        while let Some(function) = waiting.pop() {
            if seen.contains(&function.name) {
                continue;
            }
            seen.push(function.name);
            for overload in function.overloads {
                facts.extend(self.support_of_overload_constructs(overload.id));
                waiting.extend(called_functions(overload.define.unwrap_or_default()));
            }
            let entries = [
                function.across,
                function.window,
                function.over,
                function.framed,
                function.rows,
                function.gathered,
                function.of_list,
            ];
            waiting.extend(entries.into_iter().flatten().map(catalog::get));
        }
        facts.sort_by_key(|fact| (fact.section, fact.text));
        facts.dedup_by_key(|fact| (fact.section, fact.text));
        facts
    }
}

/// Returns the functions that a function's definition calls.
fn called_functions(define: &str) -> impl Iterator<Item = &'static Function> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let before = define
        .split('(')
        .filter_map(move |text| text.rsplit(|c| !is_name(c)).next());
    before.filter_map(|name| catalog::lookup(name).or_else(|| catalog::find_internal(name).map(catalog::get)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_function_include_its_windows_and_its_definition() {
        let texts = |dialect: &str, name: &str| -> Vec<&str> {
            let dialect: Dialect = dialect.parse().unwrap();
            let facts = dialect.function_facts(catalog::lookup(name).unwrap());
            facts.iter().map(|fact| fact.text).collect()
        };
        assert!(texts("snowflake", "CORREL").contains(&"corr(number, number) over (partition by)"));
        assert!(texts("postgres", "SQRT").contains(&"sqrt(float)"));
        assert!(texts("duckdb", "IF").is_empty());
        let all_facts: Vec<_> = Dialect::all().flat_map(Dialect::support_of_constructs).collect();
        assert!(
            all_facts
                .iter()
                .all(|fact| fact.source.is_empty() == (fact.verdict.name() == "unsure"))
        );
    }

    #[test]
    fn definitions_are_searched_for_calls() {
        let names: Vec<&str> = called_functions("LEFT(text, 1) & MID(text, LEN(x))")
            .map(|f| f.name)
            .collect();
        assert_eq!(names, ["LEFT", "MID", "LEN"]);
    }
}
