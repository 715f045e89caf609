// Calls over standard input and output, a JSON object a line: `{"call":7,"op":"wait","total":10}` is answered with
// `{"call":7,"ok":{...}}` or `{"call":7,"error":"..."}`, in any order. Nothing else is written to standard output.
import { createInterface } from 'node:readline'

export type Args = Readonly<Record<string, unknown>>
export type Ops = Readonly<Record<string, (args: Args) => Promise<unknown> | unknown>>

/** Says that it is ready, and serves until standard input ends or `close` was answered. */
export function serveLines(ops: Ops): void {
  const say = (line: unknown, then?: () => void): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`, then)
  }
  const answer = async (text: string): Promise<void> => {
    let call: unknown
    try {
      const args = JSON.parse(text) as Args
      call = args.call
      const op = ops[String(args.op)]
      if (!op)
        throw new RangeError(`there is no op ${String(args.op)}; there are ${Object.keys(ops).join(', ')}`)
      const ok = (await op(args)) ?? {}
      say({ call, ok }, args.op === 'close' ? () => process.exit(0) : undefined)
    } catch (error) {
      say({ call, error: error instanceof Error ? error.message : String(error) })
    }
  }
  createInterface({ input: process.stdin })
    .on('line', line => void answer(line))
    .on('close', () => process.exit(0))
  say({ ready: true })
}

/** Unix milliseconds with fractions. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

export function uint(args: Args, name: string, fallback?: number): number {
  const value = args[name] ?? fallback
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${name} = ${JSON.stringify(value)}: allowed: a whole number from 0`)
  return value
}

export function text(args: Args, name: string): string {
  const value = args[name]
  if (typeof value !== 'string' || value === '')
    throw new RangeError(`${name} = ${JSON.stringify(value)}: allowed: a text`)
  return value
}
