// The view keeps what people look at within bounds: of diagnostics the newest, in whatever order the logs came.
import { expect, it } from 'vitest'
import type { Certificate } from '../src/identity/certificate.ts'
import type { Roster } from '../src/identity/roster.ts'
import { encodeBody, TYPE_NUMBERS } from '../src/log/body.ts'
import { hlcOf } from '../src/log/hlc.ts'
import type { DeviceId, EventHash, LogId } from '../src/units.ts'
import { createView, MAX_DIAGNOSTICS } from '../src/view.ts'

const OPENED_AT = Date.UTC(2026, 5, 1)
const HASH = '00'.repeat(32) as EventHash

it('keeps the newest diagnostics, although an older log comes last', () => {
  // Diagnostics of a node ask neither more of the roster nor more of a certificate than this.
  const view = createView({ manifest: () => undefined } as Roster)
  const certificate = { roles: ['node'], deviceId: '01'.repeat(16) as DeviceId } as unknown as Certificate
  const diagnose = (log: string, seq: number, atMs: number): void => {
    const body = encodeBody({ name: 'diagnostics', body: { code: `${log}${seq}`, detail: '' } })
    const place = { logId: log.repeat(32) as LogId, seq, hlc: hlcOf(atMs), hash: HASH, prev: HASH }
    view.apply({ ...place, monoMs: 0, type: TYPE_NUMBERS.diagnostics, body }, certificate)
  }
  for (let seq = 1; seq <= MAX_DIAGNOSTICS + 5; seq++) diagnose('b', seq, OPENED_AT + seq)
  for (let seq = 1; seq <= MAX_DIAGNOSTICS; seq++) diagnose('a', seq, OPENED_AT - MAX_DIAGNOSTICS + seq)
  const kept = view.diagnostics().map(({ body }) => body.code)
  expect(kept).toHaveLength(MAX_DIAGNOSTICS)
  expect([kept[0], kept.at(-1)]).toEqual(['b6', `b${MAX_DIAGNOSTICS + 5}`])
})
