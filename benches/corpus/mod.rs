//! Generates realistic formulas from a seed. The same seed produces the same bytes on every machine.
//!
//! The generator is a small context-free grammar over the columns of one relation. All generated formulas compile
//! without diagnostics, with and without the schema. [`verify`] checks this before any measurement.

#![allow(dead_code, reason = "each benchmark uses a part of this module")]

pub mod floor;
mod split_mix;

use std::fmt::Write as _;

use formulac::{Code, Column, Compiler, Relation, Schema, Type};
use split_mix::SplitMix;

/// Seed of the measurement. Reports print the seed so that the measurement can be repeated.
pub const SEED: u64 = 20_240_229;

const NUMBERS: &[&str] = &[
    "revenue",
    "cost",
    "discount",
    "tax_amount",
    "shipping_fee",
    "refund_amount",
    "unit_price",
    "monthly_fee",
    "credit_limit",
];
const INTEGERS: &[&str] = &[
    "quantity",
    "returned_items",
    "seats",
    "tenure_months",
    "sessions",
    "support_tickets",
];
const FLOATS: &[&str] = &["margin_rate", "health_score", "win_probability"];
const TEXTS: &[&str] = &[
    "status",
    "region",
    "country",
    "channel",
    "plan_name",
    "segment",
    "currency",
    "coupon_code",
    "product_name",
    "category",
];
const DATES: &[&str] = &[
    "order_date",
    "ship_date",
    "signup_date",
    "cancel_date",
    "renewal_date",
    "billing_date",
];
const FLAGS: &[&str] = &["is_new", "is_refunded", "is_gift", "is_trial"];
const KEYS: &[&str] = &["order_id", "customer_id", "product_id"];
const VALUES: &[&str] = &[
    "\"open\"",
    "\"paid\"",
    "\"cancelled\"",
    "\"north\"",
    "\"EMEA\"",
    "\"web\"",
    "\"partner\"",
    "\"enterprise\"",
    "\"basic\"",
    "\"on hold\"",
    "\"DE\"",
    "\"Consumer electronics\"",
];
/// String literals that do not occur in `VALUES`. A string that a definition compares both with and without case
/// sensitivity would cause a warning.
const CRITERIA: &[&str] = &[
    "\"sent\"",
    "\"late\"",
    "\"returned\"",
    "\"south\"",
    "\"APAC\"",
    "\"app\"",
    "\"reseller\"",
    "\"government\"",
    "\"extra\"",
    "\"in review\"",
    "\"FR\"",
    "\"Household appliances\"",
];
const COUNTS: &[&str] = &["1", "2", "3", "7", "10", "12", "30", "90", "100", "365", "1000"];
const RATES: &[&str] = &["0.05", "0.19", "0.25", "1.5", "12.5", "99.95"];
const ADJECTIVES: &[&str] = &[
    "net", "gross", "paid", "monthly", "open", "new", "lost", "total", "average", "regional", "adjusted",
];
const NOUNS: &[&str] = &[
    "revenue", "margin", "churn", "orders", "ltv", "fees", "share", "growth", "value", "tickets", "rate",
];

