//! The registry of diagnostics: number, name, severity and page of each. Numbers are never used again.
//!
//! 01xx lexing, 02xx parsing, 03xx names, 04xx types and levels, 05xx dialects, 06xx dbt, 07xx sync,
//! 08xx specs and project files, 09xx internal.

use super::Severity;

/// What an example on a page is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Example {
    /// A formula or definitions, compiled in the measure context.
    Formula(&'static str),
    /// A formula compiled against the schema of the pages, in BigQuery.
    BigQuery(&'static str),
    /// A formula compiled against the relation `orders` of the pages' schema.
    Orders(&'static str),
    /// A formula in the row context.
    Row(&'static str),
    /// A model spec.
    Spec(&'static str),
    /// A model spec, of which a dbt model is made.
    Model(&'static str),
    /// A schema file.
    Schema(&'static str),
    /// Shown, and made to happen by a test of its own.
    Shown(&'static str),
}

impl Example {
    /// Its text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Formula(t)
            | Self::BigQuery(t)
            | Self::Orders(t)
            | Self::Row(t)
            | Self::Spec(t)
            | Self::Model(t)
            | Self::Schema(t)
            | Self::Shown(t) => t,
        }
    }
}

/// What `formulac explain F0301` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Why it is reported and what to do.
    pub text: &'static str,
    /// An input that gives the diagnostic.
    pub wrong: Example,
    /// The same, mended.
    pub right: Example,
}

macro_rules! codes {
    ($(
        $variant:ident $code:literal $name:literal $severity:ident $(($fact:literal, $advice:literal))?
        $text:literal $wrong:expr => $right:expr;
    )*) => {
        /// A kind of diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        #[non_exhaustive]
        pub enum Code { $($variant),* }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// `F0301`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// `unknown-function`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Error or warning.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// Wording for several models that have the same warning: a predicate, such as `have a key that may be NULL`,
            /// and advice. Errors have none, because each is shown by itself.
            #[must_use]
            pub fn grouped(self) -> Option<(&'static str, &'static str)> {
                match self {
                    $($(Self::$variant => Some(($fact, $advice)),)?)*
                    _ => None,
                }
            }

            /// Its page.
            #[must_use]
            pub fn page(self) -> Page {
                use Example::*;
                match self { $(Self::$variant => Page { text: $text, wrong: $wrong, right: $right }),* }
            }
        }
    };
}

codes! {
    UnexpectedCharacter "F0101" "unexpected-character" Error
        "A character that no formula holds. Names are letters, digits and `_`; text stands in double quotes."
        Formula("SUM(amount) @ 2") => Formula("SUM(amount) * 2");
    UnclosedText "F0102" "unclosed-text" Error
        "A text begins with `\"` and never ends. A quote inside a text is doubled."
        Formula("COUNT(IF(status = \"open, id))") => Formula("COUNT(IF(status = \"open\", id))");
    TypographicQuotes "F0103" "typographic-quotes" Error
        "Word processors put curly quotation marks in place of the straight ones that enclose a text."
        Formula("COUNTIF(status = “open”)") => Formula("COUNTIF(status = \"open\")");
    NotUtf8 "F0104" "not-utf8" Error
        "Sources are UTF-8 text. Save the file as UTF-8; the span is the first byte that is not."
        Shown("a file saved in Latin-1") => Shown("the same saved as UTF-8");
    SourceTooLarge "F0105" "source-too-large" Error
        "A source is at most 16 MiB long, so that a mistaken file is no long wait. The limit is an option of the library."
        Shown("a source of 17 MiB") => Shown("the same in two files");
    SingleQuotes "F0106" "single-quotes" Error
        "Single quotes enclose the name of a tab in a worksheet, `'Targets'!A:A`. Text stands in double quotes."
        Formula("COUNTIF(status = 'open)") => Formula("COUNTIF(status = \"open\")");
    UnclosedReference "F0107" "unclosed-reference" Error
        "A reference that begins with `${` ends with `}` on the same line."
        Formula("SUM(${amount)") => Formula("SUM(${amount})");
    NumberTooLarge "F0108" "number-too-large" Error
        "A number has more digits, or is larger, than any warehouse can hold."
        Formula("SUM(amount) * 1e999") => Formula("SUM(amount) * 1e9");
    ExpectedExpression "F0201" "expected-expression" Error
        "An operator, a comma or a bracket stands where a value should: something is missing before it."
        Formula("SUM(amount) / ") => Formula("SUM(amount) / 2");
    UnexpectedToken "F0202" "unexpected-token" Error
        "Two values stand side by side with no operator or comma between them."
        Formula("SUM(amount) COUNT(id)") => Formula("SUM(amount) / COUNT(id)");
    UnclosedBracket "F0203" "unclosed-bracket" Error
        "A bracket is opened and never closed. It ends, for the rest of the file to be read, where the next definition begins."
        Formula("SUM(amount / 2") => Formula("SUM(amount / 2)");
    NestingTooDeep "F0204" "nesting-too-deep" Error
        "Brackets nest at most 1,000 levels deep. The limit is an option of the library."
        Shown("1,001 brackets inside each other") => Formula("((1))");
    SurplusBracket "F0205" "surplus-bracket" Error
        "A closing bracket has no opening one."
        Formula("SUM(amount))") => Formula("SUM(amount)");
    ChainedComparison "F0206" "chained-comparison" Error
        "`1 < x < 5` compares a truth value with 5, which nobody means."
        Formula("COUNTIF(1 < amount < 5)") => Formula("COUNTIF(AND(1 < amount, amount < 5))");
    NotFormulaSyntax "F0207" "not-formula-syntax" Error
        "Something that is written so in SQL, Python or another spreadsheet, and differently here."
        Formula("COUNTIF(amount == 1)") => Formula("COUNTIF(amount = 1)");
    StrayFormula "F0208" "stray-formula" Error
        "A text holds definitions, `name = formula`, or one formula, not both."
        Formula("SUM(amount)\ntotal = SUM(amount)") => Formula("first = SUM(amount)\ntotal = SUM(amount)");
    NotEqualSpelling "W0210" "not-equal-spelling" Warning("write `!=`", "write `<>`")
        "`!=` is understood, but spreadsheets write `<>`."
        Formula("COUNTIF(amount != 1)") => Formula("COUNTIF(amount <> 1)");
    UnknownFunction "F0301" "unknown-function" Error
        "No function has this name. `formulac functions` lists them all."
        Formula("SUMIFF(amount > 1, amount)") => Formula("SUMIF(amount > 1, amount)");
    UnknownName "F0302" "unknown-name" Error
        "The schema has no such column, and the text defines no such name."
        Orders("SUM(amuont)") => Orders("SUM(amount)");
    AmbiguousName "F0303" "ambiguous-name" Error
        "Two relations have a column of this name, and neither `--from` nor a view says which is meant."
        Shown("SUM(id) where both orders and customers have id") => Shown("SUM(orders.id)");
    DuplicateDefinition "F0304" "duplicate-definition" Error
        "Two definitions have the same name; names that differ only by case are the same."
        Formula("a = 1\nA = 2") => Formula("a = 1\nb = 2");
    DefinitionCycle "F0305" "definition-cycle" Error
        "Definitions use each other in a circle, so none can be computed first."
        Formula("a = b + 1\nb = a + 1") => Formula("a = 1\nb = a + 1");
    UnknownTimeframe "F0306" "unknown-timeframe" Error
        "A timeframe in square brackets is one of Omni's: day, week, month, quarter, year and parts of dates. `fiscal_quarter` and `fiscal_year` need `fiscal_month_offset` in the spec or in formulac.yml, which says in which month the fiscal year begins."
        Row("ordered_on[monht]") => Row("ordered_on[month]");
    UnknownRelation "F0307" "unknown-relation" Error
        "The schema has no relation of this name."
        Orders("SUM(ordres.amount)") => Orders("SUM(orders.amount)");
    NeedsWorksheet "F0308" "needs-worksheet" Error
        "Cells, columns by letter, tabs, totals and ranges of cells mean something only over the rows of a worksheet, in their order."
        Formula("C1 / C0 - 1") => Formula("SUM(amount) / COUNT(id)");
    SeveralRelations "F0310" "several-relations" Error
        "Without `--from`, all names of a formula must come from one relation: there is no join here."
        Shown("SUM(orders.amount) / COUNT(customers.name)") => Shown("SUM(orders.amount)");
    MisplacedDistinct "F0311" "misplaced-distinct" Error
        "`DISTINCT(x)` is a marker, right only as the argument of COUNT, SUM or AVERAGE."
        Formula("MAX(DISTINCT(amount))") => Formula("COUNT(DISTINCT(amount))");
    NoSuchCell "F0312" "no-such-cell" Error
        "A cell or a range reaches past the columns of the worksheet, or to a row 0 that is fixed. Ranges may reach past its rows: they end there."
        Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\norder_by: month\ncalculations: growth = E1 / E0 - 1\n")
        => Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\norder_by: month\ncalculations: growth = B1 / B0 - 1\n");
    LowercaseBoolean "W0313" "lowercase-boolean" Warning("write TRUE or FALSE in small letters", "write them in capitals")
        "`TRUE` and `FALSE` are written in capitals; in small letters they are names, read as booleans when no column has that name."
        Formula("COUNTIF(paid = true)") => Formula("COUNTIF(paid = TRUE)");
    LooksLikeComparison "W0314" "looks-like-comparison" Warning("define a name that is also a column", "begin the line with `=` if a comparison is meant")
        "`status = \"open\"` at the start of a line defines `status`. Where a column has that name a comparison may be meant."
        Orders("status = \"open\"") => Orders("=status = \"open\"");
    LooksLikeACell "W0315" "looks-like-a-cell" Warning("have a definition with the name of a cell", "give it a name that no cell has")
        "A definition whose name is that of a cell, in capitals as sheets write it, such as `Q1` or `FY24`. In a worksheet, and in Omni, the name reads as the cell; here the definition wins, and whoever reads the formula has to know that. Give it a name that no cell has."
        Formula("Q1 = SUM(amount)") => Formula("quarter_1 = SUM(amount)");
    UnlistedColumn "W0316" "unlisted-column" Warning("use columns that are not known", "run `dbt docs generate` or `formulac schema fetch`")
        "Only some columns of the relation are known, such as those that a properties file describes, and this is none of them. It is taken for a column, and its type is inferred from its use. Run `dbt docs generate` (from dbt 2.0 `dbt build --write-catalog`), which writes all columns to `catalog.json`, or `formulac schema fetch`, which asks the warehouse for the columns that specs read. It is an error (F0302) if a known column has a similar name, or if several relations may have the column. `check --deny warnings` makes it an error in CI."
        Shown("SUM(amount) where dbt's manifest describes only the column `id` of orders")
        => Shown("the same after `dbt docs generate`");
    ArgumentCount "F0401" "argument-count" Error
        "The function takes another number of arguments; the help shows its signature."
        Formula("ROUND()") => Formula("ROUND(SUM(amount))");
    TypeMismatch "F0402" "type-mismatch" Error
        "A value has another type than the function or operator takes. Nothing is converted in silence."
        Row("UPPER(\"a\") + 1") => Row("UPPER(\"a\") & 1");
    ConflictingTypes "F0403" "conflicting-types" Error
        "With no schema a column's type is taken from its uses; two uses ask for different types."
        Row("UPPER(x) & YEAR(x)") => Row("UPPER(x) & YEAR(y)");
    MixedLevels "F0404" "mixed-levels" Error
        "A value per row stands beside a value per group. Aggregate it as well, group by it, or move it to an earlier step."
        Formula("SUM(amount) / customer_id") => Formula("SUM(amount) / COUNT(DISTINCT(customer_id))");
    NestedAggregate "F0405" "nested-aggregate" Error
        "An aggregate of an aggregate needs two groupings: compute the inner one in an earlier step."
        Formula("AVERAGE(SUM(amount))") => Formula("AVERAGE(amount)");
    AggregateNotAllowed "F0406" "aggregate-not-allowed" Error
        "An aggregate stands where only values of one row can: in a dimension, in `where`, in `group_by`."
        Row("SUM(amount)") => Row("amount * 2");
    WindowNotAllowed "F0407" "window-not-allowed" Error
        "A value that looks at other rows is computed last, so it cannot be filtered, grouped or aggregated in the same step."
        Spec("model: m\nfrom: t\norder_by: g\nwhere: OFFSET(x, 1) > 0\ndefinitions: a = x + 1\n")
        => Spec("model: m\nfrom: t\norder_by: g\nwhere: x > 0\ndefinitions: a = x + 1\n");
    ConstantExpected "F0409" "constant-expected" Error
        "This argument must be a constant, since SQL needs it when the query is written."
        Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = OFFSET(x, y)\n")
        => Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = OFFSET(x, -1)\n");
    OrderNeeded "F0410" "order-needed" Error
        "A function that looks at the row before needs to know the order of rows."
        Spec("model: m\nfrom: t\ndefinitions: a = OFFSET(x, -1)\n")
        => Spec("model: m\nfrom: t\norder_by: month\ndefinitions: a = OFFSET(x, -1)\n");
    BadCriterion "F0411" "bad-criterion" Error
        "A criterion is a condition, a value, or a text such as `\">5\"`; one put together at run time cannot become SQL."
        Formula("SUMIF(amount, UPPER(op), amount)") => Formula("SUMIF(amount, \">5\", amount)");
    CountOfCondition "W0412" "count-of-condition" Warning("count a condition, which has a value in nearly every row", "use COUNTIF")
        "COUNT counts values that are there, and FALSE is a value, as 0 is: COUNT of a condition, or of an IF that gives 0 otherwise, counts nearly every row."
        Formula("COUNT(status = \"open\")") => Formula("COUNTIF(status = \"open\")");
    BadDateText "F0413" "bad-date-text" Error
        "A text beside a date is read as a date when it is written `YYYY-MM-DD`; other forms mean different days in different countries."
        Row("DATE(2024, 1, 31) > \"1/31/2024\"") => Row("DATE(2024, 1, 31) > \"2024-01-31\"");
    UnknownUnit "F0414" "unknown-unit" Error
        "DATEDIF counts in \"D\", \"M\", \"Y\", \"YM\", \"MD\" or \"YD\", written as a text; PERIODOFFSET moves by \"day\", \"week\", \"month\", \"quarter\" or \"year\", and times also by \"hour\", \"minute\" or \"second\"."
        Row("DATEDIF(start_date, end_date, \"months\")") => Row("DATEDIF(start_date, end_date, \"M\")");
    ConstantKey "F0416" "constant-key" Error
        "A grouping key that is the same for every row groups nothing, and SQL reads a bare number there as a column's place."
        Spec("model: m\nfrom: t\ngroup_by: k\ndefinitions: |\n  k = 5\n  a = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: k\ndefinitions: |\n  k = g\n  a = SUM(x)\n");
    RateAveraged "W0417" "rate-averaged" Warning("average or add up rates", "divide the sum of the numerators by the sum of the denominators")
        "The mean of rates is not the rate of the whole: a month with ten customers would weigh as much as one with a thousand, and rates do not add up. Divide the sums of what is divided. Where every rate is to weigh the same, add `// noqa: W0417`."
        Spec("model: m\nfrom: t\nsteps:\n  - name: by_month\n    group_by: month\n    definitions: |\n      lost = COUNTIF(gone > 0)\n      customers = COUNT(id)\n      churn_rate = lost / customers\n  - name: overall\n    definitions: churn = AVERAGE(churn_rate)\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - name: by_month\n    group_by: month\n    definitions: |\n      lost = COUNTIF(gone > 0)\n      customers = COUNT(id)\n      churn_rate = lost / customers\n  - name: overall\n    definitions: churn = SUM(lost) / SUM(customers)\n");
    CriterionIgnoresCase "W0418" "criterion-ignores-case" Warning("have a criterion text, which ignores case", "compare with `=` if case matters")
        "A criterion text ignores case, as in spreadsheets: `COUNTIF(status, \"open\")` counts `Open` too, and so does `\"=open\"`. The condition `status = \"open\"` compares as the warehouse does, which minds case. Said where a criterion begins with `=`, and where one spec or file looks for the same text in a column both ways, so that two numbers would differ."
        Formula("SUMIF(status, \"=open\", amount)") => Formula("SUMIF(status, \"open\", amount)");
    NotAsInSheets "W0419" "not-as-in-sheets" Warning("use a function that differs from the spreadsheet function of the same name", "use the name that says what is meant")
        "The function bears a name that means something else in spreadsheets; here it means what Omni means by it. Write the name that says which one is meant."
        Formula("COVAR(amount, price)") => Formula("COVARIANCE.S(amount, price)");
    BadRange "F0420" "bad-range" Error
        "A range of rows begins and ends with one name, or FIRST, LAST or OFFSET of it, and stands in an aggregate: `FIRST(x):x` are the rows so far, `OFFSET(x, -2):x` the last three, `x:x` all rows of the partition."
        Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = SUM(FIRST(x):y)\n")
        => Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = SUM(FIRST(x):x)\n");
    RowsNotPeriods "W0421" "rows-not-periods" Warning("count rows where dates may be missing", "use `PERIODOFFSET` for the value of another period")
        "OFFSET, ranges of rows such as `AVERAGE(OFFSET(x, -2):x)`, and cells of other rows in a worksheet go by rows. Ordered by a date, the row before is the period before only where no period is missing; PERIODOFFSET looks for the period itself. A range over periods that may be missing needs a row for each of them in the step before."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  before = OFFSET(total, -1)\n")
        => Spec("model: m\nfrom: t\ngroup_by: shop\norder_by: shop\ndefinitions: |\n  total = SUM(x)\n  before = OFFSET(total, -1)\n");
    PartitionOfOne "W0422" "partition-of-one" Warning("have windows whose partitions are single groups", "set `partition_by`")
        "Windows of groups are divided by the `group_by` names that are not in `order_by`. Where none of them is, each group is a partition by itself: a running sum is the group's own value, and the row before is none. `partition_by: []` looks at all groups, `partition_by` at those of the names that it lists."
        Spec("model: m\nfrom: t\ngroup_by: shop\norder_by: [total desc]\ndefinitions: |\n  total = SUM(x)\n  running = SUM(FIRST(total):total)\n")
        => Spec("model: m\nfrom: t\ngroup_by: shop\norder_by: [total desc]\npartition_by: []\ndefinitions: |\n  total = SUM(x)\n  running = SUM(FIRST(total):total)\n");
    PeriodKey "F0430" "period-key" Error
        "PERIODOFFSET looks up the row whose key is this row's, moved along the calendar: the first date or time of `order_by`. A text or a number cannot be moved so, an instant only by its wall-clock time, a date not by hours. A key that is cut to months is not moved by days or weeks, since no row has such a key."
        Spec("model: m\nfrom: t\nkeep: all\norder_by: n\ndefinitions: a = PERIODOFFSET(x, -1, \"month\") + n * 2\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"month\")\n");
    SeveralInPeriod "W0431" "several-in-period" Warning("use PERIODOFFSET where several rows may have the same date", "group by the keys in an earlier step, or add them to `partition_by`")
        "PERIODOFFSET finds one row by its date and the names that part the rows. Where nothing says that they tell rows apart, several may be found, and then the value is empty. Group by them in an earlier step, give the schema a `primary_key`, or add the other names to `partition_by`."
        Spec("model: m\nfrom: t\nkeep: [x]\norder_by: day\ndefinitions: a = PERIODOFFSET(x, -1, \"day\")\n")
        => Spec("model: m\nfrom: t\ngroup_by: day\norder_by: day\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"day\")\n");
    PeriodOutsidePartition "W0432" "period-outside-partition" Warning("use PERIODOFFSET to look outside its partition", "group by the finer timeframe alone")
        "PERIODOFFSET looks among the rows of its partition: those that are equal in the `group_by` names that are not in `order_by`, or in `partition_by`. No row of the same year is a year earlier, so that nothing is ever found. Group by the finer timeframe alone, and compute the coarser one in a later step."
        Spec("model: m\nfrom: t\ngroup_by: [\"day[year]\", \"day[month]\"]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"year\")\n")
        => Spec("model: m\nfrom: t\ngroup_by: [\"day[month]\"]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"year\")\n");
    FanOut "F0440" "fan-out" Error
        "A join with `cardinality: many` repeats a row of the other relations for each of its matches, so that a sum or a count of their columns counts them repeatedly. Aggregate the many rows in a step of its own and join that one, which has one row for each."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: items, on: orders.id = items.order_id, cardinality: many}\ndefinitions: total = SUM(orders.amount)\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: items, on: orders.id = items.order_id, cardinality: many}\ndefinitions: total = SUM(items.price)\n");
    JoinMayMultiply "W0441" "join-may-multiply" Warning("have a join that may find several rows", "declare the key in the schema, or set `cardinality: many`")
        "A join finds one row at most unless it says `cardinality: many`. No key that is known proves it: if several rows are found, each of the step's rows is repeated. In a dbt model a generated test takes the warning's place."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: customers, on: orders.customer_id = customers.id}\ndefinitions: country = customers.country\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: customers, on: orders.customer_id = customers.id, cardinality: many}\ndefinitions: country = customers.country\n");
    JoinedLater "F0442" "joined-later" Error
        "Joins are made one after the other, and the condition of each reads what is there by then."
        Spec("model: m\nfrom: a\njoins:\n  - {to: b, on: b.id = c.id, cardinality: many}\n  - {to: c, on: a.id = c.id, cardinality: many}\ndefinitions: x = b.x\n")
        => Spec("model: m\nfrom: a\njoins:\n  - {to: c, on: a.id = c.id, cardinality: many}\n  - {to: b, on: b.id = c.id, cardinality: many}\ndefinitions: x = b.x\n");
    OneCell "W0451" "one-cell" Warning("aggregate a single cell", "use the letters of the column")
        "In a worksheet a name is the cell of this row, so that an aggregate of it is of one value. A column's letters stand for all of it."
        Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\ncalculations: share = revenue / SUM(revenue)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\ncalculations: share = revenue / SUM(B:B)\n");
    RowsOfSeveral "W0452" "rows-of-several" Warning("have worksheets whose rows belong to several keys", "add the key to `order_by`")
        "A worksheet is one sheet: its rows follow each other in the order of `order_by`, also from one customer or region to the next. Where the rows before it have a further key, a cell of the row before may be another one's."
        Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: \"month, region\", definitions: revenue = SUM(amount)}\n  - {name: sheet, columns: [month, region, revenue], order_by: month, calculations: growth = C1 / C0 - 1}\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: \"month, region\", definitions: revenue = SUM(amount)}\n  - {name: sheet, columns: [month, region, revenue], order_by: month, partition_by: region, calculations: growth = C1 / C0 - 1}\n");
    UnsupportedPattern "F0460" "unsupported-pattern" Error
        "Warehouses read regular expressions differently. What all of them read alike may be used: characters, `.`, `[a-z]` and `[^a-z]`, `\\d`, `\\w`, `\\s` and their opposites (of ASCII), `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`, `( )`, `(?: )`, `|`, `^`, `$`, a `\\` before a sign that is meant as such, and `(?i)` at the beginning to ignore case. A replacement names groups as `$1`."
        Formula("REGEXMATCH(status, \"\\bopen\\b\")") => Formula("REGEXMATCH(status, \"(^|\\W)open($|\\W)\")");
    UnsupportedMask "F0461" "unsupported-mask" Error
        "TEXT writes numbers with `0`, `#`, `,` between thousands or behind the digits to divide by 1000, `.` and `%`, and dates with `yyyy yy mmmm mmm mm m dddd ddd dd d hh h mm ss AM/PM`; `mm` beside hours or seconds are minutes. Signs such as `$`, `-`, `/` and blanks stand for themselves, other text stands in quotes, which are doubled in a formula."
        Formula("TEXT(amount, \"# ?/?\")") => Formula("TEXT(amount, \"#,##0.00\")");
    NotAKnownValue "W0470" "not-a-known-value" Warning("compare with a text that is not a known value of its column", "correct the text, or add it to the known values")
        "The values that a column can have are known: from `values:` in the schema file, an `accepted_values` test of dbt, an ENUM of the warehouse, or the branches of an IF that gives nothing but texts. The text is none of them, so that `=` never holds. Often only a capital is wrong: `=` minds case, as warehouses do and spreadsheets do not."
        Formula("size = IF(amount > 100, \"Large\", \"Small\")\nlarge_orders = COUNTIF(size = \"large\")")
        => Formula("size = IF(amount > 100, \"Large\", \"Small\")\nlarge_orders = COUNTIF(size = \"Large\")");
    NumbersAsText "W0471" "numbers-as-text" Warning("compare texts as numbers", "remove the quotes, or use VALUE(column)")
        "Texts are ordered letter by letter, so that `\"9\"` is more than `\"30\"`. Write the number without quotes where the column holds numbers, and `VALUE(column)` where it holds them as text."
        Row("points > \"30\"") => Row("points > 30");
    EndOfDay "W0472" "end-of-day" Warning("compare a time with a date, which is the midnight that begins the day", "compare the day, `column[date]`")
        "A date beside a time is the midnight that begins it. So `created_at <= DATE(2024, 1, 31)` leaves out all of 31 January but its first instant, and `created_at = DATE(2024, 1, 31)` holds at midnight only. Ask for less than the next day, or compare the day, `created_at[date]`."
        Shown("created_at <= DATE(2024, 1, 31)") => Shown("created_at < DATE(2024, 2, 1)");
    CriterionOrder "W0473" "criterion-order" Warning("have the arguments of a conditional aggregate in the order of another function", "swap them")
        "SUMIF takes what is tested, the criterion, and then what is summed; SUMIFS takes what is summed first, and then pairs of what is tested and its criterion. Arguments in the other's order test the wrong values, or nothing at all."
        Formula("COUNTIF(\"open\", status)") => Formula("COUNTIF(status, \"open\")");
    WeekBegins "W0474" "week-begins" Warning("count weeks from Sunday and from Monday", "pass the type 2, which counts from Monday")
        "WEEKDAY and WEEKNUM without a type count weeks from Sunday, as spreadsheets do; the timeframes `week` and `day_of_week_num` count from Monday, or from the day that `week_start` names. `WEEKDAY(d) > 5` is then Friday and Saturday. Say the type: 2 counts from Monday."
        Row("is_weekend = WEEKDAY(ordered_on) > 5") => Row("is_weekend = WEEKDAY(ordered_on, 2) > 5");
    NeverBlank "W0475" "never-blank" Warning("test a value for NULL that is never NULL", "remove the test")
        "ISERROR, ISNA and ISBLANK ask whether a value is NULL, which errors are here. A count or a sum is always there, 0 if nothing else, so the answer is always FALSE."
        Formula("IF(ISNA(COUNT(id)), 0, 1)") => Formula("IF(COUNT(id) = 0, 0, 1)");
    NeverVaries "W0476" "never-varies" Warning("have a condition that is the same for every row", "swap AND and OR, or remove the condition")
        "A condition that is the same for every row. `OR(status <> \"a\", status <> \"b\")` always holds, since no text is both: AND was meant, as OR was in `AND(status = \"a\", status = \"b\")`."
        Formula("COUNTIF(OR(status <> \"open\", status <> \"new\"))") => Formula("COUNTIF(AND(status <> \"open\", status <> \"new\"))");
    NeverReached "W0477" "never-reached" Warning("have a branch that is never reached", "put the narrowest condition first")
        "The first condition that is met decides. One that holds only where an earlier one holds as well is never reached: begin with the narrowest."
        Row("IFS(amount > 10, \"some\", amount > 100, \"many\")") => Row("IFS(amount > 100, \"many\", amount > 10, \"some\")");
    BlankIsNotEmpty "W0478" "blank-is-not-empty" Warning("compare with `\"\"`, which does not find NULL", "use ISBLANK")
        "A blank cell equals `\"\"` in a spreadsheet. Here a blank is NULL, which equals nothing, so that `region = \"\"` finds empty texts only. ISBLANK finds the blanks."
        Row("IF(region = \"\", \"unknown\", region)") => Row("IF(OR(ISBLANK(region), region = \"\"), \"unknown\", region)");
    SumOfDistinct "W0479" "sum-of-distinct" Warning("add up distinct values, so equal values count once", "aggregate in a step before the join")
        "Values that are equal count once, so two orders of 10 add up to 10. Where a join repeats rows, aggregate in a step of its own before it."
        Formula("SUM(DISTINCT(amount))") => Formula("SUM(amount)");
    NeedsPivot "F0480" "needs-pivot" Error
        "PIVOT, PIVOTINDEX, PIVOTOFFSET and PIVOTROW look at the columns of a pivot: a worksheet whose `pivot_by` says what its columns are of."
        Spec("model: m\nfrom: sales\ncolumns: [month, channel, revenue]\norder_by: month\ncalculations: share = C1 / SUM(PIVOTROW(C1))\n")
        => Spec("model: m\nfrom: sales\ncolumns: [month, channel, revenue]\norder_by: month\npivot_by: channel\ncalculations: share = C1 / SUM(PIVOTROW(C1))\n");
    UnfitForPivot "F0481" "unfit-for-pivot" Error
        "The rows and columns of a pivoted worksheet are made of columns of what it reads, so that cells which no row is in can be told from those that are: they count where a formula looks at a cell beside or above. The wide form needs one key and values that differ."
        Spec("model: m\nfrom: sales\ncolumns: [month, channel, revenue]\norder_by: month\npivot_by: channel\nwhere: revenue > 0\ncalculations: growth = C1 / C0 - 1\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: sold, keep: all, where: revenue > 0}\n  - {name: sheet, columns: [month, channel, revenue], order_by: month, pivot_by: channel, calculations: growth = C1 / C0 - 1}\n");
    TotalOfNothing "F0482" "total-of-nothing" Error
        "A total is the measure computed again, so that distinct counts and ratios are right. The worksheet must read a step of the same spec that groups, which has the measure as a definition and leaves out no groups; a row has a total only in a pivot."
        Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\ncalculations: share = revenue / B_TOTAL\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: month, definitions: revenue = SUM(amount)}\n  - {name: sheet, columns: [month, revenue], calculations: share = revenue / B_TOTAL}\n");
    TextIsNoDate "W0483" "text-is-no-date" Warning("read a text as a date that is no date", "write dates as `2024-01-31`")
        "DATEVALUE reads texts of the form YYYY-MM-DD. Other forms, such as `31/12/2018`, mean different days in different countries, and give NULL, as does a day that the calendar does not have."
        Row("DATEVALUE(\"31/12/2018\")") => Row("DATEVALUE(\"2018-12-31\")");
    NoSuchChoice "W0484" "no-such-choice" Warning("name a choice that no value has", "count the values of CHOOSE from 1")
        "The index of CHOOSE counts its values from 1. A constant index that no value has gives NULL in every row, where a spreadsheet shows #VALUE!."
        Row("CHOOSE(3, amount, id)") => Row("CHOOSE(2, amount, id)");
    FractionOfDay "W0485" "fraction-of-day" Warning("add a fraction of a day to a date", "write `created_at + 0.5` for a column that is a timestamp")
        "A date has no time of day, so a number of days added to it loses its fraction. Add TIME(12, 0, 0) for a timestamp half a day later, or add the fraction to a timestamp."
        Row("DATE(2024, 1, 31) + 1.5") => Row("DATE(2024, 1, 31) + 1");
    UnknownTab "F0490" "unknown-tab" Error
        "A formula reads another tab, `'Targets'!A:B`, and `tabs` does not say which model that is."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: region}}\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n");
    SeveralMatches "W0491" "several-matches" Warning("have a lookup that may find several rows", "add `order_by` to the tab, or the key to the schema")
        "A lookup takes the first row that has the key. Nothing known says that the key is unique in the tab, and nothing says the order of its rows, so which of several is the first is settled by their values. Add `order_by` to the tab, or the key to the schema."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target]}}\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: target}}\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n");
    NotWholeColumns "F0492" "not-whole-columns" Error
        "A lookup looks in whole columns of one sheet, `D:E` or `'Targets'!A:B`; XLOOKUP and MATCH in one column. A few rows of them cannot be looked in."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: first = XLOOKUP(A1, A1:A9, B1:B9)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: first = XLOOKUP(A1, A:A, B:B)\n");
    LookupMode "F0493" "lookup-mode" Error
        "XLOOKUP looks for an equal key with 0, for the next smaller with -1, the next larger with 1, by a pattern with 2; MATCH for an equal key with 0, the largest that is not larger with 1, the smallest that is not smaller with -1."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: place = MATCH(A1, A:A, 3)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: place = MATCH(A1, A:A, 0)\n");
    TabNotLookedUp "F0494" "tab-not-looked-up" Error
        "The rows of another tab are not those of the sheet: a lookup finds one of them for each row, and NETWORKDAYS and WORKDAY read their holidays in a column of it. Nothing else reads another tab."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: region}}\ncalculations: share = B1 / SUM('Targets'!B:B)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: region}}\ncalculations: share = B1 / VLOOKUP(A1, 'Targets'!A:B, 2)\n");
    UnsupportedFunction "F0501" "unsupported-function" Error
        "This warehouse cannot compute the function in one expression; the message says why and what does."
        BigQuery("MEDIAN(amount)") => BigQuery("AVERAGE(amount)");
    ExpressionTooLarge "F0502" "expression-too-large" Error
        "An argument stands more than once in the SQL of a function; nested, that grows past 64 KiB. `query` and `model` compute it once."
        Shown("MOD(MOD(MOD(… deep") => Formula("a = 1");
    RepeatedArgument "W0503" "repeated-argument" Warning("repeat an argument in the SQL", "use `formulac query`, which computes it once")
        "The SQL of this function holds an argument more than once. `compile` gives one expression, so it is repeated; `query` computes it once."
        Row("MOD(7, a + b)") => Row("MOD(7, a)");
    OutputTooLarge "F0504" "output-too-large" Error
        "All SQL of one compilation is at most 64 MiB long. Definitions that use each other are put in place by `compile`; `query` names them."
        Shown("10,000 definitions that each repeat the one before") => Formula("a = 1");
    VolatileRepeated "F0505" "volatile-repeated" Error
        "A value that differs at each draw would be drawn more than once."
        Shown("a function that repeats RAND()") => Formula("a = 1");
    SessionTimezone "W0506" "session-timezone" Warning("convert instants without a set time zone", "set `timezone`")
        "An instant becomes a wall-clock date in the session's time zone, which differs between users. On Snowflake a TIMESTAMP_TZ becomes one in the offset from UTC that each value has. Set `timezone:`."
        Shown("YEAR(NOW())") => Shown("YEAR(TODAY())");
    NeedsQuery "F0507" "needs-query" Error
        "A value that looks at other rows of a value that looks at other rows cannot be one expression: `query` and `model` compute it in two CTEs. Nor can PERIODOFFSET, for which they join, but on Postgres and DuckDB in rows that the grouping names, or the relation's key, tell apart."
        Shown("OFFSET(OFFSET(amount, -1), -1) in `compile`") => Shown("the same in a spec");
    UnsupportedJoin "F0508" "unsupported-join" Error
        "This warehouse makes the join only where its condition asks that something of one side equals something of the other: BigQuery a left or full join, Postgres a full one. Join by such an equality as well; an inner join needs none."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: bands, on: orders.amount > bands.low, type: full, cardinality: many}\ndefinitions: n = bands.name\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: bands, on: orders.amount > bands.low, type: inner, cardinality: many}\ndefinitions: n = bands.name\n");
    NameTooLong "F0510" "name-too-long" Error
        "The warehouse refuses a name of so many bytes, or cuts two names at the same place, so that they are one. A letter with an accent has two bytes, one of Chinese three."
        Spec("model: m\nfrom: t\ndefinitions: |\n  the_sum_of_all_amounts_that_were_ordered_in_this_region_in_all_of_time = SUM(x) // noqa\n  the_sum_of_all_amounts_that_were_ordered_in_this_region_in_all_of_life = COUNT(x)\n")
        => Spec("model: m\nfrom: t\ndefinitions: |\n  all_amounts = SUM(x)\n  all_orders = COUNT(x)\n");
    NameIsCut "W0511" "name-is-cut" Warning("have a name that Postgres cuts at 63 bytes", "use shorter names")
        "Postgres cuts names at 63 bytes without a word. The SQL still means the same, and the column has a name that nobody wrote, so that a contract or a query of it by its full name may fail."
        Spec("model: m\nfrom: t\ndefinitions: |\n  the_sum_of_all_amounts_that_were_ordered_in_this_region_in_all_of_time = SUM(x)\n")
        => Spec("model: m\nfrom: t\ndefinitions: |\n  all_amounts = SUM(x)\n");
    NotADbtName "F0601" "not-a-dbt-name" Error
        "A dbt model's name is letters, digits and `_`, not beginning with a digit."
        Spec("model: my model\nfrom: t\ndefinitions: a = SUM(x)\n") => Spec("model: my_model\nfrom: t\ndefinitions: a = SUM(x)\n");
    ModelReadsItself "F0602" "model-reads-itself" Error
        "A bare name in `from` is a dbt model, and so is what the spec makes: of one name they would be a circle. A query may read a table of its own name."
        Shown("`model: orders` with `from: orders`") => Shown("`model: orders_by_month` with `from: orders`");
    ContractWithoutTypes "F0603" "contract-without-types" Error
        "An enforced contract needs the data type of every column. It is taken from the column's own type, and what is not known has to be said, as the warehouse spells it."
        Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\ncontract: {enforced: true}\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\ncontract: {enforced: true}\ncolumns: {a: {data_type: numeric}}\n");
    LimitInModel "W0604" "limit-in-model" Warning("have a `limit`, which also limits everything downstream", "use a rank column and let the readers filter")
        "Whoever builds on the model gets the first rows only, and nothing there says so. A `query` may have its `limit`; a model had better give all rows, and a rank to choose by: `place = RANK(revenue)`. Where the first rows are what the model is for, write `limit: 10 # // noqa: W0604`."
        Model("model: top_customers\nfrom: t\ngroup_by: customer\norder_by: revenue desc\nlimit: 10\ndefinitions: revenue = SUM(x)\ncolumns: {customer: {data_tests: [not_null]}}\n")
        => Model("model: customers_by_revenue\nfrom: t\ngroup_by: customer\norder_by: revenue desc\ndefinitions: |\n  revenue = SUM(x)\n  place = RANK(revenue)\ncolumns: {customer: {data_tests: [not_null]}}\n");
    NullableKey "W0610" "nullable-key" Warning("have a key that may be NULL", "add a `not_null` test to the key columns")
        "A column tells the rows of the model apart, and may be NULL as far as anybody knows: nothing in the schema or in the spec says otherwise. The test of the key counts NULL as a value; dbt's snapshots, incremental models and joins do not. A test says that it is never empty, a filter sees to it. Where one row is meant to be that of the empty key, write `group_by: region # // noqa: W0610`."
        Model("model: m\nfrom: t\ngroup_by: region\ndefinitions: a = SUM(x)\n")
        => Model("model: m\nfrom: t\ngroup_by: region\ndefinitions: a = SUM(x)\ncolumns: {region: {data_tests: [not_null]}}\n");
    ContractOfNoRelation "F0620" "contract-of-no-relation" Error
        "dbt compares the columns of a table, a view or an incremental model with its contract. An ephemeral model is part of the queries that read it, and of a materialized view dbt checks nothing."
        Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\nconfig: {materialized: ephemeral}\ncontract: {enforced: true}\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\nconfig: {materialized: table}\ncontract: {enforced: true}\n");
    ConstraintWithoutEffect "W0621" "constraint-without-effect" Warning("have constraints without an enforced contract", "enforce the contract, or use data tests")
        "Constraints are part of the statement that makes a table, and dbt writes it so only where a contract is enforced. Of other models they are documentation that nothing enforces; a data test is a check."
        Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\ncolumns: {a: {constraints: [{type: not_null}]}}\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\ncolumns: {a: {constraints: [{type: not_null}]}}\nconfig: {materialized: table}\ncontract: {enforced: true}\n");
    IncrementalWithoutKey "F0630" "incremental-without-key" Error
        "An incremental model is the table so far and the late rows. Which column says how late a row is, and which columns tell rows apart, so that none stands twice, only the analyst knows."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n");
    IncrementalTime "F0631" "incremental-time" Error
        "An incremental run filters the rows of the first step by their time. The time column of the model is one that the first step has for each row, passed on from step to step and at most cut to a unit of the calendar; an aggregate of rows is none."
        Spec("model: m\nfrom: t\ngroup_by: id\ndefinitions: last_day = MAX(day[day])\nconfig: {materialized: incremental, event_time: last_day, unique_key: id}\n")
        => Spec("model: m\nfrom: t\ngroup_by: id, day[day]\ndefinitions: n = COUNT()\nconfig: {materialized: incremental, event_time: day_day, unique_key: [id, day_day]}\n");
    UnboundedInTime "F0632" "unbounded-in-time" Error
        "A value of an incremental model is made of late rows, and of rows a known time before them: `PERIODOFFSET` says how long that is, and a window that is parted by the time column ends with it. Rows so many places away, running totals, ranks among all rows, totals and limits may need any row that ever was."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  n = COUNT()\n  so_far = SUM(FIRST(n):n)\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  n = COUNT()\n  before = PERIODOFFSET(n, -1, \"month\")\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n");
    IncrementalKey "F0633" "incremental-key" Error
        "dbt replaces the row of the table that has the same `unique_key`. With fewer columns than tell the rows apart it loses rows, with more it adds rows twice. `delete+insert` may take fewer, when the time column is one of them: then it replaces whole periods."
        Spec("model: m\nfrom: t\ngroup_by: id, day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: id}\n")
        => Spec("model: m\nfrom: t\ngroup_by: id, day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: [id, day_month]}\n");
    IncrementalKeyMayBeNull "W0634" "incremental-key-may-be-null" Warning("are incremental with a key that may be NULL", "add a `not_null` test to the key columns")
        "NULL equals nothing: a row whose key holds one is never found again, and each run adds it once more; a row without a time is not read at all. dbt's `not_null` is written as a test of these columns. Say it of a column that is known to hold none, or define it without."
        Shown("an incremental model that groups by `region`, of which the schema does not say that it is never NULL") => Shown("the same by `region = COALESCE(region, \"none\")`");
    UnsupportedStrategy "F0635" "unsupported-strategy" Error
        "A run reads late rows again, so its strategy has to replace the ones that there are: `merge`, or `delete+insert` where dbt has it for the warehouse. `append` would add them twice; `microbatch` and `insert_overwrite` replace rows by bounds of their own."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, incremental_strategy: append}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, incremental_strategy: merge}\n");
    SchemaChangeUnderContract "F0636" "schema-change-under-contract" Error
        "dbt takes `append_new_columns` or `fail` when a contract is enforced on an incremental model; the other words would let the table differ from what is promised."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, on_schema_change: ignore}\ncontract: {enforced: true}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, on_schema_change: fail}\ncontract: {enforced: true}\n");
    RowsMayLeave "F0637" "rows-may-leave" Error
        "An incremental run adds rows and replaces them; it takes none away. A condition on an aggregate or on what looks at other rows may hold in one run and not in the next, and then the table keeps a row that a full refresh would not give. Conditions on what a row says of itself, and on keys, are none of these."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: n = COUNT()\nhaving: n > 10\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: |\n  n = COUNT()\n  is_busy = n > 10\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n");
    WiderAccess "F0640" "wider-access" Error
        "Whoever can read a model can see the data that it reads. So a model that reads a private one is private too. A protected or public parent does not restrict it."
        Shown("`access: public` of a spec that reads a private model") => Shown("`access: private` and the `group` of that model");
    PrivateParent "F0641" "private-parent" Error
        "dbt lets only models of the same group read a private one. A spec that names no group joins that of the private model which it reads."
        Shown("`group: sales` of a spec that reads a model which is private to `finance`") => Shown("`group: finance`");
    ReservedModelName "F0650" "reserved-model-name" Error
        "Whoever queries the table of a model writes its name. One that is a word of SQL has to be quoted everywhere, and dbt does not quote it in every warehouse."
        Spec("model: order\nfrom: t\ndefinitions: a = SUM(x)\n") => Spec("model: order_totals\nfrom: t\ndefinitions: a = SUM(x)\n");
    ModelsInCircle "F0660" "models-in-circle" Error
        "Models of several specs read each other, so that none of them could be built first."
        Shown("`model: a` with `from: b`, and `model: b` with `from: a`") => Shown("`model: b` with `from: orders`");
    NameTaken "F0661" "name-taken" Error
        "dbt knows another model, seed, snapshot or test of this name, perhaps a disabled one, or one whose name differs by case only. Names are unique in a project, whatever the folder."
        Shown("`model: orders` beside the seed `orders`") => Shown("`model: orders_by_month`");
    DeclaredTwice "F0675" "declared-twice" Error
        "dbt wants the names of docs blocks, exposures, metrics and semantic models unique in a project. An exposure that uses several models stands in one spec, and names the others in `depends_on`; the other names are made of the model's and the column's."
        Shown("an exposure `weekly_sales` in two specs") => Shown("the exposure in one of them, with `depends_on: [ref('other_model')]`");
    ExposureWithoutOwner "F0676" "exposure-without-owner" Error
        "dbt wants to know who answers for an exposure, by name or by e-mail address. Where the exposure does not say it, the `owner` of the spec answers for it."
        Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\nexposures: [{name: sales, type: dashboard}]\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\nexposures: [{name: sales, type: dashboard, owner: {name: Sales}}]\n");
    NotASemanticName "W0680" "not-a-semantic-name" Warning("have names that dbt's semantic layer does not accept", "rename them")
        "Names in dbt's semantic layer have two characters at least: small letters, digits and single `_`, a letter first and no `_` last, and none is a unit of time or `metric_time`. A column of another name, or of one that SQL needs quotes for, is no dimension or metric; a model of another name has no semantic model."
        Model("model: sales\nfrom: t\ngroup_by: day[month]\ndefinitions: a__b = SUM(x)\nsemantic_model: true\ncolumns: {day_month: {data_tests: [not_null]}}\n")
        => Model("model: sales\nfrom: t\ngroup_by: day[month]\ndefinitions: a_b = SUM(x)\nsemantic_model: true\ncolumns: {day_month: {data_tests: [not_null]}}\n");
    NoTimeSpine "W0681" "no-time-spine" Warning("have a semantic model in a project without a time spine", "add a time spine model")
        "dbt refuses a project with semantic models that has no time spine: a model with a row for each day, which its properties name so. The message has the lines of one."
        Shown("`semantic_model: true` in a project without a time spine") => Shown("a model `time_spine` with `time_spine: {standard_granularity_column: date_day}`");
    EditedByHand "F0701" "edited-by-hand" Error
        "A file that is to be written was changed since formulac wrote it, or is not from formulac. Nothing is written, so that nobody's work is lost; the exit status is 3."
        Shown("models/revenue.sql with a line added by hand") => Shown("the change made in metrics/revenue.yml");
    NothingToPromote "F0710" "nothing-to-promote" Error
        "`promote` takes measures and dimensions of a view, a query view, or a saved query of a topic or model file. The file that is named holds none of that, or not the field."
        Shown("formulac promote omni/orders.view.yaml:revenu") => Shown("formulac promote omni/orders.view.yaml:revenue");
    NotCarried "W0711" "not-carried" Warning("have something that was not carried over from Omni", "look at the `# gap:` comments")
        "Something of Omni's files has no formula, or one of which something is to be looked at. It stands as `# gap:` in the spec, with Omni's file, line and text, so that a person can bring it over or leave it where it is."
        Shown("a measure with `level_of_detail`") => Shown("the same as two steps of a spec");
    DefinedTwice "W0712" "defined-twice" Warning("define a column that Omni also defines", "run `formulac promote … --repoint`")
        "A column and a field of Omni that it was promoted from both compute the same. As long as both do, one can be changed without the other; and where Omni's view of the model has an expression of its own under the column's name, it is applied once more. `promote … --repoint` makes the field read the column where that is exact. Without `promoted_from` in the spec the two are taken for different things."
        Shown("`promoted_from: orders.revenue` beside a measure `revenue` of the view `orders`") => Shown("the measure with `sql: ${revenue_by_order.revenue}`");
    NotRepointed "F0713" "not-repointed" Error
        "The field would not be the same if it read the column. A field of a view can be cut by everything that the view has, and a model knows its column for each row of its own grain: only at the grain of the view's primary key is there a value for each row, and only sums, counts, the least and the greatest can be taken together once more."
        Shown("`--repoint` of a measure whose model has a row for each month") => Shown("the same of a model with a row for each order");
    InvalidYaml "F0801" "invalid-yaml" Error
        "The file is not YAML, or says a thing twice. A formula with `: `, ` #` or a leading `{`, `[`, `&`, `*`, `!`, `%`, `@` goes into a block text (`|`) or quotes."
        Spec("model: m\nfrom: [t\n") => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    UnknownKey "F0802" "unknown-key" Error
        "The file has a key that means nothing here."
        Spec("model: m\nfrom: t\ngroupby: g\ndefinitions: a = SUM(x)\n") => Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: a = SUM(x)\n");
    MissingKey "F0803" "missing-key" Error
        "A key that is always needed is not there."
        Spec("model: m\ndefinitions: a = SUM(x)\n") => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    WrongShape "F0804" "wrong-shape" Error
        "A key holds a list where a text is expected, or the other way round."
        Spec("model: [m]\nfrom: t\ndefinitions: a = SUM(x)\n") => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    DuplicateStep "F0806" "duplicate-step" Error
        "Two steps have the same name."
        Spec("model: m\nfrom: t\nsteps:\n  - {name: a, definitions: x = 1}\n  - {name: a, definitions: y = 1}\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - {name: a, definitions: x = 1}\n  - {name: b, definitions: y = 1}\n");
    StepNamedLikeRelation "F0807" "step-named-like-relation" Error
        "A step may not bear the name of a relation that the spec reads: in SQL it would hide that relation."
        Spec("model: m\nfrom: t\nsteps:\n  - {name: t, definitions: x = 1}\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - {name: first_step, definitions: x = 1}\n");
    UnnamedStep "F0808" "unnamed-step" Error
        "Each of several steps needs a name: it becomes the name of its CTE."
        Spec("model: m\nfrom: t\nsteps:\n  - definitions: x = 1\n  - {name: b, definitions: y = x}\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - {name: a, definitions: x = 1}\n  - {name: b, definitions: y = x}\n");
    FormulaCut "F0809" "formula-cut-by-yaml" Error
        "YAML took a part of a formula for a comment (` #`), a key (`: `), an anchor (`&`), a tag (`!`) or, inside `{…}`, another entry (`,`). The help shows the corrected line."
        Spec("model: m\nfrom: t\ndefinitions:\n  a: COUNTIF(x = \"a #1\")\n")
        => Spec("model: m\nfrom: t\ndefinitions:\n  a: 'COUNTIF(x = \"a #1\")'\n");
    KeepInGroupedStep "F0810" "keep-in-grouped-step" Error
        "A grouped step has one row a group: the columns of the step before have many values there."
        Spec("model: m\nfrom: t\nkeep: all\ngroup_by: g\ndefinitions: a = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: a = SUM(x)\n");
    LimitWithoutOrder "F0811" "limit-without-order" Error
        "`limit` keeps the first rows, so it needs `order_by`."
        Spec("model: m\nfrom: t\nlimit: 3\ndefinitions: a = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: g\norder_by: g\nlimit: 3\ndefinitions: a = SUM(x)\n");
    NothingToSelect "F0812" "nothing-to-select" Error
        "A step without definitions, `group_by` and `keep` has no columns."
        Spec("model: m\nfrom: t\n") => Spec("model: m\nfrom: t\nkeep: all\n");
    SameModelTwice "F0813" "same-model-twice" Error
        "Two specs make the model of one name, so that one would overwrite the other's files. A model's name is given once in a project."
        Shown("`model: revenue` in two specs") => Shown("`model: revenue` and `model: revenue_by_month`");
    ColumnsNotKnown "F0814" "columns-not-known" Error
        "`keep: all` is `select *` where no schema says the columns. That gives columns which the step computes on the way as well, and the old one of a name that the step defines anew."
        Spec("model: m\nfrom: t\nkeep: all\ndefinitions: amount = amount * 2\n")
        => Spec("model: m\nfrom: t\nkeep: [id]\ndefinitions: amount = amount * 2\n");
    UnusedHelper "W0815" "unused-helper" Warning("have a helper definition that nothing uses", "use it or remove it")
        "A definition of single rows in a grouped step is no column: it helps others. One that nothing uses does nothing; group by it or aggregate it to see it."
        Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  net = a - b\n  total = SUM(a)\n")
        => Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  net = a - b\n  total = SUM(net)\n");
    KeyWithoutEffect "W0816" "key-without-effect" Warning("have a key without effect", "remove the key")
        "The key is read, and says nothing where it stands: what it is about is not there, or dbt has no such thing in this version."
        Spec("model: m\nfrom: t\nsteps:\n  - name: a\n    definitions:\n      b: {formula: SUM(x), data_tests: [not_null]}\n  - name: e\n    definitions: f = b + 1\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - name: a\n    definitions:\n      b: SUM(x)\n  - name: e\n    definitions: f = b + 1\n");
    NotATextToYaml "F0817" "not-a-text-to-yaml" Error
        "A name or a formula that is a number, a date, a truth value or nothing to YAML when it stands there without quotes. Readers of YAML differ in what they make of it."
        Spec("model: m\nfrom: t\ndefinitions:\n  2024: SUM(x)\n")
        => Spec("model: m\nfrom: t\ndefinitions:\n  \"2024\": SUM(x)\n");
    NotASchema "F0820" "not-a-schema" Error
        "The file given as a schema is none of the kinds that are understood."
        Schema("tables: []") => Schema("relations: {orders: {columns: {id: integer}}}");
    UnknownType "F0821" "unknown-type" Error
        "A column's type in a schema file is one of the contract's."
        Schema("relations: {orders: {columns: {id: []}}}") => Schema("relations: {orders: {columns: {id: integer}}}");
    UnreadableFile "F0822" "unreadable-file" Error
        "A file that the command was given is not there, or cannot be read. Nothing is written then; the exit status is 5."
        Shown("formulac check metrics/no_such_file.yml") => Shown("formulac check metrics/revenue.yml");
    EngineFailed "F0823" "engine-failed" Error
        "The engine that was to run the SQL, or dbt, could not: what it says is shown, with the place in the SQL where it names one. The exit status is 5."
        Shown("formulac preview metrics/revenue.yml --data data, where data/orders.csv has a row too short") => Shown("the corrected row");
    FolderNotRead "F0830" "folder-not-read" Error
        "Generated files would go to a folder in which dbt never looks for them, so dbt would not build the models or run the tests. dbt looks for models in the folders of `model-paths` of `dbt_project.yml` and for tests in those of `test-paths`, and it follows no links to folders below them. If there is `docs-paths`, dbt looks for docs blocks only there. `models:` and `tests:` of `formulac.yml` name the folders of generated files."
        Shown("`tests: tests/formulac/` in formulac.yml with `test-paths: [data-tests]` in dbt_project.yml") => Shown("`tests: data-tests/formulac/`");
    DuplicateRelation "F0840" "duplicate-relation" Error
        "Two relations of a step are read by the same name, so that a column would not say whose it is."
        Spec("model: m\nfrom: people\njoins:\n  - {to: people, on: people.boss_id = people.id, cardinality: many}\ndefinitions: boss = people.name\n")
        => Spec("model: m\nfrom: people\njoins:\n  - {to: people, as: bosses, on: people.boss_id = bosses.id, cardinality: many}\ndefinitions: boss = bosses.name\n");
    Internal "F0901" "internal" Error
        "A fault of formulac itself. Please report it with the input."
        Shown("none known") => Shown("none known");
}

impl Code {
    /// The code of this spelling, or of this name.
    ///
    /// ```
    /// use formulac_syntax::diag::Code;
    /// assert_eq!(Code::parse("f0301"), Code::parse("unknown-function"));
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.code().eq_ignore_ascii_case(text) || c.name().eq_ignore_ascii_case(text))
    }
}
