// How hot a charger is, in whatever unit it says it; the car is not asked.
import { expect, it } from 'vitest'
import { readings } from '../../src/ocpp/meter.ts'
import { fieldsOf } from '../../src/ocpp/repair.ts'
import { hottestIn } from '../../src/ocpp/temperature.ts'

const T = { measurand: 'Temperature' }

it.each([
  [[{ ...T, value: '41.5', unit: 'Celcius' }], 41.5],
  [[{ ...T, value: 41, unit: 'Celsius' }], 41],
  [[{ ...T, value: '40' }], 40],
  [[{ ...T, value: '104', unit: 'Fahrenheit' }], 40],
  [[{ ...T, value: '313.15', unit: 'K' }], 40],
  [[{ ...T, value: '40', unitOfMeasure: { unit: 'Celsius' } }], 40],
  [
    [
      { ...T, value: '40', location: 'Body' },
      { ...T, value: '61', location: 'Outlet' },
    ],
    61,
  ],
  [
    [
      { ...T, value: '90', location: 'EV' },
      { ...T, value: '30' },
    ],
    30,
  ],
  [[{ ...T, value: '90', location: 'EV' }], undefined],
  [[{ ...T, value: '5000' }], undefined],
  [[{ ...T, value: 'hot' }], undefined],
  [[{ ...T, value: '40', unit: 'Reaumur' }], undefined],
  [[{ measurand: 'SoC', value: '40' }, 'junk'], undefined],
])('%j is %s', (samples, celsius) => {
  const measured = hottestIn(samples)
  if (celsius === undefined) expect(measured).toBeUndefined()
  else expect(measured).toBeCloseTo(celsius, 6)
})

it('stands beside the register of its reading, and makes no repair', () => {
  const sampledValue = [{ value: '7' }, { ...T, value: '40', unit: 'Celsius' }]
  const repairs = new Set<string>()
  const given = { meterValue: [{ timestamp: '2026-01-01T00:00:00Z', sampledValue }] }
  expect(readings(fieldsOf(given, repairs), 'meterValue')).toMatchObject([{ energyWh: 7, temperatureC: 40 }])
  expect([...repairs]).toEqual([])
})
