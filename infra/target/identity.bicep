// The identity by which services of the target reach each other, where it must have its roles before they exist.

@description('Required. Region of the identity.')
param location string

@description('Required. Tags of the identity.')
param tags object

@description('Required. Its name.')
param name string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Object id of the identity.')
output principalId string = identity.properties.principalId
