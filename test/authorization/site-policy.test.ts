// The site's own rules: the newest entry that can be read counts, whatever the order of arrival.
import { describe, expect, it } from 'vitest'
import { allowedValues, createSitePolicy, SITE_POLICIES } from '../../src/authorization/site-policy.ts'
import type { Hlc } from '../../src/log/hlc.ts'
import type { EventHash, LogId } from '../../src/units.ts'

function entry(name: string, value: string, at: number) {
  const ref = { logId: 'aa'.repeat(16) as LogId, seq: at, hash: 'bb'.repeat(32) as EventHash }
  return { ref, hlc: at as unknown as Hlc, body: { name, value } }
}

describe('the site policy', () => {
  it('is the safe default where nobody said anything', () => {
    const policy = createSitePolicy()
    expect(policy.value('unknown-cards')).toBe('refuse')
    expect(policy.value('revoked-while-charging')).toBe('stop')
    for (const [name, values] of Object.entries(SITE_POLICIES))
      expect(policy.value(name as keyof typeof SITE_POLICIES)).toBe(values[0])
  })

  it.each([
    ['in order', [1, 2]],
    ['reversed', [2, 1]],
  ])('is what was said last, heard %s', (_, order) => {
    const said = { 1: entry('unknown-cards', 'accept', 1), 2: entry('unknown-cards', 'refuse', 2) }
    const policy = createSitePolicy()
    for (const at of order) policy.add(said[at as 1 | 2])
    expect(policy.value('unknown-cards')).toBe('refuse')
  })

  it('goes on with what it could read when something newer cannot be read', () => {
    const policy = createSitePolicy()
    policy.add(entry('local-lists', 'on', 1))
    policy.add(entry('local-lists', 'sometimes', 2))
    policy.add(entry('colour-of-the-fence', 'green', 3))
    expect(policy.value('local-lists')).toBe('on')
  })
})

describe('a number of the site policy', () => {
  it('is within its bounds, or none, and has a default where that is safe', () => {
    const policy = createSitePolicy()
    expect(policy.number('connector-cap-amps')).toBeUndefined()
    expect(policy.number('derate-above-celsius')).toBe(70)
    policy.add(entry('connector-cap-amps', '32', 1))
    policy.add(entry('connector-cap-amps', '5', 2))
    policy.add(entry('connector-cap-amps', 'many', 3))
    expect(policy.number('connector-cap-amps')).toBe(32)
    policy.add(entry('connector-cap-amps', '', 4))
    policy.add(entry('derate-above-celsius', '', 4))
    expect([policy.number('connector-cap-amps'), policy.number('derate-above-celsius')]).toEqual([
      undefined,
      undefined,
    ])
    expect(allowedValues('max-session-minutes')).toContain('1 to 10080')
  })
})
