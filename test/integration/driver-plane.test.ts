// The driver's plane of a real node as strangers meet it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ROUTES } from '../../src/api/driver-openapi.ts'
import type { ProblemAnswer } from '../../src/api/driver-words.ts'
import { CARD, type DriverSite, openDriverSite, phone, problem } from './driver-site.ts'
import { asked } from './operator-site.ts'

let at: DriverSite

beforeAll(async () => {
  at = await openDriverSite()
}, 60_000)

afterEach(() => at.closeChargers())

afterAll(async () => {
  await at?.close()
})

describe('the plane', () => {
  it('describes itself, and every route that it describes is there', async () => {
    const { body } = await at.call<{ openapi: string; paths: Record<string, Record<string, unknown>> }>(
      'GET',
      '/openapi.json',
      undefined,
      phone(),
    )
    expect(body.openapi).toBe('3.1.0')
    for (const { method, path } of ROUTES) {
      expect(body.paths[path]).toHaveProperty(method)
      const said = await at.call(
        method.toUpperCase(),
        path.replace('{id}', 'x'),
        method === 'post' ? {} : undefined,
        phone(),
      )
      expect([
        path,
        said.status === 200 || problem(said).error !== 'NOT_FOUND' || path.startsWith('/request'),
      ]).toEqual([path, true])
    }
    const described = JSON.stringify(body)
    for (const [, name] of described.matchAll(/#\/components\/schemas\/(\w+)/g))
      expect(described).toContain(`"${name}":{`)
  })

  it('knows no operator, and the operator’s plane knows no driver', async () => {
    const { url, token } = JSON.parse(await readFile(join(at.nodeDir, 'api.json'), 'utf8')) as Record<
      string,
      string
    >
    const operator = { authorization: `Bearer ${token}`, ...phone() }
    for (const path of ['/v1/status', '/v1/sessions'])
      expect((await at.call('GET', path, undefined, operator)).status).toBe(404)
    expect((await fetch(`${url}/stations`)).status).toBe(401)
    expect((await fetch(`${url}/stations`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(
      404,
    )
  })

  it('slows whoever tries cards, and nobody else', async () => {
    const thief = phone()
    const statuses: number[] = []
    for (let tries = 0; tries < 12; tries++) {
      const words = { card: `04BAD0000${tries}`, station_id: 'CP01' }
      const said = await at.call('POST', '/start_session', words, thief)
      statuses.push(said.status)
      if (said.status === 429) expect(Number(said.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(statuses.slice(0, 5)).toEqual([403, 403, 403, 403, 403])
    expect(statuses.slice(5).every(status => status === 429)).toBe(true)
    const { drivers } = await asked<{ drivers: { refused: Record<string, number> } }>(
      at.nodeDir,
      '/v1/status',
    )
    expect(drivers.refused).toMatchObject({ NOT_ALLOWED: 5, TOO_MANY: 7 })
    // A good card from there has to wait as well: else it would tell good ones from bad.
    expect((await at.call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, thief)).status).toBe(
      429,
    )
    expect(
      (await at.call('POST', '/start_session', { card: CARD, station_id: 'CP99' }, phone())).status,
    ).toBe(404)
  })

  it('repeats nothing of what it cannot read, and lets no other page read it', async () => {
    const bodies: readonly (readonly [string, string])[] = [
      ['application/json', `{"card":"${CARD}","station_id"`],
      ['application/json', JSON.stringify({ card: CARD.repeat(9), station_id: 'CP01' })],
      ['application/json', JSON.stringify({ [CARD]: 1, station_id: CARD, card: CARD })],
      ['application/json', JSON.stringify({ card: CARD, station_id: 'CP01', more: 'x'.repeat(5000) })],
      ['text/plain', JSON.stringify({ card: CARD, station_id: 'CP01' })],
      ['application/json', 'null'],
    ]
    for (const [type, body] of bodies) {
      const response = await fetch(`${at.node().driverUrl}/start_session`, {
        ...{
          method: 'POST',
          body,
          headers: { 'content-type': type, ...phone(), origin: 'https://evil.example' },
        },
      })
      const text = await response.text()
      expect([type, body.length, response.status >= 400 && response.status < 500]).toEqual([
        type,
        body.length,
        true,
      ])
      expect(text).not.toContain(CARD)
      // In words of our own: a parser's may repeat a piece.
      expect((JSON.parse(text) as ProblemAnswer).text).toMatch(/ [Ss]ee \/openapi\.json\.$/)
      expect(response.headers.get('access-control-allow-origin')).toBeNull()
    }
    const key = { ...phone(), 'idempotency-key': 'x'.repeat(65) }
    expect((await at.call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, key)).status).toBe(
      400,
    )
  })
})
