// What real firmware was seen to do, each as the frames that it sends, over a real socket to a node that records: what is
// answered, what is recorded, what the session comes to, and which repairs are shown for the charger.
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { type Outcome, type Play, play, type Step } from './charging-door.ts'

type Quirk = Outcome & {
  readonly quirk: string
  readonly title: string
  /** Where it was seen: a repository and its issue, or the section of a standard that allows it. */
  readonly source: readonly string[]
  readonly steps: readonly Step[]
}

const quirks: readonly Quirk[] = JSON.parse(
  readFileSync(new URL('../fixtures/quirks.json', import.meta.url), 'utf8'),
)

let played: Play | undefined
afterEach(async () => {
  await played?.close()
  played = undefined
})

/** What the fixture says is heard at each step at which something is. */
function expected(steps: readonly Step[]): readonly unknown[] {
  return steps.flatMap(step => {
    if ('say' in step) return 'hear' in step ? [step.hear] : []
    if ('refused' in step) return [step.refused]
    return 'command' in step ? [{ call: step.call, outcome: step.outcome }] : []
  })
}

describe('what firmware does', () => {
  it.each(quirks)('$quirk: $title', async ({ steps, events, sessions, orphanEnds, repairs }) => {
    played = await play(steps)
    expect(played.heard).toEqual(expected(steps))
    expect(played.outcome()).toEqual({ events, sessions, orphanEnds, repairs })
  })

  it('is never answered with an error where a transaction is told', () => {
    for (const { title, steps } of quirks)
      for (const step of steps) {
        if (
          !('say' in step) ||
          !/StartTransaction|StopTransaction|MeterValues|TransactionEvent/.test(step.say)
        )
          continue
        expect(step.hear, title).toEqual([3, expect.anything(), expect.anything()])
      }
  })

  it('has a source for each', () => {
    for (const { source } of quirks) expect(source.length).toBeGreaterThan(0)
    const numbers = new Set(quirks.map(({ quirk }) => quirk))
    for (let i = 1; i <= 15; i++) expect(numbers).toContain(`quirk ${i}`)
  })
})
