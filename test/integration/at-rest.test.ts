// What a stolen disk gives away, and that encrypting it loses nothing: whole folders, real processes, real files.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openVirtualCharger } from '../../simulations/charger/virtual.ts'
import { openDisk } from '../../src/host/disk.ts'
import {
  ROOT_FILE,
  readIdentity,
  readRoot,
  storeKeysIn,
  writeSealedIdentity,
} from '../../src/host/identity-files.ts'
import { runNode } from '../../src/host/runner.ts'
import { fromFile, NOTHING_CHOSEN, type Unlock } from '../../src/host/unlock.ts'
import { scanDocuments } from '../../src/store/scan.ts'
import { until } from '../deadline.ts'
import { numbered, numberOf, openAndRead } from '../store/journal-setting.ts'
import { random } from './ocpp-site.ts'
import { asked, mustRun, run, tempFolder } from './operator-site.ts'

const CHARGER = 'CP-Kartoffelweg-17'
const PASSWORD = 'correct-horse-battery'
const CARD = '04A2B3C4D5'
const MAIN = new URL('../../dist/src/main.js', import.meta.url).pathname
const SECONDS = { timeout: 120_000 }

let folder: Awaited<ReturnType<typeof tempFolder>>
let site = ''
let node = ''
let pass = ''
let key = ''
beforeEach(async () => {
  folder = await tempFolder()
  ;[site, node] = [join(folder.dir, 'site'), join(folder.dir, 'node')]
  await mkdir(join(folder.dir, 'stick'))
  ;[pass, key] = [join(folder.dir, 'stick', 'pass'), join(folder.dir, 'stick', 'key')]
  await writeFile(pass, 'the passphrase of the operator\n')
  await writeFile(key, random.bytes(32))
})
afterEach(async () => {
  await folder.remove()
})

/** A site with a charger, a card and one node; encrypted from its birth when options say with what. */
async function found(sealSite: readonly string[] = [], sealNode: readonly string[] = []): Promise<void> {
  await mustRun('site', 'init', site, '--name', 'North Stand', ...sealSite)
  await mustRun('charger', 'add', CHARGER, '--password', PASSWORD, '--site', site, ...sealSite)
  await mustRun('token', 'add', CARD, '--site', site, ...sealSite)
  process.env.CHARGEMESH_PASSPHRASE_FILE = pass
  try {
    const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']
    await mustRun('node', 'join', '--site', site, '--name', 'n', '--dir', node, ...ports, ...sealNode)
  } finally {
    delete process.env.CHARGEMESH_PASSPHRASE_FILE
  }
}

/** Runs the node for one session of its charger, or for none; gives back how many it knows in the end. */
async function day(unlock: Unlock, charges: boolean): Promise<number> {
  const running = await runNode(node, unlock)
  try {
    if (charges) {
      const charger = openVirtualCharger({
        ...{ identity: CHARGER, password: PASSWORD, urls: [running.ocppUrl], connectors: 1, random },
        ...{ timeScale: 600, meterIntervalMs: 60_000 },
      })
      await until(charger.booted, { withinMs: 20_000, what: 'the charger boots' })
      charger.plugIn(1)
      expect(await charger.tap(1, CARD)).toMatchObject({ accepted: true })
      await charger.stop(1)
      await charger.settled()
      charger.close()
    }
    return (await asked<readonly unknown[]>(node, '/v1/sessions')).length
  } finally {
    await running.close()
  }
}

async function filesIn(dir: string): Promise<readonly string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
}

/** Every secret of the folders, as bytes and as hex; and what a session shows. */
async function secretsOf(unlockSite: Unlock, unlockNode: Unlock): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, string>()
  for (const [name, dir, unlock] of [
    ['node', node, unlockNode],
    ['issuer', join(site, 'issuer'), unlockSite],
    ['cloud', join(site, 'cloud'), unlockSite],
  ] as const) {
    const { keys, siteKey } = await readIdentity(dir, unlock)
    for (const [which, value] of Object.entries({ ...keys, siteKey }))
      if (value !== undefined) found.set(`${name} ${which}`, value)
  }
  found.set('root', Buffer.from((await readRoot(join(site, ROOT_FILE), unlockSite)).seed).toString('hex'))
  const both = [...found].flatMap(
    ([name, value]) =>
      [
        [`${name}, hex`, Buffer.from(value)],
        [`${name}, bytes`, Buffer.from(value, 'hex')],
      ] as const,
  )
  return new Map([...both, ['charger', Buffer.from(CHARGER)]])
}

