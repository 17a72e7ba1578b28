// Every call of registrar by the SDK, as each role: who may, who may not, and the right answers.
import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { backEnd, call, newEmail, register, signUp, sql, visitor } from './project.mjs'

/** The data of an answer that must be a success with this status. */
function data({ status, data: answer, error }, expected = 200) {
  assert.equal(error, null, JSON.stringify(error))
  assert.equal(status, expected)
  assert.deepEqual([answer.success, answer.errors], [true, []])
  return answer.data
}

/** That an answer is registrar's refusal with this status and these codes, each with the field it is about. */
function refused({ status, data: answer, error }, expected, ...codes) {
  assert.deepEqual([status, answer], [expected, null], JSON.stringify(error))
  assert.deepEqual([error.success, error.data], [false, null])
  assert.deepEqual(error.errors.map(({ field, code }) => (field ? `${field}: ${code}` : code)), codes)
}

/** A user of the back end's without a profile. */
async function userWithoutProfile() {
  const { user } = await register()
  await backEnd.from('user_profiles').delete().eq('user_id', user.id).throwOnError()
  return user
}

/** What a user may call on the own account and profile; `on` are the parameters that say whose it is. */
const OWN_PROFILE = {
  async get_user(caller, { user, on }) {
    const { user: found } = data(await call(caller, 'get_user', on))
    assert.deepEqual([found.id, found.email, found.is_active, found.is_superuser], [user.id, user.email, true, false])
    assert.equal(typeof found.profile_id, 'string')
  },
  async update_user(caller, { user, on }) {
    const updates = { full_name: 'Ada Lovelace', metadata: { plan: 'free' } }
    const saved = data(await call(caller, 'update_user', { ...on, p_updates: updates }))
    assert.deepEqual([saved.user.id, saved.verification], [user.id, null])
    const [{ metadata }] = await sql`SELECT raw_user_meta_data AS metadata FROM auth.users WHERE id = ${user.id}`
    assert.deepEqual([metadata.full_name, metadata.plan], ['Ada Lovelace', 'free'])
    refused(await call(caller, 'update_user', { ...on, p_updates: { emial: 'x' } }), 400, 'emial: validation_failed')
    if (caller !== backEnd) {
      const powers = { is_superuser: true, is_verified: true, is_active: true, role: 'admin' }
      const codes = ['role', 'is_active', 'is_superuser', 'is_verified'].map((field) => `${field}: forbidden`)
      refused(await call(caller, 'update_user', { ...on, p_updates: powers }), 403, ...codes)
      refused(await call(caller, 'update_user', { ...on, p_updates: { email: newEmail() } }), 403, 'forbidden')
    }
  },
  async get_profile(caller, { user, on }) {
    const { profile, user_id, profile_id } = data(await call(caller, 'get_profile', on))
    assert.deepEqual([user_id, profile.profile_id], [user.id, profile_id])
  },
  async update_profile(caller, { user, on }) {
    const updates = { field_of_study: 'law', skills_technologies: ['a', 'b"'], salary_min: 1, experience_level: null }
    const { profile } = data(await call(caller, 'update_profile', { ...on, p_updates: updates }))
    assert.equal(profile.user_id, user.id)
    assert.deepEqual(Object.fromEntries(Object.keys(updates).map((key) => [key, profile[key]])), updates)
    const bad = { experience_level: 'wizard', salary_min: -1, fieldofstudy: 'law' }
    const codes = ['experience_level', 'fieldofstudy', 'salary_min'].map((field) => `${field}: validation_failed`)
    const answer = await call(caller, 'update_profile', { ...on, p_updates: bad })
    answer.error.errors.sort((one, other) => one.field.localeCompare(other.field))
    refused(answer, 400, ...codes)
  },
  async get_profile_completion_status(caller, { on }) {
    await call(caller, 'update_profile', { ...on, p_updates: { education_level: null, experience_level: 'lead' } }).throwOnError()
    const status = data(await call(caller, 'get_profile_completion_status', on))
    assert.deepEqual(status, { is_complete: false, completion_percentage: 66, missing_fields: ['education_level'] })
  },
  async verify_user_profile(caller, { on }) {
    await call(caller, 'update_profile', { ...on, p_updates: { education_level: 'phd', experience_level: 'lead' } }).throwOnError()
    const { has_profile, is_complete, profile } = data(await call(caller, 'verify_user_profile', on))
    assert.deepEqual([has_profile, is_complete, profile.education_level], [true, true, 'phd'])
  },
  async get_user_profile_data(caller, { user, on }) {
    const { id, email, profile } = data(await call(caller, 'get_user_profile_data', on))
    assert.deepEqual([id, email, profile.user_id], [user.id, user.email, user.id])
  },
  async create_profile(caller, { user, on }) {
    refused(await call(caller, 'create_profile', on), 409, 'profile_exists')
    await backEnd.from('user_profiles').delete().eq('user_id', user.id).throwOnError()
    refused(await call(caller, 'get_profile', on), 404, 'profile_not_found')
    const { profile } = data(await call(caller, 'create_profile', { ...on, p_values: { field_of_study: 'art' } }), 201)
    assert.deepEqual([profile.user_id, profile.field_of_study], [user.id, 'art'])
  },
}

