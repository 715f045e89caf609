// A node: decisions wired to ports. One mailbox, taken in batches; one order of effects: persist, reply, send
// (PROTOCOL 5.1). What is decided in a batch lives in memory only until the journal has it, and nobody outside
// hears of it before. When the disk refuses, the whole memory is dropped and read again from what is durable,
// and chargers hear silence, so that they keep their queues. This very file runs in the simulator.
import { type Acting, createActing } from './acting.ts'
import { type ConnectorStatus, createChargers } from './chargers.ts'
import { assertNever, MeshError, reasonOf } from './errors.ts'
import type { Certificate } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import type { Signatures } from './identity/signature.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { createMarks, type Marks } from './marks.ts'
import { createMesh, type Mesh, type MeshInput } from './mesh.ts'
import { persistAll } from './persist.ts'
import type {
  ChargePoints,
  ChargerAnswer,
  ChargerInput,
  Clock,
  Disk,
  Logger,
  Network,
  Random,
  Segment,
  Uplink,
} from './ports.ts'
import { documentName } from './replica/document.ts'
import { encodeMessage } from './replica/message.ts'
import type { Send } from './replica/sync.ts'
import { type Journal, openJournal } from './store/journal.ts'
import { createUplinks, type Uplinks } from './uplinks.ts'

/** Inputs decided together, and made durable by one flush. */
const MAX_BATCH = 256
/** Above this, messages of the mesh are dropped; anti-entropy brings what they said. */
const MAX_WAITING = 4096
/** After a failed disk, so long until the next try to open it. */
const REOPEN_MS = 5000

/** Where documents are written behind the journal. */
export type DocumentSink = { readonly put: (name: string, update: Uint8Array) => void }

export type NodeDeps = {
  readonly roster: Roster
  readonly signatures: Signatures
  readonly certificate: Certificate
  readonly logKey: Uint8Array
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly documents: DocumentSink
  readonly network: Network
  readonly chargePoints: ChargePoints
  readonly logger: Logger
  readonly swVersion: string
  readonly heartbeatS: number
}

export type Submission = {
  readonly certificates: readonly Uint8Array[]
  readonly segments: readonly Segment[]
  readonly objects: readonly Uint8Array[]
}
export type SubmissionReport = { readonly admitted: number; readonly refused: readonly string[] }

type Input =
  | {
      readonly kind: 'charger'
      readonly input: ChargerInput
      readonly reply: (answer: ChargerAnswer) => void
    }
  | { readonly kind: 'mesh'; readonly input: MeshInput }
  | {
      readonly kind: 'submit'
      readonly submission: Submission
      readonly reply: (report: SubmissionReport) => void
    }
  | { readonly kind: 'run'; readonly act: (node: Acting) => readonly Send[] }

export type Node = {
  readonly charger: (input: ChargerInput) => Promise<ChargerAnswer>
  /** Peers, their messages: fire and forget. */
  readonly mesh: (input: MeshInput) => void
  /** Segments, certificates and objects from an issuer's tool, through the same gate as a peer's. */
  readonly submit: (submission: Submission) => Promise<SubmissionReport>
  readonly setUplinks: (uplinks: readonly Uplink[]) => void
  /** Once a second: drives everything that waits. */
  readonly tick: () => void
  readonly settled: () => Promise<void>
  readonly ledger: () => Ledger
  readonly uplinks: () => Uplinks
  readonly connectors: () => ReadonlyMap<string, ConnectorStatus>
  readonly health: () => NodeHealth
  readonly counters: () => Readonly<Record<string, number>>
  readonly stop: () => Promise<void>
}

export type NodeHealth = {
  readonly store: 'open' | 'failed'
  readonly storeReason?: string
  readonly journalBytes: number
  readonly recovered: string
}

type Open = { ledger: Ledger; mesh: Mesh; marks: Marks; journal: Journal; recovered: string }

