//! `strip_prefix` and `strip_suffix`: what the application puts around a value.

use serde_json::Value;

use crate::mapping::transform::kind::{Class, Transform, TransformError, TransformFault};

/// `strip_prefix` or `strip_suffix`.
#[derive(Debug)]
pub(crate) struct Affix {
    side: Side,
    text: String,
}

/// Where the text stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// Before the value.
    Prefix,
    /// After the value.
    Suffix,
}

impl Affix {
    /// With the text as argument.
    pub(crate) fn build(side: Side, argument: &Value) -> Result<Self, TransformFault> {
        match argument.as_str() {
            Some(text) if !text.is_empty() => Ok(Self { side, text: text.to_owned() }),
            Some(_) | None => Err(TransformFault::BadArgument {
                name: name(side),
                message: "it takes the text to strip".to_owned(),
            }),
        }
    }
}

impl Transform for Affix {
    fn name(&self) -> &'static str {
        name(self.side)
    }

    fn to_scim(&self, native: &Value) -> Result<Value, TransformError> {
        let transform = self.name();
        let error = TransformError::NotOfType { transform, expected: "a text" };
        let text = native.as_str().ok_or(error)?;
        let rest = match self.side {
            Side::Prefix => text.strip_prefix(&self.text),
            Side::Suffix => text.strip_suffix(&self.text),
        };
        rest.map(Value::from).ok_or(TransformError::NoCounterpart { transform })
    }

    fn to_native(&self, scim: &Value, _: Option<&Value>) -> Result<Value, TransformError> {
        let error = TransformError::NotOfType { transform: self.name(), expected: "a text" };
        let text = scim.as_str().ok_or(error)?;
        Ok(Value::from(match self.side {
            Side::Prefix => format!("{}{text}", self.text),
            Side::Suffix => format!("{text}{}", self.text),
        }))
    }

    fn class(&self) -> Class {
        Class::Iso
    }

    fn samples(&self) -> Vec<Value> {
        // The text itself may stand at the end where it is stripped.
        let texts = ["123", "Ünï cöde", "", self.text.as_str(), " 1 "];
        texts.map(Value::from).to_vec()
    }

    fn native_samples(&self) -> Vec<Value> {
        let samples = self.samples();
        samples.iter().filter_map(|scim| self.to_native(scim, None).ok()).collect()
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Prefix => "strip_prefix",
        Side::Suffix => "strip_suffix",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::mapping::transform::affix::{Affix, Side};
    use crate::mapping::transform::kind::{Transform, laws};

    #[test]
    fn strips_and_adds() {
        let prefix = Affix::build(Side::Prefix, &json!("auth0|")).unwrap();
        assert_eq!(prefix.to_scim(&json!("auth0|123")), Ok(json!("123")));
        assert_eq!(prefix.to_native(&json!("123"), None), Ok(json!("auth0|123")));
        assert!(prefix.to_scim(&json!("saml|123")).is_err());
        assert!(prefix.to_scim(&json!(123)).is_err());
        let suffix = Affix::build(Side::Suffix, &json!("@x.org")).unwrap();
        assert_eq!(suffix.to_scim(&json!("ada@x.org")), Ok(json!("ada")));
    }

    proptest! {
        #[test]
        fn laws_hold(text in "[ab|]{0,6}", other in any::<String>()) {
            for side in [Side::Prefix, Side::Suffix] {
                let transform = Affix::build(side, &json!("a|")).unwrap();
                laws::hold_for_native(&transform, &json!(text));
                laws::hold_for_scim(&transform, &json!(text));
                laws::hold_for_native(&transform, &json!(other));
                laws::hold_for_native(&transform, &json!(format!("a|{other}a|")));
                laws::hold_for_scim(&transform, &json!(other));
            }
        }
    }
}