/** A session of a user, as a sign-in leaves it. */
async function openSession(user) {
  const token = () => Buffer.concat([Buffer.from(user.id.replaceAll('-', ''), 'hex'), randomBytes(32)]).toString('base64url')
  const hash = (text) => createHash('sha256').update(text).digest()
  const [id, session_token, refresh_token] = [randomUUID(), token(), token()]
  await sql`
    INSERT INTO registrar_private.sessions
        (user_id, id, token_hash, token_expires_at, created_at, refreshed_at, idle_expires_at, expires_at, method)
    VALUES (${user.id}, ${id}, ${hash(session_token)}, now() + '1 hour', now(), now(), now() + '7 days', now() + '30 days', 'otp')`
  await sql`
    INSERT INTO registrar_private.refresh_tokens (user_id, token_hash, session_id, issued_at)
    VALUES (${user.id}, ${hash(refresh_token)}, ${id}, now())`
  return { id, session_token, refresh_token }
}

/** What a user may call about the own sessions and password. */
const OWN_SESSIONS = {
  async change_password(caller, { user, on }) {
    const hash = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'
    await sql`UPDATE auth.users SET encrypted_password = ${hash} WHERE id = ${user.id}`
    const change = { ...on, p_password: 'another horse, another staple' }
    refused(await call(caller, 'change_password', change), 403, 'current_password: forbidden')
    refused(await call(caller, 'change_password', { ...change, p_current_password: 'U*V' }), 401, 'current_password: invalid_credentials')
    const { user: changed } = data(await call(caller, 'change_password', { ...change, p_current_password: 'U*U' }))
    assert.equal(changed.id, user.id)
  },
  async list_sessions(caller, { user, on }) {
    const { id } = await openSession(user)
    const { sessions } = data(await call(caller, 'list_sessions', on))
    assert.deepEqual(sessions.map((session) => [session.id, session.user_id, session.is_current]), [[id, user.id, false]])
  },
  async logout(caller, { user, on }) {
    const { session_token } = await openSession(user)
    assert.deepEqual(data(await call(caller, 'logout', { ...on, p_scope: 'all' })), { ended: 1 })
    refused(await call(backEnd, 'get_session', { p_session_token: session_token }), 401, 'session_expired')
  },
}

/** A user with a confirmed address and a password. */
async function verified(password) {
  const { user, token } = await register({ p_password: password })
  data(await call(backEnd, 'verify_email', { p_token: token }))
  return user
}

