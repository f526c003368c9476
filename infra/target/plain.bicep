// Hubs and a provisioning service that issue no certificates.

@description('Required. Region of everything.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Names of the hubs.')
param hubNames array

@description('Required. Size of the hubs.')
param hubSku string

@description('Required. Units of each hub.')
param hubUnits int

@description('Required. Name of the provisioning service.')
param provisioningName string

@description('Required. Name of the identity by which the provisioning service reaches the hubs.')
param identityName string

var identityId = resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', identityName)

module identity 'identity.bicep' = {
  name: 'plain-identity'
  params: { location: location, tags: tags, name: identityName }
}

module hubs 'hubs.bicep' = {
  name: 'plain-hubs'
  params: { location: location, tags: tags, hubNames: hubNames, hubSku: hubSku, hubUnits: hubUnits }
}

module access 'access-hub.bicep' = [for (name, index) in hubNames: {
  name: 'plain-access-${index}'
  params: {
    hubName: name
    principalId: identity.outputs.principalId
    roleNames: ['IoT Hub Data Contributor']
  }
  dependsOn: [hubs]
}]

resource provisioning 'Microsoft.Devices/provisioningServices@2026-03-01-preview' = {
  name: provisioningName
  location: location
  tags: tags
  sku: { name: 'S1', capacity: 1 }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    allocationPolicy: 'Hashed'
    iotHubs: [for index in range(0, length(hubNames)): {
      hostName: hubs.outputs.hostNames[index]
      location: location
      authenticationType: 'UserAssigned'
      selectedUserAssignedIdentityResourceId: identity.outputs.id
    }]
  }
  dependsOn: [access]
}
