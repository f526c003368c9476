// What the service principal of Azure IoT Hub itself may do in this resource group.

@description('Required. Object id of the service principal in this tenant.')
param principalId string

var roles = {
  Contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c'
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, principalId, roles.Contributor)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.Contributor)
  }
}
