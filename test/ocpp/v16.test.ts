import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Draft, type LastRegister, withReference } from '../../src/ocpp/draft.ts'
import { mendFrame } from '../../src/ocpp/frame.ts'
import { MAX_READINGS } from '../../src/ocpp/meter.ts'
import { translate } from '../../src/ocpp/v16.ts'
import type { TokenRef } from '../../src/units.ts'

type Row = {
  readonly name: string
  readonly frame: string
  readonly lastRegisterWh?: number
  readonly draft: Draft
  readonly repairs: readonly string[]
}

const rows: readonly Row[] = JSON.parse(
  readFileSync(new URL('../fixtures/ocpp/frames16.json', import.meta.url), 'utf8'),
)
const nothingHeard = () => undefined

/** The way of a frame through this folder, without the sockets. */
function read(frame: string, last: LastRegister) {
  const mended = mendFrame(frame)
  const [, , action, payload] = JSON.parse(mended.text)
  const translation = translate(action, payload, last)
  if (translation.kind !== 'message') return translation
  return { draft: translation.draft, repairs: [...mended.repairs, ...translation.repairs].sort() }
}

describe('a frame of OCPP 1.6 becomes our words', () => {
  it.each(rows)('$name', ({ frame, draft, repairs, lastRegisterWh }) => {
    expect(read(frame, () => lastRegisterWh)).toEqual({ draft, repairs })
  })

  it('keeps the first and the last of too many readings', () => {
    const meterValue = Array.from({ length: 1000 }, (_, i) => ({
      timestamp: '2026-05-01T10:00:00Z',
      sampledValue: [{ value: String(i) }],
    }))
    const translation = translate('MeterValues', { connectorId: 1, meterValue }, nothingHeard)
    if (translation.kind !== 'message' || translation.draft.kind !== 'meter')
      throw new Error('not a meter message')
    expect(translation.repairs).toEqual(['too-many-readings'])
    expect(translation.draft.readings).toHaveLength(MAX_READINGS)
    expect(translation.draft.readings[0]?.energyWh).toBe(0)
    expect(translation.draft.readings.at(-1)?.energyWh).toBe(999)
  })

  it('knows which actions it does not know, whatever they are called', () => {
    for (const action of ['MakeCoffee', '', '__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(translate(action, {}, nothingHeard)).toEqual({ kind: 'unknown' })
    }
    expect(translate('SignCertificate', {}, nothingHeard)).toEqual({
      kind: 'formality',
      payload: { status: 'Rejected' },
    })
  })
})

const ACTIONS = [
  'Authorize',
  'BootNotification',
  'DataTransfer',
  'Heartbeat',
  'MeterValues',
  'StartTransaction',
  'StatusNotification',
  'StopTransaction',
]
const FIELDS = [
  'chargePointModel',
  'chargePointVendor',
  'connectorId',
  'errorCode',
  'format',
  'idTag',
  'location',
  'measurand',
  'meterStart',
  'meterStop',
  'meterValue',
  'multiplier',
  'phase',
  'reason',
  'sampledValue',
  'status',
  'timestamp',
  'transactionData',
  'transactionId',
  'unit',
  'unitOfMeasure',
  'value',
]
const { json } = fc.letrec<{ json: unknown }>(tie => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, -1, 0, 2 ** 31, 1e300, '', 'SignedData', 'kWh', 'L1', 'Wh', '1e5', '\u0000x'),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string(),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...FIELDS), tie('json'), { maxKeys: 6 }),
  ),
}))

describe('whatever a charger sends', () => {
  it('is translated without a throw, into whole, bounded, finite numbers', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ACTIONS), json, (action, payload) => {
        const translation = translate(action, payload, nothingHeard)
        if (translation.kind !== 'message') throw new Error('a known action was not known')
        const { draft } = translation
        if (draft.kind === 'start') expect(Number.isSafeInteger(draft.meterStartWh)).toBe(true)
        if (draft.kind === 'stop') {
          expect(Number.isSafeInteger(draft.meterStopWh) && draft.meterStopWh >= 0).toBe(true)
          expect(Math.abs(draft.transactionId)).toBeLessThan(2 ** 31)
        }
        if (draft.kind === 'start' || draft.kind === 'authorize')
          expect(draft.idTag.length).toBeLessThanOrEqual(20)
        const readings = draft.kind === 'meter' || draft.kind === 'stop' ? draft.readings : []
        for (const { energyWh = 0, powerW = 0, socPercent = 0 } of readings) {
          expect(Number.isSafeInteger(energyWh) && energyWh >= 0 && Number.isSafeInteger(powerW)).toBe(true)
          expect(socPercent >= 0 && socPercent <= 100).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('is mended without a throw, and clean frames are not touched', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          json.map(value => JSON.stringify(value)),
        ),
        text => {
          mendFrame(text)
          mendFrame(`,[2,1,${text}`)
        },
      ),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...ACTIONS), fc.jsonValue(), (id, action, payload) => {
        const text = JSON.stringify([2, id, action, payload])
        expect(mendFrame(text)).toEqual({ text, callId: id, repairs: [] })
      }),
    )
  })

  it('keeps commas inside texts when a frame is mended', () => {
    const { text, repairs } = mendFrame(`,[2,"a","DataTransfer",{,"vendorId":"x,,]\\",}",}]`)
    expect(JSON.parse(text)).toEqual([2, 'a', 'DataTransfer', { vendorId: 'x,,]",}' }])
    expect(repairs).toEqual(['bad-json'])
  })
})

describe('the card of a message', () => {
  it('is replaced by its reference, in the form in which every list is matched', async () => {
    const asked: string[] = []
    const reference = async (tag: string) => {
      asked.push(tag)
      return `ref-${tag}` as TokenRef
    }
    const translation = translate(
      'StopTransaction',
      { transactionId: 1, meterStop: 5, idTag: 'ab\u0000' },
      () => 0,
    )
    if (translation.kind !== 'message') throw new Error('not a message')
    const message = await withReference(translation.draft, reference)
    expect(message).toMatchObject({ kind: 'stop', tokenRef: 'ref-AB' })
    expect(JSON.stringify(message)).not.toContain('idTag')
    expect(asked).toEqual(['AB'])
  })
})
