// Another store of orchestrations than the storage account: managed, with a dashboard, and paid by the action.

@description('Required. Where it is kept.')
param location string

@description('Required. Tags of the scheduler.')
param tags object

@description('Required. Name of the scheduler.')
@minLength(3)
@maxLength(64)
param name string

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: { name: 'Consumption' }
    ipAllowlist: ['0.0.0.0/0'] // by role only; an empty list lets nobody in
  }
}

resource hub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: 'certfleet' // the hubName of host.json
}

@description('Name of the scheduler.')
output name string = scheduler.name

@description('Name of the task hub.')
output hubName string = hub.name

@description('Where orchestrations are asked for.')
output endpoint string = scheduler.properties.endpoint
