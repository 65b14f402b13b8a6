//! Exact decimals for functions that round. A float is converted to the decimal with its 15 significant digits.

use std::fmt;

use crate::value::Value;

/// Exact decimal `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactDecimal {
    pub digits: i128,
    pub scale: u32,
}

/// Rounding direction of a quotient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundingDirection {
    Zero,
    Away,
    /// Rounds to the nearest integer, with halves rounded away from zero.
    Nearest,
    Down,
    Up,
}

/// Rounds a float to 15 significant digits, as the SQL of rounding functions and spreadsheets do.
pub fn round_to_significant_digits(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}

impl ExactDecimal {
    /// Converts a number to a decimal. `None` if the number is too large or too small.
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(i) => Some(Self {
                digits: i128::from(*i),
                scale: 0,
            }),
            Value::Number(n) => {
                let printed = round_to_significant_digits(*n).to_string();
                let (integer_digits, fraction) = printed.split_once('.').unwrap_or((&printed, ""));
                if integer_digits.len() + fraction.len() > 30 {
                    return None;
                }
                let digits = format!("{integer_digits}{fraction}").parse().ok()?;
                Some(Self {
                    digits,
                    scale: fraction.len() as u32,
                })
            }
            Value::Decimal(exact) => Some(*exact),
            _ => None,
        }
    }

    pub fn to_f64(self) -> f64 {
        format!("{}e-{}", self.digits, self.scale).parse().unwrap_or(f64::NAN)
    }

    fn digits_at_scale(self, scale: u32) -> Option<i128> {
        self.digits
            .checked_mul(10i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// Scales both decimals to the larger scale.
    pub fn align_scales(a: Self, b: Self) -> Option<(i128, i128, u32)> {
        let scale = a.scale.max(b.scale);
        Some((a.digits_at_scale(scale)?, b.digits_at_scale(scale)?, scale))
    }

    /// Rounds to a number of decimal places. A negative number of places means tens, hundreds, and so on.
    pub fn round_to(self, places: i64, towards: RoundingDirection) -> Option<Self> {
        let dropped_digits = i64::from(self.scale) - places;
        if dropped_digits <= 0 {
            return Some(self);
        }
        let unit = 10i128.checked_pow(u32::try_from(dropped_digits).ok()?)?;
        let digits = rounded_quotient(self.digits, unit, towards);
        match u32::try_from(places) {
            Ok(scale) => Some(Self { digits, scale }),
            Err(_) => Some(Self {
                digits: digits.checked_mul(10i128.checked_pow((-places) as u32)?)?,
                scale: 0,
            }),
        }
    }
}

impl fmt::Display for ExactDecimal {
    /// Prints the decimal with all decimal places.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.unsigned_abs().to_string();
        let scale = self.scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (integer_digits, fraction) = padded.split_at_checked(padded.len() - scale).unwrap_or((&padded, ""));
        let sign = if self.digits < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        write!(f, "{sign}{integer_digits}{point}{fraction}")
    }
}

