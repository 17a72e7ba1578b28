//! The users that a trigger on `auth.users` fires for.

use std::marker::PhantomData;

use pgrx::memcxt::PgMemoryContexts;
use pgrx::{PgTrigger, pg_sys};

use super::PgError;
use super::user_row::{UserColumns, UserRow};

/// Users handled at once: enough that what a batch costs by itself does not count, few enough to fit in memory.
const BATCH: usize = 1_000;

/// What a trigger fires for.
pub(crate) struct NewUsers<'t> {
    trigger: &'t pg_sys::TriggerData,
}

impl<'t> NewUsers<'t> {
    pub(crate) fn of(trigger: &'t PgTrigger<'t>) -> Self {
        Self { trigger: trigger.trigger_data() }
    }

    /// Calls `work` with the users, in batches: those of the statement in a statement's trigger, the one of a row's. Ends with the
    /// first failure.
    pub(crate) fn for_each_batch(
        &self,
        mut work: impl FnMut(&[UserRow<'_>]) -> Result<(), PgError>,
    ) -> Result<(), PgError> {
        // SAFETY: PostgreSQL keeps the relation alive while the trigger runs.
        let descriptor = unsafe { (*self.trigger.tg_relation).rd_att };
        // SAFETY: as above.
        let columns = unsafe { UserColumns::known(self.trigger.tg_relation) };
        let rows = self.trigger.tg_newtable;
        if rows.is_null() {
            let tuple = self.trigger.tg_trigtuple;
            // SAFETY: the tuple is a row of the relation; it is null where there is none.
            let user = (!tuple.is_null()).then(|| unsafe { columns.read(tuple, descriptor) }).flatten();
            return user.iter().try_for_each(|user| work(std::slice::from_ref(user)));
        }
        let mut transition = TransitionTable::open(rows, descriptor);
        // SAFETY: the tuplestore lives as long as the statement.
        if unsafe { pg_sys::tuplestore_tuple_count(rows) } == 1 {
            let users = transition.read(&columns, 1);
            return users.iter().try_for_each(|user| work(std::slice::from_ref(user)));
        }
        loop {
            // What belongs to a batch goes with it: a statement may insert millions.
            let mut context = PgMemoryContexts::new("registrar users");
            let mut batch = || {
                let users = transition.read(&columns, BATCH);
                if !users.is_empty() {
                    work(&users)?;
                }
                Ok::<_, PgError>(users.len() < BATCH)
            };
            // SAFETY: nothing of what the batch allocates outlives it: an error is Rust's own.
            if unsafe { context.switch_to(|_| batch()) }? {
                return Ok(());
            }
        }
    }
}

/// The new and the old row of a row's UPDATE trigger; the old one first.
pub(crate) fn updated_user<'t>(trigger: &'t PgTrigger<'t>) -> Option<(UserRow<'t>, UserRow<'t>)> {
    let data = trigger.trigger_data();
    if data.tg_trigtuple.is_null() || data.tg_newtuple.is_null() {
        return None;
    }
    // SAFETY: both tuples are rows of the relation, alive while the trigger runs.
    unsafe {
        let descriptor = (*data.tg_relation).rd_att;
        let columns = UserColumns::of(descriptor);
        Some((columns.read(data.tg_trigtuple, descriptor)?, columns.read(data.tg_newtuple, descriptor)?))
    }
}

/// A transition table, read from its beginning.
struct TransitionTable<'t> {
    rows: *mut pg_sys::Tuplestorestate,
    slot: *mut pg_sys::TupleTableSlot,
    read_pointer: i32,
    lives: PhantomData<&'t ()>,
}

impl TransitionTable<'_> {
    fn open(rows: *mut pg_sys::Tuplestorestate, descriptor: pg_sys::TupleDesc) -> Self {
        // SAFETY: the tuplestore lives as long as the statement; other triggers read it by pointers of their own.
        unsafe {
            let read_pointer = pg_sys::tuplestore_alloc_read_pointer(rows, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(rows, read_pointer);
            pg_sys::tuplestore_rescan(rows);
            let slot = pg_sys::MakeSingleTupleTableSlot(descriptor, &raw const pg_sys::TTSOpsMinimalTuple);
            Self { rows, slot, read_pointer, lives: PhantomData }
        }
    }

    /// The next users; they live in the current memory context.
    fn read<'c>(&mut self, columns: &UserColumns, limit: usize) -> Vec<UserRow<'c>> {
        let mut users = Vec::new();
        // SAFETY: the slot is of the tuplestore's kind, and of the descriptor that the columns were found in.
        unsafe {
            // Triggers that this one sets off may have moved the store's pointer.
            pg_sys::tuplestore_select_read_pointer(self.rows, self.read_pointer);
            while users.len() < limit && pg_sys::tuplestore_gettupleslot(self.rows, true, false, self.slot) {
                users.extend(columns.copy(self.slot));
            }
            // A tuple that came from disk lies in the current memory context, and the slot would free it later.
            pg_sys::ExecClearTuple(self.slot);
        }
        users
    }
}

impl Drop for TransitionTable<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `open`, dropped once.
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) };
    }
}
