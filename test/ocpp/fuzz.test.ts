// The fuzzer itself, for a moment: it finds nothing in the node as it is, and it finds what it looks for in one that is broken.
// What it ever found is played again for ever.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ChargerMessage } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'
import type { Case } from '../fuzz/mutate.ts'
import { caseOf, fuzzOcpp, replay } from '../fuzz/ocpp.ts'
import { playCase } from '../fuzz/play.ts'
import { campus } from '../serve/charging.ts'

type Found = Case & { readonly name: string; readonly chargerId: ChargerId }

const found: readonly Found[] = readFileSync(new URL('../fixtures/fuzz-found.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line))

describe('the fuzzer of what chargers say', () => {
  it('breaks nothing in a hundred cases of either version', async () => {
    const fuzzed = await fuzzOcpp(5, cases => cases >= 200)
    expect(fuzzed.failures).toEqual([])
    expect(fuzzed.recorded).toBeGreaterThan(1000)
    expect(fuzzed.refused).toBeGreaterThan(20)
  })

  it('makes the same case from the same seed', () => {
    const chargerId = 'CP-1' as ChargerId
    expect(caseOf(3, 14, chargerId)).toEqual(caseOf(3, 14, chargerId))
    expect(caseOf(3, 14, chargerId)).not.toEqual(caseOf(3, 15, chargerId))
  })

  it.each(found)('finds no more: $name', async ({ chargerId, ...one }) => {
    expect((await replay(one, chargerId)).fault).toBeUndefined()
  })

  it('sees a node that forgets a stop, one that throws, and one that bills too much', async () => {
    const chargerId = 'CP-1' as ChargerId
    const start = `[2,"1","StartTransaction",{"connectorId":1,"idTag":"CARD-1","meterStart":1,"timestamp":"2026-06-01T09:00:00Z"}]`
    const stop = `[2,"2","StopTransaction",{"transactionId":-1,"meterStop":5000,"timestamp":"2026-06-01T10:00:00Z","idTag":"CARD-1"}]`
    const one: Case = {
      version: '1.6',
      frames: [start, stop].map(text => ({ text, atMs: 0 })),
      deliveredWh: 4000,
    }
    const node = campus('broken').node('a')
    const saying = (say: (message: ChargerMessage) => unknown) =>
      playCase(
        { ...node, say: (message, from) => (say(message) ?? node.say(message, from)) as never },
        chargerId,
        one,
      )
    const forgets = await saying(message => (message.kind === 'stop' ? { kind: 'stopped' } : undefined))
    expect(forgets.fault).toMatch('a stop is lost')
    const throws = await saying(() => {
      throw new RangeError('broken')
    })
    expect(throws.fault).toMatch('frame 0 throws: RangeError: broken')
    const silent = await saying(message => (message.kind === 'stop' ? { kind: 'silence' } : undefined))
    expect(silent.fault).toMatch('frame 1 gets no answer')
    expect((await saying(() => undefined)).fault).toMatch('4999 Wh are billed where 4000 were delivered')
  })
})
