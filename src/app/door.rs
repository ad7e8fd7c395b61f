//! The door of a tenant: where it is, who may come to it, who is let in, and how many at a time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipnet::IpNet;
use jiff::Timestamp;

use crate::auth::authenticate::{AuthError, TokenTable, bearer};
use crate::auth::client;
use crate::auth::jwt::{self, Issuer};
use crate::auth::jwt_error::JwtError;
use crate::auth::principal::Principal;
use crate::config::settings;
use crate::exchange::endpoint::{refused, unauthorized};
use crate::exchange::response::ScimResponse;

/// Seconds after which a client asks again while a tenant is paused.
const PAUSE: u64 = 60;

/// Seconds after which there may be room again.
const CROWD: u64 = 1;

/// The door of one tenant.
#[derive(Default)]
pub struct Door {
    /// The host name that it is at, in lower case; `None` for every one.
    pub host: Option<String>,
    paused: bool,
    allow_from: Option<Vec<IpNet>>,
    /// The most bytes of a body, where that is less than for others.
    pub body_bytes: Option<usize>,
    most: Option<usize>,
    under_way: Arc<AtomicUsize>,
    issuer: Option<Issuer>,
}

impl Door {
    /// The door that a tenant describes. What is `under_way` outlives its description.
    pub fn new(
        written: &settings::Door,
        under_way: Arc<AtomicUsize>,
        issuer: Option<Issuer>,
    ) -> Self {
        Self {
            host: written.host.clone(),
            paused: written.paused,
            allow_from: written.allow_from.clone(),
            body_bytes: written.body_bytes,
            most: written.in_flight,
            under_way,
            issuer,
        }
    }

    /// Whether it is at this authority, `host` or `host:port`.
    pub fn is_at(&self, authority: &str) -> bool {
        let Some(own) = &self.host else { return true };
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
            // The colons of an IPv6 address stand in brackets.
            if port.ends_with(']') { authority } else { host }
        });
        host.trim_end_matches('.').eq_ignore_ascii_case(own)
    }

    /// Refuses who comes from an address that may not call. Who cannot be told comes from none.
    ///
    /// # Errors
    /// The answer to give.
    pub fn check_address(&self, client: Option<IpAddr>) -> Result<(), ScimResponse> {
        let Some(networks) = &self.allow_from else { return Ok(()) };
        if client.is_some_and(|client| client::contains(networks, client)) {
            return Ok(());
        }
        // The client knows its address, and only this tells its administrator which one is seen.
        let from = client.map_or_else(|| "this address".to_owned(), |client| client.to_string());
        Err(refused(403, &format!("requests from {from} are not allowed here"), None))
    }

    /// Who sends this `Authorization` header.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn identify(
        &self,
        tenant: &str,
        tokens: &TokenTable,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Principal>, AuthError> {
        if let Some(issuer) = &self.issuer
            && let Ok(token) = bearer(authorization.unwrap_or_default())
            && jwt::is_jwt(token)
        {
            return Ok(issuer.authenticate(tenant, token, now)?);
        }
        tokens.authenticate(tenant, authorization, now)
    }

    /// Refuses everybody while the tenant is paused.
    ///
    /// # Errors
    /// The answer to give.
    pub fn check_open(&self) -> Result<(), ScimResponse> {
        if self.paused {
            return Err(refused(503, "this tenant is paused; try again later", Some(PAUSE)));
        }
        Ok(())
    }

    /// Lets one more request in, until the answer is dropped.
    ///
    /// # Errors
    /// The answer to give when there are too many.
    pub fn enter(&self) -> Result<Visit, ScimResponse> {
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        // Made first, so that whoever is refused is counted off again.
        let visit = Visit(Arc::clone(&self.under_way));
        if self.most.is_some_and(|most| before >= most) {
            let detail = "too many requests of this tenant are under way; try again";
            return Err(refused(429, detail, Some(CROWD)));
        }
        Ok(visit)
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct Visit(Arc<AtomicUsize>);

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The answer to whoever is not let in; `wait` are the seconds that an address has to wait that
/// has failed too often.
pub fn turned_away(error: AuthError, wait: Result<(), u64>) -> ScimResponse {
    if let Err(seconds) = wait {
        let detail = "too many requests from this address have failed to authenticate";
        return refused(429, detail, Some(seconds));
    }
    match error {
        AuthError::Issued(JwtError::NoKeys(seconds)) => {
            refused(503, &error.to_string(), Some(seconds))
        }
        AuthError::Missing
        | AuthError::Malformed
        | AuthError::Unknown
        | AuthError::Expired
        | AuthError::Revoked
        | AuthError::Issued(_) => unauthorized(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::app::door::Door;
    use crate::config::settings;

    #[test]
    fn a_door_is_at_its_host_whatever_the_port_and_the_case() {
        let written = settings::Door { host: Some("acme.test".to_owned()), ..Default::default() };
        let door = Door::new(&written, Arc::default(), None);
        for here in ["acme.test", "ACME.test:8443", "acme.test.", "acme.test.:80"] {
            assert!(door.is_at(here), "{here}");
        }
        for elsewhere in ["acme.test.evil", "xacme.test", "test", "", "[::1]:80", "[::1]"] {
            assert!(!door.is_at(elsewhere), "{elsewhere}");
        }
        assert!(Door::default().is_at("[::1]"));
    }

    #[test]
    fn no_more_are_let_in_than_there_is_room_for() {
        let written = settings::Door { in_flight: Some(2), ..Default::default() };
        let under_way = Arc::default();
        let door = Door::new(&written, Arc::clone(&under_way), None);
        let (first, second) = (door.enter().unwrap(), door.enter().unwrap());
        let refused = door.enter().unwrap_err();
        assert_eq!(refused.status, 429);
        assert!(refused.headers.contains(&("Retry-After", "1".to_owned())));
        // Another description of the same tenant counts on.
        let reloaded = Door::new(&written, under_way, None);
        assert!(reloaded.enter().is_err());
        drop(first);
        let third = reloaded.enter().unwrap();
        assert!(door.enter().is_err());
        drop((second, third));
        assert!(door.enter().is_ok());
    }

    #[test]
    fn only_addresses_on_the_list_may_come() {
        let networks = ["203.0.113.0/24", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let written = settings::Door { allow_from: Some(networks.to_vec()), ..Default::default() };
        let door = Door::new(&written, Arc::default(), None);
        for (address, allowed) in
            [("203.0.113.9", true), ("203.0.114.9", false), ("2001:db8::1", true), ("::1", false)]
        {
            let answer = door.check_address(Some(address.parse().unwrap()));
            assert_eq!(answer.is_ok(), allowed, "{address}");
        }
        assert_eq!(door.check_address(None).unwrap_err().status, 403);
        assert!(Door::default().check_address(None).is_ok());
    }
}
