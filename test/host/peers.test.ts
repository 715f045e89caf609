import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addHints,
  addressName,
  type DialOutcome,
  type DialPlan,
  type DialSituation,
  dialBegun,
  dialEnded,
  dueDials,
  type KnownAddress,
  knownAddresses,
  MAX_DIALS,
  MAX_HINT_FAILURES,
  MAX_HINTS,
  MAX_KNOWN_ADDRESSES,
  MAX_KNOWN_OF_ONE,
  planDials,
  redialWaitMs,
} from '../../src/host/peers.ts'
import { type DeviceId, hex } from '../../src/units.ts'

const limits = { redialFirstMs: 500, redialMaxMs: 10_000 }
const device = (n: number): DeviceId => hex<DeviceId>(new Uint8Array(16).fill(n))
const A = { host: '10.0.0.1', port: 4000 }
const B = { host: '10.0.0.2', port: 4000 }
const alone = (nowMs: number): DialSituation => ({
  nowMs,
  isConnected: () => false,
  mayDial: () => true,
  room: 64,
  hintRoom: 48,
})
const known = (n: number, lastGoodAt = n): KnownAddress => ({
  host: `10.1.${n >> 8}.${n & 255}`,
  port: 1,
  deviceId: device(n),
  lastGoodAt,
})

function dialled(plan: DialPlan, outcome: DialOutcome, at: { nowMs: number; jitter: number }): DialPlan {
  const name = addressName(A)
  return dialEnded(dialBegun(plan, name), { name, outcome, limits, ...at })
}

describe('redial plan', () => {
  it('dials every static address at once, and none twice at the same time', () => {
    let plan = planDials([A, B], [])
    expect(dueDials(plan, alone(0)).map(addressName)).toEqual(['10.0.0.1:4000', '10.0.0.2:4000'])
    plan = dialBegun(plan, addressName(A))
    expect(dueDials(plan, alone(0)).map(addressName)).toEqual(['10.0.0.2:4000'])
  })

  it.each([
    { failures: 0, leastMs: 250, mostMs: 500 },
    { failures: 1, leastMs: 500, mostMs: 1_000 },
    { failures: 4, leastMs: 4_000, mostMs: 8_000 },
    { failures: 5, leastMs: 5_000, mostMs: 10_000 },
    { failures: 5_000, leastMs: 5_000, mostMs: 10_000 },
  ])('waits $leastMs to $mostMs ms after failure $failures', ({ failures, leastMs, mostMs }) => {
    expect(redialWaitMs(failures, 0, limits)).toBe(leastMs)
    expect(redialWaitMs(failures, 1, limits)).toBe(mostMs)
  })

  it('dials again after the wait and not before, and begins anew after a success', () => {
    let plan = planDials([A], [])
    plan = dialled(plan, { kind: 'failed' }, { nowMs: 1_000, jitter: 1 })
    expect(dueDials(plan, alone(1_499))).toEqual([])
    expect(dueDials(plan, alone(1_500))).toHaveLength(1)
    plan = dialled(plan, { kind: 'failed' }, { nowMs: 2_000, jitter: 1 })
    expect(dueDials(plan, alone(2_999))).toEqual([])
    plan = dialled(plan, { kind: 'reached', deviceId: device(1), nowAt: 7 }, { nowMs: 3_000, jitter: 1 })
    plan = dialled(plan, { kind: 'failed' }, { nowMs: 9_000, jitter: 1 })
    expect(dueDials(plan, alone(9_500))).toHaveLength(1)
  })

  it('leaves the address of a connected device alone, and forgets an address that is our own', () => {
    let plan = planDials([{ ...A, deviceId: device(1) }], [known(2)])
    const situation = { ...alone(0), isConnected: (id: DeviceId) => id === device(1) }
    expect(dueDials(plan, situation).map(target => target.deviceId)).toEqual([device(2)])
    plan = dialled(plan, { kind: 'ourselves' }, { nowMs: 0, jitter: 0 })
    expect(dueDials(plan, alone(1e9)).map(target => target.deviceId)).toEqual([device(2)])
  })

  it('dials a remembered address only for a device that may be dialled, a static one for whoever is there', () => {
    const plan = planDials([{ ...A, deviceId: device(1) }], [known(2), known(3)])
    const situation = { ...alone(0), mayDial: (id: DeviceId) => id === device(3) }
    expect(dueDials(plan, situation).map(target => target.deviceId)).toEqual([device(1), device(3)])
  })

  it('dials no more at once than its bound and than there is room for, static addresses first', () => {
    const plan = planDials(
      [A],
      Array.from({ length: 50 }, (_, i) => known(i + 1)),
    )
    const due = dueDials(plan, alone(0))
    expect(due).toHaveLength(MAX_DIALS)
    expect(due[0]).toMatchObject(A)
    expect(dueDials(plan, { ...alone(0), room: 3 })).toHaveLength(3)
    expect(dueDials(plan, { ...alone(0), room: -1 })).toEqual([])
  })

  it('remembers the addresses that worked, newest first, and not more than its bound', () => {
    const many = Array.from({ length: MAX_KNOWN_ADDRESSES + 20 }, (_, i) => known(i))
    expect(knownAddresses(planDials([], many))).toHaveLength(MAX_KNOWN_ADDRESSES)
    let plan = planDials([A, B], [known(1, 50)])
    plan = dialled(plan, { kind: 'reached', deviceId: device(9), nowAt: 99 }, { nowMs: 0, jitter: 0 })
    expect(knownAddresses(plan)).toEqual([{ ...A, deviceId: device(9), lastGoodAt: 99 }, known(1, 50)])
    expect(knownAddresses(planDials([], knownAddresses(plan)))).toEqual(knownAddresses(plan))
  })

  it('never plans a dial before its time, whatever happened before', () => {
    const outcome = fc.constantFrom<DialOutcome>(
      { kind: 'failed' },
      { kind: 'reached', deviceId: device(1), nowAt: 1 },
    )
    const step = fc.record({
      outcome,
      afterMs: fc.nat(20_000),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), steps => {
        let plan = planDials([A], [])
        let nowMs = 0
        for (const { outcome, afterMs, jitter } of steps) {
          nowMs += afterMs
          plan = dialled(plan, outcome, { nowMs, jitter })
          expect(dueDials(plan, alone(nowMs + 249))).toEqual([])
          expect(dueDials(plan, alone(nowMs + limits.redialMaxMs))).toHaveLength(1)
        }
      }),
    )
  })
})

