// The platform behind the small ports: clock, dice, log.
import { randomFillSync } from 'node:crypto'
import pino from 'pino'
import type { Clock, Logger, Random } from '../ports.ts'

export function systemClock(): Clock {
  return { wallMs: () => Date.now(), monotonicMs: () => performance.now() }
}

export function systemRandom(): Random {
  return { bytes: length => randomFillSync(new Uint8Array(length)) }
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** JSON lines on standard error, so that standard output stays the command's own. */
export function systemLogger(level: LogLevel, name: string): Logger {
  const log = pino({ level, name, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2))
  return {
    debug: (event, fields) => log.debug(fields ?? {}, event),
    info: (event, fields) => log.info(fields ?? {}, event),
    warn: (event, fields) => log.warn(fields ?? {}, event),
    error: (event, fields) => log.error(fields ?? {}, event),
  }
}

/** Resolves when sockets and files have had their turn. */
export function breathe(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