/** What only the trusted back end may call. */
const BACK_END = {
  async create_user() {
    const email = newEmail()
    const made = data(await call(backEnd, 'create_user', { p_values: { email: email.toUpperCase(), role: 'admin', is_superuser: true } }), 201)
    assert.deepEqual([made.user.email, made.user.role, made.user.is_superuser, made.user.is_verified], [email, 'admin', true, false])
    data(await call(backEnd, 'verify_email', { p_token: made.verification.token }))
    refused(await call(backEnd, 'create_user', { p_values: { email } }), 409, 'email: email_exists')
    refused(await call(backEnd, 'create_user'), 400, 'email: validation_failed')
  },
  async list_users() {
    const { user } = await register()
    const { users, next } = data(await call(backEnd, 'list_users', { p_email_prefix: user.email.slice(0, -4) }))
    assert.deepEqual([users.map(({ id }) => id), next], [[user.id], null])
    refused(await call(backEnd, 'list_users', { p_limit: 0 }), 400, 'limit: validation_failed')
  },
  async export_users() {
    const { user } = await register({ p_full_name: 'Ada' })
    const exported = []
    let after = null
    do {
      const page = data(await call(backEnd, 'export_users', { p_after: after, p_limit: 1000 }))
      exported.push(...page.users)
      after = page.next
    } while (after)
    const [row] = exported.filter(({ id }) => id === user.id)
    assert.deepEqual([row.email, row.raw_user_meta_data.full_name, 'encrypted_password' in row], [user.email, 'Ada', false])
    refused(await call(backEnd, 'export_users', { p_with_hashes: true }), 403, 'with_hashes: forbidden')
  },
  async delete_user() {
    const { user } = await register()
    assert.deepEqual(data(await call(backEnd, 'delete_user', { p_user_id: user.id, p_soft: true })), { user_id: user.id, soft: true })
    refused(await call(backEnd, 'get_user', { p_user_id: user.id }), 404, 'user_not_found')
    data(await call(backEnd, 'delete_user', { p_user_id: user.id }))
    const left = await sql`SELECT FROM auth.users WHERE id = ${user.id}`
    assert.equal(left.length, 0)
    refused(await call(backEnd, 'delete_user', { p_user_id: user.id }), 404, 'user_not_found')
  },
  async profile_id() {
    const { user } = await register()
    const { profile_id } = data(await call(backEnd, 'get_profile', { p_user_id: user.id }))
    const answer = await call(backEnd, 'profile_id', { p_user_id: user.id })
    assert.deepEqual([answer.error, answer.data], [null, profile_id])
  },
  async send_otp() {
    const user = await verified('correct horse battery staple')
    const { code, channel, recipient } = data(await call(backEnd, 'send_otp', { p_email: user.email.toUpperCase() }))
    assert.match(code, /^\d{6}$/)
    assert.deepEqual([channel, recipient], ['email', user.email])
    refused(await call(backEnd, 'send_otp', { p_email: user.email }), 429, 'rate_limited')
    refused(await call(backEnd, 'send_otp', { p_phone: '+12025550123' }), 404, 'phone: user_not_found')
  },
  async verify_otp() {
    const user = await verified('correct horse battery staple')
    const { code } = data(await call(backEnd, 'send_otp', { p_email: user.email }))
    const wrong = String((Number(code) + 1) % 1e6).padStart(6, '0')
    refused(await call(backEnd, 'verify_otp', { p_email: user.email, p_code: wrong }), 401, 'code: invalid_credentials')
    const right = { p_email: user.email, p_code: code, p_device_name: 'phone' }
    const { user: signedIn, session, tokens } = data(await call(backEnd, 'verify_otp', right))
    assert.deepEqual([signedIn.id, session.device_name], [user.id, 'phone'])
    data(await call(backEnd, 'get_session', { p_session_token: tokens.session_token }))
    refused(await call(backEnd, 'verify_otp', right), 410, 'code: otp_expired')
  },
  async request_password_reset() {
    const user = await verified('correct horse battery staple')
    const { reset } = data(await call(backEnd, 'request_password_reset', { p_email: user.email }))
    assert.match(reset.token, /^[\w-]{64}$/)
    refused(await call(backEnd, 'request_password_reset', { p_email: newEmail() }), 404, 'email: user_not_found')
  },
  async reset_password() {
    const user = await verified('correct horse battery staple')
    const { reset } = data(await call(backEnd, 'request_password_reset', { p_email: user.email }))
    const weak = await call(backEnd, 'reset_password', { p_token: reset.token, p_password: '1234567' })
    refused(weak, 422, 'password: weak_password', 'password: weak_password')
    const { sessions_ended } = data(await call(backEnd, 'reset_password', { p_token: reset.token, p_password: 'another horse' }))
    assert.equal(sessions_ended, 0)
    data(await call(backEnd, 'sign_in_with_password', { p_email: user.email, p_password: 'another horse' }))
  },
  async register_user_with_token() {
    const email = newEmail()
    const phone = `+1202${Math.floor(2340000 + Math.random() * 7000000)}`
    const parameters = {
      p_email: email.toUpperCase(), p_phone: phone, p_full_name: 'Ada', p_role: 'user', p_password: 'correct horse battery staple',
      p_metadata: { field_of_study: 'maths', nested: { list: [1, '2'] } }, p_idempotency_key: randomUUID(),
    }
    const { user, profile, verification } = data(await call(backEnd, 'register_user_with_token', parameters), 201)
    assert.deepEqual([user.email, user.phone, user.role, user.email_confirmed_at], [email, phone, 'user', null])
    assert.deepEqual([profile.user_id, profile.field_of_study], [user.id, 'maths'])
    assert.match(verification.token, /^[\w-]{64}$/)
    const [stored] = await sql`SELECT raw_user_meta_data -> 'nested' AS nested FROM auth.users WHERE id = ${user.id}`
    assert.deepEqual(stored.nested, { list: [1, '2'] })
    const again = data(await call(backEnd, 'register_user_with_token', parameters))
    assert.equal(again.user.id, user.id)
    const bad = await call(backEnd, 'register_user_with_token', { p_email: 'nonsense', p_metadata: [] })
    refused(bad, 400, 'email: validation_failed', 'metadata: validation_failed')
  },
  async verify_email() {
    const { user, token } = await register()
    const { user: verified, profile } = data(await call(backEnd, 'verify_email', { p_token: token }))
    assert.ok(verified.email_confirmed_at)
    assert.equal(profile.user_id, user.id)
    refused(await call(backEnd, 'verify_email', { p_token: token }), 401, 'token: token_invalid')
    refused(await call(backEnd, 'register_user_with_token', { p_email: user.email }), 409, 'email: email_exists')
  },
  async resend_verification() {
    const { user, token } = await register()
    const { verification } = data(await call(backEnd, 'resend_verification', { p_email: user.email }))
    assert.notEqual(verification.token, token)
    refused(await call(backEnd, 'verify_email', { p_token: token }), 401, 'token: token_invalid')
    data(await call(backEnd, 'verify_email', { p_token: verification.token }))
    const unknown = await call(backEnd, 'resend_verification', { p_email: newEmail() })
    refused(unknown, 404, 'email: user_not_found')
  },
  async sign_in_with_password() {
    const password = 'correct horse battery staple'
    const { user, token } = await register({ p_password: password })
    const right = { p_email: user.email, p_password: password, p_device_name: 'phone' }
    refused(await call(backEnd, 'sign_in_with_password', right), 403, 'not_confirmed')
    data(await call(backEnd, 'verify_email', { p_token: token }))
    const { user: signedIn, session, tokens } = data(await call(backEnd, 'sign_in_with_password', right))
    assert.deepEqual([signedIn.id, session.user_id, session.device_name], [user.id, user.id, 'phone'])
    data(await call(backEnd, 'get_session', { p_session_token: tokens.session_token }))
    const wrong = await call(backEnd, 'sign_in_with_password', { ...right, p_password: 'wrong' })
    refused(wrong, 401, 'invalid_credentials')
  },
  async get_session() {
    const { user } = await register()
    const { id, session_token } = await openSession(user)
    const { session } = data(await call(backEnd, 'get_session', { p_session_token: session_token }))
    assert.deepEqual([session.id, session.user_id], [id, user.id])
    refused(await call(backEnd, 'get_session', { p_session_token: 'x' }), 401, 'session_token: token_invalid')
  },
  async refresh_session() {
    const { user } = await register()
    const { id, session_token, refresh_token } = await openSession(user)
    const { session, tokens } = data(await call(backEnd, 'refresh_session', { p_refresh_token: refresh_token }))
    assert.equal(session.id, id)
    assert.match(tokens.refresh_token, /^[\w-]{64}$/)
    refused(await call(backEnd, 'get_session', { p_session_token: session_token }), 401, 'session_token: token_invalid')
    data(await call(backEnd, 'get_session', { p_session_token: tokens.session_token }))
  },
  async build_info() {
    const { data: info, error } = await call(backEnd, 'build_info')
    assert.equal(error, null)
    assert.match(info.version, /^\d+\.\d+\.\d+$/)
    assert.ok(info.postgres >= 15)
  },
  async doctor() {
    const { data: rows, error } = await call(backEnd, 'doctor')
    assert.equal(error, null)
    assert.deepEqual(Object.keys(rows[0]).sort(), ['check', 'finding', 'fix_sql', 'object', 'severity', 'why'])
    const wrong = rows.filter(({ severity }) => severity === 'error')
    assert.deepEqual(wrong, [], 'a database that @supabase/lite and registrar have set up is healthy')
  },
  async error_codes() {
    const { data: codes, error } = await call(backEnd, 'error_codes')
    assert.equal(error, null)
    assert.equal(codes.find(({ code }) => code === 'email_exists').http_status, 409)
  },
  async create_profiles() {
    const { user: complete } = await register()
    const users = [await userWithoutProfile(), complete, { id: randomUUID() }]
    const answer = data(await call(backEnd, 'create_profiles', { p_user_ids: users.map(({ id }) => id) }))
    assert.deepEqual([answer.succeeded, answer.failed], [1, 2])
    const codes = answer.results.map(({ success, errors }) => success || errors[0].code)
    assert.deepEqual(codes, [true, 'profile_exists', 'user_not_found'])
  },
  async update_profiles() {
    const { user } = await register()
    const update = (updates) => ({ user_id: user.id, updates })
    const updates = [update({ field_of_study: 'law' }), update({ salary_min: -1 })]
    const answer = data(await call(backEnd, 'update_profiles', { p_updates: updates }))
    assert.deepEqual(answer.results.map(({ success }) => success), [true, false])
    const whole = await call(backEnd, 'update_profiles', { p_updates: updates, p_all_or_nothing: true })
    refused(whole, 400, 'updates[1].salary_min: validation_failed')
  },
  async export_profiles() {
    const { user } = await register()
    const exported = []
    let after = null
    do {
      const page = data(await call(backEnd, 'export_profiles', { p_after: after, p_limit: 10 }))
      exported.push(...page.profiles)
      after = page.next
    } while (after)
    assert.equal(exported.filter(({ user_id }) => user_id === user.id).length, 1)
    refused(await call(backEnd, 'export_profiles', { p_limit: 0 }), 400, 'limit: validation_failed')
  },
  async import_profiles() {
    const { user } = await register()
    const { data: row } = await backEnd.from('user_profiles').select().eq('user_id', user.id).single().throwOnError()
    const rows = [{ ...row, field_of_study: 'art' }, { ...row, user_id: randomUUID(), profile_id: randomUUID() }]
    const answer = data(await call(backEnd, 'import_profiles', { p_profiles: rows }))
    assert.deepEqual(answer.results.map(({ success }) => success), [true, false])
    const { data: now } = await backEnd.from('user_profiles').select().eq('user_id', user.id).single().throwOnError()
    assert.equal(now.field_of_study, 'art')
  },
  async import_user_rows() {
    const email = `imported-${randomUUID()}@example.com`
    const columns = { id: 1, email: email.toUpperCase(), password: '$2y$10$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', name: 'Ada' }
    const sent = {
      p_source: `js ${randomUUID()}`, p_mapping: 'laravel',
      p_rows: [{ position: 1, columns }, { position: 2, columns: { ...columns, id: 2, email: 'nobody' } }],
    }
    const report = data(await call(backEnd, 'import_user_rows', sent))
    assert.deepEqual([report.rows, report.imported, report.failed, report.reasons], [2, 1, 1, { invalid_email: 1 }], JSON.stringify(report))
    const again = data(await call(backEnd, 'import_user_rows', sent))
    assert.deepEqual([again.imported, again.failed, again.repeated], [0, 1, 1])
    const [{ name }] = await sql`SELECT raw_user_meta_data ->> 'full_name' AS name FROM auth.users WHERE email = ${email}`
    assert.equal(name, 'Ada')
    refused(await call(backEnd, 'import_user_rows', { ...sent, p_mapping: 'rails' }), 400, 'preset: validation_failed')
  },
  async profile_stats() {
    await register()
    const stats = data(await call(backEnd, 'profile_stats', { p_days: 1 }))
    assert.ok(stats.users >= 1 && stats.profiles >= 1, JSON.stringify(stats))
  },
  async repair_profiles() {
    const report = data(await call(backEnd, 'repair_profiles', { p_limit: 10 }))
    assert.equal(report.attempted, report.repaired + report.failed)
  },
  async backfill_profiles_batch() {
    const user = await userWithoutProfile()
    let after = null
    do {
      const batch = data(await call(backEnd, 'backfill_profiles_batch', { p_after: after, p_limit: 1000 }))
      after = batch.next
    } while (after)
    data(await call(backEnd, 'get_profile', { p_user_id: user.id }))
  },
}

