// Where the worker's containers run: nothing is paid for while no replica does.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the environment.')
param tags object

@description('Required. Name of the environment.')
@minLength(2)
@maxLength(60)
param name string

@description('Optional. Resource id of the subnet that replicas run in; empty: in no network of ours. An environment keeps what it was made with.')
param subnetId string = ''

resource environment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: { destination: 'azure-monitor' } // by diagnostic settings; the other way wants the workspace's key
    vnetConfiguration: empty(subnetId) ? null : { infrastructureSubnetId: subnetId, internal: true } // nothing dials in
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
    zoneRedundant: false
  }
}

@description('Resource id of the environment.')
output id string = environment.id

@description('Name of the environment.')
output name string = environment.name
