// The way of money out of the cloud: real sessions into a real receiver, and what the command line writes of them, read by
// readers that know nothing of what wrote it.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Big from 'big.js'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { FINALISE_AFTER_MS, finalise } from '../../src/cloud/finalise.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { MeshError } from '../../src/errors.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import { OCPI_VERSIONS, type OcpiVersion } from '../../src/tariff/ocpi-out.ts'
import { encodeTerms, type Terms } from '../../src/tariff/terms.ts'
import type { SessionId } from '../../src/units.ts'
import { cdrFaults } from '../billing/ocpi-tables.ts'
import {
  type SessionBodies,
  type SessionWords,
  SITE_OPENED_AT,
  sessionBodies,
  type TestLog,
} from '../site.ts'
import { type CloudBench, cloudBench, openTestDatabase, quiet, served } from './cloud-bench.ts'
import { run } from './operator-site.ts'

const TOKEN = 'a-token-for-the-operator'
let database: Database
let bench: CloudBench
let receiver: Receiver
let dir: string
/** So many pages are answered before the database is away; undefined: all. */
let pagesLeft: number | undefined

const LOCATIONS = `
country_code: BE
party_id: BEC
id: stadium
address: F.Rooseveltlaan 3A
city: Gent
country: BEL
latitude: "51.047599"
longitude: "3.729944"
evses:
${['CP-1', 'CP-2']
  .map(
    charger => `  - charger: ${charger}
    connector: 1
    evse_id: BE*BEC*E${charger}
    connector_standard: IEC_62196_T2
    connector_format: SOCKET
    connector_power_type: AC_3_PHASE`,
  )
  .join('\n')}
`

beforeAll(async () => {
  database = await openTestDatabase()
  await database.query('ALTER TABLE bills ADD COLUMN IF NOT EXISTS cost text')
  bench = await cloudBench(database)
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-export-'))
  receiver = await openFor(bench, dir)
  await writeFile(join(dir, 'location.yaml'), LOCATIONS)
})
afterAll(async () => {
  await receiver.close()
  await database.close()
  await rm(dir, { recursive: true })
})

async function openFor({ site, clock }: CloudBench, folder: string): Promise<Receiver> {
  const opened = await openReceiver({
    listen: { host: '127.0.0.1', port: 0 },
    database: {
      ...database,
      query: async (text, params) => {
        if (pagesLeft !== undefined && text.includes('FROM bills b') && pagesLeft-- === 0)
          throw new MeshError('STORE_FAILED', 'the database is away')
        return await database.query(text, params)
      },
    },
    sites: [served(site, 'Stadium')],
    tls: await makeServerCertificate(['127.0.0.1', 'localhost']),
    operatorToken: TOKEN,
    ...{ signatures: site.signatures, clock, random: { bytes: site.random }, logger: quiet },
  })
  await writeFile(join(folder, 'ca.pem'), opened.caPem)
  await writeFile(join(folder, 'receiver.json'), JSON.stringify({ url: opened.url, token: TOKEN }))
  return opened
}

type Tax = { readonly vat: string; readonly amount: string }
type Line = Readonly<Record<string, string>>

function exported(...words: readonly string[]) {
  return run('bills', 'export', '--cloud', dir, ...words)
}

async function csvOf(...words: readonly string[]): Promise<readonly Line[]> {
  const out = join(dir, 'bills.csv')
  const said = await exported('--format', 'csv', '--out', out, ...words)
  expect(said).toMatchObject({ code: 0 })
  return parse(await readFile(out, 'utf8'), { columns: true, record_delimiter: '\r\n' }) as Line[]
}

type Price = { readonly excl_vat?: number; readonly incl_vat?: number } & {
  readonly before_taxes?: number
  readonly taxes?: readonly { readonly amount: number }[]
}
type Cdr = Readonly<Record<string, unknown>> & { readonly currency: string; readonly total_cost: Price }

