// What a node keeps, how long and why, and what of it could go (PROTOCOL 1.11). Field names are part of the interface; they only grow.
import type { Node } from '../node.ts'
import type { Stand } from '../pruning.ts'
import { isoOf } from './report.ts'

const DAY_MS = 24 * 3600 * 1000

export type RetentionReport = {
  /** Missing where the site keeps everything. */
  readonly days?: number
  /** Logs of nodes and their events, by why they stay, or that they may go (`due`) or went (`gone`). */
  readonly logs: Readonly<Partial<Record<Stand, { readonly logs: number; readonly events: number }>>>
  /** When the next may go, if its sessions let it: as soon as anybody has signed that time. */
  readonly nextAt?: string
  readonly journalBytes: number
}

export function reportRetention(node: Node): RetentionReport {
  const ledger = node.ledger()
  const days = ledger.view().sitePolicy.number('retention-days')
  const logs: { -readonly [S in Stand]?: { readonly logs: number; readonly events: number } } = {}
  let nextAt = Number.POSITIVE_INFINITY
  for (const { log, stand, ackedAt } of node.reviewLogs((days ?? 0) * DAY_MS)) {
    const before = logs[stand] ?? { logs: 0, events: 0 }
    const events = stand === 'gone' ? log.head.seq + 1 : log.elements.length - log.base
    logs[stand] = { logs: before.logs + 1, events: before.events + events }
    if (stand === 'young' && ackedAt !== undefined && days !== undefined)
      nextAt = Math.min(nextAt, ackedAt + days * DAY_MS)
  }
  return {
    ...(days !== undefined && { days }),
    logs,
    ...(Number.isFinite(nextAt) && { nextAt: isoOf(nextAt) }),
    journalBytes: node.health().journalBytes,
  }
}
