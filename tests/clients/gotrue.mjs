// The real client of Supabase Auth, @supabase/auth-js, against endpoints that answer in Supabase's words.
//
// What it reads: of a session access_token, refresh_token, expires_in, expires_at and user; of an error its message from
// `msg`, and its code from `error_code`, or from `code` if the answer has X-Supabase-Api-Version: 2024-01-01 or later; of
// `weak_password` its reasons. /logout may have no body, /recover needs one in JSON. A 502, 503 or 504 to a refresh is
// tried again for half a minute.
const USAGE = `
    node gotrue.mjs URL              where /signup, /token, /user, /logout and /recover are: http://127.0.0.1:8080, or
                                     with the preset's prefix, http://127.0.0.1:8080/auth/v1
    node gotrue.mjs URL reset TOKEN EMAIL PASSWORD    with the token of a mail, used up by it; PASSWORD is the new one

E-mails need no confirmation. A reset mail is sent to users of the tour. The tour makes users of its own. It fails 3
logins and 7 refreshes. APIKEY in the environment, if the endpoints want one, is sent as the header apikey.`

import { GoTrueClient, isAuthApiError, isAuthError } from '@supabase/auth-js'

import { Wrong, demand, freshEmail, run, same, say, spoiled } from './check.mjs'

const PASSWORD = 'a good long password 1'
const OTHER_PASSWORD = 'another good password 2'

/** One of its own, as in another browser. */
function browser(url) {
  const kept = new Map()
  const storage = {
    getItem: name => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: name => void kept.delete(name),
  }
  const headers = process.env.APIKEY ? { apikey: process.env.APIKEY } : {}
  return new GoTrueClient({ url, headers, storage, autoRefreshToken: false, detectSessionInUrl: false, persistSession: true })
}

function good(step, { data, error }) {
  say({ step, data, error: error && { name: error.name, status: error.status, code: error.code, message: error.message } })
  if (error) throw new Wrong(`${step}: ${error.name} ${error.status} ${error.code}: ${error.message}`)
  return data
}

/** An error that the library takes for one of the API's, with this status and code. */
function bad(step, { error }, status, ...codes) {
  if (!error) throw new Wrong(`${step}: there is no error`)
  const { name, message, code } = error
  say({ step, error: { name, status: error.status, code, message } })
  if (!isAuthError(error)) throw new Wrong(`${step}: ${name} is not the API's error`)
  if (error.status !== status || !codes.includes(code)) {
    throw new Wrong(`${step}: ${error.status} ${code} (${message}) is not ${status} ${codes.join(' or ')}`)
  }
  demand(`${step}: message`, typeof message === 'string' && message && !message.startsWith('{'), `it is ${message}`)
  return error
}

function session(step, data, email) {
  const { session, user } = data
  demand(`${step}: session`, session?.access_token && session.refresh_token && session.user?.id, 'it is not whole')
  same(`${step}: type`, session.token_type, 'bearer')
  demand(`${step}: expiry`, Math.abs(session.expires_at - Date.now() / 1000 - session.expires_in) < 60, session.expires_at)
  same(`${step}: user`, [user.email, user.aud, user.role], [email, 'authenticated', 'authenticated'])
  demand(`${step}: metadata`, user.user_metadata && user.app_metadata, 'user_metadata or app_metadata is not there')
  demand(`${step}: times`, !Number.isNaN(Date.parse(user.created_at)), `created_at is ${user.created_at}`)
  return session
}

const refresh = (client, refresh_token) => client.refreshSession({ refresh_token })

async function tour(url) {
  const [email, data] = [freshEmail(), { first_name: 'Anna', zip: '92101' }]
  const client = browser(url)
  await signUp(client, url, email, data)
  await signIn(client, url, email)
  await user(client, email, data)
  await refreshing(client, url, email)
  await password(client, url, email)
  await signOut(url, email)
  await recover(client, email)
}

async function signUp(client, url, email, metadata) {
  const step = 'signUp'
  const data = good(step, await client.signUp({ email, password: PASSWORD, options: { data: metadata } }))
  session(step, data, email)
  same(`${step}: data`, data.user.user_metadata.zip, metadata.zip)
  for (const taken of [email, email.toUpperCase()]) {
    const answer = await browser(url).signUp({ email: taken, password: PASSWORD })
    bad('signUp: taken', answer, 422, 'user_already_exists')
  }
  const weak = bad('signUp: weak', await browser(url).signUp({ email: freshEmail(), password: 'abc' }), 422, 'weak_password')
  same('signUp: weak: the class', weak.name, 'AuthWeakPasswordError')
  demand('signUp: weak: reasons', weak.reasons?.includes('length'), `they are ${JSON.stringify(weak.reasons)}`)
  const noAddress = await browser(url).signUp({ email: 'no address', password: PASSWORD })
  bad('signUp: no address', noAddress, 400, 'validation_failed', 'email_address_invalid')
}

async function signIn(client, url, email) {
  const step = 'signInWithPassword'
  session(step, good(step, await client.signInWithPassword({ email, password: PASSWORD })), email)
  const wrong = await browser(url).signInWithPassword({ email, password: 'wrong password' })
  const unknown = await browser(url).signInWithPassword({ email: freshEmail('nobody'), password: 'wrong password' })
  for (const [who, answer] of Object.entries({ wrong, unknown })) {
    const error = bad(`${step}: ${who}`, answer, 400, 'invalid_credentials')
    same(`${step}: ${who}: message`, error.message, 'Invalid login credentials')
    demand(`${step}: ${who}: the class`, isAuthApiError(error), error.name)
  }
}