describe('hints', () => {
  const hintOf = (n: number, ...ports: readonly number[]) => ({
    deviceId: device(n),
    addresses: ports.map(port => ({ host: '10.2.0.1', port })),
  })
  const names = (plan: DialPlan): readonly string[] =>
    [...plan.values()].filter(one => one.isHint).map(addressName)

  it('are taken of devices that may be dialled and are not connected, and of no others', () => {
    const situation = {
      ...alone(0),
      mayDial: (id: DeviceId) => id !== device(9),
      isConnected: (id: DeviceId) => id === device(2),
    }
    const plan = addHints(planDials([], []), [hintOf(1, 1), hintOf(2, 2), hintOf(9, 9)], situation)
    expect(names(plan)).toEqual(['10.2.0.1:1'])
  })

  it('never number more than the bound, and those that failed make room', () => {
    const flood = Array.from({ length: 500 }, (_, i) => hintOf(i % 100, 1000 + i))
    let plan = addHints(planDials([A], [known(1)]), flood, alone(0))
    expect(names(plan)).toHaveLength(MAX_HINTS)
    expect(plan.size).toBe(MAX_HINTS + 2)
    plan = addHints(plan, [hintOf(7, 7)], alone(0))
    expect(plan.has('10.2.0.1:7')).toBe(false)
    const name = '10.2.0.1:1000'
    plan = dialEnded(dialBegun(plan, name), {
      name,
      outcome: { kind: 'failed' },
      nowMs: 0,
      jitter: 0,
      limits,
    })
    plan = addHints(plan, [hintOf(7, 7)], alone(0))
    expect([plan.has('10.2.0.1:7'), plan.has(name), names(plan).length]).toEqual([true, false, MAX_HINTS])
  })

  it('get their turn however many remembered addresses are dead', () => {
    const dead = Array.from({ length: 200 }, (_, n) => known(n))
    let plan = addHints(planDials([], dead), [hintOf(201, 1)], alone(0))
    for (const name of plan.keys())
      if (!plan.get(name)?.isHint)
        plan = dialEnded(plan, { name, outcome: { kind: 'failed' }, nowMs: 0, jitter: 0, limits })
    const due = dueDials(plan, alone(60_000))
    expect(due.map(one => one.isHint)).toEqual([...Array(MAX_DIALS - 1).fill(false), true])
  })

  it('are dialled one at a time, last, and only where no better address of the device is untried', () => {
    let plan = addHints(planDials([A], [known(1)]), [hintOf(1, 1), hintOf(2, 2), hintOf(3, 3)], alone(0))
    expect(dueDials(plan, alone(0)).map(one => one.isHint)).toEqual([false, false, true])
    expect(dueDials(plan, alone(0)).at(-1)?.deviceId).toEqual(device(2))
    expect(dueDials(plan, { ...alone(0), hintRoom: 0 }).some(one => one.isHint)).toBe(false)
    expect(dueDials(plan, { ...alone(0), room: 2 }).map(one => one.isHint)).toEqual([false, true])
    expect(dueDials(plan, { ...alone(0), room: 0 })).toEqual([])
    const name = addressName(known(1))
    plan = dialEnded(dialBegun(plan, name), {
      name,
      outcome: { kind: 'failed' },
      nowMs: 0,
      jitter: 0,
      limits,
    })
    expect(dueDials(plan, alone(0)).at(-1)?.deviceId).toEqual(device(1))
  })

  it('are forgotten after some failures, and known addresses never are', () => {
    let plan = addHints(planDials([], [known(1)]), [hintOf(2, 2)], alone(0))
    for (const name of ['10.2.0.1:2', addressName(known(1))])
      for (let i = 0; i < MAX_HINT_FAILURES; i++)
        plan = dialEnded(dialBegun(plan, name), {
          name,
          outcome: { kind: 'failed' },
          nowMs: 0,
          jitter: 0,
          limits,
        })
    expect([...plan.keys()]).toEqual([addressName(known(1))])
  })

  it('that lead to a device become known addresses, of which one device keeps the newest few', () => {
    let plan = planDials([A], [])
    for (let port = 1; port <= 50; port++) {
      plan = addHints(plan, [hintOf(1, port)], alone(0))
      const name = `10.2.0.1:${port}`
      const outcome = { kind: 'reached', deviceId: device(1), nowAt: port } as const
      plan = dialEnded(dialBegun(plan, name), { name, outcome, nowMs: 0, jitter: 0, limits })
    }
    expect(knownAddresses(plan).map(one => one.port)).toEqual(
      Array.from({ length: MAX_KNOWN_OF_ONE }, (_, i) => 50 - i),
    )
    expect(plan.has(addressName(A))).toBe(true)
  })
})
