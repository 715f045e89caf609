// All commands. Exit codes: 0 done; 1 it did not work, the reason stands on standard error; 2 wrong usage.
import { Command, CommanderError } from 'commander'
import { MeshError } from '../errors.ts'
import { SW_VERSION } from '../version.ts'
import { addAuditCommands } from './audit.ts'
import { addBillCommands } from './bills.ts'
import { addChargerCommands } from './charger.ts'
import { addCloudCommands } from './cloud.ts'
import { addConflictCommands } from './conflicts.ts'
import { addDoctorCommand } from './doctor.ts'
import { addForgetCommand } from './forget.ts'
import { addKeysCommands } from './keys.ts'
import { addNodeCommands } from './node.ts'
import { visible } from './output.ts'
import { addPolicyCommands } from './policy.ts'
import { addReceiptCommand } from './receipt.ts'
import { addRefundCommand } from './refund.ts'
import { addRetentionCommands } from './retention.ts'
import { addSessionCommands } from './session.ts'
import { addSiteCommands } from './site.ts'
import { addStatusCommands } from './status.ts'
import { addTariffCommands } from './tariff.ts'
import { addTokenCommands } from './token.ts'
import { addTraceCommand } from './trace.ts'
import { addUplinkCommands } from './uplink.ts'
import { addVerifyCommand } from './verify.ts'

const USAGE_EXIT = 2

const EXAMPLES = `
A site in five lines:
  chargemesh site init ./stadium --name "North Stand" --currency EUR
  chargemesh tariff set 0.25 --site ./stadium
  chargemesh node join --site ./stadium --name pole-07 --dir ./pole-07
  chargemesh charger add CP01 --site ./stadium
  chargemesh node run --dir ./pole-07

Every command takes --help; those that print data take --json.`

export function buildProgram(): Command {
  const program = new Command('chargemesh')
    .description('Peer-to-peer software for EV chargers that works without internet')
    .version(SW_VERSION)
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(add --help for usage and examples)')
  addSiteCommands(program)
  addNodeCommands(program)
  addCloudCommands(program)
  addTokenCommands(program)
  addForgetCommand(program)
  addRetentionCommands(program)
  addPolicyCommands(program)
  addTariffCommands(program)
  addChargerCommands(program)
  addSessionCommands(program)
  addReceiptCommand(program)
  addVerifyCommand(program)
  addUplinkCommands(program)
  addKeysCommands(program)
  addBillCommands(program)
  addAuditCommands(program)
  addTraceCommand(program)
  addConflictCommands(program)
  addRefundCommand(program)
  addStatusCommands(program)
  addDoctorCommand(program)
  for (const command of allCommands(program)) command.exitOverride()
  return program
}

function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)]
}

/** Runs one command line; resolves with the exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv)
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT
    if (!(error instanceof MeshError)) throw error
    process.stderr.write(`${error.code}: ${visible(error.message)}\n`)
    return 1
  }
}
