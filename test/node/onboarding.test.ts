// When a charger is asked for its settings and told what differs: after it has settled, once, one command at a time, and
// whatever its firmware makes of it there is an end, and a report.
import { describe, expect, it } from 'vitest'
import type { Acting } from '../../src/acting.ts'
import type { Ledger } from '../../src/ledger.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { callOf, outcomeOf } from '../../src/ocpp/commands.ts'
import { createOnboarding, type Onboarding } from '../../src/onboarding.ts'
import type { ChargerCommand, ChargerMessage, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'
import { createView } from '../../src/view.ts'
import { SITE_OPENED_AT, testSite } from '../site.ts'

const CP = 'CP1' as ChargerId
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const BOOT: ChargerMessage = { kind: 'boot', vendor: 'v', model: 'm' }
const still = (): void => undefined

/** Settings of the factory. */
const FACTORY: Readonly<Record<string, string>> = {
  ...{
    TransactionMessageAttempts: '3',
    TransactionMessageRetryInterval: '60',
    LocalAuthorizeOffline: 'false',
  },
  ...{
    StopTransactionOnInvalidId: 'true',
    MeterValuesSampledData: 'Voltage',
    MeterValueSampleInterval: '60',
  },
  ...{ WebSocketPingInterval: '0', ConnectionTimeOut: '77', ClockAlignedDataInterval: '900' },
}

type Bench = {
  readonly onboarding: Onboarding
  readonly values: Map<string, string | number>
  readonly readOnly: Set<string>
  readonly said: ChargerCommand[]
  /** Replaced by tests that want other answers: .conf payloads of OCPP, or what became of the line. */
  answer: (command: ChargerCommand) => object | CommandOutcome | undefined | Promise<CommandOutcome>
  readonly write: (...bodies: readonly AnyBody[]) => void
  readonly hear: (message: ChargerMessage) => void
  readonly pass: (ms: number) => Promise<void>
  readonly kinds: () => string
  readonly set: () => Readonly<Record<string, string>>
}

function bench(factory: Readonly<Record<string, string | number>> = FACTORY): Bench {
  const site = testSite()
  const view = createView(site.roster())
  const log = site.openLog(site.issuer)
  let nowMs = 0
  let busy = false
  const command = async (_: ChargerId, asked: ChargerCommand): Promise<CommandOutcome> => {
    if (busy) throw new Error('two commands at once')
    busy = true
    made.said.push(asked)
    await Promise.resolve()
    busy = false
    const call = callOf(asked)
    if (typeof call === 'string') throw new Error(call)
    const given = (await made.answer(asked)) ?? plainly(made, asked)
    return 'kind' in given ? (given as CommandOutcome) : outcomeOf(asked, given)
  }
  const onboarding = createOnboarding({
    chargePoints: { connected: () => [CP], command, disconnect: still },
    logger: { debug: still, info: still, warn: still, error: still },
    count: still,
  })
  // What onboarding asks of a ledger, and no more.
  const ledger = { view: () => view } as unknown as Ledger
  const act = (): Acting =>
    ({
      ledger,
      times: { wallMs: SITE_OPENED_AT + nowMs, monotonicMs: nowMs },
      afterwards: (run: () => void) => run(),
    }) as unknown as Acting
  const made: Bench = {
    ...{ onboarding, values: new Map(Object.entries(factory)), readOnly: new Set(), said: [] },
    answer: () => undefined,
    write: (...bodies) => {
      for (const event of log.append(bodies)) view.apply(event, site.issuer.certificate)
    },
    hear: message => onboarding.heard({ chargerId: CP, connectionId: 1, message, repairs: [] }, nowMs),
    pass: async ms => {
      for (const endMs = nowMs + ms; nowMs < endMs; ) {
        nowMs += SECOND
        onboarding.tick(act(), result => void result(act()))
        for (let asked = -1; asked < made.said.length; ) {
          asked = made.said.length
          for (let turn = 0; turn < 20; turn++) await Promise.resolve()
        }
      }
    },
    kinds: () => made.said.map(({ kind }) => kind[0]).join(''),
    set: () =>
      Object.fromEntries(
        made.said.flatMap(one => (one.kind === 'changeConfiguration' ? [[one.key, one.value]] : [])),
      ),
  }
  for (const event of log.events()) view.apply(event, site.issuer.certificate)
  return made
}

/** Firmware as the standard has it. */
function plainly({ values, readOnly }: Bench, command: ChargerCommand): object {
  if (command.kind === 'getConfiguration') {
    const keys = command.keys.length > 0 ? command.keys : [...values.keys()]
    return {
      configurationKey: keys
        .filter(key => values.has(key))
        .map(key => ({ key, readonly: readOnly.has(key), value: values.get(key) })),
      unknownKey: keys.filter(key => !values.has(key)),
    }
  }
  if (command.kind !== 'changeConfiguration') return { status: 'Accepted' }
  if (!values.has(command.key)) return { status: 'NotSupported' }
  if (readOnly.has(command.key)) return { status: 'Rejected' }
  values.set(command.key, command.value)
  return { status: 'Accepted' }
}

const report = ({ onboarding }: Bench) => onboarding.report(CP)
const resultOf = (one: Bench, key: string) =>
  report(one).settings?.find(setting => setting.key === key)?.result
const policy = (name: string, value: string): AnyBody => ({ name: 'policy', body: { name, value } })

async function met(one: Bench, ...messages: readonly ChargerMessage[]): Promise<Bench> {
  for (const message of messages.length > 0 ? messages : [BOOT]) one.hear(message)
  await one.pass(MINUTE)
  return one
}

describe('a charger that came', () => {
  it('is set as it should be when it has settled, one command at a time, and then left alone', async () => {
    const one = bench()
    one.hear({ kind: 'connected' })
    one.hear(BOOT)
    await one.pass(9 * SECOND)
    expect(one.said).toEqual([])
    await one.pass(MINUTE)
    expect(one.set()).toEqual({
      ...{ TransactionMessageAttempts: '1000', TransactionMessageRetryInterval: '10' },
      ...{ LocalAuthorizeOffline: 'true', WebSocketPingInterval: '15' },
      MeterValuesSampledData: 'Voltage,Energy.Active.Import.Register,SoC,Power.Active.Import',
    })
    expect(one.values.get('ConnectionTimeOut')).toBe('77')
    expect(report(one)).toMatchObject({
      state: 'is set as it should be',
      notSet: [],
      readAt: expect.any(Number),
    })
    expect(one.kinds()).toBe('ggcccccg')
    await one.pass(12 * HOUR)
    expect(one.kinds()).toBe('ggcccccg')
  })

  it('is not asked by each connection, but after hours, after a boot, and when a person wants it', async () => {
    const one = await met(bench())
    const { length } = one.said
    await met(one, { kind: 'disconnected' }, { kind: 'connected' })
    await one.pass(2 * HOUR)
    await met(one, { kind: 'connected' })
    expect(one.said).toHaveLength(length)
    await met(one, BOOT)
    await one.pass(5 * MINUTE)
    expect(one.said).toHaveLength(length + 2)
    await met(one, BOOT)
    expect(one.said, 'boots in a row').toHaveLength(length + 2)
    one.onboarding.again(CP)
    await one.pass(MINUTE)
    expect(one.said).toHaveLength(length + 4)
    await one.pass(7 * HOUR)
    await met(one, { kind: 'connected' })
    expect(one.said).toHaveLength(length + 6)
  })

  it('is left alone while it comes and goes, and asked when it stays', async () => {
    const one = bench()
    for (let i = 0; i < 20; i++) {
      one.hear({ kind: 'connected' })
      await one.pass(i < 4 ? 9 * SECOND : 50 * SECOND)
      one.hear({ kind: 'disconnected' })
    }
    expect(one.said).toEqual([])
    expect(report(one).state).toContain('comes and goes')
    one.hear({ kind: 'connected' })
    await one.pass(11 * MINUTE)
    expect(report(one).state).toBe('is set as it should be')
  })

  it('is told again within a minute what the operator wants otherwise', async () => {
    const one = await met(bench())
    const { length } = one.said
    one.write(policy('revoked-while-charging', 'finish'))
    await one.pass(2 * MINUTE)
    expect(one.set()).toMatchObject({ StopTransactionOnInvalidId: 'false' })
    expect(
      one.said
        .slice(length)
        .map(({ kind }) => kind[0])
        .join(''),
    ).toBe('ggcg')
  })

  it('is left as it is where the operator wants that', async () => {
    const one = bench()
    one.write(policy('onboarding', 'off'))
    await met(one)
    expect(one.said).toEqual([])
    expect(report(one).state).toContain('leaves its chargers')
  })

  it('that falls over when it is asked is asked ever more rarely', async () => {
    const one = bench()
    one.answer = () => ({ kind: 'unreachable', reason: 'the connection was lost' })
    for (let i = 0; i < 60; i++) {
      one.hear({ kind: 'connected' })
      one.hear(BOOT)
      await one.pass(12 * MINUTE)
    }
    expect(one.said.length).toBeGreaterThan(2)
    expect(one.said.length).toBeLessThan(9)
    expect(report(one).state).toMatch(/the connection was lost; the next try is in \d+ minutes/)
  })
})

describe('a charger that goes', () => {
  it('in the middle of it is asked anew, later, and what it said before counts for nothing', async () => {
    const one = bench()
    const late = Promise.withResolvers<CommandOutcome>()
    let isStuck = true
    one.answer = ({ kind }) => (kind === 'changeConfiguration' && isStuck ? late.promise : undefined)
    await met(one)
    expect(one.kinds()).toBe('ggc')
    isStuck = false
    await met(one, { kind: 'disconnected' }, { kind: 'connected' })
    late.resolve({ kind: 'accepted' })
    await one.pass(SECOND)
    expect(one.kinds()).toBe('ggc')
    expect(report(one).state).toContain('lost on the way')
    await one.pass(6 * MINUTE)
    expect(report(one).state).toBe('is set as it should be')
  })
})

describe('firmware that', () => {
  it('knows half of the keys, or lets nobody change them, is set as far as it goes, and the rest is said', async () => {
    const one = bench({ ...FACTORY, LocalAuthorizeOffline: 0 })
    one.values.delete('WebSocketPingInterval')
    one.readOnly.add('TransactionMessageAttempts')
    await met(one)
    expect(report(one).state).toBe('2 could not be set')
    expect(report(one).notSet).toEqual([
      'TransactionMessageAttempts: the charger lets nobody change it',
      'WebSocketPingInterval: the charger does not know it',
    ])
    expect(Object.keys(one.set())).not.toContain('TransactionMessageAttempts')
    expect(one.values.get('LocalAuthorizeOffline')).toBe('true')
  })

  it('has numbers where the standard has text is understood', async () => {
    const one = await met(bench({ ...FACTORY, TransactionMessageAttempts: 5000, WebSocketPingInterval: 12 }))
    expect(Object.keys(one.set())).not.toContain('TransactionMessageAttempts')
    expect(Object.keys(one.set())).not.toContain('WebSocketPingInterval')
  })

  it('takes less than was asked for keeps the most that it takes', async () => {
    const one = bench()
    one.answer = command =>
      command.kind === 'changeConfiguration' &&
      command.key === 'TransactionMessageAttempts' &&
      Number(command.value) > 255
        ? { status: 'Rejected' }
        : undefined
    await met(one)
    expect(one.values.get('TransactionMessageAttempts')).toBe('255')
    expect(resultOf(one, 'TransactionMessageAttempts')).toBe('partly')
  })

  it('refuses a list for one of its measurands gets the others', async () => {
    const one = bench()
    one.answer = command =>
      command.kind === 'changeConfiguration' && command.value.includes('SoC')
        ? { status: 'Rejected' }
        : undefined
    await met(one)
    expect(one.values.get('MeterValuesSampledData')).toBe(
      'Voltage,Energy.Active.Import.Register,Power.Active.Import',
    )
    expect(resultOf(one, 'MeterValuesSampledData')).toBe('partly')
  })

  it('answers one key a call is asked key by key', async () => {
    const one = bench({ ...FACTORY, GetConfigurationMaxKeys: 1 })
    one.answer = command =>
      command.kind === 'getConfiguration' && command.keys.length !== 1
        ? { kind: 'rejected', status: 'GenericError' }
        : undefined
    await met(one)
    expect(report(one).state).toBe('is set as it should be')
    expect(one.said.every(asked => asked.kind !== 'getConfiguration' || asked.keys.length === 1)).toBe(true)
  })

  it('limits the number of keys without saying so is asked key by key for the rest', async () => {
    const one = bench()
    one.answer = command =>
      command.kind === 'getConfiguration' && command.keys.length > 3
        ? plainly(one, { ...command, keys: command.keys.slice(0, 3) })
        : undefined
    await met(one)
    expect(report(one).state).toBe('is set as it should be')
  })

  it('shows all it has, and nothing by name, is asked for all', async () => {
    const one = bench()
    one.answer = command => (command.kind === 'getConfiguration' && command.keys.length > 0 ? {} : undefined)
    await met(one)
    expect(one.values.get('TransactionMessageAttempts')).toBe('1000')
    expect(report(one).state).toBe('is set as it should be')
  })

  it('shows nothing is set unseen, except lists that could lose something', async () => {
    const one = bench()
    one.answer = command => (command.kind === 'getConfiguration' ? {} : undefined)
    await met(one)
    expect(one.values.get('TransactionMessageAttempts')).toBe('1000')
    expect(one.values.get('MeterValuesSampledData')).toBe('Voltage')
    expect(report(one).state).toContain('none of its settings')
    expect(one.said.length).toBeLessThan(25)
  })

  it('has no such message at all is left in peace', async () => {
    const one = bench()
    one.answer = () => ({ kind: 'rejected', status: 'NotImplemented' })
    await met(one)
    expect(report(one).notSet).toHaveLength(7)
    const { length } = one.said
    await one.pass(5 * HOUR)
    expect(one.said).toHaveLength(length)
  })

  it('wants a restart is not restarted, and the report says so', async () => {
    const one = bench()
    one.answer = command =>
      command.kind === 'changeConfiguration' && command.key === 'WebSocketPingInterval'
        ? { status: 'RebootRequired' }
        : undefined
    await met(one)
    expect(resultOf(one, 'WebSocketPingInterval')).toBe('after-reboot')
    expect(report(one)).toMatchObject({ needsRestart: true, notSet: [] })
    expect(one.kinds()).not.toContain('r')
  })

  it('takes a value and does not keep it is told once, and not again after each boot', async () => {
    const one = bench()
    one.answer = command =>
      command.kind === 'changeConfiguration' && command.key === 'WebSocketPingInterval'
        ? { status: 'Accepted' }
        : undefined
    await met(one)
    expect(resultOf(one, 'WebSocketPingInterval')).toBe('not-kept')
    for (let i = 0; i < 5; i++) {
      await met(one, BOOT)
      await one.pass(HOUR)
    }
    const told = one.said.filter(
      asked => asked.kind === 'changeConfiguration' && asked.key === 'WebSocketPingInterval',
    )
    expect(told).toHaveLength(1)
    expect(resultOf(one, 'WebSocketPingInterval')).toBe('not-kept')
  })
})
