// The README's blocks, run as they stand: from an empty folder, one line after the other, servers in terminals of their own.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../deadline.ts'
import { type PostgresServer, postgresServer } from './postgres-server.ts'

const MAIN = join(import.meta.dirname, '../../dist/src/main.js')
const README = join(import.meta.dirname, '../../README.md')
const OTHER_TERMINAL = /#.*\bin another terminal\b/
const READY_MS = 40_000

let folder: string
const readme = readFileSync(README, 'utf8')
type Terminal = { readonly line: string; readonly child: ChildProcess; said: string }
const servers: Terminal[] = []
let postgres: PostgresServer | undefined
const env: Record<string, string | undefined> = { ...process.env }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chargemesh-readme-'))
  // What npm does with `npx chargemesh` in a folder that has it, without asking a registry first.
  const bin = join(folder, '.bin')
  await mkdir(bin)
  await writeFile(join(bin, 'npx'), `#!/bin/sh\nshift\nexec "${process.execPath}" "${MAIN}" "$@"\n`)
  await chmod(join(bin, 'npx'), 0o755)
  env.PATH = `${bin}${delimiter}${process.env.PATH}`
})

afterAll(async () => {
  await stopServers()
  await postgres?.close()
  await rm(folder, { recursive: true, force: true })
})

async function stopServers(): Promise<void> {
  // Each with what its shell has started.
  for (const { child } of servers.toReversed())
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
  await Promise.all(servers.splice(0).map(({ child }) => ended(child)))
}

/** The commands of a section's blocks; one that feeds a file (`<<'EOF'`) is one command with its lines. */
function commandsIn(heading: string): readonly string[] {
  const section = readme.split(/^#+ /m).find(part => part.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`the README has no section ${heading}`)
  const blocks = [...section.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(match => match[1] ?? '')
  return blocks.flatMap(block =>
    [...block.matchAll(/^.*<<'EOF'\n[\s\S]*?^EOF$|^.+$/gm)].map(match => match[0]),
  )
}

function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise(resolve => child.once('exit', code => resolve(code)))
}

function start(line: string): Terminal {
  const child = spawn('bash', ['-c', `exec 2>&1\n${line}`], {
    ...{ cwd: folder, env, detached: true },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const terminal = { line, child, said: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    terminal.said += text
  })
  return terminal
}

async function run(line: string): Promise<string> {
  const [, name, value] = /^export (\w+)=(\S+)/.exec(line) ?? []
  if (name !== undefined) env[name] = value
  const terminal = start(line)
  if (!OTHER_TERMINAL.test(line)) {
    const code = await ended(terminal.child)
    expect(code, `${line}\n${terminal.said}`).toBe(0)
    return terminal.said
  }
  servers.push(terminal)
  const isOver = (): boolean => terminal.child.exitCode !== null
  await until(() => terminal.said.includes('\n') || isOver(), { withinMs: READY_MS, what: line })
  expect(isOver(), `${line}\n${terminal.said}`).toBe(false)
  return terminal.said
}

async function runAll(lines: readonly string[]): Promise<readonly string[]> {
  const said: string[] = []
  for (const line of lines) said.push(await run(line))
  return said
}

const TEN_LINES = commandsIn('A site in ten lines')

describe('the README, as it stands', { timeout: 180_000 }, () => {
  it('makes a site in ten lines, with a cloud', async () => {
    const untilUplink = TEN_LINES.findIndex(line => line.includes('uplink add'))
    const said = await runAll(TEN_LINES.slice(0, untilUplink + 1))
    expect(said.at(-1)).toContain('uplink cloud added')
  })

  it('brings it into my webhook', async () => {
    const said = await runAll(commandsIn('Into my webhook'))
    expect(said.join('')).toContain('shop')
    const hook = servers.find(({ line }) => line.includes('hook.mjs'))
    await until(() => hook?.said.includes('webhook.test') === true, {
      withinMs: READY_MS,
      what: 'the message of `webhook test`, with its signature',
    })
  })

  it('brings it into my central system', async () => {
    const said = await runAll(commandsIn('Into my central system'))
    expect(said.join('')).toMatch(/csms/)
  })

  it('carries it by USB', async () => {
    const said = await runAll(commandsIn('By USB'))
    expect(said.length).toBeGreaterThan(4)
    // Of Van 12, and of Van 13, which was told to nobody but the stick.
    const status = await run('npx chargemesh status --via ./pole-07 --json')
    expect(JSON.parse(status)).toMatchObject({ cards: 2 })
  })

  it('brings it into my PostgreSQL, by two workers', async () => {
    postgres = await postgresServer()
    const url = await postgres.database()
    const lines = commandsIn('Into my PostgreSQL')
    const said = await runAll(lines.map(line => line.replace(/(?<=^export DATABASE_URL=)\S+/, url)))
    const saidOf = (part: string): string | undefined => said[lines.findIndex(line => line.includes(part))]
    expect(saidOf('uplink add')).toContain('uplink postgres added')
    expect(saidOf('cloud sites')).toContain('North Stand')
    expect(saidOf('/readyz')).toBe('{"status":"ready"}')
  })
})
