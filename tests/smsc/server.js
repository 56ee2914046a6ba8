// An SMSC for tests, by the npm package `smpp`, which nobody of Tollgate wrote: it is the judge of what comes over the wire.
//
// It listens on a free port of the loopback and prints {"port":N}. Then it takes one JSON command a line on its standard
// input and prints one JSON answer a line; it ends with its input. Where the package is comes from NODE_PATH.
'use strict'

const fs = require('fs')
const readline = require('readline')
const smpp = require('smpp')

const OK = smpp.ESME_ROK
const DEFAULTS = {
  // The status that binds are refused with; null lets them in.
  refuseBind: null,
  // How many messages are answered with `status` before the next is taken.
  fail: 0,
  status: smpp.ESME_RTHROTTLED,
  // How many are taken before that: 1 spoils the second part of a text.
  failAfter: 0,
  // 'drop' closes the connection with the message taken and not answered; 'ignore' never answers.
  silence: null,
  // Whether enquire_link is answered.
  alive: true,
}
let behaviour = { ...DEFAULTS }
let record = []
let binds = []
let enquiries = 0
let bound = null
let nextId = 1

const hex = (buffers) => (buffers || []).map((one) => one.toString('hex'))

function remember(pdu) {
  const { message = '', udh } = pdu.short_message || {}
  const payload = pdu.message_payload
  const text = payload ? payload.message : message
  record.push({
    id: null,
    from: { ton: pdu.source_addr_ton, npi: pdu.source_addr_npi, address: pdu.source_addr },
    to: { ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi, address: pdu.destination_addr },
    esmClass: pdu.esm_class,
    dataCoding: pdu.data_coding,
    registeredDelivery: pdu.registered_delivery,
    udh: hex(udh),
    payload: Boolean(payload),
    text: Buffer.isBuffer(text) ? text.toString('latin1') : text,
  })
  return record[record.length - 1]
}

// The texts as a phone shows them: parts of one reference put together in their order.
function reassembled() {
  const texts = []
  const open = new Map()
  for (const one of record.filter((one) => one.id)) {
    if (one.udh.length === 0) {
      texts.push(one.text)
      continue
    }
    const [kind, length, reference, count, number] = Buffer.from(one.udh[0], 'hex')
    if (kind !== 0 || length !== 3) throw new Error(`not a concatenation: ${one.udh}`)
    const key = `${one.to.address}/${reference}`
    if (!open.has(key)) open.set(key, new Array(count).fill(null))
    const parts = open.get(key)
    parts[number - 1] = one.text
    if (parts.every((part) => part !== null)) {
      texts.push(parts.join(''))
      open.delete(key)
    }
  }
  return texts
}

// TLS where a key and a certificate are named.
const { SMSC_KEY, SMSC_CERTIFICATE } = process.env
const tls = SMSC_KEY ? { key: fs.readFileSync(SMSC_KEY), cert: fs.readFileSync(SMSC_CERTIFICATE) } : {}

const server = smpp.createServer(tls, (session) => {
  session.on('error', () => {})
  session.on('close', () => {
    if (bound === session) bound = null
  })
  session.on('bind_transceiver', (pdu) => {
    binds.push({
      systemId: pdu.system_id,
      password: pdu.password,
      systemType: pdu.system_type,
      version: pdu.interface_version,
    })
    if (behaviour.refuseBind !== null) {
      session.send(pdu.response({ command_status: behaviour.refuseBind }), () => session.close())
      return
    }
    bound = session
    session.send(pdu.response({ system_id: 'smsc' }))
  })
  session.on('enquire_link', (pdu) => {
    enquiries += 1
    if (behaviour.alive) session.send(pdu.response())
  })
  session.on('unbind', (pdu) => {
    session.send(pdu.response(), () => session.close())
  })
  session.on('submit_sm', (pdu) => {
    const one = remember(pdu)
    if (behaviour.silence === 'drop') {
      session.destroy()
      return
    }
    if (behaviour.silence === 'ignore') return
    if (behaviour.failAfter > 0) {
      behaviour.failAfter -= 1
    } else if (behaviour.fail > 0) {
      behaviour.fail -= 1
      session.send(pdu.response({ command_status: behaviour.status }))
      return
    }
    one.id = `smsc-${nextId}`
    nextId += 1
    session.send(pdu.response({ message_id: one.id }))
  })
})

// Sends a receipt, again while it is not taken; gives the statuses that it was answered with.
function receipt({ id, stat = 'DELIVRD', state = null, tries = 5 }) {
  const session = bound
  const fields = { source_addr: '4915112345678', destination_addr: 'Tollgate', esm_class: 4 }
  if (state === null) {
    const done = 'submit date:2308231413 done date:2308231414'
    fields.short_message = `id:${id} sub:001 dlvrd:001 ${done} stat:${stat} err:000 text:hello`
  } else {
    fields.receipted_message_id = id
    fields.message_state = state
  }
  return new Promise((resolve) => {
    const statuses = []
    const send = () => {
      session.deliver_sm(fields, (answer) => {
        statuses.push(answer.command_status)
        if (answer.command_status === OK || statuses.length === tries) resolve({ statuses })
        else setTimeout(send, 50)
      })
    }
    send()
  })
}

const commands = {
  behave: async (how) => {
    behaviour = { ...DEFAULTS, ...how }
    return {}
  },
  look: async () => ({ record, texts: reassembled(), binds, enquiries, bound: bound !== null }),
  receipt,
  // A message from a phone.
  message: ({ text }) =>
    new Promise((resolve) => {
      const fields = { source_addr: '4915112345678', destination_addr: '72000', short_message: text }
      bound.deliver_sm(fields, (answer) => resolve({ status: answer.command_status }))
    }),
  enquire: () =>
    new Promise((resolve) => {
      bound.enquire_link({}, (answer) => resolve({ status: answer.command_status }))
    }),
  // Bytes as they are; what the other side answers is what the package makes of it.
  raw: ({ bytes }) =>
    new Promise((resolve) => {
      const session = bound
      const heard = (pdu) => {
        session.removeListener('close', gone)
        resolve({ command: pdu.command, status: pdu.command_status })
      }
      const gone = () => resolve({ closed: true })
      session.once('pdu', heard)
      session.once('close', gone)
      session.socket.write(Buffer.from(bytes, 'hex'))
    }),
  unbind: () =>
    new Promise((resolve) => {
      bound.unbind({}, (answer) => resolve({ status: answer.command_status }))
    }),
  drop: async () => {
    if (bound) bound.destroy()
    return {}
  },
}

server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: server.address().port }))
  readline
    .createInterface({ input: process.stdin })
    .on('line', async (line) => {
      const command = JSON.parse(line)
      let answer
      try {
        answer = await commands[command.do](command)
      } catch (error) {
        answer = { error: String(error) }
      }
      console.log(JSON.stringify(answer))
    })
    .on('close', () => process.exit(0))
})
