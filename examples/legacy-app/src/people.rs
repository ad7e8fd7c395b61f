//! People: search, read, create, change. There is no way to delete one, only to disable.

use std::collections::BTreeMap;

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
use crate::refusal::{FieldFault, Refusal};

const FIELDS: &[Field] = &[
    Field::required_text("login"),
    Field::list("mails", &entry("address")),
    Field::text("first_name"),
    Field::text("last_name"),
    Field::text("middle_name"),
    Field::text("prefix"),
    Field::text("suffix"),
    Field::text("full_name"),
    Field::text("formal_name"),
    Field::text("nickname"),
    Field::text("job_title"),
    Field::text("person_type"),
    Field::text("language"),
    Field::text("locale"),
    Field::text("time_zone"),
    Field::text("web_page"),
    Field::flag("disabled"),
    Field::text("external_ref"),
    Field::text("employee_no"),
    Field::text("cost_center"),
    Field::text("organization"),
    Field::text("division"),
    Field::text("department"),
    Field::number("manager_id"),
    Field::list("phones", &entry("number")),
    Field::list("postal", POSTAL),
    Field::list("ims", &entry("value")),
    Field::list("photos", &entry("url")),
    Field::list("roles", &entry("value")),
    Field::list("entitlements", &entry("value")),
    Field::list("certificates", &entry("value")),
];

const POSTAL: &[Field] = &[
    Field::text("kind"),
    Field::text("street"),
    Field::text("city"),
    Field::text("region"),
    Field::text("zip"),
    Field::text("country"),
    Field::text("formatted"),
    Field::flag("main"),
];

const SECRET: &[Field] = &[Field::text("secret")];

const fn entry(value: &'static str) -> [Field; 4] {
    [Field::text(value), Field::text("label"), Field::text("kind"), Field::flag("main")]
}

/// `id`, `card`, `created_at`, `updated_at`.
type Row = (i64, String, i64, i64);

/// `GET /api/people`
pub(crate) async fn list(
    State(pool): State<SqlitePool>,
    listing: Listing,
) -> Result<Response, Refusal> {
    let mut reading = pool.begin().await?;
    let mut count = matching("SELECT COUNT(*) FROM people", &listing);
    let total: i64 = count.build_query_scalar().fetch_one(&mut *reading).await?;
    let mut page = matching("SELECT id, card, created_at, updated_at FROM people", &listing);
    page.push(" ORDER BY id LIMIT ").push_bind(listing.limit());
    page.push(" OFFSET ").push_bind(listing.offset());
    let rows: Vec<Row> = page.build_query_as().fetch_all(&mut *reading).await?;
    let people = render(&mut reading, rows).await?;
    Ok(listing.answer(people, total))
}

/// `GET /api/people/{id}`
pub(crate) async fn show(
    State(pool): State<SqlitePool>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let id = person_id(&id)?;
    let mut reading = pool.begin().await?;
    Ok(Json(load(&mut reading, id).await?))
}

/// `POST /api/people`
pub(crate) async fn create(
    State(pool): State<SqlitePool>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let mut writing = pool.begin_with(WRITING).await?;
    let mut card = unset(FIELDS);
    check(&mut writing, None, &mut card, &body).await?;
    // The columns are filled with everything else; only the key may not be empty before that.
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO people (login_key, disabled, card) VALUES (?, 0, '{}') RETURNING id",
    )
    .bind(login_key(&card))
    .fetch_one(&mut *writing)
    .await?;
    save(&mut writing, id, &card, &body).await?;
    let person = load(&mut writing, id).await?;
    writing.commit().await?;
    let location = format!("{}/api/people/{id}", origin(&headers));
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(person)).into_response())
}

/// `PATCH /api/people/{id}`
pub(crate) async fn change(
    State(pool): State<SqlitePool>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Json<Value>, Refusal> {
    let id = person_id(&id)?;
    let mut writing = pool.begin_with(WRITING).await?;
    let mut card: Map<String, Value> = read_card(&find(&mut writing, id).await?.1)?;
    check(&mut writing, Some(id), &mut card, &body).await?;
    save(&mut writing, id, &card, &body).await?;
    let person = load(&mut writing, id).await?;
    writing.commit().await?;
    Ok(Json(person))
}

/// The number in the path; what is no number names nobody.
pub(crate) fn person_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::NotFound("no such person"))
}

/// Whether there is a person of this number.
pub(crate) async fn exists(
    connection: &mut SqliteConnection,
    id: i64,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM people WHERE id = ?)");
    query.bind(id).fetch_one(connection).await
}

/// The search, which parameters that are not known here do not narrow.
fn matching(select: &'static str, listing: &Listing) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select);
    query.push(" WHERE TRUE");
    if let Some(login) = listing.parameter("login") {
        query.push(" AND login_key = ").push_bind(caseless(login));
    }
    if let Some(mail) = listing.parameter("mail") {
        query.push(" AND id IN (SELECT person_id FROM mail_keys WHERE address_key = ");
        query.push_bind(caseless(mail)).push(")");
    }
    if let Some(number) = listing.parameter("employee_no") {
        query.push(" AND employee_no = ").push_bind(number.to_owned());
    }
    if let Some(reference) = listing.parameter("external_ref") {
        query.push(" AND external_ref = ").push_bind(reference.to_owned());
    }
    if let Some(disabled @ ("true" | "false")) = listing.parameter("disabled") {
        query.push(" AND disabled = ").push_bind(disabled == "true");
    }
    query
}

