// What people decide about money, and tariffs by terms, at every simulated cloud: the one in memory and the one that is
// production on a database bill alike, whatever comes first.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SimulatedCloud } from '../../simulations/cloud/cloud.ts'
import type { Rule } from '../../src/billing/corrections.ts'
import { aboutGone } from '../../src/billing/judge.ts'
import { owedOf } from '../../src/billing/owed.ts'
import { sumOf } from '../../src/billing/revisions.ts'
import { FINALISE_AFTER_MS } from '../../src/cloud/finalise.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import type { Segment } from '../../src/ports.ts'
import { encodeTerms, type Terms } from '../../src/tariff/terms.ts'
import type { SessionId } from '../../src/units.ts'
import { createView } from '../../src/view.ts'
import { decided, wordOf } from '../billing/told.ts'
import { revoked, withdrawal } from '../integration/withdrawn-site.ts'
import {
  type SessionBodies,
  SITE_OPENED_AT,
  sessionBodies,
  type TestDevice,
  type TestLog,
  type TestSite,
} from '../site.ts'
import { cloudSetting, type OpenCloud, pushOf } from './simulated-cloud.ts'

/** 0.40 a kWh and 1.00 a session, without taxes. */
const TERMS: Terms = {
  elements: [
    {
      components: [
        { type: 'ENERGY', price: '0.40', stepSize: 1 },
        { type: 'FLAT', price: '1.00', stepSize: 1 },
      ],
    },
  ],
  ...{ taxIncluded: 'N/A', countryCode: 'NL', partyId: 'ABC', timeZone: 'UTC' },
  scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
  offsets: [{ fromAt: 0, minutes: 0 }],
}
const TARIFF: AnyBody = {
  name: 'tariff',
  body: {
    ...{ tariffId: 'T', currency: 'EUR', pricePerKwh: '0.40', effectiveAt: 0 },
    elements: encodeTerms(TERMS),
  },
}

function pricedBy({ pricing }: SessionBodies, tariff: EventRef): AnyBody {
  if (pricing.name !== 'pricing') throw new Error('a price')
  return { name: 'pricing', body: { ...pricing.body, tariff, byTerms: true } }
}

/** As a person decides who sees a session of these words. */
function decision(words: SessionBodies, rule: Rule, more: { readonly amount?: string } = {}): AnyBody {
  const seen = [words.start, words.pricing, words.end].map(said => wordOf(said))
  return decided(rule, seen, more).said
}

function refund(sessionId: SessionId, amount: string): AnyBody {
  const refundId = new Uint8Array(16).fill(1)
  return { name: 'refund', body: { sessionId, refundId, amount, currency: 'EUR', reason: '' } }
}