/** What is the business of whoever owns the database or a table, and no API role's. */
const OWNERS = [
  'allow_public_sign_in', 'set_jwt_secret',
  'attach_profile_table', 'create_profile_table', 'declare_relation', 'detach_profile_table', 'expose_api',
  'fix_constraint_step', 'foreign_key_script', 'import_users', 'legacy_user_id', 'migration_sql', 'setup', 'signup_check', 'verify_and_fix_constraint', 'withdraw_relation',
]

/** The functions of the schema `registrar` with the parameters that a call must have, and the roles that may execute each. */
const functions = await sql`
  SELECT p.proname AS name, coalesce(p.proargnames[1:p.pronargs - p.pronargdefaults], '{}') AS required,
         p.proargtypes::regtype[]::text[] AS types,
         array(SELECT role FROM unnest('{anon,authenticated,service_role}'::text[]) AS role
               WHERE has_function_privilege(role, p.oid, 'EXECUTE')) AS roles
  FROM pg_proc AS p
  WHERE p.pronamespace = 'registrar'::regnamespace AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype
  ORDER BY p.proname`
const allowed = (role) => functions.filter(({ roles }) => roles.includes(role)).map(({ name }) => name)

const VALUES = { uuid: randomUUID(), integer: 1, boolean: true, jsonb: {}, 'uuid[]': [], 'text[]': [] }

