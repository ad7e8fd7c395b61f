//! The answer to a query (RFC 7644 section 3.4.2). Deliberately absent: cursors.

use serde_json::{Value, json};

use crate::scim::urn;

/// A `ListResponse` of one page. `total` counts all results, `start_index` the first of this
/// page from 1; both are numbers on the wire, as `itemsPerPage` is.
pub fn list_response(resources: Vec<Value>, total: u64, start_index: u64) -> Value {
    let mut page = json!({
        "schemas": [urn::LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": resources.len(),
    });
    if let Some(members) = page.as_object_mut() {
        members.insert("Resources".to_owned(), Value::Array(resources));
    }
    page
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::scim::list::list_response;

    #[test]
    fn an_empty_result_is_a_whole_list_response() {
        let expected = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 0,
            "startIndex": 1,
            "itemsPerPage": 0,
            "Resources": [],
        });
        assert_eq!(list_response(Vec::new(), 0, 1), expected);
    }

    #[test]
    fn a_page_counts_what_it_holds() {
        let page = list_response(vec![json!({ "id": "3" })], 7, 3);
        assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(7), &json!(3)));
        assert_eq!((&page["itemsPerPage"], &page["Resources"]), (&json!(1), &json!([{"id": "3"}])));
    }
}
