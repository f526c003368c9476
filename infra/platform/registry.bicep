// The registry of the worker's image.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the registry.')
param tags object

@description('Required. Name of the registry: letters and digits.')
@minLength(5)
@maxLength(50)
param name string

@description('Optional. Basic serves tens of replicas that pull at the same time; hundreds want Standard or Premium.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string = 'Basic'

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  properties: {
    // checkov:skip=CKV_AZURE_139: pulled from by role only; private endpoints exist in the tier Premium only
    // checkov:skip=CKV_AZURE_163: the scanner is Defender for Containers, a plan of the subscription, for every tier
    // checkov:skip=CKV_AZURE_166: nothing here would ever release an image from quarantine, and no worker could start
    adminUserEnabled: false
    anonymousPullEnabled: false
    policies: {
      azureADAuthenticationAsArmPolicy: { status: 'enabled' } // Container Apps pull with such a token
    }
    publicNetworkAccess: 'Enabled'
  }
}

@description('Resource id of the registry.')
output id string = registry.id

@description('Name of the registry.')
output name string = registry.name

@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer
