// The functions that are lowered in Rust, by the name that `lower = "…"` gives.
// The build script includes this file to check those names.

macro_rules! lowerings {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A function whose SQL no template can hold, lowered by `check::special`.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Lowering { $($variant),* }

        impl Lowering {
            /// Each with the name that the catalogue uses; read by the build script.
            #[allow(dead_code)]
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
    SumProduct "sum_product",
    NumberValue "number_value", DateValue "date_value", Search "search", TextJoin "text_join", Regex "regex",
    Text "text", Xor "xor", Choose "choose", Gcd "gcd", Lcm "lcm", YearFrac "year_frac", Workdays "workdays",
    Vlookup "vlookup", Xlookup "xlookup", Index "index", Match "match",
    Pivot "pivot", PivotIndex "pivot_index", PivotOffset "pivot_offset", PivotRow "pivot_row",
}

impl Lowering {
    /// It takes the value at a place among all in their order.
    #[allow(dead_code)]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Nth | Self::Percentile | Self::PercentileWithin | Self::Quartile)
    }

    /// It finds a row by a key or by its number.
    #[allow(dead_code)]
    pub fn finds_rows(self) -> bool {
        matches!(self, Self::Vlookup | Self::Xlookup | Self::Index | Self::Match)
    }

    /// It looks at rows for which something holds: the SUMIF family.
    #[allow(dead_code)]
    pub fn is_conditional(self) -> bool {
        use Lowering::{AverageIf, AverageIfs, CountIf, CountIfs, MaxIfs, MinIfs, SumIf, SumIfs};
        matches!(self, SumIf | CountIf | AverageIf | SumIfs | CountIfs | AverageIfs | MinIfs | MaxIfs)
    }
}
