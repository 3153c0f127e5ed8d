// Homsai's flow in JavaScript: login, GET /auth/token when the access token is refused, plants.
const USAGE = `
    node homsai.mjs URL                            URL such as http://127.0.0.1:8080
    node homsai.mjs URL set-password TOKEN EMAIL PASSWORD    with the token of a mail, used up by it

Environment of the tour, required: EMAIL and PASSWORD of a user with PLANTS READ and without PLANTS DELETE; PLANT, which
is that user's, and OTHER_PLANT, which is not. Optional: EXPIRED_TOKEN; without it a spoiled one takes its place.
The upstream answers 2xx. The tour fails 1 renewal.`

import { demand, keys, postJson, run, same, saw, spoiled } from './check.mjs'

class HomsaiClient {
  constructor(url, { accessToken, refreshToken }) {
    Object.assign(this, { url, accessToken, refreshToken })
  }

  static async login(url, email, password) {
    const response = await postJson(`${url}/auth/login`, { email, password })
    return new HomsaiClient(url, await saw('login', response, 200))
  }

  async request(path, options = {}) {
    let response = await this.send(path, options, this.accessToken)
    if (response.status === 401) {
      const renewed = await this.send('/auth/token', {}, this.refreshToken)
      if (!renewed.ok) return renewed
      Object.assign(this, await renewed.json())
      response = await this.send(path, options, this.accessToken)
    }
    return response
  }

  send(path, options, token) {
    return fetch(this.url + path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } })
  }
}

/** An error in Spring's shape. */
async function refused(step, response, status, path, message) {
  const { timestamp, ...body } = await saw(step, response, status)
  demand(`${step}: timestamp`, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(timestamp), `it is ${timestamp}`)
  same(`${step}: the rest`, body, { status, error: { 401: 'Unauthorized', 403: 'Forbidden' }[status], message, path })
}

async function tour(url) {
  const { EMAIL, PASSWORD, PLANT, OTHER_PLANT, EXPIRED_TOKEN } = process.env
  if (!EMAIL || !PASSWORD || !PLANT || !OTHER_PLANT) {
    console.error(`EMAIL, PASSWORD, PLANT, OTHER_PLANT: one is not set\n${USAGE}`)
    process.exit(2)
  }
  const client = await HomsaiClient.login(url, EMAIL, PASSWORD)
  const pair = { accessToken: client.accessToken, refreshToken: client.refreshToken }
  demand('plants', (await client.request('/plants')).ok, 'they are refused')
  demand('the token was good', client.accessToken === pair.accessToken, 'it was renewed')

  client.accessToken = EXPIRED_TOKEN ?? spoiled(client.accessToken)
  demand('plants after a renewal', (await client.request('/plants')).ok, 'they are refused')
  demand('another access token', client.accessToken !== pair.accessToken, 'it is the same')
  demand('the same refresh token', client.refreshToken === pair.refreshToken, 'it is another')
  keys('renewed', await saw('token', await client.send('/auth/token', {}, client.refreshToken), 200), Object.keys(pair))

  demand('an own plant', (await client.request(`/plants/${PLANT}`)).ok, 'it is refused')
  const [own, other] = [`/plants/${PLANT}`, `/plants/${OTHER_PLANT}`]
  await refused("another's plant", await client.request(other), 403, other, 'Access denied')
  const removal = await client.request(own, { method: 'DELETE' })
  await refused('without permission', removal, 403, own, 'Permission PLANTS DELETE required')

  const reset = await postJson(`${url}/auth/resetPassword`, { email: 'nobody@example.com' })
  await saw('resetPassword', reset, 200, {})
  const [accessToken, refreshToken] = ['x', spoiled(pair.refreshToken)]
  const lost = new HomsaiClient(url, { accessToken, refreshToken })
  await refused('two bad tokens', await lost.request('/plants'), 401, '/auth/token', 'Invalid token')
}

async function setPassword(url, token, email, password) {
  const client = new HomsaiClient(url, { accessToken: token, refreshToken: token })
  const body = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ password }) }
  await refused('elsewhere', await client.send('/plants', {}, token), 401, '/plants', 'Invalid token')
  await saw('setPassword', await client.send('/auth/setPassword', body, token), 200, {})
  const again = await client.send('/auth/setPassword', body, token)
  await refused('setPassword again', again, 401, '/auth/setPassword', 'Invalid token')
  keys('login', await saw('login', await postJson(`${url}/auth/login`, { email, password }), 200), [
    'accessToken',
    'refreshToken',
  ])
}

await run({ tour, 'set-password': setPassword }, USAGE)
