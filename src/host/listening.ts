// Where a node listens, as its settings say it; what cannot be had is a setting to be changed.
import { type HostPort, parseHostPort } from '../config.ts'
import { MeshError } from '../errors.ts'

const WHY_NOT: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there already',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'the system does not allow this user to listen there',
}

/** Opens a server; a port that cannot be had is a setting to be changed, and is named with its field. */
export async function listening<T>(
  field: string,
  text: string,
  openAt: (listen: HostPort) => Promise<T>,
): Promise<T> {
  try {
    return await openAt(address(text))
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: { code?: string } }
    const why = WHY_NOT[cause?.code ?? code ?? '']
    if (why === undefined) throw error
    throw new MeshError('CONFIG_INVALID', `${field}: cannot listen on ${text}: ${why}`, error)
  }
}

export function address(text: string): HostPort {
  const parsed = parseHostPort(text)
  if (!parsed) throw new MeshError('CONFIG_INVALID', `${text} is not host:port`)
  return parsed
}