async function cdrsOf(version: OcpiVersion): Promise<readonly Cdr[]> {
  const [out, locations] = [join(dir, `cdrs-${version}.json`), join(dir, 'location.yaml')]
  const said = await exported(
    '--format',
    'ocpi',
    '--ocpi-version',
    version,
    '--locations',
    locations,
    '--out',
    out,
  )
  expect(said).toMatchObject({ code: 0 })
  return JSON.parse(await readFile(out, 'utf8')) as readonly Cdr[]
}

function sumsOf<T>(
  rows: readonly T[],
  read: (row: T) => readonly [currency: string, amount: string | number],
) {
  const sums = new Map<string, Big>()
  for (const [currency, amount] of rows.map(read))
    sums.set(currency, (sums.get(currency) ?? new Big(0)).plus(String(amount)))
  return Object.fromEntries([...sums].map(([currency, sum]) => [currency, sum.toFixed()]).sort())
}

function paidIn({ total_cost: price }: Cdr): string {
  if (price.incl_vat !== undefined) return String(price.incl_vat)
  return (price.taxes ?? [])
    .reduce((sum, tax) => sum.plus(String(tax.amount)), new Big(String(price.before_taxes)))
    .toFixed()
}

async function tableSums(): Promise<Readonly<Record<string, string>>> {
  const { rows } = await database.query(
    'SELECT currency, sum(amount)::text AS total FROM bills WHERE site_id = $1 GROUP BY currency',
    [bench.site.siteId],
  )
  return sumsOf(rows, row => [String(row.currency), String(row.total)])
}

let seconds = 0

/** A node with a log of its own that tells a session and hands it in. */
async function told(
  words: SessionWords,
  bodies: (one: SessionBodies) => readonly AnyBody[],
): Promise<SessionBodies> {
  const node = bench.site.device(`node ${seconds}`)
  const log = bench.site.openLog(node)
  const one = sessionBodies({ startedAt: SITE_OPENED_AT + ++seconds * 1000, ...words })
  log.append(bodies(one), SITE_OPENED_AT + 3_700_000 + seconds * 1000)
  bench.clock.set(bench.clock.wallMs() + 1000)
  await bench.push({ segments: log.segments(), certificates: [node.certificate.encoded] })
  return one
}

const whole = ({ start, pricing, end }: SessionBodies): readonly AnyBody[] => [start, pricing, end]

let issuer: TestLog

/** What the issuer says; answers the place of it. */
async function said(body: AnyBody): Promise<EventRef> {
  issuer ??= bench.site.openLog(bench.site.issuer)
  issuer.append([body], SITE_OPENED_AT + 3_600_000 + ++seconds * 1000)
  bench.clock.set(bench.clock.wallMs() + 1000)
  await bench.push({ segments: issuer.segments() })
  return issuer.ref()
}

async function refunded(sessionId: SessionId, amount: string, currency: string): Promise<void> {
  const refundId = new Uint8Array(16).fill(++seconds)
  await said({ name: 'refund', body: { sessionId, refundId, amount, currency, reason: 'a cable was hot' } })
}

/** 0.30 a kWh and 21 %, and 0.50 for the start and 6 %. */
const TERMS: Terms = {
  elements: [
    {
      components: [
        { type: 'ENERGY', price: '0.30', vat: '21', stepSize: 1 },
        { type: 'FLAT', price: '0.50', vat: '6', stepSize: 1 },
      ],
    },
  ],
  ...{ taxIncluded: 'NO', countryCode: 'BE', partyId: 'BEC', timeZone: 'Europe/Brussels' },
  scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
  offsets: [{ fromAt: 0, minutes: 60 }],
}

/** A session by a tariff of that name. */
async function toldByTerms(tariffId: string, words: SessionWords = {}): Promise<SessionBodies> {
  const [currency, pricePerKwh] = ['EUR', '0.363']
  const elements = encodeTerms(TERMS)
  const tariff = await said({
    name: 'tariff',
    body: { tariffId, currency, pricePerKwh, effectiveAt: SITE_OPENED_AT, elements },
  })
  return await told(words, ({ sessionId, start, end }) => [
    start,
    { name: 'pricing', body: { sessionId, tariff, currency, pricePerKwh, byTerms: true } },
    end,
  ])
}

