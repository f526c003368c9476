// Which identities may do what in the device registry namespace.

@description('Required. Name of the namespace.')
param namespaceName string

@description('Required. Object ids of the identities.')
param principalIds array

@description('Required. Names, in the table below, of the roles that each of them gets.')
param roleNames array

var roles = {
  'Azure Device Registry Contributor': 'a5c3590a-3a1a-4cd4-9648-ea0a32b15137'
  'Azure Device Registry Onboarding': '547f7f0a-69c0-4807-bd9e-0321dfb66a84'
}
var count = length(roleNames)

resource namespace 'Microsoft.DeviceRegistry/namespaces@2026-03-01-preview' existing = {
  name: namespaceName
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for index in range(0, length(principalIds) * count): {
  name: guid(namespace.id, principalIds[index / count], roles[roleNames[index % count]])
  scope: namespace
  properties: {
    principalId: principalIds[index / count]
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[roleNames[index % count]])
  }
}]
