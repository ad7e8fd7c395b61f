//! Opening a PostgreSQL database, which several bridges may share.
//!
//! The address is the usual one, with `sslmode` and its companions: TLS comes from rustls. The
//! bridge needs a session of its own for each connection; a pooler between the two must not
//! exchange sessions between transactions.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, Postgres};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::sidecar::port::StoreError;
use crate::store::error::{OpenError, corrupt, failed, not_migrated, unavailable};
use crate::store::locks::PostgresLocks;
use crate::store::statement::Statement;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Most connections of one process; the command line is content with fewer.
pub(in crate::store) const CONNECTIONS: u32 = 8;

/// How long a statement may wait for a connection; a server that is started again meanwhile is
/// not noticed.
const WAIT: Duration = Duration::from_secs(3);

/// How long a statement may run in the server.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer is waited for altogether; only a server that has vanished needs longer.
const SILENCE: Duration = Duration::from_secs(8);

/// How long the schema may take: another replica may be at it, and tables may be large.
const SET_UP: Duration = Duration::from_mins(10);

/// A connection that was idle for longer is tried before it is lent.
const TRIED: Duration = Duration::from_secs(1);

/// An open database whose schema is up to date.
#[derive(Debug, Clone)]
pub(in crate::store) struct PostgresDatabase {
    pub(in crate::store) pool: PgPool,
    /// Locks that all processes with this database share.
    pub(in crate::store) locks: PostgresLocks,
}

impl PostgresDatabase {
    /// Whether an address is one of PostgreSQL.
    pub(in crate::store) fn is_meant(url: &str) -> bool {
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }

    /// Connects and brings the schema up to date.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, StoreError> {
        let options =
            PgConnectOptions::from_str(url).map_err(failed)?.application_name("scimbridge");
        let connecting = timeout(PATIENCE, options.connect()).await;
        let mut connection = connecting.map_err(|_| slow(PATIENCE))?.map_err(failed)?;
        check_encoding(&mut connection).await?;
        // sqlx holds an advisory lock meanwhile: of several replicas one migrates.
        let migrating = timeout(SET_UP, MIGRATIONS.run(&mut connection)).await;
        migrating.map_err(|_| slow(SET_UP))?.map_err(not_migrated)?;
        connection.close().await.map_err(failed)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAIT)
            .idle_timeout(Duration::from_mins(5))
            .max_lifetime(Duration::from_mins(30))
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > TRIED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        // Nothing is asked of the server before the first statement.
        let pool = pool.connect_lazy_with(bounded(options));
        let locks = PostgresLocks::start(pool.connect_options());
        Ok(Self { pool, locks })
    }

    /// The rows of a statement.
    pub(in crate::store) async fn rows(
        &self,
        statement: Statement,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let answer = timeout(SILENCE, statement.for_postgres().fetch_all(&mut *connection)).await;
        settled(&mut connection, answer)
    }

    /// Carries a change out; says how many rows it was about.
    pub(in crate::store) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(failed)?;
        let answer = timeout(SILENCE, statement.for_postgres().execute(&mut *connection)).await;
        settled(&mut connection, answer).map(|done| done.rows_affected())
    }

    /// A transaction, at PostgreSQL's own level of isolation.
    pub(in crate::store) async fn begin(&self) -> Result<PostgresTransaction, StoreError> {
        let connection = self.pool.acquire().await.map_err(failed)?;
        let mut transaction = PostgresTransaction { connection, is_through: false };
        transaction.change(Statement::new("BEGIN")).await?;
        Ok(transaction)
    }
}

/// A transaction of ours. sqlx's own leaves a connection inside of a transaction when its caller
/// gives up while it begins; this one closes the connection unless it came to its end.
pub(in crate::store) struct PostgresTransaction {
    connection: PoolConnection<Postgres>,
    is_through: bool,
}

impl PostgresTransaction {
    /// The rows of a statement.
    pub(in crate::store) async fn rows(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<PgRow>, StoreError> {
        let asking = statement.for_postgres().fetch_all(&mut *self.connection);
        let answer = timeout(SILENCE, asking).await;
        settled(&mut self.connection, answer)
    }

    /// Carries a change out; says how many rows it was about.
    pub(in crate::store) async fn change(
        &mut self,
        statement: Statement,
    ) -> Result<u64, StoreError> {
        let doing = statement.for_postgres().execute(&mut *self.connection);
        let answer = timeout(SILENCE, doing).await;
        settled(&mut self.connection, answer).map(|done| done.rows_affected())
    }

    /// Makes it all lasting.
    pub(in crate::store) async fn commit(mut self) -> Result<(), StoreError> {
        self.change(Statement::new("COMMIT")).await?;
        self.is_through = true;
        Ok(())
    }
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        if !self.is_through {
            self.connection.close_on_drop();
        }
    }
}

/// Closes the connection to a server that does not answer at all: it would not come back for as
/// long as the network believes in it.
fn settled<T>(
    connection: &mut PoolConnection<Postgres>,
    answer: Result<Result<T, sqlx::Error>, Elapsed>,
) -> Result<T, StoreError> {
    match answer {
        Ok(answer) => answer.map_err(failed),
        Err(_) => {
            connection.close_on_drop();
            Err(slow(SILENCE))
        }
    }
}

/// Connections whose statements end by themselves, and which end, with their transactions and
/// locks, soon after the bridge's machine has vanished.
fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    let milliseconds = PATIENCE.as_millis().to_string();
    options.options([
        ("statement_timeout", milliseconds.as_str()),
        ("idle_in_transaction_session_timeout", milliseconds.as_str()),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Text of other encodings could neither be kept nor compared.
async fn check_encoding(connection: &mut PgConnection) -> Result<(), StoreError> {
    let asking = sqlx::query_scalar("SHOW server_encoding").fetch_one(connection);
    let encoding: String =
        timeout(SILENCE, asking).await.map_err(|_| slow(SILENCE))?.map_err(failed)?;
    if encoding == "UTF8" { Ok(()) } else { Err(corrupt(OpenError::Encoding(encoding))) }
}

fn slow(limit: Duration) -> StoreError {
    unavailable(OpenError::Slow(limit))
}
