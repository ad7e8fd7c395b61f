//! Who is in a team: a list of its own under the team, changed one person at a time.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use sqlx::SqlitePool;

use crate::database::WRITING;
use crate::listing::Listing;
use crate::people;
use crate::refusal::{FieldFault, Refusal};
use crate::teams;

/// `GET /api/teams/{id}/members`
pub(crate) async fn list(
    State(pool): State<SqlitePool>,
    Path(team): Path<String>,
    listing: Listing,
) -> Result<Response, Refusal> {
    let team = teams::team_id(&team)?;
    let mut reading = pool.begin().await?;
    teams::require(&mut reading, team).await?;
    let total: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM memberships WHERE team_id = ?")
        .bind(team)
        .fetch_one(&mut *reading)
        .await?;
    let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(
        "SELECT p.id, json_extract(p.card, '$.login'), json_extract(p.card, '$.full_name')
         FROM memberships m JOIN people p ON p.id = m.person_id
         WHERE m.team_id = ? ORDER BY p.id LIMIT ? OFFSET ?",
    )
    .bind(team)
    .bind(listing.limit())
    .bind(listing.offset())
    .fetch_all(&mut *reading)
    .await?;
    Ok(listing.answer(rows.into_iter().map(render).collect(), total))
}

/// `PUT /api/teams/{id}/members/{person}`; doing it twice changes nothing.
pub(crate) async fn add(
    State(pool): State<SqlitePool>,
    Path((team, person)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let team = teams::team_id(&team)?;
    let mut writing = pool.begin_with(WRITING).await?;
    teams::require(&mut writing, team).await?;
    let unknown = || Refusal::Invalid(vec![FieldFault::unknown("person")]);
    let person: i64 = person.parse().map_err(|_| unknown())?;
    if !people::exists(&mut writing, person).await? {
        return Err(unknown());
    }
    sqlx::query("INSERT OR IGNORE INTO memberships (team_id, person_id) VALUES (?, ?)")
        .bind(team)
        .bind(person)
        .execute(&mut *writing)
        .await?;
    writing.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/teams/{id}/members/{person}`
pub(crate) async fn remove(
    State(pool): State<SqlitePool>,
    Path((team, person)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let team = teams::team_id(&team)?;
    let mut writing = pool.begin_with(WRITING).await?;
    teams::require(&mut writing, team).await?;
    let person: i64 = person.parse().map_err(|_| NOT_A_MEMBER)?;
    let gone = sqlx::query("DELETE FROM memberships WHERE team_id = ? AND person_id = ?")
        .bind(team)
        .bind(person)
        .execute(&mut *writing)
        .await?
        .rows_affected();
    writing.commit().await?;
    if gone == 0 { Err(NOT_A_MEMBER) } else { Ok(StatusCode::NO_CONTENT) }
}

const NOT_A_MEMBER: Refusal = Refusal::NotFound("not a member");

fn render((id, login, full_name): (i64, String, Option<String>)) -> Value {
    json!({ "id": id, "login": login, "full_name": full_name })
}
