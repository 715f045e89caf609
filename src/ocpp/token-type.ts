// What kind of card an id is, in the words of OCPP 2.0.1, where cards are matched by id and type.

/** What looks like the number of a contactless card is taken for one. */
export function tokenTypeOf(idTag: string): 'ISO14443' | 'Central' {
  return /^[0-9A-F]+$/.test(idTag) && [8, 14, 20].includes(idTag.length) ? 'ISO14443' : 'Central'
}
