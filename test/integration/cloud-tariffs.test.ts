// Tariffs in the cloud. One that comes after the sessions that it prices: they are billed soon, and whoever pushed it waits
// for few of them. Several that were shown for one session: a settlement names the one that it was billed by.
import { expect, it } from 'vitest'
import { MAX_REFOLDS, refoldWaiting } from '../../src/cloud/sessions.ts'
import { settlementPage } from '../../src/cloud/settlement.ts'
import { encodeTerms } from '../../src/tariff/terms.ts'
import { SITE_OPENED_AT, sessionBodies } from '../site.ts'
import { cloudBench, openTestDatabase } from './cloud-bench.ts'

const SESSIONS = 2 * MAX_REFOLDS + 20

it('does not keep its push for all that it prices', async () => {
  const database = await openTestDatabase()
  const { site, deps, push, bills } = await cloudBench(database)
  const issued = site.openLog(site.issuer)
  const elements = encodeTerms({
    elements: [{ components: [{ type: 'ENERGY', price: '0.40', stepSize: 1 }] }],
    ...{ taxIncluded: 'N/A', countryCode: 'NL', partyId: 'ABC', timeZone: 'UTC', offsets: [] },
    scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
  })
  const price = { currency: 'EUR', pricePerKwh: '0.40' }
  issued.append([{ name: 'tariff', body: { ...price, tariffId: 'T', effectiveAt: 0, elements } }])
  const node = site.device('north')
  const log = site.openLog(node)
  for (let i = 0; i < SESSIONS; i++) {
    const startedAt = SITE_OPENED_AT + i * 1000
    const { sessionId, start, end } = sessionBodies({ chargerId: `CP-${i}`, startedAt })
    const body = { ...price, sessionId, tariff: issued.ref(), byTerms: true }
    log.append([start, { name: 'pricing', body }, end])
  }
  await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
  expect(await bills()).toHaveLength(0)
  await push({ segments: issued.segments() })
  expect(await bills()).toHaveLength(MAX_REFOLDS)
  let nowAt = deps.clock.wallMs()
  const waiting = { clock: { wallMs: () => (nowAt += 60_000) } }
  expect(await refoldWaiting(database, site.siteId, waiting)).toBe(SESSIONS - MAX_REFOLDS)
  expect(await bills()).toHaveLength(SESSIONS)
  // Each transaction by its own time: a settlement would never see what is stamped long before it is written.
  expect(new Set((await bills()).map(({ issuedAt }) => issuedAt)).size).toBe(3)
  await database.close()
})

it('names the tariff of several by which a session was billed', async () => {
  const database = await openTestDatabase()
  const { site, push } = await cloudBench(database)
  const issued = site.openLog(site.issuer)
  const [north, south] = [site.device('north'), site.device('south')]
  const { sessionId, start, end } = sessionBodies()
  for (const [node, pricePerKwh] of [
    [north, '0.50'],
    [south, '0.25'],
  ] as const) {
    const price = { currency: 'EUR', pricePerKwh }
    issued.append([{ name: 'tariff', body: { ...price, tariffId: pricePerKwh, effectiveAt: 0 } }])
    const log = site.openLog(node)
    log.append([start, { name: 'pricing', body: { ...price, sessionId, tariff: issued.ref() } }, end])
    const segments = [...issued.segments(), ...log.segments()]
    await push({ segments, certificates: [node.certificate.encoded] })
  }
  const all = { fromAt: 0, toAt: 1e15, cursor: '', limit: 100 }
  const { items, tariffs } = await settlementPage(database, site.siteId, all)
  expect(items.map(({ whole, tariff }) => `${whole.amount} by ${tariff?.id}`)).toEqual([
    '1.25 by 0.50',
    '0.63 by 0.25',
  ])
  expect(tariffs.map(({ id }) => id).sort()).toEqual(['0.25', '0.50'])
  await database.close()
})
