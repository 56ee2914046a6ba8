"""The client of openapi-python-client against a served demo."""

import json
import os

from tollgate_client import AuthenticatedClient
from tollgate_client.api.client_api import client_api_add_callerid, client_api_calls, client_api_me
from tollgate_client.api.reseller_api import reseller_api_client, reseller_api_create_client, reseller_api_plans
from tollgate_client.api.reseller_api import reseller_api_transfer
from tollgate_client.api.sms_api import sms_api_history, sms_api_send
from tollgate_client.api.subaccounts_api import subaccounts_create, subaccounts_read
from tollgate_client.models import (
    ClientApiAddCalleridBody,
    ResellerApiCreateClientBody,
    ResellerApiTransferBody,
    ResellerRefusal,
    SmsApiSendBody,
    SubaccountsCreateBody,
    SubaccountsReadBody,
)

NAME = os.environ["NAME"]


def connect(key):
    # This generator leaves `servers` to its user.
    url = json.load(open("openapi.json"))["servers"][0]["url"]
    return AuthenticatedClient(base_url=url, token=key, prefix="", auth_header_name="X-API-Key")


client = connect(os.environ["CLIENT_KEY"])
me = client_api_me.sync(client=client)
assert me.success is True and me.data.active == 1, me
added = client_api_add_callerid.sync(client=client, body=ClientApiAddCalleridBody(cid="+4930100001", name=NAME))
assert added.data.cid == "+4930100001", added
calls = client_api_calls.sync(client=client, limit=1)
assert calls.limit == 1 and calls.total >= 1 and calls.data[0].status == "answered", calls
message = SmsApiSendBody(phone="+491701234567", message="Hello")
sent = [sms_api_send.sync(client=client, body=message, idempotency_key=NAME) for _ in range(2)]
assert sent[0].sms_id == sent[1].sms_id, sent
assert sms_api_history.sync(client=client).messages[0].sms_id == sent[0].sms_id
made = subaccounts_create.sync(client=client, body=SubaccountsCreateBody(name=NAME, email="a@example.com"))
assert made.success is True, made
rows = subaccounts_read.sync(client=client, body=SubaccountsReadBody())
assert any(row.id == made.subaccount.id for row in rows), rows

reseller = connect(os.environ["RESELLER_KEY"])
plans = reseller_api_plans.sync(client=reseller)
assert all(isinstance(plan.tariff_limit, int) for plan in plans.plans), plans
created = reseller_api_create_client.sync(client=reseller, body=ResellerApiCreateClientBody())
login = created.client.login
order = ResellerApiTransferBody(login=login, amount="1.25", external_id=f"{NAME}-1")
assert reseller_api_transfer.sync(client=reseller, body=order).transaction.client_balance == 1.25
assert reseller_api_client.sync(client=reseller, login=login).client.balance == 1.25
refused = reseller_api_client.sync(client=reseller, login="nobody")
assert isinstance(refused, ResellerRefusal) and refused.code == "not_found", refused
print(f"ok {NAME}")
