//! What has changed between two configurations beside what tenants are made of, in words for
//! those who have asked for it.

use crate::config::settings::{Config, Tenant};

/// The changes of where tenants are served and who may call them, and of what holds for all
/// callers. Values are not told.
pub fn differences(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    for tenant in &new.tenants {
        let Some(before) = old.tenants.iter().find(|it| it.name == tenant.name) else { continue };
        let settings = of_tenant(before, tenant);
        if !settings.is_empty() {
            changes.push(format!("tenant {}: {} changed", tenant.name, settings.join(", ")));
        }
    }
    let access = [
        ("access.trusted_proxies", old.access.proxies != new.access.proxies),
        (
            "access.failures_per_minute",
            old.access.failures_per_minute != new.access.failures_per_minute,
        ),
    ];
    changes.extend(changed(&access).iter().map(|name| format!("{name} changed")));
    if old.gateway.limits != new.gateway.limits {
        changes.push("limits changed".to_owned());
    }
    changes
}

fn of_tenant(old: &Tenant, new: &Tenant) -> Vec<&'static str> {
    let (before, now) = (&old.door, &new.door);
    changed(&[
        ("paused", before.paused != now.paused),
        ("host", before.host != now.host),
        ("base_path", old.base_path != new.base_path),
        ("public_url", old.public_url != new.public_url),
        ("allow_from", before.allow_from != now.allow_from),
        ("jwt", before.jwt != now.jwt),
        ("token_env", old.token_env != new.token_env),
        ("body_bytes", before.body_bytes != now.body_bytes),
        ("in_flight", before.in_flight != now.in_flight),
        ("passthrough", old.passthrough != new.passthrough),
        ("probe", old.probe != new.probe),
    ])
}

fn changed(settings: &[(&'static str, bool)]) -> Vec<&'static str> {
    settings.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use crate::app::differences::differences;
    use crate::config::settings::{Config, Tenant};

    fn config(set: impl FnOnce(&mut Config)) -> Config {
        let tenants = vec![Tenant { name: "acme".to_owned(), ..Tenant::default() }];
        let mut config = Config { tenants, ..Config::default() };
        set(&mut config);
        config
    }

    #[test]
    fn every_change_of_access_is_told() {
        let check = |set: fn(&mut Config), expected: &[&str]| {
            assert_eq!(differences(&config(|_| ()), &config(set)), expected);
        };
        check(|_| (), &[]);
        check(
            |config| {
                config.tenants[0].door.paused = true;
                config.tenants[0].door.allow_from = Some(Vec::new());
            },
            &["tenant acme: paused, allow_from changed"],
        );
        check(|it| it.tenants[0].base_path = "/a".to_owned(), &["tenant acme: base_path changed"]);
        check(|it| it.access.failures_per_minute = 1, &["access.failures_per_minute changed"]);
        check(|it| it.gateway.limits.body_bytes = 1, &["limits changed"]);
    }
}
