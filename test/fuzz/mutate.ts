// Spoils a story: frames lost, doubled and out of turn, fields dropped, renamed and of other types, numbers and texts from the
// edges of what can be written, and JSON that is none.
import type { Dice } from './dice.ts'
import type { Call, Story } from './story.ts'

/** A frame as it goes over the wire. */
export type Frame = { readonly text: string; readonly atMs: number }
export type Case = {
  readonly version: Story['version']
  readonly frames: readonly Frame[]
  /** The most that may be billed, in Wh, where nothing but the order and the number of frames was changed. */
  readonly deliveredWh?: number
}

export function spoil(dice: Dice, { version, calls, deliveredWh }: Story): Case {
  const kind = dice.pick(['none', 'order', 'fields', 'text', 'all'] as const)
  const inOrder = kind === 'order' || kind === 'all' ? reordered(dice, calls) : calls
  const withFields =
    kind === 'fields' || kind === 'all'
      ? inOrder.map(call => (dice.chance(0.4) ? refielded(dice, call) : call))
      : inOrder
  const frames = withFields.map(({ id, action, payload, atMs }) => ({
    text: JSON.stringify([2, id, action, payload]) ?? '',
    atMs,
  }))
  const spoilt =
    kind === 'text' || kind === 'all'
      ? frames.map(frame => ({ ...frame, text: rewritten(dice, frame.text) }))
      : frames
  // Where a start is lost, its stop may be taken for that of another session of the same card (OCPP 1.6 errata 3.18).
  const begins = (list: readonly Call[]): number =>
    new Set(list.filter(isStart).map(call => JSON.stringify(call.payload))).size
  const isTrue = kind === 'none' || (kind === 'order' && begins(inOrder) === begins(calls))
  return { version, frames: spoilt, ...(isTrue && { deliveredWh }) }
}

function isStart({ action, payload }: Call): boolean {
  const type = (payload as { readonly eventType?: unknown } | null)?.eventType
  return action === 'StartTransaction' || type === 'Started'
}

function reordered(dice: Dice, calls: readonly Call[]): readonly Call[] {
  const changed = [...calls]
  for (let i = 1 + dice.below(3); i > 0 && changed.length > 0; i--) {
    const at = dice.below(changed.length)
    const call = changed[at] as Call
    const where = dice.below(changed.length + 1)
    switch (dice.below(4)) {
      case 0:
        changed.splice(at, 1)
        break
      case 1:
        changed.splice(where, 0, { ...call, id: `again-${i}` })
        break
      case 2:
        changed.splice(where, 0, call)
        break
      default:
        changed.splice(at, 1)
        changed.splice(Math.min(where, changed.length), 0, call)
    }
  }
  // The node hears them in this order, whenever they were said.
  const times = calls.map(call => call.atMs)
  return changed.map((call, i) => ({ ...call, atMs: times[Math.min(i, times.length - 1)] ?? call.atMs }))
}

const NUMBERS = [
  0,
  -0,
  -1,
  1,
  0.5,
  -5,
  1e21,
  1e300,
  -1e300,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  2 ** 63,
  1e12,
  1e-9,
]
const TEXTS = [
  ...[
    '',
    ' ',
    'x',
    '\u0000',
    'CARD-1\u0000\u0003',
    '__proto__',
    'constructor',
    '\ud800',
    '🚗',
    '1e5',
    '1,5',
    '0x1f',
    '-1',
  ],
  ...[
    '1970-01-01T00:00:00Z',
    '2026-06-01T10:00:00',
    '9999-12-31T23:59:59Z',
    '2026-02-30T00:00:00Z',
    'Infinity',
    '9'.repeat(60),
  ],
  ...[
    'SignedData',
    'kWh',
    'Energy.Active.Import.Register',
    'SoC',
    'L1',
    'Ended',
    'Started',
    'Updated',
    'Charging',
  ],
]

function oddity(dice: Dice, was: unknown): unknown {
  switch (dice.below(9)) {
    case 0:
      return null
    case 1:
      return dice.pick(NUMBERS)
    case 2:
      return dice.pick(TEXTS)
    case 3:
      return [was]
    case 4:
      return { value: was }
    case 5:
      return []
    case 6:
      return {}
    case 7:
      return dice.chance(0.5)
    default:
      return typeof was === 'number' ? String(was) : typeof was === 'string' ? Number(was) || 0 : [was, was]
  }
}

function refielded(dice: Dice, call: Call): Call {
  if (dice.chance(0.05)) return { ...call, payload: oddity(dice, call.payload) }
  if (dice.chance(0.05))
    return { ...call, action: dice.pick([call.action.toUpperCase(), ` ${call.action} `, '__proto__', '']) }
  return { ...call, payload: changed(dice, call.payload) }
}

/** One field somewhere inside is changed. */
function changed(dice: Dice, value: unknown): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.chance(0.2)) return oddity(dice, value)
    const at = dice.below(value.length)
    return value.map((item, i) => (i === at ? changed(dice, item) : item))
  }
  if (typeof value !== 'object' || value === null) return oddity(dice, value)
  const entries = Object.entries(value)
  if (entries.length === 0) return oddity(dice, value)
  const at = dice.below(entries.length)
  const [key, held] = entries[at] as [string, unknown]
  switch (dice.below(5)) {
    case 0:
      return Object.fromEntries(entries.filter((_, i) => i !== at))
    case 1:
      return Object.fromEntries(
        entries.map(([name, inside], i) => [i === at ? respelt(dice, name) : name, inside]),
      )
    case 2:
      return Object.fromEntries([...entries, [dice.pick(TEXTS), held]])
    default:
      return { ...value, [key]: dice.chance(0.5) ? changed(dice, held) : oddity(dice, held) }
  }
}

function respelt(dice: Dice, name: string): string {
  return dice.pick([
    name.toUpperCase(),
    name.toLowerCase(),
    `${name}s`,
    ` ${name}`,
    'transactionId',
    'connectorId',
  ])
}

const BITS = [
  ',',
  '"',
  '[',
  ']',
  '{',
  '}',
  ':',
  '\\',
  '\u0000',
  '\uFEFF',
  ' ',
  '0',
  '-',
  'e',
  '\n',
  '\ud83d',
  'null',
]

function rewritten(dice: Dice, text: string): string {
  if (dice.chance(0.6)) return text
  const at = dice.below(text.length + 1)
  switch (dice.below(8)) {
    case 0:
      return `,${text}`
    case 1:
      return `${text.slice(0, -1)},]`
    case 2:
      return text.replace(/"m(\d+)"/, '$1')
    case 3:
      return text.replace('[2', '["2"')
    case 4:
      return `\uFEFF${text}\u0000`
    case 5:
      return text.slice(0, at)
    case 6:
      return text.slice(0, at) + dice.pick(BITS) + text.slice(at)
    default:
      return text.slice(0, at) + text.slice(at + 1)
  }
}
