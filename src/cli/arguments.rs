//! The arguments of every command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::auth::port::TokenName;
use crate::auth::scope::Scopes;
use crate::guard::rule::Kind;

/// A SCIM 2.0 bridge in front of a legacy user API.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve SCIM for the tenants of the configuration.
    Serve(Serve),
    /// Check mapping files: diagnostics, then their examples and tests.
    Check(Check),
    /// Try one SCIM request out: the native calls it causes and the answer, without writing anything.
    ///
    /// Without --live nothing is called: recorded answers stand in for the application, and the run
    /// ends at the first call that has none. Exit code 0 when the run was played to its end, or to
    /// the first write of a live run; 1 when an answer is missing or the calls differ from those
    /// recorded, or when there is no test to print; 2 when it could not begin.
    Try(Box<Try>),
    /// Describe a mapping file for people, as Markdown.
    Docs(Docs),
    /// Print the JSON Schema of mapping files, for editors.
    Schema(Schema),
    /// Issue, rotate, list and revoke bearer tokens.
    #[command(subcommand)]
    Token(Token),
    /// Read the audit trail: what was asked, what it did to the application, what came of it.
    #[command(subcommand)]
    Audit(Audit),
    /// Show and release guards that hold deactivations and deletions back.
    #[command(subcommand)]
    Guard(Guard),
    /// Build the index by which users are found in an application that cannot search, and show it.
    #[command(subcommand)]
    Index(Index),
    /// Start a legacy application and the bridge, and play an identity provider's tour.
    Demo(Demo),
    /// Ask a running bridge whether it is well (for container health checks).
    Health(Health),
    /// Print completions for a shell.
    Completions(Completions),
    /// Print the manual page, or write one for each command into a folder.
    Man(Man),
    /// Tell what a running bridge is doing: tenants, checks, the last reload.
    ///
    /// Exit code 0 when it is ready and its last reload was applied, 1 when one of both is not so,
    /// 2 when it does not answer.
    Status(Status),
    /// Make a running bridge read its configuration again (the same as SIGHUP), and tell how it went.
    ///
    /// Exit code 0 when the configuration is served, 1 when it is refused and the one of before goes
    /// on, 2 when the bridge could not be asked.
    Reload(Reload),
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file [default: scimbridge.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take over from the process that waits at `listen.upgrade`, without a connection refused.
    #[arg(long)]
    pub(crate) upgrade: bool,
}

/// Arguments of `check`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no errors (warnings and infos are allowed), 1 errors, or \
    fewer faults noticed than --mutate-min asks for, 2 a file that cannot be read, or a command \
    that is none.")]
pub(crate) struct Check {
    /// Mapping files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Show for each row how its values travel and what is lost on the way.
    #[arg(short = 'c', long)]
    pub(crate) classes: bool,
    /// Show what becomes of the filters that identity providers send.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Put small faults into the file, one at a time, and tell those that no test notices.
    #[arg(long)]
    pub(crate) mutate: bool,
    /// Fail when the tests notice fewer than this many of a hundred such faults.
    #[arg(long, value_name = "PERCENT", requires = "mutate",
        value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) mutate_min: Option<u8>,
    /// How the findings are shown.
    #[arg(long, value_enum, default_value_t = Format::Pretty)]
    format: Format,
    /// The same as --format brief.
    #[arg(long, conflicts_with = "format")]
    brief: bool,
}

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Each with the line that it speaks of.
    Pretty,
    /// One line each, for editors and scripts.
    Brief,
    /// One JSON object for all files.
    Json,
}

impl Check {
    /// How the findings are shown.
    pub(crate) fn format(&self) -> Format {
        if self.brief { Format::Brief } else { self.format }
    }
}

