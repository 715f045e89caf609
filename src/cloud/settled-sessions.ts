// What a settlement says of sessions beside their money: when they were and by whose clock, whose card it was, by which
// tariff they were priced. Read from the events that the session's row and its start name, each by its place in its log.
import type { Settled, SettledMoment, SettledTariff } from '../billing/settled.ts'
import { type AnyBody, type BodyOf, decodeBody, type EventRef, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import { timesOf } from '../session/times.ts'
import type { DeviceId, EventHash, LogId, SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import { countsIn } from './exclusion.ts'
import { bytesIn, intIn, optionalIntIn, optionalTextIn, textIn } from './rows.ts'

type Told = Pick<Settled, 'session' | 'card' | 'tariff'>
type Read = { readonly ref: EventRef; readonly hlc: Hlc; readonly said: AnyBody }
/** By `log/seq/hash`, as rows name events. */
type Events = ReadonlyMap<string, Read>

const { pricing, session_card } = TYPE_NUMBERS

type Sessions = {
  readonly told: ReadonlyMap<string, Told>
  readonly tariffs: readonly SettledTariff[]
  /** As the event says that was published there. */
  readonly tariffBy: (ref: string) => Settled['tariff']
}

/** `pricedBy`: the tariffs that their costs name. */
export async function sessionsTold(
  database: Database,
  siteId: SiteId,
  ids: readonly string[],
  pricedBy: readonly string[],
): Promise<Sessions> {
  const rows = await database.query(
    'SELECT * FROM sessions WHERE site_id = $1 AND session_id = ANY($2::text[])',
    [siteId, ids],
  )
  const refs = rows.rows.flatMap(row =>
    [textIn(row, 'start_ref'), optionalTextIn(row, 'end_ref') ?? []].flat(),
  )
  const ends = await eventsAt(database, siteId, refs)
  // Its pricing and its card stand under the id that the start was told under.
  const under = new Map(
    rows.rows.flatMap(row => {
      const start = ends.get(textIn(row, 'start_ref'))?.said
      return start?.name === 'session_start' ? [[textIn(row, 'session_id'), start.body] as const] : []
    }),
  )
  const said = await saidOf(
    database,
    siteId,
    [...under.values()].map(({ sessionId }) => sessionId),
  )
  const cards = new Map(rows.rows.map(row => [textIn(row, 'session_id'), cardOf(row, under, said)]))
  const named = [
    ...[...cards.values()].flatMap(card => card.grant ?? []),
    ...[...said.values()].flatMap(all => pricingIn(all)?.tariff ?? []),
  ]
  const policy = await eventsAt(database, siteId, [...new Set([...named.map(refText), ...pricedBy])])
  const told = rows.rows.map(row => {
    const sessionId = textIn(row, 'session_id')
    const start = under.get(sessionId)
    const tariff = tariffOf(pricingIn(said.get(start?.sessionId ?? '') ?? []), policy)
    const about: Told = {
      session: sessionOf(row, ends),
      card: grantedOf(cards.get(sessionId) ?? { tokenRef: textIn(row, 'token_ref') }, policy),
      ...(tariff && { tariff }),
    }
    return [sessionId, about] as const
  })
  return {
    told: new Map(told),
    tariffs: [...policy.values()].flatMap(publishedOf),
    tariffBy: ref => tariffBy(policy.get(ref)),
  }
}

async function eventsAt(database: Database, siteId: SiteId, refs: readonly string[]): Promise<Events> {
  const places = refs.map(ref => ref.split('/'))
  const found = await database.query(
    `SELECT e.log_id, e.seq, e.event_hash, e.element FROM unnest($2::text[], $3::text[]) AS w(log_id, seq)
     JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq::bigint`,
    [siteId, places.map(([logId = '']) => logId), places.map(([, seq = '0']) => seq)],
  )
  return new Map(found.rows.flatMap(readOf).map(read => [refText(read.ref), read]))
}

/** What names a session, in the order in which it was recorded; what no longer counts is left out. */
async function saidOf(
  database: Database,
  siteId: SiteId,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly Read[]>> {
  const found = await database.query(
    `SELECT e.log_id, e.seq, e.event_hash, e.element, e.session_id FROM events e
     WHERE e.site_id = $1 AND e.session_id = ANY($2::text[]) AND e.type IN (${pricing}, ${session_card})
       AND ${countsIn('e')} ORDER BY e.hlc, e.log_id, e.seq`,
    [siteId, ids],
  )
  const said = new Map<string, Read[]>()
  for (const row of found.rows) {
    const sessionId = textIn(row, 'session_id')
    said.set(sessionId, [...(said.get(sessionId) ?? []), ...readOf(row)])
  }
  return said
}

function readOf(row: Row): readonly Read[] {
  const element = decodeElement(bytesIn(row, 'element'))
  const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
  if (typeof element === 'string' || !said) return []
  const ref = {
    ...{ logId: textIn<LogId>(row, 'log_id'), seq: intIn(row, 'seq') },
    hash: textIn<EventHash>(row, 'event_hash'),
  }
  return [{ ref, hlc: element.hlc, said }]
}

function sessionOf(row: Row, events: Events): Settled['session'] {
  const [startRef, endRef] = [textIn(row, 'start_ref'), optionalTextIn(row, 'end_ref')]
  const start = events.get(startRef)
  const end = endRef === undefined ? undefined : events.get(endRef)
  const { started, ended } = momentsOf(row, start, end)
  return {
    chargerId: textIn(row, 'charger_id'),
    connectorId: intIn(row, 'connector_id'),
    state: textIn(row, 'state'),
    flags: textIn(row, 'flags')
      .split(',')
      .filter(flag => flag !== ''),
    startRef,
    ...(endRef !== undefined && { endRef }),
    started,
    ...(ended && { ended }),
    ...(start?.said.name === 'session_start' && { meterStartWh: start.said.body.meterStartWh }),
    ...(end?.said.name === 'session_end' && { meterStopWh: end.said.body.meterStopWh }),
  }
}

function momentsOf(
  row: Row,
  start: Read | undefined,
  end: Read | undefined,
): { readonly started: SettledMoment; readonly ended?: SettledMoment } {
  const nobody = '' as DeviceId
  const begun =
    start?.said.name === 'session_start' ? { ...start, deviceId: nobody, body: start.said.body } : undefined
  const over =
    end?.said.name === 'session_end' ? { ...end, deviceId: nobody, body: end.said.body } : undefined
  if (begun) {
    const { startedAt, stoppedAt } = timesOf({ start: begun, ...(over && { end: over }) })
    return { started: startedAt, ...(stoppedAt && { ended: stoppedAt }) }
  }
  const endedAt = optionalIntIn(row, 'ended_at')
  return {
    started: { at: optionalIntIn(row, 'started_at') ?? 0, clock: 'node' },
    ...(endedAt !== undefined && { ended: { at: endedAt, clock: 'node' } }),
  }
}

type Card = { readonly tokenRef: string; readonly grant?: EventRef; readonly tagSealed?: Uint8Array }

/** Whose session it is: the card of its start, or the one that was shown after it began without one. */
function cardOf(
  row: Row,
  under: ReadonlyMap<string, BodyOf<'session_start'>>,
  said: ReadonlyMap<string, readonly Read[]>,
): Card {
  const tokenRef = textIn(row, 'token_ref')
  const start = under.get(textIn(row, 'session_id'))
  const shown = (said.get(start?.sessionId ?? '') ?? []).flatMap(read =>
    read.said.name === 'session_card' && read.said.body.tokenRef === tokenRef ? [read.said.body] : [],
  )
  const grant = start?.tokenRef === tokenRef ? start.grant : shown[0]?.grant
  const tagSealed = start?.tokenRef === tokenRef ? start.tagSealed : undefined
  return { tokenRef, ...(grant && { grant }), ...(tagSealed && { tagSealed }) }
}

function grantedOf({ tokenRef, grant, tagSealed }: Card, policy: Events): Settled['card'] {
  const said = grant && policy.get(refText(grant))?.said
  const body = said?.name === 'grant' ? said.body : undefined
  const sealed = body?.tagSealed ?? tagSealed
  return {
    tokenRef,
    ...(body && { accountRef: body.accountRef }),
    ...(body?.visualNumber !== undefined && { visualNumber: body.visualNumber }),
    ...(sealed && { tagSealed: Buffer.from(sealed).toString('base64') }),
  }
}

/** The first that was recorded, as the fold has it (session/draft.ts). */
function pricingIn(said: readonly Read[]): BodyOf<'pricing'> | undefined {
  const first = said.find(read => read.said.name === 'pricing')?.said
  return first?.name === 'pricing' ? first.body : undefined
}

function tariffOf(priced: BodyOf<'pricing'> | undefined, policy: Events): Settled['tariff'] {
  if (!priced) return undefined
  const said = policy.get(refText(priced.tariff))?.said
  return {
    id: said?.name === 'tariff' ? said.body.tariffId : '',
    ref: refText(priced.tariff),
    currency: priced.currency,
    pricePerKwh: priced.pricePerKwh,
    byTerms: priced.byTerms === true,
  }
}

function tariffBy(read: Read | undefined): Settled['tariff'] {
  if (read?.said.name !== 'tariff') return undefined
  const { tariffId: id, currency, pricePerKwh, elements } = read.said.body
  return { id, ref: refText(read.ref), currency, pricePerKwh, byTerms: elements !== undefined }
}

function publishedOf({ ref, hlc, said }: Read): readonly SettledTariff[] {
  if (said.name !== 'tariff') return []
  const { tariffId, currency, pricePerKwh, effectiveAt, elements } = said.body
  return [
    {
      ...{ ref: refText(ref), id: tariffId, currency, pricePerKwh, effectiveAt, publishedAt: wallOf(hlc) },
      ...(elements && { elements: Buffer.from(elements).toString('base64') }),
    },
  ]
}

function refText({ logId, seq, hash }: EventRef): string {
  return `${logId}/${seq}/${hash}`
}
