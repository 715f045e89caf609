// What a node knows: every fold, fed by the events that passed the gate, and the questions that are asked of them.
// The decision folders meet here and in node.ts, nowhere else. Rebuilt from the logs whenever something that counted no
// longer does (folds.ts).
import { type ChargerTls, createChargerTls } from './authorization/charger-tls.ts'
import { createForgotten, type Forgotten } from './authorization/forgotten.ts'
import { createKnowledge, type Knowledge } from './authorization/knowledge.ts'
import { createListRecords, type ListRecords } from './authorization/list-records.ts'
import { createPolicy, type Policy } from './authorization/policy.ts'
import { createSiteKeys, type SiteKeys } from './authorization/site-keys.ts'
import {
  createSitePolicy,
  devicesIn,
  isSitePolicyValue,
  type SitePolicy,
} from './authorization/site-policy.ts'
import { createStanding, type Standing } from './authorization/standing.ts'
import { type CorrectionBook, createCorrections } from './billing/corrections.ts'
import { createForwarding, type Forwarding } from './forwarding/forwarding.ts'
import { type Certificate, ISSUED_BY_ROOT } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import { type AnyBody, type BodyOf, decodeBody, type EventRef } from './log/body.ts'
import { eventsOf, type LogEvent } from './log/event.ts'
import type { Hlc } from './log/hlc.ts'
import { type Remember, readAnew } from './remember.ts'
import { heldEvents, type Log, type Logs } from './replica/logs.ts'
import { byTime, type Fact } from './session/facts.ts'
import type { ChargerSessions, Session } from './session/fold.ts'
import { createSessions } from './session/sessions.ts'
import { createTariffs, type Tariffs } from './tariff/tariffs.ts'
import type { ChargerId, DeviceId, LogId, TokenRef } from './units.ts'

export type Refusal = Fact<'diagnostics'>

export type View = {
  readonly policy: Policy
  readonly sitePolicy: SitePolicy
  readonly siteKeys: SiteKeys
  readonly chargerTls: ChargerTls
  readonly tariffs: Tariffs
  /** Accounts whose keys were destroyed. */
  readonly forgotten: Forgotten
  /** What issuers decided about sessions, and refunded. */
  readonly corrections: CorrectionBook
  readonly standing: Standing
  readonly knowledge: Knowledge
  /** Lists that chargers were given. */
  readonly lists: ListRecords
  /** What existing central systems were told, and whose turn that is. */
  readonly forwarding: Forwarding
  /** Something was fed that a revocation fed later voids, or that one fed earlier should have let through. */
  readonly outdated: () => 'no' | 'now' | 'soon'
  /** Feeds one event of a log that `certificate` wrote. Each event once. */
  readonly apply: (event: LogEvent, certificate: Certificate) => void
  readonly ofCharger: (chargerId: ChargerId) => ChargerSessions
  readonly ofToken: (tokenRef: TokenRef) => readonly Session[]
  readonly sessions: () => readonly Session[]
  readonly chargers: () => readonly ChargerId[]
  readonly orphanEnds: () => readonly Fact<'session_end'>[]
  readonly diagnostics: () => readonly Fact<'diagnostics'>[]
  /** Heads of the operator logs, newest first: the version of the policy that a decision rested on. At most 16, unless it is said. */
  readonly policyHeads: (most?: number) => readonly EventRef[]
  /** Events whose body their type's table cannot read: stored and relayed, but meaningless. */
  readonly unreadable: () => number
  /** Grows with every event that was applied. */
  readonly changes: () => number
}

/** As many as an event can name; the newest. */
const MAX_POLICY_HEADS = 16
/** Diagnostics kept for display, the newest by their logs' clocks; the logs keep them all. */
export const MAX_DIAGNOSTICS = 10_000

