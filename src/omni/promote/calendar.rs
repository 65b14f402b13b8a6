//! First day of the week and start of the fiscal year in the Omni model.
//!
//! Omni adds `fiscal_month_offset` months to a date: with 11, the fiscal year 2025 starts in February 2024, and with
//! -1, the fiscal year 2024 starts in February 2024. In a spec, the key with the same name is the number of months from
//! January to the first month of the fiscal year, and the fiscal year is numbered after the calendar year in which it
//! starts. Source: <https://docs.omni.co/modeling/models/fiscal-month-offset>

use super::term::FormulaTerm;
use crate::Type;
use crate::calendar::Weekday;
use crate::schema::{OmniFileKind, ParsedOmniModel};
use crate::yaml::Node;

const WEEK_START: &str = "week_start_day";
const FISCAL_OFFSET: &str = "fiscal_month_offset";

/// Calendar settings of the Omni model.
#[derive(Clone, Copy, Debug)]
pub(super) struct OmniCalendar {
    /// First day of the week. `None` if it depends on the user.
    pub week_start: Option<Weekday>,
    /// Number of months that Omni adds to a date.
    fiscal_shift: Option<i64>,
}

/// Setting that cannot be copied to a spec because it has no fixed value: the index of its file, its key, its YAML
/// node, and the timeframes that depend on it.
pub(super) type UnconvertibleSetting<'m> = (usize, &'static str, &'m Node, &'static [&'static str]);

impl OmniCalendar {
    pub fn read(model: &ParsedOmniModel<'_>) -> Self {
        let week_start = match setting(model, WEEK_START) {
            Some((_, node)) => node.text().and_then(|day| day.parse().ok()),
            None => Some(Weekday::Monday),
        };
        Self {
            week_start,
            fiscal_shift: setting(model, FISCAL_OFFSET).and_then(|(_, node)| node.text()?.trim().parse().ok()),
        }
    }

    /// Returns the number of months from January to the first month of the fiscal year.
    pub fn fiscal_month_offset(self) -> Option<u8> {
        u8::try_from(self.fiscal_shift?.checked_neg()?.rem_euclid(12)).ok()
    }

    /// Returns the settings of the Omni model whose values depend on the user or cannot be read.
    pub fn unconvertible_settings<'m>(self, model: &'m ParsedOmniModel<'_>) -> Vec<UnconvertibleSetting<'m>> {
        let week: (_, &'static [&'static str], _) =
            (WEEK_START, &["[week]", "[day_of_week_num]"], self.week_start.is_none());
        let fiscal: (_, &'static [&'static str], _) = (FISCAL_OFFSET, &["[fiscal_"], self.fiscal_shift.is_none());
        let unread = [week, fiscal].into_iter().filter(|(.., is_unread)| *is_unread);
        unread
            .filter_map(|(key, frames, _)| setting(model, key).map(|(file, node)| (file, key, node, frames)))
            .collect()
    }

    /// Applies a timeframe to a term. The flag is `true` if the result is a date or time.
    ///
    /// # Errors
    ///
    /// Returns the reason why the timeframe has no formula.
    pub fn apply_timeframe(
        self,
        term: FormulaTerm,
        is_temporal: bool,
        frame: Option<&str>,
    ) -> Result<(FormulaTerm, bool), String> {
        let frame = match frame {
            None | Some("raw") => return Ok((term, is_temporal)),
            Some(frame) => frame,
        };
        let offset = self.fiscal_month_offset().unwrap_or_default();
        if frame == "day_of_quarter" && !offset.is_multiple_of(3) {
            return Err(format!(
                "`[{frame}]` counts the days of the fiscal quarter in Omni, because `{FISCAL_OFFSET}` is set; formulas count \
                 the days of the calendar quarter"
            ));
        }
        let mut term = term.timeframe(frame);
        let later = self.fiscal_shift.unwrap_or_default().saturating_add(i64::from(offset)) / 12;
        if frame == "fiscal_year" && later != 0 {
            let sign = if later < 0 { "-" } else { "+" };
            term = FormulaTerm::binary(term, sign, &FormulaTerm::integer(later.saturating_abs()))
                .with_type(Some(Type::Integer));
        }
        let is_temporal = term.ty.is_some_and(Type::is_temporal);
        Ok((term, is_temporal))
    }
}

/// Returns the possible difference between the values of a timeframe in Omni and in formulas.
pub(super) fn timeframe_caveat(frame: Option<&str>) -> Option<String> {
    let text = match frame? {
        "day_of_week_num" => "Omni numbers the days of the week from 0 to 6, but the formula numbers them from 1 to 7",
        "fiscal_quarter" => "Omni does not document the value of a fiscal quarter; the formula returns its first day",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns a setting of the Omni model, with the index of its file.
fn setting<'m>(model: &'m ParsedOmniModel<'_>, key: &str) -> Option<(usize, &'m Node)> {
    let mut files = model.files.iter().enumerate();
    files.find_map(|(index, file)| {
        let is_model = file.omni_file().kind() == OmniFileKind::Other;
        Some((index, file.root.get(key).filter(|_| is_model)?))
    })
}
