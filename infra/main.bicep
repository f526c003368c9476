// certfleet in Azure: what starts runs, what drives devices, what keeps and shows the results. The services that are
// tested are deployed apart, see target/.

targetScope = 'subscription'

@description('Required. Name of this deployment. The resource group is called after it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Required. Where everything is kept.')
@minLength(1)
param location string

@description('Optional. Object id of who deploys, who may then write the secrets; empty: somebody else writes them.')
param principalId string = ''

@description('Optional. What the deployer is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@description('Optional. Object ids of groups that read telemetry and logs.')
param readerGroupIds array = []

@description('Optional. Secrets that the vault has by now, separated by commas: state-key, state-key-old, dps-group-key. The steps after provisioning write them; settings refer to no other.')
param vaultSecrets string = ''

@description('Optional. Target profiles by name, as `certfleet target setup` prints them: { name: { dps: [ … ], … } }. They name secrets and hold none.')
param targets object = {}

@description('Optional. Host names that may be talked to, separated by commas; empty: none.')
param allowedHosts string = ''

@description('Optional. The profile of runs that name none.')
param defaultTarget string = ''

@description('Optional. Host of the provisioning service of the profile env; empty: there is no such profile.')
param provisioningHost string = ''

@description('Optional. Id scope of the provisioning service of the profile env.')
param provisioningIdScope string = ''

@description('Optional. The device registry of the profile env: { subscriptionId, resourceGroup, namespace, location }, all texts; {}: none.')
param registry object = {}

@description('Optional. How many devices a run may have.')
@minValue(1)
@maxValue(10000000)
param maxDevices int = 100000

@description('Optional. How many days finished runs are kept; 0: for ever.')
@minValue(0)
@maxValue(3650)
param retentionDays int = 30

@description('Optional. How many replicas every execution of the batch job has, and the most a run can have; `aca.parallelism` in its dry run tells what it needs. An environment has 100 vCPU unless more were asked for.')
@minValue(1)
@maxValue(1000)
param replicas int = 20

@description('Optional. After how many seconds a replica is ended. Longer than the longest run, for replicas stay for all its waves; `aca.timeout` in its dry run.')
@minValue(1800)
@maxValue(604800)
param replicaTimeout int = 86400

@description('Optional. The worker\'s image that runs now, which azd and `make deploy` fill in; empty: none yet.')
param workerImage string = ''

@description('Optional. Basic serves tens of replicas that fetch the image at the same time; hundreds want Standard or Premium.')
@allowed(['Basic', 'Standard', 'Premium'])
param registrySku string = 'Basic'

@description('Optional. Application id of a registration of Entra ID, whose tokens are then asked for; empty: function keys.')
@maxLength(36)
param entraClientId string = ''

@description('Optional. Object or application ids that may call, separated by commas, where entraClientId is given; empty: everybody of the tenant.')
param allowedPrincipals string = ''

@description('Optional. Keep orchestrations in a Durable Task Scheduler instead of the storage account. Nothing moves from one to the other.')
param schedulerEnabled bool = false

@description('Optional. The other shape of deployment: app and workers in a virtual network, storage and vault behind private endpoints.')
param vnetEnabled bool = false

@description('Optional. First two numbers of the network\'s addresses.')
@minLength(3)
@maxLength(7)
param vnetAddresses string = '10.20'

@description('Optional. Resource id of a NAT gateway through which app and workers dial out of the network.')
param natGatewayId string = ''

@description('Optional. Addresses or ranges that reach the vault beside the private endpoint: those of the machine that writes the secrets.')
param vaultAddresses array = []

@description('Optional. Bring back the vault of a deployment of this name that was torn down less than a week ago; for one deployment.')
param vaultRestored bool = false

@description('Optional. How many days telemetry and logs are kept; the first 31 cost nothing extra.')
@minValue(30)
@maxValue(730)
param telemetryDays int = 31

@description('Optional. Gigabytes of telemetry and logs a day, as a text; what comes after them is dropped. -1: no limit.')
@minLength(1)
param telemetryQuotaGb string = '10'

@description('Optional. Mail addresses that are told of scheduled runs that went wrong, and of costs.')
param emails array = []

@description('Optional. What a month may cost, in the subscription\'s currency, before somebody is told; 0: no budget.')
@minValue(0)
param budgetAmount int = 0

@description('Optional. First day of the month in which the budget begins, such as 2026-11-01; the running month at the first deployment, and never changed after it.')
@maxLength(10)
param budgetStart string = ''

var token = uniqueString(subscription().id, environmentName, location)
var names = {
  group: 'rg-${environmentName}'
  storage: 'st${token}'
  workspace: 'log-${token}'
  insights: 'appi-${token}'
  queries: 'pack-${token}'
  alert: 'alert-scheduled-runs-${token}'
  vault: 'kv-${token}'
  registry: 'cr${token}'
  network: 'vnet-${token}'
  endpoints: 'pe-${token}'
  functionIdentity: 'id-function-${token}'
  workerIdentity: 'id-worker-${token}'
  environment: 'cae-${token}'
  job: 'job-${token}'
  plan: 'plan-${token}'
  function: 'func-${token}'
  scheduler: 'dts-${token}'
  budget: 'budget-${token}'
}
var tags = { 'azd-env-name': environmentName, product: 'certfleet' }
var state = 'scale'
var results = 'results'
var packages = 'releases'
var reachable = vnetEnabled ? 'Disabled' : 'Enabled'
var secrets = empty(vaultSecrets) ? [] : split(vaultSecrets, ',')

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: names.group
  location: location
  tags: tags
}

