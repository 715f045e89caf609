// What chargers, cards and other devices named reaches a terminal as letters only; programs get the same value.
import { expect, it, vi } from 'vitest'
import { print, printJson, tableOf } from '../../src/cli/output.ts'

const HOSTILE = 'CP\u001b[31m\u009b2J\u202e\u0007\r'

function written(act: () => void): string {
  let text = ''
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation(part => {
    text += String(part)
    return true
  })
  try {
    act()
  } finally {
    spy.mockRestore()
  }
  return text
}

it('no name steers the terminal, turns a line around or begins a row', () => {
  expect(written(() => print(`one\n${HOSTILE}`))).toBe('one\nCP?[31m?2J???\n')
  const table = written(() => print(tableOf([`a\nb${HOSTILE}`], [['name', one => one]])))
  expect(table.trimEnd().split('\n')).toHaveLength(2)
  expect(table).toContain('a bCP?[31m?2J???')
})

it('a program gets the very value, and its JSON holds no sign that a terminal obeys', () => {
  const text = written(() => printJson({ name: HOSTILE, tag: '\u{e0041}' }))
  expect(JSON.parse(text)).toEqual({ name: HOSTILE, tag: '\u{e0041}' })
  expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u)
})
