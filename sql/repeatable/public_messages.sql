-- What visitors may call besides where the app has named a function that sends their messages.
GRANT EXECUTE ON FUNCTION
    registrar.request_password_reset(text),
    registrar.send_otp(text, text, text, text)
TO anon, authenticated;
