// The storage account: state and results of runs, the function app's package, and what Durable Functions keeps for itself.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the account.')
param tags object

@description('Required. Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Names of the blob containers to make; Durable Functions makes its own beside them.')
@minLength(1)
param containers array

@description('Required. Enabled: reached from everywhere, by identity only; Disabled: through private endpoints only.')
@allowed(['Enabled', 'Disabled'])
param networkAccess string

@description('Required. How many days finished runs are kept, as the setting RETENTION_DAYS says; 0: for ever.')
@minValue(0)
@maxValue(3650)
param retentionDays int

@description('Optional. What the names of blobs begin with, container first, that may go when their time is over. Never the state of devices, the counters of their names, the schedules or the package.')
@minLength(1)
@maxLength(10)
param expiring array = ['results/', 'scale/runs/']

@description('Optional. Standard_LRS is the cheapest, for runs can be repeated; ZRS outlives a zone, GZRS a region.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param sku string = 'Standard_LRS'

// The app removes old runs itself and keeps the baselines of schedules. The account's rule comes this much later: it
// takes what the app left behind, say because it has been stopped since.
var graceDays = 30

var otherwise = networkAccess == 'Enabled' ? 'Allow' : 'Deny'

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  kind: 'StorageV2'
  properties: {
    // checkov:skip=CKV_AZURE_35: without a network of its own there is nothing to allow but everybody with a role; with one, everybody is denied
    // checkov:skip=CKV_AZURE_206: replication is a parameter; runs can be repeated
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    networkAcls: { bypass: 'AzureServices', defaultAction: otherwise }
    publicNetworkAccess: networkAccess
    supportsHttpsTrafficOnly: true
  }
}

// Neither versions nor soft delete of blobs: claims and progress are written every few seconds, and each of those
// writes would leave a copy; and the keys of a removed device are meant to be gone.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
    deleteRetentionPolicy: { enabled: false }
    isVersioningEnabled: false
    lastAccessTimeTrackingPolicy: { enable: true, name: 'AccessTimeTracking' }
  }
}

resource stores 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = [
  for container in containers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

// By the last access, not by the last change: what a schedule's runs read of their baseline stays. In our own containers
// only, and block blobs only: the code writes no others, and append blobs have no last access.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'expired-runs'
          enabled: retentionDays > 0
          type: 'Lifecycle'
          definition: {
            actions: { baseBlob: { delete: { daysAfterLastAccessTimeGreaterThan: retentionDays + graceDays } } }
            filters: { blobTypes: ['blockBlob'], prefixMatch: expiring }
          }
        }
      ]
    }
  }
  dependsOn: [blobs] // a rule by the last access is refused until access is tracked
}

@description('Resource id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('Address of the blob service, with a slash at its end.')
output blobEndpoint string = account.properties.primaryEndpoints.blob
