// A charger's text frame before the RPC library reads it. Mends what would cost a session: numeric message ids,
// stray commas, NULs and byte order marks around the text, a message type in quotes. What cannot be mended passes
// unchanged and is refused by the library. Total: no input throws.

export type Frame = {
  /** What the RPC library shall read. */
  readonly text: string
  /** The message id when this is a CALL. */
  readonly callId?: string
  /** The id as the charger wrote it, when that was a number; its answer must carry the number back. */
  readonly numericId?: number
  readonly repairs: readonly string[]
}

const CALL = 2

export function mendFrame(raw: string): Frame {
  const unmended: Frame = { text: raw, repairs: [] }
  const repairs: string[] = []
  const parsed = parse(raw, repairs)
  if (!Array.isArray(parsed)) return unmended
  const type = messageType(parsed[0], repairs)
  const numericId = typeof parsed[1] === 'number' ? parsed[1] : undefined
  if (numericId !== undefined) repairs.push('numeric-message-id')
  const messageId = numericId === undefined ? parsed[1] : String(numericId)
  if (type === undefined || typeof messageId !== 'string') return unmended
  if (type === CALL && parsed.length > 4) repairs.push('frame-too-long')
  const text = repairs.length === 0 ? raw : rewritten([type, messageId, ...parsed.slice(2, 5)])
  if (text === undefined) return unmended
  if (type !== CALL) return { text, repairs }
  return { text, callId: messageId, repairs, ...(numericId === undefined ? {} : { numericId }) }
}

function messageType(value: unknown, repairs: string[]): number | undefined {
  if (typeof value === 'number') return value
  if (value !== '2' && value !== '3' && value !== '4') return undefined
  repairs.push('type-as-text')
  return Number(value)
}

/** JSON.stringify recurses, so a frame that is nested thousands deep cannot be written again. */
function rewritten(parts: readonly unknown[]): string | undefined {
  try {
    return JSON.stringify(parts)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function parse(raw: string, repairs: string[]): unknown {
  const direct = tryParse(raw)
  if (direct !== undefined) return direct
  const mended = tryParse(withoutStrayCommas(raw.replace(AROUND, '')))
  if (mended !== undefined) repairs.push('bad-json')
  return mended
}

/** Everything before the first bracket that some firmware puts there, and NULs of C strings at the end. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
const AROUND = /^[\s\u0000\uFEFF]+|[\s\u0000]+$/g

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Drops commas that have no value before or after them (`,[2`, `[,2`, `{,"a"`, `1,]`); never touches a string. */
function withoutStrayCommas(text: string): string {
  let kept = ''
  let last = ''
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string
    if (character === '"') {
      const end = endOfString(text, i)
      kept += text.slice(i, end)
      last = '"'
      i = end - 1
      continue
    }
    if (character === ',' && (last === '' || '[{,'.includes(last))) continue
    if ((character === ']' || character === '}') && last === ',') kept = kept.slice(0, kept.lastIndexOf(','))
    kept += character
    if (character.trim() !== '') last = character
  }
  return last === ',' ? kept.slice(0, kept.lastIndexOf(',')) : kept
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return text.length
}
