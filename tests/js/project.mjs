// The project that the suites are about, as the environment names it: its clients, its users, and a superuser's connection to its
// database.
import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { createClient } from '@supabase/supabase-js'
import postgres from 'postgres'
import { WebSocket } from 'ws'

// Node has one of its own since version 22; the SDK wants it although nothing here uses Realtime.
globalThis.WebSocket ??= WebSocket

const { DATABASE_URL, SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, SUPABASE_SECRET_KEY } = process.env

// A session that is kept nowhere else: each client is one user.
const auth = { persistSession: false, autoRefreshToken: false }

/** A visitor, who can become a user. */
export const visitor = () => createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, { auth })

/** The trusted back end. */
export const backEnd = createClient(SUPABASE_URL, SUPABASE_SECRET_KEY, { auth })

/** Calls registrar. */
export const call = (client, name, parameters) => client.schema('registrar').rpc(name, parameters)

export const sql = postgres(DATABASE_URL, { onnotice: () => {} })
after(() => sql.end())

export const PASSWORD = 'correct horse battery staple'

/** An address that nobody has. */
export const newEmail = () => `user-${randomUUID()}@example.com`

/** Signs up with these metadata, which must succeed: the user, and the client that is signed in as the user. */
export async function signUp(data = {}) {
  const client = visitor()
  const { data: signedUp, error } = await client.auth.signUp({ email: newEmail(), password: PASSWORD, options: { data } })
  if (error) throw error
  return { client, user: signedUp.user }
}

/** Registers as the back end, which must make a user: the user and the token. */
export async function register(parameters = {}) {
  const { data: answer, error } = await call(backEnd, 'register_user_with_token', { p_email: newEmail(), ...parameters })
  if (error) throw new Error(JSON.stringify(error))
  return { user: answer.data.user, token: answer.data.verification.token }
}
