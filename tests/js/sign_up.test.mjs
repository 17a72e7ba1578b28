// auth.signUp gives the profile by the trigger, on a server that stores metadata as strings and has fewer columns in auth.users.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backEnd, call, newEmail, PASSWORD, signUp, sql, visitor } from './project.mjs'

/** The user's own rows of both profile tables, as the user sees them. */
async function ownProfiles(client) {
  const [professional, named] = await Promise.all(
    ['user_profiles', 'user_profile'].map((table) => client.from(table).select().single().throwOnError()),
  )
  return { ...professional.data, ...named.data }
}

test('signUp gives the profiles of what it was given as data', async () => {
  const { client, user } = await signUp({ full_name: 'Ada', field_of_study: 'maths', years_of_experience: 7 })
  const profile = await ownProfiles(client)
  assert.equal(profile.user_id, user.id)
  assert.deepEqual([profile.full_name, profile.field_of_study, profile.years_of_experience], ['Ada', 'maths', 7])
  assert.deepEqual([profile.experience_level, profile.profile_completed], ['entry', true])
  const { data: answer } = await call(client, 'get_profile')
  assert.equal(answer.data.profile.field_of_study, 'maths')
})

test('signUp without data gives profiles of the defaults', async () => {
  const { client } = await signUp()
  const profile = await ownProfiles(client)
  assert.deepEqual([profile.full_name, profile.field_of_study, profile.salary_currency], [null, null, 'USD'])
})

test('the server is the good case that it is taken for', async () => {
  const { user } = await signUp({ full_name: 'Ada' })
  const [row] = await sql`SELECT jsonb_typeof(raw_user_meta_data) AS user, jsonb_typeof(raw_app_meta_data) AS app
                          FROM auth.users WHERE id = ${user.id}`
  assert.deepEqual({ ...row }, { user: 'string', app: 'string' }, 'it stores objects as strings')
  const columns = await sql`SELECT attname FROM pg_attribute WHERE attrelid = 'auth.users'::regclass AND attname = 'instance_id'`
  assert.equal(columns.length, 0, 'and has no instance_id')
})

test('updateUser is followed by what is marked so, and by nothing else', async () => {
  const { client } = await signUp({ full_name: 'Ada', field_of_study: 'maths' })
  const { error } = await client.auth.updateUser({ data: { full_name: 'Ada L.', field_of_study: 'law' } })
  assert.equal(error, null)
  const profile = await ownProfiles(client)
  assert.deepEqual([profile.full_name, profile.field_of_study], ['Ada L.', 'maths'])
})

test('a further sign-in writes no profile', async () => {
  const { user } = await signUp({ full_name: 'Ada' })
  const versions = () => sql`SELECT p.ctid::text, p.xmin::text, n.ctid::text, n.xmin::text
                             FROM public.user_profiles AS p JOIN public.user_profile AS n USING (user_id)
                             WHERE user_id = ${user.id}`
  const before = await versions()
  const { error } = await visitor().auth.signInWithPassword({ email: user.email, password: PASSWORD })
  assert.equal(error, null)
  assert.deepEqual(await versions(), before)
})

test('a profile that fails costs no signUp, and is there once it is repaired', async () => {
  await sql.unsafe(`CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON public.user_profiles FOR EACH ROW WHEN (NEW.field_of_study = 'refused')
        EXECUTE FUNCTION public.refuse()`)
  const { client, user } = await signUp({ field_of_study: 'refused' })
  const { error } = await call(client, 'get_profile')
  assert.equal(error.errors[0].code, 'profile_not_found')
  await sql.unsafe('DROP TRIGGER refuse ON public.user_profiles; DROP FUNCTION public.refuse()')

  const { data: answer } = await call(backEnd, 'repair_profiles')
  assert.deepEqual([answer.data.repaired, answer.data.remaining], [1, 0])
  const { data: now } = await call(client, 'get_profile')
  assert.deepEqual([now.data.user_id, now.data.profile.field_of_study], [user.id, 'refused'])
})

test('an address that signed up is taken for a registration, and one that waits is none for signUp to take over', async () => {
  const { user } = await signUp()
  const taken = await call(backEnd, 'register_user_with_token', { p_email: user.email })
  assert.deepEqual([taken.status, taken.error.errors[0].code], [409, 'email_exists'])

  const email = newEmail()
  await call(backEnd, 'register_user_with_token', { p_email: email }).throwOnError()
  await visitor().auth.signUp({ email, password: PASSWORD })
  const users = await sql`SELECT count(*)::int FROM auth.users WHERE email = ${email}`
  assert.equal(users[0].count, 1)
})
