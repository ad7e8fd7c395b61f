//! A mapping's configuration variables, filled with what the installation supplies.

use serde_json::{Map, Value};

use crate::mapping::model::{ConfigType, ConfigVar};

/// Most resources in one answer.
pub const MAX_RESULTS: u64 = 1000;

/// Values of a mapping's variables, checked.
#[derive(Clone)]
pub struct Settings {
    /// Every value, secrets included: for signing in.
    pub all: Value,
    /// The values that requests may show.
    pub open: Value,
}

/// Fills the variables of a mapping; all faults at once, none of them with a value in it.
pub fn fill(
    variables: &[ConfigVar],
    supplied: &Map<String, Value>,
) -> Result<Settings, Vec<String>> {
    let mut faults = Vec::new();
    let (mut all, mut open) = (Map::new(), Map::new());
    for name in supplied.keys() {
        if !variables.iter().any(|variable| variable.name == *name) {
            faults.push(format!("\"{name}\" is not a variable of the mapping"));
        }
    }
    for variable in variables {
        let value = match supplied.get(&variable.name).or(variable.default.as_ref()) {
            Some(value) => match typed(variable, value) {
                Ok(value) => value,
                Err(expected) => {
                    faults.push(format!("\"{}\" must be {expected}", variable.name));
                    continue;
                }
            },
            None if variable.required => {
                let doc = variable.doc.as_ref().map(|doc| format!(" ({doc})")).unwrap_or_default();
                faults.push(format!("\"{}\" is required{doc}", variable.name));
                continue;
            }
            None => Value::Null,
        };
        if !variable.secret {
            open.insert(variable.name.clone(), value.clone());
        }
        all.insert(variable.name.clone(), value);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Settings { all: Value::Object(all), open: Value::Object(open) })
}

/// The value in the variable's type. Text is understood for every type: the environment and
/// files hold nothing else.
fn typed(variable: &ConfigVar, value: &Value) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err("a single value".to_owned()),
    };
    let value = match variable.kind {
        ConfigType::String => Some(Value::from(text.as_str())),
        ConfigType::Integer => text.trim().parse::<i64>().ok().map(Value::from),
        ConfigType::Boolean => text.trim().parse::<bool>().ok().map(Value::from),
        ConfigType::Url => is_http_url(&text).then(|| Value::from(text.trim_end_matches('/'))),
        ConfigType::Duration => is_duration(&text).then(|| Value::from(text.as_str())),
    };
    let value = value.ok_or_else(|| expected(variable.kind).to_owned())?;
    if !variable.allowed.is_empty() && !variable.allowed.contains(&value) {
        let allowed: Vec<String> = variable.allowed.iter().map(Value::to_string).collect();
        return Err(format!("one of {}", allowed.join(", ")));
    }
    Ok(value)
}

fn expected(kind: ConfigType) -> &'static str {
    match kind {
        ConfigType::String => "text",
        ConfigType::Integer => "a whole number",
        ConfigType::Boolean => "true or false",
        ConfigType::Url => "an absolute http or https URL",
        ConfigType::Duration => "a duration such as 250ms, 10s, 5m or 1h",
    }
}

fn is_http_url(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_duration(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    digits.parse::<u64>().is_ok() && matches!(unit, "ms" | "s" | "m" | "h")
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::app::settings::fill;
    use crate::mapping::model::{ConfigType, ConfigVar};

    fn variable(name: &str, kind: ConfigType) -> ConfigVar {
        ConfigVar {
            name: name.to_owned(),
            kind,
            default: None,
            required: true,
            secret: false,
            allowed: Vec::new(),
            doc: None,
        }
    }

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn text_becomes_what_the_variable_is() {
        let variables =
            [variable("port", ConfigType::Integer), variable("on", ConfigType::Boolean)];
        let settings = fill(&variables, &map(&json!({ "port": "80", "on": "true" }))).ok().unwrap();
        assert_eq!(settings.all, json!({ "port": 80, "on": true }));
    }

    #[test]
    fn a_url_loses_its_trailing_slash() {
        let supplied = map(&json!({ "url": "https://hub.example.com/hub/api/" }));
        let settings = fill(&[variable("url", ConfigType::Url)], &supplied).ok().unwrap();
        assert_eq!(settings.all, json!({ "url": "https://hub.example.com/hub/api" }));
    }

    #[test]
    fn secrets_are_not_open() {
        let secret = ConfigVar { secret: true, ..variable("key", ConfigType::String) };
        let settings = fill(&[secret], &map(&json!({ "key": "x" }))).ok().unwrap();
        assert_eq!((settings.all, settings.open), (json!({ "key": "x" }), json!({})));
    }

    #[test]
    fn every_fault_is_named_and_no_value() {
        let variables = [variable("port", ConfigType::Integer), variable("url", ConfigType::Url)];
        let faults =
            fill(&variables, &map(&json!({ "port": "hunter2", "prot": 1 }))).err().unwrap();
        assert_eq!(
            faults,
            [
                "\"prot\" is not a variable of the mapping",
                "\"port\" must be a whole number",
                "\"url\" is required"
            ]
        );
    }
}
