// Row security as the SDK meets it: the own row, another's, and a visitor. This server gives the API roles every right on the
// tables of a schema in which it finds row security, so that here the policies alone stand guard.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { backEnd, signUp, sql, visitor } from './project.mjs'

const REFUSED = '42501'
const TABLES = { user_profiles: 'field_of_study', user_profile: 'full_name' }

for (const [table, field] of Object.entries(TABLES)) {
  describe(table, () => {
    let own, other

    before(async () => {
      own = await signUp({ [field]: 'mine' })
      other = await signUp({ [field]: 'yours' })
    })

    const stored = async ({ user }) => {
      const [row] = await sql`SELECT ${sql(field)} AS field FROM ${sql(`public.${table}`)} WHERE user_id = ${user.id}`
      return row?.field
    }

    test('a user sees the own row, and no other', async () => {
      const { data } = await own.client.from(table).select(`user_id, ${field}`).throwOnError()
      assert.deepEqual(data, [{ user_id: own.user.id, [field]: 'mine' }])
      const others = await own.client.from(table).select().eq('user_id', other.user.id).throwOnError()
      assert.deepEqual(others.data, [])
    })

    test('a user changes the own row, and no other', async () => {
      const update = (whose) =>
        own.client.from(table).update({ [field]: 'changed' }).eq('user_id', whose.user.id).select('user_id').throwOnError()
      assert.deepEqual((await update(own)).data, [{ user_id: own.user.id }])
      assert.deepEqual((await update(other)).data, [])
      assert.deepEqual([await stored(own), await stored(other)], ['changed', 'yours'])
    })

    test('a user makes no row for anybody else, nor gives the own away', async () => {
      await sql`DELETE FROM ${sql(`public.${table}`)} WHERE user_id = ${other.user.id}`
      const insert = await own.client.from(table).insert({ user_id: other.user.id, [field]: 'planted' })
      assert.equal(insert.error.code, REFUSED)
      const give = await own.client.from(table).update({ user_id: other.user.id }).eq('user_id', own.user.id)
      assert.equal(give.error.code, REFUSED)
      const planted = await other.client.from(table).insert({ user_id: other.user.id, [field]: 'own' })
      assert.equal(planted.error, null, 'the own row may be made')
      assert.equal(await stored(other), 'own')
    })

    test('a user deletes no row, not even the own', async () => {
      for (const whose of [own, other]) {
        const { data } = await own.client.from(table).delete().eq('user_id', whose.user.id).select().throwOnError()
        assert.deepEqual(data, [])
        assert.ok(await stored(whose))
      }
    })

    test('a visitor sees and changes nothing', async () => {
      const anon = visitor()
      const { data } = await anon.from(table).select().throwOnError()
      assert.deepEqual(data, [])
      const update = await anon.from(table).update({ [field]: 'vandal' }).eq('user_id', own.user.id).select().throwOnError()
      assert.deepEqual(update.data, [])
      const remove = await anon.from(table).delete().eq('user_id', own.user.id).select().throwOnError()
      assert.deepEqual(remove.data, [])
      const before = await stored(own)
      assert.ok(before && before !== 'vandal')
      const { user } = await signUp()
      await sql`DELETE FROM ${sql(`public.${table}`)} WHERE user_id = ${user.id}`
      const insert = await anon.from(table).insert({ user_id: user.id, [field]: 'vandal' })
      assert.equal(insert.error.code, REFUSED)
    })

    test('a user who has signed out is a visitor', async () => {
      const { client } = await signUp({ [field]: 'mine' })
      assert.equal((await client.from(table).select().throwOnError()).data.length, 1)
      await client.auth.signOut()
      assert.deepEqual((await client.from(table).select().throwOnError()).data, [])
    })

    test('the back end sees every row', async () => {
      const ids = [own.user.id, other.user.id].sort()
      const { data } = await backEnd.from(table).select('user_id').in('user_id', ids).order('user_id').throwOnError()
      assert.deepEqual(data.map((row) => row.user_id), ids)
    })
  })
}

test('what only registrar may touch is no part of the API', async () => {
  const { client } = await signUp()
  for (const somebody of [visitor(), client, backEnd]) {
    const { error } = await somebody.schema('registrar_private').from('verification_tokens').select()
    assert.equal(error.code, 'PGRST106')
  }
  const view = await backEnd.schema('registrar').from('profile_tables').select('table_name').throwOnError()
  assert.deepEqual(view.data.map((table) => table.table_name), ['user_profiles', 'user_profile'])
  for (const somebody of [visitor(), client]) {
    const { error } = await somebody.schema('registrar').from('profile_tables').select()
    assert.equal(error.code, REFUSED)
  }
})
