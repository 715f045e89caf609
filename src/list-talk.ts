// What is asked of a charger about its list, and how a list is sent: in pieces that it can take, each under a version of its
// own (OCPP 1.6, 5.10 and 5.15). Nothing is decided here. Cards' own ids exist only between the opening of a sealed one
// and the command, and what a charger answers names none.

import type { ListUpdate } from './authorization/list-update.ts'
import type { ListEntry } from './authorization/local-list.ts'
import { shownIn } from './defaults/settings.ts'
import type { ChargePoints, CommandOutcome, ListedCard } from './ports.ts'
import type { ChargerId, TokenRef } from './units.ts'

/** Of a charger that does not say; and never more, so that one message stays small. */
const DEFAULT_MAX_ENTRIES = 100
const DEFAULT_PER_MESSAGE = 20
const MOST_ENTRIES = 10_000
const MOST_PER_MESSAGE = 200
/** An IdToken has no room for more of a group's reference. */
const GROUP_CHARS = 20

export type ListLimits = { readonly maxEntries: number; readonly perMessage: number }

export type Prepared =
  | { readonly kind: 'ready'; readonly limits: ListLimits; readonly version: number }
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'failed'; readonly reason: string }

type Command = (command: Parameters<ChargePoints['command']>[1]) => Promise<CommandOutcome>

/** Reads the limits where they are not known yet, sees that the charger uses its list, and asks for the version. */
export async function prepareList(command: Command, known: ListLimits | undefined): Promise<Prepared> {
  const limits = known ?? (await readLimits(command))
  if ('reason' in limits) return { kind: 'failed', reason: limits.reason }
  const asked = await command({ kind: 'getLocalListVersion' })
  if (asked.kind === 'unreachable') return { kind: 'failed', reason: asked.reason }
  const version = asked.kind === 'accepted' ? asked.detail : undefined
  if (typeof version !== 'number' || version < 0) return { kind: 'unsupported' }
  return { kind: 'ready', limits, version }
}

const ENABLED = 'LocalAuthListEnabled'
const MAX_ENTRIES = 'LocalAuthListMaxLength'
const PER_MESSAGE = 'SendLocalListMaxLength'

/** A charger that refuses to be asked gets the small limits of one that does not say. */
async function readLimits(command: Command): Promise<ListLimits | { readonly reason: string }> {
  const read = await command({ kind: 'getConfiguration', keys: [ENABLED, MAX_ENTRIES, PER_MESSAGE] })
  if (read.kind === 'unreachable') return { reason: read.reason }
  const values = valuesIn(read)
  if (values.get(ENABLED)?.toLowerCase() === 'false')
    await command({ kind: 'changeConfiguration', key: ENABLED, value: 'true' })
  return {
    maxEntries: wholeIn(values.get(MAX_ENTRIES), DEFAULT_MAX_ENTRIES, MOST_ENTRIES),
    perMessage: wholeIn(values.get(PER_MESSAGE), DEFAULT_PER_MESSAGE, MOST_PER_MESSAGE),
  }
}

function valuesIn(outcome: CommandOutcome): ReadonlyMap<string, string> {
  const { configurationKey } = shownIn(outcome.kind === 'accepted' ? outcome.detail : undefined)
  return new Map(configurationKey.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value]])))
}

function wholeIn(text: string | undefined, otherwise: number, most: number): number {
  const value = text !== undefined && /^\d{1,9}$/.test(text.trim()) ? Number(text) : 0
  return value > 0 ? Math.min(value, most) : otherwise
}

export type OpenTag = (tokenRef: TokenRef, tagSealed: Uint8Array) => string | undefined

/** The messages of an update, none longer than the charger takes. An empty full list is one message too. */
export function piecesOf(
  update: Extract<ListUpdate, { put: unknown }>,
  open: OpenTag,
  perMessage: number,
): readonly (readonly ListedCard[])[] {
  const cards = new Map<string, ListedCard>()
  const add = (entry: ListEntry, card: Omit<ListedCard, 'idTag'>): void => {
    const idTag = open(entry.tokenRef, entry.tagSealed)
    // Two references of one card, while a site's key is changed: what forbids wins.
    if (idTag === undefined || (cards.has(idTag) && card.status === 'Accepted')) return
    cards.set(idTag, { idTag, ...card })
  }
  if (update.kind !== 'full') for (const entry of update.removed) add(entry, {})
  for (const entry of update.put) {
    const { status, expiresAt, groupRef } = entry
    const parentIdTag = groupRef?.slice(0, GROUP_CHARS)
    add(entry, { status, ...(expiresAt !== undefined && { expiresAt }), ...(parentIdTag && { parentIdTag }) })
  }
  const all = [...cards.values()]
  const count = Math.max(1, Math.ceil(all.length / perMessage))
  return Array.from({ length: count }, (_, i) => all.slice(i * perMessage, (i + 1) * perMessage))
}

export type Sending = {
  readonly isFull: boolean
  readonly firstVersion: number
  readonly pieces: readonly (readonly ListedCard[])[]
}

/** The first piece of a full list is full, and the rest are differences; stops at the first that is not accepted. */
export async function sendList(command: Command, sending: Sending): Promise<'sent' | CommandOutcome> {
  for (const [i, entries] of sending.pieces.entries()) {
    const update = sending.isFull && i === 0 ? 'full' : 'differential'
    const outcome = await command({
      ...{ kind: 'sendLocalList', version: sending.firstVersion + i, update, entries },
    })
    if (outcome.kind !== 'accepted') return outcome
  }
  return 'sent'
}

export function commandTo(chargePoints: ChargePoints, chargerId: ChargerId): Command {
  return command => chargePoints.command(chargerId, command)
}
