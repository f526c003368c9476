// Standard hubs, each with an identity of its own.

@description('Required. Region of the hubs.')
param location string

@description('Required. Tags of the hubs.')
param tags object

@description('Required. Their names.')
param hubNames array

@description('Required. Their size.')
@allowed(['S1', 'S2', 'S3'])
param hubSku string

@description('Required. Units of each.')
param hubUnits int

resource hubs 'Microsoft.Devices/IotHubs@2026-03-01-preview' = [for name in hubNames: {
  name: name
  location: location
  tags: tags
  sku: { name: hubSku, capacity: hubUnits }
  identity: { type: 'SystemAssigned' }
  properties: {
    disableLocalAuth: true // no shared access policies; devices have certificates
    minTlsVersion: '1.2'
  }
}]

@description('Host of each hub, as devices and the provisioning service know it.')
output hostNames array = [for index in range(0, length(hubNames)): hubs[index].properties.hostName]

@description('Object id of each hub\'s identity.')
output principalIds array = [for index in range(0, length(hubNames)): hubs[index].identity.principalId]
