// What an auditor is told: each kind of thing that may be found, whether it is wrong or only worth knowing, in one list. A file in
// which nothing is wrong is proven; remarks do not change that.

export const FINDINGS = {
  damaged: ['wrong', 'the file is not as it was written'],
  'other-root': ['wrong', 'the file is of another site than the root key that was given'],
  'bad-certificate': ['wrong', 'a certificate that this site never issued'],
  'bad-exporter': ['wrong', 'what stands in the file was not vouched for by a device of this site'],
  'bad-count': ['wrong', 'the file does not hold what its end says'],
  'bad-record': ['wrong', 'a record that cannot be read'],
  'bad-log': ['wrong', 'events that the log’s author never signed, or not in this order'],
  'bad-fork': ['wrong', 'a proof of a fork that proves none'],
  'bad-object': ['wrong', 'an ack or a beacon that nobody of this site signed'],
  gap: ['wrong', 'events that existed and are not in the file'],
  mismatch: ['wrong', 'a log is not the one that others name'],
  'undeclared-loss': ['wrong', 'a store was damaged, and nobody has said what was lost'],
  'bill-missing': ['wrong', 'a session that should have been billed and was not'],
  'bill-mismatch': ['wrong', 'bills that do not come to what readings and tariff come to'],
  'bill-malformed': ['wrong', 'revisions of a bill that do not follow one another'],
  'bill-without-session': ['wrong', 'a bill of a session of which no log tells'],
  'session-mismatch': ['wrong', 'a session does not come to what the exporter says'],
  fork: ['remark', 'a log has two branches; what stands from there on counts nowhere'],
  'beyond-cutoff': ['remark', 'events of a revoked device that do not count'],
  'declared-loss': ['remark', 'a store was damaged, and its device has said what was lost'],
  pruned: [
    'remark',
    'a log that this node has let go of, because the cloud keeps it twice over: it is proven by the cloud’s file only',
  ],
  'new-store': [
    'remark',
    'a device began anew with an empty store: what it may have had before cannot be known from its logs',
  ],
  unreadable: ['remark', 'events that newer software wrote, or whose words mean nothing'],
  late: ['remark', 'recorded long after it happened'],
  corrected: ['remark', 'billed in more than one revision'],
  merged: ['remark', 'billed under a name that the session no longer has, and given back'],
  withdrawn: ['remark', 'billed on evidence that counts no longer; it stands until a person says otherwise'],
  provisional: ['remark', 'billed without a stop, by its last reading'],
  disputed: [
    'remark',
    'evidence that contradicts itself, or waits for a person; billed at the least that is proven',
  ],
  unpriced: ['remark', 'no price can be said'],
  open: ['remark', 'not ended yet'],
  'inputs-changed': [
    'remark',
    'a bill that rests on other records than those that count today, and comes to the same',
  ],
  'orphan-stop': ['remark', 'a stop that fits no session'],
} as const

export type FindingKind = keyof typeof FINDINGS
export type Severity = 'wrong' | 'remark'
export type Finding = {
  readonly kind: FindingKind
  readonly severity: Severity
  /** In words, with what it is about. */
  readonly text: string
  /** Session, log or device, where one is meant. */
  readonly about?: string
}

/** Findings of one kind that are kept as text; the others are counted. */
const MAX_OF_KIND = 500

export type FindingBook = {
  readonly add: (kind: FindingKind, text: string, about?: string) => void
  readonly all: () => readonly Finding[]
  readonly counts: () => Readonly<Partial<Record<FindingKind, number>>>
  /** Nothing is wrong. */
  readonly isClean: () => boolean
}

export function severityOf(kind: FindingKind): Severity {
  return FINDINGS[kind][0]
}

export function createFindings(): FindingBook {
  const kept = new Map<FindingKind, Finding[]>()
  const counts = new Map<FindingKind, number>()
  return {
    add: (kind, text, about) => {
      const count = (counts.get(kind) ?? 0) + 1
      counts.set(kind, count)
      if (count > MAX_OF_KIND) return
      const list = kept.get(kind) ?? []
      kept.set(kind, list)
      list.push({ kind, severity: severityOf(kind), text, ...(about !== undefined && { about }) })
    },
    all: () => (Object.keys(FINDINGS) as FindingKind[]).flatMap(kind => kept.get(kind) ?? []),
    counts: () => Object.fromEntries(counts),
    isClean: () => [...counts.keys()].every(kind => severityOf(kind) === 'remark'),
  }
}
