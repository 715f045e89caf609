#!/usr/bin/env node
// The command line's door. runtime.ts comes first: libraries that load later rely on it.
import './runtime.ts'

const { runProgram } = await import('./cli/program.ts')
process.exitCode = await runProgram(process.argv)
