//! Tests every function of the catalogue in every dialect, with comparisons and conditions as arguments, and every SQL
//! function that its templates call. Each column in the arguments must be a parent.

use std::collections::{BTreeMap, BTreeSet};

use formulac::catalog::{self, Overload, ParamType};
use formulac::lineage::{ColumnSource, RelationColumnList, lineage_of_sql};
use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};

/// Number of columns of each type.
const MANY: usize = 8;

/// Functions without generated calls, because their arguments are cells, other tables or pivot columns.
const NOT_GENERATED: &[&str] = &[
    "PIVOT",
    "PIVOTINDEX",
    "PIVOTOFFSET",
    "PIVOTROW",
    "VLOOKUP",
    "XLOOKUP",
    "INDEX",
    "MATCH",
];

/// Calls whose arguments cannot be derived from the signature, such as percentiles, patterns and units.
const CALLS: &[(&str, &str)] = &[
    ("DISTINCT", "COUNT(DISTINCT(IF(kind0 = \"a\", s0)))"),
    ("LARGE", "LARGE(IF(kind0 = \"a\", n0), 2)"),
    ("SMALL", "SMALL(IF(kind0 = \"a\", n0), 2)"),
    ("PERCENTILE", "PERCENTILE(IF(kind0 = \"a\", n0), 0.5)"),
    ("PERCENTILE.EXC", "PERCENTILE.EXC(IF(kind0 = \"a\", n0), 0.5)"),
    ("QUARTILE", "QUARTILE(IF(kind0 = \"a\", n0), 1)"),
    ("TRIMMEAN", "TRIMMEAN(IF(kind0 = \"a\", n0), 0.2)"),
    (
        "TEXTJOIN",
        "TEXTJOIN(\",\", TRUE, IF(kind0 = \"a\", s0), IF(kind1 = \"b\", s1), s2)",
    ),
    ("REGEXMATCH", "REGEXMATCH(IF(kind0 = \"a\", s0), \"a+\")"),
    ("REGEXEXTRACT", "REGEXEXTRACT(IF(kind0 = \"a\", s0), \"a+\")"),
    (
        "REGEXREPLACE",
        "REGEXREPLACE(IF(kind0 = \"a\", s0), \"a+\", IF(kind1 = \"a\", s1))",
    ),
    ("TEXT", "TEXT(IF(kind0 = \"a\", n0), \"0.00\")"),
    (
        "PERIODOFFSET",
        "PERIODOFFSET(SUM(IF(kind0 = \"a\", n0)), -1, \"month\")",
    ),
];

const TYPES: [(&str, Type); 7] = [
    ("b", Type::Boolean),
    ("i", Type::Integer),
    ("n", Type::Decimal),
    ("f", Type::Float),
    ("s", Type::Text),
    ("d", Type::Date),
    ("t", Type::Timestamp),
];

fn schema() -> Schema {
    let mut relation = Relation::new("t").with(Column::new("row_id", Type::Integer).nullable(false));
    for at in 0..MANY {
        relation = relation.with(Column::new(format!("kind{at}"), Type::Text));
        for (name, ty) in TYPES {
            relation = relation.with(Column::new(format!("{name}{at}"), ty));
        }
    }
    Schema::new().with(relation)
}

/// Returns arguments for a parameter: a column, and a conditional value.
fn arguments(ty: ParamType, at: usize) -> Vec<String> {
    let of = |ty: Type| {
        let letter = TYPES
            .iter()
            .find(|(_, known)| *known == ty)
            .map_or("t", |(letter, _)| letter);
        format!("{letter}{at}")
    };
    let condition = format!("kind{at} = \"a\"");
    let conditional = |column: String| vec![format!("IF({condition}, {column})"), column];
    match ty {
        ParamType::Is(Type::Boolean) => vec![condition, of(Type::Boolean)],
        ParamType::Is(Type::Text) => [conditional(of(Type::Text)), vec!["\"D\"".to_owned()]].concat(),
        ParamType::Is(Type::Integer) => [conditional(of(Type::Integer)), vec!["1".to_owned()]].concat(),
        ParamType::Is(ty) => conditional(of(ty)),
        ParamType::Number | ParamType::Same => conditional(of(Type::Decimal)),
        ParamType::Temporal => conditional(of(Type::Date)),
        ParamType::Any => vec![condition, of(Type::Text)],
        ParamType::Literal(least, _) => vec![least.max(1).to_string()],
        ParamType::Positive => vec!["2".to_owned()],
        ParamType::Negative => vec!["-2".to_owned()],
    }
}

