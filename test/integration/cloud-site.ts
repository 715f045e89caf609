// A cloud for a site folder: the receiver over a database in memory, with the files that `cloud run` writes.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Database } from '../../src/cloud/database.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { readIdentity, siteIdIn } from '../../src/host/identity-files.ts'
import type { RunningNode } from '../../src/host/runner.ts'
import { systemClock, systemRandom } from '../../src/host/system.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { unhex } from '../../src/units.ts'
import { quiet } from './cloud-bench.ts'
import { mustRun } from './operator-site.ts'
import { openToldCharger } from './told-charger.ts'

export type SiteCloud = {
  /** As --cloud and --via name it. */
  readonly dir: string
  readonly caFile: string
  readonly receiver: Receiver
}

export async function openSiteCloud(
  site: string,
  at: { readonly dir: string; readonly database: Database; readonly cloudEpoch?: number },
): Promise<SiteCloud> {
  const identity = await readIdentity(join(site, 'cloud'))
  const certificates = identity.certificates.map(unhex)
  const token = 'a-token-for-the-operator'
  const receiver = await openReceiver({
    listen: { host: '127.0.0.1', port: 0 },
    database: at.database,
    ...(at.cloudEpoch !== undefined && { cloudEpoch: at.cloudEpoch }),
    sites: [
      {
        siteId: siteIdIn(identity.site),
        rootKey: unhex(identity.site.rootKey),
        name: identity.site.name,
        certificates,
        cloud: {
          certificate: certificates.at(-1) ?? new Uint8Array(0),
          logKey: unhex(identity.keys.logKey),
        },
      },
    ],
    tls: await makeServerCertificate(['127.0.0.1', 'localhost']),
    operatorToken: token,
    ...{ signatures: ed25519(), clock: systemClock(), random: systemRandom(), logger: quiet },
  })
  await mkdir(at.dir, { recursive: true })
  const caFile = join(at.dir, 'ca.pem')
  await writeFile(caFile, receiver.caPem)
  await writeFile(join(at.dir, 'receiver.json'), JSON.stringify({ url: receiver.url, token }))
  return { dir: at.dir, caFile, receiver }
}

/** A node of the site in its own folder, that knows nobody. */
export async function joinAlone(site: string, dir: string, name: string): Promise<string> {
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--no-discovery']
  await mustRun('node', 'join', '--site', site, '--dir', dir, '--name', name, ...ports)
  return dir
}

export async function giveUplink(nodeDir: string, { receiver, caFile }: SiteCloud): Promise<void> {
  await mustRun('uplink', 'add', 'https', receiver.url, '--ca', caFile, '--via', nodeDir)
}

const PASSWORD = 'sixteen-or-more-chars'

/** A charger and a card, known to nodes that join afterwards. */
export async function equip(site: string): Promise<void> {
  await mustRun('tariff', 'set', '0.25', '--from', '2026-01-01', '--site', site)
  await mustRun('token', 'add', 'CARD1', '--label', 'card', '--site', site)
  await mustRun('charger', 'add', 'CP01', '--password', PASSWORD, '--site', site)
}

/** Sessions of 2.5 kWh each, recorded by this node. */
export async function charge({ ocppUrl }: RunningNode, fromWh: number, sessions = 1): Promise<void> {
  const charger = await openToldCharger({
    ...{ url: ocppUrl, identity: 'CP01', password: PASSWORD, answers: () => ({ status: 'Accepted' }) },
  })
  try {
    for (let meterStart = fromWh; meterStart < fromWh + 2500 * sessions; meterStart += 2500) {
      const [startedAt, stoppedAt] = [Date.now() - 3_600_000 + meterStart, Date.now() - 1000]
      const timestamp = new Date(startedAt).toISOString()
      const start = { connectorId: 1, idTag: 'CARD1', meterStart, timestamp }
      const { transactionId } = (await charger.call('StartTransaction', start)) as { transactionId: number }
      const stop = {
        transactionId,
        meterStop: meterStart + 2500,
        timestamp: new Date(stoppedAt).toISOString(),
      }
      await charger.call('StopTransaction', stop)
    }
  } finally {
    await charger.close()
  }
}