async function seenOn(
  dirs: readonly string[],
  secrets: ReadonlyMap<string, Buffer>,
): Promise<readonly string[]> {
  const seen = new Set<string>()
  for (const file of (await Promise.all(dirs.map(filesIn))).flat()) {
    const content = await readFile(file)
    for (const [name, secret] of secrets)
      if (content.includes(secret))
        seen.add(
          `${name} in ${file
            .slice(folder.dir.length + 1)
            .split('/')
            .slice(0, 2)
            .join('/')}`,
        )
  }
  return [...seen].sort()
}

describe('a disk that is stolen', () => {
  it('shows everything while nothing is encrypted, and nothing after `keys encrypt`', SECONDS, async () => {
    await found()
    expect(await day(NOTHING_CHOSEN, true)).toBe(1)
    const secrets = await secretsOf(NOTHING_CHOSEN, NOTHING_CHOSEN)
    const before = await seenOn([site, node], secrets)
    // The search finds what is there, or it would prove nothing.
    expect(before).toEqual(
      expect.arrayContaining([
        ...['charger in node/documents', 'charger in node/journal', 'charger in site/issuer'],
        ...['node logKey, hex in node/identity.json', 'node siteKey, hex in node/identity.json'],
        ...['root, hex in site/root.key', 'cloud logKey, hex in site/cloud'],
      ]),
    )
    await mkdir(join(node, 'quarantine', 'old'), { recursive: true })
    await writeFile(join(node, 'quarantine', 'old', '000003.log'), CHARGER)
    await writeFile(join(node, 'identity.json.0123456789ab.new'), await readFile(join(node, 'identity.json')))
    await mustRun('keys', 'encrypt', '--dir', node, '--key-file', key)
    await mustRun('keys', 'encrypt', '--dir', site, '--passphrase-file', pass)
    expect(await seenOn([site, node], secrets)).toEqual([])

    const [unlockSite, unlockNode] = [fromFile(pass, 'passphrase'), fromFile(key, 'key')]
    expect(await secretsOf(unlockSite, unlockNode)).toEqual(secrets)
    expect(await day(unlockNode, true)).toBe(2)
    expect(
      await scanDocuments(join(node, 'documents'), storeKeysIn(await readIdentity(node, unlockNode))),
    ).toBe('intact')
    await mustRun('charger', 'add', 'CP2', '--site', site, '--passphrase-file', pass)
    expect(await seenOn([site, node], secrets)).toEqual([])

    await mustRun('keys', 'decrypt', '--dir', node, '--key-file', key)
    await mustRun('keys', 'decrypt', '--dir', site, '--passphrase-file', pass)
    expect(await day(NOTHING_CHOSEN, false)).toBe(2)
    expect(await seenOn([site, node], secrets)).toEqual(before)
  })

  it('never held anything in the clear when it was encrypted from its birth', SECONDS, async () => {
    await found(['--passphrase-file', pass], ['--key-command', `cat ${key}`])
    const [unlockSite, unlockNode] = [fromFile(pass, 'passphrase'), fromFile(key, 'key')]
    const secrets = await secretsOf(unlockSite, unlockNode)
    expect(secrets.size).toBe(25)
    expect(await day(unlockNode, true)).toBe(1)
    expect(await day(unlockNode, false)).toBe(1)
    expect(await seenOn([site, node], secrets)).toEqual([])
  })
})

describe('a wrong secret', () => {
  it('is one sentence and exit code 1, changes nothing, and the right one opens then', SECONDS, async () => {
    await found([], ['--passphrase-file', pass])
    const before = await contentsOf(node)
    const other = join(folder.dir, 'stick', 'other')
    await writeFile(other, 'quite another one')
    for (const words of [
      ['node', 'run', '--dir', node, '--key-file', key],
      ['node', 'run', '--dir', node, '--key-file', join(folder.dir, 'stick-that-is-not-in')],
      ['node', 'run', '--dir', node],
      ['keys', 'decrypt', '--dir', node, '--key-command', 'echo 12345678'],
      ['keys', 'passwd', '--dir', node, '--key-file', key, '--new-passphrase-file', other],
      ['keys', 'encrypt', '--dir', node, '--key-file', key],
    ]) {
      const { code, error } = await run(...words)
      expect(code, words.join(' ')).toBe(1)
      expect(error).toMatch(/^KEY_REFUSED: [^\n]+\n$/)
      expect(await contentsOf(node)).toEqual(before)
    }
    const child = spawn(process.execPath, [MAIN, 'node', 'run', '--dir', node, '--key-file', key], {
      stdio: 'ignore',
    })
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(await day(fromFile(pass, 'passphrase'), false)).toBe(0)
    await mustRun('keys', 'passwd', '--dir', node, '--passphrase-file', pass, '--new-key-file', key)
    expect((await run('keys', 'decrypt', '--dir', node, '--passphrase-file', pass)).code).toBe(1)
    expect(await day(fromFile(key, 'key'), false)).toBe(0)
  })

  async function contentsOf(dir: string): Promise<ReadonlyMap<string, string>> {
    const files = (await filesIn(dir)).filter(file => !file.includes('/lock/'))
    return new Map(
      await Promise.all(files.map(async file => [file, await readFile(file, 'latin1')] as const)),
    )
  }
})

