// Charging profiles as the operator's plane takes them; the bounds of the standard are at the door of OCPP.
import { z } from 'zod'

const connectorId = z.int().min(0).max(1000)
const unit = z.enum(['A', 'W'])
const PROFILE = z.strictObject({
  profileId: z.int().min(0),
  stackLevel: z.int().min(0).max(1000),
  purpose: z.enum(['charger', 'default', 'session']),
  transactionId: z.int().optional(),
  stationTransactionId: z.string().max(36).optional(),
  unit,
  periods: z
    .array(
      z.strictObject({
        fromS: z.int().min(0),
        limit: z.number().min(0),
        phases: z.int().min(1).max(3).optional(),
      }),
    )
    .min(1)
    .max(96),
})

export const PROFILE_COMMANDS = [
  z.strictObject({ kind: z.literal('setProfile'), connectorId, profile: PROFILE }),
  z.strictObject({
    kind: z.literal('clearProfile'),
    profileId: z.int().min(0).optional(),
    connectorId: connectorId.optional(),
    purpose: PROFILE.shape.purpose.optional(),
  }),
  z.strictObject({
    kind: z.literal('getCompositeSchedule'),
    connectorId,
    durationS: z.int().min(1),
    unit: unit.optional(),
  }),
] as const
