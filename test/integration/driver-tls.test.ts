// The driver's plane where others can reach it: with TLS, and no address takes all of its sockets.
import { readFile, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import { runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { foundSite, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let nodeDir = ''

beforeAll(async () => {
  folder = await tempFolder()
  nodeDir = (await foundSite(folder.dir)).nodeDir
})

afterAll(async () => {
  await folder.remove()
})

async function withDriver(driver: object): Promise<void> {
  const file = join(nodeDir, 'node.yaml')
  const settings = parse(await readFile(file, 'utf8')) as { mesh: object }
  await writeFile(file, stringify({ ...settings, mesh: { ...settings.mesh, discovery: 'off' }, driver }))
}

it('is reached by TLS, with the certificate that the settings name', async () => {
  const { key, cert, caPem } = await makeServerCertificate(['127.0.0.1'])
  const [keyFile, certFile] = [join(folder.dir, 'key.pem'), join(folder.dir, 'cert.pem')]
  await writeFile(keyFile, key)
  await writeFile(certFile, cert)
  await withDriver({ listen: '0.0.0.0:0', tlsKeyFile: keyFile, tlsCertFile: certFile })
  const node = await runNode(nodeDir)
  try {
    const { protocol, port } = new URL(node.driverUrl ?? '')
    expect(protocol).toBe('https:')
    const status = await new Promise((resolve, reject) => {
      get(`https://127.0.0.1:${port}/stations`, { ca: caPem, agent: false }, answer => {
        answer.resume()
        resolve(answer.statusCode)
      }).on('error', reject)
    })
    expect(status).toBe(200)
    await expect(fetch(`http://127.0.0.1:${port}/stations`)).rejects.toThrow()
  } finally {
    await node.close()
  }
  await writeFile(keyFile, 'no key')
  await expect(runNode(nodeDir)).rejects.toThrow('driver.tlsKeyFile and driver.tlsCertFile are no key')
})

it('gives one address 48 sockets, and closes what is more', async () => {
  await withDriver({ listen: '127.0.0.1:0' })
  const node = await runNode(nodeDir)
  const port = Number(new URL(node.driverUrl ?? '').port)
  const sockets: Socket[] = []
  let closed = 0
  const open = (): void => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined).on('close', () => (closed += 1))
    sockets.push(socket)
  }
  try {
    for (let count = 0; count < 60; count++) open()
    await until(() => closed === 12, { withinMs: 5000, what: '12 sockets too many are closed' })
    for (const socket of sockets) socket.destroy()
    await until(() => closed === 60, { withinMs: 5000, what: 'all are closed' })
    const answers = async (): Promise<boolean> =>
      await fetch(`${node.driverUrl}/openapi.json`, { headers: { connection: 'close' } }).then(
        said => said.ok,
        () => false,
      )
    await until(answers, { withinMs: 5000, what: 'the place of a closed socket is free again' })
  } finally {
    await node.close()
  }
})
