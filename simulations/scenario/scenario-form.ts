// The fields of a scenario file, with their defaults. Whatever a seed may choose is a range here; nothing is drawn yet.
import { z } from 'zod'
import { HOSTILE_TRICKS, QUIRKS, USUAL_TRICKS } from '../plan.ts'
import { type RandomWish, randomFault, type Site, timedFault } from './fault-wishes.ts'
import { FAULT_WORDS, type FaultWord, WEATHERS } from './fault-words.ts'
import { members, parseList } from './groups.ts'
import { PLAN } from './plan-form.ts'
import { PROFILE, PROFILES } from './profile.ts'
import { exactly, type Range } from './range.ts'
import * as read from './reading.ts'
import { MAX_DURATION_MS, uplinks } from './uplinks-form.ts'

export const MAX_NODES = 1000
export const MAX_CHARGERS = 2000

const NAME = read.field('a name of small letters, digits and hyphens', value =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9-]{0,63}$/.test(value) ? value : undefined,
)
const SHOWS = read.field('a sentence that says what this scenario shows', value =>
  typeof value === 'string' && value.trim().length > 9 ? value.trim() : undefined,
)

const DURATION = read.duration(read.SECOND, MAX_DURATION_MS)

const LINK_WORDS = {
  /** Of one message; a list lets the seed choose one. */
  delay: read
    .field(
      'from..to of a message, such as 1ms..40ms, or a list of these',
      (value): readonly Range[] | undefined => {
        const ranges = (Array.isArray(value) ? value : [value]).map(one =>
          read.parseRange(one, read.parseDuration),
        )
        const known = ranges.filter(one => one !== undefined && one.min >= 0)
        return known.length === ranges.length && known.length > 0
          ? known.filter(one => one !== undefined)
          : undefined
      },
    )
    .default([{ min: 1, max: 20 }]),
  tail: read.share().default(exactly(0.001)),
  loss: read.share().default(exactly(0)),
  duplicates: read.share().default(exactly(0)),
  speed: read.speed().optional(),
  budget: read.budget().optional(),
}

const STAY = read.field(
  'a duration such as 20m..4h, or until-end',
  (value): Range | 'until-end' | undefined => {
    if (value === 'until-end') return value
    const range = read.parseRange(value, read.parseDuration)
    return range && range.min >= read.SECOND ? range : undefined
  },
)

const VISITS = read
  .record({
    profile: PROFILE.default(PROFILES.flat),
    perHour: read.amount(0, 100_000).optional(),
    perChargerPerDay: read.amount(0, 1000).optional(),
    stay: STAY.default({ min: 20 * read.MINUTE, max: 4 * read.HOUR }),
    battery: read
      .record({
        capacityKwh: read.amount(1, 1000).default({ min: 40, max: 90 }),
        socPercent: read.amount(0, 100).default({ min: 10, max: 70 }),
        maxKw: read.amount(1, 1000).default({ min: 7, max: 22 }),
      })
      .prefault({}),
    meterEvery: read.duration(read.SECOND, read.DAY).default({ min: read.MINUTE, max: 5 * read.MINUTE }),
  })
  .refine(({ perHour, perChargerPerDay }) => perHour === undefined || perChargerPerDay === undefined, {
    error: 'perHour (of the whole site) or perChargerPerDay, not both',
  })

const TARIFF = read.record({
  at: read.duration(0, MAX_DURATION_MS),
  price: read.price(),
  from: read.duration(0, MAX_DURATION_MS).optional(),
})

function operator(site: Site) {
  return read.record({
    revocations: read.often().default({ kind: 'rate', times: exactly(1), per: 'day' }),
    /** So many of the revoked cards are found again and granted once more. */
    grantedAgain: read.share().default(exactly(0.25)),
    /** So many of the hostile nodes are found out and revoked. */
    revokedNodes: read.whole(0, MAX_NODES).default(exactly(0)),
    beaconEvery: read.duration(10 * read.SECOND, 30 * read.DAY).default(exactly(15 * read.MINUTE)),
    /** Who hears the news first; without it the nodes that have an uplink. */
    nodes: members(site.nodes).optional(),
    via: read.oneOf(['nodes', 'cloud']).default('nodes'),
    /** So old may the operator's news be at a node that accepts a card; 90 days, unless it is said. */
    offlineMaxAge: read.duration(read.MINUTE, MAX_DURATION_MS).optional(),
    tariffs: z.array(TARIFF, { error: 'a list of {at, price, from}' }).default([]),
    /** Sessions of which something is given back, or about which a person decides. */
    refunds: read.often().default({ kind: 'count', times: exactly(0) }),
    resolutions: read.often().default({ kind: 'count', times: exactly(0) }),
  })
}

function faults(site: Site) {
  const named: Partial<Record<FaultWord, z.ZodOptional<z.ZodType<RandomWish>>>> = {}
  for (const word of FAULT_WORDS) named[word] = randomFault(word, site).optional()
  const shape = {
    weather: read.oneOf(WEATHERS).default('none'),
    /** How often each kind comes that is not named. */
    each: read.often().optional(),
    /** Of the kinds a seed uses only so many: few kinds at once find what all kinds together hide. */
    kinds: read.share().default(exactly(1)),
  }
  return read.record({ ...shape, ...named }).transform(({ weather, each, kinds, ...wishes }) => ({
    ...{ weather, each, kinds },
    wishes: Object.values(wishes).filter(isWish),
  }))
}

function isWish(value: unknown): value is RandomWish {
  return typeof value === 'object' && value !== null && 'wish' in value && 'often' in value
}