describe('an encrypted store', () => {
  it(
    'whose key is not in the identity is refused and left alone, not taken for damage',
    SECONDS,
    async () => {
      await found([], ['--key-file', key])
      const unlock = fromFile(key, 'key')
      expect(await day(unlock, true)).toBe(1)
      await copyFile(join(node, 'identity.json'), join(folder.dir, 'identity.json'))
      const { storeKeys, ...identity } = await readIdentity(node, unlock)
      await writeSealedIdentity(node, identity, unlock)
      await expect(runNode(node, unlock)).rejects.toMatchObject({ code: 'KEY_REFUSED' })
      expect(await readdir(node)).not.toContain('quarantine')
      await copyFile(join(folder.dir, 'identity.json'), join(node, 'identity.json'))
      expect(await day(unlock, false)).toBe(1)
    },
  )

  it('is not encrypted under a node that runs', SECONDS, async () => {
    await found()
    const running = await runNode(node)
    try {
      const said = await run('keys', 'encrypt', '--dir', node, '--key-file', key)
      expect(said).toMatchObject({ code: 1, error: expect.stringContaining('STORE_LOCKED') })
    } finally {
      await running.close()
    }
    expect((await readIdentity(node)).isSealed).toBe(false)
  })

  it('can be used after `keys encrypt` was killed, and the same command finishes it', SECONDS, async () => {
    await found()
    const disk = openDisk(node)
    const { journal, records } = await openAndRead(disk)
    const first = records.length
    for (let n = 0; n < 60; n++) await journal.append([numbered(n, 1_000_000)])
    await journal.close()
    await disk.close()
    const words = ['keys', 'encrypt', '--dir', node, '--key-file', key]
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    await until(async () => (await keyIdIn('00000002.cmj')) === 1, {
      withinMs: 60_000,
      what: 'a file is sealed',
    })
    child.kill('SIGKILL')
    await ended
    const unlock = fromFile(key, 'key')
    expect(await keyIdIn('00000008.cmj'), 'it was killed too late to show anything').toBe(0)
    expect(await read(unlock)).toEqual(Array.from({ length: 60 }, (_, n) => n))
    await mustRun(...words)
    expect(await keyIdIn('00000008.cmj')).toBe(1)
    expect(await read(unlock)).toEqual(Array.from({ length: 60 }, (_, n) => n))
    expect((await filesIn(node)).filter(file => /\.(tmp|new)$/.test(file))).toEqual([])

    async function read(unlocked: Unlock): Promise<readonly number[]> {
      const opened = openDisk(node)
      const keys = storeKeysIn(await readIdentity(node, unlocked))
      const { records: all, scan, journal: again } = await openAndRead(opened, keys)
      expect(scan.damaged).toEqual([])
      await again.close()
      await opened.close()
      return all.slice(first).map(numberOf)
    }
  })

  /** Of the first frame of a file: behind "CMJ1" and ten bytes of head. */
  async function keyIdIn(name: string): Promise<number | undefined> {
    const file = await open(join(node, 'journal', name))
    try {
      return (await file.read(Buffer.alloc(1), 0, 1, 14)).buffer[0]
    } finally {
      await file.close()
    }
  }
})

describe('an invitation to an encrypted node', () => {
  it('makes its folder so that only the key opens it', SECONDS, async () => {
    await found(['--passphrase-file', pass], [])
    const words = ['node', 'invite', '--site', site, '--name', 'p2', '--host', '127.0.0.1', '--json']
    const child = spawn(process.execPath, [MAIN, ...words, '--passphrase-file', pass], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let said = ''
    child.stdout.on('data', chunk => (said += String(chunk)))
    const ended = once(child, 'exit')
    await until(() => said.includes('}'), { withinMs: 30_000, what: 'a code' })
    const { code } = JSON.parse(said) as { code: string }
    const second = join(folder.dir, 'second')
    await mustRun('node', 'join', code, '--dir', second, '--key-file', key)
    expect((await ended)[0]).toBe(0)
    expect((await readIdentity(second, fromFile(key, 'key'))).isSealed).toBe(true)
    const secrets = await secretsOf(fromFile(pass, 'passphrase'), NOTHING_CHOSEN)
    expect(await seenOn([second], secrets)).toEqual([])
    expect((await stat(join(second, 'identity.json'))).mode & 0o777).toBe(0o600)
  })
})
