// Charge points of another make (ocpp-rpc's client, strict: it refuses what breaks the schema) meet a real node: each has
// settings of its own, and habits. What was set, what could not be set, the limit in the charger, and the command line.
import ocppRpc from 'ocpp-rpc'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiFileIn, clientOf } from '../../src/api/client.ts'
import { readText } from '../../src/host/identity-files.ts'
import type { RunningNode } from '../../src/host/runner.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

const PASSWORD = 'sixteen-characters'
const ENERGY = 'Energy.Active.Import.Register'
const UNITS = 'ChargingScheduleAllowedChargingRateUnit'

type Params = Readonly<Record<string, unknown>>
type Handler = (params: Params) => unknown

/** Firmware of OCPP 1.6: settings, and how it answers. */
class Firmware {
  readonly values: Map<string, string | number>
  readonly readOnly = new Set<string>()
  readonly heard: string[] = []
  readonly profiles = new Map<number, Params>()
  perCall = Number.POSITIVE_INFINITY
  /** Says what no schema has. */
  isLoose = false
  refuses = (_key: string, _value: string): string | undefined => undefined

  constructor(values: Readonly<Record<string, string | number>> = {}) {
    this.values = new Map(
      Object.entries({
        ...{ TransactionMessageAttempts: '3', TransactionMessageRetryInterval: '60' },
        ...{ LocalAuthorizeOffline: 'false', StopTransactionOnInvalidId: 'true', WebSocketPingInterval: '0' },
        ...{
          MeterValuesSampledData: `${ENERGY},Voltage`,
          MeterValueSampleInterval: '60',
          [UNITS]: 'Current',
        },
        ...{ ConnectionTimeOut: '90', HeartbeatInterval: '300' },
        ...values,
      }),
    )
  }

  handlers(): Readonly<Record<string, Handler>> {
    return {
      GetConfiguration: ({ key }) => {
        const keys = Array.isArray(key) ? key.map(String) : [...this.values.keys()]
        if (keys.length > this.perCall) throw ocppRpc.createRPCError('OccurenceConstraintViolation')
        const isThere = (name: string) => this.values.has(name)
        const shown = keys.filter(isThere).map(name => ({
          ...{ key: name, readonly: this.readOnly.has(name), value: this.values.get(name) },
        }))
        return { configurationKey: shown, unknownKey: keys.filter(name => !isThere(name)) }
      },
      ChangeConfiguration: params => {
        const [key, value] = [String(params.key), String(params.value)]
        if (!this.values.has(key)) return { status: 'NotSupported' }
        if (this.readOnly.has(key)) return { status: 'Rejected' }
        const status = this.refuses(key, value) ?? 'Accepted'
        if (status === 'Accepted') this.values.set(key, value)
        return { status }
      },
      SetChargingProfile: ({ csChargingProfiles }) => {
        const profile = csChargingProfiles as Params
        this.profiles.set(Number(profile.chargingProfileId), profile)
        return { status: 'Accepted' }
      },
      ClearChargingProfile: ({ id }) => ({
        status: this.profiles.delete(Number(id)) ? 'Accepted' : 'Unknown',
      }),
      TriggerMessage: () => ({ status: 'Accepted' }),
    }
  }
}

/** A station of OCPP 2.0.1 with variables instead. */
class Station extends Firmware {
  override handlers(): Readonly<Record<string, Handler>> {
    type Named = { readonly name: string; readonly instance?: string }
    type Variable = { readonly component: Named; readonly variable: Named; readonly attributeValue?: string }
    const nameOf = ({ component, variable }: Variable): string =>
      `${component.name}.${variable.name}${variable.instance === undefined ? '' : `[${variable.instance}]`}`
    const found = (params: unknown) => params as readonly Variable[]
    return {
      GetVariables: ({ getVariableData }) => ({
        getVariableResult: found(getVariableData).map(({ component, variable }) => {
          const value = this.values.get(nameOf({ component, variable }))
          const attributeStatus = value === undefined ? 'UnknownVariable' : 'Accepted'
          const told = value === undefined ? {} : { attributeValue: String(value) }
          return { attributeStatus, ...told, component, variable }
        }),
      }),
      SetVariables: ({ setVariableData }) => ({
        setVariableResult: found(setVariableData).map(({ component, variable, attributeValue = '' }) => {
          const name = nameOf({ component, variable })
          const isThere = this.values.has(name)
          if (isThere) this.values.set(name, attributeValue)
          return { attributeStatus: isThere ? 'Accepted' : 'UnknownVariable', component, variable }
        }),
      }),
      SetChargingProfile: ({ chargingProfile }) => {
        const profile = chargingProfile as Params
        this.profiles.set(Number(profile.id), profile)
        return { status: 'Accepted' }
      },
      GetLocalListVersion: () => ({ versionNumber: 0 }),
    }
  }
}

