import { describe, expect, it } from 'vitest'
import { createMailbox, MAX_WAITING_BYTES } from '../src/mailbox.ts'
import type { DeviceId } from '../src/units.ts'

const LOUD = 'aa' as DeviceId
const QUIET = 'bb' as DeviceId

describe('the mailbox', () => {
  it('takes chargers before peers, and every fifth time a peer', () => {
    const mailbox = createMailbox<string>()
    for (let i = 0; i < 6; i++) mailbox.putFromPeer(`peer ${i}`, { peer: LOUD, bytes: 10 })
    for (let i = 0; i < 6; i++) mailbox.put(`charger ${i}`)
    const taken = Array.from({ length: 7 }, () => mailbox.take())
    expect(taken).toEqual([
      'charger 0',
      'charger 1',
      'charger 2',
      'charger 3',
      'peer 0',
      'charger 4',
      'charger 5',
    ])
  })

  it('gives everything out once, in the order of each kind, however much there is', () => {
    const mailbox = createMailbox<number>()
    for (let i = 0; i < 5000; i++) mailbox.put(i)
    const taken: (number | undefined)[] = []
    for (let next = mailbox.take(); next !== undefined; next = mailbox.take()) taken.push(next)
    expect(taken).toEqual(Array.from({ length: 5000 }, (_, i) => i))
    expect(mailbox.size()).toBe(0)
  })

  it('lets one peer have so many bytes waiting, whatever the others do', () => {
    const mailbox = createMailbox<string>()
    const bytes = 60_000
    let waiting = 0
    while (mailbox.putFromPeer('loud', { peer: LOUD, bytes })) waiting += bytes
    expect(waiting).toBeLessThanOrEqual(MAX_WAITING_BYTES)
    expect(waiting).toBeGreaterThan(MAX_WAITING_BYTES / 2)
    expect(mailbox.putFromPeer('quiet', { peer: QUIET, bytes })).toBe(true)
    mailbox.take()
    expect(mailbox.putFromPeer('loud again', { peer: LOUD, bytes })).toBe(true)
  })
})