function siteFields(site: Site) {
  return read.record({
    nodes: read.whole(1, MAX_NODES),
    neighbours: read
      .field('all, or a whole number from 1 to 64 such as 8', value => {
        if (value === 'all') return value
        const range = read.parseRange(value, text => (/^\d{1,2}$/.test(text) ? Number(text) : undefined))
        return range && range.min >= 1 && range.max <= 64 ? range : undefined
      })
      .optional(),
    chargers: read.whole(0, MAX_CHARGERS),
    connectors: read.whole(1, 8).default({ min: 1, max: 2 }),
    price: read.price().default('0.35'),
    /** So many seeds have tariffs that hang on the hour, on parking and on taxes too. */
    terms: read.share().default(exactly(0)),
    sync: read.duration(0, read.MINUTE).default({ min: 1, max: 8 }),
    quirky: read
      .record({
        share: read.share().default(exactly(0.2)),
        which: read.listOf(QUIRKS).default(QUIRKS),
        /** Drawn for each quirky charger. */
        each: read.whole(1, QUIRKS.length).default({ min: 1, max: 2 }),
      })
      .prefault({ share: 0 }),
    /** Chargers that speak OCPP 2.0.1; the others speak 1.6. */
    ocpp201: read.share().default(exactly(0)),
    /** Chargers with a list of their own, and how long it may be; without this the site keeps none. */
    lists: read
      .record({
        share: read.share().default(exactly(1)),
        length: read.whole(1, 10_000).default({ min: 10, max: 200 }),
        perMessage: read.whole(1, 1000).default({ min: 5, max: 20 }),
        forgets: read.share().default(exactly(0.2)),
      })
      .optional(),
    /** How long nodes keep what the cloud has twice over. */
    keeps: read.duration(7 * read.DAY, 3650 * read.DAY).optional(),
    groups: groupNames(site),
  })
}

const CARDS = read.record({
  count: read.whole(1, 20_000).optional(),
  revoked: read.share().default(exactly(0.03)),
  expired: read.share().default(exactly(0.02)),
  unknown: read.share().default(exactly(0.03)),
  capKwh: read.amount(1, 1000).optional(),
})

/** The schema for a site with so many nodes and chargers, and groups of these names. */
export function scenarioForm(site: Site) {
  const oneHour = exactly(read.HOUR)
  return read.record({
    name: NAME.optional(),
    shows: SHOWS,
    duration: DURATION.default(oneHour),
    quiet: DURATION.default(exactly(15 * read.MINUTE)),
    starts: read.instant().default(Date.UTC(2026, 6, 4, 8)),
    signer: read.oneOf(['ed25519', 'keyed-hash', 'any']).default('any'),
    cloud: read.oneOf(['memory', 'postgres', 'any']).default('any'),
    site: siteFields(site),
    network: read.record(LINK_WORDS).prefault({}),
    cards: CARDS.prefault({}),
    visits: VISITS.prefault({}),
    operator: operator(site).prefault({}),
    uplinks: uplinks(site).prefault([{ nodes: '1' }]),
    faults: faults(site).prefault({}),
    hostile: read
      .record({
        nodes: members(site.nodes).optional(),
        share: read.share().optional(),
        tricks: read.listOf(HOSTILE_TRICKS).default(USUAL_TRICKS),
      })
      .prefault({}),
    timeline: z.array(timedFault(site), { error: 'a list of {at, and one fault}' }).default([]),
  })
}
export type ScenarioForm = z.infer<ReturnType<typeof scenarioForm>>

/** A file that holds one world as it was drawn. */
export const FIXED_FORM = read.record({ name: NAME.optional(), shows: SHOWS, plan: PLAN })

/** What the other fields are measured by, read ahead of them; what cannot be read is refused by its own field later. */
export function siteAhead(value: unknown): Site {
  const at = (from: unknown, name: string): unknown =>
    typeof from === 'object' && from !== null ? Reflect.get(from, name) : undefined
  const site = at(value, 'site')
  const count = read.whole(1, MAX_NODES).safeParse(at(site, 'nodes')).data?.max ?? MAX_NODES
  const chargers = read.whole(0, MAX_CHARGERS).safeParse(at(site, 'chargers')).data?.max ?? MAX_CHARGERS
  const maxDurationMs = DURATION.safeParse(at(value, 'duration')).data?.max ?? MAX_DURATION_MS
  const names = new Map<string, readonly number[]>()
  for (const [name, text] of Object.entries(at(site, 'groups') ?? {})) {
    const list = parseList(String(text), { noun: 'node', count, names: new Map() })
    if (list !== undefined && isGroupName(name)) names.set(name, list)
  }
  return {
    nodes: { noun: 'node', count, names },
    chargers: { noun: 'charger', count: chargers, names: new Map() },
    maxDurationMs,
  }
}

function isGroupName(name: string): boolean {
  return /^[a-z][a-z0-9-]*$/.test(name) && !['all', 'any', 'others'].includes(name)
}

/** `library: 1-15`: read ahead already, so that every other field may use the names. */
function groupNames({ nodes }: Site) {
  return z
    .unknown()
    .optional()
    .transform((value, context) => {
      const allowed = `a name and its nodes from 1 to ${nodes.count}, such as library: 1-15`
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
      if (value !== undefined && !isObject) context.addIssue({ code: 'custom', message: allowed })
      for (const name of isObject ? Object.keys(value) : [])
        if (!nodes.names.has(name)) context.addIssue({ code: 'custom', message: allowed, path: [name] })
      return nodes.names
    })
}
