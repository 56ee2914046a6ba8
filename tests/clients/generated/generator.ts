// The TypeScript client of openapi-generator against a served demo.

import { strict as assert } from 'node:assert'

import { ClientAPIApi, Configuration, ResellerAPIApi, ResponseError, SMSAPIApi, SubaccountsAPIApi } from './index'

const name = process.env.NAME as string

// The address is that of `servers` in the document.
const configuration = (variable: string) => new Configuration({ apiKey: process.env[variable] })

async function story(): Promise<void> {
  const client = configuration('CLIENT_KEY')
  const api = new ClientAPIApi(client)
  const me = await api.clientApiMe()
  assert(me.success && me.data.active === 1)
  const added = await api.clientApiAddCallerid({ clientApiAddCalleridRequest: { cid: '+4930100004', name } })
  assert.equal(added.data.cid, '+4930100004')
  const calls = await api.clientApiCalls({ limit: 1 })
  assert.equal(calls.limit, 1)
  assert.equal(calls.data[0].status, 'answered')
  const sms = new SMSAPIApi(client)
  const smsApiSendRequest = { phone: '+491701234567', message: 'Hello' }
  const first = await sms.smsApiSend({ smsApiSendRequest, idempotencyKey: name })
  const second = await sms.smsApiSend({ smsApiSendRequest, idempotencyKey: name })
  assert.equal(first.smsId, second.smsId)
  assert.equal((await sms.smsApiHistory()).messages[0].smsId, first.smsId)
  const subaccountsCreateRequest = { name, email: 'c@example.com' }
  const made = await new SubaccountsAPIApi(client).subaccountsCreate({ subaccountsCreateRequest })
  assert(typeof made === 'object' && made.success)

  const reseller = new ResellerAPIApi(configuration('RESELLER_KEY'))
  for (const plan of (await reseller.resellerApiPlans()).plans) assert.equal(typeof plan.tariffLimit, 'number')
  const created = await reseller.resellerApiCreateClient({ resellerApiCreateClientRequest: {} })
  const login = created.client.login
  const done = await reseller.resellerApiTransfer({
    resellerApiTransferRequest: { login, amount: '1.25', externalId: `${name}-1` },
  })
  assert.equal(done.transaction.clientBalance, 1.25)
  assert.equal((await reseller.resellerApiClient({ login })).client.balance, 1.25)
  await assert.rejects(
    reseller.resellerApiClient({ login: 'nobody' }),
    (error) => error instanceof ResponseError && error.response.status === 404,
  )
  console.log(`ok ${name}`)
}

story().catch((error) => {
  console.error(error)
  process.exit(1)
})
