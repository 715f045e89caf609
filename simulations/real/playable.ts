// What real machines can be made to suffer here, and what only the simulator can do to them: a plan that asks for the second
// is refused before anything is started, with everything that stands in the way. What is merely left out, because a cable
// of this machine has no weather, is said beside the result.
import type { FaultKind, Plan, Quirk } from '../plan.ts'

const FAULTS: readonly FaultKind[] = [
  ...(['split', 'one-way', 'flap', 'swizzle', 'kill', 'power-cut', 'crash-loop', 'stall'] as const),
  ...(['cloud-down', 'uplink-flaps', 'charger-offline', 'charger-moves', 'charger-power-cut'] as const),
]
const QUIRKS: readonly Quirk[] = ['offline-starts', 'impatient']

/** Why it cannot be played; undefined when it can. */
export function refusalOf(plan: Plan): string | undefined {
  const faults = plan.faults.filter(fault => !FAULTS.includes(fault.kind)).map(fault => fault.kind)
  const quirks = plan.chargers.flatMap(charger => charger.quirks).filter(quirk => !QUIRKS.includes(quirk))
  const words = [
    ...counted(faults).map(([kind, times]) => `the fault ${kind}${times > 1 ? ` (${times} times)` : ''}`),
    ...counted(quirks).map(([quirk, times]) => `the firmware habit ${quirk} (${times} charge points)`),
    ...(plan.hostile.length > 0 ? [`${plan.hostile.length} hostile nodes`] : []),
    ...(plan.byTerms ? ['tariffs by terms'] : []),
    ...(plan.operator.some(({ kind }) => kind === 'refund' || kind === 'resolve')
      ? ['corrections of bills']
      : []),
  ]
  if (words.length === 0) return undefined
  return (
    `${plan.scenario}:${plan.seed} asks for what only the simulator can do: ${words.join(', ')}. ` +
    `Real machines here know the faults ${FAULTS.join(', ')}. Run it without --real, or another scenario`
  )
}

function counted<T extends string>(words: readonly T[]): readonly (readonly [T, number])[] {
  const found = new Map<T, number>()
  for (const word of words) found.set(word, (found.get(word) ?? 0) + 1)
  return [...found]
}

/** What both worlds run: real signatures, and without what cannot be had here. */
export function playable(plan: Plan): Plan {
  const { bytesPerS: _speed, bytesPerDay: _budget, ...quality } = plan.quality
  return {
    ...plan,
    ...{ signer: 'ed25519', cloud: 'memory' },
    quality: { ...quality, heavyTailRate: 0, lossRate: 0, duplicateRate: 0 },
    uplinks: plan.uplinks.map(({ bytesPerDay: _bytes, ...uplink }) => ({
      ...uplink,
      lossRate: 0,
      duplicateRate: 0,
    })),
  }
}

/** What `playable` took away, and what stands for something else. */
export function leftOut(plan: Plan): readonly string[] {
  const { quality, uplinks, faults } = plan
  const isLossy = quality.lossRate + quality.duplicateRate + quality.heavyTailRate > 0
  const isBounded =
    [quality, ...uplinks].some(one => one.bytesPerDay !== undefined) || quality.bytesPerS !== undefined
  const isUplinkLossy = uplinks.some(uplink => uplink.lossRate + uplink.duplicateRate > 0)
  return [
    ...(isLossy ? ['loss, doubles and stragglers on links are left out of both: TCP hides them'] : []),
    ...(isUplinkLossy ? ['lost and doubled pushes are left out of both'] : []),
    ...(isBounded ? ['speeds and budgets of bytes are left out of both'] : []),
    ...(faults.some(fault => fault.kind === 'power-cut' || fault.kind === 'crash-loop')
      ? ['a power cut is SIGKILL here: what the kernel holds is not lost, as it is in the simulator']
      : []),
    ...(faults.some(fault => fault.kind === 'cloud-down')
      ? [
          'a cloud that is down is a dead line here; the simulated one answers, and asks for 5 to 14 s of patience',
        ]
      : []),
  ]
}
