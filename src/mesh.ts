// The mesh's side of a node: peers come and go, their messages meet the gate, and sync.ts says what to answer.
// A peer that sends what no honest node can send is banned for ten minutes, doubling (PROTOCOL 1.6).
import type { Acting } from './acting.ts'
import type { Submission, SubmissionReport } from './input.ts'
import type { Ledger } from './ledger.ts'
import type { SignedObject } from './log/object.ts'
import type { Logger, Network, Random, Segment } from './ports.ts'
import type { Remember } from './remember.ts'
import { type Admission, AUTHORS_FAULTS } from './replica/admit.ts'
import { countOf } from './replica/canonical.ts'
import type { HeadEntry } from './replica/frontier.ts'
import { type CutSegment, shortHash } from './replica/logs.ts'
import { decodeMessage, type Message } from './replica/message.ts'
import type { Send } from './replica/sends.ts'
import { createSync, type Sync } from './replica/sync.ts'
import { type DeviceId, sameBytes } from './units.ts'
import { isOperators } from './view.ts'

const BAN_MS = 10 * 60 * 1000
const MAX_BAN_MS = 24 * 3600 * 1000
const MAX_BANNED = 1024
/** Things that newer software may say and this cannot read: counted, and only a flood of them is an offence (PROTOCOL 1.3). */
const MAX_UNREADABLE = 256
const NEWER_SOFTWARE: readonly string[] = ['element-version', 'element-flags']

export type MeshInput =
  | { readonly kind: 'peer'; readonly peer: DeviceId }
  | { readonly kind: 'gone'; readonly peer: DeviceId }
  | { readonly kind: 'message'; readonly peer: DeviceId; readonly bytes: Uint8Array }
  | { readonly kind: 'tick' }

export type MeshDeps = {
  readonly ledger: Ledger
  readonly network: Network
  readonly random: Random
  readonly logger: Logger
  readonly remember: Remember
  readonly count: (name: string, by?: number) => void
}

export type Mesh = {
  readonly handle: (act: Acting, input: MeshInput) => readonly Send[]
  readonly submit: (
    act: Acting,
    submission: Submission,
  ) => { readonly report: SubmissionReport; readonly sends: readonly Send[] }
  /** Our own events are durable: tell everybody. */
  readonly authored: (segments: readonly CutSegment[]) => readonly Send[]
  readonly learned: (news: readonly SignedObject[]) => readonly Send[]
  readonly holders: Sync['holders']
  /** What passed the gate since the last call, for the documents. */
  readonly takeAdmitted: () => readonly Segment[]
  /** Leaves connected peers that were revoked; called when the news of it is durable (PROTOCOL 2.6). */
  readonly cutOff: () => void
}

