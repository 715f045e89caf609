// A node: decisions wired to ports. One mailbox, taken in batches; one order of effects: persist, reply, send
// (PROTOCOL 5.1). What is decided in a batch lives in memory only until the journal has it, and nobody outside
// hears of it before. When the disk refuses, the whole memory is dropped and read again from what is durable,
// and chargers hear silence, so that they keep their queues. This very file runs in the simulator.
import { type Acting, createActing } from './acting.ts'
import { createChargers } from './chargers.ts'
import { createDeratings } from './derating.ts'
import { assertNever, MeshError, reasonOf } from './errors.ts'
import { createForwarder } from './forwarder.ts'
import type { Input, SubmissionReport } from './input.ts'
import { createLocalLists } from './local-lists.ts'
import { createMailbox } from './mailbox.ts'
import type { Node, NodeDeps, PeerInput } from './node-shape.ts'
import { createOnboarding } from './onboarding.ts'
import { openStore, probeDisk } from './opening.ts'
import { persistAll } from './persist.ts'
import type { ChargerAnswer } from './ports.ts'
import { reviewLogs } from './pruning.ts'
import { readAnew } from './remember.ts'
import { documentName } from './replica/document.ts'
import { encodeMessage, type Message } from './replica/message.ts'
import type { Send } from './replica/sends.ts'
import { createStops } from './stops.ts'
import { createTakeovers } from './takeover.ts'
import { OCPP_1_6 } from './uplink/csms-calls16.ts'
import { OCPP_2_0_1 } from './uplink/csms-calls201.ts'
import { createUplinks } from './uplinks.ts'
import { createWitness } from './witness.ts'

export type { DocumentSink, Node, NodeDeps, NodeHealth } from './node-shape.ts'

/** Versions of OCPP in which a central system may be told of sessions. */
const TRANSLATORS = { 'ocpp1.6': OCPP_1_6, 'ocpp2.0.1': OCPP_2_0_1 }
/** Inputs decided together, and made durable by one flush. */
const MAX_BATCH = 256
/** A batch ends after so long, so that a charger does not wait behind what a peer sends. */
const BATCH_MS = 5
/** After a failed disk, so long until the next try to open it, doubling up to the second. */
const REOPEN_MS = 5000
const MAX_REOPEN_MS = 60_000

