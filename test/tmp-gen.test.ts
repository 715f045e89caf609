import { writeFileSync } from 'node:fs'
import { it } from 'vitest'
import { BODIES, encodeBody, TYPE_NUMBERS } from '../src/log/body.ts'
import { digestToSign, encodeElement, place } from '../src/log/event.ts'
import { hlcOf } from '../src/log/hlc.ts'
import { ed25519 } from '../src/identity/signature.ts'
import { hex } from '../src/units.ts'
import { SAMPLES } from './log/samples.ts'
it('gen', () => {
  const s = ed25519(); const K = new Uint8Array(32).fill(0x42)
  const AT: any = { logId: '10'.repeat(16), seq: 2 ** 32 + 5, prev: 'ab'.repeat(32) }
  const out: any = {}
  for (const name of Object.keys(BODIES)) out[name] = (SAMPLES as any)[name].map((body: any) => {
    const u: any = { type: (TYPE_NUMBERS as any)[name], hlc: hlcOf(Date.UTC(2026, 5, 1, 8), 258), monoMs: 2 ** 33 + 7, body: encodeBody({ name, body } as any) }
    const digest = digestToSign(u, AT); const e = { ...u, signature: s.sign(K, digest) }
    return { type: u.type, body: hex(u.body), element: hex(encodeElement(e)), digest: hex(digest), hash: place(e, AT).hash }
  })
  writeFileSync('test/fixtures/events.json', JSON.stringify(out, null, 1) + '\n')
})
