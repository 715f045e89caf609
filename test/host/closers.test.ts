// What was opened is closed in the opposite order, whatever fails on the way.
import { describe, expect, it } from 'vitest'
import { createClosers } from '../../src/host/closers.ts'

function setting() {
  const said: string[] = []
  const log = (word: string) => (_: string, fields?: object) =>
    void said.push(`${word} ${JSON.stringify(fields)}`)
  return {
    said,
    closers: createClosers({
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
    }),
  }
}

describe('closers', () => {
  it('close newest first, each after the one before it, and only once', async () => {
    const { closers, said } = setting()
    closers.push('first', () => void said.push('first'))
    closers.push('second', async () => {
      await Promise.resolve()
      said.push('second')
    })
    await closers.unwind()
    await closers.unwind()
    expect(said).toEqual(['second', 'first'])
  })

  it('go on behind one that fails, and say which', async () => {
    const { closers, said } = setting()
    closers.push('first', () => void said.push('first'))
    closers.push('second', () => Promise.reject(new Error('stuck')))
    closers.push('third', () => {
      throw new Error('broken')
    })
    await closers.unwind()
    expect(said).toEqual([
      'error {"what":"third","reason":"broken"}',
      'error {"what":"second","reason":"stuck"}',
      'first',
    ])
  })
})
