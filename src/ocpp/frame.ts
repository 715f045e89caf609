// A charger's text frame before the RPC library reads it. Mends what would cost a session: numeric message ids,
// stray commas, NULs and byte order marks around the text, a message type in quotes. What cannot be mended passes
// unchanged and is refused by the library. Total: no input throws.

export type Frame = {
  /** What the RPC library shall read. */
  readonly text: string
  /** The message id when this is a CALL. */
  readonly callId?: string
  /** The id as the charger wrote it, when that was a number; its answer carries the same digits back. */
  readonly numericId?: string
  readonly repairs: readonly string[]
}

const CALL = 2
/** Refused by the library like any text that is none. */
const NO_JSON = '['
const MAX_REREAD = 1024

export function mendFrame(raw: string): Frame {
  const unmended: Frame = { text: raw, repairs: [] }
  const repairs: string[] = []
  const { value, text: said } = parse(raw, repairs)
  // The library need not read it once more to find that it is no JSON.
  if (value === undefined && raw.length > MAX_REREAD) return { text: NO_JSON, repairs: [] }
  if (!Array.isArray(value)) return unmended
  const type = messageType(value[0], repairs)
  const numericId = typeof value[1] === 'number' ? NUMERIC_ID.exec(said)?.[1] : undefined
  if (numericId !== undefined) repairs.push('numeric-message-id')
  const messageId = numericId ?? value[1]
  if (type === undefined || typeof messageId !== 'string') return unmended
  if (type === CALL && value.length > 4) repairs.push('frame-too-long')
  const text = repairs.length === 0 ? raw : rewritten(raw, [type, messageId, ...value.slice(2, 5)])
  if (text === undefined) return unmended
  if (type !== CALL) return { text, repairs }
  return { text, callId: messageId, repairs, ...(numericId === undefined ? {} : { numericId }) }
}

/** JSON has rounded a large one already, and no number says 1e400. */
const NUMERIC_ID = /^\s*\[\s*"?\d"?\s*,\s*(-?\d[\d.eE+-]{0,62})\s*,/

function messageType(value: unknown, repairs: string[]): number | undefined {
  if (typeof value === 'number') return value
  if (value !== '2' && value !== '3' && value !== '4') return undefined
  repairs.push('type-as-text')
  return Number(value)
}

/** Deeper than any message of the standards; what nests deeper is not written again, which would recurse. */
const MAX_DEPTH = 64

function rewritten(raw: string, parts: readonly unknown[]): string | undefined {
  return depthOf(raw) > MAX_DEPTH ? undefined : JSON.stringify(parts)
}

function depthOf(text: string): number {
  let [depth, deepest] = [0, 0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === QUOTE) i = endOfString(text, i) - 1
    else if (code === OPEN_LIST || code === OPEN_OBJECT) deepest = Math.max(deepest, ++depth)
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--
  }
  return deepest
}

/** The value, and the text that says it; undefined where none can be made of it. */
function parse(raw: string, repairs: string[]): { readonly value: unknown; readonly text: string } {
  const direct = tryParse(raw)
  if (direct !== undefined) return { value: direct, text: raw }
  const mended = withoutStrayCommas(bare(raw))
  const value = mended === undefined || mended === raw ? undefined : tryParse(mended)
  if (value !== undefined) repairs.push('bad-json')
  return { value, text: mended ?? raw }
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

const [NUL, SPACE, QUOTE, COMMA, BACKSLASH] = [0x00, 0x20, 0x22, 0x2c, 0x5c]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]
const BYTE_ORDER_MARK = 0xfeff

function isBlank(code: number): boolean {
  return code === SPACE || code === NUL || code === BYTE_ORDER_MARK || (code >= 0x09 && code <= 0x0d)
}

/** Without the byte order mark that some firmware puts first, and the NULs of C strings. Each character is looked at once. */
function bare(text: string): string {
  let [from, to] = [0, text.length]
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

/** More are no slip of a firmware's. */
const MAX_STRAY_COMMAS = 1000

/** Drops commas that have no value before or after them (`,[2`, `[,2`, `{,"a"`, `1,]`); never touches a string. */
function withoutStrayCommas(text: string): string | undefined {
  const stray: number[] = []
  // What stood last that was no blank; nothing yet, and it counts like an open bracket.
  let [last, lastComma] = [OPEN_LIST, -1]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (isBlank(code)) continue
    if (stray.length > MAX_STRAY_COMMAS) return undefined
    const isClosing = code === CLOSE_LIST || code === CLOSE_OBJECT
    if (code === COMMA && (last === OPEN_LIST || last === OPEN_OBJECT || last === COMMA)) {
      stray.push(i)
      continue
    }
    if (isClosing && last === COMMA) stray.push(lastComma)
    if (code === COMMA) lastComma = i
    if (code === QUOTE) i = endOfString(text, i) - 1
    last = code
  }
  if (last === COMMA) stray.push(lastComma)
  // A comma that a bracket makes stray may stand before others that were stray already.
  stray.sort((a, b) => a - b)
  const kept: string[] = []
  let from = 0
  for (const at of stray) {
    kept.push(text.slice(from, at))
    from = at + 1
  }
  return kept.join('') + text.slice(from)
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === BACKSLASH) i++
    else if (code === QUOTE) return i + 1
  }
  return text.length
}