/// Puts `body` into `card`, or refuses with everything that is wrong with it.
async fn check(
    connection: &mut SqliteConnection,
    id: Option<i64>,
    card: &mut Map<String, Value>,
    body: &Map<String, Value>,
) -> Result<(), Refusal> {
    let mut faults = amend(FIELDS, card, body);
    faults.extend(amend(SECRET, &mut Map::new(), body));
    let holder: Option<i64> = sqlx::query_scalar("SELECT id FROM people WHERE login_key = ?")
        .bind(login_key(card))
        .fetch_optional(&mut *connection)
        .await?;
    if holder.is_some() && holder != id {
        faults.push(FieldFault::taken("login"));
    }
    if let Some(manager) = manager_id(card)
        && !exists(connection, manager).await?
    {
        faults.push(FieldFault::unknown("manager_id"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults)) }
}

async fn save(
    connection: &mut SqliteConnection,
    id: i64,
    card: &Map<String, Value>,
    body: &Map<String, Value>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE people SET login_key = ?, employee_no = ?, external_ref = ?, disabled = ?,
         manager_id = ?, card = ?, updated_at = unixepoch() WHERE id = ?",
    )
    .bind(login_key(card))
    .bind(text_of(card, "employee_no"))
    .bind(text_of(card, "external_ref"))
    .bind(card.get("disabled").and_then(Value::as_bool).unwrap_or(false))
    .bind(manager_id(card))
    .bind(Value::Object(card.clone()).to_string())
    .bind(id)
    .execute(&mut *connection)
    .await?;
    save_mail_keys(connection, id, card).await?;
    // Nobody signs in here, so the secret itself is not kept, only that and when there was one.
    if let Some(secret) = body.get("secret") {
        let query =
            "UPDATE people SET secret_set_at = CASE WHEN ? THEN unixepoch() END WHERE id = ?";
        sqlx::query(query).bind(secret.is_string()).bind(id).execute(connection).await?;
    }
    Ok(())
}

async fn save_mail_keys(
    connection: &mut SqliteConnection,
    id: i64,
    card: &Map<String, Value>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM mail_keys WHERE person_id = ?").bind(id);
    query.execute(&mut *connection).await?;
    let mails = card.get("mails").and_then(Value::as_array).into_iter().flatten();
    for address in mails.filter_map(|mail| mail.get("address")?.as_str()) {
        sqlx::query("INSERT OR IGNORE INTO mail_keys (address_key, person_id) VALUES (?, ?)")
            .bind(caseless(address))
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn find(connection: &mut SqliteConnection, id: i64) -> Result<Row, Refusal> {
    let query = "SELECT id, card, created_at, updated_at FROM people WHERE id = ?";
    let row = sqlx::query_as(query).bind(id).fetch_optional(connection).await?;
    row.ok_or(Refusal::NotFound("no such person"))
}

async fn load(connection: &mut SqliteConnection, id: i64) -> Result<Value, Refusal> {
    let row = find(connection, id).await?;
    let person = render(connection, vec![row]).await?.pop();
    person.ok_or(Refusal::NotFound("no such person"))
}

async fn render(
    connection: &mut SqliteConnection,
    rows: Vec<Row>,
) -> Result<Vec<Value>, sqlx::Error> {
    let mut teams = teams_of(connection, &rows).await?;
    let mut people = Vec::with_capacity(rows.len());
    for (id, card, created_at, updated_at) in rows {
        let mut person = Map::from_iter([("id".to_owned(), Value::from(id))]);
        person.extend(read_card(&card)?);
        person.insert("created_at".to_owned(), Value::from(created_at));
        person.insert("updated_at".to_owned(), Value::from(updated_at));
        person.insert("teams".to_owned(), Value::Array(teams.remove(&id).unwrap_or_default()));
        people.push(Value::Object(person));
    }
    Ok(people)
}

/// The teams of all these people in one query.
async fn teams_of(
    connection: &mut SqliteConnection,
    rows: &[Row],
) -> Result<BTreeMap<i64, Vec<Value>>, sqlx::Error> {
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
    let memberships: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT m.person_id, t.id, t.name FROM memberships m JOIN teams t ON t.id = m.team_id
         WHERE m.person_id IN (SELECT value FROM json_each(?)) ORDER BY m.person_id, t.id",
    )
    .bind(Value::from(ids).to_string())
    .fetch_all(connection)
    .await?;
    let mut teams: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for (person, team, name) in memberships {
        teams.entry(person).or_default().push(json!({ "id": team, "name": name }));
    }
    Ok(teams)
}

fn read_card(text: &str) -> Result<Map<String, Value>, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn login_key(card: &Map<String, Value>) -> String {
    caseless(text_of(card, "login").unwrap_or_default())
}

fn manager_id(card: &Map<String, Value>) -> Option<i64> {
    card.get("manager_id").and_then(Value::as_i64)
}
