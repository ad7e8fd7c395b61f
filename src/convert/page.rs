//! Walking through a list, page by page, whatever the application's style.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::convert::key;
use crate::convert::locate::locate;
use crate::convert::parameters::Parameters;
use crate::mapping::model::{PageStyle, Pages, Total};
use crate::mapping::scope::{Ambient, Scope};
use crate::native::listed::Listed;
use crate::native::message::NativeResponse;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum At {
    /// At the beginning of the list.
    Start,
    /// At this offset, counted as the application counts.
    Offset(u64),
    /// At this page, numbered as the application numbers.
    Page(u64),
    /// After this cursor.
    Cursor(String),
    /// Behind this link, as it stood in the answer.
    Link(String),
}

/// What a page tells about the list.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The answer.
    pub response: &'a NativeResponse,
    /// Its records.
    pub records: &'a [Listed],
    /// Records read so far, with these, counted from the beginning of the list.
    pub read: u64,
    /// Page size asked for.
    pub size: usize,
    /// The list's total, where it is known.
    pub total: Option<u64>,
}

/// The parameters that ask for a page. A link brings its own.
pub fn parameters(pages: &Pages, at: &At, size: usize) -> Parameters {
    let mut parameters = Parameters::default();
    let position = match (&pages.style, at) {
        (PageStyle::Offset(name, first) | PageStyle::Page(name, first), At::Start) => {
            Some((name, json!(first)))
        }
        (PageStyle::Offset(name, _), At::Offset(number))
        | (PageStyle::Page(name, _), At::Page(number)) => Some((name, json!(number))),
        (PageStyle::Cursor(name, _) | PageStyle::Marker(name, _), At::Cursor(cursor)) => {
            Some((name, json!(cursor)))
        }
        _ => None,
    };
    let size = pages.size.as_ref().map(|name| (name, json!(size)));
    for (name, value) in position.into_iter().chain(size) {
        parameters.put(pages.place, name, value);
    }
    parameters
}

/// Where the next page begins; `None` when this one was the last.
pub fn next(pages: &Pages, at: &At, seen: &Seen<'_>, ambient: &Ambient) -> Option<At> {
    if let Some(until) = &pages.until {
        let body = seen.response.json().cloned().unwrap_or(Value::Null);
        let (count, page) = (json!(seen.records.len()), json!(number(pages, at)));
        let scope =
            Scope::new(ambient).with("body", &body).with("count", &count).with("page", &page);
        // A condition that cannot be evaluated must not end the list early.
        if until.is_true(&scope).unwrap_or(false) {
            return None;
        }
    }
    match &pages.style {
        PageStyle::LinkHeader(relation) => {
            let header = seen.response.header_list("link")?;
            link_target(&header, relation).map(At::Link)
        }
        PageStyle::LinkBody(path) => {
            let link = path.read(seen.response.json()?)?.as_str()?;
            (!link.is_empty()).then(|| At::Link(link.to_owned()))
        }
        PageStyle::LinkPlace(place) => {
            locate(place, seen.response).as_ref().and_then(key::text).map(At::Link)
        }
        PageStyle::Cursor(_, locator) => {
            locate(locator, seen.response).as_ref().and_then(key::text).map(At::Cursor)
        }
        PageStyle::Marker(_, path) => {
            let is_last = is_short(pages, seen) && seen.total.is_none_or(|it| seen.read >= it);
            let marker = path.read(seen.records.last()?).and_then(key::text)?;
            (!is_last).then_some(At::Cursor(marker))
        }
        PageStyle::Page(_, _) => goes_on(pages, seen).then(|| At::Page(number(pages, at) + 1)),
        PageStyle::Offset(_, first) => goes_on(pages, seen).then(|| At::Offset(first + seen.read)),
    }
}

/// Whether numbered pages go on: until the total is reached where it is known, else until a page
/// is short.
fn goes_on(pages: &Pages, seen: &Seen<'_>) -> bool {
    if seen.records.is_empty() {
        return false;
    }
    match seen.total {
        Some(total) => seen.read < total,
        None => pages.until.is_some() || !is_short(pages, seen),
    }
}

/// Whether a page holds fewer records than it was asked for: it is the last one, or the
/// application's pages are smaller than the mapping says.
pub fn is_short(pages: &Pages, seen: &Seen<'_>) -> bool {
    pages.size.is_some() && seen.records.len() < seen.size
}

