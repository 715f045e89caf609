// The node's side of the agreement (agreement.ts): asks the receiver each while for the turns that this node wants, and says
// how long each is held. Questions go one at a time, and an answer that came too late for its question is void. What cannot be
// asked lapses by itself (lease.ts).
import { MalformedBytes } from '../cbor.ts'
import { InvariantBroken, MeshError, reasonOf } from '../errors.ts'
import type { EventRef } from '../log/fields.ts'
import { MAX_HANDED_HEADS } from '../log/forward-bodies.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import {
  AGREEMENT_PATH,
  type AgreedRow,
  type Claim,
  decodeAgreementAnswer,
  encodeAgreementRequest,
  MAX_CLAIMS,
} from './agreement.ts'
import type { AskReceiver } from './http.ts'
import {
  answered,
  claimOf,
  heldForMs,
  LEASE_TERMS,
  type Lease,
  type LeaseTerms,
  releaseOf,
  type Times,
} from './lease.ts'

export type AgreeingDeps = {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Of the receiver; undefined while there is none to ask. */
  readonly ask: () => AskReceiver | undefined
  /** Whether the turn is this node's by the operator's order. */
  readonly mayBegin: (uplink: string) => boolean
  /** What this node knows was said to a central system, at least. */
  readonly heads: (uplink: string) => readonly EventRef[]
  readonly terms?: LeaseTerms
}

export type TurnState =
  | ({ readonly kind: 'held'; readonly forMs: number; readonly term: number } & Pick<
      AgreedRow,
      'takenAt' | 'heads'
    >)
  /** `holder`: a device id. `forMs`: until it may be taken, were its holder silent from now on. */
  | { readonly kind: 'waiting'; readonly forMs: number; readonly holder?: string }
  | { readonly kind: 'unasked'; readonly reason: string }

export type Agreeing = {
  /** Each second; `wanted` are the central systems for which this node would forward. */
  readonly tick: (wanted: readonly string[]) => void
  /** 0 where it does not. A call may leave that has its answer within that time. */
  readonly heldForMs: (uplink: string) => number
  readonly state: (uplink: string) => TurnState
  /** Gives it up, so that another may have it at once. Nothing may be under way; nothing leaves from now on. */
  readonly release: (uplink: string) => Promise<void>
  /** Gives all up. */
  readonly close: () => Promise<void>
}

export function createAgreeing(deps: AgreeingDeps): Agreeing {
  const { clock, logger, terms = LEASE_TERMS } = deps
  const life = deps.random.bytes(16)
  const leases = new Map<string, Lease>()
  /** To be given up as soon as the question before is answered; not held any more. */
  const givenUp = new Set<string>()
  let asking: Promise<void> | undefined
  let nextAtMs = 0
  let isClosed = false
  let reason = 'the receiver was not asked yet'
  const now = (): Times => ({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() })
  const leaseOf = (uplink: string): Lease => leases.get(uplink) ?? {}

  const leftMs = (uplink: string): number =>
    isClosed || givenUp.has(uplink) ? 0 : Math.max(0, heldForMs(leaseOf(uplink), now()))

  const question = async (claims: readonly Claim[]): Promise<readonly AgreedRow[]> => {
    const ask = deps.ask()
    if (!ask) throw new MeshError('UPLINK_FAILED', 'there is no receiver to agree at')
    const request = encodeAgreementRequest({
      life,
      leaseMs: terms.leaseMs,
      claims: claims.slice(0, MAX_CLAIMS),
    })
    return decodeAgreementAnswer(await ask(AGREEMENT_PATH, request)).rows
  }

  const hear = (row: AgreedRow, asked: Times): void => {
    const before = leaseOf(row.uplink)
    const lease = answered(before, row, { asked, now: now(), terms })
    leases.set(row.uplink, lease)
    if (row.isYours === (before.held !== undefined)) return
    const said = { uplink: row.uplink, term: row.mark.term, holder: row.holder }
    logger.info(
      row.isYours ? 'this node has the turn of forwarding' : 'another node has the turn of forwarding',
      said,
    )
  }

  const renew = async (wanted: readonly string[]): Promise<void> => {
    const asked = now()
    try {
      const rows = await question(
        wanted.map(uplink => ({
          ...claimOf(uplink, leaseOf(uplink), asked),
          ...(deps.mayBegin(uplink) && { mayBegin: true }),
        })),
      )
      for (const row of rows) if (wanted.includes(row.uplink)) hear(row, asked)
      reason = 'the receiver gives this node no turn'
    } catch (error) {
      if (error instanceof InvariantBroken) throw error
      reason = failureOf(error)
      logger.warn('the turn of forwarding could not be asked for', { reason })
    }
  }

  /** One question at a time, in the order in which they are put. */
  const inTurn = async (run: () => Promise<void>): Promise<void> => {
    while (asking) await asking
    asking = run().finally(() => {
      asking = undefined
    })
    await asking
  }

  const release = async (uplink: string): Promise<void> => {
    givenUp.add(uplink)
    await inTurn(async () => {
      // After whatever was asked before: the row stands as its answer says.
      const claim = releaseOf(uplink, leaseOf(uplink))
      leases.delete(uplink)
      givenUp.delete(uplink)
      if (!claim) return
      try {
        await question([{ ...claim, heads: deps.heads(uplink).slice(0, MAX_HANDED_HEADS) }])
      } catch (error) {
        if (error instanceof InvariantBroken) throw error
        logger.info('the turn of forwarding was not given up: it lapses', {
          uplink,
          reason: failureOf(error),
        })
      }
    })
  }

  return {
    tick: wanted => {
      const nowMs = clock.monotonicMs()
      for (const uplink of [...leases.keys()])
        if (!wanted.includes(uplink) && !givenUp.has(uplink)) void release(uplink)
      if (isClosed || asking || wanted.length === 0) return
      if (nowMs < nextAtMs && wanted.every(uplink => leases.has(uplink))) return
      nextAtMs = nowMs + terms.renewEveryMs
      void inTurn(() => renew(wanted))
    },
    heldForMs: leftMs,
    state: uplink => {
      const lease = leaseOf(uplink)
      const forMs = leftMs(uplink)
      if (lease.held && forMs > 0)
        return { kind: 'held', forMs, term: lease.held.mark.term, ...wordsOf(lease.held) }
      if (!lease.seen) return { kind: 'unasked', reason }
      const { sinceMs, leaseMs, holder } = lease.seen
      const left = Math.max(0, sinceMs + leaseMs - clock.monotonicMs())
      return { kind: 'waiting', forMs: left, ...(holder !== undefined && { holder }) }
    },
    release,
    close: async () => {
      isClosed = true
      await Promise.all([...leases.keys()].map(release))
    },
  }
}

function wordsOf({
  takenAt,
  heads,
}: Pick<AgreedRow, 'takenAt' | 'heads'>): Pick<AgreedRow, 'takenAt' | 'heads'> {
  return { ...(takenAt !== undefined && { takenAt }), ...(heads && { heads }) }
}

function failureOf(error: unknown): string {
  if (error instanceof MalformedBytes) return 'the receiver answered something that is no answer'
  // Receivers of before know no such question.
  const isOld = error instanceof MeshError && 'status' in error && error.status === 404
  return isOld ? 'this receiver does not know of turns: it is of an older version' : reasonOf(error)
}
