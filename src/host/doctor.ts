// Examines a node's folder and its surroundings, layer by layer, and names what fails with its cure. It changes nothing in
// the folder. A node that runs is asked, and its store is left alone; for a node that is stopped the doctor looks itself.
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiFileIn, type Client, clientOf } from '../api/client.ts'
import { type NodeConfig, parseNodeConfig } from '../config.ts'
import { InvariantBroken, MeshError, reasonOf } from '../errors.ts'
import { examineAddress } from './doctor-address.ts'
import { examineCertificate } from './doctor-certificate.ts'
import { examineChargers } from './doctor-chargers.ts'
import { examineClock } from './doctor-clock.ts'
import { examineKey } from './doctor-key.ts'
import { examineMulticast } from './doctor-multicast.ts'
import type { Diagnosis, Examination, Finding, Layer, Patient } from './doctor-patient.ts'
import { examineStore, readStore } from './doctor-store.ts'
import { examineUplink, probeUplinks } from './doctor-uplink.ts'
import { readIdentity, readText } from './identity-files.ts'
import { NODE_FILE } from './node-files.ts'
import { rememberedAddresses } from './node-memory.ts'
import type { Unlock } from './unlock.ts'

const EXAMINATIONS: readonly (readonly [Layer, Examination])[] = [
  ['address', examineAddress],
  ['multicast', patient => examineMulticast(patient)],
  ['clock', examineClock],
  ['key', examineKey],
  ['certificate', examineCertificate],
  ['chargers', examineChargers],
  ['store', examineStore],
  ['uplink', examineUplink],
]

/** One diagnosis a layer, in their order. Refuses with CONFIG_INVALID a folder that is no node's. */
export async function examine(dir: string, nowAt: number, unlock?: Unlock): Promise<readonly Diagnosis[]> {
  await access(dir).catch(error => {
    throw new MeshError('CONFIG_INVALID', `${dir} cannot be opened: is it the folder of a node?`, error)
  })
  const settings = await attempt(() => readConfig(dir))
  const identity = await attempt(() => readIdentity(dir, unlock))
  const running = await askRunning(dir)
  const remembered = await attempt(() => rememberedAddresses(dir))
  const patient: Patient = {
    ...{ dir, nowAt, running, uplinks: await probeUplinks(dir), identity: identity.value ?? identity.fault },
    config: settings.value,
    remembered: remembered.fault ?? remembered.value ?? [],
    store: running ? undefined : await attempt(() => readStore(dir, identity.value)),
  }
  const first: Finding = settings.value
    ? {
        fine: `${join(dir, NODE_FILE)} can be read; the node ${running ? 'runs' : 'is stopped'}`,
        troubles: [],
      }
    : { fine: '', troubles: [{ verdict: 'fail', says: settings.fault }] }
  const diagnoses: Diagnosis[] = [diagnose('settings', first)]
  for (const [layer, look] of EXAMINATIONS) {
    const { value, fault } = await attempt(() => look(patient))
    diagnoses.push(diagnose(layer, value ?? { fine: '', troubles: [{ verdict: 'fail', says: fault }] }))
  }
  return diagnoses
}

function diagnose(layer: Layer, { fine, troubles }: Finding): Diagnosis {
  const verdict = troubles.some(one => one.verdict === 'fail') ? 'fail' : troubles.length > 0 ? 'warn' : 'ok'
  // What fails is said before what only warns.
  const sorted = troubles.toSorted((a, b) => Number(b.verdict === 'fail') - Number(a.verdict === 'fail'))
  return { layer, verdict, says: sorted.length > 0 ? sorted.map(one => one.says).join('; ') : fine }
}

async function readConfig(dir: string): Promise<NodeConfig> {
  const file = join(dir, NODE_FILE)
  return parseNodeConfig(file, await readText(file, '`chargemesh node join` makes one'))
}

/** The operator's plane of the node in this folder, when it answers. */
async function askRunning(dir: string): Promise<Patient['running']> {
  const file = apiFileIn(dir)
  let client: Client
  try {
    client = clientOf(file, await readFile(file, 'utf8'))
  } catch {
    // Missing, or left half written by a crash: the node writes it anew at each start, so it does not run.
    return undefined
  }
  const status = await attempt(() => client.get('/v1/status'))
  return status.value === undefined ? undefined : { client, status: status.value as never }
}

type Attempt<T> =
  | { readonly value: T; readonly fault?: undefined }
  | { readonly value?: undefined; readonly fault: string }

/** A failure is what the doctor is there for: it becomes words. */
async function attempt<T>(act: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await act() }
  } catch (error) {
    if (error instanceof InvariantBroken) throw error
    return { fault: reasonOf(error) }
  }
}
