//! Mappings as pages for people: everything of a file that people ask for is on its page.
#![cfg(test)]

use std::path::Path;
use std::sync::Arc;

use scimbridge::dialogue::page;
use scimbridge::mapping::model::Mapping;

async fn page_of(path: &Path) -> (Mapping, String) {
    let text = std::fs::read_to_string(path).unwrap();
    let load = || Mapping::load(&text).unwrap().0;
    (load(), page::markdown(&Arc::new(load())).await)
}

async fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    page_of(&folder.join(format!("{name}.yaml"))).await.1
}

#[tokio::test]
async fn pages_name_every_attribute_call_and_value() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (mapping, page) = page_of(&path).await;
        let mut wanted: Vec<String> = Vec::new();
        wanted.extend(mapping.config.iter().map(|variable| format!("| `{}` | ", variable.name)));
        for resource in &mapping.resources {
            wanted.push(format!("\n## {}\n", resource.name));
            wanted.extend(resource.rows.iter().map(|row| format!("| `{}` | ", row.label)));
            wanted.extend(resource.collections.iter().map(|list| format!("| `{}` | ", list.label)));
            let requests = resource.list.iter().chain(&resource.get);
            let requests = requests.chain(&resource.create).chain(&resource.update);
            wanted.extend(requests.map(|request| {
                format!("`{} {}", request.method.name(), request.path).replace('|', "\\|")
            }));
        }
        for wanted in wanted {
            assert!(page.contains(&wanted), "{}: {wanted:?} is not in\n{page}", path.display());
        }
        for line in page.lines().filter(|line| line.starts_with('|')) {
            assert!(line.ends_with('|'), "{line}");
        }
    }
}

#[tokio::test]
async fn policies_are_told_in_plain_words() {
    let page = shipped("legacy-app").await;
    for part in [
        "| `active` | `$.disabled` | both ways | not | nothing | `true` when a new resource does not say |",
        "| `password` | `$.secret` | written, never shown | copy | nothing |  |",
        "| `userName eq \"ada\"` | pushed down | `GET /people?login=ada` |",
        "- DELETE deletes nothing: it switches the record off",
        "| `key` | text, secret | must be given | The application's API key |",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    let page = shipped("jupyterhub").await;
    for part in [
        "The id is a UUID that the bridge issues and keeps; the application's key is `$.name`.",
        "| `externalId` | kept by the bridge | both ways | sidecar | nothing |  |",
        "- `active: false` deletes the record.",
        "- Changing `displayName` once a resource is there.",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
}
