//! Finds CSV columns that can be read as decimals. DuckDB infers floats for these columns, but the sum of the floats
//! 0.1 and 0.2 is not 0.3. The values in the file determine the number of digits after the decimal point.

use formulac::Dialect;
use serde_json::{Map, Value};

/// Maximum number of digits in a decimal. DuckDB processes decimals of this width quickly and multiplies them without
/// overflow.
const MAX_DIGITS: u64 = 18;

/// Returns a query whose single row describes the values of the columns that DuckDB reads as floats. In the table
/// expression `rows`, all values are text.
pub fn decimal_description_query(columns: &[&str], rows: &str, dialect: Dialect) -> String {
    let expressions = columns.iter().enumerate().map(|(number, name)| {
        let name = dialect.name_text(name, false);
        format!(
            "coalesce(bool_and(regexp_full_match({name}, '[-+]?[0-9]*[.]?[0-9]*')), false) as plain_{number}, \
             max(length(ltrim(split_part({name}, '.', 1), '+-'))) as before_{number}, \
             max(length(split_part({name}, '.', 2))) as behind_{number}"
        )
    });
    format!("select {} from {rows};\n", expressions.collect::<Vec<_>>().join(", "))
}

/// Returns the columns that are decimals, with their types.
pub fn decimal_types(columns: &[&str], answer: &Map<String, Value>) -> Vec<(String, String)> {
    let decimal = |(number, name): (usize, &&str)| {
        let count = |prefix: &str| answer.get(&format!("{prefix}_{number}"))?.as_u64();
        let plain = answer.get(&format!("plain_{number}"))?.as_bool()?;
        let (before, behind) = (count("before")?, count("behind")?);
        let fits = plain && before + behind <= MAX_DIGITS;
        fits.then(|| ((*name).to_owned(), format!("decimal({MAX_DIGITS}, {behind})")))
    };
    columns.iter().enumerate().filter_map(decimal).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::decimal_types;

    #[test]
    fn fitting_columns_are_decimals() {
        let answer = json!({
            "plain_0": true, "before_0": 3, "behind_0": 2,
            "plain_1": false, "before_1": 1, "behind_1": 1,
            "plain_2": true, "before_2": 10, "behind_2": 9,
            "plain_3": false, "before_3": null, "behind_3": null,
        });
        let types = decimal_types(&["price", "e", "wide", "empty"], answer.as_object().unwrap());
        assert_eq!(types, [("price".to_owned(), "decimal(18, 2)".to_owned())]);
    }
}
