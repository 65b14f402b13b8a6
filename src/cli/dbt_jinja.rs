//! Renders values from dbt's YAML files, which may contain Jinja.

use formulac::dbt::{JinjaKind, call_arguments, jinja_parts, jinja_string, split_arguments};

/// Returns a value without Jinja unchanged, and replaces `{{ env_var('NAME', 'default') }}` and `{{ var('name',
/// 'default') }}` with the values that dbt would use. Returns `None` if the value contains other Jinja, or a
/// variable without a value.
pub fn render_variables(value: &str, var: impl Fn(&str) -> Option<String>) -> Option<String> {
    let removes_whitespace = value.contains("{{-") || value.contains("-}}");
    let parts = jinja_parts(value).map(|part| match part.kind {
        JinjaKind::Text => Some(part.code.to_owned()),
        JinjaKind::Expression if part.is_closed && !removes_whitespace => eval_call(part.code, &var),
        _ => None,
    });
    parts.collect()
}

/// Evaluates a call to `env_var` or `var`. The default value may be another call.
fn eval_call(mut call: &str, var: &impl Fn(&str) -> Option<String>) -> Option<String> {
    loop {
        let of_environment = call_arguments(call, "env_var");
        let mut arguments = split_arguments(of_environment.or_else(|| call_arguments(call, "var"))?);
        let name = jinja_string(arguments.next()?)?;
        let value = match of_environment {
            Some(_) => std::env::var(name).ok(),
            None => var(name),
        };
        let default = arguments.next().map(str::trim);
        let is_bare = |text: &&str| ["true", "false"].contains(&text.to_ascii_lowercase().as_str());
        let configured = || {
            default
                .and_then(jinja_string)
                .or(default.filter(is_bare))
                .map(str::to_owned)
        };
        if let Some(value) = value.or_else(configured) {
            return Some(value);
        }
        call = default?;
    }
}

/// Returns the environment variables that a value needs and that are not set: those in `env_var('NAME')`, without a
/// default.
pub fn unset_variables(value: &str) -> Vec<String> {
    let calls = value.split("env_var").skip(1);
    let name = |call: &str| {
        let (name, _) = call.trim_start().strip_prefix('(')?.split_once(')')?;
        let name = jinja_string(name)?;
        std::env::var_os(name).is_none().then(|| name.to_owned())
    };
    calls.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::{render_variables, unset_variables};

    #[test]
    fn variables_without_a_value_are_found() {
        for (text, expected) in [
            ("dev", vec![]),
            (
                "{{ env_var('FORMULAC_NO_SUCH_VARIABLE') }}",
                vec!["FORMULAC_NO_SUCH_VARIABLE"],
            ),
            (
                "{{ env_var( \"FORMULAC_NO_SUCH_VARIABLE\" ) | int }}",
                vec!["FORMULAC_NO_SUCH_VARIABLE"],
            ),
            ("{{ env_var('FORMULAC_NO_SUCH_VARIABLE', 'a') }}", vec![]),
            (
                "a{{ env_var('PATH') }}{{ env_var('FORMULAC_NO_SUCH_VARIABLE')}}",
                vec!["FORMULAC_NO_SUCH_VARIABLE"],
            ),
            ("env_var(", vec![]),
        ] {
            assert_eq!(unset_variables(text), expected, "{text}");
        }
    }

    #[test]
    fn calls_of_env_var_and_var_are_replaced() {
        let var = |name: &str| (name == "folder").then(|| "marts".to_owned());
        for (text, expected) in [
            ("dev", Some("dev")),
            ("{{ env_var('FORMULAC_NO_SUCH_VARIABLE', 'dev') }}", Some("dev")),
            ("{{env_var(\"FORMULAC_NO_SUCH_VARIABLE\")}}", None),
            ("{{ target.name }}", None),
            ("{{ env_var('FORMULAC_NO_SUCH_VARIABLE', 'a') ~ 'b' }}", None),
            ("{{ env_var('FORMULAC_NO_SUCH_VARIABLE', 'a') | upper }}", None),
            ("{{ env_var('FORMULAC_NO_SUCH_VARIABLE', default) }}", None),
            (
                "a/{{ env_var('FORMULAC_NO_SUCH_VARIABLE', 'b, c') }}/{{ var('folder') }}",
                Some("a/b, c/marts"),
            ),
            ("{{ var('other', 'x') }}", Some("x")),
            ("{{ var('other') }}", None),
            (
                "{{ env_var('FORMULAC_NO_SUCH_VARIABLE', var('other', var('folder'))) }}",
                Some("marts"),
            ),
            ("{{ var('other', false) }}", Some("false")),
            ("{{ env_var('X', 'b')", None),
            ("{% if true %}a{% endif %}", None),
            ("a {{- var('folder') }}", None),
            ("{{ var('other', '}}') }}", Some("}}")),
        ] {
            assert_eq!(render_variables(text, var).as_deref(), expected, "{text}");
        }
    }
}