/// Arguments of `try`.
#[derive(Debug, Args)]
pub(crate) struct Try {
    /// The request: `GET /Users?filter=userName eq "ada"`, blanks and all.
    #[arg(
        value_name = "VERB /PATH",
        required_unless_present = "request",
        conflicts_with = "request"
    )]
    pub(crate) scim: Option<String>,
    /// The mapping file [default: that of the tenant].
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    pub(crate) mapping: Option<PathBuf>,
    /// The request in a file, in the form of a test: `scim`, and perhaps `headers`, `body`, `given`,
    /// `native`.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// The body, as JSON, or `@FILE`.
    #[arg(long, value_name = "JSON|@FILE", conflicts_with = "request")]
    pub(crate) body: Option<String>,
    /// A request header, `Name: value`.
    #[arg(long, short = 'H', value_name = "HEADER", conflicts_with = "request")]
    pub(crate) header: Vec<String>,
    /// What is there before, in the form of a test's `given`: side-car, ids, time.
    #[arg(long, value_name = "FILE")]
    pub(crate) given: Option<PathBuf>,
    /// Recorded answers, in the form of a test's `native`. With --live they answer the writes.
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// Ask the real application. Only reads are sent to it.
    #[arg(long)]
    pub(crate) live: bool,
    /// The configuration file, for the values of one of its tenants.
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(crate) config: Option<PathBuf>,
    /// Which tenant, where there are several.
    #[arg(long, requires = "config")]
    pub(crate) tenant: Option<String>,
    /// A value of the mapping's configuration; `${NAME}` and `file:PATH` are read. Secrets are given
    /// in no other way.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print an entry of `tests:` that passes as it is, and nothing else.
    #[arg(long)]
    pub(crate) as_test: bool,
}

