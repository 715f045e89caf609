// A cloud that does what it is told and does not say so, and whoever may stand between it and a node without its keys: its
// answers are changed on the way out. What was pushed is committed all the same.
import type { ObjectSigner } from '../../src/log/object.ts'
import { readObject, signObject, VERSIONS_PER_EPOCH } from '../../src/log/object.ts'
import type { Clock, Push, PushAnswer, Segment } from '../../src/ports.ts'
import { hex, type LogId } from '../../src/units.ts'
import { UplinkFailed } from '../../src/uplink/http.ts'
import type { Dice } from '../dice.ts'
import type { CloudLie } from '../plan.ts'
import type { Credential, SimulatedSite } from '../world/site.ts'
import type { SimulatedCloud } from './cloud.ts'

/** Answers that are kept to be given again. */
const MAX_KEPT = 16
const FAR_EPOCH = 2 ** 19

export type LyingCloud = Pick<SimulatedCloud, 'push'> & {
  readonly says: (lie: CloudLie | 'error' | undefined) => void
}

export type LiarDeps = {
  readonly cloud: Pick<SimulatedCloud, 'push'>
  readonly site: SimulatedSite
  readonly clock: Clock
  readonly dice: Dice
}

export function lyingCloud({ cloud, site, clock, dice }: LiarDeps): LyingCloud {
  let lie: CloudLie | 'error' | undefined
  const kept: PushAnswer[] = []
  const signerOf = ({ certificate, keys }: Credential): ObjectSigner => ({
    ...{ certHash: certificate.hash, logKey: keys.logKey, signatures: site.signatures },
  })
  /** The same receipts for ten events more, by somebody else. */
  const receiptsBy = (by: Credential, answer: PushAnswer): readonly Uint8Array[] =>
    answer.acks.flatMap(encoded => {
      const verdict = readObject({ roster: site.roster(site.cloud), signatures: site.signatures }, encoded)
      if (verdict.kind !== 'valid' || verdict.object.kind !== 'ack') return []
      const body = { ...verdict.object.body, seq: verdict.object.body.seq + 10, issuedAt: clock.wallMs() }
      return [signObject(signerOf(by), { kind: 'ack', body })]
    })
  const told = (answer: PushAnswer, push: Push): PushAnswer => {
    switch (lie) {
      case undefined:
        return answer
      case 'error':
        throw new UplinkFailed('the cloud answered 500: failed', { status: 500 })
      case 'forged-words':
        return { ...answer, segments: forged(push, answer, dice), certificates: [dice.random.bytes(200)] }
      case 'foreign-acks': {
        const node = dice.pick(site.devices)
        return { ...answer, acks: [...receiptsBy(node, answer), ...answer.acks.map(flipped)] }
      }
      case 'old-key':
        return {
          ...answer,
          acks: receiptsBy(site.formerCloud, answer),
          certificates: [...(answer.certificates ?? []), site.formerCloud.certificate.encoded],
        }
      case 'wrong-version': {
        const version = dice.pick([
          0,
          answer.version + 3,
          answer.version + 1000,
          FAR_EPOCH * VERSIONS_PER_EPOCH,
        ])
        return { ...answer, version, acks: [] }
      }
      case 'more':
        return { ...answer, more: true }
      case 'stale':
        return kept[dice.below(Math.max(1, kept.length))] ?? answer
      case 'refusals': {
        const logs = [...new Set(push.segments.map(({ logId }) => logId))]
        return { ...answer, acks: [], refused: logs.map(logId => ({ logId, reason: 'gap' })) }
      }
      case 'nothing':
        return { version: 0, acks: [], refused: [], wireBytes: 0 }
    }
  }
  return {
    push: async push => {
      const answer = await cloud.push(push)
      const said = told(answer, push)
      if (kept.length < MAX_KEPT) kept.push(answer)
      else kept[dice.below(MAX_KEPT)] = answer
      return said
    },
    says: words => {
      lie = words
    },
  }
}

/** What the push itself brought, or the answer would have, with a bit turned and under other names. */
function forged(push: Push, answer: PushAnswer, dice: Dice): readonly Segment[] {
  const known = [...(answer.segments ?? []), ...push.segments].slice(0, 4)
  const operators = push.holds?.[0]
  const ahead = known.flatMap(({ update }): readonly Segment[] =>
    operators ? [{ logId: operators.logId, fromSeq: operators.nextSeq, update }] : [],
  )
  return [
    ...known.map(({ logId, fromSeq, update }) => ({ logId, fromSeq, update: flipped(update) })),
    ...known.map(({ fromSeq, update }) => ({ logId: hex<LogId>(dice.random.bytes(16)), fromSeq, update })),
    ...ahead,
  ]
}

function flipped(bytes: Uint8Array): Uint8Array {
  const other = Uint8Array.from(bytes)
  const at = bytes.length >> 1
  other[at] = (other[at] ?? 0) ^ 1
  return other
}
