// At the office: what the stick carries goes to the cloud, and what the site lacks goes onto the stick. The operator's keys
// open it, and its certificate signs the requests. Pushed twice is applied once, so the same command goes on from anywhere.
import { MalformedBytes } from '../cbor.ts'
import { MeshError } from '../errors.ts'
import { siteIdIn } from '../host/identity-files.ts'
import { type Operator, openOperator } from '../host/operator.ts'
import { openStick, type Stick } from '../host/stick.ts'
import type { Certificate } from '../identity/certificate.ts'
import { sealPublicKey } from '../identity/seal.ts'
import { ed25519 } from '../identity/signature.ts'
import type { HeldLog, Push, PushAnswer } from '../ports.ts'
import { type CertHash, type LogId, unhex } from '../units.ts'
import { type Cover, openPart, type PartReader, type ReadPart, type Secret } from '../uplink/bundle.ts'
import { decodePush, MAX_PUSH_CERTIFICATES } from '../uplink/request.ts'
import { refuseWithdrawn, say } from './operator.ts'
import { startProgress } from './progress.ts'
import { unlockOf } from './unlock.ts'
import type { ImportOptions } from './usb.ts'
import { type AckBook, createAckBook } from './usb-acks.ts'
import { type Written, writeWords } from './usb-back.ts'
import { counted } from './usb-export.ts'
import { partsOf, type Refused, refuseAny, says } from './usb-parts.ts'
import { cloudAt, openCloud, viaCloud } from './via.ts'

type OfficeOptions = ImportOptions & { readonly site: string; readonly cloud: string }

type Office = {
  readonly operator: Operator
  readonly stick: Stick
  readonly reader: PartReader
  readonly secrets: readonly Secret[]
  readonly ask: (push: Partial<Push>) => Promise<PushAnswer>
  readonly refused: Refused[]
}

export async function importFrom(dir: string, options: OfficeOptions): Promise<void> {
  const cloud = await cloudAt(options.cloud, options.ca)
  if (!cloud)
    throw new MeshError(
      'CONFIG_INVALID',
      `${options.cloud} is no data folder of a cloud, and no https address`,
    )
  const operator = await openOperator(options.site, unlockOf(options))
  const closing: (() => void | Promise<void>)[] = [operator.close]
  try {
    refuseWithdrawn(operator, options.site)
    const siteId = siteIdIn(operator.site)
    const stick = await openStick(dir, siteId)
    closing.unshift(stick.close)
    const uplink = await openCloud(operator, cloud)
    closing.unshift(uplink.close)
    const certificates = operator.ledger.chainOf(operator.certificate)
    const office: Office = {
      ...{ operator, stick, refused: [] },
      reader: { siteId, rootKey: unhex(operator.site.rootKey), signatures: ed25519() },
      secrets: secretsOf(operator),
      ask: async push => {
        const chains = [...certificates, ...(push.certificates ?? [])].slice(0, MAX_PUSH_CERTIFICATES)
        return await uplink.push({ segments: [], sinceVersion: 0, ...push, certificates: chains })
      },
    }
    await handOver(office, await viaCloud(operator, cloud))
    const seen = await lookAround(office)
    const acks = await createAckBook(operator, office.ask, seen.followed)
    const up = await pushParts(office, acks, options.json !== true)
    const back = await writeWords({ ...office, ...seen, acks }).catch((error: unknown) => {
      // What went up is up, and worth saying, though nothing goes back on this stick.
      if (error instanceof MeshError) return error
      throw error
    })
    sayAll(options, { dir, up, back, refused: office.refused })
    if (back instanceof MeshError) throw back
    refuseAny(office.refused)
  } finally {
    for (const close of closing) await close()
  }
}

function secretsOf({ identity }: Operator): readonly Secret[] {
  return [identity.keys.sealKey, ...(identity.sealKeysBefore ?? [])].map(unhex).map(secretKey => ({
    ...{ secretKey, publicKey: sealPublicKey(secretKey) },
  }))
}