/** Opens the store, reads everything back through the gate, and is ready to serve. */
export async function startNode(deps: NodeDeps): Promise<Node> {
  const counters = new Map<string, number>()
  const count = (name: string, by = 1): void => {
    counters.set(name, (counters.get(name) ?? 0) + by)
  }
  const chargers = createChargers({ ...deps, count })
  const localLists = createLocalLists({ ...deps, count })
  const onboarding = createOnboarding({ ...deps, count })
  const deratings = createDeratings({ ...deps, count, capabilities: onboarding.capabilities })
  const takeovers = createTakeovers({ ...deps, count })
  const uplinks = createUplinks({ ...deps, count, self: deps.certificate.deviceId })
  const forwarder = createForwarder({
    ...{ ...deps, count, self: deps.certificate.deviceId, translators: TRANSLATORS },
    nameOf: deviceId => deps.roster.ofDevice(deviceId)[0]?.name ?? deviceId.slice(0, 8),
    heardOf: chargers.heardOf,
  })
  const stops = createStops(deps)
  const storeDeps = { ...deps, owes: forwarder.owes }
  let open = await openStore(storeDeps, 'start', count)
  let failure: { reason: string; retryAtMs: number; waitMs: number } | undefined
  const remember = deps.remember ?? readAnew
  const witness = createWitness(deps.certificate.deviceId)
  const mailbox = createMailbox<Input>()
  let ticking = false
  let running: Promise<void> | undefined

  const acting = (afterwards: (run: () => void) => void): Acting =>
    createActing(deps, { ...open, afterwards }, count)

  const decide = (input: Input, act: Acting): readonly Send[] => {
    switch (input.kind) {
      case 'charger': {
        const answer = chargers.serve(act, input.input)
        localLists.heard(input.input, act.times.monotonicMs)
        onboarding.heard(input.input, act.times.monotonicMs)
        takeovers.heard(input.input, act.times.monotonicMs)
        deratings.heard(input.input)
        act.afterwards(() => input.reply(answer))
        return []
      }
      case 'mesh':
        return open.mesh.handle(act, input.input)
      case 'submit': {
        const { report, sends } = open.mesh.submit(act, input.submission)
        act.afterwards(() => input.reply(report))
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
    // What follows on a pruned log has no beginning to follow on in a document.
    for (const segment of open.mesh.takeAdmitted())
      if (!open.ledger.logs.get(segment.logId)?.cut)
        deps.documents.put(documentName(segment.logId), segment.update)
    return open.mesh.authored(authored)
  }

  /** Decides what waits, for BATCH_MS at most; then makes it durable, replies and sends, in this order. */
  const runBatch = async (): Promise<void> => {
    const batch: Input[] = []
    const afterwards: (() => void)[] = []
    const sends: Send[] = []
    const endAtMs = deps.clock.monotonicMs() + BATCH_MS
    try {
      while (batch.length < MAX_BATCH && (batch.length === 0 || deps.clock.monotonicMs() < endAtMs)) {
        const input = mailbox.take()
        if (!input) break
        batch.push(input)
        if (failure) throw new MeshError('STORE_FAILED', failure.reason)
        sends.push(
          ...decide(
            input,
            acting(run => afterwards.push(run)),
          ),
        )
      }
      const pushes = await persist()
      for (const run of afterwards) run()
      // What goes to many is one message, and encoded once.
      const encoded = new Map<Message, Uint8Array>()
      for (const { to, message } of [...pushes, ...sends]) {
        const bytes = encoded.get(message) ?? remember('encoded', message, () => encodeMessage(message))
        encoded.set(message, bytes)
        deps.network.send(to, bytes)
      }
      open.mesh.cutOff()
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
    failure ??= {
      reason: reasonOf(error),
      retryAtMs: deps.clock.monotonicMs() + REOPEN_MS,
      waitMs: REOPEN_MS,
    }
    count('store.failed')
    ticking = false
    chargers.forget()
    localLists.forget()
    onboarding.forget()
    deratings.forget()
    uplinks.storeFailed()
    forwarder.forget()
    for (const input of batch) {
      if (input.kind === 'charger') input.reply({ kind: 'silence' })
      if (input.kind === 'run') input.failed?.(error)
      if (input.kind === 'submit') input.reply({ admitted: 0, refused: [`store failed: ${error.message}`] })
    }
    for (const chargerId of deps.chargePoints.connected())
      deps.chargePoints.disconnect(chargerId, 'store failed')
  }

  const reopen = async (failed: { readonly waitMs: number }): Promise<void> => {
    try {
      await probeDisk(deps.disk)
      open = await openStore(storeDeps, 'reopen', count)
      failure = undefined
      for (const peer of deps.network.peers()) postMesh({ kind: 'peer', peer })
      deps.logger.info('store open again', { recovered: open.recovered })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      const waitMs = Math.min(MAX_REOPEN_MS, 2 * failed.waitMs)
      failure = { reason: error.message, retryAtMs: deps.clock.monotonicMs() + waitMs, waitMs }
    }
  }

  const drain = async (): Promise<void> => {
    while (mailbox.size() > 0) {
      if (failure && deps.clock.monotonicMs() >= failure.retryAtMs) await reopen(failure)
      await runBatch()
      if (mailbox.size() > 0) await deps.breathe()
    }
    running = undefined
  }

  const post = (input: Input): void => {
    mailbox.put(input)
    running ??= drain()
  }

  const postMesh = (input: PeerInput): void => {
    // A peer's coming and going stay in order with what it says.
    const bytes = input.kind === 'message' ? input.bytes.length : 0
    if (mailbox.putFromPeer({ kind: 'mesh', input }, { peer: input.peer, bytes })) running ??= drain()
    else if (input.kind === 'message') count('mesh.dropped')
    else post({ kind: 'mesh', input })
  }

  const onTick = (act: Acting): readonly Send[] => {
    ticking = false
    const sends = open.mesh.handle(act, { kind: 'tick' })
    act.record(open.marks.due(act.ledger))
    act.record(witness.due(act.ledger, act.times.monotonicMs))
    // Looked at each second, so that no news passes unseen by the clock.
    act.ledger.news(act.times)
    stops.tick(act)
    open.pruning.tick(act)
    const back = (result: (act: Acting) => readonly Send[]): void => post({ kind: 'run', act: result })
    localLists.tick(act, back)
    onboarding.tick(act, back)
    takeovers.tick(act)
    deratings.tick(act, back)
    forwarder.tick(act, back)
    return [...sends, ...uplinks.tick(act, back)]
  }

  return {
    charger: input => {
      const { promise, resolve } = Promise.withResolvers<ChargerAnswer>()
      post({ kind: 'charger', input, reply: resolve })
      return promise
    },
    mesh: postMesh,
    submit: submission => {
      const { promise, resolve } = Promise.withResolvers<SubmissionReport>()
      post({ kind: 'submit', submission, reply: resolve })
      return promise
    },
    record: bodies => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const act = (acting: Acting): readonly Send[] => {
        acting.record(bodies)
        acting.afterwards(resolve)
        return []
      }
      post({ kind: 'run', act, failed: reject })
      return promise
    },
    setUplinks: list => uplinks.set(list),
    forwarder,
    tick: () => {
      // One is enough, however slowly it comes to its turn.
      if (ticking) return
      ticking = failure === undefined
      post({ kind: 'run', act: onTick })
    },
    settled: async () => {
      while (running) await running
      await open.pruning.settled()
    },
    ledger: () => open.ledger,
    holders: places => open.mesh.holders(places),
    uplinks: () => uplinks,
    reviewLogs: retentionMs => reviewLogs(open.ledger, retentionMs, forwarder.owes),
    localLists,
    onboarding,
    deratings,
    connectors: chargers.connectors,
    heardOf: chargers.heardOf,
    health: () => ({
      store: failure ? 'failed' : 'open',
      ...(failure && { storeReason: failure.reason }),
      journalBytes: open.journal.sizeBytes(),
      recovered: open.recovered,
    }),
    counters: () => Object.fromEntries([...counters].sort()),
    stop: async () => {
      while (running) await running
      await open.pruning.settled()
      await open.journal.close()
    },
  }
}
