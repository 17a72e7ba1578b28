-- What visitors may call where allow_public_sign_in() says so: each call acts on what its caller proves to have, a password, a code or a
-- token. Users who are signed in may call them, too: an app sends along the access token that it has.
GRANT USAGE ON SCHEMA registrar TO anon;
GRANT EXECUTE ON FUNCTION
    registrar.change_password(text, text, text, text, uuid),
    registrar.check_session(),
    registrar.list_sessions(text, uuid),
    registrar.logout(text, text, uuid)
TO anon;
GRANT EXECUTE ON FUNCTION
    registrar.get_session(text),
    registrar.refresh_session(text),
    registrar.reset_password(text, text, text),
    registrar.sign_in_with_password(text, text, text, text),
    registrar.verify_otp(text, text, text, text, text, text)
TO anon, authenticated;