/// Returns the alternatives for a symbol. In patterns, a symbol is written as `$x`.
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
fn alternatives(symbol: &str) -> &'static [&'static str] {
    match symbol {
        "number" => NUMBERS,
        "integer" => INTEGERS,
        "float" => FLOATS,
        "text" => TEXTS,
        "date" => DATES,
        "flag" => FLAGS,
        "key" => KEYS,
        "value" => VALUES,
        "criterion" => CRITERIA,
        "count" => COUNTS,
        "rate" => RATES,
        "adjective" => ADJECTIVES,
        "noun" => NOUNS,
        "condition" => &[
            "$text = $value",
            "$text <> $value",
            "$number > $count",
            "$integer >= $count",
            "$date < TODAY() - $count",
            "$date >= DATE(2024, $month, 1)",
            "ISBLANK($date)",
            "NOT(ISBLANK($text))",
            "$flag",
            "$number > $number",
            "AND($condition, $condition)",
            "OR($text = $value, $text = $value)",
        ],
        "sign" => &["+", "-"],
        "month" => &["1", "4", "7", "10"],
        "amount" => &[
            "$number",
            "$number",
            "$number * $integer",
            "$number - $number",
            "$number * (1 - $rate)",
            "($number - $number) * $integer",
            "ABS($number)",
            "COALESCE($number, 0)",
            "$number + $number * 19%",
        ],
        "measure" => &[
            "SUM($number)",
            "SUM($number)",
            "AVERAGE($number)",
            "COUNT(DISTINCT($key))",
            "COUNT($key)",
            "MAX($number)",
            "SUM($amount)",
            "SUMIF($text, $criterion, $number)",
            "COUNTIF($text, $criterion)",
            "SUM(IF($condition, $number, 0))",
        ],
        "short" => &[
            "$measure",
            "SUM($number) / COUNT(DISTINCT($key))",
            "SUM($number) - SUM($number)",
            "COUNT(DISTINCT($key))",
            "SUMIF($text, $criterion, $number)",
            "COUNTIF($text, $criterion)",
            "ROUND(SUM($number) / $count, 2)",
            "SUM($number * $integer)",
            "AVERAGE($float) * 100",
            "MAX($date) - MIN($date)",
            "SUM($number) * (1 + $rate)",
            "IF($number > $count, $value, $value)",
            "$number * $integer - $number",
            "UPPER(TRIM($text))",
            "$date[month]",
            "YEAR($date)",
            "$date + $count",
            "IF(ISBLANK($text), \"unknown\", $text)",
            "LEFT($text, 3) & \"-\" & $text",
            "$number / $integer",
            "AND($flag, $number > $count)",
            "ROUND($number * $rate, 2)",
        ],
        "medium" => &[
            "SUM(IF(AND($condition, $condition), $amount, 0)) / COUNT(DISTINCT(IF($condition, $key)))",
            "IF(COUNT($key) > $count, SUM($amount) / COUNT($key), $rate) + SUMIFS($number, $text, $criterion, $integer, \">$count\")",
            "SUMIFS($number, $text, $criterion, $text, $criterion, $number, \">=$count\") - SUMIFS($number, $text, $criterion, $date, \">=2024-01-01\")",
            "IFS($condition, $value, $condition, $value, $condition, $value, TRUE, $value)",
            "ROUND((SUM($amount) - SUM($amount)) / SUM($number) * 100, 2) + IF($measure > $count, $measure, 0)",
            "IF($condition, IF($condition, $amount, $number), IF($condition, $number * $rate, 0))",
            "COUNT(DISTINCT(IF(AND($condition, $condition), $key))) / COUNT(DISTINCT($key)) * 100",
            "// agreed with finance, see the wiki\n    SUM($amount)\n    - SUM(IF($condition, $number, 0))\n    + $measure * $rate",
            "SWITCH($text, $value, $number * $rate, $value, $number, $value, $number - $number, 0) * $integer",
        ],
        "term" => &[
            "$measure",
            "$medium_measure",
            "SUM(IF($condition, $amount, $amount))",
            "$measure * $rate",
            "ROUND($measure / $count, 2)",
        ],
        "medium_measure" => &[
            "SUM(IF(AND($condition, $condition), $amount, 0))",
            "SUMIFS($number, $text, $criterion, $integer, \">$count\")",
            "COUNT(DISTINCT(IF($condition, $key)))",
            "IF($measure > $count, $measure, $measure * $rate)",
        ],
        "arm" => &[
            "$condition, $value",
            "AND($condition, $condition), $text",
            "$condition, $text & \" / \" & $value",
        ],
        _ => &[],
    }
}

