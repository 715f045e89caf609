// References are remembered; a stretch that failed is not.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { rememberingTokens } from '../../src/host/tokens.ts'
import * as stretching from '../../src/identity/token.ts'

vi.mock('../../src/identity/token.ts', { spy: true })

const SECRET = { siteKey: new Uint8Array(32), salt: new Uint8Array(16), cost: 2 }

afterEach(() => {
  vi.restoreAllMocks()
})

describe('remembered card references', () => {
  it('are made once a card, however it is written', async () => {
    const reference = rememberingTokens(SECRET)
    expect(reference(' 04a2')).toBe(reference('04A2'))
    expect(await reference('04A2')).toMatch(/^[0-9a-f]{32}$/)
  })

  it('are made anew after a failure', async () => {
    const reference = rememberingTokens(SECRET)
    vi.mocked(stretching.tokenReference).mockRejectedValueOnce(new Error('no memory'))
    await expect(reference('04A2')).rejects.toThrow('no memory')
    expect(await reference('04A2')).toMatch(/^[0-9a-f]{32}$/)
  })
})
