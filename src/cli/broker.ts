// A password for a broker on the command line: alone in a file, so that no process list shows it.
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'

export async function passwordIn(file: string): Promise<string> {
  const password = (await readText(file, 'the password at the broker')).replace(/\r?\n$/, '')
  if (password !== '' && password.length <= 512 && !/[\r\n]/.test(password)) return password
  throw new MeshError('CONFIG_INVALID', `${file}: wanted one line of 1 to 512 characters`)
}
