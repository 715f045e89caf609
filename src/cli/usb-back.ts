// The way back: acks of what nodes wait for, what operators have said beyond what nodes on this stick hold, and beacons. It is
// sealed to the nodes' own keys, by their certificates, and not to the site's: a node that slept through a rotation of
// the site's key finds the new one in the very log that the stick brings, and a node that was revoked opens nothing.

import { siteIdIn } from '../host/identity-files.ts'
import type { Operator } from '../host/operator.ts'
import type { Stick } from '../host/stick.ts'
import { systemClock, systemRandom } from '../host/system.ts'
import type { Certificate } from '../identity/certificate.ts'
import { ed25519 } from '../identity/signature.ts'
import type { HeldLog, Push, PushAnswer } from '../ports.ts'
import { countOf } from '../replica/canonical.ts'
import { hex, type LogId, unhex } from '../units.ts'
import { MAX_MESSAGES, MAX_RECIPIENTS, PART_BYTES, writePart } from '../uplink/bundle.ts'
import { encodeAnswer } from '../uplink/request.ts'
import type { AckBook } from './usb-acks.ts'

/** Acks in one message, as in an answer of the receiver. */
const ACKS_AT_ONCE = 1000

export type Back = {
  readonly operator: Operator
  readonly stick: Stick
  readonly ask: (push: Partial<Push>) => Promise<PushAnswer>
  readonly acks: AckBook
  /** What each node on the stick holds of the operators' logs. */
  readonly holds: readonly (readonly HeldLog[])[]
  /** Certificates that came with the stick: of nodes that this folder may not have certified itself. */
  readonly certificates: readonly Certificate[]
}

export type Written = { readonly parts: number; readonly entries: number; readonly acks: number }

/** Writes the new parts, and only then removes those before them, which they contain. */
export async function writeWords(back: Back): Promise<Written> {
  const { operator, stick, acks } = back
  const before = await stick.names('down')
  const total = { parts: 0, entries: 0, acks: acks.encoded().length }
  let messages: Uint8Array[] = []
  const close = async (): Promise<void> => {
    if (messages.length === 0) return
    await stick.add('down', sealedPart(back, messages))
    total.parts += 1
    messages = []
  }
  const add = async (message: Uint8Array): Promise<void> => {
    const bytes = messages.reduce((sum, one) => sum + one.length, 0)
    if (bytes + message.length > PART_BYTES || messages.length >= MAX_MESSAGES) await close()
    messages.push(message)
  }
  for await (const answer of wordsOf(back)) {
    total.entries += (answer.segments ?? []).reduce((sum, { update }) => sum + countOf(update), 0)
    await add(encodeAnswer({ ...answer, refused: [] }))
  }
  const all = acks.encoded()
  // The cloud's certificate stands in the operator's log: whoever reads the words first can read the acks.
  const certificates = operator.ledger.chainOf(operator.certificate)
  for (let i = 0; i < all.length; i += ACKS_AT_ONCE) {
    const some = all.slice(i, i + ACKS_AT_ONCE)
    await add(encodeAnswer({ version: acks.version(), acks: some, refused: [], certificates }))
  }
  await close()
  for (const name of before) await stick.remove(name)
  return total
}

type Words = Pick<PushAnswer, 'version' | 'acks' | 'segments' | 'certificates'>

/** What the cloud gives to who holds the least that any of these nodes does; it ends when an answer brings nothing new. */
async function* wordsOf({ ask, acks, holds }: Back): AsyncGenerator<Words, void, void> {
  const held = new Map(leastOf(holds).map(({ logId, nextSeq }) => [logId, nextSeq]))
  let sinceVersion = 0
  for (let goesOn = true; goesOn; ) {
    const answer = await ask({
      sinceVersion,
      holds: [...held].map(([logId, nextSeq]) => ({ logId, nextSeq })),
    })
    acks.note(answer)
    sinceVersion = acks.version()
    let isNews = false
    for (const { logId, fromSeq, update } of answer.segments ?? []) {
      const nextSeq = fromSeq + countOf(update)
      isNews ||= nextSeq > (held.get(logId) ?? 0)
      held.set(logId, Math.max(held.get(logId) ?? 0, nextSeq))
    }
    const { version, segments = [], certificates = [] } = answer
    // The acks of all logs come along with the first; those of the stick's have a message of their own.
    const beacons = answer.acks.filter(acks.isBeacon)
    if (segments.length > 0 || beacons.length > 0) yield { version, acks: beacons, segments, certificates }
    goesOn = answer.more === true && isNews
  }
}

/** What all of them hold; nothing of a log that one of them does not know. */
function leastOf(holds: readonly (readonly HeldLog[])[]): readonly HeldLog[] {
  const [first = [], ...others] = holds
  const least = new Map<LogId, number>(first.map(log => [log.logId, log.nextSeq]))
  for (const one of others) {
    const theirs = new Map(one.map(log => [log.logId, log.nextSeq]))
    for (const [logId, nextSeq] of least) {
      const there = theirs.get(logId)
      if (there === undefined) least.delete(logId)
      else least.set(logId, Math.min(nextSeq, there))
    }
  }
  return [...least].map(([logId, nextSeq]) => ({ logId, nextSeq }))
}

function sealedPart({ operator, certificates }: Back, messages: readonly Uint8Array[]): Uint8Array {
  const { certificate, ledger, identity, site } = operator
  const keys = new Map<string, Uint8Array>()
  for (const one of [...operator.certificates(), ...certificates])
    if (one.roles.includes('node') && !ledger.isVoid(one)) keys.set(hex(one.sealKey), one.sealKey)
  const author = {
    ...{ siteId: siteIdIn(site), chain: ledger.chainOf(certificate), signatures: ed25519() },
    logKey: unhex(identity.keys.logKey),
  }
  return writePart(author, {
    ...{ kind: 'down', covers: [], messages, madeAt: systemClock().wallMs() },
    recipients: [...keys.values()].slice(-MAX_RECIPIENTS),
    random: systemRandom().bytes,
  })
}