/// Seeded generator that expands patterns.
#[derive(Clone, Debug)]
pub struct Seeded(SplitMix);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed))
    }

    fn random_below(&mut self, n: usize) -> usize {
        self.0.random_below(n)
    }

    /// Replaces every `$symbol` in a pattern, recursively. If the nesting is deep, uses the first alternative of each
    /// symbol.
    fn expand(&mut self, pattern: &str, depth: u32, output: &mut String) {
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('$') {
            output.push_str(before);
            let end = after
                .find(|c: char| !(c.is_ascii_lowercase() || c == '_'))
                .unwrap_or(after.len());
            let (symbol, tail) = after.split_at(end);
            let choices = alternatives(symbol);
            let choice = if depth > 6 { 0 } else { self.random_below(choices.len()) };
            self.expand(choices[choice], depth + 1, output);
            rest = tail;
        }
        output.push_str(rest);
    }

    fn expand_pattern(&mut self, pattern: &str) -> String {
        let mut out = String::new();
        self.expand(pattern, 0, &mut out);
        out
    }
}

/// Length of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 25 to 70 characters.
    Short,
    /// 100 to 300 characters.
    Medium,
    /// 1,000 to 4,000 characters.
    Long,
}

impl Size {
    fn range(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Short => 25..=70,
            Self::Medium => 100..=300,
            Self::Long => 1_000..=4_000,
        }
    }
}

/// Returns a definition of this size. `number` is part of the definition's name.
pub fn definition(random: &mut Seeded, size: Size, number: usize) -> String {
    loop {
        let mut text = random
            .expand_pattern("$adjective_$noun".replace('_', " ").as_str())
            .replace(' ', "_");
        let _ = write!(text, "_{number} = ");
        match size {
            Size::Short => random.expand("$short", 0, &mut text),
            Size::Medium => random.expand("$medium", 0, &mut text),
            Size::Long => long(random, &mut text),
        }
        if size.range().contains(&text.len()) {
            return text;
        }
    }
}

/// Generates a sum over many lines, a chain of cases, or nested IFs.
fn long(random: &mut Seeded, text: &mut String) {
    let wanted = 1_000 + random.random_below(2_800);
    match random.random_below(3) {
        0 => {
            random.expand("$term", 0, text);
            while text.len() < wanted {
                random.expand("\n    $sign $term", 0, text);
            }
        }
        1 => {
            text.push_str("IFS(");
            while text.len() < wanted {
                random.expand("\n    $arm,", 0, text);
            }
            text.push_str("\n    TRUE, \"other\")");
        }
        _ => {
            let mut depth = 0;
            while text.len() < wanted {
                random.expand("IF($condition, $amount, ", 0, text);
                depth += 1;
            }
            random.expand("$amount", 0, text);
            text.extend(std::iter::repeat_n(')', depth));
        }
    }
}

/// Returns definitions of one size.
pub fn definitions_of_size(size: Size, count: usize) -> Vec<String> {
    let mut random = Seeded::new(SEED ^ size as u64);
    (0..count).map(|n| definition(&mut random, size, n)).collect()
}

/// Returns a mix of definitions: 70 % short, 25 % medium, 5 % long.
pub fn definition_mix(count: usize) -> Vec<String> {
    let mut random = Seeded::new(SEED);
    (0..count)
        .map(|n| {
            let size = match n % 20 {
                0..14 => Size::Short,
                14..19 => Size::Medium,
                _ => Size::Long,
            };
            definition(&mut random, size, n)
        })
        .collect()
}

/// Returns definitions in chains of `links` definitions each. Each definition in a chain uses the definition before it.
/// With 1 link, no definition uses another.
pub fn definition_chains(count: usize, links: usize) -> String {
    let mut random = Seeded::new(SEED);
    let mut text = String::new();
    for n in 0..count {
        let column = NUMBERS[random.random_below(NUMBERS.len())];
        let before = if n % links == 0 {
            "cost_total_____".to_owned()
        } else {
            format!("step_{:010}", n - 1)
        };
        // The first definition of a chain and the definitions that continue it have the same length and the same
        // operators.
        let first = if n % links == 0 {
            "discount       ".to_owned()
        } else {
            before
        };
        let _ = writeln!(text, "step_{n:010} = {first} + {column} * 2");
    }
    text
}

