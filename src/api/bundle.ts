// What a node writes onto a stick and takes from one (uplink/bundle.ts), a part a request: whoever carries it asks on with
// what the stick holds by then, so nothing is remembered here and memory is bounded by a part.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { MalformedBytes } from '../cbor.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { type Certificate, inForce } from '../identity/certificate.ts'
import type { Roster } from '../identity/roster.ts'
import { sealPublicKey } from '../identity/seal.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Node } from '../node.ts'
import type { Clock, Push, Random, Segment } from '../ports.ts'
import type { LogId } from '../units.ts'
import {
  type Cover,
  MAX_COVERS,
  MAX_MESSAGES,
  MAX_PART_BYTES,
  openPart,
  PART_BYTES,
  type PartContents,
  readPart,
  writePart,
} from '../uplink/bundle.ts'
import {
  decodeAnswer,
  encodePush,
  MAX_HELD_LOGS,
  MAX_PUSH_CERTIFICATES,
  MAX_PUSH_OBJECTS,
  MAX_PUSH_SEGMENTS,
} from '../uplink/request.ts'

/** Of segments in one push of a part. */
const PUSH_BYTES = 256 * 1024
const MAX_SEGMENTS_AT_ONCE = 64
const CHAIN_LENGTH = 2
const MAX_PARTS = 4096

export type BundleDeps = {
  readonly node: Node
  readonly roster: Roster
  readonly clock: Clock
  readonly name: string
  readonly siteName: string
  readonly sealKey: Uint8Array
  readonly signer: () => {
    readonly logKey: Uint8Array
    readonly signatures: Signatures
    readonly random: Random
  }
}

const cover = z.strictObject({
  logId: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .transform(text => text as LogId),
  fromSeq: z.int().min(0),
  nextSeq: z.int().min(0),
})
const CARRIED = z.strictObject({ covers: z.array(cover).max(MAX_COVERS * 4) })
const PARTS = z.strictObject({
  parts: z
    .array(z.strictObject({ name: z.string().max(64), covers: z.array(cover).max(MAX_COVERS) }))
    .max(MAX_PARTS),
})
const PART = z.strictObject({
  part: z
    .base64()
    .max(MAX_PART_BYTES)
    .transform(text => new Uint8Array(Buffer.from(text, 'base64'))),
})

export function addBundles(server: FastifyInstance, deps: BundleDeps): void {
  const { node, roster } = deps
  server.get('/v1/bundle', async () => ({
    ...{ siteId: roster.siteId, rootKey: Buffer.from(roster.rootKey).toString('hex') },
    ...{ name: deps.name, site: deps.siteName, deviceId: node.ledger().ownCertificate().deviceId },
  }))
  server.post('/v1/bundle/part', async request => {
    const { covers } = check('carried', CARRIED, request.body)
    // What is decided and not yet durable must not leave: an empty entry is answered when all before it is on the disk.
    await node.record([])
    return partOf(deps, covers)
  })
  server.post('/v1/bundle/holds', async () => {
    await node.record([])
    return { part: base64(holdsOf(deps)) }
  })
  server.post('/v1/bundle/acked', async request => {
    const { parts } = check('parts', PARTS, request.body)
    const ledger = node.ledger()
    const isAcked = ({ logId, nextSeq }: Cover): boolean => ledger.ackedSeq(logId) >= nextSeq - 1
    return { acked: parts.filter(({ covers }) => covers.every(isAcked)).map(({ name }) => name) }
  })
  server.post('/v1/bundle/words', async request => take(deps, check('part', PART, request.body).part))
}

/** The next part of what the cloud has not acknowledged and the stick does not carry; no part when that is nothing. */
function partOf(deps: BundleDeps, carried: readonly Cover[]): Readonly<Record<string, unknown>> {
  const { logs, chainOf } = deps.node.ledger()
  const waiting = waitingIn(deps, carried)
  const events = waiting.reduce((sum, { fromSeq, nextSeq }) => sum + nextSeq - fromSeq, 0)
  const packer = createPacker()
  for (const { logId, fromSeq, nextSeq } of waiting) {
    const log = logs.get(logId)
    if (!log || packer.isFull()) break
    const chain = chainOf(log.certificate)
    let from = fromSeq
    while (from < nextSeq && !packer.isFull()) {
      const cut = logs.segments(logId, from, MAX_SEGMENTS_AT_ONCE)
      for (const segment of cut) {
        if (packer.isFull()) break
        packer.add(segment, chain)
        from = segment.nextSeq
      }
      if (cut.length === 0) break
    }
    packer.covered({ logId, fromSeq, nextSeq: from })
  }
  const { covers, pushes } = packer.done()
  if (covers.length === 0) return { events: 0 }
  const messages = pushes.map(encodePush)
  return { part: base64(sealedPart(deps, { kind: 'up', covers, messages })), events }
}

/** The operator's words first; then what has waited longest. */
function waitingIn({ node }: BundleDeps, carried: readonly Cover[]): readonly Cover[] {
  const ledger = node.ledger()
  const there = new Map<LogId, Cover[]>()
  for (const one of carried) there.set(one.logId, [...(there.get(one.logId) ?? []), one])
  const rank = ({ roles }: Certificate): number => (roles.includes('node') ? 1 : 0)
  return [...ledger.logs.all()]
    .toSorted((a, b) => rank(a.certificate) - rank(b.certificate) || a.changedAt - b.changedAt)
    .map(({ logId, base, head }) => {
      const unsent = Math.max(ledger.ackedSeq(logId) + 1, base)
      return { logId, fromSeq: reach(unsent, there.get(logId) ?? []), nextSeq: head.seq + 1 }
    })
    .filter(({ fromSeq, nextSeq }) => fromSeq < nextSeq)
}