/// Returns calls to an overload: one with the first choice for each argument, one with the second choice, and so on.
/// Optional arguments are included in some calls and omitted in others.
fn calls(name: &str, overload: &Overload) -> Vec<String> {
    let mut params: Vec<ParamType> = overload.params.iter().map(|param| param.ty).collect();
    if overload.repeated {
        params.extend(params.last().copied());
    }
    let mut found = Vec::new();
    for count in [params.len(), overload.min_arguments] {
        let choices: Vec<Vec<String>> = params
            .iter()
            .take(count)
            .enumerate()
            .map(|(at, ty)| arguments(*ty, at % MANY))
            .collect();
        let most = choices.iter().map(Vec::len).max().unwrap_or(1);
        for choice in 0..most {
            let args: Vec<&str> = choices
                .iter()
                .filter_map(|of| of.get(choice).or(of.last()).map(String::as_str))
                .collect();
            found.push(format!("{name}({})", args.join(", ")));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Returns the words outside of strings in an SQL statement, each with a flag that is `true` if a bracket follows.
fn words(sql: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for part in sql.split('\'').step_by(2) {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut rest = part;
        while let Some(begin) = rest.find(is_word) {
            let word = &rest[begin..];
            let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
            found.push((word[..end].to_lowercase(), word[end..].starts_with('(')));
            rest = &word[end..];
        }
    }
    found
}

/// Returns the columns of `t` that a query reads, for values, windows or rows.
fn read(sql: &str, dialect: Dialect, columns: &[String]) -> Result<BTreeSet<String>, String> {
    let known = |parts: &[String]| RelationColumnList {
        columns: if parts == ["t"] { columns.to_vec() } else { Vec::new() },
        is_complete: parts == ["t"],
    };
    let lineage = lineage_of_sql(sql, Some(dialect), &known).map_err(|fault| fault.to_string())?;
    let all = lineage
        .columns()
        .into_iter()
        .flat_map(|column| column.source_columns.into_iter().chain(column.window_columns));
    Ok(all.chain(lineage.rows()).map(|of: ColumnSource| of.column).collect())
}

#[test]
fn comparisons_in_every_function_of_every_dialect() {
    let columns: Vec<String> = (0..MANY)
        .flat_map(|at| {
            TYPES
                .iter()
                .map(move |(name, _)| format!("{name}{at}"))
                .chain([format!("kind{at}")])
        })
        .chain(["row_id".to_owned()])
        .collect();
    let mut lost = Vec::new();
    let mut with: BTreeSet<&str> = BTreeSet::new();
    let mut count = 0;
    let mut called: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for dialect in Dialect::all() {
        let compiler = Compiler::builder().dialect(dialect).schema(schema()).build();
        for function in catalog::functions() {
            let own = CALLS
                .iter()
                .filter(|(name, _)| *name == function.name)
                .map(|(_, call)| (*call).to_owned());
            for call in function
                .overloads
                .iter()
                .flat_map(|overload| calls(function.name, overload))
                .chain(own)
            {
                let shapes = [
                    "order_by: [row_id]\ndefinitions: |\n",
                    "group_by: [s7]\ndefinitions: |\n",
                    "group_by: [month]\norder_by: [month]\ndefinitions: |\n  month = d7[month]\n",
                ];
                let compiled = shapes
                    .iter()
                    .map(|shape| compiler.compile_spec(&format!("model: m\nfrom: t\n{shape}  answer = {call}\n")))
                    .find(|compiled| compiled.query().is_some());
                let Some(sql) = compiled.as_ref().and_then(|compiled| compiled.query()) else {
                    continue;
                };
                // The order of the result's rows does not affect any value.
                let all = words(sql.rsplit_once("\norder by ").map_or(sql, |(before, _)| before));
                let named: BTreeSet<String> = all
                    .iter()
                    .map(|(word, _)| word.clone())
                    .filter(|word| columns.contains(word))
                    .collect();
                let calls = all.into_iter().filter(|(_, is_call)| *is_call).map(|(word, _)| word);
                called.entry(dialect.name().to_owned()).or_default().extend(calls);
                if !named.is_empty() || function.overloads.iter().all(|overload| overload.params.is_empty()) {
                    with.insert(function.name);
                }
                count += 1;
                match read(sql, dialect, &columns) {
                    Ok(read) if named.is_subset(&read) => {}
                    Ok(read) => lost.push(format!(
                        "{dialect}: {call}: {:?} are lost\n{sql}",
                        named.difference(&read).collect::<Vec<_>>()
                    )),
                    Err(fault) => lost.push(format!("{dialect}: {call}: {fault}\n{sql}")),
                }
            }
        }
    }
    assert!(lost.is_empty(), "{} of {count}\n{}", lost.len(), lost.join("\n\n"));
    let without: Vec<&str> = catalog::functions()
        .map(|f| f.name)
        .filter(|name| !with.contains(name))
        .collect();
    assert_eq!(without, NOT_GENERATED);
    assert!(count > 1000, "{count}");
    called
        .into_iter()
        .for_each(|(dialect, names)| calls_of_sql(&dialect, &names));
}

/// Words that may precede a bracket but do not begin a function call.
const NO_CALLS: &[&str] = &[
    "and", "as", "by", "filter", "in", "not", "or", "over", "then", "when", "else", "on", "using", "case", "values",
    "from", "interval", // The first word in the brackets is a date part.
    "extract",
];

/// Calls each of the named SQL functions, and checks that the first argument is not mistaken for a named argument.
fn calls_of_sql(dialect: &str, names: &BTreeSet<String>) {
    let columns = ["k", "a", "b", "c"].map(str::to_owned);
    let dialect: Dialect = dialect.parse().unwrap();
    let named = match dialect.name() {
        "duckdb" => vec!["x := k = a", "x => k = a"],
        _ => vec!["x => k = a"],
    };
    let mut wrong = Vec::new();
    let mut tried = 0;
    for name in names.iter().filter(|name| !NO_CALLS.contains(&name.as_str())) {
        let forms = [
            "k = 'a', b = c",
            "k = a and b > c",
            "k = 'x', a, b",
            "(k = 'a') = b",
            "k <> a, b is null",
            "a, k = b or c",
        ];
        for form in forms.iter().chain(&named) {
            let sql = format!("select {name}({form}) as answer from t");
            // Some functions, such as `cast`, have a special call syntax.
            let Ok(read) = read(&sql, dialect, &columns) else {
                continue;
            };
            let expected: BTreeSet<String> = words(form)
                .into_iter()
                .map(|(word, _)| word)
                .filter(|word| columns.contains(word))
                .collect();
            if read != expected {
                wrong.push(format!("{dialect}: {sql}: {read:?}"));
            }
            tried += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 200, "{dialect}: {tried}");
}
