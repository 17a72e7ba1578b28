// Runs an example as it stands before a Supabase project: a proxy takes the place of Kong, which strips /rest/v1 from the
// address and hands the rest to PostgREST. Usage: node as_supabase.mjs EXAMPLE.mjs, with POSTGREST_URL set.
import { createServer, request } from 'node:http'
import { pathToFileURL } from 'node:url'
import { WebSocket } from 'ws'

// Node has one of its own since version 22; the SDK wants it although no example uses Realtime.
globalThis.WebSocket ??= WebSocket

const upstream = process.env.POSTGREST_URL
const proxy = createServer((incoming, answer) => {
  const { method, headers, url } = incoming
  const forwarded = request(upstream + url.replace(/^\/rest\/v1/, ''), { method, headers }, (response) => {
    answer.writeHead(response.statusCode, response.headers)
    response.pipe(answer)
  })
  forwarded.on('error', () => answer.writeHead(502).end())
  incoming.pipe(forwarded)
})
await new Promise((listening) => proxy.listen(0, '127.0.0.1', listening))
process.env.SUPABASE_URL = `http://127.0.0.1:${proxy.address().port}`

try {
  await import(pathToFileURL(process.argv[2]))
} finally {
  proxy.close()
  proxy.closeAllConnections()
}