export function createView(roster: Roster, remember: Remember = readAnew): View {
  const policy = createPolicy()
  const sitePolicy = createSitePolicy()
  const siteKeys = createSiteKeys()
  const chargerTls = createChargerTls()
  const tariffs = createTariffs()
  const forgotten = createForgotten()
  const corrections = createCorrections()
  const standing = createStanding(roster.manifest()?.withdrawn ?? [], roster.certificate)
  const knowledge = createKnowledge()
  const lists = createListRecords()
  const forwarding = createForwarding()
  const heard = new Set<DeviceId>()
  let outdated: 'no' | 'now' | 'soon' = 'no'
  const sessions = createSessions()
  let diagnostics: Fact<'diagnostics'>[] = []
  const policyHeads = new Map<LogId, { readonly ref: EventRef; readonly hlc: Hlc }>()
  let unreadable = 0
  let changes = 0

  /** Logs come in any order, so the newest are found by sorting; seldom, so that each costs little. */
  const newestDiagnostics = (): readonly Fact<'diagnostics'>[] => {
    if (diagnostics.length > MAX_DIAGNOSTICS) diagnostics = diagnostics.sort(byTime).slice(-MAX_DIAGNOSTICS)
    return diagnostics
  }

  const applySaid = (event: LogEvent, said: AnyBody, deviceId: DeviceId): void => {
    const ref = { logId: event.logId, seq: event.seq, hash: event.hash }
    if (said.name === 'diagnostics') {
      diagnostics.push({ ref, hlc: event.hlc, deviceId, body: said.body })
      if (diagnostics.length >= 2 * MAX_DIAGNOSTICS) newestDiagnostics()
    } else if (said.name === 'local_list')
      lists.add({ hlc: event.hlc, logId: event.logId, deviceId, body: said.body })
    else if (!forwarding.add(said, { ref, hlc: event.hlc, deviceId })) sessions.add(event, said, deviceId)
  }

  /** Whether the event counts, as far as is known now. */
  const counts = (event: LogEvent, said: AnyBody | undefined, author: Certificate): boolean => {
    if (said?.name === 'epoch_open') {
      const { serial } = author
      const isNews = standing.addEpoch(author, { logId: event.logId, serial, prev: said.body.prev })
      // It may say that another log came before the cut-off; but a thief's epochs must not keep us busy.
      if (isNews && standing.isVoid(author) && outdated === 'no') outdated = 'soon'
    }
    return event.seq < standing.limitOf(author, event.logId)
  }

  /** What proves itself, whoever carries it: a certificate of this site, the root's word. */
  const learn = (said: AnyBody): Certificate | undefined => {
    if (said.name === 'site_manifest' && roster.withdraw(said.body.manifest)) outdated = 'now'
    if (said.name !== 'device_cert') return undefined
    const verdict = roster.enrol(said.body.certificate)
    return verdict.kind === 'valid' ? verdict.certificate : undefined
  }

  const applyOperator = (
    event: LogEvent,
    said: AnyBody | undefined,
    { author, learned }: { readonly author: Certificate; readonly learned: Certificate | undefined },
  ): void => {
    const ref = { logId: event.logId, seq: event.seq, hash: event.hash }
    policyHeads.set(event.logId, { ref, hlc: event.hlc })
    if (!said) return
    applyPolicy(
      {
        ...{ policy, sitePolicy, siteKeys, chargerTls, tariffs, forgotten, corrections, standing, knowledge },
        forwarding,
      },
      event,
      said,
      author,
    )
    if (said.name === 'device_revoke' && heard.has(said.body.deviceId)) outdated = 'now'
    if (!learned || !author.roles.includes('issuer') || !isOfRoot(author)) return
    if (standing.certify(learned.hash)) outdated = 'now'
  }

  return {
    policy,
    sitePolicy,
    siteKeys,
    chargerTls,
    tariffs,
    forgotten,
    corrections,
    standing,
    knowledge,
    lists,
    forwarding,
    outdated: () => outdated,
    apply: (event, certificate) => {
      changes += 1
      const said = remember('body', event, () => decodeBody(event.type, event.body))
      if (!said) unreadable += 1
      const learned = said && learn(said)
      if (!counts(event, said, certificate)) return
      if (isOperators(certificate)) applyOperator(event, said, { author: certificate, learned })
      else if (certificate.roles.includes('node')) {
        heard.add(certificate.deviceId)
        if (said) applySaid(event, said, certificate.deviceId)
        if (said) applyKnowledge(knowledge, event, said, certificate.deviceId)
      }
    },
    ofCharger: sessions.ofCharger,
    ofToken: sessions.ofToken,
    sessions: sessions.all,
    chargers: sessions.chargers,
    orphanEnds: sessions.orphanEnds,
    diagnostics: newestDiagnostics,
    policyHeads: (most = MAX_POLICY_HEADS) =>
      [...policyHeads.values()]
        .toSorted((a, b) => (a.hlc === b.hlc ? (a.ref.logId < b.ref.logId ? -1 : 1) : a.hlc > b.hlc ? -1 : 1))
        .slice(0, most)
        .map(head => head.ref),
    unreadable: () => unreadable,
    changes: () => changes,
  }
}

/** The view of everything that counts: what lies at and behind a fork, or a revoked device's cut-off, does not. */
export function viewOf(roster: Roster, logs: Logs, remember: Remember = readAnew): View {
  const view = createView(roster, remember)
  const feed = (log: Log): void => {
    for (const event of heldEvents(log)) view.apply(event, log.certificate)
  }
  const all = [...logs.all()]
  const operators = all.filter(log => isOperators(log.certificate))
  // Who is revoked, and in which order their logs stand, decides what is let through; and who was certified by whom.
  const layers = [
    operators.filter(log => isOfRoot(log.certificate)),
    operators.filter(log => !isOfRoot(log.certificate)),
    all.filter(log => !isOperators(log.certificate)),
  ]
  for (const logs of layers) {
    for (const log of logs) if (view.standing.isVoid(log.certificate)) foresee(view, log)
    for (const log of logs) feed(log)
  }
  return view
}

