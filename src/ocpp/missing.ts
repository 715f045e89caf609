// The register of a stop that names none.
import type { Repairs } from './repair.ts'

/**
 * The stop's own last sample, else the last one heard in this transaction, else 0. Each is at most the true
 * register, so the customer may pay too little but never too much.
 */
export function missingStop(
  repairs: Repairs,
  inData: number | undefined,
  heard: () => number | undefined,
): number {
  repairs.add('no-meter-stop')
  if (inData !== undefined) return inData
  const earlier = heard()
  repairs.add(earlier === undefined ? 'meter-stop-unknown' : 'meter-stop-from-last-reading')
  return earlier ?? 0
}
