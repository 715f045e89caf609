// `--mutants [names]`: a table of seeded bugs and the promise that each was caught by.
import type { MutantProgress, MutantResult } from './run.ts'
import { runMutants } from './run.ts'

export type MutantsOptions = {
  readonly only?: readonly string[]
  readonly json?: boolean
  readonly jobs?: number
}

/** 0 when every bug was caught by a promise that it names. */
export async function mutantsCommand({ only, json, jobs }: MutantsOptions): Promise<number> {
  const results = await runMutants({
    ...(only && { only }),
    ...(jobs !== undefined && { jobs }),
    onProgress: progress => {
      if (json && progress.kind === 'result')
        process.stdout.write(`${JSON.stringify(plain(progress.result))}\n`)
      else if (!json) tell(progress)
    },
  })
  const caught = results.filter(result => result.kind === 'caught').length
  if (!json) process.stdout.write(`${caught} of ${results.length} seeded bugs caught\n`)
  return caught === results.length ? 0 : 1
}

function tell(progress: MutantProgress): void {
  if (progress.kind === 'unpatched')
    process.stderr.write(`unpatched: ${progress.scenario}, ${progress.seeds} seeds must be clean\n`)
  if (progress.kind !== 'result') return
  const { result, done, of } = progress
  const count = `${done}/${of}`.padStart(6)
  process.stdout.write(`${count}  ${result.mutant.name.padEnd(34)} ${verdict(result)}\n`)
}

function verdict(result: MutantResult): string {
  switch (result.kind) {
    case 'caught':
      return `${result.invariant} (${result.checker}) at seed ${result.seed}`
    case 'caught-by-others':
      return `only by ${[...new Set(result.seen.map(one => one.invariant))].join(', ')}, not by ${result.mutant.caught.join(', ')}`
    case 'survived':
      return `SURVIVED ${result.seeds} seeds`
    case 'not-built':
      return `NOT BUILT: ${result.reason.split('\n')[0]}`
    case 'stuck':
      return `STUCK at seed ${result.seed}`
  }
}

function plain(result: MutantResult): unknown {
  const { mutant, ...rest } = result
  return { name: mutant.name, breaks: mutant.breaks, ...rest }
}
