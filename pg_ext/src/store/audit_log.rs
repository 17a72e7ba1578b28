//! `registrar_private.audit_log`: what was asked, by whom, and how it ended.

use pgrx::datum::Inet;
use pgrx::pg_sys::BuiltinOid::{INETOID, TEXTOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::spi::SpiClient;
use uuid::Uuid;

use super::pg_uuid;
use super::plans::Statement;
use crate::{origin, pg};

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action {
    Register,
    VerifyEmail,
    ResendVerification,
    FillProfile,
    CreateProfile,
    UpdateProfile,
    CreateProfiles,
    UpdateProfiles,
    ImportProfiles,
    RepairProfiles,
    BackfillProfiles,
    RefreshSession,
    Logout,
    SignIn,
    SendOtp,
    VerifyOtp,
    RequestPasswordReset,
    ResetPassword,
    ChangePassword,
    ImportUsers,
    CreateUser,
    UpdateUser,
    DeleteUser,
    ExportUsers,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::VerifyEmail => "verify_email",
            Self::ResendVerification => "resend_verification",
            Self::FillProfile => "fill_profile",
            Self::CreateProfile => "create_profile",
            Self::UpdateProfile => "update_profile",
            Self::CreateProfiles => "create_profiles",
            Self::UpdateProfiles => "update_profiles",
            Self::ImportProfiles => "import_profiles",
            Self::RepairProfiles => "repair_profiles",
            Self::BackfillProfiles => "backfill_profiles",
            Self::RefreshSession => "refresh_session",
            Self::Logout => "logout",
            Self::SignIn => "sign_in",
            Self::SendOtp => "send_otp",
            Self::VerifyOtp => "verify_otp",
            Self::RequestPasswordReset => "request_password_reset",
            Self::ResetPassword => "reset_password",
            Self::ChangePassword => "change_password",
            Self::ImportUsers => "import_users",
            Self::CreateUser => "create_user",
            Self::UpdateUser => "update_user",
            Self::DeleteUser => "delete_user",
            Self::ExportUsers => "export_users",
        }
    }

    /// Whether a table of the app's decides what the caller may do.
    pub(crate) fn is_on_profiles(self) -> bool {
        matches!(
            self,
            Self::CreateProfile
                | Self::UpdateProfile
                | Self::CreateProfiles
                | Self::UpdateProfiles
                | Self::ImportProfiles
                | Self::RepairProfiles
                | Self::BackfillProfiles
        )
    }
}

static RECORD: Statement = Statement::new(
    "INSERT INTO registrar_private.audit_log (user_id, occurred_at, actor_role, action, outcome, address, user_agent, detail)
     VALUES (coalesce($1, '00000000-0000-0000-0000-000000000000'), $2, $3, $4, $5, $6, $7, $8)",
    &[UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, INETOID, TEXTOID, TEXTOID],
);

/// Records how an action ended: `ok` or an error code. `detail` is the cause of an internal error.
pub(crate) fn record(
    client: &mut SpiClient<'_>,
    action: Action,
    outcome: &str,
    user_id: Option<Uuid>,
    detail: Option<&str>,
) {
    let origin = origin::current();
    RECORD.run(
        client,
        &[
            user_id.map(pg_uuid).into(),
            pg::transaction_start().into(),
            pg::caller_role().into(),
            action.as_str().into(),
            outcome.into(),
            origin.address.map(|address| Inet(address.to_string())).into(),
            origin.user_agent.into(),
            detail.into(),
        ],
    );
}
