//! Converts between dates and days since 1970-01-01, and truncates dates to timeframes.

/// Returns the year, month and day of a day number.
pub fn civil_date(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (
        year_of_era + era * 400 + i64::from(month <= 2),
        month,
        day_of_year - (153 * shifted + 2) / 5 + 1,
    )
}

pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// Adds months to a date and keeps the day of the month. If the resulting month is too short, returns its last day.
pub fn add_months(date: i64, months: i64) -> i64 {
    let (year, month, day) = civil_date(date);
    let first = year * 12 + month - 1 + months;
    let (year, month) = (first.div_euclid(12), first.rem_euclid(12) + 1);
    let next = first + 1;
    let length = day_number(next.div_euclid(12), next.rem_euclid(12) + 1, 1) - day_number(year, month, 1);
    day_number(year, month, day.min(length))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterpreterCalendarUnit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl InterpreterCalendarUnit {
    pub const ALL: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    pub fn add_units(self, date: i64, count: i64) -> i64 {
        match self {
            Self::Day => date + count,
            Self::Week => date + 7 * count,
            Self::Month => add_months(date, count),
            Self::Quarter => add_months(date, 3 * count),
            Self::Year => add_months(date, 12 * count),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeriodFrame {
    Week,
    Month,
    Quarter,
    Year,
}

impl PeriodFrame {
    pub const ALL: [Self; 4] = [Self::Week, Self::Month, Self::Quarter, Self::Year];

    pub fn name(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    pub fn unit(self) -> InterpreterCalendarUnit {
        match self {
            Self::Week => InterpreterCalendarUnit::Week,
            Self::Month => InterpreterCalendarUnit::Month,
            Self::Quarter => InterpreterCalendarUnit::Quarter,
            Self::Year => InterpreterCalendarUnit::Year,
        }
    }

    /// Returns the first day of the period that contains a date.
    pub fn period_start(self, date: i64) -> i64 {
        let (year, month, _) = civil_date(date);
        match self {
            // 1970-01-01 was a Thursday. Weeks begin on Monday.
            Self::Week => date - (date + 3).rem_euclid(7),
            Self::Month => day_number(year, month, 1),
            Self::Quarter => day_number(year, (month - 1) / 3 * 3 + 1, 1),
            Self::Year => day_number(year, 1, 1),
        }
    }
}

#[test]
fn dates_round_trip() {
    for date in -800_000..800_000 {
        let (year, month, day) = civil_date(date);
        assert_eq!(day_number(year, month, day), date);
    }
    assert_eq!(civil_date(0), (1970, 1, 1));
    assert_eq!(civil_date(add_months(day_number(2024, 3, 31), -1)), (2024, 2, 29));
    assert_eq!(
        civil_date(PeriodFrame::Week.period_start(day_number(2024, 1, 7))),
        (2024, 1, 1)
    );
}
