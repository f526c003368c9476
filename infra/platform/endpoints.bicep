// The private ways to storage and vault: an endpoint each, and the name that leads there.

@description('Required. Where the endpoints are kept; that of the network.')
param location string

@description('Required. Tags of endpoints, zones and links.')
param tags object

@description('Required. What the names of the endpoints begin with.')
@minLength(1)
@maxLength(60)
param name string

@description('Required. Resource id of the network in which the names hold.')
param networkId string

@description('Required. Resource id of the endpoints\' subnet.')
param subnetId string

@description('Required. Resource id of the storage account.')
param storageId string

@description('Required. Resource id of the vault.')
param vaultId string

// Queues and tables are Durable Functions'. The zone of vaults is called otherwise than their public one.
var ways = [
  { part: 'blob', serviceId: storageId, zone: 'privatelink.blob.${environment().suffixes.storage}' }
  { part: 'queue', serviceId: storageId, zone: 'privatelink.queue.${environment().suffixes.storage}' }
  { part: 'table', serviceId: storageId, zone: 'privatelink.table.${environment().suffixes.storage}' }
  { part: 'vault', serviceId: vaultId, zone: 'privatelink.vaultcore.azure.net' }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for way in ways: {
    name: way.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (way, index) in ways: {
    parent: zones[index]
    name: '${name}-${way.part}'
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-10-01' = [
  for way in ways: {
    name: '${name}-${way.part}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        { name: way.part, properties: { privateLinkServiceId: way.serviceId, groupIds: [way.part] } }
      ]
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-10-01' = [
  for (way, index) in ways: {
    parent: endpoints[index]
    name: 'default'
    properties: { privateDnsZoneConfigs: [{ name: way.part, properties: { privateDnsZoneId: zones[index].id } }] }
  }
]
