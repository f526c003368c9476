// Hubs, a provisioning service and a namespace that are linked afterwards; its certificate authority issues (autumn 2026).
// The provisioning service gets no hubs here: the link tells it of them, and a hub added otherwise is refused (IH409313).

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

@description('Required. Name of the namespace.')
@minLength(3)
@maxLength(64)
param namespaceName string

@description('Required. Whether the namespace is linked: it is then left as it is.')
param isLinked bool

module hubs 'hubs.bicep' = {
  name: 'authority-hubs'
  params: { location: location, tags: tags, hubNames: hubNames, hubSku: hubSku, hubUnits: hubUnits }
}

resource provisioning 'Microsoft.Devices/provisioningServices@2026-03-01-preview' = {
  name: provisioningName
  location: location
  tags: tags
  sku: { name: 'S1', capacity: 1 }
  identity: { type: 'SystemAssigned' } // from creation: added later it is refused (IH400158)
  properties: { allocationPolicy: 'Hashed' }
}

module namespace 'namespace.bicep' = if (!isLinked) {
  name: 'authority-namespace'
  params: { location: location, tags: tags, name: namespaceName }
}

resource known 'Microsoft.DeviceRegistry/namespaces@2026-03-01-preview' existing = {
  name: namespaceName
}

module namespaceAccess 'access-namespace.bicep' = {
  name: 'authority-access-namespace'
  params: {
    namespaceName: namespaceName
    principalIds: concat(hubs.outputs.principalIds, [provisioning.identity.principalId])
    roleNames: ['Azure Device Registry Contributor']
  }
  dependsOn: [namespace]
}

module hubAccess 'access-hub.bicep' = [for (name, index) in hubNames: {
  name: 'authority-access-hub-${index}'
  params: {
    hubName: name
    principalId: known.identity.principalId
    roleNames: ['Contributor', 'IoT Hub Data Contributor']
  }
  dependsOn: [hubs, namespace]
}]
