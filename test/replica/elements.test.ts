// What the gate refuses from the bytes alone: elements and updates that are not exactly what we write (PROTOCOL 1.6).
import { describe, expect, it } from 'vitest'
import { encodeElement, type LogEvent } from '../../src/log/event.ts'
import type { Admission } from '../../src/replica/admit.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES } from '../../src/replica/canonical.ts'
import { concatBytes, type LogId, unhex } from '../../src/units.ts'
import { testSite } from '../site.ts'
import { craft, gateOf, segmentOf } from './gate.ts'

const site = testSite('elements')
const node = site.device('node')
const whole = craft(
  { site, device: node },
  Array.from({ length: 10 }, () => ({})),
)
const foreignLog = 'aa'.repeat(16) as LogId

function words(admission: Admission): string {
  return admission.kind === 'invalid' ? admission.reason : admission.kind
}

describe('the gate refuses, before it asks whose log it is,', () => {
  /** Verdict on raw bytes as the whole of a new log, or as what follows our ten events. */
  function raw(update: Uint8Array, fromSeq = 0): string {
    const gate = gateOf(site, [node])
    gate.admit(segmentOf(whole))
    const logId = whole[0]?.logId as LogId
    return words(gate.admit({ logId: fromSeq === 0 ? foreignLog : logId, fromSeq, update }))
  }
  const elementOf = (i: number): Uint8Array => encodeElement(whole[i] as LogEvent)
  const changed = (at: number, value: number): Uint8Array => {
    const element = elementOf(1).slice()
    element[at] = value
    return element
  }

  it.each<[string, string, () => string]>([
    ['an element of an unknown version', 'element-version', () => raw(encodeUpdate(10, [changed(0, 2)]), 10)],
    ['an element with unknown flags', 'element-flags', () => raw(encodeUpdate(10, [changed(2, 3)]), 10)],
    [
      'an element that says another length',
      'element-length',
      () => raw(encodeUpdate(10, [changed(18, 200)]), 10),
    ],
    ['an element that is too short', 'element-length', () => raw(encodeUpdate(10, [unhex('01')]), 10)],
    ['an empty element', 'element-length', () => raw(encodeUpdate(10, [new Uint8Array()]), 10)],
    [
      'an element with a body above the limit',
      'element-length',
      () =>
        raw(
          encodeUpdate(10, [
            concatBytes([unhex('010000'), new Uint8Array(14), unhex('2001'), new Uint8Array(8193)]),
          ]),
          10,
        ),
    ],
    ['a segment that is too long', 'segment-too-long', () => raw(new Uint8Array(MAX_SEGMENT_BYTES + 1))],
    ['no bytes at all', 'update-malformed', () => raw(new Uint8Array())],
    ['an update of no events', 'update-malformed', () => raw(encodeUpdate(0, []))],
    ['an update that stands elsewhere', 'update-malformed', () => raw(encodeUpdate(11, [elementOf(1)]), 10)],
    [
      'a number in more bytes than it needs',
      'update-not-canonical',
      () => {
        const good = encodeUpdate(10, [elementOf(1)])
        return raw(concatBytes([good.subarray(0, 1), unhex('8100'), good.subarray(2)]), 10)
      },
    ],
  ])('%s', (_, reason, given) => {
    expect(given()).toBe(reason)
  })
})
