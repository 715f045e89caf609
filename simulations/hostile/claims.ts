// Lies about what it holds: heads that it never sends, heads that no log can have, logs that do not exist. None is an
// offence in itself, so each must cost its hearer little and keep nobody from an honest peer (PROTOCOL 1.6, 8.3).
import { MAX_HAVE_ENTRIES, MAX_WANT_LOGS, type Message } from '../../src/replica/message.ts'
import { hex, type LogId } from '../../src/units.ts'
import { type Repertoire, type Scene, type Sending, say, someOf, toFew, toOne } from './scene.ts'

const HUGE_SEQS = [2 ** 47, 2 ** 48 - 1, 2 ** 31, 2 ** 24, Number.MAX_SAFE_INTEGER] as const
/** Pages a lie: thousands of entries, and no more. */
const MAX_PAGES = 4

type Heads = Extract<Message, { kind: 'have' }>['heads']

function have(heads: Heads): Uint8Array {
  return say({ kind: 'have', heads, objects: [] })
}

/** Thousands cost little: they differ in their last four digits only. */
function madeUpLogs(scene: Scene, count: number): readonly LogId[] {
  const stem = hex(scene.dice.random.bytes(14))
  return Array.from({ length: count }, (_, i) => `${stem}${i.toString(16).padStart(4, '0')}` as LogId)
}

function hash8(scene: Scene): Uint8Array {
  return scene.dice.random.bytes(8)
}

/** A little more of real logs than anybody holds. */
function announceUnsent(scene: Scene): readonly Sending[] {
  const claims = someOf(scene.dice, scene.memory.claims(), 16)
  const heads = claims.map(({ logId, seq }) => ({
    ...{ logId, seq: Math.min(seq + 1 + scene.dice.below(50), Number.MAX_SAFE_INTEGER), hash: hash8(scene) },
  }))
  return heads.length > 0 ? toFew(scene, [have(heads)]) : announceNew(scene)
}

/** A log of its own that it keeps to itself. */
function announceNew(scene: Scene): readonly Sending[] {
  const heads = madeUpLogs(scene, 1 + scene.dice.below(4)).map(logId => ({
    ...{ logId, seq: scene.dice.below(100), hash: hash8(scene) },
  }))
  return toFew(scene, [have(heads)])
}

/** Half an answer: "there is more", and then silence. */
function answerHalf(scene: Scene): readonly Sending[] {
  const segments = someOf(scene.dice, scene.memory.segments(), 2)
  return toFew(
    scene,
    segments.map(segment => say({ ...segment, more: true })),
  )
}

/** Takes what it can get and passes nothing on. */
function askMuch(scene: Scene): readonly Sending[] {
  const logs = someOf(scene.dice, scene.memory.claims(), MAX_WANT_LOGS).map(({ logId }) => ({
    ...{ logId, fromSeq: 0, prevHash: new Uint8Array(0) },
  }))
  return logs.length > 0 ? toOne(scene, [say({ kind: 'want', logs, objects: [] })]) : announceNew(scene)
}

/** It relays nothing in any case, and with this trick answers no question either: see hostile.ts. */
export const WITHHOLD: Repertoire = {
  quiet: [announceUnsent, announceUnsent, announceNew, answerHalf, askMuch],
  loud: [],
}

function hugeHeads(scene: Scene): readonly Sending[] {
  const known = scene.memory.claims().map(({ logId }) => logId)
  const logIds = [...someOf(scene.dice, known, 200), ...madeUpLogs(scene, 4)]
  const heads = logIds.map(logId => ({ logId, seq: scene.dice.pick(HUGE_SEQS), hash: hash8(scene) }))
  return toFew(scene, [have(heads)])
}

