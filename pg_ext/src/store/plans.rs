//! Statements prepared once for each backend. Preparing at every call would make it two to three times slower.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{BuiltinOid, Oid, PgOid};
use pgrx::spi::{OwnedPreparedStatement, SpiClient, SpiTupleTable};

use crate::pg::{PgError, TrappedStatement, configuration};

/// A statement of registrar's: its text, which may depend on the columns that `auth.users` has, and its parameters' types.
pub(crate) struct Statement {
    text: Text,
    types: &'static [BuiltinOid],
}

enum Text {
    Fixed(&'static str),
    Made(fn(&mut SpiClient<'_>) -> String),
}

impl Statement {
    /// A statement whose text is always the same.
    pub(crate) const fn new(text: &'static str, types: &'static [BuiltinOid]) -> Self {
        Self { text: Text::Fixed(text), types }
    }

    /// A statement whose text is made from the catalogue when it is first needed.
    pub(crate) const fn made_by(make: fn(&mut SpiClient<'_>) -> String, types: &'static [BuiltinOid]) -> Self {
        Self { text: Text::Made(make), types }
    }

    /// Executes the statement with a snapshot of its own, so that it sees what was committed a moment ago.
    pub(crate) fn run<'c>(
        &'static self,
        client: &mut SpiClient<'c>,
        arguments: &[DatumWithOid<'_>],
    ) -> SpiTupleTable<'c> {
        let plan = self.plan(client);
        client.update(&*plan, None, arguments).expect("a kept plan takes the arguments it was prepared with")
    }

    /// Runs a query whose text is fixed, without taking a number for the transaction: what only reads leaves nothing to commit.
    pub(crate) fn read<'c>(&'static self, client: &SpiClient<'c>, arguments: &[DatumWithOid<'_>]) -> SpiTupleTable<'c> {
        let Text::Fixed(text) = self.text else { unreachable!("only a text made from the catalogue is another one") };
        let key: *const Statement = self;
        let known = READING_PLANS.with_borrow(|plans| plans.get(&key).map(Rc::clone));
        let plan = known.unwrap_or_else(|| {
            let types: Vec<PgOid> = self.types.iter().map(|&oid| PgOid::BuiltIn(oid)).collect();
            let prepared = client.prepare(text, &types).expect("PostgreSQL either prepares a statement or raises");
            let plan = Rc::new(prepared.keep());
            READING_PLANS.with_borrow_mut(|plans| plans.insert(key, Rc::clone(&plan)));
            plan
        });
        client.select(&*plan, None, arguments).expect("a kept plan takes the arguments it was prepared with")
    }

    /// Executes a statement that returns no rows, and returns its error with every field. The caller must roll back the
    /// subtransaction it stands in when this returns `Err`.
    pub(crate) fn run_trapped(
        &'static self,
        client: &mut SpiClient<'_>,
        arguments: &[DatumWithOid<'_>],
    ) -> Result<(), PgError> {
        let key: *const Statement = self;
        forget_outdated();
        let known = TRAPPED_PLANS.with_borrow(|plans| plans.get(&key).map(|kept| Rc::clone(&kept.plan)));
        let plan = known.unwrap_or_else(|| {
            let types: Vec<Oid> = self.types.iter().map(|&oid| oid.value()).collect();
            let text = self.text(client);
            let plan = Rc::new(TrappedStatement::prepare(client, &text, &types));
            let kept = Kept { plan: Rc::clone(&plan), is_made: self.is_made() };
            TRAPPED_PLANS.with_borrow_mut(|plans| plans.insert(key, kept));
            plan
        });
        plan.execute(client, arguments).map(drop)
    }

    fn is_made(&self) -> bool {
        matches!(self.text, Text::Made(_))
    }

    fn text(&self, client: &mut SpiClient<'_>) -> Cow<'static, str> {
        match self.text {
            Text::Fixed(text) => text.into(),
            Text::Made(make) => make(client).into(),
        }
    }

    fn plan(&'static self, client: &mut SpiClient<'_>) -> Rc<OwnedPreparedStatement> {
        let key: *const Statement = self;
        forget_outdated();
        if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).map(|kept| Rc::clone(&kept.plan))) {
            return plan;
        }
        let types: Vec<PgOid> = self.types.iter().map(|&oid| PgOid::BuiltIn(oid)).collect();
        let text = self.text(client);
        let prepared = client.prepare_mut(&*text, &types);
        let plan = Rc::new(prepared.expect("PostgreSQL either prepares a statement or raises").keep());
        let kept = Kept { plan: Rc::clone(&plan), is_made: self.is_made() };
        PLANS.with_borrow_mut(|plans| plans.insert(key, kept));
        plan
    }
}

/// Executes a statement whose text stands in a table, e.g. one made for a table of the app's.
pub(crate) fn run_text<'c>(
    client: &mut SpiClient<'c>,
    text: &str,
    types: &[Oid],
    arguments: &[DatumWithOid<'_>],
) -> SpiTupleTable<'c> {
    let known = TEXT_PLANS.with_borrow(|plans| plans.get(text).cloned());
    let plan = known.unwrap_or_else(|| {
        let types: Vec<PgOid> = types.iter().map(|&oid| PgOid::from(oid)).collect();
        let prepared = client.prepare_mut(text, &types).expect("PostgreSQL either prepares a statement or raises");
        let plan = Rc::new(prepared.keep());
        TEXT_PLANS.with_borrow_mut(|plans| plans.insert(text.to_owned(), Rc::clone(&plan)));
        plan
    });
    client.update(&*plan, None, arguments).expect("a kept plan takes the arguments it was prepared with")
}

/// Forgets the plans whose text was made from the catalogue, where that may have changed since.
fn forget_outdated() {
    if AS_OF.replace(configuration::generation()) != configuration::generation() {
        PLANS.with_borrow_mut(|plans| plans.retain(|_, plan| !plan.is_made));
        TRAPPED_PLANS.with_borrow_mut(|plans| plans.retain(|_, plan| !plan.is_made));
    }
}

/// A plan, and whether its text was made from the catalogue.
struct Kept<P> {
    plan: Rc<P>,
    is_made: bool,
}

thread_local! {
    static AS_OF: Cell<u64> = const { Cell::new(0) };
    static PLANS: RefCell<HashMap<*const Statement, Kept<OwnedPreparedStatement>>> = RefCell::default();
    static TRAPPED_PLANS: RefCell<HashMap<*const Statement, Kept<TrappedStatement>>> = RefCell::default();
    static READING_PLANS: RefCell<HashMap<*const Statement, Rc<OwnedPreparedStatement>>> = RefCell::default();
    static TEXT_PLANS: RefCell<HashMap<String, Rc<OwnedPreparedStatement>>> = RefCell::default();
}

/// Forgets every plan, so that the next call makes its statements for the tables as they are now.
pub(crate) fn forget_all() {
    PLANS.take();
    READING_PLANS.take();
    TRAPPED_PLANS.take();
    TEXT_PLANS.take();
}
