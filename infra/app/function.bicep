// The function app: the API, the orchestrations, and the batches of small runs.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of plan and app.')
param tags object

@description('Required. Name of the plan.')
@minLength(1)
@maxLength(60)
param planName string

@description('Required. Name of the app, which becomes its host name.')
@minLength(2)
@maxLength(60)
param name string

@description('Required. Resource id of the app\'s identity.')
param identityId string

@description('Required. Application id of the app\'s identity.')
param clientId string

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Address of the blob service, with a slash at its end.')
param blobEndpoint string

@description('Required. Name of the container of packages.')
param packageContainer string

@description('Required. Address of the vault, with a slash at its end.')
param vaultUri string

@description('Required. What the engine is told: { name, value } each.')
param settings array

@description('Required. Settings whose values lie in the vault: { name, secret } each.')
param keys array

@description('Required. Resource id of the job whose replicas are the workers.')
param jobId string

@description('Required. Who may call: key, whoever has a function key; entra, whoever App Service authentication lets in. The app refuses every call where entra is said and authentication is off.')
@allowed(['key', 'entra'])
param apiAuth string

@description('Required. Object or application ids that may call, separated by commas, where apiAuth is entra; empty: everybody of the tenant.')
param allowedPrincipals string

@description('Optional. Endpoint of the Durable Task Scheduler; empty: orchestrations are kept in the storage account.')
param schedulerEndpoint string = ''

@description('Optional. Resource id of the subnet that the app dials out through; empty: in no network of ours.')
param subnetId string = ''

@description('Optional. How many instances there may be at most.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('Optional. Megabytes of an instance.')
@allowed([2048, 4096])
param instanceMemory int = 2048

var references = [for key in keys: { name: key.name, value: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${key.secret})' }]

// These settings go before host.json, so the same package works with either store of orchestrations.
var scheduler = 'AzureFunctionsJobHost__extensions__durableTask__storageProvider__'
var scheduled = [
  { name: '${scheduler}type', value: 'durabletask-scheduler' }
  { name: '${scheduler}connectionStringName', value: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING' }
  { name: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING', value: 'Endpoint=${schedulerEndpoint};Authentication=ManagedIdentity;ClientID=${clientId}' }
]
var orchestrations = empty(schedulerEndpoint) ? [] : scheduled

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  // checkov:skip=CKV_AZURE_225: Flex Consumption scales to zero, and a run goes on from its checkpoints
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  kind: 'functionapp'
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'orchestrator' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    // checkov:skip=CKV_AZURE_17: a machine API with function keys or tokens of Entra ID, not client certificates
    // checkov:skip=CKV_AZURE_18: HTTP/2 gains an API of few calls nothing
    // checkov:skip=CKV_AZURE_67: HTTP/2 gains an API of few calls nothing
    // checkov:skip=CKV_AZURE_212: Flex Consumption scales to zero
    // checkov:skip=CKV_AZURE_213: Flex Consumption replaces instances by itself
    // checkov:skip=CKV_AZURE_222: whoever starts runs calls from outside, with a key or a token
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${packageContainer}'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: { maximumInstanceCount: maximumInstances, instanceMemoryMB: instanceMemory }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      appSettings: concat(settings, references, orchestrations, [
        { name: 'AZURE_CLIENT_ID', value: clientId }
        { name: 'BATCH_JOB', value: jobId }
        { name: 'API_AUTH', value: apiAuth }
        { name: 'ALLOWED_PRINCIPALS', value: allowedPrincipals }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${clientId};Authorization=AAD' }
        // What the platform reads.
        { name: 'AzureWebJobsStorage__accountName', value: storageName }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: clientId }
        { name: 'PYTHON_ENABLE_OPENTELEMETRY', value: 'true' } // the engine exports itself, the worker must not as well
      ])
    }
  }
}

@description('Resource id of the app.')
output id string = app.id

@description('Name of the app.')
output name string = app.name

@description('Address of the app.')
output url string = 'https://${app.properties.defaultHostName}'
