// A receipt's whole way: a charger's session on a real node, the command line and a driver's phone that fetch it, and a
// reader in another process who has nothing of the site but its public root key.
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RECEIPT } from '../../src/api/driver-words.ts'
import { signedBytesIn } from '../../src/billing/receipt-forms.ts'
import { until } from '../deadline.ts'
import { CARD, type DriverSite, LATER, openDriverSite, phone, session, textFrom } from './driver-site.ts'
import { foundSite, mustRun, run } from './operator-site.ts'

const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url))

let at: DriverSite
let [id, desk] = ['', '']

/** On a desk where only the key and what was handed over lie; `words` may be a line for standard input too. */
async function verify(
  words: readonly string[],
  input = '',
): Promise<{ code: number; out: string; error: string }> {
  return await new Promise(resolve => {
    const child = execFile(process.execPath, [MAIN, 'verify', ...words], { cwd: desk }, (error, out, said) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, out, error: said }),
    )
    child.stdin?.end(input)
  })
}

beforeAll(async () => {
  at = await openDriverSite()
  desk = join(at.dir, 'desk')
  await mkdir(desk)
  const cp = await at.booted('CP01')
  const me = phone()
  cp.plugIn(1)
  id =
    session(await at.call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, me)).session_id ?? ''
  const flows = async (): Promise<boolean> =>
    (session(await at.call('GET', `/session/${id}`, undefined, me)).energy_kwh ?? 0) > 0
  await until(flows, { ...LATER, what: 'energy flows' })
  await at.call('POST', '/stop_session', { card: CARD, session_id: id }, me)
  await mustRun('site', 'root', '--site', at.site, '--out', join(desk, 'root.pub'))
}, 60_000)

afterAll(async () => await at?.close())

