//! Detects variables that look like secrets, so that they are never displayed.

use crate::yaml::{self, Node};

/// Text that replaces a secret.
pub const SECRET_MASK: &str = "***";
/// Parts of names that indicate secrets.
const SECRET_NAME_PARTS: [&str; 16] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "private_key",
    "credential",
    "auth",
    "access_key",
    "account_key",
    "connection_string",
    "connstr",
    "webhook",
];
/// Short names of secrets. Each name must be a whole word, because `pat` also occurs in `path` and `sas` in `sasha`.
const SECRET_NAME_WORDS: [&str; 8] = ["dsn", "pat", "sas", "pass", "pw", "jwt", "sig", "bearer"];

/// Token prefixes of well-known services: GitHub, GitLab, Slack, `OpenAI` and Stripe, AWS, Google, dbt, and JSON Web
/// Tokens.
const TOKEN_PREFIXES: [&str; 21] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "dbtc_",
    "dbtu_",
    "eyJ",
];
/// Minimum length of a token. A shorter string is assumed to be an ordinary word.
const MIN_TOKEN_LENGTH: usize = 16;

/// Returns `true` if a variable with this name probably contains a secret.
///
/// ```
/// use formulac_sync::secrets::is_secret_name;
///
/// assert!(is_secret_name("WAREHOUSE_PASSWORD") && is_secret_name("apiKey") && is_secret_name("github_pat"));
/// assert!(!is_secret_name("start_date") && !is_secret_name("author") && !is_secret_name("path"));
/// ```
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = snake_case(name);
    let is_part = |part: &&str| name.contains(*part) && !(*part == "auth" && name.contains("author"));
    SECRET_NAME_PARTS.iter().any(is_part) || name.split('_').any(|word| SECRET_NAME_WORDS.contains(&word))
}

/// Converts a name to snake case: `AccountKey` and `account-key` to `account_key`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && was_lower {
            snake.push('_');
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
        match c.is_alphanumeric() {
            true => snake.extend(c.to_lowercase()),
            false => snake.push('_'),
        }
    }
    snake
}

/// Returns variables as YAML with secrets masked: values whose names suggest a secret, addresses with a password,
/// connection strings, and tokens for well-known services.
///
/// ```
/// use formulac_sync::secrets::mask_secrets;
///
/// assert_eq!(mask_secrets("{start: 2024, db: {password: x y}}"), "{start: 2024, db: {password: ***}}");
/// assert_eq!(mask_secrets("url: postgres://me:pw@host/db"), "url: ***");
/// assert_eq!(mask_secrets("warehouse: Server=x;Pwd=y"), "warehouse: ***");
/// assert_eq!(mask_secrets("gh: ghp_abcdefghijklmnopqrst"), "gh: ***");
/// ```
#[must_use]
pub fn mask_secrets(vars: &str) -> String {
    let mut out = vars.to_owned();
    // Replace from the end, so that earlier positions remain valid.
    let mut places: Vec<(usize, usize)> = find_secrets(vars)
        .into_iter()
        .map(|(start, end, _)| (start, end))
        .collect();
    places.sort_unstable();
    for (start, end) in places.into_iter().rev() {
        if out.is_char_boundary(start) && out.is_char_boundary(end) {
            out.replace_range(start..end, SECRET_MASK);
        }
    }
    out
}

/// Returns a string with the secret values of these variables masked. The string may be the output of a program that
/// received the variables.
#[must_use]
pub fn without_secrets(text: &str, vars: &str) -> String {
    find_secrets(vars)
        .into_iter()
        .fold(text.to_owned(), |text, (_, _, value)| {
            // Skip shorter values, which could also occur inside words.
            if value.len() < 4 {
                text
            } else {
                text.replace(&value, SECRET_MASK)
            }
        })
}

/// Returns the values that look like secrets, each with its start and end offsets.
fn find_secrets(vars: &str) -> Vec<(usize, usize, String)> {
    let Some(root) = yaml::parse_root(vars) else {
        return Vec::new();
    };
    let mut secrets = Vec::new();
    let mut waits: Vec<(&Node, bool)> = vec![(&root, false)];
    while let Some((node, is_secret)) = waits.pop() {
        if let Some(pairs) = node.pairs() {
            waits.extend(
                pairs
                    .iter()
                    .map(|(key, value)| (value, is_secret || key.text().is_some_and(is_secret_name))),
            );
        } else if let Some(items) = node.items() {
            waits.extend(items.iter().map(|item| (item, is_secret)));
        } else if let Some(text) = node
            .text()
            .filter(|text| is_secret || has_password(text) || has_secret_assignment(text) || is_token(text))
        {
            secrets.push((node.span.start as usize, node.span.end as usize, text.to_owned()));
        }
    }
    secrets
}

/// Returns `true` if the text is an address with a password: `scheme://name:password@host`.
fn has_password(text: &str) -> bool {
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let before = rest
        .and_then(|rest| rest.split('/').next())
        .and_then(|rest| rest.rsplit_once('@'));
    before.is_some_and(|(before, _)| before.contains(':'))
}

/// Returns `true` if the text looks like a token for a well-known service.
fn is_token(text: &str) -> bool {
    let is_one_word = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    text.len() >= MIN_TOKEN_LENGTH && is_one_word && TOKEN_PREFIXES.iter().any(|token| text.starts_with(token))
}

/// Returns `true` if the text contains `name=value` with a secret name, as in `Server=x;Pwd=y` and `https://x/?sig=y`.
fn has_secret_assignment(text: &str) -> bool {
    let pairs = text.split(|c: char| matches!(c, ';' | '&' | '?' | ',') || c.is_whitespace());
    pairs
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| !value.is_empty() && is_secret_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_names_are_masked() {
        for (vars, expected) in [
            (
                "a: 1\nsecret_key: 'x: y'\nb: 2 # c\n",
                "a: 1\nsecret_key: ***\nb: 2 # c\n",
            ),
            ("tokens: [a1, b2]\n", "tokens: [***, ***]\n"),
            ("\"API-Key\": \"x\\\"y\"\n", "\"API-Key\": ***\n"),
            ("author: me\nkeys: [id]\n", "author: me\nkeys: [id]\n"),
            (
                "dsn: a\npat: b\nsas: c\npath: d\n",
                "dsn: ***\npat: ***\nsas: ***\npath: d\n",
            ),
            ("a: 'Server=x;Uid=me;Pwd=y'\nb: host=x password=y\n", "a: ***\nb: ***\n"),
            (
                "a: https://x/y?se=1&sig=z\nb: AccountName=x;AccountKey=y==\n",
                "a: ***\nb: ***\n",
            ),
            ("where: a = 1; b\nopen: sig=\n", "where: a = 1; b\nopen: sig=\n"),
            (
                "gh: ghp_abcdefghijklmnop1234\naws: AKIAABCDEFGHIJKLMNOP\nname: ghp_short\n",
                "gh: ***\naws: ***\nname: ghp_short\n",
            ),
            ("- no\n- mapping\n", "- no\n- mapping\n"),
            ("a: [", "a: ["),
        ] {
            assert_eq!(mask_secrets(vars), expected);
        }
        assert_eq!(
            without_secrets("no hunter2 here: a1", "{password: hunter2, token: a1}"),
            "no *** here: a1"
        );
    }
}
