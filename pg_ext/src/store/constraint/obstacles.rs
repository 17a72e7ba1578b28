//! What stands between the steps and their being taken: all of it is told before the first one.

use registrar_core::FieldError;

use super::orphans::{Policy, Referring};
use super::plan::{Kind, Step};
use super::progress::Progress;
use super::quarantine::Quarantine;
use super::situation::Situation;
use super::{forbidden, invalid};

/// Every obstacle, with what removes it.
pub(super) fn all(situation: &Situation, progress: &Progress, steps: &[Step]) -> Vec<FieldError> {
    let mut obstacles = rights(situation, steps);
    if progress.orphans.count.is_none() {
        obstacles.push(cannot_count(situation, progress.orphans.reason.as_deref().unwrap_or_default()));
    }
    if progress.orphans.count.is_some_and(|orphans| orphans > 0) && situation.policy != Policy::Report {
        obstacles.extend(progress.orphans.referring.iter().filter_map(|referring| in_the_way(situation, referring)));
        obstacles.extend(foreign_trigger(situation));
        if situation.policy == Policy::Quarantine {
            obstacles.extend(Quarantine::of(situation).obstacle());
        }
    }
    obstacles
}

fn rights(situation: &Situation, steps: &[Step]) -> Vec<FieldError> {
    let (rights, owner) = (&situation.rights, &situation.table.owner_name);
    let mut obstacles = Vec::new();
    let is_for = |kind: Kind| steps.iter().any(|step| step.kind == kind);
    if is_for(Kind::Constraint) && !(rights.may_use_auth && rights.may_refer) {
        let message = format!("{owner} may not let a foreign key refer to auth.users.");
        let fix = format!("GRANT USAGE ON SCHEMA auth TO {owner}; GRANT REFERENCES (id) ON auth.users TO {owner};");
        obstacles.push(forbidden(message, fix));
    }
    if (is_for(Kind::Index) || is_for(Kind::Quarantine)) && !rights.may_create {
        let schema = pgrx::spi::quote_identifier(&situation.table.schema);
        let message = format!("{owner} may not create anything in the schema {schema}, neither index nor quarantine.");
        obstacles.push(forbidden(message, format!("GRANT CREATE ON SCHEMA {schema} TO {owner};")));
    }
    obstacles
}

fn cannot_count(situation: &Situation, reason: &str) -> FieldError {
    let owner = &situation.table.owner_name;
    let message = format!("Orphans cannot be counted. {reason}");
    let fix = format!(
        "Have a superuser call. Or let {owner} read every user's id: GRANT USAGE ON SCHEMA auth TO {owner}; \
         GRANT SELECT (id) ON auth.users TO {owner}; and where row security is on there, ALTER ROLE {owner} BYPASSRLS;"
    );
    forbidden(message, fix)
}

/// Rows that refer to orphans keep them from being removed, or would go with them, which a quarantine is there to prevent.
fn in_the_way(situation: &Situation, referring: &Referring) -> Option<FieldError> {
    let Referring { table, constraint, on_delete, rows } = referring;
    let keeps = matches!(on_delete.as_str(), "NO ACTION" | "RESTRICT");
    if !keeps && situation.policy == Policy::Delete {
        return None;
    }
    let number = rows.map_or_else(|| "an unknown number".to_owned(), |rows| rows.to_string());
    let message = format!("Rows of {table} refer to orphans: {number} ({constraint}, ON DELETE {on_delete}).");
    let hint = if keeps {
        "They keep the orphans from being removed: remove them first, or let them refer to something else."
    } else {
        "They would go or change with the orphans: move them to safety first, or choose 'delete'."
    };
    Some(invalid("orphans", message, hint))
}

/// Orphans are removed as the table's owner, and what refers to them follows; a superuser's rights must not get to others on that way.
fn foreign_trigger(situation: &Situation) -> Option<FieldError> {
    if !situation.owner_is_superuser() {
        return None;
    }
    let trigger = situation.foreign_trigger(situation.table.oid())?;
    let message = format!("The trigger {trigger} would run with a superuser's rights, and is not a superuser's.");
    let hint = format!(
        "Give {} to an owner who is no superuser, or drop the foreign key that leads there.",
        situation.table.quoted()
    );
    Some(invalid("orphans", message, hint))
}
