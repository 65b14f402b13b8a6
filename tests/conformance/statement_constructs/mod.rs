//! Reads the constructs of a generated statement from its SQL tree, in the same way as `dialects/build/constructs`
//! reads the constructs of templates, and looks up these constructs in `dialects/facts`.
//!
//! The types of arguments are inferred from the columns of the tables. If the type of an argument is unknown, a
//! construct matches every entry with the same form.

mod calls;
#[allow(dead_code, reason = "only the build uses the complete module")]
#[path = "../../../dialects/build/constructs/classes.rs"]
mod classes;
mod clauses;
mod patterns;

use std::collections::{BTreeMap, BTreeSet};

use formulac::{Dialect, Schema, Type};
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Ident, LambdaSyntax, ObjectName, Query, Statement, TypedString, UnaryOperator,
    Value,
};
use sqlparser::parser::Parser;

use patterns::Patterns;

use crate::known_calls::called_names;
use crate::prove::rows::TEST_COLUMN_TYPES;

/// Class of a type, such as `decimal`. `any` if the type is unknown.
type Class = String;

/// Columns of a relation, with their classes.
type Columns = BTreeMap<String, Class>;

/// Entries of `dialects/facts` for a dialect, prepared for looking up the constructs of statements.
pub struct Facts {
    dialect: Dialect,
    patterns: Patterns,
    results: BTreeMap<String, String>,
    series: BTreeSet<String>,
}

/// Returns the functions in the SQL that lists periods. These functions have no entries of their own in
/// `dialects/facts`, because the entry `series` covers them.
fn functions_of_series(dialect: Dialect) -> BTreeSet<String> {
    let facts = dialect.facts();
    let texts = [facts.series, facts.series_value];
    texts.iter().flat_map(|sql| called_names(sql, dialect)).collect()
}

impl Facts {
    pub fn for_dialect(dialect: Dialect) -> Self {
        Self {
            dialect,
            patterns: Patterns::for_dialect(dialect),
            results: patterns::results(),
            series: functions_of_series(dialect),
        }
    }

    /// Returns the constructs of a statement that have no entry in `dialects/facts`, as `section: construct`.
    ///
    /// # Errors
    ///
    /// Returns the parser's message if the statement cannot be parsed.
    pub fn constructs_without_fact(&self, sql: &str, schema: &Schema) -> Result<BTreeSet<String>, String> {
        let parse = |dialect| {
            let parser = formulac::lineage::parser_dialect(dialect);
            Parser::new(&*parser)
                .with_recursion_limit(500)
                .try_with_sql(sql)
                .and_then(|mut parser| parser.parse_statements())
                .map_err(|error| error.to_string())
        };
        // The DuckDB parser rejects a first column named `top`, but the Postgres parser accepts it.
        let other = if self.dialect.name() == "duckdb" {
            "postgres"
        } else {
            self.dialect.name()
        };
        let statements = parse(Some(self.dialect)).or_else(|error| parse(other.parse().ok()).map_err(|_| error))?;
        let mut reader = Reader {
            facts: self,
            relations: BTreeMap::new(),
            scopes: Vec::new(),
            missing: BTreeSet::new(),
        };
        for relation in schema.relations() {
            let columns = relation.columns().iter();
            let columns = columns.map(|column| (column.name().to_lowercase(), class_of_column(column.ty().name())));
            let name = relation.name().rsplit('.').next().unwrap_or_default();
            reader.relations.insert(name.to_lowercase(), columns.collect());
        }
        let [statement] = statements.as_slice() else {
            return Err("not one statement".to_owned());
        };
        reader.statement(statement)?;
        Ok(reader.missing)
    }
}

fn class_of_column(ty: &str) -> Class {
    classes::class_of_type(ty).to_owned()
}

/// Traversal of one statement.
struct Reader<'f> {
    facts: &'f Facts,
    /// Tables and CTEs.
    relations: BTreeMap<String, Columns>,
    /// Relations of the enclosing selects, innermost last. The columns of each relation are stored under its alias.
    scopes: Vec<Vec<(String, Columns)>>,
    missing: BTreeSet<String>,
}

