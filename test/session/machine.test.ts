// The table of a session's states, cell by cell, against the drawing at the top of the file: who changes one of the
// two has to change the other.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  SESSION_INPUTS,
  SESSION_STATES,
  type SessionInput,
  type SessionState,
  step,
} from '../../src/session/machine.ts'

const inputs = fc.array(fc.constantFrom(...SESSION_INPUTS), { maxLength: 30 })

function run(from: SessionState, path: readonly SessionInput[]): SessionState {
  return path.reduce<SessionState>((state, input) => step(state, input).state, from)
}

function drawing(): Map<string, string> {
  const text = readFileSync(new URL('../../src/session/machine.ts', import.meta.url), 'utf8')
  const rows = text
    .split('\n')
    .filter(line => line.startsWith('// ') && line.trim().split(/\s{2,}/).length >= 2)
    .map(line => line.slice(3).trim().split(/\s+/))
  const head = rows.find(row => row.join(' ') === SESSION_INPUTS.join(' '))
  const cells = new Map<string, string>()
  for (const state of SESSION_STATES) {
    const row = rows.find(words => words[0] === state && words.length === SESSION_INPUTS.length + 1)
    head?.forEach((input, i) => {
      cells.set(`${state}/${input}`, row?.[i + 1] ?? 'not drawn')
    })
  }
  return cells
}

describe('the machine of a session', () => {
  it('is drawn whole: every state against every input', () => {
    expect(drawing().size).toBe(SESSION_STATES.length * SESSION_INPUTS.length)
    expect([...drawing().values()]).not.toContain('not drawn')
  })

  it.each([...drawing()])('does in %s what is drawn: %s', (cell, drawn) => {
    const [state, input] = cell.split('/') as [SessionState, SessionInput]
    const moved = step(state, input)
    if (drawn === 'same') expect(moved).toEqual({ state, kind: 'same' })
    else if (drawn === 'flag') expect(moved).toEqual({ state, kind: 'flagged' })
    else expect(moved).toEqual({ state: drawn, kind: 'moved' })
  })

  it('M1: nothing leaves reconciled', () => {
    fc.assert(fc.property(inputs, path => run('reconciled', path) === 'reconciled'))
  })

  it('M2: completed leads nowhere but to reconciled', () => {
    fc.assert(fc.property(inputs, path => ['completed', 'reconciled'].includes(run('completed', path))))
  })

  it('M3: a stop is recorded from every state', () => {
    for (const state of SESSION_STATES)
      expect(['completed', 'reconciled']).toContain(step(state, 'stop').state)
  })

  it('comes to completed by any history that holds a stop, and to reconciled only behind one', () => {
    fc.assert(
      fc.property(inputs, path => {
        const state = run('idle', path)
        const stopped = path.indexOf('stop')
        const reconciled = stopped >= 0 && path.lastIndexOf('reconcile') > stopped
        if (stopped >= 0) expect(state).toBe(reconciled ? 'reconciled' : 'completed')
        else expect(['completed', 'reconciled']).not.toContain(state)
      }),
    )
  })
})