/** That a call is refused by PostgreSQL, before registrar is reached. (Of NULL a strict function would not even be asked.) */
async function isForbidden(caller, { name, required, types }) {
  const value = (type) => VALUES[type] ?? 'public.user_profiles'
  const parameters = Object.fromEntries(required.map((parameter, place) => [parameter, value(types[place])]))
  const { error, status } = await call(caller, name, parameters)
  assert.equal(error?.code, '42501', `${name}: ${JSON.stringify(error)}`)
  assert.ok([401, 403].includes(status), `${name}: ${status}`)
}

const [ofProfile, ofSessions, ofBackEnd] = [OWN_PROFILE, OWN_SESSIONS, BACK_END].map((calls) => Object.keys(calls))
/** PostgREST calls it before each request, and it answers nothing. */
const CHECK = 'check_session'
const own = [...ofProfile, ...ofSessions, CHECK]

test('every function there is is called below, by whom it is granted to', () => {
  assert.deepEqual(functions.map(({ name }) => name), [...own, ...ofBackEnd, ...OWNERS].sort())
  assert.deepEqual(allowed('anon'), [])
  assert.deepEqual(allowed('authenticated'), [...own].sort())
  assert.deepEqual(allowed('service_role'), [...own, ...ofBackEnd].sort())
})

