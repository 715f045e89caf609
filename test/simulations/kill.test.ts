// The judges of the kill matrix can find what they look for, and its cases are all there.
import { describe, expect, it } from 'vitest'
import { type Billed, compare } from '../../simulations/kill/books.ts'
import { killCases } from '../../simulations/kill/cases.ts'

const TRUTH = { name: 'a case', sessions: [{ chargerId: 'CP-1', meterStartWh: 100, energyWh: 40 }] }
const bill = (change: Partial<Billed> = {}): Billed => ({
  ...{ meterStartWh: 100, energyWh: 40, invoices: 1 },
  ...change,
})

describe('the books of a case', () => {
  it.each([
    ['one right bill', [bill()], []],
    ['no bill', [], ['lost']],
    ['a bill over other energy', [bill({ energyWh: 39 })], ['wrongEnergy']],
    ['two invoices of one session', [bill({ invoices: 2 })], ['double']],
    ['the same session under two names', [bill(), bill()], ['double']],
    ['a bill from elsewhere only', [bill({ meterStartWh: 140 })], ['lost', 'double']],
  ])('with %s', (_words, billed, kinds) => {
    expect(compare(TRUTH, billed).map(({ kind }) => kind)).toEqual(kinds)
  })
})

describe('the cases', () => {
  it('are at least forty of each version, each with a name of its own', () => {
    const cases = killCases()
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length)
    for (const version of ['1.6', '2.0.1'])
      expect(cases.filter(one => one.version === version).length).toBeGreaterThanOrEqual(40)
  })

  it('kill at each step and moment, back at the same node and on at one that has not heard of it', () => {
    const names = killCases().map(({ name }) => name)
    for (const step of ['start', 'meter', 'stop'])
      for (const moment of ['unheard', 'heard', 'written', 'unanswered', 'answered'])
        for (const to of ['back to it', 'on at another', 'on at one cut off from it'])
          expect(names).toContain(`2.0.1: ${step} ${moment}; ${to}`)
  })
})
