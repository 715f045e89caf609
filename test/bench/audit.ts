// audit: an audit file as a cloud of a whole site makes it, with real keys, seals and bills, and the time that `chargemesh verify` takes
// over it on one core.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BillSaid } from '../../src/audit/format.ts'
import { type AuditContents, auditBytes } from '../../src/audit/stream.ts'
import { writeStream } from '../../src/host/stream-file.ts'
import { ed25519, publicKeyOf } from '../../src/identity/signature.ts'
import { type AnyBody, decodeBody, type EventRef } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { Segment } from '../../src/ports.ts'
import { addFact, emptyFacts } from '../../src/session/facts.ts'
import { foldCharger } from '../../src/session/fold.ts'
import { hex } from '../../src/units.ts'
import {
  SITE_OPENED_AT,
  sessionBodies,
  type TestDevice,
  type TestLog,
  type TestSite,
  testSite,
} from '../site.ts'
import type { Measure } from './benches.ts'
import { billOf } from './bill.ts'
import { costOf, type Kind } from './drive.ts'
import type { Figures } from './figures.ts'

export type Audited = { readonly sessions: number; readonly nodes: number; readonly ticks: number }

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))
const CHARGERS_OF_NODE = 25
/** Below the 4,096 events at which a node closes its log. */
const EVENTS_OF_LOG = 4_000
const PIECE_BYTES = 1 << 20

