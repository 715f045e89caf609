import { expect, it } from 'vitest'
import { createAttempts } from '../../src/cloud/attempts.ts'

function bench() {
  let nowMs = 1_000
  const attempts = createAttempts({ wallMs: () => 0, monotonicMs: () => nowMs })
  const fail = (address: string, times: number): void => {
    for (let i = 0; i < times; i++) attempts.fail(address)
  }
  return { attempts, fail, pass: (ms: number) => (nowMs += ms) }
}

it('lets an address wait after sixty failures in a minute, and that one alone', () => {
  const { attempts, fail, pass } = bench()
  fail('10.0.0.1', 59)
  expect(attempts.waitS('10.0.0.1')).toBe(0)
  pass(10_000)
  fail('10.0.0.1', 1)
  expect(attempts.waitS('10.0.0.1')).toBe(50)
  expect(attempts.waitS('10.0.0.2')).toBe(0)
  pass(50_000)
  expect(attempts.waitS('10.0.0.1')).toBe(0)
})

it('remembers a bounded number of addresses, the newest', () => {
  const { attempts, fail } = bench()
  fail('first', 60)
  for (let i = 0; i < 4_095; i++) fail(`address ${i}`, 1)
  expect(attempts.waitS('first')).toBeGreaterThan(0)
  fail('one more', 1)
  expect(attempts.waitS('first')).toBe(0)
})
