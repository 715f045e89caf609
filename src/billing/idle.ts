// When nothing flowed in a session, as its charger told: what a vehicle took its time for costs more than charging, so where
// anything speaks against it, it is not counted.

import type { BodyOf } from '../log/body.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import type { Session } from '../session/fold.ts'
import { withinAt, wrongClockOf } from '../session/times.ts'
import type { CurvePoint, IdleSpan } from '../tariff/usage.ts'

/** More than this is no standby of a vehicle, and no rounding of a meter: it charged. */
const STANDBY_WH = 100
const STANDBY_W = 100

/** A pause of which the charger does not say whose it is costs no time. */
const KINDS: Readonly<Record<BodyOf<'session_state'>['state'], IdleSpan['kind'] | undefined>> = {
  charging: undefined,
  suspendedEv: 'parked',
  suspendedEvse: 'withheld',
  paused: 'withheld',
}

type Change = { readonly at: number; readonly hlc: Hlc; readonly kind: IdleSpan['kind'] | undefined }

/** `curve`: of the whole session. A state holds until the next one, the last until the end. */
export function idleOf(session: Session, curve: readonly CurvePoint[]): readonly IdleSpan[] {
  const [from = 0, to = 0] = [curve[0]?.at, curve.at(-1)?.at]
  const changes = changesIn(session)
  const spans: IdleSpan[] = []
  changes.forEach(({ at, kind }, i) => {
    const fromAt = Math.max(from, at)
    const toAt = Math.min(to, changes[i + 1]?.at ?? to)
    const last = spans.at(-1)
    if (!kind || fromAt >= toAt) return
    if (last?.kind === kind && last.toAt === fromAt) spans[spans.length - 1] = { ...last, toAt }
    else spans.push({ fromAt, toAt, kind })
  })
  return spans.filter(span => span.kind === 'withheld' || !hasCharged(curve, span))
}

/** In order of when they happened. Two nodes that recorded one change say the same twice. */
function changesIn(session: Session): readonly Change[] {
  const wrong = wrongClockOf(session)
  const changes = session.states.flatMap(({ body, hlc }): readonly Change[] => {
    const at = withinAt(wrong, body.changedAt, wallOf(hlc))
    return at === undefined ? [] : [{ at: Math.floor(at / 1000), hlc, kind: KINDS[body.state] }]
  })
  return changes.sort(inOrder)
}

/** Of the same second the later recorded counts; the places where they were recorded have no say. */
function inOrder(a: Change, b: Change): number {
  if (a.at !== b.at) return a.at - b.at
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  return rankOf(a) - rankOf(b)
}

function rankOf({ kind }: Change): number {
  return ['parked', undefined, 'withheld'].indexOf(kind)
}

/** Whether the meter speaks against a pause: between the first and the last reading in it more flowed than a standby takes. */
function hasCharged(curve: readonly CurvePoint[], { fromAt, toAt }: IdleSpan): boolean {
  const within = curve.filter(({ at }) => fromAt <= at && at <= toAt)
  const [first, last] = [within[0], within.at(-1)]
  if (!first || !last) return false
  return last.wh - first.wh > STANDBY_WH + (STANDBY_W * (last.at - first.at)) / 3600
}
