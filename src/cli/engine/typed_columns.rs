//! Converts columns of data files to their types in the schema. A fraction in an integer column is an error.

use formulac::{Dialect, Type};

/// Type as which integers are read from a file, because a cast from text to an integer rounds `6.5` to 7.
pub const INTEGER_READ_TYPE: &str = "decimal(38, 10)";

/// Returns the SQL that converts a column of a file to a type.
pub fn cast_column_sql(name: &str, ty: &str, path: &str, dialect: Dialect) -> String {
    let column = dialect.name_text(name, true);
    if ty != dialect.type_name(Type::Integer) {
        return format!("cast({column} as {ty}) as {column}");
    }
    let number = format!("try_cast({column} as {INTEGER_READ_TYPE})");
    let message = format!("the column `{name}` of `{path}` is an integer in the schema, but a row contains ");
    let hint = "\nHINT: correct the value, or give the column the type decimal in the schema";
    format!(
        "case when {number} <> trunc({number}) then error({} || cast({column} as double) || {}) \
         else cast({column} as {ty}) end as {column}",
        dialect.text_literal(&message),
        dialect.text_literal(hint)
    )
}
