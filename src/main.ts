#!/usr/bin/env node
// The command line's door. runtime.ts comes first: libraries that load later rely on it.
import './runtime.ts'

const { runProgram } = await import('./cli/program.ts')
/** After an error has been said, whatever still keeps the process is given so long. */
const LINGER_MS = 2000

// Whoever reads has read enough, such as `| head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await runProgram(process.argv)
if (process.exitCode !== 0) setTimeout(() => process.exit(), LINGER_MS).unref()