describe('a visitor may call nothing', () => {
  for (const subject of functions) test(subject.name, () => isForbidden(visitor(), subject))
})

describe('a user may call for the own profile', () => {
  for (const [name, check] of Object.entries(OWN_PROFILE)) {
    test(name, async () => {
      const { client, user } = await signUp()
      await check(client, { user, on: {} })
      await check(client, { user, on: { p_user_id: user.id } })
    })
  }
})

describe('a user may call about the own sessions', () => {
  for (const [name, check] of Object.entries(OWN_SESSIONS)) {
    test(name, async () => {
      for (const on of [() => ({}), (user) => ({ p_user_id: user.id })]) {
        const { client, user } = await signUp()
        await check(client, { user, on: on(user) })
      }
    })
  }
  test(CHECK, async () => assert.equal((await call((await signUp()).client, CHECK)).error, null))
})

describe('a user may call nothing for anybody else', () => {
  let client, other

  before(async () => {
    ;({ client } = await signUp())
    ;({ user: other } = await signUp())
  })

  for (const name of [...ofProfile, ...ofSessions]) {
    test(name, async () => {
      for (const p_user_id of [other.id, randomUUID()]) refused(await call(client, name, { p_user_id }), 403, 'forbidden')
    })
  }
  const others = functions.filter(({ name }) => !own.includes(name))
  for (const subject of others) test(subject.name, () => isForbidden(client, subject))
})

