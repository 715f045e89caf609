// Starts benchmark nodes, each its own process, calls them, and asks the operating system what they cost.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export type Kind = 'ours' | 'floor'
export type Program = Kind | 'ocpp-ours' | 'ocpp-floor' | 'chargers'
const PROGRAMS: Readonly<Record<Program, string>> = {
  ours: './node.js',
  floor: './floor/node.js',
  'ocpp-ours': './ocpp-node.js',
  'ocpp-floor': './floor/ocpp.js',
  chargers: './chargers.js',
}
const CALL_MS = 300_000

export type Cost = { readonly cpuS: number; readonly rssMb: number; readonly rssNowMb: number }
export type Driven = {
  readonly call: <T = Record<string, never>>(op: string, args?: object) => Promise<T>
  readonly cost: () => Cost
  /** At once, without a word. */
  readonly kill: () => Promise<void>
  readonly close: () => Promise<void>
}

export async function startProgram(program: Program): Promise<Driven> {
  const path = fileURLToPath(new URL(PROGRAMS[program], import.meta.url))
  const child = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<number, { resolve: (ok: unknown) => void; reject: (error: Error) => void }>()
  let calls = 0
  const ready = Promise.withResolvers<void>()
  createInterface({ input: child.stdout }).on('line', line => {
    const said = JSON.parse(line) as { ready?: boolean; call?: number; ok?: unknown; error?: string }
    if (said.ready) ready.resolve()
    const one = waiting.get(said.call ?? -1)
    waiting.delete(said.call ?? -1)
    if (said.error === undefined) one?.resolve(said.ok)
    else one?.reject(new Error(said.error))
  })
  const ended = Promise.withResolvers<void>()
  child.once('exit', code => {
    const error = new Error(`a node of the benchmark ended with ${code}`)
    for (const one of waiting.values()) one.reject(error)
    ready.reject(error)
    ended.resolve()
  })
  await ready.promise
  const call = <T>(op: string, args: object = {}): Promise<T> => {
    calls += 1
    const answer = Promise.withResolvers<unknown>()
    waiting.set(calls, answer)
    child.stdin.write(`${JSON.stringify({ call: calls, op, ...args })}\n`)
    const limit = setTimeout(
      () => answer.reject(new Error(`${op}: no answer within ${CALL_MS / 1000} s`)),
      CALL_MS,
    )
    return answer.promise.finally(() => clearTimeout(limit)) as Promise<T>
  }
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended.promise
  }
  return {
    call,
    cost: () => costOf(child.pid),
    kill,
    close: async () => {
      await call('close').catch(() => undefined)
      await kill()
    },
  }
}

/** Processor seconds, the most memory so far and that of now, as Linux counts them. */
export function costOf(pid: number | undefined): Cost {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kb = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0)
  return { cpuS: ticks / 100, rssMb: kb('VmHWM') / 1024, rssNowMb: kb('VmRSS') / 1024 }
}

export type Fleet = { readonly nodes: readonly Driven[]; readonly close: () => Promise<void> }

/** So many nodes that all know one another, in folders of their own that are removed at the end. */
export async function startFleet(kind: Kind, count: number): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), 'chargemesh-bench-'))
  const nodes: Driven[] = []
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map(node => node.close()))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (let self = 0; self < count; self++) nodes.push(await startProgram(kind))
    const infos = await Promise.all(
      nodes.map((node, self) =>
        node.call<{ info: unknown }>('open', { self, nodes: count, dir: join(folder, `${self}`) }),
      ),
    )
    const roster = infos.map(({ info }) => info)
    await Promise.all(nodes.map(node => node.call('connect', { roster })))
    return { nodes, close }
  } catch (error) {
    await close()
    throw error
  }
}

export function sumOf(costs: readonly Cost[]): Pick<Cost, 'cpuS' | 'rssMb'> {
  return {
    cpuS: costs.reduce((sum, cost) => sum + cost.cpuS, 0),
    rssMb: Math.max(...costs.map(cost => cost.rssMb)),
  }
}
