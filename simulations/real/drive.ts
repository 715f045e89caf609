// Plays a plan on real machines, from birth to books: the timeline of visits, news, uplinks and faults; then calm, in which
// everything is mended and everybody leaves; then the wait until all nodes hold the same and the cloud has all of it. What
// is measured is measured from outside. Afterwards no node runs any more, and their folders are as they left them.
import { cloudRows } from '../../src/cli/receiver.ts'
import type { Closers } from '../../src/host/closers.ts'
import type { Plan } from '../plan.ts'
import { createGales } from './gales.ts'
import { openStations, type RealStation } from './guests.ts'
import { watchHeal } from './heal.ts'
import { type Machines, runMachines } from './machines.ts'
import type { Narrator } from './narrator.ts'
import { openNewsroom } from './newsroom.ts'
import { type Stage, setStage } from './stage.ts'
import { createTimeline, type Timeline } from './timeline.ts'
import { createWatch, type Watch } from './watch.ts'
import { openRealWays } from './ways.ts'
import { layWires } from './wires.ts'

const SAMPLE_MS = 1000
const LOOK_MS = 250

export type CloudBooks = {
  readonly sessions: readonly Readonly<Record<string, unknown>>[]
  readonly bills: readonly Readonly<Record<string, unknown>>[]
  readonly gaps: readonly Readonly<Record<string, unknown>>[]
}

export type Played = {
  readonly stage: Stage
  /** UTC of the timeline's zero. */
  readonly originAt: number
  readonly endedMs: number
  /** Since calm; undefined when never within the quiet time. */
  readonly convergedMs: number | undefined
  /** See heal.ts. */
  readonly healMs: number | undefined
  readonly wholeMs: number | undefined
  readonly reconcileMs: readonly number[]
  /** By node, less one: all that passed its relays, and what it counted itself. */
  readonly wireBytes: readonly number[]
  readonly applicationBytes: readonly number[]
  readonly meshBytes: number
  readonly uplinkBytes: number
  /** Nodes whose process ended by itself. */
  readonly fallen: readonly number[]
  readonly stations: readonly RealStation[]
  readonly cloud: CloudBooks
}

export type PlayDeps = { readonly dir: string; readonly closers: Closers; readonly narrator: Narrator }

export async function play(plan: Plan, { dir, closers, narrator }: PlayDeps): Promise<Played> {
  narrator.chapter(`A site is born: ${plan.nodes} nodes, ${plan.chargers.length} chargers, a cloud`)
  narrator.watch(() => 'keys, certificates, cards and a database are made')
  const stage = await setStage(plan, { dir, closers })
  const machines = runMachines(stage.nodes, closers)
  await Promise.all(machines.numbers.map(node => machines.boot(node)))
  const timeline = createTimeline()
  closers.push('timeline', timeline.end)
  const show = await openShow({ stage, machines, timeline, closers })
  narrator.chapter(`${(plan.durationMs / 1000).toFixed(0)} s of work and ${plan.faults.length} faults`)
  narrator.watch(() => liveLine(show))
  await perform(show, narrator)
  narrator.chapter('Calm: everything is mended, everybody leaves')
  const { convergedMs, wholeMs } = await settle(show)
  narrator.watch(undefined)
  return await closeBooks(show, { convergedMs, wholeMs })
}

type Setting = {
  readonly stage: Stage
  readonly machines: Machines
  readonly timeline: Timeline
  readonly closers: Closers
}
type Show = Awaited<ReturnType<typeof openShow>>

async function openShow({ stage, machines, timeline, closers }: Setting) {
  const { plan } = stage
  const wires = layWires(stage.relays)
  const ways = await openRealWays({ stage, timeline, machines, closers })
  const stations = openStations({ stage, timeline, closers })
  const newsroom = openNewsroom({ stage, timeline, machines })
  const watch: Watch = createWatch(machines, () => ways.nodes)
  const gales = createGales({ plan, timeline, machines, wires, ways, stations })
  const heal = watchHeal(plan)
  return { stage, plan, machines, timeline, wires, ways, stations, newsroom, watch, gales, heal }
}