/// Returns a formula that adds up measures and has approximately the given length in bytes.
pub fn large_formula(bytes: usize) -> String {
    let mut random = Seeded::new(SEED);
    let mut text = random.expand_pattern("$measure");
    while text.len() < bytes {
        random.expand("\n + $term", 0, &mut text);
    }
    text
}

/// Returns formulas with this nesting depth. Each formula is nested in a different way.
pub fn nested(depth: usize) -> Vec<(&'static str, String)> {
    let wrap = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
    // Each condition has its own number, because a repeated condition would cause a warning at every level.
    let if_in_else: String = (0..depth)
        .rev()
        .map(|n| format!("IF(cost > {n}, tax_amount, "))
        .collect();
    vec![
        ("parentheses", wrap("(", "revenue", ")")),
        ("parenthesised sums", wrap("(cost + ", "revenue", ")")),
        ("minus", wrap("-", "revenue", "")),
        ("ABS", wrap("ABS(", "revenue", ")")),
        ("IF in the else", if_in_else + "revenue" + &")".repeat(depth)),
        ("IF in the condition", wrap("IF(", "is_new", ", is_gift, is_trial)")),
        ("AND", wrap("AND(is_new, ", "is_gift", ")")),
        ("COALESCE", wrap("COALESCE(", "revenue", ", cost)")),
        ("text", wrap("(status & ", "region", ")")),
    ]
}

/// Returns a spec with one grouped step and the given number of measures from the mix.
pub fn spec(measures: usize) -> String {
    let mut random = Seeded::new(SEED);
    let mut text = "model: benchmark\nfrom: orders\ngroup_by: region, order_date[month]\ndefinitions: |\n".to_owned();
    for n in 0..measures {
        let pattern = [
            "$measure",
            "$medium_measure",
            "$measure / $measure",
            "$measure - $medium_measure * $rate",
        ][random.random_below(4)];
        let _ = writeln!(
            text,
            "  /// Measure number {n}.\n  measure_{n} = {}",
            random.expand_pattern(pattern)
        );
    }
    text
}

/// Returns specs similar to those of a real team. All specs are different. Each spec computes measures per group, and
/// then formulas that refer to other rows and months.
pub fn specs(count: usize) -> Vec<String> {
    let mut random = Seeded::new(SEED);
    let mut spec = |number: usize| {
        let mut text = format!(
            "model: metrics_{number}\ndescription: Metrics number {number}.\nfrom: orders\nsteps:\n  - name: monthly\n    \
             where: NOT(ISBLANK(order_date))\n    group_by: [region, month]\n    definitions: |\n      month = order_date[month]\n"
        );
        let measures = 4 + random.random_below(8);
        for n in 0..measures {
            let pattern = ["$measure", "$medium_measure", "$measure / $measure"][random.random_below(3)];
            let _ = writeln!(
                text,
                "      /// Measure number {n}.\n      measure_{n} = {}",
                random.expand_pattern(pattern)
            );
        }
        text.push_str("  - name: growth\n    keep: all\n    order_by: month\n    definitions: |\n");
        for n in 0..measures / 2 {
            let formula = match random.random_below(4) {
                0 => format!("PERIODOFFSET(measure_{n}, -1, \"month\")"),
                1 => format!("measure_{n} / PERIODOFFSET(measure_{n}, -1, \"year\") - 1"),
                2 => format!("AVERAGE(OFFSET(measure_{n}, -2):measure_{n})"),
                _ => format!("measure_{n} / SUM(measure_{n}:measure_{n})"),
            };
            let _ = writeln!(text, "      look_{n} = {formula}");
        }
        text
    };
    (0..count).map(&mut spec).collect()
}

