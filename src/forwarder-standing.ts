// Whether this node may tell a central system of sessions now, and what it says in the place of a card: both with the reason
// where not, for people.
import type { Acting } from './acting.ts'
import type { Turn } from './forwarding/turns.ts'
import type { Ledger } from './ledger.ts'
import type { OpenTag } from './list-talk.ts'
import { wallOf } from './log/hlc.ts'
import type { Session } from './session/fold.ts'
import type { DeviceId } from './units.ts'
import type { ForwardTerms } from './upstream.ts'

export type Standing = {
  readonly mayForward: boolean
  readonly reason: string
  /** The turn was taken from a node that may have told of this session without our hearing. */
  readonly isDoubtful: (session: Session) => boolean
}

export function standingOf(
  { ledger }: Pick<Acting, 'ledger'>,
  { uplink, self, nameOf }: StandingDeps,
): Standing {
  const turn = ledger.view().forwarding.turns.of(uplink)
  const no = (reason: string): Standing => ({ mayForward: false, reason, isDoubtful: () => false })
  if (!turn) return no(NOBODY)
  if (turn.holder !== self) {
    const since = new Date(wallOf(turn.since)).toISOString().slice(0, 16)
    return no(`waits for ${nameOf(turn.holder)}, which holds the central system since ${since}Z`)
  }
  if (!heldWords(ledger, turn.heads))
    return no('was handed the central system; waits for words of the node before, which are not here yet')
  return { mayForward: true, reason: '', isDoubtful: doubtOf(turn, ledger) }
}

export type StandingDeps = {
  readonly uplink: string
  readonly self: DeviceId
  readonly nameOf: (deviceId: DeviceId) => string
}

const NOBODY =
  'the site names no forwarders: `policy set forwarders <node,...>`, the first of which forwards until it hands over'

/** What was said of it may be unknown here: of a node that the turn was taken from, or in a log that was let go of. */
export function doubtOf(
  { isTakenOver, orderedAt }: Pick<Turn, 'isTakenOver' | 'orderedAt'>,
  { logs }: Ledger,
): Standing['isDoubtful'] {
  const gone = [...logs.all()].flatMap(log => (log.cut ? [log.cut.head.hlc] : []))
  const doubtful = gone.reduce((newest, hlc) => (hlc > newest ? hlc : newest), isTakenOver ? orderedAt : 0n)
  return ({ start, end }) => (end?.hlc ?? start.hlc) <= doubtful
}

/** Whether all that was said up to these is here. */
export function heldWords(ledger: Ledger, heads: Turn['heads']): boolean {
  return heads.every(head => isHeld(ledger, head))
}

function isHeld({ logs }: Ledger, { logId, seq, hash }: Turn['heads'][number]): boolean {
  const log = logs.get(logId)
  if (!log || log.head.seq < seq) return false
  // What was let go of, or lies behind a fork, comes no more.
  return seq < log.base || log.hashes[seq] === hash || log.fork !== undefined
}

export type CardSaid =
  | { readonly kind: 'own'; readonly idTag: string }
  | { readonly kind: 'stand-in'; readonly idTag: string }
  | { readonly kind: 'held'; readonly reason: string }

const UNREADABLE =
  'its card’s own id is sealed nowhere here: grant the card anew, or add the uplink with --unknown-card'

/** The card's own id leaves this function for the call, and is kept nowhere. */
export function cardOf(
  { ledger }: Pick<Acting, 'ledger'>,
  { starts, tokenRef, tagSealed }: Session,
  { openTag, unknownCard }: { readonly openTag: OpenTag; readonly unknownCard: ForwardTerms['unknownCard'] },
): CardSaid {
  const sealedAtStarts = starts.flatMap(({ body }) =>
    body.tokenRef === tokenRef ? (body.tagSealed ?? []) : [],
  )
  const boxes = [tagSealed ?? [], ...sealedAtStarts, ledger.view().policy.tagSealed(tokenRef) ?? []].flat()
  for (const box of boxes) {
    const idTag = openTag(tokenRef, box)
    if (idTag !== undefined) return { kind: 'own', idTag }
  }
  if (unknownCard !== undefined) return { kind: 'stand-in', idTag: unknownCard }
  return { kind: 'held', reason: UNREADABLE }
}
