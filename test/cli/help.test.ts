// Every command explains itself: its help names options or shows an example, and nothing is done.
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { buildProgram } from '../../src/cli/program.ts'

function commandsOf(command: Command, path: readonly string[] = []): readonly (readonly [string, Command])[] {
  const here = [...path, command.name()]
  return [[here.join(' '), command], ...command.commands.flatMap(one => commandsOf(one, here))]
}

async function helpOf(path: string): Promise<{ text: string; code: string }> {
  let text = ''
  const program = await buildProgram()
  for (const [, command] of commandsOf(program)) command.configureOutput({ writeOut: said => (text += said) })
  try {
    await program.parseAsync([...path.split(' ').slice(1), '--help'], { from: 'user' })
  } catch (error) {
    return { text, code: error instanceof Error && 'code' in error ? String(error.code) : String(error) }
  }
  return { text, code: 'went on' }
}

const ALL = commandsOf(await buildProgram())

describe('a command that is named', () => {
  it.each(ALL.filter(([, one]) => one.parent && !one.parent.parent).map(([, one]) => one.name()))(
    'is loaded without the others: %s',
    async name => {
      const { commands } = await buildProgram(name)
      expect(commands.map(one => one.name())).toContain(name)
      expect(commands.length).toBeLessThan(3)
    },
  )
})

describe('help', () => {
  it('covers all commands', () => {
    expect(ALL.length).toBeGreaterThan(15)
  })

  it.each(ALL.map(([path]) => path))('of `%s` is shown, and nothing else happens', async path => {
    const { text, code } = await helpOf(path)
    expect(code).toBe('commander.helpDisplayed')
    expect(text).toContain('Usage: chargemesh')
  })

  const leaves = ALL.filter(([, command]) => command.commands.length === 0)

  it.each(leaves.map(([path]) => path))(
    'of `%s` says what it does and with which options or as which example',
    async path => {
      const { text } = await helpOf(path)
      expect(text).toMatch(/Example:\n {2}chargemesh |Options:\n +-(?!h, --help)/)
      const command = leaves.find(([one]) => one === path)?.[1]
      expect(command?.description()).not.toBe('')
      for (const option of command?.options ?? []) expect(option.description, option.flags).not.toBe('')
    },
  )

  it.each(leaves.map(([path]) => path))(
    'of `%s` shows only examples that the program understands',
    async path => {
      const { text } = await helpOf(path)
      for (const [, line] of text.matchAll(/^ {2}(chargemesh .+)$/gm)) {
        const words = (line ?? '').match(/"[^"]*"|\S+/g)?.map(word => word.replaceAll('"', '')) ?? []
        const command = leaves.find(([one]) => `${words.join(' ')} `.startsWith(`${one} `))?.[1]
        const known = command?.options.flatMap(option => [option.long, option.short]) ?? []
        for (const word of words.filter(one => one.startsWith('-'))) expect(known, line).toContain(word)
      }
    },
  )
})
