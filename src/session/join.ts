// Where sessions of one charger touch one another, and nowhere else: a start sent again with a corrected clock, and
// stops and ticks that name no session (PROTOCOL 3.2). Whoever wants to fold one session alone asks here whether it
// touches another.
import { clockedAt } from './clock.ts'
import type { Draft } from './draft.ts'
import { byTime, type ChargerFacts, type Fact, type TickSummary } from './facts.ts'
import { byEnding, canHaveFlowed, type Fit, fitOf, fits, isBehind, sharesCard } from './fit.ts'
import { contentOf } from './split.ts'

type End = Fact<'session_end'>

/** What two starts have in common when the second is the first, sent again. */
export function restartWords({ start: { body } }: Draft): string {
  const { stationTransactionId } = body
  if (stationTransactionId !== undefined) return stationTransactionId
  return `${body.connectorId}/${body.meterStartWh}/${body.tokenRef}`
}

/**
 * Two starts of one connector with equal meterStart and card, the earlier never stopped: a charger that re-sent its
 * start with a corrected clock. They are one session, known under the later id (PROTOCOL 3.2), unless energy was
 * metered in between.
 */
export function mergeRestarted(drafts: readonly Draft[], orphans: readonly End[]): readonly Draft[] {
  const kept = new Set<Draft>()
  const isEndedBetween = namelessBetween(orphans)
  const stopped = new Set(orphans.map(end => end.body.transactionId))
  // Never more than one for the same words: each is taken over by the next.
  const neverStopped = new Map<string, Draft>()
  for (const draft of drafts) {
    const words = restartWords(draft)
    const stopless = draft.ends.length === 0 && ![...draft.transactionIds].some(id => stopped.has(id))
    const replaced = neverStopped.get(words)
    if (replaced && !isEndedBetween(replaced, draft) && !chargedBefore(replaced, draft)) {
      takeOver(draft, replaced)
      kept.delete(replaced)
    }
    neverStopped.delete(words)
    kept.add(draft)
    if (stopless) neverStopped.set(words, draft)
  }
  return [...kept]
}

/**
 * Whether a stop without a usable id ended the earlier one before the later began, and the same card came again: it says
 * so by the card, or by the register that the later one goes on from.
 */
function namelessBetween(orphans: readonly End[]): (earlier: Draft, later: Draft) => boolean {
  const nameless = orphans.filter(end => end.body.transactionId <= 0)
  return (earlier, later) => {
    const nextAt = clockedAt(later.start.body.startedAt)
    const { meterStartWh, startedAt, tokenRef } = earlier.start.body
    if (clockedAt(startedAt) === undefined || nextAt === undefined) return false
    return nameless.some(end => {
      const stoppedAt = clockedAt(end.body.stoppedAt)
      if (stoppedAt === undefined || stoppedAt > nextAt || !fits(earlier, end) || !sharesCard(earlier, end))
        return false
      return end.body.tokenRef === tokenRef || end.body.meterStopWh === meterStartWh
    })
  }
}

/**
 * Whether the earlier one was under way when the later began: a charger samples a session only after its start was
 * confirmed, and then has no reason to say it again. So it is one that counts every session from the same register and
 * lost the stop, as when it crashed, and the same driver came again.
 */
function chargedBefore(earlier: Draft, later: Draft): boolean {
  const nextAt = clockedAt(later.start.body.startedAt)
  if (nextAt === undefined) return false
  return earlier.ticks.some(({ register }) => {
    const sampledAt = register && clockedAt(register.body.sampledAt)
    if (sampledAt === undefined || sampledAt >= nextAt) return false
    return (register?.body.energyWh ?? 0) > earlier.start.body.meterStartWh
  })
}

/** The earlier one's lists are handed on and grow, so that a clock corrected a thousand times costs no more. */
function takeOver(draft: Draft, replaced: Draft): void {
  for (const transactionId of draft.transactionIds) replaced.transactionIds.add(transactionId)
  for (const start of draft.starts) replaced.starts.push(start)
  for (const tick of draft.ticks) replaced.ticks.push(tick)
  draft.transactionIds = replaced.transactionIds
  draft.starts = replaced.starts
  draft.ticks = replaced.ticks
  draft.flags.add('restarted-clock')
  draft.touched = true
  replaced.touched = true
}

/**
 * A stop whose node did not know the start: by its transaction id, else to the only open session that it fits, and of
 * several to the only one whose connector goes on from there. What one stop takes is no longer open for the others, so
 * the rest is looked at again until nothing more fits; what fits several as well is left to people.
 */
export function joinOrphanEnds(drafts: readonly Draft[], orphans: readonly End[]): End[] {
  if (orphans.length === 0) return []
  const bearers = bearersOf(drafts)
  const unnamed = copiesOf(orphans).filter(copies => {
    const named = namedBy(bearers.get(copies[0].body.transactionId) ?? [], copies[0])
    if (named) joinEnds(named, copies)
    return named === undefined
  })
  if (unnamed.length === 0) return []
  const shelves = shelvesOf(drafts)
  const fit = fitOf(drafts)
  const ended: Fitting = end => waiting(shelves, fit, end).filter(draft => !fit.wentOn(draft, end))
  const ways: readonly Fitting[] = [
    end => (fit.mayBeSwallowed(end) ? [] : waiting(shelves, fit, end)),
    end => ended(end).filter(draft => fit.handsOver(draft, end)),
    end => (fit.mayBeSwallowed(end) ? [] : ended(end)),
  ]
  for (let rest = unnamed.toSorted(([a], [b]) => byEnding(a, b)); ; ) {
    const before = rest.length
    for (const way of ways)
      if (rest.length === before) rest = rest.filter(copies => !joinByFit(shelves, copies, way))
    if (rest.length === before) return rest.flat()
  }
}

