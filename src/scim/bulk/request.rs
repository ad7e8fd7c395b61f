//! Reading a bulk request (RFC 7644 section 3.7).
//!
//! What is wrong with the message as a whole refuses it; what is wrong with one operation refuses
//! that one, because the others must go on (section 3.7.3). Deliberately absent: what the
//! operations do; their paths and bodies are judged as those of single requests are.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use serde_json::{Map, Value};

use crate::scim::bulk::error::{BulkError, OperationError};
use crate::scim::bulk::reference;
use crate::scim::deviation::{Deviation, Deviations};
use crate::scim::segment;
use crate::scim::urn;
use crate::scim::value::Dialect;

/// The most operations of one request.
pub const MAX_OPERATIONS: usize = 1000;

/// The largest request, in bytes. The transport takes no larger body by default.
pub const MAX_PAYLOAD_SIZE: usize = 1024 * 1024;

/// A bulk request.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest {
    /// After how many errors no further operation is begun; `None` after no number of them.
    pub fail_on_errors: Option<NonZeroUsize>,
    /// The operations, in the order of the request.
    pub operations: Vec<Operation>,
}

/// One operation, as far as it can be understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its method; `None` when it names none that exists.
    pub verb: Option<Verb>,
    /// Its bulkId, which is repeated in the answer.
    pub bulk_id: Option<String>,
    /// What it asks for, or why that cannot be done.
    pub call: Result<Call, OperationError>,
}

/// What an operation asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method.
    pub verb: Verb,
    /// The path below the SCIM base, percent-decoded; a segment may be a reference.
    pub segments: Vec<String>,
    /// The version that the resource must have.
    pub version: Option<String>,
    /// The body; null for DELETE.
    pub data: Value,
    /// The bulkIds that path and body refer to.
    pub references: BTreeSet<String>,
}

/// A method of a bulk request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Creates a resource.
    Post,
    /// Replaces one.
    Put,
    /// Changes one.
    Patch,
    /// Deletes one.
    Delete,
}

impl Verb {
    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl BulkRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// The body is not a bulk request, or has too many operations. Faults of single operations
    /// stand in [`Operation::call`].
    pub fn parse(body: &Value, dialect: Dialect) -> Result<Self, BulkError> {
        Self::parse_noting(body, dialect, &mut Deviations::default())
    }

    /// Reads a body, and notes what only the lenient dialect understands.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_noting(
        body: &Value,
        dialect: Dialect,
        noted: &mut Deviations,
    ) -> Result<Self, BulkError> {
        let members = body.as_object().ok_or(BulkError::NotABulk("it is not an object"))?;
        check_schemas(member(members, "schemas"), dialect, noted)?;
        let fail_on_errors = fail_on_errors(member(members, "failOnErrors"), dialect, noted)?;
        let Some(Value::Array(list)) = member(members, "Operations") else {
            return Err(BulkError::NotABulk("`Operations` is not an array"));
        };
        if list.is_empty() {
            return Err(BulkError::NotABulk("`Operations` is empty"));
        }
        if list.len() > MAX_OPERATIONS {
            return Err(BulkError::TooManyOperations { most: MAX_OPERATIONS });
        }
        let mut operations: Vec<Operation> =
            list.iter().map(|written| operation(written, dialect, noted)).collect();
        refuse_duplicates(&mut operations);
        refuse_unknown_references(&mut operations);
        Ok(Self { fail_on_errors, operations })
    }
}

fn check_schemas(
    schemas: Option<&Value>,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<(), BulkError> {
    let is_bulk = |value: &Value| {
        value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(urn::BULK_REQUEST))
    };
    match schemas {
        Some(Value::Array(list)) if list.iter().any(is_bulk) => Ok(()),
        Some(Value::Array(list)) if !list.is_empty() => {
            Err(BulkError::NotABulk("`schemas` does not contain the BulkRequest URN"))
        }
        _ if dialect == Dialect::Lenient => {
            noted.note(Deviation::MissingSchemas);
            Ok(())
        }
        _ => Err(BulkError::NotABulk("`schemas` is missing")),
    }
}

