// A grant carries the card's own id, sealed, only where the site lets chargers hold lists or tells a central system of sessions.
import { expect, it } from 'vitest'
import { createSiteKeys } from '../../src/authorization/site-keys.ts'
import { createSitePolicy } from '../../src/authorization/site-policy.ts'
import { withSealedTag } from '../../src/cli/token-seal.ts'
import type { Operator } from '../../src/host/operator.ts'
import { createTagKeys } from '../../src/identity/tag.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import { SAMPLES } from '../log/samples.ts'

const SITE_KEY = '07'.repeat(32)

function operatorWith(value: 'on' | 'off', forwarders: readonly string[] = []): Operator {
  const sitePolicy = createSitePolicy()
  const [sample] = SAMPLES.adoption
  const ref = sample?.from
  if (!ref) throw new Error('no sample')
  sitePolicy.add({ ref, hlc: hlcOf(1), body: { name: 'local-lists', value } })
  return {
    ledger: {
      view: () => ({
        ...{ sitePolicy, siteKeys: createSiteKeys() },
        forwarding: { turns: { order: () => forwarders } },
      }),
    },
    certificate: { deviceId: '01'.repeat(16) },
    identity: { siteKey: SITE_KEY, keys: { sealKey: SITE_KEY } },
  } as unknown as Operator
}

it('seals the id as chargers read it, bound to the reference, and only where lists are on or a central system is told', () => {
  const [, body] = SAMPLES.grant
  if (!body) throw new Error('no sample')
  const event: AnyBody = { name: 'grant', body }
  expect(withSealedTag(operatorWith('off'), event, 'x')).toBe(event)
  const keys = createTagKeys([new Uint8Array(32).fill(7)])
  for (const operator of [operatorWith('on'), operatorWith('off', ['02'.repeat(16)])]) {
    const sealed = withSealedTag(operator, event, ' 04a2 ')
    const box = sealed.name === 'grant' ? sealed.body.tagSealed : undefined
    expect(keys.open(body.tokenRef, box ?? new Uint8Array())).toBe('04A2')
  }
})
