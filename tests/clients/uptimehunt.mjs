// UptimeHunt's client in JavaScript: its document's `apiRequest`, in a browser's surroundings as far as it asks for them.
const USAGE = `
    node uptimehunt.mjs URL          URL with /api, such as http://127.0.0.1:8080/api

Environment: EXPIRED_TOKEN, an access token past its expiry, rightly signed; without it a spoiled one takes its place.
The tour makes a user of its own. It fails 1 refresh.`

import { demand, freshEmail, keys, postJson, run, same, saw, spoiled } from './check.mjs'

// A browser has these.
const stored = new Map()
const localStorage = {
  getItem: name => stored.get(name) ?? null,
  setItem: (name, value) => stored.set(name, String(value)),
}
const window = { location: { href: '' } }
let origin

/** A path is meant for the page's own host, as in a browser. */
const send = (url, options) => fetch(new URL(url, origin), options)

/** As the document has it: one refresh after any 401, then the request again; else to the login page. */
async function apiRequest(url, options = {}) {
  options.headers = { ...options.headers, Authorization: `Bearer ${localStorage.getItem('access_token')}` }
  let response = await send(url, options)
  if (response.status !== 401) return response

  const refreshed = await send('/api/v1/auth/refresh', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ refresh_token: localStorage.getItem('refresh_token') }),
  })
  if (refreshed.ok) {
    const { access_token } = await refreshed.json()
    localStorage.setItem('access_token', access_token)
    options.headers.Authorization = `Bearer ${access_token}`
    response = await send(url, options)
  } else {
    window.location.href = '/login'
  }
  return response
}

async function tour(url) {
  origin = url
  const [email, password] = [freshEmail(), 'securepassword123']
  await saw('register', await postJson(`${url}/v1/auth/register`, { email, password, first_name: 'John' }), 201)
  const session = await saw('login', await postJson(`${url}/v1/auth/login`, { email, password }), 200)
  keys('session', session, ['access_token', 'refresh_token', 'token_type', 'expires_in', 'user'])
  localStorage.setItem('access_token', session.access_token)
  localStorage.setItem('refresh_token', session.refresh_token)
  const me = { data: session.user }
  await saw('me', await apiRequest('/api/v1/auth/me'), 200, me)

  const old = process.env.EXPIRED_TOKEN ?? spoiled(session.access_token)
  localStorage.setItem('access_token', old)
  await saw('me after a refresh', await apiRequest('/api/v1/auth/me'), 200, me)
  demand('the new token is kept', localStorage.getItem('access_token') !== old, 'the old one is')
  same('still on the page', window.location.href, '')

  localStorage.setItem('access_token', old)
  const change = { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: '{"last_name":"Doe"}' }
  const message = 'Profile updated successfully'
  await saw('a change after a refresh', await apiRequest('/api/v1/auth/profile', change), 200, {
    data: { ...session.user, last_name: 'Doe' },
    message,
  })

  localStorage.setItem('access_token', 'x')
  localStorage.setItem('refresh_token', spoiled(session.refresh_token))
  await saw('me with two bad tokens', await apiRequest('/api/v1/auth/me'), 401)
  same('sent to the login page', window.location.href, '/login')
}

await run({ tour }, USAGE)
