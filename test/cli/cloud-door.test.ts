import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { certificateIn, operatorTokenIn, tokenIn } from '../../src/cli/cloud-door.ts'
import { systemRandom } from '../../src/host/system.ts'

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'chargemesh-door-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return dir
}

it('shows the certificate that nodes pinned after a restart, and never silently another one', async () => {
  const dir = await folder()
  const first = await certificateIn(dir, ['localhost', '192.0.2.10'])
  expect(await certificateIn(dir, ['192.0.2.10'])).toEqual(first)
  const other = certificateIn(dir, ['localhost', 'cloud.example'])
  await expect(other).rejects.toThrow(/--host cloud.example.*is for localhost, 192.0.2.10; remove it/)
  await writeFile(join(dir, 'tls.json'), '{"key":')
  await expect(certificateIn(dir, ['localhost'])).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

it('keeps the token that dashboards hold', async () => {
  const dir = await folder()
  const [first, second] = [
    await operatorTokenIn(dir, systemRandom()),
    await operatorTokenIn(dir, systemRandom()),
  ]
  expect(first).toMatch(/^[0-9a-f]{48}$/)
  expect(second).not.toBe(first)
  await writeFile(join(dir, 'receiver.json'), JSON.stringify({ url: 'https://127.0.0.1:1', token: first }))
  expect(await operatorTokenIn(dir, systemRandom())).toBe(first)
})

it('takes a token out of a file, without its line end', async () => {
  const path = join(await folder(), 'token')
  await writeFile(path, 'metrics-0123456789\n')
  expect(await tokenIn(path, 'a token')).toBe((await readFile(path, 'utf8')).trim())
  await writeFile(path, 'two words')
  await expect(tokenIn(path, 'a token')).rejects.toThrow('wanted a token of 8 to 512 characters')
})
