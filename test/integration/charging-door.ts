// One charger that says just what a fixture tells it to, over a real socket, to nodes that record with the real serve():
// the whole way of a frame, but for disk and mesh. A fixture's steps are played in order, and what came of them is told.
import WebSocket from 'ws'
import { type Chargers, createChargers } from '../../src/chargers.ts'
import type { AnyBody } from '../../src/log/body.ts'
import type { ChargerAnswer, ChargerCommand, ChargerInput, Logger } from '../../src/ports.ts'
import type { Session } from '../../src/session/fold.ts'
import { type Moment, timesOf } from '../../src/session/times.ts'
import type { ChargerId } from '../../src/units.ts'
import {
  type Campus,
  CHARGER,
  type ChargingNode,
  campus,
  carry,
  HOUR_MS,
  referenceOf,
} from '../serve/charging.ts'
import { SITE_OPENED_AT } from '../site.ts'
import { clock, openSite, PASSWORD, type Site, until } from './ocpp-site.ts'

/** Cards that may charge; any other is a stranger's. */
const CARDS = ['CARD-1', 'CARD-2']

export type Step =
  /** A raw frame and the answer to it; without `hear` nobody waits for one. */
  | { readonly say: string; readonly hear?: unknown }
  /** A connection to this node; what the charger had is dropped first, unless it is kept open beside the new one. */
  | { readonly connect: string; readonly protocols?: readonly string[]; readonly beside?: 'alive' | 'dead' }
  /** A connection that is refused with this HTTP status. */
  | { readonly refused: number; readonly connect: string }
  | { readonly drop: true }
  /** The clock of every node, or of one; it may be set back. */
  | { readonly clock: string; readonly node?: string }
  /** All nodes hear all that the others hold. */
  | { readonly meet: true }
  | { readonly revoke: string }
  | {
      readonly command: ChargerCommand
      readonly reply: unknown
      readonly outcome: unknown
      readonly call: unknown
    }

export type Outcome = {
  /** Names of the events that were recorded, by every node in turn. */
  readonly events: readonly string[]
  readonly sessions: readonly unknown[]
  readonly orphanEnds: number
  readonly repairs: Readonly<Record<string, number>>
}

export type Door = {
  readonly name: string
  readonly node: ChargingNode
  readonly chargers: Chargers
  readonly site: Site
  readonly recorded: AnyBody[]
}

const quiet = (): undefined => undefined
const silentLogger: Logger = { debug: quiet, info: quiet, warn: quiet, error: quiet }

/** Nodes of one site, each with a door of its own, by their names. */
export async function openDoors(names: readonly string[]): Promise<{ site: Campus; doors: readonly Door[] }> {
  const site = campus('doors')
  for (const card of CARDS) site.grant({ tokenRef: referenceOf(card) })
  const doors = await Promise.all(names.map(name => openDoor(site, name)))
  site.publish(...doors.map(door => door.node))
  return { site, doors }
}

async function openDoor(campus: Campus, name: string): Promise<Door> {
  const node = campus.node(name)
  const { certificate } = node.device
  const recorded: AnyBody[] = []
  const chargers = createChargers({
    roster: campus.site.roster([node.device]),
    certificate,
    random: { bytes: campus.site.random },
    logger: silentLogger,
    heartbeatS: 300,
    count: () => undefined,
  })
  let monotonicMs = HOUR_MS
  const handle = async (input: ChargerInput): Promise<ChargerAnswer> => {
    monotonicMs += 1
    const times = { wallMs: node.clock.at, monotonicMs }
    const record = (bodies: readonly AnyBody[]): void => {
      recorded.push(...bodies)
      node.ledger.write(bodies, times)
    }
    const nothing = {
      state: () => [],
      learn: () => ({ sends: [], refused: 0 }),
      submit: () => ({ report: { admitted: 0, refused: [] }, sends: [] }),
      afterwards: () => undefined,
    }
    return chargers.serve({ ledger: node.ledger, times, record, ...nothing }, input)
  }
  const site = await openSite({
    handle,
    clock: { ...clock, wallMs: () => node.clock.at },
    tokenReference: async tag => referenceOf(tag),
  })
  return { name, node, chargers, site, recorded }
}

/** One end of a socket, and what came through it. */
export type Line = { readonly ws: WebSocket; readonly heard: unknown[] }

export async function connect(
  { site }: Pick<Door, 'site'>,
  protocols: readonly string[] = ['ocpp1.6'],
  chargerId: ChargerId = CHARGER,
): Promise<Line> {
  const authorization = `Basic ${Buffer.from(`${chargerId}:${PASSWORD}`).toString('base64')}`
  const ws = new WebSocket(`${site.url}/${chargerId}`, [...protocols], { headers: { authorization } })
  const heard: unknown[] = []
  ws.on('message', data => heard.push(JSON.parse(String(data))))
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
  })
  ws.on('error', error => heard.push(error.message))
  return { ws, heard }
}