export function createMesh(deps: MeshDeps): Mesh {
  const { ledger, count } = deps
  const dice = (below: number): number => {
    const drawn = deps.random.bytes(4)
    return new DataView(drawn.buffer, drawn.byteOffset).getUint32(0) % below
  }
  const sync = createSync({ ...ledger, dice, remember: deps.remember })
  const offences = new Map<DeviceId, number>()
  const admitted: Segment[] = []
  const unreadable = new Map<DeviceId, number>()
  /** The operator has spoken, or somebody came, since revocations were last looked at. */
  let isToLook = false

  const ban = (peer: DeviceId, reason: string): void => {
    const times = (offences.get(peer) ?? 0) + 1
    if (offences.size < MAX_BANNED) offences.set(peer, times)
    const banMs = Math.min(MAX_BAN_MS, BAN_MS * 2 ** (times - 1))
    count('mesh.banned')
    deps.logger.warn('peer banned: it sent what no honest node sends', { peer, reason, banMs })
    deps.network.ban(peer, banMs, reason)
  }

  const tolerate = (peer: DeviceId, reason: string): void => {
    const times = (unreadable.get(peer) ?? 0) + 1
    unreadable.set(peer, times)
    count('mesh.unreadable')
    if (times > MAX_UNREADABLE) ban(peer, reason)
  }

  /** Passes one segment through the gate; every outcome is counted, refusals are logged with their reason. */
  const admit = (act: Acting, segment: Segment, peer: DeviceId | undefined): Admission => {
    const admission = act.ledger.admit(segment, act.times)
    count(`gate.${admission.kind}`)
    if (admission.kind === 'admitted') {
      count('gate.events', admission.events.length)
      admitted.push(admission.segment)
      isToLook ||= isOperators(admission.certificate)
    }
    if (admission.kind === 'invalid') {
      deps.logger.warn('segment refused', { log: segment.logId, reason: admission.reason, peer })
    }
    if (admission.kind === 'fork') {
      const { seq, ours, theirs } = admission
      deps.logger.error('a log has two branches: its key was misused, its device is frozen', {
        log: segment.logId,
        seq,
        ours,
        theirs,
      })
    }
    return admission
  }

  const heardSegment = (
    act: Acting,
    peer: DeviceId,
    segment: Extract<Message, { kind: 'segment' }>,
  ): readonly Send[] => {
    const branch = branchBefore(act.ledger, segment)
    if (branch) {
      count('gate.branch')
      return sync.heard(peer, { kind: 'have', heads: [branch], objects: [] }, act.times.monotonicMs)
    }
    const admission = admit(act, segment, peer)
    if (admission.kind === 'invalid') {
      if (NEWER_SOFTWARE.includes(admission.reason)) tolerate(peer, admission.reason)
      else if (!AUTHORS_FAULTS.includes(admission.reason)) ban(peer, admission.reason)
      return []
    }
    const { logId, fromSeq, more } = segment
    const nextSeq = fromSeq + countOf(segment.update)
    const was = admission.kind === 'admitted' ? 'news' : admission.kind === 'duplicate' ? 'duplicate' : 'gap'
    const arrived = { logId, fromSeq, nextSeq, more, was, message: segment } as const
    const sends = sync.arrived(peer, arrived, act.times.monotonicMs)
    const urgent =
      admission.kind === 'fork' ||
      (admission.kind === 'admitted' && !admission.certificate.roles.includes('node'))
    return urgent ? [...sends, ...sync.urgent(logId, peer, act.times.monotonicMs)] : sends
  }

  const heardObjects = (
    act: Acting,
    peer: DeviceId,
    message: Extract<Message, { kind: 'objects' }>,
  ): readonly Send[] => {
    const all: SignedObject[] = []
    const news: SignedObject[] = []
    for (const encoded of message.objects) {
      const verdict = act.ledger.admitObject(encoded)
      if (verdict.kind === 'valid') all.push(verdict.object)
      if (verdict.kind === 'valid' && verdict.news) news.push(verdict.object)
      if (verdict.kind !== 'refused') continue
      count(`object.${verdict.reason}`)
      // An unknown signer's certificate may be on its way, a kind that we cannot read may be newer than we are.
      if (verdict.reason === 'malformed') tolerate(peer, verdict.reason)
      else if (verdict.reason === 'bad-signature' || verdict.reason === 'not-its-role') {
        ban(peer, verdict.reason)
        return []
      }
    }
    return sync.told(peer, { all, news, message }, act.times.monotonicMs)
  }

  /** We asked for what the peer has let go of, and take its word where the cloud's ack bears it out. */
  const heardCut = (act: Acting, peer: DeviceId, cut: Extract<Message, { kind: 'cut' }>): readonly Send[] => {
    const admission = act.ledger.admitCut(cut)
    count(`cut.${admission.kind}`)
    if (admission.kind === 'refused') {
      if (admission.reason === 'bad-signature') ban(peer, 'bad-signature')
      else tolerate(peer, admission.reason)
    }
    return admission.kind === 'taken' ? sync.cut(peer, cut.logId, act.times.monotonicMs) : []
  }

  const heard = (act: Acting, peer: DeviceId, bytes: Uint8Array): readonly Send[] => {
    const message = deps.remember('message', bytes, () => decodeMessage(bytes))
    if (!message) {
      tolerate(peer, 'message-malformed')
      return []
    }
    count(`mesh.${message.kind}`)
    if (message.kind === 'segment') return heardSegment(act, peer, message)
    if (message.kind === 'objects') return heardObjects(act, peer, message)
    if (message.kind === 'cut') return heardCut(act, peer, message)
    return sync.heard(peer, message, act.times.monotonicMs)
  }

  return {
    handle: (act, input) => {
      switch (input.kind) {
        case 'peer':
          act.ledger.keepCertificates(input.peer)
          isToLook = true
          if (ledger.isRevoked(input.peer)) return []
          return sync.connected(input.peer, act.times.monotonicMs)
        case 'gone':
          unreadable.delete(input.peer)
          return sync.gone(input.peer)
        case 'message':
          if (!ledger.isRevoked(input.peer)) return heard(act, input.peer, input.bytes)
          count('mesh.revoked')
          return []
        case 'tick':
          act.ledger.refold(act.times.monotonicMs)
          return sync.tick(act.times.monotonicMs)
      }
    },
    submit: (act, submission) => {
      const refused: string[] = []
      const sends: Send[] = []
      let taken = 0
      for (const certificate of submission.certificates) {
        const verdict = act.ledger.enrol(certificate)
        if (verdict.kind === 'refused') refused.push(`certificate: ${verdict.reason}`)
      }
      for (const segment of submission.segments) {
        const admission = admit(act, segment, undefined)
        if (admission.kind === 'admitted') {
          taken += admission.events.length
          sends.push(...sync.urgent(segment.logId, undefined, act.times.monotonicMs))
        } else if (admission.kind !== 'duplicate') {
          if (admission.kind === 'fork')
            sends.push(...sync.urgent(segment.logId, undefined, act.times.monotonicMs))
          refused.push(`segment ${segment.logId}/${segment.fromSeq}: ${reasonIn(admission)}`)
        }
      }
      for (const object of submission.objects) {
        const verdict = act.ledger.admitObject(object)
        if (verdict.kind === 'refused') refused.push(`object: ${verdict.reason}`)
        else if (verdict.news) sends.push(...sync.learned([verdict.object]))
      }
      return { report: { admitted: taken, refused }, sends }
    },
    authored: segments => sync.authored(segments),
    learned: news => sync.learned(news),
    holders: sync.holders,
    takeAdmitted: () => admitted.splice(0),
    cutOff: () => {
      if (!isToLook) return
      isToLook = false
      for (const peer of deps.network.peers().filter(ledger.isRevoked)) {
        count('mesh.cut-off')
        deps.logger.warn('peer cut off: it was revoked', { peer })
        // Afterwards the hello refuses it (host/hello.ts), unless it was certified anew.
        deps.network.ban(peer, BAN_MS, 'revoked')
      }
    },
  }
}

/** What a segment follows, when that is not what we hold there: its sender's log differs from ours further down. */
function branchBefore(
  ledger: Ledger,
  { logId, fromSeq, prevHash }: Extract<Message, { kind: 'segment' }>,
): HeadEntry | undefined {
  const ours = ledger.logs.get(logId)?.hashes[fromSeq - 1]
  if (ours === undefined || prevHash.length !== 8 || sameBytes(shortHash(ours), prevHash)) return undefined
  return { logId, seq: fromSeq - 1, hash: prevHash }
}

function reasonIn(admission: Exclude<Admission, { kind: 'admitted' | 'duplicate' }>): string {
  return admission.kind === 'invalid' ? admission.reason : admission.kind
}
