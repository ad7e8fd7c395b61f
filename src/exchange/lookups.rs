//! Look-ups that a request of the mapping asks for (`with`): made one after another before it,
//! because each sees what those before it have picked.

use serde_json::Value;

use crate::convert::change::{Draft, Step};
use crate::convert::failure::Meaning;
use crate::convert::lookup::{self, Picks};
use crate::exchange::error::ExchangeError;
use crate::exchange::native::{About, Exchange};
use crate::mapping::model::{Lookup, Outcome, Request};
use crate::mapping::scope::Scope;

impl Exchange<'_> {
    /// The calls of a request that is due, after its look-ups.
    pub async fn steps<'m>(
        &self,
        draft: Draft<'m>,
        scope: &Scope<'_>,
    ) -> Result<Vec<Step<'m>>, ExchangeError> {
        if draft.request.with.is_empty() {
            return Ok(draft.steps(scope)?);
        }
        if draft.is_skipped(scope)? {
            return Ok(Vec::new());
        }
        let picks = self.picks(draft.request, scope).await?;
        Ok(draft.steps(&picks.over(scope.clone()))?)
    }

    /// Makes the look-ups of a request. `scope` is what the request itself sees.
    pub async fn picks(
        &self,
        request: &Request,
        scope: &Scope<'_>,
    ) -> Result<Picks, ExchangeError> {
        if request.with.is_empty() {
            return Ok(Picks::default());
        }
        // Few requests have look-ups, and the futures of all would carry their weight.
        Box::pin(async {
            let mut picks = Picks::default();
            for (name, lookup) in &request.with {
                let value = self.look_up(name, lookup, &picks.over(scope.clone())).await?;
                picks.put(name, value);
            }
            Ok(picks)
        })
        .await
    }

    /// Makes one look-up. Null when there is nothing and nothing is required.
    pub async fn look_up(
        &self,
        name: &str,
        lookup: &Lookup,
        scope: &Scope<'_>,
    ) -> Result<Value, ExchangeError> {
        let nothing = || ExchangeError::NothingPicked { name: name.to_owned() };
        let native = match lookup::build(lookup, scope) {
            Ok(native) => native,
            // What has no place in a path is the key of nothing.
            Err(_) if !lookup.required => return Ok(Value::Null),
            Err(error) => return Err(error.into()),
        };
        let picked = match self.call(native, &[], About::Resource).await {
            Ok(response) => lookup::pick(lookup, &response),
            Err(ExchangeError::Native(failure))
                if failure.meaning == Meaning::Outcome(Outcome::NotFound) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        match picked {
            None if lookup.required => Err(nothing()),
            None => Ok(Value::Null),
            Some(value) => Ok(value),
        }
    }
}