describe('a site without bills', () => {
  it('is an empty file that is valid all the same', async () => {
    expect(await csvOf()).toEqual([])
    expect(await cdrsOf('2.2.1')).toEqual([])
    const said = await exported('--format', 'jsonl')
    expect(JSON.parse(said.out)).toEqual({ record: 'export', format: 'chargemesh/bills/1' })
    expect(said.error).toContain('0 revisions of bills')
  })
})

/** What a spreadsheet would take for a formula, and a careless reader for three fields on two lines. */
const STRANGE = '=1+1,"night"\n'

describe('a site with corrections, credits and refunds in three currencies', () => {
  beforeAll(async () => {
    await told({}, whole)
    await told({ chargerId: 'CP-2', currency: 'JPY', pricePerKwh: '31' }, whole)
    const kwd = await told({ chargerId: 'CP-2', currency: 'KWD', pricePerKwh: '0.1234' }, whole)
    // Another node heard a smaller stop.
    const words = { startedAt: SITE_OPENED_AT + 900_000, meterStartWh: 20_000, meterStopWh: 24_000 }
    await told(words, whole)
    await told({ ...words, meterStopWh: 21_000 }, ({ end }) => [end])
    // Nobody stopped it for three days, and then it was told after all.
    const late = { startedAt: SITE_OPENED_AT + 1_800_000, meterStartWh: 50_000, meterStopWh: 53_000 }
    await told(late, ({ start, pricing, tick }) => [start, pricing, tick(51_234, SITE_OPENED_AT + 2_000_000)])
    bench.clock.set(bench.clock.wallMs() + FINALISE_AFTER_MS)
    await finalise(database, bench.site.siteId, bench.clock)
    await told(late, ({ end }) => [end])
    await refunded(kwd.sessionId, '0.100', 'KWD')
    await toldByTerms('day')
    const night = await toldByTerms(STRANGE, { meterStopWh: 166_700, chargerId: 'CP-2' })
    await refunded(night.sessionId, '1.00', 'EUR')
  })

  it('comes to the same in the table, in the CSV and in the CDRs of both versions', async () => {
    const wanted = await tableSums()
    expect(Object.keys(wanted)).toEqual(['EUR', 'JPY', 'KWD'])
    const lines = await csvOf()
    expect(lines.filter(line => line.kind === 'credit').length).toBeGreaterThanOrEqual(2)
    expect(sumsOf(lines, line => [line.currency ?? '', line.amount ?? ''])).toEqual(wanted)
    const taxed = (line: Line) => new Big(line.before_taxes ?? '').plus(line.taxes ?? '').toFixed()
    expect(sumsOf(lines, line => [line.currency ?? '', taxed(line)])).toEqual(wanted)
    for (const version of OCPI_VERSIONS)
      expect(sumsOf(await cdrsOf(version), cdr => [cdr.currency, paidIn(cdr)])).toEqual(wanted)
  })

  it('tells taxes by rate, names that are no formulas, and the tariff by which it was', async () => {
    const lines = await csvOf()
    const [night, refund] = lines.filter(({ tariff }) => tariff === `'${STRANGE}`)
    expect(night).toMatchObject({
      amount: '5.07',
      before_taxes: '4.25',
      taxes_by_rate: '6 %: 0.03; 21 %: 0.79',
    })
    expect(refund).toMatchObject({
      amount: '-1.00',
      kind: 'credit',
      session_amount: '4.07',
      energy_kwh: '0.000',
    })
    for (const version of OCPI_VERSIONS) {
      const cdrs = await cdrsOf(version)
      const [day] = cdrs
        .flatMap(({ tariffs }) => (tariffs ?? []) as readonly { readonly id: string }[])
        .filter(({ id }) => id === 'day')
      expect(day).toMatchObject({
        country_code: 'BE',
        elements: [{ price_components: [{ price: 0.3, vat: 21 }, {}] }],
      })
    }
  })

  it('says the same sums itself', async () => {
    const said = await exported('--format', 'csv', '--out', join(dir, 'again.csv'), '--json')
    const { sums, rows } = JSON.parse(said.out)
    expect(sumsOf(Object.entries<string>(sums), entry => entry)).toEqual(await tableSums())
    expect(rows).toBe((await bench.bills()).length)
  })

  it('gives valid CDRs, each under an id of its own, credits behind what they credit', async () => {
    for (const version of OCPI_VERSIONS) {
      const cdrs = await cdrsOf(version)
      for (const cdr of cdrs) expect(cdrFaults(version, cdr)).toEqual([])
      const ids = cdrs.map(({ id }) => id)
      expect(new Set(ids).size).toBe(ids.length)
      const credits = cdrs.filter(({ credit }) => credit)
      expect(credits.length).toBeGreaterThanOrEqual(2)
      for (const credit of credits) {
        const at = ids.indexOf(credit.credit_reference_id)
        const credited = cdrs[at]
        expect(at).toBeLessThan(ids.indexOf(credit.id))
        const { total_cost, last_updated, id, credit: _, credit_reference_id: __, ...said } = credit
        expect(credited).toMatchObject(said)
        expect(new Big(paidIn(credit)).plus(paidIn(credited as Cdr)).toFixed()).toBe('0')
      }
    }
  })

  it('rebuilds every line of the CSV from the JSON lines', async () => {
    const lines = await csvOf()
    const records = (await exported('--format', 'jsonl')).out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    const iso = (at?: number) => (at === undefined ? '' : new Date(at).toISOString())
    const rebuilt = records
      .filter(({ record }) => record === 'bill')
      .map(bill => ({
        ...{ bill_id: bill.billId, session_id: bill.sessionId, revision: String(bill.revision) },
        ...{ kind: bill.kind, reason: bill.reason, charger: bill.session.chargerId },
        connector: String(bill.session.connectorId),
        ...{ started_at: iso(bill.session.started.at), started_clock: bill.session.started.clock },
        ...{ ended_at: iso(bill.session.ended?.at), ended_clock: bill.session.ended?.clock ?? '' },
        issued_at: iso(bill.issuedAt),
        energy_kwh: (bill.energyChangeWh / 1000).toFixed(3),
        ...{
          amount: bill.change.amount,
          before_taxes: bill.change.beforeTaxes,
          taxes: sumsOf<Tax>(bill.change.taxes, tax => ['', tax.amount])[''] ?? '0',
          taxes_by_rate: bill.change.taxes.map((tax: Tax) => `${tax.vat} %: ${tax.amount}`).join('; '),
        },
        ...{ currency: bill.currency, session_energy_kwh: (bill.energyWh / 1000).toFixed(3) },
        ...{
          session_amount: bill.whole.amount,
          card: bill.card.tokenRef,
          tariff: (bill.tariff?.id ?? '').replace(/^=/, "'="),
        },
        corrects: bill.before?.billId ?? '',
      }))
    expect(rebuilt).toEqual(lines)
    expect(lines.length).toBeGreaterThan(6)
  })

  it('is the same, byte for byte, when it is exported again', async () => {
    expect(await cdrsOf('2.3.0')).toEqual(await cdrsOf('2.3.0'))
  })

  it('is cut by the instant of issue: from inclusive, to exclusive', async () => {
    const bills = (await bench.bills()).toSorted((a, b) => Number(a.issuedAt) - Number(b.issuedAt))
    const middle = new Date(Number(bills[2]?.issuedAt)).toISOString()
    const [before, after] = [await csvOf('--to', middle), await csvOf('--from', middle)]
    expect(before.map(line => line.issued_at ?? '').every(at => at < middle)).toBe(true)
    expect(after[0]?.issued_at).toBe(middle)
    expect([...before, ...after]).toEqual(await csvOf())
  })
})