type Report = {
  readonly state: string
  readonly notSet: readonly string[]
  readonly limit?: Params
  readonly settings?: readonly Params[]
}

let folder: Awaited<ReturnType<typeof tempFolder>>
let site: { readonly site: string; readonly nodeDir: string; readonly node: RunningNode }
const open: InstanceType<typeof ocppRpc.RPCClient>[] = []

async function connect(identity: string, firmware: Firmware, protocol = 'ocpp1.6'): Promise<void> {
  const settings = {
    ...{ endpoint: site.node.ocppUrl, identity, password: PASSWORD, protocols: [protocol] },
    ...{ strictMode: !firmware.isLoose, reconnect: false },
  }
  // The library's types ask for options that it has defaults for.
  const client = new ocppRpc.RPCClient(settings as ConstructorParameters<typeof ocppRpc.RPCClient>[0])
  for (const [action, handler] of Object.entries(firmware.handlers()))
    client.handle(action, ({ params = {} }) => {
      firmware.heard.push(action)
      return handler(params as Params) as Promise<Record<string, unknown>>
    })
  client.handle(() => {
    throw ocppRpc.createRPCError('NotImplemented')
  })
  await client.connect()
  open.push(client)
}

async function post(path: string): Promise<unknown> {
  const file = apiFileIn(site.nodeDir)
  return await clientOf(file, await readText(file, 'the node runs')).post(path, {})
}

