//! Precision and scale of decimals, and their types in SQL.

use crate::Type;
use crate::dialect::Dialect;

use super::Column;

/// Precision of the largest decimal that every engine supports.
const MAX_PRECISION: u32 = 38;

/// Maximum number of digits before the decimal point in a decimal literal. Every engine can store such a number in the
/// same decimal as nine digits after the point.
const MAX_LITERAL_INTEGER_DIGITS: u32 = 29;

/// Largest scale of a product. A larger scale would leave too few digits for the integer part.
const MAX_PRODUCT_SCALE: u32 = MAX_PRECISION / 2;

/// Precision and scale of a decimal. A decimal type with this precision and scale can store the value without rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DecimalDigits {
    /// Total number of digits.
    precision: u32,
    /// Number of digits after the decimal point.
    scale: u32,
}

impl DecimalDigits {
    /// Precision and scale of NULL, which fits any decimal.
    pub const NULL: Self = Self { precision: 0, scale: 0 };

    /// Precision and scale of an integer. A sum of integers may have more than 64 bits.
    pub const INTEGER: Self = Self {
        precision: MAX_PRECISION,
        scale: 0,
    };

    /// Returns the precision and scale of a type such as `decimal(18, 8)`. `None` if the text does not specify the
    /// scale.
    pub fn from_type_text(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once('(')?;
        let (inside, _) = rest.split_once(')')?;
        let (precision, scale) = inside.split_once(',')?;
        let number = |digits: &str| digits.trim().parse::<u32>().ok();
        let (precision, scale) = (number(precision)?, number(scale)?);
        (scale <= precision).then_some(Self { precision, scale })
    }

    /// Returns the precision and scale of a number literal, written without an exponent. `None` if the literal has too
    /// many digits for a decimal, so that it is a float.
    pub fn from_literal(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().ok()?;
        let (integer_part, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let integer_part = integer_part.trim_start_matches('-');
        let is_plain = integer_part.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit());
        let digits = |part: &str, shift: i64| u32::try_from((part.len() as i64).saturating_add(shift).max(0)).ok();
        let integer_digits = digits(integer_part, exponent)?.max(1);
        let scale = digits(fraction, exponent.saturating_neg())?;
        let precision = integer_digits.saturating_add(scale);
        let is_decimal = integer_digits <= MAX_LITERAL_INTEGER_DIGITS && precision <= MAX_PRECISION;
        (is_plain && is_decimal).then_some(Self { precision, scale })
    }

    /// Returns a decimal with these numbers of digits before and after the decimal point. If the precision exceeds the
    /// limit, the decimal has fewer digits before the point, so that the engine reports an error instead of rounding a
    /// value that does not fit. `None` if the scale exceeds the limit.
    fn from_parts(integer_digits: u32, scale: u32, limit: u32) -> Option<Self> {
        let precision = integer_digits.saturating_add(scale).min(limit);
        (scale <= limit).then_some(Self { precision, scale })
    }

    /// Returns the maximum precision of a result. On Postgres, an operand may already have a larger precision.
    fn max_precision(self, other: Self) -> u32 {
        MAX_PRECISION.max(self.precision).max(other.precision)
    }

    pub fn precision(self) -> u32 {
        self.precision
    }

    pub fn scale(self) -> u32 {
        self.scale
    }

    fn integer_digits(self) -> u32 {
        self.precision - self.scale
    }

    /// Returns a precision and scale that fit both decimals, for example for two branches of a CASE.
    pub fn union(self, other: Self) -> Option<Self> {
        Self::from_parts(
            self.integer_digits().max(other.integer_digits()),
            self.scale.max(other.scale),
            self.max_precision(other),
        )
    }

    /// Returns the precision and scale of a sum or difference of two decimals.
    pub fn sum(self, other: Self) -> Option<Self> {
        Self::from_parts(
            self.integer_digits().max(other.integer_digits()).saturating_add(1),
            self.scale.max(other.scale),
            self.max_precision(other),
        )
    }

    /// Returns the precision and scale of a product. If `largest_scale` is known, the engine rounds the product to this
    /// scale, or to the scale of a factor if that is larger. `None` if the scale would leave too few digits before the
    /// decimal point.
    pub fn product(self, other: Self, largest_scale: Option<u32>) -> Option<Self> {
        let largest = largest_scale.map_or(u32::MAX, |largest| largest.max(self.scale).max(other.scale));
        let scale = self.scale.saturating_add(other.scale).min(largest);
        let product = Self::from_parts(
            self.integer_digits().saturating_add(other.integer_digits()),
            scale,
            self.max_precision(other),
        );
        product.filter(|_| scale <= MAX_PRODUCT_SCALE)
    }

    /// Returns the precision and scale of the sum of any number of rows: the largest precision, and the same scale.
    #[must_use]
    pub fn sum_of_rows(self) -> Self {
        Self {
            precision: self.precision.max(MAX_PRECISION),
            ..self
        }
    }

