// All commands. Exit codes: 0 done; 1 it did not work, the reason stands on standard error; 2 wrong usage.
import { Command, CommanderError } from 'commander'
import { MeshError } from '../errors.ts'
import { SW_VERSION } from '../version.ts'
import { visible } from './output.ts'

const USAGE_EXIT = 2

const EXAMPLES = `
A site in five lines:
  chargemesh site init ./stadium --name "North Stand" --currency EUR
  chargemesh tariff set 0.25 --site ./stadium
  chargemesh node join --site ./stadium --name pole-07 --dir ./pole-07
  chargemesh charger add CP01 --site ./stadium
  chargemesh node run --dir ./pole-07

Every command takes --help; those that print data take --json.`

type Add = (program: Command) => void

/** In the order of the help; each is loaded only when it is asked for, or all for the help: a small box waits for every module. */
const COMMANDS: readonly (readonly [names: readonly string[], load: () => Promise<Add>])[] = [
  [['site'], async () => (await import('./site.ts')).addSiteCommands],
  [['node'], async () => (await import('./node.ts')).addNodeCommands],
  [['cloud'], async () => (await import('./cloud.ts')).addCloudCommands],
  [['webhook'], async () => (await import('./webhook.ts')).addWebhookCommands],
  [['token'], async () => (await import('./token.ts')).addTokenCommands],
  [['forget'], async () => (await import('./forget.ts')).addForgetCommand],
  [['retention'], async () => (await import('./retention.ts')).addRetentionCommands],
  [['policy'], async () => (await import('./policy.ts')).addPolicyCommands],
  [['tariff'], async () => (await import('./tariff.ts')).addTariffCommands],
  [['charger'], async () => (await import('./charger.ts')).addChargerCommands],
  [['session'], async () => (await import('./session.ts')).addSessionCommands],
  [['receipt'], async () => (await import('./receipt.ts')).addReceiptCommand],
  [['verify'], async () => (await import('./verify.ts')).addVerifyCommand],
  [['uplink'], async () => (await import('./uplink.ts')).addUplinkCommands],
  [['usb'], async () => (await import('./usb.ts')).addUsbCommands],
  [['keys'], async () => (await import('./keys.ts')).addKeysCommands],
  [['bills'], async () => (await import('./bills.ts')).addBillCommands],
  [['audit'], async () => (await import('./audit.ts')).addAuditCommands],
  [['trace'], async () => (await import('./trace.ts')).addTraceCommand],
  [['conflicts'], async () => (await import('./conflicts.ts')).addConflictCommands],
  [['refund'], async () => (await import('./refund.ts')).addRefundCommand],
  [['status', 'sessions'], async () => (await import('./status.ts')).addStatusCommands],
  [['doctor'], async () => (await import('./doctor.ts')).addDoctorCommand],
]

/** The program with the command that is named first; with all of them where none is. */
export async function buildProgram(named?: string): Promise<Command> {
  const program = new Command('chargemesh')
    .description('Peer-to-peer software for EV chargers that works without internet')
    .version(SW_VERSION)
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(add --help for usage and examples)')
  const asked = COMMANDS.filter(([names]) => named !== undefined && names.includes(named))
  for (const [, load] of asked.length > 0 ? asked : COMMANDS) {
    const add = await load()
    add(program)
  }
  for (const command of allCommands(program)) command.exitOverride()
  return program
}

function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)]
}

/** Runs one command line; resolves with the exit code. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  try {
    const program = await buildProgram(argv[2])
    await program.parseAsync(argv)
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT
    if (!(error instanceof MeshError)) throw error
    process.stderr.write(`${error.code}: ${visible(error.message)}\n`)
    return 1
  }
}