describe('the back end may call for any user', () => {
  for (const [name, check] of Object.entries(OWN_PROFILE)) {
    test(name, async () => {
      const { user } = await register()
      await check(backEnd, { user, on: { p_user_id: user.id } })
      const parameters = name === 'update_profile' ? { p_updates: { field_of_study: 'law' } } : {}
      refused(await call(backEnd, name, { ...parameters, p_user_id: randomUUID() }), 404, 'user_not_found')
      const nobody = await call(backEnd, name)
      assert.equal(nobody.error.errors[0].field, 'user_id')
    })
  }
})

describe('the back end may call about the sessions of any user', () => {
  for (const [name, check] of Object.entries(OWN_SESSIONS)) {
    test(name, async () => {
      const { user } = await register()
      await check(backEnd, { user, on: { p_user_id: user.id } })
    })
  }
  test(CHECK, async () => assert.equal((await call(backEnd, CHECK)).error, null))
})

describe('the back end may call for all users', () => {
  for (const [name, check] of Object.entries(BACK_END)) test(name, check)
})

describe('the back end may not call what is the owner’s business', () => {
  const subjects = functions.filter(({ name }) => OWNERS.includes(name))
  for (const subject of subjects) test(subject.name, () => isForbidden(backEnd, subject))
})

test('what is not there is said to be not there', async () => {
  for (const name of ['no_such_function', 'backfill_profiles']) {
    const { status, error } = await call(backEnd, name)
    assert.deepEqual([status, error.code], [404, 'PGRST202'], name)
  }
  const { error } = await call(backEnd, 'verify_email', { token: 'x' })
  assert.equal(error.code, 'PGRST202')
})