/** One log as often as a page holds, with as many heads. */
function oneLogAThousandTimes(scene: Scene): readonly Sending[] {
  const [made] = madeUpLogs(scene, 1)
  const claims = scene.memory.claims()
  const logId = claims.length > 0 ? scene.dice.pick(claims).logId : made
  if (!logId) return []
  const hash = hash8(scene)
  const heads = Array.from({ length: MAX_HAVE_ENTRIES }, (_, seq) => ({ logId, seq, hash }))
  return toOne(scene, [have(heads)])
}

function hugeQuestions(scene: Scene): readonly Sending[] {
  const logIds = [
    ...someOf(
      scene.dice,
      scene.memory.claims().map(one => one.logId),
      32,
    ),
    ...madeUpLogs(scene, 8),
  ]
  const logs = logIds.map(logId => ({
    ...{ logId, fromSeq: scene.dice.pick(HUGE_SEQS), prevHash: hash8(scene) },
  }))
  return toFew(scene, [say({ kind: 'want', logs, objects: [] })])
}

function hugeVersions(scene: Scene): readonly Sending[] {
  const objects = scene.memory.claims().map(({ logId }) => ({
    ...{ kind: scene.dice.pick(['ack', 'beacon', 'uplink'] as const), key: logId },
    version: Number.MAX_SAFE_INTEGER,
  }))
  return toFew(scene, [say({ kind: 'have', heads: [], objects: objects.slice(0, MAX_HAVE_ENTRIES) })])
}

/** Lists that say they hold more than any message can: 2^32 - 1 and 2^53 - 1 entries. */
function absurdCounts(scene: Scene): readonly Sending[] {
  const messages = [
    Uint8Array.of(1, 0x82, 0x9a, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(2, 0x82, 0x9b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(4, 0x81, 0x9a, 0xff, 0xff, 0xff, 0xff),
    Uint8Array.of(3, 0x85, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  ]
  return toFew(scene, someOf(scene.dice, messages, 2))
}

export const FALSE_FRONTIER: Repertoire = {
  quiet: [hugeHeads, hugeHeads, oneLogAThousandTimes, hugeQuestions, hugeVersions, absurdCounts],
  loud: [],
}

function thousandsHeld(scene: Scene): readonly Sending[] {
  const pages = Array.from({ length: 1 + scene.dice.below(MAX_PAGES) }, () =>
    have(
      madeUpLogs(scene, MAX_HAVE_ENTRIES).map(logId => ({
        ...{ logId, seq: scene.dice.below(5000), hash: new Uint8Array(8) },
      })),
    ),
  )
  return toOne(scene, pages)
}

function thousandsAsked(scene: Scene): readonly Sending[] {
  const pages = Array.from({ length: 16 }, () => {
    const logs = madeUpLogs(scene, MAX_WANT_LOGS).map(logId => ({
      ...{ logId, fromSeq: scene.dice.below(5000), prevHash: new Uint8Array(8) },
    }))
    return say({ kind: 'want', logs, objects: [] })
  })
  return toOne(scene, pages)
}

function thousandsOfObjects(scene: Scene): readonly Sending[] {
  const objects = madeUpLogs(scene, MAX_HAVE_ENTRIES).map(key => ({
    ...{
      kind: scene.dice.pick(['ack', 'beacon', 'uplink'] as const),
      key,
      version: scene.dice.below(2 ** 40),
    },
  }))
  return toOne(scene, [say({ kind: 'have', heads: [], objects })])
}

/** Bodies of logs whose beginning nobody knows: must not be buffered. */
function middlesOfNothing(scene: Scene): readonly Sending[] {
  const messages = madeUpLogs(scene, 8).flatMap(logId => {
    const segments = scene.memory.segments().filter(segment => segment.fromSeq > 0)
    return segments.length > 0 ? [say({ ...scene.dice.pick(segments), logId, more: true })] : []
  })
  return messages.length > 0 ? toOne(scene, messages) : thousandsHeld(scene)
}

export const FAKE_LOGS: Repertoire = {
  quiet: [thousandsHeld, thousandsAsked, thousandsOfObjects, middlesOfNothing],
  loud: [],
}
