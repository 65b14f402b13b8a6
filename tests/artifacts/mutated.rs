//! Tests artifacts that are truncated or damaged, or that contain values in the wrong position. The result must be an
//! error or data, but never a panic.

use formulac::Dialect;
use formulac::artifacts::{Catalog, Manifest, ManifestReadOptions, RunResults, SourceResults, last_results};
use proptest::prelude::*;
use serde_json::Value;

const TEXTS: [&str; 6] = [
    super::KINDS,
    super::V1_10,
    include_str!("kinds/catalog.json"),
    include_str!("kinds/run_results_build.json"),
    include_str!("dbt_1_12/sources.json"),
    include_str!("dbt_1_12/run_results.json"),
];

/// Parses a string as each kind of artifact, and uses the results. Returns the number of artifact kinds that accept the
/// string.
fn parse_as_each_artifact(text: &str) -> usize {
    let mut taken = 0;
    let catalog = Catalog::from_text(text);
    match Manifest::from_text(
        text,
        ManifestReadOptions::default().with_raw_code().with_compiled_code(),
    ) {
        Ok(manifest) => {
            taken += 1;
            let tests = manifest.data_tests();
            assert!(tests.iter().filter(|test| test.proves_condition_for_all_rows()).count() <= tests.len());
            drop((
                manifest.parents(),
                manifest.children(),
                formulac::artifacts::graph_nodes(&manifest),
            ));
            let _ = formulac::known::from_dbt(&manifest, catalog.as_ref().ok(), Dialect::default());
        }
        Err(error) => drop((error.to_string(), error.help(), error.offset(text))),
    }
    taken += usize::from(catalog.is_ok());
    if let Ok(results) = RunResults::from_text(text) {
        taken += 1;
        let _ = last_results(&[results.clone(), results]);
    }
    taken + usize::from(SourceResults::from_text(text).is_ok())
}

fn odd_value() -> impl Strategy<Value = Value> {
    let deep = (0..100).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    prop_oneof![
        Just(Value::Null),
        Just(Value::from(true)),
        Just(Value::from(-1)),
        Just(Value::from(u64::MAX)),
        Just(Value::from(1e300)),
        Just(Value::from("")),
        Just(Value::from("{{ ref('a') }}')\"`\u{0}\n")),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
        Just(serde_json::json!({"name": "x", "arguments": {"a": [1, null]}, "nodes": "x"})),
        Just(serde_json::json!(["x", ["y", 2], null])),
        Just(deep),
    ]
}

/// Writes a value at the position that a list of indexes specifies.
fn put(root: &mut Value, way: &[prop::sample::Index], new: Value) {
    let mut at = root;
    for index in way {
        let next: Option<&mut Value> = match at {
            Value::Array(items) if !items.is_empty() => {
                let chosen = index.index(items.len());
                items.get_mut(chosen)
            }
            Value::Object(fields) if !fields.is_empty() => {
                let chosen = index.index(fields.len());
                fields.values_mut().nth(chosen)
            }
            _ => return,
        };
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
    *at = new;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_truncated_artifact_is_an_error(number in 0..TEXTS.len(), at in any::<prop::sample::Index>()) {
        let text = TEXTS[number].trim_end();
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        prop_assert_eq!(parse_as_each_artifact(&text[..at]), 0);
    }

    #[test]
    fn damaged_bytes_do_not_panic(number in 0..TEXTS.len(), changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:0-eNn\\u \x01".to_vec())), 1..4)) {
        let mut bytes = TEXTS[number].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            if bytes[at].is_ascii() {
                bytes[at] = byte;
            }
        }
        parse_as_each_artifact(&String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn unexpected_json_values_do_not_panic(
        number in 0..TEXTS.len(),
        changes in prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 1..7), odd_value()), 1..5),
    ) {
        let mut value: Value = serde_json::from_str(TEXTS[number]).unwrap();
        for (way, new) in changes {
            put(&mut value, &way, new);
        }
        parse_as_each_artifact(&value.to_string());
    }
}

#[test]
fn nesting_is_limited_only_in_values_that_are_kept() {
    let deep = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
    let at = |key: &str, count: usize| format!(r#"{{"nodes": {{"model.p.m": {{"{key}": {}}}}}}}"#, deep(count));
    assert_eq!(parse_as_each_artifact(&at("meta", 50)), 2);
    let error = Manifest::from_text(&at("meta", 100_000), ManifestReadOptions::default()).unwrap_err();
    assert!(error.reason().starts_with("recursion limit exceeded"), "{error}");
    assert!(Manifest::from_text(&at("not_known", 100_000), ManifestReadOptions::default()).is_ok());
}
