// The seals of a push, checked on other threads before its transaction begins: a signature costs more than all else that an
// event costs, and neither the event loop nor the database has to wait for it. Whatever was not seen to be good here, because
// the database has moved on meanwhile or for any other reason, the gate checks itself: nothing is taken on our word but a yes.
import type { Signatures } from '../identity/signature.ts'
import type { LogEvent } from '../log/event.ts'
import type { Segment } from '../ports.ts'
import { type Reading, type Remember, readAnew } from '../remember.ts'
import { admitAll, type Gate } from './admitting.ts'
import type { HeldLogs } from './held.ts'

/** Handed to other threads at once, so that a long push leaves room for others between. */
const AT_ONCE = 256

type Check = { readonly event: LogEvent; readonly said: unknown; readonly ask: () => Promise<boolean> }

/** Answers the memory by which the gate reads these segments once, and knows the seals that are good. */
export async function checkSeals(
  { roster, signatures }: Omit<Gate, 'remember'>,
  segments: readonly Segment[],
  held: HeldLogs,
): Promise<Remember> {
  const { verifyAside } = signatures
  if (!verifyAside) return readAnew
  const remember = memory()
  const proven = new Map<object, unknown>()
  const checks: Check[] = []
  let asked: (() => Promise<boolean>) | undefined
  const asking: Signatures = {
    ...signatures,
    verify: (...words) => {
      asked = () => verifyAside(...words)
      return true
    },
  }
  const noting: Remember = (kind, of, read) => {
    if (kind !== 'seal') return remember(kind, of, read)
    const said = read()
    if (asked) checks.push({ event: of as LogEvent, said, ask: asked })
    asked = undefined
    return said
  }
  // Nothing of what this says is kept but readings: it takes every signature for good.
  admitAll({ roster, signatures: asking, remember: noting }, segments, held)
  for (let from = 0; from < checks.length; from += AT_ONCE) {
    const some = checks.slice(from, from + AT_ONCE)
    const good = await Promise.all(some.map(({ ask }) => ask()))
    for (const [i, { event, said }] of some.entries()) if (good[i]) proven.set(event, said)
  }
  return (kind, of, read) =>
    // `Remember` promises that one object is read in one way: what stands here came from the same reading.
    kind === 'seal'
      ? ((proven.get(of) as ReturnType<typeof read> | undefined) ?? read())
      : remember(kind, of, read)
}

function memory(): Remember {
  const kept = new Map<Reading, Map<object, unknown>>()
  return (kind, of, read) => {
    const held = kept.get(kind) ?? new Map<object, unknown>()
    kept.set(kind, held)
    const known = held.get(of) as ReturnType<typeof read> | undefined
    if (known !== undefined) return known
    const fresh = read()
    held.set(of, fresh)
    return fresh
  }
}
