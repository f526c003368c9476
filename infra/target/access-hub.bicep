// What one identity may do on one hub.

@description('Required. Name of the hub.')
param hubName string

@description('Required. Object id of the identity.')
param principalId string

@description('Required. Names, in the table below, of the roles that it gets.')
param roleNames array

var roles = {
  Contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c'
  'IoT Hub Data Contributor': '4fc6c259-987e-4a07-842e-c321cc9d413f'
  'IoT Hub Registry Contributor': '4ea46cd5-c1b2-4a8e-910b-273211f9ce47'
}

resource hub 'Microsoft.Devices/IotHubs@2026-03-01-preview' existing = {
  name: hubName
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for roleName in roleNames: {
  name: guid(hub.id, principalId, roles[roleName])
  scope: hub
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[roleName])
  }
}]