/** What was written in this folder without --via goes up first, and so comes back with the rest. */
async function handOver(
  { operator, refused }: Office,
  via: Awaited<ReturnType<typeof viaCloud>>,
): Promise<void> {
  try {
    const { hashAt } = operator
    const report = await via.take({ ...operator.submission(), written: operator.written(), hashAt })
    for (const reason of report.refused) refused.push({ name: 'the log of this folder', reason })
  } finally {
    via.close()
  }
}

type Seen = {
  readonly followed: ReadonlySet<LogId>
  readonly holds: readonly (readonly HeldLog[])[]
  readonly certificates: readonly Certificate[]
}

/** Who wrote on this stick, what they hold, and which logs it is about. Beacons that nodes hold are handed on. */
async function lookAround(office: Office): Promise<Seen> {
  const followed = new Set<LogId>()
  const holds: (readonly HeldLog[])[] = []
  const authors = new Map<CertHash, Certificate>()
  // Those of damaged parts are named once, when they are pushed.
  const quiet: Refused[] = []
  const note = ({ head, author }: ReadPart): void => {
    for (const { logId } of head.covers) followed.add(logId)
    authors.set(author.hash, author)
  }
  for await (const { part } of partsOf(office.stick, 'up', { ...office, refused: quiet })) note(part)
  for await (const { name, part } of partsOf(office.stick, 'holds', office)) {
    note(part)
    for (const push of pushesIn(office, name, part)) {
      if (push.holds) holds.push(push.holds)
      await office.ask({ objects: push.objects ?? [], certificates: push.certificates })
    }
  }
  return { followed, holds, certificates: [...authors.values()] }
}

function pushesIn({ secrets, refused }: Office, name: string, part: ReadPart): readonly Push[] {
  const messages = openPart(part, secrets)
  if (!messages) {
    refused.push({ name, reason: says('not-for-us') })
    return []
  }
  try {
    return messages.map(decodePush)
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error
    refused.push({ name, reason: says('damaged') })
    return []
  }
}

type Pushed = { readonly parts: number; readonly known: number; readonly events: number }

async function pushParts(office: Office, acks: AckBook, wanted: boolean): Promise<Pushed> {
  const { ask, stick, refused } = office
  const total = { parts: 0, known: 0, events: 0 }
  const progress = startProgress('parts', (await stick.names('up')).length, wanted)
  try {
    for await (const { name, part } of partsOf(stick, 'up', office)) {
      progress.step()
      const news = part.head.covers.filter(cover => !acks.covers(cover))
      if (news.length === 0) {
        total.known += 1
        continue
      }
      const reasons = new Map<LogId, string>()
      const pushes = pushesIn(office, name, part)
      for (const { segments, certificates, objects = [] } of pushes) {
        const answer = await ask({ segments, certificates, objects, sinceVersion: acks.version() })
        acks.note(answer)
        for (const { logId, reason } of answer.refused) reasons.set(logId, reason)
      }
      if (pushes.length > 0) total.parts += 1
      total.events += news.filter(acks.covers).reduce((sum, one) => sum + lengthOf(one), 0)
      for (const [logId, reason] of reasons)
        refused.push({ name, reason: `the cloud refused log ${logId}: ${reason}` })
    }
  } finally {
    progress.end()
  }
  return total
}

function lengthOf({ fromSeq, nextSeq }: Cover): number {
  return nextSeq - fromSeq
}

type Done = {
  readonly dir: string
  readonly up: Pushed
  readonly back: Written | MeshError
  readonly refused: readonly Refused[]
}

function sayAll(options: OfficeOptions, { dir, up, back, refused }: Done): void {
  say(
    options,
    { pushed: up, ...(!(back instanceof MeshError) && { back }), refused },
    [
      `${counted(up.parts)} taken by the cloud: ${up.events} events`,
      ...(up.known > 0 ? [`${counted(up.known)} that it has already`] : []),
      ...(back instanceof MeshError
        ? []
        : [
            `on the stick for the site: ${back.entries} entries of the operator, ${back.acks} acks`,
            `back at the site: chargemesh usb import ${dir} --via <node folder>`,
          ]),
    ].join('\n'),
  )
}