/// Arguments of `docs`.
#[derive(Debug, Args)]
pub(crate) struct Docs {
    /// The mapping file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Print the reference of all fields for people instead.
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// `token …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Issue a token. It is printed once; only its hash is stored.
    ///
    /// The token alone goes to the standard output. Without --scopes it may do everything; a set
    /// without a verb (read, write) has both, one without a type (users, groups) has every type.
    /// Resource types that are neither users nor groups need both.
    Issue {
        /// The tenant that it opens.
        #[arg(long)]
        tenant: String,
        /// What you call it, such as "entra". Several tokens may have the same label.
        #[arg(long, value_parser = label)]
        label: String,
        /// What it may do: read, write, users, groups, with commas [default: everything].
        #[arg(long, value_name = "SCOPES", default_value = "", hide_default_value = true)]
        scopes: Scopes,
        /// Days until it expires.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = TokenFormat::Text)]
        format: TokenFormat,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Issue another token in the place of one, with the same label and scopes.
    ///
    /// The old one stays valid for a time of grace, in which the identity provider is given the
    /// new one: no call is refused. With a label, every valid token of that label is replaced.
    Rotate {
        #[command(flatten)]
        which: WhichToken,
        /// Days that the old one stays valid; 0 ends it at once.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=365))]
        grace: u32,
        /// Days until the new one expires.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = TokenFormat::Text)]
        format: TokenFormat,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// List tokens: label, scopes, dates, last use, state. Never the token itself.
    List {
        /// Only those of this tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// How they are printed.
        #[arg(long, value_enum, default_value_t = TokenFormat::Text)]
        format: TokenFormat,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Revoke tokens, by id or by tenant and label. Every replica refuses them within a second.
    Revoke {
        #[command(flatten)]
        which: WhichToken,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Which token is meant.
#[derive(Debug, Args)]
pub(crate) struct WhichToken {
    /// The token's id, as `list` shows it.
    #[arg(long, conflicts_with_all = ["tenant", "label"], required_unless_present = "label")]
    id: Option<String>,
    /// The tenant.
    #[arg(long, requires = "label")]
    tenant: Option<String>,
    /// The label.
    #[arg(long, requires = "tenant")]
    label: Option<String>,
}

impl WhichToken {
    /// The name that was given.
    pub(crate) fn name(&self) -> TokenName<'_> {
        match (&self.tenant, &self.label) {
            (Some(tenant), Some(label)) => TokenName::Label { tenant, label },
            (_, _) => TokenName::Id(self.id.as_deref().unwrap_or_default()),
        }
    }
}

/// `audit …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Show the last events, then every new one until Ctrl-C.
    Tail {
        /// How many of the last ones.
        #[arg(long, default_value_t = 10)]
        lines: usize,
        #[command(flatten)]
        filter: AuditFilter,
    },
    /// Show the last events that fit. A time makes it quick.
    Search {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        filter: AuditFilter,
    },
    /// Write every event that fits, the oldest first, one JSON object a line.
    Export {
        #[command(flatten)]
        filter: AuditFilter,
    },
}

/// Which events are wanted, and how they are shown.
#[derive(Debug, Args)]
pub(crate) struct AuditFilter {
    /// Only of this tenant.
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Only from then on: 2026-03-01, 2026-03-01T12:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only from before then.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only of this operation: create, replace, patch, delete, get, query, search, bulk, discover,
    /// refuse, release.
    #[arg(long)]
    pub(crate) operation: Option<String>,
    /// Only of this resource type, or of this resource.
    #[arg(long, value_name = "TYPE[/ID]")]
    pub(crate) resource: Option<String>,
    /// Only of tokens with this label.
    #[arg(long, value_name = "LABEL")]
    pub(crate) token: Option<String>,
    /// Only of this request; those of a bulk request are among its own.
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<String>,
    /// Only those that failed.
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only those that the end of a process has cut off.
    #[arg(long)]
    pub(crate) interrupted: bool,
    /// How they are shown [default: table; jsonl for export].
    #[arg(long, value_enum)]
    pub(crate) format: Option<AuditFormat>,
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// For people.
    Table,
    /// One JSON object a line, with everything.
    Jsonl,
}

/// `guard …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Guard {
    /// List the guards of every tenant and whether they have tripped.
    Status {
        /// Only this tenant's.
        #[arg(long)]
        tenant: Option<String>,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Release what a guard holds back, and begin to count anew.
    Release {
        /// The tenant.
        #[arg(long)]
        tenant: String,
        /// Only this one [default: whatever has tripped].
        #[arg(long, value_enum)]
        kind: Option<GuardKind>,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// What a guard counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GuardKind {
    /// Deactivations.
    Deactivations,
    /// Deletions.
    Deletions,
}

impl From<GuardKind> for Kind {
    fn from(kind: GuardKind) -> Self {
        match kind {
            GuardKind::Deactivations => Self::Deactivation,
            GuardKind::Deletions => Self::Deletion,
        }
    }
}

/// How tokens are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenFormat {
    /// For people.
    Text,
    /// JSON, on one line.
    Json,
}

/// `index …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Read the application's list and build the index anew. The bridge may run meanwhile.
    Build {
        /// The tenant.
        #[arg(long)]
        tenant: String,
        /// Only this resource type, such as `users` [default: all that are indexed].
        #[arg(long, value_name = "TYPE")]
        resource: Option<String>,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show what is indexed, how old it is, and how much of it there is.
    Status {
        /// Only this tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the tour, with exit code 0 when every step went as it should.
    #[arg(long)]
    pub(crate) once: bool,
    /// Where the bridge listens [default: 127.0.0.1:8080, or a free port].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// The bearer token [default: a new one].
    #[arg(long)]
    pub(crate) token: Option<String>,
}

/// Arguments of `health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The address to ask.
    #[arg(default_value = "http://127.0.0.1:8081/readyz")]
    pub(crate) url: String,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "For bash: scimbridge completions bash > \
    /usr/share/bash-completion/completions/scimbridge")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write scimbridge.1 and a page for each command into this folder [default: print the first].
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The operators' port (`listen.admin`).
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub(crate) url: String,
    /// How it is shown.
    #[arg(long, value_enum, default_value_t = StatusFormat::Pretty)]
    pub(crate) format: StatusFormat,
}

/// How a status is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// For people.
    Pretty,
    /// One JSON object.
    Json,
}

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// The operators' port (`listen.admin`).
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub(crate) url: String,
}

/// A label that stands in one line of a table.
fn label(text: &str) -> Result<String, String> {
    let is_one = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    is_one.then(|| text.to_owned()).ok_or_else(|| {
        "a label has 1 to 64 characters, none of them a line break or other control".to_owned()
    })
}
