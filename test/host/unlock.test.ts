import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unlockOf } from '../../src/cli/unlock.ts'
import { fromCommand, fromFile, NOTHING_CHOSEN } from '../../src/host/unlock.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-unlock-'))
})
afterEach(() => rm(dir, { recursive: true }))

const text = async (secret: Promise<Uint8Array>) => new TextDecoder().decode(await secret)

/** A program that plays a token: it gives its key to who knows the PIN, and counts how often it was asked. */
async function token(): Promise<string> {
  const script = join(dir, 'token.sh')
  await writeFile(
    script,
    `#!/bin/sh\necho asked >> "${dir}/asked"\ntest "$1" = 1234 || exit 7\nprintf the-key-of-the-token\n`,
  )
  await chmod(script, 0o700)
  return script
}

describe('a secret', () => {
  it.each([
    ['correct horse\n', 'correct horse'],
    ['correct horse\r\n', 'correct horse'],
    ['correct horse', 'correct horse'],
    ['correct horse\n\n', 'correct horse\n'],
  ])('in a file is all of it but the line end: %j', async (content, secret) => {
    await writeFile(join(dir, 'pass'), content)
    expect(await text(fromFile(join(dir, 'pass'), 'passphrase').secret())).toBe(secret)
  })

  it('of bytes that are no text is taken as it is', async () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => 255 - i)
    await writeFile(join(dir, 'key'), key)
    expect(new Uint8Array(await fromFile(join(dir, 'key'), 'key').secret())).toEqual(key)
  })

  it.each([
    ['is not there', undefined, /key in .* cannot be read/],
    ['is empty', '', /has 0 bytes, wanted 8 to 4096/],
    ['is short', '1234567\n', /has 7 bytes/],
    ['is endless', 'x'.repeat(5000), /has 5000 bytes/],
  ])('is refused when its file %s', async (_, content, message) => {
    if (content !== undefined) await writeFile(join(dir, 'key'), content)
    const refused = fromFile(join(dir, 'key'), 'key').secret()
    await expect(refused).rejects.toMatchObject({ code: 'KEY_REFUSED' })
    await expect(refused).rejects.toThrow(message)
  })

  it('is what a program prints, which is asked once', async () => {
    const unlock = fromCommand(`${await token()} 1234`)
    expect(await text(unlock.secret())).toBe('the-key-of-the-token')
    await unlock.secret()
    expect(await readFile(join(dir, 'asked'), 'utf8')).toBe('asked\n')
  })

  it.each([
    ['refuses', (script: string) => `${script} 0000`, /exit code 7/],
    ['is not there', () => '/nowhere/token 2>/dev/null', /exit code 127/],
    ['prints nothing', () => 'true', /has 0 bytes/],
    ['prints without end', () => 'yes | head -c 1000000', /wanted 8 to 4096/],
    ['is killed', () => 'kill -9 $$', /SIGKILL/],
  ])('is refused when the program %s', async (_, command, message) => {
    const refused = fromCommand(command(await token())).secret()
    await expect(refused).rejects.toMatchObject({ code: 'KEY_REFUSED' })
    await expect(refused).rejects.toThrow(message)
  })

  it.each([
    ['never ends', 'sleep 5'],
    ['leaves something behind that keeps its output open', 'sleep 5 & exit 0'],
  ])('is not waited for for ever when the program %s', async (_, command) => {
    const refused = fromCommand(command, 200).secret()
    await expect(refused).rejects.toMatchObject({ code: 'KEY_REFUSED' })
    await expect(refused).rejects.toThrow('did not end within 0.2 s')
  })

  it('that nobody named is missed only when it is needed', async () => {
    expect(NOTHING_CHOSEN.isChosen).toBe(false)
    await expect(NOTHING_CHOSEN.secret()).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  })
})

describe('where a secret is', () => {
  it('is said by an option, or else by the environment, or else by systemd', async () => {
    await mkdir(join(dir, 'credentials'))
    for (const name of ['option', 'environment', 'credentials/chargemesh.key'])
      await writeFile(join(dir, name), `from ${name}`)
    const environment = {
      CHARGEMESH_PASSPHRASE_FILE: join(dir, 'environment'),
      CREDENTIALS_DIRECTORY: join(dir, 'credentials'),
    }
    expect(await text(unlockOf({ keyFile: join(dir, 'option') }, environment).secret())).toBe('from option')
    expect(await text(unlockOf({}, environment).secret())).toBe('from environment')
    const { CREDENTIALS_DIRECTORY } = environment
    expect(await text(unlockOf({}, { CREDENTIALS_DIRECTORY }).secret())).toBe(
      'from credentials/chargemesh.key',
    )
  })

  it('is nowhere when systemd has credentials, but none of ours', async () => {
    expect(unlockOf({}, { CREDENTIALS_DIRECTORY: dir })).toBe(NOTHING_CHOSEN)
  })

  it('cannot be two places', () => {
    expect(() => unlockOf({ keyFile: 'a', passphraseFile: 'b' }, {})).toThrow('give one of')
  })
})
