// A node that cannot start leaves nothing behind, and files beside the journal never keep one from starting.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeSecret } from '../../src/host/identity-files.ts'
import { runNode } from '../../src/host/runner.ts'
import { asked, foundSite, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let nodeDir = ''

beforeEach(async () => {
  folder = await tempFolder()
  nodeDir = (await foundSite(folder.dir)).nodeDir
})

afterEach(async () => {
  await folder.remove()
})

async function configure(field: 'mesh' | 'ocpp' | 'api', port: number): Promise<void> {
  const file = join(nodeDir, 'node.yaml')
  const text = await readFile(file, 'utf8')
  const at = text.indexOf(`${field}:`)
  await writeFile(
    file,
    text.slice(0, at) + text.slice(at).replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:${port}`),
  )
}

async function takenPort(): Promise<{ readonly port: number; readonly free: () => Promise<void> }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    free: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

describe('a node whose port is taken', () => {
  it.each([
    ['mesh', 'cannot listen on 127.0.0.1:'],
    ['ocpp', 'ocpp.listen: cannot listen on 127.0.0.1:'],
    ['api', 'api.listen: cannot listen on 127.0.0.1:'],
  ] as const)('at %s says so and leaves the folder free for the next start', async (field, words) => {
    const { port, free } = await takenPort()
    await configure(field, port)
    await expect(runNode(nodeDir)).rejects.toThrow(`${words}${port}`)
    await free()
    const node = await runNode(nodeDir)
    await node.close()
  })

  it('ends its process with exit code 1', { timeout: 30_000 }, async () => {
    const { port, free } = await takenPort()
    await configure('ocpp', port)
    const main = new URL('../../dist/src/main.js', import.meta.url).pathname
    const child = spawn(process.execPath, [main, 'node', 'run', '--dir', nodeDir], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let error = ''
    child.stderr.on('data', chunk => (error += String(chunk)))
    const [code] = (await once(child, 'exit')) as [number]
    await free()
    expect(error).toContain(`cannot listen on 127.0.0.1:${port}: another program listens there already`)
    expect(code).toBe(1)
  })
})

describe('what a node remembers', () => {
  it.each([
    ['uplinks.json', '[{"name":"cloud","url":'],
    ['uplinks.json', '{"name":1}'],
    ['addresses.json', ''],
  ])('in %s is kept aside when it cannot be read, and the node starts', async (name, text) => {
    await writeFile(join(nodeDir, name), text)
    const node = await runNode(nodeDir)
    try {
      expect(await readFile(join(nodeDir, `${name}.bad`), 'utf8')).toBe(text)
      expect((await asked<{ uplinks: readonly unknown[] }>(nodeDir, '/v1/status')).uplinks).toEqual([])
    } finally {
      await node.close()
    }
  })
})

describe('a secret file', () => {
  it('is replaced whole, readable by its owner only, and leaves nothing beside it', async () => {
    const file = join(folder.dir, 'secret')
    await writeFile(file, 'old', { mode: 0o644 })
    const before = await stat(file)
    await writeSecret(file, 'new')
    const after = await stat(file)
    expect(await readFile(file, 'utf8')).toBe('new')
    expect(after.mode & 0o777).toBe(0o600)
    // Another file under the same name: whoever reads meanwhile, or after power loss, sees the old one or the new one.
    expect(after.ino).not.toBe(before.ino)
    expect((await readdir(folder.dir)).filter(name => name.startsWith('secret'))).toEqual(['secret'])
  })

  it('says its path when it cannot be written', async () => {
    const file = join(folder.dir, 'nowhere', 'secret')
    await expect(writeSecret(file, 'x')).rejects.toThrow(`${file} cannot be written`)
  })
})