fn fail_on_errors(
    written: Option<&Value>,
    dialect: Dialect,
    noted: &mut Deviations,
) -> Result<Option<NonZeroUsize>, BulkError> {
    let Some(value) = written.filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().ok_or(BulkError::FailOnErrors)?;
    // Clients whose number is always there mean by 0 that they have set none.
    if number == 0 && dialect == Dialect::Lenient {
        noted.note(Deviation::ZeroErrors);
        return Ok(None);
    }
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    NonZeroUsize::new(number).map(Some).ok_or(BulkError::FailOnErrors)
}

fn operation(written: &Value, dialect: Dialect, noted: &mut Deviations) -> Operation {
    let Some(members) = written.as_object() else {
        let call = Err(OperationError::NotAnObject);
        return Operation { verb: None, bulk_id: None, call };
    };
    let verb = text(members, "method");
    let verb = verb.and_then(|text| verb_of(text, dialect, noted).ok_or(OperationError::Method));
    let bulk_id = text(members, "bulkId").ok().map(str::to_owned);
    let call = verb.clone().and_then(|verb| call(verb, members));
    Operation { verb: verb.ok(), bulk_id, call }
}

fn verb_of(text: &str, dialect: Dialect, noted: &mut Deviations) -> Option<Verb> {
    let verbs = [Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];
    let exact = verbs.iter().find(|verb| verb.name() == text);
    if exact.is_some() || dialect == Dialect::Strict {
        return exact.copied();
    }
    let found = verbs.into_iter().find(|verb| verb.name().eq_ignore_ascii_case(text))?;
    noted.note(Deviation::MethodCase);
    Some(found)
}

fn call(verb: Verb, members: &Map<String, Value>) -> Result<Call, OperationError> {
    let segments = segments(text(members, "path")?)?;
    if verb == Verb::Post || is_there(members, "bulkId") {
        text(members, "bulkId")?;
    }
    let version = if is_there(members, "version") {
        Some(text(members, "version")?.to_owned())
    } else {
        None
    };
    let data = match verb {
        Verb::Delete => Value::Null,
        Verb::Post | Verb::Put | Verb::Patch => member(members, "data")
            .filter(|data| !data.is_null())
            .cloned()
            .ok_or(OperationError::Missing { member: "data" })?,
    };
    let in_path = segments.iter().filter_map(|segment| reference::of(segment));
    let references = in_path.map(str::to_owned).chain(reference::all(&data)).collect();
    Ok(Call { verb, segments, version, data, references })
}

fn segments(path: &str) -> Result<Vec<String>, OperationError> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let segments: Option<Vec<String>> = parts.map(segment::decode).collect();
    let segments = segments.ok_or(OperationError::Path)?;
    let first = segments.first().ok_or(OperationError::Path)?;
    let is_search = |segment: &String| segment.eq_ignore_ascii_case(".search");
    if first.eq_ignore_ascii_case("Bulk") || segments.iter().any(is_search) {
        return Err(OperationError::Nested);
    }
    Ok(segments)
}

/// Of resources under one bulkId none can be referred to, so none of them is made.
fn refuse_duplicates(operations: &mut [Operation]) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for bulk_id in operations.iter().filter_map(created) {
        *count.entry(bulk_id.to_owned()).or_default() += 1;
    }
    for operation in operations {
        let times = created(operation).and_then(|bulk_id| count.get(bulk_id));
        if times.is_some_and(|times| *times > 1) && operation.call.is_ok() {
            operation.call = Err(OperationError::Duplicate);
        }
    }
}

/// The bulkId under which an operation creates a resource.
fn created(operation: &Operation) -> Option<&str> {
    if operation.verb != Some(Verb::Post) {
        return None;
    }
    operation.bulk_id.as_deref()
}

fn refuse_unknown_references(operations: &mut [Operation]) {
    let sound = operations.iter().filter(|operation| operation.call.is_ok());
    let known: BTreeSet<String> = sound.filter_map(created).map(str::to_owned).collect();
    for operation in operations {
        if operation.call.as_ref().is_ok_and(|call| !call.references.is_subset(&known)) {
            operation.call = Err(OperationError::UnknownReference);
        }
    }
}

