// A user whom registrar registers with a bcrypt hash and verifies signs in with the password.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import bcrypt from 'bcryptjs'
import { backEnd, call, newEmail, PASSWORD, register, visitor } from './project.mjs'

const hashOf = (password) => bcrypt.hashSync(password, 4)

/** Tries to sign in: the code of the refusal, or the client that is signed in. */
async function signIn(email, password) {
  const client = visitor()
  const { data, error } = await client.auth.signInWithPassword({ email, password })
  return error ? { refusal: error.code } : { client, user: data.user }
}

/** Registers an address with a password and verifies it. */
async function verified(parameters) {
  const { user, token } = await register({ p_password_hash: hashOf(PASSWORD), ...parameters })
  await call(backEnd, 'verify_email', { p_token: token }).throwOnError()
  return user
}

test('a user who is registered with a bcrypt hash and verified signs in', async () => {
  const registered = await verified({ p_full_name: 'Ada', p_metadata: { field_of_study: 'maths' } })
  const { client, user } = await signIn(registered.email, PASSWORD)
  assert.equal(user.id, registered.id)
  assert.deepEqual([user.user_metadata.full_name, user.user_metadata.email_verified], ['Ada', true])
  assert.deepEqual([user.app_metadata.provider, user.app_metadata.role], ['email', 'user'])
  assert.deepEqual(user.identities.map(({ provider }) => provider), ['email'])

  const { data: answer } = await call(client, 'get_user_profile_data')
  assert.deepEqual([answer.data.email, answer.data.profile.field_of_study], [registered.email, 'maths'])
  const { data: refreshed } = await client.auth.refreshSession()
  assert.equal(refreshed.user.id, registered.id)
})

test('hashes with any of the prefixes of bcrypt are good', async () => {
  for (const prefix of ['$2a$', '$2b$', '$2y$']) {
    const { email } = await verified({ p_password_hash: hashOf(PASSWORD).replace('$2b$', prefix) })
    assert.ok((await signIn(email, PASSWORD)).client, prefix)
  }
})

test('nobody signs in before the address is verified, nor with another password after', async () => {
  const { user, token } = await register({ p_password_hash: hashOf(PASSWORD) })
  assert.equal((await signIn(user.email, PASSWORD)).refusal, 'email_not_confirmed')
  await call(backEnd, 'verify_email', { p_token: token }).throwOnError()
  assert.equal((await signIn(user.email, 'another password')).refusal, 'invalid_credentials')
  assert.ok((await signIn(user.email, PASSWORD)).client)
})

test('nobody signs in to an account without a password', async () => {
  const { user, token } = await register()
  await call(backEnd, 'verify_email', { p_token: token }).throwOnError()
  for (const password of ['', ' ', PASSWORD]) {
    assert.ok((await signIn(user.email, password)).refusal, JSON.stringify(password))
  }
})

test('of two registrations of an address the password of the newest counts once it is verified', async () => {
  const email = newEmail()
  await register({ p_email: email, p_password_hash: hashOf('of the squatter') })
  const { token } = await register({ p_email: email, p_password_hash: hashOf(PASSWORD), p_metadata: { full_name: 'Ada' } })
  await call(backEnd, 'verify_email', { p_token: token }).throwOnError()
  assert.equal((await signIn(email, 'of the squatter')).refusal, 'invalid_credentials')
  const { user } = await signIn(email, PASSWORD)
  assert.equal(user.user_metadata.full_name, 'Ada')
})

test('who has signed in changes the own data, and the profile follows', async () => {
  const { email } = await verified({ p_full_name: 'Ada' })
  const { client } = await signIn(email, PASSWORD)
  await client.auth.updateUser({ data: { full_name: 'Ada L.' } })
  const { data } = await client.from('user_profile').select('full_name').single().throwOnError()
  assert.equal(data.full_name, 'Ada L.')
})
