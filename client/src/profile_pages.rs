//! Reading a whole profile table, page by page.

use std::marker::PhantomData;

use registrar_core::ProfilePage;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::{Profiles, Result};

/// All rows of a profile table, ordered by user; made by [`Profiles::export`].
///
/// ```no_run
/// # async fn run(client: &registrar_client::Client) -> registrar_client::Result<()> {
/// let mut pages = client.profiles().export::<serde_json::Value>(1000);
/// while let Some(page) = pages.next().await? {
///     for row in page.profiles {
///         println!("{row}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Each page is a transaction of its own: a row that is written meanwhile is in it or not, but none is told twice.
#[derive(Debug, Clone)]
pub struct ProfilePages<P = Value> {
    profiles: Profiles,
    page_size: u32,
    place: Place,
    row: PhantomData<fn() -> P>,
}

/// Which page comes next.
#[derive(Debug, Clone, Copy)]
enum Place {
    First,
    After(Uuid),
    End,
}

impl<P: DeserializeOwned> ProfilePages<P> {
    pub(crate) fn new(profiles: Profiles, page_size: u32) -> Self {
        Self { profiles, page_size, place: Place::First, row: PhantomData }
    }

    /// The next page; `None` after the last one. The first also tells how many rows there are. After an error, the next call
    /// asks for the same page again.
    ///
    /// # Errors
    /// Those of [`Profiles::export_page`].
    pub async fn next(&mut self) -> Result<Option<ProfilePage<P>>> {
        let after = match self.place {
            Place::First => None,
            Place::After(user) => Some(user),
            Place::End => return Ok(None),
        };
        let page = self.profiles.export_page(after, self.page_size).await?;
        self.place = page.next.map_or(Place::End, Place::After);
        Ok(Some(page))
    }
}
