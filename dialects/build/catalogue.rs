//! Reads the functions in `dialects/functions/*.toml`, checks them and writes them as Rust.

use std::fmt::Write as _;
use std::path::Path;

use toml::de::DeTable;

use crate::lowering::Lowering;
use crate::signature::{self, Signature};
use crate::template::{self, Node};
use crate::toml_file::{self, TomlFile};

pub struct Function {
    pub name: String,
    pub group: String,
    pub category: String,
    pub summary: String,
    pub phrase: String,
    pub source: String,
    pub notes: String,
    pub args: Vec<(String, String)>,
    pub examples: Vec<String>,
    pub aliases: Vec<String>,
    pub related: Vec<String>,
    pub unverified: Option<String>,
    pub level: String,
    pub nulls: String,
    /// Kind of literal that rules out errors: if the last argument is such a literal, a call never returns NULL because
    /// of an error.
    pub safe_last: Option<String>,
    pub volatile: bool,
    pub discontinuous: bool,
    pub empty: Option<String>,
    pub across: Option<String>,
    pub window: Option<String>,
    pub over: Option<String>,
    pub framed: Option<String>,
    pub rows: Option<String>,
    pub gathered: Option<String>,
    pub of_list: Option<String>,
    pub caution: String,
    pub arity_help: String,
    pub window_help: String,
    pub lower: Option<String>,
    pub overloads: Vec<Overload>,
}

pub struct Overload {
    /// Key of the overload. Empty for the first overload because that overload has no key.
    pub key: String,
    pub signature: Signature,
    /// Null rule of the overload, if it differs from the function's.
    pub nulls: Option<String>,
    /// Formula that the compiler substitutes for a call to the overload.
    pub define: Option<String>,
    pub template: Option<Vec<Node>>,
    /// Position of the default template as `file:line`, for errors that are found after the file is read.
    pub place: String,
}

impl Function {
    /// Returns the largest number of arguments. `None` if there is no limit.
    fn max_arguments(&self) -> Option<usize> {
        // An aggregate that can also combine several values of one row accepts any number of arguments.
        if self.across.is_some() || self.overloads.iter().any(|o| o.signature.repeated) {
            return None;
        }
        Some(
            self.overloads
                .iter()
                .map(|o| o.signature.params.len())
                .max()
                .unwrap_or(0),
        )
    }

    pub fn is_internal(&self) -> bool {
        self.group == "internal"
    }
}

/// Value of `empty` for an aggregate whose NULL represents a blank cell. With `blanks: zero`, this NULL counts as 0.
const BLANK: &str = "blank";

const KEYS: &[&str] = &[
    "category",
    "summary",
    "phrase",
    "source",
    "notes",
    "args",
    "examples",
    "aliases",
    "related",
    "unverified",
    "level",
    "nulls",
    "safe_last",
    "volatile",
    "discontinuous",
    "empty",
    "across",
    "window",
    "over",
    "framed",
    "rows",
    "gathered",
    "of_list",
    "caution",
    "arity_help",
    "window_help",
    "lower",
    "signature",
    "sql",
    "define",
    "on",
];

pub fn read(folder: &Path) -> Result<Vec<Function>, Vec<String>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .map_err(|e| vec![format!("{}: {e}", folder.display())])?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    let mut functions: Vec<Function> = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        let file = TomlFile::read(&path)?;
        let group = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (key, value) in file.table()? {
            let offset = key.span().start;
            let Some(table) = value.get_ref().as_table() else {
                faults.push(file.format_error_at(offset, format!("`{}` must be a table", key.get_ref())));
                continue;
            };
            if let Some(function) = read_function(&file, offset, key.get_ref(), &group, table, &mut faults) {
                if functions.iter().any(|f| f.name == function.name) {
                    faults.push(file.format_error_at(offset, format!("`{}` is defined twice", function.name)));
                }
                functions.push(function);
            }
        }
    }
    let names: Vec<String> = functions.iter().map(|f| f.name.clone()).collect();
    for function in &functions {
        let references = [
            ("across", &function.across),
            ("window", &function.window),
            ("over", &function.over),
            ("framed", &function.framed),
            ("rows", &function.rows),
            ("gathered", &function.gathered),
            ("of_list", &function.of_list),
        ];
        for (key, reference) in references {
            if let Some(function_name) = reference.as_ref().filter(|n| !names.contains(n)) {
                faults.push(format!(
                    "{}: `{key} = \"{function_name}\"` is not the name of a function",
                    function.name
                ));
            }
        }
        for related_name in function.related.iter().filter(|n| !names.contains(n)) {
            faults.push(format!(
                "{}: `related` names `{related_name}`, which is not a function",
                function.name
            ));
        }
    }
    if faults.is_empty() { Ok(functions) } else { Err(faults) }
}

