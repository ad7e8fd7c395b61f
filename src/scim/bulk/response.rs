//! The answer to a bulk request (RFC 7644 section 3.7.3).

use serde_json::{Map, Value, json};

use crate::scim::bulk::request::Verb;
use crate::scim::urn;

/// What came of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationResult {
    /// Its method; `None` when it named none that exists.
    pub verb: Option<Verb>,
    /// Its bulkId.
    pub bulk_id: Option<String>,
    /// Where the resource is; `None` after a creation that failed.
    pub location: Option<String>,
    /// The resource's version, where resources have one.
    pub version: Option<String>,
    /// HTTP status.
    pub status: u16,
    /// The body of the answer. Left out where all went well, because the resource can be read at
    /// its location.
    pub response: Option<Value>,
}

impl OperationResult {
    /// Whether the operation did what it was to do.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A `BulkResponse`.
pub fn bulk_response(results: impl IntoIterator<Item = OperationResult>) -> Value {
    let operations: Value = results.into_iter().map(element).collect();
    json!({ "schemas": [urn::BULK_RESPONSE], "Operations": operations })
}

fn element(result: OperationResult) -> Value {
    let OperationResult { verb, bulk_id, location, version, status, response } = result;
    let members = [
        ("location", location.map(Value::from)),
        ("method", verb.map(|verb| Value::from(verb.name()))),
        ("bulkId", bulk_id.map(Value::from)),
        ("version", version.map(Value::from)),
        ("response", response),
        // A string on the wire, as in an error.
        ("status", Some(Value::from(status.to_string()))),
    ];
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<String, Value>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::scim::bulk::request::Verb;
    use crate::scim::bulk::response::{OperationResult, bulk_response};

    #[test]
    fn an_operation_is_told_with_what_it_has() {
        let done = OperationResult {
            verb: Some(Verb::Post),
            bulk_id: Some("qwerty".to_owned()),
            location: Some("https://example.com/v2/Users/92b725cd".to_owned()),
            version: Some("W/\"4weymrEsh5O6cAEK\"".to_owned()),
            status: 201,
            response: None,
        };
        let failed = OperationResult {
            verb: None,
            bulk_id: None,
            location: None,
            version: None,
            status: 400,
            response: Some(json!({ "status": "400" })),
        };
        assert!(done.is_success() && !failed.is_success());
        let expected = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],
            "Operations": [
                {
                    "location": "https://example.com/v2/Users/92b725cd",
                    "method": "POST",
                    "bulkId": "qwerty",
                    "version": "W/\"4weymrEsh5O6cAEK\"",
                    "status": "201",
                },
                { "response": { "status": "400" }, "status": "400" },
            ],
        });
        assert_eq!(bulk_response([done, failed]), expected);
    }
}
