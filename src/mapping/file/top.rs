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
        need bridge: At<u64>,
        need name: Text,
        may title: String,
        or config: Entries<ConfigVar>,
        need api: Api,
        may errors: Errors,
        or namespaces: Entries<String>,
        need resources: Entries<Resource>,
        or tests: Vec<Test>,
    }
    checked { docs: String, }
}

object! {
    /// A value that the installation supplies.
    ConfigVar "config variable" {
        may r#type: ConfigType,
        may default: Value,
        or required: bool,
        or secret: bool,
        or r#enum: Vec<Value>,
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
