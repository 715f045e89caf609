import { describe, expect, it } from 'vitest'
import { createSocSwitch } from '../../src/api/driver-soc.ts'
import { SOC_ENABLED, type SocEnabled } from '../../src/api/driver-words.ts'
import type { ChargerCommand, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'

const CP1 = 'CP1' as ChargerId
const KEY = 'MeterValuesSampledData'

type Firmware = {
  readonly value?: string
  readonly isReadOnly?: boolean
  readonly change?: (value: string) => { readonly outcome: CommandOutcome; readonly kept?: string }
  readonly read?: CommandOutcome
}

function charger({ value, isReadOnly = false, change, read }: Firmware) {
  const sent: ChargerCommand[] = []
  let kept = value
  const command = async (_id: ChargerId, said: ChargerCommand): Promise<CommandOutcome> => {
    sent.push(said)
    if (said.kind === 'getConfiguration') {
      const entry = { key: KEY, readonly: isReadOnly, value: kept }
      const detail = { configurationKey: kept === undefined ? [] : [entry], unknownKey: [] }
      return read ?? { kind: 'accepted', detail }
    }
    if (said.kind !== 'changeConfiguration') throw new Error('asked for something else')
    const made = change?.(said.value) ?? { outcome: { kind: 'accepted' }, kept: said.value }
    kept = made.kept ?? kept
    return made.outcome
  }
  return { sent, kept: () => kept, switch: createSocSwitch({ command }) }
}

async function enabled(firmware: Firmware): Promise<SocEnabled & { readonly kept: string | undefined }> {
  const made = charger(firmware)
  return { ...SOC_ENABLED.parse(await made.switch.enable(CP1)), kept: made.kept() }
}

describe('enable-soc', () => {
  it.each([
    ['Energy.Active.Import.Register', 'Energy.Active.Import.Register,SoC'],
    [
      ' Energy.Active.Import.Register , Power.Active.Import',
      'Energy.Active.Import.Register,Power.Active.Import,SoC',
    ],
    ['', 'SoC'],
    ['Current.Import.L1,Vendor.Thing', 'Current.Import.L1,Vendor.Thing,SoC'],
  ])('makes %j to %j', async (value, after) => {
    expect(await enabled({ value })).toMatchObject({
      enabled: true,
      changed: true,
      reason: null,
      kept: after,
    })
  })

  it.each(['SoC', 'Energy.Active.Import.Register,SoC', 'soc,Voltage'])('leaves %j as it is', async value => {
    expect(await enabled({ value })).toMatchObject({ enabled: true, changed: false, kept: value })
  })

  it.each([
    ['read_only', { value: 'Voltage', isReadOnly: true }],
    ['no_such_setting', {}],
    ['no_such_setting', { value: 'Voltage', read: { kind: 'rejected', status: 'NotSupported' } }],
    ['unreachable', { value: 'Voltage', read: { kind: 'unreachable', reason: 'gone' } }],
    ['refused', { value: 'Voltage', change: () => ({ outcome: { kind: 'rejected', status: 'Rejected' } }) }],
    ['unreachable', { value: 'Voltage', change: () => ({ outcome: { kind: 'unreachable', reason: '' } }) }],
    ['not_kept', { value: 'Voltage', change: () => ({ outcome: { kind: 'accepted' } }) }],
  ] as readonly (readonly [string, Firmware])[])('says %s of %j', async (reason, firmware) => {
    const said = await enabled(firmware)
    expect(said).toMatchObject({ enabled: false, changed: false, reason, kept: firmware.value })
    expect(said.text).not.toBe('')
  })

  it('is done with the next restart where the charger says so', async () => {
    const change = () => ({ outcome: { kind: 'accepted', detail: { status: 'RebootRequired' } } }) as const
    expect(await enabled({ value: 'Voltage', change })).toMatchObject({
      ...{ enabled: true, changed: true, measurands: ['Voltage', 'SoC'] },
      text: 'The charger will tell it after its next restart.',
    })
  })

  it('is asked of a charger once at a time', async () => {
    const made = charger({ value: 'Voltage' })
    const both = await Promise.all([made.switch.enable(CP1), made.switch.enable(CP1)])
    expect(both[0]).toBe(both[1])
    expect(made.sent.filter(({ kind }) => kind === 'changeConfiguration')).toHaveLength(1)
    expect((await made.switch.enable(CP1)).changed).toBe(false)
  })
})