impl Reader<'_> {
    /// Looks up a construct, and records it if no entry matches. A class in the construct also matches a broader class
    /// in an entry.
    fn need(&mut self, section: &str, text: &str) {
        if !self.facts.patterns.has_fact(section, text) {
            self.missing.insert(format!("{section}: {text}"));
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), String> {
        match statement {
            Statement::Query(query) => {
                self.query(query);
            }
            Statement::CreateTable(table) => {
                self.need("clauses", "create table");
                for column in &table.columns {
                    let ty = column.data_type.to_string().to_lowercase();
                    let decimal = self.facts.dialect.facts().stored_decimal;
                    if without_spaces(&ty) != without_spaces(decimal) {
                        self.need("types", &ty);
                    }
                }
            }
            Statement::Insert(insert) => {
                self.need("clauses", "insert into … values");
                if let Some(rows) = &insert.source {
                    self.query(rows);
                }
            }
            Statement::Drop { .. } => self.need("clauses", "drop table if exists"),
            _ => return Err("a statement that the test cannot read".to_owned()),
        }
        Ok(())
    }

    /// Looks up a construct of `[operators]`, and returns the class of its value.
    fn operator(&mut self, text: &str, class: &str) -> Class {
        self.need("operators", text);
        class.to_owned()
    }

    fn column(&self, relation: Option<&Ident>, name: &Ident) -> Class {
        let name = name.value.to_lowercase();
        let relation = relation.map(|ident| ident.value.to_lowercase());
        for scope in self.scopes.iter().rev() {
            for (alias, columns) in scope {
                if relation.as_ref().is_none_or(|relation| relation == alias)
                    && let Some(class) = columns.get(&name)
                {
                    return class.clone();
                }
            }
        }
        "any".to_owned()
    }

    /// Looks up the constructs of an expression, and returns its class.
    #[allow(clippy::too_many_lines, reason = "this is one list of cases, with one line per case")]
    fn class(&mut self, expr: &Expr) -> Class {
        match expr {
            Expr::Identifier(name) => self.column(None, name),
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [.., relation, name] => self.column(Some(relation), name),
                _ => "any".to_owned(),
            },
            Expr::Nested(inner) => self.class(inner),
            Expr::Prefixed { prefix, value } => match &**value {
                Expr::Function(call) => self.call_of(&format!("{prefix}."), call),
                other => self.class(other),
            },
            Expr::Value(value) => class_of_literal(&value.value).to_owned(),
            Expr::TypedString(TypedString { data_type, .. }) => {
                let name = data_type.to_string().to_lowercase();
                if !self.facts.patterns.has_fact("literals", &format!("{name} '…'")) {
                    self.need("literals", &format!("{name} text"));
                }
                classes::class_of_native_type(&name).to_owned()
            }
            Expr::Interval(interval) => {
                let value = self.class(&interval.value);
                let unit = interval
                    .leading_field
                    .as_ref()
                    .map(|unit| format!(" {unit}").to_lowercase());
                self.need("literals", &format!("interval {value}{}", unit.unwrap_or_default()));
                "interval".to_owned()
            }
            Expr::Cast {
                kind, expr, data_type, ..
            } => self.cast(kind, expr, &data_type.to_string().to_lowercase()),
            Expr::UnaryOp { op, expr } => {
                let class = self.class(expr);
                match op {
                    UnaryOperator::Not => self.operator("not", "boolean"),
                    _ => class,
                }
            }
            Expr::BinaryOp { left, op, right } => {
                let (left, right) = (self.class(left), self.class(right));
                self.binary(op, &left, &right)
            }
            Expr::IsNull(x) | Expr::IsNotNull(x) => self.test(&[x], "is null"),
            Expr::IsTrue(x) | Expr::IsNotTrue(x) => self.test(&[x], "is true"),
            Expr::IsFalse(x) | Expr::IsNotFalse(x) => self.test(&[x], "is false"),
            Expr::IsDistinctFrom(x, y) | Expr::IsNotDistinctFrom(x, y) => self.test(&[x, y], "is [not] distinct from"),
            Expr::Between { expr, low, high, .. } => self.test(&[expr, low, high], "between"),
            Expr::InList { expr, list, .. } => self.test(&list.iter().chain([&**expr]).collect::<Vec<_>>(), "in (…)"),
            Expr::Like {
                expr,
                pattern,
                escape_char,
                ..
            } => {
                let text = if escape_char.is_some() {
                    "like … escape"
                } else {
                    "like"
                };
                self.test(&[expr, pattern], text)
            }
            Expr::ILike { expr, pattern, .. } => self.test(&[expr, pattern], "ilike"),
            Expr::InSubquery { expr, subquery, .. } => {
                self.class(expr);
                self.query(subquery);
                self.need("clauses", "subquery in a condition");
                "boolean".to_owned()
            }
            Expr::Exists { subquery, .. } => {
                self.query(subquery);
                self.need("clauses", "subquery in a condition");
                "boolean".to_owned()
            }
            Expr::Subquery(query) => self.subquery(query),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                if let Some(operand) = operand {
                    self.class(operand);
                    self.need("clauses", "case value when");
                }
                let mut classes = Vec::new();
                for when in conditions {
                    self.class(&when.condition);
                    classes.push(self.class(&when.result));
                }
                classes.extend(else_result.iter().map(|value| self.class(value)));
                self.operator("case", &common_class(&classes))
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let (class, _) = (self.class(timestamp), self.class(time_zone));
                let result = if class == "timestamptz" {
                    "timestamp"
                } else {
                    "timestamptz"
                };
                self.operator(&format!("{class} at time zone text"), result)
            }
            Expr::Array(array) => {
                let classes: Vec<Class> = array.elem.iter().map(|value| self.class(value)).collect();
                let name = if array.named { "array" } else { "" };
                self.operator(&format!("{name}[{}]", classes.join(", ")), "array")
            }
            Expr::Lambda(lambda) => {
                let text = match lambda.syntax {
                    LambdaSyntax::LambdaKeyword => "lambda x: …",
                    LambdaSyntax::Arrow => "(x, y) -> …",
                };
                self.class(&lambda.body);
                self.operator(text, "lambda")
            }
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            _ => self.call_form(expr),
        }
    }

    /// Looks up the construct of a condition on values, such as `is null`, and returns the class `boolean`.
    fn test(&mut self, values: &[&Expr], text: &str) -> Class {
        for value in values {
            self.class(value);
        }
        self.operator(text, "boolean")
    }

    fn subquery(&mut self, query: &Query) -> Class {
        let columns = self.query(query);
        let text = if query.limit_clause.is_some() {
            "subquery with limit"
        } else {
            "subquery"
        };
        let class = columns
            .first()
            .map_or_else(|| "any".to_owned(), |(_, class)| class.clone());
        self.operator(text, &class)
    }

    fn cast(&mut self, kind: &CastKind, expr: &Expr, ty: &str) -> Class {
        let name = match kind {
            CastKind::TryCast => "try_cast",
            CastKind::SafeCast => "safe_cast",
            CastKind::Cast | CastKind::DoubleColon => "cast",
        };
        let class = self.class(expr);
        let text = format!("{name}({class} as {ty})");
        // Casts of literals are separate constructs.
        let form = match class.as_str() {
            "integer" | "decimal" | "float" => "{n}",
            _ => "'…'",
        };
        let is_literal = matches!(expr, Expr::Value(_))
            && self
                .facts
                .patterns
                .has_fact("literals", &format!("{name}({form} as {ty})"));
        if class != "null" && !is_literal {
            self.need("casts", &text);
        }
        self.class_of_type(ty)
    }

    /// Returns the class of a type name of the dialect. `timestamp` is an instant on BigQuery.
    fn class_of_type(&self, ty: &str) -> Class {
        let is_it = |known: &Type| without_spaces(self.facts.dialect.type_name(*known)) == without_spaces(ty);
        match TEST_COLUMN_TYPES.iter().find(|ty| is_it(ty)) {
            Some(known) => class_of_column(known.name()),
            None => classes::class_of_native_type(ty).to_owned(),
        }
    }

    /// Works like `operation` in `dialects/build/constructs/reader.rs`.
    fn binary(&mut self, op: &BinaryOperator, left: &str, right: &str) -> Class {
        let text = op.to_string().to_lowercase();
        match op {
            BinaryOperator::And | BinaryOperator::Or => self.operator("and, or", "boolean"),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => self.operator("= <> < <= > >=", "boolean"),
            BinaryOperator::PGRegexMatch | BinaryOperator::PGRegexIMatch => self.operator(&text, "boolean"),
            BinaryOperator::StringConcat => self.operator(&format!("{left} || {right}"), "text"),
            _ => {
                // The difference between a date and an unknown value is a date or a number, and an unknown value plus
                // an interval is a date.
                let operands = [left, right];
                let is_unknown = operands.contains(&"any") && (text == "-" || operands.contains(&"interval"));
                let class = if is_unknown {
                    "any".to_owned()
                } else {
                    classes::arithmetic_class(&text, left, right)
                };
                self.operator(&format!("{left} {text} {right}"), &class)
            }
        }
    }
}

/// Returns a type name without spaces, because parsers disagree about the spacing.
fn without_spaces(ty: &str) -> String {
    ty.replace(' ', "")
}

fn class_of_literal(value: &Value) -> &'static str {
    match value {
        Value::Number(digits, _) if digits.contains(['e', 'E']) => "float",
        Value::Number(digits, _) if digits.contains('.') => "decimal",
        Value::Number(..) => "integer",
        Value::Boolean(_) => "boolean",
        Value::Null => "null",
        _ => "text",
    }
}

/// Returns the common class of several values.
fn common_class(classes: &[Class]) -> Class {
    let order = ["any", "float", "decimal", "integer", "timestamptz", "timestamp", "date"];
    let has = |class: &str| classes.iter().any(|it| it == class);
    if let Some(class) = order.into_iter().find(|class| has(class)) {
        return class.to_owned();
    }
    classes
        .iter()
        .find(|class| *class != "null")
        .cloned()
        .unwrap_or_else(|| "null".to_owned())
}

/// Returns a name without quotes, in lower case.
fn unquoted_name(name: &ObjectName) -> String {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| {
            part.as_ident()
                .map_or_else(|| part.to_string(), |ident| ident.value.clone())
        })
        .collect();
    parts.join(".").to_lowercase()
}
