// What the engine is told wherever it runs; engine/settings.py reads it. The app and the workers get the same, for they
// work on the same runs: only what is the app's alone, or differs by identity, stands in their own modules.

@description('Required. Address of the blob service.')
param storageUrl string

@description('Required. Name of the container of state.')
param stateContainer string

@description('Required. Name of the container of results.')
param resultsContainer string

@description('Required. Connection string of Application Insights, which is no secret where local authentication is off.')
param insightsConnectionString string

@description('Required. Target profiles by name, {} for none; `certfleet target setup` prints one. They name secrets and hold none.')
param targets object

@description('Required. Host names that may be talked to, separated by commas; empty: none.')
param allowedHosts string

@description('Required. The profile of runs that name none; empty: such runs are refused.')
param defaultTarget string

@description('Required. Host of the provisioning service of the profile env; empty: there is no such profile.')
param provisioningHost string

@description('Required. Id scope of the provisioning service of the profile env.')
param provisioningIdScope string

@description('Required. The device registry of the profile env: { subscriptionId, resourceGroup, namespace, location }, all texts; {}: none.')
param registry object

@description('Required. How many devices a run may have.')
@minValue(1)
@maxValue(10000000)
param maxDevices int

@description('Required. How many days finished runs are kept; 0: for ever.')
@minValue(0)
@maxValue(3650)
param retentionDays int

@description('Required. Secrets that the vault has by now: state-key, state-key-old, dps-group-key.')
param vaultSecrets array

var isEnv = !empty(provisioningHost)

// A secret that is not there is named by no setting: the host would hand out the reference's own text as the key.
var stateKey = contains(vaultSecrets, 'state-key') ? [{ name: 'STATE_KEY', secret: 'state-key' }] : []
var stateKeyOld = contains(vaultSecrets, 'state-key-old') ? [{ name: 'STATE_KEY_OLD', secret: 'state-key-old' }] : []
var groupKey = contains(vaultSecrets, 'dps-group-key') ? [{ name: 'DPS_GROUP_KEY', secret: 'dps-group-key' }] : []
var envKey = isEnv && contains(vaultSecrets, 'dps-group-key') ? [{ name: 'PROVISIONING_SAS_KEY', secret: 'dps-group-key' }] : []

@description('Settings, { name, value } each.')
output shared array = [
  { name: 'STORAGE_ACCOUNT_URL', value: storageUrl }
  { name: 'STORAGE_CONTAINER_NAME', value: stateContainer }
  { name: 'RESULTS_CONTAINER_NAME', value: resultsContainer }
  { name: 'COUNTER_BLOB_PREFIX', value: 'counter' }
  { name: 'DEVICE_DATA_BLOB_PREFIX', value: 'data' }
  { name: 'TARGETS', value: string(targets) }
  { name: 'ALLOWED_HOSTS', value: allowedHosts }
  { name: 'DEFAULT_TARGET', value: defaultTarget }
  { name: 'PROVISIONING_HOST', value: provisioningHost }
  { name: 'PROVISIONING_IDSCOPE', value: provisioningIdScope }
  { name: 'ADR_SUBSCRIPTION_ID', value: registry.?subscriptionId ?? '' }
  { name: 'ADR_RESOURCE_GROUP', value: registry.?resourceGroup ?? '' }
  { name: 'ADR_NAMESPACE', value: registry.?namespace ?? '' }
  { name: 'ADR_LOCATION', value: registry.?location ?? '' }
  { name: 'MAX_DEVICES', value: string(maxDevices) }
  { name: 'RETENTION_DAYS', value: string(retentionDays) }
  { name: 'MIN_FILE_DESCRIPTORS', value: '65536' }
  { name: 'STRICT_FD_CHECK', value: 'false' }
  { name: 'CLAIM_LEASE', value: '30s' }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnectionString }
]

@description('Settings whose values lie in the vault: { name, secret } each, the latter the name of the secret there.')
output keys array = concat(stateKey, stateKeyOld, groupKey, envKey)
