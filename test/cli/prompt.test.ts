import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { askNewSecret, askSecret } from '../../src/cli/prompt.ts'

const END = ['\r', '\n', '\u0003', '\u0004']

/** A terminal on which `keys` were typed, and what was shown on it. */
function terminal(keys: string): { answer: Promise<string>; shown: () => string; raw: boolean[] } {
  const raw: boolean[] = []
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => raw.push(on) })
  let shown = ''
  const answer = askSecret('passphrase: ', input, text => (shown += text))
  for (const key of keys) input.write(key)
  if (!END.some(end => keys.includes(end))) input.end()
  return { answer: answer.then(bytes => new TextDecoder().decode(bytes)), shown: () => shown, raw }
}

describe('the question for a passphrase', () => {
  it.each([
    ['correct horse\r', 'correct horse'],
    ['corect\u007f\u007f\u007frect horse\n', 'correct horse'],
    ['\b\bönig\b\u0004', 'öni'],
  ])('takes %j as %j, shows none of it and gives the terminal back', async (keys, secret) => {
    const asked = terminal(keys)
    expect(await asked.answer).toBe(secret)
    expect(asked.shown()).toBe('passphrase: \n')
    expect(asked.raw).toEqual([true, false])
  })

  it.each([
    ['Ctrl-C', 'corr\u0003', 'nothing was entered'],
    ['a terminal that goes away', 'corr', 'the terminal is gone'],
  ])('ends with %s', async (_, keys, message) => {
    const asked = terminal(keys)
    await expect(asked.answer).rejects.toThrow(message)
    expect(asked.raw).toEqual([true, false])
  })

  it('for a new one is asked twice, and two answers are none', async () => {
    const answers = (...given: readonly string[]) => {
      const left = [...given]
      return async () => new TextEncoder().encode(left.shift())
    }
    expect(await askNewSecret('new: ', answers('correct horse', 'correct horse'))).toHaveLength(13)
    await expect(askNewSecret('new: ', answers('correct horse', 'corect horse'))).rejects.toThrow(
      'two different',
    )
  })
})
