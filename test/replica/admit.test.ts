// Every verdict of the gate and every reason for a refusal (PROTOCOL 1.6), the byte vectors of PROTOCOL 1.1 and 6.6,
// and the promise that nothing which is not admitted changes anything.
import { describe, expect, it } from 'vitest'
import { TYPE_NUMBERS } from '../../src/log/body.ts'
import { encodeElement, type LogEvent } from '../../src/log/event.ts'
import { MAX_UNSEALED_EVENTS } from '../../src/log/writer.ts'
import type { Admission } from '../../src/replica/admit.ts'
import { type LogId, type SiteId, unhex } from '../../src/units.ts'
import { sessionBodies, testSite } from '../site.ts'
import { type Crafted, craft, gateOf, openBody, segmentOf } from './gate.ts'

const site = testSite('gate')
const node = site.device('node')
const stranger = site.device('stranger')
const where = { site, device: node }
const seal: Crafted = {}
const loose: Crafted = { sealed: false }

function words(admission: Admission): string {
  return admission.kind === 'invalid' ? admission.reason : admission.kind
}

/** The gate's verdict on `last`, after it admitted the others. */
function verdict(...segments: readonly (readonly LogEvent[])[]): string {
  const gate = gateOf(site, [node])
  const verdicts = segments.map(events => words(gate.admit(segmentOf(events))))
  expect(verdicts.slice(0, -1).every(word => word === 'admitted')).toBe(true)
  return verdicts.at(-1) ?? 'nothing'
}

function rows(count: number, row: Crafted = seal): readonly Crafted[] {
  return Array.from({ length: count }, () => row)
}

const whole = craft(where, rows(10))

describe('the gate admits', () => {
  it('a new log, an end of it, and the rest of it', () => {
    expect(verdict(whole.slice(0, 4))).toBe('admitted')
    expect(verdict(whole.slice(0, 4), whole.slice(4))).toBe('admitted')
  })

  it('of an overlapping segment only what is new, in its own canonical bytes', () => {
    const gate = gateOf(site, [node])
    gate.admit(segmentOf(whole.slice(0, 4)))
    const admission = gate.admit(segmentOf(whole.slice(2, 9)))
    if (admission.kind !== 'admitted') throw new Error(words(admission))
    expect(admission.events).toEqual(whole.slice(4, 9))
    expect(admission.elements).toEqual(whole.slice(4, 9).map(encodeElement))
    expect(admission.head).toMatchObject({ seq: 8, hash: whole[8]?.hash, closed: false })
    expect(admission.certificate).toEqual(node.certificate)
  })

  it('a type that it does not know, and a body that no table reads: folds judge those', () => {
    expect(verdict(craft(where, [seal, { type: 200, body: unhex('ff') }]))).toBe('admitted')
    expect(verdict(craft(where, [seal, { type: TYPE_NUMBERS.session_start, body: unhex('80') }]))).toBe(
      'admitted',
    )
  })

  it('events of a certificate that has expired, because admission is not trust', () => {
    const old = site.device('old', ['node'], { fromAt: 0, toAt: 1 })
    const gate = gateOf(site, [old])
    expect(words(gate.admit(segmentOf(craft({ site, device: old }, [seal]))))).toBe('admitted')
  })

  it('stamps that are centuries ahead: a lying clock harms its own log alone', () => {
    expect(verdict(craft(where, [seal, { hlc: 2n ** 64n - 1n }]))).toBe('admitted')
  })

  it(`${MAX_UNSEALED_EVENTS} unsealed events before a seal`, () => {
    expect(verdict(craft(where, [seal, ...rows(MAX_UNSEALED_EVENTS, loose), seal]))).toBe('admitted')
  })

  it('what the real writer makes', () => {
    const log = site.openLog(node)
    const session = sessionBodies()
    log.append([session.start, session.pricing, session.tick(155_000), session.end])
    const gate = gateOf(site, [node])
    expect(log.segments().map(segment => words(gate.admit(segment)))).toEqual(['admitted'])
  })
})

describe('the gate calls it', () => {
  it.each([
    ['a duplicate when nothing is new', () => verdict(whole, whole.slice(3, 6)), 'duplicate'],
    ['a duplicate when everything comes again', () => verdict(whole, whole), 'duplicate'],
    ['a gap when events between are missing', () => verdict(whole.slice(0, 4), whole.slice(5)), 'gap'],
    ['a gap when the log is unknown and does not begin', () => verdict(whole.slice(1)), 'gap'],
  ])('%s', (_, given, wanted) => {
    expect(given()).toBe(wanted)
  })

  it('an unknown certificate when it is not in the roster, and names it', () => {
    const gate = gateOf(site, [])
    expect(gate.admit(segmentOf(whole))).toEqual({
      kind: 'unknown-certificate',
      certHash: node.certificate.hash,
    })
  })

  it.each([
    ['at the head', 9, 9],
    ['in the middle, by a segment that begins with what both share', 2, 5],
    ['at the first event behind the opening', 1, 1],
  ])('a fork %s', (_, fromSeq, forkSeq) => {
    const gate = gateOf(site, [node])
    gate.admit(segmentOf(whole))
    const shared = whole.slice(0, forkSeq)
    const branch = craft(
      { ...where, fromSeq: forkSeq, prev: shared.at(-1)?.hash ?? whole[0]?.prev ?? 'none' } as never,
      [{ body: unhex('8161ff'), type: 201 }, seal],
    )
    expect(gate.admit(segmentOf([...whole.slice(fromSeq, forkSeq), ...branch]))).toEqual({
      kind: 'fork',
      seq: forkSeq,
      ours: whole[forkSeq]?.hash,
      theirs: branch[0]?.hash,
    })
  })

  it('a fork when the opening itself exists twice under one epoch', () => {
    const gate = gateOf(site, [node])
    gate.admit(segmentOf(whole))
    const other = craft(where, [{ body: openBody(site, node, { swVersion: 'other' }) }])
    expect(gate.admit(segmentOf(other))).toMatchObject({ kind: 'fork', seq: 0 })
  })

  it('a fork when one event was signed in one branch and left unsigned in the other', () => {
    const gate = gateOf(site, [node])
    gate.admit(segmentOf(whole))
    const again = craft(where, [seal, seal, loose, seal])
    expect(gate.admit(segmentOf(again))).toMatchObject({ kind: 'fork', seq: 2 })
  })
})

