<?php
// The PHP client of openapi-generator against a served demo. Argument: the generated client's folder.

declare(strict_types=1);

use OpenAPI\Client\Api\ClientAPIApi;
use OpenAPI\Client\Api\ResellerAPIApi;
use OpenAPI\Client\Api\SMSAPIApi;
use OpenAPI\Client\Api\SubaccountsAPIApi;
use OpenAPI\Client\ApiException;
use OpenAPI\Client\Configuration;
use OpenAPI\Client\Model;

require_once 'GuzzleHttp/autoload.php';
spl_autoload_register(static function (string $class) use ($argv): void {
    $prefix = 'OpenAPI\\Client\\';
    if (str_starts_with($class, $prefix)) {
        require $argv[1] . '/lib/' . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
    }
});

function check(bool $holds, mixed $value): void
{
    if (!$holds) {
        throw new RuntimeException('unexpected answer: ' . print_r($value, true));
    }
}

// The address is that of `servers` in the document.
function configuration(string $variable): Configuration
{
    return (new Configuration())->setApiKey('X-API-Key', getenv($variable));
}

$name = getenv('NAME');
$http = new GuzzleHttp\Client();
$client = configuration('CLIENT_KEY');
$api = new ClientAPIApi($http, $client);
$me = $api->clientApiMe();
check($me->getSuccess() === true && $me->getData()->getActive() === 1, $me);
$added = $api->clientApiAddCallerid(new Model\ClientApiAddCalleridRequest(['cid' => '+4930100003', 'name' => $name]));
check($added->getData()->getCid() === '+4930100003', $added);
$calls = $api->clientApiCalls(1);
check($calls->getLimit() === 1 && $calls->getData()[0]->getStatus() === 'answered', $calls);
$sms = new SMSAPIApi($http, $client);
$message = new Model\SmsApiSendRequest(['phone' => '+491701234567', 'message' => 'Hello']);
$sent = [$sms->smsApiSend($message, $name), $sms->smsApiSend($message, $name)];
check($sent[0]->getSmsId() === $sent[1]->getSmsId(), $sent);
check($sms->smsApiHistory()->getMessages()[0]->getSmsId() === $sent[0]->getSmsId(), $sent);
$subaccounts = new SubaccountsAPIApi($http, $client);
$made = $subaccounts->subaccountsDelete(new Model\SubaccountsDeleteRequest(['id' => '199999999']));
check($made->getSuccess() === false && $made->getError() === 'Subaccount not found', $made);

$api = new ResellerAPIApi($http, configuration('RESELLER_KEY'));
foreach ($api->resellerApiPlans()->getPlans() as $plan) {
    check(is_int($plan->getTariffLimit()), $plan);
}
$login = $api->resellerApiCreateClient(new Model\ResellerApiCreateClientRequest())->getClient()->getLogin();
$order = new Model\ResellerApiTransferRequest(['login' => $login, 'amount' => '1.25', 'external_id' => "$name-1"]);
$done = $api->resellerApiTransfer($order);
check($done->getTransaction()->getClientBalance() === 1.25, $done);
check($api->resellerApiClient($login)->getClient()->getBalance() === 1.25, $login);
try {
    $api->resellerApiClient('nobody');
    check(false, 'an unknown client was found');
} catch (ApiException $refused) {
    check($refused->getCode() === 404 && $refused->getResponseObject()->getCode() === 'not_found', $refused);
}
echo "ok $name\n";
