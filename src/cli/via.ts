// Whom an operator's command hands what it wrote: a running node, named by its folder, or a cloud, named by the folder that
// the receiver writes into or by its address. Nodes that push to that cloud take the news with its next answer.
import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { type Client, type Handover, type HeldLog, logsOf, missingAt, submitTo } from '../api/client.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { readJson, readText, siteIdIn } from '../host/identity-files.ts'
import type { Operator } from '../host/operator.ts'
import { systemClock } from '../host/system.ts'
import { ed25519 } from '../identity/signature.ts'
import type { SubmissionReport } from '../input.ts'
import type { Push, PushAnswer, Segment, Uplink } from '../ports.ts'
import { countOf } from '../replica/canonical.ts'
import { type DeviceId, type LogId, unhex } from '../units.ts'
import { MAX_PUSH_OBJECTS, MAX_PUSH_SEGMENTS } from '../uplink/request.ts'
import { RECEIVER_FILE } from './receiver.ts'

/** Of one push; the receiver takes more, but an old line needs its time for them. */
const PUSH_BYTES = 256 * 1024
const REVOKED = z.array(z.object({ deviceId: z.string(), revoked: z.boolean() }))
const RECEIVER = z.object({ url: z.string() })

export type Via = {
  /** What of this operator's logs is held there, before anything is written. */
  readonly held: () => Promise<readonly HeldLog[]>
  /** Devices that are known to be revoked there; undefined where that cannot be asked. */
  readonly revoked: () => Promise<readonly DeviceId[] | undefined>
  readonly take: (handover: Handover) => Promise<SubmissionReport>
  /** What became of the entries, in a sentence. */
  readonly says: (admitted: number) => string
  readonly close: () => void
}

export function viaNode(dir: string, client: Client): Via {
  return {
    held: () => logsOf(client),
    revoked: async () => {
      const devices = check('devices', REVOKED, await client.get('/v1/devices'))
      return devices.flatMap(({ deviceId, revoked }) => (revoked ? [deviceId as DeviceId] : []))
    },
    take: handover => submitTo(client, handover),
    says: admitted => `given to the node in ${join(dir)}: ${admitted} entries; the mesh carries them on`,
    close: () => undefined,
  }
}

export type CloudAt = { readonly url: string; readonly caPem?: string }

/** The cloud that a word of --via names; undefined where it names a node. */
export async function cloudAt(word: string, ca?: string): Promise<CloudAt | undefined> {
  const caPem = ca === undefined ? undefined : await readText(ca, '--ca')
  if (/^https?:\/\//.test(word)) return { url: word, ...(caPem !== undefined && { caPem }) }
  // One of several sites is named like a folder in the receiver's (receiver.ts); a push says by itself whose it is.
  const isNamed = await access(word).then(
    () => false,
    () => true,
  )
  const home = isNamed ? dirname(word) : word
  const receiver = await readJson(join(home, RECEIVER_FILE), RECEIVER, '').catch((error: unknown) => {
    if (error instanceof MeshError) return undefined
    throw error
  })
  if (!receiver) return undefined
  return { url: receiver.url, caPem: caPem ?? (await readText(join(home, 'ca.pem'), 'of the receiver')) }
}

/** The way to a cloud for an operator, whose certificate signs each request. */
export async function openCloud(
  operator: Operator,
  { url, caPem }: CloudAt,
): Promise<Uplink & { readonly close: () => void }> {
  // Loaded here: most commands go to a node.
  const { openHttpUplink } = await import('../uplink/http.ts')
  return openHttpUplink({
    ...{ name: 'cloud', url, ...(caPem !== undefined && { caPem }) },
    siteId: siteIdIn(operator.site),
    certificate: () => operator.certificate.encoded,
    ...{ logKey: unhex(operator.identity.keys.logKey), signatures: ed25519(), clock: systemClock() },
  })
}

export async function viaCloud(operator: Operator, cloud: CloudAt): Promise<Via> {
  const uplink = await openCloud(operator, cloud)
  const certificates = operator.ledger.chainOf(operator.certificate)
  const ask = async (push: Partial<Push>): Promise<PushAnswer> =>
    await uplink.push({ segments: [], certificates, sinceVersion: 0, ...push })
  const held = async (): Promise<readonly HeldLog[]> => {
    const { deviceId } = operator.certificate
    const own = [...operator.ledger.logs.all()].filter(log => log.certificate.deviceId === deviceId)
    const holds = own.map(({ logId, head }) => ({ logId, nextSeq: head.seq + 1 }))
    const { heads = [] } = await ask({ holds })
    return heads.map(head => ({ ...head, deviceId }))
  }
  return {
    held,
    revoked: async () => undefined,
    take: async handover => await pushAll(ask, handover, await held()),
    says: admitted =>
      `given to the cloud at ${cloud.url}: ${admitted} entries; nodes that reach it take them within 15 s`,
    close: uplink.close,
  }
}

async function pushAll(
  ask: (push: Partial<Push>) => Promise<PushAnswer>,
  handover: Handover,
  held: readonly HeldLog[],
): Promise<SubmissionReport> {
  const { missing, refused: frozen } = missingAt(handover, held)
  const refused = [...frozen]
  let admitted = 0
  const objects = handover.objects.slice(-MAX_PUSH_OBJECTS)
  const batches = batchesOf(missing)
  for (const segments of batches.length > 0 ? batches : [[]]) {
    const answer = await ask({ segments, objects })
    refused.push(...answer.refused.map(({ logId, reason }) => `log ${logId}: ${reason}`))
    const names = new Set<LogId>(answer.refused.map(({ logId }) => logId))
    for (const segment of segments) if (!names.has(segment.logId)) admitted += newsIn(segment, held)
  }
  return { admitted, refused }
}

function newsIn(segment: Segment, held: readonly HeldLog[]): number {
  const seq = held.find(log => log.logId === segment.logId)?.seq ?? -1
  return Math.max(0, segment.fromSeq + countOf(segment.update) - Math.max(seq + 1, segment.fromSeq))
}

function batchesOf(segments: readonly Segment[]): readonly (readonly Segment[])[] {
  const batches: Segment[][] = []
  let bytes = PUSH_BYTES
  for (const segment of segments) {
    if (bytes + segment.update.length > PUSH_BYTES || (batches.at(-1)?.length ?? 0) >= MAX_PUSH_SEGMENTS) {
      batches.push([])
      bytes = 0
    }
    bytes += segment.update.length
    batches.at(-1)?.push(segment)
  }
  return batches
}