describe('the gate refuses', () => {
  const swapped = (events: readonly LogEvent[]): readonly LogEvent[] => {
    const turned = [...events].reverse()
    return turned.map((event, i) => ({ ...event, seq: (events[0]?.seq ?? 0) + i }))
  }
  const foreignLog = 'aa'.repeat(16) as LogId
  const otherSite = testSite('elsewhere')
  const otherNode = otherSite.device('node')

  it.each<[string, string, () => string]>([
    [
      'an invalid seal in the middle under a valid one at the end',
      'bad-signature',
      () => verdict(craft(where, [seal, { sealed: 'wrong' }, seal])),
    ],
    ['an invalid seal at the end', 'bad-signature', () => verdict(craft(where, [seal, { sealed: 'wrong' }]))],
    [
      'an invalid seal behind what we hold',
      'bad-signature',
      () => verdict(whole, craft({ ...where, fromSeq: 10, prev: hashOf(whole, 9) }, [{ sealed: 'wrong' }])),
    ],
    [
      'an invalid seal in an overlap, where a fork is claimed',
      'bad-signature',
      () => verdict(whole, craft({ ...where, fromSeq: 5, prev: hashOf(whole, 4) }, [{ sealed: 'wrong' }])),
    ],
    ['events in the wrong order', 'bad-signature', () => verdict(whole.slice(0, 4), swapped(whole.slice(4)))],
    [
      'events in the wrong order whose clocks do not tell',
      'bad-signature',
      () => {
        const still = craft(where, rows(6, { hlc: 9n, monoMs: 9 }))
        return verdict(still.slice(0, 4), swapped(still.slice(4)))
      },
    ],
    [
      'events of another log under this name',
      'log-id-mismatch',
      () => verdict(craft({ ...where, logId: foreignLog }, [seal])),
    ],
    [
      'a log that names somebody else as its author',
      'log-id-mismatch',
      () => {
        const stolen = craft({ site, device: stranger }, [{ body: openBody(site, node) }])
        return words(gateOf(site, [node, stranger]).admit(segmentOf(stolen)))
      },
    ],
    [
      'a log of an own device that another key signed',
      'bad-signature',
      () => {
        const logId = whole[0]?.logId as LogId
        return verdict(craft({ site, device: stranger, logId }, [{ body: openBody(site, node) }]))
      },
    ],
    [
      'a log that says it belongs to another site',
      'foreign-site',
      () => verdict(craft(where, [{ body: openBody(site, node, { siteId: '99'.repeat(16) as SiteId }) }])),
    ],
    [
      'a log of another site',
      'foreign-site',
      () => verdict(craft({ site: otherSite, device: otherNode }, [seal])),
    ],
    [
      'a log that begins with something else',
      'first-event-not-epoch-open',
      () => verdict(craft(where, [{ type: TYPE_NUMBERS.diagnostics, body: unhex('826178' + '60') }])),
    ],
    [
      'a log whose opening cannot be read',
      'first-event-not-epoch-open',
      () => verdict(craft(where, [{ body: unhex('80') }])),
    ],
    [
      'a second opening inside',
      'epoch-open-inside',
      () => verdict(craft(where, [seal, { type: TYPE_NUMBERS.epoch_open, body: openBody(site, node) }])),
    ],
    [
      'an event behind the closing one, in one segment',
      'behind-epoch-close',
      () => verdict(craft(where, [seal, { type: TYPE_NUMBERS.epoch_close, body: unhex('8101') }, seal])),
    ],
    [
      'an event behind the closing one, in the next segment',
      'behind-epoch-close',
      () => {
        const closed = craft(where, [seal, { type: TYPE_NUMBERS.epoch_close, body: unhex('8101') }, seal])
        return verdict(closed.slice(0, 2), closed.slice(2))
      },
    ],
    ['a stamp that went back', 'clock-went-back', () => verdict(craft(where, [seal, { hlc: 1n }]))],
    [
      'a stamp that went back behind what we hold',
      'clock-went-back',
      () => verdict(whole, craft({ ...where, fromSeq: 10, prev: hashOf(whole, 9) }, [{ hlc: 1n }])),
    ],
    [
      'a monotonic clock that went back',
      'clock-went-back',
      () => verdict(craft(where, [{ monoMs: 5 }, { monoMs: 4 }])),
    ],
    ['a tail that no seal covers', 'not-sealed-at-end', () => verdict(craft(where, [seal, loose]))],
    ['an opening alone without its seal', 'not-sealed-at-end', () => verdict(craft(where, [loose]))],
    [
      'one unsealed event too many',
      'too-many-unsealed',
      () => verdict(craft(where, [seal, ...rows(MAX_UNSEALED_EVENTS + 1, loose), seal])),
    ],
  ])('%s', (_, reason, given) => {
    expect(given()).toBe(reason)
  })

  function hashOf(events: readonly LogEvent[], seq: number): LogEvent['hash'] {
    return events[seq]?.hash ?? ('' as LogEvent['hash'])
  }
})