describe('a receipt', () => {
  it('is fetched by the first digits of the id, and verified by who has the root key and nothing else', async () => {
    const file = join(desk, 'r.receipt')
    const made = await mustRun('receipt', id.slice(0, 8), '--via', at.nodeDir, '--out', file)
    expect(made.out).toMatch(/^RECEIPT +[0-9a-f]{8}-[0-9a-f]{8}\nNorth Stand\n/)
    const said = await verify(['r.receipt', '--root', 'root.pub', '--json'])
    expect(said).toMatchObject({ code: 0, error: '' })
    const { total_cost } = session(await at.call('GET', `/session/${id}`, undefined, phone()))
    expect(JSON.parse(said.out)).toMatchObject({
      ...{ kind: 'receipt', verdict: 'valid', signedBy: 'pole-1' },
      receipt: {
        sessionId: id,
        state: 'final',
        chargerId: 'CP01',
        meterStartWh: 154_200,
        confirmed: false,
        cost: { total: total_cost },
      },
    })
    const again = await run('receipt', id.slice(0, 8), '--via', at.nodeDir, '--out', file)
    expect(again.error).toMatch(/^CONFIG_INVALID: --out .*EEXIST/)
  })

  it('comes as a QR code whose text proves itself, pasted or scanned into a file', async () => {
    const { out } = await mustRun('receipt', id.slice(0, 8), '--via', at.nodeDir, '--qr', '--json')
    const { qr, number } = JSON.parse(out) as { qr: string; number: string }
    const pasted = await verify(['-', '--root', 'root.pub'], `${qr.replace(/(.{72})/g, '$1\n')}\n`)
    expect(pasted.out).toMatch(new RegExp(`^VALID\n[\\s\\S]*RECEIPT +${number}`))
    expect((await verify([qr, '--root', await readFile(join(desk, 'root.pub'), 'utf8')])).code).toBe(0)
    const drawn = await mustRun('receipt', id.slice(0, 8), '--via', at.nodeDir, '--qr')
    expect(drawn.out).toMatch(/█▀▀▀/)
    const svg = join(desk, 'r.svg')
    await mustRun('receipt', id.slice(0, 8), '--via', at.nodeDir, '--qr', '--out', svg)
    expect(await readFile(svg, 'utf8')).toMatch(/^<svg/)
    const short = JSON.parse(
      (await mustRun('receipt', id.slice(0, 8), '--via', at.nodeDir, '--qr', '--short', '--json')).out,
    )
    expect((await verify([short.qr, '--root', 'root.pub'])).error).toMatch(
      /^SIGNATURE_INVALID: .*--with <file>/,
    )
    expect((await verify([short.qr, '--root', 'root.pub', '--with', 'r.receipt'])).code).toBe(0)
  })

  it('is refused once a digit of it was changed, or by the key of another site', async () => {
    const text = await readFile(join(desk, 'r.receipt'), 'utf8')
    const middle = text.length >> 1
    await writeFile(
      join(desk, 'changed'),
      text.slice(0, middle) + (text[middle] === 'A' ? 'B' : 'A') + text.slice(middle + 1),
    )
    const changed = await verify(['changed', '--root', 'root.pub'])
    expect(changed.code).toBe(1)
    expect(changed.out).toMatch(/^INVALID: /)
    expect(changed.error).toMatch(/^SIGNATURE_INVALID: changed is not valid: /)
    await mkdir(join(at.dir, 'other'))
    const other = await foundSite(join(at.dir, 'other'))
    const foreign = await verify(['r.receipt', '--root', join(other.site, 'site.json')])
    expect(foreign).toMatchObject({ code: 1 })
    expect(foreign.error).toMatch(/it says to be of site [0-9a-f]{32}; this root key is of site [0-9a-f]{32}/)
  })

  it.each([
    [
      'no such file',
      ['nothing.receipt', '--root', 'root.pub'],
      /^CONFIG_INVALID: nothing.receipt cannot be read: ENOENT/,
    ],
    [
      'no receipt',
      ['root.pub', '--root', 'root.pub'],
      /^CONFIG_INVALID: root.pub: nothing that can be verified/,
    ],
    [
      'no key',
      ['r.receipt', '--root', 'r.receipt'],
      /^CONFIG_INVALID: --root r.receipt: wanted the site's root/,
    ],
    [
      'an endless file',
      ['/dev/zero', '--root', 'root.pub'],
      /^CONFIG_INVALID: \/dev\/zero cannot be read: it is longer/,
    ],
  ])('is not judged with %s, and what to do is said', async (_what, words, error) => {
    const said = await verify(words)
    expect(said.code).toBe(1)
    expect(said.error).toMatch(error)
  })

  it('is given to a phone that knows the session, as text, QR line, file and JSON', async () => {
    const from = async (more: string, accept?: string) =>
      await textFrom(at.node(), `/session/${id}/receipt${more}`, accept === undefined ? {} : { accept })
    const text = await from('')
    expect(text).toMatchObject({ status: 200, type: 'text/plain; charset=utf-8' })
    expect(text.text).toMatch(/TOTAL EUR[\s\S]*chargemesh verify FILE --root KEY/)
    for (const line of text.text.split('\n')) expect(line.length).toBeLessThanOrEqual(40)
    for (const one of [
      await from('?form=qr'),
      await from('?form=file'),
      await from('', 'application/octet-stream'),
    ]) {
      await writeFile(join(desk, 'phone'), one.text)
      expect(await verify(['phone', '--root', 'root.pub'])).toMatchObject({ code: 0, error: '' })
    }
    const json = RECEIPT.parse(JSON.parse((await from('', 'application/json')).text))
    expect(json).toMatchObject({ session_id: id, state: 'final', currency: 'EUR' })
    expect(signedBytesIn(json.qr)).toEqual(signedBytesIn(json.file))
    expect((await from('?form=pdf')).status).toBe(400)
    expect((await textFrom(at.node(), `/session/${'0'.repeat(32)}/receipt`)).text).toMatch(/SESSION_UNKNOWN/)
  })
})
