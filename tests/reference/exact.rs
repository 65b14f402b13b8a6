//! Decimals with all their digits, for what rounds: a float is taken for the decimal that it prints as.

use crate::value::Value;

/// `digits / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact {
    pub digits: i128,
    pub scale: u32,
}

/// Where a quotient goes that is no whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    Zero,
    Away,
    /// Halves away from zero.
    Nearest,
    Down,
    Up,
}

impl Exact {
    /// None of a number that is too large or too small for this.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(i) => Some(Self { digits: i128::from(*i), scale: 0 }),
            Value::Number(n) => {
                let printed = n.to_string();
                let (whole, fraction) = printed.split_once('.').unwrap_or((&printed, ""));
                if whole.len() + fraction.len() > 30 {
                    return None;
                }
                let digits = format!("{whole}{fraction}").parse().ok()?;
                Some(Self { digits, scale: fraction.len() as u32 })
            }
            _ => None,
        }
    }

    pub fn number(self) -> f64 {
        format!("{}e-{}", self.digits, self.scale).parse().expect("digits are a number")
    }

    fn at(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(10i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// Both with the same scale.
    pub fn aligned(a: Self, b: Self) -> Option<(i128, i128, u32)> {
        let scale = a.scale.max(b.scale);
        Some((a.at(scale)?, b.at(scale)?, scale))
    }

    /// With so many digits behind the point, or zeros before it.
    pub fn rounded(self, places: i64, towards: Towards) -> Option<Self> {
        let dropped = i64::from(self.scale) - places;
        if dropped <= 0 {
            return Some(self);
        }
        let unit = 10i128.checked_pow(u32::try_from(dropped).ok()?)?;
        let digits = quotient(self.digits, unit, towards);
        match u32::try_from(places) {
            Ok(scale) => Some(Self { digits, scale }),
            Err(_) => Some(Self { digits: digits.checked_mul(10i128.checked_pow((-places) as u32)?)?, scale: 0 }),
        }
    }
}

/// A whole number near `a / b`.
pub fn quotient(a: i128, b: i128, towards: Towards) -> i128 {
    let (cut, rest) = (a / b, a % b);
    if rest == 0 {
        return cut;
    }
    let sign = if (a < 0) == (b < 0) { 1 } else { -1 };
    let further = match towards {
        Towards::Zero => false,
        Towards::Away => true,
        Towards::Nearest => rest.abs() >= b.abs() - rest.abs(),
        Towards::Down => sign < 0,
        Towards::Up => sign > 0,
    };
    if further { cut + sign } else { cut }
}

#[test]
fn halves_and_signs() {
    let of =
        |a, b| [Towards::Zero, Towards::Away, Towards::Nearest, Towards::Down, Towards::Up].map(|t| quotient(a, b, t));
    assert_eq!(of(5, 2), [2, 3, 3, 2, 3]);
    assert_eq!(of(-5, 2), [-2, -3, -3, -3, -2]);
    assert_eq!(of(4, 3), [1, 2, 1, 1, 2]);
    assert_eq!(of(-6, 3), [-2; 5]);
}
