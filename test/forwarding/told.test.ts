// How far a session is upstream is the same on every node that holds the same words, and what was answered is never asked again.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTold, type Told, type Word } from '../../src/forwarding/told.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import type { ChargerId, DeviceId, EventHash, LogId, SessionId } from '../../src/units.ts'

const SESSION = '5e'.repeat(16) as SessionId
const CHARGER = 'CP-1' as ChargerId

let count = 0
function word(stage: Word['body']['stage'], more: Partial<Word['body']> = {}, node = 'a'): Word {
  count += 1
  return {
    ref: { logId: node.repeat(32) as LogId, seq: count, hash: `${count}`.padStart(64, '0') as EventHash },
    ...{ hlc: hlcOf(Date.UTC(2026, 5, 1) + count), deviceId: node.repeat(32) as DeviceId },
    body: { uplink: 'steve', sessionId: SESSION, chargerId: CHARGER, stage, undoes: [], note: '', ...more },
  }
}

function toldBy(words: readonly Word[]): Told {
  const told = createTold()
  for (const one of words) told.add(one)
  return told.of('steve', SESSION)
}

describe('what a central system was told', () => {
  const asked = word('asked', { words: '[]' })
  const started = word('started', { upstreamId: '7' })
  const stopping = word('stopping', { words: '[]', upstreamId: '7' })
  const stopped = word('stopped', { upstreamId: '7' })

  it('goes from asked to stopped', () => {
    expect(toldBy([]).stage).toBe('unsaid')
    expect(toldBy([asked]).stage).toBe('asked')
    expect(toldBy([asked, started])).toMatchObject({ stage: 'started', upstreamId: '7', asked })
    expect(toldBy([asked, started, stopping])).toMatchObject({ stage: 'stopping', upstreamId: '7', stopping })
    expect(toldBy([asked, started, stopping, stopped])).toMatchObject({ stage: 'stopped', upstreamId: '7' })
  })

  it('is asked again only when a person undoes each asking, and not once it was answered', () => {
    const other = word('asked', { words: '[]' }, 'b')
    const retry = word('retry', { undoes: [asked.ref] })
    expect(toldBy([asked, retry])).toEqual({ stage: 'unsaid', isReleased: true })
    expect(toldBy([asked, retry, other]).stage, 'another node asked as well').toBe('asked')
    expect(toldBy([asked, retry, started]).stage, 'the answer came after all').toBe('started')
    const skipped = word('skipped')
    expect(toldBy([asked, skipped]).stage).toBe('skipped')
    expect(toldBy([asked, skipped, word('retry', { undoes: [asked.ref, skipped.ref] })]).stage).toBe('unsaid')
    expect(toldBy([skipped, stopped]).stage).toBe('stopped')
  })

  it('is the same in any order', () => {
    const retry = word('retry', { undoes: [asked.ref] })
    const all = [
      asked,
      retry,
      word('asked'),
      started,
      word('started', { upstreamId: '8' }, 'b'),
      stopping,
      stopped,
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray(all), shuffled => {
        const inOrder = all.filter(one => shuffled.includes(one))
        expect(toldBy(shuffled)).toEqual(toldBy(inOrder))
      }),
    )
  })

  it('is undone by nothing but a retry, and an answer by nothing', () => {
    const posing = word('asked', { undoes: [asked.ref, started.ref] })
    expect(toldBy([asked, started, posing])).toMatchObject({ stage: 'started', upstreamId: '7', asked })
    const retry = word('retry', { undoes: [started.ref, stopping.ref] })
    expect(toldBy([asked, started, stopping, retry]).stage).toBe('stopping')
  })

  it('is what nodes say that were ever named, and nobody else; also where that is known later', () => {
    const named = new Set<string>()
    const told = createTold({ isNamed: id => named.has(id), orders: () => named.size })
    const posing = word('stopped', { upstreamId: '9' }, 'f')
    for (const one of [asked, started, posing]) told.add(one)
    expect(told.of('steve', SESSION).stage).toBe('unsaid')
    expect(told.heads('steve')).toEqual([])
    const before = told.changes('steve', CHARGER)
    named.add('a'.repeat(32))
    expect(told.changes('steve', CHARGER), 'whoever waits for news looks again').not.toBe(before)
    expect(told.of('steve', SESSION)).toMatchObject({ stage: 'started', upstreamId: '7' })
    expect(told.heads('steve')).toEqual([started.ref])
    expect(told.named('steve', CHARGER, '9')).toBeUndefined()
    told.add(word('started', { upstreamId: '7', sessionId: '66'.repeat(16) as SessionId }, 'f'))
    expect(told.named('steve', CHARGER, '7')).toBe(SESSION)
    told.add(word('started', { upstreamId: '7', sessionId: '77'.repeat(16) as SessionId }))
    expect(told.named('steve', CHARGER, '7'), 'its numbers began anew').toBe('77'.repeat(16))
  })

  it('maps ids both ways, knows its logs, and forgets the words of what is over', () => {
    const told = createTold()
    for (const one of [asked, started, stopping]) told.add(one)
    expect(told.words('steve', SESSION)).toHaveLength(3)
    told.add(stopped)
    expect(told.named('steve', CHARGER, '7')).toBe(SESSION)
    expect(told.named('citrine', CHARGER, '7')).toBeUndefined()
    expect(told.words('steve', SESSION)).toEqual([stopped])
    expect([...told.logsOf(SESSION)]).toEqual([asked.ref.logId])
    expect(told.heads('steve')).toEqual([stopped.ref])
  })
})