/// Returns metric sets with ten metrics each, and models, each built on one metric set.
pub fn models_over_sets(sets: usize, models: usize) -> Vec<String> {
    let mut random = Seeded::new(SEED);
    let mut texts = Vec::new();
    for set in 0..sets {
        let mut text = format!(
            "metric_set: set_{set}\ndescription: Set number {set}.\nfrom: orders\ntime: order_date\ndefinitions: |\n"
        );
        for metric in 0..10 {
            let formula = match metric {
                0..5 => random.expand_pattern("$measure"),
                5 | 6 => format!("metric_{} / metric_{}", metric - 5, metric - 4),
                7 => "metric_0 / PERIODOFFSET(metric_0, -1, \"month\") - 1".to_owned(),
                8 => "AVERAGE(PERIODOFFSET(metric_1, -2, \"month\"):metric_1)".to_owned(),
                _ => "metric_2 / SUM(metric_2:metric_2)".to_owned(),
            };
            let _ = writeln!(text, "  /// Metric number {metric}.\n  metric_{metric} = {formula}");
        }
        texts.push(text);
    }
    for model in 0..models {
        let set = format!("set_{}", model % sets);
        texts.push(format!(
            "model: model_{model}\nmetrics: [{set}.metric_0, {set}.metric_5, {set}.metric_7, {set}.metric_9]\n\
             group_by: [month, region]\ndefinitions: |\n  twice = metric_1 * 2\n"
        ));
    }
    texts
}

/// Returns the columns that the formulas use.
pub fn schema() -> Schema {
    let mut relation = Relation::new("orders");
    let groups = [
        (NUMBERS, Type::Decimal),
        (INTEGERS, Type::Integer),
        (FLOATS, Type::Float),
        (TEXTS, Type::Text),
        (DATES, Type::Date),
        (FLAGS, Type::Boolean),
        (KEYS, Type::Integer),
    ];
    for (names, ty) in groups {
        for name in names {
            relation = relation.with(Column::new(*name, ty));
        }
    }
    Schema::new().with(relation.primary_key(["order_id"]))
}

/// Returns the classes of definitions to measure, by name. All definitions compile with both compilers.
pub fn classes(compilers: [&Compiler; 2]) -> [(&'static str, Vec<String>); 4] {
    let classes = [
        ("short", definitions_of_size(Size::Short, 400)),
        ("medium", definitions_of_size(Size::Medium, 150)),
        ("long", definitions_of_size(Size::Long, 20)),
        ("mix", definition_mix(400)),
    ];
    for compiler in compilers {
        verify(
            compiler,
            classes.iter().flat_map(|(_, texts)| texts).map(String::as_str),
        );
    }
    classes
}

/// Returns a compiler with or without the schema.
pub fn compiler(schema_known: bool) -> Compiler {
    let builder = Compiler::builder();
    if schema_known {
        builder.schema(schema()).build()
    } else {
        builder.build()
    }
}

/// Checks that every text compiles without diagnostics, so that no measurement includes an early exit. Two warnings are
/// allowed because random formulas may repeat a condition, and the second condition is then never reached or never
/// true.
pub fn verify<'t>(compiler: &Compiler, texts: impl IntoIterator<Item = &'t str>) {
    for text in texts {
        let compiled = compiler.compile(text);
        let by_chance = [Code::NeverReached, Code::NeverVaries];
        if let Some(diagnostic) = compiled.diagnostics().iter().find(|d| !by_chance.contains(&d.kind())) {
            let end = text.char_indices().nth(400).map_or(text.len(), |(i, _)| i);
            panic!(
                "the corpus must compile: {} {}\n{}",
                diagnostic.code(),
                diagnostic.message(),
                &text[..end]
            );
        }
        assert!(!compiled.definitions().is_empty(), "nothing came of: {text}");
    }
}
