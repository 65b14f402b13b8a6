// Functions that are lowered in Rust. Their names are the values of `lower = "…"` in the TOML files. The build script
// includes this file to check these names.

macro_rules! lowerings {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// Function whose SQL cannot be expressed as a template. `check::calls::intrinsics` lowers it.
        #[allow(missing_docs, reason = "the names are self-explanatory")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Lowering { $($variant),* }

        impl Lowering {
            /// All functions with their names in the catalogue, for the build script.
            #[allow(dead_code, reason = "the build script uses a part of this file")]
            pub const ALL: &'static [(&'static str, Lowering)] = &[$(($name, Lowering::$variant)),*];
        }
    };
}

lowerings! {
    If "if", Ifs "ifs", Switch "switch", Coalesce "coalesce", And "and", Or "or", Not "not", IsBlank "is_blank",
    Count "count", Distinct "distinct", SumIf "sum_if", CountIf "count_if", AverageIf "average_if",
    SumIfs "sum_ifs", CountIfs "count_ifs", AverageIfs "average_ifs", MinIfs "min_ifs", MaxIfs "max_ifs",
    Concat "concat", Offset "offset", PeriodOffset "period_offset", First "first", Last "last",
    Row "row", Rank "rank", OmniRank "omni_rank", PercentRank "percent_rank", Datedif "datedif", Date "date",
    Nth "nth", Percentile "percentile", PercentileWithin "percentile_within", Quartile "quartile",
    SumProduct "sum_product", SumSquares "sum_squares",
    NumberValue "number_value", DateValue "date_value", Search "search", TextJoin "text_join", Regex "regex",
    Text "text", Xor "xor", Choose "choose", Gcd "gcd", Lcm "lcm", YearFrac "year_frac", Workdays "workdays",
    Vlookup "vlookup", Xlookup "xlookup", Index "index", Match "match",
    Define "define", Let "let", Pivot "pivot", PivotIndex "pivot_index", PivotOffset "pivot_offset", PivotRow "pivot_row",
}

impl Lowering {
    /// Returns `true` if the function returns the value at a position in the sorted order of all values.
    #[allow(dead_code, reason = "the build script uses a part of this file")]
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Nth | Self::Percentile | Self::PercentileWithin | Self::Quartile
        )
    }

    /// Returns `true` if the parameter `unit` of the function is the name of a calendar unit, such as `"month"`.
    #[allow(dead_code, reason = "the build script uses a part of this file")]
    pub fn takes_calendar_unit(self) -> bool {
        matches!(self, Self::PeriodOffset | Self::First | Self::Last)
    }

    /// Returns `true` if the function looks up a row by a key or a row number.
    #[allow(dead_code, reason = "the build script uses a part of this file")]
    pub fn looks_up_rows(self) -> bool {
        matches!(self, Self::Vlookup | Self::Xlookup | Self::Index | Self::Match)
    }

    /// Returns `true` if the function uses only the rows that meet a condition, as functions in the SUMIF family do.
    #[allow(dead_code, reason = "the build script uses a part of this file")]
    pub fn is_conditional_aggregate(self) -> bool {
        use Lowering::{AverageIf, AverageIfs, CountIf, CountIfs, MaxIfs, MinIfs, SumIf, SumIfs};
        matches!(
            self,
            SumIf | CountIf | AverageIf | SumIfs | CountIfs | AverageIfs | MinIfs | MaxIfs
        )
    }
}
