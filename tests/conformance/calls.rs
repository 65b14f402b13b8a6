//! Calls to every function in each of its forms. The arguments are columns of the types that the form accepts.

use formulac::catalog::{Function, Overload, Param, ParamType};
use formulac::{Column, Compiler, Dialect, Level, Relation, Schema, Type};

use crate::case::{ROW_ID, TABLE};

pub struct Call {
    pub function: &'static Function,
    pub formula: String,
    /// Arguments that are columns.
    pub columns: Vec<(String, Type)>,
}

/// Result of compiling a call in one dialect.
pub struct Written {
    pub sql: String,
    pub level: Level,
    pub ty: Type,
}

/// Results of compiling a call in every dialect. An error is the reason why the dialect rejects the call.
pub type ResultByDialect = Vec<(Dialect, Result<Written, String>)>;

/// Returns a call for each form. If a form accepts a class of types, the result contains one call for each type of the
/// class that at least one dialect accepts.
pub fn calls(function: &'static Function) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for overload in function.overloads {
        let most = overload
            .params
            .iter()
            .map(|p| types(p.ty).len())
            .max()
            .unwrap_or(1)
            .max(1);
        for variant in 0..most {
            let mut add = |count: usize, high: bool| {
                let call = call(function, overload, count, variant, high);
                if !calls
                    .iter()
                    .any(|c| c.formula == call.formula && c.columns == call.columns)
                {
                    calls.push(call);
                }
            };
            for count in (overload.min_arguments..=overload.params.len()).rev() {
                add(count, false);
                if overload.has_literal_params {
                    add(count, true);
                }
            }
        }
    }
    let compiles = |call: &Call| Dialect::all().any(|dialect| call.compile(dialect).is_ok());
    calls.retain_mut(|call| compiles(call) || (call.take_constants() && compiles(call)));
    calls
}

fn call(function: &'static Function, overload: &Overload, count: usize, variant: usize, high: bool) -> Call {
    let mut columns: Vec<(String, Type)> = Vec::new();
    let mut args: Vec<String> = Vec::new();
    let mut add = |param: &Param, name: String| {
        if let ParamType::Literal(low, most) = param.ty {
            args.push(if high { most.min(400) } else { low.max(1).min(most) }.to_string());
            return;
        }
        if param.ty == ParamType::Positive {
            args.push(if high { "2.5" } else { "3" }.to_owned());
            return;
        }
        if param.ty == ParamType::Negative {
            args.push(if high { "-2.5" } else { "-3" }.to_owned());
            return;
        }
        let types = types(param.ty);
        columns.push((name.clone(), types[variant % types.len()]));
        args.push(name);
    };
    let given = &overload.params[..count];
    for (at, param) in given.iter().enumerate() {
        if overload.repeated && at + 1 == overload.params.len() {
            (1..=2).for_each(|n| add(param, format!("{}_{n}", param.name)));
        } else {
            add(param, param.name.to_owned());
        }
    }
    Call {
        function,
        formula: format!("{}({})", function.name, args.join(", ")),
        columns,
    }
}

/// Returns the types that are tested for a class.
fn types(ty: ParamType) -> &'static [Type] {
    match ty {
        ParamType::Is(Type::Boolean) => &[Type::Boolean],
        ParamType::Is(Type::Integer) => &[Type::Integer],
        ParamType::Is(Type::Decimal) => &[Type::Decimal],
        ParamType::Is(Type::Float) => &[Type::Float],
        ParamType::Is(Type::Date) => &[Type::Date],
        ParamType::Is(Type::Timestamp) => &[Type::Timestamp],
        ParamType::Is(Type::Timestamptz) => &[Type::Timestamptz],
        ParamType::Is(_) => &[Type::Text],
        ParamType::Positive | ParamType::Negative => &[Type::Float],
        ParamType::Number => &[Type::Decimal, Type::Integer, Type::Float],
        ParamType::Temporal => &[Type::Date, Type::Timestamp],
        ParamType::Any | ParamType::Same => &[Type::Text, Type::Integer, Type::Float, Type::Date],
        ParamType::Literal(..) => &[Type::Integer],
    }
}

