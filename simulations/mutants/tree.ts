// A temporary copy of the project that can be built, patched and built again. The project's own files and its dist/ are
// never written to; the copy is removed by whoever made it.
import { spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Mutant, patched } from './mutant.ts'

export type Tree = {
  readonly folder: string
  /** What the compiler objects to, or undefined when the tree is built. */
  readonly build: (signal: AbortSignal) => Promise<string | undefined>
  /** Puts the bug in, does the work, and takes the bug out again whatever comes of it. */
  readonly withBug: <T>(mutant: Mutant, work: () => Promise<T>) => Promise<T>
  readonly remove: () => Promise<void>
}

const COPIED = /^(src|simulations|package\.json|tsconfig.*\.json)$/
/** A bug may leave a name unused, or code that is never reached. */
const LENIENT = [
  '--noUnusedLocals',
  'false',
  '--noUnusedParameters',
  'false',
  '--allowUnreachableCode',
  'true',
]
const QUICK = ['--declaration', 'false', '--sourceMap', 'false']
const BUILD_LIMIT_MS = 120_000

export async function copyTree(root: string, scratch: string): Promise<Tree> {
  const folder = await mkdtemp(join(scratch, 'chargemesh-mutants-'))
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 })
  try {
    for (const name of await readdir(root))
      if (COPIED.test(name)) await cp(join(root, name), join(folder, name), { recursive: true })
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
  } catch (error) {
    await remove()
    throw error
  }
  return {
    folder,
    remove,
    build: signal => build(folder, signal),
    withBug: async (mutant, work) => {
      const path = join(folder, mutant.file)
      const text = await readFile(path, 'utf8')
      await writeFile(path, patched(mutant, text))
      try {
        return await work()
      } finally {
        await writeFile(path, text)
      }
    },
  }
}

async function build(folder: string, signal: AbortSignal): Promise<string | undefined> {
  const compiler = join(folder, 'node_modules/typescript/bin/tsc')
  const words = [compiler, '-p', 'tsconfig.build.json', ...LENIENT, ...QUICK]
  const { code, out } = await runChild(words, { folder, signal, limitMs: BUILD_LIMIT_MS })
  return code === 0 ? undefined : out.trim() || `the compiler ended with ${code}`
}

export type Ended = {
  /** Undefined when the time was up and it was killed. */
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}
type ChildOptions = { readonly folder: string; readonly signal: AbortSignal; readonly limitMs: number }

/** Runs a script of Node to its end. Rejects only when it cannot be started, or when the signal ends it. */
export function runChild(
  words: readonly string[],
  { folder, signal, limitMs }: ChildOptions,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const kill = { timeout: limitMs, killSignal: 'SIGKILL', signal } as const
    const child = spawn(process.execPath, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...kill })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => out.push(part))
    child.stderr.on('data', (part: Buffer) => err.push(part))
    let failure: Error | undefined
    child.on('error', error => {
      failure = error
      if (child.pid === undefined) reject(error)
    })
    // Only when it is gone does it write nothing into a tree that is about to be removed.
    child.on('close', code => {
      if (failure) reject(failure)
      else {
        const text = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString()
        resolve({ code: code ?? undefined, out: text(out), err: text(err) })
      }
    })
  })
}
