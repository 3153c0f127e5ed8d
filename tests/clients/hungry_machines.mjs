// Hungry Machines' client in JavaScript, with the recovery that its document describes.
const USAGE = `
    node hungry_machines.mjs URL     URL such as http://127.0.0.1:8080

Environment: EXPIRED_TOKEN, an access token past its expiry, rightly signed, for the recovery from Token expired.
The tour makes a user of its own. It fails 1 login and 2 refreshes.`

import { Wrong, demand, freshEmail, keys, leftOut, postJson, run, same, saw } from './check.mjs'

class SignInAgain extends Error {}

/** Refreshes five minutes before the end, and after a 401 `Token expired`, once; whoever refreshes meanwhile waits. */
class HMClient {
  constructor(url, session) {
    this.url = url
    this.keep(session)
  }

  static async login(url, email, password) {
    const response = await postJson(`${url}/auth/login`, { email, password })
    if (!response.ok) throw new Error('login failed')
    return new HMClient(url, await response.json())
  }

  keep({ access_token, refresh_token, expires_at }) {
    Object.assign(this, { access_token, refresh_token, expires_at })
  }

  async refresh() {
    const response = await postJson(`${this.url}/auth/refresh`, { refresh_token: this.refresh_token })
    if (response.status === 400) throw new SignInAgain((await response.json()).detail)
    if (!response.ok) throw new Error('refresh failed')
    this.keep(await response.json())
  }

  async request(path, options = {}) {
    if (Math.floor(Date.now() / 1000) >= this.expires_at - 300) await this.refresh()
    const response = await this.send(path, options)
    if (response.status !== 401 || (await response.clone().json()).detail !== 'Token expired') return response
    await this.refresh()
    return this.send(path, options)
  }

  send(path, options) {
    return fetch(this.url + path, {
      ...options,
      headers: { ...options.headers, Authorization: `Bearer ${this.access_token}` },
    })
  }
}

const SESSION = ['access_token', 'refresh_token', 'expires_in', 'expires_at', 'token_type', 'user']

async function tour(url) {
  const user = { email: freshEmail(), password: 'securepassword' }
  const optional = { location_zip: '92101', home_size_sqft: 2000, pricing_location: 1 }
  const signedUp = await saw('signup', await postJson(`${url}/auth/signup`, { ...user, ...optional }), 200)
  keys('signup', signedUp, SESSION)
  const refused = { detail: 'Invalid login credentials' }
  await saw('login: wrong', await postJson(`${url}/auth/login`, { ...user, password: 'wrong password' }), 400, refused)

  const client = await HMClient.login(url, user.email, user.password)
  const profile = {
    user_id: signedUp.user.id, email: user.email, ...optional,
    timezone: 'America/New_York', subscription_tier: 'free', weather_entity_id: '',
  }
  await saw('me', await client.request('/auth/me'), 200, profile)
  const change = { timezone: 'America/Los_Angeles', location_zip: null }
  const patch = { method: 'PATCH', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(change) }
  const changed = { ...profile, ...change, location_zip: '' }
  await saw('patch', await client.request('/auth/me', patch), 200, changed)

  const before = { ...client }
  client.expires_at = Math.floor(Date.now() / 1000) + 299
  await saw('me, five minutes before the end', await client.request('/auth/me'), 200, changed)
  for (const name of ['access_token', 'refresh_token']) {
    demand(`${name} is another`, client[name] !== before[name], 'it is the same')
  }
  await expired(client, changed)
  await tabs(url, client, changed)
  await stale(client)
}

async function expired(client, profile) {
  if (!process.env.EXPIRED_TOKEN) return leftOut('Token expired', 'EXPIRED_TOKEN is not set')
  client.access_token = process.env.EXPIRED_TOKEN
  await saw('me, after Token expired', await client.request('/auth/me'), 200, profile)
}

/** Tabs of one browser, which have the same tokens and refresh at the same time, each for itself. */
async function tabs(url, client, profile) {
  const open = Array.from({ length: 10 }, () => new HMClient(url, { ...client, expires_at: 0 }))
  const answers = await Promise.all(open.map(tab => tab.request('/auth/me')))
  for (const answer of answers) await saw('ten tabs at once', answer, 200, profile)
  same('ten tabs: refresh tokens', new Set(open.map(tab => tab.refresh_token)).size, 1)
  client.keep(open[0])
}

async function stale(client) {
  client.keep({ ...client, refresh_token: 'stale', expires_at: 0 })
  for (const step of ['stale', 'stale again']) {
    try {
      await client.request('/auth/me')
      throw new Wrong(`${step}: the refresh token was accepted`)
    } catch (error) {
      if (!(error instanceof SignInAgain)) throw error
      same(step, error.message, 'Invalid Refresh Token')
    }
  }
}

await run({ tour }, USAGE)