impl Call {
    /// Replaces each number after the first argument with 1, for functions that require constants in these positions.
    fn take_constants(&mut self) -> bool {
        let mut constant: Vec<String> = Vec::new();
        let first = self.columns.first().map(|(name, _)| name.clone());
        self.columns.retain(|(name, ty)| {
            let stays = !ty.is_number() || Some(name) == first.as_ref();
            if !stays {
                constant.push(name.clone());
            }
            stays
        });
        for name in &constant {
            self.formula = self.formula.replace(&format!(", {name}"), ", 1");
        }
        !constant.is_empty()
    }

    /// Returns the formula with the types of its columns: `ROUND(value, 2) of value: float`.
    pub fn describe(&self) -> String {
        if self.columns.is_empty() {
            return self.formula.clone();
        }
        let types: Vec<String> = self.columns.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        format!("{} of {}", self.formula, types.join(", "))
    }

    /// Returns the SQL of the call, or the reason why no SQL exists.
    pub fn compile(&self, dialect: Dialect) -> Result<Written, String> {
        compile(&self.formula, &self.columns, self.function.level, dialect)
    }
}

/// Returns the query for a spec whose only definition is the formula. The query is used for aggregates that a single
/// expression cannot compute.
pub fn query(formula: &str, columns: &[(String, Type)], dialect: Dialect) -> Option<String> {
    let relation = columns.iter().fold(Relation::new(TABLE), |r, (name, ty)| {
        r.with(Column::new(name.as_str(), *ty))
    });
    let formula = serde_json::Value::from(formula);
    let spec = format!("model: answers\nfrom: {TABLE}\ndefinitions:\n  answer: {formula}\n");
    let compiler = Compiler::builder()
        .dialect(dialect)
        .schema(Schema::new().with(relation))
        .build();
    let compiled = compiler.compile_spec(&spec);
    let refused = compiled.diagnostics().iter().any(|d| d.code().starts_with('F'));
    compiled.query().filter(|_| !refused).map(str::to_owned)
}

pub fn compile(formula: &str, columns: &[(String, Type)], level: Level, dialect: Dialect) -> Result<Written, String> {
    let relation = Relation::new(TABLE).with(Column::new(ROW_ID, Type::Integer).nullable(false));
    let relation = columns
        .iter()
        .fold(relation, |r, (name, ty)| r.with(Column::new(name.as_str(), *ty)));
    let builder = Compiler::builder()
        .dialect(dialect)
        .schema(Schema::new().with(relation))
        .from(TABLE);
    // Functions that read other rows need a row order.
    let builder = if level == Level::Window {
        builder.order_by([ROW_ID])
    } else {
        builder
    };
    let compiled = builder.build().compile(&format!("={formula}"));
    let fault = compiled.diagnostics().iter().find(|d| d.code().starts_with('F'));
    if let Some(fault) = fault {
        return Err(format!(
            "{} {} ({})",
            fault.code(),
            fault.message(),
            fault.help().unwrap_or_default()
        ));
    }
    let definition = compiled.definitions().last().ok_or("nothing")?;
    Ok(Written {
        sql: definition.sql().to_owned(),
        level: definition.level(),
        ty: definition.ty(),
    })
}

/// Returns the calls to a function, each with its SQL in every dialect.
pub fn calls_with_sql(function: &'static Function) -> Vec<(Call, ResultByDialect)> {
    let all = |call: &Call| {
        Dialect::all()
            .map(|d| (d, call.compile(d)))
            .collect::<ResultByDialect>()
    };
    let mut written = Vec::new();
    for call in calls(function) {
        let in_each = all(&call);
        written.push((call, in_each));
    }
    written
}
