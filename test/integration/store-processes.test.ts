import { type ChildProcess, spawn } from 'node:child_process'
import { link, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDisk } from '../../src/host/disk.ts'
import { lockDirectory } from '../../src/store/lock.ts'
import { numberOf, openAndRead } from '../store/journal-setting.ts'
import { requireFreshBuild } from './store-built.ts'

const WRITER = fileURLToPath(new URL('./store-writer.mjs', import.meta.url))

type Writer = {
  readonly child: ChildProcess
  readonly lines: AsyncIterator<string>
  readonly ended: Promise<void>
}

function startWriter(task: 'append' | 'lock', dir: string): Writer {
  const child = spawn(process.execPath, [WRITER, task, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](), ended }
}

let dir: string
beforeAll(requireFreshBuild)
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-store-'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('a journal whose process is killed', () => {
  it('has every record that was promised, in order, time after time', async () => {
    let before: number[] = []
    for (const lineCount of [1, 40, 333]) {
      const { child, lines, ended } = startWriter('append', dir)
      const promised: number[] = []
      while (promised.length < lineCount) promised.push(Number((await lines.next()).value))
      child.kill('SIGKILL')
      for (let line = await lines.next(); !line.done; line = await lines.next())
        promised.push(Number(line.value))
      await ended

      const disk = openDisk(dir)
      const { journal, records, scan } = await openAndRead(disk)
      const read = records.map(numberOf)
      expect(read.slice(0, before.length)).toEqual(before)
      const fresh = read.slice(before.length)
      expect(fresh).toEqual(fresh.map((_, i) => i))
      expect(fresh.length).toBeGreaterThan(Math.max(...promised))
      expect(['intact', 'torn']).toContain(scan.state)
      await journal.close()
      await disk.close()
      before = read
    }
  })
})

describe('a locked directory', () => {
  it('is refused to a second owner in the same process until the first releases it', async () => {
    // Either may come first: whose folder is made first decides.
    const both = await Promise.allSettled([lockDirectory(dir), lockDirectory(dir)])
    const [first, refused] = both[0].status === 'fulfilled' ? both : [both[1], both[0]]
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'STORE_LOCKED' } })
    if (first.status === 'rejected') throw first.reason
    await expect(lockDirectory(dir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    await expect(lockDirectory(dir)).rejects.toThrow(dir)
    await first.value.release()
    const second = await lockDirectory(dir)
    await second.release()
  })

  it('is refused while another process holds it, and free as soon as that one is killed', async () => {
    const { child, lines, ended } = startWriter('lock', dir)
    expect((await lines.next()).value).toBe('held')
    await expect(lockDirectory(dir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    child.kill('SIGKILL')
    await ended
    const lock = await lockDirectory(dir)
    await lock.release()
  })

  it('is refused to another process while this one holds it, whatever else this one has tried', async () => {
    const lock = await lockDirectory(dir)
    for (const spelling of [dir, `${dir}/`, relative(process.cwd(), dir)])
      await expect(lockDirectory(spelling)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    const child = spawn(process.execPath, [WRITER, 'lock', dir], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', chunk => {
      said += chunk
    })
    const code = await new Promise(resolve => child.once('close', resolve))
    expect(code).toBe(1)
    expect(said).toContain('used by a running chargemesh node')
    await lock.release()
  })

  it('can be locked again when power loss has damaged the files of the lock, through the same lock file', async () => {
    await (await lockDirectory(dir)).release()
    const lockFile = join(dir, 'lock', 'LOCK')
    await link(lockFile, join(dir, 'the same file'))
    for (const content of ['', 'MANIFEST-999999\n', 'garbage']) {
      await (await lockDirectory(dir)).release()
      await writeFile(join(dir, 'lock', 'CURRENT'), content)
      const lock = await lockDirectory(dir)
      await expect(lockDirectory(dir)).rejects.toMatchObject({ code: 'STORE_LOCKED' })
      await lock.release()
    }
    expect((await stat(lockFile)).nlink).toBe(2)
  })
})
