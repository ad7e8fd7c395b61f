//! What of a call to the application may be kept.
//!
//! The path is: it says which record was meant, and an event that does not say that is of no use.
//! The query is not: filters hold names and addresses of people. Its names stay, so that one sees
//! what was asked for.

/// Most bytes of a path.
const LONGEST: usize = 1024;

/// The path and the names of the query's parameters: `/people?login=*`.
pub fn path(path: &str, query: &[(String, String)]) -> String {
    let (path, rest) = path.split_once('?').unwrap_or((path, ""));
    let mut kept = String::with_capacity(path.len() + query.len() * 12);
    kept.push_str(path);
    // A mapping may have written parameters into the path itself.
    let written = rest.split('&').filter(|pair| !pair.is_empty());
    let written = written.map(|pair| pair.split('=').next().unwrap_or_default());
    for (at, name) in written.chain(query.iter().map(|(name, _)| name.as_str())).enumerate() {
        kept.push(if at == 0 { '?' } else { '&' });
        kept.push_str(name);
        kept.push_str("=*");
    }
    if kept.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| kept.is_char_boundary(*at)).unwrap_or_default();
        kept.truncate(end);
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use crate::audit::redact::path;

    fn check(written: &str, query: &[(&str, &str)], expected: &str) {
        let query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(path(written, &query), expected);
    }

    #[test]
    fn ids_stay_and_values_of_the_query_go() {
        check("/people/7", &[], "/people/7");
        check("/people", &[("login", "ada"), ("page", "2")], "/people?login=*&page=*");
        check("/people?mail=ada@example.com&x", &[("page", "2")], "/people?mail=*&x=*&page=*");
        let long = "/".to_owned() + &"ä".repeat(2000);
        assert!(path(&long, &[]).len() <= 1024 + '…'.len_utf8());
    }
}
