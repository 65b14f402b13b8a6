//! Detects variables that look like secrets, so that they are never displayed.

use std::collections::BTreeSet;

use crate::yaml::{self, Node};

/// Text that replaces a secret.
pub const SECRET_MASK: &str = "***";
/// Parts of names that indicate secrets.
const SECRET_NAME_PARTS: [&str; 21] = [
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
    "keyfile",
    "service_account",
    "cookie",
    "session_id",
    "signature",
];
/// Short names of secrets. Each name must be a whole word, because `pat` also occurs in `path` and `sas` in `sasha`.
const SECRET_NAME_WORDS: [&str; 13] = [
    "dsn", "pat", "sas", "pass", "pw", "jwt", "sig", "bearer", "conn", "hmac", "salt", "otp", "pin",
];
/// Name of a secret if no other word qualifies it, because `sort_key` and `primary_key` name columns.
const SECRET_NAME: &str = "key";

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
/// Parts of private keys and of addresses that let everybody post messages.
const SECRET_MARKERS: [&str; 5] = [
    "PRIVATE KEY-----",
    "hooks.slack.com/",
    "discord.com/api/webhooks/",
    "discordapp.com/api/webhooks/",
    "webhook.office.com/",
];
/// Schemes of the HTTP header `Authorization`.
const AUTHORIZATION_SCHEMES: [&str; 2] = ["Bearer", "Basic"];
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
    let is_author = name.contains("author") && !name.contains("authori");
    let is_part = |part: &&str| name.contains(*part) && !(*part == "auth" && is_author);
    let is_word = |word: &str| SECRET_NAME_WORDS.contains(&word);
    SECRET_NAME_PARTS.iter().any(is_part) || name.split('_').any(is_word) || name == SECRET_NAME
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
/// connection strings, private keys, and tokens for well-known services.
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
    let Some(root) = yaml::parse_root(vars) else {
        return out;
    };
    // Replace from the end, so that earlier positions remain valid.
    let mut places: Vec<(usize, usize)> = find_secrets(&root)
        .into_iter()
        .map(|secret| (secret.node.span.start as usize, secret.node.span.end as usize))
        .collect();
    places.sort_unstable();
    for (start, end) in places.into_iter().rev() {
        // The span of a block scalar includes the line break after the value.
        if let Some(value) = vars.get(start..end) {
            out.replace_range(start..start + value.trim_end().len(), SECRET_MASK);
        }
    }
    out
}

/// Returns a string with the secret values of these variables masked. The string may be the output of a program that
/// received the variables.
#[must_use]
pub fn without_secrets(text: &str, vars: &str) -> String {
    let Some(root) = yaml::parse_root(vars) else {
        return text.to_owned();
    };
    let secrets = find_secrets(&root);
    // Skip shorter values, which could also occur inside words.
    let values = secrets
        .iter()
        .map(|secret| secret.value)
        .filter(|value| value.len() >= 4);
    values.fold(text.to_owned(), |text, value| text.replace(value, SECRET_MASK))
}

/// Returns the names of the variables whose values look like secrets, in alphabetical order.
///
/// ```
/// use formulac_sync::secrets::secret_names;
///
/// assert_eq!(secret_names("{start: 2024, db: {password: x y}, api: Bearer x}"), ["api", "password"]);
/// ```
#[must_use]
pub fn secret_names(vars: &str) -> Vec<String> {
    let root = yaml::parse_root(vars);
    let secrets = root.as_ref().map(find_secrets).unwrap_or_default();
    let names: BTreeSet<&str> = secrets.iter().map(|secret| secret.name).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Value that looks like a secret.
struct Secret<'v> {
    /// Key of the value. Empty if the value is not part of a mapping.
    name: &'v str,
    value: &'v str,
    node: &'v Node,
}

fn find_secrets(root: &Node) -> Vec<Secret<'_>> {
    let mut secrets = Vec::new();
    let mut waits: Vec<(&Node, &str, bool)> = vec![(root, "", false)];
    while let Some((node, name, is_secret)) = waits.pop() {
        if let Some(pairs) = node.pairs() {
            waits.extend(pairs.iter().map(|(key, value)| {
                let name = key.text().unwrap_or_default();
                (value, name, is_secret || is_secret_name(name))
            }));
        } else if let Some(items) = node.items() {
            waits.extend(items.iter().map(|item| (item, name, is_secret)));
        } else if let Some(value) = node.text().filter(|text| is_secret || is_secret_value(text)) {
            secrets.push(Secret { name, value, node });
        }
    }
    secrets
}

/// Returns `true` if a value is probably a secret, whatever its name is.
fn is_secret_value(text: &str) -> bool {
    has_password(text)
        || has_oracle_password(text)
        || has_secret_assignment(text)
        || is_token(text)
        || is_authorization(text)
        || SECRET_MARKERS.iter().any(|marker| text.contains(marker))
}

/// Returns `true` if the text is an address with a password or a token: `scheme://name:password@host`.
fn has_password(text: &str) -> bool {
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let before = rest
        .and_then(|rest| rest.split('/').next())
        .and_then(|rest| rest.rsplit_once('@'));
    before.is_some_and(|(before, _)| before.contains(':') || is_token(before))
}

/// Returns `true` if the text is an address as Oracle writes it: `name/password@//host` or `name/password@host:1521`.
fn has_oracle_password(text: &str) -> bool {
    let Some((account, host)) = text.rsplit_once('@') else {
        return false;
    };
    let has_port = host
        .split_once(':')
        .is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()));
    let has_parts = account
        .split_once('/')
        .is_some_and(|(name, password)| !name.is_empty() && !password.is_empty());
    has_parts && !text.contains(char::is_whitespace) && (host.starts_with("//") || has_port)
}

/// Returns `true` if the text is the value of an HTTP header with a token or a password: `Bearer x`.
fn is_authorization(text: &str) -> bool {
    let words = text.trim().split_once(char::is_whitespace);
    words.is_some_and(|(scheme, rest)| {
        AUTHORIZATION_SCHEMES
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
            && !rest.trim().contains(char::is_whitespace)
    })
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
            (
                "authorization: a\nkeyfile_json: a\nservice_account: a\nconn: a\ncookie: a\nsession_id: a\n",
                "authorization: ***\nkeyfile_json: ***\nservice_account: ***\nconn: ***\ncookie: ***\nsession_id: ***\n",
            ),
            (
                "signature: a\nhmac: a\nsalt: a\notp: a\npin: a\nkey: a\nsort_key: b\nspin: c\nauthors: [d]\n",
                "signature: ***\nhmac: ***\nsalt: ***\notp: ***\npin: ***\nkey: ***\nsort_key: b\nspin: c\nauthors: [d]\n",
            ),
            (
                "a: |-\n  -----BEGIN PRIVATE KEY-----\n  MIIE\nb: Bearer abc\nc: https://hooks.slack.com/services/T/B/x\n",
                "a: |-\n  ***\nb: ***\nc: ***\n",
            ),
            (
                "a: me/pw@//h:1521\nb: me/pw@h:1521/x\nc: https://ghp_abcdefghijklmnop1234@github.com/x\n",
                "a: ***\nb: ***\nc: ***\n",
            ),
            (
                "a: actions/checkout@v4\nb: basic plan only\nc: https://x/y:1@z\n",
                "a: actions/checkout@v4\nb: basic plan only\nc: https://x/y:1@z\n",
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
