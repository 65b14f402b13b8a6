//! Collects the constructs that formulac writes in a dialect.

use std::collections::BTreeSet;

use crate::catalogue::Function;
use crate::constructs::{self, AggregateUses, Construct, Conversion, ResultClasses, Scope, Section, class_of_type};
use crate::dialects::{CALLED_FUNCTIONS, Dialect, inserted_function};
use crate::facts::UsedConstructs;
use crate::template::Node;

/// Condition on a dialect's facts.
type FactCondition = fn(&dyn Fn(&str) -> String) -> bool;

/// Clauses that the compiler writes without a template, each with the condition under which a dialect uses it.
const UNTEMPLATED_CLAUSES: [(&str, FactCondition); 25] = [
    ("with", |_| true),
    ("select distinct", |_| true),
    ("union all", |_| true),
    ("inner join", |_| true),
    ("left join", |_| true),
    ("full join", |_| true),
    ("cross join", |_| true),
    ("left join on conditions without an equality", |fact| {
        fact("left_join_needs_equality") == "false"
    }),
    ("left join on `a = b or (a is null and b is null)`", |fact| {
        fact("left_join_needs_equality") == "true"
    }),
    ("full join on `is not distinct from`", |fact| {
        fact("full_join_needs_equality") == "false"
    }),
    ("full join on `a = b or (a is null and b is null)`", |fact| {
        fact("full_join_needs_equality") == "true"
    }),
    ("group by an expression", |_| true),
    ("having", |_| true),
    ("order by an output column", |_| true),
    ("order by … nulls last", |fact| {
        fact("nulls_sort") != "last" || fact("nulls_sort_descending") != "last"
    }),
    ("limit", |_| true),
    ("case value when", |_| true),
    ("window name as (…)", |fact| fact("named_windows") == "true"),
    ("over (name rows …)", |fact| fact("named_windows") == "true"),
    ("rows between n preceding and n following", |_| true),
    ("range between unbounded preceding and 1 preceding", |_| true),
    ("subquery in a condition", |_| true),
    // Statements that `prove` runs.
    ("create table", |_| true),
    ("insert into … values", |_| true),
    ("drop table if exists", |_| true),
];

/// Calls that the compiler writes without a template.
const UNTEMPLATED_CALLS: [&str; 7] = [
    "count(*)",
    "count(*) over (partition by)",
    "coalesce(any...)",
    "greatest(float...)",
    "max(any)",
    "sum(distinct number)",
    "avg(distinct number)",
];

/// Operators that the compiler writes without a template.
const UNTEMPLATED_OPERATORS: [&str; 2] = ["not", "subquery"];

/// Classes of values that `verify` and `env diff` return as strings.
const STRING_CLASSES: [&str; 5] = ["number", "text", "date", "timestamp", "timestamptz"];

/// Facts that contain no information about the warehouse.
const NON_WAREHOUSE_FACTS: [&str; 2] = ["sql_family", "sql_parser"];

/// Returns all constructs of a dialect, and the constructs of each cell in the order of the catalogue.
pub fn collect_constructs(
    dialect: &Dialect,
    functions: &[Function],
    results: &ResultClasses,
) -> (UsedConstructs, Vec<BTreeSet<Construct>>) {
    let mut scope = Scope {
        functions,
        types: &dialect.types,
        results,
        conversions: &[],
    };
    let conversions = classes_of_conversions(dialect, functions, &scope);
    scope.conversions = &conversions;
    let mut used_constructs = UsedConstructs::new();
    let mut add = |construct: Construct, user: &dyn Fn() -> String| {
        used_constructs.entry(construct).or_insert_with(user);
    };
    let mut cells = Vec::new();
    let overloads = functions.iter().flat_map(|f| f.overloads.iter().map(move |o| (f, o)));
    for ((function, overload), nodes) in overloads.zip(dialect.templates()) {
        let roles = AggregateUses::find(function, functions);
        let constructs = nodes.map_or_else(BTreeSet::new, |nodes| {
            constructs::constructs_of_template(nodes, &overload.signature, roles, &scope)
        });
        let user = || match overload.key.as_str() {
            "" => format!("`{}`", function.name),
            key => format!("`{}.{key}`", function.name),
        };
        constructs.iter().for_each(|construct| add(construct.clone(), &user));
        cells.push(constructs);
    }
    add_inserted_constructs(dialect, functions, &mut cells);
    for (neutral, name) in &dialect.types {
        add((Section::Types, name.clone()), &|| format!("the type `{neutral}`"));
    }
    for (name, form) in &dialect.literals {
        add((Section::Literals, form.clone()), &|| format!("the literal `{name}`"));
    }
    let fact = |name: &str| dialect.fact(name);
    for (clause, _) in UNTEMPLATED_CLAUSES.iter().filter(|(_, condition)| condition(&fact)) {
        add((Section::Clauses, (*clause).to_owned()), &|| "the compiler".to_owned());
    }
    for call in UNTEMPLATED_CALLS {
        add((Section::Calls, call.to_owned()), &|| "the compiler".to_owned());
    }
    let distinct = (fact("is_distinct_from") == "true").then_some("is [not] distinct from");
    for operator in UNTEMPLATED_OPERATORS.into_iter().chain(distinct) {
        add((Section::Operators, operator.to_owned()), &|| "the compiler".to_owned());
    }
    for cast in untemplated_casts(dialect) {
        add((Section::Casts, cast), &|| "the compiler".to_owned());
    }
    for (name, value) in dialect.fact_texts().filter(|(name, value)| {
        !value.is_empty() && !NON_WAREHOUSE_FACTS.contains(name) && !CALLED_FUNCTIONS.contains(name)
    }) {
        // If the value of a fact is SQL, omit the value, because the dialect's file already contains it.
        let text = if value.contains(' ') {
            name.to_owned()
        } else {
            format!("{name} = {value}")
        };
        add((Section::Facts, text), &|| format!("the fact `{name}`"));
        if name == "session_query" {
            for parameter in session_parameters(&value) {
                add((Section::Parameters, parameter.to_owned()), &|| {
                    "`session_query`".to_owned()
                });
            }
        }
    }
    (used_constructs, cells)
}

