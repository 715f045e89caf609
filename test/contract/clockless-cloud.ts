// What every simulated cloud makes of a charger whose clock was never set and whose meter begins at 0 each time: its
// sessions share their words, so each behind the first is named after the stop before it, and that stop may turn out to
// be another one. Whatever comes when, what is taken is owed once.
import { beforeEach, describe, expect, it } from 'vitest'
import type { SimulatedCloud } from '../../simulations/cloud/cloud.ts'
import { FINALISE_AFTER_MS } from '../../src/cloud/finalise.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { addAmounts } from '../../src/tariff/price.ts'
import type { EventHash, LogId, SessionId } from '../../src/units.ts'
import { SITE_OPENED_AT, sessionBodies, type TestLog } from '../site.ts'
import { cloudSetting, type OpenCloud, pushOf } from './simulated-cloud.ts'

const words = (meterStopWh: number, stoppedAt: number, card: string) =>
  sessionBodies({ meterStartWh: 0, meterStopWh, startedAt: 5000, stoppedAt, tokenRef: card.repeat(16) })
const FIRST = words(2500, 60_000, 'aa')
const SECOND = words(1800, 70_000, 'bb')
/** Another node's word about the end of the first. */
const OTHER = words(2600, 59_000, 'aa')

type Setting = ReturnType<typeof cloudSetting>

/** What is owed under each id that was ever billed. */
async function owed(cloud: SimulatedCloud): Promise<ReadonlyMap<SessionId, string>> {
  const sums = new Map<SessionId, string>()
  for (const { sessionId, amount } of await cloud.bills())
    sums.set(sessionId, addAmounts(sums.get(sessionId) ?? '0', amount))
  return sums
}

async function amounts(cloud: SimulatedCloud): Promise<readonly string[]> {
  return [...(await owed(cloud)).values()].filter(amount => Number(amount) !== 0).toSorted()
}

async function standing(cloud: SimulatedCloud): Promise<readonly unknown[]> {
  const rows = (await cloud.sessions()).filter(({ flags }) => !flags.includes('merged'))
  return rows.map(({ energyWh, state, flags }) => [energyWh, state, flags]).toSorted()
}

/** Both sessions at one node, an event a second from `fromS` on. */
function both({ site }: Setting, name: string, fromS = 1): { log: TestLog; certificate: Uint8Array } {
  const node = site.device(name)
  const log = site.openLog(node)
  const bodies = [FIRST, SECOND].flatMap(({ start, pricing, end }) => [start, pricing, end])
  for (const [i, body] of bodies.entries()) log.append([body], SITE_OPENED_AT + (fromS + i * 10) * 1000)
  return { log, certificate: node.certificate.encoded }
}

export function clocklessContract(name: string, open: OpenCloud): void {
  describe(`${name}, told of a charger without a clock,`, () => {
    let setting: Setting
    let cloud: SimulatedCloud
    beforeEach(async () => {
      setting = cloudSetting()
      cloud = await open(setting.deps)
    })

    it.each([0, 3, 4, 5, 6, 7])(
      'bills each session once when another stop comes behind event %i',
      async behind => {
        const { log, certificate } = both(setting, 'north')
        const south = setting.site.device('south')
        const late = setting.site.openLog(south)
        late.append([OTHER.end], SITE_OPENED_AT + 15_000)
        const certificates = [certificate, south.certificate.encoded]
        const segments = log.segments(0, 1)
        const inTurn = [...segments.slice(0, behind), ...late.segments(), ...segments.slice(behind)]
        for (const segment of inTurn)
          expect((await cloud.push(pushOf({ segments: [segment], certificates }))).refused).toEqual([])
        expect(await standing(cloud)).toEqual([
          [1800, 'complete', ['shared-words']],
          [2500, 'disputed', ['conflicting-ends', 'shared-words']],
        ])
        expect(await amounts(cloud)).toEqual(['0.45', '0.63'])
        for (const { sessionId, state, flags, energyWh } of await cloud.sessions())
          if (flags.includes('merged')) {
            expect([state, flags, energyWh]).toEqual(['complete', ['merged'], 0])
            expect(Number((await owed(cloud)).get(sessionId) ?? 0)).toBe(0)
          }
      },
    )

    it.each([
      ['gives back', 'what others tell of as well, under another id', true],
      ['gives back nothing unseen of', 'what nobody tells of any more', false],
    ] as const)('%s %s, when a log forks', async (_, __, isCopied) => {
      const { site } = setting
      const [north, south] = [site.device('north'), site.device('south')]
      const certificates = [north, south].map(node => node.certificate.encoded)
      const log = site.openLog(north)
      for (const body of [FIRST.start, FIRST.pricing, FIRST.end, SECOND.start, SECOND.pricing, SECOND.end])
        log.append([body])
      const other = site.openLog(south)
      other.append([FIRST.pricing, OTHER.end], SITE_OPENED_AT + 3_500)
      const copies = [behindStop(SECOND.start), SECOND.pricing, SECOND.end]
      if (isCopied) other.append(copies, SITE_OPENED_AT + 9_000)
      await cloud.push(pushOf({ segments: [...log.segments(), ...other.segments()], certificates }))
      expect(await amounts(cloud)).toEqual(['0.45', '0.63'])
      const branch = site.openLog(north, { epochId: log.epochId })
      for (const body of [FIRST.start, FIRST.pricing, SECOND.end]) branch.append([body])
      const { refused } = await cloud.push(pushOf({ segments: branch.segments() }))
      expect(refused).toEqual([{ logId: log.logId, reason: 'fork at 3' }])
      // The other stop alone ends the first session now: 0.02 more.
      expect(await amounts(cloud)).toEqual(['0.45', '0.65'])
      const second = isCopied
        ? [1800, 'complete', ['shared-words']]
        : [undefined, 'disputed', ['evidence-withdrawn']]
      const flags = isCopied ? ['shared-words'] : []
      expect(await standing(cloud)).toEqual([second, [2600, 'complete', flags]].toSorted())
    })

    it('bills provisionally a session behind another one that nobody ends', async () => {
      const { site, pass } = setting
      const node = site.device('north')
      const log = site.openLog(node)
      for (const body of [FIRST.start, FIRST.pricing, FIRST.end, SECOND.start, SECOND.pricing])
        log.append([body])
      log.append([SECOND.tick(1000)])
      await cloud.push(pushOf({ segments: log.segments(), certificates: [node.certificate.encoded] }))
      pass(FINALISE_AFTER_MS)
      await cloud.finalise()
      expect(await standing(cloud)).toEqual([
        [1000, 'provisional', ['shared-words']],
        [2500, 'complete', ['shared-words']],
      ])
      expect(await amounts(cloud)).toEqual(['0.25', '0.63'])
      log.append([SECOND.end])
      await cloud.push(pushOf({ segments: log.segments() }))
      expect(await amounts(cloud)).toEqual(['0.45', '0.63'])
    })
  })
}

/** As a node says it that has heard of the stop before. */
function behindStop(start: AnyBody): AnyBody {
  if (start.name !== 'session_start') throw new Error('a session begins with its start')
  const follows = { logId: '1a'.repeat(16) as LogId, seq: 3, hash: '1b'.repeat(32) as EventHash }
  return { ...start, body: { ...start.body, follows } }
}
