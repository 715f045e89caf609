import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BODIES, EVENT_REF, type EventName, TYPE_NUMBERS } from '../src/log/body.ts'

const text = readFileSync(new URL('../src/PROTOCOL.md', import.meta.url), 'utf8')

describe('the published protocol', () => {
  it.each(Object.keys(BODIES) as EventName[])('prints the table of %s as the code has it', name => {
    const fields = BODIES[name].says.replaceAll(EVENT_REF.says, 'ref').slice(1, -1)
    expect(text).toContain(`| ${TYPE_NUMBERS[name]} | \`${name}\` | ${fields} |`)
  })
})