/** How far parts that join one another lead from here; what lies behind a hole is written again. */
function reach(from: number, covers: readonly Cover[]): number {
  let at = from
  for (const { fromSeq, nextSeq } of covers.toSorted((a, b) => a.fromSeq - b.fromSeq))
    if (fromSeq <= at) at = Math.max(at, nextSeq)
  return at
}

function createPacker() {
  const pushes: Push[] = []
  const covers: Cover[] = []
  let segments: Segment[] = []
  let certificates = new Set<Uint8Array>()
  let [bytes, whole] = [0, 0]
  const close = (): void => {
    if (segments.length > 0) pushes.push({ segments, certificates: [...certificates], sinceVersion: 0 })
    segments = []
    certificates = new Set()
    bytes = 0
  }
  return {
    isFull: () => whole >= PART_BYTES || pushes.length >= MAX_MESSAGES - 1 || covers.length >= MAX_COVERS,
    add: ({ logId, fromSeq, update }: Segment, chain: readonly Uint8Array[]): void => {
      const isFull = bytes + update.length > PUSH_BYTES || segments.length >= MAX_PUSH_SEGMENTS
      if (isFull || certificates.size + CHAIN_LENGTH > MAX_PUSH_CERTIFICATES) close()
      segments.push({ logId, fromSeq, update })
      for (const encoded of chain) {
        if (!certificates.has(encoded)) whole += encoded.length
        certificates.add(encoded)
      }
      bytes += update.length
      whole += update.length
    },
    covered: (one: Cover): void => {
      if (one.fromSeq < one.nextSeq) covers.push(one)
    },
    done: () => {
      close()
      return { covers, pushes }
    },
  }
}

/** What this node holds of the operators' words, and of which logs it wants to hear that the cloud has them. */
function holdsOf(deps: BundleDeps): Uint8Array {
  const ledger = deps.node.ledger()
  const all = [...ledger.logs.all()].toSorted((a, b) => b.changedAt - a.changedAt)
  const operators = all.filter(({ certificate }) => !certificate.roles.includes('node'))
  const beacons = ledger.objects.ofKind('beacon').toSorted((a, b) => b.version - a.version)
  const push: Push = {
    ...{ segments: [], sinceVersion: 0, certificates: ledger.chainOf(ledger.ownCertificate()) },
    holds: operators.slice(0, MAX_HELD_LOGS).map(({ logId, head }) => ({ logId, nextSeq: head.seq + 1 })),
    objects: beacons.slice(0, MAX_PUSH_OBJECTS).map(({ encoded }) => encoded),
  }
  const isWanted = (logId: LogId, seq: number): boolean => {
    const ack = ledger.objects.get(`ack/${logId}`)
    // Only what the cloud keeps twice over may be let go of: until then a later ack is news (PROTOCOL 1.11).
    return ledger.ackedSeq(logId) < seq || ack?.kind !== 'ack' || ack.body.durability < 2
  }
  const covers = all
    .filter(({ logId, head }) => isWanted(logId, head.seq))
    .slice(0, MAX_COVERS)
    .map(({ logId, head }) => ({ logId, fromSeq: ledger.ackedSeq(logId) + 1, nextSeq: head.seq + 1 }))
  return sealedPart(deps, { kind: 'holds', covers, messages: [encodePush(push)] })
}

function sealedPart(deps: BundleDeps, said: Pick<PartContents, 'kind' | 'covers' | 'messages'>): Uint8Array {
  const { node, roster, clock } = deps
  const { logKey, signatures, random } = deps.signer()
  const ledger = node.ledger()
  const issuers = roster.all().filter(one => one.roles.includes('issuer') && !ledger.isVoid(one))
  const inTime = issuers.filter(one => inForce(one, clock.wallMs()))
  // A clock that is years off must not keep a stick empty.
  const recipients = (inTime.length > 0 ? inTime : issuers).map(one => one.sealKey)
  if (recipients.length === 0)
    throw new MeshError('CERTIFICATE_INVALID', 'this node knows no issuer of the site: nobody could open it')
  const chain = ledger.chainOf(ledger.ownCertificate())
  const author = { siteId: roster.siteId, chain, logKey, signatures }
  const madeAt = Math.floor(clock.wallMs())
  return writePart(author, { ...said, madeAt, recipients, random: random.bytes })
}

/** What an operator wrote for this site; refused by value, with what to do. */
async function take(deps: BundleDeps, file: Uint8Array): Promise<Readonly<Record<string, unknown>>> {
  const { node, roster, sealKey } = deps
  const { signatures } = deps.signer()
  const verdict = readPart({ siteId: roster.siteId, rootKey: roster.rootKey, signatures }, file)
  if (verdict.kind === 'refused') return { refused: verdict.reason }
  const { part } = verdict
  if (part.head.kind !== 'down') return { refused: 'not-for-us' }
  if (node.ledger().isVoid(part.author)) return { refused: 'withdrawn-author' }
  const secret = { publicKey: sealPublicKey(sealKey), secretKey: sealKey }
  const messages = openPart(part, [secret])
  if (!messages) return { refused: 'not-for-us' }
  let admitted = 0
  let acks = 0
  const faults: string[] = []
  for (const message of messages) {
    try {
      const { segments = [], certificates = [], acks: objects } = decodeAnswer(message)
      const report = await node.submit({ certificates, segments, objects })
      admitted += report.admitted
      acks += objects.length
      faults.push(...report.refused)
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      return { refused: 'damaged' }
    }
  }
  return { admitted, acks, faults: faults.slice(0, 16) }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
