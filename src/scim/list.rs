//! The answer to a query (RFC 7644 section 3.4.2), by index or by cursor (RFC 9865).

use serde_json::{Map, Value, json};

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

/// How the text of a `ListResponse` of one page, like [`list_response`], begins. A JSON array of
/// `count` resources and a closing bracket follow.
pub fn list_head(count: usize, total: u64, start_index: u64) -> String {
    let schema = urn::LIST_RESPONSE;
    format!(
        "{{\"schemas\":[\"{schema}\"],\"totalResults\":{total},\"startIndex\":{start_index},\
         \"itemsPerPage\":{count},\"Resources\":"
    )
}

/// A `ListResponse` of one page of a query by cursor. `total` is told where it is known; without
/// `next` it is the last page.
pub fn cursor_page(resources: Vec<Value>, total: Option<u64>, next: Option<&str>) -> Value {
    let mut page = Map::new();
    page.insert("schemas".to_owned(), json!([urn::LIST_RESPONSE]));
    page.extend(total.map(|total| ("totalResults".to_owned(), json!(total))));
    page.insert("itemsPerPage".to_owned(), json!(resources.len()));
    page.extend(next.map(|next| ("nextCursor".to_owned(), json!(next))));
    page.insert("Resources".to_owned(), Value::Array(resources));
    Value::Object(page)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::scim::list::{cursor_page, list_head, list_response};

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
    fn text_and_value_are_the_same() {
        let resources = vec![json!({ "id": "3" }), json!({ "id": "4" })];
        let text = json!(resources).to_string();
        let text = format!("{}{text}}}", list_head(2, 7, 3));
        assert_eq!(text, list_response(resources, 7, 3).to_string());
    }

    #[test]
    fn a_page_by_cursor_tells_what_is_known() {
        let page = cursor_page(vec![json!({ "id": "3" })], None, Some("abc"));
        assert_eq!((page.get("totalResults"), page.get("startIndex")), (None, None));
        assert_eq!((&page["itemsPerPage"], &page["nextCursor"]), (&json!(1), &json!("abc")));
        let last = cursor_page(Vec::new(), Some(7), None);
        assert_eq!((&last["totalResults"], last.get("nextCursor")), (&json!(7), None));
    }

    #[test]
    fn a_page_counts_what_it_holds() {
        let page = list_response(vec![json!({ "id": "3" })], 7, 3);
        assert_eq!((&page["totalResults"], &page["startIndex"]), (&json!(7), &json!(3)));
        assert_eq!((&page["itemsPerPage"], &page["Resources"]), (&json!(1), &json!([{"id": "3"}])));
    }
}
