//! Faults of a mapping file: where they are, what is wrong, and what helps.
//!
//! One constructor per fault; the codes are stable and explained in `docs/diagnostics.md`. Nothing
//! is printed here: the command line shows diagnostics with an excerpt of the file.

use std::fmt;

/// Most diagnostics of one severity: a file that is no mapping at all needs no more to say so.
pub const MOST: usize = 200;

/// A place in a mapping file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The mapping cannot be used.
    Error,
    /// The mapping works, but probably not as meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// One fault of a mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, such as `E010`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong: one sentence without full stop.
    pub message: String,
    /// What helps, where that is known.
    pub help: Option<String>,
}

impl Severity {
    /// The word in front of the code.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, at: Position, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            line: at.line,
            column: at.column,
            message: message.into(),
            help: None,
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, at: Position, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, at, message) }
    }

    /// Something worth knowing.
    pub fn info(code: &'static str, at: Position, message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, ..Self::error(code, at, message) }
    }

    /// The same with a line of help.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same with the nearest of the known names as help, if one is near.
    #[must_use]
    pub fn with_nearest<'n>(self, name: &str, known: impl IntoIterator<Item = &'n str>) -> Self {
        match did_you_mean(name, known) {
            Some(near) => self.with_help(format!("did you mean \"{near}\"?")),
            None => self,
        }
    }

    /// `file:line:column: error E010: message`, and the help on a line of its own.
    pub fn render(&self, file: &str) -> String {
        format!("{file}:{self}")
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, line, column, message, help } = self;
        write!(formatter, "{line}:{column}: {} {code}: {message}", severity.name())?;
        match help {
            Some(help) => write!(formatter, "\n  = {help}"),
            None => Ok(()),
        }
    }
}

/// Collects faults while a file is judged as a whole.
#[derive(Debug, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    lost: bool,
}

impl Diagnostics {
    /// Notes a fault, unless there are already [`MOST`] of its severity.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let like = self.found.iter().filter(|found| found.severity == diagnostic.severity);
        // One template can be reached in two ways; its fault is still one fault.
        if like.count() < MOST && !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// Notes that something of the file was left out because of a fault. Checks that speak of what
    /// is missing are silent from then on.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// Whether something of the file was left out.
    pub fn has_losses(&self) -> bool {
        self.lost
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many there are, to compare before and after.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// All of them, in the order of the file.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column, diagnostic.code));
        self.found
    }
}