function joinEnds(draft: Draft, copies: Copies): void {
  for (const end of copies) draft.ends.push(end)
  draft.touched = true
}

/** The drafts that bear a transaction id, in their order. */
function bearersOf(drafts: readonly Draft[]): ReadonlyMap<number, readonly Draft[]> {
  const bearers = new Map<number, Draft[]>()
  for (const draft of drafts) {
    for (const transactionId of draft.transactionIds) {
      const held = bearers.get(transactionId)
      if (held) held.push(draft)
      else bearers.set(transactionId, [draft])
    }
  }
  return bearers
}

type Copies = [End, ...End[]]

/** The same stop, recorded by several nodes, is one: its copies go together, and no copy finds a session of its own. */
function copiesOf(orphans: readonly End[]): readonly Copies[] {
  const found = new Map<string, Copies>()
  for (const end of orphans.toSorted(byTime)) {
    const words = `${end.body.transactionId}/${contentOf(end)}`
    const copies = found.get(words)
    if (copies) copies.push(end)
    else found.set(words, [end])
  }
  return [...found.values()]
}

/** An id that one session alone bears names it even if meter or clock went back: the fold flags that, as for a known start. */
function namedBy(bearers: readonly Draft[], end: End): Draft | undefined {
  return (
    bearers.find(draft => draft.ends.some(other => contentOf(other) === contentOf(end))) ??
    bearers.findLast(draft => fits(draft, end)) ??
    (bearers.length === 1 ? bearers[0] : undefined)
  )
}

/** What a stop may still join: sessions without a stop, and those whose stops all say the very same words. */
type Shelves = { readonly open: Set<Draft>; readonly endedBy: Map<string, Set<Draft>> }

function shelvesOf(drafts: readonly Draft[]): Shelves {
  const shelves: Shelves = { open: new Set(), endedBy: new Map() }
  for (const draft of drafts) {
    const [first] = draft.ends
    if (!first) shelves.open.add(draft)
    else if (draft.ends.every(other => contentOf(other) === contentOf(first)))
      shelve(shelves, draft, contentOf(first))
  }
  return shelves
}

function shelve({ open, endedBy }: Shelves, draft: Draft, content: string): void {
  open.delete(draft)
  endedBy.set(content, (endedBy.get(content) ?? new Set()).add(draft))
}

type Fitting = (end: End) => readonly Draft[]

function joinByFit(shelves: Shelves, copies: Copies, fitting: Fitting): boolean {
  const [end] = copies
  const [only, ...others] = fitting(end)
  if (!only || others.length > 0 || !isBehind(end, only.start)) return false
  if (namesAnother(only, end) || !canHaveFlowed(only, end)) return false
  joinEnds(only, copies)
  only.flags.add('joined-by-fit')
  shelve(shelves, only, contentOf(end))
  return true
}

/** What is left of 2^63 - 1 (seen of real firmware): firmware's word for "none". */
const NO_ID = 2 ** 31 - 1

/**
 * Ids above 0 are made from the start's own words, so one that no session bears is of a session whose start is missing;
 * or the charger invented it (OCPP 1.6 errata 3.18), and then the card has to agree. Energy of one driver must not be
 * billed to another.
 */
function namesAnother(draft: Draft, { body }: End): boolean {
  const isId = body.transactionId > 0 && body.transactionId < NO_ID
  return isId && body.tokenRef !== draft.start.body.tokenRef
}

/** The sessions that wait for a stop, or for a copy of this one, and fit it. */
function waiting({ open, endedBy }: Shelves, fit: Fit, end: End): readonly Draft[] {
  const ended = endedBy.get(contentOf(end))
  return fit.candidates(end).filter(draft => open.has(draft) || ended?.has(draft))
}

/** Ticks that name no session go to the newest that bears their transaction id. */
export function joinOrphanTicks(drafts: readonly Draft[], orphans: ReadonlyMap<string, TickSummary>): void {
  if (orphans.size === 0) return
  const bearers = bearersOf(drafts)
  for (const tick of orphans.values()) {
    const named = bearers.get(tick.newest.body.transactionId)?.at(-1)
    if (!named) continue
    named.ticks.push(tick)
    named.touched = true
  }
}

/** Whether a stop or tick that names no session could be this draft's, whatever others say of it: if not, it changes nothing for it. */
export function meetsOrphan(draft: Draft, { orphanEnds, orphanTicks }: ChargerFacts): boolean {
  for (const { newest } of orphanTicks.values())
    if (draft.transactionIds.has(newest.body.transactionId)) return true
  return orphanEnds.some(end => draft.transactionIds.has(end.body.transactionId) || fits(draft, end))
}