describe('what cannot be exported', () => {
  const out = () => join(dir, 'bad.csv')

  it.each([
    [
      'from is after to',
      ['--format', 'csv', '--from', '2026-07-02', '--to', '2026-07-01'],
      1,
      /--from .* is after --to/,
    ],
    ['a time that is none', ['--format', 'csv', '--from', 'yesterday'], 1, /--from yesterday: wanted a time/],
    ['a format that is none', ['--format', 'xml'], 2, /Allowed choices are ocpi, csv, jsonl/],
    [
      'a version that is none',
      ['--format', 'ocpi', '--ocpi-version', '3.0'],
      2,
      /Allowed choices are 2.2.1, 2.3.0/,
    ],
    ['no locations', ['--format', 'ocpi'], 1, /--locations; `chargemesh bills locations` begins one/],
    [
      'a folder that is none',
      ['--format', 'csv', '--out', '/nowhere/bills.csv'],
      1,
      /--out .* cannot be written/,
    ],
    [
      "cards' ids without a key",
      ['--format', 'ocpi', '--locations', 'LOCATIONS', '--with-card-ids'],
      1,
      /needs --site/,
    ],
  ])('%s is said so', async (_what, words, code, message) => {
    const given = words.map(word => (word === 'LOCATIONS' ? join(dir, 'location.yaml') : word))
    const said = await exported(...given)
    expect(said).toMatchObject({ code })
    expect(said.error).toMatch(message)
  })

  it('is a charger of which something is missing: all of it is named, and nothing is written', async () => {
    const poor = join(dir, 'poor.yaml')
    const text = LOCATIONS.replace('id: stadium\n', 'id: ""\n').replace(/ {2}- charger: CP-2[\s\S]*/, '')
    await writeFile(poor, text)
    const said = await exported('--format', 'ocpi', '--locations', poor, '--out', out())
    expect(said).toMatchObject({ code: 1 })
    expect(said.error).toMatch(/\n {2}id\n[\s\S]*charger CP-2, connector 1: evse_id\n[\s\S]*connector_format/)
    expect(await readdir(dir)).not.toContain('bad.csv')
  })

  it('is a bill while the cloud is away in the middle: what stood under the name stays', async () => {
    const { siteId } = bench.site
    // More than a page of sessions of which no event tells.
    await database.query(
      `INSERT INTO sessions (site_id, session_id, charger_id, state, connector_id, token_ref, started_at, start_ref, flags, touched_at)
       SELECT $1, lpad(to_hex(n), 32, '0'), 'CP-1', 'complete', 1, 'aa', 0, 'ff/0/00', '', 0 FROM generate_series(1, 1100) n`,
      [siteId],
    )
    await database.query(
      `INSERT INTO bills (site_id, session_id, revision, kind, amount, currency, energy_wh, reason, input_hash, issued_at)
       SELECT $1, lpad(to_hex(n), 32, '0'), 0, 'invoice', 0.10, 'EUR', 100, 'ended', '', 1000 + n / 7 FROM generate_series(1, 1100) n`,
      [siteId],
    )
    const lines = await csvOf()
    expect(lines.length).toBeGreaterThan(1100)
    expect(sumsOf(lines, line => [line.currency ?? '', line.amount ?? ''])).toEqual(await tableSums())
    await writeFile(out(), 'what stood before')
    pagesLeft = 2
    const said = await exported('--format', 'csv', '--out', out())
    pagesLeft = undefined
    expect(said).toMatchObject({ code: 1, out: '' })
    expect(said.error).toMatch(/UPLINK_FAILED: the cloud answered 503/)
    expect(await readFile(out(), 'utf8')).toBe('what stood before')
    expect((await readdir(dir)).filter(name => name.endsWith('.part'))).toEqual([])
  })

  it('is asked of the cloud itself with what it cannot read', async () => {
    const agent = (path: string) =>
      new Promise<number>((resolve, reject) => {
        const headers = { authorization: `Bearer ${TOKEN}` }
        get(`${receiver.url}${path}`, { ca: receiver.caPem, headers }, answer => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        }).on('error', reject)
      })
    expect(await agent('/v1/cdrs?date_from=2026-01-01T00:00:00Z&limit=1')).toBe(200)
    for (const bad of [
      'date_from=yesterday',
      'limit=0',
      'limit=501',
      'cursor=%27',
      'date_from=2026-01-02T00:00:00Z&date_to=2026-01-01T00:00:00Z',
    ])
      expect(await agent(`/v1/cdrs?${bad}`), bad).toBe(400)
  })
})