/** Opens the store, reads everything back through the gate, and is ready to serve. */
export async function startNode(deps: NodeDeps): Promise<Node> {
  const counters = new Map<string, number>()
  const count = (name: string, by = 1): void => {
    counters.set(name, (counters.get(name) ?? 0) + by)
  }
  const chargers = createChargers({ ...deps, count })
  const uplinks = createUplinks({ ...deps, count, self: deps.certificate.deviceId })
  let open = await openStore(deps, 'start', count)
  let failure: { reason: string; retryAtMs: number } | undefined
  let waiting: Input[] = []
  let running: Promise<void> | undefined

  const acting = (): Acting => createActing(deps, open, count)

  const decide = (input: Input, act: Acting, replies: (() => void)[]): readonly Send[] => {
    switch (input.kind) {
      case 'charger': {
        const answer = chargers.serve(act, input.input)
        replies.push(() => input.reply(answer))
        return []
      }
      case 'mesh':
        return open.mesh.handle(act, input.input)
      case 'submit': {
        const { report, sends } = open.mesh.submit(act, input.submission)
        replies.push(() => input.reply(report))
        return sends
      }
      case 'run':
        return input.act(act)
      default:
        return assertNever(input)
    }
  }

  const persist = async (): Promise<readonly Send[]> => {
    const { records, authored } = open.ledger.takePending()
    if (records.length === 0) return []
    await persistAll(open.journal, records)
    count('journal.records', records.length)
    for (const segment of authored) deps.documents.put(documentName(segment.logId), segment.update)
    for (const segment of open.mesh.takeAdmitted())
      deps.documents.put(documentName(segment.logId), segment.update)
    return open.mesh.authored(authored, deps.clock.monotonicMs())
  }

  const runBatch = async (batch: readonly Input[]): Promise<void> => {
    const replies: (() => void)[] = []
    try {
      if (failure) throw new MeshError('STORE_FAILED', failure.reason)
      const sends = batch.flatMap(input => decide(input, acting(), replies))
      const pushes = await persist()
      for (const reply of replies) reply()
      for (const send of [...pushes, ...sends]) deps.network.send(send.to, encodeMessage(send.message))
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      fail(batch, error)
    }
  }

  /** Nothing of this batch may be believed: silence to the chargers, and memory is read again from the disk. */
  const fail = (batch: readonly Input[], error: MeshError): void => {
    if (!failure)
      deps.logger.error('store failed: chargers are sent away until it can be read again', {
        reason: error.message,
      })
    failure = {
      reason: reasonOf(error),
      retryAtMs: failure?.retryAtMs ?? deps.clock.monotonicMs() + REOPEN_MS,
    }
    count('store.failed')
    chargers.forget()
    for (const input of batch) {
      if (input.kind === 'charger') input.reply({ kind: 'silence' })
      if (input.kind === 'submit') input.reply({ admitted: 0, refused: [`store failed: ${error.message}`] })
    }
    for (const chargerId of deps.chargePoints.connected())
      deps.chargePoints.disconnect(chargerId, 'store failed')
  }

  const reopen = async (): Promise<void> => {
    try {
      open = await openStore(deps, 'reopen', count)
      failure = undefined
      for (const peer of deps.network.peers()) post({ kind: 'mesh', input: { kind: 'peer', peer } })
      deps.logger.info('store open again', { recovered: open.recovered })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      failure = { reason: error.message, retryAtMs: deps.clock.monotonicMs() + REOPEN_MS }
    }
  }

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      if (failure && deps.clock.monotonicMs() >= failure.retryAtMs) await reopen()
      const batch = waiting.slice(0, MAX_BATCH)
      waiting = waiting.slice(MAX_BATCH)
      await runBatch(batch)
    }
    running = undefined
  }

  const post = (input: Input): void => {
    waiting.push(input)
    running ??= drain()
  }

  const onTick = (act: Acting): readonly Send[] => {
    act.record(open.marks.due(act.ledger))
    return uplinks.tick(act, result => post({ kind: 'run', act: result }))
  }

  return {
    charger: input => {
      const { promise, resolve } = Promise.withResolvers<ChargerAnswer>()
      post({ kind: 'charger', input, reply: resolve })
      return promise
    },
    mesh: input => {
      if (waiting.length < MAX_WAITING || input.kind !== 'message') post({ kind: 'mesh', input })
      else count('mesh.dropped')
    },
    submit: submission => {
      const { promise, resolve } = Promise.withResolvers<SubmissionReport>()
      post({ kind: 'submit', submission, reply: resolve })
      return promise
    },
    setUplinks: list => uplinks.set(list),
    tick: () => {
      if (waiting.length >= MAX_WAITING) return
      post({ kind: 'mesh', input: { kind: 'tick' } })
      post({ kind: 'run', act: onTick })
    },
    settled: async () => {
      while (running) await running
    },
    ledger: () => open.ledger,
    uplinks: () => uplinks,
    connectors: chargers.connectors,
    health: () => ({
      store: failure ? 'failed' : 'open',
      ...(failure && { storeReason: failure.reason }),
      journalBytes: open.journal.sizeBytes(),
      recovered: open.recovered,
    }),
    counters: () => Object.fromEntries([...counters].sort()),
    stop: async () => {
      while (running) await running
      await open.journal.close()
    },
  }
}

async function openStore(
  deps: NodeDeps,
  bootReason: 'start' | 'reopen',
  count: (name: string) => void,
): Promise<Open> {
  const ledger = createLedger(deps)
  const { journal, scan } = await openJournal(deps.disk, held => ledger.recover(held))
  const lost = ledger.rejectedOnRecovery()
  const storeState =
    scan.state === 'fresh' ? 'fresh' : scan.state === 'damaged' || lost > 0 ? 'lossy' : 'intact'
  ledger.recovered(storeState, bootReason, deps.clock.wallMs())
  const recovered = `${scan.state}, ${scan.recordCount} records, ${ledger.logs.count()} logs, ${lost} refused`
  if (storeState === 'lossy')
    deps.logger.warn('the journal is damaged: what is missing comes back from peers', { recovered })
  const mesh = createMesh({ ...deps, ledger, count })
  return { ledger, mesh, marks: createMarks(ledger, deps.certificate.deviceId), journal, recovered }
}
