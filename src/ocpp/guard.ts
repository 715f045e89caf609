// The door before the RPC library: reads an HTTP upgrade request and says which charger it claims to be, or why it
// is refused. The library trusts its path and headers (one bad percent-escape ends the process), so nothing that
// was not checked here reaches it (PROTOCOL 7.5). Pure; passwords are checked elsewhere.
import { type ChargerId, chargerId } from '../units.ts'
import { isSpoken } from './dialect.ts'
import type { ProfileRefusal } from './profile.ts'

export const MAX_HEADER_BYTES = 8192
export const MAX_HEADERS = 64
const MAX_PATH_CHARACTERS = 256
const MAX_PATH_SEGMENTS = 8
const MAX_AUTHORIZATION_CHARACTERS = 256

export type UpgradeRequest = {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly rawHeaders: readonly string[]
}

export type RefusalReason =
  | 'bad-request'
  | 'bad-headers'
  | 'bad-path'
  | 'bad-identity'
  | 'bad-subprotocol'
  | ProfileRefusal
  | 'wrong-user'
  | 'wrong-password'
  /** To the charger the same as a wrong password: nobody can try out who is known here. */
  | 'unknown-charger'
  | 'locked'
  | 'busy'
  | 'duplicate'
  | 'closing'

export const REFUSAL_STATUS: Readonly<Record<RefusalReason, number>> = {
  'bad-request': 400,
  'bad-headers': 400,
  'bad-path': 400,
  'bad-identity': 404,
  'bad-subprotocol': 400,
  'no-password': 401,
  'tls-needed': 403,
  'no-certificate': 401,
  'bad-certificate': 401,
  'wrong-certificate': 401,
  'void-certificate': 401,
  'wrong-user': 401,
  'wrong-password': 401,
  'unknown-charger': 401,
  locked: 429,
  busy: 429,
  duplicate: 409,
  closing: 503,
}

export type Claim = {
  readonly chargerId: ChargerId
  /** Undefined when it gave none; some show a certificate instead. */
  readonly password: Uint8Array | undefined
  /** The subprotocol as the charger spelled it; undefined when it offered none, which counts as OCPP 1.6. */
  readonly subprotocol: string | undefined
}
export type Guarded =
  | { readonly kind: 'claim'; readonly claim: Claim }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

export function guardUpgrade(request: UpgradeRequest): Guarded {
  if (request.method !== 'GET' || header(request, 'upgrade')?.toLowerCase() !== 'websocket') {
    return refused('bad-request')
  }
  if (!headersBounded(request.rawHeaders)) return refused('bad-headers')
  const segments = pathSegments(request.url)
  if (!segments) return refused('bad-path')
  const identity = chargerId(segments[segments.length - 1] ?? '')
  if (!identity) return refused('bad-identity')
  const subprotocol = chosenSubprotocol(header(request, 'sec-websocket-protocol'))
  if (subprotocol === false) return refused('bad-subprotocol')
  const basic = basicCredentials(header(request, 'authorization'))
  // OCPP-J 1.6 security whitepaper, 4.2: the user name is the identity in the URL.
  if (basic && basic.user !== identity) return refused('wrong-user')
  return { kind: 'claim', claim: { chargerId: identity, password: basic?.password, subprotocol } }
}

function refused(reason: RefusalReason): Guarded {
  return { kind: 'refused', reason }
}

function header(request: UpgradeRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

function headersBounded(raw: readonly string[]): boolean {
  const characters = raw.reduce((sum, part) => sum + part.length, 0)
  return raw.length <= 2 * MAX_HEADERS && characters <= MAX_HEADER_BYTES
}

/** The decoded path, or undefined when any part of it is not plain. A query is ignored. */
function pathSegments(url: string | undefined): readonly string[] | undefined {
  if (url === undefined || url.length > MAX_PATH_CHARACTERS || !url.startsWith('/')) return undefined
  const path = url.split(/[?#]/, 1)[0] ?? ''
  const segments = path.slice(1).split('/')
  if (segments.length > MAX_PATH_SEGMENTS) return undefined
  const decoded: string[] = []
  for (const segment of segments) {
    const plain = decodeSegment(segment)
    if (plain === undefined || plain === '' || plain === '.' || plain === '..') return undefined
    decoded.push(plain)
  }
  return decoded
}

function decodeSegment(segment: string): string | undefined {
  let plain: string
  try {
    plain = decodeURIComponent(segment)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
  return /[\u0000-\u001F\u007F/\\]/.test(plain) ? undefined : plain
}

/** The first that we speak, in the charger's own spelling; undefined when it offers nothing, false when it offers only others. */
function chosenSubprotocol(offered: string | undefined): string | undefined | false {
  if (offered === undefined || offered.trim() === '') return undefined
  const names = offered.split(',').map(name => name.trim())
  return names.find(isSpoken) ?? false
}

const BASIC = /^ *basic +([A-Za-z0-9+/_-]+={0,2}) *$/i

/** User and password of RFC 7617. The password may be any bytes; the first colon ends the identity. */
function basicCredentials(
  value: string | undefined,
): { readonly user: string; readonly password: Uint8Array } | undefined {
  if (value === undefined || value.length > MAX_AUTHORIZATION_CHARACTERS) return undefined
  const encoded = BASIC.exec(value)?.[1]
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  const colon = bytes.indexOf(0x3a)
  if (colon < 0) return undefined
  return { user: bytes.toString('latin1', 0, colon), password: new Uint8Array(bytes.subarray(colon + 1)) }
}
