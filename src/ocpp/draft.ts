// A charger's message in our words, before its card is replaced by a reference (PROTOCOL 2.5), and what every dialect
// of OCPP makes of a CALL.
import type { ChargerMessage } from '../ports.ts'
import type { TokenRef } from '../units.ts'

export { UNREADABLE_START_WH } from '../session/registers.ts'

type WithTag<M> = M extends { readonly tokenRef: TokenRef }
  ? Omit<M, 'tokenRef'> & { readonly idTag: string }
  : M extends { readonly tokenRef?: TokenRef }
    ? Omit<M, 'tokenRef'> & { readonly idTag?: string }
    : M

/** A message that still has the card's own id in it. Never log or store one. */
export type Draft = WithTag<Translated>
export type Translated = Exclude<ChargerMessage, { kind: 'connected' | 'disconnected' }>

export type Translation =
  | {
      readonly kind: 'message'
      /** One CALL of OCPP 2.0.1 may say several things: they are recorded in this order, and answered together. */
      readonly drafts: readonly Draft[]
      readonly repairs: readonly string[]
      /** Where the message stands among those of its transaction (OCPP 2.0.1, seqNo). */
      readonly place?: SequencePlace
    }
  | Formality
  | { readonly kind: 'unknown' }

/** Known, of no meaning to sessions; answered with this payload. */
export type Formality = {
  readonly kind: 'formality'
  readonly payload: Readonly<Record<string, unknown>>
  readonly report?: ReportPart
  /** The charger asks for a certificate (PKCS #10, PEM). */
  readonly csr?: string
}

export type SequencePlace = { readonly transaction: string; readonly seqNo: number }

/** A part of what a station was asked to report (OCPP 2.0.1, NotifyReport). */
export type ReportPart = {
  readonly requestId: number
  readonly entries: readonly unknown[]
  readonly more: boolean
}

/** The last register heard of a transaction, in Wh, when this process heard one. */
export type LastRegister = (transaction: number | string) => number | undefined

/** The card that a station was asked to charge, by the id of that request; for stations that tell only the id again. */
export type AskedCard = (remoteStartId: number) => string | undefined

/** The message with its card replaced. `reference` may take milliseconds (PROTOCOL 2.5). */
export async function withReference(
  draft: Draft,
  reference: (idTag: string) => Promise<TokenRef>,
): Promise<Translated> {
  switch (draft.kind) {
    case 'authorize':
    case 'card':
    case 'start': {
      const { idTag, ...rest } = draft
      return { ...rest, tokenRef: await reference(idTag) }
    }
    case 'stop': {
      const { idTag, ...rest } = draft
      return idTag === undefined ? rest : { ...rest, tokenRef: await reference(idTag) }
    }
    default:
      return draft
  }
}
