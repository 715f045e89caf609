// When a charger is asked and told about its list: behind what is durable, not before it has settled, a revocation at once,
// anything else once a minute; a refusal ends in patience, never in a loop.
import { describe, expect, it } from 'vitest'
import { createList, type StationList } from '../../simulations/station/list.ts'
import type { Acting } from '../../src/acting.ts'
import type { Ledger } from '../../src/ledger.ts'
import { createLocalLists, type LocalLists } from '../../src/local-lists.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { callOf, outcomeOf } from '../../src/ocpp/commands.ts'
import type { ChargerCommand, ChargerMessage, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId, DeviceId, LogId, TokenRef } from '../../src/units.ts'
import { createView } from '../../src/view.ts'
import { SITE_OPENED_AT, type TestLog, testSite } from '../site.ts'

const CP = 'CP1' as ChargerId
const NODE = 'dd'.repeat(16) as DeviceId
const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY_MS = 24 * 3600 * SECOND
const SEALED_TO_OTHERS = 99

type Bench = {
  readonly lists: LocalLists
  readonly charger: StationList
  readonly log: TestLog
  readonly said: ChargerCommand[]
  readonly recorded: AnyBody[]
  /** Replaced by tests that want other answers. */
  answer: (command: ChargerCommand) => CommandOutcome | undefined
  readonly write: (...bodies: readonly AnyBody[]) => void
  readonly hear: (message: ChargerMessage) => void
  /** Ticks once a second for so long. */
  readonly pass: (ms: number) => Promise<void>
  readonly state: () => string
  /** The operator's laptop opens so many logs more. */
  readonly openLogs: (count: number) => void
  isDurable: boolean
  knows: boolean
}

const still = (): void => undefined

function card(n: number): TokenRef {
  return n.toString(16).padStart(32, '0') as TokenRef
}

function grant(n: number): AnyBody {
  const body = {
    ...{ tokenRef: card(n), accountRef: card(n), whitelist: 'ALLOWED' as const, supersedes: [], class: '' },
    ...{ tagSealed: Uint8Array.of(n), scope: { zones: [], connectorTypes: [] } },
    ...{ notBeforeAt: SITE_OPENED_AT - DAY_MS, notAfterAt: SITE_OPENED_AT + 90 * DAY_MS },
    offline: { maxAgeS: 30 * 24 * 3600 },
  }
  return { name: 'grant', body }
}
const revoke = (n: number): AnyBody => ({
  ...{ name: 'revoke', body: { tokenRef: card(n), reason: 'lost', effectiveAt: SITE_OPENED_AT } },
})
const POLICY: AnyBody = { name: 'policy', body: { name: 'local-lists', value: 'on' } }

function bench(): Bench {
  const site = testSite()
  const view = createView(site.roster())
  const log = site.openLog(site.issuer)
  const charger = createList({ maxLength: 20, perMessage: 2, forgets: true })
  const [said, recorded]: [ChargerCommand[], AnyBody[]] = [[], []]
  let nowMs = 0
  const command = async (_: ChargerId, asked: ChargerCommand): Promise<CommandOutcome> => {
    said.push(asked)
    const call = callOf(asked)
    if (typeof call === 'string') throw new Error(call)
    return made.answer(asked) ?? outcomeOf(asked, charger.answer(call.action, call.params))
  }
  const lists = createLocalLists({
    chargePoints: { connected: () => [CP], command, disconnect: () => undefined },
    openTag: (_, box) => (box[0] === SEALED_TO_OTHERS ? undefined : `CARD${box[0]}`),
    logger: { debug: still, info: still, warn: still, error: still },
    count: () => undefined,
  })
  // What the lists ask of a ledger, and no more.
  const ledger = {
    view: () => view,
    news: () => ({ nowAt: SITE_OPENED_AT + nowMs, isClockInDoubt: false, policyAgeMs: MINUTE }),
    logs: { get: () => (made.knows ? { hashes: log.events().map(({ hash }) => hash) } : undefined) },
  } as unknown as Ledger
  const tick = (): void => {
    const act = {
      ledger,
      times: { wallMs: SITE_OPENED_AT + nowMs, monotonicMs: nowMs },
      record: (bodies: readonly AnyBody[]) => {
        recorded.push(...bodies)
        for (const said of bodies)
          if (said.name === 'local_list')
            view.lists.add({
              hlc: BigInt(recorded.length),
              logId: 'cc'.repeat(16) as LogId,
              deviceId: NODE,
              body: said.body,
            })
      },
      afterwards: (run: () => void) => {
        if (made.isDurable) run()
      },
    } as unknown as Acting
    lists.tick(act, result => void result())
  }
  const made: Bench = {
    ...{ lists, charger, log, said, recorded, answer: () => undefined, isDurable: true, knows: true },
    write: (...bodies) => {
      for (const event of log.append(bodies)) view.apply(event, site.issuer.certificate)
    },
    openLogs: count => {
      for (let i = 0; i < count; i++)
        for (const event of site.openLog(site.issuer).events()) view.apply(event, site.issuer.certificate)
    },
    hear: message => lists.heard({ chargerId: CP, connectionId: 1, message, repairs: [] }, nowMs),
    state: () => lists.report(ledger, CP).state,
    pass: async ms => {
      for (const endMs = nowMs + ms; nowMs < endMs; ) {
        nowMs += SECOND
        tick()
        for (let turn = 0; turn < 30; turn++) await Promise.resolve()
      }
    },
  }
  for (const event of log.events()) view.apply(event, site.issuer.certificate)
  return made
}

