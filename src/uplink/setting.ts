// What a node is told about a way out, as people write it and as its folder remembers it; one kind a driver. Whatever is
// wrong is named by field and value.
import { z } from 'zod'
import type { UplinkTerms } from '../ports.ts'

const DAY_MINUTES = 24 * 60
const WINDOW = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/

const window = z.string().regex(WINDOW, 'HH:MM-HH:MM in UTC, such as 01:00-05:00')

const COMMON = {
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'at most 32 letters, digits, dots and dashes'),
  priority: z.int().min(1).max(100).default(1),
  /** In a day of UTC, both ways. */
  budgetBytes: z.int().min(10_000).max(1e12).optional(),
  windows: z.array(window).max(16).default([]),
  /** In the site's currency, a decimal number. */
  costPerMb: z
    .string()
    .regex(/^\d{1,6}(\.\d{1,6})?$/, 'a price such as 4.50')
    .optional(),
}

/** Our receiver, over HTTPS. */
const HTTPS = z.strictObject({
  kind: z.literal('https').default('https'),
  ...COMMON,
  url: z.url().max(500),
  /** Authorities that may vouch for it; without, those of the system. */
  caPem: z.string().max(20_000).optional(),
})

export const UPLINK_SETTING = z.discriminatedUnion('kind', [HTTPS])
/** Files of before there were kinds name none. */
export const REMEMBERED_SETTING = z.union([UPLINK_SETTING, HTTPS])

export type UplinkSetting = z.output<typeof UPLINK_SETTING>
export type UplinkKind = UplinkSetting['kind']

export function termsOf({ priority, budgetBytes, windows, costPerMb }: UplinkSetting): UplinkTerms {
  return {
    priority,
    windows: windows.map(windowOf),
    ...(budgetBytes !== undefined && { budgetBytes }),
    ...(costPerMb !== undefined && { costPerMb }),
  }
}

function windowOf(text: string): UplinkTerms['windows'][number] {
  const [fromHour = 0, fromMinute = 0, untilHour = 0, untilMinute = 0] = (WINDOW.exec(text) ?? [])
    .slice(1)
    .map(Number)
  const until = untilHour * 60 + untilMinute
  return { fromMinute: fromHour * 60 + fromMinute, untilMinute: until === 0 ? DAY_MINUTES : until }
}
