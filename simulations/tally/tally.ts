// Counts a run: everything that a report says comes from here, and from the chargers' own meters, the nodes' ledgers and the
// cloud's tables behind it.
import type { BillingChecker } from '../checkers/billing.ts'
import type { ConvergenceWatch } from '../checkers/convergence.ts'
import type { Losses } from '../checkers/losses.ts'
import type { PolicyWatch } from '../checkers/policy.ts'
import type { Prunes } from '../checkers/pruning.ts'
import type { Ways } from '../cloud/ways.ts'
import type { Outcome, Percentiles, Revocation, Service, Share } from '../outcome.ts'
import type { FaultKind } from '../plan.ts'
import type { StationSession } from '../station/station.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import type { Ran } from '../world/world.ts'
import { createSeries } from './series.ts'

export type Tally = Observer & { readonly outcome: (ran: Ran) => Omit<Outcome, 'ok' | 'violations'> }

export type TallyDeps = {
  readonly shown: Shown
  readonly ways: Ways
  readonly losses: Losses
  readonly pruning: Prunes
  readonly billing: BillingChecker
  readonly policy: PolicyWatch
  readonly convergence: ConvergenceWatch
}

type Waiting = { readonly logId: string; readonly seq: number; readonly endedAtMs: number }

export function createTally(deps: TallyDeps): Tally {
  const { shown, ways } = deps
  const faults: Partial<Record<FaultKind, number>> = {}
  const series = createSeries(shown)
  const reconcileMs: number[] = []
  const syncMs: number[] = []
  const waiting: Waiting[] = []
  const since = new Map<number, number>()
  const wasUp = new Map<number, boolean>()
  const stops = new Set<string>()
  let events = 0

  /** The stop is durable at this node; the cloud's ack of the node's newest event covers it. */
  const noteStop = (member: Member, chargerId: string, meterStopWh: number): void => {
    const station = shown.stations.find(one => one.id === chargerId)
    const session = station?.sessions().findLast(one => one.meterStopWh === meterStopWh)
    const ledger = member.node()?.ledger()
    const logId = ledger?.ownLog()
    const seq = logId && ledger?.logs.get(logId)?.head.seq
    const name = `${chargerId}/${meterStopWh}`
    if (session?.stoppedAtMs === undefined || logId === undefined || seq === undefined || stops.has(name))
      return
    stops.add(name)
    waiting.push({ logId, seq, endedAtMs: session.stoppedAtMs })
  }

  const watchUplinks = (): void => {
    for (const member of shown.members()) {
      const node = member.node()
      const isUp = ways.isUp(member.number)
      const came = isUp && !(wasUp.get(member.number) ?? false)
      wasUp.set(member.number, isUp)
      if (!node || member.isClone) continue
      if (came && node.uplinks().unsentEvents(node.ledger()) > 0) since.set(member.number, shown.nowMs())
      const from = since.get(member.number)
      if (from === undefined) continue
      if (!isUp) since.delete(member.number)
      else if (node.uplinks().unsentEvents(node.ledger()) === 0) {
        syncMs.push(shown.nowMs() - from)
        since.delete(member.number)
      }
    }
  }

  return {
    name: 'tally',
    injected: fault => {
      faults[fault.kind] = (faults[fault.kind] ?? 0) + 1
    },
    answered: (member, input) => {
      if (input.message.kind === 'stop') noteStop(member, input.chargerId, input.message.meterStopWh)
    },
    second: () => {
      series.second()
      watchUplinks()
      const heads = shown.cloud.headsNow()
      for (let i = waiting.length - 1; i >= 0; i--) {
        const one = waiting[i] as Waiting
        if ((heads.get(one.logId as never)?.seq ?? -1) < one.seq) continue
        reconcileMs.push(shown.nowMs() - one.endedAtMs)
        waiting.splice(i, 1)
      }
    },
    finished: () => {
      const ledger = shown.members()[0]?.node()?.ledger()
      events = ledger ? [...ledger.logs.all()].reduce((sum, log) => sum + log.head.seq + 1, 0) : 0
    },
    outcome: ran => {
      const { plan, network } = shown
      const service = serviceOf(deps)
      const convergedMs = deps.convergence.convergedMs()
      const bytes = shown.site.devices.map(({ certificate }) => {
        const { receivedBytes, sentBytes } = network.bytesOf(certificate.deviceId)
        return receivedBytes + sentBytes
      })
      const allBytes = bytes.reduce((sum, one) => sum + one, 0) / 2
      const { sent, lost, doubled } = network.stats()
      return {
        ...{ scenario: plan.scenario, seed: plan.seed, traceHash: ran.traceHash, steps: ran.steps },
        ...{ virtualMs: ran.virtualMs, nodes: plan.nodes, chargers: plan.chargers.length },
        ...{ signer: plan.signer, cloud: plan.cloud, faults, messages: { sent, lost, doubled } },
        ...{ hostileActs: ran.hostileActs, events, eventsLost: deps.losses.missing() },
        ...{ eventsDestroyed: deps.losses.destroyedEvents(), logsPruned: deps.pruning.count(), service },
        ...(convergedMs !== undefined && { convergedMs }),
        ...{ reconcileMs: percentiles(reconcileMs), syncAfterReconnectMs: percentiles(syncMs) },
        ...{ meshBytes: percentiles(bytes), uplinkBytes: ways.bytes() },
        bytesPerSession: Math.round(allBytes / Math.max(1, service.sessions)),
        revocations: revocationsOf(deps),
        chargersServed: chargersOf(deps),
        badNetwork: badNetworkOf(deps, series.wasApart),
        series: series.read(),
      }
    },
  }
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? 0, count: sorted.length }
}