export function moneyContract(name: string, open: OpenCloud, numRuns: number): void {
  describe(`${name}, of money`, () => {
    let { site, deps, pass } = cloudSetting()
    let cloud: SimulatedCloud
    beforeEach(async () => {
      ;({ site, deps, pass } = cloudSetting())
      cloud = await open(deps)
    })
    afterEach(() => cloud.close())
    const told = (bodies: readonly AnyBody[], by = site.device('north'), at = SITE_OPENED_AT + 7_200_000) => {
      const log = site.openLog(by)
      for (const body of bodies) log.append([body], at)
      return {
        log,
        push: () => cloud.push(pushOf({ segments: log.segments(), certificates: [by.certificate.encoded] })),
      }
    }
    /** What a node that holds these logs says is to be paid, for each session. */
    const byNode = (logs: readonly (readonly [TestLog, TestDevice])[]): readonly (string | undefined)[] => {
      const view = createView(site.roster(logs.map(([, by]) => by)))
      for (const [log, by] of logs) for (const event of log.events()) view.apply(event, by.certificate)
      return view.sessions().map(session => {
        const corrections = view.corrections.of(session.sessionId)
        return owedOf(session, { tariffAt: view.tariffs.at, corrections, finalise: false }).owed?.total
      })
    }
    const state = async () =>
      (await cloud.sessions()).map(({ state, flags }) => [state, ...flags].join(' ')).join('; ')
    const sum = async () => sumOf(await cloud.bills())

    it('prices a session by terms that come after it, and by those alone', async () => {
      const issued = told([TARIFF], site.issuer)
      const words = sessionBodies()
      const other = sessionBodies({ connectorId: 2 })
      const charged = told([words.start, pricedBy(words, issued.log.ref()), words.end])
      await charged.push()
      await told([other.start, other.pricing, other.end]).push()
      expect(await state()).toContain('unpriced tariff-unknown')
      expect(await sum()).toBe('0.63')
      await issued.push()
      expect(await state()).toBe('complete; complete')
      // 2.5 kWh at 0.40 and 1.00.
      expect(await sum()).toBe('2.63')
      expect(await cloud.bills()).toHaveLength(2)
    })

    it('takes no tariff for one that a node published, or that has another hash', async () => {
      const forged = told([TARIFF])
      await forged.push()
      const wrong = { ...forged.log.ref(), hash: '00'.repeat(32) as EventRef['hash'] }
      const words = sessionBodies()
      await told([words.start, pricedBy(words, forged.log.ref()), words.end]).push()
      const issued = told([TARIFF], site.issuer)
      await issued.push()
      const other = sessionBodies({ connectorId: 2 })
      await told([other.start, pricedBy(other, { ...issued.log.ref(), hash: wrong.hash }), other.end]).push()
      expect(await state()).toBe('unpriced tariff-unknown; unpriced tariff-unknown')
    })

    it('prices a session by the tariff that a person names, also when that comes last', async () => {
      const words = sessionBodies()
      const issued = told([TARIFF], site.issuer)
      const seen = [wordOf(words.start), wordOf(words.end)]
      const resolution = decided('tariff', seen, { keep: issued.log.ref() }).said
      await told([resolution], site.device('desk', ['issuer'])).push()
      await told([words.start, words.end]).push()
      expect(await state()).toBe('unpriced resolution-unusable unpriced')
      await issued.push()
      expect(await state()).toBe('complete resolved unpriced')
      expect(await sum()).toBe('2')
    })

    it('follows decisions and refunds of issuers, and of nobody else', async () => {
      const words = sessionBodies()
      const pole = site.device('pole')
      const charged = told([words.start, words.pricing, words.end], pole)
      await charged.push()
      const waive = decision(words, 'waive')
      const heard: (readonly [TestLog, TestDevice])[] = [[charged.log, pole]]
      for (const [name, role] of [
        ['node', 'node'],
        ['revoker', 'revoker'],
      ] as const) {
        const by = site.device(name, [role])
        const said = told([waive, refund(words.sessionId, '0.10')], by)
        await said.push()
        heard.push([said.log, by])
      }
      expect([await state(), await sum(), byNode(heard)]).toEqual(['complete', '0.63', ['0.63']])
      const refunded = told([refund(words.sessionId, '0.10')], site.issuer)
      await refunded.push()
      heard.unshift([refunded.log, site.issuer])
      expect([await state(), await sum(), byNode(heard)]).toEqual(['complete', '0.53', ['0.53']])
      await told([waive], site.device('desk', ['issuer']), SITE_OPENED_AT + 9_000_000).push()
      expect([await state(), await sum()]).toEqual(['complete resolved', '0'])
      expect(await cloud.bills()).toMatchObject([
        { kind: 'invoice', amount: '0.63' },
        { kind: 'credit', amount: '-0.10', reason: 'refunded' },
        { kind: 'credit', amount: '-0.53', reason: 'resolved' },
      ])
    })

    it('keeps what was decided of a session that it has not heard of yet', async () => {
      const words = sessionBodies()
      await told([decision(words, 'waive')], site.issuer).push()
      expect(await cloud.sessions()).toEqual([])
      await told([words.start, words.pricing, words.end]).push()
      expect([await state(), await sum()]).toEqual(['complete resolved', '0'])
    })

    it('forgets what an issuer decided beyond the cut-off of its keys', async () => {
      const words = sessionBodies({ meterStopWh: 174_200 })
      const fresh = site.device('issuer 2', ['issuer'])
      await told([words.start, words.pricing, words.end]).push()
      const log = site.openLog(fresh)
      const cutoff = [log.ref()]
      log.append([decision(words, 'waive')])
      await cloud.push(pushOf({ segments: log.segments(), certificates: [fresh.certificate.encoded] }))
      expect([await state(), await sum()]).toEqual(['complete resolved', '0'])
      await told([withdrawal(site, 2, [[fresh, cutoff]])], site.issuer).push()
      // What was given back is not asked for again unseen.
      expect([await state(), await sum()]).toEqual(['disputed debit-review', '0'])
    })

    it('prices nothing by a tariff beyond the cut-off of its issuer, and takes back no bill unseen', async () => {
      const fresh = site.device('issuer 2', ['issuer'])
      const certificates = [fresh.certificate.encoded]
      const log = site.openLog(fresh)
      const cutoff = [log.ref()]
      log.append([TARIFF])
      const [words, later] = [sessionBodies(), sessionBodies({ connectorId: 2 })]
      await told([words.start, pricedBy(words, log.ref()), words.end]).push()
      await cloud.push(pushOf({ segments: log.segments(), certificates }))
      expect([await state(), await sum()]).toEqual(['complete', '2'])
      await told([withdrawal(site, 2, [[fresh, cutoff]])], site.issuer).push()
      await told([later.start, pricedBy(later, log.ref()), later.end]).push()
      const states = (await state()).split('; ').toSorted()
      expect(states).toEqual(['disputed evidence-withdrawn tariff-unknown', 'unpriced tariff-unknown'])
      expect(await sum()).toBe('2')
    })

    it('gives back the bill of a session that is another one, less what was refunded of it', async () => {
      const early = sessionBodies({ startedAt: Date.UTC(1970, 0, 1) })
      const right = sessionBodies()
      const node = site.device('clockless')
      const log = site.openLog(node)
      const push = (fromSeq: number) =>
        cloud.push(pushOf({ segments: log.segments(fromSeq), certificates: [node.certificate.encoded] }))
      log.append([early.start, early.pricing, early.tick(155_200)])
      await push(0)
      pass(FINALISE_AFTER_MS)
      await cloud.finalise()
      await told([refund(early.sessionId, '0.10'), refund(right.sessionId, '0.10')], site.issuer).push()
      expect([await state(), await sum()]).toEqual(['provisional', '0.15'])
      log.append([right.start, right.pricing, right.end])
      await push(4)
      const sums = new Map<string, string[]>()
      for (const { sessionId, amount } of await cloud.bills())
        sums.set(sessionId, [...(sums.get(sessionId) ?? []), amount])
      expect(sums.get(early.sessionId)).toEqual(['0.25', '-0.10', '-0.15'])
      expect(sums.get(right.sessionId)).toEqual(['0.63', '-0.10'])
      const seen = { rule: 'bill-smaller', note: 'seen', about: aboutGone(early.sessionId, 'merged') }
      const resolution: AnyBody = { name: 'resolution', body: { sessionId: early.sessionId, ...seen } }
      await told([resolution], site.device('desk', ['issuer'])).push()
      expect((await state()).split('; ')).toContain('complete merged resolved')
      expect(await sum()).toBe('0.53')
    })

    it('bills the same whatever order logs arrive in, and however often', async () => {
      const logs = logsOf(site)
      const certificates = logs.map(({ certificate }) => certificate)
      const settled = async (order: readonly number[]): Promise<unknown> => {
        const one = await open(deps)
        for (const at of order) await one.push(pushOf({ segments: logs[at]?.segments ?? [], certificates }))
        const [sessions, gaps] = [await one.sessions(), await one.gaps()]
        const bills = new Map<string, string>()
        for (const { sessionId } of await one.sessions()) {
          const own = (await one.bills()).filter(bill => bill.sessionId === sessionId)
          expect(own.map(({ revision }) => revision)).toEqual(own.map((_, i) => i))
          bills.set(sessionId, sumOf(own))
        }
        await one.close()
        return { sessions, gaps, bills: [...bills] }
      }
      const inOrder = await settled([...logs.keys()])
      const orders = fc
        .shuffledSubarray([...logs.keys()], { minLength: logs.length })
        .chain(order => fc.tuple(fc.constant(order), fc.subarray(order)))
      await fc.assert(
        fc.asyncProperty(orders, async ([order, twice]) => {
          expect(await settled([...order, ...twice])).toEqual(inOrder)
        }),
        { numRuns },
      )
    })
  })
}

