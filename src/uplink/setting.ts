// What a node is told about a way out, as people write it and as its folder remembers it; one kind a driver. Whatever is
// wrong is named by field and value.
import { z } from 'zod'
import type { UplinkTerms } from '../ports.ts'
import { chargerId } from '../units.ts'

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

/** Our receiver, by way of an MQTT 5 broker. */
const MQTT = z.strictObject({
  kind: z.literal('mqtt'),
  ...COMMON,
  url: z.url({ protocol: /^mqtts?$/ }).max(500),
  /** Authorities that may vouch for the broker; without, those of the system. */
  caPem: z.string().max(20_000).optional(),
  username: z.string().min(1).max(256).optional(),
  password: z.string().min(1).max(512).optional(),
})

const MAX_CHARGERS = 1000
const charger = z.string().transform((text, at) => {
  const id = chargerId(text)
  if (id === undefined)
    at.issues.push({ code: 'custom', input: text, message: 'the identity of a charger, such as CP01' })
  return id ?? z.NEVER
})
/** HTTP Basic has no room for control characters, and OCPP none for more. */
const password = z.string().regex(/^[\x20-\x7E]{1,64}$/, 'a password of at most 64 printable characters')

/** An existing central system, over OCPP: the name is the same on every node that may forward to it. */
const CSMS = z
  .strictObject({
    kind: z.literal('csms'),
    name: COMMON.name,
    windows: z.array(window).max(0, 'a central system is told at any time').default([]),
    url: z.url({ protocol: /^wss?$/ }).max(500),
    caPem: z.string().max(20_000).optional(),
    protocol: z.enum(['ocpp1.6', 'ocpp2.0.1']).default('ocpp1.6'),
    /** Without: all of the site. */
    chargers: z.array(charger).min(1).max(MAX_CHARGERS).optional(),
    passwords: z.record(z.string().max(48), password).default({}),
    /** For chargers of which nothing is said. */
    defaultPassword: password.optional(),
    lostAnswers: z.enum(['retry', 'hold']).default('hold'),
    shadow: z.boolean().default(false),
    live: z.boolean().default(false),
    /** It may start and stop sessions: lines stay open. */
    commands: z.boolean().default(false),
    /** Name of the uplink to the receiver at which the site's forwarders agree whose turn it is. */
    agreeAt: COMMON.name.optional(),
    unknownCard: z
      .string()
      .regex(/^[\x21-\x7E]{1,20}$/, 'at most 20 printable characters')
      .optional(),
    /** UTC ms. */
    sinceAt: z.int().min(0).optional(),
    allowInsecure: z.boolean().default(false),
  })
  .refine(
    ({ url, allowInsecure }) => !url.startsWith('ws:') || allowInsecure || isLoopback(new URL(url).hostname),
    {
      path: ['url'],
      message: 'without TLS only on this machine; wss://..., or add it with --allow-insecure',
    },
  )

export const UPLINK_SETTING = z.discriminatedUnion('kind', [HTTPS, MQTT, CSMS])
/** Files of before there were kinds name none. */
export const REMEMBERED_SETTING = z.union([UPLINK_SETTING, HTTPS])

export type UplinkSetting = z.output<typeof UPLINK_SETTING>
export type UplinkKind = UplinkSetting['kind']

export type CsmsSetting = Extract<UplinkSetting, { kind: 'csms' }>
/** Those by which logs leave for our receiver. */
export type PushSetting = Exclude<UplinkSetting, CsmsSetting>

/** As the operator's plane shows it: without what only the node needs to know. */
export function shownSetting(
  setting: UplinkSetting,
): Readonly<Record<string, unknown>> & { readonly name: string } {
  const secrets = new Set(['caPem', 'password', 'passwords', 'defaultPassword'])
  const shown = Object.entries(setting).filter(([key]) => !secrets.has(key))
  return { ...Object.fromEntries(shown), name: setting.name, url: nameless(setting.url) }
}

/** Without who asks and their password, which an address may hold. */
function nameless(url: string): string {
  const { username, password } = new URL(url)
  return username === '' && password === '' ? url : url.replace(/\/\/[^/?#]*@/, '//')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function termsOf({ priority, budgetBytes, windows, costPerMb }: PushSetting): UplinkTerms {
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
