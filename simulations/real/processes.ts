// Real processes: the command line of this product, started the way an operator starts it, with folders of its own.
// Nothing here reaches into a process; it only reads what anybody could read. Whatever becomes of us, none is left alone.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Beside us where we are built; from the sources, those of the last build. */
const BUILT = import.meta.url.endsWith('.ts') ? '../../dist/src/main.js' : '../../src/main.js'
const MAIN = fileURLToPath(new URL(BUILT, import.meta.url))

export type Running = {
  readonly pid: number
  readonly ready: Readonly<Record<string, unknown>>
  readonly isAlive: () => boolean
  /** Gets no processor until `resume`, and its sockets stay open. */
  readonly stall: () => void
  readonly resume: () => void
  readonly kill: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** Runs one command to its end; resolves with its standard output, rejects with its standard error. */
export async function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  endWithUs(child)
  const [out, err] = [collectText(child.stdout), collectText(child.stderr)]
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`chargemesh ${args.slice(0, 2).join(' ')} failed: ${await err}`)
  return await out
}

/** Starts a command that stays, and waits for the JSON line by which it says that it is ready. */
export async function start(args: readonly string[], logFile: string): Promise<Running> {
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a' }))
  const { pid } = child
  if (pid === undefined) throw new Error(`chargemesh ${args[0]} could not be started`)
  endWithUs(child)
  const ready = await readyLine(child, { what: `chargemesh ${args.slice(0, 2).join(' ')}`, logFile })
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!isAlive()) return
    const gone = once(child, 'exit')
    child.kill(signal)
    child.kill('SIGCONT')
    await gone
  }
  return {
    ...{ pid, ready, isAlive },
    stall: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

const ours = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of ours) child.kill('SIGKILL')
})

function endWithUs(child: ChildProcess): void {
  ours.add(child)
  child.once('exit', () => ours.delete(child))
}

function readyLine(
  child: ChildProcess,
  { what, logFile }: { readonly what: string; readonly logFile: string },
): Promise<Readonly<Record<string, unknown>>> {
  const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>()
  let text = ''
  child.stdout?.on('data', (part: Buffer) => {
    text += part.toString('utf8')
    const end = text.indexOf('\n')
    if (end >= 0) resolve(JSON.parse(text.slice(0, end)))
  })
  child.once('close', code => {
    const said = existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n').at(-1) : ''
    reject(new Error(`${what} ended with ${code} before it was ready: ${said}`))
  })
  return promise
}

async function collectText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const part of stream) text += String(part)
  return text
}

/** Below the range from which systems draw ports for outgoing connections, which would take them from us again. */
const FIRST_PORT = 20_000
const PORT_COUNT = 10_000

/** Different ports of this machine that nobody listens at. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return await promise
}

/** Polls until a condition gives a value; throws after the deadline, saying what was waited for. */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 180_000,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) throw new Error(`waited ${withinMs / 1000} s in vain for: ${what}`)
    await pause(100)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

export function logIn(dir: string): string {
  return join(dir, 'node.log')
}
