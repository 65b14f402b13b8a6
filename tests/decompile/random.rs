//! Tests random formulas: each formula is recovered from its SQL, or reported as not recoverable. A recovered formula
//! has the same SQL.

use std::sync::OnceLock;

use formulac::decompile::{Decompiler, SqlEdits, with_formula};
use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};
use proptest::prelude::*;

fn schema() -> Schema {
    let columns = [
        ("i", Type::Integer),
        ("d", Type::Decimal),
        ("f", Type::Float),
        ("s", Type::Text),
        ("u", Type::Text),
        ("a", Type::Date),
        ("t", Type::Timestamp),
        ("b", Type::Boolean),
    ];
    let relation = Relation::new("t").with(Column::new("k", Type::Integer).nullable(false));
    Schema::new().with(
        columns
            .into_iter()
            .fold(relation, |r, (name, ty)| r.with(Column::new(name, ty))),
    )
}

/// Generates nested formulas with numbers, strings, conditions and dates.
fn formulas() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop_oneof![
            Just("i"),
            Just("d"),
            Just("f"),
            Just("k"),
            Just("2"),
            Just("0.5"),
            Just("-3")
        ]
        .prop_map(|x| ('n', x.to_owned())),
        prop_oneof![Just("s"), Just("u"), Just("\"it's\""), Just("\"\"")].prop_map(|x| ('s', x.to_owned())),
        Just(('b', "b".to_owned())),
        prop_oneof![Just("a"), Just("t"), Just("TODAY()"), Just("a[month]")].prop_map(|x| ('a', x.to_owned())),
    ];
    // Parts are combined freely. The compiler rejects formulas whose types do not match, and the test skips these
    // formulas.
    let shapes = [
        ('n', "# + #"),
        ('n', "(#) - (#)"),
        ('n', "(#) * (#)"),
        ('n', "(#) / (#)"),
        ('n', "ROUND(#, 2)"),
        ('n', "ABS(#)"),
        ('n', "MAX(#, #)"),
        ('n', "LEN(@)"),
        ('n', "YEAR(~)"),
        ('n', "DATEDIF(~, ~, \"M\")"),
        ('n', "IF(?, #, #)"),
        ('n', "COALESCE(#, #)"),
        ('n', "MOD(#, 3)"),
        ('s', "(@) & (#)"),
        ('s', "LEFT(@, 3)"),
        ('s', "UPPER(@)"),
        ('s', "IF(?, @, @)"),
        ('s', "CONCAT(@, @, #)"),
        ('s', "SUBSTITUTE(@, \"x\", @)"),
        ('b', "(#) > (#)"),
        ('b', "(@) = (@)"),
        ('b', "AND(?, ?)"),
        ('b', "OR(?, ?, ?)"),
        ('b', "NOT(?)"),
        ('b', "ISBLANK(@)"),
        ('b', "(~) < (~)"),
        ('a', "EDATE(~, 2)"),
        ('a', "(~) + 7"),
        ('a', "IF(?, ~, ~)"),
        ('a', "EOMONTH(~, 1)"),
    ];
    let value = leaf.prop_recursive(3, 12, 3, move |inner| {
        (
            proptest::sample::select(shapes.to_vec()),
            proptest::collection::vec(inner, 9),
        )
            .prop_map(|((kind, shape), parts)| {
                let mut parts = parts.into_iter();
                let text = shape.chars().map(|c| {
                    let wanted = match c {
                        '#' => 'n',
                        '@' => 's',
                        '?' => 'b',
                        '~' => 'a',
                        other => return other.to_string(),
                    };
                    let fallback = match wanted {
                        'n' => "i",
                        's' => "s",
                        'b' => "b",
                        _ => "a",
                    };
                    parts
                        .next()
                        .filter(|(kind, _)| *kind == wanted)
                        .map_or(fallback.to_owned(), |(_, text)| text)
                });
                (kind, text.collect())
            })
    });
    let level = prop_oneof![
        3 => Just("{}"), 1 => Just("SUM({})"), 1 => Just("COUNT({})"), 1 => Just("SUM(IF(b, {}))"), 1 => Just("AVERAGE({})"),
        1 => Just("SUM(i) / COUNT(DISTINCT({}))"), 1 => Just("MAX({})"),
    ];
    (value, level).prop_map(|((_, text), level): ((char, String), &str)| level.replace("{}", &text))
}

static DECOMPILER: OnceLock<Decompiler> = OnceLock::new();

proptest! {
    #[test]
    fn the_found_formula_compiles_to_the_same_sql(formula in formulas(), which in 0usize..4) {
        let dialect = Dialect::verified().nth(which).unwrap_or_default();
        let compiler = Compiler::builder().dialect(dialect).schema(schema()).build();
        let base = "model: m\nfrom: t\ndefinitions: |\n  x = 7919\n";
        let spec = with_formula(base, None, "x", &formula).unwrap();
        let compiled = compiler.compile_spec(&spec);
        let Some(found) = compiled.model_sql() else { return Ok(()) };
        let shown = DECOMPILER.get_or_init(Decompiler::default).find_formula(&compiler, base, None, found, None, "x");
        if let Ok(shown) = shown {
            let again = compiler.compile_spec(&with_formula(base, None, "x", &shown).unwrap());
            let edits = SqlEdits::from_texts(again.model_sql().unwrap_or_default(), found, dialect);
            prop_assert!(edits.is_empty(), "{} became {}: {:?}", formula, shown, edits);
        }
    }
}
