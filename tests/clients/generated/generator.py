"""The Python client of openapi-generator against a served demo."""

import os

import openapi_client as tollgate

NAME = os.environ["NAME"]


def connect(key):
    # The address is that of `servers` in the document.
    return tollgate.ApiClient(tollgate.Configuration(api_key={"X-API-Key": key}))


client = connect(os.environ["CLIENT_KEY"])
api = tollgate.ClientAPIApi(client)
me = api.client_api_me()
assert me.success is True and me.data.active == 1, me
added = api.client_api_add_callerid(tollgate.ClientApiAddCalleridRequest(cid="+4930100002", name=NAME))
assert added.data.cid == "+4930100002", added
calls = api.client_api_calls(limit=1)
assert calls.limit == 1 and calls.total >= 1 and calls.data[0].status == "answered", calls
sms = tollgate.SMSAPIApi(client)
message = tollgate.SmsApiSendRequest(phone="+491701234567", message="Hello")
sent = [sms.sms_api_send(message, idempotency_key=NAME) for _ in range(2)]
assert sent[0].sms_id == sent[1].sms_id, sent
assert sms.sms_api_history().messages[0].sms_id == sent[0].sms_id
subaccounts = tollgate.SubaccountsAPIApi(client)
made = subaccounts.subaccounts_create(tollgate.SubaccountsCreateRequest(name=NAME, email="b@example.com")).actual_instance
assert made.success is True, made
rows = subaccounts.subaccounts_read().actual_instance
assert any(row.id == made.subaccount.id for row in rows), rows

api = tollgate.ResellerAPIApi(connect(os.environ["RESELLER_KEY"]))
assert all(isinstance(plan.tariff_limit, int) for plan in api.reseller_api_plans().plans)
login = api.reseller_api_create_client(tollgate.ResellerApiCreateClientRequest()).client.login
order = tollgate.ResellerApiTransferRequest(login=login, amount="1.25", external_id=f"{NAME}-1")
assert api.reseller_api_transfer(order).transaction.client_balance == 1.25
assert api.reseller_api_client(login).client.balance == 1.25
try:
    api.reseller_api_client("nobody")
except tollgate.exceptions.NotFoundException as refused:
    assert refused.data.code == "not_found", refused
else:
    raise AssertionError("an unknown client was found")
print(f"ok {NAME}")