module storage 'platform/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.storage
    containers: [state, results, packages]
    networkAccess: reachable
    retentionDays: retentionDays
  }
}

module monitoring 'platform/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceName: names.workspace
    insightsName: names.insights
    retentionDays: telemetryDays
    dailyQuotaGb: telemetryQuotaGb
  }
}

module queries 'platform/queries.bicep' = {
  name: 'queries'
  scope: group
  params: { location: location, tags: tags, name: names.queries }
}

module workbook 'platform/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

module alert 'platform/alert.bicep' = {
  name: 'alert'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.alert
    workspaceId: monitoring.outputs.workspaceId
    emails: emails
  }
}

module vault 'platform/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.vault
    networkAccess: reachable
    allowedAddresses: vaultAddresses
    restore: vaultRestored
  }
}

module images 'platform/registry.bicep' = {
  name: 'images'
  scope: group
  params: { location: location, tags: tags, name: names.registry, sku: registrySku }
}

module network 'platform/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.network
    addresses: vnetAddresses
    natGatewayId: natGatewayId
  }
}

module endpoints 'platform/endpoints.bicep' = if (vnetEnabled) {
  name: 'endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.endpoints
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointSubnetId
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
  }
}

module functionIdentity 'app/identity.bicep' = {
  name: 'function-identity'
  scope: group
  params: { location: location, tags: tags, name: names.functionIdentity }
}

module workerIdentity 'app/identity.bicep' = {
  name: 'worker-identity'
  scope: group
  params: { location: location, tags: tags, name: names.workerIdentity }
}

module settings 'app/settings.bicep' = {
  name: 'settings'
  scope: group
  params: {
    storageUrl: storage.outputs.blobEndpoint
    stateContainer: state
    resultsContainer: results
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    targets: targets
    allowedHosts: allowedHosts
    defaultTarget: defaultTarget
    provisioningHost: provisioningHost
    provisioningIdScope: provisioningIdScope
    registry: registry
    maxDevices: maxDevices
    retentionDays: retentionDays
    vaultSecrets: secrets
  }
}

module environment 'app/environment.bicep' = {
  name: 'environment'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.environment
    subnetId: vnetEnabled ? network!.outputs.jobSubnetId : ''
  }
}

