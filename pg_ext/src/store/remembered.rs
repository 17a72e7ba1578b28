//! Configuration that a backend reads once, and again when it may have changed: a look-up at every call would cost a tenth
//! of a registration.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

use crate::pg::configuration;

/// What is remembered, and as of which generation of the configuration.
pub(crate) type Slot<T> = RefCell<Option<(u64, Rc<T>)>>;

/// The remembered value, loaded where there is none or it may be out of date.
pub(crate) fn remembered<T, E>(
    slot: &'static LocalKey<Slot<T>>,
    load: impl FnOnce() -> Result<T, E>,
) -> Result<Rc<T>, E> {
    let generation = configuration::generation();
    let known = slot.with_borrow(|slot| match slot {
        Some((as_of, value)) if *as_of == generation => Some(Rc::clone(value)),
        _ => None,
    });
    if let Some(value) = known {
        return Ok(value);
    }
    let value = Rc::new(load()?);
    if !configuration::snapshot_is_fixed() {
        slot.set(Some((generation, Rc::clone(&value))));
    }
    Ok(value)
}