    /// Returns the dialect's decimal type with this precision and scale. `None` if the dialect has no decimal type with
    /// a precision and scale, or if its largest precision is smaller than this precision.
    fn type_text(self, dialect: Dialect) -> Option<String> {
        let facts = dialect.facts();
        let with_scale = [facts.contract_decimal, dialect.type_name(Type::Decimal)];
        let (name, limits) = with_scale.into_iter().find_map(|ty| ty.split_once('('))?;
        let most: u32 = limits.split(',').next()?.trim().parse().ok()?;
        let fits = (1..=most).contains(&self.precision);
        fits.then(|| format!("{name}({}, {})", self.precision, self.scale))
    }
}

impl Column {
    /// Returns the type to which the column's values can be cast. A decimal has its own precision and scale if they
    /// are known. Otherwise it has the dialect's decimal type, which rounds on engines whose decimals have a fixed
    /// scale.
    pub fn cast_type(&self, dialect: Dialect) -> String {
        let digits = self.decimal_digits().filter(|_| self.is_exact());
        digits
            .and_then(|digits| digits.type_text(dialect))
            .unwrap_or_else(|| dialect.type_name(self.ty()).to_owned())
    }

    /// Returns the type of a NULL that is combined with the column's values, for example in a union. `None` if a NULL
    /// of any type could round the values, because the scale of the decimal is unknown and the dialect's decimals have
    /// a fixed scale.
    pub fn null_type(&self, dialect: Dialect) -> Option<String> {
        let name = dialect.type_name(self.ty());
        if self.is_exact() && name.contains('(') {
            return self.decimal_digits()?.type_text(dialect);
        }
        Some(name.to_owned())
    }

    fn is_exact(&self) -> bool {
        matches!(self.ty(), Type::Decimal | Type::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::DecimalDigits;
    use crate::Type;
    use crate::dialect::Dialect;
    use crate::schema::Column;

    fn digits(text: &str) -> DecimalDigits {
        DecimalDigits::from_type_text(text).unwrap()
    }

    #[test]
    fn digits_of_a_type() {
        let number = digits("NUMBER(18, 8)");
        assert_eq!((number.precision(), number.scale()), (18, 8));
        for text in [
            "decimal",
            "numeric(38)",
            "decimal(a, b)",
            "decimal(2, 8)",
            "decimal(18, 8",
        ] {
            assert_eq!(DecimalDigits::from_type_text(text), None, "{text}");
        }
    }

    #[test]
    fn digits_of_a_literal() {
        assert_eq!(DecimalDigits::from_literal("-0.125"), Some(digits("decimal(4, 3)")));
        assert_eq!(DecimalDigits::from_literal("1.5e-3"), Some(digits("decimal(5, 4)")));
        assert_eq!(DecimalDigits::from_literal("-1.25e2"), Some(digits("decimal(3, 0)")));
        assert_eq!(DecimalDigits::from_literal("1e28"), Some(digits("decimal(29, 0)")));
        for float in [
            "1e29",
            "1e-38",
            "1e-4294967295",
            "1e99999999999999999999",
            "0.12345678901234567890123456789012345678",
        ] {
            assert_eq!(DecimalDigits::from_literal(float), None, "{float}");
        }
    }

    #[test]
    fn operations_keep_the_scale() {
        let (rate, price) = (digits("decimal(18, 8)"), digits("decimal(12, 2)"));
        assert_eq!(rate.sum_of_rows(), digits("decimal(38, 8)"));
        assert_eq!(rate.union(price), Some(digits("decimal(18, 8)")));
        assert_eq!(rate.union(DecimalDigits::NULL), Some(rate));
        assert_eq!(rate.sum(price), Some(digits("decimal(19, 8)")));
        assert_eq!(rate.product(price, None), Some(digits("decimal(30, 10)")));
        assert_eq!(
            digits("decimal(38, 8)").sum(digits("decimal(38, 2)")),
            Some(digits("decimal(38, 8)"))
        );
        assert_eq!(digits("decimal(38, 12)").product(digits("decimal(38, 12)"), None), None);
        // Postgres supports more than 38 digits.
        assert_eq!(digits("numeric(60, 40)").sum_of_rows(), digits("numeric(60, 40)"));
    }

    #[test]
    fn types_in_each_dialect() {
        let (column, unknown) = (
            Column::new("rate", Type::Decimal).with_declared_type("decimal(18, 8)"),
            Column::new("rate", Type::Decimal),
        );
        let types = ["postgres", "snowflake", "duckdb", "bigquery"].map(|name| {
            let dialect: Dialect = name.parse().unwrap();
            (
                column.cast_type(dialect),
                unknown.cast_type(dialect),
                unknown.null_type(dialect),
            )
        });
        let expected = [
            ("numeric(18, 8)", "numeric", Some("numeric")),
            ("number(18, 8)", "number(38, 6)", None),
            ("decimal(18, 8)", "decimal(38, 6)", None),
            ("numeric", "numeric", Some("numeric")),
        ];
        let expected = expected
            .map(|(known_type, unknown, null)| (known_type.to_owned(), unknown.to_owned(), null.map(str::to_owned)));
        assert_eq!(types, expected);
    }
}