module job 'app/batch-job.bicep' = {
  name: 'batch-job'
  scope: group
  params: {
    location: location
    tags: tags
    name: names.job
    environmentId: environment.outputs.id
    identityId: workerIdentity.outputs.id
    clientId: workerIdentity.outputs.clientId
    registryServer: images.outputs.loginServer
    vaultUri: vault.outputs.uri
    vaultSecrets: secrets
    settings: settings.outputs.shared
    keys: settings.outputs.keys
    image: workerImage
    replicas: replicas
    replicaTimeout: replicaTimeout
  }
}

module scheduler 'app/scheduler.bicep' = if (schedulerEnabled) {
  name: 'scheduler'
  scope: group
  params: { location: location, tags: tags, name: names.scheduler }
}

module function 'app/function.bicep' = {
  name: 'function'
  scope: group
  params: {
    location: location
    tags: tags
    planName: names.plan
    name: names.function
    identityId: functionIdentity.outputs.id
    clientId: functionIdentity.outputs.clientId
    storageName: storage.outputs.name
    blobEndpoint: storage.outputs.blobEndpoint
    packageContainer: packages
    vaultUri: vault.outputs.uri
    settings: settings.outputs.shared
    keys: settings.outputs.keys
    jobId: job.outputs.id
    apiAuth: empty(entraClientId) ? 'key' : 'entra'
    allowedPrincipals: allowedPrincipals
    schedulerEndpoint: schedulerEnabled ? scheduler!.outputs.endpoint : ''
    subnetId: vnetEnabled ? network!.outputs.functionSubnetId : ''
  }
}

module signIn 'app/sign-in.bicep' = if (!empty(entraClientId)) {
  name: 'sign-in'
  scope: group
  params: { functionName: function.outputs.name, clientId: entraClientId }
}

module access 'app/access.bicep' = {
  name: 'access'
  scope: group
  params: {
    suffix: token
    functionPrincipalId: functionIdentity.outputs.principalId
    workerPrincipalId: workerIdentity.outputs.principalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
    readerGroupIds: readerGroupIds
    storageName: storage.outputs.name
    workerContainers: [state, results]
    insightsName: monitoring.outputs.insightsName
    workspaceName: monitoring.outputs.workspaceName
    vaultName: vault.outputs.name
    registryName: images.outputs.name
    jobName: job.outputs.name
    schedulerName: schedulerEnabled ? scheduler!.outputs.name : ''
  }
}

module diagnostics 'platform/diagnostics.bicep' = {
  name: 'diagnostics'
  scope: group
  params: {
    workspaceId: monitoring.outputs.workspaceId
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    registryName: images.outputs.name
    environmentName: environment.outputs.name
    functionName: function.outputs.name
  }
}

module budget 'platform/budget.bicep' = if (budgetAmount > 0 && !empty(budgetStart)) {
  name: 'budget'
  scope: group
  params: { name: names.budget, amount: budgetAmount, startDate: budgetStart, contactEmails: emails }
}

@description('Where everything is kept.')
output AZURE_LOCATION string = location

@description('The tenant that identities belong to.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Host name of the registry that images are pushed to.')
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = images.outputs.loginServer

@description('Address of the vault that the secrets are written to.')
output AZURE_KEY_VAULT_URI string = vault.outputs.uri

@description('Resource id of the workspace that queries ask.')
output AZURE_LOG_ANALYTICS_WORKSPACE_ID string = monitoring.outputs.workspaceId

@description('Name of the function app.')
output SERVICE_ORCHESTRATOR_NAME string = function.outputs.name

@description('Name of the batch job.')
output SERVICE_WORKER_NAME string = job.outputs.name

@description('Resource id of the batch job.')
output BATCH_JOB string = job.outputs.id

@description('Address of the app, as the command line takes it.')
output CERTFLEET_URL string = function.outputs.url

@description('Object id of the function app\'s identity, which the services tested give roles to.')
output FUNCTION_PRINCIPAL_ID string = functionIdentity.outputs.principalId

@description('Object id of the workers\' identity, which the services tested give roles to.')
output WORKER_PRINCIPAL_ID string = workerIdentity.outputs.principalId