fn read_function(
    file: &TomlFile,
    offset: usize,
    name: &str,
    group: &str,
    table: &DeTable<'_>,
    faults: &mut Vec<String>,
) -> Option<Function> {
    toml_file::report_unknown_keys(file, table, KEYS, faults);
    let text = |key: &str, faults: &mut Vec<String>| toml_file::text(file, table, key, faults).map(str::to_owned);
    let lower = text("lower", faults);
    if let Some(name) = &lower
        && !Lowering::ALL.iter().any(|(n, _)| n == name)
    {
        faults.push(file.format_error_at(offset, format!("`lower = \"{name}\"` is not the name of a lowering")));
    }
    let mut overloads = Vec::new();
    if toml_file::get(table, "signature").is_some() {
        overloads.extend(read_overload(file, offset, "", table, faults));
    }
    if let Some(more) = toml_file::get(table, "on") {
        for (key, value) in more.get_ref().as_table().into_iter().flatten() {
            match value.get_ref().as_table() {
                Some(table) => {
                    toml_file::report_unknown_keys(file, table, &["signature", "sql", "define", "nulls"], faults);
                    overloads.extend(read_overload(file, key.span().start, key.get_ref(), table, faults));
                }
                None => faults.push(file.format_error_at(key.span().start, "an overload must be a table")),
            }
        }
    }
    if overloads.is_empty() {
        faults.push(file.format_error_at(offset, format!("`{name}` has no signature")));
        return None;
    }
    let defined = overloads.iter().filter(|o| o.define.is_some()).count();
    if defined > 0 && (defined < overloads.len() || lower.is_some()) {
        faults.push(file.format_error_at(
            offset,
            format!("`{name}` has a `define`, so every overload needs a `define`, and `lower` is not allowed"),
        ));
    }
    let lower = if defined > 0 { Some("define".to_owned()) } else { lower };
    let phrase = text("phrase", faults).unwrap_or_default();
    if group != "internal" {
        check_phrase(file, offset, name, &phrase, &overloads, faults);
    }
    let level = text("level", faults).unwrap_or_else(|| "row".into());
    if !["const", "row", "aggregate", "window"].contains(&level.as_str()) {
        faults.push(file.format_error_at(offset, format!("unknown level `{level}`")));
    }
    let nulls = read_null_rule(file, offset, table, faults).unwrap_or_else(|| "any".into());
    let safe_last = read_safe_last(file, offset, table, &nulls, faults);
    let flag = |key: &str| {
        let value = toml_file::get(table, key).and_then(|v| v.get_ref().as_bool());
        value.unwrap_or(false)
    };
    let args = toml_file::get(table, "args")
        .and_then(|v| v.get_ref().as_table())
        .into_iter()
        .flatten()
        .map(|(k, v)| {
            (
                k.get_ref().to_string(),
                v.get_ref().as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    Some(Function {
        name: name.to_owned(),
        group: group.to_owned(),
        category: text("category", faults).unwrap_or_else(|| group.to_owned()),
        summary: text("summary", faults).unwrap_or_default(),
        phrase,
        source: text("source", faults).unwrap_or_default(),
        notes: text("notes", faults).unwrap_or_default(),
        args,
        examples: toml_file::read_texts(file, table, "examples", faults),
        aliases: toml_file::read_texts(file, table, "aliases", faults),
        related: toml_file::read_texts(file, table, "related", faults),
        unverified: text("unverified", faults),
        level,
        nulls,
        safe_last,
        volatile: flag("volatile"),
        discontinuous: flag("discontinuous"),
        empty: text("empty", faults),
        across: text("across", faults),
        window: text("window", faults),
        over: text("over", faults),
        framed: text("framed", faults),
        rows: text("rows", faults),
        gathered: text("gathered", faults),
        of_list: text("of_list", faults),
        caution: text("caution", faults).unwrap_or_default(),
        arity_help: text("arity_help", faults).unwrap_or_default(),
        window_help: text("window_help", faults).unwrap_or_default(),
        lower,
        overloads,
    })
}

fn read_safe_last(
    file: &TomlFile,
    offset: usize,
    table: &DeTable<'_>,
    nulls: &str,
    faults: &mut Vec<String>,
) -> Option<String> {
    let kind = toml_file::text(file, table, "safe_last", faults)?;
    if !["positive", "positive_integer"].contains(&kind) {
        faults.push(file.format_error_at(offset, format!("unknown `safe_last`: `{kind}`")));
    }
    if nulls != "error" {
        faults.push(file.format_error_at(offset, "`safe_last` needs `nulls = \"error\"`"));
    }
    Some(kind.to_owned())
}

/// Checks that a function has a phrase and that each placeholder in the phrase is the name of a parameter.
fn check_phrase(
    file: &TomlFile,
    offset: usize,
    name: &str,
    phrase: &str,
    overloads: &[Overload],
    faults: &mut Vec<String>,
) {
    let params: Vec<String> = overloads.iter().flat_map(|o| parameter_names(&o.signature)).collect();
    let is_known = |name: &str| name == "otherwise" || params.iter().any(|param| param == name);
    if phrase.is_empty() {
        faults.push(file.format_error_at(
            offset,
            format!("`{name}` has no phrase; add a phrase, which `explain` uses to name the function's inputs"),
        ));
    }
    for placeholder in phrase
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split(['}', ':']).next())
    {
        if !is_known(placeholder) {
            faults.push(file.format_error_at(
                offset,
                format!("the phrase of `{name}` has no parameter `{placeholder}`"),
            ));
        }
    }
}

fn read_null_rule(file: &TomlFile, offset: usize, table: &DeTable<'_>, faults: &mut Vec<String>) -> Option<String> {
    let rule = toml_file::text(file, table, "nulls", faults)?;
    if !["any", "always", "error", "never", "all", "skipped"].contains(&rule) {
        faults.push(file.format_error_at(offset, format!("unknown null rule `{rule}`")));
    }
    Some(rule.to_owned())
}

fn read_overload(
    file: &TomlFile,
    key_offset: usize,
    key: &str,
    table: &DeTable<'_>,
    faults: &mut Vec<String>,
) -> Option<Overload> {
    let text = toml_file::text(file, table, "signature", faults).unwrap_or_default();
    let offset = toml_file::get(table, "signature").map_or(key_offset, |v| v.span().start);
    let signature = match signature::parse(text) {
        Ok(signature) => signature,
        Err(fault) => {
            faults.push(file.format_error_at(offset, fault));
            return None;
        }
    };
    let sql = toml_file::get(table, "sql");
    let text = toml_file::text(file, table, "sql", faults)
        .unwrap_or_default()
        .to_owned();
    let mut parsed = None;
    // If the function's file contains no template, the dialect files can define templates. `dialects::read` checks that
    // each dialect has a template.
    if let Some(value) = sql {
        match template::parse(&text, &parameter_names(&signature)) {
            Ok(nodes) => parsed = Some(nodes),
            Err(fault) => faults.push(file.format_error_at(value.span().start, fault)),
        }
    }
    let define = toml_file::text(file, table, "define", faults).map(str::to_owned);
    if define.is_some() && sql.is_some() {
        faults.push(file.format_error_at(offset, "an overload has either `sql` or `define`"));
    }
    let nulls = if key.is_empty() {
        None
    } else {
        read_null_rule(file, offset, table, faults)
    };
    let place = file.format_position(sql.map_or(offset, |v| v.span().start));
    Some(Overload {
        key: key.to_owned(),
        signature,
        nulls,
        define,
        template: parsed,
        place,
    })
}

pub fn parameter_names(signature: &Signature) -> Vec<String> {
    signature.params.iter().map(|p| p.name.clone()).collect()
}

pub fn write(functions: &[Function]) -> String {
    let mut out = String::from("/// Every function, internal ones included.\npub static FUNCTIONS: &[Function] = &[\n");
    let mut overload_id = 0usize;
    for function in functions {
        write_function(&mut out, functions, function);
        for overload in &function.overloads {
            write_overload(&mut out, overload_id, overload);
            overload_id += 1;
        }
        out.push_str("] },\n");
    }
    out.push_str("];\n/// The function of each overload.\npub static OWNERS: &[FunctionId] = &[");
    for (index, function) in functions.iter().enumerate() {
        function.overloads.iter().for_each(|_| {
            let _ = write!(out, "FunctionId({index}),");
        });
    }
    out.push_str("];\n");
    write_names(&mut out, functions);
    write_internal_ids(&mut out, functions);
    out
}

/// Writes the fields of a function that come before its overloads.
fn write_function(output: &mut String, functions: &[Function], function: &Function) {
    let Function {
        name,
        category,
        summary,
        phrase,
        source,
        notes,
        args,
        examples,
        aliases,
        related,
        ..
    } = function;
    let id = |function_name: &Option<String>| {
        let index = function_name
            .as_ref()
            .and_then(|n| functions.iter().position(|f| f.name == *n));
        index.map_or("None".to_owned(), |i| format!("Some(FunctionId({i}))"))
    };
    let (across, window) = (id(&function.across), id(&function.window));
    let (over, framed) = (id(&function.over), id(&function.framed));
    let (rows, gathered) = (id(&function.rows), id(&function.gathered));
    let of_list = id(&function.of_list);
    let empty = function.empty.as_ref().filter(|empty| *empty != BLANK);
    let lower = function
        .lower
        .as_ref()
        .and_then(|l| Lowering::ALL.iter().find(|(n, _)| n == l))
        .map_or("None".to_owned(), |(_, l)| format!("Some(Lowering::{l:?})"));
    let _ = write!(
        output,
        "Function {{ name: {name:?}, category: {category:?}, summary: {summary:?}, phrase: {phrase:?}, source: {source:?}, notes: {notes:?}, \
         args: &{args:?}, examples: &{examples:?}, aliases: &{aliases:?}, related: &{related:?}, unverified: {:?}, level: Level::{}, nulls: Nulls::{}, \
         safe_last: {}, volatile: {}, discontinuous: {}, empty: {:?}, empty_is_error: {}, across: {across}, window: {window}, over: {over}, framed: {framed}, rows: {rows}, gathered: {gathered}, of_list: {of_list}, caution: {:?}, arity_help: {:?}, window_help: {:?}, lower: {lower}, min_arguments: {}, max_arguments: {:?}, has_literal_params: {}, rejects_short_literals: {}, literal_dates: {}, \
         internal: {}, overloads: &[",
        function.unverified,
        capitalize(&function.level),
        capitalize(&function.nulls),
        match function.safe_last.as_deref() {
            Some("positive") => "Some(SafeLast::Positive)",
            Some(_) => "Some(SafeLast::PositiveInteger)",
            None => "None",
        },
        function.volatile,
        function.discontinuous,
        empty,
        is_empty_error(functions, function),
        function.caution,
        function.arity_help,
        function.window_help,
        function
            .overloads
            .iter()
            .map(|o| o.signature.min_arguments())
            .min()
            .unwrap_or(0),
        function.max_arguments(),
        function.overloads.iter().any(|o| o.signature.has_literal_params()),
        function.overloads.iter().any(|o| o.signature.has_restricted_literals()),
        function.overloads.iter().any(|o| o.signature.has_date_type()),
        function.is_internal(),
    );
}

/// Returns whether the NULL that an aggregate returns for no values represents a spreadsheet's error. An internal
/// function follows the rule of the aggregate that it computes.
fn is_empty_error(functions: &[Function], function: &Function) -> bool {
    let is_entry = |aggregate: &&Function| {
        [&aggregate.across, &aggregate.over, &aggregate.framed]
            .into_iter()
            .any(|entry| entry.as_ref() == Some(&function.name))
    };
    let public_function = Some(function).filter(|function| !function.is_internal());
    let mut aggregates = public_function.into_iter().chain(functions.iter().filter(is_entry));
    aggregates.any(|aggregate_function| {
        aggregate_function.level == "aggregate"
            && aggregate_function.empty.is_none()
            && aggregate_function.nulls != "never"
    })
}

fn write_overload(output: &mut String, id: usize, overload: &Overload) {
    let _ = write!(
        output,
        "Overload {{ id: OverloadId({id}), key: {:?}, define: {:?}, nulls: {}, repeated: {}, has_literal_params: {}, min_arguments: {}, result: {}, params: &[",
        overload.key,
        overload.define,
        overload
            .nulls
            .as_ref()
            .map_or("None".to_owned(), |n| format!("Some(Nulls::{})", capitalize(n))),
        overload.signature.repeated,
        overload.signature.has_literal_params(),
        overload.signature.min_arguments(),
        signature::result_code(&overload.signature).unwrap_or_default(),
    );
    for param in &overload.signature.params {
        let _ = write!(
            output,
            "Param {{ name: {:?}, ty: ParamType::{}, optional: {}, default: {:?} }},",
            param.name,
            signature::type_code(&param.ty).unwrap_or_default(),
            param.optional,
            param.default,
        );
    }
    output.push_str("] },");
}

/// Writes the sorted names of the functions that formulas can call.
fn write_names(output: &mut String, functions: &[Function]) {
    let mut names: Vec<(String, usize)> = Vec::new();
    for (index, function) in functions.iter().enumerate().filter(|(_, f)| !f.is_internal()) {
        names.extend(
            std::iter::once(&function.name)
                .chain(&function.aliases)
                .map(|n| (n.to_ascii_uppercase(), index)),
        );
    }
    names.sort();
    output.push_str("/// Callable names in capitals, sorted.\npub static NAMES: &[(&str, FunctionId)] = &[\n");
    for (name, index) in &names {
        let _ = writeln!(output, "({name:?}, FunctionId({index})),");
    }
    let keys: Vec<String> = names.iter().map(|(n, _)| n.clone()).collect();
    let _ = writeln!(
        output,
        "];\n/// Where each name is found.\npub static NAME_SLOTS: &[u16] = &{:?};",
        crate::hash::build_slots(&keys)
    );
}

/// Writes a constant for each function that the compiler itself calls.
fn write_internal_ids(output: &mut String, functions: &[Function]) {
    output.push_str("/// Entries that the compiler itself calls.\n#[allow(missing_docs, dead_code, reason = \"generated\")]\npub mod internal {\nuse super::FunctionId;\n");
    for (index, function) in functions.iter().enumerate() {
        let is_taken = functions
            .iter()
            .any(|f| f.is_internal() && f.name.eq_ignore_ascii_case(&function.name));
        if function.is_internal() || (!is_taken && function.name.chars().all(|c| c.is_ascii_uppercase())) {
            let _ = writeln!(
                output,
                "pub const {}: FunctionId = FunctionId({index});",
                function.name.to_ascii_uppercase().replace('.', "_")
            );
        }
    }
    output.push_str("}\n");
}

pub fn capitalize(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_ascii_uppercase().to_string() + chars.as_str())
}
