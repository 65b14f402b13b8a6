//! Registry of diagnostics. Each diagnostic has a number, a name, a severity and a page that explains it. Numbers are
//! never reused.
//!
//! Number ranges: 01xx lexing, 02xx parsing, 03xx names, 04xx types and aggregation levels, 05xx dialects, 06xx dbt,
//! 07xx sync, 08xx specs and project files, 09xx internal.

use super::Severity;

/// Example on a page, including how to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Example {
    /// Formula or definitions that are compiled in the measure context.
    Formula(&'static str),
    /// Formula that is compiled for BigQuery with the schema of the pages.
    BigQuery(&'static str),
    /// Formula that is compiled with the relation `orders` in the schema of the pages.
    Orders(&'static str),
    /// Formula that is compiled in the row context.
    Row(&'static str),
    /// Model spec that is compiled to a query.
    Spec(&'static str),
    /// Model spec that is compiled to a dbt model.
    Model(&'static str),
    /// Schema file.
    Schema(&'static str),
    /// Text that is only displayed. A separate test causes the diagnostic.
    Shown(&'static str),
}

impl Example {
    /// Returns the text of the example.
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

/// Page that `formulac explain F0301` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Explanation of the diagnostic, with advice.
    pub text: &'static str,
    /// Input that causes the diagnostic.
    pub wrong: Example,
    /// Corrected input.
    pub right: Example,
}

macro_rules! codes {
    ($(
        $variant:ident $code:literal $name:literal $severity:ident $(($fact:literal, $advice:literal))?
        $text:literal $wrong:expr => $right:expr;
    )*) => {
        /// Code that identifies a diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are self-explanatory")]
        #[non_exhaustive]
        pub enum Code { $($variant),* }

        impl Code {
            /// All codes, ordered by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the number, such as `F0301`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// Returns the name, such as `unknown-function`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns the severity: error or warning.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// Returns the wording for a warning about several models: a predicate, such as `have a key that may be
            /// NULL`, and advice. Returns `None` for errors, because each error is displayed separately.
            #[must_use]
            pub fn grouped(self) -> Option<(&'static str, &'static str)> {
                match self {
                    $($(Self::$variant => Some(($fact, $advice)),)?)*
                    _ => None,
                }
            }

            /// Returns the page of the diagnostic.
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
        "The character is not allowed in formulas. Names consist of letters, digits and `_`; text is enclosed in double quotes."
        Formula("SUM(amount) @ 2") => Formula("SUM(amount) * 2");
    UnclosedText "F0102" "unclosed-text" Error
        "Text begins with `\"` but has no closing quote. To write a quote inside text, double the quote."
        Formula("COUNT(IF(status = \"open, id))") => Formula("COUNT(IF(status = \"open\", id))");
    TypographicQuotes "F0103" "typographic-quotes" Error
        "Word processors replace the straight quotes around text with curly quotes."
        Formula("COUNTIF(status = “open”)") => Formula("COUNTIF(status = \"open\")");
    NotUtf8 "F0104" "not-utf8" Error
        "formulac reads only files in UTF-8. Save the file as UTF-8. The span marks the first byte that is not valid \
         UTF-8."
        Shown("a file saved in Latin-1") => Shown("the same file, saved as UTF-8");
    SourceTooLarge "F0105" "source-too-large" Error
        "The input is larger than 16 MiB, so it is probably not a file of formulas. Programs that use formulac as a \
         library can set another limit."
        Shown("a file of 17 MiB") => Shown("the formulas in two smaller files");
    SingleQuotes "F0106" "single-quotes" Error
        "In a worksheet, single quotes enclose the name of a tab, as in `'Targets'!A:A`. Enclose text in double \
         quotes."
        Formula("COUNTIF(status = 'open)") => Formula("COUNTIF(status = \"open\")");
    UnclosedReference "F0107" "unclosed-reference" Error
        "A reference that begins with `${` must end with `}` on the same line."
        Formula("SUM(${amount)") => Formula("SUM(${amount})");
    NumberTooLarge "F0108" "number-too-large" Error
        "A number is larger or has more digits than any warehouse supports."
        Formula("SUM(amount) * 1e999") => Formula("SUM(amount) * 1e9");
    ExpectedExpression "F0201" "expected-expression" Error
        "A value is missing. In its place, the formula has an operator, a comma or a closing bracket, or the formula \
         ends."
        Formula("SUM(amount) / ") => Formula("SUM(amount) / 2");
    UnexpectedToken "F0202" "unexpected-token" Error
        "Two values are next to each other without an operator or comma between them."
        Formula("SUM(amount) COUNT(id)") => Formula("SUM(amount) / COUNT(id)");
    UnclosedBracket "F0203" "unclosed-bracket" Error
        "An opening bracket has no matching closing bracket. To check the rest of the file, formulac assumes that \
         the bracket closes before the next definition."
        Formula("SUM(amount / 2") => Formula("SUM(amount / 2)");
    NestingTooDeep "F0204" "nesting-too-deep" Error
        "Brackets can be nested at most 1,000 levels deep. Programs that use formulac as a library can set another \
         limit."
        Shown("1,001 nested brackets") => Formula("((1))");
    SurplusBracket "F0205" "surplus-bracket" Error
        "A closing bracket has no matching opening bracket."
        Formula("SUM(amount))") => Formula("SUM(amount)");
    ChainedComparison "F0206" "chained-comparison" Error
        "`1 < x < 5` would compare the result of `1 < x`, a boolean, with 5. Combine two comparisons with AND instead."
        Formula("COUNTIF(1 < amount < 5)") => Formula("COUNTIF(AND(1 < amount, amount < 5))");
    NotFormulaSyntax "F0207" "not-formula-syntax" Error
        "The formula contains notation from SQL, Python or another spreadsheet program. formulac does not support this \
         notation. The help shows the equivalent formula."
        Formula("COUNTIF(amount == 1)") => Formula("COUNTIF(amount = 1)");
    StrayFormula "F0208" "stray-formula" Error
        "A file contains either definitions of the form `name = formula`, or a single formula, but not both. \
         `group_by` accepts columns, definitions and timeframes, but no other formulas. To group by another formula, \
         define it under a name in `definitions`, and group by this name."
        Formula("SUM(amount)\ntotal = SUM(amount)") => Formula("first = SUM(amount)\ntotal = SUM(amount)");
    NotEqualSpelling "W0210" "not-equal-spelling" Warning("write `!=`", "write `<>`")
        "`!=` is accepted, but the spreadsheet operator is `<>`."
        Formula("COUNTIF(amount != 1)") => Formula("COUNTIF(amount <> 1)");
    UnknownFunction "F0301" "unknown-function" Error
        "No function has this name. `formulac functions` lists all functions."
        Formula("SUMIFF(amount > 1, amount)") => Formula("SUMIF(amount > 1, amount)");
    UnknownName "F0302" "unknown-name" Error
        "Neither a column in the schema nor a definition has this name."
        Orders("SUM(amuont)") => Orders("SUM(amount)");
    AmbiguousName "F0303" "ambiguous-name" Error
        "Two relations have a column with this name, and neither `--from` nor a qualifier such as `orders.` selects \
         one of the relations."
        Shown("SUM(id) where both orders and customers have id") => Shown("SUM(orders.id)");
    DuplicateDefinition "F0304" "duplicate-definition" Error
        "Two definitions have the same name. Names that differ only in case count as the same name."
        Formula("a = 1\nA = 2") => Formula("a = 1\nb = 2");
    DefinitionCycle "F0305" "definition-cycle" Error
        "Definitions depend on each other in a cycle, so none of them can be computed first."
        Formula("a = b + 1\nb = a + 1") => Formula("a = 1\nb = a + 1");
    UnknownTimeframe "F0306" "unknown-timeframe" Error
        "Omni's timeframes are written in square brackets: periods such as `[day]`, `[month]` and `[year]`, and parts \
        of dates such as `[month_name]` and `[day_of_week_num]`. `fiscal_quarter` and `fiscal_year` need \
        `fiscal_month_offset`, the number of months from January to the first month of the fiscal year. Set this key \
        in the spec or in formulac.yml."
        Row("ordered_on[monht]") => Row("ordered_on[month]");
    UnknownRelation "F0307" "unknown-relation" Error
        "The schema has no relation with this name."
        Orders("SUM(ordres.amount)") => Orders("SUM(orders.amount)");
    NeedsWorksheet "F0308" "needs-worksheet" Error
        "Only the formulas of a worksheet can refer to cells, ranges of cells, tabs and totals, or to columns by their letters. \
         In a spec, a worksheet is a step with `columns`."
        Formula("C1 / C0 - 1") => Formula("SUM(amount) / COUNT(id)");
    SeveralRelations "F0310" "several-relations" Error
        "Without `--from`, all names of a formula must belong to one relation, because formulas cannot join relations."
        Shown("SUM(orders.amount) / COUNT(customers.name)") => Shown("SUM(orders.amount)");
    MisplacedDistinct "F0311" "misplaced-distinct" Error
        "`DISTINCT(x)` is allowed only as the argument of COUNT, SUM or AVERAGE."
        Formula("MAX(DISTINCT(amount))") => Formula("COUNT(DISTINCT(amount))");
    NoSuchCell "F0312" "no-such-cell" Error
        "A cell or a range is outside the columns of the worksheet, or refers to row 0 as a fixed row, as in `A$0`. A \
         range may extend beyond the first or last row of the worksheet. It is then truncated at that row."
        Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\norder_by: month\ncalculations: growth = E1 / E0 - 1\n")
        => Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\norder_by: month\ncalculations: growth = B1 / B0 - 1\n");
    LowercaseBoolean "W0313" "lowercase-boolean" Warning("write TRUE or FALSE in lower case", "write TRUE and FALSE in capitals")
        "Write `TRUE` and `FALSE` in upper case. In lower case, `true` and `false` could be names of columns, so \
        formulac interprets each word as a boolean only if no column has this name."
        Formula("COUNTIF(paid = true)") => Formula("COUNTIF(paid = TRUE)");
    LooksLikeComparison "W0314" "looks-like-comparison" Warning("define a name that is also a column", "begin the line with `=` if you mean a comparison")
        "`status = \"open\"` at the start of a line defines `status`. If there is a column named `status`, a \
        comparison may be intended."
        Orders("status = \"open\"") => Orders("=status = \"open\"");
    LooksLikeACell "W0315" "looks-like-a-cell" Warning("have a definition whose name looks like a cell", "use a name \
        that does not look like a cell")
        "The name of a column or definition, such as `Q1` or `FY24`, looks like a cell. In a spreadsheet and in \
         Omni, `Q1` means the cell. In formulac, `Q1` means the column or definition with that name, even \
         in a worksheet. This may confuse readers. Choose a name that does not look like a cell."
        Formula("Q1 = SUM(amount)") => Formula("quarter_1 = SUM(amount)");
    UnlistedColumn "W0316" "unlisted-column" Warning("use columns that are not known", "run `dbt docs generate` or `formulac schema fetch`")
        "formulac knows only some columns of the relation, for example those in a properties file, and this column is \
         not among them. formulac therefore infers the type of the column from its use. To list all columns in \
         `catalog.json`, run `dbt docs generate` (in dbt 2.0 or later, `dbt build --write-catalog`). Alternatively, \
         run `formulac schema fetch` to query the warehouse for the columns that specs read. formulac reports an error \
         instead of this warning if a known column has a similar name (F0302), or if the name could belong to several \
         relations whose columns are not all known (F0303). In CI, `check --deny warnings` turns the warning into an \
         error."
        Shown("SUM(amount) where dbt's manifest describes only the column `id` of orders")
        => Shown("the same formula after `dbt docs generate`");
    UnqualifiedName "W0317" "unqualified-name" Warning("use unqualified names that several joined relations may have", "write `relation.column`, or provide the columns of the relations")
        "A step with joins uses a name without its relation, but formulac does not know all columns of at least two of \
         the relations. The SQL contains the name as written, so the warehouse rejects the query if several relations \
         have a column with this name. This warning is not reported for a name in `on` that is compared with a column \
         of the joined relation, because such a name belongs to the other relation."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: customers, on: orders.customer_id = customers.id, cardinality: many}\ngroup_by: country\ndefinitions: customers = COUNT(customers.id)\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: customers, on: orders.customer_id = customers.id, cardinality: many}\ngroup_by: customers.country\ndefinitions: customers = COUNT(customers.id)\n");
    FieldOfArray "F0318" "field-of-array" Error
        "The column is an array (a repeated field in BigQuery), which has several values per row, so a formula cannot \
         read a field of its elements. Select one element in a dbt model, for example `(select value.int_value from \
         unnest(event_params) where key = 'ga_session_id') as ga_session_id`, and use this column in the formula."
        Shown("COUNTUNIQUE(event_params.value) where the type of event_params is ARRAY<STRUCT<key STRING, value INT64>>")
        => Shown("COUNTUNIQUE(ga_session_id), with a dbt model that selects the column ga_session_id");
    ArgumentCount "F0401" "argument-count" Error
        "The call has too many or too few arguments. The help shows the function's signature."
        Formula("ROUND()") => Formula("ROUND(SUM(amount))");
    TypeMismatch "F0402" "type-mismatch" Error
        "The function or operator does not accept a value of this type. Convert the value, for example with \
         `VALUE(x)` to a number, `DATEVALUE(x)` to a date or `x & \"\"` to text."
        Row("UPPER(\"a\") + 1") => Row("UPPER(\"a\") & 1");
    ConflictingTypes "F0403" "conflicting-types" Error
        "Two uses of a column require different types. Without a schema, formulac infers the type of a column from its uses."
        Row("UPPER(x) & YEAR(x)") => Row("UPPER(x) & YEAR(y)");
    MixedLevels "F0404" "mixed-levels" Error
        "The formula combines a column, which has a value in each row, with an aggregate, which has one value for each group. Aggregate the column, group by it, or compute the formula in an earlier step."
        Formula("SUM(amount) / customer_id") => Formula("SUM(amount) / COUNT(DISTINCT(customer_id))");
    NestedAggregate "F0405" "nested-aggregate" Error
        "An aggregate of an aggregate requires two groupings. Compute the inner aggregate in an earlier step."
        Formula("AVERAGE(SUM(amount))") => Formula("AVERAGE(amount)");
    AggregateNotAllowed "F0406" "aggregate-not-allowed" Error
        "An aggregate is not allowed in a dimension, in `where` or in `group_by`, because each of these needs one \
        value per row."
        Row("SUM(amount)") => Row("amount * 2");
    WindowNotAllowed "F0407" "window-not-allowed" Error
        "Values that read other rows are computed at the end of a step, so the same step cannot filter by such a \
         value, group by it or aggregate it. Use the value in the next step."
        Spec("model: m\nfrom: t\norder_by: g\nwhere: OFFSET(x, 1) > 0\ndefinitions: a = x + 1\n")
        => Spec("model: m\nfrom: t\norder_by: g\nwhere: x > 0\ndefinitions: a = x + 1\n");
    ConstantExpected "F0409" "constant-expected" Error
        "This argument must be a constant because the SQL depends on its value."
        Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = OFFSET(x, y)\n")
        => Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = OFFSET(x, -1)\n");
    OrderNeeded "F0410" "order-needed" Error
        "A function that reads another row, such as the previous row, requires ordered rows: add `order_by`."
        Spec("model: m\nfrom: t\ndefinitions: a = OFFSET(x, -1)\n")
        => Spec("model: m\nfrom: t\norder_by: month\ndefinitions: a = OFFSET(x, -1)\n");
    BadCriterion "F0411" "bad-criterion" Error
        "A criterion is a condition, a value, or text such as `\">5\"`. formulac cannot convert a criterion to SQL \
         if its text is known only when the query runs."
        Formula("SUMIF(amount, UPPER(op), amount)") => Formula("SUMIF(amount, \">5\", amount)");
    CountOfCondition "W0412" "count-of-condition" Warning("count a condition, which has a value in nearly every row", "use COUNTIF")
        "COUNT counts all values that are not blank, including FALSE and 0. COUNT of a condition, or of an IF with 0 as its default, therefore counts nearly every row."
        Formula("COUNT(status = \"open\")") => Formula("COUNTIF(status = \"open\")");
    BadDateText "F0413" "bad-date-text" Error
        "Text next to a date is interpreted as a date if its format is `YYYY-MM-DD`. Other formats mean different \
        days in different countries."
        Row("DATE(2024, 1, 31) > \"1/31/2024\"") => Row("DATE(2024, 1, 31) > \"2024-01-31\"");
    UnknownUnit "F0414" "unknown-unit" Error
        "The units of DATEDIF are \"D\", \"M\", \"Y\", \"YM\", \"MD\" and \"YD\", written as text. The units of \
        PERIODOFFSET are \"day\", \"week\", \"month\", \"quarter\" and \"year\", and, for timestamps, \"hour\", \
        \"minute\" and \"second\"."
        Row("DATEDIF(start_date, end_date, \"months\")") => Row("DATEDIF(start_date, end_date, \"M\")");
    ConstantKey "F0416" "constant-key" Error
        "A grouping or sort key with the same value in every row has no effect. SQL also interprets a number in `group \
         by` or `order by` as the position of a column."
        Spec("model: m\nfrom: t\ngroup_by: k\ndefinitions: |\n  k = 5\n  a = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: k\ndefinitions: |\n  k = g\n  a = SUM(x)\n");
    RateAveraged "W0417" "rate-averaged" Warning("average or sum rates", "divide the sum of the numerators by the sum of the denominators")
        "The average of rates is not the overall rate, because a month with ten customers has the same weight as a \
         month with a thousand customers. A sum of rates has no meaning. Divide the sum of the numerators by the sum \
         of the denominators. If all rates should have the same weight, add `// noqa: W0417`."
        Spec("model: m\nfrom: t\nsteps:\n  - name: by_month\n    group_by: month\n    definitions: |\n      lost = COUNTIF(gone > 0)\n      customers = COUNT(id)\n      churn_rate = lost / customers\n  - name: overall\n    definitions: churn = AVERAGE(churn_rate)\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - name: by_month\n    group_by: month\n    definitions: |\n      lost = COUNTIF(gone > 0)\n      customers = COUNT(id)\n      churn_rate = lost / customers\n  - name: overall\n    definitions: churn = SUM(lost) / SUM(customers)\n");
    CriterionIgnoresCase "W0418" "criterion-ignores-case" Warning("have a criterion that ignores case", "compare with `=` if case matters")
        "A criterion in quotes ignores case, as in spreadsheets: `COUNTIF(status, \"open\")` also counts `Open`, as \
         does the criterion `\"=open\"`. The condition `status = \"open\"` is case-sensitive, as in the warehouse. \
         This warning is reported if a criterion begins with `=`. It is also reported if one spec or file compares a \
         column with the same text both in a criterion and in a condition, because the two results could differ."
        Formula("SUMIF(status, \"=open\", amount)") => Formula("SUMIF(status, \"open\", amount)");
    NotAsInSheets "W0419" "not-as-in-sheets" Warning("use a function that differs from the spreadsheet function of the same name", "use the name of the function that you mean")
        "In spreadsheets, the function with this name has a different meaning. formulac's function works like the \
         function in Omni. Write the name of the function that you mean."
        Formula("COVAR(amount, price)") => Formula("COVARIANCE.S(amount, price)");
    BadRange "F0420" "bad-range" Error
        "Both ends of a range of rows must use the same name, by itself or as the argument of FIRST, LAST or OFFSET. \
         The range must be the argument of an aggregate. `FIRST(x):x` contains the rows from the first row to the \
         current row, `OFFSET(x, -2):x` the current row and the two rows before it, and `x:x` all rows of the \
         partition."
        Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = SUM(FIRST(x):y)\n")
        => Spec("model: m\nfrom: t\norder_by: g\ndefinitions: a = SUM(FIRST(x):x)\n");
    RowsNotPeriods "W0421" "rows-not-periods" Warning("count rows even though dates may be missing", "use `PERIODOFFSET` for the value of another period")
        "OFFSET, ranges of rows such as `AVERAGE(OFFSET(x, -2):x)`, and cells of other rows in a worksheet count rows. \
         If rows are ordered by a date, the previous row belongs to the previous period only if no period is missing. \
         PERIODOFFSET looks up the row of the period itself, and a range such as `PERIODOFFSET(x, -2, \"month\"):x` \
         always covers three months. Alternatively, set `fill: month`, so that the step has a row for every month."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  before = OFFSET(total, -1)\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  before = PERIODOFFSET(total, -1, \"month\")\n");
    PartitionOfOne "W0422" "partition-of-one" Warning("have windows whose partitions are single groups", "set `partition_by`")
        "By default, windows over groups are partitioned by the `group_by` names that are not in `order_by`. If none \
        of the `group_by` names is in `order_by`, each group is a separate partition: a running sum is the group's own \
        value, and there is no previous row. `partition_by: []` puts all groups in one partition. Otherwise, \
        `partition_by` lists the names by which the groups are partitioned."
        Spec("model: m\nfrom: t\ngroup_by: shop\norder_by: [total desc]\ndefinitions: |\n  total = SUM(x)\n  running = SUM(FIRST(total):total)\n")
        => Spec("model: m\nfrom: t\ngroup_by: shop\norder_by: [total desc]\npartition_by: []\ndefinitions: |\n  total = SUM(x)\n  running = SUM(FIRST(total):total)\n");
    HiddenPeriods "W0423" "hidden-periods" Warning("remove periods that other periods read", "use `since` in place of `where`")
        "A `where` condition on the time key removes rows before windows are computed, so OFFSET, PERIODOFFSET and \
        ranges do not include the removed periods: the first remaining period has no previous period. `since` selects \
        the periods to show, but windows still read earlier periods."
        Spec("model: m\nfrom: t\nwhere: day >= DATE(2024, 1, 1)\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  before = PERIODOFFSET(total, -1, \"month\")\n")
        => Spec("model: m\nfrom: t\nsince: 2024-01-01\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  before = PERIODOFFSET(total, -1, \"month\")\n");
    PeriodKey "F0430" "period-key" Error
        "PERIODOFFSET looks up the row whose key is the given number of calendar periods before or after the key of \
         this row. The key is the first date or time in `order_by`. Text and numbers cannot be shifted. An instant \
         must first be converted to wall-clock time, and a date cannot be shifted by hours. A key that is truncated to \
         months cannot be shifted by days or weeks because no row has the resulting key. The same applies to calendar \
         ranges and to `FIRST(x, unit)`."
        Spec("model: m\nfrom: t\nkeep: all\norder_by: n\ndefinitions: a = PERIODOFFSET(x, -1, \"month\") + n * 2\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"month\")\n");
    SeveralInPeriod "W0431" "several-in-period" Warning("use PERIODOFFSET even though several rows may have the same date", "group by the keys in an earlier step, or add them to `partition_by`")
        "PERIODOFFSET finds one row by its date and its partition columns. If these columns are not known to identify \
        a row, several rows may match, and the value is then empty. Group by these columns in an earlier step, add a \
        `primary_key` to the schema, or add the other names to `partition_by`."
        Spec("model: m\nfrom: t\nkeep: [x]\norder_by: day\ndefinitions: a = PERIODOFFSET(x, -1, \"day\")\n")
        => Spec("model: m\nfrom: t\ngroup_by: day\norder_by: day\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"day\")\n");
    PeriodOutsidePartition "W0432" "period-outside-partition" Warning("look back from a partition that does not contain the period", "partition by other keys, or group by the shorter timeframe only")
        "A window reads the rows of its partition: rows with equal values in `partition_by` or, by default, in the \
        `group_by` names that are not in `order_by`. If one of these names is a longer period or a part of the date \
        in `order_by`, such as its year, the window ends with this period: January has no previous month, and a \
        running total begins again each year. Write `partition_by` with the other names, or group only by the \
        shorter timeframe and compute the longer one in a later step. In a model built on metric sets, compute the \
        longer timeframe with a definition, such as `year = month[year]`. PERIODOFFSET moves along \
        the first date in `order_by`. Without `partition_by`, it also compares the other keys in `order_by`, so it \
        misses rows if `order_by` begins with the longer timeframe."
        Spec("model: m\nfrom: t\ngroup_by: [\"day[year]\", \"day[month]\"]\norder_by: day[month]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"month\")\n")
        => Spec("model: m\nfrom: t\ngroup_by: [\"day[year]\", \"day[month]\"]\norder_by: day[month]\npartition_by: []\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"month\")\n");
    MonthsOfWeeks "W0433" "months-of-weeks" Warning("move weeks by months", "move by weeks")
        "PERIODOFFSET looks up the row whose key is the given number of months before or after the key of this row. If \
         the first day of a week is moved by a month, the result is rarely the first day of a week, so the value is \
         empty in nearly all rows."
        Spec("model: m\nfrom: t\ngroup_by: day[week]\norder_by: day[week]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -1, \"month\")\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[week]\norder_by: day[week]\ndefinitions: |\n  total = SUM(x)\n  a = PERIODOFFSET(total, -4, \"week\")\n");
    KeyOfFilledDate "W0434" "key-of-filled-date" Warning("fill periods together with a finer key of the same date", "fill the shorter period, or remove the key")
        "`fill` adds a row for each period and each combination of the other keys. A key that the period determines, such \
        as the year of a month, is computed from the period. A key of the same date that the period does not determine, \
        such as the month of a filled year, is combined with every period. An added row can then have the year 2024 and a \
        month of 2023. Fill the shorter period, or remove the key."
        Spec("model: m\nfrom: t\ngroup_by: [\"day[year]\", \"day[month]\"]\nfill: year\ndefinitions: total = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: [\"day[year]\", \"day[month]\"]\nfill: month\ndefinitions: total = SUM(x)\n");
    FanOut "F0440" "fan-out" Error
        "A join with `cardinality: many` repeats a row of the other relations for each of its matches, so a sum or \
        count over those relations includes the same values several times. Aggregate the joined relation to one row \
        per key in an earlier step, and join this step."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: items, on: orders.id = items.order_id, cardinality: many}\ndefinitions: total = SUM(orders.amount)\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: items, on: orders.id = items.order_id, cardinality: many}\ndefinitions: total = SUM(items.price)\n");
    JoinMayMultiply "W0441" "join-may-multiply" Warning("have a join that may match several rows", "declare the key in the schema, or set `cardinality: many`")
        "A join must match at most one row unless it has `cardinality: many`. formulac knows no key that guarantees \
         this. If the join matches several rows, it repeats the rows of the step. For a dbt model, formulac generates \
         a test instead of this warning."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: customers, on: orders.customer_id = customers.id}\ndefinitions: country = customers.country\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: customers, on: orders.customer_id = customers.id, cardinality: many}\ndefinitions: country = customers.country\n");
    JoinedLater "F0442" "joined-later" Error
        "Joins are performed one after the other, so the condition of a join can read only the joined relation and the \
         relations before it."
        Spec("model: m\nfrom: a\njoins:\n  - {to: b, on: b.id = c.id, cardinality: many}\n  - {to: c, on: a.id = c.id, cardinality: many}\ndefinitions: x = b.x\n")
        => Spec("model: m\nfrom: a\njoins:\n  - {to: c, on: a.id = c.id, cardinality: many}\n  - {to: b, on: b.id = c.id, cardinality: many}\ndefinitions: x = b.x\n");
    PartialKeyJoin "W0443" "partial-key-join" Warning("have a join that compares only a part of the key", "compare the whole key, or set `cardinality: many`")
        "A join must match at most one row unless it has `cardinality: many`. This join compares only part of the \
         joined relation's key, or the joined relation has a column such as `valid_from`. The relation may then \
         contain several versions of a row, and the join finds all of them."
        Spec("model: m\nfrom: orders\nsteps:\n  - {name: prices, group_by: \"product, day\", definitions: price = MAX(price)}\n  - {name: priced, from: orders, joins: [{to: prices, on: orders.product = prices.product}], definitions: total = SUM(prices.price)}\n")
        => Spec("model: m\nfrom: orders\nsteps:\n  - {name: prices, group_by: \"product, day\", definitions: price = MAX(price)}\n  - {name: priced, from: orders, joins: [{to: prices, using: [product, day]}], definitions: total = SUM(prices.price)}\n");
    OneCell "W0451" "one-cell" Warning("aggregate a single cell", "use the letters of the column")
        "In a worksheet, a name refers to the cell in the current row, so an aggregate of the name covers only one \
         value. The letter of a column refers to all rows."
        Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\ncalculations: share = revenue / SUM(revenue)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\ncalculations: share = revenue / SUM(B:B)\n");
    RowsOfSeveral "W0452" "rows-of-several" Warning("have worksheets whose rows belong to several keys", "add the key to `order_by`")
        "The rows of a worksheet form a single sequence, sorted by `order_by`. If the input has several rows for \
         each value of `order_by`, such as one row per region, the cell of the previous row may belong to another \
         region."
        Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: \"month, region\", definitions: revenue = SUM(amount)}\n  - {name: sheet, columns: [month, region, revenue], order_by: month, calculations: growth = C1 / C0 - 1}\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: \"month, region\", definitions: revenue = SUM(amount)}\n  - {name: sheet, columns: [month, region, revenue], order_by: month, partition_by: region, calculations: growth = C1 / C0 - 1}\n");
    SeveralInCell "W0453" "several-in-cell" Warning("have a pivot whose cells may hold several rows", "group by the keys in an earlier step, or declare the key in the schema")
        "A cell of a pivot shows a value from one input row. This row has the `order_by` values of the cell's row and \
         the `pivot_by` value of the cell's column. If no key of the input is known, several rows may belong to a \
         cell, and the cell then shows the largest of their values."
        Spec("model: m\nfrom: sales\ncolumns: [month, region, revenue]\npivot_by: region\nvalues: [north, south]\norder_by: month\ncalculations: total = SUM(PIVOTROW(C1))\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: \"month, region\", definitions: revenue = SUM(revenue)}\n  - {name: sheet, columns: [month, region, revenue], pivot_by: region, values: [north, south], order_by: month, calculations: total = SUM(PIVOTROW(C1))}\n");
    UnsupportedPattern "F0460" "unsupported-pattern" Error
        "Warehouses interpret regular expressions differently. formulac supports the constructs that all of them \
        interpret the same way: characters, `.`, `[a-z]` and `[^a-z]`, `\\d`, `\\w`, `\\s` and their negations \
        (ASCII only), `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`, `( )`, `(?: )`, `|`, `^`, `$`, a `\\` before a \
        literal special character, and `(?i)` at the beginning to ignore case. A replacement refers to groups as \
        `$1`."
        Formula("REGEXMATCH(status, \"\\bopen\\b\")") => Formula("REGEXMATCH(status, \"(^|\\W)open($|\\W)\")");
    UnsupportedMask "F0461" "unsupported-mask" Error
        "A number mask of TEXT consists of `0`, `#`, `.`, `%` and `,`. A comma between digits separates thousands; a \
         comma after the digits divides by 1000. A date mask consists of `yyyy yy mmmm mmm mm m dddd ddd dd d hh h mm \
         ss AM/PM`. Next to hours or seconds, `mm` means minutes. Characters such as `$`, `-`, `/` and spaces are \
         literal. Enclose other text in quotes, and double these quotes in a formula."
        Formula("TEXT(amount, \"# ?/?\")") => Formula("TEXT(amount, \"#,##0.00\")");
    NotAKnownValue "W0470" "not-a-known-value" Warning("compare with text that is not a known value of its column", "correct the text, or add it to the known values")
        "formulac knows the possible values of a column from `values:` in the schema file, dbt's `accepted_values` \
        test, an ENUM in the warehouse, or the branches of an IF that returns only text. The text is not one of these \
        values, so `=` is never true. Often only the case is wrong: `=` is case-sensitive, as in warehouses but unlike \
        in spreadsheets."
        Formula("size = IF(amount > 100, \"Large\", \"Small\")\nlarge_orders = COUNTIF(size = \"large\")")
        => Formula("size = IF(amount > 100, \"Large\", \"Small\")\nlarge_orders = COUNTIF(size = \"Large\")");
    NumbersAsText "W0471" "numbers-as-text" Warning("compare text as numbers", "remove the quotes, or use VALUE(column)")
        "Text is compared character by character, so `\"9\"` is greater than `\"30\"`. Write the number without quotes \
         if the column contains numbers, and use `VALUE(column)` if the column contains numbers as text. A criterion \
         with a number, such as `COUNTIF(code, \">=30\")`, compares a text column in the same way. In a spreadsheet, \
         such a criterion finds only numbers. Write `COUNTIF(VALUE(code), \">=30\")`."
        Row("points > \"30\"") => Row("points > 30");
    EndOfDay "W0472" "end-of-day" Warning("compare a time with a date, which means midnight at the start of the day", "compare the day, `column[date]`")
        "In a comparison with a timestamp, a date means midnight at the start of the day. `created_at <= DATE(2024, 1, 31)` therefore excludes 31 January except for its first instant, and `created_at = DATE(2024, 1, 31)` is true only at midnight. Compare with `<` and the next day, or compare the day, `created_at[date]`."
        Shown("created_at <= DATE(2024, 1, 31)") => Shown("created_at < DATE(2024, 2, 1)");
    CriterionOrder "W0473" "criterion-order" Warning("have the arguments of a conditional aggregate in the order of another function", "swap the arguments")
        "SUMIF expects the tested range, the criterion, and then the summed range; SUMIFS expects the summed range \
         first, and then pairs of a tested range and its criterion. If the arguments are in the order of the other \
         function, the function tests the wrong values or no values at all."
        Formula("COUNTIF(\"open\", status)") => Formula("COUNTIF(status, \"open\")");
    WeekBegins "W0474" "week-begins" Warning("use WEEKDAY or WEEKNUM with weeks that start on Sunday", "pass 2 as the type, so that weeks start on Monday")
        "WEEKDAY and WEEKNUM without a type start weeks on Sunday, as in spreadsheets. The timeframes `week` and \
         `day_of_week_num` start weeks on Monday, or on the day in `week_start`. Without a type, `WEEKDAY(d) > 5` \
         therefore means Friday and Saturday. Add the type, such as 2 for weeks that start on Monday."
        Row("is_weekend = WEEKDAY(ordered_on) > 5") => Row("is_weekend = WEEKDAY(ordered_on, 2) > 5");
    NeverBlank "W0475" "never-blank" Warning("test for NULL although the value is never NULL", "remove the test")
        "ISERROR, ISNA and ISBLANK test for NULL, which also represents errors in formulac. A count or a sum is \
         never NULL, so the test is always FALSE."
        Formula("IF(ISNA(COUNT(id)), 0, 1)") => Formula("IF(COUNT(id) = 0, 0, 1)");
    NeverVaries "W0476" "never-varies" Warning("have a condition that is the same for every row", "swap AND and OR, or remove the condition")
        "A condition has the same result for every row. `OR(status <> \"a\", status <> \"b\")` is always true, \
        because no value equals both; write AND instead. `AND(status = \"a\", status = \"b\")` is never true; \
        write OR instead. The criterion in `SUMIFS(x, day, \">=\" & day[month])` compares each row only with its own \
        day. To compare other rows with the current row, use a range such as `SUM(FIRST(x, \"month\"):x)`."
        Formula("COUNTIF(OR(status <> \"open\", status <> \"new\"))") => Formula("COUNTIF(AND(status <> \"open\", status <> \"new\"))");
    NeverReached "W0477" "never-reached" Warning("have a branch that is never reached", "put the narrowest condition first")
        "The first condition that is true determines the result. A condition that is true only if an earlier \
        condition is also true is never reached. Write the narrowest condition first."
        Row("IFS(amount > 10, \"some\", amount > 100, \"many\")") => Row("IFS(amount > 100, \"many\", amount > 10, \"some\")");
    BlankIsNotEmpty "W0478" "blank-is-not-empty" Warning("compare with `\"\"`, which does not find NULL", "use ISBLANK")
        "A blank cell equals `\"\"` in a spreadsheet. In formulac, a blank is NULL, which is not equal to any value, \
        so `region = \"\"` finds only empty text. Use ISBLANK to find blanks."
        Row("IF(region = \"\", \"unknown\", region)") => Row("IF(OR(ISBLANK(region), region = \"\"), \"unknown\", region)");
    SumOfDistinct "W0479" "sum-of-distinct" Warning("sum distinct values, so equal values count once", "aggregate in a step before the join")
        "A sum of distinct values includes equal values only once, so the sum for two orders of 10 each is 10. If a \
         join repeats rows, aggregate in a separate step before the join."
        Formula("SUM(DISTINCT(amount))") => Formula("SUM(amount)");
    NeedsPivot "F0480" "needs-pivot" Error
        "PIVOT, PIVOTINDEX, PIVOTOFFSET and PIVOTROW read the columns of a pivot: a worksheet whose `pivot_by` \
        specifies the keys of its columns."
        Spec("model: m\nfrom: sales\ncolumns: [month, channel, revenue]\norder_by: month\ncalculations: share = C1 / SUM(PIVOTROW(C1))\n")
        => Spec("model: m\nfrom: sales\ncolumns: [month, channel, revenue]\norder_by: month\npivot_by: channel\ncalculations: share = C1 / SUM(PIVOTROW(C1))\n");
    UnfitForPivot "F0481" "unfit-for-pivot" Error
        "If a formula of a pivot reads cells for which the input may have no row, such as the cell in the previous \
         row, formulac generates a row for every cell. The row and column keys must then be columns of the input, and \
         the worksheet cannot have `where`. The same restrictions apply to a pivot with `values`. In addition, such a \
         pivot needs a single key in `pivot_by`, and its `values` must be distinct."
        Spec("model: m\nfrom: sales\ncolumns: [month, channel, revenue]\norder_by: month\npivot_by: channel\nwhere: revenue > 0\ncalculations: growth = C1 / C0 - 1\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: sold, keep: all, where: revenue > 0}\n  - {name: sheet, columns: [month, channel, revenue], order_by: month, pivot_by: channel, calculations: growth = C1 / C0 - 1}\n");
    TotalOfNothing "F0482" "total-of-nothing" Error
        "A total computes the measure again from the underlying rows, so that distinct counts and ratios are correct. \
        The input of the worksheet must be a grouped step of the same spec that defines the measure and removes no \
        groups. Row totals exist only in a pivot."
        Spec("model: m\nfrom: sales\ncolumns: [month, revenue]\ncalculations: share = revenue / B_TOTAL\n")
        => Spec("model: m\nfrom: sales\nsteps:\n  - {name: monthly, group_by: month, definitions: revenue = SUM(amount)}\n  - {name: sheet, columns: [month, revenue], calculations: share = revenue / B_TOTAL}\n");
    TextIsNoDate "W0483" "text-is-no-date" Warning("convert text that is not a valid date or number", "write dates as `2024-01-31` and numbers as `1234.5`")
        "DATEVALUE converts text in the format YYYY-MM-DD. Other formats, such as `31/12/2018`, mean different days in \
        different countries. The result is NULL for these formats and for dates that do not exist. VALUE and NUMBERVALUE \
        return NULL for text that is not a number, such as `11 000`."
        Row("DATEVALUE(\"31/12/2018\")") => Row("DATEVALUE(\"2018-12-31\")");
    NoSuchChoice "W0484" "no-such-choice" Warning("choose a value that does not exist", "use 1 as the index of the first value of CHOOSE")
        "The first value of CHOOSE has the index 1, and the first position of LARGE and SMALL is 1. The `share` \
         argument of PERCENTILE is a number from 0 to 1. If a constant is out of range, the result is NULL in every \
         row, whereas a spreadsheet shows #VALUE! or #NUM!."
        Row("CHOOSE(3, amount, id)") => Row("CHOOSE(2, amount, id)");
    FractionOfDay "W0485" "fraction-of-day" Warning("add a fraction of a day to a date", "write `created_at + 0.5` for a column that is a timestamp")
        "A date has no time of day, so if you add a number of days to a date, the fraction of the number is ignored. \
         To get a timestamp half a day later, add TIME(12, 0, 0) to the date. Alternatively, add the fraction to a \
         timestamp."
        Row("DATE(2024, 1, 31) + 1.5") => Row("DATE(2024, 1, 31) + 1");
    RoundedTwice "W0486" "rounded-twice" Warning("round a number twice", "round once, to the number of digits that you need")
        "The first rounding can change the result of the second rounding. 2.4449 rounded to 3 digits is 2.445, and \
        2.445 rounded to 2 digits is 2.45, but 2.4449 rounded once to 2 digits is 2.44. Round once, to the number of digits that \
        you need."
        Row("ROUND(ROUND(price, 3), 2)") => Row("ROUND(price, 2)");
    RedundantBoolean "W0487" "redundant-boolean" Warning("convert a condition to TRUE or FALSE, which it already is", "write the condition itself")
        "A condition is already TRUE or FALSE, so `IF(ISBLANK(region), TRUE, FALSE)` has the same value as \
        `ISBLANK(region)`. If `paid` is a boolean, `paid = TRUE` has the same value as `paid`. Write the condition \
        itself, or NOT for the opposite. If the condition may be NULL, the IF causes no warning, because it returns \
        its last argument instead of NULL."
        Row("has_region = IF(ISBLANK(region), FALSE, TRUE)") => Row("has_region = NOT(ISBLANK(region))");
    QuotedName "W0488" "quoted-name" Warning("write the name of a column in quotes", "remove the quotes")
        "In SQL, quotes enclose names. In a formula, quotes enclose text, so `MAX(\"country\")` is the text `country` \
        in every group, and `\"country\" = \"Chad\"` is never true. Remove the quotes. A name with spaces is written \
        as `${Country Name}`."
        Orders("COUNTIF(\"status\" = \"open\")") => Orders("COUNTIF(status = \"open\")");
    UnknownTab "F0490" "unknown-tab" Error
        "A formula refers to another tab, `'Targets'!A:B`, but `tabs` does not specify its model."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: region}}\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n");
    SeveralMatches "W0491" "several-matches" Warning("have a lookup that may match several rows", "add `order_by` to the tab, or the key to the schema")
        "A lookup returns the first row with the key. The key is not known to be unique in the tab, and the tab has no \
         order, so the values in the other columns determine which row is first. Add `order_by` to the tab, or the key \
         to the schema."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target]}}\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: target}}\ncalculations: target = VLOOKUP(A1, 'Targets'!A:B, 2)\n");
    NotWholeColumns "F0492" "not-whole-columns" Error
        "A lookup searches entire columns of one sheet or tab, such as `D:E` or `'Targets'!A:B`. XLOOKUP and MATCH \
         search a single column. Lookups in part of a column are not supported."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: first = XLOOKUP(A1, A1:A9, B1:B9)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: first = XLOOKUP(A1, A:A, B:B)\n");
    LookupMode "F0493" "lookup-mode" Error
        "The match mode of XLOOKUP is 0 for an equal key, -1 for an equal key or otherwise the next smaller key, 1 for \
         an equal key or otherwise the next larger key, and 2 for a pattern. The match type of MATCH is 0 for an equal \
         key, 1 for the largest key that is less than or equal to the value, and -1 for the smallest key that is \
         greater than or equal to the value."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: place = MATCH(A1, A:A, 3)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ncalculations: place = MATCH(A1, A:A, 0)\n");
    TabNotLookedUp "F0494" "tab-not-looked-up" Error
        "The rows of another tab are not part of the sheet. For each row of the sheet, a lookup finds one row of the \
         tab, and NETWORKDAYS and WORKDAY read holidays from a column of the tab. Other functions cannot read another \
         tab."
        Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: region}}\ncalculations: share = B1 / SUM('Targets'!B:B)\n")
        => Spec("model: m\nfrom: sales\ncolumns: [region, revenue]\norder_by: region\ntabs: {Targets: {model: targets, columns: [region, target], order_by: region}}\ncalculations: share = B1 / VLOOKUP(A1, 'Targets'!A:B, 2)\n");
    UnsupportedFunction "F0501" "unsupported-function" Error
        "The warehouse cannot compute the function in a single expression. The message gives the reason and an \
         alternative."
        BigQuery("MEDIAN(amount)") => BigQuery("AVERAGE(amount)");
    ExpressionTooLarge "F0502" "expression-too-large" Error
        "The SQL of some functions repeats an argument, and `compile` inserts the SQL of a definition wherever its name is used. The repeated parts of one expression must not exceed 64 KiB. `query` and `model` compute each value once."
        Shown("deeply nested calls: MOD(MOD(MOD(…") => Formula("a = 1");
    RepeatedArgument "W0503" "repeated-argument" Warning("repeat an argument in the SQL", "use `formulac query`, which computes the argument once")
        "The SQL of this function contains an argument more than once. `compile` returns a single expression, so the \
        warehouse computes the argument several times. `query` computes the argument once. `compile` also repeats a \
        definition wherever its name is used; formulac reports this repetition if the repeated SQL exceeds 1 KiB."
        Row("MOD(7, a + b)") => Row("MOD(7, a)");
    OutputTooLarge "F0504" "output-too-large" Error
        "The SQL of one compilation must not exceed 64 MiB. `compile` inlines definitions that other definitions use, whereas `query` computes each definition once."
        Shown("10,000 definitions, each of which repeats the previous definition") => Formula("a = 1");
    VolatileRepeated "F0505" "volatile-repeated" Error
        "A volatile value, such as a random number, would be computed more than once."
        Row("LET(draw, RAND(), IF(draw > 0.5, draw))") => Row("IF(RAND() > 0.5, 1)");
    SessionTimezone "W0506" "session-timezone" Warning("convert instants without a set time zone", "set `timezone`")
        "Unless `timezone:` is set, the SQL converts instants to dates in the session's time zone, so two users can \
         get different results. On Snowflake, a TIMESTAMP_TZ is converted with the UTC offset of each value. Set \
         `timezone:`."
        Shown("YEAR(NOW())") => Shown("YEAR(TODAY())");
    NeedsQuery "F0507" "needs-query" Error
        "A single expression cannot contain a window over a window: `query` and `model` compute it in two CTEs. \
        PERIODOFFSET needs a join, so it cannot be a single expression either, except on Postgres and DuckDB if the \
        grouping or the key of the relation identifies each row."
        Shown("OFFSET(OFFSET(amount, -1), -1) in `compile`") => Shown("the same formula in a spec");
    UnsupportedJoin "F0508" "unsupported-join" Error
        "The warehouse supports this type of join only if the condition contains an equality between a column of one \
         side and a column of the other side. This applies to left and full joins on BigQuery, and to full joins on \
         Postgres. Add such an equality, or use an inner join."
        Spec("model: m\nfrom: orders\njoins:\n  - {to: bands, on: orders.amount > bands.low, type: full, cardinality: many}\ndefinitions: n = bands.name\n")
        => Spec("model: m\nfrom: orders\njoins:\n  - {to: bands, on: orders.amount > bands.low, type: inner, cardinality: many}\ndefinitions: n = bands.name\n");
    NameTooLong "F0510" "name-too-long" Error
        "The name is longer than the warehouse allows, or the warehouse would truncate two names to the same name. \
         The limit is in bytes: a letter with an accent takes up two bytes, and a Chinese character three."
        Spec("model: m\nfrom: t\ndefinitions: |\n  the_sum_of_all_amounts_that_were_ordered_in_this_region_in_all_of_time = SUM(x) // noqa\n  the_sum_of_all_amounts_that_were_ordered_in_this_region_in_all_of_life = COUNT(x)\n")
        => Spec("model: m\nfrom: t\ndefinitions: |\n  all_amounts = SUM(x)\n  all_orders = COUNT(x)\n");
    NameIsCut "W0511" "name-is-cut" Warning("have a name that Postgres truncates to 63 bytes", "use shorter names")
        "Postgres silently truncates names to 63 bytes. The meaning of the SQL is the same, but the column has a shorter name, so a contract or a query with the full name may fail."
        Spec("model: m\nfrom: t\ndefinitions: |\n  the_sum_of_all_amounts_that_were_ordered_in_this_region_in_all_of_time = SUM(x)\n")
        => Spec("model: m\nfrom: t\ndefinitions: |\n  all_amounts = SUM(x)\n");
    RefusedName "F0512" "refused-name" Error
        "BigQuery rejects columns whose names contain parentheses, dots, commas, quotes or other special characters, \
        and columns whose names begin like its system columns, such as `_PARTITION` or `_TABLE_`. Spaces, dashes, \
        and letters and digits of all languages are allowed. Names that differ only in case, such as `Équipe` and \
        `équipe`, refer to the same column."
        Shown("`Net (EUR)`: SUM(amount), on BigQuery") => Spec("model: m\nfrom: t\ndefinitions: {net_eur: SUM(amount)}\n");
    DrawnAgain "W0513" "drawn-again" Warning("compute a random number again for each read", "build the random numbers in a model of their own")
        "BigQuery computes a CTE again for each part of the query that reads it, so a random number or an AI \
         function's answer in such a CTE can have several values. Compute the values in a separate model that dbt \
         builds as a table, and read this model."
        Shown("`draw = RAND()` in a step, and a later step that joins the rows of this step to themselves, on BigQuery") => Shown("a model with `draw = RAND()`, and a second model that reads the first");
    NotADbtName "F0601" "not-a-dbt-name" Error
        "The name of a dbt model consists of letters, digits and `_`, and does not begin with a digit."
        Spec("model: my model\nfrom: t\ndefinitions: a = SUM(x)\n") => Spec("model: my_model\nfrom: t\ndefinitions: a = SUM(x)\n");
    ModelReadsItself "F0602" "model-reads-itself" Error
        "A name without dots in `from` refers to a dbt model, and the output of the spec is also a dbt model. If both \
         names were the same, the model would read itself. `formulac query` generates no model, so a query may read a \
         table that has the query's own name."
        Shown("`model: orders` with `from: orders`") => Shown("`model: orders_by_month` with `from: orders`");
    ContractWithoutTypes "F0603" "contract-without-types" Error
        "An enforced contract needs the data type of every column. formulac derives the data type from the type of the \
         column's formula. If this type is unknown, set `data_type` to the warehouse's name for the type."
        Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\ncontract: {enforced: true}\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\ncontract: {enforced: true}\ncolumns: {a: {data_type: numeric}}\n");
    LimitInModel "W0604" "limit-in-model" Warning("have a `limit`, which also limits everything downstream", "use a rank column, and filter by it when you read the model")
        "Users of the model receive only the first rows, without any message. A `limit` is useful in a `query`, but \
         a model should return all rows, with a rank by which its users can filter: `place = RANK(revenue)`. If the \
         model is meant to contain only the first rows, write `limit: 10 # // noqa: W0604`."
        Model("model: top_customers\nfrom: t\ngroup_by: customer\norder_by: revenue desc\nlimit: 10\ndefinitions: revenue = SUM(x)\ncolumns: {customer: {data_tests: [not_null]}}\n")
        => Model("model: customers_by_revenue\nfrom: t\ngroup_by: customer\norder_by: revenue desc\ndefinitions: |\n  revenue = SUM(x)\n  place = RANK(revenue)\ncolumns: {customer: {data_tests: [not_null]}}\n");
    HardCodedTable "W0605" "hard-coded-table" Warning("read a table of the dbt project by its name in the warehouse", "use `ref` or `source`")
        "dbt builds a model after the models and sources to which it refers with `ref` and `source`. A table that is \
         written with its schema is not one of these, so dbt may build the model before the table. In addition, the \
         model reads the same table in every environment."
        Shown("`from: finance.fct_orders`, if dbt builds the model `fct_orders` in the schema `finance`") => Shown("`from: ref('fct_orders')`");
    NullableKey "W0610" "nullable-key" Warning("have a key that may be NULL", "add a `not_null` test to the key columns")
        "According to the schema and the spec, a key column of the model may be NULL. The uniqueness test of the key \
         treats NULL as a value like any other, but in joins, incremental models and dbt's snapshots, NULL does not \
         equal NULL. A `not_null` test or a filter ensures that the key is never NULL. If the model is meant to have a \
         row with an empty key, write `group_by: region # // noqa: W0610`."
        Model("model: m\nfrom: t\ngroup_by: region\ndefinitions: a = SUM(x)\n")
        => Model("model: m\nfrom: t\ngroup_by: region\ndefinitions: a = SUM(x)\ncolumns: {region: {data_tests: [not_null]}}\n");
    ContractOfNoRelation "F0620" "contract-of-no-relation" Error
        "dbt compares the columns of a table, a view or an incremental model with its contract. An ephemeral model is part of the queries that read it, and dbt does not check materialized views."
        Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\nconfig: {materialized: ephemeral}\ncontract: {enforced: true}\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\nconfig: {materialized: table}\ncontract: {enforced: true}\n");
    ConstraintWithoutEffect "W0621" "constraint-without-effect" Warning("have constraints without an enforced contract", "enforce the contract, or use data tests")
        "Constraints belong to the statement that creates a table, and dbt includes them in the statement only if a \
        contract is enforced. For other models, constraints are only documentation. To check the data, use a data \
        test."
        Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\ncolumns: {a: {constraints: [{type: not_null}]}}\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = COUNT()\ncolumns: {a: {constraints: [{type: not_null}]}}\nconfig: {materialized: table}\ncontract: {enforced: true}\n");
    IncrementalWithoutKey "F0630" "incremental-without-key" Error
        "Each run of an incremental model adds new and late rows to its table. `event_time` names the column with \
         the time of a row, and `unique_key` lists the columns that identify a row. Without these settings, a run \
         could add a row twice."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n");
    IncrementalTime "F0631" "incremental-time" Error
        "An incremental run filters the rows of the first step by their time. The time column of the model must \
         therefore be a column of the first step that each later step passes on, unchanged or truncated to a \
         calendar unit. An aggregate such as MAX is not allowed."
        Spec("model: m\nfrom: t\ngroup_by: id\ndefinitions: last_day = MAX(day[day])\nconfig: {materialized: incremental, event_time: last_day, unique_key: id}\n")
        => Spec("model: m\nfrom: t\ngroup_by: id, day[day]\ndefinitions: n = COUNT()\nconfig: {materialized: incremental, event_time: day_day, unique_key: [id, day_day]}\n");
    UnboundedInTime "F0632" "unbounded-in-time" Error
        "In an incremental model, a value must depend only on new and late rows, and on rows within a known interval \
         before them. `PERIODOFFSET` specifies that interval, and a window that is partitioned by the time column \
         reads only the rows of its partition. A value from another row (OFFSET), a running total, a rank over all \
         rows, a total or a limit may depend on any earlier row."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  n = COUNT()\n  so_far = SUM(FIRST(n):n)\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\norder_by: day[month]\ndefinitions: |\n  n = COUNT()\n  before = PERIODOFFSET(n, -1, \"month\")\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n");
    IncrementalKey "F0633" "incremental-key" Error
        "dbt replaces the existing row that has the same `unique_key`. If the key has too few columns to identify a \
        row, rows are lost. If the key has too many, rows are duplicated. `delete+insert` may use fewer columns if the \
        time column is one of them, because it then replaces whole periods."
        Spec("model: m\nfrom: t\ngroup_by: id, day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: id}\n")
        => Spec("model: m\nfrom: t\ngroup_by: id, day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: [id, day_month]}\n");
    IncrementalKeyMayBeNull "W0634" "incremental-key-may-be-null" Warning("are incremental with a key that may be NULL", "add a `not_null` test to the key columns")
        "NULL is not equal to any value. A row with NULL in its key therefore never matches an existing row, and each \
         run adds the row again. A run also skips rows without a time. The generated tests for these columns include \
         dbt's `not_null`. Declare that the column never contains NULL, or define the column so that it never contains \
         NULL."
        Shown("an incremental model that groups by `region`, which may be NULL according to the schema") => Shown("the \
            same model, grouped by `region = COALESCE(region, \"none\")`");
    UnsupportedStrategy "F0635" "unsupported-strategy" Error
        "Each run reads recent rows again to include late rows, so the strategy of the model must replace existing \
        rows: `merge`, or `delete+insert` if dbt supports it for the warehouse. `append` would duplicate these rows. \
        `microbatch` limits the inputs to its own time ranges. `insert_overwrite` replaces whole partitions, and \
        formulac does not check whether a run returns all rows of each partition."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, incremental_strategy: append}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, incremental_strategy: merge}\n");
    SchemaChangeUnderContract "F0636" "schema-change-under-contract" Error
        "With an enforced contract on an incremental model, dbt accepts only `append_new_columns` or `fail` for \
         `on_schema_change`. With other values, the table could differ from the contract."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, on_schema_change: ignore}\ncontract: {enforced: true}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: a = COUNT()\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month, on_schema_change: fail}\ncontract: {enforced: true}\n");
    RowsMayLeave "F0637" "rows-may-leave" Error
        "An incremental run adds and replaces rows but never deletes them. A condition on an aggregate or a window may \
        be true in one run and false in the next run. The table would then keep a row that a full refresh would \
        remove. Conditions on row values and on keys are safe."
        Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: n = COUNT()\nhaving: n > 10\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n")
        => Spec("model: m\nfrom: t\ngroup_by: day[month]\ndefinitions: |\n  n = COUNT()\n  is_busy = n > 10\nconfig: {materialized: incremental, event_time: day_month, unique_key: day_month}\n");
    WiderAccess "F0640" "wider-access" Error
        "All users of a model can see the data that it reads, so a model that reads a private model must also be private. Protected and public parents do not restrict the model."
        Shown("`access: public` in a spec that reads a private model") => Shown("`access: private` and the `group` of that model");
    PrivateParent "F0641" "private-parent" Error
        "In dbt, only models of the same group can read a private model. A spec without a group inherits the group of the private model that it reads."
        Shown("`group: sales` in a spec that reads a private model of the group `finance`") => Shown("`group: finance`");
    UnknownGroup "F0642" "unknown-group" Error
        "dbt rejects a model that belongs to a group that the project does not define. formulac reads the groups from dbt's manifest."
        Shown("`group: finanse` in a dbt project with the group `finance`") => Shown("`group: finance`");
    ReservedModelName "F0650" "reserved-model-name" Error
        "Queries on a model's table contain the model's name. If the name were a reserved word in SQL, every query would have to quote it, but dbt does not quote it on every warehouse. \
        The files of the model also have its name, and Windows reserves names such as `con`, `nul` and `com1`."
        Spec("model: order\nfrom: t\ndefinitions: a = SUM(x)\n") => Spec("model: order_totals\nfrom: t\ndefinitions: a = SUM(x)\n");
    ModelsInCircle "F0660" "models-in-circle" Error
        "Models of several specs depend on each other in a cycle, so none can be built first."
        Shown("`model: a` with `from: b`, and `model: b` with `from: a`") => Shown("`model: b` with `from: orders`");
    NameTaken "F0661" "name-taken" Error
        "Another model, seed, snapshot or test in dbt has this name. The other node may be disabled, or its name may \
        differ only in case. Names must be unique in a project, across all folders."
        Shown("`model: orders` next to the seed `orders`") => Shown("`model: orders_by_month`");
    DeclaredTwice "F0675" "declared-twice" Error
        "Names of docs blocks, exposures, metrics and semantic models must be unique in a dbt project. An exposure \
         that uses several models belongs in one spec, with the other models in `depends_on`. All other names are \
         derived from the names of the model and the column, so rename one of these. An element of a semantic model \
         must have the same type in all semantic models: entity, dimension or measure."
        Shown("an exposure `weekly_sales` in two specs") => Shown("the exposure in one of them, with `depends_on: [ref('other_model')]`");
    ExposureWithoutOwner "F0676" "exposure-without-owner" Error
        "dbt requires each exposure to have an owner with a name or an email address. By default, formulac uses the \
         `owner` of the spec."
        Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\nexposures: [{name: sales, type: dashboard}]\n")
        => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\nexposures: [{name: sales, type: dashboard, owner: {name: Sales}}]\n");
    NotASemanticName "W0680" "not-a-semantic-name" Warning("have names that dbt's semantic layer does not accept", "use names that the semantic layer accepts")
        "Names in dbt's semantic layer have at least two characters: lower-case letters, digits and `_`, but no two \
         `_` in a row. The names begin with a letter and do not end with `_`. Units of time and `metric_time` are \
         reserved. A column with any other name, or with a name that SQL must quote, does not become a dimension or \
         metric. A model with any other name has no semantic model."
        Model("model: sales\nfrom: t\ngroup_by: day[month]\ndefinitions: a__b = SUM(x)\nsemantic_model: true\ncolumns: {day_month: {data_tests: [not_null]}}\n")
        => Model("model: sales\nfrom: t\ngroup_by: day[month]\ndefinitions: a_b = SUM(x)\nsemantic_model: true\ncolumns: {day_month: {data_tests: [not_null]}}\n");
    NoTimeSpine "W0681" "no-time-spine" Warning("have a semantic model in a project without a time spine", "add a time spine model")
        "dbt rejects a project with semantic models but without a time spine: a model with one row per day, marked \
        in its properties. The message shows the lines to add."
        Shown("`semantic_model: true` in a project without a time spine") => Shown("a model `time_spine` with `time_spine: {standard_granularity_column: date_day}`");
    EditedByHand "F0701" "edited-by-hand" Error
        "formulac would overwrite a file that it did not write, or that somebody changed after formulac wrote it. To \
         protect this work, formulac writes no files and exits with status 3."
        Shown("models/revenue.sql with a line added by hand") => Shown("the change made in metrics/revenue.yml");
    NothingToPromote "F0710" "nothing-to-promote" Error
        "`promote` accepts measures and dimensions of a view, a query view, or a saved query of a topic or model file. The named file contains no view, query view or saved query, or does not contain the field."
        Shown("formulac promote omni/orders.view.yaml:revenu") => Shown("formulac promote omni/orders.view.yaml:revenue");
    NotCarried "W0711" "not-carried" Warning("have parts that were not converted from Omni", "check the `# gap:` comments")
        "Some parts of Omni's files cannot be expressed as formulas, or become formulas that need a review. The spec \
         lists each part in a `# gap:` comment with Omni's file, line and text, so that you can convert the part or \
         leave it in Omni."
        Shown("a measure with `level_of_detail`") => Shown("the same measure as two steps of a spec");
    DefinedTwice "W0712" "defined-twice" Warning("define a column that Omni also defines", "remove the field in Omni or make the field read the column, as the help explains")
        "A column and the Omni field from which it was promoted compute the same value. As long as both exist, one \
         can change without the other. If Omni's view of the model defines an expression under the column's name, \
         Omni applies the expression a second time. `promote … --repoint` changes the field so that it reads the \
         column, unless this would change a result. Without `promoted_from` in the spec, formulac does not know that \
         the two are related."
        Shown("`promoted_from: orders.revenue` next to a measure `revenue` of the view `orders`") => Shown("the measure with `sql: ${revenue_by_order.revenue}`");
    NotRepointed "F0713" "not-repointed" Error
        "The field would have different values if it read the column. A field of a view can be grouped by all \
        dimensions of the view, but a model's column has the grain of the model. The column has one value per row of \
        the view only if the grain of the model is the view's primary key. A measure can read the column only if the \
        measure is a sum, count, minimum or maximum, because other aggregates cannot be aggregated again."
        Shown("`--repoint` of a measure whose model has one row per month") => Shown("`--repoint` of the same measure with one row per order");
    InvalidYaml "F0801" "invalid-yaml" Error
        "The file is not valid YAML, or a key appears twice. If a formula contains `: ` or ` #`, or begins with `{`, \
         `[`, `&`, `*`, `!`, `%` or `@`, write the formula in a text block (`|`) or in quotes. A file can contain at \
         most 2,000,000 keys and values."
        Spec("model: m\nfrom: [t\n") => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    UnknownKey "F0802" "unknown-key" Error
        "The file contains a key that is not allowed at this position."
        Spec("model: m\nfrom: t\ngroupby: g\ndefinitions: a = SUM(x)\n") => Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: a = SUM(x)\n");
    MissingKey "F0803" "missing-key" Error
        "A required key is missing."
        Spec("model: m\ndefinitions: a = SUM(x)\n") => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    WrongShape "F0804" "wrong-shape" Error
        "The value of a key has the wrong type, such as a list where a string is required."
        Spec("model: [m]\nfrom: t\ndefinitions: a = SUM(x)\n") => Spec("model: m\nfrom: t\ndefinitions: a = SUM(x)\n");
    DuplicateStep "F0806" "duplicate-step" Error
        "Two steps have the same name."
        Spec("model: m\nfrom: t\nsteps:\n  - {name: a, definitions: x = 1}\n  - {name: a, definitions: y = 1}\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - {name: a, definitions: x = 1}\n  - {name: b, definitions: y = 1}\n");
    StepNamedLikeRelation "F0807" "step-named-like-relation" Error
        "A step cannot have the name of a relation that the spec reads, because the step would hide that relation in \
        SQL."
        Spec("model: m\nfrom: t\nsteps:\n  - {name: t, definitions: x = 1}\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - {name: first_step, definitions: x = 1}\n");
    UnnamedStep "F0808" "unnamed-step" Error
        "If a spec has several steps, each step needs a name, which becomes the name of its CTE."
        Spec("model: m\nfrom: t\nsteps:\n  - definitions: x = 1\n  - {name: b, definitions: y = x}\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - {name: a, definitions: x = 1}\n  - {name: b, definitions: y = x}\n");
    FormulaCut "F0809" "formula-cut-by-yaml" Error
        "YAML parses part of a formula as a comment (` #`), a key (`: `), an anchor (`&`), a tag (`!`) or, inside \
        `{…}` or `[…]`, another entry (`,`). The help shows the corrected line."
        Spec("model: m\nfrom: t\ndefinitions:\n  a: COUNTIF(x = \"a #1\")\n")
        => Spec("model: m\nfrom: t\ndefinitions:\n  a: 'COUNTIF(x = \"a #1\")'\n");
    KeepInGroupedStep "F0810" "keep-in-grouped-step" Error
        "A grouped step has one row per group, so it cannot keep columns that have one value per input row."
        Spec("model: m\nfrom: t\nkeep: all\ngroup_by: g\ndefinitions: a = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: a = SUM(x)\n");
    LimitWithoutOrder "F0811" "limit-without-order" Error
        "`limit` keeps the first rows, so it needs `order_by`."
        Spec("model: m\nfrom: t\nlimit: 3\ndefinitions: a = SUM(x)\n")
        => Spec("model: m\nfrom: t\ngroup_by: g\norder_by: g\nlimit: 3\ndefinitions: a = SUM(x)\n");
    NothingToSelect "F0812" "nothing-to-select" Error
        "A step without definitions, `group_by` or `keep` has no columns."
        Spec("model: m\nfrom: t\n") => Spec("model: m\nfrom: t\nkeep: all\n");
    SameModelTwice "F0813" "same-model-twice" Error
        "Two specs define a model with the same name, so one would overwrite the other's files. Names of models must be unique in a project."
        Shown("`model: revenue` in two specs") => Shown("`model: revenue` and `model: revenue_by_month`");
    ColumnsNotKnown "F0814" "columns-not-known" Error
        "`keep: all` compiles to `select *` if no schema lists the columns. The `*` would also return intermediate \
         columns of the step and the old values of columns that the step redefines. If no formula reads the name of a \
         definition as a column, formulac assumes that the relation has no column with this name. A `union` of several \
         steps lists the columns of all steps, so a schema or `keep` must list the columns of each step."
        Spec("model: m\nfrom: t\nkeep: all\ndefinitions: amount = amount * 2\n")
        => Spec("model: m\nfrom: t\nkeep: [id]\ndefinitions: amount = amount * 2\n");
    UnusedHelper "W0815" "unused-helper" Warning("have a helper definition that nothing uses", "use the definition or remove it")
        "A row-level definition in a grouped step is not an output column, so it has no effect unless another \
         definition uses it. Group by the definition or aggregate it to include it in the result."
        Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  net = a - b\n  total = SUM(a)\n")
        => Spec("model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  net = a - b\n  total = SUM(net)\n");
    KeyWithoutEffect "W0816" "key-without-effect" Warning("have a key without effect", "remove the key")
        "The key has no effect: the object that it describes does not exist, this version of dbt does not support \
         the key, or the key in `config` looks like a misspelled dbt setting."
        Spec("model: m\nfrom: t\nsteps:\n  - name: a\n    definitions:\n      b: {formula: SUM(x), data_tests: [not_null]}\n  - name: e\n    definitions: f = b + 1\n")
        => Spec("model: m\nfrom: t\nsteps:\n  - name: a\n    definitions:\n      b: SUM(x)\n  - name: e\n    definitions: f = b + 1\n");
    NotATextToYaml "F0817" "not-a-text-to-yaml" Error
        "Without quotes, YAML parsers interpret this name or formula as a number, a date, a boolean or null, and \
         different parsers interpret such values differently. Put the name or formula in quotes."
        Spec("model: m\nfrom: t\ndefinitions:\n  2024: SUM(x)\n")
        => Spec("model: m\nfrom: t\ndefinitions:\n  \"2024\": SUM(x)\n");
    NotASchema "F0820" "not-a-schema" Error
        "formulac does not recognize the format of the schema file."
        Schema("tables: []") => Schema("relations: {orders: {columns: {id: integer}}}");
    UnknownType "F0821" "unknown-type" Error
        "The type of a column in a schema file must be one of the language's types."
        Schema("relations: {orders: {columns: {id: []}}}") => Schema("relations: {orders: {columns: {id: integer}}}");
    UnreadableFile "F0822" "unreadable-file" Error
        "An input file does not exist or cannot be read. No file is written, and the exit status is 5."
        Shown("formulac check metrics/no_such_file.yml") => Shown("formulac check metrics/revenue.yml");
    EngineFailed "F0823" "engine-failed" Error
        "The engine, or dbt, could not run the SQL. The message contains the engine's error, with the position in the \
        SQL if the error contains one. The exit status is 5."
        Shown("formulac preview metrics/revenue.yml --data data, where a row of data/orders.csv lacks a value") => Shown("the corrected row");
    OutdatedFact "W0824" "outdated-fact" Warning("contain facts that dbt contradicts", "run `formulac generate` to update the file")
        "dbt's catalog or manifest contradicts a fact in `known.yml`, for example the type of a column. \
         Until `formulac generate` or `formulac push` updates `known.yml`, formulac compiles specs with the old \
         fact."
        Shown("`amount: decimal(12,2)` in known.yml, with `amount` as INTEGER in target/catalog.json") => Shown("both \
            files after `formulac generate`");
    FolderNotRead "F0830" "folder-not-read" Error
        "Generated files would be written to a folder that dbt ignores, so dbt would not build the models or run the \
         tests. dbt reads models from the folders in `model-paths` of `dbt_project.yml`, and tests from the folders in \
         `test-paths`. It does not follow links to other folders inside these folders. In `formulac.yml`, `models:` \
         and `tests:` specify the folders for generated files."
        Shown("`tests: tests/formulac/` in formulac.yml with `test-paths: [data-tests]` in dbt_project.yml") => Shown("`tests: data-tests/formulac/`");
    DuplicateRelation "F0840" "duplicate-relation" Error
        "Two relations of a step have the same name, so the name of a column would be ambiguous."
        Spec("model: m\nfrom: people\njoins:\n  - {to: people, on: people.boss_id = people.id, cardinality: many}\ndefinitions: boss = people.name\n")
        => Spec("model: m\nfrom: people\njoins:\n  - {to: people, as: bosses, on: people.boss_id = bosses.id, cardinality: many}\ndefinitions: boss = bosses.name\n");
    UnknownMetric "F0850" "unknown-metric" Error
        "A model built on metric sets refers to a set, a metric or a key that does not exist, or to a name that exists \
         in several sets. To select one of the sets, write `set.metric`."
        Shown("metrics: [orders.revenu]") => Shown("metrics: [orders.revenue]");
    MetricKey "F0851" "metric-key" Error
        "Every metric set of a model must have the keys in `group_by`. A key can be a period of each set's `time` \
         (such as `month`), a column of a relation that all sets read, or a mapping that names a column of each set."
        Shown("group_by: region, where only one of two sets has the column") => Shown("group_by:\n  - region: {orders: customers.region, refunds: region}");
    MetricWindow "F0852" "metric-window" Error
        "If a metric reads other periods, one of the keys in `group_by` must be a period of the set's `time`, such as `month`."
        Shown("metrics: [orders.growth]\ngroup_by: region") => Shown("metrics: [orders.growth]\ngroup_by: [month, region]");
    MetricRedefined "F0853" "metric-redefined" Error
        "A column of the model has the same name as a metric or another column. `overrides` allows a definition to replace a metric."
        Shown("metrics: [orders.revenue]\ndefinitions: revenue = revenue * 1.19") => Shown("metrics: [orders.revenue]\ndefinitions: gross_revenue = revenue * 1.19");
    SettingsDiffer "F0854" "settings-differ" Error
        "The settings of a metric set (`timezone`, `blanks`, `week_start`, `fiscal_month_offset`) apply wherever the set is used, so the settings of a model and its sets must agree."
        Shown("timezone: UTC in the model, and timezone: Europe/Berlin in its set") => Shown("timezone: Europe/Berlin in the set only");
    AggregateOverSets "F0855" "aggregate-over-sets" Error
        "The formulas of a model built on metric sets use metrics. Define aggregates of columns as metrics in a set."
        Shown("metrics: [orders.revenue]\ndefinitions: largest = MAX(amount)") => Shown("metrics: [orders.revenue, orders.largest_order]");
    DeprecatedMetric "W0856" "deprecated-metric" Warning("use a deprecated or renamed metric", "use the new metric")
        "The metric or dimension has been renamed, or its set marks the metric as deprecated."
        Shown("metrics: [orders.sales], where `revenue` has `renamed_from: sales`") => Shown("metrics: [orders.revenue]");
    FillKey "F0857" "fill-key" Error
        "The key whose periods `fill` adds must be a timeframe: day, week, month, quarter, year, fiscal_quarter or \
         fiscal_year."
        Shown("group_by: [region]\nfill: month") => Shown("group_by: [month, region]\nfill: month");
    PeriodRange "F0858" "period-range" Error
        "`since` and `until` limit the periods of a grouping column, so a step that reads a relation must be grouped \
         by a timeframe. Both bounds must be constants, and `since` must not be after `until`. The bounds `from` and \
         `to` of `fill` must meet the same conditions."
        Shown("group_by: [region]\nsince: 2024-02-01") => Shown("group_by: [\"ordered_at[month]\", region]\nsince: 2024-02-01");
    PeriodOrColumn "W0859" "period-or-column" Warning("group by a column that is named like a period", "write the column with its relation, or the period with its time")
        "The relation of a metric set has a column with the name of a period, such as `year`. In `group_by`, `year` \
         means this column, not the year of the set's `time`."
        Shown("group_by: year, where the set has `time: ordered_on` and its relation has a column `year`") => Shown("group_by: \"ordered_on[year]\"");
    Internal "F0901" "internal" Error
        "This is an internal error of formulac. Please report it together with the input."
        Shown("none known") => Shown("none known");
}

impl Code {
    /// Returns the code with this number or name, ignoring case.
    ///
    /// ```
    /// use formulac_syntax::diag::Code;
    /// assert_eq!(Code::parse("f0301"), Code::parse("unknown-function"));
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.code().eq_ignore_ascii_case(text) || c.name().eq_ignore_ascii_case(text))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).ok_or_else(|| serde::de::Error::custom("unknown code"))
    }
}
