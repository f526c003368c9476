// Who may do what: every role assignment there is, by who gets it. Roles take minutes to be in force.

@description('Required. Part of the name of our own role, which must be unique in the tenant.')
@minLength(3)
param suffix string

@description('Required. Object id of the function app\'s identity.')
param functionPrincipalId string

@description('Required. Object id of the workers\' identity.')
param workerPrincipalId string

@description('Required. Object id of who deploys and writes the secrets; empty: nobody gets that role.')
param deployerPrincipalId string

@description('Required. What the deployer is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param deployerPrincipalType string

@description('Required. Object ids of groups that read telemetry and logs.')
param readerGroupIds array

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Names of the blob containers that workers read and write.')
@minLength(1)
param workerContainers array

@description('Required. Name of the Application Insights component.')
param insightsName string

@description('Required. Name of the workspace.')
param workspaceName string

@description('Required. Name of the vault.')
param vaultName string

@description('Required. Name of the registry.')
param registryName string

@description('Required. Name of the job.')
param jobName string

@description('Optional. Name of the Durable Task Scheduler; empty: there is none.')
param schedulerName string = ''

var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
var durableTaskDataContributor = '0ad04412-c4d5-4796-b79c-f76d14c8d402'
var keyVaultSecretsOfficer = 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var logAnalyticsReader = '73c42c96-874c-492b-b04d-ab87d138a893'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var storageQueueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var storageTableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

// The host wants to own its blobs; queues and tables are Durable Functions'.
var functionOnStorage = [storageBlobDataOwner, storageQueueDataContributor, storageTableDataContributor]

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' existing = {
  parent: account
  name: 'default'
}

resource boxes 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' existing = [
  for container in workerContainers: {
    parent: blobs
    name: container
  }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = {
  name: registryName
}

resource job 'Microsoft.App/jobs@2026-01-01' existing = {
  name: jobName
}

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' existing = if (!empty(schedulerName)) {
  name: empty(schedulerName) ? 'none' : schedulerName
}

// Less than Container Apps Jobs Operator, whose wildcard also lists the job's secrets.
// Source: Azure permissions for Containers, Microsoft.App.
resource jobStarter 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'certfleet-job-starter')
  properties: {
    roleName: 'certfleet job starter ${suffix}'
    description: 'Reads a job, starts and stops its executions, and sees how they are.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.App/jobs/read'
          'Microsoft.App/jobs/start/action'
          'Microsoft.App/jobs/stop/action'
          'Microsoft.App/jobs/stop/execution/action'
          'Microsoft.App/jobs/execution/read'
          'Microsoft.App/jobs/executions/read'
        ]
        notActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

// The function app: keeps state and orchestrations, tells telemetry, reads secrets, starts and stops workers.

resource functionStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in functionOnStorage: {
    scope: account
    name: guid(account.id, functionPrincipalId, role)
    properties: {
      principalId: functionPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource functionVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, functionPrincipalId, keyVaultSecretsUser)
  properties: {
    principalId: functionPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

resource functionInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, functionPrincipalId, monitoringMetricsPublisher)
  properties: {
    principalId: functionPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

resource functionJob 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: job
  name: guid(job.id, functionPrincipalId, jobStarter.id)
  properties: {
    principalId: functionPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: jobStarter.id
  }
}

resource functionScheduler 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(schedulerName)) {
  scope: scheduler
  name: guid(resourceGroup().id, schedulerName, functionPrincipalId, durableTaskDataContributor)
  properties: {
    principalId: functionPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', durableTaskDataContributor)
  }
}

// The workers: read and write what belongs to runs, tell telemetry, read secrets, fetch their image.

resource workerBoxes 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in workerContainers: {
    scope: boxes[index]
    name: guid(account.id, container, workerPrincipalId, storageBlobDataContributor)
    properties: {
      principalId: workerPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    }
  }
]

resource workerVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, workerPrincipalId, keyVaultSecretsUser)
  properties: {
    principalId: workerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

resource workerInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, workerPrincipalId, monitoringMetricsPublisher)
  properties: {
    principalId: workerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

resource workerRegistry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, workerPrincipalId, acrPull)
  properties: {
    principalId: workerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
  }
}

// The deployer: writes the secrets after provisioning.

resource deployerVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  scope: vault
  name: guid(vault.id, deployerPrincipalId, keyVaultSecretsOfficer)
  properties: {
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsOfficer)
  }
}

// Readers: see results in the portal.

resource readersWorkspace 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for groupId in readerGroupIds: {
    scope: workspace
    name: guid(workspace.id, groupId, logAnalyticsReader)
    properties: {
      principalId: groupId
      principalType: 'Group'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', logAnalyticsReader)
    }
  }
]