fn is_there(members: &Map<String, Value>, name: &str) -> bool {
    member(members, name).is_some_and(|value| !value.is_null())
}

fn text<'v>(
    members: &'v Map<String, Value>,
    name: &'static str,
) -> Result<&'v str, OperationError> {
    match member(members, name) {
        None | Some(Value::Null) => Err(OperationError::Missing { member: name }),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(OperationError::NotText { member: name }),
    }
}

/// A member by its name in any case (RFC 7643 section 2.1).
fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members.get(name).or_else(|| {
        let mut others = members.iter();
        others.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::scim::bulk::error::{BulkError, OperationError};
    use crate::scim::bulk::request::{BulkRequest, MAX_OPERATIONS, Verb};
    use crate::scim::urn;
    use crate::scim::value::Dialect;

    fn parse(operations: &Value) -> BulkRequest {
        let body = json!({ "schemas": [urn::BULK_REQUEST], "Operations": operations });
        BulkRequest::parse(&body, Dialect::Strict).unwrap()
    }

    /// What is wrong with the first of these operations.
    fn check(operations: &Value, fault: Option<&OperationError>) {
        let found = parse(operations).operations.swap_remove(0).call.err();
        assert_eq!(found.as_ref(), fault, "{operations}");
    }

    fn refused(body: &Value, dialect: Dialect) -> Option<BulkError> {
        BulkRequest::parse(body, dialect).err()
    }

    #[test]
    fn an_operation_is_read_whole() {
        let data = json!({ "members": [{ "value": "bulkId:q" }] });
        let request = parse(&json!([
            { "method": "PUT", "path": "/Groups/a%20b", "version": "W/\"1\"", "data": data },
            { "method": "POST", "path": "Users", "bulkId": "q", "data": {} },
            { "method": "DELETE", "path": "/Users/bulkId:q", "bulkId": "mine", "data": 5 },
        ]));
        let [put, post, delete] = request.operations.as_slice() else { panic!("{request:?}") };
        let call = put.call.as_ref().unwrap();
        assert_eq!((call.verb, call.version.as_deref()), (Verb::Put, Some("W/\"1\"")));
        assert_eq!(call.segments, ["Groups", "a b"]);
        assert_eq!(call.references.first().map(String::as_str), Some("q"));
        assert_eq!(post.call.as_ref().unwrap().segments, ["Users"]);
        let call = delete.call.as_ref().unwrap();
        assert_eq!((&call.data, delete.bulk_id.as_deref()), (&Value::Null, Some("mine")));
        assert_eq!(call.references.first().map(String::as_str), Some("q"));
    }

    #[test]
    fn an_operation_has_what_its_method_needs() {
        let missing = |member| OperationError::Missing { member };
        check(&json!([{ "path": "/Users/1" }]), Some(&missing("method")));
        check(&json!([{ "method": "DELETE" }]), Some(&missing("path")));
        check(
            &json!([{ "method": "POST", "path": "/Users", "data": {} }]),
            Some(&missing("bulkId")),
        );
        check(&json!([{ "method": "PUT", "path": "/Users/1" }]), Some(&missing("data")));
        check(
            &json!([{ "method": "PATCH", "path": "/Users/1", "data": null }]),
            Some(&missing("data")),
        );
        check(&json!([{ "method": "DELETE", "path": "/Users/1" }]), None);
        check(&json!([{ "METHOD": "DELETE", "Path": "/Users/1" }]), None);
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_itself() {
        check(&json!(["DELETE /Users/1"]), Some(&OperationError::NotAnObject));
        check(&json!([{ "method": "GET", "path": "/Users/1" }]), Some(&OperationError::Method));
        check(&json!([{ "method": "delete", "path": "/Users/1" }]), Some(&OperationError::Method));
        let not_text = |member| OperationError::NotText { member };
        check(&json!([{ "method": 1, "path": "/Users/1" }]), Some(&not_text("method")));
        check(&json!([{ "method": "DELETE", "path": "" }]), Some(&not_text("path")));
        let operation = &json!([{ "method": "DELETE", "path": "/Users/1", "version": 3 }]);
        check(operation, Some(&not_text("version")));
        let operation = &json!([{ "method": "POST", "path": "/Users", "bulkId": 3, "data": {} }]);
        check(operation, Some(&not_text("bulkId")));
    }

    #[test]
    fn paths_lead_to_resources_only() {
        for path in ["/", "//", "/Users/..", "/Users/%2e%2e", "/Users/a%2Fb", "/Users/1?a=b"] {
            check(&json!([{ "method": "DELETE", "path": path }]), Some(&OperationError::Path));
        }
        for path in ["/Bulk", "/bulk/1", "/.search", "/Users/.search", "/Users/.SEARCH"] {
            check(&json!([{ "method": "DELETE", "path": path }]), Some(&OperationError::Nested));
        }
    }

    #[test]
    fn a_bulk_id_belongs_to_one_creation() {
        let post = json!({ "method": "POST", "path": "/Users", "bulkId": "q", "data": {} });
        let user = json!({ "method": "DELETE", "path": "/Users/bulkId:q", "bulkId": "q" });
        check(&json!([post, user]), None);
        check(&json!([user, post]), None);
        check(&json!([post, post]), Some(&OperationError::Duplicate));
        check(&json!([user, post, post]), Some(&OperationError::UnknownReference));
        check(&json!([user]), Some(&OperationError::UnknownReference));
    }

    #[test]
    fn the_message_itself_is_judged_first() {
        let message = |text| Some(BulkError::NotABulk(text));
        let operations = json!([{ "method": "DELETE", "path": "/Users/1" }]);
        let strict = |body: Value| refused(&body, Dialect::Strict);
        assert_eq!(strict(json!([])), message("it is not an object"));
        assert_eq!(strict(json!({ "Operations": operations })), message("`schemas` is missing"));
        let foreign = json!({ "schemas": [urn::PATCH_OP], "Operations": operations });
        let text = "`schemas` does not contain the BulkRequest URN";
        assert_eq!(refused(&foreign, Dialect::Lenient), message(text));
        let schemas = json!([urn::BULK_REQUEST]);
        let empty = json!({ "schemas": schemas, "Operations": [] });
        assert_eq!(strict(empty), message("`Operations` is empty"));
        let text = "`Operations` is not an array";
        assert_eq!(strict(json!({ "schemas": schemas })), message(text));
        let single = json!({ "method": "DELETE", "path": "/Users/1" });
        let many = |count| json!({ "schemas": schemas, "Operations": vec![&single; count] });
        assert_eq!(strict(many(MAX_OPERATIONS)), None);
        let fault = BulkError::TooManyOperations { most: MAX_OPERATIONS };
        assert_eq!(strict(many(MAX_OPERATIONS + 1)), Some(fault));
    }

    #[test]
    fn errors_are_counted_from_one() {
        let parse = |number: Value, dialect| {
            let operations = json!([{ "method": "DELETE", "path": "/Users/1" }]);
            let schemas = json!([urn::BULK_REQUEST]);
            let body =
                json!({ "schemas": schemas, "failOnErrors": number, "Operations": operations });
            BulkRequest::parse(&body, dialect)
                .map(|request| request.fail_on_errors.map(usize::from))
        };
        assert_eq!(parse(json!(2), Dialect::Strict), Ok(Some(2)));
        assert_eq!(parse(json!(null), Dialect::Strict), Ok(None));
        assert_eq!(parse(json!(0), Dialect::Lenient), Ok(None));
        for number in [json!(0), json!(-1), json!(1.5), json!("1")] {
            assert_eq!(parse(number, Dialect::Strict), Err(BulkError::FailOnErrors));
        }
    }

    #[test]
    fn the_lenient_dialect_takes_methods_in_any_case_and_no_schemas() {
        let body = json!({ "operations": [{ "method": "delete", "path": "Users/1" }] });
        let request = BulkRequest::parse(&body, Dialect::Lenient).unwrap();
        assert_eq!(request.operations[0].verb, Some(Verb::Delete));
    }
}