function liveLine({ stations, machines, timeline }: Show): string {
  const sessions = stations.flatMap(station => station.charger.sessions())
  const open = sessions.filter(session => session.meterStopWh === undefined).length
  const up = `${machines.up().length} of ${machines.numbers.length} nodes up`
  return `at ${(timeline.nowMs() / 1000).toFixed(0)} s: ${up}, ${open} cars charging, ${sessions.length - open} sessions done`
}

async function perform(show: Show, narrator: Narrator): Promise<void> {
  const { plan, timeline, stations, newsroom, gales, watch, ways, heal } = show
  for (const visit of plan.visits) timeline.at(visit.atMs, () => stations[visit.charger - 1]?.arrive(visit))
  for (const step of plan.operator) timeline.at(step.atMs, () => newsroom.act(step))
  for (const fault of plan.faults)
    timeline.at(fault.atMs, async () => {
      const { atMs, kind, ...how } = fault
      narrator.tell(`at ${(atMs / 1000).toFixed(1)} s: ${kind} ${JSON.stringify(how)}`)
      await gales.inject(fault)
    })
  const second = async (): Promise<void> => {
    await watch.sample(Date.now())
    timeline.after(SAMPLE_MS, second)
  }
  timeline.after(SAMPLE_MS, second)
  const look = async (): Promise<void> => {
    if (heal.isDue(timeline.nowMs())) heal.saw(timeline.nowMs(), await watch.heads())
    timeline.after(LOOK_MS, look)
  }
  timeline.after(0, look)
  timeline.after(0, ways.introduce)
  await timeline.pause(plan.durationMs - timeline.nowMs())
}

type Settled = Pick<Played, 'convergedMs' | 'wholeMs'>

async function settle(show: Show): Promise<Settled> {
  const { plan, timeline, gales, ways, stations, newsroom, watch } = show
  const calmAtMs = timeline.nowMs()
  let isMended = false
  const mend = async (): Promise<void> => {
    await Promise.all([gales.clear(), ways.calm(), ...stations.map(station => station.leaveAll())])
    isMended = true
  }
  timeline.after(0, mend)
  let convergedMs: number | undefined
  // As often as the simulator looks: what is whole between two events may not be a moment later.
  for (;;) {
    await timeline.pause(SAMPLE_MS)
    const look = await watch.look()
    const sinceMs = timeline.nowMs() - calmAtMs
    if (look?.isSame) convergedMs ??= sinceMs
    const isSaid = newsroom.isSilent() && stations.every(station => station.charger.queued() === 0)
    if (isMended && isSaid && look?.isSame && look.unsent === 0) return { convergedMs, wholeMs: sinceMs }
    if (sinceMs > plan.quietMs) return { convergedMs, wholeMs: undefined }
  }
}

async function closeBooks(show: Show, settled: Settled): Promise<Played> {
  const { stage, machines, timeline, wires, ways, stations, watch, heal } = show
  await watch.sample(Date.now())
  timeline.end()
  const read = (path: string): Promise<CloudBooks['bills']> => cloudRows(stage.cloudDir, path)
  const cloud = {
    sessions: await read('/v1/sessions'),
    bills: await read('/v1/bills'),
    gaps: await read('/v1/gaps'),
  }
  const fallen = machines.fallen()
  const wireBytes = machines.numbers.map(wires.bytesOf)
  const [meshBytes, uplinkBytes] = [wires.bytes(), ways.bytes()]
  for (const { charger } of stations) charger.close()
  await machines.stopAll()
  return {
    ...{ stage, originAt: timeline.originAt, endedMs: timeline.nowMs(), ...settled, healMs: heal.healMs() },
    reconcileMs: waits(stations, watch),
    applicationBytes: machines.numbers.map(watch.trafficOf),
    ...{ wireBytes, meshBytes, uplinkBytes, fallen, stations, cloud },
  }
}

/** From the stop at the meter to the receipt at a node with an uplink. */
function waits(stations: readonly RealStation[], watch: Watch): readonly number[] {
  return stations.flatMap(({ charger }) =>
    charger.sessions().flatMap(({ meterStartWh, stoppedAt }) => {
      const receivedAt = watch.receipts.get(`${charger.identity}/${meterStartWh}`)
      return stoppedAt === undefined || receivedAt === undefined ? [] : [receivedAt - stoppedAt]
    }),
  )
}
