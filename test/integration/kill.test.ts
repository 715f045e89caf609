// A few cases of the kill matrix (`npm run -s test:kill` plays all of them) on real processes.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const KILL = fileURLToPath(new URL('../../dist/simulations/kill/kill.js', import.meta.url))
const DEADLINE_MS = 180_000
const run = promisify(execFile)

describe('the kill matrix', () => {
  it('bills each session once and right at a node that never heard how it began', {
    timeout: DEADLINE_MS + 10_000,
  }, async () => {
    // One pair of nodes, which do not hear each other before the end.
    const cases = [
      '1.6: start unanswered; on at one cut off from it',
      '1.6: start answered, then meter unanswered; on at one cut off from it',
      '2.0.1: meter written; on at one cut off from it',
    ]
    const words = [KILL, '--json', '--pairs', '1', '--only', ...cases]
    const { stdout } = await run(process.execPath, words, { timeout: DEADLINE_MS })
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ cases: 3, kills: 4, lost: 0, double: 0, wrongEnergy: 0, failed: 0 },
      ...{ findings: [], failures: [] },
    })
  })

  it('refuses a case that there is not', async () => {
    const wrong = run(process.execPath, [KILL, '--only', 'lunch'])
    await expect(wrong).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('see --list') })
  })
})