/// Decimal arithmetic with the same result scales as in Postgres, which is the only engine that shows all computed
/// digits.
impl ExactDecimal {
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = Self::align_scales(self, other)?;
        Some(Self {
            digits: a.checked_add(b)?,
            scale,
        })
    }

    #[must_use]
    pub fn negate(self) -> Self {
        Self {
            digits: self.digits.saturating_neg(),
            ..self
        }
    }

    pub fn multiply(self, other: Self) -> Option<Self> {
        Some(Self {
            digits: self.digits.checked_mul(other.digits)?,
            scale: self.scale.checked_add(other.scale)?,
        })
    }

    /// Divides two decimals. `None` if the divisor is 0 or the result has too many digits.
    pub fn checked_divide(self, other: Self) -> Option<Self> {
        // Postgres computes in base 10,000 and keeps at least four digits of that base.
        let ((weight, first), (other_weight, other_first)) =
            (self.leading_base_10000_digit()?, other.leading_base_10000_digit()?);
        let quotient_weight = weight - other_weight - i64::from(first <= other_first);
        let least = i64::from(self.scale.max(other.scale));
        let scale = u32::try_from((16 - 4 * quotient_weight).max(least)).ok()?;
        // (self / 10^s) / (other / 10^o) * 10^scale.
        let places = i64::from(scale) + i64::from(other.scale) - i64::from(self.scale);
        let (dividend, divisor) = (self.digits.unsigned_abs(), other.digits.unsigned_abs());
        let (mut quotient, mut rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        for _ in 0..places {
            rest = rest.checked_mul(10)?;
            quotient = quotient.checked_mul(10)?.checked_add(rest / divisor)?;
            rest %= divisor;
        }
        let digits = i128::try_from(quotient + u128::from(rest >= divisor - rest)).ok()?;
        let is_negative = (self.digits < 0) != (other.digits < 0);
        Some(Self {
            digits: if is_negative { -digits } else { digits },
            scale,
        })
    }

    /// Returns the position and the value of the first digit in base 10,000.
    fn leading_base_10000_digit(self) -> Option<(i64, i128)> {
        if self.digits == 0 {
            return Some((0, 0));
        }
        let whole_groups = self.scale.div_ceil(4);
        let padded = self
            .digits
            .checked_abs()?
            .checked_mul(10i128.checked_pow(whole_groups * 4 - self.scale)?)?;
        let (mut first, mut weight) = (padded, -i64::from(whole_groups));
        while first >= 10_000 {
            first /= 10_000;
            weight += 1;
        }
        Some((weight, first))
    }
}

/// Returns `a / b`, rounded to an integer in the given direction.
pub fn rounded_quotient(a: i128, b: i128, towards: RoundingDirection) -> i128 {
    let (cut, rest) = (a / b, a % b);
    if rest == 0 {
        return cut;
    }
    let sign = if (a < 0) == (b < 0) { 1 } else { -1 };
    let further = match towards {
        RoundingDirection::Zero => false,
        RoundingDirection::Away => true,
        RoundingDirection::Nearest => rest.abs() >= b.abs() - rest.abs(),
        RoundingDirection::Down => sign < 0,
        RoundingDirection::Up => sign > 0,
    };
    if further { cut + sign } else { cut }
}

#[test]
fn halves_are_rounded_by_direction() {
    let roundings = |a, b| {
        [
            RoundingDirection::Zero,
            RoundingDirection::Away,
            RoundingDirection::Nearest,
            RoundingDirection::Down,
            RoundingDirection::Up,
        ]
        .map(|t| rounded_quotient(a, b, t))
    };
    assert_eq!(roundings(5, 2), [2, 3, 3, 2, 3]);
    assert_eq!(roundings(-5, 2), [-2, -3, -3, -3, -2]);
    assert_eq!(roundings(4, 3), [1, 2, 1, 1, 2]);
    assert_eq!(roundings(-6, 3), [-2; 5]);
}

#[test]
fn quotients_have_as_many_digits_as_in_postgres() {
    let quotient = |a, b| {
        let to_decimal = |(digits, scale): (i128, u32)| ExactDecimal { digits, scale };
        to_decimal(a)
            .checked_divide(to_decimal(b))
            .map(|exact| exact.to_string())
    };
    assert_eq!(quotient((20000, 2), (2, 0)).as_deref(), Some("100.0000000000000000"));
    assert_eq!(quotient((10, 1), (2, 0)).as_deref(), Some("0.50000000000000000000"));
    assert_eq!(quotient((-1, 2), (3, 0)).as_deref(), Some("-0.00333333333333333333"));
    assert_eq!(quotient((0, 2), (3, 0)).as_deref(), Some("0.00000000000000000000"));
    assert_eq!(quotient((1, 2), (0, 0)), None);
    let one = (100_000_000_000_000_000_000, 20);
    assert_eq!(quotient((0, 0), one).as_deref(), Some("0.00000000000000000000"));
    assert_eq!(quotient(one, one).as_deref(), Some("1.00000000000000000000"));
}
