// The site that the charging benchmarks run on: chargers with passwords, a card for each, a tariff, made by the same calls as
// the command line's. Every round gets a new node of it, so that all begin with the same journal.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeNodeConfig } from '../../src/config.ts'
import { cardsOf } from '../../src/host/cards.ts'
import { NODE_FILE } from '../../src/host/node-files.ts'
import { type Operator, openOperator } from '../../src/host/operator.ts'
import { createNode, createSite } from '../../src/host/site-birth.ts'
import { systemRandom } from '../../src/host/system.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { makeCredential } from '../../src/ocpp/credential.ts'
import { chargerId } from '../../src/units.ts'

const DAY_MS = 24 * 3600 * 1000
const ANY_PORT = '127.0.0.1:0'

export type ChargerAccount = { readonly identity: string; readonly password: string; readonly card: string }
export type ChargingSite = {
  readonly accounts: readonly ChargerAccount[]
  /** A folder that no other round has. */
  readonly emptyFolder: () => string
  /** The folder of a new node, which holds the operator's log and nothing else. */
  readonly newNode: () => Promise<string>
}

/** The folders are removed at the end. */
export async function withChargingSite<T>(
  chargers: number,
  use: (site: ChargingSite) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'chargemesh-bench-'))
  try {
    const siteDir = join(folder, 'site')
    await createSite(siteDir, { name: 'Benchmark', currency: 'EUR', nowAt: Date.now() })
    const accounts = Array.from({ length: chargers }, (_, i) => accountOf(i))
    const operator = await openOperator(siteDir)
    try {
      await operator.record(await everythingOf(operator, accounts))
      let nodes = 0
      const newNode = async (): Promise<string> => {
        nodes += 1
        const [dir, name] = [join(folder, `node-${nodes}`), `node-${nodes}`]
        await createNode(operator, dir, { name, nowAt: Date.now(), settings: '' })
        const mesh = { listen: ANY_PORT, discovery: 'off' } as const
        const doors = { mesh, ocpp: { listen: ANY_PORT }, api: { listen: ANY_PORT } }
        writeFileSync(join(dir, NODE_FILE), writeNodeConfig({ name, ...doors, log: { level: 'error' } }))
        return dir
      }
      return await use({ accounts, newNode, emptyFolder: () => mkdtempSync(join(folder, 'floor-')) })
    } finally {
      await operator.close()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function accountOf(number: number): ChargerAccount {
  const padded = String(number).padStart(5, '0')
  return { identity: `BENCH-${padded}`, password: randomBytes(12).toString('hex'), card: `CARD${padded}` }
}

async function everythingOf(
  operator: Operator,
  accounts: readonly ChargerAccount[],
): Promise<readonly AnyBody[]> {
  const nowAt = Date.now()
  const effectiveAt = nowAt - DAY_MS
  const { currency } = operator.site
  const tariff: AnyBody = {
    name: 'tariff',
    body: { tariffId: 'STANDARD', currency, pricePerKwh: '0.25', effectiveAt },
  }
  const rest = await Promise.all(accounts.map(account => chargerAndCard(operator, account, nowAt)))
  return [tariff, ...rest.flat()]
}

async function chargerAndCard(
  operator: Operator,
  { identity, password, card }: ChargerAccount,
  nowAt: number,
): Promise<readonly AnyBody[]> {
  const id = chargerId(identity)
  if (id === undefined) throw new RangeError(`identity ${identity}`)
  const { salt, hash, cost } = await makeCredential(password, systemRandom())
  const { tokenRef } = await cardsOf(operator)(card)
  return [
    {
      name: 'charge_point',
      body: { ...{ chargerId: id, salt, hash, cost }, connectors: 1, withdrawn: false },
    },
    {
      name: 'grant',
      body: {
        ...{ tokenRef, accountRef: tokenRef, whitelist: 'ALLOWED_OFFLINE', class: 'standard' },
        ...{ supersedes: [], scope: { zones: [], connectorTypes: [] } },
        ...{ notBeforeAt: nowAt - DAY_MS, notAfterAt: nowAt + DAY_MS, offline: { maxAgeS: DAY_MS / 1000 } },
      },
    },
  ]
}