/// Whether the end of the list may be none, because its total has not been looked up yet.
pub fn may_be_cut(pages: &Pages, seen: &Seen<'_>) -> bool {
    let can = match pages.style {
        PageStyle::Page(..) | PageStyle::Offset(..) | PageStyle::Marker(..) => true,
        PageStyle::LinkHeader(_)
        | PageStyle::LinkBody(_)
        | PageStyle::LinkPlace(_)
        | PageStyle::Cursor(..) => false,
    };
    let is_unknown = seen.total.is_none() && matches!(pages.total, Some(Total::Lookup(_)));
    can && is_unknown && !seen.records.is_empty() && is_short(pages, seen) && pages.until.is_none()
}

fn number(pages: &Pages, at: &At) -> u64 {
    match (at, &pages.style) {
        (At::Page(page), _) => *page,
        (_, PageStyle::Page(_, first)) => *first,
        _ => 1,
    }
}

/// The list's total, when the answer tells it.
pub fn total(pages: &Pages, response: &NativeResponse) -> Option<u64> {
    match pages.total.as_ref()? {
        Total::Here(locator) => as_count(&locate(locator, response)?),
        Total::Lookup(_) => None,
    }
}

/// A count, as a number or in digits.
pub fn as_count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The target of the first link of a relation in a `Link` header (RFC 8288 section 3).
fn link_target(header: &str, relation: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let (_, link) = rest.split_once('<')?;
        let (target, after) = link.split_once('>')?;
        let (parameters, next) = parameters_of(after);
        if has_relation(&parameters, relation) {
            return Some(target.to_owned());
        }
        rest = next;
    }
}

/// The parameters of a link, and what stands behind the comma that ends it. Within quotes neither
/// a comma nor a semicolon ends anything.
fn parameters_of(text: &str) -> (Vec<&str>, &str) {
    let mut parameters = Vec::new();
    let (mut begin, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ';' | ',' if !is_quoted => {
                parameters.extend(text.get(begin..at));
                begin = at + 1;
                if c == ',' {
                    return (parameters, text.get(begin..).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    parameters.extend(text.get(begin..));
    (parameters, "")
}

/// Whether the first `rel` names the relation: further ones are to be ignored.
fn has_relation(parameters: &[&str], relation: &str) -> bool {
    let mut pairs = parameters.iter().filter_map(|parameter| parameter.split_once('='));
    let rel = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
    rel.is_some_and(|(_, value)| {
        let mut relations = value.trim().trim_matches('"').split_whitespace();
        relations.any(|have| have.eq_ignore_ascii_case(relation))
    })
}

#[cfg(test)]
mod tests {
    use crate::convert::page::link_target;

    fn check(header: &str, expected: Option<&str>) {
        assert_eq!(link_target(header, "next").as_deref(), expected, "{header}");
    }

    #[test]
    fn the_link_of_a_relation_is_found() {
        check(r#"</a?page=2>; rel="next""#, Some("/a?page=2"));
        check("</a>; rel=next", Some("/a"));
        check("</a>;REL=Next", Some("/a"));
        check(r#"</a> ; title="x" ; rel = "next""#, Some("/a"));
        check(r#"</a>; rel="last next""#, Some("/a"));
        check(r#"</a?x=1,2;3>; rel="next""#, Some("/a?x=1,2;3"));
    }

    #[test]
    fn links_on_one_line_are_told_apart() {
        check(r#"</a>; rel="prev", </b>; rel="next", </c>; rel="last""#, Some("/b"));
        check(r#"</a>; rel="prev", </b>; rel="next",</c>; rel="last""#, Some("/b"));
        check(r#"</a>; rel="prev",   </b>; rel="next""#, Some("/b"));
        check(r#"</a>; rel="prev" , </b>; rel="next""#, Some("/b"));
        check("</a>; rel=prev,</b>; rel=next", Some("/b"));
        check(r#"</a>, </b>; rel="next""#, Some("/b"));
        check(r#"</a>; rel="next", </b>; rel="next""#, Some("/a"));
    }

    #[test]
    fn quotes_hide_what_looks_like_a_link() {
        check(r#"</a>; title="x, </b>; rel=next"; rel="prev""#, None);
        check(r#"</a>; title="x\"; rel=next; y=\""; rel="prev""#, None);
        check(r#"</a>; title="x, </b>; rel=next"; rel="next""#, Some("/a"));
    }

    #[test]
    fn without_the_relation_there_is_no_next_page() {
        check("", None);
        check("</a>", None);
        check("</a>; title=next", None);
        check(r#"</a>; rel="nextish""#, None);
        check(r#"</a>; rel="prev"; rel="next""#, None);
        check("</a; rel=next", None);
        check(r#"/a; rel="next""#, None);
    }
}
