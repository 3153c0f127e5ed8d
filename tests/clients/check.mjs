// What the clients in JavaScript share, in the form of check.py: a line of JSON for each thing seen, and an end at the
// first that is not as documented. Exit codes: 0, 1 (a line with `failed`), 2 for wrong usage.
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

const SECRET = new Set(['access_token', 'refresh_token', 'accessToken', 'refreshToken', 'token', 'password'])

export class Wrong extends Error {}

const hide = (name, value) =>
  SECRET.has(name) && typeof value === 'string' ? `(${value.length} characters)` : value

export const shown = value => JSON.stringify(value, hide)

export function say(line) {
  console.log(shown(line))
}

export function demand(step, holds, why) {
  say({ step, holds: Boolean(holds) })
  if (!holds) throw new Wrong(`${step}: ${why}`)
}

export function same(step, seen, expected) {
  say({ step, seen })
  if (!isDeepStrictEqual(seen, expected)) throw new Wrong(`${step}: ${shown(seen)} is not ${shown(expected)}`)
}

export const leftOut = (step, why) => say({ step, left_out: why })

/** Status and body of an answer; with `body`, which must be exactly it. */
export async function saw(step, response, status, body) {
  const text = await response.text()
  let seen = text
  try {
    seen = JSON.parse(text)
  } catch {
    // It is shown as text.
  }
  say({ step, status: response.status, body: seen })
  if (response.status !== status) throw new Wrong(`${step}: the status is ${response.status}, not ${status}: ${shown(seen)}`)
  if (body !== undefined && !isDeepStrictEqual(seen, body)) {
    throw new Wrong(`${step}: the body is ${shown(seen)}, not ${shown(body)}`)
  }
  return seen
}

export const keys = (step, value, expected) => same(`${step}: keys`, Object.keys(value).sort(), [...expected].sort())

export const freshEmail = (name = 'anna') => `${name}.${randomBytes(6).toString('hex')}@example.com`

/** A token with another signature; an opaque one with another character. */
export function spoiled(token) {
  const start = token.lastIndexOf('.') + 1
  const middle = start + Math.floor((token.length - start) / 2)
  return token.slice(0, middle) + (token[middle] === 'A' ? 'B' : 'A') + token.slice(middle + 1)
}

export const postJson = (url, body, headers = {}) =>
  fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) })

/** The command that the arguments name: `node PROGRAM URL [COMMAND [ARGUMENT…]]`; without one, `tour`. */
export async function run(commands, usage) {
  const [url, name = 'tour', ...given] = process.argv.slice(2)
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!url || !command || given.length !== command.length - 1) {
    console.error(usage.trim())
    process.exit(2)
  }
  try {
    await command(url.replace(/\/+$/, ''), ...given)
  } catch (error) {
    say({ failed: error instanceof Wrong ? error.message : `${error.name}: ${error.message}` })
    if (!(error instanceof Wrong)) throw error
    console.error(`not as documented: ${error.message}`)
    process.exitCode = 1
  }
}
