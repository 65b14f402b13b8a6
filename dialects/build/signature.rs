//! Parser of signatures such as `(value: number, digits: integer = 0) -> value`.

#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    pub params: Vec<Param>,
    pub repeated: bool,
    pub result: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub name: String,
    pub ty: String,
    pub optional: bool,
    pub default: Option<String>,
}

impl Signature {
    /// Returns `true` if a parameter accepts only certain number literals.
    pub fn has_literal_params(&self) -> bool {
        self.params
            .iter()
            .any(|p| p.ty.contains("..") || SIGNED_LITERAL_TYPES.contains(&p.ty.as_str()))
    }

    /// Returns `true` if a parameter accepts only certain literals and rejects some literals of up to nine digits.
    pub fn has_restricted_literals(&self) -> bool {
        if self
            .params
            .iter()
            .any(|p| SIGNED_LITERAL_TYPES.contains(&p.ty.as_str()))
        {
            return true;
        }
        let bounds = self.params.iter().filter_map(|p| p.ty.split_once(".."));
        bounds
            .map(|(low, high)| (low.trim().parse::<i64>(), high.trim().parse::<i64>()))
            .any(|bounds| match bounds {
                (Ok(low), Ok(high)) => low > -999_999_999 || high < 999_999_999,
                _ => true,
            })
    }

    /// Returns `true` if a parameter accepts dates.
    pub fn has_date_type(&self) -> bool {
        self.params
            .iter()
            .any(|p| ["date", "timestamp", "timestamptz", "temporal"].contains(&p.ty.as_str()))
    }

    /// Returns the minimum number of arguments. A repeated parameter is optional if it comes after other parameters.
    pub fn min_arguments(&self) -> usize {
        let rest = usize::from(self.repeated && self.params.len() > 1);
        self.params
            .iter()
            .take(self.params.len() - rest)
            .filter(|p| !p.optional)
            .count()
    }
}

/// Types of number literals that must be positive or negative.
const SIGNED_LITERAL_TYPES: [&str; 2] = ["positive", "negative"];

const TYPES: [(&str, &str); 15] = [
    ("boolean", "Is(Type::Boolean)"),
    ("integer", "Is(Type::Integer)"),
    ("decimal", "Is(Type::Decimal)"),
    ("float", "Is(Type::Float)"),
    ("time", "Is(Type::Time)"),
    ("text", "Is(Type::Text)"),
    ("date", "Is(Type::Date)"),
    ("timestamp", "Is(Type::Timestamp)"),
    ("timestamptz", "Is(Type::Timestamptz)"),
    ("number", "Number"),
    ("positive", "Positive"),
    ("negative", "Negative"),
    ("temporal", "Temporal"),
    ("any", "Any"),
    ("T", "Same"),
];

pub fn parse(text: &str) -> Result<Signature, String> {
    let (list, result) = text
        .split_once("->")
        .ok_or("a signature has the form `(name: type, …) -> type`")?;
    let list = list.trim();
    let list = list
        .strip_prefix('(')
        .and_then(|l| l.strip_suffix(')'))
        .ok_or("the parameters must be in brackets")?;
    let mut params: Vec<Param> = Vec::new();
    let mut repeated = false;
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        if repeated {
            return Err("only the last parameter can be repeated".into());
        }
        let (name, rest) = part.split_once(':').ok_or_else(|| format!("`{part}` has no type"))?;
        let (ty, default) = match rest.split_once('=') {
            Some((ty, default)) => (ty.trim(), Some(default.trim().to_owned())),
            None => (rest.trim(), None),
        };
        let (ty, dots) = match ty.strip_suffix("...") {
            Some(ty) => (ty, true),
            None => (ty, false),
        };
        repeated = dots;
        let (name, question) = match name.trim().strip_suffix('?') {
            Some(name) => (name, true),
            None => (name.trim(), false),
        };
        type_code(ty)?;
        params.push(Param {
            name: name.to_owned(),
            ty: ty.to_owned(),
            optional: question || default.is_some(),
            default,
        });
    }
    let result = result.trim().to_owned();
    let signature = Signature {
        params,
        repeated,
        result,
    };
    result_code(&signature)?;
    Ok(signature)
}

pub fn type_code(ty: &str) -> Result<String, String> {
    if let Some((low, high)) = ty.split_once("..") {
        let bound = |text: &str| {
            text.trim()
                .parse::<i64>()
                .map_err(|_| format!("`{text}` is not a valid range of integers"))
        };
        return Ok(format!("Literal({}, {})", bound(low)?, bound(high)?));
    }
    TYPES
        .iter()
        .find(|(n, _)| *n == ty)
        .map(|(_, c)| (*c).to_owned())
        .ok_or_else(|| format!("unknown type `{ty}`"))
}

pub fn result_code(signature: &Signature) -> Result<String, String> {
    match signature.result.as_str() {
        // The name of a type always refers to the type, even if a parameter has the same name, such as `date`.
        name if TYPES.iter().all(|(n, _)| *n != name) => signature
            .params
            .iter()
            .position(|p| p.name == name)
            .map(|index| format!("ResultType::Param({index})"))
            .ok_or_else(|| format!("`{name}` is not a type or a parameter")),
        "T" => Ok("ResultType::Same".into()),
        // `any` and the type classes are resolved when the call is lowered.
        "any" | "number" | "positive" | "negative" | "temporal" => Ok("ResultType::Lowered".into()),
        other => type_code(other)?
            .strip_prefix("Is(")
            .and_then(|c| c.strip_suffix(')'))
            .map(|c| format!("ResultType::Is({c})"))
            .ok_or_else(|| format!("`{other}` is not a valid result type")),
    }
}
