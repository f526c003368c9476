// The vault of the two secrets there are: state-key and dps-group-key. Commands of certfleet write them after
// provisioning, so that they pass through no template and no deployment history.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the vault.')
param tags object

@description('Required. Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Enabled: reached from everywhere, or from the addresses allowed alone, by role only; Disabled: through private endpoints only.')
@allowed(['Enabled', 'Disabled'])
param networkAccess string

@description('Optional. Addresses or ranges that alone reach it publicly: of the machine that writes the secrets, where app and workers come through a private endpoint. They have no addresses of their own to be allowed.')
param allowedAddresses array = []

@description('Optional. Bring back a vault of this name that was deleted, with its secrets; for one deployment. It cannot be purged, and its name is not free until its time is over.')
param restore bool = false

var otherwise = networkAccess == 'Enabled' && empty(allowedAddresses) ? 'Allow' : 'Deny'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    // checkov:skip=CKV_AZURE_109: private networking is a parameter; with it on, only private endpoints and the addresses allowed get through
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    createMode: restore ? 'recover' : 'default'
    enableRbacAuthorization: true
    enablePurgeProtection: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7 // the least there is, and no later deployment can change it: a name comes free soonest
    publicNetworkAccess: networkAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: otherwise
      ipRules: [for address in allowedAddresses: { value: address }]
    }
  }
}

@description('Resource id of the vault.')
output id string = vault.id

@description('Name of the vault.')
output name string = vault.name

@description('Address of the vault, with a slash at its end.')
output uri string = vault.properties.vaultUri