type OneLog = { readonly certificate: Uint8Array; readonly segments: readonly Segment[] }

/** Two conflicts, a price by terms, two prices, decisions that contradict one another and refunds, each in a log of its own. */
function logsOf(site: TestSite): readonly OneLog[] {
  const nodes = ['a', 'b', 'c', 'd'].map(name => site.device(name))
  const desk = site.device('desk', ['issuer'])
  const tariffs = site.openLog(site.issuer)
  tariffs.append([TARIFF])
  const words = [1, 2, 3].map(connectorId => sessionBodies({ connectorId }))
  const [one, two, three] = words
  if (!one || !two || !three) throw new Error('three sessions')
  const said: readonly (readonly [typeof desk, readonly AnyBody[]])[] = [
    [site.device('e'), [one.start, one.pricing, one.end, two.start, pricedBy(two, tariffs.ref()), two.end]],
    ...nodes.map((node, i): readonly [typeof desk, readonly AnyBody[]] => [
      node,
      [
        one.start,
        sessionBodies({ connectorId: 1, meterStopWh: 155_000 + i * 1000 }).end,
        sessionBodies({ connectorId: 3, pricePerKwh: `0.${i + 2}` }).pricing,
        ...(i === 2 ? [three.start, three.end] : []),
      ],
    ]),
    [
      desk,
      [decision(one, 'amount', { amount: '0.70' }), refund(two.sessionId, '0.50'), decision(three, 'waive')],
    ],
    [site.device('desk 2', ['issuer']), [decision(one, 'bill-smaller'), refund(two.sessionId, '0.50')]],
    [site.issuer, [revoked(site.device('nobody'))]],
  ]
  const logs = said.map(([by, bodies], i) => {
    const log = site.openLog(by)
    for (const [n, body] of bodies.entries())
      log.append([body], SITE_OPENED_AT + 7_200_000 + 1000 * (10 * i + n))
    return { certificate: by.certificate.encoded, segments: log.segments() }
  })
  return [...logs, { certificate: site.issuer.certificate.encoded, segments: tariffs.segments() }]
}
