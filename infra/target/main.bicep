// The system under test, deployed apart from what tests it: hubs, a provisioning service and, where certificates are
// managed, a device registry namespace. `certfleet target setup` does afterwards what has to be retried.

targetScope = 'subscription'

@description('Required. Name of the environment: part of the resource group\'s name, and of what names are made from.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Required. Region of everything. Credential policies exist in some regions only.')
param location string

@description('Optional. Who issues devices their certificates: nobody; a credential policy (2025 preview, GEN2 hubs); a certificate authority of the namespace (autumn 2026).')
@allowed(['none', 'credentialPolicy', 'certificateAuthority'])
param certificateModel string = 'none'

@description('Optional. Number of hubs that the provisioning service deals devices to.')
@minValue(1)
@maxValue(50)
param hubCount int = 1

@description('Optional. Size of standard hubs; credentialPolicy has hubs of its own size, GEN2.')
@allowed(['S1', 'S2', 'S3'])
param hubSku string = 'S1'

@description('Optional. Units of every hub.')
@minValue(1)
@maxValue(200)
param hubUnits int = 1

@description('Optional. With credentialPolicy: name of the policy.')
@minLength(3)
@maxLength(63)
param policyName string = 'certfleet'

@description('Optional. With credentialPolicy: days that certificates are valid.')
@minValue(7)
@maxValue(90)
param certificateValidityDays int = 30

@description('Optional. Whether `certfleet target setup` has linked the namespace: it is then left as it is, because a deployment knows nothing of links.')
param isLinked bool = false

@description('Optional. Object id of who runs `certfleet target setup`; empty: the role is given by hand.')
param deployerPrincipalId string = ''

@description('Optional. What deployerPrincipalId is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param deployerPrincipalType string = 'User'

@description('Optional. Object ids of the identities that test: they clean up registrations, and drive the registry scenarios.')
param testerPrincipalIds array = []

@description('Optional. With credentialPolicy: object id, in this tenant, of the service principal of the application 89d10474-74af-4874-99a7-c23c2f643083 (Azure IoT Hub); empty: it gets no role.')
param iotHubPrincipalId string = ''

@description('Optional. Tags of every resource.')
param tags object = {}

var token = uniqueString(subscription().id, environmentName, location)
var prefixes = {
  group: 'rg-target-'
  hub: 'iot-'
  provisioning: 'dps-'
  namespace: 'adr-'
  identity: 'id-target-'
}
var groupName = '${prefixes.group}${environmentName}'
var hubNames = [for index in range(0, hubCount): '${prefixes.hub}${token}-${index + 1}']
var provisioningName = '${prefixes.provisioning}${token}'
var namespaceName = '${prefixes.namespace}${token}'
var identityName = '${prefixes.identity}${token}'
var hasNamespace = certificateModel != 'none'
var allTags = union(tags, { 'azd-env-name': environmentName, 'certfleet-target': certificateModel })

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: groupName
  location: location
  tags: allTags
}

module plain 'plain.bicep' = if (certificateModel == 'none') {
  name: 'target-plain'
  scope: group
  params: {
    location: location
    tags: allTags
    hubNames: hubNames
    hubSku: hubSku
    hubUnits: hubUnits
    provisioningName: provisioningName
    identityName: identityName
  }
}

module credentialPolicy 'credential-policy.bicep' = if (certificateModel == 'credentialPolicy') {
  name: 'target-credential-policy'
  scope: group
  params: {
    location: location
    tags: allTags
    hubNames: hubNames
    hubUnits: hubUnits
    provisioningName: provisioningName
    namespaceName: namespaceName
    identityName: identityName
    policyName: policyName
    certificateValidityDays: certificateValidityDays
    iotHubPrincipalId: iotHubPrincipalId
  }
}

module certificateAuthority 'certificate-authority.bicep' = if (certificateModel == 'certificateAuthority') {
  name: 'target-certificate-authority'
  scope: group
  params: {
    location: location
    tags: allTags
    hubNames: hubNames
    hubSku: hubSku
    hubUnits: hubUnits
    provisioningName: provisioningName
    namespaceName: namespaceName
    isLinked: isLinked
  }
}

module deployerAccess 'access-provisioning.bicep' = if (!empty(deployerPrincipalId)) {
  name: 'target-access-deployer'
  scope: group
  params: {
    provisioningName: provisioningName
    principalIds: [deployerPrincipalId]
    principalType: deployerPrincipalType
  }
  dependsOn: [plain, credentialPolicy, certificateAuthority]
}

module testerAccess 'access-provisioning.bicep' = if (!empty(testerPrincipalIds)) {
  name: 'target-access-testers'
  scope: group
  params: {
    provisioningName: provisioningName
    principalIds: testerPrincipalIds
    principalType: 'ServicePrincipal'
  }
  dependsOn: [plain, credentialPolicy, certificateAuthority]
}

module testerNamespaceAccess 'access-namespace.bicep' = if (hasNamespace && !empty(testerPrincipalIds)) {
  name: 'target-access-testers-namespace'
  scope: group
  params: {
    namespaceName: namespaceName
    principalIds: testerPrincipalIds
    roleNames: ['Azure Device Registry Contributor']
  }
  dependsOn: [credentialPolicy, certificateAuthority]
}

@description('Who issues certificates; `certfleet target setup --outputs` reads it and the four that follow.')
output certificateModel string = certificateModel

@description('Resource id of the provisioning service.')
output dpsId string = resourceId(subscription().subscriptionId, groupName, 'Microsoft.Devices/provisioningServices', provisioningName)

@description('Resource ids of the hubs.')
output hubIds array = [for name in hubNames: resourceId(subscription().subscriptionId, groupName, 'Microsoft.Devices/IotHubs', name)]

@description('Resource id of the namespace, empty where there is none.')
output namespaceId string = hasNamespace ? resourceId(subscription().subscriptionId, groupName, 'Microsoft.DeviceRegistry/namespaces', namespaceName) : ''

@description('Name of the credential policy, empty where there is none.')
output policyName string = certificateModel == 'credentialPolicy' ? policyName : ''

@description('The resource group, which has everything: deleting it deletes the target.')
output resourceGroupName string = group.name
