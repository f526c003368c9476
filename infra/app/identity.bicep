// Who a workload is: an identity of its own, and nothing besides it that could sign in.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the identity.')
param tags object

@description('Required. Name of the identity.')
@minLength(3)
@maxLength(128)
param name string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Object id, which roles are given to.')
output principalId string = identity.properties.principalId

@description('Application id, by which a workload asks for tokens.')
output clientId string = identity.properties.clientId
