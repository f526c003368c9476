// GEN2 hubs, a provisioning service and a namespace whose credential policy issues certificates (2025 preview).

@description('Required. Region of everything.')
param location string

@description('Required. Tags of every resource.')
param tags object

@description('Required. Names of the hubs.')
param hubNames array

@description('Required. Units of each hub.')
param hubUnits int

@description('Required. Name of the provisioning service.')
param provisioningName string

@description('Required. Name of the namespace.')
@minLength(3)
@maxLength(64)
param namespaceName string

@description('Required. Name of the identity that hubs and provisioning service share.')
param identityName string

@description('Required. Name of the credential policy.')
param policyName string

@description('Required. Days that certificates are valid.')
@minValue(7)
@maxValue(90)
param certificateValidityDays int

@description('Required. Object id of the service principal of Azure IoT Hub itself; empty: it gets no role.')
param iotHubPrincipalId string

var identityId = resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', identityName)

module identity 'identity.bicep' = {
  name: 'policy-identity'
  params: { location: location, tags: tags, name: identityName }
}

resource namespace 'Microsoft.DeviceRegistry/namespaces@2026-03-01-preview' = {
  name: namespaceName
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {}
}

resource credentials 'Microsoft.DeviceRegistry/namespaces/credentials@2026-03-01-preview' = {
  parent: namespace
  name: 'default'
  location: location
  tags: tags
  properties: {}
}

resource policy 'Microsoft.DeviceRegistry/namespaces/credentials/policies@2026-03-01-preview' = {
  parent: credentials
  name: policyName
  properties: {
    certificate: {
      certificateAuthorityConfiguration: { keyType: 'ECC' }
      leafCertificateConfiguration: { validityPeriodInDays: certificateValidityDays }
    }
  }
}

module namespaceAccess 'access-namespace.bicep' = {
  name: 'policy-access-namespace'
  params: {
    namespaceName: namespace.name
    principalIds: [identity.outputs.principalId]
    roleNames: ['Azure Device Registry Contributor', 'Azure Device Registry Onboarding']
  }
}

module groupAccess 'access-group.bicep' = if (!empty(iotHubPrincipalId)) {
  name: 'policy-access-group'
  params: { principalId: iotHubPrincipalId }
}

resource hubs 'Microsoft.Devices/IotHubs@2026-03-01-preview' = [for name in hubNames: {
  name: name
  location: location
  tags: tags
  sku: { name: 'GEN2', capacity: hubUnits }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    disableLocalAuth: true // no shared access policies; devices have certificates
    minTlsVersion: '1.2'
    deviceRegistry: { namespaceResourceId: namespace.id, identityResourceId: identity.outputs.id }
  }
  dependsOn: [namespaceAccess, groupAccess]
}]

module registryAccess 'access-hub.bicep' = [for (name, index) in hubNames: {
  name: 'policy-access-registry-${index}'
  params: {
    hubName: name
    principalId: namespace.identity.principalId
    roleNames: ['Contributor', 'IoT Hub Registry Contributor']
  }
  dependsOn: [hubs]
}]

module provisioningAccess 'access-hub.bicep' = [for (name, index) in hubNames: {
  name: 'policy-access-provisioning-${index}'
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
    deviceRegistryNamespace: {
      resourceId: namespace.id
      authenticationType: 'UserAssigned'
      selectedUserAssignedIdentityResourceId: identity.outputs.id
    }
    iotHubs: [for index in range(0, length(hubNames)): {
      hostName: hubs[index].properties.hostName
      location: location
      authenticationType: 'UserAssigned'
      selectedUserAssignedIdentityResourceId: identity.outputs.id
    }]
  }
  dependsOn: [policy, registryAccess, provisioningAccess]
}
