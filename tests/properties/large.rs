//! Inputs that can be generated in any size. Each shape could cause recursion or repeated scans in a poorly written
//! pass.

/// Shape of an input that can be generated in any size.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    /// Size that the deep test uses.
    pub size: usize,
    pub make: fn(usize) -> String,
}

const fn shape(name: &'static str, size: usize, make: fn(usize) -> String) -> Shape {
    Shape { name, size, make }
}

/// Returns a worksheet with one formula.
fn sheet(formula: &str) -> String {
    format!("model: m\nfrom: orders\ncolumns: [id, amount]\norder_by: id\ncalculations:\n  x: ={formula}\n")
}

/// Inputs for `compile`.
pub const FORMULAS: &[Shape] = &[
    shape("nested parentheses", 100_000, |n| {
        format!("{}1{}", "(".repeat(n), ")".repeat(n))
    }),
    shape("nested parentheses, unclosed", 100_000, |n| "(".repeat(n)),
    shape("closing parentheses", 100_000, |n| ")".repeat(n)),
    shape("opening squares", 100_000, |n| "[".repeat(n)),
    shape("squares after a name", 100_000, |n| format!("x{}", "[a".repeat(n))),
    shape("mixed brackets", 100_000, |n| "([{".repeat(n / 3)),
    shape("prefix minuses", 100_000, |n| format!("{}x", "-".repeat(n))),
    shape("prefix signs without operand", 100_000, |n| "-+".repeat(n / 2)),
    shape("nested IFs", 100_000, |n| {
        format!("{}1{}", "IF(TRUE, ".repeat(n), ")".repeat(n))
    }),
    shape("nested IFs within the limit, many", 100, |n| {
        let one = format!("{}1{}\n", "IF(a > 0, ".repeat(900), ", 2)".repeat(900));
        (0..n).map(|i| format!("d{i} = {one}")).collect()
    }),
    shape("nested calls, unclosed", 100_000, |n| "SUM(".repeat(n)),
    shape("a sum of names", 100_000, |n| format!("a{}", " + a".repeat(n))),
    shape("a sum of different names", 100_000, |n| {
        let terms: Vec<String> = (0..n).map(|i| format!("column_{i}")).collect();
        terms.join(" + ")
    }),
    shape("a sum of numbers", 100_000, |n| format!("1{}", " + 1".repeat(n))),
    shape("a sum of aggregates", 30_000, |n| {
        format!("SUM(a){}", " + SUM(a)".repeat(n))
    }),
    shape("products and sums", 100_000, |n| {
        format!("a{}", " * a + a".repeat(n / 2))
    }),
    shape("a chain of divisions", 2_000, |n| format!("a{}", " / a".repeat(n))),
    shape("percent signs", 100_000, |n| format!("x{}", "%".repeat(n))),
    shape("percent signs after a number", 100_000, |n| {
        format!("1{}", "%".repeat(n))
    }),
    shape("powers", 100_000, |n| format!("x{}", " ^ x".repeat(n))),
    shape("joined texts", 100_000, |n| format!("x{}", " & x".repeat(n))),
    shape("joined literals", 100_000, |n| format!("\"a\"{}", " & \"a\"".repeat(n))),
    shape("comparisons", 100_000, |n| format!("x{}", " = x".repeat(n))),
    shape("arguments", 100_000, |n| format!("CONCAT(x{})", ", x".repeat(n))),
    shape("conditions of AND", 100_000, |n| format!("AND(x{})", ", x".repeat(n))),
    shape("arguments of COALESCE", 100_000, |n| {
        format!("COALESCE(x{})", ", x".repeat(n))
    }),
    shape("branches of IFS", 50_000, |n| {
        format!("IFS(x = 1, 1{})", ", x = 1, 1".repeat(n))
    }),
    shape("cases of SWITCH", 50_000, |n| {
        format!("SWITCH(x{})", ", 1, 2".repeat(n))
    }),
    shape("criteria of SUMIFS", 50_000, |n| {
        format!("SUMIFS(x{})", ", y, \">1\"".repeat(n))
    }),
    shape("empty arguments", 100_000, |n| format!("SUM({})", ",".repeat(n))),
    shape("arguments across the row", 1_000, |n| {
        format!("MAX(x{})", ", x".repeat(n))
    }),
    shape("ranges", 100_000, |n| format!("a{}", ":a".repeat(n))),
    shape("dots", 100_000, |n| format!("a{}", ".a".repeat(n))),
    shape("tabs", 100_000, |n| "'a'!".repeat(n)),
    shape("stray operators", 100_000, |n| "* / ".repeat(n / 2)),
    shape("stray commas", 100_000, |n| ",".repeat(n)),
    shape("names side by side", 100_000, |n| "a ".repeat(n)),
    shape("strange characters", 100_000, |n| "@ ".repeat(n)),
    shape("strange characters together", 100_000, |n| "@".repeat(n)),
    shape("curly quotes in one line", 100_000, |n| "“a” ".repeat(n)),
    shape("curly and straight quotes by lines", 100_000, |n| "“\"\"\n".repeat(n)),
    shape("double quotes", 100_000, |n| "\"".repeat(n)),
    shape("double quotes by lines", 100_000, |n| "\"\"\" \"\"\n".repeat(n)),
    shape("texts that eat definitions", 50_000, |n| {
        format!("{}\"", "a = \"x\nb = 1\n".repeat(n))
    }),
    shape("single quotes", 100_000, |n| "'\n".repeat(n)),
    shape("unclosed references", 100_000, |n| "${".repeat(n)),
    shape("unclosed references by lines", 100_000, |n| "${a\n".repeat(n)),
    shape("references", 50_000, |n| {
        format!("1{}", " + ${orders.Net Revenue}".repeat(n))
    }),
    shape("different references", 50_000, |n| {
        (0..n).map(|i| format!("+ ${{orders.c {i}}}\n")).collect()
    }),
    shape("a huge number", 1_000_000, |n| "9".repeat(n)),
    shape("a huge name", 1_000_000, |n| format!("SUM({})", "a".repeat(n))),
    shape("a huge function name", 1_000_000, |n| format!("{}(1)", "a".repeat(n))),
    shape("a huge text", 1_000_000, |n| format!("\"{}\"", "a".repeat(n))),
    shape("a huge text of quotes", 1_000_000, |n| {
        format!("\"{}\"", "\"\"".repeat(n / 2))
    }),
    shape("a huge comment", 1_000_000, |n| format!("//{}\nSUM(a)", "a".repeat(n))),
    shape("comment marks", 100_000, |n| "// a\n".repeat(n)),
    shape("blank lines before a definition", 1_000_000, |n| {
        format!("{}a = 1", "\n".repeat(n))
    }),
    shape("blanks between tokens", 100_000, |n| {
        "a =    \u{a0}  \n   ".repeat(n / 10)
    }),
    shape("definitions", 100_000, |n| {
        (0..n).map(|i| format!("name_{i} = SUM(amount) + {i}\n")).collect()
    }),
    shape("described definitions", 50_000, |n| {
        (0..n)
            .map(|i| format!("/// Text\n/// two\nname_{i} = SUM(amount)\n"))
            .collect()
    }),
    shape("one long description", 50_000, |n| {
        format!("a = 1\n{}b = 2", "/// text\n".repeat(n))
    }),
    shape("chained definitions", 2_000, |n| {
        let mut text = "d0 = SUM(amount)\n".to_owned();
        (1..n).for_each(|i| text.push_str(&format!("d{i} = -d{}\n", i - 1)));
        text
    }),
    shape("chained definitions backwards", 2_000, |n| {
        let mut text = String::new();
        (1..n)
            .rev()
            .for_each(|i| text.push_str(&format!("d{i} = -d{}\n", i - 1)));
        text + "d0 = SUM(amount)\n"
    }),
    shape("duplicate definitions", 100_000, |n| "a = 1\n".repeat(n)),
    shape("a circle of definitions", 50_000, |n| {
        (0..n).map(|i| format!("d{i} = d{} + 1\n", (i + 1) % n)).collect()
    }),
    shape("circles through the first", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = d{} + d0\n", (i + 1) % n)).collect()
    }),
    shape("circles of two", 50_000, |n| {
        (0..n).map(|i| format!("a{i}x = b{i}x\nb{i}x = a{i}x\n")).collect()
    }),
    shape("definitions with unknown functions", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUMM(x)\n")).collect()
    }),
    shape("definitions with faults of syntax", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUM(x\n")).collect()
    }),
    shape("definitions of mixed levels", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUM(x) + x\n")).collect()
    }),
    shape("definitions with cells", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = C{i}\n")).collect()
    }),
    shape("small-letter booleans", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = COUNTIF(x = true)\n")).collect()
    }),
    shape("warnings in one line with a comment", 20_000, |n| {
        format!("{} // noqa: W0210", "x != 1, ".repeat(n))
    }),
    shape("conflicting uses", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = UPPER(x{i}x) & YEAR(x{i}x)\n")).collect()
    }),
];

