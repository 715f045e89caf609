// A world: one plan run to its end under virtual time. Production nodes over simulated ports, one heap of events, one seed.
// A step is one virtual millisecond in which something is due: its tasks run in the order in which they were put in, then
// every promise that they woke runs dry, and then the observers look. Nothing waits for a real timer.
import { reasonOf } from '../../src/errors.ts'
import type { Logger, Push, PushAnswer } from '../../src/ports.ts'
import type { Remember } from '../../src/remember.ts'
import type { DeviceId } from '../../src/units.ts'
import { type CloudDeps, memoryCloud, type SimulatedCloud } from '../cloud/cloud.ts'
import { lyingCloud } from '../cloud/liar.ts'
import { openWays, type Ways } from '../cloud/ways.ts'
import { seededRandom } from '../dice.ts'
import { createSimulatedNetwork } from '../network/network.ts'
import type { Plan } from '../plan.ts'
import { inBackground } from './background.ts'
import { createHeap } from './heap.ts'
import type { LiveMember } from './member.ts'
import type { Observer, Shown } from './observer.ts'
import { createOperator } from './operator.ts'
import { populate } from './population.ts'
import { type SimulatedSite, simulatedSite } from './site.ts'
import { createTrace } from './trace.ts'
import { createVoice } from './voice.ts'
import { createWeather } from './weather.ts'

const SECOND_MS = 1000
const MAX_OBJECTIONS = 50

export type WorldOptions = {
  /** Made for this world, in the order in which they look. */
  readonly observers: (shown: Shown, ways: Ways) => readonly Observer[]
  readonly cloud?: (deps: CloudDeps) => Promise<SimulatedCloud>
  readonly onLine?: (line: string) => void
  readonly remember?: Remember
  readonly onSecond?: (nowMs: number) => void
  readonly object: (invariant: string, observer: string, atMs: number, detail: string) => void
  /** The verdict is known: stop. */
  readonly enough: () => boolean
}

export type Ran = {
  readonly virtualMs: number
  /** Since the faults were over. */
  readonly calmMs: number
  readonly steps: number
  readonly traceHash: string
  readonly hostileActs: number
}

type State = {
  nowMs: number
  steps: number
  calmAtMs: number | undefined
  objections: number
  observers: readonly Observer[]
  /** Who looks just now. */
  looking: string
  /** A promise was kept that nobody of the nodes waits for: a charger's, or the cloud's. */
  isAwake: boolean
}

export async function runWorld(plan: Plan, options: WorldOptions): Promise<Ran> {
  const world = await createWorld(plan, options)
  const guard = (error: unknown): void => world.broke('a promise', error)
  process.on('unhandledRejection', guard)
  try {
    return await live(world, options)
  } finally {
    process.off('unhandledRejection', guard)
    await world.cloud.close()
  }
}

type World = Awaited<ReturnType<typeof createWorld>>

async function createWorld(plan: Plan, options: WorldOptions) {
  const dice = seededRandom(plan.seed).fork('world')
  const heap = createHeap()
  const trace = createTrace(options.onLine)
  const touched = new Set<LiveMember>()
  /** Work that does not end within microtasks, a database's: a step waits for it. */
  const background = new Set<Promise<unknown>>()
  const state: State = {
    ...{ nowMs: 0, steps: 0, calmAtMs: undefined, objections: 0, observers: [], looking: 'world' },
    isAwake: false,
  }
  const nowMs = (): number => state.nowMs
  const isCalm = (): boolean => state.calmAtMs !== undefined
  // Whole milliseconds, so that what happens together is one step.
  const schedule = (delayMs: number, task: () => void): void =>
    heap.push(state.nowMs + Math.max(0, Math.ceil(delayMs)), task)
  /** For ports that keep promises: whoever waits for one goes on in that very step, and not when the next node is due. */
  const wake = (delayMs: number, task: () => void): void =>
    schedule(delayMs, () => {
      state.isAwake = true
      task()
    })
  const site = simulatedSite(plan, dice.fork('site'), options.remember)
  const operator = createOperator(plan, site, dice.fork('operator'))
  const cloud = inBackground(await openCloud(plan, options, site, nowMs), background)
  const clock = { wallMs: () => plan.startsAt + Math.floor(nowMs()), monotonicMs: nowMs }
  const answering = {
    push: async (push: Push): Promise<PushAnswer> => {
      const answer = await cloud.push(push)
      observe(one => one.receipted?.(answer))
      return answer
    },
  }
  const said = lyingCloud({ cloud: answering, site, clock, dice: dice.fork('lies') })
  const ways = openWays({ plan, cloud: said, dice: dice.fork('uplinks'), schedule: wake, nowMs })
  const deviceOf = (number: number): DeviceId => {
    const device = site.devices[number - 1]
    if (!device) throw new RangeError(`there is no node ${number}`)
    return device.certificate.deviceId
  }
  const network = createSimulatedNetwork({
    ...{ dice: dice.fork('network').share, schedule, quality: plan.quality, nowMs, sharesBytes: true },
    links: plan.links.map(([a, b]) => [deviceOf(a), deviceOf(b)] as const),
  })
  const observe = (act: (observer: Observer) => void): void => {
    for (const observer of state.observers) {
      state.looking = observer.name
      act(observer)
    }
    state.looking = 'world'
  }
  const object = (invariant: string, detail: string): void => {
    trace.line(state.nowMs, `! ${invariant} ${detail}`)
    state.objections += 1
    if (state.objections <= MAX_OBJECTIONS) options.object(invariant, state.looking, state.nowMs, detail)
  }
  const broke = (where: string, error: unknown): void => {
    state.looking = 'process'
    const text = error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)
    object('crash', `${where}: ${text}`)
    state.looking = 'world'
  }
  /** Nodes whose disk was taken from them after they joined: those learn from their peers. */
  const bereft = new Set<number>()
  const population = populate({
    ...{ plan, site, network, trace, nowMs, schedule, wake, broke },
    observe,
    joined: member => {
      if (!bereft.has(member.number) && !member.node()?.ledger().logs.get(operator.logId))
        void member.submit(operator.all(plan.startsAt + state.nowMs))
      bereft.add(member.number)
    },
    dice: dice.fork('population'),
    touched: member => void touched.add(member),
    uplinksOf: ways.of,
  })
  const weather = createWeather({
    ...{ plan, dice: dice.fork('weather'), network, cloud, schedule, isCalm, deviceOf },
    member: population.member,
    station: number => population.stations[number - 1],
    clone: population.clone,
    uplink: ways.force,
    ...{ lossyUplinks: ways.lossy, slowUplinks: ways.slow, cloudSays: said.says },
    injected: fault => {
      trace.line(state.nowMs, `* ${JSON.stringify(fault)}`)
      observe(one => one.injected?.(fault))
    },
  })
  const shown: Shown = {
    ...{ plan, site, operator, cloud, network, nowMs, isCalm, object },
    members: population.members,
    stations: population.stations,
  }
  const voice = createVoice({ plan, operator, population, cloud, nowMs, schedule: wake })
  state.observers = [...options.observers(shown, ways), voice.observer(population.members)]
  return {
    ...{ plan, heap, trace, touched, background, state, nowMs, isCalm, schedule, operator, cloud, ways },
    ...{ observe, object, broke, population, weather, voice },
  }
}