/// Returns the classes of converted arguments. They depend on the dialect: for example, Snowflake keeps floats in
/// `{x:days}`, because it truncates a float number of days without a cast.
fn classes_of_conversions(dialect: &Dialect, functions: &[Function], scope: &Scope<'_>) -> Vec<Conversion> {
    let overloads = functions.iter().flat_map(|f| f.overloads.iter().map(move |o| (f, o)));
    let mut conversions: Vec<Conversion> = Vec::new();
    for ((function, overload), nodes) in overloads.zip(dialect.templates()) {
        let mode = function.name.strip_prefix("to_").unwrap_or(&function.name);
        let (Some(param), Some(nodes)) = (overload.signature.params.first(), nodes) else {
            continue;
        };
        let is_number = ["integer", "decimal", "float", "number"].contains(&param.ty.as_str());
        if !is_number || !function.is_internal() || crate::part::NEUTRAL_TYPES.contains(&mode) {
            continue;
        }
        let class = constructs::class_of_template(nodes, &overload.signature, scope);
        let is_numeric_type = ["integer", "decimal", "float"].contains(&class.as_str());
        conversions.push(Conversion {
            mode: mode.to_owned(),
            from: param.ty.clone(),
            class: if is_numeric_type {
                class
            } else {
                class_of_type(&overload.signature.result).to_owned()
            },
        });
    }
    // A value that is only known to be a number may belong to any of these classes.
    let keeps_class = |c: &Conversion| c.mode == "days" && c.class != "integer" && c.class == c.from;
    let class = if conversions.iter().any(keeps_class) {
        "number"
    } else {
        "integer"
    };
    conversions.push(Conversion {
        mode: "days".to_owned(),
        from: "number".to_owned(),
        class: class.to_owned(),
    });
    conversions
}

/// Returns the casts that the compiler writes without a template.
fn untemplated_casts(dialect: &Dialect) -> Vec<String> {
    let mut untemplated_casts = Vec::new();
    let wide = dialect.fact("wide_decimal");
    if !wide.is_empty() {
        untemplated_casts.push(format!("cast(decimal as {wide})"));
    }
    if dialect.may_return_decimal_or_float() {
        let decimal = dialect.types.iter().find(|(neutral, _)| neutral == "decimal");
        untemplated_casts.extend(decimal.map(|(_, name)| format!("cast(number as {name})")));
    }
    for (neutral, name) in &dialect.types {
        // Columns of a model with a contract are cast to the types that the contract declares.
        let contract_type = dialect.fact(&format!("contract_{neutral}"));
        let declared = if contract_type.is_empty() {
            name.clone()
        } else {
            contract_type
        };
        untemplated_casts.push(format!("cast({neutral} as {declared})"));
        match neutral.as_str() {
            "text" => untemplated_casts.extend(STRING_CLASSES.map(|class| format!("cast({class} as {name})"))),
            // `prove` writes the values of its rows as strings, and casts the strings to the types of the columns.
            "decimal" => untemplated_casts.push(format!("cast(text as {})", dialect.fact("stored_decimal"))),
            _ => untemplated_casts.push(format!("cast(text as {name})")),
        }
    }
    untemplated_casts
}

/// Adds to each cell the constructs of the internal entries that its placeholders insert, such as `to_float` for
/// `{value:float}`.
fn add_inserted_constructs(dialect: &Dialect, functions: &[Function], cells: &mut [BTreeSet<Construct>]) {
    let firsts: Vec<usize> = functions
        .iter()
        .scan(0, |next, f| {
            let first = *next;
            *next += f.overloads.len();
            Some(first)
        })
        .collect();
    let inserted: Vec<BTreeSet<usize>> = dialect
        .templates()
        .map(|nodes| {
            nodes
                .unwrap_or_default()
                .iter()
                .filter_map(Node::mode)
                .filter_map(|mode| inserted_function(functions, mode))
                .collect()
        })
        .collect();
    for index in 0..cells.len() {
        let mut waiting: Vec<usize> = inserted[index].iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(function) = waiting.pop() {
            if !seen.insert(function) {
                continue;
            }
            for cell in firsts[function]..firsts[function] + functions[function].overloads.len() {
                let constructs: Vec<Construct> = cells[cell].iter().cloned().collect();
                cells[index].extend(constructs);
                waiting.extend(&inserted[cell]);
            }
        }
    }
}

/// Returns the names of the functions in the constructs.
pub fn called_functions(used_constructs: &UsedConstructs) -> impl Iterator<Item = String> {
    let calls = used_constructs.keys().filter(|(section, _)| *section == Section::Calls);
    calls
        .filter_map(|(_, text)| text.split_once('('))
        .map(|(name, _)| constructs::strip_safe_prefix(name).to_owned())
}

/// Returns the parameters that a query refers to in `name in ('…', '…')`, or as `@@name`.
fn session_parameters(query: &str) -> Vec<&str> {
    let name_list = query
        .split_once(" in (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(list, _)| list);
    let system = query
        .split("@@")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
    name_list.split('\'').skip(1).step_by(2).chain(system).collect()
}
