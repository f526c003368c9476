// A device registry namespace without links.

@description('Required. Region of the namespace.')
param location string

@description('Required. Tags of the namespace.')
param tags object

@description('Required. Its name.')
@minLength(3)
@maxLength(64)
param name string

resource namespace 'Microsoft.DeviceRegistry/namespaces@2026-03-01-preview' = {
  name: name
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {}
}

@description('Resource id of the namespace.')
output id string = namespace.id