function serviceOf({ shown, billing }: TallyDeps): Service {
  const books = billing.books()
  const count = { served: 0, refusedWrongly: 0, refusedRightly: 0, servedWrongly: 0, turnedAway: 0 }
  for (const { visit, outcome } of shown.stations.flatMap(station => station.visits())) {
    const isGood = isGoodAt(shown, visit.card, visit.atMs)
    if (outcome === 'turned-away') count.turnedAway += 1
    else if (outcome === 'served') count[isGood ? 'served' : 'servedWrongly'] += 1
    else count[isGood ? 'refusedWrongly' : 'refusedRightly'] += 1
  }
  return {
    ...{ drivers: shown.plan.visits.length, ...count, sessions: books.sessions },
    ...{ lostSessions: books.lost.length, lostWh: books.lostWh, doubleBills: books.doubleBills },
  }
}

/** By what the operator had said by then, wherever that was known. */
export function isGoodAt(shown: Pick<Shown, 'plan'>, card: number, atMs: number): boolean {
  const { plan } = shown
  let isGood = plan.cards[card]?.kind === 'good'
  for (const step of plan.operator) {
    if (step.atMs > atMs || !('card' in step) || step.card !== card) continue
    isGood = step.kind === 'grant' && plan.cards[card]?.kind !== 'expired'
  }
  return isGood
}

function revocationsOf({ shown, policy }: TallyDeps): readonly Revocation[] {
  const known = policy.known()
  return shown.operator
    .revocations()
    .filter(one => one.atMs > 0)
    .map(({ seq, atMs, tokenRef }) => {
      const instants = [...(known.get(seq)?.values() ?? [])].toSorted((a, b) => a - b)
      const firstMs = instants[0] ?? atMs
      const honest = shown.members().length
      const startsAfter = shown.stations
        .flatMap(station => station.sessions())
        .filter(one => shown.site.tokenRef(one.idTag) === tokenRef && one.startedAtMs > atMs).length
      return {
        ...{ atMs, startsAfter, spreadMs: instants.map(instant => instant - firstMs) },
        ...(instants.length >= honest && { allMs: (instants.at(-1) ?? atMs) - atMs }),
      }
    })
}

/** A charger counts as served when each of its sessions that took energy is billed to the Wh. */
function chargersOf({ shown, billing }: TallyDeps): Outcome['chargersServed'] {
  const { billed } = billing.books()
  const share = (isQuirky: boolean): Share => {
    const stations = shown.stations.filter(
      (_, i) => (shown.plan.chargers[i]?.quirks.length ?? 0) > 0 === isQuirky,
    )
    const active = stations.filter(station => countable(station.sessions()).length > 0)
    const good = active.filter(station => countable(station.sessions()).every(one => billed.has(one)))
    return { of: active.length, good: good.length }
  }
  return { ordinary: share(false), quirky: share(true) }
}

function countable(sessions: readonly StationSession[]): readonly StationSession[] {
  return sessions.filter(one => one.meterStopWh !== undefined && one.meterStopWh > one.meterStartWh)
}

function badNetworkOf(
  { shown, billing }: TallyDeps,
  wasApart: (fromMs: number, untilMs: number) => boolean,
): Share {
  const sessions = shown.stations
    .flatMap(station => countable(station.sessions()))
    .filter(one => wasApart(one.startedAtMs, one.stoppedAtMs ?? one.startedAtMs))
  return { of: sessions.length, good: sessions.filter(one => billing.books().billed.has(one)).length }
}
