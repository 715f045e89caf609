// `chargemesh charger certificate`: certificates that chargers show instead of a password (OCPP security profile 3).
import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { readText, writeSecret } from '../host/identity-files.ts'
import type { Operator } from '../host/operator.ts'
import { authorityOf } from '../host/site-tls.ts'
import { MAX_CHARGER_CERTIFICATES } from '../log/charger-body.ts'
import { type ChargerId, hex } from '../units.ts'
import { registrationOf } from './charger-add.ts'
import { identityOf } from './charger-order.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'

type IssueOptions = OperatorOptions & { readonly csr?: string; readonly out: string; readonly only?: boolean }

export function addCertificateCommands(charger: Command): Command {
  const certificate = charger
    .command('certificate')
    .description('certificates that chargers show instead of a password (security profile 3)')
  operatorOptions(certificate.command('issue <identity>'))
    .description("sign a charger's certificate request from a file, or make a key and a certificate for it")
    .option('--csr <file>', 'its request (PKCS #10, PEM); without one a key is made too')
    .option('--out <dir>', 'where the files are laid', '.')
    .option('--only', 'all earlier certificates of this charger are void at once')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh charger certificate issue CP01 --csr CP01.csr --site ./stadium --via ./pole-07',
    )
    .action(issue)
  return certificate
}

async function issue(text: string, options: IssueOptions): Promise<void> {
  const { makeChargerPair, readCsr, signCsr } = await import('../host/charger-ca.ts')
  const identity = identityOf(text)
  const csr =
    options.csr === undefined
      ? undefined
      : await readCsr(await readText(options.csr, 'is --csr the request?'))
  await asOperator(options, async operator => {
    const authority = authorityOf(operator)
    const nowAt = Date.now()
    registrationOf(operator, identity)
    const made = csr
      ? { certificate: await signCsr(authority, csr, { identity, nowAt }) }
      : await makeChargerPair(authority, identity, nowAt)
    const certificateFile = join(options.out, `${identity}.cert.pem`)
    const keyFile = join(options.out, `${identity}.key.pem`)
    if ('key' in made) await requireVacant(keyFile)
    await mkdir(options.out, { recursive: true, mode: 0o700 })
    // The files first: what counts for the nodes shall be in somebody's hands.
    if ('key' in made) await writeSecret(keyFile, made.key)
    await writeSecret(certificateFile, made.certificate)
    const hash = await pin(operator, identity, { certificate: made.certificate, only: options.only ?? false })
    const files = { certificateFile, ...('key' in made && { keyFile }) }
    say(
      options,
      { identity, ...files, sha256: hash },
      `${identity}: certificate in ${certificateFile}${'key' in made ? `, its key in ${keyFile}: bring it to the charger and delete it here` : ''}\n  SHA-256 ${hash}`,
    )
  })
}

/** Only certificates that stand in the log let a charger in: the newest few, or this one alone. */
export async function pin(
  operator: Operator,
  identity: ChargerId,
  { certificate, only }: { readonly certificate: string; readonly only: boolean },
): Promise<string> {
  const held = registrationOf(operator, identity)
  const hash = new Uint8Array(createHash('sha256').update(new X509Certificate(certificate).raw).digest())
  const others = only ? [] : (held.certificates ?? [])
  const certificates = [hash, ...others].slice(0, MAX_CHARGER_CERTIFICATES)
  await operator.record([{ name: 'charge_point', body: { ...held, certificates } }])
  return hex(hash)
}

async function requireVacant(file: string): Promise<void> {
  const isThere = await readFile(file).then(
    () => true,
    () => false,
  )
  if (isThere)
    throw new MeshError(
      'CONFIG_INVALID',
      `${file} exists, and a key is never overwritten: choose another --out`,
    )
}
