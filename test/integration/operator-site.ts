// A site folder, a running node of it, and the command line as a person types it, in this process.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { apiFileIn, clientOf } from '../../src/api/client.ts'
import { runProgram } from '../../src/cli/program.ts'
import { readText } from '../../src/host/identity-files.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'

export type Said = { readonly code: number; readonly out: string; readonly error: string }

export async function tempFolder(): Promise<{
  readonly dir: string
  readonly remove: () => Promise<void>
}> {
  const dir = await mkdtemp(join(tmpdir(), 'chargemesh-operator-'))
  return { dir, remove: async () => await rm(dir, { recursive: true, force: true }) }
}

/** Runs one command line and says what it said. */
export async function run(...words: readonly string[]): Promise<Said> {
  const said = { out: '', error: '' }
  const [out, error] = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')]
  out.mockImplementation(text => {
    said.out += String(text)
    return true
  })
  error.mockImplementation(text => {
    said.error += String(text)
    return true
  })
  try {
    return { code: await runProgram(['node', 'chargemesh', ...words]), ...said }
  } finally {
    out.mockRestore()
    error.mockRestore()
  }
}

export async function mustRun(...words: readonly string[]): Promise<Said> {
  const said = await run(...words)
  if (said.code !== 0) throw new Error(`${words.join(' ')}: ${said.error}`)
  return { ...said }
}

/** A site in `dir`/site and a node of it in `dir`/node, whose ports the system chooses. */
export async function foundSite(dir: string): Promise<{ readonly site: string; readonly nodeDir: string }> {
  const [site, nodeDir] = [join(dir, 'site'), join(dir, 'node')]
  await mustRun('site', 'init', site, '--name', 'North Stand')
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
  await mustRun('node', 'join', '--site', site, '--dir', nodeDir, '--name', 'pole-1', ...ports)
  return { site, nodeDir }
}

export async function startSite(dir: string): Promise<{
  readonly site: string
  readonly nodeDir: string
  readonly node: RunningNode
}> {
  const found = await foundSite(dir)
  return { ...found, node: await runNode(found.nodeDir) }
}

/** What the node's operator plane answers. */
export async function asked<T>(nodeDir: string, path: string): Promise<T> {
  const file = apiFileIn(nodeDir)
  return (await clientOf(file, await readText(file, 'the node runs')).get(path)) as T
}
