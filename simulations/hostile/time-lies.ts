// Events of its own, properly signed, whose clocks lie: by minutes, which honest clocks follow, by years, which they must
// not, to the end of the 48 bits and back to 1970. Within one log a clock that falls is no honest node's, and is refused.
import { encodeBody, TYPE_NUMBERS } from '../../src/log/body.ts'
import { digestToSign, type LogEvent, place } from '../../src/log/event.ts'
import { segmentMessage } from './own.ts'
import { type Repertoire, type Scene, type Sending, toFew, toOne } from './scene.ts'
import { chatter } from './words.ts'

const MINUTE_MS = 60_000
const YEAR_MS = 365 * 24 * 60 * MINUTE_MS
/** Before and after MAX_LEAD_MS of src/log/hlc.ts, and far beyond it. */
const LIES_MS = [
  ...[5 * MINUTE_MS, 9 * MINUTE_MS, 11 * MINUTE_MS, 60 * MINUTE_MS],
  ...[YEAR_MS, 10 * YEAR_MS, 1000 * YEAR_MS, 100_000 * YEAR_MS],
  ...[-5 * MINUTE_MS, -YEAR_MS, -20 * YEAR_MS, -1000 * YEAR_MS],
] as const
const MAX_MONO_MS = 2 ** 48 - 1

function lyingClock(scene: Scene): readonly Sending[] {
  const wallMs = Math.max(0, Math.floor(scene.wallMs()) + scene.dice.pick(LIES_MS))
  const log = scene.own.diary(scene, { wallMs })
  if (!log) return []
  const beginning = scene.own.read(log, 0)
  const bodies = chatter(scene, 1 + scene.dice.below(5), wallMs)
  return toFew(scene, [...beginning, ...scene.own.append(scene, log, { bodies, wallMs })])
}

/** A clock that runs away within one log, and a boot that has lasted for thousands of years. */
function runaway(scene: Scene): readonly Sending[] {
  const log = scene.own.open(scene)
  if (!log) return lyingClock(scene)
  const nowMs = Math.floor(scene.wallMs())
  for (const aheadMs of [0, MINUTE_MS, YEAR_MS, 1000 * YEAR_MS])
    scene.own.append(scene, log, {
      ...{ bodies: chatter(scene, 1, nowMs + aheadMs), wallMs: nowMs + aheadMs },
      monoMs: aheadMs === 0 ? 0 : Math.min(MAX_MONO_MS, aheadMs * 1000),
    })
  return toFew(scene, scene.own.read(log, 0))
}

/** The next event of a log, before the last one by its clock, or with all its bits set. */
function fallen(scene: Scene): readonly Sending[] {
  const plain = scene.own.all().filter(log => log.branches.length === 1)
  const log = plain.length > 0 ? scene.dice.pick(plain) : undefined
  const last = log?.branches[0]?.at(-1)?.at(-1)
  if (!log || !last) return lyingClock(scene)
  return toOne(scene, [...scene.own.read(log, 0), segmentMessage([after(scene, last)], last)])
}

/** Not kept among its own: the log goes on from where it was. */
function after(scene: Scene, last: LogEvent): LogEvent {
  const element = {
    ...{ type: TYPE_NUMBERS.diagnostics, hlc: last.hlc > 0n ? last.hlc - 1n : 0n },
    ...{ monoMs: Math.max(0, last.monoMs - 1) },
    body: encodeBody({ name: 'diagnostics', body: { code: 'rogue', detail: 'back' } }),
  }
  const at = { logId: last.logId, seq: last.seq + 1, prev: last.hash }
  const signature = scene.signatures.sign(scene.self.keys.logKey, digestToSign(element, at))
  return place({ ...element, signature }, at)
}

export const TIME_LIES: Repertoire = { quiet: [lyingClock, lyingClock, runaway], loud: [fallen] }
