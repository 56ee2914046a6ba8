// The gateway's own clients, pointed at a Tollgate: each does what its document says a client can do.
// Asked with the base URL, a client's key, and its signing secret.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import { Client, SubaccountsResource } from '@seven.io/client'

const [base, key, secret] = process.argv.slice(2)
const done = { success: true, error: null }

async function story(name, subaccounts) {
  const made = await subaccounts.create({ name: 'John Doe', email: 'john.doe@acme-inc.com' })
  assert.equal(made.success, true)
  const id = Number(made.subaccount.id)
  assert.deepEqual(await subaccounts.transferCredits({ id, amount: 1.5 }), done)
  assert.deepEqual(await subaccounts.autoCharge({ id, threshold: 2, amount: 5 }), done)
  const shown = (await subaccounts.read()).find((one) => Number(one.id) === id)
  assert.equal(shown.balance, '1.5000')
  assert.deepEqual(shown.auto_topup, { threshold: '2', amount: '5' })
  const poor = await subaccounts.transferCredits({ id, amount: 100_000 })
  assert.deepEqual(poor, { success: false, error: 'Not enough credits' })
  assert.deepEqual(await subaccounts.delete({ id }), done)
  assert.equal((await subaccounts.delete({ id })).error, 'Subaccount not found')
  assert.deepEqual(await subaccounts.read(), [])
  console.log(`ok ${name}`)
}

Client.BASE_URL = base
await story('@seven.io/client', new SubaccountsResource(new Client({ apiKey: key })))
await story('@seven.io/client, Bearer', new SubaccountsResource(new Client({ apiKey: `Bearer ${key}` })))
const signing = (signingSecret) => new SubaccountsResource(new Client({ apiKey: key, signingSecret }))
await story('@seven.io/client, signed', signing(secret))
assert.equal((await signing('another').read()).error, 'Invalid signature')
await assert.rejects(new SubaccountsResource(new Client({ apiKey: 'nobody' })).read(), /^Error: 900/)

const Sms77Client = createRequire(import.meta.url)('sms77-client')
Object.getPrototypeOf(Sms77Client).BASE_URL = base
await story('sms77-client', new Sms77Client(key).subaccounts)
await assert.rejects(async () => {
  const answer = await new Sms77Client('nobody').subaccounts.read()
  if (answer === 900) throw new Error('900')
}, /900/)
