//! Databases that an earlier version of the bridge has made: every one that there ever was is
//! brought up to date, by several bridges at one moment, and keeps what it holds.
#![cfg(test)]

use std::path::{Path, PathBuf};

use scimbridge::auth::port::TokenStore as _;
use scimbridge::sidecar::port::{Sidecar as _, StoreError};
use scimbridge::store::open::Store;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::postgres::{Database, tell};
use crate::store_contract::{by_keys, folder, live, partition};

/// Statements as version 1 wrote them.
const OLD_ROWS: [&str; 2] = [
    "INSERT INTO entries (tenant, mapping, resource, id, native_key, attributes, state) \
     VALUES ('acme', 'people', 'User', '1', 'ada', '{}', 'live')",
    "INSERT INTO tokens (id, tenant, label, hash, created) \
     SELECT 'token', 'acme', 'entra', value, 1767225600000000 FROM \
     (SELECT CAST('12345678901234567890123456789012' AS DATATYPE) AS value) AS row",
];

const LATER: &str = "INSERT INTO _sqlx_migrations \
     (version, description, success, checksum, execution_time) \
     VALUES (9999, 'later', TRUE, CAST('00' AS DATATYPE), 0)";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_files_of_every_version_are_brought_up_to_date() {
    let migrator = Migrator::new(migrations("sqlite")).await.unwrap();
    for version in versions(&migrator) {
        let folder = folder();
        let file = folder.path().join("bridge.db");
        std::fs::write(&file, "").unwrap();
        let url = format!("sqlite:{}", file.display());
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut old = SqliteConnection::connect_with(&options).await.unwrap();
        migrator.run_to(version, &mut old).await.unwrap();
        for statement in OLD_ROWS {
            old.execute(typed(statement, "BLOB")).await.unwrap();
        }
        old.close().await.unwrap();
        is_brought_up_to_date(&url).await;

        let mut newer = SqliteConnection::connect_with(&options).await.unwrap();
        newer.execute(typed(LATER, "BLOB")).await.unwrap();
        newer.close().await.unwrap();
        is_refused(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql_databases_of_every_version_are_brought_up_to_date() {
    let migrator = Migrator::new(migrations("postgres")).await.unwrap();
    for version in versions(&migrator) {
        let Some(database) = Database::new().await else { return };
        let mut old = PgConnection::connect(&database.url).await.unwrap();
        migrator.run_to(version, &mut old).await.unwrap();
        for statement in OLD_ROWS {
            old.execute(typed(statement, "BYTEA")).await.unwrap();
        }
        old.close().await.unwrap();
        is_brought_up_to_date(&database.url).await;

        let mut newer = PgConnection::connect(&database.url).await.unwrap();
        newer.execute(typed(LATER, "BYTEA")).await.unwrap();
        newer.close().await.unwrap();
        is_refused(&database.url).await;
    }
}

/// Both databases are made in the same steps.
#[test]
fn migrations_have_the_same_numbers_and_names() {
    let names = |database: &str| {
        let files = std::fs::read_dir(migrations(database)).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

async fn is_brought_up_to_date(url: &str) {
    // Replicas, or the bridge and its command line, are exchanged and started at one moment.
    let (one, other, another) = tokio::join!(Store::open(url), Store::open(url), Store::open(url));
    let stores = [one.unwrap(), other.unwrap(), another.unwrap()];
    for store in &stores {
        assert_eq!(by_keys(store, &partition("acme"), &["ada"]).await, [live("1", "ada")]);
        let tokens = store.list(None).await.unwrap();
        assert_eq!(tokens.len(), 1);
        assert_eq!(tokens[0].id, "token");
        let claimed = store.claim(&partition("acme"), "User", "bob", "2").await.unwrap();
        assert_eq!(claimed, live("2", "bob"));
        assert_eq!(store.key("cursor", [1; 32]).await.unwrap(), [1; 32]);
    }
    for store in stores {
        store.close().await;
    }
}

async fn is_refused(url: &str) {
    let refused = Store::open(url).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(_)), "{refused:?}");
    assert_eq!(
        std::error::Error::source(&refused).unwrap().to_string(),
        "the database has schema version 9999 of a newer bridge; this one is too old for it"
    );
}

fn versions(migrator: &Migrator) -> Vec<i64> {
    let versions: Vec<i64> = migrator.iter().map(|migration| migration.version).collect();
    tell(&format!("databases of {} versions are migrated", versions.len()));
    versions
}

fn typed(statement: &str, bytes: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(statement.replace("DATATYPE", bytes))
}

fn migrations(database: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(database)
}
