// A broker of MQTT 5 as far as a request and its answer need it, on the codec of the client that we keep: sessions of one
// connection, QoS 0 and 1, properties passed on, shared subscriptions in turn, the limits of both sides, passwords. It can be
// told to misbehave as brokers and those who publish there do.
import { createServer as createPlain, type Server, type Socket } from 'node:net'
import { createServer as createSecure } from 'node:tls'
import {
  generate,
  type IConnectPacket,
  type IPublishPacket,
  type ISubscribePacket,
  type Packet,
  parser,
} from 'mqtt-packet'

export type BrokerOptions = {
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly login?: { readonly username: string; readonly password: string }
  /** The largest packet that it takes, as its CONNACK says. */
  readonly maximumPacketSize?: number
}

export type TestBroker = {
  readonly port: number
  /** Every publish that came, before anything is done with it. */
  readonly heard: (IPublishPacket & { readonly from: string })[]
  /** How often each one is passed on; 1 unless set. */
  copies: (packet: IPublishPacket) => number
  /** Pings, and never says that it has subscribed anybody. */
  isDeaf: boolean
  readonly publish: (packet: Pick<IPublishPacket, 'topic' | 'payload' | 'properties'>) => void
  /** Those who share a subscription: receivers. */
  readonly workers: () => number
  /** Stops, with all connections; what it held is gone. */
  readonly stop: () => Promise<void>
  /** Again, at the same port. */
  readonly start: () => Promise<void>
}

type Member = {
  readonly socket: Socket
  readonly topics: Set<string>
  clientId: string
  maxBytes: number
}

const V5 = { protocolVersion: 5 } as const
const BAD_LOGIN = 134
const NO_SUBSCRIBERS = 16

export async function openTestBroker(options: BrokerOptions = {}): Promise<TestBroker> {
  const members = new Set<Member>()
  let server: Server
  let port = 0
  let [messageId, turn] = [1, 0]
  const send = ({ socket }: Member, packet: Packet): void => {
    if (socket.writable) socket.write(generate(packet, V5))
  }
  const deliver = (packet: IPublishPacket): number => {
    const plain = [...members].filter(({ topics }) => topics.has(packet.topic))
    const sharing = [...members].filter(({ topics }) => topics.has(`$share/chargemesh/${packet.topic}`))
    if (sharing.length > 0) turn += 1
    const one = sharing[turn % Math.max(1, sharing.length)]
    const to = [...plain, ...(one ? [one] : [])]
    for (const member of to) {
      for (let copy = 0; copy < broker.copies(packet); copy++) {
        messageId = (messageId % 65_535) + 1
        const out: IPublishPacket = { ...packet, messageId, qos: 1, dup: copy > 0, retain: false }
        // MQTT 5, 3.1.2.11.4: what is too long for a client is not sent, as if it were.
        if (generate(out, V5).length <= member.maxBytes) send(member, out)
      }
    }
    return to.length
  }
  const take = (member: Member, packet: Packet): void => {
    if (packet.cmd === 'connect') connected(member, packet)
    else if (packet.cmd === 'subscribe' && !broker.isDeaf) subscribed(member, packet)
    else if (packet.cmd === 'pingreq') send(member, { cmd: 'pingresp' })
    else if (packet.cmd === 'disconnect') member.socket.end()
    else if (packet.cmd === 'publish') published(member, packet)
  }
  const published = (member: Member, packet: IPublishPacket): void => {
    broker.heard.push({ ...packet, from: member.clientId })
    const reasonCode = deliver(packet) === 0 ? NO_SUBSCRIBERS : 0
    if (packet.qos === 1) send(member, { cmd: 'puback', messageId: packet.messageId ?? 0, reasonCode })
  }
  const connected = (member: Member, packet: IConnectPacket): void => {
    const { login, maximumPacketSize } = options
    const isKnown =
      !login || (packet.username === login.username && String(packet.password ?? '') === login.password)
    const isSpoken = packet.protocolVersion === 5
    member.clientId = packet.clientId
    member.maxBytes = packet.properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY
    send(member, {
      ...{ cmd: 'connack', sessionPresent: false, reasonCode: isKnown && isSpoken ? 0 : BAD_LOGIN },
      ...(maximumPacketSize !== undefined && { properties: { maximumPacketSize } }),
    })
    if (isKnown && isSpoken) members.add(member)
    else member.socket.end()
  }
  const subscribed = (member: Member, { messageId, subscriptions }: ISubscribePacket): void => {
    for (const { topic } of subscriptions) member.topics.add(topic)
    send(member, { cmd: 'suback', messageId: messageId ?? 0, granted: subscriptions.map(() => 1) })
  }
  const accept = (socket: Socket): void => {
    const member: Member = { socket, topics: new Set(), clientId: '', maxBytes: Number.POSITIVE_INFINITY }
    const packets = parser(V5)
    packets.on('packet', packet => take(member, packet))
    packets.on('error', () => socket.destroy())
    socket.on('data', part => packets.parse(part))
    socket.on('close', () => members.delete(member))
    socket.on('error', () => socket.destroy())
  }
  const sockets = new Set<Socket>()
  const start = async (): Promise<void> => {
    server = options.tls ? createSecure(options.tls, accept) : createPlain(accept)
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
    const address = server.address()
    port = typeof address === 'object' && address ? address.port : 0
  }
  const broker: TestBroker = {
    get port() {
      return port
    },
    heard: [],
    copies: () => 1,
    isDeaf: false,
    publish: packet => {
      deliver({ ...packet, cmd: 'publish', qos: 1, dup: false, retain: false })
    },
    workers: () =>
      [...members].filter(({ topics }) => [...topics].some(one => one.startsWith('$share/'))).length,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
      members.clear()
    },
    start,
  }
  await start()
  return broker
}
