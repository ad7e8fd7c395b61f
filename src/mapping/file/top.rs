//! The file itself and what an installation must supply.

use serde_json::Value;

use crate::mapping::file::api::{Api, Errors};
use crate::mapping::file::reader::{At, Entries, Text};
use crate::mapping::file::resource::Resource;
use crate::mapping::file::script::Test;
use crate::mapping::file::table::{object, words};
use crate::mapping::model::ConfigType;

object! {
    /// A whole mapping file.
    File "mapping file" {
        /// Version of the language: 1.
        need bridge: At<u64>,
        /// Short name, `[a-z][a-z0-9-]*`, for logs and metrics. What the side-car keeps is kept
        /// under it: renaming a mapping forgets everything that was kept.
        need name: Text,
        /// Name for people.
        may title: String = "the name",
        /// What each installation supplies. Values come from the bridge's configuration, never from
        /// this file.
        or config: Entries<ConfigVar>,
        /// How to reach the application.
        need api: Api,
        /// What the application's failures mean.
        may errors: Errors,
        /// Prefixes of your own extensions and their URNs. `enterprise` is known.
        or namespaces: Entries<String>,
        /// `User`, `Group`, or any other name.
        need resources: Entries<Resource>,
        /// Exchanges in writing, which `scimbridge check` plays.
        or tests: Vec<Test>,
    }
    checked {
        /// Where the application's API is documented.
        docs: String,
    }
}

object! {
    /// A value that the installation supplies.
    ConfigVar "config variable" {
        /// What the value must be. It is checked at start-up.
        may r#type: ConfigType = "string",
        /// Used when nothing is supplied.
        may default: Value,
        /// Whether the bridge refuses to start without it.
        or required: bool = "false",
        /// Whether it is shown nowhere. Only `api.auth`, `api.headers`, `api.tls` and `api.proxy`
        /// may use it.
        or secret: bool = "false",
        /// The values allowed.
        or r#enum: Vec<Value>,
        /// One line for people, shown when the value is missing.
        may doc: String,
    }
}

words! {
    ConfigType {
        "string" => ConfigType::String,
        "integer" => ConfigType::Integer,
        "boolean" => ConfigType::Boolean,
        "url" => ConfigType::Url,
        "duration" => ConfigType::Duration,
    }
}
