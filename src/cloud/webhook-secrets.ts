// The secrets of a webhook: the newest signs, and for a day the one before it as well, so that whoever verifies can change
// over without missing anything.
import { z } from 'zod'
import type { Random } from '../ports.ts'
import { SECRET_PREFIX } from './webhook-post.ts'

/** How long the secret before signs on. */
export const OVERLAP_MS = 24 * 3_600_000
const SECRET_BYTES = 32

const SECRETS = z
  .array(z.object({ secret: z.string(), untilAt: z.number().optional() }))
  .min(1)
  .max(2)
export type Secret = z.infer<typeof SECRETS>[number]

export function newSecret(random: Random): string {
  return SECRET_PREFIX + Buffer.from(random.bytes(SECRET_BYTES)).toString('base64')
}

export function secretsIn(text: string): readonly Secret[] {
  return SECRETS.parse(JSON.parse(text))
}

/** Newest first. */
export function inForce(secrets: readonly Secret[], nowAt: number): readonly string[] {
  return secrets.filter(({ untilAt }) => untilAt === undefined || nowAt < untilAt).map(({ secret }) => secret)
}

/** At most two: a second rotation within the day ends the oldest at once. */
export function rotated(secrets: readonly Secret[], secret: string, nowAt: number): readonly Secret[] {
  return [{ secret }, ...secrets.slice(0, 1).map(one => ({ ...one, untilAt: nowAt + OVERLAP_MS }))]
}