export async function withAuditFile(
  options: Audited,
  use: (measure: Measure) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'chargemesh-bench-'))
  try {
    const file = join(folder, 'site.audit')
    const made = await makeFile(file, options)
    await use(async (kind: Kind) => (kind === 'ours' ? await verified(made, options) : floor(made)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type Made = {
  readonly file: string
  readonly rootKey: string
  readonly segments: number
  readonly events: number
}

async function makeFile(file: string, options: Audited): Promise<Made> {
  const site = testSite('bench-audit')
  const nodes = Array.from({ length: options.nodes }, (_, i) => site.device(`node-${i}`))
  const operator = site.openLog(site.issuer)
  operator.append([
    {
      name: 'tariff',
      body: { tariffId: 'day', currency: 'EUR', pricePerKwh: '0.25', effectiveAt: SITE_OPENED_AT },
    },
  ])
  const bills: BillSaid[] = []
  const acks: Uint8Array[] = []
  const count = { segments: 0, events: 0 }
  const told = { site, tariff: operator.ref(), bills, options }
  const signer = {
    certHash: site.cloud.certificate.hash,
    logKey: site.cloud.keys.logKey,
    signatures: site.signatures,
  }
  function* segments(): Generator<Segment, void, void> {
    yield* operator.segments()
    for (const [i, node] of nodes.entries()) {
      const share =
        Math.floor(options.sessions / options.nodes) + (i < options.sessions % options.nodes ? 1 : 0)
      for (const log of logsOf(told, { node, i, share })) {
        const { logId, seq, hash } = log.ref()
        const body = { logId, seq, hash, durability: 1, cloudEpoch: 1, issuedAt: SITE_OPENED_AT + 1 }
        acks.push(signObject(signer, { kind: 'ack', body }))
        count.events += log.events().length
        for (const segment of log.segments()) {
          count.segments += 1
          yield segment
        }
      }
      process.stderr.write(`made ${i + 1} of ${options.nodes} nodes\n`)
    }
  }
  const contents: AuditContents = {
    header: {
      ...{ siteId: site.siteId, rootKey: site.rootKey, siteName: 'bench', source: 'cloud', madeBy: 'cloud' },
      ...{ madeAt: SITE_OPENED_AT, swVersion: 'bench', events: options.sessions * (3 + options.ticks) },
    },
    certificates: [site.issuer, site.cloud, ...nodes].map(one => one.certificate.encoded),
    ...{ segments: segments(), forks: [], objects: acks, sessions: [], bills },
  }
  await writeStream(file, auditBytes(contents, signer))
  return { file, rootKey: hex(site.rootKey), ...count }
}

type Told = {
  readonly site: TestSite
  readonly tariff: EventRef
  readonly bills: BillSaid[]
  readonly options: Audited
}
type Share = { readonly node: TestDevice; readonly i: number; readonly share: number }

/** One node's logs, each given as it is full. */
function* logsOf(
  { site, tariff, bills, options }: Told,
  { node, i, share }: Share,
): Generator<TestLog, void, void> {
  let wallMs = SITE_OPENED_AT
  let log = site.openLog(node)
  for (let number = 0; number < share; number++) {
    const charger = `CP-${i}-${number % CHARGERS_OF_NODE}`
    const round = Math.floor(number / CHARGERS_OF_NODE)
    const meterStartWh = 1_000 + round * 20_000
    const words = sessionBodies({
      ...{ chargerId: charger, meterStartWh, meterStopWh: meterStartWh + 2_500 + (number % 7_000) },
      ...{ startedAt: wallMs, stoppedAt: wallMs + 60_000 * options.ticks },
    })
    if (words.pricing.name !== 'pricing') throw new TypeError('a pricing')
    const first = log.events().length
    // As a node does it: what belongs to one message is written together, and sealed together.
    log.append([words.start, { name: 'pricing', body: { ...words.pricing.body, tariff } }], wallMs + 200)
    for (let tick = 1; tick <= options.ticks; tick++)
      log.append(
        [words.tick(meterStartWh + tick * 400, wallMs + tick * 60_000)],
        wallMs + tick * 60_000 + 300,
      )
    log.append([words.end], wallMs + 60_000 * options.ticks + 400)
    bills.push(...billOf(told(log, node, first), wallMs))
    wallMs += 60_000 * options.ticks + 1_000
    if (log.events().length < EVENTS_OF_LOG) continue
    log.append([{ name: 'epoch_close', body: { finalSeq: log.events().length } }], wallMs)
    yield log
    log = site.openLog(node, { prev: log.ref(), openedAt: wallMs, storeState: 'intact' })
  }
  yield log
}

/** The session that these events tell of. */
function told(log: TestLog, { certificate }: TestDevice, first: number) {
  const facts = emptyFacts()
  for (const event of log.events().slice(first)) {
    const body: AnyBody | undefined = decodeBody(event.type, event.body)
    if (body) addFact(facts, event, body, certificate.deviceId)
  }
  return [...facts.chargers.values()].flatMap(charger => foldCharger(charger).sessions)
}

async function verified({ file, rootKey, events }: Made, { sessions }: Audited): Promise<Figures> {
  const startedMs = performance.now()
  const words = [process.execPath, MAIN, 'verify', file, '--root', rootKey, '--json']
  // Its helpers too: one core is one core.
  const child = spawn('taskset', ['-c', '0', ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  let cost = { cpuS: 0, rssMb: 0 }
  const watching = setInterval(() => {
    cost = child.exitCode === null ? costOf(child.pid) : cost
  }, 100)
  const parts: Buffer[] = []
  child.stdout.on('data', part => parts.push(part))
  const [code] = (await once(child, 'close')) as [number | null]
  clearInterval(watching)
  const ms = performance.now() - startedMs
  const report = JSON.parse(Buffer.concat(parts).toString('utf8')) as {
    verdict: string
    sessions: { sessions: number; bills: number }
  }
  if (code !== 0 || report.verdict !== 'proven' || report.sessions.sessions !== sessions)
    throw new Error(
      `the file was not proven: ${code}, ${report.verdict}, ${report.sessions.sessions} sessions`,
    )
  const mb = statSync(file).size / 2 ** 20
  return {
    ...{ ms, sessionsPerS: (sessions * 1000) / ms, mbPerS: (mb * 1000) / ms, mb, events },
    ...{ rssMb: cost.rssMb, cpuS: cost.cpuS },
  }
}

/** The same bytes hashed, and as many signatures checked as the file has segments. */
function floor({ file, segments }: Made): Figures {
  const signatures = ed25519()
  const seed = new Uint8Array(32).fill(7)
  const [key, message] = [publicKeyOf(seed), new Uint8Array(32).fill(9)]
  const signature = signatures.sign(seed, message)
  const startedMs = performance.now()
  const sum = createHash('sha256')
  const handle = openSync(file, 'r')
  const piece = Buffer.alloc(PIECE_BYTES)
  for (let read = readSync(handle, piece); read > 0; read = readSync(handle, piece))
    sum.update(piece.subarray(0, read))
  closeSync(handle)
  sum.digest()
  for (let i = 0; i < segments; i++) signatures.verify(signature, message, key)
  return { ms: performance.now() - startedMs, seals: segments }
}
