// The node's side of the agreement (agreement.ts) about one central system: asks the receiver each while for the turn, and says
// how long it is held. Questions go one at a time. What cannot be asked for lapses by itself (lease.ts).
import { MalformedBytes } from '../cbor.ts'
import { InvariantBroken, MeshError, reasonOf } from '../errors.ts'
import { MAX_HANDED_HEADS } from '../log/forward-bodies.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import type { AgreedTurn, TurnWish } from '../upstream.ts'
import {
  AGREEMENT_PATH,
  type AgreedRow,
  type Claim,
  decodeAgreementAnswer,
  encodeAgreementRequest,
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
  /** Of the central system. */
  readonly uplink: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Of the receiver; undefined while there is none to ask. */
  readonly ask: () => AskReceiver | undefined
  readonly terms?: LeaseTerms
}

export type Agreeing = AgreedTurn & {
  /** Gives it up for good. */
  readonly close: () => Promise<void>
}

export function createAgreeing(deps: AgreeingDeps): Agreeing {
  const { uplink, clock, logger, terms = LEASE_TERMS } = deps
  const life = deps.random.bytes(16)
  let lease: Lease = {}
  let wish: TurnWish = { mayBegin: false, heads: () => [] }
  let asking: Promise<void> | undefined
  let nextAtMs = 0
  /** It is given up as soon as the question before is answered; not held any more. */
  let isGivenUp = false
  let isClosed = false
  let reason = 'the receiver was not asked yet'
  const now = (): Times => ({ monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() })
  const leftMs = (): number => (isClosed || isGivenUp ? 0 : Math.max(0, heldForMs(lease, now())))

  const question = async (claim: Claim): Promise<AgreedRow | undefined> => {
    const ask = deps.ask()
    if (!ask) throw new MeshError('UPLINK_FAILED', 'there is no uplink to a receiver to agree at')
    const request = encodeAgreementRequest({ life, leaseMs: terms.leaseMs, claims: [claim] })
    const { rows } = decodeAgreementAnswer(await ask(AGREEMENT_PATH, request))
    return rows.find(row => row.uplink === uplink)
  }

  const renew = async (): Promise<void> => {
    const asked = now()
    try {
      const row = await question({
        ...claimOf(uplink, lease, asked),
        ...(wish.mayBegin && { mayBegin: true }),
      })
      reason = wish.mayBegin
        ? 'the receiver gives this node no turn'
        : 'whose turn it is by the order has not asked there yet'
      const before = lease
      lease = row ? answered(lease, row, { asked, now: now(), terms }) : {}
      if (row && row.isYours !== (before.held !== undefined))
        logger.info(row.isYours ? 'the turn of forwarding is ours' : 'the turn of forwarding is not ours', {
          ...{ uplink, term: row.mark.term, holder: row.holder },
        })
    } catch (error) {
      if (error instanceof InvariantBroken) throw error
      reason = failureOf(error)
      logger.warn('the turn of forwarding could not be asked for', { uplink, reason })
    }
  }

  const inOrder = async (run: () => Promise<void>): Promise<void> => {
    while (asking) await asking
    asking = run().finally(() => {
      asking = undefined
    })
    await asking
  }

  const release = async (to?: DeviceId): Promise<boolean> => {
    let isGiven = false
    isGivenUp = true
    await inOrder(async () => {
      // After whatever was asked before: the row stands as its answer says.
      const claim = releaseOf(uplink, lease)
      lease = {}
      isGivenUp = false
      if (!claim) return
      try {
        const heads = wish.heads().slice(0, MAX_HANDED_HEADS)
        const more = { heads, ...(to !== undefined && { to }) }
        const row = await question({ ...claim, ...more })
        // The answer to the question before was lost: the row goes by a mark that this node never saw.
        const again = row?.isYours ? await question({ uplink, release: row.mark, ...more }) : row
        isGiven = again !== undefined && !again.isYours
      } catch (error) {
        if (error instanceof InvariantBroken) throw error
        logger.info('the turn of forwarding was not given up: it lapses', {
          uplink,
          reason: failureOf(error),
        })
      }
    })
    return isGiven
  }

  return {
    tick: wanted => {
      if (isClosed || isGivenUp) return
      if (!wanted) {
        if (lease.held) void release()
        return
      }
      wish = wanted
      if (asking || clock.monotonicMs() < nextAtMs) return
      nextAtMs = clock.monotonicMs() + terms.renewEveryMs
      void inOrder(renew)
    },
    heldForMs: leftMs,
    state: () => {
      const forMs = leftMs()
      if (lease.held && forMs > 0) return { kind: 'held', forMs, ...wordsOf(lease.held) }
      if (!lease.seen) return { kind: 'unasked', reason }
      const { sinceMs, leaseMs, holder } = lease.seen
      const left = Math.max(0, sinceMs + leaseMs - clock.monotonicMs())
      return { kind: 'waiting', forMs: left, ...(holder !== undefined && { holder }) }
    },
    release,
    close: async () => {
      isClosed = true
      await release()
    },
  }
}

type Words = Pick<AgreedRow, 'takenAt' | 'heads'>

function wordsOf({ takenAt, heads }: Words): Words {
  return { ...(takenAt !== undefined && { takenAt }), ...(heads && { heads }) }
}

function failureOf(error: unknown): string {
  if (error instanceof MalformedBytes) return 'the receiver answered something that is no answer'
  // Receivers of before know no such question.
  const isOld = error instanceof MeshError && 'status' in error && error.status === 404
  return isOld ? 'this receiver does not know of turns: it is of an older version' : reasonOf(error)
}
