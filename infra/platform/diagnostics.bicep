// What the platform itself says of each resource goes to the workspace: who read secrets, who deleted, why replicas failed.

@description('Required. Resource id of the workspace.')
param workspaceId string

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Name of the vault.')
param vaultName string

@description('Required. Name of the container registry.')
param registryName string

@description('Required. Name of the Container Apps environment.')
param environmentName string

@description('Required. Name of the function app.')
param functionName string

@description('Optional. Which requests to blobs are logged: StorageRead, StorageWrite, StorageDelete. A run of a million devices reads and writes millions of blobs, whose rows would use up the workspace\'s daily quota before the run\'s own telemetry has come.')
param storageLogs array = ['StorageDelete']

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' existing = {
  parent: account
  name: 'default'
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource workers 'Microsoft.App/managedEnvironments@2026-01-01' existing = {
  name: environmentName
}

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionName
}

resource ofBlobs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'certfleet'
  properties: {
    workspaceId: workspaceId
    logs: [for kind in storageLogs: { category: kind, enabled: true }]
    metrics: [{ category: 'Transaction', enabled: true }] // shows throttling
  }
}

resource ofVault 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'certfleet'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated' // tables of its own, not the one that all services share
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

resource ofRegistry 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: registry
  name: 'certfleet'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ContainerRegistryLoginEvents', enabled: true }
      { category: 'ContainerRegistryRepositoryEvents', enabled: true }
    ]
  }
}

resource ofWorkers 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: workers
  name: 'certfleet'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ContainerAppConsoleLogs', enabled: true }
      { category: 'ContainerAppSystemLogs', enabled: true }
    ]
  }
}

// The host tells Application Insights too; this way one also learns why it did not start, or could not tell.
resource ofApp 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: app
  name: 'certfleet'
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'FunctionAppLogs', enabled: true }]
  }
}
