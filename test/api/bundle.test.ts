// The parts that a node writes onto a stick: whatever it holds, each of them can be opened.
import Fastify from 'fastify'
import { describe, expect, it } from 'vitest'
import { addBundles, type BundleDeps } from '../../src/api/bundle.ts'
import { sealPublicKey } from '../../src/identity/seal.ts'
import type { LogId } from '../../src/units.ts'
import { openPart, readPart } from '../../src/uplink/bundle.ts'
import { testSite } from '../site.ts'

const LOGS = 9_000
const UPDATE_BYTES = 300

/** A node that holds the logs of so many devices, a short one of each. */
function crowded() {
  const site = testSite('crowded')
  const device = site.device('pole')
  const { issuer } = site
  const held = Array.from({ length: LOGS }, (_, i) => ({
    ...{ logId: i.toString(16).padStart(32, '0') as LogId, base: 0, head: { seq: 0 }, changedAt: i },
    certificate: { roles: ['node'], encoded: site.random(450) },
  }))
  const byId = new Map(held.map(log => [log.logId, log]))
  const update = new Uint8Array(UPDATE_BYTES)
  const ledger = {
    logs: {
      all: () => held.values(),
      get: (logId: LogId) => byId.get(logId),
      segments: (logId: LogId, fromSeq: number) =>
        fromSeq === 0 ? [{ logId, fromSeq, update, nextSeq: 1 }] : [],
    },
    ...{ ackedSeq: () => -1, isVoid: () => false, ownCertificate: () => device.certificate },
    chainOf: (one: { readonly encoded: Uint8Array }) => [issuer.certificate.encoded, one.encoded],
  }
  const deps = {
    node: { ledger: () => ledger, record: async () => undefined },
    ...{ roster: site.roster([device]), name: 'pole', siteName: 'Stadium', sealKey: device.keys.sealKey },
    clock: { wallMs: () => Date.now(), monotonicMs: () => 0 },
    signer: () => ({
      logKey: device.keys.logKey,
      signatures: site.signatures,
      random: { bytes: site.random },
    }),
  }
  return { site, deps: deps as unknown as BundleDeps }
}

describe('a part', () => {
  it('of many short logs, each with an author of its own, is no longer than can be opened', async () => {
    const { site, deps } = crowded()
    const server = Fastify()
    addBundles(server, deps)
    const answer = await server.inject({ method: 'POST', url: '/v1/bundle/part', payload: { covers: [] } })
    const { part } = answer.json<{ part: string }>()
    const reader = { siteId: site.siteId, rootKey: site.rootKey, signatures: site.signatures }
    const verdict = readPart(reader, new Uint8Array(Buffer.from(part, 'base64')))
    if (verdict.kind === 'refused') throw new Error(verdict.reason)
    const secretKey = site.issuer.keys.sealKey
    expect(openPart(verdict.part, [{ secretKey, publicKey: sealPublicKey(secretKey) }])).toBeDefined()
  })
})
