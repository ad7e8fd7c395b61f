//! Teams: search, read, create, change, delete, and the teams of one person.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use crate::body::Body;
use crate::database::WRITING;
use crate::fields::{Field, amend, caseless, text_of, unset};
use crate::listing::{Listing, origin};
use crate::people;
use crate::refusal::{FieldFault, Refusal};

const FIELDS: &[Field] =
    &[Field::required_text("name"), Field::text("description"), Field::text("external_ref")];

const SELECT: &str = "SELECT id, name, description, external_ref,
    (SELECT COUNT(*) FROM memberships WHERE team_id = teams.id), created_at, updated_at FROM teams";

/// `id`, `name`, `description`, `external_ref`, `member_count`, `created_at`, `updated_at`.
type Row = (i64, String, Option<String>, Option<String>, i64, i64, i64);

/// `GET /api/teams`
pub(crate) async fn list(
    State(pool): State<SqlitePool>,
    listing: Listing,
) -> Result<Response, Refusal> {
    let mut reading = pool.begin().await?;
    let mut count = matching("SELECT COUNT(*) FROM teams", &listing);
    let total: i64 = count.build_query_scalar().fetch_one(&mut *reading).await?;
    let mut page = matching(SELECT, &listing);
    page.push(" ORDER BY id LIMIT ").push_bind(listing.limit());
    page.push(" OFFSET ").push_bind(listing.offset());
    let rows: Vec<Row> = page.build_query_as().fetch_all(&mut *reading).await?;
    Ok(listing.answer(rows.into_iter().map(render).collect(), total))
}

/// `GET /api/people/{id}/teams`, all of them at once
pub(crate) async fn of_person(
    State(pool): State<SqlitePool>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, Refusal> {
    let id = people::person_id(&id)?;
    let mut reading = pool.begin().await?;
    if !people::exists(&mut reading, id).await? {
        return Err(Refusal::NotFound("no such person"));
    }
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" WHERE id IN (SELECT team_id FROM memberships WHERE person_id = ");
    query.push_bind(id).push(") ORDER BY id");
    let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *reading).await?;
    Ok(Json(rows.into_iter().map(render).collect()))
}

/// `GET /api/teams/{id}`
pub(crate) async fn show(
    State(pool): State<SqlitePool>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let id = team_id(&id)?;
    let mut reading = pool.begin().await?;
    Ok(Json(render(find(&mut reading, id).await?)))
}

/// `POST /api/teams`
pub(crate) async fn create(
    State(pool): State<SqlitePool>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let mut writing = pool.begin_with(WRITING).await?;
    let mut record = unset(FIELDS);
    check(&mut writing, None, &mut record, &body).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO teams (name, name_key, description, external_ref) VALUES (?, ?, ?, ?)
         RETURNING id",
    )
    .bind(text_of(&record, "name"))
    .bind(name_key(&record))
    .bind(text_of(&record, "description"))
    .bind(text_of(&record, "external_ref"))
    .fetch_one(&mut *writing)
    .await?;
    let team = render(find(&mut writing, id).await?);
    writing.commit().await?;
    let location = format!("{}/api/teams/{id}", origin(&headers));
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(team)).into_response())
}

/// `PATCH /api/teams/{id}`
pub(crate) async fn change(
    State(pool): State<SqlitePool>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, Refusal> {
    let id = team_id(&id)?;
    let mut writing = pool.begin_with(WRITING).await?;
    let mut record = unset(FIELDS);
    if let Value::Object(stored) = render(find(&mut writing, id).await?) {
        record.extend(stored);
    }
    check(&mut writing, Some(id), &mut record, &body).await?;
    sqlx::query(
        "UPDATE teams SET name = ?, name_key = ?, description = ?, external_ref = ?,
         updated_at = unixepoch() WHERE id = ?",
    )
    .bind(text_of(&record, "name"))
    .bind(name_key(&record))
    .bind(text_of(&record, "description"))
    .bind(text_of(&record, "external_ref"))
    .bind(id)
    .execute(&mut *writing)
    .await?;
    let team = render(find(&mut writing, id).await?);
    writing.commit().await?;
    Ok(Json(team))
}

/// `DELETE /api/teams/{id}`; the memberships go with the team.
pub(crate) async fn destroy(
    State(pool): State<SqlitePool>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let id = team_id(&id)?;
    let mut writing = pool.begin_with(WRITING).await?;
    let query = sqlx::query("DELETE FROM teams WHERE id = ?").bind(id);
    let gone = query.execute(&mut *writing).await?.rows_affected();
    writing.commit().await?;
    if gone == 0 { Err(NO_SUCH_TEAM) } else { Ok(StatusCode::NO_CONTENT) }
}

/// The number in the path; what is no number names no team.
pub(crate) fn team_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| NO_SUCH_TEAM)
}

/// Refuses when there is no team of this number.
pub(crate) async fn require(connection: &mut SqliteConnection, id: i64) -> Result<(), Refusal> {
    find(connection, id).await.map(drop)
}

const NO_SUCH_TEAM: Refusal = Refusal::NotFound("no such team");

fn matching(select: &'static str, listing: &Listing) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE TRUE");
    if let Some(name) = listing.parameter("name") {
        query.push(" AND name_key = ").push_bind(caseless(name));
    }
    if let Some(reference) = listing.parameter("external_ref") {
        query.push(" AND external_ref = ").push_bind(reference.to_owned());
    }
    query
}

async fn find(connection: &mut SqliteConnection, id: i64) -> Result<Row, Refusal> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" WHERE id = ").push_bind(id);
    query.build_query_as().fetch_optional(connection).await?.ok_or(NO_SUCH_TEAM)
}

/// Puts `body` into `record`, or refuses with everything that is wrong with it.
async fn check(
    connection: &mut SqliteConnection,
    id: Option<i64>,
    record: &mut Map<String, Value>,
    body: &Map<String, Value>,
) -> Result<(), Refusal> {
    let mut faults = amend(FIELDS, record, body);
    let holder: Option<i64> = sqlx::query_scalar("SELECT id FROM teams WHERE name_key = ?")
        .bind(name_key(record))
        .fetch_optional(connection)
        .await?;
    if holder.is_some() && holder != id {
        faults.push(FieldFault::taken("name"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults)) }
}

fn render(
    (id, name, description, external_ref, member_count, created_at, updated_at): Row,
) -> Value {
    json!({
        "id": id,
        "name": name,
        "description": description,
        "external_ref": external_ref,
        "member_count": member_count,
        "created_at": created_at,
        "updated_at": updated_at,
    })
}

fn name_key(record: &Map<String, Value>) -> String {
    caseless(text_of(record, "name").unwrap_or_default())
}