function foresee({ standing }: View, { logId, elements, fork, certificate }: Log): void {
  const [first] = fork?.seq === 0 ? [] : eventsOf(logId, elements.slice(0, 1))
  const said = first && decodeBody(first.type, first.body)
  const prev = said?.name === 'epoch_open' ? said.body.prev : undefined
  standing.addEpoch(certificate, { logId, serial: certificate.serial, prev })
}

function isOfRoot({ issuedBy }: Certificate): boolean {
  return issuedBy === ISSUED_BY_ROOT
}

export function isOperators({ roles }: Certificate): boolean {
  return roles.includes('issuer') || roles.includes('revoker')
}

/** Each event once, in the order of its log. */
function applyKnowledge(knowledge: Knowledge, event: LogEvent, said: AnyBody, deviceId: DeviceId): void {
  if (said.name === 'epoch_open') knowledge.opened(deviceId, event, said.body)
  if (said.name === 'epoch_open' || said.name === 'session_start' || said.name === 'session_card')
    knowledge.said(deviceId, event, said.body.policyHead)
  if (said.name === 'checkpoint') knowledge.said(deviceId, event, said.body.heads)
}

type PolicyFolds = Pick<
  View,
  | 'policy'
  | 'sitePolicy'
  | 'siteKeys'
  | 'chargerTls'
  | 'tariffs'
  | 'forgotten'
  | 'corrections'
  | 'standing'
  | 'knowledge'
  | 'forwarding'
>

/** Whoever has a role of the operator's, as people call them. */
function calledBy({ name, roles }: Certificate): string {
  const role = roles.includes('issuer') ? 'issuer' : 'revoker'
  return name === role ? `the ${role}` : `${role} ${name}`
}

/**
 * The account's key is read where it stands when it is wanted (personal.ts): in memory it would cost 230 bytes a card. V8 gives an
 * object whose last field is deleted the class that it had without it.
 */
function withoutKey(body: { -readonly [K in keyof BodyOf<'grant'>]: BodyOf<'grant'>[K] }): BodyOf<'grant'> {
  delete body.sealKey
  return body
}

/** A revoker may only revoke; everything else is the issuer's (PROTOCOL 2.6). */
function applyPolicy(folds: PolicyFolds, event: LogEvent, said: AnyBody, certificate: Certificate): void {
  const ref = { logId: event.logId, seq: event.seq, hash: event.hash }
  // Written out, not spread: V8 gives each object that begins as a spread a hidden class of its own, 180 bytes a card.
  const placed = <B>(body: B): { ref: EventRef; hlc: Hlc; body: B } => ({ ref, hlc: event.hlc, body })
  if (said.name === 'revoke')
    folds.policy.addRevocation({ ref, hlc: event.hlc, body: said.body, by: calledBy(certificate) })
  if (said.name === 'device_revoke') folds.standing.revoke(said.body)
  if (said.name === 'revoke' || said.name === 'device_revoke') folds.knowledge.revoked(ref)
  if (!certificate.roles.includes('issuer')) return
  folds.corrections.add(event, said)
  if (said.name === 'grant') folds.policy.addGrant(placed(withoutKey(said.body)))
  if (said.name === 'charge_point') folds.policy.addChargePoint(placed(said.body))
  if (said.name === 'site_key') folds.siteKeys.add({ hlc: event.hlc, body: said.body })
  if (said.name === 'charger_tls') folds.chargerTls.add({ hlc: event.hlc, body: said.body })
  if (said.name === 'charger_tls_key') folds.chargerTls.addKey({ hlc: event.hlc, body: said.body })
  if (said.name === 'policy') folds.sitePolicy.add(placed(said.body))
  if (said.name === 'policy') addOrder(folds, said.body, ref, event.hlc)
  if (said.name === 'account_forgotten') folds.forgotten.add(placed(said.body))
  if (said.name === 'tariff') folds.tariffs.add({ ...said.body, ref, hlc: event.hlc })
}

/** Every order that was ever given counts: whoever it named may have forwarded. */
function addOrder(
  { forwarding }: PolicyFolds,
  { name, value }: BodyOf<'policy'>,
  ref: EventRef,
  hlc: Hlc,
): void {
  if (name !== 'forwarders' || !isSitePolicyValue(name, value)) return
  forwarding.turns.addOrder({ ref, hlc, body: { devices: devicesIn(value) } })
}