/// Inputs for `compile` with a schema that has many columns. The schema contains none of the names in the inputs.
pub const AGAINST_SCHEMA: &[Shape] = &[
    shape("unknown names", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUM(nothing_like_{i}_it)\n")).collect()
    }),
    shape("unknown short names", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUM(zz{i}y)\n")).collect()
    }),
    shape("unknown relations", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUM(zz{i}y.a)\n")).collect()
    }),
    shape("wrong types", 20_000, |n| {
        (0..n).map(|i| format!("d{i} = SUM(UPPER(id))\n")).collect()
    }),
];

fn spec(definitions: &str) -> String {
    format!("model: m\nfrom: t\ndefinitions: |\n{definitions}")
}

fn spec_of(n: usize, line: impl Fn(usize) -> String) -> String {
    spec(&(0..n).map(|i| format!("  {}\n", line(i))).collect::<String>())
}

/// Inputs for `compile_spec`.
pub const SPECS: &[Shape] = &[
    shape("nested calls over cells", 30_000, |n| {
        sheet(&format!("{}B1{}", "SUM(".repeat(n), ")".repeat(n)))
    }),
    shape("ranges of cells", 30_000, |n| {
        sheet(&format!("1{}", " + SUM(B$1:B1)".repeat(n)))
    }),
    shape("cells of different rows", 3_000, |n| {
        let cells: Vec<String> = (0..n).map(|row| format!("B{row}")).collect();
        sheet(&cells.join(" + "))
    }),
    shape("columns and calculations of a sheet", 2_000, |n| {
        let columns: Vec<String> = (0..n).map(|i| format!("col_{i}")).collect();
        let of = |i: usize| {
            let [a, b] = [i / 26 % 26, i % 26].map(|index| char::from(b'A' + index as u8));
            format!("  calc_{i}: =A1 + {a}{b}0 + col_{i} + SUM(OFFSET(col_{i}, -1, 0, 2, 1))\n")
        };
        let calculations: String = (0..n).map(of).collect();
        format!(
            "model: m\nfrom: t\ncolumns: [{}]\norder_by: col_0\ncalculations:\n{calculations}",
            columns.join(", ")
        )
    }),
    shape("a column past all letters", 100_000, |n| sheet(&"Z".repeat(n))),
    shape("a row past all numbers", 100_000, |n| {
        sheet(&format!("B{}", "9".repeat(n)))
    }),
    shape("definitions", 100_000, |n| {
        spec_of(n, |i| format!("name_{i} = SUM(amount) + {i}"))
    }),
    shape("described definitions", 10_000, |n| {
        spec_of(n, |i| format!("/// Text {i}\n  name_{i} = SUM(amount)"))
    }),
    shape("definitions of rows", 20_000, |n| {
        spec_of(n, |i| format!("name_{i} = amount + {i}"))
    }),
    shape("a mapping of definitions", 20_000, |n| {
        let lines: String = (0..n).map(|i| format!("  d{i}: SUM(amount)\n")).collect();
        format!("model: m\nfrom: t\ndefinitions:\n{lines}")
    }),
    shape("columns with all that is said of them", 10_000, |n| {
        let formulas: String = (0..n)
            .map(|i| format!("  d{i}: {{formula: SUM(a), meta: {{k{i}: 1}}}}\n"))
            .collect();
        let columns_text: String = (0..n)
            .map(|i| format!("  d{i}: {{meta: {{a: 1}}, data_tests: [not_null]}}\n"))
            .collect();
        let rules: String = (0..n).map(|i| format!("  - r{i}: d{i} > 0\n")).collect();
        format!("model: m\nfrom: t\ndefinitions:\n{formulas}columns:\n{columns_text}rules:\n{rules}")
    }),
    shape("flow formulas that never close", 20_000, |n| {
        let pairs: Vec<String> = (0..n).map(|i| format!("d{i}: SUM((a")).collect();
        format!("model: m\nfrom: t\ndefinitions: {{{}}}\n", pairs.join(", "))
    }),
    shape("anchors and tags in one line", 20_000, |n| {
        let items: Vec<String> = (0..n).map(|i| format!("&a{i} x, !t y")).collect();
        format!("model: m\nfrom: t\ngroup_by: [{}]\n", items.join(", "))
    }),
    shape("unknown keys", 20_000, |n| {
        let keys: String = (0..n).map(|i| format!("kez_{i}: 1\n")).collect();
        format!("model: m\nfrom: t\n{keys}")
    }),
    shape("faulty steps", 10_000, |n| {
        let steps: String = (0..n)
            .map(|i| format!("  - {{name: s{i}, limit: x, definitions: a = 1}}\n"))
            .collect();
        format!("model: m\nfrom: t\nsteps:\n{steps}")
    }),
    shape("rows of examples", 20_000, |n| {
        let rows: String = (0..n).map(|i| format!("        - {{c{i}: 1}}\n")).collect();
        format!(
            "model: m\nfrom: t\ndefinitions: a = COUNT()\nexamples:\n  - name: e\n    given: []\n    expect:\n      rows:\n{rows}"
        )
    }),
    shape("chained definitions", 10_000, |n| {
        spec_of(n, |i| {
            if i == 0 {
                "d0 = SUM(a)".into()
            } else {
                format!("d{i} = d{} + 1", i - 1)
            }
        })
    }),
    shape("chained definitions of rows", 2_000, |n| {
        spec_of(n, |i| {
            if i == 0 {
                "d0 = a + 1".into()
            } else {
                format!("d{i} = d{} + 1", i - 1)
            }
        })
    }),
    shape("diamonds", 60, |n| {
        spec_of(n, |i| {
            if i == 0 {
                "d0 = SUM(a)".into()
            } else {
                format!("d{i} = d{} + d{}", i - 1, i - 1)
            }
        })
    }),
    shape("many diamonds", 1_000, |n| {
        spec_of(n, |i| {
            if i == 0 {
                "d0 = SUM(a)".into()
            } else {
                format!("d{i} = d{} + d{}", i - 1, i - 1)
            }
        })
    }),
    shape("nested repeated arguments", 200, |n| {
        spec(&format!("  a = {}x + 1{}\n", "MOD(7, ".repeat(n), ")".repeat(n)))
    }),
    shape("nested conditions in LET", 80, |n| {
        let name = |i: usize| format!("p_{i}_x, AND(p_{}_x, p_{}_x), ", i - 1, i - 1);
        let names: String = (1..n).map(name).collect();
        spec(&format!(
            "  a = LET(p_0_x, x + y > 3, {names}IF(p_{}_x, 1, 0))\n  b = MOD(x + y, 3)\n",
            n - 1
        ))
    }),
    shape("nested windows", 200, |n| {
        format!(
            "model: m\nfrom: t\norder_by: k\ndefinitions: |\n  a = {}x{}\n",
            "OFFSET(".repeat(n),
            ", -1)".repeat(n)
        )
    }),
    shape("chained windows", 200, |n| {
        let line = |i: usize| {
            if i == 0 {
                "  w0 = x\n".to_owned()
            } else {
                format!("  w{i} = OFFSET(w{}, -1)\n", i - 1)
            }
        };
        format!(
            "model: m\nfrom: t\norder_by: k\ndefinitions: |\n{}",
            (0..n).map(line).collect::<String>()
        )
    }),
    shape("a sum", 100_000, |n| spec(&format!("  a = x{}\n", " + x".repeat(n)))),
    shape("joined texts", 100_000, |n| {
        spec(&format!("  a = x{}\n", " & x".repeat(n)))
    }),
    shape("powers", 20_000, |n| spec(&format!("  a = x{}\n", " ^ x".repeat(n)))),
    shape("percent signs", 100_000, |n| {
        spec(&format!("  a = x{}\n", "%".repeat(n)))
    }),
    shape("nested parentheses", 100_000, |n| {
        spec(&format!("  a = {}1{}\n", "(".repeat(n), ")".repeat(n)))
    }),
    shape("steps", 2_000, |n| {
        let line = |i: usize| format!("  - {{name: s{i}, keep: all, definitions: c{i} = x + {i}}}\n");
        format!("model: m\nfrom: t\nsteps:\n{}", (0..n).map(line).collect::<String>())
    }),
    shape("steps of one column", 2_000, |n| {
        let line = |i: usize| format!("  - {{name: s{i}, definitions: x = x + {i}}}\n");
        format!("model: m\nfrom: t\nsteps:\n{}", (0..n).map(line).collect::<String>())
    }),
    shape("keys to group by, flow list", 100_000, |n| {
        let keys: Vec<String> = (0..n).map(|i| format!("g{i}x")).collect();
        format!(
            "model: m\nfrom: t\ngroup_by: [{}]\ndefinitions: a = SUM(x)\n",
            keys.join(", ")
        )
    }),
    shape("keys to group by, block list", 20_000, |n| {
        let keys: String = (0..n).map(|i| format!("  - g{i}x\n")).collect();
        format!("model: m\nfrom: t\ngroup_by:\n{keys}definitions: a = SUM(x)\n")
    }),
    shape("keys to group by, one text", 20_000, |n| {
        let keys: Vec<String> = (0..n).map(|i| format!("g{i}x")).collect();
        format!(
            "model: m\nfrom: t\ngroup_by: {}\ndefinitions: a = SUM(x)\n",
            keys.join(", ")
        )
    }),
    shape("keys to order by", 20_000, |n| {
        let keys: Vec<String> = (0..n).map(|i| format!("g{i}x desc")).collect();
        format!(
            "model: m\nfrom: t\norder_by: [{}]\ndefinitions: a = x + 1\n",
            keys.join(", ")
        )
    }),
    shape("kept columns", 20_000, |n| {
        let keys: Vec<String> = (0..n).map(|i| format!("g{i}x")).collect();
        format!(
            "model: m\nfrom: t\nkeep: [{}]\ndefinitions: a = x + 1\n",
            keys.join(", ")
        )
    }),
    shape("described columns", 10_000, |n| {
        let keys: String = (0..n).map(|i| format!("  c{i}: {{description: Text}}\n")).collect();
        format!("model: m\nfrom: t\ncolumns:\n{keys}definitions: a = SUM(x)\n")
    }),
    shape("unknown keys", 10_000, |n| {
        let keys: String = (0..n).map(|i| format!("key{i}: 1\n")).collect();
        format!("model: m\nfrom: t\n{keys}definitions: a = SUM(x)\n")
    }),
    shape("the same key", 10_000, |n| {
        format!("model: m\n{}", "from: t\n".repeat(n))
    }),
    shape("nested flow lists", 100_000, |n| {
        format!("model: {}{}\n", "[".repeat(n), "]".repeat(n))
    }),
    shape("nested flow lists, unclosed", 100_000, |n| {
        format!("model: {}\n", "[".repeat(n))
    }),
    shape("nested flow mappings", 100_000, |n| {
        format!("model: {}{}\n", "{a: ".repeat(n), "}".repeat(n))
    }),
    shape("nested block lists", 100_000, |n| {
        format!("model:\n  {}a\n", "- ".repeat(n))
    }),
    shape("nested block mappings", 1_000, |n| {
        (0..n).map(|i| format!("{}a:\n", " ".repeat(i))).collect()
    }),
    shape("question marks", 100_000, |n| "? ".repeat(n)),
    shape("anchors", 20_000, |n| {
        (0..n).map(|i| format!("k{i}: &a{i} x\n")).collect()
    }),
    shape("aliases that double", 40, |n| {
        let mut text = "a0: &a0 [x]\n".to_owned();
        (1..n).for_each(|i| text.push_str(&format!("a{i}: &a{i} [*a{}, *a{}]\n", i - 1, i - 1)));
        text
    }),
    shape("documents", 100_000, |n| "---\na\n".repeat(n)),
    shape("comments", 100_000, |n| "# a\n".repeat(n)),
    shape("blank lines in a block", 100_000, |n| {
        format!("model: m\nfrom: t\ndefinitions: |\n{}  a = 1\n", "\n".repeat(n))
    }),
    shape("a huge line of text", 1_000_000, |n| {
        format!("model: m\nfrom: t\ndefinitions: \"{}a = 1\"\n", "\\n".repeat(n / 2))
    }),
    shape("a huge formula of escapes", 100_000, |n| {
        format!("model: m\nfrom: t\ndefinitions: \"a = 1{}\"\n", " + \\u0031".repeat(n))
    }),
    shape("faults in definitions", 20_000, |n| {
        spec_of(n, |i| format!("d{i} = SUMM(x"))
    }),
    shape("faults in one line", 20_000, |n| {
        format!("model: m\nfrom: t\ndefinitions: 'a = {}1'\n", "SUMM(x) + ".repeat(n))
    }),
    shape("a long description", 1_000_000, |n| {
        format!(
            "model: m\ndescription: {}\nfrom: t\ndefinitions: a = 1\n",
            "a ".repeat(n / 2)
        )
    }),
];