async function openCloud(
  plan: Plan,
  options: WorldOptions,
  site: SimulatedSite,
  nowMs: () => number,
): Promise<SimulatedCloud> {
  const deps: CloudDeps = {
    ...{ siteId: site.siteId, rootKey: site.rootKey, signatures: site.signatures },
    clock: { wallMs: () => plan.startsAt + Math.floor(nowMs()), monotonicMs: nowMs },
    logger: SILENT,
    certificates: [site.issuer.certificate.encoded, site.cloud.certificate.encoded],
    cloud: { certificate: site.cloud.certificate.encoded, logKey: site.cloud.keys.logKey },
  }
  return options.cloud ? await options.cloud(deps) : memoryCloud(deps)
}

const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

async function live(world: World, options: WorldOptions): Promise<Ran> {
  const { plan, state, population, weather, trace } = world
  for (const member of population.members()) member.boot()
  begin(world, options)
  await runUntil(world, options, plan.durationMs)
  calm(world)
  const endMs = plan.durationMs + plan.quietMs
  while (state.nowMs < endMs && !options.enough()) {
    await runUntil(world, options, state.nowMs + SECOND_MS)
    await world.cloud.finalise()
    if (missing(world) === undefined) break
  }
  world.observe(one => {
    const still = one.awaits?.()
    if (still !== undefined && !options.enough()) world.object('liveness', still)
  })
  weather.clear()
  for (const observer of state.observers) {
    state.looking = observer.name
    await observer.finished?.()
  }
  return {
    ...{ virtualMs: state.nowMs, calmMs: state.nowMs - (state.calmAtMs ?? 0), steps: state.steps },
    ...{ traceHash: trace.hash(), hostileActs: population.hostileActs() },
  }
}

function missing(world: World): string | undefined {
  return world.state.observers.map(one => one.awaits?.()).find(still => still !== undefined)
}

/** Everything that is known beforehand goes on the heap: work, news, faults, and the second hand. */
function begin(world: World, options: WorldOptions): void {
  const { plan, population, schedule, weather, observe, state } = world
  for (const step of plan.operator) schedule(step.atMs, () => world.voice.tell(step))
  for (const visit of plan.visits)
    schedule(visit.atMs, () => population.stations[visit.charger - 1]?.arrive(visit))
  for (const fault of plan.faults) schedule(fault.atMs, () => weather.inject(fault))
  const second = (): void => {
    observe(one => one.second?.())
    options.onSecond?.(state.nowMs)
    schedule(SECOND_MS, second)
  }
  schedule(SECOND_MS, second)
}

/** The faults are over: everything is mended, everybody is up, drivers leave, and somebody brings an uplink. */
function calm(world: World): void {
  const { state, population, weather, ways, observe, trace } = world
  trace.line(state.nowMs, 'calm')
  state.calmAtMs = state.nowMs
  population.quietHostiles()
  weather.clear()
  ways.calm(population.members()[0]?.number ?? 1)
  for (const member of population.members()) member.reopenUplinks()
  for (const station of population.stations) station.leaveAll()
  observe(one => one.calmed?.())
}

async function runUntil(world: World, options: WorldOptions, endMs: number): Promise<void> {
  const { heap, state, touched, background, observe } = world
  for (let next = heap.pop(endMs); next; next = heap.pop(endMs)) {
    state.nowMs = next.atMs
    state.steps += 1
    for (let task: typeof next | undefined = next; task; task = heap.pop(state.nowMs)) {
      try {
        task.task()
      } catch (error) {
        world.broke('a task', error)
      }
    }
    if (touched.size > 0 || state.isAwake) {
      state.isAwake = false
      await idle()
      while (background.size > 0) await Promise.all(background).then(idle)
      for (const member of touched) if (member.node()) observe(one => one.stepped?.(member))
      touched.clear()
    }
    if (options.enough()) return
  }
  state.nowMs = endMs
}

/** Resolves when no promise has anything left to do. */
function idle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
