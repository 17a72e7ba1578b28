//! The floor: bare INSERTs of the rows that one registration writes. They are read off a registration by registrar itself, so
//! that they are the same rows whatever registrar comes to write.

use anyhow::{Result, ensure};
use postgres::Client;

use super::contenders::PASSWORD_HASH;

const EMAIL: &str = "template@example.com";

/// The INSERTs of one registration.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// `auth.users` first. Variables in them: `id`, `email`, and `document_N` for each of the documents.
    pub(super) inserts: Vec<Insert>,
    /// Texts that name the user, such as the JSON of the metadata: a client makes them before it calls, and the database
    /// reads them. Each is an expression over `id` and `email`.
    pub(super) documents: Vec<String>,
}

/// One row's INSERT.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) table: String,
    pub(super) statement: String,
}

/// The floor as a registration writes it now.
pub(super) fn of_a_registration(client: &mut Client) -> Result<Floor> {
    let before = row_counts(client)?;
    let registered =
        "SELECT registrar.register_user_with_token(p_email => $1, p_password_hash => $2) #>> '{data,user,id}'";
    let id: String = client.query_one(registered, &[&EMAIL, &PASSWORD_HASH])?.get(0);
    let after = row_counts(client)?;

    let mut floor = Floor::default();
    for ((table, rows), (_, rows_before)) in after.iter().zip(&before) {
        ensure!(rows - rows_before <= 1, "a registration writes several rows of {table}: the floor does not know how");
        if rows - rows_before == 1 {
            let statement = insert_like(client, table, &id, &mut floor.documents)?;
            floor.inserts.push(Insert { table: table.clone(), statement });
        }
    }
    let written: Vec<&str> = floor.inserts.iter().map(|insert| insert.table.as_str()).collect();
    ensure!(
        written.len() >= 5 && written.contains(&"auth.users"),
        "user, identity, token, profile and audit row expected, but a registration wrote {written:?}"
    );
    // The others refer to it.
    floor.inserts.sort_by_key(|insert| insert.table != "auth.users");
    Ok(floor)
}

/// Every table of the database that is not PostgreSQL's own, and how many rows it has.
fn row_counts(client: &mut Client) -> Result<Vec<(String, i64)>> {
    let tables = "SELECT format('%I.%I', n.nspname, c.relname)
                  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                  ORDER BY 1";
    let mut counts = Vec::new();
    for row in client.query(tables, &[])? {
        let table: String = row.get(0);
        let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[])?.get(0);
        counts.push((table, count));
    }
    Ok(counts)
}

/// The INSERT of a row like the newest one of a table: its id and address, and documents that name them, as variables, times
/// as `now()`, what is NULL or has a default left to it, the rest as constants.
fn insert_like(client: &mut Client, table: &str, id: &str, documents: &mut Vec<String>) -> Result<String> {
    let columns = client.query(
        "SELECT quote_ident(attname), format_type(atttypid, atttypmod), atthasdef OR attidentity <> ''
         FROM pg_attribute
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        &[&table],
    )?;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in columns {
        let (name, kind, has_default): (String, String, bool) = (column.get(0), column.get(1), column.get(2));
        // Every table is empty but for this row: no registration came before.
        let row = client
            .query_one(&format!("SELECT {name}::text, quote_nullable({name}::text) FROM {table} LIMIT 1"), &[])?;
        let value = match row.get::<_, Option<&str>>(0) {
            None => continue,
            Some(text) if text == id => format!("id::{kind}"),
            Some(text) if text == EMAIL => "email".to_owned(),
            Some(text) if text.contains(id) || text.contains(EMAIL) => {
                let text: &str = row.get(1);
                let document = format!("replace(replace({text}, '{id}', id::text), '{EMAIL}', email)");
                let known = documents.iter().position(|known| *known == document);
                let place = known.unwrap_or_else(|| {
                    documents.push(document);
                    documents.len() - 1
                });
                format!("document_{place}::{kind}")
            }
            Some(_) if has_default => continue,
            Some(_) if kind.starts_with("timestamp") => "now()".to_owned(),
            Some(_) => format!("{}::{kind}", row.get::<_, &str>(1)),
        };
        names.push(name);
        values.push(value);
    }
    Ok(format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", ")))
}