export type Play = {
  readonly doors: readonly Door[]
  /** What was heard for each `say`, and what came of each command, in order. */
  readonly heard: readonly unknown[]
  readonly outcome: () => Outcome
  readonly close: () => Promise<void>
}

/** Plays the steps at nodes `a` and `b`; the charger is connected to `a` at first. */
export async function play(steps: readonly Step[]): Promise<Play> {
  const { site, doors } = await openDoors(['a', 'b'])
  const doorOf = (name: string): Door => {
    const door = doors.find(one => one.name === name)
    if (!door) throw new Error(`there is no node ${name}`)
    return door
  }
  const lines: Line[] = []
  const heard: unknown[] = []
  let here: { line: Line; door: Door } | undefined
  const drop = async (): Promise<void> => {
    const left = here
    here = undefined
    left?.line.ws.terminate()
    if (left) await until('gone', () => left.door.site.central.connected().length === 0)
  }
  const attach = async (name: string, protocols?: readonly string[]): Promise<void> => {
    const line = await connect(doorOf(name), protocols)
    lines.push(line)
    here = { line, door: doorOf(name) }
  }
  const take = async (step: Step): Promise<void> => {
    if ('say' in step) {
      if (!here) throw new Error('the charger is not connected')
      const { line } = here
      const before = line.heard.length
      line.ws.send(step.say)
      if (!('hear' in step)) return
      await until(`an answer to ${step.say}`, () => line.heard.length > before)
      heard.push(line.heard[before])
    } else if ('refused' in step) {
      const refusal = await connect(doorOf(step.connect)).catch((error: Error) => error.message)
      heard.push(typeof refusal === 'string' ? Number(/\d{3}/.exec(refusal)?.[0]) : 'let in')
    } else if ('connect' in step) {
      if (step.beside === 'dead') (here?.line.ws as unknown as { pause: () => void } | undefined)?.pause()
      if (step.beside === undefined) await drop()
      await attach(step.connect, step.protocols)
    } else if ('drop' in step) await drop()
    else if ('clock' in step) {
      const moved = step.node === undefined ? doors : [doorOf(step.node)]
      for (const { node } of moved) node.clock.at = Date.parse(step.clock)
    } else if ('meet' in step) {
      for (const from of doors) for (const to of doors) if (from !== to) carry(from.node, to.node)
    } else if ('revoke' in step) {
      site.revoke(referenceOf(step.revoke))
      site.publish(...doors.map(door => door.node))
    } else heard.push(await obey(step, here))
  }
  for (const { node } of doors) node.clock.at = SITE_OPENED_AT + HOUR_MS
  await attach('a')
  for (const step of steps) await take(step)
  return {
    doors,
    heard,
    outcome: () => outcomeOf(doors),
    close: async () => {
      for (const { ws } of lines) ws.terminate()
      await Promise.all(doors.map(door => door.site.close()))
    },
  }
}

async function obey(
  { command, reply }: Extract<Step, { command: ChargerCommand }>,
  here: { line: Line; door: Door } | undefined,
): Promise<unknown> {
  if (!here) throw new Error('the charger is not connected')
  const { line, door } = here
  const before = line.heard.length
  const outcome = door.site.central.command(CHARGER, command)
  await until('a call', () => line.heard.length > before)
  const call = line.heard[before] as readonly unknown[]
  line.ws.send(JSON.stringify([3, call[1], reply]))
  return { call: call.slice(2), outcome: await outcome }
}

/** As node `a` tells it. */
function outcomeOf(doors: readonly Door[]): Outcome {
  const [a] = doors
  if (!a) throw new Error('there is no node')
  const { sessions, orphanEnds } = a.node.of()
  const repairs: Record<string, number> = {}
  for (const { site } of doors)
    for (const link of site.central.status())
      for (const [word, times] of Object.entries(link.repairs)) repairs[word] = (repairs[word] ?? 0) + times
  return {
    events: doors.flatMap(door => door.recorded.map(body => body.name)),
    sessions: sessions.map(gistOf),
    orphanEnds: orphanEnds.length,
    repairs,
  }
}

function gistOf(session: Session): unknown {
  const { connectorId, state, energyWh, flags, adoptions, lastTick } = session
  const { startedAt, stoppedAt } = timesOf(session)
  return {
    ...{ connectorId, state, flags },
    ...(energyWh !== undefined && { energyWh }),
    started: said(startedAt),
    ...(stoppedAt && { stopped: said(stoppedAt) }),
    ...(adoptions.length > 0 && { adoptions: adoptions.length }),
    ...(lastTick?.body.energyWh !== undefined && { lastWh: lastTick.body.energyWh }),
  }
}

function said({ at, clock }: Moment): string {
  return `${new Date(at).toISOString()} ${clock}`
}
