// Who may read and write the enrollments and registrations of the provisioning service.

@description('Required. Name of the provisioning service.')
param provisioningName string

@description('Required. Object ids of who may.')
param principalIds array

@description('Required. What these are.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string

var roles = {
  'Device Provisioning Service Data Contributor': 'dfce44e4-17b7-4bd1-a6d1-04996ec95633'
}
var roleId = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Device Provisioning Service Data Contributor'])

resource provisioning 'Microsoft.Devices/provisioningServices@2026-03-01-preview' existing = {
  name: provisioningName
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for principalId in principalIds: {
  name: guid(provisioning.id, principalId, roleId)
  scope: provisioning
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: roleId
  }
}]
