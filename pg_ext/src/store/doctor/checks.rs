//! The checks of the doctor, each with why it matters; docs/troubleshooting.md says of each what to do.

macro_rules! checks {
    ($($variant:ident = $name:literal, $why:literal;)*) => {
        /// What is looked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Check {
            $($variant,)*
        }

        impl Check {
            /// Every check, in the order of the answer.
            pub(crate) const ALL: &[Check] = &[$(Check::$variant,)*];

            /// Its name in the answer and in the documentation.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Check::$variant => $name,)* }
            }

            /// What happens to whoever lives with what it finds.
            pub(crate) const fn why(self) -> &'static str {
                match self { $(Check::$variant => $why,)* }
            }

            /// The check of that name.
            pub(crate) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|check| check.as_str() == name)
            }
        }
    };
}

checks! {
    Incomplete = "incomplete",
        "A part of the doctor could not look, so that what it would have found is unknown.";
    SetUp = "set_up",
        "Without its tables and triggers registrar answers every call with an error and fills no profile.";
    ExtensionVersion = "extension_version",
        "Functions of one version over the library of another call what is not there.";
    RolesMissing = "roles_missing",
        "PostgREST switches to the role that a key names, and answers 401 where there is none.";
    RegistrarOwnerRights = "registrar_owner_rights",
        "The calls write users with the rights of registrar_owner, and fail where those are gone.";
    RustBacktrace = "rust_backtrace",
        "pgrx puts backtraces into the detail of errors, and PostgREST shows that to every client.";
    DbTxEnd = "db_tx_end",
        "Whoever can roll back a refused call can try as often as they like: no attempt is counted, none is audited.";
    SchemaNotExposed = "schema_not_exposed",
        "Clients get 404 or 406 for calls that exist.";
    TextEncoding = "text_encoding",
        "Names and addresses outside the encoding are refused.";
    EmailCollation = "email_collation",
        "Addresses are stored in lower case and compared as they are; lower case must be the same for the app and the database.";
    CollationVersion = "collation_version",
        "Indexes on text are sorted as an older version of the system compared it.";
    TriggerMissing = "trigger_missing",
        "New users get no profile, and profiles do not follow their users.";
    TriggerDisabled = "trigger_disabled",
        "It is there and does nothing.";
    TriggerInvokerRights = "trigger_invoker_rights",
        "Supabase Auth inserts users as a role with no rights outside its schema: the sign-up fails with 42501.";
    TriggerSearchPath = "trigger_search_path",
        "Supabase Auth's search_path is auth: a name without a schema is looked for there, whoever tests it elsewhere.";
    TriggerUnqualifiedNames = "trigger_unqualified_names",
        "The sign-up fails with 42P01, which the app sees as \"Database error saving new user\".";
    TriggerTargetMissing = "trigger_target_missing",
        "The sign-up fails with 42P01: a table was renamed or dropped, and the function was forgotten.";
    TriggerOwnerRights = "trigger_owner_rights",
        "A function with the rights of its owner can do no more than its owner: the sign-up fails with 42501.";
    TriggerOwnerSuperuser = "trigger_owner_superuser",
        "What the trigger sets off, other triggers and defaults of the tables it writes, runs with every right there is.";
    TriggerUnguarded = "trigger_unguarded",
        "Whatever fails in it costs the sign-up: a new column that is NOT NULL, a value that is too long, a locked table.";
    TriggerDuplicateWork = "trigger_duplicate_work",
        "Of two triggers that insert the same row the second fails, or overwrites what the first wrote.";
    ProfileTableMissing = "profile_table_missing",
        "Every sign-up tries to fill it and records a failure.";
    ProfileUserNotUnique = "profile_user_not_unique",
        "A user can have two profiles, and the calls on profiles fail.";
    RelationMissing = "relation_missing",
        "The app relies on a table that is not there.";
    ForeignKeyMissing = "foreign_key_missing",
        "Rows can name users who do not exist, and stay behind when a user is deleted.";
    ForeignKeyElsewhere = "foreign_key_elsewhere",
        "An insert for a user who has just signed up fails with 23503: the user is not in the table that the key leads to.";
    ForeignKeyDelete = "foreign_key_delete",
        "A user with such a row cannot be deleted, or leaves it behind.";
    ForeignKeyUpdate = "foreign_key_update",
        "An import or merge that changes a user's id fails, or leaves the row behind.";
    ForeignKeyNotValid = "foreign_key_not_valid",
        "Rows from before the constraint were never checked, and the planner does not rely on it.";
    ForeignKeyType = "foreign_key_type",
        "No foreign key to auth.users is possible, and every comparison needs a cast that no index serves.";
    ForeignKeyIndex = "foreign_key_index",
        "Each user that is deleted reads the whole table.";
    OrphanedRows = "orphaned_rows",
        "They belong to nobody, keep a foreign key from being validated, and may be personal data that should be gone.";
    UsersWithoutProfile = "users_without_profile",
        "The app meets users whose profile it takes for granted.";
    EmailNotLowerCase = "email_not_lower_case",
        "Sign-in looks for the address in lower case and does not find it.";
    EmailDuplicates = "email_duplicates",
        "One person has two accounts, and which one answers depends on how the address is typed.";
    NullTokens = "null_tokens",
        "Supabase Auth cannot read NULL there: sign-in and recovery of these users fail with a 500.";
    NullInstanceId = "null_instance_id",
        "Supabase Auth looks for users of the zero instance only, and does not see these.";
    ExpiredTokens = "expired_tokens",
        "These people registered and never verified their address.";
    ProfileFailures = "profile_failures",
        "These users signed up and have no profile, for a reason that was recorded.";
    RowSecurityOff = "row_security_off",
        "Everybody with the public key reads and writes every user's profile.";
    RowSecurityNoPolicy = "row_security_no_policy",
        "The calls on the own profile answer forbidden, and the app sees an empty table.";
    PolicyOpenToAll = "policy_open_to_all",
        "Row security is on and limits nothing.";
    RightsOfAnon = "rights_of_anon",
        "Only row security stands between the public key and the rows.";
    RightsOnRegistrar = "rights_on_registrar",
        "What only a trusted back end may do can be done by others; tokens and codes are in its answers.";
    ViewBypassesRowSecurity = "view_bypasses_row_security",
        "A view reads with its owner's rights, and the policies of the table behind it do not count.";
    DefinerSearchPath = "definer_search_path",
        "Whoever can create a table or function anywhere in that path acts with the owner's rights.";
}
