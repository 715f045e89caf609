// Whatever a charger sends, serve() gives events that can be written down and an answer that fits. A message that
// could not be recorded would come back for ever and block its charger's queue, or stop the node for all chargers.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeBody } from '../../src/log/body.ts'
import { withReference } from '../../src/ocpp/draft.ts'
import { translate } from '../../src/ocpp/v16.ts'
import type { ChargerMessage } from '../../src/ports.ts'
import { CARD, campus } from './charging.ts'

const times = fc.oneof(
  fc.constantFrom('0001-01-01T00:00:00Z', '1970-01-01T00:00:00+02:00', '1969-12-31T23:59:59Z', '', 'noon'),
  fc.date({ noInvalidDate: true }).map(at => at.toISOString()),
  fc.string({ maxLength: 200 }),
  fc.integer(),
)
const numbers = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.maxSafeInteger(),
  fc.string(),
  fc.constantFrom('1e12', '-0', null),
)
const texts = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.constant(undefined),
)
const signed = fc.oneof(
  fc.string({ minLength: 2000, maxLength: 9000 }),
  fc.string({ unit: 'grapheme', minLength: 2000, maxLength: 3000 }),
)
const sample = fc.record(
  {
    value: fc.oneof(numbers, signed),
    measurand: fc.constantFrom('Energy.Active.Import.Register', 'SoC', 'Power.Active.Import'),
    format: fc.constantFrom('Raw', 'SignedData'),
    unit: fc.constantFrom('Wh', 'kWh', 'W', 'Percent'),
  },
  { requiredKeys: ['value'] },
)
const meterValue = fc.array(
  fc.record({ timestamp: times, sampledValue: fc.array(sample, { maxLength: 4 }) }),
  {
    maxLength: 4,
  },
)
const calls = fc.oneof(
  fc.tuple(
    fc.constant('StartTransaction'),
    fc.record({ connectorId: numbers, idTag: texts, meterStart: numbers, timestamp: times }),
  ),
  fc.tuple(
    fc.constant('StopTransaction'),
    fc.record({
      ...{ transactionId: numbers, idTag: texts, meterStop: numbers, timestamp: times, reason: texts },
      transactionData: meterValue,
    }),
  ),
  fc.tuple(
    fc.constant('MeterValues'),
    fc.record({ connectorId: numbers, transactionId: numbers, meterValue }),
  ),
  fc.tuple(
    fc.constant('StatusNotification'),
    fc.record({ connectorId: numbers, errorCode: texts, status: texts, info: texts, vendorErrorCode: texts }),
  ),
  fc.tuple(fc.constantFrom('BootNotification', 'Authorize', 'Heartbeat', 'DataTransfer'), fc.jsonValue()),
)

async function wordsOf([action, params]: [string, unknown]): Promise<ChargerMessage | undefined> {
  const translation = translate(action, params, () => undefined)
  return translation.kind === 'message' ? await withReference(translation.draft, async () => CARD) : undefined
}

describe('any message of a charger', () => {
  it('can be recorded, and is answered', async () => {
    const site = campus()
    const node = site.node('a')
    site.publish(node)
    const { transactionId } = node.start()
    await fc.assert(
      fc.asyncProperty(calls, async call => {
        const message = await wordsOf(call)
        if (!message) return
        const named =
          message.kind === 'meter' || message.kind === 'stop' ? { ...message, transactionId } : message
        expect(node.say(named).kind).not.toBe('silence')
      }),
      { numRuns: 400 },
    )
  })

  it.each(['0001-01-01T00:00:00Z', '1970-01-01T00:00:00+02:00'])(
    'with a time of %s has its time as sent',
    async timestamp => {
      const node = campus().node('a')
      const message = await wordsOf([
        'StartTransaction',
        { connectorId: 1, idTag: 'A', meterStart: 0, timestamp },
      ])
      if (message) node.say(message)
      expect(node.only().start.body.startedAt.raw).toBe(timestamp)
    },
  )

  it('keeps the readings beside a signed value that is too long', async () => {
    const node = campus().node('a')
    const { transactionId } = node.start()
    const sampledValue = [{ value: '155000' }, { value: 'x'.repeat(8000), format: 'SignedData' }]
    const meterValues = [{ timestamp: '2026-06-01T10:00:00Z', sampledValue }]
    const message = await wordsOf(['MeterValues', { connectorId: 1, transactionId, meterValue: meterValues }])
    if (message) node.say(message)
    expect(node.only().registerWh).toBe(155_000)
  })

  it('is measured against the very tables of the events: a time before 1970 has no place in one', () => {
    const time = { raw: 'x', at: -1 }
    const body = {
      chargerId: 'CP-1',
      transactionId: 1,
      meterStopWh: 1,
      stoppedAt: time,
      reason: '',
      connectionId: 1,
    }
    expect(() => encodeBody({ name: 'session_end', body: { ...body, clock: 'rtc' } as never })).toThrow()
  })
})
