// The new node's side of an invitation: its keys are made here and never leave it. It proves that it holds them, and gets a
// certificate for them, with the site's cards, tariffs and key. What comes back is believed because only the operator's machine
// knows the secret, and is checked against the site's root all the same.
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { Certificate } from '../identity/certificate.ts'
import { hashOf } from '../identity/hash.ts'
import { drawKeys, publicKeys } from '../identity/keys.ts'
import { openSealed } from '../identity/seal.ts'
import { ed25519 } from '../identity/signature.ts'
import { hex, type LogId, unhex } from '../units.ts'
import { hexOf, hexText, SITE } from './identity-files.ts'
import { boxWith, type Invitation, openBox } from './invitation.ts'
import { installNode, requireVacant } from './site-birth.ts'
import { systemRandom } from './system.ts'
import type { Unlock } from './unlock.ts'

export const JOIN_PATH = '/join'
export const MAX_ASK_BYTES = 4096
/** A site with 100,000 cards takes some 15 MB. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const TIMEOUT_MS = 60_000
const TRIES = 3
/** A certificate is valid from a day before it was made; a clock further behind would call it not yet valid. */
const CLOCK_TOLERANCE_MS = 12 * 3600 * 1000

export const ASK = z.object({
  version: z.literal(1),
  peerKey: hexOf(32),
  logKey: hexOf(32),
  sealKey: hexOf(32),
  logProof: hexOf(64),
  peerProof: hexOf(64),
})
export type Ask = z.infer<typeof ASK>

const base64 = z.base64()
const ADMISSION = z.object({
  name: z.string().min(1).max(48),
  site: SITE,
  certificates: z.array(hexText).min(1).max(8),
  peers: z.array(z.string().max(300)).max(64),
  /** UTC ms by the operator's clock. */
  nowAt: z.number(),
  siteKeySealed: hexText,
  submission: z.object({
    certificates: z.array(base64),
    segments: z.array(z.object({ logId: hexOf(16), fromSeq: z.int().min(0), update: base64 })),
    objects: z.array(base64),
  }),
})
export type Admission = z.infer<typeof ADMISSION>

/** What both keys of the new node sign, bound to this one invitation. */
export function askDigest(
  secret: Uint8Array,
  { peerKey, logKey, sealKey }: Pick<Ask, 'peerKey' | 'logKey' | 'sealKey'>,
): Uint8Array {
  return hashOf('chargemesh/join/v1', secret, unhex(peerKey), unhex(logKey), unhex(sealKey))
}

export type JoinedNode = {
  readonly certificate: Certificate
  readonly name: string
  readonly peers: readonly string[]
  /** The operator's machine has not heard that we are done; its invitation ends with its time. */
  readonly isUnheard: boolean
  /** Our clock minus the operator's, in ms, when that is more than half a day. */
  readonly clockOffMs?: number
}

export type Joining = {
  /** The text of the node's settings file; refuses what cannot be set before anything is written. */
  readonly settings: (name: string, peers: readonly string[]) => string
  readonly nowAt: () => number
  /** Encrypts the new folder. */
  readonly unlock?: Unlock
}

/** Joins by invitation and writes the node's folder; nothing is written unless everything fits. */
export async function joinByInvitation(
  dir: string,
  invitation: Invitation,
  { settings, nowAt, unlock }: Joining,
): Promise<JoinedNode> {
  await requireVacant(dir)
  const { bytes } = systemRandom()
  const keys = drawKeys(bytes)
  const { secret } = invitation
  const named = publicKeys(keys)
  const own = { peerKey: hex(named.peerKey), logKey: hex(named.logKey), sealKey: hex(named.sealKey) }
  const digest = askDigest(secret, own)
  const { sign } = ed25519()
  const ask: Ask = {
    ...{ version: 1, ...own },
    logProof: hex(sign(keys.logKey, digest)),
    peerProof: hex(sign(keys.peerKey, digest)),
  }
  const plain = new TextEncoder().encode(JSON.stringify(ask))
  const answer = openBox(
    secret,
    'answer',
    await insist(invitation, boxWith(secret, 'ask', { nonce: bytes(12), plain })),
  )
  if (!answer) throw refusal('what answered there does not know the code')
  const said = check('the answer', ADMISSION, JSON.parse(new TextDecoder().decode(answer)))
  const siteKey = openSealed(keys.sealKey, unhex(said.siteKeySealed))
  if (!siteKey) throw refusal('the site key is not for this node')
  const certificate = await installNode(dir, {
    ...{ name: said.name, site: said.site, keys, certificates: said.certificates, siteKey: hex(siteKey) },
    settings: settings(said.name, said.peers),
    ...(unlock && { unlock }),
    submission: {
      certificates: said.submission.certificates.map(fromBase64),
      segments: said.submission.segments.map(({ logId, fromSeq, update }) => ({
        ...{ logId: logId as LogId, fromSeq, update: fromBase64(update) },
      })),
      objects: said.submission.objects.map(fromBase64),
    },
  })
  // Only now: an answer that was not kept is given again to the same keys. The node is whole, whether that is heard or not.
  const done = boxWith(secret, 'done', { nonce: bytes(12), plain: new Uint8Array() })
  const isUnheard = await insist(invitation, done).then(
    () => false,
    () => true,
  )
  const offMs = nowAt() - said.nowAt
  return {
    ...{ certificate, name: said.name, peers: said.peers, isUnheard },
    ...(Math.abs(offMs) > CLOCK_TOLERANCE_MS && { clockOffMs: offMs }),
  }
}

async function insist(invitation: Invitation, body: Uint8Array, tries = 1): Promise<Uint8Array> {
  try {
    return await post(invitation, body)
  } catch (error) {
    if (tries >= TRIES || !(error instanceof MeshError) || error.code !== 'NODE_UNREACHABLE') throw error
    return await insist(invitation, body, tries + 1)
  }
}

async function post({ host, port }: Invitation, body: Uint8Array): Promise<Uint8Array> {
  const where = `${host}:${port}`
  let response: Response
  let answer: Uint8Array
  try {
    response = await fetch(`http://${where}${JOIN_PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    answer = await bounded(response)
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw new MeshError(
      'NODE_UNREACHABLE',
      `nobody answers at ${where}: the code was used, or its minutes are over, or this machine cannot reach the operator’s; make another with \`chargemesh node invite\``,
      error,
    )
  }
  if (response.ok) return answer
  if (response.status === 403)
    throw refusal(`${where} does not know this code: it is of another invitation, or another node used it`)
  throw refusal(`${where} answered ${response.status}; see what \`chargemesh node invite\` says there`)
}

async function bounded(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > MAX_ANSWER_BYTES) throw refusal('the answer is too long')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function refusal(message: string): MeshError {
  return new MeshError('CERTIFICATE_INVALID', message)
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}