const kinds = ({ said }: Bench) => said.map(({ kind }) => kind)
const updates = ({ charger }: Bench) => charger.updates().map(update => update.split(' ')[0])

describe('the lists of chargers', () => {
  it('ask nothing at a site that keeps none', async () => {
    const one = bench()
    one.write(grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(5 * MINUTE)
    expect(one.said).toEqual([])
    expect(one.state()).toBe('the site keeps no local lists')
  })

  it('are never taken for ours because no blocked card can be opened', async () => {
    const one = bench()
    one.write(POLICY, grant(1), grant(SEALED_TO_OTHERS), revoke(SEALED_TO_OTHERS))
    const cards = [{ idTag: 'CARD1', idTagInfo: { status: 'Blocked' } }]
    one.charger.answer('SendLocalList', {
      ...{ listVersion: 9, updateType: 'Full', localAuthorizationList: cards },
    })
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    one.write(grant(1))
    await one.pass(3 * MINUTE)
    expect(one.state()).toContain('nothing is known here')
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBe('Blocked')
  })

  it("hear of a revocation however many logs the operator has; the records name every log's head", async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    one.openLogs(70)
    one.write(revoke(1))
    await one.pass(2 * SECOND)
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBe('Blocked')
    const made = one.recorded.slice(1).flatMap(said => (said.name === 'local_list' ? [said.body] : []))
    expect(made.map(({ policyHead }) => policyHead.length)).toEqual([64, 7])
    expect(made[1]?.onto).toBe(made[0]?.firstVersion)
    expect(one.said.at(-1)).toMatchObject({ kind: 'sendLocalList', version: made[1]?.firstVersion })
  })

  it('go out when the charger has settled, in pieces, and then rest', async () => {
    const one = bench()
    one.write(POLICY, grant(1), grant(2), grant(3))
    one.hear({ kind: 'connected' })
    await one.pass(2 * SECOND)
    expect(one.said).toEqual([])
    await one.pass(10 * SECOND)
    const wanted = ['getConfiguration', 'getLocalListVersion', 'sendLocalList', 'sendLocalList']
    expect(kinds(one)).toEqual(wanted)
    expect(updates(one)).toEqual(['Full', 'Differential'])
    await one.pass(10 * MINUTE)
    expect(kinds(one)).toEqual(wanted)
    expect(one.recorded).toHaveLength(1)
    expect(one.state()).toBe('holds what it should')
  })

  it('leave only behind a record that is durable', async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(3 * SECOND)
    one.isDurable = false
    await one.pass(MINUTE)
    expect(one.recorded).toHaveLength(1)
    expect(updates(one)).toEqual([])
    one.isDurable = true
    one.lists.forget()
    await one.pass(MINUTE)
    expect(updates(one)).toEqual(['Full'])
  })

  it('are told of a new card within a minute, and of a revocation at once', async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(2 * MINUTE + SECOND)
    one.write(grant(2))
    await one.pass(5 * SECOND)
    expect(one.charger.verdict('CARD2', SITE_OPENED_AT)).toBeUndefined()
    one.write(revoke(1))
    await one.pass(2 * SECOND)
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBe('Blocked')
    one.write(grant(3))
    await one.pass(MINUTE)
    expect(one.charger.verdict('CARD3', SITE_OPENED_AT)).toBe('Accepted')
  })

  it('are taken back when the site keeps them no longer', async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    one.write({ name: 'policy', body: { name: 'local-lists', value: 'off' } })
    await one.pass(2 * MINUTE)
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBeUndefined()
    expect(updates(one)).toEqual(['Full', 'Full'])
  })

  it('are made again for firmware that forgot its own', async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    one.charger.powerUp()
    one.hear({ kind: 'connected' })
    one.hear({ kind: 'boot', vendor: 'v', model: 'm' })
    await one.pass(MINUTE)
    expect(updates(one)).toEqual(['Full', 'Full'])
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBe('Accepted')
  })

  it('are only told of blocked cards, each once, where what they were made of is not held; a person may replace them', async () => {
    const one = bench()
    one.write(POLICY, grant(1), grant(2), revoke(2))
    one.charger.answer('SendLocalList', {
      ...{ listVersion: 9, updateType: 'Full' },
      localAuthorizationList: [{ idTag: 'CARD2', idTagInfo: { status: 'Accepted' } }],
    })
    one.hear({ kind: 'connected' })
    await one.pass(10 * MINUTE)
    expect(one.charger.verdict('CARD2', SITE_OPENED_AT)).toBe('Blocked')
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBeUndefined()
    expect(updates(one)).toEqual(['Full', 'Differential'])
    expect(one.recorded).toMatchObject([{ body: { onto: 9, entries: 1 } }])
    expect(one.state()).toContain('nothing is known here')
    one.lists.replace(CP)
    await one.pass(MINUTE)
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBe('Accepted')
    expect(one.state()).toBe('holds what it should')
  })

  it('go out whole when the charger says that its version is another, and ever more rarely when it refuses', async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    one.write(revoke(1))
    let mismatches = 0
    one.answer = command =>
      command.kind === 'sendLocalList' && command.update === 'differential' && mismatches++ === 0
        ? { kind: 'rejected', status: 'VersionMismatch' }
        : undefined
    await one.pass(10 * SECOND)
    const sent = one.said.flatMap(one => (one.kind === 'sendLocalList' ? [one.update] : []))
    expect(sent).toEqual(['full', 'differential', 'full'])
    expect(one.charger.verdict('CARD1', SITE_OPENED_AT)).toBe('Blocked')
    const before = one.said.length
    one.answer = command =>
      command.kind === 'sendLocalList' ? { kind: 'rejected', status: 'Failed' } : undefined
    one.write(grant(2))
    await one.pass(60 * MINUTE)
    const tries = one.said.slice(before).filter(({ kind }) => kind === 'sendLocalList').length
    expect(tries).toBeGreaterThan(3)
    expect(tries).toBeLessThan(10)
    expect(one.state()).toContain('did not take it: Failed')
  })

  it('have a revoked card taken out of a list that nobody knows and that has no room to block it', async () => {
    const one = bench()
    one.write(POLICY, grant(1), revoke(1))
    const cards = [{ idTag: 'CARD1', idTagInfo: { status: 'Accepted' } }]
    one.charger.answer('SendLocalList', {
      ...{ listVersion: 9, updateType: 'Full', localAuthorizationList: cards },
    })
    one.answer = command =>
      command.kind === 'sendLocalList' && command.entries.some(entry => entry.status)
        ? { kind: 'rejected', status: 'Failed' }
        : undefined
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    const [taken] = one.said.slice(-1)
    expect(taken).toMatchObject({ update: 'differential', entries: [{ idTag: 'CARD1' }] })
    expect(one.said.filter(({ kind }) => kind === 'sendLocalList')).toHaveLength(2)
  })

  it('are not tried again on a charger that has none, until it boots', async () => {
    const one = bench()
    one.write(POLICY, grant(1))
    one.answer = ({ kind }) => (kind === 'getLocalListVersion' ? { kind: 'accepted', detail: -1 } : undefined)
    one.hear({ kind: 'connected' })
    await one.pass(MINUTE)
    one.hear({ kind: 'connected' })
    await one.pass(30 * MINUTE)
    expect(kinds(one)).toEqual(['getConfiguration', 'getLocalListVersion'])
    expect(one.state()).toBe('the charger has no local list')
    one.answer = () => undefined
    one.hear({ kind: 'boot', vendor: 'v', model: 'm' })
    await one.pass(MINUTE)
    expect(updates(one)).toEqual(['Full'])
  })
})