/** Asks for it now instead of when the charger has settled, and waits for the end. */
async function onboarded(
  identity: string,
  ends: RegExp = /is set|could not|none of|next try/,
): Promise<Report> {
  await post(`/v1/chargers/${identity}/onboarding`)
  const deadline = performance.now() + 40_000
  for (;;) {
    const report = await asked<Report>(site.nodeDir, `/v1/chargers/${identity}/onboarding`)
    if (ends.test(report.state)) return report
    if (performance.now() > deadline) throw new Error(`${identity}: ${report.state}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

beforeAll(async () => {
  folder = await tempFolder()
  site = await startSite(folder.dir)
  const to = ['--site', site.site, '--via', site.nodeDir]
  const all = ['PLAIN', 'STRANGE', 'SINGLE', 'EMPTY', 'SILENT', 'STATION', 'LIMITED', 'SHOWN']
  await mustRun('charger', 'add', ...all, '--max-kw', '11', '--phases', '3', '--password', PASSWORD, ...to)
  await mustRun('policy', 'set', 'max-session-minutes', '120', ...to)
}, 60_000)

afterAll(async () => {
  await Promise.all(open.map(client => client.close({ force: true })))
  await site.node.close()
  await folder.remove()
})

describe('a charger of another make', () => {
  it('is set as it should be, with a limit that holds without any node', async () => {
    const firmware = new Firmware()
    await connect('PLAIN', firmware)
    const report = await onboarded('PLAIN')
    expect(report).toMatchObject({ state: 'is set as it should be', notSet: [] })
    expect(Object.fromEntries(firmware.values)).toMatchObject({
      ...{ TransactionMessageAttempts: '1000', TransactionMessageRetryInterval: '10' },
      ...{ LocalAuthorizeOffline: 'true', WebSocketPingInterval: '15', ConnectionTimeOut: '90' },
      MeterValuesSampledData: `${ENERGY},Voltage,SoC,Power.Active.Import`,
    })
    expect(firmware.profiles.get(7100)).toMatchObject({
      chargingProfilePurpose: 'TxDefaultProfile',
      chargingSchedule: {
        chargingRateUnit: 'A',
        chargingSchedulePeriod: [
          { startPeriod: 0, limit: 15.9 },
          { startPeriod: 7200, limit: 0 },
        ],
      },
    })
    const said = await mustRun('charger', 'list', '--via', site.nodeDir)
    expect(said.out).toMatch(/PLAIN .*is set as it should be/)
  }, 60_000)

  it('that knows, takes and changes only half of it is shown with what is missing', async () => {
    const firmware = new Firmware({ LocalAuthorizeOffline: 0, HeartbeatInterval: 300, [UNITS]: 'Power' })
    firmware.isLoose = true
    firmware.values.delete('WebSocketPingInterval')
    firmware.readOnly.add('TransactionMessageRetryInterval')
    firmware.refuses = (key, value) => {
      if (key === 'MeterValuesSampledData') return value.includes('SoC') ? 'Rejected' : undefined
      if (key === 'TransactionMessageAttempts') return Number(value) > 255 ? 'Rejected' : undefined
      return key === 'LocalAuthorizeOffline' ? 'RebootRequired' : undefined
    }
    await connect('STRANGE', firmware)
    const report = await onboarded('STRANGE')
    expect(report.notSet).toEqual([
      'TransactionMessageAttempts: it took a part of it',
      'TransactionMessageRetryInterval: the charger lets nobody change it',
      'MeterValuesSampledData: it took a part of it',
      'WebSocketPingInterval: the charger does not know it',
    ])
    expect(firmware.values.get('MeterValuesSampledData')).toBe(`${ENERGY},Voltage,Power.Active.Import`)
    expect(firmware.values.get('TransactionMessageAttempts')).toBe('255')
    expect(report).toMatchObject({ needsRestart: true, limit: { unit: 'W', limit: 11_000 } })
    const list = JSON.parse((await mustRun('charger', 'list', '--via', site.nodeDir, '--json')).out)
    const [row] = list.filter((one: Params) => one.chargerId === 'STRANGE')
    expect(row.onboarding.notSet).toEqual(report.notSet)
  }, 60_000)

  it('that answers one key a call is asked key by key', async () => {
    const firmware = new Firmware({ GetConfigurationMaxKeys: 1 })
    firmware.perCall = 1
    await connect('SINGLE', firmware)
    expect((await onboarded('SINGLE')).state).toBe('is set as it should be')
    expect(firmware.values.get('TransactionMessageAttempts')).toBe('1000')
  }, 60_000)

  it('that shows nothing is set unseen, and keeps its list of measurands', async () => {
    const firmware = new Firmware()
    const { handlers } = firmware
    firmware.handlers = () => ({ ...handlers.call(firmware), GetConfiguration: () => ({}) })
    await connect('EMPTY', firmware)
    expect((await onboarded('EMPTY')).state).toContain('none of its settings')
    expect(firmware.values.get('TransactionMessageAttempts')).toBe('1000')
    expect(firmware.values.get('MeterValuesSampledData')).toBe(`${ENERGY},Voltage`)
  }, 60_000)

  it('that does not answer is tried again later, not in a loop', async () => {
    const firmware = new Firmware()
    const { handlers } = firmware
    firmware.handlers = () => ({ ...handlers.call(firmware), GetConfiguration: () => ocppRpc.NOREPLY })
    await connect('SILENT', firmware)
    expect((await onboarded('SILENT')).state).toMatch(/^no answer in time; the next try is in 5 minutes/)
    expect(firmware.heard).toEqual(['GetConfiguration'])
  }, 60_000)

  it('of OCPP 2.0.1 is set by its variables', async () => {
    const station = new Station()
    station.values.clear()
    for (const [name, value] of Object.entries({
      ...{
        'OCPPCommCtrlr.MessageAttempts[TransactionEvent]': '3',
        'AuthCtrlr.LocalAuthorizeOffline': 'false',
      },
      ...{
        'OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]': '60',
        'TxCtrlr.StopTxOnInvalidId': 'true',
      },
      ...{ 'SampledDataCtrlr.TxUpdatedMeasurands': 'Voltage', 'SampledDataCtrlr.TxStartedMeasurands': '' },
      ...{ 'SampledDataCtrlr.TxEndedMeasurands': ENERGY, 'SampledDataCtrlr.TxUpdatedInterval': '0' },
      ...{ 'OCPPCommCtrlr.WebSocketPingInterval': '60', 'SmartChargingCtrlr.RateUnit': 'A' },
      ...{ 'SmartChargingCtrlr.Enabled': 'true', 'DeviceDataCtrlr.ItemsPerMessage[GetVariables]': '4' },
    }))
      station.values.set(name, value)
    await connect('STATION', station, 'ocpp2.0.1')
    expect(await onboarded('STATION')).toMatchObject({ state: 'is set as it should be', notSet: [] })
    expect(Object.fromEntries(station.values)).toMatchObject({
      'OCPPCommCtrlr.MessageAttempts[TransactionEvent]': '1000',
      'AuthCtrlr.LocalAuthorizeOffline': 'true',
      'SampledDataCtrlr.TxStartedMeasurands': ENERGY,
      'SampledDataCtrlr.TxUpdatedMeasurands': `Voltage,${ENERGY},SoC,Power.Active.Import`,
      'SampledDataCtrlr.TxUpdatedInterval': '60',
      'OCPPCommCtrlr.WebSocketPingInterval': '15',
    })
    expect(station.profiles.get(7100)).toMatchObject({
      chargingProfilePurpose: 'TxDefaultProfile',
      chargingSchedule: [{ chargingRateUnit: 'A', chargingSchedulePeriod: [{ limit: 15.9 }, { limit: 0 }] }],
    })
  }, 60_000)
})

describe('chargemesh charger config get', () => {
  it('shows settings in words, and no byte that a terminal would obey', async () => {
    const firmware = new Firmware({ HeartbeatInterval: '300', Greeting: 'come\u001b[2Jin' })
    await connect('SHOWN', firmware)
    const asked = ['SHOWN', 'HeartbeatInterval', 'Greeting', 'Nope']
    expect((await mustRun('charger', 'config', 'get', ...asked, '--via', site.nodeDir)).out).toBe(
      'HeartbeatInterval = 300\nGreeting = come[2Jin\nNope: the charger does not know it\n',
    )
  }, 60_000)
})

describe('chargemesh charger limit', () => {
  it('sets a limit in the unit that the charger takes, and takes it back', async () => {
    const firmware = new Firmware()
    await connect('LIMITED', firmware)
    await onboarded('LIMITED')
    const via = ['--via', site.nodeDir]
    expect((await mustRun('charger', 'limit', 'LIMITED', '--amps', '16', ...via)).out).toBe(
      'LIMITED: at most 16 A\n',
    )
    expect(firmware.profiles.get(7200)).toMatchObject({
      ...{ chargingProfilePurpose: 'ChargePointMaxProfile', stackLevel: 1 },
      chargingSchedule: { chargingRateUnit: 'A', chargingSchedulePeriod: [{ startPeriod: 0, limit: 16 }] },
    })
    const words = ['--kw', '11', '--phases', '3', '--connector', '1', '--json']
    expect(JSON.parse((await mustRun('charger', 'limit', 'LIMITED', ...words, ...via)).out)).toMatchObject({
      ...{ unit: 'A', limit: 15.9, connectorId: 1 },
    })
    expect(firmware.profiles.get(7201)).toMatchObject({ chargingProfilePurpose: 'TxDefaultProfile' })
    await mustRun('charger', 'limit', 'LIMITED', '--clear', ...via)
    await mustRun('charger', 'limit', 'LIMITED', '--clear', ...via)
    expect([...firmware.profiles.keys()].sort()).toEqual([7100, 7201])
  }, 60_000)

  it('says what is wrong with the question, the charger, or the line', async () => {
    const via = ['--via', site.nodeDir]
    const fault = async (...given: readonly string[]) =>
      (await run('charger', 'limit', ...given, ...via)).error
    expect(await fault('LIMITED')).toContain('one of --amps, --kw and --clear')
    expect(await fault('LIMITED', '--amps', '16', '--kw', '11')).toContain('one of')
    expect(await fault('LIMITED', '--amps', 'many')).toContain('--amps many')
    expect(await fault('NOBODY', '--amps', '16')).toMatch(/CHARGER_ABSENT: NOBODY: .*`charger show` says/)
  }, 60_000)
})
