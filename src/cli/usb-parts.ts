// What the usb commands share: the parts of a stick, read and judged one at a time, and words for those that are refused.
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import type { Stick, StickKind } from '../host/stick.ts'
import { type PartReader, type PartRefusal, type ReadPart, readPart } from '../uplink/bundle.ts'

export type Refused = { readonly name: string; readonly reason: string }

export const REFUSAL = z.enum([
  'damaged',
  'future-version',
  'foreign-site',
  'unknown-author',
  'not-for-us',
  'withdrawn-author',
])
type Refusal = PartRefusal | z.infer<typeof REFUSAL>

const SAYS: Readonly<Record<Refusal, string>> = {
  damaged:
    'damaged, or changed since it was written; `usb export` at a node writes again what it held; then delete it',
  'future-version': 'written by newer software: update chargemesh here, and give the same command again',
  'foreign-site': 'of another site: it is taken with the folder of that site',
  'unknown-author': 'signed by nobody who may write it for this site; nothing of it is used',
  'not-for-us':
    'sealed to others: at the office it needs the folder with the keys of then, at a site take it to a node that was certified before it was written',
  'withdrawn-author': 'by an operator who speaks for the site no more: have it written again at the office',
}

export function says(refusal: Refusal): string {
  return SAYS[refusal]
}

/** The parts of a kind that are whole and by who may write them; the others are named. One is in memory at a time. */
export async function* partsOf(
  stick: Stick,
  kind: StickKind,
  { reader, refused }: { readonly reader: PartReader; readonly refused: Refused[] },
): AsyncGenerator<{ readonly name: string; readonly part: ReadPart }, void, void> {
  for (const name of await stick.names(kind)) {
    const verdict = readPart(reader, await stick.read(name))
    if (verdict.kind === 'refused') refused.push({ name, reason: says(verdict.reason) })
    else if (verdict.part.head.kind !== kind) refused.push({ name, reason: says('damaged') })
    else yield { name, part: verdict.part }
  }
}

/** The rest was taken; the command fails all the same, so that nobody overlooks it. */
export function refuseAny(refused: readonly Refused[]): void {
  if (refused.length === 0) return
  const all = refused.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
  throw new MeshError('PROOF_FAILED', `${refused.length} not taken from the stick, the rest was: ${all}`)
}