/// The known name that is nearest to a wrong one; `None` when none is near.
pub fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            (strsim::osa_distance(&wanted, &lower), candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

// ---- E0xx: the text and its shape ----------------------------------------------------------

/// E001: not YAML, or outside the strict profile.
pub fn not_yaml(at: Position, message: &str) -> Diagnostic {
    Diagnostic::error("E001", at, message)
}

/// E001: a template without its quotes, which YAML takes for a map.
pub fn unquoted_brace(at: Position, template: &str) -> Diagnostic {
    not_yaml(at, &format!("{template} is a map to YAML, not text")).with_help(brace_help(template))
}

/// What to do about a template without its quotes.
pub fn brace_help(template: &str) -> String {
    format!("a value that begins with \"{{\" must be quoted: \"{template}\"")
}

/// W002: a plain scalar that reads as something else than it looks like.
pub fn misleading_scalar(at: Position, text: &str, read_as: &str) -> Diagnostic {
    Diagnostic::warning("W002", at, format!("{text} is read as {read_as}"))
        .with_help(format!("write \"{text}\" if it is meant as text"))
}

/// E003: a key that appears twice.
pub fn duplicate_key(at: Position, key: &str) -> Diagnostic {
    Diagnostic::error("E003", at, format!("\"{key}\" appears twice in this mapping"))
}

/// E010: a field that the object does not have.
pub fn unknown_field(at: Position, field: &str, object: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error("E010", at, format!("unknown field \"{field}\" in {object}"))
        .with_nearest(field, known.iter().copied())
}

/// E011: a field that must be there.
pub fn missing_field(at: Position, object: &str, field: &str) -> Diagnostic {
    Diagnostic::error("E011", at, format!("{object}: \"{field}\" is required"))
}

/// E011: one of several fields must be there.
pub fn missing_choice(at: Position, object: &str, fields: &str) -> Diagnostic {
    Diagnostic::error("E011", at, format!("{object}: one of {fields} is required"))
}

/// E012: a value of the wrong type.
pub fn wrong_type(at: Position, field: &str, expected: &str, found: &str) -> Diagnostic {
    Diagnostic::error("E012", at, format!("{field}: expected {expected}, found {found}"))
}

/// E012: a value of the right type that cannot be meant.
pub fn wrong_value(at: Position, field: &str, message: &str) -> Diagnostic {
    Diagnostic::error("E012", at, format!("{field}: {message}"))
}

/// E013: none or several of the fields that exclude each other.
pub fn exclusive(at: Position, object: &str, fields: &str, found: &str) -> Diagnostic {
    let found = if found.is_empty() { "none" } else { found };
    Diagnostic::error("E013", at, format!("{object} has exactly one of {fields}; found {found}"))
}

// ---- E1xx: paths, templates, expressions ---------------------------------------------------

/// E101: not a locator.
pub fn bad_path(at: Position, text: &str, character: usize) -> Diagnostic {
    let message = format!("not a path this language can read: '{text}', at character {character}");
    Diagnostic::error("E101", at, message)
}

/// E102: a path that is written and cannot be.
pub fn not_writable(at: Position, path: &str) -> Diagnostic {
    let message = format!("{path} can select several values, so it cannot be written");
    Diagnostic::error("E102", at, message)
        .with_help("give an index or a filter with \"==\", or use mode: read")
}

/// E112: a variable that is not known in this place.
pub fn unknown_variable(at: Position, hole: &str, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error("E112", at, format!("in {hole}: unknown variable \"{name}\""))
        .with_help(format!("here: {}", known.join(", ")))
}

/// E113: a value in a query language without escaping.
pub fn unescaped(at: Position, hole: &str) -> Diagnostic {
    let message = format!("{hole} stands inside a larger query string without escaping");
    Diagnostic::error("E113", at, message).with_help(
        "use {value|lucene}, |odata, |soql, |like, |rsql, |json or |regex, \
         or |raw if every value is safe here",
    )
}

/// E114: a secret where it could leak.
pub fn misplaced_secret(at: Position, name: &str) -> Diagnostic {
    let message = format!(
        "config.{name} is a secret and may be used only in api.auth, api.headers, api.tls and api.proxy"
    );
    Diagnostic::error("E114", at, message)
}

/// E115: a configuration value that nobody declared.
pub fn undeclared_config(at: Position, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error("E115", at, format!("config.{name} is not declared under \"config\""))
        .with_nearest(name, known.iter().copied())
}

/// E116: a question mark in a path.
pub fn query_in_path(at: Position) -> Diagnostic {
    let message =
        "query parameters belong under \"query\", where each value is encoded and checked";
    Diagnostic::error("E116", at, message)
}

/// E117: a path or header that could lead to another server.
pub fn leaves_base(at: Position, what: &str) -> Diagnostic {
    Diagnostic::error("E117", at, format!("{what} could leave base_url"))
        .with_help("a path begins with one \"/\" and has no \"..\", \"\\\" or \"#\"")
}

// ---- E2xx: the SCIM side -------------------------------------------------------------------

/// E201: not a SCIM path.
pub fn bad_scim_path(at: Position, text: &str, why: &str) -> Diagnostic {
    Diagnostic::error("E201", at, format!("\"{text}\" is not a SCIM path: {why}"))
}

/// E202: an attribute that the schema does not have.
pub fn unknown_attribute(at: Position, resource: &str, name: &str, known: &[String]) -> Diagnostic {
    Diagnostic::error("E202", at, format!("{resource} has no attribute \"{name}\""))
        .with_nearest(name, known.iter().map(String::as_str))
}

/// E203: a prefix that is not declared.
pub fn undeclared_namespace(at: Position, prefix: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error("E203", at, format!("\"{prefix}\" is not declared under \"namespaces\""))
        .with_nearest(prefix, known.iter().copied())
}

/// E204: a row that does not fit the attribute's type.
pub fn misfit(at: Position, name: &str, why: &str) -> Diagnostic {
    Diagnostic::error("E204", at, format!("\"{name}\" {why}"))
}

// ---- E3xx: how the parts fit together ------------------------------------------------------

/// E301: two rows write one native place.
pub fn overlap(at: Position, row: &str, other: (&str, usize), path: &str) -> Diagnostic {
    let (other, line) = other;
    let message = format!("\"{row}\" and \"{other}\" (line {line}) both write {path}");
    Diagnostic::error("E301", at, message)
        .with_help("make one of them mode: read, or alias: true if they mean the same thing")
}

/// W302: a value table whose inverse is ambiguous.
pub fn many_to_one(at: Position, row: &str, value: &str) -> Diagnostic {
    let message = format!(
        "{row}: several native values read as {value}; \
         writing picks the first listed unless the current one already fits"
    );
    Diagnostic::warning("W302", at, message)
}

/// W315: an id that the application gives anew when the record is made again.
pub fn id_does_not_survive(at: Position, resource: &str) -> Diagnostic {
    let message = format!("{resource}: with \"deactivate: delete\" the native id does not survive");
    Diagnostic::warning("W315", at, message)
        .with_help("keep ids of the bridge's own: id: { path: …, as: issued }")
}

/// E303: a row with nothing to read from.
pub fn no_source(at: Position, row: &str) -> Diagnostic {
    let message = format!("{row}: nothing to read from: give path, sidecar, value or to_scim");
    Diagnostic::error("E303", at, message)
}

/// W303: the look-up that every identity provider makes is not pushed down.
pub fn user_name_not_pushed(at: Position) -> Diagnostic {
    Diagnostic::warning("W303", at, "\"userName eq\" is not pushed down")
        .with_help("every identity provider asks it before each create")
}

/// E304: a writable row that no request carries.
pub fn uncarried(at: Position, row: &str, requests: &str) -> Diagnostic {
    let message = format!("\"{row}\" is writable but no {requests} request carries it");
    Diagnostic::error("E304", at, message)
        .with_help("name it in an \"only\", add a request without \"only\", or use mode: create")
}

/// W304: a list of which only the first answer is read.
pub fn no_pages(at: Position, resource: &str) -> Diagnostic {
    let message = format!("{resource}: list has no \"pages\", so only the first answer is read");
    Diagnostic::warning("W304", at, message).with_help("pages: none says that there is no more")
}

/// E305: a reference to a resource that is not there.
pub fn unknown_resource(at: Position, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error("E305", at, format!("ref: there is no resource \"{name}\""))
        .with_nearest(name, known.iter().copied())
}

/// E306: an `only` that names nothing.
pub fn unknown_only(at: Position, name: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error("E306", at, format!("only: no row maps \"{name}\""))
        .with_nearest(name, known.iter().copied())
}

/// W306: a look-up with case for an attribute without.
pub fn case_sensitive_lookup(at: Position, filter: &str) -> Diagnostic {
    let message = format!(
        "{filter}: the application compares with case and SCIM does not, \
         so a value in other case may be missed"
    );
    Diagnostic::warning("W306", at, message)
}

/// W307: a resource that is created and never changed.
pub fn never_changed(at: Position, resource: &str) -> Diagnostic {
    let message = format!("{resource} is created but never changed: there is no \"update\"");
    Diagnostic::warning("W307", at, message)
}

/// E308: a key of `filters` that is none.
pub fn bad_filter_key(at: Position, key: &str) -> Diagnostic {
    let message = format!("\"{key}\" is not a SCIM path and an operator");
    Diagnostic::error("E308", at, message)
        .with_help("write for example userName eq; the operators are eq ne co sw ew gt ge lt le")
}

/// E309: a filter on an attribute that no row maps.
pub fn unmapped_filter(at: Position, name: &str) -> Diagnostic {
    Diagnostic::error("E309", at, format!("filter on \"{name}\", which no row maps"))
}

/// W316: a filter that some rows of its attribute have no part in.
pub fn filter_of_some(at: Position, name: &str, other: &str) -> Diagnostic {
    let message = format!(
        "filter on \"{name}\": \"{other}\" has values too, so only a filter that names the \
         element goes to the application"
    );
    Diagnostic::warning("W316", at, message).with_help(
        "name the row as its key does, or say any: true if the application looks at all of them",
    )
}

/// E310: a term without a language.
pub fn term_without_language(at: Position) -> Diagnostic {
    Diagnostic::error("E310", at, "a \"term\" needs a \"filter_language\" in this resource")
}

/// E311: the attribute by which everybody looks for a resource is missing.
pub fn missing_row(at: Position, resource: &str, name: &str) -> Diagnostic {
    Diagnostic::error("E311", at, format!("{resource} has no row for \"{name}\""))
}

/// E312: the request that makes a record asks for something of the record.
pub fn not_yet_born(at: Position, resource: &str, mention: &str) -> Diagnostic {
    let message = format!(
        "{resource}: create uses {mention}, which there is only once the record has been made"
    );
    Diagnostic::error("E312", at, message)
        .with_help("make the record first, and put this into a second request of the list")
}

/// W314: native members that an example has and nothing names.
pub fn unmapped_members(at: Position, resource: &str, members: &str) -> Diagnostic {
    let message = format!("{resource}: no row reads {members}, which an example has");
    Diagnostic::warning("W314", at, message)
        .with_help("map them, or name them under \"unmapped\" if they are left out on purpose")
}

// ---- E4xx: laws ----------------------------------------------------------------------------

/// E401: writing back what was read changes the record.
pub fn written_back(at: Position, row: &str, native: &str) -> Diagnostic {
    let message =
        format!("GetPut: \"{row}\" reads {native}, and writing back what was read changes it");
    Diagnostic::error("E401", at, message)
}

/// E401: what is written where nothing is has another type than what an example has.
pub fn other_type(at: Position, row: &str, native: &str, written: &str) -> Diagnostic {
    let message = format!(
        "GetPut: \"{row}\" is {native} in an example, but a new record would get {written}"
    );
    Diagnostic::error("E401", at, message)
        .with_help("write it in via as the application has it: 1 is a number, \"1\" is text")
}

/// E402: a value that does not read back as it was written. The values are what was wanted, what
/// was written, and what is read then.
pub fn put_get(at: Position, row: &str, values: &[String; 3], help: &str) -> Diagnostic {
    let [wanted, native, back] = values;
    let message =
        format!("PutGet: \"{row}\" {wanted} is written as {native} and reads back as {back}");
    Diagnostic::error("E402", at, message).with_help(help)
}

/// E402: a row that reads values and can write none.
pub fn unwritable(at: Position, row: &str, value: &str) -> Diagnostic {
    let message = format!("PutGet: \"{row}\" reads {value} in an example, but can write no value");
    Diagnostic::error("E402", at, message)
        .with_help("the steps of via must fit each other on the way back, too; or use mode: read")
}

// ---- I5xx: tests ---------------------------------------------------------------------------

/// I503: operations that no test shows.
pub fn untested(at: Position, resource: &str, operations: &str) -> Diagnostic {
    Diagnostic::info("I503", at, format!("{resource}: no test shows {operations}"))
}

/// I504: something of the file that can be changed without a test noticing.
pub fn survived(at: Position, what: &str) -> Diagnostic {
    Diagnostic::info("I504", at, format!("{what} without any test noticing"))
}

// ---- E9xx: not yet -------------------------------------------------------------------------

/// E900: part of the language, not of this version.
pub fn not_supported(at: Position, what: &str) -> Diagnostic {
    let message = format!("{what} is part of the language but not supported by this version");
    Diagnostic::error("E900", at, message)
}

#[cfg(test)]
mod tests {
    use crate::mapping::diagnostic::{Position, did_you_mean, unknown_field};

    #[test]
    fn a_diagnostic_is_one_line_and_its_help() {
        let fault = unknown_field(Position { line: 37, column: 44 }, "mod", "row", &["mode"]);
        let expected =
            "k.yaml:37:44: error E010: unknown field \"mod\" in row\n  = did you mean \"mode\"?";
        assert_eq!(fault.render("k.yaml"), expected);
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let known = ["domain", "url", "userName", "lower"];
        for (wrong, right) in [
            ("domian", Some("domain")),
            ("username", Some("userName")),
            ("Url", Some("url")),
            ("nothing", None),
        ] {
            assert_eq!(did_you_mean(wrong, known), right, "{wrong}");
        }
    }
}