async function user(client, email, metadata) {
  const one = good('getUser', await client.getUser()).user
  same('getUser: user', [one.email, one.user_metadata.first_name], [email, metadata.first_name])
  const changed = good('updateUser: data', await client.updateUser({ data: { zip: '94110', colour: 'red' } })).user
  same('updateUser: data is added', changed.user_metadata.colour, 'red')
  const { first_name, zip } = good('getUser: again', await client.getUser()).user.user_metadata
  same('updateUser: data is kept', [first_name, zip], [metadata.first_name, '94110'])
  const { access_token } = (await client.getSession()).data.session
  bad('getUser: spoiled', await client.getUser(spoiled(access_token)), 403, 'bad_jwt')
  bad('getUser: no token', await client.getUser('x'), 403, 'bad_jwt')
}

async function refreshing(client, url, email) {
  const step = 'refreshSession'
  const before = (await client.getSession()).data.session
  const fresh = session(step, good(step, await client.refreshSession()), email)
  demand(`${step}: rotation`, fresh.refresh_token !== before.refresh_token, 'the refresh token is the same')
  demand(`${step}: access token`, fresh.access_token !== before.access_token, 'it is the same')
  const others = await Promise.all(Array.from({ length: 5 }, () => refresh(browser(url), fresh.refresh_token)))
  const children = others.map(other => good(`${step}: five at once`, other).session.refresh_token)
  same(`${step}: one child`, new Set(children).size, 1)
  bad(`${step}: unknown`, await refresh(browser(url), 'unknown'), 400, 'refresh_token_not_found')

  const other = browser(url)
  good('signIn: another session', await other.signInWithPassword({ email, password: PASSWORD }))
  const first = (await other.getSession()).data.session.refresh_token
  const second = good(`${step}: the child`, await refresh(other, first)).session.refresh_token
  const third = good(`${step}: the grandchild`, await refresh(other, second)).session.refresh_token
  const codes = ['refresh_token_already_used', 'refresh_token_not_found', 'session_not_found']
  bad(`${step}: a used one`, await refresh(browser(url), first), 400, ...codes)
  bad(`${step}: its whole family`, await refresh(browser(url), third), 400, ...codes)
  good(`${step}: other sessions live`, await refresh(client, children[0]))
}

async function password(client, url, email) {
  const step = 'updateUser: password'
  bad(`${step}: weak`, await client.updateUser({ password: 'abc' }), 422, 'weak_password')
  good(step, await client.updateUser({ password: OTHER_PASSWORD }))
  const old = await browser(url).signInWithPassword({ email, password: PASSWORD })
  bad(`${step}: the old one`, old, 400, 'invalid_credentials')
  good(`${step}: the new one`, await client.signInWithPassword({ email, password: OTHER_PASSWORD }))
}

async function signOut(url, email) {
  const [here, there, elsewhere] = [browser(url), browser(url), browser(url)]
  const login = async client => good('signIn', await client.signInWithPassword({ email, password: OTHER_PASSWORD })).session
  const isOut = async (step, tokens) => {
    const { error } = await refresh(browser(url), tokens.refresh_token)
    demand(`${step}: no refresh`, error?.status === 400, `${error?.status} ${error?.code} came`)
    // The library says of session_not_found that there is no session.
    const gone = (await browser(url).getUser(tokens.access_token)).error
    demand(`${step}: no user`, gone && [400, 401, 403].includes(gone.status), `${gone?.status} ${gone?.code} came`)
  }
  const first = await login(here)
  await login(there)
  good('signOut: local', await here.signOut({ scope: 'local' }))
  await isOut('signOut: local', first)
  good('signOut: local leaves others', await there.getUser())

  await login(here)
  const third = (await there.getSession()).data.session
  good('signOut: others', await here.signOut({ scope: 'others' }))
  await isOut('signOut: others', third)
  const kept = (await here.getSession()).data.session
  demand('signOut: others keeps this one', kept, 'it was removed')
  good('signOut: others keeps this one', await here.getUser())

  const last = await login(elsewhere)
  good('signOut: global', await here.signOut())
  await isOut('signOut: global', kept)
  await isOut('signOut: global, elsewhere', last)
}

async function recover(client, email) {
  const known = await client.resetPasswordForEmail(email, { redirectTo: 'https://app.example.com/reset' })
  const unknown = await client.resetPasswordForEmail(freshEmail('nobody'))
  same('resetPasswordForEmail', good('known', known), good('unknown', unknown))
}

/** What the page behind the link of a mail does. */
async function reset(url, token_hash, email, password) {
  const step = 'verifyOtp'
  const verify = (client, token_hash) => client.verifyOtp({ token_hash, type: 'recovery' })
  bad(`${step}: spoiled`, await verify(browser(url), spoiled(token_hash)), 403, 'otp_expired')
  const client = browser(url)
  session(step, good(step, await verify(client, token_hash)), email)
  good('updateUser: password', await client.updateUser({ password }))
  bad(`${step}: again`, await verify(browser(url), token_hash), 403, 'otp_expired')
  good('signIn: the new one', await browser(url).signInWithPassword({ email, password }))
}

await run({ tour, reset }, USAGE)
