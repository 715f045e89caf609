// Plays frames to a node in this process, on the way that they take from the socket to the log, and looks at what came of
// them: nothing throws, no transaction is lost without a reason, and no bill is above what registers say.
import { newRecord, noteAnswered } from '../../src/ocpp/chargers.ts'
import { type Dialect, dialectOf } from '../../src/ocpp/dialect.ts'
import { type Draft, type LastRegister, type Translation, withReference } from '../../src/ocpp/draft.ts'
import { mendFrame } from '../../src/ocpp/frame.ts'
import type { ChargerAnswer } from '../../src/ports.ts'
import { timesOf } from '../../src/session/times.ts'
import type { ChargerId } from '../../src/units.ts'

import { type ChargingNode, referenceOf } from '../serve/charging.ts'
import type { Case } from './mutate.ts'

export type Played = {
  /** What is wrong; undefined where all is well. */
  readonly fault: string | undefined
  readonly frames: number
  readonly recorded: number
  readonly refused: number
  readonly slowestMs: number
}

type Said = { readonly drafts: Draft[]; readonly answers: ChargerAnswer[] }

export async function playCase(
  node: ChargingNode,
  chargerId: ChargerId,
  { version, frames, deliveredWh }: Case,
): Promise<Played> {
  const dialect = dialectOf(`ocpp${version}`)
  const record = newRecord(0)
  const said: Said = { drafts: [], answers: [] }
  let [recorded, refused, slowestMs] = [0, 0, 0]
  const done = (fault: string | undefined): Played => ({
    fault,
    frames: frames.length,
    recorded,
    refused,
    slowestMs,
  })
  for (const [i, { text, atMs }] of frames.entries()) {
    node.clock.at = Math.max(node.clock.at, atMs)
    try {
      const last: LastRegister = id => record.registers.get(id)?.wh
      const { meant, ms } = readIn(dialect, text, last)
      // Another process may have had the processor: what looks slow is read again.
      slowestMs = Math.max(slowestMs, ms < SLOW_MS ? ms : leastMs(() => readIn(dialect, text, last).ms))
      if (meant?.kind !== 'message') {
        refused += 1
        continue
      }
      const answers: ChargerAnswer[] = []
      for (const draft of meant.drafts) {
        const message = await withReference(draft, async tag => referenceOf(tag))
        const answer = node.say(message, chargerId)
        answers.push(answer)
        noteAnswered(record, message, answer)
      }
      said.drafts.push(...meant.drafts)
      if (dialect.confirm(meant.drafts, answers, node.clock.at) === undefined)
        return done(`frame ${i} gets no answer`)
      recorded += 1
    } catch (error) {
      return done(
        `frame ${i} throws: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    }
  }
  return done(faultIn(node, chargerId, said.drafts, deliveredWh))
}

const SLOW_MS = 5

/** What a frame means, and how long that took to find out. */
function readIn(
  dialect: Dialect,
  text: string,
  last: LastRegister,
): { meant: Translation | undefined; ms: number } {
  const beganMs = performance.now()
  const call = callIn(mendFrame(text).text)
  const meant = call && dialect.translate(call.action, call.params, last)
  return { meant, ms: performance.now() - beganMs }
}

function leastMs(read: () => number): number {
  return Math.min(...Array.from({ length: 10 }, read))
}

/** As the library reads it; undefined where it refuses. */
function callIn(text: string): { action: string; params: unknown } | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!Array.isArray(parsed)) return undefined
    const [type, id, action, params] = parsed
    return type === 2 && typeof id === 'string' && typeof action === 'string' ? { action, params } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Looks at what the node has come to believe. */
function faultIn(
  node: ChargingNode,
  chargerId: ChargerId,
  drafts: readonly Draft[],
  deliveredWh: number | undefined,
): string | undefined {
  const { sessions, orphanEnds } = node.of(chargerId)
  const starts = sessions.flatMap(session =>
    session.starts.map(({ body }) => `${body.connectorId}/${body.meterStartWh}/${body.startedAt.raw}`),
  )
  const named = new Set(sessions.flatMap(session => session.starts.map(({ body }) => body.sessionId)))
  const ends = [...orphanEnds, ...sessions.flatMap(session => session.ends)].map(
    ({ body }) => `${body.meterStopWh}/${body.stoppedAt.raw}`,
  )
  for (const draft of drafts) {
    if (
      draft.kind === 'start' &&
      draft.stationTransactionId === undefined &&
      !starts.includes(`${draft.connectorId}/${draft.meterStartWh}/${draft.startedAt.raw}`)
    )
      return `a start is lost: ${draft.meterStartWh} Wh at ${draft.startedAt.raw}`
    if (draft.kind === 'stop' && !ends.includes(`${draft.meterStopWh}/${draft.stoppedAt.raw}`))
      return `a stop is lost: ${draft.meterStopWh} Wh at ${draft.stoppedAt.raw}`
  }
  if (drafts.some(draft => draft.kind === 'start') && named.size === 0) return 'all starts are lost'
  let billedWh = 0
  for (const session of sessions) {
    const { start, end, energyWh } = session
    const { startedAt, stoppedAt } = timesOf(session)
    if (stoppedAt && stoppedAt.at < startedAt.at) return 'a session ends before it begins'
    if (energyWh === undefined) continue
    const isDifference = end && energyWh === end.body.meterStopWh - start.body.meterStartWh
    // Where a meter went back or a start names none, what the readings prove counts, and a flag says so.
    const isFlagged = session.flags.some(flag => flag.startsWith('meter-') || flag === 'start-from-readings')
    const isProven = isFlagged && energyWh <= highestOf(drafts)
    if (energyWh < 0 || !(isDifference || isProven)) return `energy out of nothing: ${energyWh} Wh`
    billedWh += energyWh
  }
  if (deliveredWh !== undefined && billedWh > deliveredWh)
    return `${billedWh} Wh are billed where ${deliveredWh} were delivered`
  return undefined
}

/** The highest register that was ever said. */
function highestOf(drafts: readonly Draft[]): number {
  const said = drafts.flatMap(draft => [
    ...('readings' in draft ? (draft.readings ?? []).map(({ energyWh }) => energyWh ?? 0) : []),
    ...(draft.kind === 'stop' ? [draft.meterStopWh] : draft.kind === 'start' ? [draft.meterStartWh] : []),
  ])
  return Math.max(0, ...said)
}
